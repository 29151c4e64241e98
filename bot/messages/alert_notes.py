"""Other alerts: first events, the night's summary, an unreachable channel, a chain test."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot.card import (
    Action,
    Button,
    Card,
    Caution,
    Code,
    Column,
    Command,
    Span,
    Strong,
    Table,
    Text,
    Tone,
    When,
    WhenStyle,
    spans_of,
    text,
)
from bot.durations import say_duration, shorten
from bot.incident import Incident
from bot.messages.chain import FAILS, REASONS
from bot.messages.model import value
from bot.messages.receivers import is_receiver, surface_title
from bot.messages.words import counted
from bot.models import FailureReason
from bot.outage import AlertReason
from bot.ports import Json
from bot.routing.redact import redact
from bot.spans import Marker, recalled

LONGEST_DETAIL = 400


def details_card(incident: Incident) -> Card:
    """Show the first events and each distinct response of the providers."""
    lines: list[Text] = []
    said: dict[str, None] = {}
    events = []
    for first in incident.samples:
        detail = redact(first.detail).strip()
        answered = ("answered by ", Code(first.to_model))
        lines.append(
            text(
                When(first.at, WhenStyle.DATE_TIME),
                f" {REASONS[FailureReason(first.reason)]}, ",
                *(answered if first.to_model else ("no model answered",)),
                " (request ",
                Code(shorten(first.request_id, 40)),
                ")",
            )
        )
        if detail:
            said[detail] = None
        events.append(
            {
                "at": first.at,
                "request_id": first.request_id,
                "to": first.to_model or None,
                "reason": first.reason,
                "detail": detail or None,
            }
        )
    lines += [text("Provider response: ", Code(shorten(detail, LONGEST_DETAIL))) for detail in said]
    return Card(
        title=text("First events of ", Strong(incident.primary)),
        body=(
            *lines,
            text(f"Details of incident {incident.id}. ", Command("fallback events 1h")),
        ),
        command="alert",
        data={"incident": incident.id, "events": events},
    )


@dataclass(frozen=True, slots=True)
class NightRow:
    """One outage of the quiet hours; `ended_at` None while it is open."""

    id: int
    primary: str
    reason: AlertReason
    opened_at: datetime
    ended_at: datetime | None
    requests: int


def night_marker(night: str) -> str:
    """Return words found in the summary of one night alone."""
    return f"Night of {night} ·"


def morning_card(night: str, rows: Sequence[NightRow]) -> Card:
    """Sum the quiet hours up."""
    going_on = sum(row.ended_at is None for row in rows)
    tail = f", {going_on} still open" if going_on else ", all closed"
    columns = (
        Column("outage"),
        Column("from"),
        Column("to"),
        Column("requests", right=True),
    )
    return Card(
        title=text(Strong("Quiet hours"), f": {counted(len(rows), 'outage')}{tail}"),
        tone=Tone.WARNING if going_on else Tone.NEUTRAL,
        body=(text(f"{night_marker(night)} ", Command("fallback events 12h")),),
        table=Table(
            columns,
            tuple(
                (
                    text(f"{row.primary} {FAILS[row.reason]}"),
                    text(When(row.opened_at)),
                    text(When(row.ended_at) if row.ended_at else "still open"),
                    text(f"{row.requests:,}"),
                )
                for row in rows
            ),
        ),
        command="alert",
        data={
            "night": night,
            "incidents": [
                {
                    "id": row.id,
                    "primary": row.primary,
                    "reason": row.reason,
                    "opened_at": row.opened_at,
                    "ended_at": row.ended_at,
                    "requests": row.requests,
                }
                for row in rows
            ],
        },
    )


def notice_marker(key: str) -> str:
    """Return words found in the message of one notice alone."""
    return f"Notice {hashlib.sha256(key.encode()).hexdigest()[:8]} ·"


def maybe_twice(card: Card) -> Card:
    """Say that an earlier, interrupted post of a message may have arrived too."""
    words = "An earlier post of this message was interrupted, so it may appear twice."
    return replace(card, warnings=(*card.warnings, Caution("maybe_twice", words)))


def trouble_card(
    key: str, surface: str, since: datetime, says: tuple[str, str], until: datetime | None
) -> Card:
    """Say on one surface that alerts do not reach another, or reach it again."""
    name, program = surface_title(surface), is_receiver(surface)
    foot = text(Marker(f"{notice_marker(key)} "), Command("doctor", program=True))
    if until is not None:
        return Card(
            title=text("Alerts reach ", Strong(name), " again"),
            tone=Tone.GOOD,
            body=(
                text(
                    f"No alerts were delivered for {say_duration(until - since)}, since ",
                    When(since, WhenStyle.DATE_TIME),
                    ". What waited is sent now."
                    if program
                    else ". Open incidents are posted there now.",
                ),
                foot,
            ),
            command="alert",
            data={"surface": surface, "since": since, "until": until},
        )
    return Card(
        title=text("Alerts do not reach ", Strong(name)),
        tone=Tone.BAD,
        body=tuple(
            line
            for line in (
                text("Since ", When(since, WhenStyle.DATE_TIME), f": {says[0]}"),
                recalled(says[1]),
                () if program else text("Until this is fixed, alerts are posted only here."),
                foot,
            )
            if line
        ),
        command="alert",
        data={"surface": surface, "since": since, "until": None, "message": says[0]},
    )


def change_marker(change_id: int) -> str:
    """Return words found in the message about one change alone."""
    return f"Change {change_id} ·"


def outside_note(change_id: int, what: str, old: Json, new: Json, place: str) -> Card:
    """Report an edit of the config made outside Changeover, with its number in history."""
    return Card(
        title=text(Strong("Config changed outside Changeover")),
        tone=Tone.CHANGE,
        body=(
            text(f"{what}: ", Code(value(old)), " → ", Code(value(new))),
            text(f"{change_marker(change_id)} ", Command("model history")),
        ),
        footer=text(place),
        command="config outside",
        data={"old": old, "new": new, "change_id": change_id},
    )


@dataclass(frozen=True, slots=True)
class HopNews:
    """A hop's verdict in a chain test and in the one before: None if new, "" if that was none."""

    model: str
    verdict: str
    before: str | None
    hint: str = ""


def chain_test_card(
    key: str, hops: Sequence[HopNews], would_serve: str | None, gone: Sequence[str]
) -> Card:
    """Say how a scheduled test of the chain differs from the last."""
    good = sum(hop.verdict == "ok" for hop in hops)
    of = f"of {counted(len(hops), 'hop')} answered"
    if good == len(hops):
        head, tone = f"OK, {good} {of}", Tone.GOOD
    elif would_serve:
        head, tone = f"degraded, {good} {of}", Tone.WARNING
    else:
        head, tone = f"down, none {of}", Tone.BAD
    lines = [_hop_line(hop) for hop in hops if hop.verdict != "ok" or hop.before not in ("ok", "")]
    lines += [text(Code(model), " is no longer in the chain.") for model in gone]
    serves: Text = (
        text("A request now would be served by ", Code(would_serve), ".")
        if would_serve
        else text("A request now would be refused.")
    )
    return Card(
        title=text(Strong("Scheduled chain test"), f": {head}"),
        tone=tone,
        body=(*lines, serves, _test_foot(key)),
        buttons=(Button("Test again", Action("fallback test")),),
        command="alert",
        data={
            "chain_ok": good == len(hops),
            "would_serve": would_serve,
            "hops": [
                {"model": hop.model, "verdict": hop.verdict, "before": hop.before or None}
                for hop in hops
            ],
            "gone": list(gone),
        },
    )


def untested_card(key: str, why: str, hint: str) -> Card:
    """Say that a scheduled test could not run."""
    return Card(
        title=text(Strong("Scheduled chain test"), ": could not run"),
        tone=Tone.BAD,
        body=(*filter(None, (spans_of(why), recalled(hint))), _test_foot(key)),
        command="alert",
        data={"chain_ok": False, "would_serve": None, "hops": [], "gone": []},
    )


def _test_foot(key: str) -> Text:
    return text(Marker(f"{notice_marker(key)} "), Command("fallback test"))


def _hop_line(hop: HopNews) -> Text:
    now = _verdict(hop.verdict)
    spans: list[Span] = [Code(hop.model), f": {now}"]
    if hop.before is None:
        spans.append(" (new in the chain)")
    elif hop.before == hop.verdict:
        spans.append(" (unchanged)")
    elif hop.before:
        spans.append(f" (was: {_verdict(hop.before)})")
    spans.append(".")
    if hop.hint and hop.verdict != "ok":
        spans += [" ", *recalled(hop.hint)]
    return tuple(spans)


def _verdict(verdict: str) -> str:
    try:
        return REASONS[FailureReason(verdict)]
    except ValueError:
        return verdict
