"""The config file: owner, mode and links stay, backups are kept, odd files are told."""

# ruff: noqa: ASYNC240 -- a test may look at its own small files while nothing else runs
from __future__ import annotations

import errno
import os
import socket
import stat
from pathlib import Path

import pytest

from adapters.storage.files.backup import backup_path
from adapters.storage.files.config_file import FileConfigStore
from adapters.storage.files.lock import SUFFIX
from bot.errors import (
    ConfigConflictError,
    ConfigMissingError,
    ConfigUnreadableError,
    ConfigWriteError,
)
from bot.ports import revision_of
from tests.support.fakes_files import (
    NEW,
    OLD,
    Failing,
    backups,
    config_in,
    edit,
    litter,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return config_in(tmp_path)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


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
        "parts/b.json5": b"{ b: 1 }",
        "parts/gone.json5": "no such file or directory",
    }


async def test_a_broken_config_includes_nothing(path: Path) -> None:
    path.write_bytes(b'{ $include: "a.json5"')
    assert (await FileConfigStore(path).read()).included == {}


async def test_files_that_include_each_other_are_read_once(path: Path) -> None:
    raw = b'{ $include: "%s" }' % path.name.encode()
    path.write_bytes(raw)
    assert (await FileConfigStore(path).read()).included == {path.name: raw}


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
    with pytest.raises(ConfigWriteError, match="already exists"):
        await FileConfigStore(path, fs=fs).create(NEW)
    assert path.read_bytes() == OLD
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize(
    ("fs", "words"),
    [
        (Failing("write", errno.ENOSPC), "disk is full"),
        (Failing("open", errno.EACCES), "permission denied"),
    ],
)
async def test_a_new_config_is_whole_or_not_there(tmp_path: Path, fs: Failing, words: str) -> None:
    with pytest.raises(ConfigWriteError, match=words):
        await FileConfigStore(tmp_path / "moltbot.json", fs=fs).create(NEW)
    assert os.listdir(tmp_path) == []


async def test_a_new_config_needs_its_folder(tmp_path: Path) -> None:
    with pytest.raises(ConfigWriteError) as caught:
        await FileConfigStore(tmp_path / "a b" / "moltbot.json").create(NEW)
    assert caught.value.hint == f"Run: mkdir -p '{tmp_path / 'a b'}'"
