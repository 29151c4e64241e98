"""Messages that are no incident's: edits from outside, the night's summary, a deaf channel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.access import Surface
from bot.alerts.delivery import RenderedMessage
from bot.alerts.incident import Incident
from bot.alerts.mute import QuietHours
from bot.card import Card
from bot.costs.price_changes import price_from
from bot.messages.alert_notes import (
    HopNews,
    NightRow,
    chain_test_card,
    change_marker,
    morning_card,
    night_marker,
    notice_marker,
    outside_note,
    trouble_card,
    untested_card,
)
from bot.messages.cost_budget import (
    BudgetSpent,
    BudgetSwitch,
    budget_notice_card,
    budget_switch_card,
)
from bot.messages.cost_reprice import PriceChangeWords, price_change_card
from bot.messages.elsewhere import pins_left
from bot.messages.reverts import RevertWords, dropped_card, went_back_card
from bot.ports import Change, Json, Revert
from bot.ports.alerts import AlertReason, ChannelTrouble, Notice, NoticeKind
from bot.ports.reloads import PinResult

TELL_TROUBLE_AFTER = timedelta(minutes=1)
"""A surface that is back sooner is not worth a word on the other."""


def outside_notice(change: Change, place: str, now: datetime) -> Notice:
    """Make the notice of an edit by other hands."""
    what = str(change.touched[0].path[-1]) if change.touched else "config"
    data = {"id": change.id, "what": what, "old": change.old, "new": change.new, "place": place}
    return Notice(f"outside:{change.id}", NoticeKind.OUTSIDE, now, data)


def from_outside(changes: Sequence[Change], after: int) -> list[Change]:
    """Return the edits by other hands with a higher id, oldest first."""
    found = [one for one in changes if one.id > after and one.surface == Surface.OUTSIDE]
    return sorted(found, key=lambda one: one.id)


def trouble_notice(trouble: ChannelTrouble, until: datetime | None = None) -> Notice:
    """Make the notice that a surface takes no alerts, or takes them again."""
    micros = round(trouble.since.timestamp() * 1_000_000)
    data = {
        "surface": trouble.surface,
        "since": trouble.since.isoformat(),
        "says": [trouble.message, trouble.hint],
        "until": until.isoformat() if until else None,
    }
    key = f"trouble:{trouble.surface}:{micros}"
    return Notice(key, NoticeKind.TROUBLE, until or trouble.since, data)


def morning_notice(
    incidents: Sequence[Incident], quiet: QuietHours, now: datetime
) -> Notice | None:
    """Make the summary of the night that ended last; None when there was nothing in it."""
    night = quiet.latest(now)
    mine = [one for one in incidents if one.night == night.name]
    if not mine or now < night.end:
        return None
    rows = [
        {
            "id": one.id,
            "primary": one.primary,
            "reason": str(one.reason),
            "opened_at": one.opened_at.isoformat(),
            "ended_at": one.ended_at.isoformat() if one.ended_at else None,
            "requests": one.requests,
        }
        for one in mine
    ]
    data = {"night": night.name, "rows": rows}
    return Notice(f"morning:{night.name}", NoticeKind.MORNING, now, data)


def chain_test_notice(
    hops: Sequence[HopNews],
    would_serve: str | None,
    gone: Sequence[str],
    trouble: tuple[str, str] | None,
    now: datetime,
) -> Notice:
    """Make the notice of a scheduled chain test."""
    data = {
        "hops": [[hop.model, hop.verdict, hop.before, hop.hint] for hop in hops],
        "would_serve": would_serve,
        "gone": list(gone),
        "trouble": list(trouble) if trouble else None,
    }
    return Notice(f"test:{now.isoformat()}", NoticeKind.CHAIN_TEST, now, data)


def revert_notice(
    revert: Revert,
    change: Change,
    change_id: int | None,
    why: str,
    place: str,
    now: datetime,
    pins: Sequence[PinResult] = (),
) -> Notice:
    """Make the notice that a timed switch went back, as a change; or `why` it did not."""
    data = {
        "change": change.id,
        "old": change.old,
        "new": change.new,
        "actor": change.actor_name,
        "place": place,
        "change_id": change_id,
        "why": why,
        "left": pins_left(pins),
    }
    return Notice(f"revert:{revert.id}", NoticeKind.REVERT, now, data)


def unknown_model_notice(
    change: Change,
    change_id: int | None,
    model: str,
    place: str,
    now: datetime,
    pins: Sequence[PinResult] = (),
) -> Notice:
    """Make the notice that a change was reverted since OpenClaw does not know its model."""
    data = {
        "change": change.id,
        "old": change.old,
        "new": change.new,
        "actor": change.actor_name,
        "place": place,
        "change_id": change_id,
        "why": "",
        "unknown": model,
        "left": pins_left(pins),
    }
    return Notice(f"unknown:{change.id}", NoticeKind.REVERT, now, data)


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
        case NoticeKind.BUDGET:
            return RenderedMessage(budget_notice_card(_spent_of(data), mark), mark)
        case NoticeKind.BUDGET_SWITCH:
            return RenderedMessage(budget_switch_card(_switch_of(data), mark), mark)
        case NoticeKind.PRICE:
            return RenderedMessage(price_change_card(_change_of(data), mark), mark)
        case NoticeKind.CHAIN_TEST:
            return RenderedMessage(_test_card(notice.key, data), notice_marker(notice.key))
        case NoticeKind.DIGEST:
            raise ValueError("a digest is gathered from the ledger, not from its notice")


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
