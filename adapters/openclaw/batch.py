"""What a reader of transcripts hands over at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bot.openclaw.session_reader import Found
from bot.ports import Attempt, FallbackEvent

MOST_ROWS = 1000


@dataclass(slots=True)
class Batch:
    """Attempts and events, what was passed over, and whether there is more at once."""

    attempts: list[Attempt] = field(default_factory=list)
    events: list[FallbackEvent] = field(default_factory=list)
    read_bytes: int = 0
    skipped: int = 0
    rewritten: int = 0
    more: bool = False
    troubles: dict[str, str] = field(default_factory=dict)
    moved: set[str] = field(default_factory=set)

    def add(self, found: Found) -> None:
        """Take in what was found."""
        self.attempts += found.attempts
        self.events += found.events

    @property
    def full(self) -> bool:
        """True when enough was read for one go."""
        return len(self.attempts) >= MOST_ROWS


def agents_in(state: Path) -> Iterator[Path]:
    """List the agents' folders. Raises OSError."""
    folder = state / "agents"
    if folder.is_dir():
        yield from sorted(path for path in folder.iterdir() if path.is_dir())
