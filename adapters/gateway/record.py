"""What is written down of a request: attempts, the fallback event, the log line, figures."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any, Protocol

from adapters.gateway.exchange import AttemptResult, ChatRequest, Exchange
from bot.config.schema import ConfigView
from bot.costs.pricing import Cost, price_usage, served_price, unit_price
from bot.dialects.options import Used
from bot.models import Dialect, FailureReason, ModelRef, Usage
from bot.ports import Attempt, FallbackEvent, HopFailure, Prices
from bot.routing.echo import without_echo
from bot.routing.router import CANNOT_TAKE, HopOutcome
from bot.trials.split import Arm

_log = logging.getLogger("gateway")
_MOST_ASKED = 200
_MOST_SAID = 200
_MOST_HOPS = 20


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
    used: Used = field(default_factory=Used)

    def record(self, exchange: Exchange, view: ConfigView) -> None:
        """Log what became of a request, and book it once the loop has sent the answer.

        Its caller does not wait for our books.
        """
        self._log(exchange)
        asyncio.get_running_loop().call_soon(self._book, exchange, view)

    def _log(self, exchange: Exchange) -> None:
        """Write the log lines of a request: a fallback, and an answer that was cut off."""
        cut, served_by = exchange.cut, _served_by(exchange)
        if cut is not None:
            _log.warning("[gateway] Answer cut off: %s (%s)", cut.candidate.name, cut.reason)
        failed = exchange.attempts.first_failure
        if failed is not None and served_by != exchange.request.candidates.first:
            _log.warning(
                "[gateway] Fallback triggered: %s → %s (%s)",
                failed[0].name,
                served_by or "none",
                failed[1],
            )

    def _book(self, exchange: Exchange, view: ConfigView) -> None:
        """Book every attempt, and the fallback if it was one."""
        request, served_by = exchange.request, _served_by(exchange)
        self.used.note(request.dialect, request.body.document.keys(), request.at.date())
        behind = served_by != request.candidates.first
        for number, result in enumerate(exchange.results, 1):
            attempt = self._attempt(
                exchange, result, number, view, fallback=behind and served_by is not None
            )
            self.queue.put(attempt)
            self.meter.attempt(attempt)
        if behind:
            self._fallback(exchange, served_by)
        elif exchange.attempts.others_failed:
            # Its caller has the first hop's refusal; nobody else would have served it.
            self._fallback(exchange, None)
        if exchange.cut is not None:
            self._cut_off(exchange.request, exchange.cut)

    def _fallback(self, exchange: Exchange, served_by: str | None) -> None:
        request, results, attempts = exchange.request, exchange.results, exchange.attempts
        reason, first = attempts.reason(), request.candidates.first
        if reason is None or first is None:
            return
        hops = _hops(exchange, served_by)
        detail = next((result.detail for result in results if result.reason), "")
        if request.candidates.barred:
            detail = next((hop.detail for hop in hops if hop.model == first), "")
        self.meter.fallback(first, served_by, reason)
        event = FallbackEvent(
            at=results[-1].at if results else request.at,
            request_id=request.id,
            from_model=first,
            to_model=served_by,
            reason=reason,
            # A provider may repeat the prompt in its error, and prompts are not stored.
            detail=without_echo(detail, request.body.texts()),
            asked=any(result.candidate.name == first for result in results),
            hops=hops,
            alone=request.candidates.alone,
            unfit=attempts.unfit,
            exhausted=attempts.others_failed,
        )
        self.queue.put_event(event)

    def _cut_off(self, request: ChatRequest, cut: AttemptResult) -> None:
        """Note an answer that broke off, beside the fallback that it may have been."""
        reason = cut.reason or FailureReason.BAD_RESPONSE
        detail = without_echo(cut.detail, request.body.texts())
        event = FallbackEvent(
            cut.at, request.id, cut.candidate.name, None, reason, detail=detail, cut=True
        )
        self.queue.put_event(event)

    def _attempt(
        self,
        exchange: Exchange,
        result: AttemptResult,
        number: int,
        view: ConfigView,
        *,
        fallback: bool,
    ) -> Attempt:
        request, ref, provider = exchange.request, result.candidate.ref, result.candidate.provider
        price = served_price(ref, result.served, provider, view, self.prices, result.at)
        cost = Cost(None)
        if result.usage is not None:
            cost = price_usage(
                result.usage,
                price,
                estimated=result.estimated,
                price_of=lambda name: unit_price(
                    ModelRef(ref.provider, name), provider, view, self.prices, result.at
                ),
            )
        return Attempt(
            at=result.at,
            request_id=request.id,
            number=number,
            model=ref,
            provider=provider.id,
            usage=result.usage or Usage(),
            asked=request.body.model[:_MOST_ASKED],
            served=result.served,
            dialect=str(request.dialect),
            caller=request.caller or None,
            stream=request.body.stream,
            status=result.status,
            reason=result.reason,
            answered=result.answered,
            last=number == len(exchange.results),
            fallback=fallback,
            cost_nano_usd=cost.nano_usd,
            estimated=result.estimated or cost.estimated,
            price=cost.price,
            latency_ms=result.latency_ms,
            first_token_ms=result.first_token_ms,
            **_of_trial(request.arm),
        )


def _of_trial(arm: Arm | None) -> dict[str, Any]:
    if arm is None:
        return {}
    candidate = arm.candidate is not None
    return {"trial": arm.trial_id, "candidate": candidate, "conversation": arm.conversation}


def _served_by(exchange: Exchange) -> str | None:
    served = exchange.served_by
    return served.candidate.name if served else None


def _hops(exchange: Exchange, served_by: str | None) -> tuple[HopFailure, ...]:
    """Return the hops that did not answer, in the chain's order, with what each said."""
    candidates = exchange.request.candidates
    # Kept: it is looked through once a hop.
    texts = list(exchange.request.body.texts())
    said = {result.candidate.name: result.detail for result in exchange.results}
    found = {}
    for hop, why in candidates.skipped:
        name = str(hop.ref or hop.written)
        reason = candidates.barred if name == candidates.first else None
        found[hop.position] = HopFailure(name, reason, asked=False, detail=why)
    for candidate, outcome, reason in exchange.attempts.ends():
        name = candidate.name
        if name == served_by:
            continue
        detail = without_echo(said.get(name, ""), texts)[:_MOST_SAID]
        unfit = outcome is HopOutcome.REFUSED
        found[candidate.hop.position] = HopFailure(
            name,
            None if unfit else reason,
            asked=name in said,
            detail=f"{CANNOT_TAKE} ({detail})" if unfit else detail,
        )
    return tuple(found[position] for position in sorted(found)[:_MOST_HOPS])
