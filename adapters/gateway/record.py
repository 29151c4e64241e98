"""What is written down of a request: attempts, the fallback event, the log line, figures."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Protocol

from adapters.gateway.exchange import Exchange, Tried
from bot.config.schema import ConfigView
from bot.costs.pricing import cost_usd, unit_price
from bot.models import Dialect, FailureReason, Usage
from bot.ports import Attempt, FallbackEvent, Prices
from bot.routing.router import Fate, Walk

_log = logging.getLogger("gateway")
_NANO = 1_000_000_000


class Queue(Protocol):
    """Takes rows off the request path."""

    def put(self, attempt: Attempt) -> None:
        """Take an attempt."""
        ...

    def put_event(self, event: FallbackEvent) -> None:
        """Take a fallback event."""
        ...


class Meter(Protocol):
    """Counts for `/metrics`."""

    def attempt(self, attempt: Attempt) -> None:
        """Count an attempt."""
        ...

    def request(self, dialect: Dialect, status: int, seconds: float) -> None:
        """Count a caller's request."""
        ...

    def fallback(self, from_model: str, to_model: str | None, reason: FailureReason) -> None:
        """Count a fallback."""
        ...


@dataclass(slots=True)
class Recorder:
    """Writes down what became of requests; nothing here waits."""

    queue: Queue
    meter: Meter
    prices: Prices

    def finished(self, exchange: Exchange, caller: str) -> None:
        """Book a request that is over: every attempt, and the fallback if it was one."""
        tried, walk = exchange.tried, exchange.walk
        served = next((one for one in tried if one.answered), None)
        served_by = served.candidate.name if served else None
        fallback = bool(tried) and served_by != walk.lane.first
        for number, one in enumerate(tried, 1):
            attempt = replace(
                self._attempt(one, exchange.tools.live.view),
                request_id=exchange.request_id,
                number=number,
                asked=exchange.body.model[:200],
                dialect=str(exchange.dialect),
                caller=caller or None,
                stream=exchange.body.stream,
                last=one is tried[-1],
                fallback=fallback,
            )
            self.queue.put(attempt)
            self.meter.attempt(attempt)
        if fallback:
            self._fallback(walk, tried, served_by, exchange.request_id)

    def _fallback(
        self, walk: Walk, tried: list[Tried], served_by: str | None, request_id: str
    ) -> None:
        reason = walk.reason()
        first = walk.lane.first
        if reason is None or first is None:
            return
        self.meter.fallback(first, served_by, reason)
        self.queue.put_event(FallbackEvent(tried[-1].at, request_id, first, served_by, reason))
        failed = next((f for f in walk.fates if f[1] is Fate.FAILED), None)
        if failed is not None:
            _log.warning(
                "[gateway] Fallback triggered: %s → %s (%s)",
                failed[0].name,
                served_by or "none",
                failed[2],
            )

    def _attempt(self, one: Tried, view: ConfigView) -> Attempt:
        hop = one.candidate.hop
        assert hop.ref is not None
        assert hop.provider is not None
        price = unit_price(hop.ref, hop.provider, view, self.prices, one.at)
        usage = one.usage or Usage()
        cost = cost_usd(usage, price) if one.usage is not None else None
        return Attempt(
            at=one.at,
            request_id="",
            number=0,
            model=hop.ref,
            provider=hop.provider.id,
            usage=usage,
            served=one.served,
            status=one.status,
            reason=one.reason,
            answered=one.answered,
            cost_nano_usd=None if cost is None else round(cost * _NANO),
            estimated=one.estimated,
            price=price,
            latency_ms=one.latency_ms,
            first_token_ms=one.first_token_ms,
        )
