"""The config file on a real file system: owners, links, backups, refusals, crashes."""

# ruff: noqa: ASYNC240 -- a test may look at its own small files while nothing else runs
from __future__ import annotations

import asyncio
import errno
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from adapters.storage.config_file import FileConfigStore
from adapters.storage.file_backup import KEPT, backup_path
from adapters.storage.file_in_place import redo_path
from adapters.storage.file_lock import SUFFIX
from adapters.storage.filesystem import FileSystem
from bot.errors import (
    ChangeoverError,
    ConfigConflictError,
    ConfigLockedError,
    ConfigMissingError,
    ConfigUnreadableError,
    ConfigWriteError,
)
from bot.ports import revision_of
from tests.soak.counting import MountedFile

REPO = Path(__file__).parents[2]
OLD = b'{ model: "a/old" } // as it was\n'
NEW = b'{ model: "b/new" }\n'
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A config with a blank in its name."""
    file = tmp_path / "molt bot.json"
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


# --- what stays ----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o444])
async def test_mode_stays_and_the_backup_is_no_wider(path: Path, mode: int) -> None:
    path.chmod(mode)
    await edit(FileConfigStore(path))
    backup = Path(backup_path(str(path), 1))
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert stat.S_IMODE(backup.stat().st_mode) == mode
    assert (path.read_bytes(), backup.read_bytes()) == (NEW, OLD)
    assert litter(path) == []


@as_root
@pytest.mark.parametrize("links", [True, False])
async def test_owner_stays(path: Path, links: bool) -> None:
    os.chown(path, 4711, 4712)
    fs = Failing("", 0, links=links)
    await edit(FileConfigStore(path, fs=fs))
    for file in (path, Path(backup_path(str(path), 1)), Path(str(path) + SUFFIX)):
        assert (file.stat().st_uid, file.stat().st_gid) == (4711, 4712), file
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


async def test_attributes_stay(path: Path) -> None:
    try:
        os.setxattr(path, "user.note", b"mine")
    except OSError:
        pytest.skip("no attributes on this file system")
    await edit(FileConfigStore(path))
    assert os.getxattr(path, "user.note") == b"mine"


@as_root
async def test_an_owner_that_cannot_be_kept_is_kept_by_writing_in_place(path: Path) -> None:
    os.chown(path, 4711, 4712)
    inode = path.stat().st_ino
    await edit(FileConfigStore(path, fs=Failing("chown", errno.EPERM)))
    assert (path.read_bytes(), path.stat().st_ino) == (NEW, inode)
    assert path.stat().st_uid == 4711
    assert backups(path) == [OLD]
    # The backup could not be given away either, so nobody else may read it.
    assert stat.S_IMODE(Path(backup_path(str(path), 1)).stat().st_mode) == 0o600


async def test_a_link_stays_a_link(path: Path, tmp_path: Path) -> None:
    (tmp_path / "links").mkdir()
    link = tmp_path / "links" / "config.json"
    link.symlink_to(os.path.join("..", path.name))
    store = FileConfigStore(link)
    await edit(store)
    assert link.is_symlink()
    assert path.read_bytes() == NEW
    assert store.location == str(path.resolve())
    assert os.listdir(link.parent) == [link.name]


async def test_a_dangling_link_names_its_target(tmp_path: Path) -> None:
    link = tmp_path / "config.json"
    link.symlink_to("gone.json")
    for use in (FileConfigStore(link).read, lambda: edit(FileConfigStore(link))):
        with pytest.raises(ConfigMissingError, match=r"gone\.json") as caught:
            await use()
        assert caught.value.hint
    assert os.listdir(tmp_path) == ["config.json"]


async def test_a_link_turned_elsewhere_in_mid_edit_is_a_conflict(
    path: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.json"
    other.write_bytes(OLD)
    link = tmp_path / "config.json"
    link.symlink_to(path)
    async with FileConfigStore(link).exclusive() as session:
        document = await session.read()
        link.unlink()
        link.symlink_to(other)
        with pytest.raises(ConfigConflictError):
            await session.write(NEW, expected_revision=document.revision)
    assert (path.read_bytes(), other.read_bytes()) == (OLD, OLD)


async def test_a_relative_path_stays_where_it_was(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = FileConfigStore(Path(path.name))
    monkeypatch.chdir("/")
    assert store.location == str(path.resolve())
    assert (await store.read()).raw == OLD


# --- backups -------------------------------------------------------------------------------------


@pytest.mark.parametrize("fs", [Failing("", 0), Failing("", 0, links=False)])
async def test_the_last_five_versions_are_kept_newest_first(path: Path, fs: Failing) -> None:
    store = FileConfigStore(path, fs=fs)
    for number in range(7):
        await edit(store, b"%d" % number)
    assert backups(path) == [b"5", b"4", b"3", b"2", b"1"]
    assert litter(path) == []


async def test_a_gap_in_the_backups_is_filled_first(path: Path) -> None:
    store = FileConfigStore(path)
    for number in range(4):
        await edit(store, b"%d" % number)
    os.unlink(backup_path(str(path), 2))
    await edit(store, b"4")
    assert backups(path) == [b"3", b"2", b"0", OLD]


async def test_the_same_bytes_make_no_backup(path: Path) -> None:
    await edit(FileConfigStore(path), OLD)
    assert backups(path) == []


# --- what cannot be read -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["folder", "pipe", "socket", "loop", "large", "inside a file"])
async def test_what_is_no_config_file_is_told(tmp_path: Path, kind: str) -> None:
    odd = tmp_path / "odd"
    if kind == "folder":
        odd.mkdir()
    elif kind == "pipe":
        os.mkfifo(odd)
    elif kind == "socket":
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(odd))
    elif kind == "loop":
        odd.symlink_to(odd)
    elif kind == "large":
        with odd.open("wb") as file:
            file.truncate((32 << 20) + 1)
    else:
        (tmp_path / "file").touch()
        odd = tmp_path / "file" / "odd"
    with pytest.raises((ConfigUnreadableError, ConfigMissingError)) as caught:
        await FileConfigStore(odd).read()
    assert str(odd) in caught.value.message
    assert caught.value.hint


async def test_a_file_of_32_mib_is_still_read(tmp_path: Path) -> None:
    path = tmp_path / "moltbot.json"
    with path.open("wb") as file:
        file.truncate(32 << 20)
    assert len((await FileConfigStore(path).read()).raw) == 32 << 20


async def test_included_files_come_with_it(path: Path) -> None:
    (path.parent / "parts").mkdir()
    (path.parent / "parts" / "a.json5").write_bytes(b'{ $include: ["b.json5", "gone.json5"] }')
    (path.parent / "parts" / "b.json5").write_bytes(b"{ b: 1 }")
    path.write_bytes(b'{ x: { $include: "parts/a.json5" } }')
    included = (await FileConfigStore(path).read()).included
    assert included == {
        "parts/a.json5": b'{ $include: ["b.json5", "gone.json5"] }',
        "b.json5": b"{ b: 1 }",
        "gone.json5": None,
    }


async def test_a_broken_config_includes_nothing(path: Path) -> None:
    path.write_bytes(b'{ $include: "a.json5"')
    assert (await FileConfigStore(path).read()).included == {}


async def test_files_that_include_each_other_are_read_once(path: Path) -> None:
    raw = b'{ $include: "%s" }' % path.name.encode()
    path.write_bytes(raw)
    assert (await FileConfigStore(path).read()).included == {path.name: raw}


# --- refusals: the file as it was, plain words, the next step ------------------------------------


def refusals() -> list[Any]:
    name = "molt bot.json"
    temp = ".changeover-"
    return [
        pytest.param(Failing("write", errno.ENOSPC, temp), "disk is full", id="full"),
        pytest.param(Failing("write", errno.EDQUOT, temp, after=2), "quota", id="quota"),
        pytest.param(Failing("fsync", errno.EIO, temp), "input/output", id="broken disk"),
        pytest.param(Failing("open", errno.EROFS, ".tmp"), "read-only", id="read-only"),
        pytest.param(Failing("open", errno.EACCES, ".tmp"), "not allowed", id="no temp file"),
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
from adapters.storage.config_file import FileConfigStore
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
from adapters.storage.config_file import FileConfigStore
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

    with pytest.raises(ConfigWriteError, match="as it was"):
        await edit(FileConfigStore(path, fs=Breaking(str(path))))
    assert path.read_bytes() == OLD
    assert backups(path) == [OLD]
    assert litter(path) == []


async def test_an_overwrite_that_cannot_be_taken_back_names_the_backup(path: Path) -> None:
    class Dying(MountedFile):
        """Takes the first three bytes of an overwrite and nothing more."""

        def write(self, fd: int, data: memoryview) -> int:
            if os.readlink(f"/proc/self/fd/{fd}") == str(path):
                if len(data) < len(NEW):
                    raise OSError(errno.EIO, "broken")
                return super().write(fd, data[:3])
            return super().write(fd, data)

    with pytest.raises(ConfigWriteError) as caught:
        await edit(FileConfigStore(path, fs=Dying(str(path))))
    assert backup_path(str(path), 1) in caught.value.message
    assert caught.value.hint.startswith("Type: cp '")
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


# --- the lock ------------------------------------------------------------------------------------


async def test_a_held_lock_names_its_holder(path: Path) -> None:
    async with FileConfigStore(path).exclusive():
        with pytest.raises(ConfigLockedError, match=rf"process {os.getpid()} since 20") as caught:
            await edit(FileConfigStore(path, lock_timeout_s=0.05))
    assert f"ps -p {os.getpid()}" in caught.value.hint
    await edit(FileConfigStore(path, lock_timeout_s=0.05))


async def test_a_lock_with_an_unreadable_note_is_held_all_the_same(path: Path) -> None:
    async with FileConfigStore(path).exclusive():
        Path(str(path) + SUFFIX).write_bytes(b"\xff{")
        with pytest.raises(ConfigLockedError, match="another process"):
            await edit(FileConfigStore(path, lock_timeout_s=0.05))


async def test_a_lock_file_removed_by_hand_does_not_let_two_in(path: Path) -> None:
    lock = Path(str(path) + SUFFIX)
    async with FileConfigStore(path).exclusive():
        waiting = asyncio.create_task(edit(FileConfigStore(path)))
        await asyncio.sleep(0.02)
        lock.unlink()
    await waiting
    assert lock.exists()
    assert path.read_bytes() == NEW


async def test_another_programs_lock_is_waited_for(path: Path) -> None:
    theirs = Path(str(path) + ".lock")
    theirs.write_text('{"pid": 1}')
    with pytest.raises(ConfigLockedError, match=r"json\.lock"):
        await edit(FileConfigStore(path, lock_timeout_s=0.05))
    waiting = asyncio.create_task(edit(FileConfigStore(path)))
    await asyncio.sleep(0.02)
    assert path.read_bytes() == OLD
    theirs.unlink()
    await waiting
    assert path.read_bytes() == NEW


async def test_another_programs_stale_lock_is_passed_by_and_left_alone(path: Path) -> None:
    theirs = Path(str(path) + ".lock")
    theirs.touch()
    long_ago = time.time() - 3600
    os.utime(theirs, (long_ago, long_ago))
    await edit(FileConfigStore(path, lock_timeout_s=0.05))
    assert path.read_bytes() == NEW
    assert theirs.exists()


async def test_a_config_without_its_folder_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(ConfigMissingError, match="no config file"):
        await edit(FileConfigStore(tmp_path / "gone" / "moltbot.json"))


async def test_temp_files_of_the_dead_are_swept_away(path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])  # noqa: ASYNC220
    dead.wait()
    left = path.parent / f".{path.name}.changeover-{dead.pid}-0a0b.tmp"
    live = path.parent / f".{path.name}.changeover-{os.getppid()}-0a0b.tmp"
    foreign = path.parent / ".other.json.changeover-1-0a0b.tmp"
    for file in (left, live, foreign):
        file.touch()
    await edit(FileConfigStore(path))
    assert sorted(litter(path)) == sorted([live.name, foreign.name])


async def test_a_cancelled_write_keeps_the_lock_until_it_is_over(path: Path) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    class Slow(FileSystem):
        def replace(self, source: str, target: str) -> None:
            loop.call_soon_threadsafe(begun.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(20)
            super().replace(source, target)

    writing = asyncio.create_task(edit(FileConfigStore(path, fs=Slow())))
    await begun.wait()
    writing.cancel()
    with pytest.raises(ConfigLockedError):
        await edit(FileConfigStore(path, lock_timeout_s=0.05))
    writing.cancel()
    go_on.set()
    with suppress(asyncio.CancelledError):
        await writing
    assert writing.cancelled()
    assert path.read_bytes() == NEW


# --- the first document --------------------------------------------------------------------------


@pytest.mark.parametrize("links", [True, False])
async def test_a_new_config_is_private(tmp_path: Path, links: bool) -> None:
    path = tmp_path / "moltbot.json"
    fs = Failing("", 0, links=links)
    document = await FileConfigStore(path, fs=fs).create(NEW)
    assert document.revision == revision_of(NEW)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["moltbot.json"]


@pytest.mark.parametrize("links", [True, False])
async def test_a_new_config_goes_over_nothing(path: Path, links: bool) -> None:
    fs = Failing("", 0, links=links)
    with pytest.raises(ConfigWriteError, match="there already"):
        await FileConfigStore(path, fs=fs).create(NEW)
    assert path.read_bytes() == OLD
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    ("fs", "words"),
    [
        (Failing("write", errno.ENOSPC), "disk is full"),
        (Failing("open", errno.EACCES), "not allowed"),
    ],
)
async def test_a_new_config_is_whole_or_not_there(tmp_path: Path, fs: Failing, words: str) -> None:
    with pytest.raises(ConfigWriteError, match=words):
        await FileConfigStore(tmp_path / "moltbot.json", fs=fs).create(NEW)
    assert os.listdir(tmp_path) == []


async def test_a_new_config_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigWriteError) as caught:
        await FileConfigStore(tmp_path / "a b" / "moltbot.json").create(NEW)
    assert caught.value.hint == f"Type: mkdir -p '{tmp_path / 'a b'}'"


# --- many processes, and kills -------------------------------------------------------------------


async def soak(module: str, *words: str) -> str:
    done = await run("-m", f"tests.soak.{module}", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("mode", [[], ["--mounted"]])
async def test_many_processes_lose_no_edit(mode: list[str]) -> None:
    assert "lost 0, failed processes 0" in await soak("race_edit", "16", "5", *mode)


@pytest.mark.parametrize("mode", [[], ["--mounted"]])
async def test_kills_in_mid_edit_tear_and_lose_nothing(mode: list[str]) -> None:
    assert "faults 0" in await soak("kill_edit", "30", *mode)


# --- messages ------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EFBIG, 0, 95])
async def test_every_refusal_has_a_next_step(path: Path, number: int) -> None:
    with pytest.raises(ChangeoverError) as caught:
        await edit(FileConfigStore(path, fs=Failing("fsync", number, ".tmp")))
    assert caught.value.message.endswith("The file is as it was.")
    assert caught.value.hint
