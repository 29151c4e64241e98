"""Refused writes: the file as it was, plain words, the next step; and overwriting in place."""

# ruff: noqa: ASYNC240 -- a test may look at its own small files while nothing else runs
from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest

from adapters.storage.files.backup import backup_path
from adapters.storage.files.config_file import FileConfigStore
from adapters.storage.files.filesystem import FileSystem
from adapters.storage.files.in_place import redo_path
from adapters.storage.files.lock import SUFFIX
from bot.errors import (
    ChangeoverError,
    ConfigWriteError,
)
from tests.support.fakes_files import (
    NEW,
    OLD,
    Failing,
    MountedFile,
    backups,
    config_in,
    edit,
    litter,
    run,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return config_in(tmp_path)


# --- refusals: the file as it was, plain words, the next step ------------------------------------


def refusals() -> list[Any]:
    name = "molt bot.json"
    temp = ".changeover-"
    return [
        pytest.param(Failing("write", errno.ENOSPC, temp), "disk is full", id="full"),
        pytest.param(Failing("write", errno.EDQUOT, temp, after=2), "quota", id="quota"),
        pytest.param(Failing("fsync", errno.EIO, temp), "input/output", id="broken disk"),
        pytest.param(Failing("open", errno.EROFS, ".tmp"), "read-only", id="read-only"),
        pytest.param(Failing("open", errno.EACCES, ".tmp"), "permission denied", id="no temp file"),
        pytest.param(Failing("open", errno.EACCES, SUFFIX), "lock file", id="no lock"),
        pytest.param(Failing("open", errno.EROFS, SUFFIX), "lock file", id="no lock, read-only"),
        pytest.param(Failing("replace", errno.ENOSPC, name), "disk is full", id="rename"),
        pytest.param(
            Failing("replace", errno.EROFS, "-bak.1", links=False), "read-only", id="no backup"
        ),
    ]


@pytest.mark.parametrize(("fs", "words"), refusals())
async def test_a_refused_write_changes_nothing(path: Path, fs: Failing, words: str) -> None:
    before = path.stat()
    with pytest.raises(ConfigWriteError, match=words) as caught:
        await edit(FileConfigStore(path, fs=fs))
    assert caught.value.hint
    after = path.stat()
    assert path.read_bytes() == OLD
    assert (before.st_ino, before.st_mode) == (after.st_ino, after.st_mode)
    assert litter(path) == []


async def test_after_a_refusal_the_next_edit_goes_through(path: Path) -> None:
    with pytest.raises(ConfigWriteError):
        await edit(FileConfigStore(path, fs=Failing("replace", errno.EIO, path.name)))
    await edit(FileConfigStore(path))
    assert path.read_bytes() == NEW
    assert backups(path)[0] == OLD


async def test_a_folder_that_cannot_be_synced_loses_nothing(path: Path) -> None:
    class NoFolderSync(FileSystem):
        def fsync(self, fd: int) -> None:
            if stat.S_ISDIR(os.fstat(fd).st_mode):
                raise OSError(errno.EINVAL, "Invalid argument")
            super().fsync(fd)

    await edit(FileConfigStore(path, fs=NoFolderSync()))
    assert path.read_bytes() == NEW


async def test_a_config_of_more_than_32_mib_is_not_written(path: Path) -> None:
    with pytest.raises(ConfigWriteError, match="32 MiB"):
        await edit(FileConfigStore(path), b" " * ((32 << 20) + 1))
    assert path.read_bytes() == OLD


FULL = """
import asyncio, resource, sys
from pathlib import Path
from adapters.storage.files.config_file import FileConfigStore
from bot.errors import ConfigWriteError

async def main(path):
    async with FileConfigStore(path).exclusive() as session:
        document = await session.read()
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            await session.write(b" " * 100_000, expected_revision=document.revision)
        except ConfigWriteError as error:
            print(error.message, error.hint)
            return 0
    return 1

sys.exit(asyncio.run(main(Path(sys.argv[1]))))
"""


async def test_a_real_full_disk(path: Path) -> None:
    done = await run("-c", FULL, str(path))
    assert done.returncode == 0, done.stderr
    assert "file size limit" in done.stdout
    assert path.read_bytes() == OLD
    assert litter(path) == []


NOBODY = """
import asyncio, os, shlex, sys
from pathlib import Path
from adapters.storage.files.config_file import FileConfigStore
from bot.errors import ConfigError

async def main(path):
    store = FileConfigStore(path)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        async with store.exclusive() as session:
            document = await session.read()
            await session.write(b"{}", expected_revision=document.revision)
    except ConfigError as error:
        print(error.code, error.message, error.hint)
        return 0
    return 1

sys.exit(asyncio.run(main(Path(sys.argv[1]))))
"""


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "words"),
    [
        (0o555, 0o644, "config_write The lock file"),
        (0o777, 0o600, "config_unreadable"),
        (0o555, 0o000, "config_write The lock file"),
    ],
)
async def test_real_permissions_bind(folder_mode: int, file_mode: int, words: str) -> None:
    # Not below tmp_path, which nobody else may enter.
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        home = Path(folder) / "home"
        home.mkdir()
        path = home / "moltbot.json"
        path.write_bytes(OLD)
        path.chmod(file_mode)
        home.chmod(folder_mode)
        try:
            done = await run("-c", NOBODY, str(path))
        finally:
            home.chmod(0o755)
            path.chmod(0o644)
        assert done.returncode == 0, done.stderr
        assert done.stdout.startswith(words)
        assert path.read_bytes() == OLD
        assert ".tmp" not in str(os.listdir(home))


# --- messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EFBIG, 0, 95])
async def test_every_refusal_has_a_next_step(path: Path, number: int) -> None:
    with pytest.raises(ChangeoverError) as caught:
        await edit(FileConfigStore(path, fs=Failing("fsync", number, ".tmp")))
    assert caught.value.message.endswith("The file was not changed.")
    assert caught.value.hint


# --- written in place ----------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EXDEV, errno.EPERM, errno.EACCES])
@pytest.mark.parametrize("raw", [NEW, OLD + b"// longer", b""])
async def test_a_file_that_cannot_be_renamed_over(path: Path, number: int, raw: bytes) -> None:
    inode = path.stat().st_ino
    await edit(FileConfigStore(path, fs=MountedFile(str(path), number)), raw)
    assert path.read_bytes() == raw
    assert path.stat().st_ino == inode
    assert backups(path) == [OLD]
    assert litter(path) == []


async def test_the_backup_of_a_file_written_in_place_is_a_file_of_its_own(path: Path) -> None:
    class Linking(MountedFile):
        def link(self, source: str, target: str) -> None:
            os.link(source, target)

    await edit(FileConfigStore(path, fs=Linking(str(path))))
    assert backups(path) == [OLD]
    assert path.stat().st_nlink == 1


@pytest.mark.parametrize("call", ["write", "fsync"])
async def test_an_overwrite_that_fails_half_way_is_taken_back(path: Path, call: str) -> None:
    class Breaking(MountedFile):
        """Breaks the first overwrite in its middle."""

        broken = False

        def write(self, fd: int, data: memoryview) -> int:
            if call == "write":
                self._break(fd, len(data) < len(NEW))
            return super().write(fd, data[: len(data) // 2 + 1])

        def fsync(self, fd: int) -> None:
            if call == "fsync":
                self._break(fd, True)
            super().fsync(fd)

        def _break(self, fd: int, far_enough: bool) -> None:
            ours = os.readlink(f"/proc/self/fd/{fd}") == str(path)
            writing = os.path.lexists(redo_path(str(path)))
            if ours and far_enough and writing and not self.broken:
                self.broken = True
                raise OSError(errno.ENOSPC, "full")

    with pytest.raises(ConfigWriteError, match="was not changed"):
        await edit(FileConfigStore(path, fs=Breaking(str(path))))
    assert path.read_bytes() == OLD
    assert backups(path) == [OLD]
    assert litter(path) == []


async def test_an_overwrite_that_cannot_be_taken_back_names_the_backup(path: Path) -> None:
    class Dying(MountedFile):
        """Takes an overwrite but for its last bytes, and nothing more."""

        def write(self, fd: int, data: memoryview) -> int:
            if os.readlink(f"/proc/self/fd/{fd}") == str(path):
                if len(data) < len(NEW):
                    raise OSError(errno.EIO, "broken")
                return super().write(fd, data[:-3])
            return super().write(fd, data)

    with pytest.raises(ConfigWriteError) as caught:
        await edit(FileConfigStore(path, fs=Dying(str(path))))
    assert backup_path(str(path), 1) in caught.value.message
    assert caught.value.hint.startswith("Run: cp '")
    assert backups(path) == [OLD]


LONG = b"[" + b"1," * 40 + b"1]\n"


@pytest.mark.parametrize(("old", "new"), [(OLD, NEW), (OLD, LONG), (LONG, OLD), (OLD, b"")])
async def test_every_state_of_an_overwrite_is_read_whole_and_mended(
    path: Path, old: bytes, new: bytes
) -> None:
    store = FileConfigStore(path)
    states = [new[:done] + old[done:] for done in range(len(new) + 1)]
    for state in states:
        Path(backup_path(str(path), 1)).write_bytes(old)
        Path(redo_path(str(path))).write_bytes(new)
        path.write_bytes(state)
        expected = old if state == old else new
        assert (await store.read()).raw == expected
        async with store.exclusive() as session:
            assert (await session.read()).raw == expected
        assert path.read_bytes() == expected
        assert litter(path) == []


async def test_an_edit_from_outside_is_not_taken_for_a_torn_file(path: Path) -> None:
    store = FileConfigStore(path)
    Path(backup_path(str(path), 1)).write_bytes(OLD)
    Path(redo_path(str(path))).write_bytes(NEW)
    path.write_bytes(b"{ by: 'hand' }")
    async with store.exclusive() as session:
        assert (await session.read()).raw == b"{ by: 'hand' }"
    assert not os.path.exists(redo_path(str(path)))


async def test_a_torn_file_that_cannot_be_mended_refuses_the_edit(path: Path) -> None:
    Path(backup_path(str(path), 1)).write_bytes(OLD)
    Path(redo_path(str(path))).write_bytes(NEW)
    path.write_bytes(NEW[:14] + OLD[14:])
    fs = Failing("write", errno.EROFS)
    with pytest.raises(ConfigWriteError, match="read-only"):
        await edit(FileConfigStore(path, fs=fs))
    assert (await FileConfigStore(path).read()).raw == NEW


# --- a mount that takes no writes -----------------------------------------------------------------


class ReadOnlyMount(MountedFile):
    """The file alone is mounted read-only, its folder is not; `told` says so beforehand."""

    def __init__(self, target: str, *, told: bool) -> None:
        super().__init__(target)
        self.told = told

    def read_only(self, path: str) -> bool:
        return self.told and path == self.target

    def open(self, path: str, flags: int, mode: int = 0o600) -> int:
        if path == self.target and flags & (os.O_WRONLY | os.O_RDWR):
            raise OSError(errno.EROFS, "read-only")
        return super().open(path, flags, mode)


@pytest.mark.parametrize("told", [True, False])
async def test_a_read_only_mount_is_refused_as_unchanged(path: Path, told: bool) -> None:
    with pytest.raises(ConfigWriteError, match="read-only") as caught:
        await edit(FileConfigStore(path, fs=ReadOnlyMount(str(path), told=told)))
    assert "was not changed" in caught.value.message
    assert (path.read_bytes(), litter(path)) == (OLD, [])
    assert backups(path) == ([] if told else [OLD])


async def test_a_file_of_a_mount_that_cannot_be_asked_is_tried(tmp_path: Path) -> None:
    assert not FileSystem().read_only(str(tmp_path / "nowhere"))
