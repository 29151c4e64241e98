"""Config files for tests: file systems that refuse, and a look at what an edit leaves behind."""

from __future__ import annotations

import asyncio
import errno
import os
import subprocess
import sys
from pathlib import Path

from adapters.storage.files.backup import KEPT, backup_path
from adapters.storage.files.config_file import FileConfigStore
from adapters.storage.files.filesystem import FileSystem
from adapters.storage.files.lock import SUFFIX

REPO = Path(__file__).parents[2]
OLD = b'{ model: "a/old" } // as it was\n'
NEW = b'{ model: "b/new" }\n'


class Failing(FileSystem):
    """A file system where one kind of call fails for paths that hold a word, and links may too."""

    def __init__(
        self, call: str, number: int, word: str = "", *, after: int = 0, links: bool = True
    ) -> None:
        self.call, self.number, self.word, self.after = call, number, word, after
        self.links = links

    def _check(self, call: str, path: str) -> None:
        if call != self.call or self.word not in path:
            return
        self.after -= 1
        if self.after < 0:
            raise OSError(self.number, os.strerror(self.number), path)

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        self._check("open", path)
        return super().open(path, flags, mode)

    def write(self, fd: int, data: memoryview) -> int:
        self._check("write", os.readlink(f"/proc/self/fd/{fd}"))
        return super().write(fd, data[: max(1, len(data) // 2)])

    def fsync(self, fd: int) -> None:
        self._check("fsync", os.readlink(f"/proc/self/fd/{fd}"))
        super().fsync(fd)

    def chown(self, fd: int, uid: int, gid: int) -> None:
        self._check("chown", "")
        super().chown(fd, uid, gid)

    def replace(self, source: str, target: str) -> None:
        self._check("replace", target)
        super().replace(source, target)

    def link(self, source: str, target: str) -> None:
        if not self.links:
            raise OSError(errno.EPERM, "no links here")
        super().link(source, target)


class MountedFile(FileSystem):
    """A file that is mounted on its own: it has one name and cannot be renamed over.

    It takes a little at a time, so that a kill finds it half written.
    """

    def __init__(self, target: str, number: int = errno.EBUSY) -> None:
        self.target, self.number = target, number

    def write(self, fd: int, data: memoryview) -> int:
        return super().write(fd, data[:100])

    def replace(self, source: str, target: str) -> None:
        if target == self.target:
            raise OSError(self.number, "mounted")
        super().replace(source, target)

    def link(self, source: str, target: str) -> None:
        raise OSError(errno.EXDEV, "another device")


def config_in(folder: Path) -> Path:
    """Write a config with a blank in its name."""
    file = folder / "molt bot.json"
    file.write_bytes(OLD)
    file.chmod(0o640)
    return file


async def edit(store: FileConfigStore, raw: bytes = NEW) -> None:
    async with store.exclusive() as session:
        document = await session.read()
        await session.write(raw, expected_revision=document.revision)


def litter(path: Path) -> list[str]:
    """What a write leaves in the folder besides the file, its lock and its backups."""
    known = (path.name, path.name + SUFFIX)
    return [n for n in os.listdir(path.parent) if n not in known and ".changeover-bak." not in n]


def backups(path: Path) -> list[bytes]:
    found = (Path(backup_path(str(path), number)) for number in range(1, KEPT + 2))
    return [file.read_bytes() for file in found if file.exists()]


async def run(*words: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, from the repository's root."""
    return await asyncio.to_thread(
        subprocess.run,
        [sys.executable, *words],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=False,
    )
