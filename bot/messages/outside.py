"""What the channel is told when the config changes by other hands."""

from __future__ import annotations

from bot.card import Card, Code, Strong, Tone, text
from bot.errors import ConfigError
from bot.messages.model import value
from bot.ports import NewChange


def outside_card(change: NewChange, place: str) -> Card:
    """Say that somebody edited the file by other means, and what is different."""
    return Card(
        title=text(Strong("Config changed outside Changeover")),
        tone=Tone.CHANGE,
        body=(
            text(
                f"{change.touched[0].path[-1]}: ",
                Code(value(change.old)),
                " → ",
                Code(value(change.new)),
            ),
        ),
        footer=text(place),
        command="config outside",
        data={"old": change.old, "new": change.new, "revision": change.revision},
    )


def broken_card(error: ConfigError, place: str) -> Card:
    """Say that the file cannot be used any more."""
    return Card(
        title=text(Strong("The config became invalid")),
        tone=Tone.BAD,
        body=(text(error.message), text(error.hint)),
        footer=text(place),
        command="config invalid",
        data={"code": error.code},
        error=error.info,
    )
