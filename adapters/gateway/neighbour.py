"""A second gateway on the same port, as an update has it: told apart from a foreign program."""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

import aiohttp

_ANSWER_WITHIN_S = 2.0
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


async def may_listen(host: str, port: int, installation: str) -> bool:
    """Return whether a gateway of this installation answers on the port already.

    Raises:
        OSError: something else does, or the address cannot be listened on.
    """
    if port == 0:
        return False
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            said = await greeting(host, port)
            if said is None or said.get("installation") != installation:
                raise
            return True
    return False


async def greeting(host: str, port: int) -> dict[str, Any] | None:
    """Return what a gateway of ours says at `/`; None where something else answers, or nothing."""
    host = _ANY.get(host, host)
    where = f"[{host}]" if ":" in host else host
    within = aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=within) as session,
            session.get(f"http://{where}:{port}/", allow_redirects=False) as answer,
        ):
            said = await answer.json(content_type=None)
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return None
    ours = isinstance(said, dict) and said.get("service") == "changeover"
    return said if ours else None
