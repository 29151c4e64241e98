"""One caller's request, from its body to its answer: ask, fall back, hand on, write down."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import aiohttp

from adapters.gateway.body import Body
from adapters.gateway.live import LiveConfig
from bot.models import Dialect, FailureReason, Secret, Usage
from bot.ports import Clock, Cooldown
from bot.routing.redact import redact
from bot.routing.router import Candidate, Fate, Lane, Walk
from bot.settings import Timeouts

_PASSED_ON = ("anthropic-beta", "anthropic-version", "user-agent")
CooldownNews = Callable[[Cooldown | None, list[str]], None]


class Refusal(Exception):
    """An answer that the gateway gives itself."""

    def __init__(self, message: str, status: int, code: str) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code


@dataclass(slots=True)
class Tried:
    """One attempt under way or over."""

    candidate: Candidate
    at: datetime
    started_s: float
    status: int = 0
    reason: FailureReason | None = None
    detail: str = ""
    usage: Usage | None = None
    served: str | None = None
    latency_ms: float = 0.0
    first_token_ms: float | None = None
    answered: bool = False
    estimated: bool = False


@dataclass(slots=True)
class Tools:
    """What every exchange works with."""

    live: LiveConfig
    session: Callable[[], aiohttp.ClientSession]
    timeouts: Timeouts
    clock: Clock
    news: CooldownNews


@dataclass(slots=True)
class Exchange:
    """A request under way: its lane, its walk and what was tried so far."""

    request_id: str
    dialect: Dialect
    body: Body
    lane: Lane
    walk: Walk
    tools: Tools
    caller_headers: Mapping[str, str]
    tried: list[Tried] = field(default_factory=list)

    def next(self) -> Candidate | None:
        """Return the next candidate to ask."""
        return self.walk.next(self.now())

    def begin(self, candidate: Candidate) -> Tried:
        """Note that a candidate is asked now."""
        one = Tried(candidate, self.now(), time.perf_counter())
        self.tried.append(one)
        return one

    def request(self, candidate: Candidate) -> tuple[str, dict[str, str], bytes]:
        """Return URL, headers and body for a candidate. Raises SettingsError."""
        route = self.tools.live.route(candidate, self.dialect)
        headers = dict(route.headers)
        for name in _PASSED_ON:
            value = self.caller_headers.get(name)
            if value is not None:
                headers[name] = value
        headers["content-type"] = "application/json"
        headers["accept"] = "text/event-stream" if self.body.stream else "application/json"
        assert candidate.hop.ref is not None
        return route.url, headers, self.body.for_model(candidate.hop.ref.name, self.dialect)

    def failed(
        self,
        one: Tried,
        reason: FailureReason,
        *,
        status: int = 0,
        retry_after_s: float | None = None,
        usage: Usage | None = None,
        detail: str = "",
    ) -> None:
        """Note that a candidate failed, and tell of the cool-down that starts."""
        one.reason, one.status, one.usage, one.detail = reason, status, usage, detail
        one.latency_ms = (time.perf_counter() - one.started_s) * 1000
        row = self.walk.failed(one.candidate, reason, retry_after_s, self.now())
        if row is not None:
            self.tools.news(row, [])

    def answered(self, one: Tried, *, status: int, usage: Usage | None, served: str | None) -> None:
        """Note that a candidate answered."""
        one.answered, one.status, one.usage, one.served = True, status, usage, served
        one.latency_ms = (time.perf_counter() - one.started_s) * 1000
        ended = self.walk.answered(one.candidate)
        if ended:
            self.tools.news(None, ended)

    def hung_up(self, one: Tried, *, usage: Usage | None = None, served: str | None = None) -> None:
        """Note that the caller went away, which says nothing of the candidate."""
        one.answered, one.status, one.usage, one.served = True, 499, usage, served
        one.latency_ms = (time.perf_counter() - one.started_s) * 1000
        self.walk.given_up(one.candidate)

    def headers(self, one: Tried) -> dict[str, str]:
        """Return the headers that say who served and why."""
        headers = {
            "x-changeover-model": one.candidate.name,
            "x-changeover-attempts": str(len(self.tried)),
            "x-request-id": self.request_id,
        }
        first = self.lane.first
        if first is not None and one.candidate.name != first:
            headers["x-changeover-fallback-from"] = first
            reason = self.walk.reason()
            if reason is not None:
                headers["x-changeover-reason"] = str(reason)
        return headers

    def refusal(self) -> Refusal:
        """Say for each hop why it did not answer."""
        words = []
        details = {t.candidate.name: t.detail for t in self.tried}
        for candidate, fate, reason in self.walk.fates:
            if fate is Fate.COOLING:
                words.append(f"{candidate.name}: cooling down ({reason})")
                continue
            said = details.get(candidate.name)
            words.append(f"{candidate.name}: {reason}" + (f" ({said})" if said else ""))
        words += [f"{hop.ref or hop.written}: {why}" for hop, why in self.lane.skipped]
        hops = "; ".join(words) or "the chain is empty"
        keys = [key for c in self.lane.candidates for key in self.secrets(c)]
        message = redact(f"No model of the chain answered. {hops}.", keys)
        return Refusal(message, 503, "chain_exhausted")

    def secrets(self, candidate: Candidate) -> list[Secret]:
        """Return what must not be handed on or stored; a local server's key is any word."""
        hop = candidate.hop
        return [hop.key] if hop.key and not hop.local else []

    def now(self) -> datetime:
        """Return the present."""
        return self.tools.clock.now()
