"""What must not fill a log: watched folders, a library's own words, reads for nothing."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable
from pathlib import Path

from adapters.logs import setup_logging
from adapters.storage.files.watch import watch_file
from bot.ports import Document


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never was so")


def test_libraries_that_nobody_asked_stay_quiet_at_debug():
    setup_logging("text", "DEBUG", str)
    assert logging.getLogger("watchfiles.main").getEffectiveLevel() == logging.WARNING
    assert logging.getLogger("apscheduler.scheduler").getEffectiveLevel() == logging.CRITICAL
    assert logging.getLogger("changeover").getEffectiveLevel() == logging.DEBUG


async def test_only_a_change_of_the_file_is_read(tmp_path: Path):
    # As Kubernetes mounts it: the file is a link through `..data`, which is swapped.
    for name, words in (("one", b"{}"), ("two", b"{ }")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "c.json").write_bytes(words)
        os.utime(tmp_path / name / "c.json", (1, 1))
    data, file = tmp_path / "..data", tmp_path / "c.json"
    data.symlink_to("one")
    file.symlink_to("..data/c.json")
    reads = 0

    def read() -> Document:
        nonlocal reads
        reads += 1
        return Document.of(file.read_bytes())

    watch = watch_file(str(file), read, since=read().revision, poll_s=0.02)
    following = asyncio.ensure_future(anext(watch))
    await until(lambda: reads == 2)
    for number in range(20):
        (tmp_path / "log").write_text(f"line {number}\n" * number)
        await asyncio.sleep(0.01)
    assert reads == 2
    (tmp_path / "..new").symlink_to("two")
    os.replace(tmp_path / "..new", data)
    assert (await following).raw == b"{ }"
    await watch.aclose()  # type: ignore[attr-defined]
