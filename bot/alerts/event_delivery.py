"""One receiver's events, in their order: sent until taken, under an id that stays the same.

What fails is sent again, so an event may arrive twice; by its id the receiver knows it. While a
receiver is away, all its events wait: one attempt is enough to see that it is back.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.alerts.delivery import FIRST_WAIT, LONGEST_WAIT, Reachability
from bot.alerts.events import event_of, incident_notice
from bot.alerts.notices import undelivered_notice
from bot.alerts.rendering import WriteDigest
from bot.errors import StorageError
from bot.incident import State
from bot.ports import MessageRef
from bot.ports.alerts import AlertStore, Leader, MessageState, Notice, NoticeKind
from bot.ports.receivers import Event, EventType, Receiver, ReceiverError

LONGEST_ASKED = timedelta(hours=1)
"""A receiver that asks to be left alone for longer is tried all the same."""

MOST_REFUSALS = 3
"""After so many refusals of one event, others of its receiver are sent and it is not."""

GIVE_UP_AFTER = timedelta(days=3)
"""So old an event is no news to a receiver that has been away for so long."""

_ORDER = {str(kind): place for place, kind in enumerate(EventType)}
_log = logging.getLogger("changeover.alerts")


class EventDelivery:
    """Sends what a receiver has not taken yet; `others` are the channels that hear of a loss."""

    def __init__(
        self,
        store: AlertStore,
        leader: Leader,
        surface: str,
        receiver: Receiver,
        digest: WriteDigest,
        reach: Reachability,
        others: Sequence[str],
    ) -> None:
        self._store = store
        self._leader = leader
        self._surface = surface
        self._receiver = receiver
        self._digest = digest
        self._reach = reach
        self._others = others
        self._restated_at: datetime | None = None

    async def run(self, now: datetime) -> None:
        """Send what is due, if this process is the one to do it. Raises StorageError."""
        term = await self._leader.leads()
        if term is None:
            return
        behind = await self._store.behind(self._surface)
        waiting = [row.retry_at for row in behind if row.retry_at is not None]
        if any(now < at <= now + LONGEST_ASKED for at in waiting):
            return
        found = [(row, await self._store.notice(row.key)) for row in behind]
        rows = sorted(found, key=_turn)
        if await self._left():
            for row, _ in rows:
                await self._store.give_up(row)
            return
        over = {_incident_of(notice) for _, notice in rows if _type_of(notice) == _RESOLVED}
        sent = False
        for row, notice in rows:
            went = await self._one(row, notice, over, term, now)
            if went is None:
                return
            sent |= went
        sent |= await self._restate(term, now)
        if sent:
            await self._reach.restored(now)

    async def _one(
        self,
        row: MessageState,
        notice: Notice | None,
        over: set[object],
        term: str,
        now: datetime,
    ) -> bool | None:
        """Return whether an event was sent; None when the receiver takes nothing now."""
        stale = _type_of(notice) != _RESOLVED and _incident_of(notice) in over - {None}
        update = _type_of(notice) == EventType.INCIDENT_UPDATED
        if notice is None or (stale and (self._receiver.incidents_only or update)):
            await self._store.give_up(row)
            return False
        event = None
        try:
            event = await event_of(row, notice, self._digest)
            if event is None:
                await self._store.give_up(row)
                return False
            if not await self._leader.holds(term):
                return None
            await self._receiver.send(event, now)
        except ReceiverError as error:
            return await self._refused(row, notice, error, now)
        except StorageError:
            raise
        except Exception:  # noqa: BLE001
            _log.exception("sending %s to %s failed unexpectedly", row.key, self._surface)
            unexpected = ReceiverError("The event could not be written.", rejected=True)
            return await self._refused(row, notice, unexpected, now)
        await self._store.posted(row, _ref(self._surface, event), row.wanted, now)
        return True

    async def _refused(
        self, row: MessageState, notice: Notice, error: ReceiverError, now: datetime
    ) -> bool | None:
        if error.gone:
            await self._store.remember(_gone_key(self._surface), self._receiver.address)
            await self._reach.refused(error, now)
            return None
        old = now - row.wanted_at >= GIVE_UP_AFTER and not self._receiver.incidents_only
        if old or (error.rejected and row.failures + 1 >= MOST_REFUSALS):
            await self._drop(row, notice, error, now)
            return False
        await self._store.put_off(row, now + _wait(row, error))
        if error.rejected:
            return False
        await self._reach.refused(error, now)
        return None

    async def _drop(
        self, row: MessageState, notice: Notice, error: ReceiverError, now: datetime
    ) -> None:
        says = (error.message, error.hint)
        name = _type_of(notice) or str(notice.kind)
        lost = undelivered_notice(self._surface, name, notice.at, says, now)
        await self._store.add_notice(lost, self._others)
        await self._store.give_up(row)
        words = f"{error.message} {error.hint}".strip()
        _log.error("%s was not delivered to %s: %s", name, self._surface, words)

    async def _left(self) -> bool:
        """Return whether the receiver at this address wants no more events."""
        return await self._store.recall(_gone_key(self._surface)) == self._receiver.address

    async def _restate(self, term: str, now: datetime) -> bool:
        """Repeat what is open, to a receiver that takes silence for an end."""
        every, last = self._receiver.restate_every, self._restated_at
        if every is None or (last is not None and last <= now < last + every):
            return False
        self._restated_at = now
        sent = False
        for incident in await self._store.incidents(now):
            if incident.state is not State.OPEN or not await self._leader.holds(term):
                continue
            notice = incident_notice("", incident, EventType.INCIDENT_UPDATED, now)
            row = MessageState("", self._surface, 1, 0, now)
            event = await event_of(row, notice, self._digest)
            try:
                if event is not None:
                    await self._receiver.send(event, now)
            except ReceiverError as error:
                await self._reach.refused(error, now)
                return False
            sent = True
        return sent


_RESOLVED = str(EventType.INCIDENT_RESOLVED)


def _wait(row: MessageState, error: ReceiverError) -> timedelta:
    wait: timedelta = min(FIRST_WAIT * 2 ** min(row.failures, 9), LONGEST_WAIT)
    return min(max(wait, error.retry_after or wait), LONGEST_ASKED)


def _turn(found: tuple[MessageState, Notice | None]) -> tuple[datetime, int, str]:
    """Put events in the order in which they happened."""
    row, notice = found
    at = notice.at if notice else row.wanted_at
    return at, _ORDER.get(_type_of(notice), 0), row.key


def _data_of(notice: Notice | None) -> dict[str, object]:
    if notice is None or notice.kind is not NoticeKind.INCIDENT:
        return {}
    return notice.data if isinstance(notice.data, dict) else {}


def _type_of(notice: Notice | None) -> str:
    return str(_data_of(notice).get("type", ""))


def _incident_of(notice: Notice | None) -> object:
    return _data_of(notice).get("id")


def _gone_key(surface: str) -> str:
    return f"receiver.gone:{surface}"


def _ref(surface: str, event: Event) -> MessageRef:
    return MessageRef(surface, surface, event.id)
