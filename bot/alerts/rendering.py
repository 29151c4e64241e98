"""What a message shows now: an incident's card by its state, a notice's by its kind."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bot.alerts.impact import Impacts
from bot.alerts.policy import AlertSettings
from bot.alerts.transitions import DETAILS, END, message_key, read_key
from bot.alerts.trial_notices import trial_card_of
from bot.card import Card, Person
from bot.costs.price_changes import PriceChange, price_from
from bot.incident import Incident, State
from bot.messages.alert_notes import (
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
    continued_card,
    ended_card,
    incident_card,
    marker,
    over_card,
    people_of,
)
from bot.messages.approvals import RequestWords, request_card
from bot.messages.cost_budget import (
    BudgetSpent,
    BudgetSwitch,
    budget_notice_card,
    budget_switch_card,
)
from bot.messages.cost_reprice import price_change_card
from bot.messages.plans import PlanFired, plan_notice_card
from bot.messages.receivers import undelivered_card
from bot.messages.retirement_notice import retirement_card
from bot.messages.reverts import RevertWords, dropped_card, went_back_card
from bot.outage import AlertReason
from bot.ports import Json
from bot.ports.alerts import AlertStore, MessageState, Notice, NoticeKind

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
            return await self._notice(row.key, row.surface)
        incident = await self._store.incident(named[0])
        return None if incident is None else await self._incident(incident, named[1], row, now)

    async def _incident(
        self, incident: Incident, which: str, row: MessageState, now: datetime
    ) -> RenderedMessage | None:
        if which == DETAILS:
            first = RenderedMessage(details_card(incident), below=message_key(incident.id, 1))
            return first if incident.samples else None
        if which == END:
            people = called(incident, self._calls, row.surface)
            below = message_key(incident.id, incident.messages)
            return RenderedMessage(ended_card(incident, people, now), below=below)
        mark = marker(incident.id)
        if int(which) < incident.messages:
            older = RenderedMessage(continued_card(incident), mark)
            return older if row.message else None
        if row.message is None and incident.resolved_at and now - incident.resolved_at > STALE:
            return None
        if incident.state is State.RESOLVED:
            return RenderedMessage(over_card(incident, now), mark, lives=True)
        impact = await self._impacts.of(incident, now)
        calls = calling(incident, self._calls, row.surface)
        card = incident_card(incident, impact, calls, self._settings.calm(incident), now)
        return RenderedMessage(card, mark, lives=True)

    async def _notice(self, key: str, surface: str) -> RenderedMessage | None:
        notice = await self._store.notice(key)
        if notice is not None and notice.kind is NoticeKind.DIGEST:
            return await self._digest(notice)
        calls = [one for one in self._calls if one.surface == surface]
        return draft_of(notice, calls) if notice else None


def calling(incident: Incident, people: Sequence[Person], surface: str) -> list[Person]:
    """Return whom a message calls: the operators, or who acknowledged it once time has passed."""
    if incident.acknowledged_by is None:
        loud = incident.reason.loud
        return [person for person in people if loud and person.surface == surface]
    said, since = incident.last_repeat_at, incident.acknowledged_at
    again = said is not None and since is not None and said > since
    return _owner(incident, surface) if again else []


def called(incident: Incident, people: Sequence[Person], surface: str) -> list[Person]:
    """Return who was called or acknowledged it, and is told of its end."""
    pinged = [person for person in people if incident.pinged and person.surface == surface]
    ids = {person.id for person in pinged}
    return [*pinged, *(owner for owner in _owner(incident, surface) if owner.id not in ids)]


def _owner(incident: Incident, surface: str) -> list[Person]:
    where, _, id_ = incident.acknowledged_key.partition(":")
    known = where == surface and incident.acknowledged_by is not None
    return [Person(surface, id_, incident.acknowledged_by or "", ping=True)] if known else []


def draft_of(notice: Notice, calls: Sequence[Person] = ()) -> RenderedMessage:
    """Return what a notice's message shows; few mention the people of `calls`."""
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
            return RenderedMessage(card, mark, new=data["until"] is None)
        case NoticeKind.MORNING:
            card = morning_card(data["night"], [_night_row(row) for row in data["rows"]])
            return RenderedMessage(card, night_marker(data["night"]))
        case NoticeKind.REVERT:
            card = _revert_card(notice.key, data)
        case NoticeKind.BUDGET | NoticeKind.BUDGET_SWITCH | NoticeKind.PRICE | NoticeKind.PLAN:
            card = _plain_card(notice.kind, data, mark)
        case NoticeKind.RETIREMENT:
            card = retirement_card(data, mark)
        case NoticeKind.APPROVAL:
            card = request_card(_request_of(data), mark, people_of(calls))
        case NoticeKind.CHAIN_TEST:
            card = _test_card(notice.key, data)
        case NoticeKind.TRIAL | NoticeKind.TRIAL_STOPPED:
            card = trial_card_of(notice, mark)
        case NoticeKind.UNDELIVERED:
            at, says = _time(data["at"]), (data["says"][0], data["says"][1])
            assert at is not None
            card = undelivered_card(data["surface"], data["event"], at, says, mark)
        case _:
            raise ValueError(f"no card shows a notice of the kind {notice.kind}")
    return RenderedMessage(card, mark)


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


def _request_of(data: Any) -> RequestWords:
    times = {name: _time(data[name]) for name in ("expires_at", "decided_at")}
    return RequestWords(**{**data, **times})


def _spent_of(data: Any) -> BudgetSpent:
    times = {name: _time(data[name]) for name in ("start", "end", "at")}
    return BudgetSpent(**{**data, **times})


def _switch_of(data: Any) -> BudgetSwitch:
    told = {name: value for name, value in data.items() if name != "refused"}
    return BudgetSwitch(**{**told, "back_at": _time(data["back_at"])})


def _change_of(data: Any) -> PriceChange:
    as_of = date.fromisoformat(data["as_of"]) if data["as_of"] else None
    return PriceChange(
        data["model"],
        price_from(data["old"]),
        price_from(data["new"], data["source"], as_of),
        data["requests"],
        data["before_nano"],
        data["after_nano"],
    )


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
