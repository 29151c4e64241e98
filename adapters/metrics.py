"""Figures for `/metrics`, in Prometheus's text format; names begin with `changeover_`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as write_out

from bot.models import Dialect, FailureReason
from bot.ports import Attempt, Cooldown

_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """One process's figures, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "changeover_requests",
            "Callers' requests by dialect and status.",
            ["dialect", "status"],
            registry=self.registry,
        )
        self._request_seconds = Histogram(
            "changeover_request_seconds",
            "From a caller's request to the end of its answer.",
            ["dialect"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._attempts = Counter(
            "changeover_attempts",
            "Attempts at providers; reason is empty for an answer.",
            ["provider", "model", "reason"],
            registry=self.registry,
        )
        self._attempt_seconds = Histogram(
            "changeover_attempt_seconds",
            "Time of one attempt at a provider.",
            ["provider"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._fallbacks = Counter(
            "changeover_fallbacks",
            "Requests that another than the first hop answered, or nobody.",
            ["from_model", "to_model", "reason"],
            registry=self.registry,
        )
        self._cooldown = Gauge(
            "changeover_cooldown_until_seconds",
            "When a scope may be asked again, as Unix time.",
            ["scope", "reason"],
            registry=self.registry,
        )

    def attempt(self, attempt: Attempt) -> None:
        """Count an attempt."""
        reason = str(attempt.reason or "")
        self._attempts.labels(attempt.provider, str(attempt.model), reason).inc()
        if attempt.latency_ms is not None:
            self._attempt_seconds.labels(attempt.provider).observe(attempt.latency_ms / 1000)

    def request(self, dialect: Dialect, status: int, seconds: float) -> None:
        """Count a caller's request."""
        self._requests.labels(str(dialect), str(status)).inc()
        self._request_seconds.labels(str(dialect)).observe(seconds)

    def fallback(self, from_model: str, to_model: str | None, reason: FailureReason) -> None:
        """Count a fallback."""
        self._fallbacks.labels(from_model, to_model or "none", str(reason)).inc()

    def cooldowns(self, rows: list[Cooldown], now: datetime) -> None:
        """Show the cool-downs in force, and only those. Digests of keys stay out."""
        self._cooldown.clear()
        for row in rows:
            if row.until > now:
                scope = row.scope.partition("#")[0]
                self._cooldown.labels(scope, str(row.reason)).set(row.until.timestamp())

    def gauge(self, name: str, words: str, read: Callable[[], float]) -> None:
        """Show a figure that is read at the moment it is asked for."""
        Gauge(name, words, registry=self.registry).set_function(read)

    def write(self) -> tuple[bytes, str]:
        """Return the page and its content type."""
        return write_out(self.registry), CONTENT_TYPE_LATEST
