"""The command tree and the words it stands for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import discord
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.discord.tree import Tree, fill, fingerprint, forms
from adapters.discord.words import completes, line_of, suggestions
from bot.access import Permission
from bot.card import Card, text
from bot.catalog import shipped
from bot.commands.grammar import bind, parse
from bot.commands.registry import Command, Kind, Param, Registry
from bot.commands.table import registry
from bot.errors import SettingsError, UsageError
from tests.servers.discord_limits import command_faults

REGISTRY = registry(shipped())
COMMANDS = [command for group in REGISTRY.groups for command in REGISTRY.of(group)]


async def handler(ctx: Any, args: Any) -> Card:
    return Card(text("done"))


SPEND = Command(
    "cost",
    "spend",
    "Show what was spent",
    Permission.READ,
    handler,
    (
        Param("period", Kind.CHOICE, "The period", choices=("today", "week", "month")),
        Param("duration", Kind.DEADLINE, "Since when"),
        Param("by", Kind.CHOICE, "Split by", keyword=True, choices=("model", "day")),
    ),
    default=True,
    discord_names=("today", "week", "month", "since"),
)
BUDGET = Command(
    "cost",
    "budget",
    "Set a budget " + "and explain at length " * 9,
    Permission.ADMIN,
    handler,
    (
        Param("amount", Kind.AMOUNT, "How much"),
        Param("then", Kind.NAME, "What to switch to", keyword=True),
    ),
)
COSTS = Registry((SPEND, BUDGET))


class Heard:
    """What the tree was asked to run."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.errors: list[Exception] = []

    async def run(self, interaction: Any, command: Command, options: Any) -> None:
        self.calls.append((command.full_name, dict(options)))

    async def error(self, interaction: Any, error: Exception) -> None:
        self.errors.append(error)


async def everybody(interaction: Any) -> bool:
    return True


async def tree_of(commands: Registry, prefix: str = "", heard: Heard | None = None) -> Tree:
    heard = heard or Heard()
    tree = Tree(discord.Client(intents=discord.Intents(guilds=True)), heard.error)
    fill(tree, commands, prefix, heard.run, lambda: ["best"], everybody)
    return tree


async def payload(commands: Registry, prefix: str = "") -> list[dict[str, Any]]:
    tree = await tree_of(commands, prefix)
    return [command.to_dict(tree) for command in tree.get_commands()]


@pytest.mark.parametrize("commands", [REGISTRY, COSTS])
async def test_discord_takes_the_tree(commands):
    assert command_faults(await payload(commands)) == []


async def test_the_subcommands_are_those_that_were_promised():
    names = {c["name"]: [o["name"] for o in c["options"]] for c in await payload(REGISTRY)}
    assert {group: " ".join(subs) for group, subs in names.items()} == {
        "model": "status best fast cheap think local use fallback strategy list preset remind plan "
        "pending approve reject override trial undo history help",
        "fallback": "status test retry set add remove off limit events mute unmute ack help",
        "cost": "today week month since digest compare budget export help",
    }
    options = {
        o["name"]
        for c in await payload(REGISTRY)
        for sub in c["options"]
        for o in sub.get("options", [])
    }
    promised = "model models name id for agent everywhere reason at duration by amount period then"
    assert options == {*promised.split(), "share", "when", "export"}


async def test_options_have_types_choices_and_completion():
    subs = {o["name"]: o for o in (await payload(REGISTRY))[0]["options"]}
    strategy = subs["strategy"]["options"][0]
    assert strategy["required"]
    assert [c["value"] for c in strategy["choices"]] == list(shipped().strategies)
    use = {o["name"]: o for o in subs["use"]["options"]}
    assert use["model"]["required"]
    assert use["model"]["autocomplete"]
    assert list(use) == ["model", "for", "agent", "everywhere", "reason"]
    amount = subs["history"]["options"][0]
    assert (amount["type"], amount["min_value"]) == (4, 1)


async def test_the_fingerprint_is_the_trees_own():
    first, again = fingerprint(await tree_of(REGISTRY)), fingerprint(await tree_of(REGISTRY))
    assert first == again
    assert first != fingerprint(await tree_of(REGISTRY, "llm-"))


async def test_a_prefix_that_makes_no_name_is_refused():
    with pytest.raises(SettingsError, match=r"/LLM!model"):
        await tree_of(REGISTRY, "LLM!")


def test_a_command_may_be_several_subcommands():
    assert list(forms(SPEND)) == [
        ("today", {"period": "today"}),
        ("week", {"period": "week"}),
        ("month", {"period": "month"}),
        ("since", {}),
    ]
    assert list(forms(BUDGET)) == [("budget", {})]


async def test_a_subcommands_name_decides_an_option():
    heard = Heard()
    tree = await tree_of(COSTS, heard=heard)
    group = tree.get_command("cost")
    assert isinstance(group, discord.app_commands.Group)
    week = group.get_command("week")
    assert isinstance(week, discord.app_commands.Command)
    assert [p.display_name for p in week.parameters] == ["duration", "by"]
    await week.callback(SimpleNamespace(), option_2="model", option_1=None)  # type: ignore[call-arg, arg-type]
    assert heard.calls == [("cost spend", {"period": "week", "by": "model"})]
    call = bind("cost", "spend", heard.calls[0][1], COSTS)
    assert line_of(call.command, call.args.values) == "cost spend week by model"


# --- words ----------------------------------------------------------------------------

WORD = st.text(
    st.characters(categories=("Ll", "Nd"), max_codepoint=0x24F), min_size=1, max_size=12
).filter(
    lambda w: (
        w
        not in {
            "for",
            "until",
            "at",
            "agent",
            "reason",
            "remove",
            "since",
            "per",
            "then",
            "by",
            "duration",
            "period",
        }
    )
)
VALUES = {
    Kind.MODEL: WORD,
    Kind.MODELS: st.lists(WORD, min_size=1, max_size=4).map(" ".join),
    Kind.PROVIDER: WORD,
    Kind.NAME: WORD,
    Kind.DEADLINE: st.sampled_from(["30m", "2h", "1h 30m", "90 min", "until 18:00"]),
    Kind.COUNT: st.integers(1, 99),
    Kind.AMOUNT: st.sampled_from(["50", "$1,000.50", "off"]),
    Kind.SHARE: st.sampled_from(["10%", "25"]),
    Kind.WHEN: st.sampled_from(["weekdays 22:00-07:00", "off-peak", "sat,sun", "2"]),
    Kind.TEXT: st.text(max_size=600).filter(lambda w: w.strip("\"' ")),
}


@st.composite
def calls(draw: st.DrawFn) -> tuple[Command, dict[str, Any]]:
    """A command with some of its options."""
    command = draw(st.sampled_from(COMMANDS))
    options = {}
    for param in command.params:
        if param.required or draw(st.booleans()):
            values = st.sampled_from(param.choices) if param.choices else VALUES[param.kind]
            options[param.name] = draw(values)
    return command, options


@settings(max_examples=300, deadline=None)
@given(calls())
def test_the_line_means_what_the_options_mean(call):
    command, options = call
    try:
        bound = bind(command.group, command.name, options, REGISTRY)
    except UsageError:
        return
    again = parse(line_of(command, bound.args.values), REGISTRY)
    assert again.command is command
    assert again.args == bound.args


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"model": "cheap"}, "model use cheap"),
        (
            {"reason": "a for b", "for": "2h", "model": "x/y"},
            "model use x/y for 2h reason a for b",
        ),
        ({"model": "x/y", "for": "until 18:00"}, "model use x/y until 18:00"),
        ({"model": "x/y", "agent": None}, "model use x/y"),
    ],
)
def test_a_line_is_written_as_it_is_typed(values, line):
    command = REGISTRY.find("model", "use")
    assert command is not None
    assert line_of(command, values) == line


def test_an_empty_list_is_no_word():
    command = REGISTRY.find("fallback", "test")
    assert command is not None
    assert line_of(command, {"models": ()}) == "fallback test"


def test_completion_offers_at_most_25_and_nothing_too_long():
    model = Param("model", Kind.MODEL, "A model")
    names = [f"p/m{i}" for i in range(60)] + ["p/" + "x" * 100]
    assert len(suggestions(model, "p/", names)) == 25
    assert suggestions(model, "xxx", names) == []


def test_completion_is_by_kind():
    names = ["best", "a/x", "b/y", "a/z"]
    models = Param("models", Kind.MODELS, "Models")
    assert suggestions(models, "best a/", names) == ["best a/x", "best a/z"]
    assert suggestions(models, "a", names) == ["a/x", "a/z"]
    assert suggestions(Param("name", Kind.PROVIDER, "A provider"), "", names) == ["a", "b"]
    deadline = Param("for", Kind.DEADLINE, "How long")
    assert suggestions(deadline, "2", names) == ["2h"]
    assert not completes(Param("reason", Kind.TEXT, "Why"))
    assert not completes(Param("name", Kind.MODEL, "One of", choices=("a",)))
