"""Messages on one surface: brought to what is wanted, at least once and without doubles.

A post is claimed before it is made and its id kept after. A claim without an id was cut short:
the channel's history tells whether the message is there, and only where it is not is it posted
afresh. Where the channel cannot be read, it is asked again for as long as the message can wait,
then the message is posted and says that it may appear twice. The answer below a message, which
says nothing new, is left out then. Nothing here changes an incident.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum

from bot.alerts.notices import trouble_notice
from bot.alerts.rendering import RenderedMessage, Renderer
from bot.alerts.transitions import read_key
from bot.errors import ChangeoverError, ChatError, StorageError
from bot.messages.alert_notes import maybe_twice
from bot.messages.receivers import surface_title
from bot.ports import Chat, ChatHistory, MessageRef
from bot.ports.alerts import AlertStore, ChannelTrouble, Leader, MessageState
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


class Outcome(Enum):
    """What came of a message: sent or edited, nothing to do, or not yet."""

    SENT = "sent"
    LEFT = "left"
    LATER = "later"


class Due:
    """The rows of one surface whose message is to be posted or edited now."""

    def __init__(self, store: AlertStore, surface: str, edit_every: timedelta) -> None:
        self._store = store
        self._surface = surface
        self._edit_every = edit_every

    async def rows(self, now: datetime) -> tuple[Sequence[MessageState], bool]:
        """Return them in order, and whether all that are behind were taken so far."""
        behind = await self._store.behind(self._surface)
        # What is new comes before the edit that points to it.
        rows = sorted(
            (row for row in behind if self._due(row, now)),
            key=lambda row: (row.message is not None, _turn(row.key)),
        )
        return rows, not any(row.failures for row in behind)

    def _due(self, row: MessageState, now: datetime) -> bool:
        # What lies too far ahead was noted by a clock that has been put back since.
        waits = row.retry_at is not None and now < row.retry_at <= now + LONGEST_WAIT
        waits = waits or _at_work(row, now)
        shown_at = row.shown_at if row.message else None
        fresh = shown_at is not None and shown_at <= now < shown_at + self._edit_every
        return not waits and not fresh


class Dedup:
    """Finds the message of a claim that was cut short."""

    def __init__(self, history: ChatHistory | None) -> None:
        self._history = history

    async def find(
        self, row: MessageState, shown: RenderedMessage, now: datetime
    ) -> tuple[MessageRef | None, bool]:
        """Return the message whose id was lost, if it is there, and whether that is certain."""
        if row.claimed_at is None or shown.marker is None:
            return None, True
        if self._history is None:
            return None, False
        several = shown.lives or row.message is not None
        # A claim of the future was made by a clock that has been put right since.
        since = min(row.claimed_at, now) - (LOOK_BACK if several else LOOK_BACK_FOR_ONE)
        try:
            return await self._history.find(shown.marker, since), True
        except ChatError:
            return None, False


class Send:
    """Claims a message, sends it if this process still leads, and remembers its id."""

    def __init__(self, store: AlertStore, chat: Chat, leader: Leader) -> None:
        self._store = store
        self._chat = chat
        self._leader = leader

    async def post(
        self, row: MessageState, shown: RenderedMessage, term: str, now: datetime
    ) -> Outcome:
        """Post a message."""
        if not await self._store.claim(row, now) or not await self._leader.holds(term):
            return Outcome.LATER
        message = await self._chat.post(shown.card)
        await self._store.posted(row, message, row.wanted, now)
        return Outcome.SENT

    async def reply(
        self, row: MessageState, above: MessageRef, shown: RenderedMessage, term: str, now: datetime
    ) -> Outcome:
        """Post an answer below a message."""
        if not await self._store.claim(row, now) or not await self._leader.holds(term):
            return Outcome.LATER
        message = await self._chat.reply(above, shown.card)
        await self._store.posted(row, message, row.wanted, now)
        return Outcome.SENT

    async def edit(
        self,
        row: MessageState,
        message: MessageRef,
        shown: RenderedMessage,
        term: str,
        now: datetime,
    ) -> Outcome:
        """Edit a message; one that is gone, or refuses again and again, is posted afresh."""
        if not await self._leader.holds(term):
            return Outcome.LATER
        try:
            await self._chat.update(message, shown.card)
        except ChatError as error:
            if not shown.lives:
                if not error.gone:
                    raise
                await self._store.give_up(row)
                return Outcome.LEFT
            if not error.gone and row.failures + 1 < MOST_EDITS:
                raise
            # The old message is kept in mind until there is a new one: it may come back.
            return await self.post(row, shown, term, now)
        await self._store.posted(row, message, row.wanted, now)
        return Outcome.SENT


class Reachability:
    """Whether a surface takes messages at all; the others report when it does not."""

    def __init__(self, store: AlertStore, surface: str, others: Sequence[str]) -> None:
        self._store = store
        self._surface = surface
        self._others = others

    async def refused(self, error: ChangeoverError, now: datetime) -> None:
        """Keep why it took nothing."""
        refusal = ChannelTrouble(self._surface, now, error.message, kept(error.step))
        known = {trouble.surface: trouble.message for trouble in await self._store.troubles()}
        if known.get(self._surface) != refusal.message:
            words = f"{refusal.message} {refusal.hint}".strip()
            _log.warning("alerts do not reach %s: %s", surface_title(self._surface), words)
        await self._store.set_trouble(refusal)

    async def restored(self, now: datetime) -> None:
        """Let the others say that it takes messages again, where they said that it did not."""
        for trouble in await self._store.troubles():
            if trouble.surface == self._surface:
                over = trouble_notice(trouble, now)
                if await self._store.notice(over.key) is not None:
                    await self._store.amend_notice(over, self._others)
                await self._store.clear_trouble(self._surface)
                _log.info("alerts reach %s again", surface_title(self._surface))


class Delivery:
    """One surface's messages: due → render → dedup → send; what failed is retried later."""

    def __init__(
        self,
        store: AlertStore,
        leader: Leader,
        *,
        due: Due,
        render: Renderer,
        dedup: Dedup,
        send: Send,
        reach: Reachability,
    ) -> None:
        self._store = store
        self._leader = leader
        self._due = due
        self._render = render
        self._dedup = dedup
        self._send = send
        self._reach = reach

    async def run(self, now: datetime) -> None:
        """Post and edit what is due, if this process is the one to do it.

        What the surface refuses is kept, and raises nothing.

        Raises:
            StorageError: the database cannot be used.
        """
        term = await self._leader.leads()
        if term is None:
            return
        rows, taken = await self._due.rows(now)
        sent, refusal = False, None
        for row in rows:
            try:
                sent |= await self._one(row, term, now) is Outcome.SENT
            except ChatError as error:
                refusal = error
                await self._retry(row, now, unsure=error.unsure)
            except StorageError:
                raise
            except Exception:  # noqa: BLE001
                # One message that cannot be made must not keep the others back.
                _log.exception("sending message %s to %s failed unexpectedly", row.key, row.surface)
                await self._retry(row, now)
        if refusal is not None and not sent:
            await self._reach.refused(refusal, now)
        elif sent or taken:
            await self._reach.restored(now)

    async def _one(self, row: MessageState, term: str, now: datetime) -> Outcome:
        shown = await self._render.render(row, now)
        if shown is None:
            return await self._leave(row)
        if shown.below is not None:
            return await self._answer(row, shown, shown.below, term, now)
        found, certain = await self._dedup.find(row, shown, now)
        if not certain and _can_wait(row, shown, now):
            await self._retry(row, now)
            return Outcome.LATER
        message = found or row.message
        if message is None and not shown.new:
            return await self._leave(row)
        if message is None:
            twice = not certain and not shown.lives
            card = maybe_twice(shown.card) if twice else shown.card
            return await self._send.post(row, replace(shown, card=card), term, now)
        if message != row.message:
            # What was asked for once and no more shows what it was asked to.
            version = 0 if shown.lives or row.wanted > 1 else row.wanted
            await self._store.posted(row, message, version, row.claimed_at or now)
            if version:
                return Outcome.SENT
            row = replace(row, message=message, claimed_at=None, failures=0)
        return await self._send.edit(row, message, shown, term, now)

    async def _answer(
        self, row: MessageState, shown: RenderedMessage, below: str, term: str, now: datetime
    ) -> Outcome:
        above = await self._store.post(below, row.surface)
        never = above is not None and above.message is None and above.shown >= above.wanted
        if never or row.claimed_at is not None:
            return await self._leave(row)
        if above is None or above.message is None:
            return Outcome.LATER
        return await self._send.reply(row, above.message, shown, term, now)

    async def _leave(self, row: MessageState) -> Outcome:
        await self._store.give_up(row)
        return Outcome.LEFT

    async def _retry(self, row: MessageState, now: datetime, *, unsure: bool = False) -> None:
        wait = min(FIRST_WAIT * 2 ** min(row.failures, 9), LONGEST_WAIT)
        await self._store.put_off(row, now + wait, unclaim=_answers(row.key) and not unsure)


def _at_work(row: MessageState, now: datetime) -> bool:
    """Return whether another process may be posting it; one that failed has put it off."""
    claimed = row.claimed_at
    if claimed is None or (row.retry_at is not None and row.retry_at > claimed):
        return False
    return claimed <= now < claimed + AT_WORK


def _can_wait(row: MessageState, shown: RenderedMessage, now: datetime) -> bool:
    claimed = row.claimed_at
    return claimed is not None and timedelta() <= now - claimed < shown.patience


def _turn(key: str) -> int:
    """Put a summary before the outages it sums up, and a deaf channel after them."""
    if key.startswith("trouble:"):
        return 2
    return 0 if read_key(key) is None else 1


def _answers(key: str) -> bool:
    named = read_key(key)
    return named is not None and not named[1].isdigit()
