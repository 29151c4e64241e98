"""All simulated providers at once: start, ask, break, heal, look at, close."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from adapters.simulated.breaker import RETRY_AFTER_S, Break, Breaker
from adapters.simulated.clock import SimulatedClock
from adapters.simulated.providers import PROVIDERS
from adapters.simulated.server import Counts, ProviderServer, SeenRequest
from bot.ports import Clock


class SimulatedProviders:
    """Seven servers on loopback, one a provider, as an async context manager.

    `latency_s` replaces every provider's own pace (0 in tests); `clock` dates the answers.
    """

    def __init__(self, *, latency_s: float | None = None, clock: Clock | None = None) -> None:
        self._latency_s = latency_s
        self._clock = clock or SimulatedClock()
        self._breaker = Breaker(PROVIDERS)
        self._servers: dict[str, ProviderServer] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Start every server."""
        async with AsyncExitStack() as starting:
            for id_, spec in PROVIDERS.items():
                pace_s = spec.latency_s if self._latency_s is None else self._latency_s
                server = ProviderServer(spec, self._breaker, self._clock, pace_s)
                starting.push_async_callback(server.close)
                await server.start()
                self._servers[id_] = server
            self._stack = starting.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close every server, hanging requests dropped."""
        await self._stack.aclose()

    @property
    def providers(self) -> tuple[str, ...]:
        """The ids there are."""
        return tuple(PROVIDERS)

    def env(self) -> dict[str, str]:
        """Return the `*_BASE_URL` and `*_API_KEY` of every provider."""
        env: dict[str, str] = {}
        for id_, server in self._servers.items():
            env[f"{id_.upper()}_BASE_URL"] = server.base_url
            env[f"{id_.upper()}_API_KEY"] = server.spec.key
        return env

    def base_url(self, provider: str) -> str:
        """Return a provider's scheme, host and port, without a path."""
        return self._servers[provider].base_url

    def key(self, provider: str) -> str:
        """Return the one key a provider knows."""
        return self._servers[provider].spec.key

    def break_provider(
        self, provider: str, reason: str, *, retry_after_s: int = RETRY_AFTER_S
    ) -> Break:
        """Let every request to a provider fail, in its own way, until it is healed.

        Raises:
            UsageError: there is no such provider or reason.
        """
        return self._breaker.break_provider(provider, reason, retry_after_s=retry_after_s)

    def heal(self, provider: str) -> bool:
        """Let a provider answer again; False when it was not broken. Raises UsageError."""
        return self._breaker.heal(provider)

    @property
    def broken(self) -> Mapping[str, Break]:
        """Everything that is broken at the moment."""
        return self._breaker.broken

    def counts(self, provider: str) -> Counts:
        """Return how many chats a provider answered and failed."""
        return self._servers[provider].counts

    def last_request(self, provider: str) -> SeenRequest | None:
        """Return the last request a provider saw, of whatever kind."""
        return self._servers[provider].last_request
