"""Errors as cards: to the person alone, with what happened, why, and the next step."""

from __future__ import annotations

from bot.card import Card, Code, Text, Tone, Visibility, When, text
from bot.errors import ChangeoverError, ErrorInfo, ExitCode
from bot.ports import Claim


def error_card(error: ChangeoverError, command: str) -> Card:
    """Tell an error."""
    hint: tuple[Text, ...] = (text(error.hint),) if error.hint else ()
    return Card(
        title=text(error.message),
        tone=Tone.BAD,
        body=hint,
        visibility=Visibility.PRIVATE,
        command=command,
        error=error.info,
        exit_code=error.exit_code,
    )


def unexpected_card(command: str) -> Card:
    """Tell that something went wrong which nobody foresaw, without any of its inside."""
    message = "Something went wrong inside Changeover; the config was not harmed."
    hint = "The server's log has the details; changeover doctor may name the cause."
    where = (text("It happened in ", Code(f"/{command}"), "."),) if command else ()
    return Card(
        title=text(message),
        tone=Tone.BAD,
        body=(text(hint), *where),
        visibility=Visibility.PRIVATE,
        command=command,
        error=ErrorInfo("internal", message, hint),
        exit_code=ExitCode.BAD_ANSWER,
    )


def already_card(first: Claim, command: str) -> Card:
    """Tell the second who clicks that somebody was first."""
    message = f"{first.actor_name} clicked that button already."
    return Card(
        title=text(message),
        body=(text("That was at ", When(first.at), "."),),
        visibility=Visibility.PRIVATE,
        command=command,
        error=ErrorInfo("clicked", message),
        exit_code=ExitCode.REFUSED,
    )
