"""An outage in the channel, from its first message to its end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from bot.messages.words import counted, listed, money
from bot.ports.alerts import AlertReason

FAILS: Mapping[str, str] = {
    AlertReason.RATE_LIMIT: "is rate limited",
    AlertReason.SERVER_ERROR: "returns server errors",
    AlertReason.TIMEOUT: "times out",
    AlertReason.AUTH: "rejected the API key",
    AlertReason.NETWORK: "is unreachable",
    AlertReason.BILLING: "is out of credit",
    AlertReason.MODEL_NOT_FOUND: "was not found by its provider",
    AlertReason.BAD_RESPONSE: "returns invalid responses",
    AlertReason.CHAIN_EXHAUSTED: "has no working fallback",
    AlertReason.CONFIG_INVALID: "is invalid",
}

MOST_NAMED = 8
_LEAST_TOLD_USD = Decimal("0.01")
_LONG = timedelta(hours=12)
_SUFFIXES = {1: "st", 2: "nd", 3: "rd"}


@dataclass(frozen=True, slots=True)
class Saving:
    """What rerouting cost more than usual (less: negative) in USD, and that for each hour."""

    so_far_usd: Decimal
    hourly_usd: Decimal | None = None


@dataclass(frozen=True, slots=True)
class DownHopWords:
    """A hop of a dead chain: its failure reason ("" where it cannot be asked), and the details."""

    model: str
    reason: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class IncidentWords:
    """What an incident's cards show.

    `served` are models with their requests, the busiest first. `place` is the busiest's position
    in the chain, of how many. `lost` names what it cannot do that the primary can. `again_at` is
    when the primary is retried. `prices` compares unit prices where the real difference is not
    known. `cut` counts answers that broke off, `models` are all that were asked for, `hops` a
    dead chain's; `down` is for how long it was down. `switch` is a button's label and its
    command. `step` is the fix, `further` what else is wrong down the chain. `calls` are the
    people to mention.
    """

    id: int
    primary: str
    reason: AlertReason
    since: datetime
    now: datetime
    rerouted: int = 0
    refused: int = 0
    cut: int = 0
    models: Sequence[str] = ()
    hops: Sequence[DownHopWords] = ()
    down: timedelta = timedelta()
    served: Sequence[tuple[str, int]] = ()
    began_with: AlertReason | None = None
    says: tuple[str, str] = ("", "")
    good_since: datetime | None = None
    calm: timedelta = timedelta(minutes=5)
    acknowledged: tuple[str, datetime] | None = None
    saving: Saving | None = None
    lost_cache_usd: Decimal = Decimal(0)
    place: tuple[int, int] | None = None
    lost: Sequence[str] = ()
    again_at: datetime | None = None
    prices: str | None = None
    switch: tuple[str, str] | None = None
    step: Text = ()
    further: Sequence[Text] = ()
    calls: Sequence[Person] = ()
    opens: int = 0
    reminder: bool = False
    ended_at: datetime | None = None
    end: str | None = None

    @property
    def subject(self) -> str:
        """What fails, and how, as a sentence without its full stop."""
        if self.reason is AlertReason.CHAIN_EXHAUSTED:
            return f"no fallback for {self._asked} responded"
        if self.reason is AlertReason.CONFIG_INVALID:
            return "the config is invalid"
        if self.reason in (AlertReason.AUTH, AlertReason.BILLING) and len(self.models) > 1:
            return f"{self.primary.partition('/')[0]} {FAILS[self.reason]}"
        return f"{self.primary} {FAILS[self.reason]}"

    @property
    def _asked(self) -> str:
        return self.primary if len(self.models) < 2 else counted(len(self.models), "model")


def marker(incident_id: int) -> str:
    """Return words found in every message of an incident, and in no other's."""
    return f"Incident {incident_id} ·"


def incident_card(words: IncidentWords) -> Card:
    """Return the card of an open incident."""
    loud = words.reason in (
        AlertReason.CHAIN_EXHAUSTED,
        AlertReason.CONFIG_INVALID,
        AlertReason.AUTH,
        AlertReason.BILLING,
    )
    lines = [
        _count_line(words),
        _cut_line(words),
        _models_line(words),
        *_hop_lines(words),
        _money_line(words),
        _cache_line(words),
        _loss_line(words),
        _again_line(words),
        words.step,
        *words.further,
        _good_line(words),
        _acknowledged_line(words),
        _calls(words.calls),
        _foot(words.id),
    ]
    return Card(
        title=_title(words),
        tone=Tone.BAD if loud else Tone.WARNING,
        body=tuple(line for line in lines if line),
        buttons=_buttons(words),
        command="alert",
        data=_data(words, "open"),
    )


def _title(words: IncidentWords) -> Text:
    if words.opens:
        often = f", {_nth(words.opens)} time within an hour"
        return text(Strong("Unstable"), f": {words.subject}{often}")
    if words.reminder:
        changed = words.began_with and words.reason is not AlertReason.CHAIN_EXHAUSTED
        return text(Strong("Now" if changed else "Reminder"), f": {words.subject}")
    if words.reason is AlertReason.CONFIG_INVALID:
        return text(Strong("The config is invalid"))
    dead = words.reason is AlertReason.CHAIN_EXHAUSTED
    cut = words.cut and not words.rerouted and not words.refused
    head = "All models down" if dead else "Answers cut off" if cut else "Fallback"
    return text(Strong(head), f": {words.subject}")


def over_card(words: IncidentWords) -> Card:
    """Return the card of a closed incident, with its totals."""
    ended = words.ended_at or words.now
    down = _spent(words, words.down)
    lasted, rest = f"Down {down}", "."
    if words.reason is AlertReason.CONFIG_INVALID:
        lasted = f"Invalid for {down}"
    elif words.opens:
        lasted, rest = f"Unstable for {_spent(words, ended - words.since)}", f"; down {down}."
    lines = [
        text(f"{lasted}, ", *_from_to(words, ended), rest),
        _sum_line(words),
        _models_line(words),
        _served_line(words),
        _money_line(words, over=True),
        _cache_line(words),
        _acknowledged_line(words),
        _foot(words.id),
    ]
    return Card(
        title=_over_title(words),
        tone=Tone.GOOD if words.end == "recovered" else Tone.NEUTRAL,
        body=tuple(line for line in lines if line),
        command="alert",
        data=_data(words, "resolved"),
    )


def _from_to(words: IncidentWords, ended: datetime) -> tuple[Span, ...]:
    if ended - words.since < timedelta(minutes=1) and ended.minute == words.since.minute:
        return "at ", _when(ended, words)
    return _when(words.since, words), " to ", _when(ended, words)


def _spent(words: IncidentWords, lasted: timedelta) -> str:
    """Say how long that part of it was, in whole minutes as the times beside it show them."""
    minute, ended = timedelta(minutes=1), words.ended_at or words.now
    if lasted < minute:
        return say_duration(max(lasted, timedelta(seconds=1)))
    shown = ended.replace(second=0, microsecond=0) - words.since.replace(second=0, microsecond=0)
    return say_duration(max(shown - (ended - words.since - lasted), minute) // minute * minute)


def ended_card(words: IncidentWords) -> Card:
    """Tell those who were called that it is over, as a reply to its message."""
    lines = (
        text(f"Down {_spent(words, words.down)}. The message above has the figures."),
        _calls(words.calls),
    )
    return Card(
        title=_over_title(words),
        tone=Tone.GOOD if words.end == "recovered" else Tone.NEUTRAL,
        body=tuple(line for line in lines if line),
        command="alert",
        data={"incident": words.id, "end": words.end, "down_s": _seconds(words.down)},
    )


def _over_title(words: IncidentWords) -> Text:
    if words.end == "moved_on":
        return text(Strong("Closed"), f": {words.primary} is no longer the primary")
    if words.end == "silence":
        return text(Strong("Closed"), f": no more requests for {words.primary}")
    match words.reason:
        case AlertReason.CHAIN_EXHAUSTED:
            return text(Strong("Recovered"), f": the chain of {words.primary} responds again")
        case AlertReason.CONFIG_INVALID:
            return text(Strong("Recovered"), ": the config is valid again")
        case _:
            return text(Strong("Recovered"), f": {words.primary} responds again")


def continued_card(words: IncidentWords) -> Card:
    """Point the reader of an older message to the newer one."""
    return Card(
        title=text(Strong("Still open"), f": {words.subject}"),
        tone=Tone.NEUTRAL,
        body=(
            text("See the newer message below."),
            _foot(words.id),
        ),
        command="alert",
        data={"incident": words.id, "state": "continued"},
    )


def _count_line(words: IncidentWords) -> Text:
    since = _when(words.since, words)
    if words.reason is AlertReason.CONFIG_INVALID:
        return text("Since ", since, f": {words.says[0]}")
    total = words.rerouted + words.refused
    if not total:
        return ()
    head: tuple[Span, ...] = (f"{counted(total, 'request')} since ", since)
    if words.reason is AlertReason.CHAIN_EXHAUSTED:
        alone = words.began_with and not words.hops
        began = f" {words.primary} {FAILS[words.began_with or '']}." if alone else ""
        return text(*head, f" {'was' if total == 1 else 'were'} refused.{began}")
    if not words.served:
        return text(*head, f" {'was' if total == 1 else 'were'} rerouted.")
    if len(words.served) > 1:
        return text(*head, ": ", *_shares(words.served), ".")
    place = f" ({_nth(words.place[0])} of {words.place[1]})" if words.place else ""
    was = "was" if total == 1 else "were"
    return text(*head, f" {was} answered by ", Code(words.served[0][0]), f"{place}.")


def _cut_line(words: IncidentWords) -> Text:
    if not words.cut:
        return ()
    since = () if words.rerouted or words.refused else (" since ", _when(words.since, words))
    return text(f"{counted(words.cut, 'answer')}", *since, " cut off in mid-stream.")


def _models_line(words: IncidentWords) -> Text:
    if len(words.models) < 2:
        return ()
    spans: list[Span] = []
    for model in words.models[:MOST_NAMED]:
        spans += [", " if spans else "Models asked: ", Code(model)]
    more = len(words.models) - MOST_NAMED
    return text(*spans, f" and {more} more." if more > 0 else ".")


def _hop_lines(words: IncidentWords) -> list[Text]:
    """Name each hop of a dead chain with its reason."""
    return [
        text(f"{number} ", Code(hop.model), f": {_hop_reason(hop)}")
        for number, hop in enumerate(words.hops[:MOST_NAMED], 1)
    ]


def _hop_reason(hop: DownHopWords) -> str:
    if not hop.reason:
        return f"skipped: {hop.detail}" if hop.detail else "skipped"
    return FAILS[hop.reason]


def _shares(served: Sequence[tuple[str, int]]) -> list[Span]:
    spans: list[Span] = []
    for model, count in served:
        head = f", {count:,} by " if spans else f"{count:,} answered by "
        spans += [head, Code(model)]
    return spans


def _sum_line(words: IncidentWords) -> Text:
    if words.reason is AlertReason.CONFIG_INVALID:
        return ()
    if words.reason is AlertReason.CHAIN_EXHAUSTED:
        return text(f"{counted(words.refused, 'request')} refused.")
    refused = f"{words.refused:,}" if words.refused else "none"
    cut = f", {words.cut:,} cut off" if words.cut else ""
    return text(f"{counted(words.rerouted, 'request')} rerouted, {refused} refused{cut}.")


def _served_line(words: IncidentWords) -> Text:
    return text(*_shares(words.served), ".") if words.served else ()


def _money_line(words: IncidentWords, *, over: bool = False) -> Text:
    saving = words.saving
    if saving is None:
        return text(f"Unit price: {words.prices}.") if words.prices and not over else ()
    if not saving.so_far_usd:
        return text("Same cost as usual.") if over else ()
    so_far = f"{_difference(saving.so_far_usd)} than usual"
    if over:
        return text(f"{so_far}.")
    hourly = saving.hourly_usd
    pace = f", about {_difference(hourly)} an hour" if hourly else ""
    return text(f"{so_far} so far{pace}.")


def _cache_line(words: IncidentWords) -> Text:
    lost = words.lost_cache_usd
    return text(f"Lost prompt cache: about {money(lost)}.") if lost >= _LEAST_TOLD_USD else ()


def _difference(amount_usd: Decimal) -> str:
    return f"{money(abs(amount_usd))} {'less' if amount_usd < 0 else 'more'}"


def _loss_line(words: IncidentWords) -> Text:
    return text(f"Not available meanwhile: {listed(list(words.lost))}.") if words.lost else ()


def _again_line(words: IncidentWords) -> Text:
    if words.again_at is None or words.again_at <= words.now or words.good_since:
        return ()
    return text("Next retry: ", _when(words.again_at, words))


def _good_line(words: IncidentWords) -> Text:
    if words.good_since is None:
        return ()
    return text(
        "Responding since ",
        _when(words.good_since, words),
        f"; closes after {say_duration(words.calm)} without errors.",
    )


def _acknowledged_line(words: IncidentWords) -> Text:
    if words.acknowledged is None:
        return ()
    name, at = words.acknowledged
    if words.end is not None:
        return text(f"Acknowledged by {name}.")
    return text(f"Acknowledged by {name} at ", _when(at, words), ".")


def _calls(people: Sequence[Person]) -> Text:
    spans: list[Span] = []
    for person in people:
        spans += [" ", person] if spans else [person]
    return tuple(spans)


def _foot(incident_id: int) -> Text:
    return text(f"{marker(incident_id)} ", Command("fallback status"))


def _buttons(words: IncidentWords) -> tuple[Button, ...]:
    buttons = []
    if words.reason is not AlertReason.CONFIG_INVALID:
        buttons.append(Button("Test chain", Action("fallback test"), ButtonStyle.PRIMARY))
        if words.switch:
            command = f"{words.switch[1]} reason incident {words.id}"
            buttons.append(Button(f"Switch to {words.switch[0]}", Action(command)))
        one = "" if words.reason is AlertReason.CHAIN_EXHAUSTED else f" {words.primary}"
        buttons.append(Button("Retry now", Action(f"fallback retry{one}")))
    buttons.append(Button("Mute 1 h", Action("fallback mute 1h")))
    if words.acknowledged is None:
        buttons.append(Button("Acknowledge", Action(f"fallback ack {words.id}")))
    return tuple(buttons)


def _seconds(down: timedelta) -> int:
    return round(down.total_seconds())


def _when(at: datetime, words: IncidentWords) -> When:
    near = abs(words.now - at) < _LONG
    return When(at, WhenStyle.TIME if near else WhenStyle.DATE_TIME)


def _nth(number: int) -> str:
    teen = number % 100 in (11, 12, 13)
    return f"{number}{'th' if teen else _SUFFIXES.get(number % 10, 'th')}"


def _data(words: IncidentWords, state: str) -> dict[str, Any]:
    saving = words.saving
    return {
        "incident": words.id,
        "state": state,
        "primary": words.primary,
        "reason": words.reason,
        "opened_at": words.since,
        "ended_at": words.ended_at if state == "resolved" else None,
        "end": words.end if state == "resolved" else None,
        "down_s": _seconds(words.down),
        "models": list(words.models),
        "hops": [{"model": hop.model, "reason": hop.reason or None} for hop in words.hops],
        "requests": words.rerouted + words.refused + words.cut,
        "cut": words.cut,
        "rerouted": words.rerouted,
        "refused": words.refused,
        "served_by": [{"model": model, "requests": count} for model, count in words.served],
        "saving_usd": -saving.so_far_usd if saving else None,
        "saving_usd_per_hour": -saving.hourly_usd if saving and saving.hourly_usd else None,
        "lost_cache_usd": words.lost_cache_usd if saving else None,
        "opens": words.opens or None,
        "acknowledged_by": words.acknowledged[0] if words.acknowledged else None,
    }
