"""What channels are posted fits the schema of events."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from adapters.receivers.schema import written
from bot.alerts.events import event_of
from bot.alerts.rendering import RenderedMessage, no_digest
from bot.alerts.trial_notices import trial_notice
from bot.errors import StorageError
from bot.messages.trials import TrialWords
from bot.ports.alerts import MessageState, Notice, NoticeKind
from bot.ports.trials import Trial
from bot.trials.compare import Compared, Comparison
from tests.support.bench_costs import full_bench
from tests.support.fakes_alerts import NOON

DAY = (NOON + timedelta(days=1)).isoformat()
AT = NOON.isoformat()
BUDGET = {
    "amount_nano": 10_000_000_000, "period": "day", "spent_nano": 5_000_000_000, "reached": 50,
    "start": AT, "end": DAY, "at": AT, "unpriced": 0, "then": "cheap",
}  # fmt: skip
SWITCH = {
    "word": "cheap", "back_at": DAY, "changed": True, "old": "a/b", "new": "c/d", "change_id": 4,
    "error": "", "hint": "",
}  # fmt: skip
REVERT = {
    "change": 3, "old": "a/b", "new": "c/d", "actor": "ana", "place": "p", "change_id": 4,
    "why": "",
}  # fmt: skip
PLAN = {"plan": 1, "model": "c/d", "when": "daily 22:00-07:00", "until": DAY}
NIGHT = {"id": 1, "primary": "a/b", "reason": "timeout", "opened_at": AT, "ended_at": None}


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (NoticeKind.BUDGET, BUDGET),
        (NoticeKind.BUDGET_SWITCH, SWITCH),
        (NoticeKind.BUDGET_SWITCH, SWITCH | {"changed": False, "change_id": None}),
        (NoticeKind.BUDGET_SWITCH, SWITCH | {"error": "No.", "change_id": None}),
        (NoticeKind.REVERT, REVERT),
        (NoticeKind.REVERT, REVERT | {"why": "It was changed.", "change_id": None}),
        (NoticeKind.PLAN, PLAN | {"old": "a/b", "new": "c/d", "change_id": 4}),
        (NoticeKind.PLAN, PLAN | {"error": "No."}),
        (NoticeKind.MORNING, {"night": "2026-03-02", "rows": [NIGHT | {"requests": 2}]}),
        (NoticeKind.TROUBLE, {"surface": "slack", "since": AT, "says": ["a", "b"], "until": None}),
        (NoticeKind.TROUBLE, {"surface": "slack", "since": AT, "says": ["a", "b"], "until": DAY}),
        (NoticeKind.CHAIN_TEST, {"trouble": ["a", "b"]}),
    ],
)
async def test_a_notice_is_an_event_of_the_schema(kind: NoticeKind, data: Any) -> None:
    row = MessageState("k:1:1", "webhook", 1, 0, NOON)
    event = await event_of(row, Notice("k:1:1", kind, NOON, data), no_digest)
    assert event is not None
    said = json.loads(written(event))
    assert said["title"]
    assert said["data"]


async def test_an_edit_from_outside_is_a_change_and_no_second_event() -> None:
    row = MessageState("outside:1", "webhook", 1, 0, NOON)
    assert await event_of(row, Notice("outside:1", NoticeKind.OUTSIDE, NOON), no_digest) is None


@pytest.mark.parametrize("figures", [0.0, None])
async def test_a_trial_is_an_event_of_the_schema(figures: float | None) -> None:
    trial = Trial("p", "a/b", "c/d", 20, NOON, NOON + timedelta(days=1), "ana", id=1)
    counts = [Compared(3, 12)] * 3
    arms = Comparison(*counts, *[Compared(figures, figures)] * 4)
    for stopped in (False, True):
        notice = trial_notice(TrialWords(trial, arms, []), NOON, stopped=stopped)
        event = await event_of(
            MessageState(notice.key, "webhook", 1, 0, NOON),
            replace(notice, data=json.loads(json.dumps(notice.data))),
            no_digest,
        )
        assert event is not None
        assert json.loads(written(event))["data"]["arms"]["primary"]["requests"] == 12


@pytest.mark.parametrize("away", [False, True])
async def test_a_digest_is_an_event_of_the_schema(away: bool) -> None:
    bench = await full_bench()
    if away:
        error = StorageError("The database is away.")
        bench.log.fail = bench.chain_tests.fail = bench.bill_log.fail = error
    card = await bench.say("/cost digest")

    async def digest(_: Notice) -> RenderedMessage:
        return RenderedMessage(card)

    row = MessageState("digest:1", "webhook", 1, 0, NOON)
    event = await event_of(row, Notice("digest:1", NoticeKind.DIGEST, NOON, {}), digest)
    assert event is not None
    said = json.loads(written(event))["data"]
    assert said["total_usd"] == 5.5
    assert said["from"] < said["to"]
