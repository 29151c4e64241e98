"""Discord's gateway on loopback: HELLO, IDENTIFY, heartbeats, RESUME, and all that goes wrong."""

from __future__ import annotations

import asyncio
import itertools
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import zstandard
from aiohttp import WSMsgType, web

from tests.servers.discord_limits import PRIVILEGED

DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, RESUME, RECONNECT = 0, 1, 2, 3, 6, 7
INVALID_SESSION, HELLO, ACK = 9, 10, 11
COMPRESSIONS = (None, "zlib-stream", "zstd-stream")


@dataclass
class Session:
    """What RESUME needs: every event with its number."""

    id: str
    events: list[dict[str, Any]] = field(default_factory=list)
    socket: Socket | None = None
    valid: bool = True


class Socket:
    """One WebSocket, compressed as the client asked."""

    def __init__(
        self, request: web.Request, ws: web.WebSocketResponse, compress: str | None
    ) -> None:
        self.request = request
        self.ws = ws
        self.session: Session | None = None
        self._zlib = zlib.compressobj() if compress == "zlib-stream" else None
        self._zstd = zstandard.ZstdCompressor().compressobj() if compress == "zstd-stream" else None

    async def send(self, op: int, data: Any = None, **more: Any) -> None:
        text = json.dumps({"op": op, "d": data, "s": None, "t": None, **more})
        if self._zlib is not None:
            packed = self._zlib.compress(text.encode()) + self._zlib.flush(zlib.Z_SYNC_FLUSH)
            await self.ws.send_bytes(packed)
        elif self._zstd is not None:
            packed = self._zstd.compress(text.encode())
            packed += self._zstd.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
            await self.ws.send_bytes(packed)
        else:
            await self.ws.send_str(text)


class Gateway:
    """Sessions and their sockets; `ready` makes what READY says."""

    def __init__(self, token: str, ready: Callable[[], tuple[dict[str, Any], list[Any]]]) -> None:
        self.token = token
        self.heartbeat_s = 45.0
        self.identifies: list[dict[str, Any]] = []
        self.resumes: list[dict[str, Any]] = []
        self.paths: list[str] = []
        self.heartbeats = 0
        self.refuse_close_code: int | None = None
        self.sessions: dict[str, Session] = {}
        self.changed = asyncio.Condition()
        self._ready = ready
        self._serial = itertools.count(1)

    @property
    def session(self) -> Session | None:
        """The session that is connected now."""
        return next((s for s in self.sessions.values() if s.socket and s.valid), None)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one socket."""
        self.paths.append(request.path)
        compress = request.query.get("compress")
        ws = web.WebSocketResponse(heartbeat=None)
        await ws.prepare(request)
        if request.query.get("v") != "10" or request.query.get("encoding") != "json":
            await ws.close(code=4012)
            return ws
        socket = Socket(request, ws, compress if compress in COMPRESSIONS else None)
        await socket.send(HELLO, {"heartbeat_interval": int(self.heartbeat_s * 1000)})
        try:
            async for frame in ws:
                if frame.type is WSMsgType.TEXT:
                    await self._receive(socket, json.loads(frame.data))
        finally:
            if socket.session and socket.session.socket is socket:
                socket.session.socket = None
            await self._tell()
        return ws

    async def _receive(self, socket: Socket, frame: dict[str, Any]) -> None:
        op, data = frame["op"], frame.get("d")
        if op == HEARTBEAT:
            self.heartbeats += 1
            await socket.send(ACK)
        elif op == IDENTIFY:
            await self._identify(socket, data)
        elif op == RESUME:
            await self._resume(socket, data)
        elif socket.session is None:
            await socket.ws.close(code=4003)
        elif op != PRESENCE:
            await socket.ws.close(code=4001)
        await self._tell()

    async def _identify(self, socket: Socket, data: Any) -> None:
        self.identifies.append(data)
        if socket.session is not None:
            await socket.ws.close(code=4005)
        elif data["token"] != self.token:
            await socket.ws.close(code=4004)
        elif self.refuse_close_code or data["intents"] & PRIVILEGED:
            await socket.ws.close(code=self.refuse_close_code or 4014)
        else:
            session = Session(f"session-{next(self._serial)}", socket=socket)
            socket.session = self.sessions[session.id] = session
            ready, guilds = self._ready()
            await self._event(session, "READY", {**ready, "session_id": session.id})
            for guild in guilds:
                await self._event(session, "GUILD_CREATE", guild)

    async def _resume(self, socket: Socket, data: Any) -> None:
        self.resumes.append(data)
        session = self.sessions.get(data["session_id"])
        if data["token"] != self.token:
            await socket.ws.close(code=4004)
        elif session is None or not session.valid or data["seq"] > len(session.events):
            await socket.send(INVALID_SESSION, False)
        else:
            socket.session, session.socket = session, socket
            for event in session.events[data["seq"] :]:
                await socket.send(DISPATCH, event["data"], s=event["s"], t=event["t"])
            await self._event(session, "RESUMED", {"_trace": []})

    async def _event(self, session: Session, name: str, data: Any) -> None:
        event = {"data": data, "s": len(session.events) + 1, "t": name}
        session.events.append(event)
        if session.socket is not None and not session.socket.ws.closed:
            await session.socket.send(DISPATCH, data, s=event["s"], t=name)

    async def dispatch(self, name: str, data: Any) -> None:
        """Send an event to the client; one that is away gets it when it resumes."""
        session = self.session or next(reversed(self.sessions.values()))
        await self._event(session, name, data)

    async def drop(self) -> None:
        """Cut the connection without a word."""
        transport = self._socket().request.transport
        assert transport is not None
        transport.abort()

    async def ask_to_reconnect(self) -> None:
        """Send op 7."""
        await self._socket().send(RECONNECT)

    async def invalidate(self, *, resumable: bool) -> None:
        """Send op 9; a session that cannot be resumed is forgotten."""
        socket = self._socket()
        if not resumable and socket.session:
            socket.session.valid = False
        await socket.send(INVALID_SESSION, resumable)

    async def close(self, code: int) -> None:
        """Close the connection with a code."""
        await self._socket().ws.close(code=code)

    def _socket(self) -> Socket:
        assert self.session is not None
        assert self.session.socket is not None
        return self.session.socket

    async def _tell(self) -> None:
        async with self.changed:
            self.changed.notify_all()
