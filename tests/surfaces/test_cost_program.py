"""Costs on the command line: real processes, a real ledger, a real prices file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from adapters.storage.database import Database
from adapters.storage.ledger.store import DatabaseLedger
from bot.models import Price
from tests.support.databases import once
from tests.support.fakes_ledger import attempt
from tests.surfaces.test_program import Program

OPUS = "anthropic/claude-opus-4-5"
OLD = Price(Decimal(5), Decimal(25), source="genai-prices")
NEW = f'["{OPUS}"]\ninput_usd_per_1m = 4\noutput_usd_per_1m = 20\n'


async def test_a_period_is_priced_anew_and_the_old_figures_stay(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/changeover.db"
    env = {"ANTHROPIC_API_KEY": "k", "DATABASE_URL": url, "CHANGEOVER_PRICES": "prices.toml"}
    program = Program(tmp_path, {**env, "CHANGEOVER_TIMEZONE": "Pacific/Kiritimati"})
    (tmp_path / "prices.toml").write_text(NEW)
    program.config.write_text(f'{{agents: {{defaults: {{model: {{primary: "{OPUS}"}}}}}}}}')
    database, now = Database(url), datetime.now(UTC)
    row = attempt(1, at=now - timedelta(days=2), tokens=(1_000_000, 0), cost=5 * 10**9, price=OLD)
    await DatabaseLedger(database).add([row])
    await database.close()

    since = (now - timedelta(days=4)).date().isoformat()
    found = await program.data("cost", "reprice", "--from", since)
    assert found["data"]["changed"] == 1
    assert found["data"]["total_before_usd"] == 5
    assert found["data"]["total_usd"] == 4
    assert found["data"]["difference_usd"] == -1
    kept = await once(url, "SELECT request_id, cost_nano_usd FROM reprices")
    assert kept == [("req-1", 5 * 10**9)]

    code, out, _ = await program("cost", "reprice", "--from", since)
    assert (code, "Nothing to correct" in out) == (0, True)
