"""OpenClaw's own gateway, asked over its WebSocket: its log, and what it counted itself.

Frames are JSON: the server's `connect.challenge`, our `connect` request with the token, then
`{type: "req", id, method, params}` answered by `{type: "res", id, ok, payload | error}`, with
events in between. Releases of protocol 3 (2026.1) and 4 (2026.9) speak so alike.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from bot.errors import ChangeoverError
from bot.models import Secret
from bot.openclaw.usage_cost import UsageCost, usage_cost_of
from bot.ports import Json

_TIMEOUT_S = 5.0
_MOST_BYTES = 16 * 1024 * 1024
_CONNECT = {
    "minProtocol": 3,
    "maxProtocol": 4,
    "client": {
        "id": "gateway-client",
        "version": "changeover",
        "platform": "linux",
        "mode": "backend",
    },
    "role": "operator",
}
READ, WRITE, ADMIN = "operator.read", "operator.write", "operator.admin"


class RpcError(ChangeoverError):
    """OpenClaw's gateway cannot be asked."""

    code = "openclaw_rpc"


class ScopeError(RpcError):
    """OpenClaw does not let this connection do that."""


@dataclass(frozen=True, slots=True)
class LogPart:
    """Some lines of OpenClaw's log, and where to go on."""

    lines: list[bytes]
    cursor: int | None


class Rpc:
    """One connection, as `connected` gives it."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._asked = 0

    async def call(self, method: str, params: dict[str, Any]) -> dict[str, Json]:
        """Ask, pass over events, return the payload. Raises RpcError."""
        self._asked += 1
        name = str(self._asked)
        await self._socket.send_json(
            {"type": "req", "id": name, "method": method, "params": params}
        )
        while True:
            frame = await self._receive()
            if frame.get("type") == "res" and frame.get("id") == name:
                return _payload(frame, method)

    async def log_tail(self, cursor: int | None = None) -> LogPart:
        """Return what the log says since `cursor`; with None only where it ends."""
        params: dict[str, Any] = {"limit": 1 if cursor is None else 2000}
        if cursor is not None:
            params["cursor"] = cursor
        told = await self.call("logs.tail", params)
        lines, at = told.get("lines"), told.get("cursor")
        return LogPart(
            [str(line).encode() for line in lines] if isinstance(lines, list) else [],
            at if isinstance(at, int) else None,
        )

    async def usage_cost(self, days: int) -> UsageCost:
        """Return what OpenClaw itself counted on the last calendar days, today included."""
        return usage_cost_of(await self.call("usage.cost", {"days": days}))

    async def _receive(self) -> dict[str, Json]:
        message = await self._socket.receive()
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise RpcError("OpenClaw's gateway closed the connection.", "Check its log.")
        try:
            frame = json.loads(message.data)
        except ValueError:
            frame = None
        return frame if isinstance(frame, dict) else {}


@asynccontextmanager
async def connected(
    url: str,
    token: Secret | None,
    timeout_s: float = _TIMEOUT_S,
    *,
    scopes: Sequence[str] = (READ,),
) -> AsyncIterator[Rpc]:
    """Connect for `timeout_s` at most, everything asked included. Raises RpcError."""
    auth = {"auth": {"token": token.reveal()}} if token else {}
    try:
        async with (
            asyncio.timeout(timeout_s),
            aiohttp.ClientSession() as session,
            session.ws_connect(url, max_msg_size=_MOST_BYTES) as socket,
        ):
            rpc = Rpc(socket)
            await rpc.call("connect", {**_CONNECT, "scopes": list(scopes), **auth})
            yield rpc
    except TimeoutError:
        raise RpcError(
            f"OpenClaw's gateway at {url} did not answer within {timeout_s:g} s.",
            "Check OPENCLAW_GATEWAY_URL, and that OpenClaw is running.",
        ) from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) and error.strerror else "no answer"
        raise RpcError(
            f"OpenClaw's gateway at {url} is unreachable: {why}.",
            "Check OPENCLAW_GATEWAY_URL, and that OpenClaw is running.",
        ) from None


def _payload(frame: dict[str, Json], method: str) -> dict[str, Json]:
    payload = frame.get("payload")
    if frame.get("ok") is True:
        return payload if isinstance(payload, dict) else {}
    error = frame.get("error")
    words = error.get("message") if isinstance(error, dict) else None
    if any(sign in str(words) for sign in ("missing scope", "pairing", "device identity")):
        raise ScopeError(
            f"OpenClaw's gateway does not allow {method} from here: {str(words)[:200]}.",
            "Use its token over loopback; 2026.3 allows only paired devices.",
        )
    if "unknown method" in str(words):
        raise RpcError(f"This release of OpenClaw has no {method}.", "Update OpenClaw.")
    raise RpcError(
        f"OpenClaw's gateway refused {method}: {str(words or 'no reason given')[:200]}.",
        "Check OPENCLAW_GATEWAY_TOKEN.",
    )
