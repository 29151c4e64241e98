"""Slack as far as an app can tell: Web API, response URLs, uploads, Socket Mode, signed requests.

Strict where Slack is: blocks over a limit are refused, addresses of sockets work once, response
URLs five times, channels have members, scopes are needed. Faults are put into `faults`.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import time
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any, cast
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from tests.servers.slack_blocks import fault_of_blocks

Json = Any

BOT_TOKEN = "xoxb-the-bot"
APP_TOKEN = "xapp-the-app"
SIGNING_SECRET = "8f742231b10e8888abcd99yyyzzz85a5"
SCOPES = (
    "commands", "chat:write", "chat:write.public", "files:write", "channels:read", "groups:read",
    "channels:join", "channels:history", "groups:history", "users:read", "usergroups:read",
)  # fmt: skip
ACK_WITHIN_S = 3.0
RESPONSE_USES = 5


@dataclass
class Channel:
    """A channel as the workspace has it."""

    name: str
    private: bool = False
    member: bool = False
    archived: bool = False


@dataclass
class Posted:
    """A message on a screen; `to` is the one person who sees it, if only one does."""

    channel: str
    text: str
    blocks: list[Json]
    ts: str
    via: str
    to: str | None = None
    thread_ts: str | None = None
    edits: int = 0
    metadata: Json = None

    @property
    def words(self) -> str:
        """Every text of the message, blocks and all."""
        return self.text + "\n" + json.dumps(self.blocks, ensure_ascii=False)

    @property
    def markup(self) -> str:
        """Every text of the message in which Slack reads markup, and every mention."""
        return self.text + "\n" + "\n".join(_markup(self.blocks))

    def button(self, label: str) -> Json:
        """Find a button by its label."""
        for block in self.blocks:
            for element in block.get("elements", ()):
                if element.get("type") == "button" and element["text"]["text"] == label:
                    return element
        raise AssertionError(f"no button {label!r} in {self.words}")

    @property
    def menu(self) -> Json:
        """The menu, of which a message has one at most."""
        elements = [e for block in self.blocks for e in block.get("elements", ())]
        return next(e for e in elements if e.get("type") == "static_select")


@dataclass
class ResponseUrl:
    """Where answers to one command or click may be sent."""

    channel: str
    user: str
    uses: int = 0
    dead: bool = False
    original: Posted | None = None


@dataclass
class MessageSync:
    """An envelope or request on its way, and what became of it."""

    id: str
    sent_at: float
    ack: asyncio.Future[Json]
    ack_s: float | None = None

    async def acked(self) -> Json:
        """Wait as long as Slack does."""
        return await asyncio.wait_for(asyncio.shield(self.ack), ACK_WITHIN_S)


@dataclass
class Fault:
    """What the next call of a method meets instead of its answer."""

    error: str = ""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    drop: bool = False
    body: str | None = None


class SlackServer:
    """One workspace with one app in it."""

    def __init__(self) -> None:
        self.scopes: tuple[str, ...] = SCOPES
        self.users: dict[str, str] = {"U1": "Ana", "U2": "Bo", "U3": "Cy"}
        self.teams: dict[str, Json] = {}
        self.enterprise = ""
        self.groups: dict[str, list[str]] = {}
        self.channels: dict[str, Channel] = {
            "C0OPS": Channel("llm-ops"),
            "C0DEV": Channel("dev"),
            "G0SEC": Channel("secret", private=True),
        }
        self.posted: list[Posted] = []
        self.views: dict[str, Json] = {}
        self.files: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.faults: dict[str, deque[Fault]] = defaultdict(deque)
        self.file_rejections = 0
        self.knows_tables = True
        self.refusals: list[str] = []
        self.min_gap_s = 0.0
        self.first_ts = 1_700_000_000
        self.sockets: list[web.WebSocketResponse] = []
        self.deliveries: dict[str, MessageSync] = {}
        self.stray_acks: list[Json] = []
        self.responses: dict[str, ResponseUrl] = {}
        self.refuse_sockets = 0
        self._tickets: set[str] = set()
        self._ids = count(1)
        self._last_post: dict[str, float] = {}
        self._runner: web.AppRunner | None = None
        self.url = ""

    # --- life -----------------------------------------------------------------------------

    async def start(self) -> None:
        application = web.Application()
        application.router.add_route("*", "/api/{method}", self._api)
        application.router.add_post("/respond/{id}", self._respond)
        application.router.add_post("/upload/{id}", self._upload)
        application.router.add_get("/socket", self._socket)
        self._runner = web.AppRunner(application, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"

    async def stop(self) -> None:
        for socket in list(self.sockets):
            await socket.close()
        assert self._runner is not None
        await self._runner.cleanup()

    @property
    def api_url(self) -> str:
        return f"{self.url}/api/"

    def called(self, method: str) -> list[dict[str, Any]]:
        """Return the arguments of every call of a method."""
        return [arguments for name, arguments in self.calls if name == method]

    async def until(self, there: Any, timeout_s: float = 60.0) -> Any:
        """Wait until `there()` returns something true, and return that."""
        async with asyncio.timeout(timeout_s):
            while not (found := there()):  # noqa: ASYNC110 - what is waited for is not ours
                await asyncio.sleep(0.002)
        return found

    async def message(self, number: int = 1, *, to: str | None = None) -> Posted:
        """Wait for the n-th message, of those that only `to` sees or that all see."""
        found = await self.until(lambda: [m for m in self.posted if m.to == to][number - 1 :])
        return cast(Posted, found[0])

    # --- what the app is sent -------------------------------------------------------------

    def command_payload(
        self,
        command: str,
        text: str = "",
        *,
        user: str = "U1",
        channel: str = "C0DEV",
        team: str = "T1",
    ) -> dict[str, str]:
        channel_name = self.channels[channel].name if channel in self.channels else "directmessage"
        return {
            "token": "ZZZ", "team_id": team, "team_domain": "team", "api_app_id": "A1",
            "channel_id": channel, "channel_name": channel_name,
            "user_id": user, "user_name": f"{user.lower()}.name",
            "command": command, "text": text, "is_enterprise_install": "false",
            "response_url": self.response_url(channel, user),
            "trigger_id": f"{next(self._ids)}.trigger",
        }  # fmt: skip

    def click_payload(
        self,
        message: Posted,
        label: str,
        *,
        user: str = "U1",
        value: str | None = None,
        team: str = "T1",
    ) -> dict[str, Any]:
        button = message.button(label)
        action = {
            "type": "button", "action_id": button["action_id"], "block_id": "b1",
            "text": button["text"], "action_ts": "1.0",
            "value": button["value"] if value is None else value,
        }  # fmt: skip
        if "confirm" in button:
            action["confirm"] = button["confirm"]
        return self._interaction(message, action, user, team)

    def pick_payload(
        self, message: Posted, label: str, *, user: str = "U1", team: str = "T1"
    ) -> dict[str, Any]:
        menu = message.menu
        option = next(o for o in menu["options"] if o["text"]["text"] == label)
        action = {
            "type": "static_select", "action_id": menu["action_id"], "block_id": "b2",
            "action_ts": "1.0", "selected_option": option, "placeholder": menu["placeholder"],
        }  # fmt: skip
        return self._interaction(message, action, user, team)

    def _interaction(
        self, message: Posted, action: dict[str, Any], user: str, team: str
    ) -> dict[str, Any]:
        container = {
            "type": "message", "message_ts": message.ts, "channel_id": message.channel,
            "is_ephemeral": message.to is not None,
        }  # fmt: skip
        if message.thread_ts:
            container["thread_ts"] = message.thread_ts
        payload: dict[str, Any] = {
            "type": "block_actions", "team": {"id": "T1"}, "api_app_id": "A1",
            "user": {
                "id": user, "username": f"{user.lower()}.name", "name": user.lower(),
                "team_id": team,
            },
            "channel": {"id": message.channel}, "container": container,
            "response_url": self.response_url(message.channel, user, original=message),
            "trigger_id": f"{next(self._ids)}.trigger", "actions": [action],
        }  # fmt: skip
        if message.to is None:
            payload["message"] = {"ts": message.ts, "text": message.text, "blocks": message.blocks}
        return payload

    def home_payload(self, user: str = "U1", event_id: str | None = None) -> dict[str, Any]:
        return {
            "type": "event_callback", "team_id": "T1", "api_app_id": "A1",
            "event_id": event_id or f"Ev{next(self._ids)}", "event_time": 1,
            "event": {"type": "app_home_opened", "user": user, "channel": "D1", "tab": "home"},
        }  # fmt: skip

    def response_url(self, channel: str, user: str, original: Posted | None = None) -> str:
        id_ = f"r{next(self._ids)}"
        self.responses[id_] = ResponseUrl(channel, user, original=original)
        return f"{self.url}/respond/{id_}"

    async def send(self, type_: str, payload: Json, envelope_id: str | None = None) -> MessageSync:
        """Send an envelope down the newest socket."""
        await self.until(lambda: self.sockets)
        id_ = envelope_id or f"envelope-{next(self._ids)}"
        delivery = MessageSync(id_, time.perf_counter(), asyncio.get_running_loop().create_future())
        self.deliveries[id_] = delivery
        await self.sockets[-1].send_json(
            {"type": type_, "envelope_id": id_, "payload": payload,
             "accepts_response_payload": type_ != "events_api"}
        )  # fmt: skip
        return delivery

    async def command(self, command: str, text: str = "", **where: Any) -> MessageSync:
        """Send a slash command down the socket."""
        return await self.send("slash_commands", self.command_payload(command, text, **where))

    async def click(self, message: Posted, label: str, **how: Any) -> MessageSync:
        """Click a button."""
        return await self.send("interactive", self.click_payload(message, label, **how))

    async def pick(self, message: Posted, label: str, **how: Any) -> MessageSync:
        """Pick an option of a menu, and say yes to Slack's dialog."""
        return await self.send("interactive", self.pick_payload(message, label, **how))

    # --- the Web API ----------------------------------------------------------------------

    async def _api(self, request: web.Request) -> web.StreamResponse:
        method = request.match_info["method"]
        arguments = await _arguments(request)
        self.calls.append((method, arguments))
        if self.faults[method]:
            faulty = await self._faulty(request, self.faults[method].popleft())
            if faulty is not None:
                return faulty
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        wanted = APP_TOKEN if method == "apps.connections.open" else BOT_TOKEN
        if token != wanted:
            return web.json_response({"ok": False, "error": "invalid_auth"})
        handler = getattr(self, "_do_" + method.replace(".", "_"), None)
        if handler is None:
            return web.json_response({"ok": False, "error": "unknown_method"})
        answer: Any = handler(arguments)
        if isinstance(answer, str):
            error, _, needed = answer.partition(" ")
            answer = {"ok": False, "error": error, **({"needed": needed} if needed else {})}
        elif isinstance(answer, web.Response):
            return answer
        return web.json_response(
            {"ok": True, **answer}, headers={"x-oauth-scopes": ",".join(self.scopes)}
        )

    async def _faulty(self, request: web.Request, fault: Fault) -> web.Response | None:
        await asyncio.sleep(fault.wait_s)
        if fault.drop:
            assert request.transport is not None
            request.transport.abort()
        if fault.error:
            return web.json_response({"ok": False, "error": fault.error})
        if fault.status != 200 or fault.body is not None:
            body = fault.body or ""
            kind = "application/json" if body.startswith("{") else "text/html"
            return web.Response(
                status=fault.status, headers=fault.headers, text=body, content_type=kind
            )
        return None

    def _do_auth_test(self, arguments: Json) -> Json:
        return {
            "url": "https://team.slack.com/", "team": "Team", "user": "changeover",
            "team_id": "T1", "user_id": "U0BOT", "bot_id": "B1",
            **({"enterprise_id": self.enterprise} if self.enterprise else {}),
        }  # fmt: skip

    def _do_apps_connections_open(self, arguments: Json) -> Json:
        ticket = f"ticket{next(self._ids)}"
        self._tickets.add(ticket)
        return {"url": f"{self.url.replace('http', 'ws')}/socket?ticket={ticket}"}

    def _do_users_info(self, arguments: Json) -> Json:
        name = self.users.get(arguments["user"])
        if "users:read" not in self.scopes:
            return "missing_scope users:read"
        if name is None:
            return "user_not_found"
        profile = {"display_name": name, "real_name": f"{name} Real"}
        of = self.teams.get(arguments["user"], {"team_id": "T1"})
        return {"user": {"id": arguments["user"], "name": name.lower(), "profile": profile, **of}}

    def _do_usergroups_users_list(self, arguments: Json) -> Json:
        if "usergroups:read" not in self.scopes:
            return "missing_scope usergroups:read"
        members = self.groups.get(arguments["usergroup"])
        return "no_such_subteam" if members is None else {"users": members}

    def _do_conversations_list(self, arguments: Json) -> Json:
        """Two channels a page, so that a cursor has to be followed."""
        if "channels:read" not in self.scopes:
            return "missing_scope channels:read"
        hidden = "private_channel" in arguments.get("types", "")
        if hidden and "groups:read" not in self.scopes:
            return "missing_scope groups:read"
        seen = [
            (i, c)
            for i, c in self.channels.items()
            if not c.archived and (not c.private or (hidden and c.member))
        ]
        start = int(arguments.get("cursor") or 0)
        rows = [{"id": i, "name": c.name, "is_member": c.member} for i, c in seen]
        more = str(start + 1) if start + 1 < len(rows) else ""
        return {"channels": rows[start : start + 1], "response_metadata": {"next_cursor": more}}

    def _do_conversations_info(self, arguments: Json) -> Json:
        found = self.channels.get(arguments["channel"])
        if found is None or (found.private and not found.member):
            return "channel_not_found"
        return {
            "channel": {
                "id": arguments["channel"], "name": found.name, "is_member": found.member,
                "is_private": found.private, "is_archived": found.archived,
            }
        }  # fmt: skip

    def _do_conversations_history(self, arguments: Json) -> Json:
        """Two messages a page, the newest first."""
        found = self.channels.get(arguments["channel"])
        scope = "groups:history" if found and found.private else "channels:history"
        if scope not in self.scopes:
            return f"missing_scope {scope}"
        if found is None:
            return "channel_not_found"
        if not found.member:
            return "not_in_channel"
        rows = [
            {"type": "message", "user": "U0BOT", "ts": m.ts, "text": m.text, "blocks": m.blocks}
            | ({"metadata": m.metadata} if m.metadata and _is_true(arguments) else {})
            for m in reversed(self.posted)
            if m.channel == arguments["channel"]
            and float(m.ts) >= float(arguments["oldest"])
            # Answers stand in their thread alone, and what one person sees in nobody's history.
            and not m.thread_ts
            and m.to is None
        ]
        rows.append({"type": "message", "user": "U1", "ts": "1.0", "text": "incident 7"})
        start = int(arguments.get("cursor") or 0)
        more = str(start + 2) if start + 2 < len(rows) else ""
        return {
            "messages": rows[start : start + 2],
            "has_more": bool(more),
            "response_metadata": {"next_cursor": more},
        }

    def _do_conversations_join(self, arguments: Json) -> Json:
        found = self.channels.get(arguments["channel"])
        if found is None:
            return "channel_not_found"
        if found.private:
            return "method_not_supported_for_channel_type"
        found.member = True
        return {"channel": {"id": arguments["channel"]}}

    def _do_chat_postMessage(self, arguments: Json) -> Json:  # noqa: N802
        channel = arguments["channel"]
        if channel.startswith("#"):
            names = {c.name: i for i, c in self.channels.items()}
            channel = names.get(channel[1:], channel)
        elif channel in self.users:
            channel = f"D{channel}"
        refusal = self._barred(channel) or self._content_fault(arguments)
        if refusal:
            return refusal
        now = time.monotonic()
        if now - self._last_post.get(channel, float("-inf")) < self.min_gap_s:
            return web.Response(status=429, headers={"Retry-After": "0"}, text="ratelimited")
        self._last_post[channel] = now
        posted = self._put(channel, arguments, "chat.postMessage")
        return {"channel": channel, "ts": posted.ts, "message": {"text": posted.text}}

    def _do_chat_postEphemeral(self, arguments: Json) -> Json:  # noqa: N802
        channel = self.channels.get(arguments["channel"])
        if channel is None:
            return "channel_not_found"
        if not channel.member and channel.private:
            return "not_in_channel"
        refusal = self._content_fault(arguments)
        if refusal:
            return refusal
        posted = self._put(
            arguments["channel"], arguments, "chat.postEphemeral", to=arguments["user"]
        )
        return {"message_ts": posted.ts}

    def _do_chat_update(self, arguments: Json) -> Json:
        if len(arguments.get("text", "")) > 4000:
            return "msg_too_long"
        refusal = self._content_fault(arguments)
        if refusal:
            return refusal
        for message in self.posted:
            if (message.channel, message.ts) == (arguments["channel"], arguments["ts"]):
                message.text = arguments["text"]
                message.blocks = _parsed(arguments["blocks"])
                message.edits += 1
                if "metadata" in arguments:
                    message.metadata = _parsed(arguments["metadata"])
                return {"channel": message.channel, "ts": message.ts, "text": message.text}
        return "message_not_found"

    def _do_views_publish(self, arguments: Json) -> Json:
        view = _parsed(arguments["view"])
        fault = fault_of_blocks(view["blocks"], most_blocks=100, most_characters=None, native=False)
        if fault or view["type"] != "home":
            return "invalid_arguments"
        self.views[arguments["user_id"]] = view
        return {"view": {"id": "V1"}}

    def _do_files_getUploadURLExternal(self, arguments: Json) -> Json:  # noqa: N802
        id_ = f"F{next(self._ids)}"
        self.files[id_] = {
            "filename": arguments["filename"], "length": int(arguments["length"]),
            "content": None, "shared": None, "rejections": self.file_rejections,
        }  # fmt: skip
        return {"upload_url": f"{self.url}/upload/{id_}", "file_id": id_}

    def _do_files_completeUploadExternal(self, arguments: Json) -> Json:  # noqa: N802
        done = _parsed(arguments["files"])
        channel = arguments.get("channel_id")
        if channel and not channel.startswith("D"):
            found = self.channels.get(channel)
            if found is None:
                return "channel_not_found"
            if not found.member:
                return "not_in_channel"
        for file in done:
            stored = self.files[file["id"]]
            if stored["content"] is None or len(stored["content"]) != stored["length"]:
                return "invalid_arguments"
            stored["shared"] = (channel, arguments.get("thread_ts"))
        return {"files": [{"id": file["id"], "title": file.get("title")} for file in done]}

    async def _upload(self, request: web.Request) -> web.Response:
        self.files[request.match_info["id"]]["content"] = await request.read()
        return web.Response(text="OK - 1")

    # --- messages -------------------------------------------------------------------------

    async def _respond(self, request: web.Request) -> web.Response:
        id_ = request.match_info["id"]
        arguments = await request.json()
        self.calls.append(("response_url", arguments))
        if self.faults["response_url"]:
            answer = await self._faulty(request, self.faults["response_url"].popleft())
            if answer is not None:
                return answer
        where = self.responses[id_]
        where.uses += 1
        if where.dead or where.uses > RESPONSE_USES:
            return web.json_response({"ok": False, "error": "used_url"}, status=404)
        if arguments.get("delete_original"):
            self.posted = [m for m in self.posted if m is not where.original]
            return web.Response(text="ok")
        fault = self._content_fault(arguments)
        if fault:
            return web.json_response({"ok": False, "error": fault}, status=404)
        private = arguments.get("response_type", "ephemeral") == "ephemeral"
        self._put(where.channel, arguments, "response_url", to=where.user if private else None)
        return web.Response(text="ok")

    def _barred(self, channel: str) -> str:
        if channel.startswith("D"):
            return ""
        found = self.channels.get(channel)
        if found is None or (found.private and not found.member):
            return "channel_not_found"
        if found.archived:
            return "is_archived"
        if not found.member and "chat:write.public" not in self.scopes:
            return "not_in_channel"
        return ""

    def _content_fault(self, arguments: Json) -> str:
        blocks = _parsed(arguments.get("blocks") or [])
        if not arguments.get("text"):
            return "no_text"
        metadata = _parsed(arguments.get("metadata") or {})
        if metadata and set(metadata) != {"event_type", "event_payload"}:
            return "invalid_metadata_format"
        fault = fault_of_blocks(blocks, native=self.knows_tables)
        if fault:
            self.refusals.append(fault)
            return "invalid_blocks"
        for block in blocks:
            if block["type"] == "image":
                file = self.files.get(block["slack_file"]["id"])
                if file is None:
                    return "invalid_blocks"
                if file["rejections"] > 0:
                    file["rejections"] -= 1
                    return "invalid_blocks"
        return ""

    def _put(self, channel: str, arguments: Json, via: str, to: str | None = None) -> Posted:
        message = Posted(
            channel, arguments["text"], _parsed(arguments.get("blocks") or []),
            f"{self.first_ts + next(self._ids)}.000100", via, to, arguments.get("thread_ts"),
            metadata=_parsed(arguments.get("metadata")),
        )  # fmt: skip
        self.posted.append(message)
        return message

    # --- Socket Mode ----------------------------------------------------------------------

    async def _socket(self, request: web.Request) -> web.StreamResponse:
        ticket = request.query.get("ticket", "")
        if ticket not in self._tickets:
            return web.Response(status=403)
        self._tickets.discard(ticket)
        if self.refuse_sockets > 0:
            self.refuse_sockets -= 1
            return web.Response(status=503)
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self.sockets.append(socket)
        hello = {"type": "hello", "num_connections": len(self.sockets)}
        await socket.send_json(hello)
        try:
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._acked(json.loads(message.data))
        finally:
            self.sockets.remove(socket)
        return socket

    def _acked(self, ack: Json) -> None:
        delivery = self.deliveries.get(ack["envelope_id"])
        if delivery is None or delivery.ack.done():
            self.stray_acks.append(ack)
        else:
            delivery.ack_s = time.perf_counter() - delivery.sent_at
            delivery.ack.set_result(ack.get("payload"))

    async def disconnect(self, reason: str = "refresh_requested") -> None:
        """Tell the app to open another socket; Slack closes this one soon after."""
        await self.sockets[-1].send_json({"type": "disconnect", "reason": reason})

    def cut(self) -> None:
        """Drop the newest socket without a word."""
        socket = self.sockets[-1]
        request = socket._req
        assert request is not None
        assert request.transport is not None
        request.transport.abort()


# --- HTTP mode --------------------------------------------------------------------------------


def signed(body: str, secret: str = SIGNING_SECRET, at: float | None = None) -> dict[str, str]:
    """Return the headers under which Slack sends a body."""
    stamp = str(int(time.time() if at is None else at))
    base = f"v0:{stamp}:{body}".encode()
    digest = hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": stamp, "X-Slack-Signature": f"v0={digest}"}


def as_form(payload: Mapping[str, Any]) -> str:
    """Encode a slash command's fields, or an interaction's payload, as Slack does."""
    if "command" in payload:
        return urlencode(payload)
    return urlencode({"payload": json.dumps(payload)})


async def _arguments(request: web.Request) -> dict[str, Any]:
    arguments: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        arguments.update(await request.json())
    else:
        arguments.update({k: str(v) for k, v in (await request.post()).items()})
    return arguments


def _is_true(arguments: Json) -> bool:
    return str(arguments.get("include_all_metadata")).lower() in ("1", "true")


def _markup(value: Any) -> Iterator[str]:
    if isinstance(value, list):
        for item in value:
            yield from _markup(item)
    elif isinstance(value, dict):
        if value.get("type") == "mrkdwn":
            yield value["text"]
        elif value.get("type") in ("user", "usergroup"):
            yield f"<@{value}>"
        for item in value.values():
            yield from _markup(item)


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value
