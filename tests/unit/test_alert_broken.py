"""Alerts go by what is broken: a model, a key, a chain, an answer; whatever name was asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bot.card import Person
from bot.incident import State
from bot.models import FailureReason, ModelRef, Secret
from bot.outage import MOST_GAPS, Gap, down_time, with_gap
from bot.ports import Cooldown, FallbackEvent, HopFailure, IncidentRow
from bot.routing.cooldown import Scope, ended, proof
from tests.support.fakes_alerts import BY_ANA, FLASH, LLAMA, NOON, OPUS, AlertBench, event

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
OPERATOR = Person("slack", "U9", "Omar", ping=True)
ANA = Person("slack", "U1", "Ana", ping=True)
SONNET = "anthropic/claude-sonnet-4-5"
DOWN = FailureReason.SERVER_ERROR
REFUSED = FailureReason.AUTH


def dead(number: int, asked: str = OPUS, **reasons: FailureReason) -> FallbackEvent:
    """Make a request that no model answered; every hop is named with its reason."""
    hops = tuple(
        HopFailure(model, reasons.get(model.partition("/")[0], DOWN))
        for model in dict.fromkeys((asked, FLASH, LLAMA))
    )
    first = hops[0].reason or DOWN
    return replace(event(number, to=None, primary=asked, reason=first), hops=hops)


def served(number: int, *failed: tuple[str, FailureReason], to: str = LLAMA) -> FallbackEvent:
    """Make a request that a fallback answered after some hops had failed."""
    hops = tuple(HopFailure(model, reason) for model, reason in failed)
    return replace(event(number, primary=failed[0][0], reason=failed[0][1], to=to), hops=hops)


async def happens(bench: AlertBench, *events: FallbackEvent) -> None:
    """Let things happen now."""
    await bench.log.add_events([replace(one, at=bench.now) for one in events])


def pings(bench: AlertBench) -> int:
    """Count the messages that called the operator when they were posted."""
    return sum(any(OPERATOR in line for line in one.card.body) for one in bench.slack.main)


async def incidents(bench: AlertBench) -> list[IncidentRow]:
    return list(await bench.log.incidents(open_only=False, limit=99))


# --- an answer that is cut off --------------------------------------------------------------------


async def test_answers_that_are_cut_off_are_an_incident_of_their_model():
    bench = AlertBench()
    for number in range(15):
        cut = event(number, to=None, reason=FailureReason.NETWORK)
        await happens(bench, replace(cut, cut=True))
        bench.answers()
        await bench.wait(seconds=4)
    [message] = bench.slack.main
    assert message.title == "Answers cut off: anthropic/claude-opus-4-5 is unreachable"
    assert "answers since 12:00 UTC cut off in mid-stream." in message.text
    bench.answers()
    await bench.wait(minutes=6)
    assert "0 requests rerouted, none refused, 15 cut off." in message.text
    [row] = await incidents(bench)
    assert (row.requests, row.served_by) == (15, None)


async def test_a_request_that_the_primary_cannot_take_and_all_others_fail_is_a_dead_chain():
    bench = AlertBench()
    unfit = replace(event(1, to=None, reason=FailureReason.BAD_RESPONSE), unfit=True)
    hops = (
        HopFailure(OPUS, None, detail="cannot take this request (HTTP 413: too large)"),
        HopFailure(FLASH, DOWN),
    )
    await happens(bench, replace(unfit, hops=hops))
    await bench.wait(minutes=1)
    assert bench.slack.calls == 0
    await happens(bench, replace(unfit, request_id="two", hops=hops, exhausted=True))
    await bench.wait(minutes=1)
    [message] = bench.slack.main
    assert message.title.startswith("All models down")
    assert f"1 {OPUS}: skipped: cannot take this request (HTTP 413: too large)" in message.text
    assert f"2 {FLASH}: returns server errors" in message.text
    assert [row.reason for row in await incidents(bench)] == ["chain_exhausted"]


async def test_a_fallback_whose_answer_is_cut_off_is_told_beside_the_primary():
    bench = AlertBench()
    await happens(bench, event(1), replace(event(1, primary=FLASH, to=None, reason=DOWN), cut=True))
    await bench.wait(seconds=40)
    assert bench.slack.titles == [
        "Fallback: anthropic/claude-opus-4-5 is rate limited",
        "Answers cut off: deepseek/deepseek-flash returns server errors",
    ]


# --- a dead chain ---------------------------------------------------------------------------------


async def test_all_providers_down_is_one_incident_and_one_call_whatever_was_asked():
    bench = AlertBench(calls=[OPERATOR])
    names = (OPUS, SONNET, FLASH, LLAMA)
    for number in range(8):
        await happens(bench, dead(number, names[number % 4]))
        await bench.wait(seconds=10)
    [message] = bench.slack.main
    assert pings(bench) == 1
    assert message.title == "All models down: no fallback for 4 models responded"
    assert len(await incidents(bench)) == 1
    assert message.card.data["requests"] == 8


async def test_a_dead_chain_names_the_reason_of_each_hop():
    bench = AlertBench(calls=[OPERATOR])
    await happens(bench, dead(1, anthropic=REFUSED, deepseek=FailureReason.BILLING))
    await bench.wait(seconds=5)
    [message] = bench.slack.main
    assert "1 anthropic/claude-opus-4-5: rejected the API key" in message.text
    assert "2 deepseek/deepseek-flash: is out of credit" in message.text
    assert "3 ollama/llama3.3: returns server errors" in message.text
    assert pings(bench) == 1


async def test_a_key_refused_in_a_dead_chain_is_told_once_the_chain_is_over():
    bench = AlertBench(calls=[OPERATOR])
    await happens(bench, dead(1, deepseek=REFUSED))
    await bench.wait(minutes=1)
    assert len(bench.slack.main) == 1
    bench.answers(1)
    bench.answers(1)
    bench.answers(1)
    await bench.wait(minutes=7)
    assert bench.slack.titles == [
        "Recovered: the chain of anthropic/claude-opus-4-5 responds again",
        "Fallback: deepseek/deepseek-flash rejected the API key",
    ]


async def test_who_wanted_no_fallback_is_no_dead_chain():
    bench = AlertBench(calls=[OPERATOR])
    await happens(bench, replace(event(1, to=None), alone=True))
    await bench.wait(seconds=40)
    [message] = bench.slack.main
    assert message.title == "Fallback: anthropic/claude-opus-4-5 is rate limited"
    assert pings(bench) == 0


# --- a key or an account --------------------------------------------------------------------------


async def test_one_refused_key_asked_for_four_models_is_one_incident_and_one_call():
    bench = AlertBench(calls=[OPERATOR])
    models = [OPUS, SONNET, "anthropic/claude-haiku-4-5", "anthropic/claude-opus-5-5"]
    for number, model in enumerate(models * 2):
        await happens(bench, served(number, (model, REFUSED)))
        await bench.wait(seconds=8)
    [message] = bench.slack.main
    assert message.title == "Fallback: anthropic rejected the API key"
    assert all(model in message.text for model in models)
    assert pings(bench) == 1
    assert len(await incidents(bench)) == 1


async def test_a_fallbacks_refused_key_survives_the_recovery_of_the_primary():
    bench = AlertBench(calls=[OPERATOR])
    await happens(bench, served(1, (OPUS, DOWN), (FLASH, REFUSED)))
    await bench.wait(seconds=40)
    assert sorted(bench.slack.titles) == [
        "Fallback: anthropic/claude-opus-4-5 returns server errors",
        "Fallback: deepseek/deepseek-flash rejected the API key",
    ]
    for _ in range(3):
        bench.answers(1)
    await bench.wait(hours=26, step_s=60)
    assert sorted(bench.slack.titles) == [
        "Fallback: deepseek/deepseek-flash rejected the API key",
        "Recovered: anthropic/claude-opus-4-5 responds again",
    ]
    assert pings(bench) == 1
    bench.answers(model=FLASH)
    await bench.wait(minutes=11, step_s=30)
    assert "Recovered: deepseek/deepseek-flash responds again" in bench.slack.titles


async def test_a_quiet_incident_that_a_refused_key_takes_over_calls_once():
    bench = AlertBench(calls=[OPERATOR])
    await happens(bench, event(1))
    await bench.wait(minutes=1)
    assert pings(bench) == 0
    await happens(bench, served(2, (OPUS, REFUSED)))
    await bench.wait(seconds=10)
    await happens(bench, served(3, (OPUS, REFUSED)))
    await bench.wait(seconds=10)
    assert bench.slack.titles == [
        "Still open: anthropic/claude-opus-4-5 rejected the API key",
        "Now: anthropic/claude-opus-4-5 rejected the API key",
    ]
    assert pings(bench) == 1
    [row] = await incidents(bench)
    assert (row.reason, row.requests) == ("auth", 3)


async def test_a_key_that_answers_again_with_a_rate_limit_is_the_same_incident():
    bench = AlertBench()
    await happens(bench, served(1, (OPUS, REFUSED)))
    await bench.wait(seconds=10)
    await happens(bench, event(2))
    await bench.wait(seconds=10)
    [row] = await incidents(bench)
    assert (row.reason, row.requests) == ("rate_limit", 2)


# --- reminders and ends ---------------------------------------------------------------------------


async def test_no_reminder_of_a_model_that_is_asked_no_more():
    bench = AlertBench()
    await bench.fails(3)
    await bench.wait(minutes=1)
    await bench.fails(3)
    await bench.wait(hours=12, step_s=60)
    assert len(bench.slack.main) == 1


@pytest.mark.parametrize("reason", [REFUSED, FailureReason.BILLING])
async def test_whoever_was_called_gets_a_reply_at_the_end(reason):
    bench = AlertBench("slack", "discord", calls=[OPERATOR])
    await happens(bench, served(1, (OPUS, reason)))
    await bench.wait(seconds=10)
    bench.answers()
    await bench.wait(minutes=11, step_s=30)
    [reply] = [one for one in bench.slack.messages if "The message above" in one.text]
    assert reply.thread == bench.slack.main[0].id
    assert reply.title == "Recovered: anthropic/claude-opus-4-5 responds again"
    assert any(OPERATOR in line for line in reply.card.body)
    assert len([one for one in bench.discord.messages if "The message above" in one.text]) == 1


async def test_whoever_acknowledged_gets_a_reply_at_the_end():
    bench = AlertBench()
    await bench.fails(3)
    await bench.wait(minutes=1)
    assert await bench.store.acknowledge(1, BY_ANA, bench.now)
    bench.answers()
    await bench.wait(minutes=11, step_s=30)
    [reply] = [one for one in bench.slack.messages if "The message above" in one.text]
    assert any(ANA in line for line in reply.card.body)


async def test_who_was_not_called_is_not_answered():
    bench = AlertBench(calls=[OPERATOR])
    await bench.fails(3)
    await bench.wait(minutes=1)
    bench.answers()
    await bench.wait(minutes=11, step_s=30)
    assert not [one for one in bench.slack.messages if "The message above" in one.text]


async def test_a_switch_clicked_in_an_alert_has_the_incident_as_its_reason():
    bench = AlertBench()
    await bench.fails(3)
    await bench.wait(seconds=40)
    [message] = bench.slack.main
    words = [button.action.words for button in message.card.buttons]
    assert "model use cheap reason incident 1" in words


# --- how long it was down -------------------------------------------------------------------------


async def test_what_it_answered_in_between_does_not_count_as_down():
    bench = AlertBench()
    for minutes in (8, 2):
        await bench.fails()
        await bench.wait(minutes=minutes)
    bench.answers()
    await bench.wait(minutes=2)
    await bench.fails()
    await bench.wait(minutes=8)
    bench.answers()
    await bench.wait(minutes=11)
    [message] = bench.slack.main
    assert "Down 18 min, 12:00 UTC to 12:20 UTC." in message.text
    [row] = await incidents(bench)
    assert down_time([row], bench.now) == 18 * MINUTE
    assert message.card.data["down_s"] == 1080


async def test_a_time_in_which_changeover_was_off_does_not_count_as_down():
    bench = AlertBench()
    await bench.fails()
    await bench.wait(minutes=10)
    bench.start()
    bench.clock.advance(8 * HOUR)
    await bench.wait(minutes=5)
    bench.answers()
    await bench.wait(minutes=11)
    [message] = bench.slack.main
    assert "Down 15 min" in message.text


async def test_a_gateway_that_went_on_without_the_bot_counts():
    bench = AlertBench()
    await bench.fails()
    await bench.wait(minutes=10)
    bench.start()
    for _ in range(60):
        bench.clock.advance(MINUTE)
        await bench.fails()
    await bench.wait(minutes=1)
    [row] = await incidents(bench)
    assert down_time([row], bench.now) == 71 * MINUTE


def test_outages_that_overlap_count_once():
    def row(opened_min: int, up_min: int | None, *gaps: Gap) -> IncidentRow:
        up = None if up_min is None else NOON + up_min * MINUTE
        opened_at = NOON + opened_min * MINUTE
        return IncidentRow(1, "open", OPUS, "timeout", opened_at, None, 1, None, None, up, gaps)

    gap = Gap(NOON + 20 * MINUTE, 10 * MINUTE)
    assert down_time([row(0, 60, gap)], NOON + HOUR) == 50 * MINUTE
    assert down_time([row(0, 60, gap), row(25, 70)], NOON + 2 * HOUR) == 65 * MINUTE
    assert down_time([row(0, None)], NOON + HOUR) == HOUR
    first, last = NOON + 10 * MINUTE, NOON + 25 * MINUTE
    assert down_time([row(0, None, gap)], NOON + HOUR, first, last) == 10 * MINUTE
    assert down_time([], NOON) == timedelta()


def test_of_too_many_gaps_neighbours_become_one_and_the_sum_stays():
    gaps: tuple[Gap, ...] = ()
    for minute in range(0, 400, 2):
        gaps = with_gap(gaps, NOON + minute * MINUTE, NOON + (minute + 1) * MINUTE)
    assert len(gaps) == MOST_GAPS
    assert sum((gap.length for gap in gaps), timedelta()) == 200 * MINUTE
    ends = [gap.start + gap.length for gap in gaps]
    assert all(end <= gap.start for end, gap in zip(ends, gaps[1:], strict=False))
    assert with_gap(gaps, NOON, NOON + MINUTE) == gaps


async def test_what_is_kept_of_an_incident_is_read_back():
    bench = AlertBench(calls=[OPERATOR])
    await happens(bench, dead(1, anthropic=REFUSED))
    await bench.wait(seconds=5)
    kept = await bench.store.incident(1)
    assert kept is not None
    assert kept.state is State.OPEN
    assert kept.pinged
    assert [hop.reason for hop in kept.hops] == ["auth", "server_error", "server_error"]
    assert kept.models == (OPUS,)


# --- what is no fault of the first hop ------------------------------------------------------------


async def test_a_request_that_did_not_suit_the_primary_is_nothing_against_it():
    bench = AlertBench(calls=[OPERATOR])
    for number in range(9):
        too_long = event(number, reason=FailureReason.BAD_RESPONSE)
        await happens(bench, replace(too_long, unfit=True))
        nobody = event(number + 100, to=None, reason=FailureReason.BAD_RESPONSE)
        await happens(bench, replace(nobody, unfit=True))
        await bench.wait(seconds=5)
    assert await incidents(bench) == []
    # Down the chain a rejected key is one all the same.
    hops = (HopFailure(OPUS, FailureReason.BAD_RESPONSE), HopFailure(FLASH, REFUSED))
    await happens(bench, replace(event(500), unfit=True, hops=hops))
    await bench.wait(seconds=40)
    assert bench.slack.titles == ["Fallback: deepseek/deepseek-flash rejected the API key"]


# --- what proves a key ----------------------------------------------------------------------------


async def _key_incident(*rows: Cooldown) -> tuple[AlertBench, Any]:
    bench = AlertBench()
    await bench.fails(3, reason=REFUSED)
    await bench.wait(minutes=1)
    await bench.log.set_cooldown(*(replace(row, until=bench.now, since=bench.now) for row in rows))
    await bench.wait(minutes=6)
    [message] = bench.slack.main
    return bench, message


async def test_a_probe_that_the_key_passed_ends_its_incident():
    scope = Scope.of("anthropic", Secret("sk-1"), ModelRef("anthropic", "claude-opus-4-5"))
    _, message = await _key_incident(*proof(scope, NOON))
    assert message.title == "Recovered: anthropic/claude-opus-4-5 responds again"


@pytest.mark.parametrize(
    "row",
    [
        ended("anthropic#1", NOON, by_hand=True),
        ended("anthropic/claude-opus-4-5#1", NOON),
        ended("anthropic2#1", NOON),
        Cooldown("anthropic#1", REFUSED, NOON),
    ],
    ids=["a person's word", "a model's end", "another key", "a cool-down"],
)
async def test_what_proves_nothing_of_a_key(row: Cooldown):
    _, message = await _key_incident(row)
    assert message.title == "Fallback: anthropic/claude-opus-4-5 rejected the API key"


async def test_a_key_that_is_refused_after_its_proof_is_not_over():
    bench = AlertBench()
    await bench.fails(3, reason=REFUSED)
    await bench.wait(minutes=1)
    await bench.log.set_cooldown(ended("anthropic#1", bench.now))
    await bench.wait(minutes=1)
    await bench.fails(reason=REFUSED)
    await bench.wait(minutes=9)
    [message] = bench.slack.main
    assert message.title == "Fallback: anthropic/claude-opus-4-5 rejected the API key"
