"""Overwriting a file that cannot be renamed over, such as one that is mounted on its own.

An overwrite is not one step, so the new bytes stand beside the file, on the disk, until it is
done. Whoever finds them after a crash can tell a half-written file and finish it.
"""

from __future__ import annotations

import os
from contextlib import suppress

from adapters.storage.files.backup import backup_path
from adapters.storage.files.filesystem import (
    FileSystem,
    quoted,
    read_regular,
    sync_folder,
    write_whole,
)
from bot.errors import ConfigWriteError

_READS = 100


def redo_path(target: str) -> str:
    """Name the file that holds the new bytes while the target is overwritten."""
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{name}.changeover-redo")


def overwrite(fs: FileSystem, target: str, temp: str, raw: bytes, before: bytes) -> None:
    """Write `raw`, which `temp` holds already, over the target; `before` is backed up already.

    Raises:
        OSError: the system refused; the target has its old bytes again.
        ConfigWriteError: it refused that too; the message names the backup.
    """
    redo = redo_path(target)
    fs.replace(temp, redo)
    sync_folder(fs, os.path.dirname(target))
    try:
        _put(fs, target, raw)
    except OSError:
        _forget(fs, redo)
        if _holds(target, before):
            # It could not even be opened: a read-only mount, a file that is not ours.
            raise
        try:
            _put(fs, target, before)
        except OSError as error:
            backup = backup_path(target, 1)
            raise ConfigWriteError(
                f"{target} is half written and could not be restored. The original is in {backup}.",
                f"Run: cp {quoted(backup)} {quoted(target)}",
            ) from error
        raise
    _forget(fs, redo)


def read_settled(target: str, most_bytes: int) -> bytes:
    """Read the target without a lock, as it is or as the overwrite under way will leave it.

    Raises:
        OSError: the system refused.
        ValueError: it is no regular file, or larger than allowed.
    """
    raw = b""
    for _ in range(_READS):
        mark = _mark(target)
        raw = read_regular(target, most_bytes)
        after = _pending(target, raw, most_bytes) if mark else None
        if _mark(target) == mark:
            return raw if after is None else after
    return raw


def recover(fs: FileSystem, target: str, most_bytes: int) -> None:
    """Finish what a dead process left half-written. Call it only while holding the lock.

    Raises:
        OSError: the system refused.
    """
    redo = redo_path(target)
    if not os.path.lexists(redo):
        return
    with suppress(ValueError):
        after = _pending(target, read_regular(target, most_bytes), most_bytes)
        if after is not None:
            _put(fs, target, after)
    _forget(fs, redo)


def _pending(target: str, raw: bytes, most_bytes: int) -> bytes | None:
    """Return what the target was to become if `raw` is its state in mid-overwrite, else None."""
    try:
        redo = read_regular(redo_path(target), most_bytes)
        before = read_regular(backup_path(target, 1), most_bytes)
    except (OSError, ValueError):
        return None
    if raw in (redo, before):
        return None
    done = _agree(raw, redo)
    return redo if raw[done:] == before[done:] else None


def _mark(target: str) -> tuple[int, int] | None:
    """Tell one overwrite from the next; None when there is none under way."""
    try:
        redo = os.lstat(redo_path(target))
    except OSError:
        return None
    return redo.st_ino, redo.st_mtime_ns


def _agree(one: bytes, other: bytes) -> int:
    """Count the bytes that two texts share from their start."""
    for at, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return at
    return min(len(one), len(other))


def _put(fs: FileSystem, target: str, raw: bytes) -> None:
    fd = fs.open(target, os.O_WRONLY)
    try:
        write_whole(fs, fd, raw)
        fs.truncate(fd, len(raw))
        fs.fsync(fd)
    finally:
        os.close(fd)


def _holds(target: str, raw: bytes) -> bool:
    try:
        return read_regular(target, len(raw)) == raw
    except (OSError, ValueError):
        return False


def _forget(fs: FileSystem, redo: str) -> None:
    with suppress(OSError):
        fs.unlink(redo)
