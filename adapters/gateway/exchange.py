"""One caller's request, from its body to its answer: whom to ask, what was tried, what to say."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import aiohttp

from adapters.gateway.body import USUAL, Body, Wording
from adapters.gateway.faults import OWNERS_TURN
from adapters.gateway.live import LiveConfig
from adapters.gateway.made_ids import MadeIds
from adapters.gateway.transport import Outgoing, connected
from bot.blackout import Blackout
from bot.costs.usage import estimate_cut
from bot.dialects.state import Reference
from bot.messages.gateway import maker_down
from bot.messages.words import FORMATS
from bot.models import Dialect, FailureReason, Usage
from bot.ports import Clock
from bot.routing.chain import Hop
from bot.routing.cooldown import CONFIRMED
from bot.routing.failure import Verdict
from bot.routing.redact import redact
from bot.routing.router import Candidate, Fate, Lane, Walk
from bot.routing.sticky import Conversations, conversation_of
from bot.settings import Timeouts

if TYPE_CHECKING:
    from multidict import CIMultiDictProxy

P = ParamSpec("P")
T = TypeVar("T")

GONE = 499
"""The status, as nginx writes it, of a request whose caller went away before its answer."""

CUT = 598
"""The status of a stream that its provider broke off in mid-answer; its caller has seen a 200."""

_PASSED_ON = {
    Dialect.OPENAI: ("User-Agent",),
    Dialect.RESPONSES: (
        "User-Agent",
        "OpenAI-Beta",
        "originator",
        "session-id",
        "thread-id",
        "x-client-request-id",
    ),
    Dialect.ANTHROPIC: ("User-Agent", "anthropic-version", "anthropic-beta"),
}


class Refusal(Exception):
    """An answer that the gateway gives itself; `closes` ends the connection with it.

    `param` is the field of the request that is at fault.
    """

    def __init__(
        self,
        message: str,
        status: int,
        code: str,
        headers: Mapping[str, str] | None = None,
        *,
        closes: bool = False,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        self.closes = closes
        self.param = param


def not_found(
    message: str, param: str, headers: Mapping[str, str] | None = None, status: int = 400
) -> Refusal:
    """Refuse what refers to something that cannot be had; agents then send their input whole."""
    code = "not_found" if status == 404 else "previous_response_not_found"
    return Refusal(message, status, code, headers, param=param)


class CallerGone(Exception):
    """The caller went away, or takes nothing more, in the middle of its answer."""


@dataclass(slots=True)
class Tried:
    """One attempt under way or over.

    `answered` is True when the caller got something of it; `estimated` when its tokens are
    guessed. `wording` is how the candidate wants the request put.
    """

    candidate: Candidate
    at: datetime
    started_s: float
    status: int = 0
    reason: FailureReason | None = None
    detail: str = ""
    usage: Usage | None = None
    served: str | None = None
    latency_ms: float | None = None
    first_token_ms: float | None = None
    answered: bool = False
    estimated: bool = False
    wording: Wording = USUAL


@dataclass(slots=True)
class Tools:
    """What every exchange works with; `stopping` is set while the gateway drains."""

    live: LiveConfig
    session: Callable[[], aiohttp.ClientSession]
    timeouts: Timeouts
    clock: Clock
    cooldowns_changed: Callable[[], None]
    suspected: Callable[[Hop, FailureReason], None]
    made_ids: MadeIds
    conversations: Conversations = field(default_factory=Conversations)
    blackout: Blackout = field(default_factory=Blackout)
    stopping: bool = False


@dataclass(slots=True)
class Exchange:
    """A request under way: its lane, its walk and what was tried so far.

    `ended_status` is what a stream that had begun with keep-alives ended with, where that is no
    success. `conversation` is the digest of one that stays with a fallback. `tail` goes behind the
    path. `pinned` is what only one account knows, so that no other can go on with the turn.
    """

    request_id: str
    dialect: Dialect
    body: Body
    lane: Lane
    walk: Walk
    tools: Tools
    caller_headers: CIMultiDictProxy[str]
    query: str = ""
    caller: str = ""
    conversation: bytes | None = None
    tail: str = ""
    pinned: Reference | None = None
    at: datetime = field(init=False)
    tried: list[Tried] = field(default_factory=list)
    ended_status: int | None = None

    def __post_init__(self) -> None:
        self.at = self.now()

    def next(self) -> Tried | None:
        """Begin an attempt at the next candidate; None when no other is left."""
        now = self.now()
        candidate = self.walk.next(now)
        if candidate is None:
            return None
        one = Tried(candidate, now, time.perf_counter())
        self.tried.append(one)
        return one

    async def outgoing(self, candidate: Candidate, *, wording: Wording = USUAL) -> Outgoing:
        """Return the request for a candidate. Raises SettingsError."""
        route = self.tools.live.route(candidate, self.dialect)
        headers = dict(route.headers)
        for name in _PASSED_ON[self.dialect]:
            # A list may stand in several lines of one name.
            lines = self.caller_headers.getall(name, None)
            if lines:
                headers[name] = ", ".join(lines)
        headers["Content-Type"] = "application/json"
        headers["Accept"] = "text/event-stream" if self.body.stream else "application/json"
        url = _url(route.url, self.tail, beta=self._beta)
        body = await self.off_loop(self.body.for_model, candidate.ref.name, self.dialect, wording)
        return Outgoing(url, headers, body, route.proxy)

    async def off_loop(self, work: Callable[P, T], *args: P.args, **kw: P.kwargs) -> T:
        """Do work on the body, in a thread where it is so large that all others would wait."""
        if self.body.large:
            return await asyncio.to_thread(work, *args, **kw)
        return work(*args, **kw)

    def failed(
        self,
        one: Tried,
        verdict: Verdict,
        *,
        status: int = 0,
        usage: Usage | None = None,
        served: str | None = None,
    ) -> None:
        """Note that a candidate failed; a cool-down may start."""
        reason = verdict.reason or FailureReason.BAD_RESPONSE
        one.reason, one.detail = reason, verdict.detail
        self._over(one, status, usage, served)
        row = self.walk.failed(
            one.candidate,
            reason,
            verdict.retry_after_s,
            self.now(),
            retry_same=verdict.retry_same,
            reach=verdict.reach,
            confirmed=False,
        )
        if row is not None:
            self.tools.cooldowns_changed()
        doubted = reason in CONFIRMED and self.walk.doubted(one.candidate, reason, self.now())
        if doubted or (row is not None and reason in CONFIRMED):
            self.tools.suspected(one.candidate.hop, reason)

    def begun(self, one: Tried) -> None:
        """Note the first content: a trial has succeeded, however long the answer may be."""
        one.first_token_ms = (time.perf_counter() - one.started_s) * 1000
        if self.walk.answered(one.candidate, self.now(), whole=False):
            self.tools.cooldowns_changed()

    def made(self, one: Tried, ids: Sequence[str]) -> None:
        """Note by which ids a later request may refer to an answer."""
        if ids:
            self.tools.made_ids.note(self.caller, ids, one.candidate.name)

    def answered(self, one: Tried, *, status: int, usage: Usage | None, served: str | None) -> None:
        """Note that a candidate answered."""
        one.answered = True
        self._over(one, status, usage, served)
        if self.walk.answered(one.candidate, self.now()):
            self.tools.cooldowns_changed()

    def refused(self, one: Tried, verdict: Verdict, *, status: int, usage: Usage | None) -> None:
        """Note that a candidate cannot take this request, which another may."""
        one.reason, one.detail = FailureReason.BAD_RESPONSE, verdict.detail
        self._over(one, status, usage, None)
        if verdict.lack is not None:
            self.walk.lacks(one.candidate, verdict.lack)
        if self.walk.refused(one.candidate, self.now()):
            self.tools.cooldowns_changed()

    def hung_up(self, one: Tried, *, usage: Usage | None = None, served: str | None = None) -> None:
        """Note that the caller went away, which says nothing of the candidate."""
        one.answered = one.first_token_ms is not None
        if usage is None and connected():
            usage = self.unfinished(one)
        self._over(one, GONE, usage, served)
        self.walk.given_up(one.candidate)

    def unfinished(self, one: Tried) -> Usage:
        """Estimate what an answer costs that nobody has seen; the provider bills its work."""
        usage, one.estimated = estimate_cut(
            None, request_bytes=self.body.text_bytes(), answer_bytes=0
        )
        return usage

    def close(self) -> None:
        """Note of an attempt that was broken off, by the caller or by a mistake of ours."""
        if self.tried and self.tried[-1].latency_ms is None:
            self.hung_up(self.tried[-1])

    def settle(self) -> None:
        """Note who serves the conversation from now on."""
        stays, key = self.tools.conversations, self.conversation
        served = next((o.candidate for o in self.tried if o.answered and not o.reason), None)
        if served is not None and served.name != self.lane.first and stays.longest is not None:
            key = key or conversation_of(
                self.caller, self.body.model, self.caller_headers, self.body.document
            )
        if key is None:
            return
        if served is None:
            stays.failed(key)
        else:
            revision, now = self.tools.live.revision, self.now()
            stays.served(key, served, self.lane, revision, now, asked_at=self.at)

    def meant_for(self, one: Tried) -> bool:
        """Return whether a candidate is the one the caller asked for, and no fallback."""
        return one.candidate.name == self.lane.first

    def headers(self, one: Tried | None) -> dict[str, str]:
        """Return the headers that say who served and why; None when nobody did."""
        headers = {
            "Server": "changeover",
            "x-request-id": self.request_id,
            "x-changeover-attempts": str(len(self.tried)),
        }
        if one is not None:
            headers["x-changeover-model"] = one.candidate.name
            if self.conversation is not None and one.candidate is self.lane.candidates[0]:
                headers["x-changeover-sticky"] = "cache"
            if one.wording.edits:
                headers["x-changeover-edited"] = ", ".join(one.wording.edits)
        first = self.lane.first
        if first is not None and (one is None or one.candidate.name != first):
            headers["x-changeover-fallback-from"] = first
            reason = self.walk.reason()
            if reason is not None:
                headers["x-changeover-reason"] = str(reason)
        return headers

    def refusal(self) -> Refusal:
        """Say for each hop why it did not answer."""
        said = {one.candidate.name: one.detail for one in self.tried}
        words = {hop.position: f"{hop.ref or hop.written}: {why}" for hop, why in self.lane.skipped}
        for candidate, fate, reason in self.walk.ends():
            why = f"cooling down ({reason})" if fate is Fate.COOLING else str(reason)
            detail = said.get(candidate.name)
            line = f"{candidate.name}: {why}" + (f" ({detail})" if detail else "")
            words[candidate.hop.position] = line
        hops = "; ".join(words[position] for position in sorted(words)) or "the chain is empty"
        blocked, headers = self.walk.blocked(self.now()), self.headers(None)
        if self.pinned is not None:
            down = redact(maker_down(self.pinned.param, self.pinned.id, hops), self.secrets)
            return not_found(down, self.pinned.param, headers)
        if blocked.format:
            name = FORMATS[self.dialect]
            words_ = f"No model in the chain accepts {name}-format requests. {hops}."
            return Refusal(words_, 400, "unsupported_format", headers)
        if self.tail and self.walk.all_refused:
            words_ = f"No model in the chain serves {self.tail}. {hops}."
            return Refusal(redact(words_, self.secrets), 404, "not_found", headers)
        message = redact(f"No model in the chain answered. {hops}.", self.secrets)
        if blocked.owners:
            # No time to wait either: agents that go by it would hang for hours.
            headers["x-should-retry"] = "false"
            return Refusal(message, 503, OWNERS_TURN, headers)
        if blocked.wait_s is not None:
            headers["retry-after"] = str(math.ceil(blocked.wait_s))
            if blocked.limited:
                return Refusal(message, 429, "rate_limit_exceeded", headers)
        if self.dialect is Dialect.RESPONSES:
            # Its SDK would ask twice more.
            headers["x-should-retry"] = "false"
        return Refusal(message, 503, "chain_exhausted", headers)

    @property
    def secrets(self) -> frozenset[str]:
        """What must not be handed on or stored."""
        return self.tools.blackout.known

    def now(self) -> datetime:
        """Return the present."""
        return self.tools.clock.now()

    def _over(self, one: Tried, status: int, usage: Usage | None, served: str | None) -> None:
        one.status, one.usage, one.served = status, usage, served
        one.latency_ms = (time.perf_counter() - one.started_s) * 1000

    @property
    def cut(self) -> Tried | None:
        """The attempt that broke off after its first content, if there was one."""
        return next((one for one in self.tried if one.status == CUT), None)

    @property
    def _beta(self) -> bool:
        # The Anthropic SDK's beta calls say so in the query, and only there.
        return self.query == "beta=true" and self.dialect is Dialect.ANTHROPIC


def _url(url: str, tail: str, *, beta: bool) -> str:
    if not tail and not beta:
        return url
    address, _, query = url.partition("?")
    query = "&".join(part for part in (query, "beta=true" if beta else "") if part)
    return f"{address}{tail}?{query}" if query else f"{address}{tail}"
