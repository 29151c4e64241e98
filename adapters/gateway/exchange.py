"""A request, its attempts and what became of them, as values."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import web

from adapters.gateway.body import Body
from adapters.gateway.live import LiveConfig
from adapters.gateway.made_ids import MadeIds
from adapters.gateway.transport import Whole
from bot.blackout import Blackout
from bot.dialects.history import Edit
from bot.dialects.state import Reference
from bot.models import Dialect, FailureReason, Usage
from bot.ports import Clock
from bot.routing.chain import Hop
from bot.routing.failure import OK, Verdict
from bot.routing.router import AUTO, Attempts, Candidate, Candidates, HopOutcome, plain_name
from bot.routing.sticky import Conversations, conversation_of
from bot.settings import Timeouts
from bot.trials.split import Arm, Split, arm_of

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

GONE = 499
"""The status, as nginx writes it, of a request whose caller went away before its answer."""

CUT = 598
"""The status of a stream that its provider broke off in mid-answer; its caller has seen a 200."""


@dataclass(slots=True)
class Tools:
    """What every request is answered with; `stopping` is set while the gateway drains."""

    live: LiveConfig
    session: Callable[[], aiohttp.ClientSession]
    timeouts: Timeouts
    clock: Clock
    cooldowns_changed: Callable[[], None]
    suspected: Callable[[Hop, FailureReason], None]
    made_ids: MadeIds
    conversations: Conversations = field(default_factory=Conversations)
    blackout: Blackout = field(default_factory=Blackout)
    split: Split = field(default_factory=Split)
    stopping: bool = False

    @property
    def secrets(self) -> frozenset[str]:
        """What must not be handed on or stored."""
        return self.blackout.known

    def arm(
        self, caller: str, body: Body, headers: Mapping[str, str], primary: str | None
    ) -> Arm | None:
        """Return the arm of the trial under way; only who asks for the primary is a part of it."""
        trial = self.split.active(primary, self.clock.now())
        if trial is None or plain_name(body.model).lower() not in AUTO:
            return None
        key = conversation_of(caller, body.model, headers, body.document)
        return None if key is None else arm_of(trial, key)


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """What a caller asks, and who may answer it.

    `conversation` is the digest of one that stays with a fallback. `tail` goes behind the path.
    `pinned` is what only one account knows, so that no other can go on with the turn. `arm` is that
    of the trial that the request is a part of.
    """

    id: str
    at: datetime
    dialect: Dialect
    body: Body
    candidates: Candidates
    headers: CIMultiDictProxy[str]
    query: str = ""
    caller: str = ""
    conversation: bytes | None = None
    tail: str = ""
    pinned: Reference | None = None
    arm: Arm | None = None

    def meant_for(self, candidate: Candidate) -> bool:
        """Return whether a candidate is the one the caller asked for, and no fallback."""
        return candidate.name == self.candidates.first


@dataclass(frozen=True, slots=True)
class AttemptResult:
    """What became of one attempt.

    `answer` is what the caller may get of it; a stream has got it already. `answered` is True when
    the caller got something. `estimated` when its tokens are guessed. `edits` are the changes to
    the history without which the candidate refused it. `made` are the ids by which a later request
    may refer to the answer.
    """

    candidate: Candidate
    at: datetime
    outcome: HopOutcome
    latency_ms: float
    verdict: Verdict = OK
    status: int = 0
    usage: Usage | None = None
    estimated: bool = False
    served: str | None = None
    first_token_ms: float | None = None
    answered: bool = False
    answer: Whole | web.StreamResponse | None = None
    edits: tuple[Edit, ...] = ()
    made: tuple[str, ...] = ()

    @property
    def reason(self) -> FailureReason | None:
        """Why the candidate did not answer, None where it did or was not given the time."""
        if self.outcome in (HopOutcome.FAILED, HopOutcome.REFUSED):
            return self.verdict.reason or FailureReason.BAD_RESPONSE
        return None

    @property
    def detail(self) -> str:
        """What the candidate said of it, in short and without secrets."""
        return self.verdict.detail


@dataclass(frozen=True, slots=True)
class UpstreamCall:
    """One attempt under way: a candidate that is asked for a request."""

    tools: Tools
    request: ChatRequest
    candidate: Candidate
    at: datetime
    started_s: float

    def elapsed_ms(self) -> float:
        """Return how long it has taken so far."""
        return (time.perf_counter() - self.started_s) * 1000


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request that is over: what was asked, whom in which order, and what each attempt gave."""

    request: ChatRequest
    attempts: Attempts
    results: tuple[AttemptResult, ...]

    @property
    def served_by(self) -> AttemptResult | None:
        """The attempt of which the caller got something, None where no model answered."""
        return next((result for result in self.results if result.answered), None)

    @property
    def cut(self) -> AttemptResult | None:
        """The attempt that broke off after its first content, if there was one."""
        return next((result for result in self.results if result.status == CUT), None)
