"""The line between the main process and a gateway worker: words, and questions with an answer.

A message is a line of JSON with its size, then its bytes. When one side dies, the kernel closes the
line, and the other side knows.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import orjson

Hears = Mapping[str, Callable[[bytes], None]]
Answers = Mapping[str, Callable[[bytes], Awaitable[bytes]]]

_MOST_UNREAD = 1 << 23
_log = logging.getLogger("gateway")


class Link:
    """One end. `hears` takes words, in their order; `answers` takes questions, all at once."""

    def __init__(self, hears: Hears, answers: Answers) -> None:
        self._hears = hears
        self._answers = answers
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._asked: dict[int, asyncio.Future[bytes]] = {}
        self._count = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def open(self, line: socket.socket) -> None:
        """Take this end of the line."""
        self._reader, self._writer = await asyncio.open_unix_connection(sock=line)

    async def run(self) -> None:
        """Serve the line until the other side has closed it."""
        reader = self._reader
        assert reader is not None
        try:
            while head := await reader.readline():
                message = orjson.loads(head)
                self._take(message, await reader.readexactly(message["size"]))
        except (OSError, EOFError, ValueError):
            # A process that was killed in the middle of a message.
            pass
        finally:
            self.close()

    def close(self) -> None:
        """Close the line; what was asked has no answer any more."""
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the other side has closed the line"))

    async def flush(self) -> None:
        """Wait until what was said is on its way."""
        if self._writer is not None:
            with suppress(OSError):
                await self._writer.drain()

    def tell(self, what: str, body: bytes = b"") -> None:
        """Say something; a side that does not read for long misses it."""
        self._send({"what": what}, body)

    async def ask(self, what: str, body: bytes = b"", *, within_s: float) -> bytes:
        """Return the other side's answer.

        Raises:
            TimeoutError: there was none in time.
            ConnectionError: there is no other side any more, or it failed.
        """
        self._count += 1
        number = self._count
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked[number] = answer
        try:
            self._send({"what": what, "ask": number}, body)
            async with asyncio.timeout(within_s):
                return await answer
        finally:
            del self._asked[number]

    def _send(self, head: dict[str, object], body: bytes) -> None:
        if self._writer is None or self._writer.is_closing():
            if "ask" in head:
                raise ConnectionError("the line is closed")
            return
        if self._writer.transport.get_write_buffer_size() < _MOST_UNREAD:
            self._writer.write(orjson.dumps({**head, "size": len(body)}) + b"\n" + body)

    def _take(self, head: dict[str, object], body: bytes) -> None:
        number = head.get("answer")
        if isinstance(number, int):
            answer = self._asked.get(number)
            if answer is not None and not answer.done():
                if head.get("failed"):
                    answer.set_exception(ConnectionError("the other side failed"))
                else:
                    answer.set_result(body)
        elif "ask" in head:
            task = asyncio.get_running_loop().create_task(self._answer(head, body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        else:
            self._hears[str(head["what"])](body)

    async def _answer(self, head: dict[str, object], body: bytes) -> None:
        reply: dict[str, object] = {"answer": head["ask"]}
        try:
            said = await self._answers[str(head["what"])](body)
        except Exception:  # noqa: BLE001
            # The other side must have an answer, whatever failed here.
            _log.exception("a question between gateway processes failed")
            said, reply["failed"] = b"", True
        self._send(reply, said)
