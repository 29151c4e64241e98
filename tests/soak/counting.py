"""The simplest edit there is: count a number up in a config file, through the real store."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from adapters.storage.files.config_file import FileConfigStore
from adapters.storage.files.filesystem import FileSystem
from bot.errors import ConfigConflictError
from bot.ports import Document
from tests.support.fakes_files import MountedFile

PADDING = "x" * 5000


def document(number: int) -> bytes:
    """Write the counter; longer and shorter by turns, so that a torn file shows."""
    padding = PADDING * (1 + number % 3)
    return json.dumps({"n": number, "padding": padding}).encode()


def number_in(found: Document) -> int:
    """Read the counter; raises when the file is anything but one of ours, whole."""
    number = int(json.loads(found.raw)["n"])
    if found.raw != document(number):
        raise ValueError(f"the file with {number} is not as it was written")
    return number


async def count_up(store: FileConfigStore) -> int:
    """Make one edit and return the number it wrote."""
    while True:
        async with store.turn():
            found = await store.read()
            number = number_in(found) + 1
            with suppress(ConfigConflictError):
                async with store.exclusive(document(number)) as session:
                    await session.write(document(number), expected_revision=found.revision)
                    return number


def open_store(
    path: Path, *, mounted: bool = False, lock_timeout_s: float = 60.0
) -> FileConfigStore:
    """Open the store, on a plain file or as on one that is mounted on its own."""
    fs = MountedFile(str(path.resolve())) if mounted else FileSystem()
    return FileConfigStore(path, lock_timeout_s=lock_timeout_s, fs=fs)
