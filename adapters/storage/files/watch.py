"""Noticing that a config file changed: the kernel tells, and a slow look where it cannot."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress

from bot.errors import ConfigMissingError, ConfigUnreadableError
from bot.ports import Document

_FIRST_LOOK_S = 0.1
_WITHOUT_KERNEL_S = 0.8
_SAME_TICK_NS = 2_000_000_000
Signature = tuple[tuple[int, ...], ...]


async def watch_file(
    path: str,
    read: Callable[[], Document],
    *,
    since: str | None,
    poll_s: float,
    beside: Callable[[], tuple[str, ...]] = tuple,
) -> AsyncIterator[Document]:
    """Yield what `read` returns each time its state is another than `since`.

    `beside` names the other files that `read` read last: what is included, OpenClaw's keys.

    A file that is missing or unreadable for a while is waited for. `path` is as configured:
    through a symbolic link its folder and its target's are both watched.
    """
    seen = since
    if seen is None:
        document = await asyncio.to_thread(_try, read)
        seen = document.state if document else None
    looked: Signature | None = None
    wake = asyncio.Event()
    folders = _folders(path, *beside())
    listener = asyncio.create_task(_listen(folders, wake))
    # What happens before the listener is up is seen by looking again soon, then ever later.
    pause_s = min(_FIRST_LOOK_S, poll_s)
    try:
        while True:
            # Not wait_for: before Python 3.12 it may swallow a cancellation that comes with a wake.
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await wake.wait()
            wake.clear()
            pause_s = min(pause_s * 3, poll_s)
            # The folder may be a busy one: our own log may be in it.
            look = _signature(path, *beside())
            if look is None or look != looked:
                looked = look
                document = await asyncio.to_thread(_try, read)
                if document is not None and document.state != seen:
                    seen = document.state
                    yield document
            if listener.done() or _folders(path, *beside()) != folders:
                if listener.done():
                    # The kernel cannot tell here: looking must be quick enough by itself.
                    pause_s = min(pause_s, _WITHOUT_KERNEL_S)
                await _stop(listener)
                folders = _folders(path, *beside())
                listener = asyncio.create_task(_listen(folders, wake))
    finally:
        await _stop(listener)


def _signature(path: str, *beside: str) -> Signature | None:
    """Return what tells one version of the files from another; None where it cannot yet.

    The file behind the link counts as well as the link: Kubernetes swaps a folder (`..data`)
    above it. A file written a moment ago may change again within the same tick of its clock.
    """
    found: list[tuple[int, ...]] = []
    for name in (path, *beside):
        try:
            both = os.lstat(name), os.stat(name)
        except OSError:
            if name == path:
                return None
            found.append(())
            continue
        if abs(time.time_ns() - both[1].st_mtime_ns) < _SAME_TICK_NS:
            return None
        found += [
            (one.st_dev, one.st_ino, one.st_mtime_ns, one.st_ctime_ns, one.st_size) for one in both
        ]
    return tuple(found)


async def _listen(folders: Iterable[str], wake: asyncio.Event) -> None:
    """Set the event at every change in the folders; return where the kernel cannot tell."""
    # Late: only a running service watches.
    from watchfiles import awatch

    try:
        async for _ in awatch(*folders, recursive=False, debounce=200, step=20):
            wake.set()
    except (OSError, RuntimeError):
        return


async def _stop(task: asyncio.Task[None]) -> None:
    while not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=1.0)


def _folders(*paths: str) -> tuple[str, ...]:
    folders = {os.path.dirname(p) for path in paths for p in (path, os.path.realpath(path))}
    return tuple(sorted(f for f in folders if os.path.isdir(f)))


def _try(read: Callable[[], Document]) -> Document | None:
    try:
        return read()
    except (ConfigMissingError, ConfigUnreadableError):
        return None
