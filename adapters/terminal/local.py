"""Words that the console answers itself: `:help`, `:quit`, and what a demo adds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from adapters.terminal.answer import failure
from adapters.terminal.cli import near
from bot.card import Card, Code, Text, text
from bot.durations import shorten
from bot.errors import ChangeoverError, UsageError

LocalCommand = Callable[[str], Awaitable[Card | str]]
_LEAVE = ("quit", "exit", "q")
_HELP = ("help", "?", "/help", "/?", ":?", ":help")


class LocalWords:
    """The console's own commands; `helps` says in a few words what each extra one takes and does.

    Names may be given with or without their colon.
    """

    def __init__(
        self,
        extra: Mapping[str, LocalCommand] | None = None,
        helps: Mapping[str, str] | None = None,
    ) -> None:
        self._extra = {_bare(name): run for name, run in (extra or {}).items()}
        self._helps = {_bare(name): words for name, words in (helps or {}).items()}

    @property
    def names(self) -> list[str]:
        """Every word that begins with a colon."""
        return [f":{name}" for name in (*self._extra, "help", "quit")]

    @staticmethod
    def leaves(line: str) -> bool:
        """Return whether a line ends the session: `:quit`, `quit`, `exit`."""
        return line.strip().lower().removeprefix(":").removeprefix("/") in _LEAVE

    @staticmethod
    def is_local(line: str) -> bool:
        """Return whether a line is for the console and not for the core."""
        return line.startswith(":") or line.strip().lower() in _HELP

    async def run(self, line: str, groups: list[str]) -> Card | str:
        """Carry a local line out; `groups` are the core's commands, for the help."""
        if line.strip().lower() in _HELP:
            return self._help(groups)
        name, _, rest = line.removeprefix(":").partition(" ")
        command = self._extra.get(name.lower())
        if command is None:
            return failure(self._unknown(name), "")
        try:
            return await command(rest.strip())
        except ChangeoverError as error:
            return failure(error, f":{name.lower()}")

    def _unknown(self, name: str) -> UsageError:
        guess = near(f":{name}", self.names)
        return UsageError(
            f":{shorten(name)} is not a console command.",
            f"Did you mean {guess}?" if guess else ":help",
        )

    def _help(self, groups: list[str]) -> Card:
        lines: list[Text] = [
            *(text(Code(f"/{group} help"), f" every form of /{group}") for group in groups),
            *(text(Code(f":{name}"), self._said(name)) for name in self._extra),
            text(Code(":quit"), " leave; Ctrl-D works too"),
        ]
        return Card(text("Type a command; the leading slash is optional"), body=tuple(lines))

    def _said(self, name: str) -> str:
        words = self._helps.get(name, "")
        return f" {words}" if words else ""


def _bare(name: str) -> str:
    return name.removeprefix(":").lower()
