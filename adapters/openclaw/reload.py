"""Did the running gateway take the edited config? Its own log says so within a second or two."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from adapters.openclaw.tail import LogTail
from bot.card import Caution
from bot.openclaw.log_lines import Reload, ReloadNote, read_line

_POLL_S = 0.1


class Taken(StrEnum):
    """What became of a change."""

    IN_FORCE = "in_force"
    NOT_SEEN = "not_seen"
    REJECTED = "rejected"
    NEEDS_RESTART = "needs_restart"


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The verdict, and what the gateway said with it."""

    taken: Taken
    detail: str = ""


class ReloadWatch:
    """Begins at the end of the log: make it before the write, ask it after."""

    def __init__(self, logs: Sequence[Path]) -> None:
        self._tail = LogTail(logs)

    async def mark(self) -> None:
        """Pass over what the log says already."""
        await asyncio.to_thread(self._tail.to_end)

    async def confirm(self, timeout_s: float = 5.0) -> Confirmation:
        """Wait for the log to tell; NOT_SEEN when it does not in time."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            part = await asyncio.to_thread(self._tail.read)
            self._tail.accept(part)
            verdict = verdict_of(part.lines)
            if verdict is not None:
                return verdict
            if loop.time() >= deadline:
                return Confirmation(Taken.NOT_SEEN)
            if not part.more:
                await asyncio.sleep(_POLL_S)


def verdict_of(lines: Sequence[bytes]) -> Confirmation | None:
    """Return what the last line about the config says."""
    verdicts = {
        Reload.APPLIED: Taken.IN_FORCE,
        Reload.REJECTED: Taken.REJECTED,
        Reload.RESTART: Taken.NEEDS_RESTART,
    }
    for raw in reversed(lines):
        note = read_line(raw)
        if isinstance(note, ReloadNote):
            return Confirmation(verdicts[note.reload], note.detail)
    return None


def caution_of(confirmation: Confirmation) -> Caution | None:
    """Say what is to be done; None when the change is in force."""
    match confirmation.taken:
        case Taken.IN_FORCE:
            return None
        case Taken.NOT_SEEN:
            return Caution(
                "reload_not_seen",
                "Written, not yet seen by the gateway: its log says nothing about it so far.",
                "If it is not running it reads the file when it starts; else: changeover doctor",
            )
        case Taken.REJECTED:
            return Caution(
                "reload_rejected",
                f"The gateway refused the new config: {confirmation.detail or 'no reason given'}.",
                "/model undo",
            )
        case Taken.NEEDS_RESTART:
            return Caution(
                "reload_needs_restart",
                "Written; the gateway takes it up only when it is restarted.",
                "Restart the gateway, for example: docker restart CONTAINER",
            )
