"""What a message shows now: an incident's card by its state, a notice's by its kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.alerts.impact import Impact, Impacts
from bot.alerts.incident import Incident, State
from bot.alerts.mute import LOUD
from bot.alerts.outage_cost import saving_of
from bot.alerts.policy import AlertSettings
from bot.alerts.record import incident_of
from bot.alerts.transitions import DETAILS, END, message_key, read_key
from bot.card import Card, Person
from bot.costs.price_changes import price_from
from bot.costs.pricing import usd
from bot.messages.alert_notes import (
    FirstEvent,
    HopNews,
    NightRow,
    chain_test_card,
    change_marker,
    details_card,
    morning_card,
    night_marker,
    notice_marker,
    outside_note,
    trouble_card,
    untested_card,
)
from bot.messages.alerts import (
    DownHopWords,
    IncidentWords,
    continued_card,
    ended_card,
    incident_card,
    marker,
    over_card,
)
from bot.messages.cost_budget import (
    BudgetSpent,
    BudgetSwitch,
    budget_notice_card,
    budget_switch_card,
)
from bot.messages.cost_reprice import PriceChangeWords, price_change_card
from bot.messages.plans import PlanFired, plan_notice_card
from bot.messages.reverts import RevertWords, dropped_card, went_back_card
from bot.outage import down_time
from bot.ports import Json
from bot.ports.alerts import AlertReason, AlertStore, MessageState, Notice, NoticeKind
from bot.routing.redact import redact

STALE = timedelta(hours=24)
"""A surface that took nothing for so long does not get what is over."""


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """What a message is to show.

    `marker` are words that no other message has, None for an answer, which `below` names the
    message of. `lives` is True for a message that is posted afresh when it is gone, `new` False
    for one that only takes another's place. `patience` is how long a channel that cannot be read
    is asked whether an interrupted post is there.
    """

    card: Card
    marker: str | None = None
    lives: bool = False
    new: bool = True
    below: str | None = None
    patience: timedelta = timedelta()


WriteDigest = Callable[[Notice], Awaitable[RenderedMessage | None]]
"""Gathers a digest when it is to be posted; None when there is nothing to say any more."""


async def no_digest(_: Notice) -> None:
    """Gather none."""


class Renderer:
    """Renders what a message's row asks for, as things are now."""

    def __init__(
        self,
        store: AlertStore,
        impacts: Impacts,
        calls: Sequence[Person],
        digest: WriteDigest,
        settings: AlertSettings,
    ) -> None:
        self._store = store
        self._impacts = impacts
        self._calls = calls
        self._digest = digest
        self._settings = settings

    async def render(self, row: MessageState, now: datetime) -> RenderedMessage | None:
        """Return what a message shows now; None when it has nothing to say any more."""
        named = read_key(row.key)
        if named is None:
            return await self._notice(row.key)
        record = await self._store.incident(named[0])
        if record is None:
            return None
        incident, which = incident_of(record), named[1]
        if which == DETAILS:
            details = first_events(incident)
            below = message_key(incident.id, 1)
            return RenderedMessage(details, below=below) if details else None
        if which == END:
            people = called(incident, self._calls, row.surface)
            below = message_key(incident.id, incident.messages)
            return RenderedMessage(end_card(incident, people, now), below=below)
        mark = marker(incident.id)
        if int(which) < incident.messages:
            older = RenderedMessage(older_card(incident, self._settings, now), mark)
            return older if row.message else None
        if row.message is None and incident.resolved_at and now - incident.resolved_at > STALE:
            return None
        over = incident.state is State.RESOLVED
        impact = Impact() if over else await self._impacts.look(incident, now)
        calls = calling(incident, self._calls, row.surface)
        card = present_card(incident, impact, calls, self._settings, now)
        return RenderedMessage(card, mark, lives=True)

    async def _notice(self, key: str) -> RenderedMessage | None:
        notice = await self._store.notice(key)
        if notice is not None and notice.kind is NoticeKind.DIGEST:
            return await self._digest(notice)
        return draft_of(notice) if notice else None


def present_card(
    incident: Incident,
    outlook: Impact,
    calls: Sequence[Person],
    settings: AlertSettings,
    now: datetime,
) -> Card:
    """Return what the incident's newest message shows."""
    words = words_of(incident, outlook, calls, settings, now)
    return over_card(words) if incident.state is State.RESOLVED else incident_card(words)


def older_card(incident: Incident, settings: AlertSettings, now: datetime) -> Card:
    """Return what a message shows that a newer one has taken over from."""
    return continued_card(words_of(incident, Impact(), (), settings, now))


def first_events(incident: Incident) -> Card | None:
    """Return the details below the first message, if there are any."""
    if not incident.samples:
        return None
    events = [
        FirstEvent(
            one.at, one.request_id, one.to_model or None, one.reason, redact(one.detail).strip()
        )
        for one in incident.samples
    ]
    return details_card(incident.id, incident.primary, events)


def calling(incident: Incident, people: Sequence[Person], surface: str) -> list[Person]:
    """Return whom a message calls: the operators, or who acknowledged it once time has passed."""
    if incident.acknowledged_by is None:
        loud = incident.reason in LOUD
        return [one for one in people if one.surface == surface] if loud else []
    said, since = incident.last_repeat_at, incident.acknowledged_at
    again = said is not None and since is not None and said > since
    return _owner(incident, surface) if again else []


def called(incident: Incident, people: Sequence[Person], surface: str) -> list[Person]:
    """Return who was called or acknowledged it, and is told of its end."""
    pinged = [one for one in people if one.surface == surface] if incident.pinged else []
    owner = [one for one in _owner(incident, surface) if all(one.id != p.id for p in pinged)]
    return [*pinged, *owner]


def _owner(incident: Incident, surface: str) -> list[Person]:
    where, _, id_ = incident.acknowledged_key.partition(":")
    known = where == surface and incident.acknowledged_by is not None
    return [Person(surface, id_, incident.acknowledged_by or "", ping=True)] if known else []


def end_card(incident: Incident, people: Sequence[Person], now: datetime) -> Card:
    """Return what those are told who were called."""
    return ended_card(words_of(incident, Impact(), people, AlertSettings(), now))


def words_of(
    incident: Incident,
    outlook: Impact,
    calls: Sequence[Person],
    settings: AlertSettings,
    now: datetime,
) -> IncidentWords:
    """Put an incident and its outlook together."""
    who, since = incident.acknowledged_by, incident.acknowledged_at
    return IncidentWords(
        id=incident.id,
        primary=incident.primary,
        reason=incident.reason,
        since=incident.opened_at,
        now=now,
        rerouted=incident.rerouted,
        refused=incident.refused,
        cut=incident.cut,
        models=incident.models or (incident.primary,),
        hops=[DownHopWords(one.model, one.reason, one.detail) for one in incident.hops],
        down=down_time([incident], now),
        served=sorted(incident.served, key=lambda pair: (-pair[1], pair[0])),
        began_with=_began_with(incident),
        says=incident.says,
        good_since=incident.good_since if incident.good else None,
        calm=settings.unstable_within if incident.unstable else settings.recover_after,
        acknowledged=(who, since) if who and since else None,
        saving=saving_of(incident),
        lost_cache_usd=usd(incident.lost_cache_nano_usd),
        place=outlook.place,
        lost=outlook.lost,
        again_at=outlook.again_at,
        prices=outlook.prices,
        switch=outlook.switch,
        step=outlook.step,
        further=outlook.further,
        calls=tuple(calls),
        opens=incident.opens,
        reminder=incident.messages > 1,
        ended_at=incident.ended_at,
        end=incident.end,
    )


def _began_with(incident: Incident) -> AlertReason | None:
    """Return why the first model of a dead chain failed, or what an outage began with."""
    if incident.reason is not AlertReason.CHAIN_EXHAUSTED:
        first = incident.first_reason
        return first if first is not incident.reason else None
    return AlertReason(incident.samples[0].reason) if incident.samples else None


def draft_of(notice: Notice) -> RenderedMessage:
    """Return what a notice's message shows."""
    data: Any = notice.data
    mark = notice_marker(notice.key)
    match notice.kind:
        case NoticeKind.OUTSIDE:
            card = outside_note(data["id"], data["what"], data["old"], data["new"], data["place"])
            return RenderedMessage(card, change_marker(data["id"]))
        case NoticeKind.TROUBLE:
            says = (data["says"][0], data["says"][1])
            since = _time(data["since"])
            assert since is not None
            card = trouble_card(notice.key, data["surface"], since, says, _time(data["until"]))
            # Where nobody was told that it is deaf, that it hears again is no news.
            return RenderedMessage(card, notice_marker(notice.key), new=data["until"] is None)
        case NoticeKind.MORNING:
            card = morning_card(data["night"], [_night_row(row) for row in data["rows"]])
            return RenderedMessage(card, night_marker(data["night"]))
        case NoticeKind.REVERT:
            return RenderedMessage(_revert_card(notice.key, data), notice_marker(notice.key))
        case NoticeKind.BUDGET | NoticeKind.BUDGET_SWITCH | NoticeKind.PRICE | NoticeKind.PLAN:
            return RenderedMessage(_plain_card(notice.kind, data, mark), mark)
        case NoticeKind.CHAIN_TEST:
            return RenderedMessage(_test_card(notice.key, data), notice_marker(notice.key))
        case NoticeKind.DIGEST:
            raise ValueError("a digest is gathered from the ledger, not from its notice")


def _plain_card(kind: NoticeKind, data: Any, mark: str) -> Card:
    if kind is NoticeKind.BUDGET:
        return budget_notice_card(_spent_of(data), mark)
    if kind is NoticeKind.BUDGET_SWITCH:
        return budget_switch_card(_switch_of(data), mark)
    if kind is NoticeKind.PRICE:
        return price_change_card(_change_of(data), mark)
    return plan_notice_card(PlanFired(**{**data, "until": _time(data.get("until"))}), mark)


def _revert_card(key: str, data: Any) -> Card:
    words = RevertWords(
        data["change"], data["old"], data["new"], data["actor"], data["place"], notice_marker(key)
    )
    if data["why"]:
        return dropped_card(words, data["why"])
    unknown, left = data.get("unknown", ""), data.get("left", ())
    return went_back_card(words, data["change_id"], unknown, left)


def _spent_of(data: Any) -> BudgetSpent:
    times = {name: _time(data[name]) for name in ("start", "end", "at")}
    return BudgetSpent(**{**data, **times})


def _switch_of(data: Any) -> BudgetSwitch:
    told = {name: value for name, value in data.items() if name != "refused"}
    return BudgetSwitch(**{**told, "back_at": _time(data["back_at"])})


def _change_of(data: Any) -> PriceChangeWords:
    old, new = price_from(data["old"]), price_from(data["new"])
    return PriceChangeWords(**{**data, "old": old, "new": new})


def _test_card(key: str, data: Any) -> Card:
    if data["trouble"]:
        return untested_card(key, data["trouble"][0], data["trouble"][1])
    hops = [HopNews(*row) for row in data["hops"]]
    return chain_test_card(key, hops, data["would_serve"], data["gone"])


def _night_row(row: Json) -> NightRow:
    opened_at = _time(row["opened_at"])
    assert opened_at is not None
    return NightRow(
        row["id"],
        row["primary"],
        AlertReason(row["reason"]),
        opened_at,
        _time(row["ended_at"]),
        row["requests"],
    )


def _time(written: str | None) -> datetime | None:
    return None if written is None else datetime.fromisoformat(written).astimezone(UTC)
