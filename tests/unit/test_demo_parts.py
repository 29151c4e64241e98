"""The demo's small parts: its clock, its config, its breaker, its books."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pyjson5
import pytest

from adapters.demo import DEMO_CONFIG
from adapters.simulated import lists
from adapters.simulated.breaker import Break, Breaker
from adapters.simulated.clock import SimulatedClock
from adapters.simulated.lists import Account, Scene
from adapters.simulated.models import taken
from bot.catalog import shipped
from bot.errors import UsageError
from bot.models import FailureReason, ModelRef


def test_the_clock_tells_real_time_until_it_jumps() -> None:
    clock = SimulatedClock()
    before = datetime.now(UTC)
    assert before <= clock.now() <= datetime.now(UTC)
    landed = clock.jump(timedelta(days=7))
    assert timedelta(days=7) <= landed - before
    assert clock.now() >= landed
    clock.jump(timedelta(hours=1))
    assert clock.now() - before >= timedelta(days=7, hours=1)


def test_the_clock_does_not_go_back() -> None:
    with pytest.raises(ValueError, match="ahead"):
        SimulatedClock().jump(timedelta(seconds=-1))


def test_the_config_names_each_preset_by_the_model_it_has_today() -> None:
    defaults = pyjson5.decode(DEMO_CONFIG)["agents"]["defaults"]
    aliases = {entry["alias"]: ref for ref, entry in defaults["models"].items() if entry}
    catalog = shipped()
    assert aliases == {
        name: str(catalog.current(preset.model)) for name, preset in catalog.presets.items()
    }
    assert defaults["model"]["primary"] == aliases["best"]
    walked = [catalog.presets[e].model if e in catalog.presets else e for e in catalog.chain]
    expected = [str(catalog.current(ref)) for e in walked if (ref := ModelRef.parse(str(e)))]
    assert defaults["model"]["fallbacks"] == expected


def test_every_model_of_the_config_is_allowed_and_simulated() -> None:
    defaults = pyjson5.decode(DEMO_CONFIG)["agents"]["defaults"]
    for name in (defaults["model"]["primary"], *defaults["model"]["fallbacks"]):
        assert name in defaults["models"]
    for name in defaults["models"]:
        ref = ModelRef.parse(name)
        assert ref is not None
        assert ref.name in taken(ref.provider)


def test_breaking_and_healing() -> None:
    breaker = Breaker(["anthropic", "ollama"])
    assert breaker.break_provider(" Anthropic ", "rate_limit", retry_after_s=7) == Break(
        FailureReason.RATE_LIMIT, 7
    )
    assert breaker.state("anthropic") == Break(FailureReason.RATE_LIMIT, 7)
    assert breaker.state("ollama") is None
    assert list(breaker.broken) == ["anthropic"]
    assert breaker.heal("anthropic")
    assert not breaker.heal("anthropic")
    assert not breaker.broken


@pytest.mark.parametrize(("provider", "reason"), [("acme", "auth"), ("ollama", "tired")])
def test_breaking_what_is_not_there_says_what_is(provider: str, reason: str) -> None:
    breaker = Breaker(["ollama"])
    with pytest.raises(UsageError) as caught:
        breaker.break_provider(provider, reason)
    assert "Use one of" in caught.value.hint
    assert not breaker.broken
    with pytest.raises(UsageError):
        breaker.heal("acme")


def test_openrouters_key_tells_what_the_day_the_week_and_the_month_cost() -> None:
    account = Account()
    now = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    for days_ago, cost in ((0, "1"), (2, "2"), (3, "4"), (40, "8")):
        account.book(now - timedelta(days=days_ago), Decimal(cost))
    data = lists.openrouter_key(Scene(account, now, out_of_money=False))["data"]
    kinds = ("usage_daily", "usage_weekly", "usage_monthly", "usage", "limit_remaining")
    assert [data[kind] for kind in kinds] == [1.0, 3.0, 7.0, 15.0, 35.0]


@pytest.mark.parametrize(
    ("spent", "out_of_money", "amount"),
    [("0", False, "20.00"), ("2.504", False, "17.50"), ("99", False, "0.00"), ("0", True, "0.00")],
)
def test_deepseeks_balance_is_a_string(spent: str, out_of_money: bool, amount: str) -> None:
    account = Account()
    now = datetime(2026, 11, 25, tzinfo=UTC)
    account.book(now, Decimal(spent))
    balance = lists.deepseek_balance(Scene(account, now, out_of_money))
    assert balance["balance_infos"][0]["total_balance"] == amount
    assert balance["is_available"] == (amount != "0.00")
