"""Progress: lines for a person at a terminal, nothing for a pipe or beside JSON."""

from __future__ import annotations

import asyncio
import io

import pytest

from adapters.terminal.progress import Progress
from bot.card import Card, plain, text
from tests.support.fakes_core import Bench


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("err", "json", "written"),
    [
        (Terminal(), False, "Testing\\x1b\n"),
        (Terminal(), True, ""),
        (io.StringIO(), False, ""),
    ],
)
def test_only_a_person_at_a_terminal_reads_it(err, json, written):
    Progress(err, json=json)(text("Testing\x1b"))
    assert err.getvalue() == written


async def test_a_command_that_says_nothing_for_long_is_still_running():
    err, over = Terminal(), asyncio.Event()

    async def slow() -> Card:
        await over.wait()
        return Card(text("Done"))

    asyncio.get_running_loop().call_later(0.01, over.set)
    card = await Progress(err, json=False, patience_s=0).during(slow())
    assert (plain(card.title), err.getvalue()) == ("Done", "Working …\n")


async def test_the_chain_test_tells_how_many_it_asks_and_each_verdict():
    lines: list[str] = []
    bench = Bench(progress=lambda words: lines.append(plain(words)))
    card = await bench.say("/fallback test")
    assert lines[0] == f"Testing {len(card.data['hops'])} models in parallel, up to 20 s …"
    assert len(lines) == 1 + len(card.data["hops"])
    assert lines[1].startswith("  ")
