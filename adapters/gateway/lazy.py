"""The hot path, without its HTTP library until a request is really sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from adapters.gateway.upstream import AiohttpUpstream
    from bot.ports import HttpAnswer, HttpRequest


class LazyUpstream:
    """The Upstream port; the library takes a third of a second to import."""

    def __init__(self) -> None:
        self._opened: AiohttpUpstream | None = None

    async def fetch(self, request: HttpRequest, *, timeout_s: float) -> HttpAnswer:
        """Send a request and read the answer."""
        if self._opened is None:
            from adapters.gateway.upstream import AiohttpUpstream

            self._opened = AiohttpUpstream()
        return await self._opened.fetch(request, timeout_s=timeout_s)

    async def aclose(self) -> None:
        """Close the connections, if any were opened."""
        if self._opened is not None:
            await self._opened.aclose()
            self._opened = None
