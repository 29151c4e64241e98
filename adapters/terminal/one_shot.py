"""One command, its answer, an exit code: what `changeover model …` does with the core."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TextIO

from adapters.terminal.answer import Look, deliver, failure, write
from adapters.terminal.cli import VERBS, Invocation, help_text, wants_json
from bot.card import Action, Card, Command, plain, text
from bot.errors import ChangeoverError, UsageError

if TYPE_CHECKING:
    from bot.access import Actor


class CommandApp(Protocol):
    """What the terminal needs of the core."""

    async def handle(self, actor: Actor, words: str, *, action: Action | None = None) -> Card:
        """Carry a line out; errors come as cards."""
        ...

    def complete(self, words: str) -> list[str]:
        """Return what may come next in a line typed so far."""
        ...


def run_static(
    invocation: Invocation, version: str, out: TextIO, err: TextIO, look: Look
) -> int | None:
    """Answer what needs no configuration (help, version); None when it is something else."""
    match invocation.command:
        case "":
            write(err, plain(_help_card((), look).body[0]))
            return 2
        case "version":
            card = Card((f"changeover {version}",), command="version", data={"version": version})
        case "help":
            card = _help_card(invocation.words[:1], look)
        case "model" | "fallback" | "cost" if invocation.words[:1] == ("help",):
            return deliver(_chat_help(invocation), out, err, look)
        case "completion":
            card = _completion(invocation.words)
        case _:
            return None
    if look.json:
        return deliver(card, out, err, look)
    write(out, f"{version}\n" if card.command == "version" else plain(card.body[0]))
    return 0


def _completion(words: tuple[str, ...]) -> Card:
    from adapters.terminal.completion import script
    from bot.catalog import shipped
    from bot.commands.table import registry

    if not words:
        raise UsageError(
            text(Command("completion", program=True), " needs a shell: bash, zsh or fish."),
            Command("completion bash", program=True),
        )
    shell, catalog = words[0], shipped()
    written = script(shell, registry(catalog), list(catalog.presets))
    return Card((f"Completion for {shell}",), body=((written,),), command="completion")


def _chat_help(invocation: Invocation) -> Card:
    from bot.catalog import shipped
    from bot.commands.help import help_card
    from bot.commands.table import registry

    return help_card(
        registry(shipped()), invocation.command, "".join(invocation.words[1:2]).lower()
    )


def _help_card(topic: tuple[str, ...], look: Look) -> Card:
    verbs = [verb for verb in VERBS if not topic or verb.name == topic[0]]
    data = {"commands": [{"name": v.name, "takes": v.takes, "help": v.help} for v in verbs]}
    program = look.speller(Command("", program=True)).strip()
    page = help_text(topic[0] if topic else "", program)
    return Card(("changeover",), body=((page,),), command="help", data=data)


async def run_one(
    app: CommandApp,
    invocation: Invocation,
    actor: Actor,
    out: TextIO,
    err: TextIO,
    look: Look,
    during: Callable[[Awaitable[Card]], Awaitable[Card]] | None = None,
) -> int:
    """Carry one chat command out, show its answer and return the exit code.

    `during` waits for the answer, and says so where that takes long.
    """
    line = invocation.line
    action = Action(line, confirmed=True) if invocation.yes else None
    answer = app.handle(actor, line, action=action)
    card = await (during(answer) if during else answer)
    return deliver(with_yes(card, line), out, err, look)


def with_yes(card: Card, line: str) -> Card:
    """Let a question name the option that answers it on a command line."""
    if card.error is None or card.error.code != "confirmation" or "--yes" in card.error.hint:
        return card
    return replace(card, error=replace(card.error, step=Command(f"{line} --yes", program=True)))


def report(
    error: ChangeoverError, arguments: Sequence[str], out: TextIO, err: TextIO, look: Look
) -> int:
    """Show an error that came up before there was an app to ask; return its exit code."""
    asked = replace(look, json=look.json or wants_json(arguments))
    known = {verb.name for verb in VERBS}
    command = next((word for word in arguments if word in known), "")
    return deliver(failure(error, command), out, err, asked)
