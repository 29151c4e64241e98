"""What our own probe makes of a cool-down."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.catalog import shipped
from bot.config.naming import bare_model
from bot.config.schema import ConfigView, view
from bot.messages.cautions import unaccepted_formats
from bot.models import FailureReason, ModelRef
from bot.ports import Cooldown
from bot.routing.chain import ChainContext, Hop, chain_of, scope_of
from bot.routing.confirm import settle, to_probe
from bot.routing.cooldown import CooldownBook, Gate, Scope
from bot.routing.probe import HopVerdict

R = FailureReason
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
OPUS, HAIKU = "anthropic/claude-opus-4-5", "anthropic/claude-haiku-4-5"
ENV = {"ANTHROPIC_API_KEY": "a", "DEEPSEEK_API_KEY": "d", "OPENAI_API_KEY": "o"}
AROUND = ChainContext(shipped(), ENV)


def team(*chain: str, **more: Any) -> ConfigView:
    primary, *fallbacks = chain
    defaults = {"model": {"primary": primary, "fallbacks": fallbacks}, **more}
    return view({"agents": {"defaults": defaults}})


def hops_of(*chain: str) -> tuple[Hop, ...]:
    config = team(*chain)
    return chain_of(config, config.default, AROUND)


def scope(hop: Hop) -> Scope:
    found = scope_of(hop)
    assert found is not None
    return found


def verdict(found: Any) -> HopVerdict:
    return HopVerdict(0, ModelRef("anthropic", "claude-opus-4-5"), found)


@pytest.mark.parametrize(
    ("claimed", "found", "until", "sibling"),
    [
        (R.AUTH, "ok", None, Gate.OPEN),
        (R.MODEL_NOT_FOUND, "ok", None, Gate.OPEN),
        (R.AUTH, R.AUTH, timedelta(hours=5), Gate.COOLING),
        (R.BILLING, R.AUTH, timedelta(hours=5), Gate.COOLING),
        (R.MODEL_NOT_FOUND, R.MODEL_NOT_FOUND, timedelta(days=1), Gate.OPEN),
        (R.AUTH, R.MODEL_NOT_FOUND, timedelta(days=1), Gate.OPEN),
        # What it could not find out changes nothing.
        (R.AUTH, R.TIMEOUT, timedelta(minutes=1), Gate.COOLING),
        (R.AUTH, "skipped", timedelta(minutes=1), Gate.COOLING),
    ],
)
def test_what_a_probe_settles(
    claimed: FailureReason, found: Any, until: timedelta | None, sibling: Gate
):
    book, (hop, other) = CooldownBook(), hops_of(OPUS, HAIKU)
    book.failed(scope(hop), claimed, None, NOW, confirmed=False)
    settle(book, hop, claimed, verdict(found), NOW)
    row = book.row(scope(hop))
    assert (row.until - NOW if row else None) == until
    assert book.gate(scope(other), NOW) is sibling


def test_a_hop_that_is_no_model_settles_nothing():
    book = CooldownBook()
    (hop,) = hops_of("just-a-word")
    settle(book, hop, R.AUTH, verdict("ok"), NOW)
    assert book.rows() == []


def test_whom_to_probe():
    opus, flash = hops_of(OPUS, "deepseek/deepseek-flash")
    gpt, *_ = hops_of("openai/gpt-5")
    later = NOW + timedelta(hours=5)

    def row(scope_name: str, reason: FailureReason, **more: Any) -> Cooldown:
        return Cooldown(scope_name, reason, later, 1, NOW, **more)

    rows = [
        row(scope(opus).key, R.AUTH),
        row(scope(flash).model, R.MODEL_NOT_FOUND),
        # Neither in the chain: by its own name, and by its provider's first model.
        row(scope(gpt).model, R.MODEL_NOT_FOUND),
        row(scope(gpt).key, R.BILLING),
        # Passes by itself; named by its provider; another key; over; nobody's.
        row(scope(flash).key, R.RATE_LIMIT),
        row(scope(flash).key + "0", R.AUTH),
        row(scope(flash).key, R.BILLING, named=True),
        Cooldown(scope(flash).key, R.AUTH, NOW, 1, NOW),
        row("nowhere#none", R.AUTH),
    ]
    config = team(OPUS, "deepseek/deepseek-flash")
    found = to_probe(rows, config, AROUND, NOW)
    assert [(str(hop.ref), reason) for hop, reason in found][:3] == [
        (OPUS, R.AUTH),
        ("deepseek/deepseek-flash", R.MODEL_NOT_FOUND),
        ("openai/gpt-5", R.MODEL_NOT_FOUND),
    ]
    assert found[3][0].ref.provider == "openai"
    assert len(found) == 4


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("claude-opus-4-5", OPUS),
        ("claude-sonnet-4-5", "openrouter/anthropic/claude-sonnet-4.5"),
        ("nightly-7b", "mine/nightly-7b"),
        ("claude-haiku-4-5-20251001", "anthropic/claude-haiku-4-5-20251001"),
        ("gpt-5.1", "openai/gpt-5.1"),
        ("o3-mini", "openai/o3-mini"),
        ("llama9", None),
        ("", None),
        ("nobody/claude-opus-4-5", None),
    ],
)
def test_a_bare_model_id(word: str, meant: str | None):
    document = {
        "models": {
            "providers": {"mine": {"baseUrl": "http://x", "models": [{"id": "nightly-7b"}]}}
        },
        "agents": {
            "defaults": {
                "model": {
                    "primary": OPUS,
                    "fallbacks": ["openrouter/anthropic/claude-sonnet-4.5"],
                }
            }
        },
    }
    found = bare_model(word, view(document), shipped())
    assert (str(found) if found else None) == meant


def test_a_format_that_no_hop_accepts_is_warned_about():
    assert unaccepted_formats(hops_of(OPUS, "openai/gpt-5")) == []
    (found,) = unaccepted_formats(hops_of("openai/gpt-5"))
    assert "Anthropic-format" in found.text
    assert unaccepted_formats(hops_of("just-a-word")) == []
