"""/model plan: recurring switches, whose ends they keep, and who comes first."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from adapters.prices import ListedPrices
from bot.access import Actor, Surface
from bot.card import Card, plain
from bot.catalog import shipped
from bot.errors import ConfigRefusedError, StorageError
from bot.models import Usage
from tests.support.fakes_core import GUEST, OWNER, Bench
from tests.support.fakes_ledger import attempt
from tests.unit.test_switch_kills import Fate, Mortal, every_death, lives

OPUS, FLASH, LLAMA = "anthropic/claude-opus-4-8", "deepseek/deepseek-flash", "ollama/llama3.3"
CONFIG: dict[str, Any] = {
    "agents": {
        "defaults": {
            "model": {"primary": OPUS, "fallbacks": [LLAMA]},
            "models": {
                OPUS: {"alias": "best"},
                FLASH: {"alias": "cheap"},
                LLAMA: {"alias": "local"},
            },
        }
    }
}
BO = Actor(Surface.SLACK, "U2", "Bo")
NIGHTS = "/model plan cheap weekdays 22:00-07:00"


def utc(
    year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0
) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


def bench_at(*parts: int, zone: str = "UTC", **more: Any) -> Bench:
    bench = Bench(CONFIG, operators="slack:U2", zone=zone, **more)
    bench.clock.at = utc(*parts)
    return bench


async def at(bench: Bench, *parts: int) -> list[Card]:
    """Let a service run at a time; return what it says."""
    bench.clock.at = utc(*parts)
    await bench.journal.beat("bot", bench.clock.at)
    return await bench.outbox.run_due(bench.app)


def said(card: Card) -> str:
    return "\n".join(plain(words) for words in (card.title, *card.body))


# 2026-12-01 is a Tuesday.
async def test_a_plan_switches_at_its_hours_and_back_again():
    bench = bench_at(2026, 12, 1, 12)
    card = await bench.say(f"{NIGHTS} reason night batch", BO)
    assert said(card) == (
        "Plan 1: cheap, weekdays 22:00-07:00\n"
        "First switch: 2026-12-01 22:00 UTC.\n"
        "Reason: night batch\n"
        f"Outside these hours the primary is what it was before, now {OPUS}.\n"
        "A switch by hand pauses the plan until its window ends.\n"
        "By Bo."
    )
    assert await at(bench, 2026, 12, 1, 21, 59, 59) == []
    assert bench.primary == OPUS
    [fired] = await at(bench, 2026, 12, 1, 22)
    assert bench.primary == FLASH
    assert said(fired).startswith(
        f"Primary: {OPUS} → {FLASH}\nPlan 1: cheap, weekdays 22:00-07:00.\n"
    )
    assert fired.data["revert_at"] == datetime(2026, 12, 2, 7, tzinfo=UTC)
    assert await at(bench, 2026, 12, 1, 22, 0, 2) == []
    [change] = (await bench.say("/model history")).data["changes"]
    assert (change["action"], change["actor"], change["surface"]) == (
        "plan",
        "Changeover",
        "service",
    )
    assert change["reason"] == "plan 1: cheap weekdays 22:00-07:00 (night batch)"
    [back] = await at(bench, 2026, 12, 2, 7)
    assert bench.primary == OPUS
    assert "Timed switch by plan 1 ended." in said(back)
    # Friday's night ends on Saturday; none begins on Saturday evening.
    await at(bench, 2026, 12, 4, 22)
    assert bench.primary == FLASH
    await at(bench, 2026, 12, 5, 7)
    await at(bench, 2026, 12, 5, 23)
    assert bench.primary == OPUS


async def test_a_plan_set_within_its_hours_applies_at_once():
    bench = bench_at(2026, 12, 1, 23)
    card = await bench.say(NIGHTS)
    assert "Applies now, until 2026-12-02 07:00 UTC." in said(card)
    [fired] = await at(bench, 2026, 12, 1, 23, 0, 2)
    assert (bench.primary, fired.data["changed"]) == (FLASH, True)


@pytest.mark.parametrize(
    ("evening", "begins", "ends"),
    [
        # Clocks in Berlin go forward on 2026-03-29, back on 2026-10-25, both Sundays.
        ((2026, 3, 28, 12), (2026, 3, 28, 21), (2026, 3, 29, 5)),
        ((2026, 10, 24, 12), (2026, 10, 24, 20), (2026, 10, 25, 6)),
    ],
)
async def test_a_window_ends_by_the_clock_of_the_team(
    evening: tuple[int, ...], begins: tuple[int, ...], ends: tuple[int, ...]
):
    bench = bench_at(*evening, zone="Europe/Berlin")
    await bench.say("/model plan cheap daily 22:00-07:00")
    second = timedelta(seconds=1)
    for edge, before, after in ((begins, OPUS, FLASH), (ends, FLASH, OPUS)):
        bench.clock.at = utc(*edge) - second
        await bench.outbox.run_due(bench.app)
        assert bench.primary == before
        bench.wait(seconds=1)
        await bench.outbox.run_due(bench.app)
        assert bench.primary == after


async def test_off_peak_follows_the_providers_bands_weekend_and_holidays():
    bench = bench_at(2026, 9, 29, 2)
    bench.app.ports = bench_prices(bench)
    card = await bench.say("/model plan cheap off-peak")
    assert card.data["next_at"] == datetime(2026, 9, 29, 4, tzinfo=UTC)
    for day, hour, primary in (
        (29, 5, FLASH), (29, 8, OPUS), (29, 11, FLASH), (30, 2, OPUS), (30, 12, FLASH),
    ):  # fmt: skip
        await at(bench, 2026, 9, day, hour)
        assert bench.primary == primary, (day, hour)
    # The National Day holidays: no peak from Thursday to Wednesday.
    for day in (1, 2, 5, 7):
        await at(bench, 2026, 10, day, 7)
        assert bench.primary == FLASH, day
    await at(bench, 2026, 10, 8, 1)
    assert bench.primary == OPUS


def bench_prices(bench: Bench) -> Any:
    return replace(bench.app.ports, prices=ListedPrices(shipped()))


async def test_what_has_one_price_all_day_has_no_off_peak():
    bench = bench_at(2026, 12, 1, 12)
    card = await bench.say("/model plan local off-peak")
    assert card.error is not None
    assert card.error.message == (
        f"{LLAMA} has no off-peak price: it costs the same at all hours, as far as known."
    )
    assert "model plan local weekdays 22:00-07:00" in card.error.hint
    assert list(await bench.plans.plans(bench.store.location)) == []


async def test_a_persons_switch_pauses_the_plan_for_that_window():
    bench = bench_at(2026, 12, 1, 12)
    await bench.say(NIGHTS)
    await at(bench, 2026, 12, 1, 22)
    card = await bench.say("/model local reason incident", BO)
    assert (
        "Plan 1 (cheap, weekdays 22:00-07:00) is paused until 2026-12-02 07:00 UTC; "
        "it switches again at 2026-12-02 22:00 UTC."
    ) in said(card)
    assert await at(bench, 2026, 12, 1, 23) == []
    assert bench.primary == LLAMA
    status = await bench.say("/model status")
    assert "is paused until 2026-12-02 07:00 UTC" in said(status)
    assert status.data["plans"][0]["state"] == "paused"
    [left] = await at(bench, 2026, 12, 2, 7)
    assert "plan 1 had switched to" in said(left)
    assert bench.primary == LLAMA
    await at(bench, 2026, 12, 2, 22)
    assert bench.primary == FLASH
    await at(bench, 2026, 12, 3, 7)
    assert bench.primary == LLAMA


async def test_an_undo_pauses_it_too():
    bench = bench_at(2026, 12, 1, 12)
    await bench.say(NIGHTS)
    await at(bench, 2026, 12, 1, 22)
    card = await bench.say("/model undo", BO)
    assert "is paused until" in said(card)
    await at(bench, 2026, 12, 1, 22, 30)
    assert bench.primary == OPUS


async def test_a_switch_made_while_no_service_ran_pauses_the_window_it_fell_into():
    bench = bench_at(2026, 12, 1, 12)
    await bench.say(NIGHTS)
    bench.clock.at = datetime(2026, 12, 1, 22, 30, tzinfo=UTC)
    assert "is paused until" in said(await bench.say("/model local"))
    await at(bench, 2026, 12, 1, 23)
    assert bench.primary == LLAMA
    assert (await bench.say("/model plan")).data["plans"][0]["why"] == "Ana switched the primary"


async def test_an_edit_of_the_file_by_hand_pauses_it_too():
    bench = bench_at(2026, 12, 1, 12)
    await bench.say(NIGHTS)
    await at(bench, 2026, 12, 1, 22)
    assert bench.store.raw is not None
    bench.store.edit_outside(
        bench.store.raw.replace(f'"primary": "{FLASH}"'.encode(), f'"primary": "{LLAMA}"'.encode())
    )
    await at(bench, 2026, 12, 1, 23)
    assert bench.primary == LLAMA


async def test_a_timed_switch_comes_first_and_the_plan_follows_its_end():
    bench = bench_at(2026, 12, 1, 21)
    await bench.say(NIGHTS)
    await bench.say("/model local for 2h", BO)
    await at(bench, 2026, 12, 1, 22)
    assert bench.primary == LLAMA
    await at(bench, 2026, 12, 1, 23)
    assert bench.primary == FLASH
    # Within the window: back to what the plan has set, then to what stood before.
    card = await bench.say("/model best for 1h", BO)
    assert "is paused" not in said(card)
    await at(bench, 2026, 12, 2, 0)
    assert bench.primary == FLASH
    await at(bench, 2026, 12, 2, 7)
    assert bench.primary == OPUS


async def test_what_the_plan_wants_may_stand_there_already():
    bench = bench_at(2026, 12, 1, 12)
    await bench.say("/model cheap")
    card = await bench.say(NIGHTS)
    assert [w.code for w in card.warnings if w.code == "same_model"] == ["same_model"]
    assert await at(bench, 2026, 12, 1, 22) == []
    assert (await bench.say("/model plan")).data["plans"][0]["state"] == "in_force"
    await at(bench, 2026, 12, 2, 7)
    assert bench.primary == FLASH


async def test_missed_hours_are_caught_up_as_far_as_they_last():
    bench = bench_at(2026, 12, 1, 12)
    await bench.say(NIGHTS)
    # Down when the window began: what is left of it counts.
    [fired] = await at(bench, 2026, 12, 2, 3)
    assert fired.data["revert_at"] == datetime(2026, 12, 2, 7, tzinfo=UTC)
    # Down when it ended: back at once, and no window of the past is made up for.
    await at(bench, 2026, 12, 3, 12)
    assert bench.primary == OPUS
    # Down for the whole of a window.
    assert await at(bench, 2026, 12, 4, 12) == []


async def test_a_clock_that_runs_ahead_and_is_put_back_changes_nothing_for_good():
    bench = bench_at(2026, 12, 1, 12)
    await bench.say(NIGHTS)
    await at(bench, 2026, 12, 1, 23)
    assert bench.primary == FLASH
    await at(bench, 2026, 12, 1, 12, 0, 5)
    await at(bench, 2026, 12, 1, 12, 0, 7)
    assert bench.primary == OPUS
    await at(bench, 2026, 12, 1, 22)
    assert bench.primary == FLASH
    await at(bench, 2026, 12, 2, 7)
    assert bench.primary == OPUS
    # Two machines whose clocks differ a little do not take it back from each other.
    await at(bench, 2026, 12, 2, 22)
    await at(bench, 2026, 12, 2, 21, 59, 30)
    await at(bench, 2026, 12, 2, 21, 59, 32)
    assert bench.primary == FLASH


async def test_overlapping_plans_are_refused_with_both_shown():
    bench = bench_at(2026, 12, 1, 12)
    await bench.say(NIGHTS)
    card = await bench.say("/model plan local fri 23:00-01:00")
    assert card.error is not None
    assert card.error.message == (
        "local, fri 23:00-01:00 overlaps plan 1 (cheap, weekdays 22:00-07:00): "
        "both would apply on 2026-12-04 from 23:00."
    )
    assert card.exit_code == 3
    assert (await bench.say("/model plan local weekdays 07:00-22:00")).ok
    bench.app.ports = bench_prices(bench)
    peak = await bench.say("/model plan deepseek/deepseek-v4-pro off-peak")
    assert peak.error is not None
    assert "overlaps plan 1" in peak.error.message


async def test_two_who_set_plans_at_once_do_not_get_overlapping_ones():
    bench = bench_at(2026, 12, 1, 12)
    plans, add = bench.plans, bench.plans.add

    async def second(plan: Any) -> bool:
        plans.add = add  # type: ignore[method-assign]
        assert (await bench.say("/model plan local daily 21:00-23:00", BO)).ok
        return await add(plan)

    plans.add = second  # type: ignore[method-assign]
    card = await bench.say(NIGHTS)
    assert card.error is not None
    assert "overlaps plan 1 (local, daily 21:00-23:00)" in card.error.message


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("/model plan cheap", "A plan needs hours, such as weekdays 22:00-07:00 or off-peak."),
        ("/model plan cheap weekdays 25:00-07:00", "'25:00' is not a time of day."),
        ("/model plan cheap 22:00-22:00", "22:00-22:00 starts and ends at the same time."),
        ("/model plan cheap caturday 22:00-23:00", "'caturday' is not a day."),
        ("/model plan chepa 22:00-23:00", "Unknown model 'chepa'."),
        (
            "/model plan deepseek/deepseek-chat 22:00-23:00",
            "deepseek/deepseek-chat was retired on 2026-07-24.",
        ),
        ("/model plan off", "There is no plan to end."),
        ("/model plan off 7", "There is no plan to end."),
    ],
)
async def test_bad_input_gets_a_clear_answer_and_changes_nothing(line: str, message: str):
    bench = bench_at(2026, 12, 1, 12)
    card = await bench.say(line)
    assert card.error is not None
    assert card.error.message == message
    assert card.error.hint
    assert bench.plans.kept == {}


async def test_an_alias_of_a_retired_model_is_refused_with_the_command_that_fixes_it():
    config = {
        "agents": {
            "defaults": {
                "model": OPUS,
                "models": {OPUS: {}, "deepseek/deepseek-chat": {"alias": "cheap"}},
            }
        }
    }
    bench = Bench(config)
    card = await bench.say(NIGHTS)
    assert card.error is not None
    assert "model preset cheap deepseek/deepseek-flash" in card.error.hint


async def test_plans_are_listed_and_ended():
    bench = bench_at(2026, 12, 1, 12)
    assert "No plans" in said(await bench.say("/model plan"))
    await bench.say(NIGHTS)
    await bench.say("/model plan local sun")
    listed = await bench.say("/model plan", GUEST)
    assert listed.error is not None
    listed = await bench.say("/model plan", BO)
    assert [row["when"] for row in listed.data["plans"]] == [
        "weekdays 22:00-07:00",
        "sun 00:00-24:00",
    ]
    assert [one.code for one in listed.warnings] == ["no_service"]
    several = await bench.say("/model plan off")
    assert several.error is not None
    assert several.error.message == "Several plans are set: 1, 2. Name one."
    unknown = await bench.say("/model plan off 9")
    assert unknown.error is not None
    assert unknown.error.message == "There is no plan 9. In force: 1, 2."
    await at(bench, 2026, 12, 1, 22)
    ended = await bench.say("/model plan off 1", BO)
    assert "Its last switch still reverts to" in said(ended)
    assert ended.data["pending_revert"]["to"] == OPUS
    await at(bench, 2026, 12, 2, 7)
    await at(bench, 2026, 12, 2, 22)
    assert bench.primary == OPUS
    # Numbers are not used twice.
    assert (await bench.say(NIGHTS)).data["plan"] == 3


async def test_a_plan_that_costs_much_more_asks_first():
    bench = bench_at(2026, 12, 1, 12, prices={OPUS: ("5", "25")})
    await bench.say("/model local")
    line = "/model plan best weekdays 09:00-17:00"
    asked = await bench.say(line, BO, yes=False)
    assert asked.exit_code == 3
    assert bench.plans.kept == {}
    button = asked.buttons[0].action
    await bench.say("/model cheap")
    moved = await bench.app.handle(BO, line, action=button)
    assert moved.error is not None
    assert moved.error.code == "moved_on"
    await bench.say("/model local")
    assert (await bench.app.handle(BO, line, action=button)).ok
    assert len(bench.plans.kept) == 1


async def test_status_shows_what_comes_next():
    bench = bench_at(2026, 12, 1, 12)
    await bench.say(NIGHTS)
    card = await bench.say("/model status")
    assert "Plan 1 (cheap, weekdays 22:00-07:00) switches at 2026-12-01 22:00 UTC." in said(card)
    assert card.data["next_change"] == {
        "at": datetime(2026, 12, 1, 22, tzinfo=UTC),
        "to": FLASH,
        "plan": 1,
    }
    await at(bench, 2026, 12, 1, 22)
    card = await bench.say("/model status")
    assert "applies until 2026-12-02 07:00 UTC; next: 2026-12-02 22:00 UTC." in said(card)
    assert card.data["next_change"]["to"] == OPUS
    bench.plans.fail = StorageError("The database is down.", "Try again.")
    assert (await bench.say("/model status")).data["plans"] == []


async def test_a_switch_that_fails_is_said_once_and_tried_again():
    bench = bench_at(2026, 12, 1, 12)
    await bench.say(NIGHTS)
    await bench.say("/model preset cheap remove")
    await bench.say("/model preset night cheap")
    plan = next(iter(bench.plans.kept.values()))
    bench.plans.kept[plan.document, 1] = replace(plan, model="gone")
    assert await at(bench, 2026, 12, 1, 22) == []
    [blocked] = (await bench.say("/model plan")).data["plans"]
    assert (blocked["state"], blocked["why"]) == ("blocked", "Unknown model 'gone'.")
    bench.plans.kept[plan.document, 1] = replace(plan, model="night")
    bench.store.fail_write = ConfigRefusedError("OpenClaw rejected it.", "Look.")
    [failed] = await at(bench, 2026, 12, 1, 22, 0, 2)
    assert said(failed).startswith("Plan 1: the switch to night failed")
    assert await at(bench, 2026, 12, 1, 22, 0, 4) == []
    bench.store.fail_write = None
    assert await at(bench, 2026, 12, 2, 22) != []
    assert bench.primary == FLASH


async def test_a_locked_config_is_tried_again_without_a_word():
    bench = bench_at(2026, 12, 1, 12)
    await bench.say(NIGHTS)
    bench.store.locked = True
    assert await at(bench, 2026, 12, 1, 22) == []
    bench.store.locked = False
    assert len(await at(bench, 2026, 12, 1, 22, 0, 2)) == 1


async def test_a_process_that_dies_at_any_write_of_a_window_leaves_it_done_once():
    async def run(fate: Fate) -> bool:
        bench = bench_at(2026, 12, 1, 12)
        await bench.say(NIGHTS)
        bench.clock.at = datetime(2026, 12, 1, 22, tzinfo=UTC)
        ports = bench.app.ports
        bench.app.ports = replace(
            ports, plans=Mortal(ports.plans, fate, {"add", "keep_run", "drop_run"})
        )
        work: Callable[[Any], Awaitable[object]] = bench.app.run_due
        alive = await lives(bench, fate, work)
        bench.app.ports = ports
        for second in (2, 4):
            bench.clock.at = datetime(2026, 12, 1, 22, 0, second, tzinfo=UTC)
            await bench.outbox.run_due(bench.app)
        assert bench.primary == FLASH, fate
        assert len(bench.outbox.kept) == 1, fate
        changes = await bench.journal.changes(bench.store.location, 10)
        assert [one.action for one in changes] == ["plan"], fate
        await at(bench, 2026, 12, 2, 7)
        assert bench.primary == OPUS, fate
        return alive

    assert await every_death(run) >= 10


async def test_only_the_owner_rule_lets_a_window_go_back():
    bench = bench_at(2026, 12, 1, 12)
    await bench.say(NIGHTS, OWNER)
    await at(bench, 2026, 12, 1, 22)
    card = await bench.say("/model cheap", BO)
    # Said again by a person: now it is theirs, and stays.
    assert "is cancelled" in said(card)
    await at(bench, 2026, 12, 2, 7)
    assert bench.primary == FLASH


async def test_the_digest_says_what_a_plan_saved():
    bench = bench_at(2026, 12, 1, 12, prices={OPUS: ("5", "25"), FLASH: ("0.5", "1")})
    await bench.say(NIGHTS)
    await at(bench, 2026, 12, 1, 22)
    await at(bench, 2026, 12, 2, 1)
    await bench.say("/model best for 1h", BO)
    await at(bench, 2026, 12, 2, 2)
    await at(bench, 2026, 12, 2, 7)
    # A thousand in and a hundred out each: before, on the plan's model, while it was not, on it
    # again, asked for by name after the window, and another model within.
    for number, (day, hour, model) in enumerate(
        ((1, 21, OPUS), (1, 23, FLASH), (2, 1, FLASH), (2, 3, FLASH), (2, 8, FLASH), (2, 4, OPUS))
    ):
        minutes = timedelta(minutes=30)
        when = datetime(2026, 12, day, hour, tzinfo=UTC) + minutes
        one = attempt(number, at=when, model=model, cost=600_000)
        await bench.ledger.add([replace(one, usage=Usage(1000, 100))])
    bench.clock.at = datetime(2026, 12, 2, 12, tzinfo=UTC)
    card = await bench.say("/cost digest")
    [saving] = card.data["plans"]
    assert (saving["windows"], saving["requests"]) == (1, 2)
    assert (saving["cost_usd"], saving["other_cost_usd"]) == (Decimal("0.0012"), Decimal("0.015"))
    assert saving["saved_usd"] == Decimal("0.0138")
    assert (
        "Plan 1 (cheap, weekdays 22:00-07:00): 1 window, 2 requests for $0.0012, "
        f"about $0.01 less than on {OPUS}."
    ) in said(card)
