"""A Bot API server on loopback: its limits as strict as Telegram's, and faults on demand.

Source: https://core.telegram.org/bots/api, https://core.telegram.org/bots/faq
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from aiohttp import web

TOKEN = "4242:AAFakeTokenOfATestServer_000000000000"
BOT_ID, BOT_NAME = 4242, "changeover_bot"
GROUP, ANA, BO, MALLORY = -1001, 11, 22, 66
FORUM_TOPIC = 7
MOST_TEXT, MOST_CAPTION, MOST_ENTITIES, MOST_DATA_BYTES, MOST_COMMANDS = 4096, 1024, 100, 64, 100
_TAGS = {"b", "i", "u", "s", "code", "pre", "a", "blockquote", "tg-time"}
_COMMAND = re.compile(r"[a-z0-9_]{1,32}")


@dataclass
class Fault:
    """What a method answers instead, once."""

    status: int = 400
    description: str = ""
    parameters: dict[str, Any] | None = None
    drop: bool = False
    after: bool = False
    """Do the work first, then drop the answer."""


@dataclass
class Shown:
    """A message as the people in a chat see it."""

    id: int
    chat: int
    words: str
    raw: str
    buttons: list[list[dict[str, Any]]] = field(default_factory=list)
    under: int | None = None
    topic: int | None = None
    photo: bool = False
    file: str = ""
    edits: int = 0
    only: int | None = None
    links: list[str] = field(default_factory=list)

    @property
    def labels(self) -> list[str]:
        return [button["text"] for row in self.buttons for button in row]

    def data(self, label: str) -> str:
        return next(
            str(b["callback_data"]) for row in self.buttons for b in row if b["text"] == label
        )


class Refusal(Exception):
    """An answer that is not ok."""

    def __init__(
        self, status: int, description: str, parameters: dict[str, Any] | None = None
    ) -> None:
        super().__init__(description)
        self.status, self.description, self.parameters = status, description, parameters


class TelegramServer:
    """One bot, one forum group, a few people, and what the bot showed them."""

    def __init__(self, token: str = TOKEN) -> None:
        self.token = token
        self.ephemeral = True
        """Whether it knows ephemeral messages; an older server shows them to everybody."""
        self.dates = True
        self.chats: dict[int, str] = {GROUP: "supergroup"}
        self.started: set[int] = set()
        """People who have started the bot."""
        self.members: dict[int, str] = {ANA: "administrator", BO: "member", BOT_ID: "member"}
        self.names = {ANA: "Ana", BO: "Bo", MALLORY: "Mallory"}
        self.topics = {FORUM_TOPIC}
        self.moved: dict[int, int] = {}
        self.messages: list[Shown] = []
        self.commands: list[dict[str, str]] = []
        self.answered: list[str] = []
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self.webhook: dict[str, Any] = {}
        self.other_poller = False
        self.polls = 0
        self._updates: list[dict[str, Any]] = []
        self._next_update, self._next_message = 1000, 1
        self._news = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self.port = 0

    # --- life ---

    async def start(self) -> None:
        application = web.Application(client_max_size=60 << 20)
        application.router.add_post("/bot{token}/{method}", self._on_call)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    # --- what people do ---

    def say(self, words: str, by: int = ANA, chat: int = GROUP, **more: Any) -> int:
        """Send a message to a chat and return the update's id."""
        return self._put(message=self._typed(words, by, chat, **more))

    def click(self, message: Shown, label: str, by: int = ANA) -> int:
        """Click a button."""
        query = {
            "id": f"q{self._next_update}",
            "from": self._user(by),
            "chat_instance": "1",
            "data": message.data(label),
            "message": self._as_message(message),
        }
        return self._put(callback_query=query)

    @property
    def waiting(self) -> int:
        """How many updates the bot has not confirmed."""
        return len(self._updates)

    async def until(self, true: Any, within_s: float = 10.0) -> Any:
        """Wait until something holds and return it."""
        async with asyncio.timeout(within_s):
            while not (found := true()):  # noqa: ASYNC110 - what is waited for tells of no event
                await asyncio.sleep(0.005)
        return found

    async def shown(self, words: str, chat: int | None = None) -> Shown:
        """Wait for a message with these words."""
        found: Shown = await self.until(
            lambda: next(
                (m for m in self.messages if words in m.words and (chat is None or m.chat == chat)),
                None,
            )
        )
        return found

    def called(self, method: str) -> list[dict[str, Any]]:
        return [about for name, about in self.calls if name == method]

    def _typed(self, words: str, by: int, chat: int, **more: Any) -> dict[str, Any]:
        return {
            "message_id": self._message_id(),
            "date": int(time.time()),
            "chat": self._chat(chat),
            "from": self._user(by),
            "text": words,
            **more,
        }

    def _put(self, **what: Any) -> int:
        number = self._next_update
        self._next_update += 1
        self._updates.append({"update_id": number, **what})
        self._news.set()
        return number

    # --- what the bot calls ---

    async def _on_call(self, request: web.Request) -> web.Response:
        method = request.match_info["method"]
        about = await _parameters(request)
        if request.match_info["token"] != self.token:
            return _refused(Refusal(401, "Unauthorized"))
        self.calls.append((method, about))
        fault = self.faults[method].popleft() if self.faults[method] else None
        if fault is not None and fault.drop:
            if fault.after:
                await self._do(method, about)
            assert request.transport is not None
            request.transport.close()
            raise web.HTTPInternalServerError
        if fault is not None:
            return _refused(Refusal(fault.status, fault.description, fault.parameters))
        try:
            return web.json_response({"ok": True, "result": await self._do(method, about)})
        except Refusal as refusal:
            return _refused(refusal)

    async def _do(self, method: str, about: dict[str, Any]) -> Any:
        found = getattr(self, f"do_{method.lower()}", None)
        if found is None:
            raise Refusal(404, "Not Found")
        return await found(about)

    async def do_getme(self, about: dict[str, Any]) -> Any:
        return {**self._user(BOT_ID), "is_bot": True, "username": BOT_NAME}

    async def do_setmycommands(self, about: dict[str, Any]) -> Any:
        commands = about["commands"]
        if len(commands) > MOST_COMMANDS:
            raise Refusal(400, "Bad Request: BOT_COMMANDS_TOO_MUCH")
        for command in commands:
            if not _COMMAND.fullmatch(command["command"]):
                raise Refusal(400, "Bad Request: BOT_COMMAND_INVALID")
            if not 1 <= len(command["description"]) <= 256:
                raise Refusal(400, "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID")
        self.commands = commands
        return True

    async def do_setwebhook(self, about: dict[str, Any]) -> Any:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", about.get("secret_token", "")):
            raise Refusal(400, "Bad Request: secret token contains unallowed characters")
        self.webhook = about
        return True

    async def do_deletewebhook(self, about: dict[str, Any]) -> Any:
        self.webhook = {}
        return True

    async def do_getwebhookinfo(self, about: dict[str, Any]) -> Any:
        return {
            "url": self.webhook.get("url", ""),
            "has_custom_certificate": False,
            "pending_update_count": self.waiting,
        }

    async def do_getupdates(self, about: dict[str, Any]) -> Any:
        if self.webhook:
            raise Refusal(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook",
            )
        if self.other_poller:
            raise Refusal(
                409,
                "Conflict: terminated by other getUpdates request; make sure that only one bot "
                "instance is running",
            )
        self.polls += 1
        offset = int(about.get("offset", 0))
        self._updates = [u for u in self._updates if u["update_id"] >= offset]
        if not self._updates and float(about.get("timeout", 0)):
            self._news.clear()
            try:
                async with asyncio.timeout(float(about["timeout"])):
                    await self._news.wait()
            except TimeoutError:
                return []
        return self._updates[: int(about.get("limit", 100))]

    async def do_answercallbackquery(self, about: dict[str, Any]) -> Any:
        self.answered.append(about["callback_query_id"])
        return True

    async def do_getchat(self, about: dict[str, Any]) -> Any:
        chat = self._known(about)
        return {**self._chat(chat), "accent_color_id": 0, "max_reaction_count": 1,
                "accepted_gift_types": {
                    "unlimited_gifts": False, "limited_gifts": False, "unique_gifts": False,
                    "premium_subscription": False, "gifts_from_channels": False,
                }}  # fmt: skip

    async def do_getchatmember(self, about: dict[str, Any]) -> Any:
        self._known(about)
        user = int(about["user_id"])
        status = self.members.get(user, "left")
        more: dict[str, Any] = {}
        if status == "administrator":
            more = dict.fromkeys(
                (
                    "can_be_edited", "is_anonymous", "can_manage_chat", "can_delete_messages",
                    "can_manage_video_chats", "can_restrict_members", "can_promote_members",
                    "can_change_info", "can_invite_users", "can_post_stories", "can_edit_stories",
                    "can_delete_stories",
                ),
                False,
            )  # fmt: skip
        if status == "kicked":
            more = {"until_date": 0}
        return {"status": status, "user": self._user(user), **more}

    async def do_sendmessage(self, about: dict[str, Any]) -> Any:
        return self._show(about, about["text"], MOST_TEXT)

    async def do_sendphoto(self, about: dict[str, Any]) -> Any:
        if not about["photo"].startswith(b"\x89PNG"):
            raise Refusal(400, "Bad Request: IMAGE_PROCESS_FAILED")
        return self._show(about, about.get("caption", ""), MOST_CAPTION, photo=True)

    async def do_senddocument(self, about: dict[str, Any]) -> Any:
        return self._show(about, "", MOST_CAPTION, file=about["document.name"])

    async def do_editmessagetext(self, about: dict[str, Any]) -> Any:
        message = self._editable(about)
        if message.photo:
            raise Refusal(400, "Bad Request: there is no text in the message to edit")
        return self._edit(message, about, about["text"], MOST_TEXT)

    async def do_editmessagecaption(self, about: dict[str, Any]) -> Any:
        return self._edit(self._editable(about), about, about["caption"], MOST_CAPTION)

    async def do_editmessagemedia(self, about: dict[str, Any]) -> Any:
        message, media = self._editable(about), about["media"]
        message.photo = True
        return self._edit(message, {**about, **media}, media.get("caption", ""), MOST_CAPTION)

    async def do_deletemessage(self, about: dict[str, Any]) -> Any:
        self.messages.remove(self._editable(about, "message to delete not found"))
        return True

    async def do_deleteephemeralmessage(self, about: dict[str, Any]) -> Any:
        id_, user = int(about["ephemeral_message_id"]), int(about["receiver_user_id"])
        self.messages = [m for m in self.messages if (m.id, m.only) != (id_, user)]
        return True

    # --- how it shows ---

    def _show(
        self, about: dict[str, Any], html: str, most: int, *, photo: bool = False, file: str = ""
    ) -> Any:
        chat = self._known(about)
        status = self.members.get(BOT_ID)
        if chat < 0 and status == "kicked":
            raise Refusal(403, "Forbidden: bot was kicked from the supergroup chat")
        if chat < 0 and status == "restricted":
            raise Refusal(400, "Bad Request: not enough rights to send text messages to the chat")
        if chat > 0 and chat not in self.started:
            raise Refusal(403, "Forbidden: bot can't initiate conversation with a user")
        topic = about.get("message_thread_id")
        if topic is not None and int(topic) not in self.topics:
            raise Refusal(400, "Bad Request: message thread not found")
        whisper = about.get("ephemeral_message_parameters") if self.ephemeral else None
        page = _Page(html, most, dates=self.dates, empty_ok=photo or bool(file))
        under = (about.get("reply_parameters") or {}).get("message_id")
        alive = any(m.id == under and m.chat == chat for m in self.messages)
        message = Shown(
            id=self._message_id(), chat=chat, words=page.words, raw=html,
            buttons=_buttons(about), under=under if alive else None,
            topic=int(topic) if topic is not None else None, photo=photo, file=file,
            only=whisper["receiver_user_id"] if whisper else None, links=page.links,
        )  # fmt: skip
        self.messages.append(message)
        return self._as_message(message)

    def _edit(self, message: Shown, about: dict[str, Any], html: str, most: int) -> Any:
        page = _Page(html, most, dates=self.dates, empty_ok=message.photo)
        buttons = _buttons(about)
        if (html, buttons) == (message.raw, message.buttons):
            raise Refusal(
                400,
                "Bad Request: message is not modified: specified new message content and reply "
                "markup are exactly the same as a current content and reply markup of the message",
            )
        message.words, message.raw, message.buttons = page.words, html, buttons
        message.edits += 1
        return self._as_message(message)

    def _known(self, about: dict[str, Any]) -> int:
        chat = int(about["chat_id"])
        if chat in self.moved:
            raise Refusal(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                {"migrate_to_chat_id": self.moved[chat]},
            )
        if chat < 0 and chat not in self.chats:
            raise Refusal(400, "Bad Request: chat not found")
        return chat

    def _editable(self, about: dict[str, Any], missing: str = "message to edit not found") -> Shown:
        chat, id_ = self._known(about), int(about["message_id"])
        for message in self.messages:
            if (message.chat, message.id, message.only) == (chat, id_, None):
                return message
        raise Refusal(400, f"Bad Request: {missing}")

    def _message_id(self) -> int:
        self._next_message += 1
        return self._next_message

    def _user(self, id_: int) -> dict[str, Any]:
        name = "Changeover" if id_ == BOT_ID else self.names.get(id_, "Somebody")
        return {"id": id_, "is_bot": id_ == BOT_ID, "first_name": name}

    def _chat(self, id_: int) -> dict[str, Any]:
        if id_ > 0:
            return {"id": id_, "type": "private", "first_name": self.names.get(id_, "Somebody")}
        return {"id": id_, "type": self.chats.get(id_, "group"), "title": "LLM ops"}

    def _as_message(self, message: Shown) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "message_id": message.id if message.only is None else 0,
            "date": int(time.time()),
            "chat": self._chat(message.chat),
            "from": self._user(BOT_ID),
            "text": message.words,
        }
        if message.topic is not None:
            shown |= {"message_thread_id": message.topic, "is_topic_message": True}
        if message.only is not None:
            shown |= {"ephemeral_message_id": message.id, "receiver": self._user(message.only)}
        return shown


class _Page(HTMLParser):
    """Telegram's HTML, read as strictly as its own parser: unknown tags are refused."""

    def __init__(self, html: str, most: int, *, dates: bool, empty_ok: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.words, self.links = "", list[str]()
        self._open: list[str] = []
        self._entities = 0
        self._known = _TAGS if dates else _TAGS - {"tg-time"}
        if re.search(r"&(?!(lt|gt|amp|quot|#\d+|#x[0-9a-f]+);)", html):
            raise Refusal(400, "Bad Request: can't parse entities: a bare ampersand")
        self.feed(html)
        self.close()
        if self._open:
            raise Refusal(400, f"Bad Request: can't parse entities: {self._open[-1]} is not closed")
        self.words = self.words.strip()
        units = len(self.words.encode("utf-16-le")) // 2
        if not units and not empty_ok:
            raise Refusal(400, "Bad Request: message text is empty")
        if units > most:
            what = "caption" if most == MOST_CAPTION else "text"
            raise Refusal(400, f"Bad Request: message {what} is too long")
        if self._entities > MOST_ENTITIES:
            raise Refusal(400, "Bad Request: too many entities")

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self._known:
            raise Refusal(400, f'Bad Request: can\'t parse entities: Unsupported start tag "{tag}"')
        self._open.append(tag)
        self._entities += 1
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open.pop() != tag:
            raise Refusal(400, "Bad Request: can't parse entities: unexpected end tag")

    def handle_data(self, data: str) -> None:
        self.words += data


def _buttons(about: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    rows: list[list[dict[str, Any]]] = (about.get("reply_markup") or {}).get("inline_keyboard", [])
    for button in (button for row in rows for button in row):
        if not 1 <= len(button["callback_data"].encode()) <= MOST_DATA_BYTES:
            raise Refusal(400, "Bad Request: BUTTON_DATA_INVALID")
        if not button["text"].strip():
            raise Refusal(400, "Bad Request: BUTTON_TEXT_INVALID")
    if sum(map(len, rows)) > 100 or any(len(row) > 8 for row in rows):
        raise Refusal(400, "Bad Request: REPLY_MARKUP_TOO_LONG")
    return rows


async def _parameters(request: web.Request) -> dict[str, Any]:
    about: dict[str, Any] = {}
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            about[name], about[f"{name}.name"] = value.file.read(), value.filename
            continue
        try:
            about[name] = json.loads(str(value)) if str(value)[:1] in "{[" else str(value)
        except ValueError:
            about[name] = str(value)
    return about


def _refused(refusal: Refusal) -> web.Response:
    body: dict[str, Any] = {
        "ok": False,
        "error_code": refusal.status,
        "description": refusal.description,
    }
    if refusal.parameters:
        body["parameters"] = refusal.parameters
    return web.json_response(body, status=refusal.status)
