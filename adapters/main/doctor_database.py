"""What the doctor says of the database: how large it is, how fast it grows, what room is left."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

from adapters.main.wiring import Wired
from adapters.storage.url import parse_url
from bot.commands.doctor import Check, Level
from bot.errors import StorageError
from bot.messages.database import SAME_DATABASE, disk_line, size_line, use_line

LEAST_FREE_BYTES = 256_000_000


async def examine_use(wired: Wired) -> list[Check]:
    """Name the database, and warn where the service that has our tokens may use another."""
    try:
        seen_at = await wired.app.ports.journal.last_beat("bot")
        label = parse_url(wired.service.database_url).label
    except StorageError:
        return []
    service = wired.service
    chats = any(chat is not None for chat in (service.slack, service.discord, service.telegram))
    if seen_at is None and chats:
        words = use_line(label, None)
        return [Check("database use", False, Level.WARNING, words, SAME_DATABASE)]
    since = max(wired.clock.now() - seen_at, timedelta()) if seen_at else None
    return [Check("database use", True, Level.INFO, use_line(label, since))]


async def examine_size(wired: Wired) -> list[Check]:
    """Look at the size; a database that does not answer is another check's."""
    if wired.database.empty:
        return []
    from adapters.storage.upkeep import DatabaseUpkeep

    database = wired.database
    try:
        size = await DatabaseUpkeep(database).size(wired.clock.now())
    except StorageError:
        return []
    words = size_line(size.size_bytes, size.bytes_per_day, size.kept_since)
    checks = [Check("database size", True, Level.INFO, words)]
    if database.url.path is not None:
        folder = Path(database.url.path).parent
        free = shutil.disk_usage(folder).free
        if free < LEAST_FREE_BYTES:
            resolution = f"Make room there, or lower CHANGEOVER_KEEP. df -h {folder}"
            words = disk_line(free, str(folder))
            checks.append(Check("disk", False, Level.WARNING, words, resolution))
    return checks
