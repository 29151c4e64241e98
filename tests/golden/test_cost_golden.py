"""The cards of /cost, /model plan and of approval, word for word."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from bot.access import SERVICE
from bot.commands.cost_budget import check_budget
from bot.commands.cost_digest import weekly_card
from bot.costs.period import week_before
from tests.support.bench_costs import NOW, full_bench, said
from tests.support.fakes_core import ANA

GOLDEN = Path(__file__).parent / "cost"


def same(words: str, name: str) -> bool:
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("CHANGEOVER_GOLDEN") == "write":
        golden.write_text(words, encoding="utf-8")
    return words == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("week", "/cost"),
        ("today-by-key", "/cost today by key"),
        ("compare", "/cost compare"),
        ("budget", "/cost budget 10 per month then cheap"),
        ("export", "/cost export"),
        ("digest", "/cost digest"),
        ("help", "/cost help"),
        ("reprice", "/cost reprice --from 2026-02-01"),
    ],
)
async def test_a_card_reads_as_it_did(name, line):
    assert same(said(await (await full_bench()).say(line)), name)


async def test_a_notice_reads_as_it_did():
    bench = await full_bench()
    await bench.journal.beat("bot", NOW)
    await bench.say("/cost budget 2 per day then cheap")
    await check_budget(bench.app.context(SERVICE), bench.outbox)
    card, _ = bench.outbox.cards()
    assert same(said(card), "notice")


async def test_the_weekly_digest_reads_as_it_did():
    bench = await full_bench(zone="Europe/Berlin")
    await bench.say("/cost budget 10 per month then cheap")
    ctx = bench.app.context(SERVICE)
    card = await weekly_card(ctx, week_before(NOW, ctx.settings.timezone))
    assert same(said(card), "weekly")


async def test_a_plan_reads_as_it_did():
    bench = await full_bench()
    await bench.say("/model plan best sun")
    bench.wait(hours=6)
    await bench.journal.beat("bot", bench.clock.at)
    shown = [said(await bench.say("/model plan local weekdays 18:00-06:30 reason batch"))]
    bench.wait(hours=9)
    await bench.journal.beat("bot", bench.clock.at)
    shown += [said(card) for card in await bench.outbox.run_due(bench.app)]
    for line in ("/model best", "/model plan", "/model status", "/model plan off 2"):
        shown.append(said(await bench.say(line)))
    assert same("\n---\n".join(shown), "plan")


async def test_an_approval_reads_as_it_did():
    bench = await full_bench(operators="slack:U1,slack:U2", approval="dearer:5,cloud")
    bo = replace(ANA, id="U2", name="Bo")
    await bench.say("/model local")
    shown = [said(await bench.say("/model best reason release", ANA))]
    shown += [said(card) for card in await bench.outbox.run_due(bench.app)]
    for line, actor in (
        ("/model pending", ANA),
        ("/model approve 1", ANA),
        ("/model approve 1", bo),
        ("/model history", bo),
    ):
        shown.append(said(await bench.say(line, actor)))
    shown += [said(card) for card in await bench.outbox.run_due(bench.app)]
    await bench.say("/model local")
    await bench.say("/model best reason down", bo)
    shown.append(said(await bench.say("/model override 2 reason deepseek is down", ANA)))
    shown += [said(card) for card in await bench.outbox.run_due(bench.app)]
    assert same("\n---\n".join(shown), "approval")
