"""Figures for Prometheus."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from adapters.metrics import Metrics, SummedMetrics
from bot.models import Dialect, FailureReason, ModelRef, Usage
from bot.ports import Attempt, Cooldown

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def attempt(model: str, reason: FailureReason | None = None) -> Attempt:
    ref = ModelRef("groq", model)
    return Attempt(NOW, "r", 1, ref, "groq", Usage(), reason=reason, latency_ms=80.0)


def page(metrics: Metrics) -> str:
    content, kind = metrics.write()
    assert kind.startswith("text/plain")
    return content.decode()


def test_counts():
    metrics = Metrics()
    for _ in range(2):
        metrics.attempt(attempt("llama"))
    metrics.attempt(attempt("llama", FailureReason.TIMEOUT))
    metrics.request(Dialect.OPENAI, 200, 0.2)
    metrics.fallback("groq/llama", None, FailureReason.TIMEOUT)
    text = page(metrics)
    assert 'changeover_attempts_total{model="groq/llama",provider="groq",reason=""} 2.0' in text
    assert 'provider="groq",reason="timeout"} 1.0' in text
    assert 'changeover_attempt_seconds_bucket{le="0.1",provider="groq"} 3.0' in text
    assert 'changeover_requests_total{dialect="openai",status="200"} 1.0' in text
    assert 'to_model="none"' in text
    assert "changeover_first_token_seconds_count" not in text


def test_made_up_names_end_in_one():
    metrics = Metrics()
    for number in range(2000):
        metrics.attempt(attempt(f"made-up-{number}"))
    text = page(metrics)
    assert 'model="groq/made-up-7"' in text
    assert 'model="groq/made-up-1999"' not in text
    assert 'changeover_attempts_total{model="other",provider="groq",reason=""} 1500.0' in text


def test_cooldowns_in_force_without_digests():
    metrics = Metrics()
    over = Cooldown("groq#12345678", FailureReason.AUTH, NOW)
    until = NOW + timedelta(minutes=1)
    metrics.cooldowns([over, Cooldown("openai#abcdef01", FailureReason.BILLING, until)], NOW)
    text = page(metrics)
    assert "abcdef01" not in text
    assert 'changeover_cooldown_until_seconds{reason="billing",scope="openai"}' in text
    assert "groq" not in text
    metrics.cooldowns([], NOW)
    assert "openai" not in page(metrics)


def test_a_gauge_is_read_when_asked_for():
    metrics, values = Metrics(), [1.0]
    metrics.gauge("changeover_test", "A figure.", lambda: values[0])
    values[0] = 7.0
    assert "changeover_test 7.0" in page(metrics)


def test_failures_by_reason():
    metrics = Metrics()
    metrics.attempt(attempt("llama"))
    metrics.attempt(attempt("llama", FailureReason.TIMEOUT))
    metrics.attempt(attempt("gemma", FailureReason.TIMEOUT))
    text = page(metrics)
    assert 'changeover_failures_total{provider="groq",reason="timeout"} 2.0' in text
    assert text.count("changeover_failures_total{") == 1


def test_channels_in_trouble_and_only_those():
    metrics = Metrics()
    metrics.channel_troubles(["slack", "discord"])
    metrics.channel_troubles(["slack"])
    text = page(metrics)
    assert 'changeover_channel_trouble{channel="slack"} 1.0' in text
    assert "discord" not in text


def test_several_processes_on_one_page():
    one, two, page = Metrics(), Metrics(), SummedMetrics()
    for metrics in (one, two):
        metrics.gauge("changeover_ledger_queue", "Rows.", lambda: 3.5)
        metrics.request(Dialect.OPENAI, 200, 0.2)
    two.request(Dialect.ANTHROPIC, 200, 20.0)
    rows = [Cooldown("groq#0", FailureReason.BILLING, NOW + timedelta(hours=5), 1)]
    one.cooldowns(rows, NOW)
    two.cooldowns(rows, NOW)
    text = page.write([one.figures(), two.figures()]).decode()
    until = (NOW + timedelta(hours=5)).timestamp()
    for line in (
        'changeover_requests_total{dialect="openai",status="200"} 2.0',
        'changeover_requests_total{dialect="anthropic",status="200"} 1.0',
        'changeover_request_seconds_bucket{dialect="openai",le="0.25"} 2.0',
        'changeover_request_seconds_count{dialect="anthropic"} 1.0',
        "changeover_ledger_queue 7.0",
        "changeover_gateway_workers 2.0",
    ):
        assert line in text.splitlines()
    (shown,) = [x for x in text.splitlines() if x.startswith("changeover_cooldown_until_seconds{")]
    assert float(shown.split()[1]) == until
    assert text.count("# HELP changeover_requests_total Callers' requests by") == 1


def test_what_a_process_counted_stays_when_it_ends():
    page = SummedMetrics()
    for _ in range(3):
        metrics = Metrics()
        metrics.gauge("changeover_ledger_queue", "Rows.", lambda: 5)
        metrics.request(Dialect.OPENAI, 200, 0.2)
        page.ended(metrics.figures())
    text = page.write([Metrics().figures()]).decode()
    assert 'changeover_requests_total{dialect="openai",status="200"} 3.0' in text.splitlines()
    assert "changeover_ledger_queue 5.0" not in text
    assert "changeover_gateway_workers 1.0" in text.splitlines()
