"""The words of /cost: bare durations, arguments with other words, what is hidden, completion."""

from __future__ import annotations

import pytest

from bot.catalog import shipped
from bot.commands.complete import complete
from bot.commands.grammar import bind, parse
from bot.commands.table import registry
from bot.errors import UsageError

REGISTRY = registry(shipped())


@pytest.mark.parametrize(
    ("line", "name", "values"),
    [
        ("/cost", "week", {}),
        ("/cost by day", "week", {"by": "day"}),
        ("/cost BY Day", "week", {"by": "day"}),
        ("/cost 3d", "since", {"duration": "3d"}),
        ("/cost 90 min by key", "since", {"duration": "90 min", "by": "key"}),
        ("/cost since 1h 30m by model", "since", {"duration": "1h 30m", "by": "model"}),
        ("/cost month by provider", "month", {"by": "provider"}),
        ("/cost compare", "compare", {}),
        ("/cost compare cheap fast", "compare", {"models": ("cheap", "fast")}),
        ("/cost compare cheap since 2d", "compare", {"models": ("cheap",), "duration": "2d"}),
        ("/cost compare duration 2d", "compare", {"duration": "2d"}),
        ("/cost budget", "budget", {}),
        ("/cost budget off", "budget", {"amount": "off"}),
        (
            "/cost budget $50 per day then cheap",
            "budget",
            {"amount": "$50", "period": "day", "then": "cheap"},
        ),
        ("/cost budget 50 period week", "budget", {"amount": "50", "period": "week"}),
        ("/cost export 7d", "export", {"duration": "7d"}),
        ("cost reprice --from 2026-03-01", "reprice", {"from": "2026-03-01"}),
        ("/cost reprice from 2026-03-01", "reprice", {"from": "2026-03-01"}),
    ],
)
def test_a_line_is_read(line, name, values):
    call = parse(line, REGISTRY)
    assert (call.command.name, dict(call.args.values)) == (name, values)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("/cost budget 5 per day per week", "given twice"),
        ("/cost budget 5 day", "Unexpected 'day'"),
        ("/cost x", "Unknown command"),
        ("/cost by", "by needs the grouping"),
        ("/cost -3d", "Unknown command"),
    ],
)
def test_a_line_that_is_none_is_refused(line, said):
    with pytest.raises(UsageError) as error:
        parse(line, REGISTRY)
    assert said in error.value.message


def test_options_that_a_surface_has_told_apart():
    options = {"amount": "50", "period": "day", "then": "cheap"}
    assert dict(bind("cost", "budget", options, REGISTRY).args.values) == options
    assert dict(bind("cost", "today", {"by": "key"}, REGISTRY).args.values) == {"by": "key"}


def test_what_is_offered_is_what_the_contract_names():
    names = [command.name for command in REGISTRY.of("cost")]
    assert names == [
        "today",
        "week",
        "month",
        "since",
        "digest",
        "compare",
        "budget",
        "export",
        "help",
    ]
    assert REGISTRY.find("cost", "reprice") is not None
    assert REGISTRY.default("cost").name == "week"


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("/cost bu", ["budget"]),
        ("/cost week ", ["by"]),
        ("/cost week by ", ["model", "provider", "day", "key", "agent", "session"]),
        ("/cost by ", ["model", "provider", "day", "key", "agent", "session"]),
        ("/cost budget 5 ", ["per", "then"]),
        ("/cost budget 5 per ", ["day", "week", "month"]),
        ("/cost budget 5 per day t", ["then"]),
        ("/cost budget 5 per day then ch", ["cheap"]),
        ("/cost nonsense ", []),
    ],
)
def test_completion(typed, offered):
    assert complete(typed, REGISTRY, ["cheap", "best"]) == offered
