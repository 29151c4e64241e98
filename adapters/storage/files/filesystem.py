"""The file system as the config store uses it: its calls in one place, its errors in words."""

from __future__ import annotations

import errno
import os
import stat
from dataclasses import dataclass

from bot.spans import Command, Phrase, text

_WHY = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "it would be larger than the file size limit of this process",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "permission denied",
    errno.EIO: "the disk reported an input/output error",
    errno.ELOOP: "its symbolic links form a loop",
    errno.ENAMETOOLONG: "the name is too long",
    errno.EMFILE: "this process has too many files open",
    errno.ENFILE: "the machine has too many files open",
    errno.ENOLCK: "this file system does not support locks",
}


_READS = 5


class FileSystem:
    """The system calls of a config write. A test makes one of them fail by overriding it."""

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        """Open a file that no child process inherits."""
        return os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW, mode)

    def write(self, fd: int, data: memoryview) -> int:
        """Write some of the data and return how much."""
        return os.write(fd, data)

    def fsync(self, fd: int) -> None:
        """Wait until the file's content is on the disk."""
        os.fsync(fd)

    def truncate(self, fd: int, length: int) -> None:
        """Cut the file off."""
        os.ftruncate(fd, length)

    def chown(self, fd: int, uid: int, gid: int) -> None:
        """Give the file to another user or group."""
        os.fchown(fd, uid, gid)

    def chmod(self, fd: int, mode: int) -> None:
        """Set the permission bits."""
        os.fchmod(fd, mode)

    def read_only(self, path: str) -> bool:
        """Return whether the file is on a mount that takes no writes."""
        try:
            return bool(os.statvfs(path).f_flag & os.ST_RDONLY)
        except OSError:
            return False

    def replace(self, source: str, target: str) -> None:
        """Put one file in another's place at once."""
        os.replace(source, target)

    def link(self, source: str, target: str) -> None:
        """Give a file a second name."""
        os.link(source, target, follow_symlinks=False)

    def unlink(self, path: str) -> None:
        """Remove a name."""
        os.unlink(path)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a call was refused, and what the person can do about it."""

    why: str
    hint: Phrase


def explain(error: OSError, path: str) -> Refusal:
    """Put a system error about a path into plain words, with the next step."""
    folder = os.path.dirname(path) or "."
    number = error.errno or 0
    why = _WHY.get(number) or (os.strerror(number).lower() if number else "of an unknown error")
    if number in (errno.ENOSPC, errno.EDQUOT):
        hint: Phrase = f"Free some disk space (df -h {quoted(folder)}), then run the command again."
    elif number == errno.EFBIG:
        hint = "Raise the limit (ulimit -f unlimited), then run the command again."
    elif number in (errno.EACCES, errno.EPERM):
        owners = f"ls -ld {quoted(folder)} {quoted(path)}"
        hint = f"Check its owner ({owners}) and give this user write permission."
    elif number == errno.EROFS:
        hint = f"Mount {folder} writable, then run the command again."
    else:
        hint = text("Run the command again; if it still fails: ", Command("doctor", program=True))
    return Refusal(why, hint)


def quoted(path: str) -> str:
    """Write a path as it has to be typed in a shell."""
    # Late: only a refusal needs it.
    import shlex

    return shlex.quote(path)


def read_regular(path: str, most_bytes: int) -> bytes:
    """Read a whole regular file, again when somebody wrote to it meanwhile.

    Raises:
        OSError: the system refused.
        ValueError: it is no regular file, or larger than allowed; the text says which.
    """
    raw = b""
    for _ in range(_READS):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            before = os.fstat(fd)
            if not stat.S_ISREG(before.st_mode):
                kind = "a folder" if stat.S_ISDIR(before.st_mode) else "not a regular file"
                raise ValueError(f"is {kind}")
            raw = _read_up_to(fd, most_bytes + 1, before.st_size + 1)
            if len(raw) > most_bytes:
                raise ValueError(f"is larger than {most_bytes >> 20} MiB")
            after = os.fstat(fd)
        finally:
            os.close(fd)
        if (before.st_mtime_ns, before.st_size) == (after.st_mtime_ns, after.st_size):
            break
    return raw


def write_whole(fs: FileSystem, fd: int, data: bytes) -> None:
    """Write all of the data at the file's position. Raises OSError."""
    rest = memoryview(data)
    while rest:
        rest = rest[fs.write(fd, rest) :]


def sync_folder(fs: FileSystem, folder: str) -> None:
    """Make renames in a folder last; some file systems cannot, and then they order it themselves.

    The file's own content is on the disk already, so a refusal here loses nothing.
    """
    try:
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fs.fsync(fd)
    except OSError:
        return
    finally:
        os.close(fd)


def _read_up_to(fd: int, most_bytes: int, at_once: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while size < most_bytes:
        part = os.read(fd, min(at_once, most_bytes - size))
        if not part:
            break
        parts.append(part)
        size += len(part)
    return parts[0] if len(parts) == 1 else b"".join(parts)
