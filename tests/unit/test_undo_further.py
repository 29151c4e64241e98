"""`/model undo N`, and `init --openclaw` taken back after later switches."""

from __future__ import annotations

from typing import Any

import pytest

from bot.access import Actor, Surface
from bot.card import Action
from bot.commands.serve import serve
from bot.config.edit import load
from bot.openclaw.serve import GatewayAddress
from tests.support.fakes_core import Bench

RAW = b"""{ agents: { defaults: {
  model: { primary: "anthropic/claude-opus-4-5", fallbacks: ["openrouter/auto"] }, // ours
  models: { "anthropic/claude-opus-4-5": {}, "openrouter/auto": {} },
} } }
"""
OWNER = Actor(Surface.CLI, "root", "root", owner=True)


async def defaults(bench: Bench) -> Any:
    return load((await bench.store.read()).raw)["agents"]["defaults"]


async def served(raw: bytes) -> tuple[Bench, int]:
    bench = Bench(raw)
    ctx = bench.app.context(OWNER, Action("init --openclaw", confirmed=True))
    card = await serve(ctx, GatewayAddress(8787))
    return bench, card.data["change_id"]


async def test_an_older_change_is_undone_where_it_still_stands():
    bench = Bench(RAW)
    chain = await bench.say("/fallback set groq/x")
    await bench.say("/model use anthropic/claude-haiku-4-5")
    card = await bench.say(f"/model undo {chain.data['change_id']} reason wrong chain")
    assert card.error is None
    model = (await defaults(bench))["model"]
    assert model == {"primary": "anthropic/claude-haiku-4-5", "fallbacks": ["openrouter/auto"]}
    (last, *_) = await bench.journal.changes(bench.store.location, 1)
    assert (last.reverts, last.reason) == (chain.data["change_id"], "wrong chain")
    again = await bench.say(f"/model undo {chain.data['change_id']}")
    assert again.error.code == "moved_on"


async def test_a_change_that_moved_on_or_never_was_is_refused():
    bench = Bench(RAW)
    first = await bench.say("/model use groq/x")
    await bench.say("/model use groq/y")
    assert (await bench.say(f"/model undo {first.data['change_id']}")).error.code == "moved_on"
    unknown = await bench.say("/model undo 99")
    assert unknown.error.code == "nothing_to_do"
    assert "change 99" in unknown.error.message


async def test_our_gateway_is_taken_out_again_after_later_switches():
    bench, change_id = await served(RAW)
    await bench.say("/model use groq/x")
    card = await bench.say(f"/model undo {change_id}")
    assert card.error is None
    now = await defaults(bench)
    assert now["model"]["primary"] == "groq/x"
    assert "changeover/auto" not in str(now)
    assert "models" not in load((await bench.store.read()).raw)
    assert b"// ours" in (await bench.store.read()).raw


async def test_it_becomes_the_string_it_was():
    bench, change_id = await served(b'{agents: {defaults: {model: "anthropic/claude-opus-4-5"}}}')
    await bench.say("/model use groq/x")
    await bench.say(f"/model undo {change_id}")
    assert await defaults(bench) == {"model": "groq/x"}


@pytest.mark.parametrize(
    "model", ['"changeover/auto"', '{primary: "a/b", fallbacks: ["changeover/auto"]}']
)
async def test_it_stays_while_an_agent_asks_it(model):
    raw = RAW.replace(b"} } }", b'}, list: [{id: "ops", model: ' + model.encode() + b"}] } }")
    bench, change_id = await served(raw)
    await bench.say("/model use groq/x")
    assert (await bench.say(f"/model undo {change_id}")).error.code == "moved_on"


async def test_there_is_nothing_to_take_out_once_it_stands_first_no_more():
    bench, change_id = await served(RAW)
    bench.store.edit_outside(RAW.replace(b"opus", b"haiku"))
    assert (await bench.say(f"/model undo {change_id}")).error.code == "moved_on"
