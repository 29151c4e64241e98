"""Rows as the last release with an SQL library left them, and what they have to read back as.

`data/database_0010.sql` is a dump of what that release wrote when it was given these values.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from bot.access import Actor, Surface
from bot.incident import Incident, State
from bot.models import FailureReason
from bot.outage import AlertReason, Gap
from bot.ports import (
    ABSENT,
    Bill,
    BillRead,
    Budget,
    BudgetPeriod,
    ChainTest,
    Cooldown,
    FallbackEvent,
    GroupBy,
    HopFailure,
    MeterReading,
    NewChange,
    RevertState,
    Touched,
)
from bot.ports.alerts import ChannelTrouble, Notice, NoticeKind
from tests.support.fakes_ledger import attempt

DUMP = Path(__file__).parent.parent / "data" / "database_0010.sql"
AT = datetime(2026, 3, 2, 9, 0, 0, 123457, tzinfo=UTC)
BACK = AT + timedelta(hours=2)
ANA = Actor(Surface.SLACK, "U1", "Ana “ü” \0")
CHANGE = NewChange(
    document="/srv/moltbot.json",
    at=AT,
    actor=ANA,
    action="cheap",
    reason="release \u2028 week",
    old=None,
    new=["a/one", "b/two"],
    touched=(
        Touched(("agents", "defaults"), None, ABSENT),
        Touched(("x",), ABSENT, {"b": 1, "a": []}),
    ),
    revision_before="r0",
    revision="r1",
    diff="-a\n+b\n",
    view={"primary": "b/two", "n": None},
    reverts=7,
    back_at=BACK,
)
COOLING = Cooldown("groq#1", FailureReason.BILLING, BACK, 3, AT, named=True)
EVENT = FallbackEvent(
    AT,
    "req-1",
    "a/one",
    None,
    FailureReason.TIMEOUT,
    "gateway",
    "HTTP 504",
    asked=False,
    cut=True,
    hops=(HopFailure("b/two", FailureReason.AUTH, True, "401"),),
)
BUDGET = Budget(5_000_000_000, BudgetPeriod.WEEK, "cheap", "Ana", AT)
TEST = ChainTest(AT, False, 2, 3, None, "Ana")
READ = BillRead("openai", AT, "no access", "Set the key.")
METER = MeterReading("openrouter", AT, -3, "EUR", True, "acct")
BILL = Bill("openai", date(2026, 3, 1), 1_234_567_890_123, AT)
ROW = replace(attempt(1, at=AT, cost=10**13), caller="Ana “ü”", stream=True, latency_ms=1.5)
INCIDENT = Incident(
    primary="a/one",
    reason=AlertReason.TIMEOUT,
    opened_at=AT,
    last_event_at=AT,
    state=State.OPEN,
    rerouted=5_000_000_000,
    served=(("b/two", 5_000_000_000),),
    good=1,
    good_since=BACK,
    gaps=(Gap(AT, timedelta(seconds=3, microseconds=1)),),
)
TROUBLE = ChannelTrouble("slack", AT, "The channel is archived.", "Pick another.")
NOTICE = Notice("budget:1:2:80", NoticeKind.BUDGET, AT, {"error": ""})
RAW = b'{"agents": {}} // \xff\x00'


async def write(p: Any) -> None:
    """Write one of each through the ports."""
    first = await p.journal.begin(CHANGE)
    await p.journal.confirm(first)
    await p.journal.begin(replace(CHANGE, revision="r2", back_at=None))
    await p.journal.beat("bot", AT)
    await p.log.set_cooldown(COOLING)
    await p.log.add_events([EVENT])
    await p.log.mute(BACK)
    await p.budgets.set_budget(BUDGET)
    await p.tests.record(TEST)
    await p.bills.note(READ)
    await p.bills.add_reading(METER)
    await p.ledger.add_bills([BILL])
    await p.ledger.add([ROW])
    await p.alerts.commit((), [INCIDENT], (), AT)
    await p.alerts.acknowledge(1, ANA, BACK)
    await p.alerts.set_trouble(TROUBLE)
    await p.alerts.add_notice(NOTICE, ["slack"])
    await p.config.create(RAW)


async def read(p: Any) -> None:
    """Assert that each comes back as it was."""
    name = "Ana “ü” \ufffd"
    (change,) = await p.journal.changes(CHANGE.document, 9)
    assert change.touched == CHANGE.touched
    assert (change.at, change.old, change.new, change.reverts) == (AT, None, CHANGE.new, 7)
    assert (change.actor_name, change.reason) == (name, CHANGE.reason)
    known = await p.journal.known(CHANGE.document)
    assert (known.revision, known.view) == ("r1", CHANGE.view)
    (revert,) = await p.journal.reverts(CHANGE.document)
    assert (revert.due_at, revert.state) == (BACK, RevertState.PENDING)
    assert await p.journal.last_beat("bot") == AT
    assert list(await p.log.cooldowns(AT)) == [COOLING]
    assert list(await p.log.cooldowns(BACK)) == []
    assert list(await p.log.events(AT, 9)) == [EVENT]
    assert list(await p.log.events(AT + timedelta(microseconds=1), 9)) == []
    assert await p.log.muted_until() == BACK
    assert await p.budgets.budget() == replace(BUDGET, id=1)
    last = await p.tests.last()
    assert last == TEST
    assert last.chain_ok is False
    assert list(await p.bills.reads()) == [READ]
    (meter,) = await p.bills.readings("openrouter", AT, AT)
    assert meter == METER
    assert meter.rises is True
    assert list(await p.ledger.bills(BILL.day, date(2026, 3, 2))) == [BILL]
    (row,) = await p.ledger.attempts(AT, BACK, 9)
    assert row == ROW
    assert row.stream is True
    assert row.last is True
    (spend,) = await p.ledger.spend(AT, BACK, GroupBy.KEY)
    assert (spend.key, spend.cost_nano_usd) == (ROW.caller, ROW.cost_nano_usd)
    incident = await p.alerts.incident(1)
    # Of what an incident keeps as JSON, releases have known more and more.
    assert incident == Incident(
        "a/one",
        AlertReason.TIMEOUT,
        AT,
        AT,
        id=1,
        revision=1,
        state=State.OPEN,
        rerouted=INCIDENT.requests,
        gaps=INCIDENT.gaps,
        served=incident.served,
        good=incident.good,
        good_since=incident.good_since,
        changed=1,
        acknowledged_by=name,
        acknowledged_key="slack:U1",
        acknowledged_at=BACK,
    )
    (row,) = await p.log.incidents(open_only=True, limit=9)
    assert (row.state, row.primary, row.reason) == ("open", "a/one", "timeout")
    assert (row.opened_at, row.resolved_at, row.up_since) == (AT, None, BACK)
    assert (row.requests, row.served_by, row.gaps) == (5_000_000_000, "b/two", INCIDENT.gaps)
    assert row.acknowledged_by == name
    assert list(await p.alerts.troubles()) == [TROUBLE]
    assert await p.alerts.notice(NOTICE.key) == NOTICE
    assert (await p.config.read()).raw == RAW
