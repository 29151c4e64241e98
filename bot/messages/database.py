"""What is said of the database: its size, its backup, what it no longer keeps."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot.card import Card, Caution, Code, Strong, Tone, text
from bot.durations import say_duration
from bot.spans import Command

SAME_DATABASE = "Give every Changeover with these tokens the same DATABASE_URL."
_UNITS = ("bytes", "KB", "MB", "GB", "TB")


def backup_card(path: str, size_bytes: int, kind: str) -> Card:
    """Say where the copy is and how it is put back."""
    restore = (
        "stop Changeover and replace the database with it"
        if kind == "sqlite"
        else "stop Changeover and run pg_restore"
    )
    return Card(
        text(Strong("Database backed up"), f": {size_words(size_bytes)}"),
        tone=Tone.GOOD,
        body=(text(Code(path)), text(f"To restore, {restore}: docs/deploy.md has the commands.")),
        command="db",
        data={"path": path, "size_bytes": size_bytes, "kind": kind},
    )


def size_line(size_bytes: int, bytes_per_day: int | None, kept_since: datetime | None) -> str:
    """Say how large the database is and how fast it grows."""
    words = f"The database has {size_words(size_bytes)}"
    if bytes_per_day:
        words += f" and grows by about {size_words(bytes_per_day)} a day"
    if kept_since is not None:
        words += f"; requests are kept since {kept_since:%Y-%m-%d}"
    return f"{words}."


def use_line(label: str, since: timedelta | None) -> str:
    """Name the database that was looked into, and when a service last used it."""
    if since is None:
        return f"No service has used {label} yet. If one is running, it uses another database."
    return f"A service last used {label} {say_duration(since)} ago."


def gateway_line(where: str, *, other: bool) -> str:
    """Say whose gateway listens there."""
    whose = "Another Changeover, with another database," if other else "A gateway of Changeover"
    return f"{whose} is listening on {where}."


def disk_line(free_bytes: int, folder: str) -> str:
    """Warn of a disk that is nearly full."""
    return f"Only {size_words(free_bytes)} free on the disk of {folder}."


def rows_gone(kept_since: datetime) -> Caution:
    """Say that what is listed row by row begins later than was asked for."""
    return Caution(
        "rows_gone",
        f"Rows before {kept_since:%Y-%m-%d %H:%M} UTC are no longer kept (CHANGEOVER_KEEP); "
        "the sums are complete.",
        text("For the whole period: ", Command("cost")),
    )


def size_words(size_bytes: int) -> str:
    """Write a size in the largest unit that leaves a whole number before the point."""
    size, unit = float(size_bytes), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 or size >= 10 else f"{size:.1f} {_UNITS[unit]}"
