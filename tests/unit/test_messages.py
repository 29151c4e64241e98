"""Words that only appear when something is off: hints, money, cautions."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest

from bot.messages.words import change_in_price, counted, listed, money, per_million, tokens, unit
from bot.models import FailureReason, Price
from tests.support.fakes_core import KEYS, Bench
from tests.unit.test_model_commands import words


def price(input_usd: str, output_usd: str) -> Price:
    return Price(Decimal(input_usd), Decimal(output_usd))


@pytest.mark.parametrize(
    ("amount", "shown"),
    [
        ("0", "$0.00"),
        ("0.93", "$0.93"),
        ("12345.6", "$12,345.60"),
        ("-3.1", "-$3.10"),
        ("0.00041", "$0.00041"),
        ("0.0000000004", "<$0.000001"),
    ],
)
def test_money(amount, shown):
    assert money(Decimal(amount)) == shown


@pytest.mark.parametrize(
    ("amount", "shown"), [("5", "$5"), ("0.15", "$0.15"), ("0.5", "$0.50"), ("0.435", "$0.435")]
)
def test_unit_prices(amount, shown):
    assert unit(Decimal(amount)) == shown


def test_prices_compared():
    assert change_in_price(None, price("1", "1")) is None
    assert change_in_price(price("1", "1"), price("1", "1")) == "the same price"
    assert change_in_price(price("0", "0"), price("1", "1")) == "free before"
    assert change_in_price(price("1", "1"), price("0", "0")) == "free now"
    assert change_in_price(price("1", "1"), price("1.5", "1.5")) == "50% more"
    assert change_in_price(price("1", "1"), price("4", "4")) == "4× the price"
    assert per_million(None) == "price unknown"


def test_counting_words():
    assert (tokens(None), tokens(200_000), tokens(1_048_576), tokens(12)) == (
        "unknown", "200K", "1M", "12",
    )  # fmt: skip
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert counted(1, "day") == "1 day"
    assert counted(2, "reply", "replies") == "2 replies"


def config(primary: str, *fallbacks: str, **more: object) -> dict:
    model = {"primary": primary, "fallbacks": list(fallbacks)}
    return {"agents": {"defaults": {"model": model}}, **more}


HINTS = [
    (401, {"error": {"message": "bad key", "code": "invalid_api_key"}}, "auth", "Renew"),
    (402, {"error": {"message": "no credit"}}, "billing", "Add credit at"),
    (429, {"error": {"message": "slow down"}}, "rate_limit", "/fallback test"),
    (503, {"error": {"message": "down"}}, "server_error", "/fallback test"),
    (200, {}, "bad_response", "/model list"),
]


@pytest.mark.parametrize(("status", "body", "verdict", "hint"), HINTS)
async def test_each_fault_has_its_next_step(status, body, verdict, hint):
    bench = Bench(config("openai/gpt-5"), env={"OPENAI_API_KEY": "k"})
    bench.upstream.fail("api.openai.com", status, body)
    hop = (await bench.say("/fallback test")).data["hops"][0]
    assert hop["verdict"] == verdict
    assert hint in hop["hint"]


@pytest.mark.parametrize("reason", [FailureReason.NETWORK, FailureReason.TIMEOUT])
async def test_a_provider_that_is_not_reached(reason):
    bench = Bench(config("openai/gpt-5"), env={"OPENAI_API_KEY": "k"})
    bench.upstream.break_off("api.openai.com", reason)
    hop = (await bench.say("/fallback test")).data["hops"][0]
    assert hop["verdict"] == reason
    assert hop["hint"]


async def test_a_local_server_that_is_down():
    providers = {"mine": {"baseUrl": "http://127.0.0.1:9/v1", "models": [{"id": "x"}]}}
    bench = Bench(config("mine/x", models={"providers": providers}))
    bench.upstream.break_off("127.0.0.1:9", FailureReason.NETWORK)
    hop = (await bench.say("/fallback test")).data["hops"][0]
    assert "Start the server behind mine/x" in hop["hint"]


async def test_a_local_model_that_is_not_pulled():
    bench = Bench(config("openai/gpt-5", "ollama/llama9"), env=KEYS | {"OPENAI_API_KEY": "k"})
    bench.upstream.fail("11434", 404, {"error": "model 'llama9' not found, try pulling it first"})
    hop = (await bench.say("/fallback test")).data["hops"][1]
    assert hop["hint"] == "ollama pull llama9"


async def test_hops_that_cannot_be_asked_say_why():
    providers = {"odd": {"baseUrl": "http://x/v1", "api": "telepathy", "models": [{"id": "x"}]}}
    bench = Bench(
        config(
            "openai/gpt-5", "odd/x", "nowhere/y", "just-a-word", models={"providers": providers}
        ),
        env={"OPENAI_API_KEY": "k"},
    )
    card = await bench.say("/fallback test")
    assert [hop["verdict"] for hop in card.data["hops"]] == ["ok", "skipped", "skipped", "skipped"]
    codes = {w["code"] for w in (await bench.say("/model status")).data["warnings"]}
    assert {"unsupported_api", "unknown_provider", "not_a_model"} <= codes


async def test_agents_of_their_own_and_an_empty_chain_are_told():
    bench = Bench({"agents": {"defaults": {}, "list": [{"id": "ops", "model": "a/b"}]}})
    card = await bench.say("/model status")
    codes = [w["code"] for w in card.data["warnings"]]
    assert "no_primary" in codes
    assert "agent_models" in codes
    assert "Agent ops: " in words(await bench.say("/model status agent ops"))
    alone = await Bench(config("openai/gpt-5")).say("/model status")
    assert "no_fallbacks" in [w["code"] for w in alone.data["warnings"]]


async def test_an_alias_in_no_list_is_guessed_at():
    card = await Bench().say("/model use deepseek/deepseek-flsh")
    caution = next(w for w in card.data["warnings"] if w["code"] == "unknown_model")
    assert "deepseek/deepseek-flash" in caution["text"]


async def test_an_expensive_unknown_is_no_question():
    card = await Bench().say("/model use openrouter/some/thing", yes=False)
    assert card.ok
    assert card.data["price_ratio"] is None


async def test_operators_prices_win():
    bench = Bench(prices={"anthropic/claude-opus-4-5": ("1", "2")})
    hop = (await bench.say("/model status")).data["chain"][0]
    assert hop["price"]["source"] == "operator"


def test_the_catalogs_dates_are_dates():
    from bot.catalog import parse_catalog, shipped

    assert shipped().as_of >= date(2026, 11, 22)
    with pytest.raises(KeyError):
        parse_catalog("")
