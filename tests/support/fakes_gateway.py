"""A real gateway on loopback, in this process, and ways to look at what it wrote down."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp

from adapters.gateway.http import Limits
from adapters.main.gateway import GatewayService
from adapters.main.wiring import Wired, wire
from adapters.storage.ledger.store import DatabaseLedger
from bot.ports import Attempt, FallbackEvent

OPUS, ROUTER = "anthropic/claude-opus-4-5", "openrouter/anthropic/claude-sonnet-4.5"
FLASH, LLAMA, GPT = "deepseek/deepseek-flash", "ollama/llama3.3", "openai/gpt-5"
CHAIN = (OPUS, ROUTER, FLASH, LLAMA)
CHAT, MESSAGES = "/v1/chat/completions", "/v1/messages"
HI: Any = [{"role": "user", "content": "Say hello."}]
_FOREVER = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))


def config_of(*chain: str, providers: Mapping[str, Any] | None = None, **models: Any) -> str:
    primary, *fallbacks = chain
    defaults: dict[str, Any] = {"model": {"primary": primary, "fallbacks": fallbacks}}
    if models:
        defaults["models"] = models
    document: dict[str, Any] = {"agents": {"defaults": defaults}}
    if providers:
        document["models"] = {"providers": providers}
    return json.dumps(document, indent=2)


@dataclass
class Answer:
    """What a caller got."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


class Gate:
    """A running gateway."""

    def __init__(self, wired: Wired, service: GatewayService, session: aiohttp.ClientSession):
        self.wired = wired
        self.service = service
        self.url = f"http://127.0.0.1:{service.port}"
        self._session = session

    async def ask(
        self,
        path: str = CHAT,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
        **more: Any,
    ) -> Answer:
        """Send a request; keywords are put into the usual body."""
        if body is None and method == "POST":
            body = {"model": "auto", "messages": HI, **more}
            if path == MESSAGES:
                body = {"max_tokens": 64, **body}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        # In one piece, a large body is no good manners of the library.
        data = io.BytesIO(raw) if method == "POST" else None
        async with self._session.request(
            method, self.url + path, data=data, headers=headers
        ) as response:
            return Answer(response.status, response.headers, await response.read())

    async def attempts(self) -> Sequence[Attempt]:
        """Return every row of the ledger, oldest first."""
        await self._written()
        rows = await DatabaseLedger(self.wired.database).attempts(*_FOREVER, 1000)
        return list(reversed(rows))

    async def events(self) -> Sequence[FallbackEvent]:
        """Return every fallback event, oldest first."""
        await self._written()
        rows = await self.wired.app.ports.log.events(_FOREVER[0], 1000)
        return list(reversed(rows))

    async def metrics(self) -> str:
        return (await self.ask("/metrics", method="GET")).text

    async def figure(self, name: str, **labels: str) -> float:
        """Return one figure of /metrics, 0 when it does not exist."""
        for line in (await self.metrics()).splitlines():
            if line.startswith(name) and all(f'{k}="{v}"' in line for k, v in labels.items()):
                return float(line.rpartition(" ")[2])
        return 0.0

    async def _written(self) -> None:
        for _ in range(500):
            if await self.figure("changeover_ledger_queue") == 0:
                return
            await asyncio.sleep(0.01)
        raise AssertionError("the ledger queue does not get empty")


@asynccontextmanager
async def gateway(
    folder: Path,
    env: Mapping[str, str],
    config: str,
    *,
    limits: Limits | None = None,
    clock: Any = None,
    database: bytes | None = None,
    before: Callable[[GatewayService], Awaitable[None]] | None = None,
) -> AsyncIterator[Gate]:
    """Run a gateway on a free port of loopback."""
    file, base = folder / "moltbot.json", folder / "changeover.db"
    if not file.exists():
        file.write_text(config)
    if database is not None and not base.exists():
        base.write_bytes(database)
    settings = {
        "CHANGEOVER_CONFIG": str(file),
        "DATABASE_URL": f"sqlite:///{base}",
        "PORT": "0",
        **env,
    }
    wired = wire(settings, clock=clock, cwd=folder)
    service = GatewayService(wired, limits, flush_s=0.01)
    if before is not None:
        await before(service)
    await service.start()
    try:
        async with aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=30), auto_decompress=True
        ) as session:
            yield Gate(wired, service, session)
    finally:
        await service.stop()
        await wired.close()


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 11, 23, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at

    def jump(self, **span: float) -> None:
        self.at += timedelta(**span)
