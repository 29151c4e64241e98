"""/model trial: how it is begun, watched, stopped and promoted, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from bot.access import SERVICE, Actor, Surface
from bot.card import Action, Card
from bot.catalog import shipped
from bot.commands.snapshot import load_snapshot, surroundings
from bot.commands.trial_watch import watch_trial
from bot.config.schema import view
from bot.errors import StorageError
from bot.models import Dialect, FailureReason, ModelRef
from bot.ports import Attempt, Cooldown, IncidentRow
from bot.ports.reloads import Neighbour, NoReloads
from bot.ports.trials import TrialEnd
from bot.routing.chain import ChainContext, lone_hop, scope_of
from bot.routing.router import candidates_for
from bot.trials.split import UNWATCHED_AFTER, Split, arm_of
from tests.support.fakes_core import ANA, GUIDE, KEYS, OWNER, Bench
from tests.support.fakes_ledger import attempt

OPUS, FLASH = "anthropic/claude-opus-4-5", "deepseek/deepseek-flash"
T = TypeVar("T")
BEGIN = f"model trial {FLASH} 10% for 2h reason cheaper chat"


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


class _Beside(NoReloads):
    """An OpenClaw that runs on the config."""

    async def neighbour(self) -> Neighbour:
        return Neighbour(attached=True)


def _bench(**more: Any) -> Bench:
    bench = Bench(**more)
    run(_beat(bench))
    return bench


async def _beat(bench: Bench) -> None:
    for service in ("gateway", "bot"):
        await bench.journal.beat(service, bench.clock.now())


def _say(bench: Bench, words: str, **more: Any) -> Card:
    return run(bench.say(words, **more))


def _watch(bench: Bench) -> list[Card]:
    async def look() -> list[Card]:
        await _beat(bench)
        await watch_trial(bench.app.context(SERVICE), bench.outbox)
        return bench.outbox.cards()

    return run(look())


def _asked(
    bench: Bench,
    count: int,
    *,
    candidate: bool,
    errors: int = 0,
    ms: float = 800.0,
    caller: str = "agent",
    start: int = 0,
) -> None:
    """Let the gateway have served requests of an arm, one a conversation."""
    model = FLASH if candidate else OPUS

    def one(number: int) -> Attempt:
        failed = number < errors
        return attempt(
            f"{candidate}-{start + number}-{bench.clock.now():%d%H%M%S}",
            at=bench.clock.now(),
            model=model,
            reason=FailureReason.SERVER_ERROR if failed else None,
            answered=not failed,
            fallback=failed,
            caller=caller,
            first_token_ms=None if failed else ms + number % 7,
            trial=1,
            candidate=candidate,
            conversation=start + number,
        )

    run(bench.ledger.add([one(number) for number in range(count)]))


def test_a_trial_begins_leaves_the_config_alone_and_gets_a_card() -> None:
    bench = _bench()
    before = bench.store.raw
    card = _say(bench, BEGIN)
    assert card.ok
    assert bench.store.raw == before
    assert card.data["trial"]["share_percent"] == 10
    assert card.data["trial"]["reason"] == "cheaper chat"
    (posted,) = _watch(bench)
    assert [b.label for b in posted.buttons] == ["25%", "50%", "Promote", "Stop"]
    assert posted.table is not None
    assert posted.data["arms"]["candidate"]["requests"] == 0
    assert not _watch(bench)
    status = _say(bench, "model status")
    assert status.data["trial"]["candidate"] == FLASH
    assert status.data["primary"] == OPUS


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (f"model trial {FLASH} 0 %", "from 1% to 99%"),
        (f"model trial {FLASH} 101%", "from 1% to 99%"),
        (f"model trial {FLASH} 100%", "100% is a switch"),
        (f"model trial {FLASH} ten", "from 1% to 99%"),
        (f"model trial {FLASH}", "needs a share"),
        (f"model trial {OPUS} 10%", "is the primary already"),
        ("model trial cheap 10%", "was retired on"),
        ("model trial anthropic/claude-nonsense 10%", "in no list known"),
        ("model trial nonsense 10%", "nonsense"),
        ("model trial groq/openai/gpt-oss-120b 10%", "no API key here (GROQ_API_KEY)"),
        (f"model trial {FLASH} 10% for 40d", "14 d at most"),
        ("model trial 25%", "No trial is running"),
        ("model trial promote", "No trial is running"),
        ("model trial stop 7", "Trial 7 is over"),
    ],
)
def test_what_cannot_be_tried_is_refused_with_the_reason_and_a_next_step(
    words: str, says: str
) -> None:
    bench = _bench()
    card = _say(bench, words)
    assert card.error is not None
    assert says in card.error.message
    assert card.error.hint
    assert not bench.trials.kept
    assert not bench.outbox.kept


def test_a_trial_needs_a_gateway_a_bot_and_a_quiet_time() -> None:
    bench = Bench()
    assert "No running gateway" in _message(_say(bench, BEGIN))
    run(bench.journal.beat("gateway", bench.clock.now()))
    assert "No running bot" in _message(_say(bench, BEGIN))
    beside = _bench(reloads=_Beside())
    refused = _say(beside, BEGIN)
    assert "cannot split its conversations" in _message(refused)
    assert refused.error is not None
    assert "init --openclaw --yes" in refused.error.hint


def test_one_trial_at_a_time() -> None:
    bench = _bench()
    assert _say(bench, BEGIN).ok
    refused = _say(bench, "model trial ollama/llama3.3 5%")
    assert "Trial 1" in _message(refused)
    assert len(bench.trials.kept) == 1
    assert _say(bench, "model trial stop").ok
    assert _say(bench, "model trial ollama/llama3.3 5%").ok
    # A button of the first trial's card, clicked late, changes nothing of the second.
    late = _say(bench, "model trial promote 1")
    assert "trial 2 is running" in _message(late)
    assert bench.primary == OPUS


def test_the_share_is_changed_by_words_and_by_discords_option() -> None:
    bench = _bench()
    _say(bench, BEGIN)
    _watch(bench)
    card = _say(bench, "model trial 25 %")
    assert card.data["trial"]["share_percent"] == 25
    (edited,) = _watch(bench)
    assert [b.label for b in edited.buttons] == ["50%", "Promote", "Stop"]
    assert _say(bench, "model trial 50% 1").data["trial"]["share_percent"] == 50
    assert "already" in _message(_say(bench, "model trial 50%"))


def test_promoting_is_a_switch_that_asks_and_can_be_undone() -> None:
    bench = _bench(prices={OPUS: ("1", "1"), FLASH: ("100", "100")})
    _say(bench, BEGIN)
    asked = _say(bench, "model trial promote", yes=False)
    assert asked.error is not None
    assert asked.error.code == "confirmation"
    assert bench.primary == OPUS
    assert bench.trials.kept[1].runs
    done = _say(bench, "model trial promote")
    assert done.ok
    assert bench.primary == FLASH
    assert bench.trials.kept[1].end is TrialEnd.PROMOTED
    assert done.data["price_ratio"] == 100
    cards = _watch(bench)
    assert "promoted" in _title(cards[0])
    assert _say(bench, "model undo").ok
    assert bench.primary == OPUS


def test_a_switch_by_somebody_ends_the_trial_and_says_so() -> None:
    bench = _bench()
    _say(bench, BEGIN)
    _watch(bench)
    _say(bench, "model use ollama/llama3.3")
    card, told = _watch(bench)
    assert "the primary was changed" in _title(card)
    assert "the primary was changed" in _title(told)
    assert bench.trials.kept[1].end is TrialEnd.PRIMARY_CHANGED
    assert not _watch(bench)


def test_a_process_that_died_after_the_switch_leaves_a_promoted_trial() -> None:
    bench = _bench()
    _say(bench, BEGIN)
    _say(bench, f"model use {FLASH}", actor=Actor(Surface.CLI, "bo", "Bo", owner=True))
    (card,) = _watch(bench)
    assert bench.trials.kept[1].end is TrialEnd.PROMOTED
    assert bench.trials.kept[1].ended_by == "Bo"
    assert "promoted" in _title(card)


def test_it_stops_itself_for_errors_and_names_whom_that_hit() -> None:
    bench = _bench()
    _say(bench, BEGIN)
    _watch(bench)
    for minute in range(6):
        bench.wait(seconds=60)
        _asked(bench, 90, candidate=False, start=minute * 1000)
        _asked(bench, 10, candidate=True, errors=5, caller="support", start=minute * 1000 + 500)
    bench.wait(seconds=70)
    card, told = _watch(bench)
    assert bench.trials.kept[1].end is TrialEnd.ERRORS
    assert card.data["arms"]["candidate"]["errors"] == 30
    assert card.data["arms"]["candidate"]["fallbacks"] == 30
    assert card.data["arms"]["primary"]["requests"] == 540
    apart = card.data["differences"]["error_rate"]
    assert apart["low"] > 0.3
    assert apart["value"] == 0.5
    assert told.data["affected"] == [{"caller": "support", "requests": 60, "errors": 30}]
    assert "support 60 (30 errors)" in str(told.body)


def test_it_stops_itself_when_it_is_slower_than_chance_explains() -> None:
    bench = _bench()
    _say(bench, BEGIN)
    for minute in range(8):
        bench.wait(seconds=60)
        _asked(bench, 90, candidate=False, start=minute * 1000)
        _asked(bench, 10, candidate=True, ms=1600.0, start=minute * 1000 + 500)
    bench.wait(seconds=70)
    _watch(bench)
    assert bench.trials.kept[1].end is TrialEnd.SLOW


def test_errors_of_one_conversation_are_not_taken_for_many() -> None:
    bench = _bench()
    _say(bench, BEGIN)
    for minute in range(6):
        bench.wait(seconds=60)
        _asked(bench, 90, candidate=False, start=minute * 1000)
        _asked(bench, 10, candidate=True, start=minute * 1000 + 500)
        stuck = [
            attempt(
                f"stuck-{minute}-{n}",
                at=bench.clock.now(),
                model=FLASH,
                reason=FailureReason.BAD_RESPONSE,
                trial=1,
                candidate=True,
                conversation=7,
            )
            for n in range(4)
        ]
        run(bench.ledger.add(stuck))
    bench.wait(seconds=70)
    _watch(bench)
    assert bench.trials.kept[1].runs


def test_it_stops_when_the_candidate_cools_down() -> None:
    bench = _bench()
    _say(bench, BEGIN)
    ctx = bench.app.context(OWNER)
    snapshot = run(load_snapshot(ctx))
    ref = ModelRef.parse(FLASH)
    assert ref is not None
    scope = scope_of(lone_hop(0, ref, snapshot.view, surroundings(ctx, snapshot.known)))
    assert scope is not None
    until = bench.clock.now() + timedelta(minutes=5)
    row = Cooldown(scope.names[-1], FailureReason.RATE_LIMIT, until, since=bench.clock.now())
    run(bench.log.set_cooldown(row))
    card, told = _watch(bench)
    assert "cooling down" in _title(card)
    assert "rate limited" in str(told.body)
    assert "is cooling down" in _message(_say(bench, BEGIN))


def test_it_ends_when_its_time_is_over_and_its_card_keeps_the_figures() -> None:
    bench = _bench()
    _say(bench, BEGIN)
    _asked(bench, 40, candidate=False)
    _asked(bench, 12, candidate=True, start=500)
    bench.wait(seconds=7200)
    card, _ = _watch(bench)
    assert bench.trials.kept[1].end is TrialEnd.TIME
    assert not card.buttons
    assert "too few yet" in str(card.body)
    shown = _say(bench, "model trial")
    assert shown.data["trial"]["state"] == "time"


def test_history_has_every_step_of_a_trial() -> None:
    bench = _bench(operators="slack:U1")
    _say(bench, BEGIN, actor=ANA)
    _say(bench, "model trial 25%", actor=ANA)
    bench.wait(seconds=1)
    _say(bench, "model use ollama/llama3.3")
    bench.wait(seconds=1)
    _watch(bench)
    card = _say(bench, "model history")
    assert [step["action"] for step in card.data["trials"]] == [
        "primary_changed",
        "share",
        "start",
    ]
    assert card.data["trials"][-1]["actor_key"] == "slack:U1"
    assert len(card.data["changes"]) == 1
    assert card.table is not None
    assert len(card.table.rows) == 4


def test_a_database_that_is_away_refuses_and_begins_nothing() -> None:
    bench = _bench()
    bench.trials.fail = StorageError("The database is away.", "changeover doctor")
    assert "needs the database" in _message(_say(bench, BEGIN))
    with pytest.raises(StorageError):
        _watch(bench)


def test_a_guest_may_not_begin_one() -> None:
    bench = _bench(operators="slack:U2")
    assert _say(bench, BEGIN, actor=ANA).error is not None
    assert not bench.trials.kept


def test_conversations_keep_their_arm_and_a_larger_share_takes_more() -> None:
    bench = _bench()
    _say(bench, BEGIN)
    trial = bench.trials.kept[1]
    keys = [n.to_bytes(16, "big") for n in range(4000)]
    shares = {}
    for share in (1, 10, 50, 99):
        there = replace(trial, share=share)
        shares[share] = {k for k in keys if arm_of(there, k).candidate is not None}
        assert shares[share] == {k for k in keys if arm_of(there, k).candidate is not None}
        assert abs(len(shares[share]) / len(keys) - share / 100) < 0.03
    assert shares[1] < shares[10] < shares[50] < shares[99]
    other = {k for k in keys if arm_of(replace(trial, id=2), k).candidate is not None}
    assert other != shares[10]
    assert str(arm_of(replace(trial, share=99), keys[0])).startswith("1 ")


def test_a_trial_that_nobody_watches_pauses() -> None:
    bench = _bench()
    _say(bench, BEGIN)
    trial, now = bench.trials.kept[1], bench.clock.now()
    assert Split(trial, now).active(OPUS, now) is trial
    assert Split(trial, now).active(FLASH, now) is None
    assert Split(trial, now).active(OPUS, trial.ends_at) is None
    assert Split(trial, now).active(OPUS, now + UNWATCHED_AFTER * 2) is None
    assert Split(trial, None).active(OPUS, now) is None
    assert Split().active(OPUS, now) is None


def _message(card: Card) -> str:
    assert card.error is not None
    return card.error.message


def _title(card: Card) -> str:
    return "".join(str(getattr(span, "text", span)) for span in card.title)


def test_a_confirmed_click_promotes() -> None:
    bench = _bench(prices={OPUS: ("1", "1"), FLASH: ("100", "100")}, env=KEYS, config=GUIDE)
    _say(bench, BEGIN)
    (posted,) = _watch(bench)
    promote = next(b for b in posted.buttons if b.label == "Promote")
    assert promote.action == Action("model trial promote 1")
    asked = _say(bench, promote.action.words, yes=False)
    (confirm,) = asked.buttons
    done = run(bench.app.handle(OWNER, confirm.action.words, action=confirm.action))
    assert done.ok
    assert bench.primary == FLASH


@pytest.mark.parametrize("rules", ["trial", "all"])
def test_a_trial_that_must_be_approved_waits_when_it_begins_and_widens(rules: str) -> None:
    bench = _bench(operators="slack:U1,slack:U2", approval=rules)
    bo = replace(ANA, id="U2", name="Bo")
    waits = _say(bench, BEGIN, actor=ANA)
    assert (waits.data["approval"], waits.data["new"]) == (1, f"{FLASH} on 10%")
    assert bench.trials.kept == {}
    assert _say(bench, "model approve 1", actor=bo).ok
    assert bench.trials.kept[1].actor_name == "Ana"
    assert _say(bench, "model trial 25%", actor=ANA).data["approval"] == 2
    assert bench.trials.kept[1].share == 10
    assert _say(bench, "model approve 2", actor=bo).ok
    assert bench.trials.kept[1].share == 25
    # Less, or none of it, needs nobody.
    assert _say(bench, "model trial 5%", actor=ANA).ok
    assert _say(bench, "model trial stop", actor=ANA).ok


def test_a_promotion_that_waits_leaves_the_trial_running() -> None:
    bench = _bench(operators="slack:U1,slack:U2", approval="all")
    bo = replace(ANA, id="U2", name="Bo")
    _say(bench, BEGIN, actor=ANA)
    _say(bench, "model approve 1", actor=bo)
    assert _say(bench, "model trial promote", actor=ANA).data["approval"] == 2
    assert bench.trials.kept[1].end is None
    done = _say(bench, "model approve 2", actor=bo)
    assert bench.primary == FLASH
    assert str(bench.trials.kept[1].end) == "promoted"
    assert "Approved by Bo." in str(done.body)


def test_an_approved_trial_that_has_begun_does_not_begin_twice() -> None:
    bench = _bench(operators="slack:U1,slack:U2", approval="trial")
    _say(bench, BEGIN, actor=ANA)
    ctx = bench.app.context(replace(ANA, id="U2", name="Bo"))
    finish, bench.approvals.finish = bench.approvals.finish, _dies  # type: ignore[method-assign]
    with pytest.raises(_DiedError):
        run(bench.app.handle(ctx.actor, "model approve 1"))
    bench.approvals.finish = finish  # type: ignore[method-assign]
    bench.wait(seconds=61)
    run(bench.outbox.run_due(bench.app))
    assert [one.state for one in bench.approvals.kept.values()] == ["done"]
    assert list(bench.trials.kept) == [1]


class _DiedError(BaseException):
    """The process is gone."""


async def _dies(*_: Any, **__: Any) -> bool:
    raise _DiedError


def test_an_open_incident_refuses_a_trial() -> None:
    bench = _bench()
    bench.log.incident_rows = [
        IncidentRow(4, "open", OPUS, "rate_limit", bench.clock.now(), None, 3, FLASH)
    ]
    refused = _say(bench, BEGIN)
    assert "Incident 4 is open" in _message(refused)
    assert not bench.trials.kept


def test_the_candidate_goes_before_the_primary_and_its_chain() -> None:
    config = view(GUIDE)
    around = ChainContext(shipped(), KEYS)
    ref = ModelRef.parse("ollama/llama3.3")

    def names(asked: str) -> list[str]:
        found = candidates_for(asked, config, around, Dialect.OPENAI, trial=ref)
        return [candidate.name for candidate in found.in_order]

    assert names("auto")[:2] == ["ollama/llama3.3", OPUS]
    assert names("auto").count("ollama/llama3.3") == 1
    assert names(OPUS)[0] == OPUS
    alone = candidates_for("auto", config, around, Dialect.OPENAI, fallbacks=False, trial=ref)
    assert [candidate.name for candidate in alone.in_order] == ["ollama/llama3.3"]
