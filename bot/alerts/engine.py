"""The alerts at work: events in, decisions kept, messages out.

Each step is kept before the next begins, and every one can be done again: a process that dies
anywhere in between leaves nothing lost and nothing doubled. `judge` reads and decides, `deliver`
posts to one surface, so that a slow surface need hold nothing up; `tick` does all of it once.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from functools import partial

from bot.alerts.delivery import MessageSync, RenderedMessage
from bot.alerts.evaluate import judge, note_config
from bot.alerts.impact import Impact
from bot.alerts.incident import State
from bot.alerts.incident_cards import (
    called,
    calling,
    end_card,
    first_events,
    older_card,
    present_card,
)
from bot.alerts.notices import draft_of, trouble_notice
from bot.alerts.parts import Engine
from bot.alerts.record import incident_of
from bot.alerts.transitions import DETAILS, END, message_key, read_key
from bot.messages.alerts import marker
from bot.ports.alerts import AlertConflictError, MessageState, NoticeKind

__all__ = ["Engine", "deliver", "judge", "lead", "note_config", "tick"]

STALE = timedelta(hours=24)
"""A surface that was deaf for so long is not told any more of what is over."""

_log = logging.getLogger("changeover.alerts")


async def tick(engine: Engine, now: datetime) -> None:
    """Read, decide and deliver once, if this process is the one to do it. Raises StorageError."""
    if not await lead(engine, now):
        return
    done = await asyncio.gather(
        *(deliver(engine, surface, now) for surface in engine.chats), return_exceptions=True
    )
    for error in done:
        if error is not None:
            raise error


async def lead(engine: Engine, now: datetime) -> bool:
    """Read and decide once; False when another process does it. Raises StorageError."""
    if not await engine.leader.leads():
        return False
    try:
        await judge(engine, now)
    except AlertConflictError as error:
        _log.info("alerts: %s Retrying at the next run.", error.message)
        return False
    return True


async def deliver(engine: Engine, surface: str, now: datetime) -> None:
    """Bring one surface's messages up to date, if this process is the one to do it.

    What the surface refuses is kept, and raises nothing.

    Raises:
        StorageError: the database cannot be used.
    """
    term = await engine.leader.leads()
    if term is None:
        return

    async def write(post: MessageState) -> RenderedMessage | None:
        return await _draft(engine, post, now)

    delivery = MessageSync(
        surface,
        engine.chats[surface],
        engine.store,
        write,
        partial(engine.leader.holds, term),
        engine.settings.edit_every,
        engine.histories.get(surface),
    )
    if not await delivery.run(now):
        return
    for trouble in await engine.store.troubles():
        if trouble.surface == surface:
            over = trouble_notice(trouble, now)
            if await engine.store.notice(over.key) is not None:
                others = [other for other in engine.chats if other != surface]
                await engine.store.amend_notice(over, others)
            await engine.store.clear_trouble(surface)
            _log.info("alerts reach %s again", surface.capitalize())


async def _draft(engine: Engine, post: MessageState, now: datetime) -> RenderedMessage | None:
    """Write what a message shows now; None when it has nothing to say any more."""
    named = read_key(post.key)
    if named is None:
        notice = await engine.store.notice(post.key)
        if notice is not None and notice.kind is NoticeKind.DIGEST:
            return await engine.digest(notice)
        return draft_of(notice) if notice else None
    record = await engine.store.incident(named[0])
    if record is None:
        return None
    incident = incident_of(record)
    below = message_key(incident.id, 1 if named[1] == DETAILS else incident.messages)
    if named[1] == DETAILS:
        details = first_events(incident)
        return RenderedMessage(details, below=below) if details else None
    if named[1] == END:
        people = called(incident, engine.calls, post.surface)
        return RenderedMessage(end_card(incident, people, now), below=below)
    mark = marker(incident.id)
    if int(named[1]) < incident.messages:
        older = RenderedMessage(older_card(incident, engine.settings, now), mark)
        return older if post.message else None
    over = incident.state is State.RESOLVED
    if post.message is None and incident.resolved_at and now - incident.resolved_at > STALE:
        return None
    outlook = Impact() if over else await engine.outlooks.look(incident, now)
    calls = calling(incident, engine.calls, post.surface)
    return RenderedMessage(
        present_card(incident, outlook, calls, engine.settings, now), mark, lives=True
    )
