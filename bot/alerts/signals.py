"""What a fallback event says of the things that may be broken: a model, a key, a whole chain."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.models import FailureReason
from bot.ports import FallbackEvent
from bot.ports.alerts import AlertReason

CHAIN = "chain"
CONFIG = "config"
OWNERS = frozenset({AlertReason.AUTH, AlertReason.BILLING})
"""What concerns a provider's key or account, whichever of its models was asked."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What an event says of one thing that is broken."""

    event: FallbackEvent
    reason: AlertReason

    @property
    def group(self) -> str:
        """The group of the incident it belongs to."""
        return group_of(self.event.from_model, self.reason)


def group_of(model: str, reason: AlertReason) -> str:
    """Return what is broken: the chain, the config, a provider (`anthropic/`) or a model."""
    if reason is AlertReason.CHAIN_EXHAUSTED:
        return CHAIN
    if reason is AlertReason.CONFIG_INVALID:
        return CONFIG
    return provider_of(model) if reason in OWNERS else model


def provider_of(model: str) -> str:
    """Return the part of a model's name that all models of its provider begin with."""
    provider, slash, _ = model.partition("/")
    return provider + slash


def signals_of(event: FallbackEvent) -> list[Signal]:
    """Return what an event says: of the chain or its first hop, and of each key refused.

    A request that went past a first hop in order says nothing of either.
    """
    passed = event.unfit and not event.exhausted
    dead = event.to_model is None and not (event.cut or event.alone or passed)
    found = [Signal(event, AlertReason.CHAIN_EXHAUSTED)] if dead else []
    reason = AlertReason(event.reason)
    if not dead and not event.unfit and (event.cut or not event.hops or reason not in OWNERS):
        found.append(Signal(event, reason))
    for hop in () if event.cut else event.hops:
        counts = hop.asked or hop.model == event.from_model
        if hop.reason in (FailureReason.AUTH, FailureReason.BILLING) and counts:
            of_hop = replace(
                event, from_model=hop.model, reason=hop.reason, asked=hop.asked, detail=hop.detail
            )
            found.append(Signal(of_hop, AlertReason(hop.reason)))
    return found
