"""The cards of /model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from bot.access import Actor
from bot.card import (
    Action,
    Button,
    ButtonStyle,
    Card,
    Caution,
    Code,
    Command,
    Menu,
    Span,
    Strong,
    Text,
    Tone,
    Visibility,
    When,
    WhenStyle,
    text,
)
from bot.durations import say_duration
from bot.messages.chain import FAILS, headline, line
from bot.messages.words import (
    change_in_price,
    counted,
    per_million,
)
from bot.models import ModelFacts, ModelRef, Price
from bot.ports import Change, IncidentRow
from bot.ports.reloads import Confirmation, ReloadOutcome
from bot.routing.chain import Hop

ACTIONS = {
    "use": "switched the primary",
    "fallback": "set the preset chain",
    "strategy": "set a strategy",
    "preset": "set a preset",
    "preset remove": "removed a preset",
    "undo": "undid a change",
    "revert": "reverted a timed switch",
    "set": "set the chain",
    "add": "added a fallback",
    "remove": "removed a fallback",
    "off": "cleared the chain",
    "budget": "switched: budget used up",
    "plan": "switched by plan",
    "import": "imported a config",
    "restore": "restored a revision",
    "edit": "edited the file directly",
}


def value(json_value: Any) -> str:
    """Write a headline value: a model, a chain, or nothing."""
    if json_value is None:
        return "none"
    if isinstance(json_value, list):
        # Not with arrows: one stands between the old chain and the new.
        return ", ".join(str(item) for item in json_value) or "empty"
    if isinstance(json_value, dict):
        return ", ".join(f"{key} ({alias})" if alias else key for key, alias in json_value.items())
    return str(json_value)


def change_line(change: Change) -> Text:
    """Write one row of history as a sentence."""
    spans: list[Span] = [
        When(change.at, WhenStyle.DATE_TIME),
        f" by {change.actor_name}: {value(change.old)} → {value(change.new)}",
    ]
    if change.reason:
        spans.append(f", “{change.reason}”")
    return tuple(spans)


def pending_line(due_at: datetime, to: str, now: datetime) -> Text:
    """Say when a timed switch is reverted."""
    left = say_duration(due_at - now)
    return text(
        "Reverts to ",
        Code(to),
        " at ",
        When(due_at, WhenStyle.DATE_TIME),
        f" (in {left})." if due_at > now else " (overdue).",
    )


def incident_line(row: IncidentRow) -> Text:
    """Say that an incident is open, and who acknowledged it."""
    held = row.state == "pending"
    head = f"Incident {row.id} (alert held back)" if held else f"Open incident {row.id}"
    fails = FAILS.get(row.reason, f"fails ({row.reason})")
    served = f", answered by {row.served_by}" if row.served_by else ""
    acknowledged = f" Acknowledged by {row.acknowledged_by}." if row.acknowledged_by else ""
    return text(
        f"{head}: {row.primary} {fails} since ",
        When(row.opened_at),
        f", {counted(row.requests, 'request')}{served}.{acknowledged}",
    )


@dataclass(frozen=True, slots=True)
class StatusWords:
    """What the status card shows."""

    hops: Sequence[Hop]
    prices: dict[ModelRef, Price | None]
    last_change: Change | None
    pending: tuple[datetime, str] | None
    incidents: Sequence[IncidentRow]
    warnings: tuple[Caution, ...]
    place: str
    agent: str | None
    now: datetime
    front: str | None = None
    plans: tuple[Text, ...] = ()
    trial: Text = ()
    choices: Sequence[tuple[str, ModelRef, Price | None]] = ()


def picker(words: StatusWords) -> Menu | None:
    """Offer each preset and alias that is not the primary already."""
    agent = f" agent {words.agent}" if words.agent else ""
    options = tuple(
        Button(name, Action(f"model use {name}{agent}"), note=f"{ref} · {per_million(price)}")
        for name, ref, price in words.choices
    )
    return Menu("Switch to a preset or alias", options, "/model list") if options else None


def status_card(words: StatusWords, data: dict[str, Any]) -> Card:
    """Show primary, chain, last change, what is pending and what is wrong."""
    first = words.hops[0] if words.hops and words.hops[0].position == 0 else None
    body: list[Text] = [
        line(hop, words.hops, words.now, words.prices.get(hop.ref) if hop.ref else None)
        for hop in words.hops
    ]
    if words.front:
        body.append(
            text("OpenClaw uses ", Code(words.front), ": Changeover's gateway, with this chain.")
        )
    if words.trial:
        body.append(words.trial)
    body += [incident_line(row) for row in words.incidents]
    if words.pending:
        body.append(pending_line(*words.pending, words.now))
    body += words.plans
    if words.last_change:
        body.append(("Changed ", *change_line(words.last_change)))
    price = words.prices.get(first.ref) if first and first.ref else None
    title = headline(first, price)
    if words.agent:
        title = (f"Agent {words.agent}: ", *title)
    return Card(
        title=title,
        tone=Tone.WARNING if troubled(words.warnings) else Tone.NEUTRAL,
        body=tuple(body),
        warnings=words.warnings,
        buttons=(
            Button("Test chain", Action("fallback test")),
            *(
                Button(f"Switch to {name}", Action(f"model {name}"))
                for name in ("best", "cheap")
                if first is None or first.preset != name
            ),
        ),
        menu=picker(words),
        footer=text(words.place),
        data=data,
    )


def troubled(warnings: Sequence[Caution]) -> bool:
    """Return whether something is wrong; what a fallback cannot do is no fault."""
    return any(caution.code != "loses" for caution in warnings)


@dataclass(frozen=True, slots=True)
class ChangeWords:
    """What a change card shows.

    `what` names the thing (`Primary`, `Chain`, `Preset cheap`); `old_price` and `new_price` are
    for a primary only.
    """

    what: str
    old: Any
    new: Any
    actor: Actor
    reason: str
    change_id: int | None
    old_name: str | None = None
    new_name: str | None = None
    old_price: Price | None = None
    new_price: Price | None = None
    priced: bool = False
    back: tuple[datetime, str] | None = None
    notes: tuple[Text, ...] = ()
    warnings: tuple[Caution, ...] = ()
    place: str = ""
    now: datetime | None = None


def change_card(words: ChangeWords, data: dict[str, Any]) -> Card:
    """Say who changed what, from what to what, what it means for the price, and how to undo."""
    old, new = words.old_name or value(words.old), words.new_name or value(words.new)
    moved = words.old != words.new
    body: list[Text] = []
    if moved and (words.old_name or words.new_name):
        body.append(text(Code(value(words.old)), " → ", Code(value(words.new))))
    if words.priced and moved:
        body.append(_price_line(words.old_price, words.new_price))
    if words.reason:
        body.append(text(f"Reason: {words.reason}"))
    if words.back and words.now:
        body.append(pending_line(*words.back, words.now))
    body += words.notes
    undo = Action("model undo", change_id=words.change_id, once=True)
    return Card(
        title=text(Strong(words.what), f": {old} → {new}" if moved else f": {new} (unchanged)"),
        tone=Tone.CHANGE,
        body=(*body, text(f"By {words.actor.name}.")),
        warnings=words.warnings,
        buttons=(Button("Undo", undo),) if words.change_id else (),
        footer=text(words.place),
        data=data,
    )


def in_force(reload: Confirmation | None) -> tuple[Text, ...]:
    """Say that the program which owns the config has applied a change."""
    if reload is None or reload.taken is not ReloadOutcome.IN_FORCE:
        return ()
    return (text("Applied: OpenClaw confirmed the change."),)


def entries_added(providers: Sequence[str], version: str | None) -> tuple[Text, ...]:
    """Say which providers the change put into the file, and why."""
    release = f"OpenClaw {version}" if version else "OpenClaw"
    return tuple(
        text("Added ", Code(f"models.providers.{id_}"), f": {release} needs it to call the model.")
        for id_ in providers
    )


def edited_in(file: str) -> tuple[Text, ...]:
    """Say which included file was edited; nothing of the config itself."""
    return (text("Edited in ", Code(file), ", which the config includes."),) if file else ()


def also_set(places: Sequence[str]) -> tuple[Text, ...]:
    """Say which other places the change set."""
    return (text("Also set: ", Code(", ".join(places)), "."),) if places else ()


def unchanged_card(words: ChangeWords, data: dict[str, Any]) -> Card:
    """Say that the value was already so."""
    shown = words.new_name or value(words.new)
    return Card(
        title=text(Strong(words.what), f" is already {shown}"),
        body=words.notes,
        warnings=words.warnings,
        footer=text(words.place),
        visibility=Visibility.PRIVATE,
        data=data,
    )


def _price_line(old: Price | None, new: Price | None) -> Text:
    difference = change_in_price(old, new)
    if old is None and new is None:
        return text("Price: unknown before and after.")
    free = (old and old.free) or (new and new.free)
    tail = f" ({difference})" if difference and not free else ""
    return text(f"Price: {per_million(old)} → {per_million(new)}{tail}.")


def confirm_card(
    words: ChangeWords,
    action: Action,
    expires_after: timedelta,
    command: str,
    data: dict[str, Any],
    also: tuple[Text, ...] = (),
) -> Card:
    """Ask before a primary that costs so much more, or before `also` other places change."""
    return Card(
        title=text(
            Strong("Confirm"),
            f": {words.old_name or value(words.old)} → {words.new_name or value(words.new)}",
        ),
        tone=Tone.QUESTION,
        body=(
            text(Code(value(words.old)), " → ", Code(value(words.new))),
            _price_line(words.old_price, words.new_price),
            *also,
            text(f"Nothing has changed yet. Confirm within {say_duration(expires_after)}."),
        ),
        buttons=(Button("Confirm", action, ButtonStyle.DANGER),),
        visibility=Visibility.PRIVATE,
        footer=text("In a terminal: ", Command(f"{command} --yes", program=True)),
        data=data,
    )


def names_of(ref: ModelRef | None, preset: str | None, written: str | None) -> str | None:
    """Return the short name of a value, when it has another than itself."""
    if preset and preset != written:
        return preset
    return None


def took_successor(word: str, replaced: ModelRef, ref: ModelRef, facts: ModelFacts) -> Text:
    """Say that the model behind a name was replaced by its successor, and why."""
    if facts.retired_on or facts.leaving:
        why = "is rerouted" if facts.rerouted else "is retired" if facts.retired_on else "retires"
        why = why if facts.retired_on else f"{why} on {facts.retires_on}"
    else:
        why = "is not listed by its provider"
    subject = f"{replaced}" if word == str(replaced) else f"{word} pointed to {replaced}, which"
    return text(f"{subject} {why}; using {ref} instead.")
