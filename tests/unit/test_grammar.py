"""The one grammar: typed lines, told-apart options, completion, help."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.access import AccessRules, Actor, Permission, Surface
from bot.card import Command
from bot.catalog import shipped
from bot.commands.complete import complete
from bot.commands.grammar import bind, parse
from bot.commands.table import registry
from bot.errors import PermissionDeniedError, SettingsError, UsageError

REGISTRY = registry(shipped())


def call(line: str) -> tuple[str, dict]:
    found = parse(line, REGISTRY)
    return found.command.full_name, dict(found.args.values)


@pytest.mark.parametrize(
    ("line", "name", "values"),
    [
        ("/model", "model status", {}),
        ("model STATUS", "model status", {}),
        ("/model cheap", "model cheap", {}),
        ("/model cheap for 2h", "model cheap", {"for": "2h"}),
        ("/model cheap for 2 h", "model cheap", {"for": "2 h"}),
        ("/model cheap for 1h 30m agent ops", "model cheap", {"for": "1h 30m", "agent": "ops"}),
        ("/model cheap for until 18:00", "model cheap", {"for": "until 18:00"}),
        ("/model cheap until 18:00", "model cheap", {"for": "until 18:00"}),
        (
            "/model use x/y reason “for 2h” it is",
            "model use",
            {"model": "x/y", "reason": '"for 2h" it is'},
        ),
        ("/model use x/y reason “batch”", "model use", {"model": "x/y", "reason": "batch"}),
        ("/model history 7", "model history", {"amount": 7}),
        ("/fallback set a/b, c/d e/f", "fallback set", {"models": ("a/b", "c/d", "e/f")}),
        ("/fallback add a/b at 2", "fallback add", {"model": "a/b", "at": 2}),
        ("/fallback mute 90 min", "fallback mute", {"duration": "90 min"}),
        ("/fallback test", "fallback test", {}),
        ("/model strategy Local-First", "model strategy", {"name": "local-first"}),
    ],
)
def test_lines(line, name, values):
    assert call(line) == (name, values)


@pytest.mark.parametrize(
    "line",
    [
        "/model cheap for",
        "/model cheap for 2h for 3h",
        "/model cheap now",
        "/model use",
        "/model strategy nonsense",
        "/model history many",
        "/fallback add a/b at 0",
        "/nonsense",
        "",
    ],
)
def test_what_is_no_line(line):
    with pytest.raises(UsageError) as caught:
        parse(line, REGISTRY)
    assert caught.value.hint


@given(st.text(max_size=200))
def test_rubbish_never_escapes_the_tree(line):
    try:
        parse("model " + line, REGISTRY)
    except UsageError as error:
        told = error
    else:
        return
    assert told.message
    assert told.hint


def test_options_that_a_surface_told_apart():
    found = bind(
        "model", "use", {"model": "x/y", "for": "2h", "agent": None, "reason": ""}, REGISTRY
    )
    assert dict(found.args.values) == {"model": "x/y", "for": "2h"}
    found = bind("fallback", "set", {"models": "a/b, c/d"}, REGISTRY)
    assert found.args.words("models") == ("a/b", "c/d")
    assert bind("fallback", "add", {"model": "a/b", "at": 3}, REGISTRY).args.count("at") == 3
    for group, name, options in (
        ("model", "nonsense", {}),
        ("model", "use", {}),
        ("model", "use", {"model": "two words"}),
        ("model", "history", {"amount": "x"}),
    ):
        with pytest.raises(UsageError):
            bind(group, name, options, REGISTRY)


def test_every_example_parses_to_its_own_command():
    for group in REGISTRY.groups:
        for command in REGISTRY.of(group):
            for example in command.examples:
                assert parse(example, REGISTRY).command is command, example


@pytest.mark.parametrize(
    ("typed", "first"),
    [
        ("", "model"),
        ("/mo", "model"),
        ("model ", "status"),
        ("model us", "use"),
        ("model use ", "best"),
        ("model use opus", "anthropic/claude-opus-4-5"),
        ("model use x ", "for"),
        ("model use x for ", "30m"),
        ("model strategy q", "quality"),
        ("fallback set a/b ", "best"),
        ("model cheap for 2h ", "agent"),
    ],
)
def test_completion(typed, first):
    names = ["best", "cheap", "anthropic/claude-opus-4-5"]
    assert complete(typed, REGISTRY, names)[0] == first


def test_nothing_completes_nonsense():
    assert complete("nonsense x", REGISTRY, []) == []
    assert complete("model nonsense x", REGISTRY, []) == []


ANA = Actor(Surface.SLACK, "U1", "Ana", frozenset({"slack-group:S1"}))


@pytest.mark.parametrize(
    ("operators", "admins", "permission", "allowed"),
    [
        ("", "", Permission.READ, True),
        ("", "", Permission.CHANGE, False),
        ("slack:U1", "", Permission.CHANGE, True),
        ("slack:U1", "", Permission.ADMIN, True),
        ("slack:U1", "slack:U2", Permission.ADMIN, False),
        ("slack-group:S1", "", Permission.CHANGE, True),
        ("discord:U1", "", Permission.CHANGE, False),
        ("*", "", Permission.ADMIN, True),
        ("", "slack:U1", Permission.ADMIN, True),
    ],
)
def test_access(operators, admins, permission, allowed):
    rules = AccessRules.parse(operators, admins)
    assert rules.allows(ANA, permission) is allowed
    if not allowed:
        with pytest.raises(PermissionDeniedError) as caught:
            rules.check(ANA, permission, Command("model use"))
        assert "slack:U1" in caught.value.hint


@pytest.mark.parametrize("rule", ["U1", "slack:", "teams:U1", "slack-group:"])
def test_a_rule_of_no_kind_is_refused_at_the_start(rule):
    with pytest.raises(SettingsError, match="CHANGEOVER_OPERATORS"):
        AccessRules.parse(rule, "")


def test_an_option_that_would_be_read_as_an_earlier_one_is_refused() -> None:
    with pytest.raises(UsageError, match="when needs model as well"):
        bind("model", "plan", {"when": "off-peak"}, registry(shipped()))
