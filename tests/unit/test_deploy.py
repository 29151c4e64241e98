"""The files of a deployment: they name what there is."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adapters.environment import read_environment, read_service_settings, secret_values
from adapters.metrics import Metrics
from bot.errors import SettingsError
from bot.models import Dialect, FailureReason, ModelRef, Usage
from bot.ports import Attempt, Cooldown

ROOT = Path(__file__).parents[2]
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
USED = Usage(input_tokens=5, cached_input_tokens=3, output_tokens=2)


def attempt(**more: object) -> Attempt:
    ref = ModelRef("groq", "llama")
    return Attempt(NOW, "r", 1, ref, "groq", USED, latency_ms=80.0, first_token_ms=9.0, **more)  # type: ignore[arg-type]


def exposed() -> dict[str, set[str]]:
    """Return every figure of a gateway that has seen all kinds of things, with its labels."""
    metrics = Metrics()
    metrics.attempt(attempt(cost_nano_usd=2_500_000_000))
    metrics.attempt(attempt(reason=FailureReason.TIMEOUT))
    metrics.request(Dialect.OPENAI, 200, 0.2)
    metrics.fallback("groq/llama", None, FailureReason.TIMEOUT)
    metrics.cooldowns([Cooldown("groq", FailureReason.TIMEOUT, NOW, 1)], NOW - timedelta(hours=1))
    metrics.channel_troubles(["slack"])
    metrics.gauge("changeover_ledger_queue", "", lambda: 0)
    metrics.gauge("changeover_ledger_dropped", "", lambda: 0)
    found: dict[str, set[str]] = {}
    for line in metrics.write()[0].decode().splitlines():
        match = re.match(r"(\w+)(?:\{(.*)\})? ", line)
        if match and not line.startswith("#"):
            labels = set(re.findall(r'(\w+)="', match[2] or ""))
            found.setdefault(match[1], set()).update(labels)
    return found


def expressions(name: str) -> list[str]:
    words = (ROOT / "deploy" / name).read_text()
    if name.endswith(".json"):
        board = json.loads(words)
        return [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    return re.findall(r"expr: (?:>-\n)?((?:.|\n {10})*)", words)


@pytest.mark.parametrize("name", ["grafana.json", "alerts.yml"])
def test_dashboard_and_rules_ask_for_figures_that_there_are(name: str):
    there = exposed()
    asked = expressions(name)
    assert len(asked) >= 9
    for expression in asked:
        for figure, selector in re.findall(r"(changeover_\w+)(?:\{([^}]*)\})?", expression):
            assert figure in there, expression
            labels = set(re.findall(r"(\w+)\s*(?:=|!)", selector)) - {"job"}
            assert labels <= there[figure], expression
        grouped = re.findall(r"by \(([^)]*)\)", expression)
        names = {label for part in grouped for label in part.replace(" ", "").split(",")}
        figures = re.findall(r"changeover_\w+", expression)
        known = set().union(*(there[figure] for figure in figures)) if figures else names
        assert names <= known | {"instance", "le"}, expression


def test_costs_and_tokens_are_counted():
    metrics = Metrics()
    metrics.attempt(attempt(cost_nano_usd=2_500_000_000))
    metrics.attempt(attempt())
    text = metrics.write()[0].decode()
    of = 'model="groq/llama",provider="groq"'
    assert f"changeover_cost_usd_total{{{of}}} 2.5" in text
    assert f"changeover_unpriced_attempts_total{{{of}}} 1.0" in text
    assert f'changeover_tokens_total{{kind="input",{of}}} 10.0' in text
    assert f'changeover_tokens_total{{kind="cached_input",{of}}} 6.0' in text
    assert 'kind="reasoning"' not in text


def test_one_app_has_one_bot():
    lines = (ROOT / "Procfile").read_text().splitlines()
    assert [line for line in lines if re.search(r"main (run|bot)", line)] == lines
    assert len(lines) == 1
    compose = (ROOT / "compose.yaml").read_text()
    assert re.findall(r"^    command: \[(\w+)\]", compose, re.MULTILINE) == ["gateway", "bot"]


def test_stop_timeouts_are_longer_than_the_programs_own():
    from adapters.main.ending import END_WITHIN_S

    longest = read_service_settings({}).gateway.drain_s + END_WITHIN_S
    assert longest <= 15
    unit = (ROOT / "deploy/changeover.service").read_text()
    compose = (ROOT / "compose.yaml").read_text()
    for words, pattern in (
        (unit, r"TimeoutStopSec=(\d+)"),
        (compose, r"stop_grace_period: (\d+)s"),
    ):
        (seconds,) = re.findall(pattern, words)
        assert int(seconds) > longest


# --- secrets from files ---------------------------------------------------------------------------


def test_a_secret_may_stand_in_a_file_of_its_own(tmp_path: Path):
    (tmp_path / "token").write_text("s3cret-token\n")
    (tmp_path / "url").write_text("postgresql://u:p@db/x")
    (tmp_path / ".env").write_text("GATEWAY_TOKEN_FILE=token\n")
    env = read_environment(None, {"DATABASE_URL_FILE": str(tmp_path / "url")}, tmp_path)
    service = read_service_settings(env)
    assert service.gateway.token is not None
    assert service.gateway.token.reveal() == "s3cret-token"
    assert service.database_url == "postgresql://u:p@db/x"
    assert "s3cret-token" in secret_values(env)


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "SLACK_BOT_TOKEN", "OPENAI_ADMIN_KEY"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "cannot be read: no such file"),
        (b"", "single line"),
        (b"a\nb", "single line"),
        (b"\xff", "single line"),
    ],
)
def test_a_secrets_file_that_cannot_be_used(
    tmp_path: Path, name: str, content: bytes | None, says: str
):
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    with pytest.raises(SettingsError, match=says) as caught:
        read_environment(None, {f"{name}_FILE": "secret"}, tmp_path)
    assert f"{name}_FILE" in caught.value.message
    assert caught.value.hint


def test_a_secret_given_twice_is_refused(tmp_path: Path):
    with pytest.raises(SettingsError, match="both set"):
        read_environment(None, {"GROQ_API_KEY": "a", "GROQ_API_KEY_FILE": "x"}, tmp_path)


def test_other_programs_files_are_left_alone(tmp_path: Path):
    env = {"AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere", "OPENCLAW_LOG_FILE": "/nowhere"}
    assert read_environment(None, env, tmp_path) == env
