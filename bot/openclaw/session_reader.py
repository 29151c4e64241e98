"""From a session's messages to attempts, and to fallbacks where the log tells none.

Moltbot and OpenClaw 1.x write no line on a fallback. What they leave is the transcript: an answer
that ended in an error from A, the same question once more, a good answer from B. An error that
nothing good follows is one where it did not fall back: the error text became the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from bot.models import FailureReason, ModelRef
from bot.openclaw.fallback_tracker import SOURCE, FallbackTracker
from bot.openclaw.reasons import clean_detail, reason_in, status_in
from bot.openclaw.transcript import AGAIN, Role, Stop, TranscriptMessage
from bot.ports import Attempt, FallbackEvent

QUIET = timedelta(minutes=3)
"""After an error and this long without anything else, no answer will come."""


@dataclass(frozen=True, slots=True)
class Found:
    """What messages add up to, in the order of time."""

    attempts: tuple[Attempt, ...] = ()
    events: tuple[FallbackEvent, ...] = ()

    def __add__(self, other: Found) -> Found:
        """Join two."""
        return Found(self.attempts + other.attempts, self.events + other.events)


NOTHING = Found()


@dataclass(slots=True)
class _Open:
    """A request whose first answer was an error; `held` is its last attempt so far."""

    first: TranscriptMessage
    model: ModelRef
    reason: FailureReason
    held: Attempt
    position: int
    last_at: datetime


class SessionReader:
    """Follows one session.

    `runs` are what the log tells: where it decides, this tells no fallback, but knows what one
    cost.
    """

    def __init__(self, agent: str, session: str, runs: FallbackTracker | None = None) -> None:
        self._agent = agent
        self._session = session
        self._runs = FallbackTracker() if runs is None else runs
        self._open: _Open | None = None
        self._asked: str | None = None
        self._asked_at: int | None = None

    @property
    def resume_at(self) -> int | None:
        """Where to read again after a restart: at the question that the next message may be to.

        Answers in between are read twice then, and named as the first time.
        """
        return self._open.position if self._open else self._asked_at

    def feed(self, said: TranscriptMessage, position: int) -> Found:
        """Take the next message, which is at `position`."""
        if said.role is Role.USER:
            return self._question(said, position)
        if said.stop is Stop.FAILED:
            return self._failed(said, position)
        if said.stop is Stop.ABORTED:
            used = said.usage.input_tokens + said.usage.output_tokens
            return Found((self._attempt(said),)) if used else NOTHING
        return self._answered(said)

    def settle(self, now: datetime) -> Found:
        """Give up a request that nothing followed for a while."""
        if self._open is None or now - self._open.last_at < QUIET:
            return NOTHING
        return self._give_up()

    def _question(self, said: TranscriptMessage, position: int) -> Found:
        if said.words == AGAIN:
            if self._open is not None:
                self._open.last_at = said.at
            return NOTHING
        asked, self._asked = self._asked, said.words
        self._asked_at = position
        if self._open is None:
            return NOTHING
        again = asked is None or asked == said.words
        if again and said.at - self._open.last_at < QUIET:
            self._open.last_at = said.at
            return NOTHING
        return self._give_up()

    def _failed(self, said: TranscriptMessage, position: int) -> Found:
        found = NOTHING
        if self._open is not None and said.at - self._open.last_at >= QUIET:
            found = self._give_up()
        reason = reason_in(said.error, said.model.provider if said.model else "")
        if reason is None or said.model is None:
            return found
        attempt = replace(
            self._attempt(said), reason=reason, answered=False, status=status_in(said.error)
        )
        if self._open is None:
            begins = position if self._asked_at is None else self._asked_at
            self._open = _Open(said, said.model, reason, attempt, begins, said.at)
            return found
        before = self._open.held
        self._open.held = replace(attempt, request_id=before.request_id, number=before.number + 1)
        self._open.last_at = said.at
        return found + Found((replace(before, last=False),))

    def _answered(self, said: TranscriptMessage) -> Found:
        found = NOTHING
        if self._open is not None and said.at - self._open.last_at >= QUIET:
            found = self._give_up()
        attempt = self._attempt(said)
        open_, self._open = self._open, None
        if open_ is not None or said.stop is not Stop.TOOLS:
            # The question has its answer: what comes next is another, here and after a restart.
            self._asked = self._asked_at = None
        if open_ is None:
            return found + Found((attempt,))
        other = said.model != open_.model
        attempt = replace(
            attempt,
            request_id=open_.held.request_id,
            number=open_.held.number + 1,
            asked=str(open_.model),
            fallback=other or attempt.fallback,
        )
        events = (
            (_event(open_, str(said.model), said.at),) if other and not self._runs.decides else ()
        )
        return found + Found((replace(open_.held, last=False), attempt), events)

    def _give_up(self) -> Found:
        open_, self._open = self._open, None
        assert open_ is not None
        events = (_event(open_, None, open_.first.at),) if not self._runs.decides else ()
        return Found((open_.held,), events)

    def _attempt(self, said: TranscriptMessage) -> Attempt:
        assert said.model is not None
        return Attempt(
            at=said.at,
            request_id=said.key,
            number=1,
            model=said.model,
            provider=said.model.provider,
            usage=said.usage,
            asked=str(said.model),
            served=said.model.name,
            dialect=said.dialect,
            source=SOURCE,
            agent=self._agent or None,
            session=self._session or None,
            fallback=bool(said.run) and said.run in self._runs,
            latency_ms=said.latency_ms,
        )


def _event(open_: _Open, to_model: str | None, at: datetime) -> FallbackEvent:
    return FallbackEvent(
        at,
        open_.first.key,
        str(open_.model),
        to_model,
        open_.reason,
        SOURCE,
        clean_detail(open_.first.error),
    )
