"""Writers of one config file: they wait for each other, die, and are killed in mid-edit."""

# ruff: noqa: ASYNC240 -- a test may look at its own small files while nothing else runs
from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.storage.files import lock as file_lock
from adapters.storage.files.config_file import FileConfigStore
from adapters.storage.files.lock import SUFFIX
from bot.errors import (
    ConfigLockedError,
    ConfigMissingError,
)
from tests.support.fakes_files import (
    NEW,
    OLD,
    MountedFile,
    config_in,
    edit,
    litter,
    run,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return config_in(tmp_path)


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


def queued(path: Path) -> int:
    """Count who waits for the turn or has it."""
    if not os.path.exists(str(path) + SUFFIX):
        return 0
    with open(str(path) + SUFFIX, "rb+") as lock:
        count, at = 0, file_lock._first_locked(lock.fileno(), 1, 1 << 61)
        while at is not None:
            count, at = count + 1, file_lock._first_locked(lock.fileno(), at + 1, 1 << 61)
        return count


@pytest.mark.parametrize("lock", ["turn", "exclusive"])
async def test_editors_are_let_in_in_the_order_in_which_they_came(path: Path, lock: str) -> None:
    came: list[int] = []
    gate = asyncio.Event()

    async def editor(number: int) -> None:
        store = FileConfigStore(path)
        async with store.turn() if lock == "turn" else store.exclusive():
            came.append(number)
            await gate.wait()

    tasks = []
    for number in range(12):
        tasks.append(asyncio.create_task(editor(number)))
        # It has joined the queue when it has opened the lock file and waits.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    gate.set()
    await asyncio.gather(*tasks)
    assert came == list(range(12))


async def test_a_waiter_that_dies_leaves_the_queue(path: Path) -> None:
    waiter = (
        "import asyncio, sys; from pathlib import Path\n"
        "from adapters.storage.files.config_file import FileConfigStore\n"
        "async def wait():\n"
        "    async with FileConfigStore(Path(sys.argv[1])).turn(): pass\n"
        "asyncio.run(wait())"
    )
    store = FileConfigStore(path)
    async with store.turn():
        child = subprocess.Popen([sys.executable, "-c", waiter, str(path)])  # noqa: ASYNC220
        while queued(path) < 2:
            await asyncio.sleep(0.01)
            assert child.poll() is None
        behind = asyncio.create_task(edit(FileConfigStore(path)))
        child.kill()
        child.wait()
        assert queued(path) == 1
    await behind
    async with store.turn():
        assert queued(path) == 1


async def test_time_runs_out_only_while_the_queue_does_not_move(path: Path) -> None:
    """Ten editors that need longer together than one may wait all get their turn."""

    async def editor() -> None:
        async with FileConfigStore(path, lock_timeout_s=2.0).turn():
            await asyncio.sleep(0.25)

    await asyncio.gather(*(editor() for _ in range(10)))


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
    with pytest.raises(ConfigMissingError, match="does not exist"):
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

    class Slow(MountedFile):
        def truncate(self, fd: int, length: int) -> None:
            loop.call_soon_threadsafe(begun.set)
            asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result(20)
            super().truncate(fd, length)

    writing = asyncio.create_task(edit(FileConfigStore(path, fs=Slow(str(path)))))
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


async def test_kills_in_mid_edit_of_an_included_file_lose_no_undo() -> None:
    assert "faults 0" in await soak("kill_included", "6")
