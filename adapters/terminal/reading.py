"""Lines from a pipe or a file, without blocking the loop and without a thread that holds it up."""

from __future__ import annotations

import asyncio
import codecs
import os
import threading
from collections.abc import AsyncGenerator
from typing import TextIO

_CHUNK = 65536


async def read_lines(stream: TextIO | None) -> AsyncGenerator[str, None]:
    """Yield a stream's lines without their ends; bytes that are no UTF-8 are replaced."""
    if stream is None:
        return
    try:
        descriptor = stream.fileno()
    except (OSError, ValueError):
        for text in stream:
            yield text.rstrip("\r\n")
        return
    queue: asyncio.Queue[str | None] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    # A daemon: a read that never returns must not keep the program from ending.
    threading.Thread(target=_pump, args=(descriptor, queue, loop), daemon=True).start()
    while (line := await queue.get()) is not None:
        yield line


def _pump(
    descriptor: int, queue: asyncio.Queue[str | None], loop: asyncio.AbstractEventLoop
) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    rest = ""
    try:
        while chunk := _read(descriptor):
            *lines, rest = (rest + decoder.decode(chunk)).split("\n")
            for line in lines:
                loop.call_soon_threadsafe(queue.put_nowait, line.rstrip("\r"))
        if rest := rest + decoder.decode(b"", final=True):
            loop.call_soon_threadsafe(queue.put_nowait, rest)
        loop.call_soon_threadsafe(queue.put_nowait, None)
    except RuntimeError:
        # The loop is closed: nobody listens any more.
        return


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, _CHUNK)
    except OSError:
        return b""
