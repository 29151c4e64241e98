"""What is written down of a request: attempts, the fallback event, the log line, figures."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Protocol

from adapters.gateway.exchange import Exchange, Tried
from bot.costs.pricing import Cost, price_usage, served_price, unit_price
from bot.dialects.options import Used
from bot.models import Dialect, FailureReason, ModelRef, Usage
from bot.ports import Attempt, FallbackEvent, HopFailure, Prices
from bot.routing.echo import without_echo
from bot.routing.router import CANNOT_TAKE, Fate

_log = logging.getLogger("gateway")
_MOST_ASKED = 200
_MOST_SAID = 200
_MOST_HOPS = 20


class Queue(Protocol):
    """Takes rows off the request path."""

    def put(self, attempt: Attempt) -> None:
        """Take an attempt."""
        ...

    def put_event(self, event: FallbackEvent) -> None:
        """Take a fallback event."""
        ...


class Meter(Protocol):
    """Counts for `/metrics`."""

    def attempt(self, attempt: Attempt) -> None:
        """Count an attempt."""
        ...

    def request(self, dialect: Dialect, status: int, seconds: float) -> None:
        """Count a caller's request."""
        ...

    def fallback(self, from_model: str, to_model: str | None, reason: FailureReason) -> None:
        """Count a fallback."""
        ...


@dataclass(slots=True)
class Recorder:
    """Writes down what became of requests; nothing here waits."""

    queue: Queue
    meter: Meter
    prices: Prices
    used: Used = field(default_factory=Used)

    def tell(self, exchange: Exchange) -> None:
        """Write the log lines of a request: a fallback, and an answer that was cut off."""
        if exchange.cut is not None:
            _log.warning("[gateway] Answer cut off: %s (%s)", *_cut(exchange.cut))
        failed, served_by = exchange.walk.first_failure, _served_by(exchange)
        if failed is not None and served_by != exchange.lane.first:
            _log.warning(
                "[gateway] Fallback triggered: %s → %s (%s)",
                failed[0].name,
                served_by or "none",
                failed[1],
            )

    def book(self, exchange: Exchange, caller: str) -> None:
        """Book a request that is over: every attempt, and the fallback if it was one."""
        tried, served_by = exchange.tried, _served_by(exchange)
        self.used.note(exchange.dialect, exchange.body.document.keys(), exchange.at.date())
        behind = served_by != exchange.lane.first
        fallback = behind and served_by is not None
        for number, one in enumerate(tried, 1):
            attempt = self._attempt(exchange, one, number, caller, fallback=fallback)
            self.queue.put(attempt)
            self.meter.attempt(attempt)
        if behind:
            self._fallback(exchange, served_by)
        elif exchange.walk.others_failed:
            # Its caller has the first hop's refusal; nobody else would have served it.
            self._fallback(exchange, None)
        if exchange.cut is not None:
            self._cut_off(exchange, exchange.cut)

    def _fallback(self, exchange: Exchange, served_by: str | None) -> None:
        tried, walk = exchange.tried, exchange.walk
        reason, first = walk.reason(), exchange.lane.first
        if reason is None or first is None:
            return
        hops = _hops(exchange, served_by)
        detail = next((one.detail for one in tried if one.reason), "")
        if exchange.lane.barred:
            detail = next((hop.detail for hop in hops if hop.model == first), "")
        self.meter.fallback(first, served_by, reason)
        event = FallbackEvent(
            at=tried[-1].at if tried else exchange.at,
            request_id=exchange.request_id,
            from_model=first,
            to_model=served_by,
            reason=reason,
            # A provider may repeat the prompt in its error, and prompts are not stored.
            detail=without_echo(detail, exchange.body.texts()),
            asked=any(one.candidate.name == first for one in tried),
            hops=hops,
            alone=exchange.lane.alone,
            unfit=walk.unfit,
            exhausted=walk.others_failed,
        )
        self.queue.put_event(event)

    def _cut_off(self, exchange: Exchange, one: Tried) -> None:
        """Note an answer that broke off, beside the fallback that it may have been."""
        model, reason = _cut(one)
        detail = without_echo(one.detail, exchange.body.texts())
        event = FallbackEvent(
            one.at, exchange.request_id, model, None, reason, detail=detail, cut=True
        )
        self.queue.put_event(event)

    def _attempt(
        self, exchange: Exchange, one: Tried, number: int, caller: str, *, fallback: bool
    ) -> Attempt:
        ref, provider = one.candidate.ref, one.candidate.provider
        view = exchange.tools.live.view
        price = served_price(ref, one.served, provider, view, self.prices, one.at)
        cost = Cost(None)
        if one.usage is not None:
            cost = price_usage(
                one.usage,
                price,
                estimated=one.estimated,
                price_of=lambda name: unit_price(
                    ModelRef(ref.provider, name), provider, view, self.prices, one.at
                ),
            )
        return Attempt(
            at=one.at,
            request_id=exchange.request_id,
            number=number,
            model=ref,
            provider=provider.id,
            usage=one.usage or Usage(),
            asked=exchange.body.model[:_MOST_ASKED],
            served=one.served,
            dialect=str(exchange.dialect),
            caller=caller or None,
            stream=exchange.body.stream,
            status=one.status,
            reason=one.reason,
            answered=one.answered,
            last=number == len(exchange.tried),
            fallback=fallback,
            cost_nano_usd=cost.nano_usd,
            estimated=one.estimated or cost.estimated,
            price=cost.price,
            latency_ms=one.latency_ms,
            first_token_ms=one.first_token_ms,
        )


def _served_by(exchange: Exchange) -> str | None:
    return next((one.candidate.name for one in exchange.tried if one.answered), None)


def _cut(one: Tried) -> tuple[str, FailureReason]:
    return one.candidate.name, one.reason or FailureReason.BAD_RESPONSE


def _hops(exchange: Exchange, served_by: str | None) -> tuple[HopFailure, ...]:
    """Return the hops that did not answer, in the chain's order, with what each said."""
    lane = exchange.lane
    # Kept: it is looked through once a hop.
    texts = list(exchange.body.texts())
    said = {one.candidate.name: one.detail for one in exchange.tried}
    asked = {one.candidate.name for one in exchange.tried}
    found = {}
    for hop, why in lane.skipped:
        name = str(hop.ref or hop.written)
        reason = lane.barred if name == lane.first else None
        found[hop.position] = HopFailure(name, reason, asked=False, detail=why)
    for candidate, fate, reason in exchange.walk.ends():
        name = candidate.name
        if name == served_by:
            continue
        detail = without_echo(said.get(name, ""), texts)[:_MOST_SAID]
        unfit = fate is Fate.REFUSED
        found[candidate.hop.position] = HopFailure(
            name,
            None if unfit else reason,
            asked=name in asked,
            detail=f"{CANNOT_TAKE} ({detail})" if unfit else detail,
        )
    return tuple(found[position] for position in sorted(found)[:_MOST_HOPS])
