"""/cost as a person sees it, on a ledger in memory."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from adapters.terminal.as_json import render_json
from bot.access import SERVICE
from bot.commands.cost_bills import read_bills
from bot.commands.cost_budget import check_budget
from bot.commands.cost_export import MOST_ROWS
from bot.errors import ConfigUnreadableError, ExitCode, StorageError
from bot.models import Price, Usage
from bot.ports import Bill, BillAnswer, BillRead, MeterReading
from tests.support.bench_costs import (
    DAY,
    DOLLAR,
    FLASH,
    HOUR,
    LISTED,
    LLAMA,
    NOW,
    OPUS,
    TEAM,
    bench_of,
    full_bench,
    said,
    spent,
)
from tests.support.fakes_core import ANA, GUEST, Bench
from tests.support.fakes_costs import FakeBills

# --- spend ----------------------------------------------------------------------------------------


async def test_the_week_is_the_last_seven_days_dearest_model_first():
    data = (await (await bench_of(*TEAM)).say("/cost")).data
    assert (data["from"], data["to"]) == (NOW - 7 * DAY, NOW)
    assert data["total_usd"] == Decimal("5.5")
    assert (data["requests"], data["fallback_requests"]) == (5, 1)
    assert [group["key"] for group in data["groups"]] == [OPUS, FLASH, LLAMA, "x/unheard"]
    opus = data["groups"][0]
    assert (opus["cost_usd"], opus["requests"]) == (5, 2)
    assert (opus["input_tokens"], opus["cached_input_tokens"]) == (2000, 800)
    assert (opus["output_tokens"], opus["reasoning_tokens"]) == (200, 0)
    assert data["previous_total_usd"] == 4
    assert data["change_percent"] == Decimal("37.50")
    assert data["fallback_cost_usd"] == Decimal("0.5")


async def test_an_unpriced_model_is_counted_and_never_free():
    card = await (await bench_of(*TEAM)).say("/cost")
    groups = {group["key"]: group["cost_usd"] for group in card.data["groups"]}
    assert groups["x/unheard"] is None
    assert groups[LLAMA] == 0
    assert card.data["unpriced"] == [{"model": "x/unheard", "requests": 1}]
    assert "CHANGEOVER_PRICES" in said(card)
    only = await (await bench_of(spent(1, HOUR, None, "x/y"))).say("/cost today")
    assert only.data["total_usd"] is None
    assert "unpriced today" in said(only)


@pytest.mark.parametrize(
    ("line", "keys"),
    [
        ("/cost by provider", ["anthropic", "deepseek", "ollama", "x"]),
        ("/cost week by key", ["ana", "batch", ""]),
        ("/cost 36h by day", ["2026-03-01", "2026-03-02"]),
        ("/cost since 90 min", [OPUS]),
        ("/cost today by model", [OPUS]),
        ("/cost month by provider", ["anthropic", "deepseek", "ollama", "x"]),
    ],
)
async def test_spend_by_each_kind(line, keys):
    card = await (await bench_of(*TEAM)).say(line)
    assert [group["key"] for group in card.data["groups"]] == keys
    assert card.ok
    assert sum(group["requests"] for group in card.data["groups"]) == card.data["requests"]


async def test_month_is_thirty_days_and_today_begins_at_midnight_in_the_teams_zone():
    bench = await bench_of(*TEAM, zone="Asia/Kolkata")
    month = (await bench.say("/cost month")).data
    assert month["from"] == NOW - 30 * DAY
    assert month["total_usd"] == Decimal("10.5")
    today = (await bench.say("/cost today")).data
    assert today["from"] == datetime(2026, 3, 1, 18, 30, tzinfo=UTC)
    assert today["previous_total_usd"] == Decimal("2.5")


async def test_nothing_is_compared_with_what_was_not_counted():
    card = await (await bench_of(*TEAM)).say("/cost month")
    assert card.data["previous_total_usd"] is None
    assert card.data["counts_since"] == NOW - 20 * DAY
    assert "Recorded since 2026-02-10 09:00." in said(card)


async def test_an_empty_ledger_says_how_it_is_filled():
    card = await Bench().say("/cost")
    assert card.data["total_usd"] == 0
    assert card.data["groups"] == []
    assert "changeover run" in said(card)
    quiet = await (await bench_of(spent(1, 9 * DAY, DOLLAR))).say("/cost today")
    assert "No requests today" in said(quiet)
    assert "Recorded since 2026-02-21" in said(quiet)


async def test_where_a_price_came_from_is_told():
    rows = (
        spent(1, HOUR, 5, usage=Usage(10, 1, reported_cost_usd=Decimal("0.01"))),
        spent(2, HOUR, 5, "a/own", price=replace(LISTED, source="operator")),
        spent(3, HOUR, 5, "a/asides", price=None),
        spent(4, HOUR, 0, LLAMA, price=Price(Decimal(0), Decimal(0), source="local")),
    )
    card = await (await bench_of(*rows)).say("/cost")
    sources = {s["source"]: s["models"] for s in card.data["price_sources"]}
    assert sources == {
        "operator": ["a/own"],
        "reported": [OPUS],
        "local": [LLAMA],
        "several": ["a/asides"],
    }
    assert [group["price_source"] for group in card.data["groups"]] == [
        "several",
        "operator",
        "reported",
        "local",
    ]
    assert "reported by the provider for" in said(card)


async def test_bills_stand_beside_the_estimate_of_the_same_days():
    bench = await bench_of(*TEAM)
    await bench.ledger.add_bills(
        [Bill("anthropic", date(2026, 2, 23) + n * DAY, DOLLAR, NOW - 3 * HOUR) for n in range(7)]
    )
    await bench.bill_log.note(BillRead("openai", NOW, "It refused the key (401).", "Renew it."))
    card = await bench.say("/cost")
    billed = card.data["billed"][0]
    # The whole UTC days of the week are the 24th to the 1st.
    assert (billed["provider"], billed["amount_usd"], billed["estimated_usd"]) == (
        "anthropic",
        6,
        2,
    )
    assert (billed["gap_usd"], billed["as_of"]) == (4, NOW - 3 * HOUR)
    assert "$4.00 more than the $2.00 recorded; read 3 h ago" in said(card)
    assert "No bill from openai: It refused the key (401)." in said(card)
    assert card.data["total_usd"] == Decimal("5.5")


async def test_a_bill_of_a_provider_that_was_not_used_here():
    bench = await bench_of(*TEAM)
    day = date(2026, 2, 28)
    await bench.ledger.add_bills([Bill("openai", day, DOLLAR, NOW), Bill("deepseek", day, 0, NOW)])
    card = await bench.say("/cost")
    gaps = {billed["provider"]: billed["gap_usd"] for billed in card.data["billed"]}
    assert gaps == {"openai": 1, "deepseek": 0}
    assert "same as recorded" in said(card)


async def test_many_groups_are_cut_in_the_table_and_not_in_the_data():
    rows = [spent(n, HOUR, DOLLAR, f"x/m{n:02}") for n in range(40)]
    card = await (await bench_of(*rows)).say("/cost")
    assert len(card.data["groups"]) == 40
    assert len(card.table.rows) == 30
    assert "10 more rows" in said(card)


async def test_costs_are_told_while_the_config_is_broken():
    bench = await bench_of(*TEAM)
    bench.store.fail_read = ConfigUnreadableError("It cannot be read.", "changeover doctor")
    assert (await bench.say("/cost")).data["total_usd"] == Decimal("5.5")


async def test_a_database_that_is_away_says_so():
    bench = await bench_of(*TEAM)
    bench.ledger.fail = StorageError("The database is away.", "Start it.")
    card = await bench.say("/cost")
    assert card.error.code == "storage"


@pytest.mark.parametrize(
    ("line", "hint"),
    [
        ("/cost tody", "Did you mean /cost today?"),
        ("/cost by colour", "Usage: /cost week"),
        ("/cost 3x", "For example: 30m"),
        ("/cost since 400d", "For example: 30m"),
        ("/cost since", "Usage: /cost since DURATION"),
        ("/cost week 3", "Usage: /cost week"),
        ("/cost compare nobody", "/model list"),
    ],
)
async def test_what_is_not_understood_gets_a_hint(line, hint):
    card = await Bench().say(line)
    assert card.exit_code is ExitCode.USAGE
    assert hint in card.error.hint


async def test_help_shows_the_forms_and_not_the_hidden_one():
    card = await Bench().say("/cost help")
    words = said(card)
    assert "/cost budget [AMOUNT] [per day|week|month] [then MODEL]" in words
    assert "reprice" not in words


# --- compare --------------------------------------------------------------------------------------


async def test_the_same_traffic_on_every_preset():
    card = await (await bench_of(*TEAM)).say("/cost compare")
    data = card.data
    assert data["baseline_usd"] == Decimal("5.5")
    assert data["alternatives"][0]["model"] == LLAMA
    flash = next(one for one in data["alternatives"] if one["model"] == FLASH)
    # 4 requests of 600 plain, 400 cached, 100 out at $0.15, $0.003, $0.60
    assert flash["cost_usd"] == Decimal("0.0006048")
    assert flash["preset"] == "cheap"
    assert flash["saving_usd"] == Decimal("5.4993952")
    assert flash["saving_percent"] == Decimal("99.99")
    assert data["unpriced"] == [{"model": "x/unheard", "requests": 1}]
    assert [w["code"] for w in data["warnings"]] == ["quality", "unpriced"]


async def test_named_models_are_compared_and_a_retired_one_is_its_successor():
    bench = await bench_of(*TEAM)
    data = (await bench.say("/cost compare cheap openai/gpt-5 since 3d")).data
    assert [one["model"] for one in data["alternatives"]] == [FLASH, "openai/gpt-5"]
    assert data["from"] == NOW - 3 * DAY


async def test_a_dearer_model_and_an_unknown_one():
    bench = await bench_of(spent(1, HOUR, 1000, FLASH))
    card = await bench.say("/cost compare best openai/unheard")
    dearer, unknown = card.data["alternatives"]
    assert dearer["saving_usd"] < 0
    assert unknown["cost_usd"] is None
    assert "more" in said(card)
    assert "unknown" in said(card)


async def test_nothing_to_compare():
    card = await (await bench_of(spent(1, HOUR, None, "x/y"))).say("/cost compare")
    assert "Nothing to compare" in said(card)
    assert card.data["baseline_usd"] == 0


# --- export ---------------------------------------------------------------------------------------


async def test_the_rows_as_a_file():
    card = await (await bench_of(*TEAM)).say("/cost export 4d")
    assert card.attachment.filename == "changeover-cost-2026-02-26-to-2026-03-02.csv"
    assert card.attachment.media_type == "text/csv"
    lines = card.attachment.content.decode().splitlines()
    assert len(lines) == 6
    assert card.data["rows"] == 5
    assert card.data["unpriced"] == 1
    assert card.data["total_usd"] == Decimal("5.5")
    assert json.loads(render_json(card))["card"]["attachment"]["filename"].endswith(".csv")


async def test_an_export_of_nothing_has_no_file():
    card = await Bench().say("/cost export")
    assert card.attachment is None
    assert card.data["rows"] == 0


async def test_an_export_of_too_much_says_where_it_begins():
    second = timedelta(seconds=1)
    rows = [spent(n, n * second, 1) for n in range(1, MOST_ROWS + 2)]
    card = await (await bench_of(*rows)).say("/cost export")
    assert card.data["rows"] == MOST_ROWS
    assert card.data["cut"]
    assert "it starts at 2026-03-01 21:53 UTC" in said(card)


# --- budget ---------------------------------------------------------------------------------------


async def test_a_budget_is_set_shown_and_lifted():
    bench = await bench_of(*TEAM)
    card = await bench.say("/cost budget $10 per week then cheap")
    assert card.data["amount_usd"] == 10
    assert (card.data["period"], card.data["then"]) == ("week", "cheap")
    # The calendar week began this Monday.
    assert card.data["spent_usd"] == 3
    assert "no_service" in [w.code for w in card.warnings]
    await bench.journal.beat("bot", NOW)
    shown = await bench.say("/cost budget")
    assert shown.data == card.data
    assert shown.warnings == ()
    assert (await bench.say("/cost budget off")).data["amount_usd"] is None
    assert (await bench.say("/cost budget")).data["amount_usd"] is None
    assert "No budget" in said(await bench.say("/cost budget off"))


async def test_a_budget_is_the_admins_business():
    bench = Bench(operators="slack:U1", admins="slack:U7")
    card = await bench.say("/cost budget 5 per day", ANA)
    assert card.error.code == "permission"
    assert "CHANGEOVER_ADMINS" in card.error.hint
    assert (await bench.say("/cost digest", GUEST)).error.code == "permission"
    assert (await bench.say("/cost", GUEST)).ok


@pytest.mark.parametrize(
    "line",
    [
        "/cost budget abc",
        "/cost budget 0 per day",
        "/cost budget -5 per day",
        "/cost budget 5",
        "/cost budget per day",
        "/cost budget 5 per year",
        "/cost budget 5 per day then nobody",
        "/cost budget 5 per",
    ],
)
async def test_what_is_no_budget_is_refused_and_nothing_is_set(line):
    bench = Bench()
    card = await bench.say(line)
    assert card.exit_code is ExitCode.USAGE
    assert card.error.hint
    assert bench.budgets.kept == []


async def watch(bench):
    await check_budget(bench.app.context(SERVICE), bench.outbox)
    return bench.outbox.cards()


async def test_each_notice_comes_once_a_period():
    bench = await bench_of(spent(1, HOUR, 5 * DOLLAR))
    assert await watch(bench) == []
    await bench.say("/cost budget 10 per day")
    first = await watch(bench)
    assert [card.data["percent"] for card in first] == [50]
    assert "Budget 50% used" in said(first[0])
    assert await watch(bench) == []
    await bench.ledger.add([spent(2, HOUR, 4 * DOLLAR)])
    assert "Budget 80% used" in said((await watch(bench))[0])
    await bench.ledger.add([spent(3, HOUR, 2 * DOLLAR)])
    assert "Budget used up" in said((await watch(bench))[0])
    assert await watch(bench) == []
    bench.wait(days=1)
    assert await watch(bench) == []
    await bench.ledger.add([replace(spent(4, HOUR, 9 * DOLLAR), at=bench.clock.now() - HOUR)])
    assert "Budget 80% used" in said((await watch(bench))[0])


async def test_a_notice_that_another_process_took_is_not_told_here():
    bench = await bench_of(spent(1, HOUR, 5 * DOLLAR))
    await bench.say("/cost budget 5 per day")
    one, other = await watch(bench), await watch(bench)
    assert (len(one), len(other)) == (1, 0)


async def test_a_used_up_budget_switches_until_the_period_ends():
    bench = await bench_of(spent(1, HOUR, 6 * DOLLAR))
    await bench.journal.beat("bot", NOW)
    await bench.say("/cost budget 5 per day then local")
    notice, card = await watch(bench)
    assert bench.primary == LLAMA
    assert "The primary switches to local until then." in said(notice)
    words = said(card)
    assert f"{OPUS} → {LLAMA}" in words
    assert "Reverts to anthropic/claude-opus-4-5 at 2026-03-03 00:00" in words
    assert card.buttons[0].label == "Undo"
    assert card.data["switch"]["changed"] is True
    assert card.data["switch"]["revert_at"] == datetime(2026, 3, 3, tzinfo=UTC)
    assert (await bench.say("/model history")).data["changes"][0]["action"] == "budget"
    bench.wait(hours=16)
    assert len(await bench.outbox.run_due(bench.app)) == 1
    assert bench.primary == OPUS


async def test_a_switch_that_was_undone_stays_undone():
    bench = await bench_of(spent(1, HOUR, 6 * DOLLAR))
    await bench.say("/cost budget 5 per day then local")
    await watch(bench)
    await bench.say("/model undo")
    assert bench.primary == OPUS
    bench.wait(minutes=5)
    assert await watch(bench) == []
    assert bench.primary == OPUS


async def test_a_switch_to_what_stands_already_is_none():
    bench = await bench_of(spent(1, HOUR, 6 * DOLLAR))
    await bench.say("/cost budget 5 per day then best")
    _, card = await watch(bench)
    assert "is already best" in said(card)


async def test_a_switch_that_fails_is_told_once_and_retried_until_it_is_made():
    bench = await bench_of(spent(1, HOUR, 6 * DOLLAR))
    await bench.say("/cost budget 5 per day then local")
    bench.store.locked = True
    notice, card = await watch(bench)
    assert "Budget used up" in said(notice)
    assert "the switch to local failed" in said(card)
    bench.wait(minutes=1)
    assert await watch(bench) == []
    bench.store.locked = False
    bench.wait(minutes=1)
    (made,) = await watch(bench)
    assert f"{OPUS} → {LLAMA}" in said(made)
    assert bench.primary == LLAMA


async def test_a_switch_whose_process_died_before_it_could_say_so_is_not_made_twice():
    bench = await bench_of(spent(1, HOUR, 6 * DOLLAR))
    await bench.say("/cost budget 5 per day then local")
    await watch(bench)
    # It died after the file, before the outbox had the switch.
    bench.outbox.kept = {key: n for key, n in bench.outbox.kept.items() if "switch" not in key}
    await bench.say("/model best")
    (card,) = await watch(bench)
    assert f"{OPUS} → {LLAMA}" in said(card)
    assert bench.primary == OPUS


async def test_an_outbox_that_is_away_loses_neither_the_notice_nor_the_switch():
    bench = await bench_of(spent(1, HOUR, 6 * DOLLAR))
    await bench.say("/cost budget 5 per day then local")
    bench.outbox.fail = StorageError("The database is away.")
    with pytest.raises(StorageError):
        await watch(bench)
    bench.outbox.fail = None
    notice, switched = await watch(bench)
    assert "Budget used up" in said(notice)
    assert f"{OPUS} → {LLAMA}" in said(switched)


async def test_a_budget_that_is_exceeded_is_told_again_and_again():
    bench = await bench_of(spent(1, HOUR, 6 * DOLLAR))
    await bench.say("/cost budget 5 per day")
    told = []
    for number in range(2, 9):
        told += [card.data["percent"] for card in await watch(bench)]
        await bench.ledger.add([spent(number, HOUR, 2 * DOLLAR)])
    assert told == [100, 150, 200, 300]


async def test_a_notice_names_when_the_budget_runs_out_at_this_pace():
    bench = await bench_of(spent(1, HOUR, 6 * DOLLAR))
    await bench.say("/cost budget 10 per week")
    (card,) = await watch(bench)
    assert "At this pace it runs out on 2026-03-02" in said(card)


async def test_unpriced_requests_are_named_beside_a_budget():
    bench = await bench_of(spent(1, HOUR, 6 * DOLLAR), spent(2, HOUR, None, "x/y"))
    card = await bench.say("/cost budget 100 per month")
    assert "unpriced" in [w.code for w in card.warnings]


# --- reprice --------------------------------------------------------------------------------------


async def test_rows_are_priced_anew_and_the_old_figures_kept():
    old = replace(LISTED, input_usd_per_1m=Decimal(15), output_usd_per_1m=Decimal(75))
    bench = await bench_of(
        spent(1, HOUR, 22_500_000, price=old, usage=Usage(1000, 100)),
        spent(2, 2 * HOUR, None, usage=Usage(1000, 100)),
        spent(3, 3 * HOUR, 7, "x/unheard"),
        spent(4, 3 * HOUR, 9, "a/foreign", price=None),
        spent(5, 4 * HOUR, None, usage=Usage()),
        spent(6, 40 * DAY, 1),
    )
    card = await bench.say("/cost reprice --from 2026-03-01")
    assert card.data["attempts"] == 5
    assert card.data["changed"] == 2
    assert card.data["newly_priced"] == 1
    # 1,000 x $5 + 100 x $25 by the million, twice
    assert card.data["total_usd"] == Decimal("0.015000016")
    assert card.data["total_before_usd"] == Decimal("0.022500016")
    assert card.data["difference_usd"] == Decimal("-0.0075")
    assert [cost for _, _, cost, _ in bench.corrections.history] == [22_500_000, None]
    assert (await bench.say("/cost today")).data["groups"][0]["cost_usd"] == Decimal("0.015")
    assert "Nothing to correct" in said(await bench.say("/cost reprice from 2026-03-01"))


async def test_pricing_anew_may_cost_more_and_find_nothing():
    cheap = replace(LISTED, input_usd_per_1m=Decimal(1), output_usd_per_1m=Decimal(1))
    bench = await bench_of(spent(1, HOUR, 1_100_000, price=cheap, usage=Usage(1000, 100)))
    words = said(await bench.say("/cost reprice --from 2026-03-01"))
    assert "$0.0011 → $0.0075 over 1 attempt, $0.0064 more." in words
    words = said(await Bench(zone="Pacific/Kiritimati").say("/cost reprice --from 2026-03-01"))
    assert "No attempts since then." in words


@pytest.mark.parametrize(
    "line",
    ["", " --from gestern", " --from 2026-13-01", " --from 2030-01-01", " --from 0001-01-01"],
)
async def test_a_day_that_is_none_is_refused(line):
    card = await Bench().say(f"/cost reprice{line}")
    assert card.exit_code is ExitCode.USAGE
    assert "--from 2026-03-01" in card.error.hint


# --- bills ----------------------------------------------------------------------------------------


async def test_bills_are_read_once_a_day_and_trouble_is_tried_again():
    day = date(2026, 3, 1)
    good = FakeBills("openai", [BillAnswer("openai", (Bill("openai", day, DOLLAR, NOW),))])
    bad = FakeBills("anthropic", [BillAnswer("anthropic", trouble="It answered 500.")])
    bench = Bench(bills=(good, bad))
    ctx = bench.app.context(SERVICE)
    assert len(await read_bills(ctx)) == 2
    assert good.asked == [(date(2026, 2, 22), date(2026, 3, 2))]
    assert list(await bench.ledger.bills(day, day + DAY)) == [Bill("openai", day, DOLLAR, NOW)]
    bench.wait(hours=1)
    assert [a.provider for a in await read_bills(bench.app.context(SERVICE))] == ["anthropic"]
    bench.wait(hours=20)
    assert len(await read_bills(bench.app.context(SERVICE))) == 2
    bench.clock.advance(-30 * DAY)
    assert len(await read_bills(bench.app.context(SERVICE))) == 2


async def test_a_meter_is_read_every_hour_and_makes_the_days_bill():
    start = datetime(2026, 2, 28, 23, 30, tzinfo=UTC)
    source = FakeBills("deepseek", [], metered=True)
    bench = Bench(bills=(source,))
    bench.clock.at = start
    for hour in range(27):
        reading = MeterReading("deepseek", bench.clock.now(), (100 - hour) * DOLLAR)
        source.answers = [BillAnswer("deepseek", meter=reading)]
        await read_bills(bench.app.context(SERVICE))
        bench.wait(hours=1)
    bills = await bench.ledger.bills(date(2026, 2, 1), date(2026, 4, 1))
    assert [(bill.day, bill.amount_usd_nano) for bill in bills] == [(date(2026, 3, 1), 24 * DOLLAR)]


# --- the digest on demand -------------------------------------------------------------------------


async def test_a_digest_on_demand_says_that_it_is_extra():
    card = await (await full_bench()).say("/cost digest")
    data, words = card.data, said(card)
    assert data["extra"] is True
    assert data["total_usd"] == Decimal("5.5")
    assert "extra, requested by Ana; the scheduled digest is posted as usual" in words
    assert (data["incidents"], data["incidents_open"], data["degraded_minutes"]) == (3, 1, 150)
    # What the fallback's 600 plain, 400 cached and 100 out would have cost on the primary.
    assert data["fallback_saved_usd"] == Decimal("0.0057") - Decimal("0.5")
    assert data["chain_test"]["chain_ok"] is False
    assert data["cheapest"]["model"] == FLASH
    assert data["month_so_far_usd"] == Decimal("5.5")
    assert data["month_projected_usd"] > 20
    assert [group["key"] for group in data["callers"]] == ["ana", "batch", ""]
    assert sum(day["cost_usd"] or 0 for day in data["days"]) == data["total_usd"]
    assert card.chart is not None
    assert "Mon 2 Mar $3.00" in card.chart.alt


async def test_the_rest_of_a_digest_comes_when_parts_are_away():
    bench = await full_bench()
    away = StorageError("The database is away.", "Start it.")
    bench.log.fail = bench.chain_tests.fail = bench.bill_log.fail = away
    card = await bench.say("/cost digest")
    assert card.data["total_usd"] == Decimal("5.5")
    assert [w["code"] for w in card.data["warnings"]].count("missing") == 4


async def test_a_digest_of_nothing():
    words = said(await Bench().say("/cost digest"))
    assert "No spend in the last 7 days" in words
    assert "No usage recorded yet" in words
    old = await bench_of(spent(1, 9 * DAY, DOLLAR))
    assert "Recorded since" in said(await old.say("/cost digest"))


async def test_the_first_digest_says_since_when_it_counts():
    card = await (await bench_of(spent(1, 2 * DAY, DOLLAR))).say("/cost digest")
    assert "Recorded since 2026-02-28 09:00." in said(card)
    assert card.data["previous_total_usd"] is None


async def test_a_chain_test_is_remembered_for_the_digest():
    bench = await bench_of(*TEAM)
    await bench.say("/fallback test")
    assert bench.chain_tests.kept[0].hops == 4
    await bench.say("/fallback test cheap")
    assert len(bench.chain_tests.kept) == 1
    bench.chain_tests.fail = StorageError("The database is away.", "Start it.")
    assert (await bench.say("/fallback test")).data["hops"]
