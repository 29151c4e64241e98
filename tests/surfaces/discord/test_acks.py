"""The acknowledgement in Discord: in time, once, whatever the network does in between."""

from __future__ import annotations

import pytest

from tests.servers.discord import ANA, DEFERRED, DiscordServer
from tests.support.fakes_core import Bench
from tests.support.fakes_discord import running

OPERATOR = f"discord:{ANA.id}"
CALLBACK = "/callback$"


async def changes(bench: Bench) -> int:
    return len(await bench.journal.changes(bench.store.location, 9))


@pytest.mark.parametrize("status", [500, 503])
async def test_a_fault_of_discords_is_gone_about_at_once(server: DiscordServer, status: int):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench):
        server.fail("POST", CALLBACK, status, times=2)
        asked = await server.command("model cheap")
        assert asked.callback == DEFERRED
        assert await changes(bench) == 1


async def test_a_429_is_waited_out_while_there_is_time(server: DiscordServer):
    async with running(server, Bench()):
        server.slow_down("POST", CALLBACK, via=False)
        asked = await server.command("model status")
        assert asked.callback == DEFERRED
        server.slow_down("POST", CALLBACK, via=True)
        assert (await server.command("model status")).callback == DEFERRED


async def test_an_acknowledgement_that_arrived_though_the_answer_was_lost_counts(
    server: DiscordServer,
):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench):
        server.lose_callbacks = 1
        asked = await server.command("model cheap")
        assert asked.done
        assert await changes(bench) == 1
        assert [path.endswith("/callback") for _, path in server.requests].count(True) == 2


async def test_what_another_process_acknowledged_is_left_to_it(server: DiscordServer, caplog):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench):
        taken = {"message": "Interaction has already been acknowledged.", "code": 40060}
        server.fail("POST", CALLBACK, 400, taken)
        await server.command("model cheap", wait=False)
        await server.until(lambda: "the same DISCORD_BOT_TOKEN was first" in caplog.text)
        await server.command("model status")
        assert await changes(bench) == 0


async def test_a_click_that_comes_twice_counts_once(server: DiscordServer):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench):
        asked = await server.command("model cheap")
        clicked = await server.click(asked.answer, "Undo")
        await server.gateway.dispatch("INTERACTION_CREATE", server.event(clicked))
        await server.command("model status")
        assert len(clicked.followups) == 1


async def test_two_deliveries_at_once_are_one(server: DiscordServer):
    bench = Bench(operators=OPERATOR)
    async with running(server, bench):
        server.fail("POST", CALLBACK, 500)
        asked = await server.command("model cheap", wait=False)
        await server.gateway.dispatch("INTERACTION_CREATE", server.event(asked))
        await server.until(lambda: asked.done)
        await server.command("model status")
        assert await changes(bench) == 1


async def test_work_begins_when_all_are_acknowledged(server: DiscordServer):
    bench = Bench()
    read_at: list[int] = []
    at_once = bench.store.read

    async def counting() -> object:
        read_at.append(sum(1 for e in server.exchanges.values() if e.callback == DEFERRED))
        return await at_once()

    async with running(server, bench):
        bench.store.read = counting  # type: ignore[method-assign, assignment]
        asked = [await server.command("model status", wait=False) for _ in range(20)]
        await server.until(lambda: all(e.done for e in server.exchanges.values()))
    assert len(asked) == 20
    assert min(read_at) >= 10
