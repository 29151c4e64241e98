"""An outage in the channel, from its first message to its end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from bot.card import (
    Action,
    Button,
    ButtonStyle,
    Card,
    Code,
    Command,
    Link,
    Person,
    Span,
    Strong,
    Text,
    Tone,
    When,
    WhenStyle,
    text,
)
from bot.durations import say_duration
from bot.incident import DownHop, End, Impact, Incident, PageReport, State
from bot.messages.chain import FAILS
from bot.messages.words import counted, listed, money
from bot.outage import AlertReason, down_time

MOST_NAMED = 8
_LEAST_TOLD_USD = Decimal("0.01")
_LONG = timedelta(hours=12)
_SUFFIXES = {1: "st", 2: "nd", 3: "rd"}


def marker(incident_id: int) -> str:
    """Return words found in every message of an incident, and in no other's."""
    return f"Incident {incident_id} ·"


def incident_card(
    incident: Incident, impact: Impact, calls: Sequence[Person], calm: timedelta, now: datetime
) -> Card:
    """Return the card of an open incident.

    `calls` are the people to mention, `calm` is how long without errors ends it.
    """
    lines = [
        _count_line(incident, impact.place, now),
        _cut_line(incident, now),
        _models_line(incident),
        *_hop_lines(incident),
        _money_line(incident, impact.prices),
        _cache_line(incident),
        _loss_line(impact),
        _page_line(incident),
        _again_line(incident, impact.again_at, now),
        impact.step,
        *impact.also,
        _good_line(incident, calm, now),
        _acknowledged_line(incident, now),
        people_of(calls),
        _foot(incident.id),
    ]
    return Card(
        title=_title(incident),
        tone=Tone.BAD if incident.reason.loud else Tone.WARNING,
        body=tuple(line for line in lines if line),
        buttons=_buttons(incident, impact.switch),
        command="alert",
        data=_data(incident, "open", now),
    )


def _page_line(incident: Incident) -> Text:
    """Say what the provider's own status page reports, in its words, and until when."""
    page = incident.page
    if page is None:
        return ()
    since = (" since ", When(page.since, WhenStyle.TIME)) if page.since else ()
    verb = "reports" if page.ended_at is None else "reported"
    over = (", ended ", When(page.ended_at, WhenStyle.TIME)) if page.ended_at else ()
    head = f"{page.provider} {verb} an incident"
    return text(head, *since, *over, f": {page.title} · ", Link("status page", page.url))


def _subject(incident: Incident) -> str:
    """Say what fails, and how, as a sentence without its full stop."""
    models, reason = len(incident.asked), incident.reason
    if reason is AlertReason.CHAIN_EXHAUSTED:
        asked = incident.primary if models < 2 else counted(models, "model")
        return f"no fallback for {asked} responded"
    if reason is AlertReason.CONFIG_INVALID:
        return "the config is invalid"
    if reason.of_provider and models > 1:
        return f"{incident.primary.partition('/')[0]} {FAILS[reason]}"
    return f"{incident.primary} {FAILS[reason]}"


def _title(incident: Incident) -> Text:
    if incident.opens:
        often = f", {_nth(incident.opens)} time within an hour"
        return text(Strong("Unstable"), f": {_subject(incident)}{often}")
    if incident.messages > 1:
        changed = incident.began_with and incident.reason is not AlertReason.CHAIN_EXHAUSTED
        return text(Strong("Now" if changed else "Reminder"), f": {_subject(incident)}")
    if incident.reason is AlertReason.CONFIG_INVALID:
        return text(Strong("The config is invalid"))
    dead = incident.reason is AlertReason.CHAIN_EXHAUSTED
    cut = incident.cut and not incident.rerouted and not incident.refused
    head = "All models down" if dead else "Answers cut off" if cut else "Fallback"
    return text(Strong(head), f": {_subject(incident)}")


def title_of(incident: Incident) -> Text:
    """Return what is broken, or that it is over, in a line."""
    return _over_title(incident) if incident.state is State.RESOLVED else _title(incident)


def over_card(incident: Incident, now: datetime) -> Card:
    """Return the card of a closed incident, with its totals."""
    ended = incident.ended_at or now
    down = _spent(incident, down_time([incident], now), now)
    lasted, rest = f"Down {down}", "."
    if incident.reason is AlertReason.CONFIG_INVALID:
        lasted = f"Invalid for {down}"
    elif incident.opens:
        lasted = f"Unstable for {_spent(incident, ended - incident.opened_at, now)}"
        rest = f"; down {down}."
    lines = [
        text(f"{lasted}, ", *_from_to(incident.opened_at, ended, now), rest),
        _sum_line(incident),
        _models_line(incident),
        _served_line(incident),
        _money_line(incident, None, over=True),
        _cache_line(incident),
        _page_line(incident),
        _acknowledged_line(incident, now),
        _foot(incident.id),
    ]
    return Card(
        title=_over_title(incident),
        tone=Tone.GOOD if incident.end is End.RECOVERED else Tone.NEUTRAL,
        body=tuple(line for line in lines if line),
        command="alert",
        data=_data(incident, "resolved", now),
    )


def _from_to(since: datetime, ended: datetime, now: datetime) -> tuple[Span, ...]:
    if ended - since < timedelta(minutes=1) and ended.minute == since.minute:
        return "at ", _when(ended, now)
    return _when(since, now), " to ", _when(ended, now)


def _spent(incident: Incident, lasted: timedelta, now: datetime) -> str:
    """Say how long that part of it was, in whole minutes as the times beside it show them."""
    minute, since, ended = timedelta(minutes=1), incident.opened_at, incident.ended_at or now
    if lasted < minute:
        return say_duration(max(lasted, timedelta(seconds=1)))
    shown = ended.replace(second=0, microsecond=0) - since.replace(second=0, microsecond=0)
    return say_duration(max(shown - (ended - since - lasted), minute) // minute * minute)


def ended_card(incident: Incident, calls: Sequence[Person], now: datetime) -> Card:
    """Tell those who were called that it is over, as a reply to its message."""
    down = down_time([incident], now)
    lines = (
        text(f"Down {_spent(incident, down, now)}. The message above has the figures."),
        people_of(calls),
    )
    return Card(
        title=_over_title(incident),
        tone=Tone.GOOD if incident.end is End.RECOVERED else Tone.NEUTRAL,
        body=tuple(line for line in lines if line),
        command="alert",
        data={"incident": incident.id, "end": incident.end, "down_s": _seconds(down)},
    )


def _over_title(incident: Incident) -> Text:
    if incident.end is End.MOVED_ON:
        return text(Strong("Closed"), f": {incident.primary} is no longer the primary")
    if incident.end is End.SILENCE:
        return text(Strong("Closed"), f": no more requests for {incident.primary}")
    match incident.reason:
        case AlertReason.CHAIN_EXHAUSTED:
            return text(Strong("Recovered"), f": the chain of {incident.primary} responds again")
        case AlertReason.CONFIG_INVALID:
            return text(Strong("Recovered"), ": the config is valid again")
        case _:
            return text(Strong("Recovered"), f": {incident.primary} responds again")


def continued_card(incident: Incident) -> Card:
    """Point the reader of an older message to the newer one."""
    return Card(
        title=text(Strong("Still open"), f": {_subject(incident)}"),
        tone=Tone.NEUTRAL,
        body=(
            text("See the newer message below."),
            _foot(incident.id),
        ),
        command="alert",
        data={"incident": incident.id, "state": "continued"},
    )


def _count_line(incident: Incident, place: tuple[int, int] | None, now: datetime) -> Text:
    since = _when(incident.opened_at, now)
    if incident.reason is AlertReason.CONFIG_INVALID:
        return text("Since ", since, f": {incident.says[0]}")
    total = incident.rerouted + incident.refused
    if not total:
        return ()
    head: tuple[Span, ...] = (f"{counted(total, 'request')} since ", since)
    if incident.reason is AlertReason.CHAIN_EXHAUSTED:
        alone = incident.began_with and not incident.hops
        began = f" {incident.primary} {FAILS[incident.began_with or '']}." if alone else ""
        return text(*head, f" {'was' if total == 1 else 'were'} refused.{began}")
    if not incident.served:
        return text(*head, f" {'was' if total == 1 else 'were'} rerouted.")
    if len(incident.served) > 1:
        return text(*head, ": ", *_shares(incident), ".")
    where = f" ({_nth(place[0])} of {place[1]})" if place else ""
    was = "was" if total == 1 else "were"
    return text(*head, f" {was} answered by ", Code(incident.served[0][0]), f"{where}.")


def _cut_line(incident: Incident, now: datetime) -> Text:
    if not incident.cut:
        return ()
    alone = not (incident.rerouted or incident.refused)
    since = (" since ", _when(incident.opened_at, now)) if alone else ()
    return text(f"{counted(incident.cut, 'answer')}", *since, " cut off in mid-stream.")


def _models_line(incident: Incident) -> Text:
    if len(incident.asked) < 2:
        return ()
    spans: list[Span] = []
    for model in incident.asked[:MOST_NAMED]:
        spans += [", " if spans else "Models asked: ", Code(model)]
    more = len(incident.asked) - MOST_NAMED
    return text(*spans, f" and {more} more." if more > 0 else ".")


def _hop_lines(incident: Incident) -> list[Text]:
    """Name each hop of a dead chain with its reason."""
    return [
        text(f"{number} ", Code(hop.model), f": {_hop_reason(hop)}")
        for number, hop in enumerate(incident.hops[:MOST_NAMED], 1)
    ]


def _hop_reason(hop: DownHop) -> str:
    if not hop.reason:
        return f"skipped: {hop.detail}" if hop.detail else "skipped"
    return FAILS[hop.reason]


def _shares(incident: Incident) -> list[Span]:
    spans: list[Span] = []
    for model, count in incident.shares:
        head = f", {count:,} by " if spans else f"{count:,} answered by "
        spans += [head, Code(model)]
    return spans


def _sum_line(incident: Incident) -> Text:
    if incident.reason is AlertReason.CONFIG_INVALID:
        return ()
    if incident.reason is AlertReason.CHAIN_EXHAUSTED:
        return text(f"{counted(incident.refused, 'request')} refused.")
    refused = f"{incident.refused:,}" if incident.refused else "none"
    cut = f", {incident.cut:,} cut off" if incident.cut else ""
    return text(f"{counted(incident.rerouted, 'request')} rerouted, {refused} refused{cut}.")


def _served_line(incident: Incident) -> Text:
    return text(*_shares(incident), ".") if incident.served else ()


def _money_line(incident: Incident, prices: str | None, *, over: bool = False) -> Text:
    saving = incident.saving
    if saving is None:
        return text(f"Unit price: {prices}.") if prices else ()
    if not saving.so_far_usd:
        return text("Same cost as usual.") if over else ()
    so_far = f"{_difference(saving.so_far_usd)} than usual"
    if over:
        return text(f"{so_far}.")
    hourly = saving.hourly_usd
    pace = f", about {_difference(hourly)} an hour" if hourly else ""
    return text(f"{so_far} so far{pace}.")


def _cache_line(incident: Incident) -> Text:
    lost = incident.lost_cache_usd
    return text(f"Lost prompt cache: about {money(lost)}.") if lost >= _LEAST_TOLD_USD else ()


def _difference(amount_usd: Decimal) -> str:
    return f"{money(abs(amount_usd))} {'less' if amount_usd < 0 else 'more'}"


def _loss_line(impact: Impact) -> Text:
    return text(f"Not available meanwhile: {listed(list(impact.lost))}.") if impact.lost else ()


def _again_line(incident: Incident, again_at: datetime | None, now: datetime) -> Text:
    if again_at is None or again_at <= now or incident.up_since:
        return ()
    return text("Next retry: ", _when(again_at, now))


def _good_line(incident: Incident, calm: timedelta, now: datetime) -> Text:
    if incident.up_since is None:
        return ()
    return text(
        "Responding since ",
        _when(incident.up_since, now),
        f"; closes after {say_duration(calm)} without errors.",
    )


def _acknowledged_line(incident: Incident, now: datetime) -> Text:
    name, at = incident.acknowledged_by, incident.acknowledged_at
    if not name or not at:
        return ()
    if incident.end is not None:
        return text(f"Acknowledged by {name}.")
    return text(f"Acknowledged by {name} at ", _when(at, now), ".")


def people_of(people: Sequence[Person]) -> Text:
    """Write people's names with blanks between."""
    spans: list[Span] = []
    for person in people:
        spans += [" ", person] if spans else [person]
    return tuple(spans)


def _foot(incident_id: int) -> Text:
    return text(f"{marker(incident_id)} ", Command("fallback status"))


def _buttons(incident: Incident, switch: tuple[str, str] | None) -> tuple[Button, ...]:
    buttons = []
    if incident.reason is not AlertReason.CONFIG_INVALID:
        buttons.append(Button("Test chain", Action("fallback test"), ButtonStyle.PRIMARY))
        if switch:
            command = f"{switch[1]} reason incident {incident.id}"
            buttons.append(Button(f"Switch to {switch[0]}", Action(command)))
        whole = incident.reason is AlertReason.CHAIN_EXHAUSTED
        buttons.append(
            Button("Retry now", Action(f"fallback retry{'' if whole else f' {incident.primary}'}"))
        )
    buttons.append(Button("Mute 1 h", Action("fallback mute 1h")))
    if incident.acknowledged_by is None:
        buttons.append(Button("Acknowledge", Action(f"fallback ack {incident.id}")))
    return tuple(buttons)


def _seconds(down: timedelta) -> int:
    return round(down.total_seconds())


def _when(at: datetime, now: datetime) -> When:
    near = abs(now - at) < _LONG
    return When(at, WhenStyle.TIME if near else WhenStyle.DATE_TIME)


def _nth(number: int) -> str:
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else _SUFFIXES.get(number % 10, 'th')}"


def _data(incident: Incident, state: str, now: datetime) -> dict[str, Any]:
    saving = incident.saving
    return {
        "incident": incident.id,
        "state": state,
        "primary": incident.primary,
        "reason": incident.reason,
        "opened_at": incident.opened_at,
        "ended_at": incident.ended_at if state == "resolved" else None,
        "end": incident.end if state == "resolved" else None,
        "down_s": _seconds(down_time([incident], now)),
        "models": list(incident.asked),
        "hops": [{"model": hop.model, "reason": hop.reason or None} for hop in incident.hops],
        "requests": incident.requests,
        "cut": incident.cut,
        "rerouted": incident.rerouted,
        "refused": incident.refused,
        "served_by": [{"model": model, "requests": count} for model, count in incident.shares],
        "saving_usd": -saving.so_far_usd if saving else None,
        "saving_usd_per_hour": -saving.hourly_usd if saving and saving.hourly_usd else None,
        "lost_cache_usd": incident.lost_cache_usd if saving else None,
        "opens": incident.opens or None,
        "acknowledged_by": incident.acknowledged_by,
        "status_page": _page_data(incident.page),
    }


def _page_data(page: PageReport | None) -> dict[str, Any] | None:
    if page is None:
        return None
    times = {"since": page.since, "ended_at": page.ended_at}
    return {"provider": page.provider, "title": page.title, "url": page.url, **times}
