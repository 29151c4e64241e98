"""The writers' lock of a config file: a sidecar that the kernel lets go of when its holder dies.

Waiters queue. Each locks one byte of the sidecar whose offset is the time at which it came, so a
waiter is first when no byte before its own is locked, and one that dies leaves the queue.

It is not named `<name>.lock`, because OpenClaw 2026.5 and later creates and removes a file of that
name as its own lock; that one is waited for while it is fresh.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import json
import os
import random
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any, TypeVar

from adapters.storage.files.filesystem import FileSystem, explain
from bot.errors import ConfigLockedError, ConfigMissingError, ConfigWriteError
from bot.spans import Command, text

T = TypeVar("T")
SUFFIX = ".changeover-lock"
_FOREIGN_SUFFIX = ".lock"
_FOREIGN_STALE_S = 30.0
_NEXT_S, _LATER_S = 0.002, 0.03
# Byte 0 is the turn itself. The two queues come after it, by the machine's clock in nanoseconds.
_TURN_QUEUE, _LOCK_QUEUE = 1, 1 << 62
_LOCK_FORMAT = "hhqqi4x"


@asynccontextmanager
async def writers_lock(
    target: str, *, timeout_s: float, fs: FileSystem | None = None
) -> AsyncIterator[None]:
    """Hold the lock of the resolved file `target`.

    Raises:
        ConfigLockedError: somebody else kept it for `timeout_s`.
        ConfigMissingError: the folder is not there.
        ConfigWriteError: the lock file could not be made.
    """
    fd = await _acquire(fs or FileSystem(), target, timeout_s)
    try:
        _sign(fd)
        yield
    finally:
        with suppress(OSError):
            os.ftruncate(fd, 0)
        os.close(fd)


@asynccontextmanager
async def writers_turn(
    target: str, *, timeout_s: float, fs: FileSystem | None = None
) -> AsyncIterator[None]:
    """Be the only editor of ours who prepares a write, so that none prepares in vain.

    It guards nothing: the lock and the comparison of revisions do. It is a lock of its own on
    the same file, which other programs and older releases do not see. Raises as `writers_lock`.
    """
    fd = await _acquire(fs or FileSystem(), target, timeout_s, _take_turn)
    try:
        yield
    finally:
        os.close(fd)


def _take_lock(fd: int) -> None:
    fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _take_turn(fd: int) -> None:
    if _ORDERED:
        # Where the system has no such locks, editors may prepare in vain and try again.
        _lock_byte(fd, 0)


_ORDERED = hasattr(fcntl, "F_OFD_SETLK")


def _lock_byte(fd: int, at: int) -> None:
    """Lock a byte for as long as the file is open. Raises BlockingIOError."""
    wanted = struct.pack(_LOCK_FORMAT, fcntl.F_WRLCK, os.SEEK_SET, at, 1, 0)
    fcntl.fcntl(fd, fcntl.F_OFD_SETLK, wanted)


def _first_locked(fd: int, start: int, end: int) -> int | None:
    """Return a byte that somebody else has locked, the one locked longest ago; None without."""
    if start >= end:
        return None
    asked = struct.pack(_LOCK_FORMAT, fcntl.F_WRLCK, os.SEEK_SET, start, end - start, 0)
    kind, _, at, _, _ = struct.unpack(_LOCK_FORMAT, fcntl.fcntl(fd, fcntl.F_OFD_GETLK, asked))
    return None if kind == fcntl.F_UNLCK else int(at)


class _Place:
    """A waiter's place in a queue."""

    def __init__(self, fd: int, queue: int) -> None:
        self.fd = fd
        self._queue = queue
        self._at = 0

    def join(self) -> None:
        """Go to the queue's end."""
        while _ORDERED:
            self._at = self._queue + time.monotonic_ns()
            try:
                _lock_byte(self.fd, self._at)
            except BlockingIOError:
                continue
            except OSError:
                # This file system has no such locks: then there is no order.
                self._at = 0
            return

    def ahead(self) -> tuple[int | None, bool]:
        """Return who is first before this one, and whether nobody else is."""
        first = _first_locked(self.fd, self._queue, self._at) if _ORDERED else None
        return first, first is None or _first_locked(self.fd, first + 1, self._at) is None


async def _acquire(
    fs: FileSystem, target: str, timeout_s: float, take: Callable[[int], None] = _take_lock
) -> int:
    """Queue for the lock and take it; the time runs out only while the queue does not move."""
    loop = asyncio.get_running_loop()
    deadline, before = loop.time() + timeout_s, None
    place: _Place | None = None
    try:
        while True:
            if place is None:
                queue = _LOCK_QUEUE if take is _take_lock else _TURN_QUEUE
                place = _Place(_open_lock(fs, target), queue)
                place.join()
            first, is_next = place.ahead()
            if first != before:
                deadline, before = loop.time() + timeout_s, first
            foreign = take is _take_lock and _held_by_other_program(target)
            if first is None and not foreign and _taken(place.fd, target + SUFFIX, take):
                fd, place = place.fd, None
                return fd
            if loop.time() >= deadline:
                raise _locked(target, timeout_s)
            if not _still_there(place.fd, target + SUFFIX):
                os.close(place.fd)
                place = None
            # Those who come later look less often; in step they would wake all at once.
            await asyncio.sleep((_NEXT_S if is_next else _LATER_S) * random.uniform(0.5, 1))  # noqa: S311
    finally:
        if place is not None:
            os.close(place.fd)


def _open_lock(fs: FileSystem, target: str) -> int:
    path = target + SUFFIX
    try:
        return _open(fs, target, path)
    except FileNotFoundError as error:
        raise ConfigMissingError(
            f"There is no folder {os.path.dirname(target)}.",
            text(
                "Run ",
                Command("init", program=True),
                ", or set CHANGEOVER_CONFIG to the config file.",
            ),
        ) from error
    except OSError as error:
        raise _no_lock(error, path) from error


def _taken(fd: int, path: str, take: Callable[[int], None]) -> bool:
    try:
        take(fd)
        return _still_there(fd, path)
    except BlockingIOError:
        return False
    except OSError as error:
        raise _no_lock(error, path) from error


def _open(fs: FileSystem, target: str, path: str) -> int:
    """Open the lock file; a new one gets the config's owner and permissions to lock it."""
    try:
        return fs.open(path, os.O_RDWR)
    except FileNotFoundError:
        pass
    try:
        fd = fs.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return fs.open(path, os.O_RDWR)
    with suppress(OSError):
        config = os.stat(target)
        fs.chown(fd, config.st_uid, config.st_gid)
        fs.chmod(fd, config.st_mode & 0o666 | 0o600)
    return fd


def _still_there(fd: int, path: str) -> bool:
    """Return whether the locked file is the one others will open, not one removed meanwhile."""
    try:
        return os.path.samestat(os.fstat(fd), os.lstat(path))
    except FileNotFoundError:
        return False


def _sign(fd: int) -> None:
    """Write who holds the lock since when; only for the sentence that others may have to read."""
    since = datetime.now(UTC).isoformat(timespec="seconds")
    with suppress(OSError):
        os.ftruncate(fd, 0)
        os.pwrite(fd, json.dumps({"pid": os.getpid(), "since": since}).encode(), 0)


def _held_by_other_program(target: str) -> bool:
    try:
        age_s = time.time() - os.lstat(target + _FOREIGN_SUFFIX).st_mtime
    except OSError:
        return False
    return age_s < _FOREIGN_STALE_S


def _locked(target: str, timeout_s: float) -> ConfigLockedError:
    if _held_by_other_program(target):
        return ConfigLockedError(
            f"Another program holds {target}{_FOREIGN_SUFFIX}; waited {timeout_s:g} s.",
            "Run the command again when that program is done.",
        )
    try:
        with open(target + SUFFIX, encoding="utf-8", errors="replace") as file:
            holder = json.loads(file.read(500))
        pid, since = int(holder["pid"]), str(holder["since"])
    except (OSError, ValueError, KeyError, TypeError):
        who, hint = "another process", "Run the command again in a moment."
    else:
        who = f"process {pid} since {since}"
        hint = f"Run the command again; if it still fails, check that process (ps -p {pid})."
    return ConfigLockedError(f"{target} is locked by {who}; waited {timeout_s:g} s.", hint)


def _no_lock(error: OSError, path: str) -> ConfigWriteError:
    refusal = explain(error, path)
    hint = refusal.hint
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        folder = os.path.dirname(path)
        hint = f"Let this user write to the folder {folder}: the lock and the backups live there."
    return ConfigWriteError(
        f"The lock file {path} cannot be written: {refusal.why}. Nothing was written.", hint
    )


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Wait for a write to end even when cancelled: its lock must not be let go before it."""
    task = asyncio.create_task(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})
        if not task.cancelled():
            task.exception()
        raise
