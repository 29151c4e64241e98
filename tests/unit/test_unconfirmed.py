"""Fallback events whose claim our own probe settles before anybody is told."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from adapters.main.unconfirmed import Unconfirmed
from adapters.storage.codec import event_key
from bot.alerts.counting import signals_of
from bot.models import FailureReason
from bot.ports import Attempt, FallbackEvent, HopFailure

NOW = datetime(2026, 11, 30, 9, tzinfo=UTC)
OPUS, HAIKU, GPT = "anthropic/claude-opus-4-5", "anthropic/claude-haiku-4-5", "openai/gpt-5.1"
AUTH = FailureReason.AUTH
SOON = NOW + timedelta(seconds=30)


@dataclass
class Kept:
    events: list[FallbackEvent] = field(default_factory=list)

    def put(self, attempt: Attempt) -> None:
        raise AssertionError(attempt)

    def put_event(self, event: FallbackEvent) -> None:
        known = [event_key(one) for one in self.events]
        if event_key(event) in known:
            self.events[known.index(event_key(event))] = event
        else:
            self.events.append(event)


def _event(
    model: str = OPUS, to: str | None = GPT, *, reason: FailureReason = AUTH
) -> FallbackEvent:
    hops = (HopFailure(model, reason, asked=True),)
    return FallbackEvent(NOW, "req_1", model, to, reason, hops=hops)


def test_a_refusal_that_the_probe_disproves_opens_no_incident() -> None:
    kept = Kept()
    book = Unconfirmed(kept)
    book.claimed(OPUS, AUTH, SOON)
    book.put_event(_event())
    book.put_event(_event(HAIKU))
    assert [one.held_until for one in kept.events] == [SOON, SOON]
    book.settled(OPUS, AUTH, NOW + timedelta(seconds=1))
    assert [one.from_model for one in kept.events] == [OPUS, HAIKU]
    assert [signals_of(one) for one in kept.events] == [[], []]
    assert [one.held_until for one in kept.events] == [None, None]


def test_a_request_that_ends_after_the_probe_is_not_believed_either() -> None:
    kept = Kept()
    book = Unconfirmed(kept)
    book.claimed(OPUS, AUTH, SOON)
    book.settled(OPUS, AUTH, NOW)
    book.put_event(replace(_event(), at=NOW + timedelta(seconds=20)))
    book.put_event(replace(_event(), request_id="req_2", at=NOW + timedelta(minutes=5)))
    assert [len(signals_of(one)) for one in kept.events] == [0, 1]


def test_a_refusal_that_the_probe_confirms_is_told_as_it_was() -> None:
    kept = Kept()
    book = Unconfirmed(kept)
    book.claimed(OPUS, AUTH, SOON)
    book.put_event(_event())
    book.settled(OPUS, AUTH, None)
    assert kept.events == [_event()]


def test_a_refusal_that_the_next_probe_confirms_is_told_right_after_one_that_it_did_not() -> None:
    kept = Kept()
    book = Unconfirmed(kept)
    for number, disproved_at in ((1, NOW), (2, None)):
        book.claimed(OPUS, AUTH, SOON)
        book.put_event(replace(_event(), request_id=str(number)))
        book.settled(OPUS, AUTH, disproved_at)
    assert [len(signals_of(one)) for one in kept.events] == [0, 1]


def test_what_is_not_in_doubt_waits_for_nothing() -> None:
    kept = Kept()
    book = Unconfirmed(kept)
    book.claimed(OPUS, FailureReason.MODEL_NOT_FOUND, SOON)
    other = _event(GPT, HAIKU, reason=FailureReason.RATE_LIMIT)
    book.put_event(other)
    assert kept.events == [other]
    book.settled(GPT, AUTH, NOW)
    assert kept.events == [other]


def test_a_dead_chain_is_told_whatever_the_probe_finds() -> None:
    kept = Kept()
    book = Unconfirmed(kept)
    book.claimed(OPUS, AUTH, SOON)
    book.put_event(_event(to=None))
    book.settled(OPUS, AUTH, NOW)
    assert [one.reason for one in signals_of(kept.events[0])] == ["chain_exhausted"]
