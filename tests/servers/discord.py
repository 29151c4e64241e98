"""A Discord on loopback, for the real discord.py: REST v10 and gateway, strict about the rules.

`command`, `click` and `complete` are what people do. `faults` lists every rule that was broken.
Source: https://discord.com/developers/docs
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from tests.servers.discord_api import Api
from tests.servers.discord_state import Exchange, Message, User, snowflake
from tests.servers.discord_world import (
    ALL,
    ANA,
    APP,
    BO,
    CHANNEL,
    DEFERRED,
    DM,
    GUILD,
    LATE_S,
    OTHER_CHANNEL,
    PATIENCE_S,
    ROLE,
    SOURCE,
    TOKEN,
    UPDATE_LATER,
    Fault,
    channel_json,
)

__all__ = [
    "ANA",
    "BO",
    "CHANNEL",
    "DEFERRED",
    "DM",
    "GUILD",
    "OTHER_CHANNEL",
    "ROLE",
    "SOURCE",
    "TOKEN",
    "UPDATE_LATER",
    "DiscordServer",
]


class DiscordServer(Api):
    """Start it, point discord.py at `api_url` and `gateway_url`, then be its users."""

    _runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application(middlewares=[self.guarded], client_max_size=30 * 2**20)
        app.router.add_get("/gateway", self.gateway.handle)
        app.router.add_get("/resume", self.gateway.handle)
        for method, path, handler in self.routes():
            app.router.add_route(method, f"/api/v10{path}", handler)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen()

    async def _listen(self) -> None:
        assert self._runner is not None
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        assert self._runner.addresses
        self.port = self._runner.addresses[-1][1]

    async def stop(self) -> None:
        """Cut every connection and stop listening."""
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api/v10"

    @property
    def gateway_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/gateway"

    def fail(
        self,
        method: str,
        path: str,
        status: int,
        body: Any = None,
        *,
        times: int = 1,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Let the next requests whose path matches go wrong."""
        body = body or {"message": "wrong", "code": 0}
        self.wrong.append(Fault(method, path, status, body, times, headers or {}))

    def slow_down(self, method: str, path: str, *, by_s: float = 0.02, via: bool = True) -> None:
        """Answer the next such request with 429."""
        body = {"message": "You are being rate limited.", "retry_after": by_s, "global": False}
        more = {"Via": "1.1 google"} if via else {}
        self.fail(method, path, 429, body, headers={"Retry-After": str(by_s), **more})

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                async with self.changed:
                    try:
                        await asyncio.wait_for(self.changed.wait(), 0.02)
                    except TimeoutError:
                        continue

    async def connected(self) -> None:
        """Wait until a client has a session."""
        await self.until(lambda: self.gateway.session is not None)

    async def command(
        self,
        name: str,
        options: Mapping[str, Any] | None = None,
        *,
        by: User = ANA,
        channel: int = CHANNEL,
        guild: int = GUILD,
        late: bool = False,
        wait: bool = True,
    ) -> Exchange:
        """Choose a command: `model use`, with its options, as Discord's client would send it."""
        group, _, sub = name.partition(" ")
        data = self._command_data(group, sub, options or {})
        return await self._interact(2, data, by, channel, guild=guild, late=late, wait=wait)

    async def complete(
        self,
        name: str,
        typing: str,
        typed: str,
        others: Mapping[str, Any] | None = None,
        *,
        by: User = ANA,
        channel: int = CHANNEL,
        guild: int = GUILD,
    ) -> list[str]:
        """Type into an option, and return what is offered."""
        group, _, sub = name.partition(" ")
        data = self._command_data(group, sub, {**(others or {}), typing: typed}, partial=True)
        for option in data["options"][0]["options"]:
            if option["name"] == typing:
                option["focused"] = True
        exchange = await self._interact(4, data, by, channel, guild=guild)
        assert exchange.choices is not None
        return [choice["value"] for choice in exchange.choices]

    async def click(
        self,
        message: Message,
        label: str,
        *,
        by: User = ANA,
        custom_id: str | None = None,
        guild: int = GUILD,
        late: bool = False,
        wait: bool = True,
    ) -> Exchange:
        """Click a button of a message."""
        data = {"custom_id": custom_id or message.buttons[label], "component_type": 2}
        return await self._interact(
            3, data, by, message.channel, message=message, guild=guild, late=late, wait=wait
        )

    async def pick(self, message: Message, label: str, *, by: User = ANA) -> Exchange:
        """Pick an option of a message's menu."""
        menu = message.menu
        value = next(o["value"] for o in menu["options"] if o["label"] == label)
        data = {"custom_id": menu["custom_id"], "component_type": 3, "values": [value]}
        return await self._interact(3, data, by, message.channel, message=message)

    async def raw(self, data: dict[str, Any], *, by: User = ANA) -> Exchange:
        """Send a command as it is, as a client that still shows an older version would."""
        return await self._interact(2, data, by, CHANNEL)

    async def send(self, data: dict[str, Any]) -> Exchange:
        """Send a command as it is and do not wait for anything."""
        return await self._interact(2, data, ANA, CHANNEL, wait=False)

    def _command_data(
        self, group: str, sub: str, options: Mapping[str, Any], *, partial: bool = False
    ) -> dict[str, Any]:
        scopes = [scope for scope, commands in self.commands.items() if commands]
        assert len(scopes) == 1, f"commands show in {scopes}"
        command = next(c for c in self.commands[scopes[0]] if c["name"] == group)
        known = next(c for c in command["options"] if c["name"] == sub)
        types = {o["name"]: o for o in known.get("options") or []}
        assert set(options) <= set(types), f"/{group} {sub} takes {set(types)}"
        for option in types.values():
            assert partial or not option.get("required") or option["name"] in options
            allowed = [c["value"] for c in option.get("choices") or []]
            assert not allowed or options.get(option["name"], allowed[0]) in allowed
        given = [{"name": n, "type": types[n]["type"], "value": v} for n, v in options.items()]
        data: dict[str, Any] = {"id": command["id"], "name": group, "type": 1}
        if scopes[0] != "global":
            data["guild_id"] = scopes[0]
        return {**data, "options": [{"name": sub, "type": 1, "options": given}]}

    async def _interact(
        self,
        kind: int,
        data: dict[str, Any],
        by: User,
        channel: int,
        *,
        message: Message | None = None,
        guild: int = GUILD,
        late: bool = False,
        wait: bool = True,
    ) -> Exchange:
        id_ = snowflake()
        sent_at = time.monotonic() - (LATE_S + 1 if late else 0)
        exchange = Exchange(
            id_,
            f"token-{id_}",
            kind,
            by,
            channel,
            data,
            sent_at,
            None if channel == DM else guild,
            message=message,
        )
        self.exchanges[exchange.token] = exchange
        await self.gateway.dispatch("INTERACTION_CREATE", self.event(exchange))
        if wait:
            await self.until(lambda: exchange.done)
        return exchange

    def event(self, exchange: Exchange) -> dict[str, Any]:
        """Write the event that tells the client of an interaction."""
        event: dict[str, Any] = {
            "id": str(exchange.id),
            "application_id": str(APP),
            "type": exchange.kind,
            "data": exchange.data,
            "token": exchange.token,
            "version": 1,
            "channel_id": str(exchange.channel),
            "channel": channel_json(exchange.channel, self.denied),
            "locale": "en-US",
            "app_permissions": ALL,
            "entitlements": [],
            "authorizing_integration_owners": {},
            "attachment_size_limit": 10 * 2**20,
        }
        if exchange.guild is None:
            event["user"] = exchange.user.json()
        else:
            guild = str(exchange.guild)
            event |= {"guild_id": guild, "guild": {"id": guild, "features": []}}
            event["member"] = exchange.user.member()
        if exchange.message is not None:
            event["message"] = exchange.message.json()
        return event
