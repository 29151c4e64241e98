"""/model history and its export: changes, plans, requests, approvals and overrides."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from bot.errors import StorageError
from tests.support.fakes_core import Bench
from tests.unit.test_approval import ANA, BEST, BO, BOSS, CY, bench_with, incident, posted
from tests.unit.test_plans import FLASH, OPUS


async def eventful() -> Bench:
    """Return a team's morning: a plan, requests approved, rejected and overridden, an undo."""
    bench = bench_with("dearer:5", admins="slack:U4")
    for line, actor in (
        ("/model plan local weekdays 13:00-14:00 reason lunch", ANA),
        (BEST, ANA),
        ("/model approve 1", BO),
        ("/model undo", CY),
        ("/model best reason =HYPERLINK(1)", CY),
        ("/model reject 2 reason -no", BO),
        ("/model best", BOSS),
    ):
        bench.wait(minutes=1)
        assert (await bench.say(line, actor)).error is None, line
    incident(bench)
    bench.wait(minutes=1)
    await bench.say("/model override 3 reason deepseek is down", BOSS)
    bench.wait(hours=1)
    await posted(bench)
    bench.wait(minutes=1)
    await bench.say("/model plan off", CY)
    return bench


async def test_history_shows_all_of_it_newest_first():
    bench = await eventful()
    card = await bench.say("/model history 20")
    assert card.table is not None
    rows = [[str(cell[0]) for cell in row] for row in card.table.rows]
    assert [(row[0], row[2], row[3], row[4], row[5]) for row in rows] == [
        ("plan 1", "Cy", "ended a plan", "local, weekdays 13:00-14:00", "lunch"),
        (
            "4",
            "Changeover (service)",
            "switched by plan",
            f"{OPUS} → ollama/llama3.3",
            "plan 1: local weekdays 13:00-14:00 (lunch)",
        ),
        (
            "3",
            "Dee (slack), overridden by Dee",
            "switched the primary",
            f"{FLASH} → {OPUS}",
            "-",
        ),
        (
            "request 2",
            "Cy (slack), decided by Bo",
            "requested, rejected",
            f"{FLASH} → {OPUS}",
            "-no",
        ),
        ("2", "Cy (slack)", "undid a change", f"{OPUS} → {FLASH}", "undo of change 1"),
        (
            "1",
            "Ana (slack), approved by Bo",
            "switched the primary",
            f"{FLASH} → {OPUS}",
            "release",
        ),
        ("plan 1", "Ana (slack)", "set a plan", "local, weekdays 13:00-14:00", "lunch"),
    ]
    assert [row["id"] for row in card.data["changes"]] == [4, 3, 2, 1]
    assert [row["plan"] for row in card.data["changes"]] == [1, None, None, None]
    assert [row["approved_by"] for row in card.data["changes"]] == [None, "Dee", None, "Bo"]
    assert [row["overridden"] for row in card.data["changes"]] == [False, True, False, False]
    assert [row["state"] for row in card.data["approvals"]] == ["done", "rejected", "done"]
    assert card.data["plans"][0]["ended_by"] == "Cy"
    # The newest entries alone; undo is of the newest change among them.
    short = await bench.say("/model history 2")
    assert [row["id"] for row in short.data["changes"]] == [4]
    assert short.buttons[0].action.change_id == 4


async def test_the_export_is_a_csv_that_runs_no_formula():
    bench = await eventful()
    card = await bench.say("/model history export")
    assert card.attachment is not None
    assert card.attachment.filename == "changeover-history-2026-12-01.csv"
    rows: list[dict[str, Any]] = list(csv.DictReader(io.StringIO(card.attachment.content.decode())))
    assert card.data["rows"] == len(rows) == 9
    kinds = [(row["kind"], row["id"], row["action"]) for row in rows]
    assert kinds[0] == ("plan", "1", "ended")
    assert ("change", "4", "plan") in kinds
    [rejected] = [row for row in rows if row["state"] == "rejected"]
    assert (rejected["reason"], rejected["note"]) == ("'=HYPERLINK(1)", "'-no")
    assert (rejected["actor_key"], rejected["decided_key"]) == ("slack:U3", "discord:2")
    [overridden] = [row for row in rows if row["kind"] == "change" and row["id"] == "3"]
    assert (overridden["overridden"], overridden["decided_by"], overridden["approval"]) == (
        "yes",
        "Dee",
        "3",
    )
    assert rows[-1]["at"].endswith("Z")


async def test_an_empty_history_has_nothing_to_export():
    card = await Bench().say("/model history export")
    assert (card.attachment, card.data["rows"]) == (None, 0)


@pytest.mark.parametrize("port", ["plans", "approvals"])
async def test_changes_are_shown_where_the_rest_cannot_be_read(port: str):
    bench = await eventful()
    getattr(bench, port).fail = StorageError("The database is down.", "Try again.")
    card = await bench.say("/model history")
    assert [row["id"] for row in card.data["changes"]] == [4, 3, 2, 1]
