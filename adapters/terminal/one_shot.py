"""One command, its answer, an exit code: what `changeover model …` does with the core."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TextIO

from adapters.terminal.answer import Look, deliver, failure, write
from adapters.terminal.cli import VERBS, Invocation, help_text, wants_json
from bot.errors import ChangeoverError, UsageError
from bot.spans import Command, text

if TYPE_CHECKING:
    from bot.access import Actor
    from bot.card import Action, Card


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
    command, words = invocation.command, invocation.words
    if command == "":
        write(err, _help_page((), look))
        return 2
    if command in ("model", "fallback", "cost") and words[:1] == ("help",):
        return deliver(_chat_help(invocation), out, err, look)
    page = _page(invocation, version, look)
    if page is None:
        return None
    if look.json:
        return deliver(_page_card(invocation, version, page), out, err, look)
    write(out, page)
    return 0


def _page(invocation: Invocation, version: str, look: Look) -> str | None:
    match invocation.command:
        case "version":
            return f"{version}\n"
        case "help":
            return _help_page(invocation.words[:1], look)
        case "completion":
            return _completion(invocation.words)
        case _:
            return None


def _page_card(invocation: Invocation, version: str, page: str) -> Card:
    from bot.card import Card

    command, words = invocation.command, invocation.words
    match command:
        case "version":
            return Card((f"changeover {version}",), command=command, data={"version": version})
        case "help":
            verbs = [verb for verb in VERBS if not words or verb.name == words[0]]
            data = {"commands": [{"name": v.name, "takes": v.takes, "help": v.help} for v in verbs]}
            return Card(("changeover",), body=((page,),), command=command, data=data)
        case _:
            return Card((f"Completion for {words[0]}",), body=((page,),), command=command)


def _help_page(topic: tuple[str, ...], look: Look) -> str:
    program = look.speller(Command("", program=True)).strip()
    return help_text(topic[0] if topic else "", program)


def _completion(words: tuple[str, ...]) -> str:
    from adapters.terminal.completion import script
    from bot.catalog import shipped
    from bot.commands.table import registry

    if not words:
        raise UsageError(
            text(Command("completion", program=True), " needs a shell: bash, zsh or fish."),
            Command("completion bash", program=True),
        )
    catalog = shipped()
    return script(words[0], registry(catalog), list(catalog.presets))


def _chat_help(invocation: Invocation) -> Card:
    from bot.catalog import shipped
    from bot.commands.help import help_card
    from bot.commands.table import registry

    return help_card(
        registry(shipped()), invocation.command, "".join(invocation.words[1:2]).lower()
    )


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
    from bot.card import Action

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
