"""`changeover bot` without a gateway: the little server that Slack and Telegram call."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from adapters.main.chats import Chats
from adapters.main.wiring import Wired
from bot.errors import SettingsError

if TYPE_CHECKING:
    from aiohttp import web

LAST_CALLS_S = 5.0
_log = logging.getLogger("changeover")


class CallbackServer:
    """Listens only where a chat wants to be called."""

    def __init__(self, wired: Wired, chats: Chats) -> None:
        self._settings = wired.service.gateway
        self._chats = chats
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on the gateway's port, if a chat is called there. Raises SettingsError."""
        from aiohttp import web

        application = web.Application()
        if not self._chats.mount(application):
            return
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=LAST_CALLS_S)
        await self._runner.setup()
        host, port = self._settings.host, self._settings.port
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            raise SettingsError(
                f"Cannot listen on {host}:{port} for the chats: {error.strerror}.",
                "Set PORT to a free port, or stop the process that uses it.",
            ) from error
        _log.info("listening for the chats on http://%s:%d", host, port)

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
