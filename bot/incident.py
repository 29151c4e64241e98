"""An incident: something that is broken, as it is counted, decided on and shown.

What is broken is a model, a provider's key or account, a whole chain, or the config.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from bot.card import Text
from bot.outage import AlertReason, Gap

CHAIN = "chain"
CONFIG = "config"
SHORTEST_PACE = timedelta(minutes=15)
"""What an hour would cost is not told from less."""


class State(StrEnum):
    """Where an incident is: not reported yet, reported and open, over."""

    PENDING = "pending"
    OPEN = "open"
    RESOLVED = "resolved"


class End(StrEnum):
    """How an incident ended.

    `recovered`: it answers again; `blip`: so soon that nothing was said; `moved_on`: another
    model is the primary now; `silence`: nobody asked it any more.
    """

    RECOVERED = "recovered"
    BLIP = "blip"
    MOVED_ON = "moved_on"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True, order=True)
class Sample:
    """One of the first events, for the thread; `detail` is what the provider said, redacted."""

    at: datetime
    request_id: str
    to_model: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class DownHop:
    """A hop of a dead chain: what became of it last, and the provider's words."""

    model: str
    reason: str
    at: datetime
    detail: str = ""


@dataclass(frozen=True, slots=True)
class PageReport:
    """An incident on a provider's status page; `ended_at` is when the page stopped reporting it.

    `provider` is its title; `since` is None where the page does not say it.
    """

    provider: str
    title: str
    since: datetime | None
    url: str
    ended_at: datetime | None = None


class Saving(NamedTuple):
    """What rerouting cost more than usual (less: negative) in USD, and that for each hour."""

    so_far_usd: Decimal
    hourly_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Incident:
    """What is known of an outage.

    `models` are those that were asked for, `primary` is the first of them. `cut` counts answers
    that were broken off, `hops` are a dead chain's. `first_reason` is what it began with; `pinged`
    is True once it called somebody, `pinged_at` when last. `gaps` do not count as down.

    `failed_at` is when the primary itself was last asked and failed; later events may only have
    passed it over. `changed` counts what happened to it, `told` is that count when it was last
    told, and `version` counts the tellings. `served` is by model, in the models' order. `good`
    answers are those since `failed_at`. `messages` counts the messages that were opened for it.
    `opens` are the openings within the hour that made it unstable, else 0. `night` names the
    quiet hours in which its first word fell. `replaced` is True while another model stands in its
    place as the primary. `costs_nano_usd` is what rerouting cost more (or less) until
    `costs_until`; None once that cannot be known. `lost_cache_nano_usd` estimates what it
    cost that the fallbacks had no cache of what the primary had. `says` is why a config cannot be
    used, and the step that fixes it. `page` is what the provider's own status page reports.
    """

    primary: str
    reason: AlertReason
    opened_at: datetime
    last_event_at: datetime
    failed_at: datetime | None = None
    id: int = 0
    revision: int = 0
    state: State = State.PENDING
    rerouted: int = 0
    refused: int = 0
    cut: int = 0
    models: tuple[str, ...] = ()
    hops: tuple[DownHop, ...] = ()
    first_reason: AlertReason | None = None
    pinged: bool = False
    gaps: tuple[Gap, ...] = ()
    served: tuple[tuple[str, int], ...] = ()
    samples: tuple[Sample, ...] = ()
    seen: tuple[int, ...] = field(default=(), compare=False, repr=False)
    changed: int = 0
    told: int = 0
    version: int = 0
    good: int = 0
    good_since: datetime | None = None
    held: bool = False
    night: str = ""
    announced_at: datetime | None = None
    last_edit_at: datetime | None = None
    last_repeat_at: datetime | None = None
    messages: int = 0
    acknowledged_by: str | None = None
    acknowledged_key: str = ""
    acknowledged_at: datetime | None = None
    opens: int = 0
    was_primary: bool | None = None
    replaced: bool = False
    resolved_at: datetime | None = None
    ended_at: datetime | None = None
    end: End | None = None
    costs_nano_usd: int | None = 0
    costs_until: datetime | None = None
    lost_cache_nano_usd: int = 0
    says: tuple[str, str] = ("", "")
    page: PageReport | None = None

    @property
    def requests(self) -> int:
        """How many requests it touched."""
        return self.rerouted + self.refused + self.cut

    @property
    def group(self) -> str:
        """What is broken; of two incidents that go on, no two have the same."""
        return group_of(self.primary, self.reason)

    @property
    def up_since(self) -> datetime | None:
        """Since when it answers again; None while it is down."""
        if self.state is State.RESOLVED:
            return self.ended_at
        return self.good_since if self.good else None

    @property
    def served_by(self) -> str | None:
        """The model that answered most of them."""
        return max(self.served, key=lambda pair: (pair[1], pair[0]))[0] if self.served else None

    @property
    def bad_at(self) -> datetime:
        """When it failed last, as far as that is known."""
        return self.failed_at or self.opened_at

    @property
    def unstable(self) -> bool:
        """True when it stands for the ups and downs of an hour."""
        return bool(self.opens)

    @property
    def announced(self) -> bool:
        """True when a first word was said."""
        return self.announced_at is not None

    @property
    def asked(self) -> tuple[str, ...]:
        """The models that were asked for; the primary alone where an older release kept none."""
        return self.models or (self.primary,)

    @property
    def shares(self) -> Sequence[tuple[str, int]]:
        """The models that answered with their requests, the busiest first."""
        return sorted(self.served, key=lambda pair: (-pair[1], pair[0]))

    @property
    def began_with(self) -> AlertReason | None:
        """Why the first model of a dead chain failed, or what it began with, if with another."""
        if self.reason is AlertReason.CHAIN_EXHAUSTED:
            return AlertReason(self.samples[0].reason) if self.samples else None
        return self.first_reason if self.first_reason is not self.reason else None

    @property
    def saving(self) -> Saving | None:
        """What rerouting cost more, and its pace where that can be known; None when unknown."""
        if self.costs_nano_usd is None or self.costs_until is None:
            return None
        so_far_usd = Decimal(self.costs_nano_usd).scaleb(-9)
        spent = self.costs_until - self.opened_at
        if spent < SHORTEST_PACE:
            return Saving(so_far_usd)
        instant = timedelta(microseconds=1)
        return Saving(so_far_usd, so_far_usd / (Decimal(spent // instant) / (3600 * 10**6)))

    @property
    def lost_cache_usd(self) -> Decimal:
        """What it cost that the fallbacks had no cache, an estimate."""
        return Decimal(self.lost_cache_nano_usd).scaleb(-9)


def group_of(model: str, reason: AlertReason) -> str:
    """Return what is broken: the chain, the config, a provider (`anthropic/`) or a model."""
    if reason is AlertReason.CHAIN_EXHAUSTED:
        return CHAIN
    if reason is AlertReason.CONFIG_INVALID:
        return CONFIG
    return provider_of(model) if reason.of_provider else model


def provider_of(model: str) -> str:
    """Return the part of a model's name that all models of its provider begin with."""
    provider, slash, _ = model.partition("/")
    return provider + slash


@dataclass(frozen=True, slots=True)
class Impact:
    """What the config and the cool-downs say of a primary's chain.

    `place` is the busiest fallback's position in the chain, of how many; `lost` names what it
    cannot do that the primary can. `again_at` is when the primary is retried. `prices` compares
    unit prices where the real difference is not known. `switch` is a button's label and its
    command, `step` the fix, `also` what else is wrong down the chain.
    """

    place: tuple[int, int] | None = None
    lost: tuple[str, ...] = ()
    again_at: datetime | None = None
    prices: str | None = None
    switch: tuple[str, str] | None = None
    step: Text = ()
    also: tuple[Text, ...] = ()
