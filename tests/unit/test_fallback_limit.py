"""/fallback limit: what it skips, how it is shown, and that no walk passes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.access import SERVICE, Actor, Surface
from bot.card import Card, Tone, plain
from bot.catalog import shipped
from bot.commands.cost_budget import check_budget
from bot.config.schema import view
from bot.errors import ExitCode, StorageError
from bot.models import Dialect, FailureReason, ModelRef, Price
from bot.ports import Ceiling, StoredLimit, StoredLimits
from bot.routing.chain import ChainContext, SkipReason
from bot.routing.cooldown import CooldownBook
from bot.routing.limits import Over, hop_limits, parse_limit
from bot.routing.router import Attempts, Candidates, candidates_for
from tests.support.bench_costs import DOLLAR, HOUR, bench_of, spent
from tests.support.fakes_core import ANA, Bench
from tests.unit.test_model_commands import words

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OPUS, FLASH, LLAMA = "anthropic/claude-opus-4-5", "deepseek/deepseek-flash", "ollama/llama3.3"
HAIKU, UNPRICED = "anthropic/claude-haiku-4-5", "groq/some-new-model"
KEYS = {
    "ANTHROPIC_API_KEY": "a",
    "DEEPSEEK_API_KEY": "d",
    "GROQ_API_KEY": "g",
    "OLLAMA_API_KEY": "o",
}


def team(*chain: str) -> dict[str, object]:
    primary, *fallbacks = chain
    return {"agents": {"defaults": {"model": {"primary": primary, "fallbacks": fallbacks}}}}


def skips(card: Card) -> dict[str, str | None]:
    return {hop["model"]: hop["skip_reason"] for hop in card.data["chain"]}


# --- the words -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "means"),
    [
        ("2x", "2x"),
        ("2", "2x"),
        (" 1.50X ", "1.5x"),
        ("10×", "10x"),
        ("1000x", "1000x"),
        ("FREE", "free"),
        ("private", "private"),
    ],
)
def test_a_limit_is_read(typed: str, means: str):
    limit = parse_limit(typed)
    assert str(limit) == means
    assert limit == parse_limit(means)


@pytest.mark.parametrize(
    "typed", ["", "0x", "0", "-2x", "1001x", "x", "2xx", "cheap", "1e3", "nan", "٢x", "2 x 3"]
)
async def test_what_is_no_limit_is_refused_and_nothing_is_set(typed: str):
    assert parse_limit(typed) is None
    bench = Bench()
    card = await bench.say(f"/fallback limit {typed}".rstrip())
    assert card.exit_code is (ExitCode.USAGE if typed else ExitCode.DONE)
    assert (await bench.log.limits(bench.store.location)).limit is None


# --- what is over --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limit", "fallback", "over"),
    [
        ("2x", ("2", "2", None), False),
        ("2x", ("2", "2.01", None), True),
        ("2x", None, True),
        ("2x", ("0", "0", None), False),
        # The same list price, but its cache costs in full what the primary's costs a tenth of.
        ("1.5x", ("1", "1", "1"), True),
        ("1.5x", ("1", "1", "0.1"), False),
        ("free", ("0", "0", None), False),
        ("free", ("0", "0.01", None), True),
        ("free", None, True),
        ("private", ("0", "0", None), True),
    ],
)
def test_what_is_over_a_limit(limit: str, fallback: tuple[str, str, str | None] | None, over: bool):
    first, other = ModelRef("a", "first"), ModelRef("b", "other")
    costs = _price(*fallback) if fallback else None
    prices = {first: Price(Decimal(1), Decimal(1), Decimal("0.1")), other: costs}
    stored = StoredLimits(StoredLimit(limit, "Ana", NOW))
    limits = hop_limits(stored, view(team("a/first", "b/other")), prices.__getitem__, NOW)
    assert limits is not None
    assert (limits.over(other, first, private=False) is not None) is over
    assert (limits.over(other, first, private=True) is not None) is (over and limit != "private")


def _price(fresh: str, output: str, cached: str | None) -> Price:
    return Price(Decimal(fresh), Decimal(output), Decimal(cached) if cached else None)


def test_without_a_price_of_the_first_only_what_is_free_is_within():
    stored = StoredLimits(StoredLimit("2x", "Ana", NOW))
    prices = {
        ModelRef("b", "free"): Price(Decimal(0), Decimal(0)),
        ModelRef("b", "paid"): Price(Decimal(1), Decimal(1)),
    }
    limits = hop_limits(stored, view(team("a/first")), prices.get, NOW)
    assert limits is not None
    assert limits.over(ModelRef("b", "free"), ModelRef("a", "first"), private=False) is None
    over = limits.over(ModelRef("b", "paid"), ModelRef("a", "first"), private=False)
    assert over == Over(parse_limit("2x"), None, Decimal(1))


_MODELS = [f"{p}/{m}" for p, m in product(("anthropic", "deepseek", "ollama", "groq"), "abc")]
_PRICES = st.dictionaries(
    st.sampled_from(_MODELS),
    st.none() | st.tuples(*[st.sampled_from(["0", "0.1", "1", "2", "5", "25"])] * 3),
)
_LIMITS = st.none() | st.sampled_from(["0.5x", "1x", "2x", "10x", "free", "private"])


@given(
    st.lists(st.sampled_from(_MODELS), min_size=1, max_size=6),
    _PRICES,
    _LIMITS,
    st.booleans(),
    st.none() | st.sampled_from(_MODELS),
    st.lists(st.sampled_from([None, *FailureReason]), max_size=20),
)
def test_no_walk_asks_a_fallback_that_is_over(chain, table, limit, spent_budget, asked, fates):
    """The rule, written down a second time: whatever fails, nothing over the limit is asked."""
    prices = {
        ModelRef.parse(name): _price(*rates) if rates else None for name, rates in table.items()
    }
    stored = StoredLimits(
        StoredLimit(limit, "Ana", NOW) if limit else None,
        Ceiling(chain[0], NOW + HOUR) if spent_budget else None,
    )
    config = view(team(*chain))
    limits = hop_limits(stored, config, prices.get, NOW)
    around = ChainContext(shipped(), KEYS, limits=limits)
    lane = candidates_for(asked or "auto", config, around, Dialect.OPENAI)
    sent = list(_walked(lane, fates))
    first = asked or chain[0]
    for name in {name for name in sent if name != first}:
        price = prices.get(ModelRef.parse(name))
        base = prices.get(ModelRef.parse(first))
        if limit == "private":
            assert name.startswith("ollama/")
        elif limit == "free":
            assert price is not None
            assert price.free
        elif limit:
            assert _within(price, base, Decimal(limit[:-1]))
        if spent_budget:
            times = Decimal(limit[:-1]) if limit and limit.endswith("x") else Decimal(1)
            assert _within(price, prices.get(ModelRef.parse(chain[0])), times)
    if first not in sent:
        assert first in {str(hop.ref) for hop, _ in lane.skipped}, (
            "the first choice is the caller's"
        )


def _walked(lane: Candidates, fates: list[FailureReason | None]) -> list[str]:
    book, sent, now = CooldownBook(), [], NOW
    for _ in range(2):
        walk, left = Attempts(lane, book), iter(fates)
        while (candidate := walk.next(now)) is not None:
            sent.append(candidate.name)
            reason = next(left, FailureReason.SERVER_ERROR)
            if reason is None:
                walk.answered(candidate, now)
                break
            walk.failed(candidate, reason, None, now, retry_same=True)
        now += timedelta(minutes=10)
    return sent


def _within(price: Price | None, base: Price | None, times: Decimal) -> bool:
    if price is None:
        return False
    if not price.input_usd_per_1m and not price.output_usd_per_1m:
        return True
    return base is not None and price.blended_usd_per_1m <= base.blended_usd_per_1m * times


# --- the command ---------------------------------------------------------------------------------


async def test_the_limit_is_set_shown_and_lifted():
    bench = Bench(team(HAIKU, OPUS, FLASH, UNPRICED, LLAMA), env=KEYS)
    assert (await bench.say("/fallback limit")).data["limit"] is None
    card = await bench.say("/fallback limit 2x", ANA_OWNER)
    assert (card.data["changed"], card.data["old"], card.data["limit"]) == (True, None, "2x")
    assert "Fallback limit: off → 2x" in words(card)
    assert "skipped: over the 2x limit ($2 → $10)" in words(card)
    assert "skipped: over the 2x limit (price unknown)" in words(card)
    over = SkipReason.OVER_LIMIT
    assert skips(card) == {HAIKU: None, OPUS: over, FLASH: None, UNPRICED: over, LLAMA: None}
    hop = card.data["chain"][1]
    assert hop["over_limit"] == {"most_usd_per_1m": Decimal(2), "costs_usd_per_1m": Decimal(10)}
    status = await bench.say("/fallback status")
    assert status.data["limit"] == "2x"
    assert "Fallback limit 2x. Set by Ana" in words(status)
    assert "Chain: 3 of 5 hops available" in words(status)
    listed = await bench.say("/model list")
    assert "fallback 1, skipped: over the 2x limit" in words(listed)
    assert {row["model"]: row["skip_reason"] for row in listed.data["models"]}[OPUS] == over
    tested = await bench.say("/fallback test")
    assert tested.data["chain_ok"] is False
    assert [hop["reason"] for hop in tested.data["hops"]] == [None, over, None, over, None]
    assert not any("anthropic/claude-opus" in str(r.body) for r in bench.upstream.requests)
    assert (await bench.say("/fallback limit off")).data["old"] == "2x"
    assert set(skips(await bench.say("/model status")).values()) == {None}


ANA_OWNER = Actor(Surface.CLI, "ana", "Ana", owner=True)


async def test_only_an_operator_may_set_it():
    bench = Bench(operators="slack:U9")
    card = await bench.say("/fallback limit private", ANA)
    assert card.exit_code is ExitCode.REFUSED
    assert (await bench.log.limits(bench.store.location)).limit is None


async def test_a_limit_that_leaves_no_fallback_asks_first_and_is_said_from_then_on():
    bench = Bench(team(HAIKU, OPUS), env=KEYS)
    asked = await bench.say("/fallback limit 2x", yes=False)
    assert asked.exit_code is ExitCode.REFUSED
    assert "the 2x limit leaves no fallback" in words(asked)
    assert (await bench.log.limits(bench.store.location)).limit is None
    button = (await bench.app.persist_buttons(asked)).buttons[0]
    await bench.app.click(ANA_OWNER, button.id)
    for line in ("/fallback limit", "/fallback status", "/model status", "/fallback test"):
        card = await bench.say(line)
        warning = next(w for w in card.warnings if w.code == "limit_leaves_none")
        assert plain(warning.said).startswith("The 2x limit leaves no fallback")
        assert card.tone in (Tone.WARNING, Tone.NEUTRAL, Tone.BAD)


async def test_a_chain_that_openclaw_walks_is_not_limited_and_that_is_said():
    bench = Bench({**team(HAIKU, OPUS), "meta": {"lastTouchedVersion": "2026.3.1"}}, env=KEYS)
    card = await bench.say("/fallback limit 2x")
    assert skips(card) == {HAIKU: None, OPUS: None}
    assert [w.code for w in card.warnings] == ["limit_ignored"]
    assert "init --openclaw" in plain(card.warnings[0].step)


async def test_without_a_database_it_cannot_be_set():
    bench = Bench(team(HAIKU, LLAMA), env=KEYS)
    bench.log.fail = StorageError("The database is away.", "Start it.")
    for line in ("/fallback limit", "/fallback limit 2x"):
        assert (await bench.say(line)).error.message == "The database is away."


# --- a spent budget ------------------------------------------------------------------------------


async def test_a_spent_budget_binds_the_fallbacks_while_its_switch_stands():
    bench = await bench_of(spent(1, HOUR, 6 * DOLLAR))
    await bench.say("/fallback set best local")
    await bench.say("/cost budget 5 per day then deepseek/deepseek-flash")
    assert (await bench.say("/fallback status")).data["budget_ceiling"] is None
    await _check(bench)
    card = await bench.say("/fallback status")
    assert card.data["chain"][0]["model"] == FLASH
    assert skips(card)[OPUS] == SkipReason.OVER_BUDGET
    assert card.data["budget_ceiling"]["model"] == FLASH
    assert "over the spent budget's ceiling ($0.26 → $10)" in words(card)
    assert f"Budget used up: no fallback above {FLASH} until" in words(card)
    # A limit stretches the ceiling: 100 times $0.26 allow $10.
    assert skips(await bench.say("/fallback limit 100x"))[OPUS] is None
    await bench.say("/fallback limit off")
    # Somebody who switches on takes the ceiling away with it.
    await bench.say("/model use openai/gpt-5")
    assert skips(await bench.say("/fallback status"))[OPUS] is None


@pytest.mark.parametrize("ending", ["/cost budget off", "/cost budget 500 per day", "period"])
async def test_the_ceiling_ends_with_the_budget(ending: str):
    bench = await bench_of(spent(1, HOUR, 6 * DOLLAR))
    await bench.say("/fallback set best local")
    await bench.say("/cost budget 5 per day then deepseek/deepseek-flash")
    await _check(bench)
    if ending == "period":
        bench.wait(hours=16)
    else:
        await bench.say(ending)
    assert (await bench.say("/fallback status")).data["budget_ceiling"] is None
    await _check(bench)
    assert (await bench.log.limits(bench.store.location)).ceiling is None or ending == "period"


async def test_a_primary_that_was_the_budgets_already_has_its_ceiling_too():
    bench = await bench_of(spent(1, HOUR, 6 * DOLLAR))
    await bench.say(f"/model use {FLASH}")
    await bench.say("/fallback set best local")
    await bench.say("/cost budget 5 per day then deepseek/deepseek-flash")
    await _check(bench)
    await _check(bench)
    assert skips(await bench.say("/fallback status"))[OPUS] == SkipReason.OVER_BUDGET


async def _check(bench: Bench) -> None:
    await check_budget(bench.app.context(SERVICE), bench.outbox)
