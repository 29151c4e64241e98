"""A small stand-in for the core, as far as a terminal needs it."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from adapters.terminal.answer import Look
from bot.access import Actor, Surface
from bot.card import Action, Attachment, Button, ButtonStyle, Card, Code, Tone, text
from bot.errors import ConfirmationNeededError, ErrorInfo, ExitCode, UsageError

NOW = datetime(2026, 11, 23, 13, 2, tzinfo=UTC)
OWNER = Actor(Surface.CONSOLE, "root", "root", owner=True)
TREE = {
    "": ["model", "fallback"],
    "model": ["status", "best", "use"],
    "fallback": ["status", "test"],
}


def look(*, json: bool = False, **environ: str) -> Look:
    return Look(ZoneInfo("Europe/Berlin"), lambda: NOW, environ, json)


class FakeApp:
    """Answers a few lines by heart; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Action | None]] = []
        self.slow = asyncio.Event()

    async def handle(self, actor: Actor, words: str, *, action: Action | None = None) -> Card:
        self.asked.append((words, action))
        line = words.removeprefix("/")
        match line.split():
            case ["model", "status"]:
                return Card(text("best · ", Code("anthropic/claude-opus-4-5")), command=line)
            case ["model", "best"]:
                return _best(line, action)
            case ["fallback", "test"]:
                self.slow.set()
                await asyncio.Event().wait()
                raise AssertionError("nothing ends this wait but a cancel")
            case ["fallback", "status"]:
                return Card(
                    text("The chain is dead"), Tone.BAD, exit_code=ExitCode.BAD_ANSWER, command=line
                )
            case ["cost", "export"]:
                table = Attachment("cost.csv", "text/csv", b"day,usd\n2026-11-23,1.5\n")
                return Card(text("1 day"), attachment=table, command=line)
            case _:
                return _unknown(line)

    def complete(self, words: str) -> list[str]:
        parts = words.split()
        last = "" if words.endswith(" ") or not parts else parts.pop()
        return [word for word in TREE.get(" ".join(parts), []) if word.startswith(last)]


def _best(line: str, action: Action | None) -> Card:
    if action is not None and action.confirmed:
        return Card(text("cheap → best"), Tone.CHANGE, command=line)
    error = ConfirmationNeededError("best is much dearer, so nothing was changed yet.")
    return Card(
        text("Confirm: cheap → best"),
        Tone.QUESTION,
        buttons=(Button("Confirm", Action(line, confirmed=True, once=True), ButtonStyle.DANGER),),
        command=line,
        error=error.info,
        exit_code=error.exit_code,
    )


def _unknown(line: str) -> Card:
    info = ErrorInfo(UsageError.code, f"{line} is no command.", "Did you mean /model status?")
    return Card(
        text(info.message),
        Tone.BAD,
        body=(text(info.hint),),
        command=line,
        error=info,
        exit_code=ExitCode.USAGE,
    )
