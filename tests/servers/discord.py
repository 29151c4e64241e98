"""A Discord on loopback, for the real discord.py: REST v10 and gateway, strict about the rules.

`command`, `click` and `complete` are what people do. `faults` lists every rule that was broken.
Source: https://discord.com/developers/docs
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.servers.discord_gateway import Gateway
from tests.servers.discord_limits import choice_faults, command_faults, message_faults
from tests.servers.discord_state import EPHEMERAL, Exchange, Message, User, snowflake

TOKEN = "MTIz.test.token"
APP, GUILD, CHANNEL, OTHER_CHANNEL, DM, ROLE = 100200, 300400, 500600, 500601, 700800, 900100
BOT = User(APP, "Changeover")
ANA = User(11, "Ana", (ROLE,))
BO = User(22, "Bo")
LATE_S, PATIENCE_S = 3.0, 5.0
ALL = str((1 << 40) - 1)
SOURCE, DEFERRED, UPDATE_LATER, UPDATE, CHOICES = 4, 5, 6, 7, 8


@dataclass
class Fault:
    """Something that goes wrong with the next requests of a kind."""

    method: str
    path: str
    status: int
    body: Any
    times: int = 1
    headers: Mapping[str, str] = field(default_factory=dict)


class DiscordServer:
    """Start it, point discord.py at `api_url` and `gateway_url`, then be its users."""

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
        self.guild_known = True
        self._exchanges: dict[str, Exchange] = {}
        self._changed = asyncio.Condition()
        self._runner: web.AppRunner | None = None
        self.port = 0

    # --- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Listen on a free port."""
        app = web.Application(middlewares=[self._guarded], client_max_size=30 * 2**20)
        app.router.add_get("/gateway", self.gateway.handle)
        app.router.add_get("/resume", self.gateway.handle)
        for method, path, handler in self._routes():
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
        self, method: str, path: str, status: int, body: Any = None, *, times: int = 1, **more: str
    ) -> None:
        """Let the next requests whose path matches go wrong."""
        headers = {name.replace("_", "-"): value for name, value in more.items()}
        body = body or {"message": "wrong", "code": 0}
        self.wrong.append(Fault(method, path, status, body, times, headers))

    def slow_down(self, method: str, path: str, *, by_s: float = 0.02, via: bool = True) -> None:
        """Answer the next such request with 429."""
        body = {"message": "You are being rate limited.", "retry_after": by_s, "global": False}
        more = {"Via": "1.1 google"} if via else {}
        self.fail(method, path, 429, body, Retry_After=str(by_s), **more)

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                async with self._changed:
                    try:
                        await asyncio.wait_for(self._changed.wait(), 0.02)
                    except TimeoutError:
                        continue

    async def connected(self) -> None:
        """Wait until a client has a session."""
        await self.until(lambda: self.gateway.session is not None)

    # --- what people do -----------------------------------------------------------------------

    async def command(
        self,
        name: str,
        options: Mapping[str, Any] | None = None,
        *,
        by: User = ANA,
        channel: int = CHANNEL,
        late: bool = False,
        wait: bool = True,
    ) -> Exchange:
        """Choose a command: `model use`, with its options, as Discord's client would send it."""
        group, _, sub = name.partition(" ")
        data = self._command_data(group, sub, options or {})
        return await self._interact(2, data, by, channel, late=late, wait=wait)

    async def complete(
        self, name: str, typing: str, typed: str, others: Mapping[str, Any] | None = None
    ) -> list[str]:
        """Type into an option, and return what is offered."""
        group, _, sub = name.partition(" ")
        data = self._command_data(group, sub, {**(others or {}), typing: typed}, partial=True)
        for option in data["options"][0]["options"]:
            if option["name"] == typing:
                option["focused"] = True
        exchange = await self._interact(4, data, ANA, CHANNEL)
        assert exchange.choices is not None
        return [choice["value"] for choice in exchange.choices]

    async def click(
        self,
        message: Message,
        label: str,
        *,
        by: User = ANA,
        custom_id: str | None = None,
        late: bool = False,
        wait: bool = True,
    ) -> Exchange:
        """Click a button of a message."""
        data = {"custom_id": custom_id or message.buttons[label], "component_type": 2}
        return await self._interact(
            3, data, by, message.channel, message=message, late=late, wait=wait
        )

    async def raw(self, data: dict[str, Any], *, by: User = ANA) -> Exchange:
        """Send a command as it is, as a client that still shows an older version would."""
        return await self._interact(2, data, by, CHANNEL)

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
        late: bool = False,
        wait: bool = True,
    ) -> Exchange:
        guild = None if channel == DM else GUILD
        id_ = snowflake()
        sent_at = time.monotonic() - (LATE_S + 1 if late else 0)
        exchange = Exchange(
            id_, f"token-{id_}", kind, by, channel, data, sent_at, guild, message=message
        )
        self._exchanges[exchange.token] = exchange
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
            "channel": self._channel(exchange.channel),
            "locale": "en-US",
            "app_permissions": ALL,
            "entitlements": [],
            "authorizing_integration_owners": {},
            "attachment_size_limit": 10 * 2**20,
        }
        if exchange.guild is None:
            event["user"] = exchange.user.json()
        else:
            event |= {"guild_id": str(GUILD), "guild": {"id": str(GUILD), "features": []}}
            event["member"] = exchange.user.member()
        if exchange.message is not None:
            event["message"] = exchange.message.json()
        return event

    # --- the web API ----------------------------------------------------------------------------

    def _routes(self) -> list[tuple[str, str, Any]]:
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
            ("POST", "/channels/{channel}/messages", self._post),
            ("PATCH", "/channels/{channel}/messages/{message}", self._edit),
            ("GET", "/guilds/{guild}", self._get_guild),
            ("GET", "/guilds/{guild}/members/{user}", self._get_member),
        ]

    @web.middleware
    async def _guarded(self, request: web.Request, handler: Any) -> web.StreamResponse:
        path = request.path.removeprefix("/api/v10")
        self.requests.append((request.method, path))
        for fault in self.wrong:
            if fault.method == request.method and re.search(fault.path, path):
                fault.times -= 1
                self.wrong = [f for f in self.wrong if f.times > 0]
                return answer(fault.body, status=fault.status, headers=fault.headers)
        open_to_all = path.startswith(("/interactions/", "/webhooks/", "/gateway", "/resume"))
        if not open_to_all and request.headers.get("Authorization") != f"Bot {self.gateway.token}":
            return _error(401, 0, "401: Unauthorized")
        if not open_to_all and not request.headers.get("User-Agent", "").startswith("DiscordBot ("):
            self.faults.append("no User-Agent of a bot")
        try:
            response: web.StreamResponse = await handler(request)
        finally:
            async with self._changed:
                self._changed.notify_all()
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
        return ready, [self._guild_json()] if self.guild_known else []

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
            {"url": self.gateway_url, "shards": 1, "session_start_limit": limit}
        )

    async def _get_commands(self, request: web.Request) -> web.Response:
        return answer(self.commands[request.match_info.get("guild", "global")])

    async def _put_commands(self, request: web.Request) -> web.Response:
        scope = request.match_info.get("guild", "global")
        if scope not in self.commands:
            return _error(403, 50001, "Missing Access")
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
        exchange = self._exchanges.get(request.match_info["token"])
        after_s = time.monotonic() - exchange.sent_at if exchange else 0.0
        if exchange is None or after_s > LATE_S:
            return _error(404, 10062, "Unknown interaction")
        if exchange.callback is not None:
            return _error(400, 40060, "Interaction has already been acknowledged.")
        payload, files = await _read(request)
        kind, data = payload["type"], payload.get("data") or {}
        allowed = {2: (SOURCE, DEFERRED), 3: (SOURCE, DEFERRED, UPDATE_LATER), 4: (CHOICES,)}
        if kind not in allowed[exchange.kind]:
            return self._refuse([f"callback {kind} to an interaction of type {exchange.kind}"])
        if kind == SOURCE and (faults := message_faults(data, list(files))):
            return self._refuse(faults)
        if kind == CHOICES and (faults := list(choice_faults(data["choices"]))):
            return self._refuse(faults)
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
            return _error(401, 50027, "Invalid Webhook Token")
        payload, files = await _read(request)
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
            return _error(401, 50027, "Invalid Webhook Token")
        if message is None or message.deleted:
            return _error(404, 10008, "Unknown Message")
        return await self._change(request, message, exchange)

    async def _delete_answer(self, request: web.Request) -> web.Response:
        exchange = self._live(request)
        if exchange is None or exchange.original is None or exchange.original.deleted:
            return _error(404, 10008, "Unknown Message")
        exchange.original.deleted = True
        exchange.loading = False
        return web.Response(status=204)

    async def _get_channel(self, request: web.Request) -> web.Response:
        channel = int(request.match_info["channel"])
        if channel not in self.channels:
            return _error(404, 10003, "Unknown Channel")
        return answer(self._channel(channel))

    async def _post(self, request: web.Request) -> web.Response:
        channel = int(request.match_info["channel"])
        if channel not in self.channels:
            return _error(404, 10003, "Unknown Channel")
        if self.denied:
            return _error(403, 50013, "Missing Permissions")
        payload, files = await _read(request)
        if faults := message_faults(payload, list(files)):
            return self._refuse(faults)
        message = Message(snowflake(), channel, {**BOT.json(), "bot": True}, payload, files)
        to = payload.get("message_reference")
        message.reference = int(to["message_id"]) if to else None
        self.channels[channel].append(message)
        return answer(message.json())

    async def _edit(self, request: web.Request) -> web.Response:
        channel = int(request.match_info["channel"])
        if channel not in self.channels:
            return _error(404, 10003, "Unknown Channel")
        wanted = int(request.match_info["message"])
        found = next((m for m in self.channels[channel] if m.id == wanted and not m.deleted), None)
        if found is None:
            return _error(404, 10008, "Unknown Message")
        return await self._change(request, found, None)

    async def _get_guild(self, request: web.Request) -> web.Response:
        if int(request.match_info["guild"]) != GUILD or not self.guild_known:
            return _error(404, 10004, "Unknown Guild")
        return answer(self._guild_json())

    async def _get_member(self, request: web.Request) -> web.Response:
        user = self.members[int(request.match_info["user"])]
        return answer(user.member())

    # --- helpers ------------------------------------------------------------------------------

    async def _change(
        self, request: web.Request, message: Message, exchange: Exchange | None
    ) -> web.Response:
        payload, files = await _read(request)
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
        exchange = self._exchanges.get(request.match_info["token"])
        return None if exchange is None or exchange.expired else exchange

    def _refuse(self, faults: list[str]) -> web.Response:
        self.faults += faults
        return _error(400, 50035, f"Invalid Form Body: {'; '.join(faults)}")

    def _channel(self, channel: int) -> dict[str, Any]:
        if channel == DM:
            return {"id": str(DM), "type": 1, "last_message_id": None, "recipients": [BO.json()]}
        denied = [{"id": str(GUILD), "type": 0, "allow": "0", "deny": str(self.denied)}]
        return {
            "id": str(channel),
            "type": 0,
            "guild_id": str(GUILD),
            "name": "llm-ops" if channel == CHANNEL else "random",
            "position": 0,
            "permission_overwrites": denied if self.denied else [],
            "nsfw": False,
            "parent_id": None,
        }

    def _guild_json(self) -> dict[str, Any]:
        everyone = {"id": str(GUILD), "name": "@everyone", "permissions": str(0xFFFFF)}
        operators = {"id": str(ROLE), "name": "operators", "permissions": "0"}
        shape = {"color": 0, "hoist": False, "position": 0, "managed": False, "mentionable": False}
        colours = {"primary_color": 0, "secondary_color": None, "tertiary_color": None}
        return {
            "id": str(GUILD),
            "name": "Llamas",
            "owner_id": "1",
            "features": [],
            "roles": [{**r, **shape, "colors": colours} for r in (everyone, operators)],
            "emojis": [],
            "channels": [self._channel(CHANNEL), self._channel(OTHER_CHANNEL)],
            "members": [],
            "threads": [],
            "presences": [],
            "voice_states": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "member_count": 3,
            "large": False,
            "unavailable": False,
            "verification_level": 0,
            "default_message_notifications": 0,
            "explicit_content_filter": 0,
            "mfa_level": 0,
            "system_channel_flags": 0,
            "premium_tier": 0,
            "preferred_locale": "en-US",
            "nsfw_level": 0,
        }


def answer(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer in JSON, without a charset: discord.py reads nothing else as JSON."""
    return web.Response(
        body=json.dumps(body).encode(),
        status=status,
        content_type="application/json",
        headers=headers,
    )


def _error(status: int, code: int, message: str) -> web.Response:
    return answer({"message": message, "code": code}, status=status)


async def _read(request: web.Request) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Read JSON, or a form with files beside it."""
    if not request.content_type.startswith("multipart/"):
        return await request.json(), {}
    payload: dict[str, Any] = {}
    files: dict[str, bytes] = {}
    async for part in await request.multipart():
        content = bytes(await part.read())  # type: ignore[union-attr]
        if part.name == "payload_json":  # type: ignore[union-attr]
            payload = json.loads(content)
        else:
            files[str(part.filename)] = content  # type: ignore[union-attr]
    data = payload.get("data") if "type" in payload else payload
    named = {str(a["filename"]) for a in (data or {}).get("attachments") or []}
    assert named == set(files)
    return payload, files
