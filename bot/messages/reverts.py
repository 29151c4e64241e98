"""What the channel is told when a timed switch ends."""

from __future__ import annotations

from bot.card import Action, Button, Card, Code, Strong, Tone, text
from bot.messages.model import value
from bot.ports import Change


def went_back_card(change: Change, change_id: int | None, place: str) -> Card:
    """Say that the switch has gone back."""
    undo = Action("model undo", change_id=change_id, once=True)
    return Card(
        title=text(Strong("Primary"), f": {value(change.new)} → {value(change.old)}"),
        tone=Tone.CHANGE,
        body=(text(f"The time that {change.actor_name} set is up."),),
        buttons=(Button("Undo", undo),) if change_id else (),
        footer=text(place),
        command="model revert",
        data={"changed": True, "old": change.new, "new": change.old, "reverts": change.id},
    )


def dropped_card(change: Change, why: str) -> Card:
    """Say that the switch does not go back, since somebody changed the value."""
    return Card(
        title=text(Strong("Stays as it is"), ": the timed switch does not go back"),
        tone=Tone.NEUTRAL,
        body=(
            text(f"{change.actor_name} had switched to ", Code(value(change.new)), " for a while."),
            text(why),
        ),
        command="model revert",
        data={"changed": False, "reverts": change.id},
    )
