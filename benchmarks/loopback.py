"""Both ends of the gateway's benchmark as processes of their own: an upstream and a load.

    python -m benchmarks.loopback upstream PORT
    python -m benchmarks.loopback load URL CONNECTIONS SECONDS MODEL [--stream]

Both speak just enough HTTP over raw sockets, so that what is measured lies between them. The
upstream does what the model's name says: `ok` answers (or streams), `dead-429`, `dead-500` and
`dead-401` refuse, `hang` says nothing. `GET /count` tells how often each was asked.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections import Counter
from typing import ClassVar, cast
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_MODEL = re.compile(rb'"model": *"([^"]*)"')
_STREAM = re.compile(rb'"stream": *true')
CHUNKS = 40
TOKEN = "bench-token"


def _http(status: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return head.encode() + b"\r\n\r\n" + body


def _answer() -> bytes:
    message = {"role": "assistant", "content": "A changeover switches a load to its reserve."}
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1767225600,
        "model": "ok",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 42, "completion_tokens": 10, "total_tokens": 52},
    }
    return _http("200 OK", json.dumps(document).encode())


def _response(status: str, **more: object) -> dict[str, object]:
    whole = {"id": "resp_1", "object": "response", "created_at": 1767225600, "model": "ok"}
    return {**whole, "status": status, "error": None, "output": [], "usage": None, **more}


def _responded() -> dict[str, object]:
    part = {"type": "output_text", "text": "A changeover switches a load.", "annotations": []}
    item = {"id": "msg_1", "type": "message", "role": "assistant", "content": [part]}
    usage = {"input_tokens": 42, "output_tokens": 10, "total_tokens": 52}
    return _response("completed", output=[item], usage=usage)


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def _named(kind: str, number: int, **fields: object) -> bytes:
    document = {"type": kind, "sequence_number": number, **fields}
    return _chunk(f"event: {kind}\ndata: {json.dumps(document)}\n\n".encode())


def _refusal(status: str, code: str) -> bytes:
    error = {"message": f"{code}, as asked for", "type": code, "param": None, "code": code}
    return _http(status, json.dumps({"error": error}).encode())


def _event(delta: dict[str, str], finish: str | None = None) -> bytes:
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1767225600,
        "model": "ok",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }
    return _chunk(b"data: " + json.dumps(document).encode() + b"\n\n")


OK = _answer()
DEAD = {
    b"dead-429": _refusal("429 Too Many Requests", "rate_limit_exceeded"),
    b"dead-500": _refusal("500 Internal Server Error", "server_error"),
    b"dead-401": _refusal("401 Unauthorized", "invalid_api_key"),
}
STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
)
EVENTS = [_event({"role": "assistant", "content": ""})]
EVENTS += [_event({"content": f" word{number}"}) for number in range(CHUNKS)]
EVENTS += [_event({}, "stop"), b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"]


RESPONSE = _http("200 OK", json.dumps(_responded()).encode())
RESPONSE_EVENTS = [_named("response.created", 0, response=_response("in_progress"))]
RESPONSE_EVENTS += [
    _named("response.output_text.delta", n + 1, item_id="msg_1", delta=f" word{n}", logprobs=[])
    for n in range(CHUNKS)
]
RESPONSE_EVENTS += [_named("response.completed", CHUNKS + 1, response=_responded()) + b"0\r\n\r\n"]


class _Upstream(asyncio.Protocol):
    asked: ClassVar[Counter[str]] = Counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._came = b""

    def data_received(self, data: bytes) -> None:
        self._came += data
        while (end := self._came.find(b"\r\n\r\n")) >= 0:
            length = _LENGTH.search(self._came, 0, end)
            size = end + 4 + (int(length[1]) if length else 0)
            if len(self._came) < size:
                return
            request, self._came = self._came[:size], self._came[size:]
            self._serve(request, request[end:])

    def _serve(self, request: bytes, body: bytes) -> None:
        if request.startswith(b"GET /count"):
            self._transport.write(_http("200 OK", json.dumps(self.asked).encode()))
            return
        named = _MODEL.search(body)
        model = named[1] if named else b"ok"
        self.asked[model.decode()] += 1
        responses = b"/responses " in request[:100]
        if model == b"hang":
            return
        if model in DEAD:
            self._transport.write(DEAD[model])
        elif _STREAM.search(body):
            self._stream(RESPONSE_EVENTS if responses else EVENTS, 0)
        else:
            self._transport.write(RESPONSE if responses else OK)

    def _stream(self, events: list[bytes], at: int) -> None:
        """Write one event and let others have their turn, as a model does between tokens."""
        if self._transport.is_closing():
            return
        self._transport.write(events[at] if at else STREAM_HEAD + events[0])
        if at + 1 < len(events):
            asyncio.get_running_loop().call_soon(self._stream, events, at + 1)


async def _upstream(port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(_Upstream, "127.0.0.1", port, backlog=1024)
    await server.serve_forever()


class _Load(asyncio.Protocol):
    """One connection that asks again as soon as it has its answer."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._came = bytearray()
        self._whole = 0
        self._began_s = self._first_s = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._ask()

    def connection_lost(self, error: Exception | None) -> None:
        self._run.gone()

    def data_received(self, data: bytes) -> None:
        run = self._run
        if not self._came and run.stream and not self._first_s:
            self._first_s = time.perf_counter() - self._began_s
        self._came += data
        if not self._over():
            return
        run.booked(time.perf_counter() - self._began_s, self._first_s, self._came)
        self._came.clear()
        if time.perf_counter() < run.until_s:
            self._ask()
        else:
            self._transport.close()

    def _ask(self) -> None:
        self._began_s, self._first_s, self._whole = time.perf_counter(), 0.0, 0
        self._transport.write(self._run.request)

    def _over(self) -> bool:
        if not self._whole:
            end = self._came.find(b"\r\n\r\n")
            if end < 0:
                return False
            length = _LENGTH.search(self._came, 0, end)
            self._whole = end + 4 + int(length[1]) if length else -1
        if self._whole > 0:
            return len(self._came) >= self._whole
        return self._came.endswith(b"0\r\n\r\n")


class _Run:
    """What one load asks for, and what it got."""

    def __init__(self, url: str, connections: int, seconds: float, model: str, stream: bool):
        place = urlsplit(url)
        text = "Say in one sentence what a changeover is, please. " * 4
        message = {"role": "user", "content": text}
        turns = "input" if place.path.endswith("/responses") else "messages"
        body: dict[str, object] = {"model": model, turns: [message], "temperature": 0.2}
        if stream:
            body["stream"] = True
        raw = json.dumps(body).encode()
        self.host, self.port, self.stream = place.hostname or "", place.port or 80, stream
        self.request = (
            f"POST {place.path} HTTP/1.1\r\nhost: {place.netloc}\r\n"
            f"authorization: Bearer {TOKEN}\r\ncontent-type: application/json\r\n"
            f"content-length: {len(raw)}\r\n\r\n"
        ).encode() + raw
        self.seconds, self.connections, self.until_s = seconds, connections, 0.0
        self.taken_ms: list[float] = []
        self.first_ms: list[float] = []
        self.failed = 0
        self._open = connections
        self._over = asyncio.Event()

    def booked(self, seconds: float, first_s: float, came: bytearray) -> None:
        self.taken_ms.append(seconds * 1000)
        self.first_ms.append(first_s * 1000)
        self.failed += not came.startswith(b"HTTP/1.1 200")

    def gone(self) -> None:
        self._open -= 1
        if not self._open:
            self._over.set()

    async def go(self) -> dict[str, float]:
        loop = asyncio.get_running_loop()
        began_s = time.perf_counter()
        self.until_s = began_s + self.seconds
        for _ in range(self.connections):
            await loop.create_connection(lambda: _Load(self), self.host, self.port)
        async with asyncio.timeout(self.seconds + 60):
            await self._over.wait()
        lasted_s = time.perf_counter() - began_s
        taken, first = sorted(self.taken_ms), sorted(self.first_ms)
        count = len(taken)
        return {
            "count": count,
            "failed": self.failed,
            "per_s": count / lasted_s,
            "median_ms": taken[count // 2],
            "p99_ms": taken[min(count - 1, int(count * 0.99))],
            "first_ms": first[count // 2],
        }


def main(arguments: list[str]) -> None:
    """Be one of the two ends."""
    import uvloop

    if arguments[0] == "upstream":
        uvloop.run(_upstream(int(arguments[1])))
        return
    url, connections, seconds, model, *more = arguments[1:]

    async def load() -> dict[str, float]:
        run = _Run(url, int(connections), float(seconds), model, "--stream" in more)
        return await run.go()

    print(json.dumps(uvloop.run(load())))


if __name__ == "__main__":
    main(sys.argv[1:])
