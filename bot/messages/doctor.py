"""The doctor's card."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from bot.card import Card, Column, Phrase, Strong, Table, Tone, Visibility, spans_of, text
from bot.errors import ExitCode
from bot.incident import PageReport
from bot.messages.words import counted

Row = tuple[str, bool, str, Phrase, Phrase]
"""Name, ok, level, detail, resolution."""


def doctor_card(checks: Sequence[Row], data: dict[str, Any], *, bad: bool) -> Card:
    """Show each check and what to do about it."""
    failed = [row for row in checks if not row[1]]
    title = (
        text(Strong("No problems"), f": {counted(len(checks), 'check')} passed")
        if not failed
        else text(Strong(counted(len(failed), "problem")), f" in {counted(len(checks), 'check')}")
    )
    return Card(
        title=title,
        tone=Tone.BAD if bad else Tone.WARNING if failed else Tone.GOOD,
        table=Table(
            (
                Column("result"),
                Column("check"),
                Column("detail", priority=1),
                Column("next step", priority=2),
            ),
            tuple(
                (
                    text("ok" if ok else level),
                    text(name),
                    spans_of(detail),
                    spans_of(resolution or "-"),
                )
                for name, ok, level, detail, resolution in checks
            ),
        ),
        visibility=Visibility.PRIVATE,
        command="doctor",
        data=data,
        exit_code=ExitCode.BAD_ANSWER if bad else ExitCode.DONE,
    )


def next_time(name: str, variable: str, local: datetime | None) -> str:
    """Say when a schedule comes next, in the team's zone."""
    what = {"digest": "weekly digest", "chain_test": "scheduled chain test"}[name]
    if local is None:
        return f"No {what}: {variable} is off."
    return f"Next {what}: {local:%a %Y-%m-%d %H:%M %Z}."


def workers_line(workers: int, cores: int) -> str:
    """Say how many processes serve the port."""
    words = f"{counted(workers, 'gateway worker')} on {counted(cores, 'core')}"
    return f"{words}: more than cores gain nothing." if workers > cores else f"{words}."


def prices_off(installed: date) -> str:
    """Say that no newer prices are fetched."""
    return f"Prices of {installed}, as installed: CHANGEOVER_PRICE_UPDATES is off."


def prices_waiting(installed: date) -> str:
    """Say that no service has fetched newer prices yet."""
    return f"Prices of {installed}, as installed; a running service fetches newer ones."


def prices_current(day: date) -> str:
    """Say of when the prices of the running service are."""
    return f"Prices of {day}."


def prices_not_updated(day: date, trouble: str) -> tuple[str, str]:
    """Say that the last fetch failed, and what to do."""
    return (
        f"Prices of {day}; the last update failed ({trouble}).",
        "Allow https://raw.githubusercontent.com, or set CHANGEOVER_PRICE_UPDATES=off.",
    )


def status_page_line(provider: str, reports: Sequence[PageReport] | None, error: str) -> str:
    """Say what a provider's status page reports; None where it is unknown, and `error` why."""
    if reports is None:
        return f"{provider}'s status page: unknown ({error or 'not read yet'})."
    now = [report.title for report in reports if report.ended_at is None]
    if not now:
        return f"{provider}'s status page reports no incident."
    return f"{provider}'s status page reports: {'; '.join(now)}."
