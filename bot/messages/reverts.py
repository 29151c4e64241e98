"""What the channel sees when a timed switch ends."""

from __future__ import annotations

from bot.card import Action, Button, Card, Code, Strong, Tone, text
from bot.messages.model import value
from bot.ports import Change


def went_back_card(change: Change, change_id: int | None, place: str) -> Card:
    """Say that the switch was reverted."""
    undo = Action("model undo", change_id=change_id, once=True)
    return Card(
        title=text(Strong("Primary"), f": {value(change.new)} → {value(change.old)}"),
        tone=Tone.CHANGE,
        body=(text(f"Timed switch by {change.actor_name} ended."),),
        buttons=(Button("Undo", undo),) if change_id else (),
        footer=text(place),
        command="model revert",
        data={"changed": True, "old": change.new, "new": change.old, "reverts": change.id},
    )


def dropped_card(change: Change, why: str) -> Card:
    """Say that the switch is not reverted, since the value was changed meanwhile."""
    return Card(
        title=text(Strong("Timed switch not reverted")),
        tone=Tone.NEUTRAL,
        body=(
            text(why),
            text(f"{change.actor_name} had switched to ", Code(value(change.new)), "."),
        ),
        command="model revert",
        data={"changed": False, "reverts": change.id},
    )
