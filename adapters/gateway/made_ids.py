"""By which ids answers can be referred to: noted off the path, looked up where one is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from bot.dialects.state import CONVERSATION, PREVIOUS, Reference
from bot.errors import StorageError
from bot.messages.gateway import made_by_several, not_made_here
from bot.ports import Clock, FallbackLog, MadeId
from bot.ports.fallbacks import MADE_KEPT
from bot.routing.pins import Pins, digest_of

# Another process writes what it has noted within half a second or so.
_LOOKS_AFTER_S = (0.0, 0.4, 0.8)
_LOOK_S = 1.0


class UnknownId(Exception):
    """A request refers to what nobody here has made for this caller; its text says what to do."""

    def __init__(self, message: str, param: str) -> None:
        super().__init__(message)
        self.message = message
        self.param = param


class MadeIds:
    """Remembers for 30 days which hop made an id; `put` takes what is new on its way there."""

    def __init__(self, log: FallbackLog, clock: Clock, put: Callable[[MadeId], None]) -> None:
        self._log = log
        self._clock = clock
        self._put = put
        self._pins = Pins()

    def note(self, caller: str, ids: Iterable[str], model: str) -> None:
        """Note who made ids."""
        for made in self._pins.note(caller, ids, model, self._clock.now()):
            self._put(made)

    async def maker(
        self, caller: str, references: Sequence[Reference]
    ) -> tuple[str, Reference] | None:
        """Return who made what a request refers to; None where anybody may be asked.

        Raises:
            UnknownId: nobody is known, or no single hop made all of it.
        """
        digests = {one: digest_of(caller, one.id) for one in references}
        own = [digest for one, digest in digests.items() if one.own]
        await self._look(list(digests.values()), own)
        found = {one: self._pins.maker(digest) for one, digest in digests.items()}
        lost = next((one for one, maker in found.items() if one.own and maker is None), None)
        if lost is not None:
            raise UnknownId(not_made_here(lost.param, lost.id), _param(lost))
        makers = {maker: one for one, maker in found.items() if maker}
        if len({maker.partition("/")[0] for maker in makers}) > 1:
            last = list(makers.values())[-1]
            raise UnknownId(made_by_several(sorted(makers)), _param(last))
        return next(iter(makers.items()), None)

    async def _look(self, digests: Sequence[str], needed: Sequence[str]) -> None:
        """Learn of ids that other processes noted, and wait for those that are needed."""
        for wait_s in _LOOKS_AFTER_S:
            missing = [digest for digest in digests if self._pins.maker(digest) is None]
            if not missing or (wait_s and not set(missing) & set(needed)):
                return
            await asyncio.sleep(wait_s)
            try:
                async with asyncio.timeout(_LOOK_S):
                    found = await self._log.makers(missing, self._clock.now() - MADE_KEPT)
            except (StorageError, TimeoutError):
                return
            self._pins.learn(found)


def _param(reference: Reference) -> str:
    return reference.param if reference.param in (PREVIOUS, CONVERSATION) else "input"
