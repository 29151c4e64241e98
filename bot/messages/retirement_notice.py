"""The card of a model that will be retired, was, or will not be after all."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from bot.card import (
    Action,
    Button,
    Card,
    Code,
    Command,
    Span,
    Strong,
    Text,
    Tone,
    When,
    WhenStyle,
    text,
)
from bot.costs.pricing import usd
from bot.messages.chain import REASONS
from bot.messages.words import counted, money, percent
from bot.models import FailureReason

_TITLES = {"withdrawn": "Retirement withdrawn", "delisted": "No longer listed", "gone": "Retired"}


def retirement_card(data: dict[str, Any], mark: str) -> Card:
    """Show when a model ends, who uses it, and a successor that has answered."""
    model, successor, stage = data["model"], data["successor"], data["stage"]
    title = _TITLES.get(stage) or ("Retired" if data["gone"] else "Retirement")
    urgent = data["gone"] or stage in ("7", "1", "0", "gone")
    calm = stage == "withdrawn"
    switch = successor["step"] if successor and successor["ok"] else ""
    return Card(
        title=text(Strong(title), ": ", Code(model)),
        tone=Tone.GOOD if calm else Tone.WARNING if urgent else Tone.NEUTRAL,
        body=(
            text(data["line"]),
            *(() if calm else (_users(data),)),
            *(_successor(data, successor) if successor else ()),
            *(_moved(word, model, successor) for word in data["moved"] if successor),
            text(f"{mark} ", Command("model list")),
        ),
        buttons=(
            *((Button("Switch", Action(switch)),) if switch else ()),
            *(
                Button(f"Keep {word}", Action(f"model preset {word} {model}"))
                for word in data["moved"][:1]
                if not data["gone"]
            ),
            *(
                ()
                if calm or stage == "gone" or data["gone"]
                else (Button("Remind in a week", Action(f"model remind {model}")),)
            ),
        ),
        command="model",
        data={key: value for key, value in data.items() if key != "line"},
    )


def _users(data: dict[str, Any]) -> Text:
    if not data["requests"]:
        return text("Named in the config; no requests in the last 7 days.")
    words = f"Last 7 days: {counted(data['requests'], 'request')}"
    if data["cost_nano"] is not None:
        words += f", {money(usd(data['cost_nano']))}"
    for title, names in (("keys", data["callers"]), ("agents", data["agents"])):
        words += f"; {title}: {', '.join(names)}" if names else ""
    return text(f"{words}.")


def _successor(data: dict[str, Any], successor: dict[str, Any]) -> tuple[Text, ...]:
    model = Code(successor["model"])
    if not successor["ok"]:
        check = Command(f"fallback test {successor['model']}")
        why = successor["reason"] or "no answer"
        if successor["untested"]:
            words = "no API key" if why == "no_key" else why.replace("_", " ")
            return (text("Suggested successor not tested (", words, "): ", check),)
        words = REASONS.get(FailureReason(why), why) if why in set(FailureReason) else why
        return (text("The suggested successor did not answer (", words, "): ", check),)
    spans: list[Span] = ["Successor: ", model, f", answered a test in {successor['ms']:,} ms."]
    if successor["nano"] is not None:
        spans.append(f" This traffic there: about {money(usd(successor['nano']))}")
        saving = successor["saving_percent"]
        if saving is not None and Decimal(saving):
            more = "cheaper" if Decimal(saving) > 0 else "more"
            spans.append(f", {percent(abs(Decimal(saving)))} {more}")
        spans.append(".")
    if successor["step"]:
        spans += [" ", Command(successor["step"])]
    return (tuple(spans),)


def _moved(word: str, model: str, successor: dict[str, Any]) -> Text:
    return text(
        f"Preset {word} now means {successor['model']}. To keep {model}: ",
        Command(f"model preset {word} {model}"),
    )


def reminder_card(model: str, at: datetime, data: dict[str, Any]) -> Card:
    """Say when a model's notice will be repeated."""
    return Card(
        title=text(Strong("Reminder set"), ": ", Code(model)),
        body=(text("Next notice: ", When(at, WhenStyle.DATE_TIME), "; earlier in its last week."),),
        tone=Tone.CHANGE,
        data=data,
    )
