"""What the channel sees when a timed switch ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bot.card import Action, Button, Card, Code, Command, Strong, Text, Tone, text
from bot.messages.model import value
from bot.ports import Json
from bot.spans import Marker


@dataclass(frozen=True, slots=True)
class RevertWords:
    """What the cards say of a timed switch: its number, values, author, file, and a mark."""

    change_id: int
    old: Json
    new: Json
    actor: str
    place: str
    mark: str


def cannot_revert(stands: str) -> Text:
    """Say that `for` had nothing to go back to, or could not be noted."""
    return text("No revert is scheduled: the primary was ", Code(stands), " already.")


def went_back_card(
    words: RevertWords, change_id: int | None, unknown: str = "", left: Sequence[str] = ()
) -> Card:
    """Say that the switch was reverted: its time is up, or OpenClaw does not know the model.

    `left` are sentences about what of OpenClaw's own was not.
    """
    ended = text(f"Timed switch by {words.actor} ended.")
    if unknown:
        ended = text(
            f"Change by {words.actor} reverted: OpenClaw answers Unknown model: {unknown}."
        )
    undo = Action("model undo", change_id=change_id, once=True)
    return Card(
        title=text(
            Strong("Reverted" if unknown else "Primary"),
            f": {value(words.new)} → {value(words.old)}",
        ),
        tone=Tone.CHANGE,
        body=(ended, *map(text, left), _foot(words.mark)),
        buttons=(Button("Undo", undo),) if change_id else (),
        footer=text(words.place),
        command="model revert",
        data={"changed": True, "old": words.new, "new": words.old, "reverts": words.change_id},
    )


def dropped_card(words: RevertWords, why: str) -> Card:
    """Say that the switch is not reverted, since the value was changed meanwhile."""
    return Card(
        title=text(Strong("Timed switch not reverted")),
        tone=Tone.NEUTRAL,
        body=(
            text(why),
            text(f"{words.actor} had switched to ", Code(value(words.new)), "."),
            _foot(words.mark),
        ),
        command="model revert",
        data={"changed": False, "reverts": words.change_id},
    )


def _foot(mark: str) -> Text:
    return text(Marker(f"{mark} "), Command("model history"))
