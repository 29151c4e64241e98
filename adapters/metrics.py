"""Figures for `/metrics`, in Prometheus's text format; names begin with `changeover_`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client import generate_latest as write_out
from prometheus_client.core import Metric

from bot.blackout import Blackout
from bot.models import Dialect, FailureReason
from bot.ports import Attempt, Cooldown

CONTENT_TYPE = CONTENT_TYPE_LATEST
_MOST_NAMES = 500
_OTHER = "other"
_GAUGE = "gauge"
_KINDS = ("input", "cached_input", "cache_write", "output", "reasoning")
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


Figures = list[list[Any]]
"""One process's figures as JSON holds them: name, help, type and samples of each metric."""


class Metrics:
    """One process's figures, in a registry of their own."""

    def __init__(self, blackout: Blackout | None = None) -> None:
        self._blackout = blackout or Blackout()
        self.registry = CollectorRegistry()
        self.changes = 0
        self._names: set[str] = set()
        self._children: dict[tuple[object, ...], Any] = {}
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
            "Attempts at providers; reason is empty on success.",
            ["provider", "model", "reason"],
            registry=self.registry,
        )
        self._failures = Counter(
            "changeover_failures",
            "Attempts that failed.",
            ["provider", "reason"],
            registry=self.registry,
        )
        self._attempt_seconds = Histogram(
            "changeover_attempt_seconds",
            "Time of one attempt at a provider.",
            ["provider"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._first_token_seconds = Histogram(
            "changeover_first_token_seconds",
            "From the request to a provider to the first content of its stream.",
            ["provider"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._cost = Counter(
            "changeover_cost_usd",
            "What attempts cost, as far as their price is known.",
            ["provider", "model"],
            registry=self.registry,
        )
        self._tokens = Counter(
            "changeover_tokens",
            "Tokens by kind; cached and written input are parts of input, reasoning of output.",
            ["provider", "model", "kind"],
            registry=self.registry,
        )
        self._unpriced = Counter(
            "changeover_unpriced_attempts",
            "Attempts with tokens and no known price.",
            ["provider", "model"],
            registry=self.registry,
        )
        self._fallbacks = Counter(
            "changeover_fallbacks",
            "Requests answered by a fallback, or by no model.",
            ["from_model", "to_model", "reason"],
            registry=self.registry,
        )
        self._cooldown = Gauge(
            "changeover_cooldown_until_seconds",
            "When a cool-down ends, as Unix time.",
            ["scope", "reason"],
            registry=self.registry,
        )
        self._channel_trouble = Gauge(
            "changeover_channel_trouble",
            "1 for each chat that alerts cannot reach.",
            ["channel"],
            registry=self.registry,
        )

    def attempt(self, attempt: Attempt) -> None:
        """Count an attempt."""
        self.changes += 1
        model, reason = self._name(str(attempt.model)), str(attempt.reason or "")
        self._child(self._attempts, attempt.provider, model, reason).inc()
        if reason:
            self._child(self._failures, attempt.provider, reason).inc()
        self._spent(attempt, model)
        if attempt.latency_ms is not None:
            seconds = attempt.latency_ms / 1000
            self._child(self._attempt_seconds, attempt.provider).observe(seconds)
        if attempt.first_token_ms is not None:
            seconds = attempt.first_token_ms / 1000
            self._child(self._first_token_seconds, attempt.provider).observe(seconds)

    def _spent(self, attempt: Attempt, model: str) -> None:
        usage, provider = attempt.usage.with_asides, attempt.provider
        if attempt.cost_nano_usd is not None:
            self._child(self._cost, provider, model).inc(attempt.cost_nano_usd / 1e9)
        elif usage.input_tokens or usage.output_tokens:
            self._child(self._unpriced, provider, model).inc()
        for kind in _KINDS:
            if count := getattr(usage, f"{kind}_tokens"):
                self._child(self._tokens, provider, model, kind).inc(count)

    def request(self, dialect: Dialect, status: int, seconds: float) -> None:
        """Count a caller's request."""
        self.changes += 1
        self._child(self._requests, str(dialect), str(status)).inc()
        self._child(self._request_seconds, str(dialect)).observe(seconds)

    def fallback(self, from_model: str, to_model: str | None, reason: FailureReason) -> None:
        """Count a fallback."""
        self.changes += 1
        to = "none" if to_model is None else self._name(to_model)
        self._child(self._fallbacks, self._name(from_model), to, str(reason)).inc()

    def cooldowns(self, rows: list[Cooldown], now: datetime) -> None:
        """Show the cool-downs in force, and only those. Digests of keys stay out."""
        self._cooldown.clear()
        for row in rows:
            if row.holds(now):
                scope = self._name(row.scope.rpartition("#")[0])
                self._cooldown.labels(scope, str(row.reason)).set(row.until.timestamp())

    def channel_troubles(self, channels: Iterable[str]) -> None:
        """Show the chats that take no alerts, and only those."""
        self._channel_trouble.clear()
        for channel in channels:
            self._channel_trouble.labels(self._name(channel)).set(1)

    def gauge(self, name: str, words: str, read: Callable[[], float]) -> None:
        """Show a figure that is read at the moment it is asked for."""
        Gauge(name, words, registry=self.registry).set_function(read)

    def figures(self) -> Figures:
        """Return all figures, to be added to those of other processes."""
        return _figures(self.registry)

    def write(self) -> tuple[bytes, str]:
        """Return the page and its content type."""
        return self._blackout.clean_bytes(write_out(self.registry)), CONTENT_TYPE

    def _child(self, metric: Any, *labels: str) -> Any:
        """Return the figure for these labels; the library takes a lock to find it."""
        child = self._children.get((metric, labels))
        if child is None:
            child = self._children[metric, labels] = metric.labels(*labels)
        return child

    def _name(self, name: str) -> str:
        """Return a model's name, or one for all beyond a limit: callers make up names."""
        if name in self._names:
            return name
        if len(self._names) >= _MOST_NAMES:
            return _OTHER
        self._names.add(name)
        return name


class SummedMetrics:
    """The figures of several processes on one page, as if they were of one.

    What a process counted stays when it ends, so that no counter falls; its gauges go with it.
    """

    def __init__(self) -> None:
        self._ended: Figures = []
        self._own = CollectorRegistry()
        self._workers = Gauge(
            "changeover_gateway_workers", "Gateway processes that run.", registry=self._own
        )
        self._restarts = Counter(
            "changeover_gateway_worker_restarts",
            "Gateway processes that were replaced.",
            registry=self._own,
        )

    def restarted(self) -> None:
        """Count a process that has taken the place of another."""
        self._restarts.inc()

    def ended(self, figures: Figures) -> None:
        """Keep what a process counted that has ended."""
        lasting = [entry for entry in figures if entry[2] != _GAUGE]
        self._ended = _summed([self._ended, lasting])

    def write(self, running: Sequence[Figures]) -> bytes:
        """Return the page of the processes that run and of those that have ended."""
        self._workers.set(len(running))
        every = _summed([self._ended, *running, _figures(self._own)])
        return write_out(_Collected(every))


class _Collected:
    """Figures in the shape in which the library writes them out."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures

    def collect(self) -> Iterator[Metric]:
        for name, words, kind, samples in self._figures:
            metric = Metric(name, words, kind)
            for sample, labels, value in samples:
                metric.add_sample(sample, dict(labels), value)
            yield metric


def _figures(registry: CollectorRegistry) -> Figures:
    return [
        [
            metric.name,
            metric.documentation,
            metric.type,
            [[s.name, list(s.labels.items()), s.value] for s in metric.samples],
        ]
        for metric in registry.collect()
    ]


def _summed(processes: Sequence[Figures]) -> Figures:
    """Add up sample by sample, in the order in which they are first met."""
    metrics: dict[str, tuple[list[Any], dict[Any, float]]] = {}
    for name, words, kind, samples in chain.from_iterable(processes):
        _, sums = metrics.setdefault(name, ([name, words, kind], {}))
        for sample, labels, value in samples:
            key = sample, tuple(map(tuple, labels))
            before = sums.get(key)
            if before is None:
                sums[key] = value
            elif sample.endswith("_created"):
                sums[key] = min(before, value)
            elif kind == _GAUGE and labels:
                # It shows what all share: a cool-down, a chat that cannot be reached.
                sums[key] = max(before, value)
            else:
                sums[key] = before + value
    return [
        [*head, [[sample, labels, value] for (sample, labels), value in sums.items()]]
        for head, sums in metrics.values()
    ]
