"""Pricing: the seven providers' own samples worked out by hand, precedence, nonsense."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.prices import ListedPrices, read_operator_prices
from bot.catalog import shipped
from bot.config.schema import view
from bot.costs.pricing import (
    TokenKind,
    at_size,
    cost_usd,
    lost_cache_usd,
    price_sum,
    price_usage,
    served_price,
    unit_price,
    usd,
)
from bot.costs.usage import MOST_TOKENS, checked, estimate_cut, estimate_whole, uncounted
from bot.dialects.locality import located
from bot.dialects.usage import read_usage
from bot.errors import SettingsError
from bot.models import Aside, Dialect, ModelRef, Price, PriceTier, Usage
from bot.routing.chain import provider_of

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
PEAK = datetime(2026, 11, 20, 2, 0, tzinfo=UTC)
LISTED = ListedPrices(shipped())
EMPTY = view({})


def priced(model, dialect, body, at=NOON, config=EMPTY, prices=LISTED):
    """Price an answer's usage as the gateway does."""
    ref = ModelRef.parse(model)
    assert ref is not None
    provider = located(shipped().providers[ref.provider], {})
    usage = read_usage(Dialect(dialect), provider.id, body)
    assert usage is not None
    return price_usage(usage, unit_price(ref, provider, config, prices, at))


def test_anthropic_counts_cached_input_beside_input():
    # 1,000 x $5 + 20,000 read x $0.50 + 3,000 written for 5 min x $6.25 + 2,000 for 1 h x $10
    # + 500 x $25, by the million = 0.005 + 0.010 + 0.01875 + 0.020 + 0.0125
    body = {
        "usage": {
            "input_tokens": 1000,
            "cache_read_input_tokens": 20000,
            "cache_creation_input_tokens": 5000,
            "cache_creation": {
                "ephemeral_5m_input_tokens": 3000,
                "ephemeral_1h_input_tokens": 2000,
            },
            "output_tokens": 500,
        }
    }
    cost = priced("anthropic/claude-opus-4-5", "anthropic", body)
    assert cost.nano_usd == 66_250_000
    assert {part.kind: part.tokens for part in cost.parts} == {
        TokenKind.INPUT: 1000,
        TokenKind.CACHED_INPUT: 20000,
        TokenKind.CACHE_WRITE: 3000,
        TokenKind.CACHE_WRITE_1H: 2000,
        TokenKind.OUTPUT: 500,
    }
    assert (cost.source, cost.estimated) == ("genai-prices", False)


def test_anthropic_long_context_prices_all_tokens_of_the_call():
    # 200,001 tokens in, over the limit: 1 x $6 + 200,000 read x $0.60 + 1,000 x $22.50
    body = {
        "usage": {
            "input_tokens": 1,
            "cache_read_input_tokens": 200_000,
            "output_tokens": 1000,
        }
    }
    cost = priced("anthropic/claude-sonnet-4-5", "anthropic", body)
    assert cost.nano_usd == 142_506_000
    assert cost.price.tiers == ()
    assert cost.price.input_usd_per_1m == 6
    # One token less is below it: $0.30 and $15.
    body["usage"]["input_tokens"] = 0
    assert priced("anthropic/claude-sonnet-4-5", "anthropic", body).nano_usd == 75_000_000


def test_openai_counts_cached_input_and_reasoning_within():
    # 10,000 in of which 6,000 cached: 4,000 x $1.25 + 6,000 x $0.125; 900 out, 640 of them
    # reasoning: 900 x $10
    body = {
        "usage": {
            "prompt_tokens": 10000,
            "completion_tokens": 900,
            "total_tokens": 10900,
            "prompt_tokens_details": {"cached_tokens": 6000},
            "completion_tokens_details": {"reasoning_tokens": 640},
        }
    }
    assert priced("openai/gpt-5", "openai", body).nano_usd == 14_750_000


def test_openrouter_says_itself_what_a_call_cost():
    body = {"usage": {"prompt_tokens": 1000, "completion_tokens": 100, "cost": 0.00447}}
    cost = priced("openrouter/anthropic/claude-sonnet-4.5", "openai", body)
    assert (cost.nano_usd, cost.source, cost.parts) == (4_470_000, "reported", ())
    free = priced("openrouter/x/y:free", "openai", {"usage": body["usage"] | {"cost": 0}})
    assert (free.nano_usd, free.source) == (0, "reported")


@pytest.mark.parametrize("name", ["meta-llama/llama-4:free", "x/y:free", "openrouter/free"])
def test_what_openrouter_gives_away_is_free_by_its_own_list(name):
    body = {"usage": {"prompt_tokens": 1000, "completion_tokens": 100}}
    cost = priced(f"openrouter/{name}", "openai", body)
    assert (cost.nano_usd, cost.source, cost.estimated) == (0, "catalog", False)
    assert cost.as_of is not None
    # Told otherwise, or beside a search, it is not believed to be nothing.
    told = priced(f"openrouter/{name}", "openai", {"usage": body["usage"] | {"cost": 0.01}})
    assert (told.nano_usd, told.source) == (10_000_000, "reported")
    searched = Usage(1000, 100, web_searches=1)
    price = LISTED.listed(ModelRef("openrouter", name), NOON)
    assert price_usage(searched, price).estimated
    # A proxy that sells it by the same name need not give it away.
    assert LISTED.sold(name, NOON) is None
    assert LISTED.listed(ModelRef("groq", name), NOON) is None


def test_openrouter_without_a_cost_is_priced_from_the_list():
    body = {"usage": {"prompt_tokens": 1000, "completion_tokens": 100}}
    cost = priced("openrouter/anthropic/claude-sonnet-4.5", "openai", body)
    assert (cost.nano_usd, cost.source) == (4_500_000, "genai-prices")


def test_deepseek_splits_hits_from_misses_and_is_dearer_at_its_peak():
    # off-peak 700 x $0.15 + 300 x $0.003 + 200 x $0.60 = 0.000105 + 0.0000009 + 0.00012
    body = {
        "usage": {
            "prompt_tokens": 1000,
            "completion_tokens": 200,
            "prompt_cache_hit_tokens": 300,
            "prompt_cache_miss_tokens": 700,
        }
    }
    assert priced("deepseek/deepseek-flash", "openai", body).nano_usd == 225_900
    assert priced("deepseek/deepseek-flash", "openai", body, at=PEAK).nano_usd == 451_800


def test_groq_bills_cached_input_at_half():
    # 2,000 in of which 1,000 cached: 1,000 x $0.15 + 1,000 x $0.075; 100 x $0.60
    body = {
        "x_groq": {
            "usage": {
                "prompt_tokens": 2000,
                "completion_tokens": 100,
                "prompt_tokens_details": {"cached_tokens": 1000},
            }
        }
    }
    assert priced("groq/openai/gpt-oss-120b", "openai", body).nano_usd == 285_000


def test_gemini_counts_thoughts_beside_the_answer():
    # 10,000 in of which 4,000 cached: 6,000 x $1.25 + 4,000 x $0.125; 300 + 700 out x $10
    body = {
        "usageMetadata": {
            "promptTokenCount": 10000,
            "cachedContentTokenCount": 4000,
            "candidatesTokenCount": 300,
            "thoughtsTokenCount": 700,
            "totalTokenCount": 11000,
        }
    }
    assert priced("gemini/gemini-2.5-pro", "gemini", body).nano_usd == 18_000_000
    # Above 200,000 in: 250,000 x $2.50 + 100 x $15
    long = {"usageMetadata": {"promptTokenCount": 250_000, "candidatesTokenCount": 100}}
    assert priced("gemini/gemini-2.5-pro", "gemini", long).nano_usd == 626_500_000


def test_ollama_costs_nothing():
    cost = priced("ollama/llama3.3", "ollama", {"prompt_eval_count": 900, "eval_count": 80})
    assert (cost.nano_usd, cost.source) == (0, "local")


def test_a_model_nobody_knows_is_unpriced_and_not_free():
    body = {"usage": {"prompt_tokens": 5, "completion_tokens": 5}}
    cost = priced("openai/never-heard-of", "openai", body)
    assert (cost.nano_usd, cost.source, cost.parts) == (None, "unpriced", ())
    assert cost_usd(Usage(5, 5), None) is None


def test_a_retired_model_keeps_its_last_price():
    body = {"usage": {"prompt_tokens": 1_000_000, "completion_tokens": 0}}
    cost = priced("deepseek/deepseek-chat", "openai", body)
    assert (cost.nano_usd, cost.source) == (140_000_000, "catalog")


OWN = {
    "models": {
        "providers": {
            "openrouter": {
                "baseUrl": "https://openrouter.ai/api/v1",
                "models": [{"id": "a/b", "cost": {"input": 2, "output": 4, "cacheRead": 1}}],
            },
            "openai": {
                "baseUrl": "https://api.openai.com/v1",
                "models": [{"id": "gpt-5", "cost": {"input": 0, "output": 0}}],
            },
        }
    }
}


def test_the_operators_price_stands_before_what_the_provider_reports():
    body = {"usage": {"prompt_tokens": 1000, "completion_tokens": 0, "cost": 0.5}}
    assert priced("openrouter/a/b", "openai", body).nano_usd == 500_000_000
    cost = priced("openrouter/a/b", "openai", body, config=view(OWN))
    assert (cost.nano_usd, cost.source) == (2_000_000, "config")
    own = ListedPrices(
        shipped(), {ModelRef("openrouter", "a/b"): Price(Decimal(7), Decimal(7), source="operator")}
    )
    cost = priced("openrouter/a/b", "openai", body, config=view(OWN), prices=own)
    assert (cost.nano_usd, cost.source) == (7_000_000, "operator")


def test_zeros_that_a_wizard_wrote_are_no_price():
    body = {"usage": {"prompt_tokens": 1000, "completion_tokens": 0}}
    cost = priced("openai/gpt-5", "openai", body, config=view(OWN))
    assert (cost.nano_usd, cost.source) == (1_250_000, "genai-prices")


@pytest.mark.parametrize("value", [-1, "1e30", "abc", True, None, float("nan")])
def test_a_price_that_is_none_is_left_out(value):
    config = {
        "models": {
            "providers": {"mine": {"models": [{"id": "m", "cost": {"input": value, "output": 1}}]}}
        }
    }
    assert unit_price(ModelRef("mine", "m"), None, view(config), LISTED, NOON) is None


def test_what_really_answered_is_what_is_priced():
    deepseek = shipped().provider("deepseek")
    asked = ModelRef("deepseek", "claude-opus-4-5")
    price = served_price(asked, "deepseek-flash", deepseek, EMPTY, LISTED, NOON)
    assert price.input_usd_per_1m == Decimal("0.15")
    openai, gpt = shipped().provider("openai"), ModelRef("openai", "gpt-5")
    dated = served_price(gpt, "gpt-5-2025-08-07", openai, EMPTY, LISTED, NOON)
    assert dated.input_usd_per_1m == Decimal("1.25")
    odd = served_price(gpt, "who-knows", openai, EMPTY, LISTED, NOON)
    assert odd.input_usd_per_1m == Decimal("1.25")
    own = ListedPrices(shipped(), {gpt: Price(Decimal(9), Decimal(9), source="operator")})
    assert served_price(gpt, "gpt-4o", openai, EMPTY, own, NOON).source == "operator"


def test_a_cache_write_for_an_hour_without_a_price_of_its_own():
    usage = Usage(1_000_000, 0, 0, 1_000_000, 1_000_000)
    only_5m = Price(Decimal(5), Decimal(25), cache_write_usd_per_1m=Decimal("6.25"))
    assert price_usage(usage, only_5m).nano_usd == 10_000_000_000
    assert price_usage(usage, Price(Decimal(5), Decimal(25))).nano_usd == 5_000_000_000


@pytest.mark.parametrize(
    "usage",
    [
        Usage(1000, 0, audio_input_tokens=10),
        Usage(1000, 0, web_searches=1),
        Usage(1000, 0, terms="priority"),
        Usage(0, 1000, audio_output_tokens=10),
    ],
)
def test_what_the_price_does_not_cover_makes_it_an_estimate(usage):
    cost = price_usage(usage, Price(Decimal(1), Decimal(1)))
    assert (cost.nano_usd, cost.estimated) == (1_000_000, True)
    assert not price_usage(usage, Price(Decimal(0), Decimal(0), source="local")).estimated
    reported = replace(usage, reported_cost_usd=Decimal(1))
    assert not price_usage(reported, Price(Decimal(1), Decimal(1))).estimated


def test_a_total_is_rounded_once_half_up():
    # 5 x 0.0001 + 5 x 0.0001 nano-dollars and so on: each part alone would vanish.
    price = Price(Decimal("0.0001"), Decimal("0.0001"), cached_input_usd_per_1m=Decimal("0.0001"))
    assert price_usage(Usage(4, 1, 2), price).nano_usd == 1
    assert price_usage(Usage(3, 1), price).nano_usd == 0
    assert usd(1) == Decimal("0.000000001")


def test_a_later_price_of_a_tier_is_not_used_below_it():
    tiers = (PriceTier(10, Decimal(2), Decimal(4)), PriceTier(20, Decimal(3), Decimal(6)))
    price = Price(Decimal(1), Decimal(2), tiers=tiers, as_of=date(2026, 1, 1))
    rates = [at_size(price, size).input_usd_per_1m for size in (0, 10, 11, 20, 21)]
    assert rates == [1, 1, 2, 2, 3]
    assert at_size(price, 30).as_of == date(2026, 1, 1)
    assert price_sum(Usage(21, 0), price) == 21_000


@pytest.mark.parametrize(
    ("usage", "clean"),
    [
        (Usage(-5, -1), Usage()),
        (Usage(MOST_TOKENS + 1, 3), Usage(0, 3)),
        (Usage(10, 5, 20, 20, 20, 9), Usage(10, 5, 10, 0, 0, 5)),
        (Usage(10, 5, 4, 20, 20, 2), Usage(10, 5, 4, 6, 6, 2)),
        (
            Usage(3, 3, 1, audio_input_tokens=9, audio_output_tokens=9, web_searches=10**9),
            Usage(3, 3, 1, audio_input_tokens=2, audio_output_tokens=3, web_searches=10_000),
        ),
        (Usage(1, 1, reported_cost_usd=Decimal(-1)), Usage(1, 1)),
        (Usage(1, 1, reported_cost_usd=Decimal("NaN")), Usage(1, 1)),
        (Usage(1, 1, reported_cost_usd=Decimal("1e12")), Usage(1, 1)),
    ],
)
def test_counts_that_cannot_be_true_are_as_good_as_none(usage, clean):
    assert checked(usage) == clean


def test_what_broke_off_costs_what_was_used_of_it():
    assert estimate_cut(None, request_bytes=400, answer_bytes=41) == (Usage(100, 11), True)
    counted = Usage(90, 0, 50)
    assert estimate_cut(counted, request_bytes=400, answer_bytes=8) == (Usage(90, 2, 50), True)
    whole = Usage(90, 7)
    assert estimate_cut(whole, request_bytes=400, answer_bytes=8) == (whole, False)
    assert estimate_cut(None, request_bytes=-1, answer_bytes=0) == (Usage(), False)
    cost = price_usage(Usage(100, 11), Price(Decimal(1), Decimal(1)), estimated=True)
    assert cost.estimated


counts = st.integers(-10, 2 * MOST_TOKENS)
rates = st.decimals(0, 1_000_000, places=6)


@given(st.builds(Usage, counts, counts, counts, counts, counts, counts), rates, rates, rates)
def test_every_token_is_priced_once(usage, given, output, cached):
    price = Price(given, output, cached_input_usd_per_1m=cached, cache_write_usd_per_1m=given)
    cost, clean = price_usage(usage, price), checked(usage)
    tokens = sum(part.tokens for part in cost.parts)
    assert tokens == clean.input_tokens + clean.output_tokens
    assert cost.nano_usd is not None
    assert cost.nano_usd >= 0
    exact = sum(part.cost_usd for part in cost.parts)
    assert abs(usd(cost.nano_usd) - exact) <= Decimal("0.0000000005")


def test_the_prices_file_may_price_a_cache_for_an_hour(tmp_path):
    path = tmp_path / "prices.toml"
    path.write_text(
        '["a/b"]\ninput_usd_per_1m = 1.5\noutput_usd_per_1m = 3\n'
        "cached_input_usd_per_1m = 0.1\ncache_write_usd_per_1m = 2\n"
        "cache_write_1h_usd_per_1m = 4\n"
    )
    price = read_operator_prices(path)[ModelRef("a", "b")]
    assert price.cache_write_1h_usd_per_1m == 4
    assert price.source == "operator"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ('["a/b"]\ninput_usd_per_1m = 1', "needs both"),
        ('["a/b"]\ninput_usd_per_1m = -1\noutput_usd_per_1m = 1', "not a price"),
        ('["a/b"]\ninput_usd_per_1m = 1e30\noutput_usd_per_1m = 1', "not a price"),
        ('["a/b"]\ninput_usd_per_1m = true\noutput_usd_per_1m = 1', "not a price"),
        ('["a/b"]\nprice = 1', "'price'"),
        ("[nobody]\nx = 1", "not a provider/model table"),
        ("[", "not TOML"),
    ],
)
def test_a_prices_file_with_a_mistake_says_where(tmp_path, words, said):
    path = tmp_path / "prices.toml"
    path.write_text(words)
    with pytest.raises(SettingsError) as error:
        read_operator_prices(path)
    assert said in error.value.message


def test_a_missing_prices_file_is_named(tmp_path):
    with pytest.raises(SettingsError) as error:
        read_operator_prices(tmp_path / "none.toml")
    assert "none.toml" in error.value.message


def test_prices_are_known_by_the_quarter_of_an_hour():
    prices = ListedPrices(shipped())
    flash = ModelRef("deepseek", "deepseek-flash")
    before = datetime(2026, 11, 20, 0, 59, 59, tzinfo=UTC)
    assert prices.listed(flash, before).input_usd_per_1m == Decimal("0.15")
    assert prices.listed(flash, PEAK).input_usd_per_1m == Decimal("0.3")
    assert prices.knows(flash)
    assert prices.knows(ModelRef("openai", "gpt-4o"))
    assert not prices.knows(ModelRef("openai", "never-heard-of"))
    assert prices.context_window(ModelRef("openai", "gpt-5")) == 400_000
    assert prices.context_window(ModelRef("openai", "never-heard-of")) is None


def test_a_compaction_costs_what_its_model_does_and_an_advisor_what_its_own_does():
    # 23,000 x $3 + 1,000 x $15; compaction 100 x $3 + 180,000 read x $0.30 + 3,500 x $15;
    # advisor 900 x $4 + 300 x $20, by the million: 0.084 + 0.1068 + 0.0096
    asides = (
        Aside(Usage(180_100, 3_500, cached_input_tokens=180_000)),
        Aside(Usage(900, 300), "claude-opus-5-5"),
    )
    usage = Usage(23_000, 1_000, asides=asides)
    sonnet, opus = (
        LISTED.listed(ModelRef("anthropic", name), NOON)
        for name in ("claude-sonnet-4-5", "claude-opus-5-5")
    )
    cost = price_usage(usage, sonnet, price_of={"claude-opus-5-5": opus}.get)
    assert (cost.nano_usd, cost.estimated, cost.price) == (200_400_000, False, None)
    without = price_usage(usage, sonnet)
    assert (without.nano_usd, without.estimated) == (190_800_000, True)


def test_terms_apply_one_after_another():
    price = LISTED.listed(ModelRef("anthropic", "claude-opus-5-5"), NOON)
    fast = dict(price.variants)["fast"]
    usage = Usage(1000, 100, terms="fast us")
    cost = price_usage(usage, price)
    expected = (1000 * fast.input_usd_per_1m + 100 * fast.output_usd_per_1m) * Decimal("1.1") * 1000
    assert (cost.nano_usd, cost.estimated) == (int(expected), False)
    assert price_usage(replace(usage, terms="us fast"), price).nano_usd == cost.nano_usd
    unknown = price_usage(replace(usage, terms="fast mars"), price)
    assert unknown.estimated
    assert unknown.nano_usd == price_usage(replace(usage, terms="fast"), price).nano_usd


def test_what_is_not_understood_marks_the_cost():
    cost = price_usage(Usage(10, 1, doubtful=True), Price(Decimal(1), Decimal(1)))
    assert (cost.nano_usd, cost.estimated) == (11_000, True)


def test_gemini_draws_and_hears_at_prices_of_their_own():
    # 20 text x $0.30 + 20 heard x $1 + 60 heard from the cache x $0.10 + 10 x $2.50
    flash = LISTED.listed(ModelRef("gemini", "gemini-2.5-flash"), NOON)
    heard = Usage(100, 10, cached_input_tokens=60, audio_input_tokens=20, cached_audio_tokens=60)
    assert price_usage(heard, flash).nano_usd == 57_000
    image = LISTED.listed(ModelRef("gemini", "gemini-2.5-flash-image"), NOON)
    drawn = price_usage(Usage(10, 1290, image_output_tokens=1290), image)
    # 10 x $0.30 + 1,290 x $30
    assert (drawn.nano_usd, drawn.estimated) == (38_703_000, False)
    assert price_usage(Usage(10, 5, image_output_tokens=5), flash).estimated


@pytest.mark.parametrize(
    ("at", "dear"),
    [
        ("2026-11-27T02:00", True),  # a Friday
        ("2026-11-27T05:00", False),
        ("2026-11-28T02:00", False),  # a Saturday
        ("2026-11-29T09:59", False),
        ("2026-10-05T02:00", False),  # a Monday, but a holiday in China
        ("2026-10-09T02:00", True),
    ],
)
def test_deepseeks_peak_is_on_workdays(at, dear):
    price = LISTED.listed(
        ModelRef("deepseek", "deepseek-flash"), datetime.fromisoformat(at).replace(tzinfo=UTC)
    )
    assert price.input_usd_per_1m == Decimal("0.30" if dear else "0.15")


def test_a_row_has_the_price_of_its_own_time():
    ref = ModelRef("deepseek", "deepseek-v4-pro")
    july, now = (LISTED.listed(ref, datetime(2026, month, 18, 12, tzinfo=UTC)) for month in (7, 11))
    assert (july.input_usd_per_1m, now.input_usd_per_1m) == (Decimal("0.435"), Decimal("0.66"))


def proxy(**cost):
    row = {"id": "gpt-5", **({"cost": cost} if cost else {})}
    table = {"baseUrl": "http://127.0.0.1:4000", "models": [row, {"id": "ours", "cost": cost}]}
    return view({"models": {"providers": {"litellm": table}}})


def proxied(name, config, env=None):
    ref = ModelRef("litellm", name)
    provider = provider_of(ref, config, shipped(), env or {})
    return unit_price(ref, provider, config, LISTED, NOON)


def test_a_proxy_on_loopback_is_not_free():
    for config in (proxy(), proxy(input=0, output=0)):
        price = proxied("gpt-5", config)
        assert (price.input_usd_per_1m, price.assumed) == (Decimal("1.25"), True)
        assert price_usage(Usage(1000, 0), price).estimated
        assert proxied("anthropic/claude-opus-4-5", config).output_usd_per_1m == 25
        assert proxied("never-heard-of", config) is None


def test_zeros_hold_for_a_name_that_no_vendor_sells():
    assert proxied("ours", proxy(input=0, output=0)).free
    assert proxied("ours", proxy()) is None


def test_what_the_team_vouches_for_is_free():
    config, env = proxy(), {"CHANGEOVER_PRIVATE": "litellm"}
    assert proxied("gpt-5", config, env).free
    assert proxied("gpt-5", proxy(input=3, output=4), env).input_usd_per_1m == 3
    assert proxied("x:cloud", config, env) is None


def test_a_reported_cost_goes_before_an_assumed_price():
    price = proxied("gpt-5", proxy())
    cost = price_usage(Usage(1000, 0, reported_cost_usd=Decimal("0.5")), price)
    assert (cost.nano_usd, cost.source, cost.estimated) == (500_000_000, "reported", False)


@pytest.mark.parametrize(
    ("price", "usd"),
    [
        # Written to the cache once at 6.25 where it had been read at 0.50.
        (Price(Decimal(5), Decimal(25), Decimal("0.5"), Decimal("6.25")), "0.575"),
        (Price(Decimal("0.3"), Decimal(1), Decimal("0.003")), "0.0297"),
        (Price(Decimal(5), Decimal(25)), "0"),
        (Price(Decimal(0), Decimal(0), Decimal(0)), "0"),
    ],
)
def test_what_a_lost_cache_costs(price: Price, usd: str):
    assert lost_cache_usd(100_000, price) == Decimal(usd)


@pytest.mark.parametrize(
    ("counted", "filled", "estimated"),
    [
        (None, Usage(10, 5), True),
        (Usage(0, 0), Usage(10, 5), True),
        (Usage(0, 7), Usage(10, 7), True),
        (Usage(30, 0), Usage(30, 5), True),
        (Usage(30, 7), Usage(30, 7), False),
    ],
)
def test_a_whole_answer_is_never_free_for_want_of_a_count(counted, filled, estimated):
    assert estimate_whole(counted, request_bytes=40, answer_bytes=20) == (filled, estimated)
    assert uncounted(counted) is estimated


def test_an_answer_without_text_has_no_output_and_a_billed_one_needs_no_count():
    assert estimate_whole(Usage(30, 0), request_bytes=40, answer_bytes=0) == (Usage(30, 0), False)
    assert not uncounted(Usage(0, 0, reported_cost_usd=Decimal("0.01")))
