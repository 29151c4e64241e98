"""Messages on one surface: brought to what is wanted, at least once and without doubles.

A post is claimed before it is made and its id kept after. A claim without an id was cut short:
the channel's history tells whether the message is there, and only where it is not is it posted
afresh. Where the channel cannot be read, it is asked again for as long as the message can wait,
then the message is posted and says that it may appear twice. The answer below a message, which
says nothing new, is left out then. Nothing here changes an incident.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum

from bot.alerts.transitions import read_key
from bot.card import Card
from bot.errors import ChatError, StorageError
from bot.messages.alert_notes import maybe_twice
from bot.ports import Chat, ChatHistory, MessageRef
from bot.ports.alerts import AlertStore, ChannelTrouble, MessageState
from bot.spans import kept

FIRST_WAIT = timedelta(seconds=5)
LONGEST_WAIT = timedelta(minutes=1)
MOST_EDITS = 3
"""After so many failed edits the message is posted afresh."""

AT_WORK = timedelta(seconds=30)
"""How long a claim on a post is believed."""

LOOK_BACK = timedelta(hours=2)
"""A clock may have jumped since the claim; reminders are further apart than this."""

LOOK_BACK_FOR_ONE = timedelta(days=1)
"""The same for a message whose words no other has: how far this clock may be ahead."""

_log = logging.getLogger("changeover.alerts")


class Done(Enum):
    """What came of a message: said or edited, nothing to do, or not yet."""

    SAID = "said"
    LEFT = "left"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class RenderedMessage:
    """What a message is to show.

    `marker` are words that no other message has, None for an answer, which `below` names the
    message of. `lives` is True for a message that is posted afresh when it is gone, `new` False
    for one that only takes another's place. `patience` is how long a channel that cannot be read
    is asked whether an interrupted post is there.
    """

    card: Card
    marker: str | None = None
    lives: bool = False
    new: bool = True
    below: str | None = None
    patience: timedelta = timedelta()


Write = Callable[[MessageState], Awaitable[RenderedMessage | None]]
"""Post → what it is to show; None when there is nothing to say any more."""


@dataclass(slots=True)
class MessageSync:
    """One surface's messages. `may` says whether this process is still the one to post."""

    surface: str
    chat: Chat
    store: AlertStore
    write: Write
    may: Callable[[], Awaitable[bool]]
    edit_every: timedelta
    history: ChatHistory | None = None

    async def run(self, now: datetime) -> bool:
        """Say and edit what is due; return False when the surface takes nothing.

        A refusal is remembered as the surface's trouble, unless another message went through.
        """
        behind = await self.store.behind(self.surface)
        posts = [post for post in behind if self._due(post, now)]
        # What is new comes before the edit that points to it.
        posts.sort(key=lambda post: (post.message is not None, _turn(post.key)))
        said, trouble = False, None
        for post in posts:
            try:
                said |= await self._one(post, now) is Done.SAID
            except ChatError as error:
                trouble = error
                await self._put_off(post, now, unsure=error.unsure)
            except StorageError:
                raise
            except Exception:  # noqa: BLE001
                # One message that cannot be made must not keep the others back.
                _log.exception(
                    "sending message %s to %s failed unexpectedly", post.key, post.surface
                )
                await self._put_off(post, now)
        if trouble is not None and not said:
            refusal = ChannelTrouble(self.surface, now, trouble.message, kept(trouble.step))
            known = {one.surface: one.message for one in await self.store.troubles()}
            if known.get(self.surface) != refusal.message:
                words = f"{refusal.message} {refusal.hint}".strip()
                _log.warning("alerts do not reach %s: %s", self.surface.capitalize(), words)
            await self.store.set_trouble(refusal)
            return False
        return said or not any(post.failures for post in behind)

    async def _put_off(self, post: MessageState, now: datetime, *, unsure: bool = False) -> None:
        wait = min(FIRST_WAIT * 2 ** min(post.failures, 9), LONGEST_WAIT)
        await self.store.put_off(post, now + wait, unclaim=_answers(post.key) and not unsure)

    def _due(self, post: MessageState, now: datetime) -> bool:
        # What lies too far ahead was noted by a clock that has been put back since.
        waits = post.retry_at is not None and now < post.retry_at <= now + LONGEST_WAIT
        waits = waits or _at_work(post, now)
        shown_at = post.shown_at if post.message else None
        fresh = shown_at is not None and shown_at <= now < shown_at + self.edit_every
        return not waits and not fresh

    async def _one(self, post: MessageState, now: datetime) -> Done:
        draft = await self.write(post)
        if draft is None:
            await self.store.give_up(post)
            return Done.LEFT
        if draft.below is not None:
            return await self._answer(post, draft, draft.below, now)
        found, certain = await self._look_back(post, draft, now)
        if not certain and _can_wait(post, draft, now):
            await self._put_off(post, now)
            return Done.LATER
        message = found or post.message
        if message is None and not draft.new:
            await self.store.give_up(post)
            return Done.LEFT
        if message is None:
            twice = not certain and not draft.lives
            card = maybe_twice(draft.card) if twice else draft.card
            return await self._post(post, replace(draft, card=card), now)
        if message != post.message:
            # What was asked for once and no more shows what it was asked to.
            shown = 0 if draft.lives or post.wanted > 1 else post.wanted
            await self.store.posted(post, message, shown, post.claimed_at or now)
            if shown:
                return Done.SAID
            post = replace(post, message=message, claimed_at=None, failures=0)
        return await self._edit(post, message, draft, now)

    async def _post(self, post: MessageState, draft: RenderedMessage, now: datetime) -> Done:
        if not await self.store.claim(post, now) or not await self.may():
            return Done.LATER
        message = await self.chat.post(draft.card)
        await self.store.posted(post, message, post.wanted, now)
        return Done.SAID

    async def _edit(
        self, post: MessageState, message: MessageRef, draft: RenderedMessage, now: datetime
    ) -> Done:
        if not await self.may():
            return Done.LATER
        try:
            await self.chat.update(message, draft.card)
        except ChatError as error:
            if not draft.lives:
                if not error.gone:
                    raise
                await self.store.give_up(post)
                return Done.LEFT
            if not error.gone and post.failures + 1 < MOST_EDITS:
                raise
            # The old message is kept in mind until there is a new one: it may come back.
            return await self._post(post, draft, now)
        await self.store.posted(post, message, post.wanted, now)
        return Done.SAID

    async def _answer(
        self, post: MessageState, draft: RenderedMessage, below: str, now: datetime
    ) -> Done:
        above = await self.store.post(below, self.surface)
        never = above is not None and above.message is None and above.shown >= above.wanted
        if never or post.claimed_at is not None:
            await self.store.give_up(post)
            return Done.LEFT
        if above is None or above.message is None:
            return Done.LATER
        if not await self.store.claim(post, now) or not await self.may():
            return Done.LATER
        message = await self.chat.reply(above.message, draft.card)
        await self.store.posted(post, message, post.wanted, now)
        return Done.SAID

    async def _look_back(
        self, post: MessageState, draft: RenderedMessage, now: datetime
    ) -> tuple[MessageRef | None, bool]:
        """Look for a message whose id was lost; return also whether the answer is certain."""
        if post.claimed_at is None or draft.marker is None:
            return None, True
        if self.history is None:
            return None, False
        several = draft.lives or post.message is not None
        # A claim of the future was made by a clock that has been put right since.
        since = min(post.claimed_at, now) - (LOOK_BACK if several else LOOK_BACK_FOR_ONE)
        try:
            return await self.history.find(draft.marker, since), True
        except ChatError:
            return None, False


def _at_work(post: MessageState, now: datetime) -> bool:
    """Return whether somebody may be posting it right now; one who failed has put it off."""
    claimed = post.claimed_at
    if claimed is None or (post.retry_at is not None and post.retry_at > claimed):
        return False
    return claimed <= now < claimed + AT_WORK


def _can_wait(post: MessageState, draft: RenderedMessage, now: datetime) -> bool:
    claimed = post.claimed_at
    return claimed is not None and timedelta() <= now - claimed < draft.patience


def _turn(key: str) -> int:
    """Put a summary before the outages it sums up, and a deaf channel after them."""
    if key.startswith("trouble:"):
        return 2
    return 0 if read_key(key) is None else 1


def _answers(key: str) -> bool:
    named = read_key(key)
    return named is not None and not named[1].isdigit()
