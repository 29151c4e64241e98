"""Which conversations stay with a fallback, for how long, and what ends it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bot.models import FailureReason
from bot.routing.cooldown import CooldownBook
from bot.routing.router import Candidates
from bot.routing.sticky import Conversations, Stay, conversation_of, goes_on
from tests.unit.test_router import candidates as four_candidates

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
KEY = b"a conversation"
HI = {"messages": [{"role": "system", "content": "S"}, {"role": "user", "content": "Hi"}]}


@pytest.fixture
def candidates() -> Candidates:
    return four_candidates()


def _served(
    stays: Conversations, candidates: Candidates, position: int, at: datetime = NOW
) -> None:
    stays.served(KEY, candidates.in_order[position], candidates, "r1", at)


def _kept(
    stays: Conversations,
    candidates: Candidates,
    at: datetime,
    book: CooldownBook | None = None,
    rev: str = "r1",
) -> bool:
    found = stays.staying(KEY, candidates, book or CooldownBook(), rev, at)
    if found is None:
        return False
    assert found.first == candidates.first
    assert {c.name for c in found.in_order} == {c.name for c in candidates.in_order}
    return found.in_order[0].name != candidates.first


def test_it_stays_while_the_cache_is_warm(candidates: Candidates):
    stays = Conversations()
    _served(stays, candidates, 1)
    assert _kept(stays, candidates, NOW + 5 * MINUTE)
    assert not _kept(stays, candidates, NOW + 6 * MINUTE)
    assert not stays


def test_each_turn_keeps_it_warm_but_not_for_ever(candidates: Candidates):
    stays = Conversations(timedelta(minutes=10))
    for minute in range(0, 16, 4):
        assert minute == 0 or _kept(stays, candidates, NOW + minute * MINUTE)
        _served(stays, candidates, 1, NOW + minute * MINUTE)
    # Since its second turn it is known that the primary could be asked.
    assert not _kept(stays, candidates, NOW + 16 * MINUTE)


def test_while_the_primary_is_out_the_time_does_not_run(candidates: Candidates):
    stays, book = Conversations(timedelta(minutes=10)), CooldownBook()
    book.failed(candidates.in_order[0].scope, FailureReason.RATE_LIMIT, 1800, NOW)
    for minute in range(0, 30, 4):
        assert minute == 0 or _kept(stays, candidates, NOW + minute * MINUTE, book)
        _served(stays, candidates, 1, NOW + minute * MINUTE)
    for minute in range(32, 40, 4):
        assert _kept(stays, candidates, NOW + minute * MINUTE, book)
        _served(stays, candidates, 1, NOW + minute * MINUTE)
    assert not _kept(stays, candidates, NOW + 41 * MINUTE, book)


def test_a_retry_of_one_model_ends_only_the_stays_away_from_it(candidates: Candidates):
    stays = Conversations()
    _served(stays, candidates, 1)
    stays.end(NOW, candidates.in_order[2].name)
    assert _kept(stays, candidates, NOW)
    stays.end(NOW, candidates.in_order[0].name)
    assert not stays
    _served(stays, candidates, 1)
    assert not stays, "it was under way then"


def test_what_ends_it_at_once(candidates: Candidates):
    stays, book = Conversations(), CooldownBook()
    _served(stays, candidates, 1)
    assert not _kept(stays, candidates, NOW, rev="another config")
    _served(stays, candidates, 1)
    book.failed(candidates.in_order[1].scope, FailureReason.RATE_LIMIT, 60, NOW)
    assert not _kept(stays, candidates, NOW, book)
    _served(stays, candidates, 1)
    stays.failed(KEY)
    assert not _kept(stays, candidates, NOW)
    _served(stays, candidates, 1)
    stays.end(NOW)
    assert not _kept(stays, candidates, NOW)
    _served(stays, candidates, 1)
    assert not stays, "it was under way then"
    later = NOW + timedelta(seconds=1)
    stays.served(KEY, candidates.in_order[1], candidates, "r1", later, asked_at=NOW)
    assert not stays
    _served(stays, candidates, 1, later)
    assert _kept(stays, candidates, later)
    _served(stays, candidates, 0)
    assert not stays
    _served(stays, candidates, 1, later)
    # A clock that was put back.
    assert not _kept(stays, candidates, NOW - MINUTE)


def test_a_hop_that_is_no_longer_there_ends_it(candidates: Candidates):
    stays = Conversations()
    _served(stays, candidates, 1)
    shorter = Candidates((candidates.in_order[0],), (), candidates.first)
    assert not _kept(stays, shorter, NOW)


def test_off(candidates: Candidates):
    stays = Conversations(None)
    _served(stays, candidates, 1)
    assert not stays


def test_memory_is_bounded_and_the_least_recent_go_first(candidates: Candidates):
    stays = Conversations(most=3)
    for number in range(5):
        stays.served(bytes([number]), candidates.in_order[1], candidates, "r1", NOW)
    assert sum(stays.counts(NOW).values()) == 3
    assert stays.staying(bytes([0]), candidates, CooldownBook(), "r1", NOW) is None
    assert stays.staying(bytes([4]), candidates, CooldownBook(), "r1", NOW) is not None


def test_processes_on_one_port_share_them(candidates: Candidates):
    told: list[tuple[bytes, Stay | None]] = []
    here, there = Conversations(share=lambda *change: told.append(change)), Conversations()
    _served(here, candidates, 1)
    there.learn(*told[-1])
    assert _kept(there, candidates, NOW + MINUTE)
    # Both know it, and it is counted once.
    assert (sum(here.counts(NOW).values()), sum(there.counts(NOW).values())) == (1, 0)
    _served(here, candidates, 0, NOW + MINUTE)
    there.learn(*told[-1])
    assert not there
    # What was never away is no news.
    _served(here, candidates, 0, NOW + 2 * MINUTE)
    assert len(told) == 2
    # A word that comes after a retry begins no stay anew.
    there.end(NOW + MINUTE)
    there.learn(*told[0])
    assert not there


def test_counts_are_of_the_warm_ones(candidates: Candidates):
    stays = Conversations()
    for number, at in enumerate((NOW, NOW, NOW - timedelta(hours=2))):
        stays.served(bytes([number]), candidates.in_order[1], candidates, "r1", at)
    assert stays.counts(NOW) == {candidates.in_order[1].name: 2}


# --- what a conversation is known by -------------------------------------------------------------


@pytest.mark.parametrize(
    ("headers", "more"),
    [
        ({"x-session-id": "s1"}, {}),
        ({"session-id": "s1"}, {}),
        ({"x-claude-code-session-id": "s1"}, {}),
        ({}, {"prompt_cache_key": "s1"}),
        ({}, {"metadata": {"user_id": "s1"}}),
    ],
)
def test_an_id_of_the_callers(headers: dict[str, str], more: dict[str, Any]):
    one = conversation_of("ana", "auto", headers, {**HI, **more})
    other = conversation_of("ana", "auto", headers, {"messages": [], **more})
    assert one == other
    assert goes_on(headers, {**HI, **more})
    assert conversation_of("bo", "auto", headers, {**HI, **more}) != one
    assert conversation_of("ana", "fast", headers, {**HI, **more}) != one


def test_else_the_first_message():
    answered = {"messages": [*HI["messages"], {"role": "assistant", "content": "Hello"}]}
    other = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Ho"}]}]}
    one = conversation_of("", "auto", {}, HI)
    assert one == conversation_of("", "auto", {}, answered)
    assert one != conversation_of("", "auto", {}, other)
    # The same first words are no second turn.
    assert not goes_on({}, HI)
    assert goes_on({}, answered)
    assert conversation_of("", "auto", {}, {"messages": []}) is None


@pytest.mark.parametrize("id_", ["x" * 10_240, "\udcff\x00", "ü"])
def test_odd_ids(id_: str):
    digest = conversation_of("", "auto", {"x-session-id": id_}, HI)
    assert digest is not None
    assert len(digest) == 16


@pytest.mark.parametrize("odd", [None, 5, "x", [None], [{"role": "user", "content": 5}]])
def test_odd_bodies(odd: Any):
    body = {"messages": odd, "metadata": odd, "prompt_cache_key": 5}
    conversation_of("", "auto", {}, body)
    goes_on({}, body)
