"""`changeover config …`: moved, shown, compared, brought back; on the command line itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bot.access import Actor, Surface
from bot.card import Action, plain
from bot.commands.whole_config import bring_in, difference, listed, put_back, shown
from bot.errors import (
    ConfigSyntaxError,
    ConfigUneditableError,
    NothingToDoError,
    StorageError,
    UsageError,
)
from tests.support.fakes_core import Bench
from tests.support.fakes_files import REPO

FIRST = b"""{ /* ours */
  agents: { defaults: { model: "anthropic/claude-opus-4-5" } },
  gateway: { auth: { token: "geheimgeheim" } },
}
"""
SECOND = FIRST.replace(b"claude-opus-4-5", b"claude-haiku-4-5")
OWNER = Actor(Surface.CLI, "root", "root", owner=True)


def context(bench: Bench, *, yes: bool = False) -> Any:
    return bench.app.context(OWNER, Action("config", confirmed=yes))


async def test_a_first_import_takes_text_history_and_timed_switches_along():
    bench = Bench(FIRST)
    await bench.say("/model use groq/x for 2h")
    former = (await bench.store.read()).raw
    bench.store._location = "db:"
    bench.store.raw = None
    card = await bring_in(context(bench), former, "/srv/moltbot.json")
    assert (await bench.store.read()).raw == former
    assert (card.data["changed"], card.data["reverts_moved"]) == (True, 1)
    assert len(await bench.app.ports.journal.reverts("db:")) == 1
    actions = [c.action for c in await bench.app.ports.journal.changes("db:", 9)]
    assert actions == ["import", "use"]


@pytest.mark.parametrize("stands", ["the same", "an older one"])
async def test_history_goes_back_to_a_file_that_is_still_there(stands: str):
    bench = Bench(FIRST, location="db:")
    await bench.say("/model use groq/x for 2h")
    former = (await bench.store.read()).raw
    bench.store._location = "/srv/moltbot.json"
    bench.store.raw = former if stands == "the same" else FIRST
    card = await bring_in(context(bench, yes=True), former, "db:")
    assert card.data["reverts_moved"] == 1
    assert "1 timed switch moved along." in [plain(line) for line in card.body]
    assert bench.store.raw == former
    bench.wait(hours=3)
    await bench.outbox.run_due(bench.app)
    assert (await bench.store.read()).raw == FIRST
    actions = [c.action for c in await bench.app.ports.journal.changes("/srv/moltbot.json", 9)]
    assert actions == ["revert", *([] if stands == "the same" else ["import", "edit"]), "use"]


async def test_an_import_over_a_config_is_shown_first_and_history_afterwards():
    bench = Bench(FIRST)
    asked = await bring_in(context(bench), SECOND, "/tmp/new.json")
    assert asked.error is not None
    assert (asked.error.code, asked.exit_code, bench.store.raw) == ("confirmation", 3, FIRST)
    assert "claude-haiku-4-5" in asked.data["diff"]
    card = await bring_in(context(bench, yes=True), SECOND, "/tmp/new.json")
    assert bench.store.raw == SECOND
    (change,) = await bench.app.ports.journal.changes(bench.store.location, 9)
    assert (change.action, change.reason) == ("import", "/tmp/new.json")
    assert (change.old, change.new) == ("anthropic/claude-opus-4-5", "anthropic/claude-haiku-4-5")
    assert card.data["revision"] == change.revision
    same = await bring_in(context(bench), SECOND, "/tmp/new.json")
    assert (same.error, same.data["changed"]) == (None, False)


@pytest.mark.parametrize(
    ("raw", "error", "words"),
    [
        (b"{", ConfigSyntaxError, "/tmp/new.json is not valid JSON5"),
        (b'{a: {$include: "./b.json5"}}', ConfigUneditableError, "includes ./b.json5"),
    ],
)
async def test_what_is_no_config_of_one_file_is_not_imported(raw, error, words):
    bench = Bench(FIRST)
    with pytest.raises(error, match=words):
        await bring_in(context(bench, yes=True), raw, "/tmp/new.json")
    assert bench.store.raw == FIRST


async def test_an_import_goes_through_while_the_journal_is_away():
    bench = Bench(FIRST)
    bench.store.raw = None
    bench.journal.fail = StorageError("The database is away.", "Start it.")
    card = await bring_in(context(bench), FIRST, "/tmp/new.json")
    assert (await bench.store.read()).raw == FIRST
    assert [w.code for w in card.warnings] == ["unrecorded"]


async def test_a_revision_is_brought_back_and_undo_says_how_that_is_undone():
    bench = Bench(FIRST)
    await bench.say("/model use anthropic/claude-haiku-4-5")
    revision = (await bench.store.kept())[1].revision
    card = await put_back(context(bench), revision[:8].upper())
    assert bench.store.raw == FIRST
    assert card.data["changed"] is True
    refused = await bench.say("/model undo")
    assert refused.error.code == "refused"
    assert f"config restore {card.data['revision_before'][:12]}" in refused.error.hint
    again = await put_back(context(bench), revision[:8])
    assert again.data["changed"] is False
    for word in ("abc", "0000000"):
        with pytest.raises(UsageError, match="names no revision"):
            await put_back(context(bench), word)


async def test_what_there_is_is_listed_compared_and_shown_without_secrets():
    bench = Bench(FIRST)
    with pytest.raises(NothingToDoError):
        await difference(context(bench), None)
    await bench.say("/model use anthropic/claude-haiku-4-5")
    rows = (await listed(context(bench))).data["revisions"]
    assert len(rows) == 2
    card = await difference(context(bench), None)
    assert (card.data["from"], card.data["to"]) == (rows[1]["revision"], rows[0]["revision"])
    assert "claude-haiku-4-5" in card.data["diff"]
    assert (await difference(context(bench), rows[0]["revision"])).data["diff"] == ""
    text = (await shown(context(bench))).data["text"]
    assert "claude-haiku-4-5" in text
    assert "geheim" not in text + card.data["diff"]


def test_a_team_moves_into_the_database_and_out_again(tmp_path: Path):
    def changeover(*words: str, config: str = "db:") -> tuple[int, str]:
        env = {k: v for k, v in os.environ.items() if not k.endswith(("_CONFIG", "_PATH"))}
        env |= {
            "CHANGEOVER_CONFIG": config,
            "DATABASE_URL": "sqlite:///c.db",
            "HOME": str(tmp_path),
            "PYTHONPATH": str(REPO),
        }
        done = subprocess.run(
            [sys.executable, "-m", "adapters.main", *words],
            cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip
        return done.returncode, done.stdout or done.stderr

    file = tmp_path / "moltbot.json"
    file.write_bytes(FIRST)
    code, said = changeover("init")
    assert code == 0
    assert f"config import {file}" in said
    assert changeover("config", "show")[0] == 4
    assert changeover("config", "import", "moltbot.json")[0] == 0
    assert changeover("model", "use", "anthropic/claude-haiku-4-5", "for", "2h")[0] == 0
    assert changeover("config", "export") == (0, SECOND.decode())
    code, said = changeover("config", "export", "copy.json", "--json")
    assert json.loads(said)["data"]["reverts_pending"] == 1
    assert (tmp_path / "copy.json").read_bytes() == SECOND
    assert (tmp_path / "copy.json").stat().st_mode & 0o777 == 0o600
    assert changeover("config", "export", "copy.json")[0] == 4
    code, said = changeover("config", "import", "db:", "--json", config="out.json")
    assert json.loads(said)["data"]["reverts_moved"] == 1
    assert (tmp_path / "out.json").read_bytes() == SECOND
    for words in (("config",), ("config", "import"), ("config", "show", "x"), ("config", "x")):
        assert changeover(*words)[0] == 2
