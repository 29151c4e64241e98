"""The backups beside a config file: its last five versions, each as private as the file."""

from __future__ import annotations

import os
from contextlib import suppress

from adapters.storage.files.filesystem import FileSystem, write_whole

KEPT = 5


def backup_path(target: str, number: int) -> str:
    """Name a backup; number 1 is the newest."""
    return f"{target}.changeover-bak.{number}"


_live: set[str] = set()


def temp_path(target: str) -> str:
    """Name a new temporary file in the target's folder; `drop` it in the end."""
    folder, name = os.path.split(target)
    made = os.path.join(folder, f".{name}.changeover-{os.getpid()}-{os.urandom(4).hex()}.tmp")
    _live.add(made)
    return made


def drop(fs: FileSystem, temp: str) -> None:
    """Remove a temporary file, if it is still there."""
    with suppress(OSError):
        fs.unlink(temp)
    _live.discard(temp)


def write_beside(fs: FileSystem, target: str, temp: str, raw: bytes) -> bool:
    """Write a file with the target's identity, on the disk; False if that could not be kept.

    Raises OSError.
    """
    fd = fs.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        write_whole(fs, fd, raw)
        kept = keep_identity(fs, fd, target)
        fs.fsync(fd)
    finally:
        os.close(fd)
    return kept


def keep_backup(fs: FileSystem, target: str, copy: str) -> None:
    """Keep what is about to be replaced, which is in `copy`, as backup 1; move the older ones on.

    It is a copy: a second name for the file would wake whoever watches it a moment before it is
    replaced, and the watchers of Moltbot and OpenClaw (chokidar) then miss the change itself.
    Raises OSError.
    """
    _move_on(fs, target)
    fs.replace(copy, backup_path(target, 1))


def keep_identity(fs: FileSystem, fd: int, target: str) -> bool:
    """Give a private new file the target's owner, mode and attributes.

    Returns False when that is not allowed; the new file is then narrower, never wider.
    """
    old = os.stat(target)
    new = os.fstat(fd)
    try:
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            fs.chown(fd, old.st_uid, old.st_gid)
    except OSError:
        return False
    try:
        for name in _attributes(target):
            os.setxattr(fd, name, os.getxattr(target, name))
    except OSError:
        return False
    fs.chmod(fd, old.st_mode & 0o7777)
    return True


def sweep(fs: FileSystem, target: str) -> None:
    """Remove the temporary files of processes that died."""
    folder, name = os.path.split(target)
    start = f".{name}.changeover-"
    with suppress(OSError):
        for entry in os.listdir(folder):
            if not (entry.startswith(start) and entry.endswith(".tmp")):
                continue
            pid, path = entry[len(start) :].partition("-")[0], os.path.join(folder, entry)
            if path not in _live and not (pid.isdigit() and _alive(int(pid))):
                with suppress(OSError):
                    fs.unlink(path)


def _move_on(fs: FileSystem, target: str) -> None:
    """Make room at number 1; backups after a gap stay where they are."""
    last = 0
    while last < KEPT and os.path.lexists(backup_path(target, last + 1)):
        last += 1
    for number in range(min(last, KEPT - 1), 0, -1):
        fs.replace(backup_path(target, number), backup_path(target, number + 1))


def _attributes(path: str) -> list[str]:
    """List what can be carried over: people's own attributes and access lists."""
    try:
        names = os.listxattr(path)
    except (OSError, AttributeError):
        return []
    return [n for n in names if n.startswith("user.") or n == "system.posix_acl_access"]


def _alive(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
