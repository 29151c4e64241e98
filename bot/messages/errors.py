"""Errors as cards: to the person alone, with what happened, why, and the next step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bot.card import Card, Command, Text, Tone, Visibility, When, spans_of, text
from bot.errors import ChangeoverError, ErrorInfo, ExitCode

if TYPE_CHECKING:
    from bot.ports import Claim

SWITCH_QUESTION = "The primary model switches for everyone who uses this config."
"""What a platform's own dialog asks before a button switches."""


def error_card(error: ChangeoverError, command: str) -> Card:
    """Show an error."""
    hint: tuple[Text, ...] = (spans_of(error.step),) if error.step else ()
    return Card(
        title=spans_of(error.said),
        tone=Tone.BAD,
        body=hint,
        visibility=Visibility.PRIVATE,
        command=command,
        error=error.info,
        exit_code=error.exit_code,
    )


INTERNAL = ErrorInfo(
    "internal",
    "Internal error in Changeover. The config file is intact.",
    text("See the server's log for details, or run ", Command("doctor", program=True)),
)


def unexpected_card(command: str) -> Card:
    """Say that an unexpected error happened, without its details."""
    where = (text("Command: ", Command(command)),) if command else ()
    return Card(
        title=text(INTERNAL.message),
        tone=Tone.BAD,
        body=(spans_of(INTERNAL.step), *where),
        visibility=Visibility.PRIVATE,
        command=command,
        error=INTERNAL,
        exit_code=ExitCode.BAD_ANSWER,
    )


def already_card(first: Claim, command: str) -> Card:
    """Say that somebody else clicked the button first."""
    message = f"{first.actor_name} already clicked this button."
    return Card(
        title=text(message),
        body=(text("Clicked at ", When(first.at), "."),),
        visibility=Visibility.PRIVATE,
        command=command,
        error=ErrorInfo("clicked", message),
        exit_code=ExitCode.REFUSED,
    )


def cron_wrong(variable: str, expression: str, why: str) -> tuple[str, str]:
    """Say that a setting is not a crontab line, and how to write one."""
    return (
        f"{variable} must be a cron line, not {expression!r}: {why}.",
        "Five fields: minute hour day month weekday, for example 0 9 * * mon; or off.",
    )


def cron_never(variable: str, expression: str) -> tuple[str, str]:
    """Say that a crontab line names a date that does not exist."""
    return (
        f"{variable} has {expression!r}, which never comes.",
        "Check day and month: minute hour day month weekday, for example 0 9 * * mon.",
    )
