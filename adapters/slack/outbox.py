"""Cards on their way out: answers to the person who asked, posts, edits, pictures and files."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from adapters.slack.api import Api, SlackTrouble, asking, log
from adapters.slack.forms import REFUSALS, Forms
from adapters.slack.render import Form, Message, render
from bot.card import Card, Chart, Visibility
from bot.errors import ChangeoverError

Draw = Callable[[Chart], Awaitable[bytes]]
"""Chart → PNG; raises ChangeoverError kinds where it cannot."""
Arm = Callable[[Card], Awaitable[Card]]
Reword = Callable[[Card], Card]
"""Card → the card as it is said here: commands under the prefix they have."""

PICTURE_WAITS_S = (0.5, 1.5, 3.0)
"""How long Slack may still be processing a picture, try by try."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where somebody asked.

    `channel` is empty in the Home tab. `private` says that nobody else is there, `asked` that
    the clicked message was shown to the asker alone.
    """

    user: str
    channel: str = ""
    response_url: str = ""
    thread: str = ""
    private: bool = False
    asked: bool = False


class Outbox:
    """Sends cards; raises SlackTrouble when every way is barred."""

    def __init__(
        self,
        api: Api,
        arm: Arm,
        draw: Draw | None = None,
        reword: Reword | None = None,
        forms: Forms | None = None,
    ) -> None:
        self._api = api
        self._arm = arm
        self._draw = draw
        self._reword = reword or (lambda card: card)
        self._forms = forms or Forms()
        self._one_by_one = asyncio.Lock()
        self.picture_waits_s: tuple[float, ...] = PICTURE_WAITS_S

    async def answer(self, place: Place, card: Card) -> None:
        """Answer the person who asked: alone if the card is private, else where it was asked."""
        card = await self._armed(card)
        private = card.visibility is Visibility.PRIVATE

        async def send(message: Message) -> str:
            return await self._by_any_way(place, message, private)

        thread = await self._deliver(card, send)
        if card.attachment:
            here = "" if private else place.channel
            await self._attach(card, here, thread if here else "", place.user)

    async def post(self, channel: str, card: Card, thread: str = "") -> tuple[str, str]:
        """Post to a channel and return its id with the message's."""
        card = await self._armed(card)
        where: list[str] = []

        async def send(message: Message) -> str:
            answer = await self._say(channel, message, thread, once=True)
            where[:] = [answer["channel"]]
            return str(answer["ts"])

        ts = await self._deliver(card, send)
        if card.attachment:
            await self._attach(card, where[0], thread or ts)
        return where[0], ts

    async def edit(self, channel: str, ts: str, card: Card) -> None:
        """Put a card in the place of a message."""
        card = await self._armed(card)

        async def send(message: Message) -> str:
            async with self._api.turn(channel):
                with asking("edit the message"):
                    await self._api.web.chat_update(
                        channel=channel,
                        ts=ts,
                        text=message.text,
                        blocks=message.blocks,
                        metadata=message.metadata,
                    )
            return ts

        await self._deliver(card, send)

    async def take_away(self, place: Place) -> None:
        """Remove the private question that was clicked."""
        try:
            await self._api.respond(place.response_url, {"delete_original": True})
        except SlackTrouble as trouble:
            log.info("a confirmation could not be removed: %s", trouble.message)

    async def _armed(self, card: Card) -> Card:
        return await self._arm(card) if any(not b.id for b in card.buttons) else card

    async def _by_any_way(self, place: Place, message: Message, private: bool) -> str:
        """Try what is left, from the best: a response URL may be used up or half an hour old."""
        ways: list[Callable[[], Awaitable[str]]] = []
        if place.response_url:
            ways.append(lambda: self._respond(place, message, private))
        if place.channel:
            if not private:
                ways.append(lambda: self._said(place.channel, message, place.thread))
            ways.append(lambda: self._whisper(place, message))
        ways.append(lambda: self._said(place.user, message, ""))
        return await _first_of(ways)

    async def _respond(self, place: Place, message: Message, private: bool) -> str:
        body: dict[str, Any] = {
            "response_type": "ephemeral" if private else "in_channel",
            "replace_original": False,
            "text": message.text,
            "blocks": message.blocks,
        }
        if place.thread:
            body["thread_ts"] = place.thread
        if private:
            await self._api.respond(place.response_url, body)
        else:
            async with self._api.turn(place.channel):
                await self._api.respond(place.response_url, body)
        return place.thread

    async def _whisper(self, place: Place, message: Message) -> str:
        with asking("show the answer"):
            await self._api.web.chat_postEphemeral(
                channel=place.channel,
                user=place.user,
                text=message.text,
                blocks=message.blocks,
                thread_ts=place.thread or None,
            )
        return place.thread

    async def _said(self, channel: str, message: Message, thread: str) -> str:
        return str((await self._say(channel, message, thread))["ts"])

    async def _say(self, channel: str, message: Message, thread: str, *, once: bool = False) -> Any:
        client = self._api.once if once else self._api.web
        async with self._api.turn(channel):
            with asking("post the message"):
                return await client.chat_postMessage(
                    channel=channel,
                    text=message.text,
                    blocks=message.blocks,
                    thread_ts=thread or None,
                    metadata=message.metadata,
                    unfurl_links=False,
                    unfurl_media=False,
                )

    async def _deliver(self, card: Card, send: Callable[[Message], Awaitable[str]]) -> str:
        """Send with Slack's own tables and charts; where it refuses those, in the classic form."""
        message = await self._laid_out(card, form=await self._forms.best())
        if not message.is_native:
            return await self._with_picture(card, send)
        try:
            return await send(message)
        except SlackTrouble as trouble:
            if trouble.reason not in REFUSALS:
                raise
        sent = await self._with_picture(card, send)
        await self._forms.refused()
        return sent

    async def _with_picture(self, card: Card, send: Callable[[Message], Awaitable[str]]) -> str:
        """Send with the chart as a picture; where Slack will not have it, in its words."""
        file = await self._picture(card.chart) if card.chart and self._draw else None
        for wait_s in self.picture_waits_s if file else ():
            try:
                return await send(await self._laid_out(card, file))
            except SlackTrouble as trouble:
                if trouble.reason not in REFUSALS:
                    raise
                await asyncio.sleep(wait_s)
        return await send(await self._laid_out(card))

    async def _laid_out(
        self, card: Card, file: str | None = None, form: Form = Form.CLASSIC
    ) -> Message:
        """Render, one card a turn of the loop: fifty at once must not hold up acknowledgements."""
        async with self._one_by_one:
            await asyncio.sleep(0)
            return render(self._reword(card), file, form)

    async def _picture(self, chart: Chart) -> str | None:
        assert self._draw is not None
        try:
            png = await self._draw(chart)
            with asking("accept the image"):
                answer = await self._api.web.files_upload_v2(file=png, filename="chart.png")
            return str(answer["files"][0]["id"])
        except (ChangeoverError, LookupError) as trouble:
            log.warning("a chart was replaced by text: %s", trouble)
            return None

    async def _attach(self, card: Card, channel: str, thread: str, user: str = "") -> None:
        """Put the file below its card; where the bot may not, into the asker's own messages."""
        ways: list[Callable[[], Awaitable[str]]] = []
        if channel:
            ways.append(lambda: self._upload(card, channel, thread))
            ways.append(lambda: self._upload(card, channel, thread, join=True))
        if user:
            ways.append(lambda: self._hand_over(card, user))
        await _first_of(ways)

    async def _hand_over(self, card: Card, user: str) -> str:
        # A person's id is no channel for files; the message before says which channel is theirs.
        said = await self._say(user, Message("The file you asked for:", []), "")
        return await self._upload(card, str(said["channel"]), "")

    async def _upload(self, card: Card, channel: str, thread: str, *, join: bool = False) -> str:
        file = card.attachment
        assert file is not None
        with asking("accept the file"):
            if join:
                await self._api.web.conversations_join(channel=channel)
            await self._api.web.files_upload_v2(
                channel=channel,
                file=file.content,
                filename=file.filename,
                title=file.filename,
                thread_ts=thread or None,
            )
        return thread


async def _first_of(ways: Sequence[Callable[[], Awaitable[str]]]) -> str:
    """Go the first way that is open."""
    last: SlackTrouble | None = None
    for way in ways:
        try:
            return await way()
        except SlackTrouble as trouble:
            if trouble.reason in REFUSALS:
                raise
            last = trouble
    assert last is not None
    raise last
