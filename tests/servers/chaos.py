"""An upstream that misbehaves on purpose: raw sockets, so that anything can be sent."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Self

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_AT_ONCE = struct.pack("ii", 1, 0)


@dataclass
class Call:
    """One request as it came, and the way to answer it."""

    head: bytes
    body: bytes
    writer: asyncio.StreamWriter
    reader: asyncio.StreamReader

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def path(self) -> str:
        return self.head.split(b" ", 2)[1].decode()

    def header(self, name: str) -> str | None:
        found = re.search(rb"(?im)^%s: *([^\r\n]*)" % re.escape(name.encode()), self.head)
        return found[1].decode() if found else None

    async def send(self, *parts: bytes, pause_s: float = 0.0) -> None:
        for part in parts:
            self.writer.write(part)
            await self.writer.drain()
            await asyncio.sleep(pause_s)

    async def hang(self) -> None:
        """Wait until the other side goes."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        handle = self.writer.get_extra_info("socket")
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
        self.writer.transport.abort()


Script = Callable[[Call], Awaitable[None]]


class Chaos:
    """Plays a script for each request; the connection is closed after it."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.calls: list[Call] = []
        self.gone = asyncio.Event()
        self.url = ""
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            call = await _read(reader, writer)
            self.calls.append(call)
            await self.script(call)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.gone.set()
        except asyncio.CancelledError:
            return
        finally:
            self._tasks.discard(task)
            writer.close()


async def _read(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Call:
    head = await reader.readuntil(b"\r\n\r\n")
    length = _LENGTH.search(head)
    body = await reader.readexactly(int(length[1])) if length else b""
    return Call(head, body, writer, reader)


def http(body: bytes, status: str = "200 OK", kind: str = "application/json", *more: str) -> bytes:
    """Write a whole response."""
    lines = [f"HTTP/1.1 {status}", f"content-type: {kind}", f"content-length: {len(body)}", *more]
    return "\r\n".join([*lines, "", ""]).encode() + body


def head(kind: str = "text/event-stream", *more: str) -> bytes:
    """Begin a response that ends with the connection."""
    lines = ["HTTP/1.1 200 OK", f"content-type: {kind}", "connection: close", *more, "", ""]
    return "\r\n".join(lines).encode()


def sse(document: Any, event: str = "") -> bytes:
    name = f"event: {event}\n" if event else ""
    return f"{name}data: {json.dumps(document)}\n\n".encode()


# --- answers in both dialects ------------------------------------------------------------------

DONE = b"data: [DONE]\n\n"


def answer(text: str = "Hello.", **more: Any) -> dict[str, Any]:
    """A whole answer in OpenAI's dialect."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": "stop",
    }
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1767225600,
        "model": "chaos-1",
        "choices": [choice],
        "usage": usage,
    } | more


def good() -> bytes:
    """Whatever was asked, answer it well."""
    return http(json.dumps(answer()).encode())


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> bytes:
    """One event of OpenAI's dialect."""
    delta = {} if text is None else {"content": text}
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return sse(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1767225600,
            "model": "chaos-1",
            "choices": [choice],
        }
        | more
    )


def usage_chunk() -> bytes:
    usage = {"prompt_tokens": 12, "completion_tokens": 3, "total_tokens": 15}
    return chunk(choices=[], usage=usage)


START = sse(
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "chaos-1",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 40, "output_tokens": 1},
        },
    },
    "message_start",
)
BLOCK = sse(
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    "content_block_start",
)


def delta(text: str) -> bytes:
    """One event of content in Anthropic's dialect."""
    body = {
        "type": "content_block_delta",
        "index": 0,
        "delta": {"type": "text_delta", "text": text},
    }
    return sse(body, "content_block_delta")
