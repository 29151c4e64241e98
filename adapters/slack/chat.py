"""The `Chat` and `ChatHistory` ports: the team's channel in Slack."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from adapters.slack.api import Api, SlackTrouble, asking, log
from adapters.slack.forms import Memory
from adapters.slack.mrkdwn import read
from adapters.slack.outbox import Outbox
from bot.card import Card
from bot.errors import ChatError, StorageError
from bot.ports import MessageRef

SURFACE = "slack"


@dataclass(frozen=True, slots=True)
class Channel:
    """What Slack tells of the team's channel."""

    id: str
    name: str
    member: bool
    private: bool
    archived: bool


class SlackChat:
    """Posts to SLACK_CHANNEL, given by id or by name; raises ChatError kinds."""

    def __init__(
        self, api: Api, outbox: Outbox, channel: str, memory: Memory | None = None
    ) -> None:
        self._api = api
        self._memory = memory
        self._outbox = outbox
        self._wanted = channel
        self._id = channel if _is_id(channel) else ""
        self._own_id = ""

    @property
    def configured(self) -> bool:
        """True when there is a channel to post to."""
        return bool(self._wanted)

    async def post(self, card: Card) -> MessageRef:
        """Post to the alert channel; a public one is joined when need be."""
        channel = await self.channel_id()
        try:
            where, ts = await self._outbox.post(channel, card)
        except SlackTrouble as trouble:
            await self._join_after(trouble, channel)
            where, ts = await self._outbox.post(channel, card)
        self._id = where
        return MessageRef(SURFACE, where, ts)

    async def update(self, message: MessageRef, card: Card) -> None:
        """Edit a posted message; ChatError with `gone` where it is no longer there."""
        await self._outbox.edit(message.channel, message.id, card)

    async def reply(self, message: MessageRef, card: Card) -> MessageRef:
        """Answer in the message's thread."""
        where, ts = await self._outbox.post(message.channel, card, thread=message.id)
        return MessageRef(SURFACE, where, ts)

    async def find(self, words: str, since: datetime) -> MessageRef | None:
        """Return a message of our own since then with the words in its text or metadata, if any."""
        channel = await self.channel_id()
        if not self._own_id:
            with asking("identify the bot"):
                self._own_id = str((await self._api.web.auth_test())["user_id"])
        cursor: str | None = ""
        while cursor is not None:
            page = await self._history(channel, since, cursor)
            for message in page["messages"]:
                if message.get("user") == self._own_id and words in " ".join(_words(message)):
                    return MessageRef(SURFACE, channel, str(message["ts"]))
            cursor = (page.get("response_metadata") or {}).get("next_cursor") or None
        return None

    async def _history(self, channel: str, since: datetime, cursor: str) -> Any:
        oldest = f"{since.timestamp():.6f}"
        for last in (False, True):
            try:
                with asking("show the channel's history"):
                    return await self._api.web.conversations_history(
                        channel=channel,
                        oldest=oldest,
                        limit=200,
                        cursor=cursor or None,
                        include_all_metadata=True,
                    )
            except SlackTrouble as trouble:
                if last:
                    raise
                await self._join_after(trouble, channel)
        raise AssertionError("the second try returns or raises")

    async def _join_after(self, trouble: SlackTrouble, channel: str) -> None:
        """Join a public channel where not being in it was the trouble; else raise that."""
        if trouble.reason != "not_in_channel":
            raise trouble
        with asking("let the bot join the channel"):
            await self._api.web.conversations_join(channel=channel)

    async def channel_id(self) -> str:
        """Return the channel's id, or `#name` where Slack must find it itself."""
        if not self._wanted:
            raise ChatError(
                "No Slack channel to post to: SLACK_CHANNEL is not set.",
                "Set SLACK_CHANNEL to a channel's name or id and restart.",
            )
        if not self._id:
            self._id = await self._resolve(self._wanted.removeprefix("#"))
        return self._id or f"#{self._wanted.removeprefix('#')}"

    async def look(self) -> Channel:
        """Ask Slack about the channel."""
        with asking("show the channel"):
            answer = await self._api.quick.conversations_info(channel=await self.channel_id())
        found = answer["channel"]
        return Channel(
            id=str(found["id"]),
            name=str(found.get("name", "")),
            member=bool(found.get("is_member")),
            private=bool(found.get("is_private")),
            archived=bool(found.get("is_archived")),
        )

    async def _resolve(self, name: str) -> str:
        """Return the id that a name had when it was first found: channels are renamed."""
        key = f"slack.channel.{name}"
        try:
            known = await self._memory.get(key) if self._memory else None
            if known:
                return known
            found = await self._find(name)
            if found and self._memory:
                await self._memory.put(key, found)
        except StorageError as error:
            log.warning("the id of #%s could not be saved: %s", name, error.message)
            return await self._find(name)
        return found

    async def _find(self, name: str) -> str:
        """Look a channel up by name; of private ones those that the bot is in."""
        try:
            return await self._look_up(name, "public_channel,private_channel")
        except SlackTrouble as trouble:
            if trouble.reason != "missing_scope":
                return ""
        try:
            # An app that was installed before private channels were asked for.
            return await self._look_up(name, "public_channel")
        except SlackTrouble:
            return ""

    async def _look_up(self, name: str, types: str) -> str:
        cursor = ""
        while True:
            with asking("list the channels"):
                answer = await self._api.web.conversations_list(
                    types=types, exclude_archived=True, limit=1000, cursor=cursor
                )
            for channel in answer["channels"]:
                if channel.get("name") == name:
                    return str(channel["id"])
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                return ""


def _words(found: Any) -> Iterator[str]:
    """Yield every text in a message and its metadata, as it was before it was escaped."""
    if isinstance(found, list):
        for item in found:
            yield from _words(item)
    elif isinstance(found, dict):
        for key, value in found.items():
            if key in ("text", "markers") and isinstance(value, str):
                yield read(value)
            else:
                yield from _words(value)


def _is_id(channel: str) -> bool:
    """Tell `C024BE91L` from a name, which never has a capital letter."""
    return channel != channel.lower() and channel == channel.upper()
