"""The gateway's port: held or shared, and the words for one that cannot be had."""

from __future__ import annotations

import logging
import socket
import sys

from adapters.environment import ServiceSettings
from adapters.environment.service import GatewaySettings
from adapters.gateway.neighbour import may_listen
from bot.errors import SettingsError
from bot.messages.gateway import HOW_TO_CLOSE_IT, OPEN_TO_THE_PUBLIC

CAN_SHARE = sys.platform == "linux"
"""Whether several sockets may listen on a port and the kernel spreads connections over them."""

_log = logging.getLogger("gateway")


async def check_port(settings: GatewaySettings, installation: str, *, alone: bool) -> bool:
    """Return whether another gateway of this installation is on the port, which one alone may be.

    Raises:
        OSError: a foreign program is, or the address cannot be listened on.
        SettingsError: it may not be shared.
    """
    second = await may_listen(settings.host, settings.port, installation)
    if second and not alone:
        raise SettingsError(
            f"Port {settings.port} is in use by another Changeover on the same database.",
            "Stop it first. Only changeover gateway may run twice on one port.",
        )
    return second


def hold_port(settings: GatewaySettings) -> socket.socket:
    """Bind the port without listening, so that it stays ours while workers come and go.

    Raises:
        OSError: the address cannot be bound.
    """
    found = socket.getaddrinfo(settings.host, settings.port, type=socket.SOCK_STREAM)
    family, kind, protocol, _, address = found[0]
    held = socket.socket(family, kind, protocol)
    try:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
    except OSError:
        held.close()
        raise
    return held


def cannot_listen(settings: GatewaySettings, error: OSError) -> SettingsError:
    """Say why the port cannot be had."""
    return SettingsError(
        f"The gateway cannot listen on {settings.host}:{settings.port}: {error.strerror}.",
        "Set PORT to a free port, or stop the process that uses it.",
    )


def report_listening(
    service: ServiceSettings, port: int, *, second: bool, workers: int = 1
) -> None:
    """Log where the gateway listens, and what its owner should know of that."""
    if service.open_to_the_public:
        _log.warning("%s %s", OPEN_TO_THE_PUBLIC, HOW_TO_CLOSE_IT)
    by = f" with {workers} workers" if workers > 1 else ""
    _log.info("the gateway listens on http://%s:%d%s", service.gateway.host, port, by)
    if second:
        _log.info("another gateway of this database listens there too until it stops")
