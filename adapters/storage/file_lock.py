"""The writers' lock of a config file: a sidecar that the kernel lets go of when its holder dies.

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
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime

from adapters.storage.filesystem import FileSystem, explain
from bot.errors import ConfigLockedError, ConfigMissingError, ConfigWriteError
from bot.spans import Command, text

SUFFIX = ".changeover-lock"
_FOREIGN_SUFFIX = ".lock"
_FOREIGN_STALE_S = 30.0
_QUICK_TRIES = 5


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
    command = getattr(fcntl, "F_OFD_SETLK", None)
    if command is None:
        # Not on this system: editors may prepare in vain and try again.
        return
    fcntl.fcntl(fd, command, struct.pack("hhqqi", fcntl.F_WRLCK, os.SEEK_SET, 0, 1, 0))


async def _acquire(
    fs: FileSystem, target: str, timeout_s: float, take: Callable[[int], None] = _take_lock
) -> int:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    tries = 0
    while True:
        foreign = take is _take_lock and _held_by_other_program(target)
        fd = None if foreign else _try_lock(fs, target, take)
        if fd is not None:
            return fd
        if loop.time() >= deadline:
            raise _locked(target, timeout_s)
        tries += 1
        # Few wait: be quick. Many wait: spread them out, so that they do not wake in step.
        longest = 0.005 if tries <= _QUICK_TRIES else 0.05
        await asyncio.sleep(random.uniform(longest / 10, longest))  # noqa: S311


def _try_lock(fs: FileSystem, target: str, take: Callable[[int], None]) -> int | None:
    path = target + SUFFIX
    try:
        fd = _open(fs, target, path)
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
    try:
        take(fd)
        if _still_there(fd, path):
            return fd
    except BlockingIOError:
        pass
    except OSError as error:
        os.close(fd)
        raise _no_lock(error, path) from error
    os.close(fd)
    return None


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
