"""One caller's request, from its body to its answer: ask, fall back, hand on, write down."""

from __future__ import annotations


import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from adapters.gateway.body import Body
from adapters.gateway.live import LiveConfig
from adapters.gateway.record import Tried
from adapters.gateway.upstream import AiohttpUpstream

from bot.models import Dialect, FailureReason, Usage
from bot.ports import Clock, Cooldown
from bot.routing.router import Candidate, Fate, Lane, Walk
from bot.settings import Timeouts

_PASSED_ON = ("anthropic-beta", "anthropic-version", "user-agent")
CooldownNews = Callable[[Cooldown | None, list[str]], None]


@dataclass(slots=True)
class Tools:
    """What every exchange works with."""

    live: LiveConfig
    upstream: AiohttpUpstream
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
    ) -> None:
        """Note that a candidate failed, and tell of the cool-down that starts."""
        one.reason, one.status, one.usage = reason, status, usage
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

    def callers_fault(self, one: Tried, status: int) -> None:
        """Note an answer that says the request itself is wrong; it speaks for the candidate."""
        self.answered(one, status=status, usage=None, served=None)

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

    def dead(self) -> str:
        """Say for each hop why it did not answer."""
        words = []
        for candidate, fate, reason in self.walk.fates:
            passed = "cooling down, " if fate is Fate.COOLING else ""
            words.append(f"{candidate.name}: {passed}{reason}")
        words += [f"{hop.ref or hop.written}: {why}" for hop, why in self.lane.skipped]
        return "; ".join(words) or "the chain is empty"

    def now(self) -> datetime:
        """Return the present."""
        return self.tools.clock.now()


