"""What receivers are called, and the words about what they were not sent."""

from __future__ import annotations

from datetime import datetime

from bot.card import Card, Command, Strong, Tone, When, WhenStyle, text
from bot.messages.model import value
from bot.ports import Json
from bot.spans import Marker, recalled

_TITLES = {"webhook": "the webhook", "pagerduty": "PagerDuty", "alertmanager": "Alertmanager"}


def is_receiver(surface: str) -> bool:
    """Return whether a surface is a program that is sent events."""
    return surface in _TITLES


def surface_title(surface: str) -> str:
    """Return the name of a chat or receiver within a sentence."""
    return _TITLES.get(surface, surface.capitalize())


def undelivered_card(
    surface: str, event: str, at: datetime, says: tuple[str, str], mark: str
) -> Card:
    """Report an event that a receiver was not sent and will not be sent."""
    lines = (
        text(f"{event}, ", When(at, WhenStyle.DATE_TIME), f": {says[0]}"),
        recalled(says[1]),
        text("It will not be sent again."),
        text(Marker(f"{mark} "), Command("doctor", program=True)),
    )
    return Card(
        title=text("Event not delivered to ", Strong(surface_title(surface))),
        tone=Tone.WARNING,
        body=tuple(line for line in lines if line),
        command="alert",
        data={"surface": surface, "event": event, "at": at, "message": says[0]},
    )


def change_title(actor: str, old: Json, new: Json) -> str:
    """Say in a line who changed what."""
    return f"{actor}: {value(old)} → {value(new)}"
