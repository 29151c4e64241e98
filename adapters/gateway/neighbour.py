"""A second gateway on the same port, as an update has it: told apart from a foreign program."""

from __future__ import annotations

import asyncio
import errno
import socket

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
            if error.errno != errno.EADDRINUSE or not await _is_ours(host, port, installation):
                raise
            return True
    return False


async def _is_ours(host: str, port: int, installation: str) -> bool:
    host = _ANY.get(host, host)
    where = f"[{host}]" if ":" in host else host
    within = aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S)
    try:
        async with (
            aiohttp.ClientSession(timeout=within) as session,
            session.get(f"http://{where}:{port}/", allow_redirects=False) as answer,
        ):
            said = await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError, ValueError):
        return False
    return isinstance(said, dict) and said.get("installation") == installation
