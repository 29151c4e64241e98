"""Replacing a config file's bytes: at once, whole, with a backup, and only if nobody was faster."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from dataclasses import dataclass

from adapters.storage.files import in_place
from adapters.storage.files.backup import drop, keep_backup, sweep, temp_path, write_beside
from adapters.storage.files.filesystem import (
    FileSystem,
    Refusal,
    explain,
    quoted,
    read_regular,
    sync_folder,
    write_whole,
)
from bot.errors import ConfigConflictError, ConfigWriteError
from bot.ports import revision_of
from bot.spans import Command

MOST_BYTES = 32 << 20
"""A config larger than this is no config."""

_NOT_RENAMED_OVER = (errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES)
"""What a file that is mounted on its own, or that is in a sticky folder, answers."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A write that is ready: the new bytes and a copy of the old ones are on the disk.

    `temp` and `copy` are "" where there is nothing to do.
    """

    target: str
    before: bytes | None
    raw: bytes
    temp: str = ""
    copy: str = ""
    same_owner: bool = False


def prepare(fs: FileSystem, target: str, raw: bytes) -> Prepared:
    """Do what takes long of a write, beside the file; `discard` it in the end.

    Raises:
        ConfigWriteError: the system refused; the file is as it was.
    """
    if len(raw) > MOST_BYTES:
        raise ConfigWriteError(
            f"The new {target} would be larger than {MOST_BYTES >> 20} MiB.",
            "Split the config into files with $include.",
        )
    before = _present(target)
    if before is None or raw == before:
        return Prepared(target, before, raw)
    if fs.read_only(target):
        # Before the backups move on: a file that is mounted on its own may be in a writable folder.
        raise refused(OSError(errno.EROFS, os.strerror(errno.EROFS)), target)
    sweep(fs, target)
    temp, copy = temp_path(target), temp_path(target)
    try:
        same_owner = write_beside(fs, target, temp, raw)
        write_beside(fs, target, copy, before)
    except BaseException as error:
        drop(fs, temp)
        drop(fs, copy)
        if isinstance(error, OSError):
            raise refused(error, target) from error
        raise
    return Prepared(target, before, raw, temp, copy, same_owner)


def discard(fs: FileSystem, ready: Prepared) -> None:
    """Remove what is left of a prepared write."""
    for path in filter(None, (ready.temp, ready.copy)):
        drop(fs, path)


def put(fs: FileSystem, ready: Prepared, expected_revision: str) -> bool:
    """Put the new bytes in the place of the file whose revision is the expected one.

    Call it only while holding the writers' lock; sync the folder after. It takes no time, but
    returns False where the system lets nothing take the file's place: then `overwrite` it.

    Raises:
        ConfigConflictError: the file has another revision; nothing written.
        ConfigWriteError: the system refused; the file is as it was.
    """
    target, before = ready.target, ready.before
    if before is None or revision_of(before) != expected_revision or _present(target) != before:
        raise changed(target)
    if not ready.temp:
        return True
    try:
        keep_backup(fs, target, ready.copy)
        return ready.same_owner and _rename_over(fs, target, ready.temp)
    except FileNotFoundError as error:
        # Another machine on the same folder took what was prepared for a dead process's.
        raise changed(target) from error
    except OSError as error:
        raise refused(error, target) from error


def overwrite(fs: FileSystem, ready: Prepared) -> None:
    """Write the new bytes over the file, still under the lock. Raises ConfigWriteError."""
    assert ready.before is not None
    sync_folder(fs, os.path.dirname(ready.target))
    try:
        in_place.overwrite(fs, ready.target, ready.temp, ready.raw, ready.before)
    except OSError as error:
        raise refused(error, ready.target) from error


def create_file(fs: FileSystem, target: str, raw: bytes) -> None:
    """Make a new private file, whole or not at all, and never over anything.

    Raises:
        ConfigWriteError: something is there already, or the system refused.
    """
    temp = temp_path(target)
    try:
        fd = fs.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        _fill(fs, fd, raw)
        try:
            fs.link(temp, target)
        except FileExistsError:
            raise
        except OSError:
            _create_directly(fs, target, raw)
    except FileExistsError as error:
        raise ConfigWriteError(
            f"{target} already exists; nothing was written.", Command("model status")
        ) from error
    except FileNotFoundError as error:
        folder = os.path.dirname(target)
        raise ConfigWriteError(
            f"There is no folder {folder}.", f"Run: mkdir -p {quoted(folder)}"
        ) from error
    except OSError as error:
        raise refused(error, target) from error
    finally:
        drop(fs, temp)
    sync_folder(fs, os.path.dirname(target))


def refused(error: OSError, target: str) -> ConfigWriteError:
    """Report that the system refused a write and what to do about it."""
    why = explain(error, target)
    if error.errno in (errno.EACCES, errno.EPERM):
        folder = os.path.dirname(target)
        hint = f"Give this user write permission for the folder {folder} and for {target}."
        why = Refusal(why.why, hint)
    return ConfigWriteError(
        f"{target} could not be written: {why.why}. The file was not changed.", why.hint
    )


def _present(target: str) -> bytes | None:
    try:
        return read_regular(target, MOST_BYTES)
    except (OSError, ValueError):
        return None


def changed(target: str) -> ConfigConflictError:
    """Report that another was quicker."""
    return ConfigConflictError(
        f"{target} was changed by another program meanwhile; nothing was written.",
        "Run the command again.",
    )


def _rename_over(fs: FileSystem, target: str, temp: str) -> bool:
    """Replace the target by the temporary file; False where the system does not allow that."""
    try:
        fs.replace(temp, target)
    except OSError as error:
        if error.errno in _NOT_RENAMED_OVER:
            return False
        raise
    return True


def _fill(fs: FileSystem, fd: int, raw: bytes) -> None:
    try:
        write_whole(fs, fd, raw)
        fs.fsync(fd)
    finally:
        os.close(fd)


def _create_directly(fs: FileSystem, target: str, raw: bytes) -> None:
    """Make the file where the file system knows no second names."""
    fd = fs.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        _fill(fs, fd, raw)
    except OSError:
        with suppress(OSError):
            fs.unlink(target)
        raise
