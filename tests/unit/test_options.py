"""Options by name alone: what is noted of callers, and what a test sends for them."""

from __future__ import annotations

from datetime import date

import pytest

from bot.dialects.history import HISTORY
from bot.dialects.options import SAMPLES, Used, sample_of
from bot.models import Dialect

DAY, NEXT = date(2026, 12, 1), date(2026, 12, 2)


def test_every_dialect_of_callers_has_samples():
    assert tuple(SAMPLES) == tuple(HISTORY)


@pytest.mark.parametrize("dialect", SAMPLES)
def test_samples_are_ours_and_bring_what_they_need(dialect: Dialect):
    assert sample_of(dialect, ["tool_choice"]).keys() == {"tool_choice", "tools"}
    assert sample_of(dialect, ["of_next_year", "model"]) == {}
    assert sample_of(Dialect.GEMINI, ["tools"]) == {}


def test_names_are_noted_once_a_day_and_nothing_else():
    used = Used()
    request = {"model": "auto", "input": "secret words", "tools": [], "secret name": 1}
    used.note(Dialect.RESPONSES, request.keys(), DAY)
    assert used.days == {"responses": {"": DAY, "tools": DAY}}
    news = [used.news]
    for names in (request, {"store": False}):
        used.news = False
        used.note(Dialect.RESPONSES, names.keys(), DAY)
        news.append(used.news)
    assert news == [True, False, True]
    used.note(Dialect.RESPONSES, {}.keys(), NEXT)
    assert used.days["responses"] == {"": NEXT, "tools": DAY, "store": DAY}
