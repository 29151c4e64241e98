"""The web API of the simulated Discord: routes, strictness, and what people can see."""

from __future__ import annotations

import asyncio
import re
import time
from typing import Any

from aiohttp import web

from tests.servers.discord_gateway import Gateway
from tests.servers.discord_limits import choice_faults, command_faults, message_faults
from tests.servers.discord_state import EPHEMERAL, Exchange, Message, snowflake
from tests.servers.discord_world import (
    ANA,
    APP,
    BO,
    BOT,
    CHANNEL,
    CHOICES,
    DEFERRED,
    DM,
    GUILD,
    LATE_S,
    OTHER_CHANNEL,
    READ_HISTORY,
    SOURCE,
    TOKEN,
    UPDATE_LATER,
    VIEW,
    Fault,
    answer,
    channel_json,
    guild_json,
    read,
    refusal,
)


class Api:
    """State and routes; `faults` lists every rule that was broken."""

    def __init__(self) -> None:
        self.gateway = Gateway(TOKEN, self._ready)
        self.commands: dict[str, list[dict[str, Any]]] = {"global": [], str(GUILD): []}
        self.syncs: list[str] = []
        self.channels: dict[int, list[Message]] = {CHANNEL: [], OTHER_CHANNEL: [], DM: []}
        self.faults: list[str] = []
        self.requests: list[tuple[str, str]] = []
        self.wrong: list[Fault] = []
        self.members = {BOT.id: BOT, ANA.id: ANA, BO.id: BO}
        self.denied = 0
        self.lose_answers = self.lose_callbacks = 0
        self.api_token = TOKEN
        self.guild_known = True
        self.port = 0
        self.exchanges: dict[str, Exchange] = {}
        self.changed = asyncio.Condition()

    def routes(self) -> list[tuple[str, str, Any]]:
        webhook = "/webhooks/{app}/{token}"
        return [
            ("GET", "/users/@me", self._me),
            ("GET", "/oauth2/applications/@me", self._application),
            ("GET", "/gateway/bot", self._gateway_bot),
            ("GET", "/applications/{app}/commands", self._get_commands),
            ("PUT", "/applications/{app}/commands", self._put_commands),
            ("GET", "/applications/{app}/guilds/{guild}/commands", self._get_commands),
            ("PUT", "/applications/{app}/guilds/{guild}/commands", self._put_commands),
            ("POST", "/interactions/{id}/{token}/callback", self._callback),
            ("POST", webhook, self._followup),
            ("PATCH", f"{webhook}/messages/{{message}}", self._edit_answer),
            ("DELETE", f"{webhook}/messages/{{message}}", self._delete_answer),
            ("GET", "/channels/{channel}", self._get_channel),
            ("GET", "/channels/{channel}/messages", self._history),
            ("POST", "/channels/{channel}/messages", self._post),
            ("PATCH", "/channels/{channel}/messages/{message}", self._edit),
            ("GET", "/guilds/{guild}", self._get_guild),
            ("GET", "/guilds/{guild}/members/{user}", self._get_member),
        ]

    @web.middleware
    async def guarded(self, request: web.Request, handler: Any) -> web.StreamResponse:
        path = request.path.removeprefix("/api/v10")
        self.requests.append((request.method, path))
        for fault in self.wrong:
            if fault.method == request.method and re.search(fault.path, path):
                fault.times -= 1
                self.wrong = [f for f in self.wrong if f.times > 0]
                return answer(fault.body, status=fault.status, headers=fault.headers)
        open_to_all = path.startswith(("/interactions/", "/webhooks/", "/gateway", "/resume"))
        if not open_to_all and request.headers.get("Authorization") != f"Bot {self.api_token}":
            return refusal(401, 0, "401: Unauthorized")
        if not open_to_all and not request.headers.get("User-Agent", "").startswith("DiscordBot ("):
            self.faults.append("no User-Agent of a bot")
        try:
            response: web.StreamResponse = await handler(request)
        finally:
            async with self.changed:
                self.changed.notify_all()
        return response

    def _ready(self) -> tuple[dict[str, Any], list[Any]]:
        known = [{"id": str(GUILD), "unavailable": True}] if self.guild_known else []
        ready = {
            "v": 10,
            "user": {**BOT.json(), "bot": True},
            "guilds": known,
            "resume_gateway_url": f"ws://127.0.0.1:{self.port}/resume",
            "application": {"id": str(APP), "flags": 0},
        }
        return ready, [guild_json(self.denied)] if self.guild_known else []

    async def _me(self, request: web.Request) -> web.Response:
        return answer({**BOT.json(), "bot": True})

    async def _application(self, request: web.Request) -> web.Response:
        return answer(
            {
                "id": str(APP),
                "name": "Changeover",
                "icon": None,
                "description": "",
                "bot_public": False,
                "bot_require_code_grant": False,
                "verify_key": "00",
                "flags": 0,
                "owner": ANA.json(),
                "team": None,
            }
        )

    async def _gateway_bot(self, request: web.Request) -> web.Response:
        limit = {"total": 1000, "remaining": 999, "reset_after": 1000, "max_concurrency": 1}
        return answer(
            {
                "url": f"ws://127.0.0.1:{self.port}/gateway",
                "shards": 1,
                "session_start_limit": limit,
            }
        )

    async def _get_commands(self, request: web.Request) -> web.Response:
        return answer(self.commands[request.match_info.get("guild", "global")])

    async def _put_commands(self, request: web.Request) -> web.Response:
        scope = request.match_info.get("guild", "global")
        if scope not in self.commands:
            return refusal(403, 50001, "Missing Access")
        commands = await request.json()
        if faults := command_faults(commands):
            return self._refuse(faults)
        self.syncs.append(f"{scope}: {len(commands)}")
        place = {} if scope == "global" else {"guild_id": scope}
        self.commands[scope] = [
            {**c, **place, "id": str(snowflake()), "application_id": str(APP), "version": "1"}
            for c in commands
        ]
        return answer(self.commands[scope])

    async def _callback(self, request: web.Request) -> web.Response:
        exchange = self.exchanges.get(request.match_info["token"])
        after_s = time.monotonic() - exchange.sent_at if exchange else 0.0
        if exchange is None or after_s > LATE_S:
            return refusal(404, 10062, "Unknown interaction")
        if exchange.callback is not None:
            return refusal(400, 40060, "Interaction has already been acknowledged.")
        payload, files = await read(request)
        kind, data = payload["type"], payload.get("data") or {}
        allowed = {2: (SOURCE, DEFERRED), 3: (SOURCE, DEFERRED, UPDATE_LATER), 4: (CHOICES,)}
        if kind not in allowed[exchange.kind]:
            return self._refuse([f"callback {kind} to an interaction of type {exchange.kind}"])
        if kind == SOURCE and (faults := message_faults(data, list(files))):
            return self._refuse(faults)
        if kind == CHOICES and (faults := list(choice_faults(data["choices"]))):
            return self._refuse(faults)
        if self.lose_callbacks:
            self.lose_callbacks -= 1
            assert request.transport is not None
            request.transport.abort()
        exchange.callback, exchange.acked_after_s = kind, after_s
        exchange.private_ack = bool(data.get("flags", 0) & EPHEMERAL)
        exchange.loading = kind == DEFERRED
        if kind == CHOICES:
            exchange.choices = data["choices"]
        elif kind == UPDATE_LATER:
            exchange.original = exchange.message
        else:
            exchange.original = self._say(exchange, data, files, exchange.private_ack)
        told: dict[str, Any] = {"interaction": {"id": str(exchange.id), "type": exchange.kind}}
        if kind == SOURCE and exchange.original is not None:
            told["resource"] = {"type": kind, "message": exchange.original.json()}
        return answer(told)

    async def _followup(self, request: web.Request) -> web.Response:
        exchange = self._live(request)
        if exchange is None:
            return refusal(401, 50027, "Invalid Webhook Token")
        payload, files = await read(request)
        if faults := message_faults(payload, list(files)):
            return self._refuse(faults)
        if exchange.loading and exchange.original is not None and not exchange.original.deleted:
            # The first follow-up takes the place of "thinking", and how private that was.
            exchange.loading = False
            exchange.original.payload, exchange.original.files = payload, files
            return answer(exchange.original.json())
        private = bool(payload.get("flags", 0) & EPHEMERAL)
        message = self._say(exchange, payload, files, private)
        exchange.followups.append(message)
        return answer(message.json())

    async def _edit_answer(self, request: web.Request) -> web.Response:
        exchange = self._live(request)
        message = exchange.original if exchange else None
        if exchange is None:
            return refusal(401, 50027, "Invalid Webhook Token")
        if message is None or message.deleted:
            return refusal(404, 10008, "Unknown Message")
        return await self._change(request, message, exchange)

    async def _delete_answer(self, request: web.Request) -> web.Response:
        exchange = self._live(request)
        if exchange is None or exchange.original is None or exchange.original.deleted:
            return refusal(404, 10008, "Unknown Message")
        exchange.original.deleted = True
        exchange.loading = False
        return web.Response(status=204)

    async def _get_channel(self, request: web.Request) -> web.Response:
        channel = int(request.match_info["channel"])
        if channel not in self.channels:
            return refusal(404, 10003, "Unknown Channel")
        return answer(channel_json(channel, self.denied))

    async def _history(self, request: web.Request) -> web.Response:
        """At most `limit` messages right after an id or before one, the newest first."""
        channel = int(request.match_info["channel"])
        limit = int(request.query.get("limit", "50"))
        if channel not in self.channels:
            return refusal(404, 10003, "Unknown Channel")
        if self.denied & VIEW:
            return refusal(403, 50001, "Missing Access")
        if self.denied & READ_HISTORY:
            return answer([])
        if not 1 <= limit <= 100 or {"after", "before"} <= set(request.query):
            return self._refuse([f"history by {dict(request.query)}"])
        there = [m for m in self.channels[channel] if not (m.deleted or m.private)]
        after, before = (int(request.query.get(way, "0")) for way in ("after", "before"))
        if after:
            found = [m for m in there if m.id > after][:limit]
        else:
            found = [m for m in there if not before or m.id < before][-limit:]
        return answer([message.json() for message in reversed(found)])

    async def _post(self, request: web.Request) -> web.Response:
        channel = int(request.match_info["channel"])
        if channel not in self.channels:
            return refusal(404, 10003, "Unknown Channel")
        if self.denied:
            return refusal(403, 50013, "Missing Permissions")
        payload, files = await read(request)
        if faults := message_faults(payload, list(files)):
            return self._refuse(faults)
        nonce = payload.get("nonce") if payload.get("enforce_nonce") else None
        again = next((m for m in self.channels[channel] if nonce and m.nonce == nonce), None)
        if again is not None:
            return answer(again.json())
        message = Message(snowflake(), channel, {**BOT.json(), "bot": True}, payload, files)
        message.nonce = nonce
        to = payload.get("message_reference")
        message.reference = int(to["message_id"]) if to else None
        self.channels[channel].append(message)
        if self.lose_answers:
            self.lose_answers -= 1
            assert request.transport is not None
            request.transport.abort()
        return answer(message.json())

    async def _edit(self, request: web.Request) -> web.Response:
        channel = int(request.match_info["channel"])
        if channel not in self.channels:
            return refusal(404, 10003, "Unknown Channel")
        wanted = int(request.match_info["message"])
        found = next((m for m in self.channels[channel] if m.id == wanted and not m.deleted), None)
        if found is None:
            return refusal(404, 10008, "Unknown Message")
        return await self._change(request, found, None)

    async def _get_guild(self, request: web.Request) -> web.Response:
        if int(request.match_info["guild"]) != GUILD or not self.guild_known:
            return refusal(404, 10004, "Unknown Guild")
        return answer(guild_json(self.denied))

    async def _get_member(self, request: web.Request) -> web.Response:
        user = self.members.get(int(request.match_info["user"]))
        if user is None or int(request.match_info["guild"]) != GUILD:
            return refusal(404, 10007, "Unknown Member")
        return answer(user.member())

    async def _change(
        self, request: web.Request, message: Message, exchange: Exchange | None
    ) -> web.Response:
        payload, files = await read(request)
        merged = {**message.payload, **payload}
        if faults := message_faults(merged, list(files)):
            return self._refuse(faults)
        message.payload, message.files, message.edits = merged, files, message.edits + 1
        if exchange is not None:
            exchange.loading = False
        return answer(message.json())

    def _say(
        self, exchange: Exchange, payload: dict[str, Any], files: dict[str, bytes], private: bool
    ) -> Message:
        author = {**BOT.json(), "bot": True}
        flags = EPHEMERAL if private else 0
        message = Message(snowflake(), exchange.channel, author, payload, files, flags)
        self.channels[exchange.channel].append(message)
        return message

    def seen(self, channel: int = CHANNEL) -> list[Message]:
        """What everybody in a channel can read."""
        return [
            m
            for m in self.channels[channel]
            if not (m.deleted or m.private) and (m.payload.get("embeds") or m.content)
        ]

    def _live(self, request: web.Request) -> Exchange | None:
        exchange = self.exchanges.get(request.match_info["token"])
        return None if exchange is None or exchange.expired else exchange

    def _refuse(self, faults: list[str]) -> web.Response:
        self.faults += faults
        return refusal(400, 50035, f"Invalid Form Body: {'; '.join(faults)}")
