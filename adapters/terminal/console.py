"""`changeover console`: a session at a terminal, or lines from a pipe."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Coroutine,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import Any, TextIO

from adapters.terminal.answer import Look, as_json_line, as_text, shown, write
from adapters.terminal.local import LocalWords
from adapters.terminal.one_shot import CommandApp
from adapters.terminal.prompt import Prompt
from adapters.terminal.reading import read_lines
from bot.access import Actor
from bot.card import Action, Card

_STOPPED = "Stopped. Check the result with /model status.\n"


class Console:
    """A session: reads lines, has the core answer them, shows the answers.

    Where both streams are a terminal it has a prompt with history and completion; else it reads
    the input to its end, answers every line on the output, errors too, and ends, as a shell
    script does, with the exit code of its last command. Lines that are empty or begin with `#`
    are passed over. A question is put to a person at a terminal only; `yes` confirms all.

    `local` are the words it answers itself; `refresh` is awaited before each prompt, so that
    completion knows the present names.
    """

    def __init__(
        self,
        app: CommandApp,
        actor: Actor,
        look: Look,
        *,
        local: LocalWords | None = None,
        history: Path | None = None,
        refresh: Callable[[], Awaitable[object]] | None = None,
        yes: bool = False,
        streams: tuple[TextIO, TextIO] | None = None,
    ) -> None:
        self._app = app
        self._actor = actor
        self._look = look
        self._local = local or LocalWords()
        self._history = history
        self._refresh = refresh
        self._yes = yes
        self._streams = streams

    @property
    def interactive(self) -> bool:
        """True where a person sits at a terminal."""
        return _terminal(self._in) and _terminal(self._out)

    async def run(self, intro: str = "") -> int:
        """Hold the session until its end and return the exit code; `intro` greets a person."""
        if not self.interactive:
            return await self._answer_all(read_lines(self._in), echo=False)
        if intro:
            self._write(shown(intro).rstrip("\n") + "\n")
        await self._converse(Prompt(self._app.complete, self._local.names, self._history))
        return 0

    async def say(self, lines: Sequence[str]) -> int:
        """Run given lines without a terminal, each echoed as `> /model status`.

        Returns:
            The exit code of the last one.
        """
        return await self._answer_all(_each(lines), echo=not self._look.json)

    async def announce(self, card: Card) -> None:
        """Show a card that nobody asked for, above the prompt if there is one."""
        if self._look.json:
            self._show(card)
        else:
            self._write("\n" + as_text(card, self._out, self._look) + "\n")

    async def _converse(self, prompt: Prompt) -> None:
        while True:
            if self._refresh is not None:
                await self._refresh()
            try:
                typed = await prompt.ask()
            except KeyboardInterrupt:
                continue
            except EOFError:
                return
            for line in typed.splitlines():
                if self._local.leaves(line):
                    return
                await self._interruptible(self._answer(line, prompt))

    async def _answer_all(self, lines: AsyncGenerator[str, None], *, echo: bool) -> int:
        code = 0
        async with aclosing(lines):
            async for line in lines:
                if self._local.leaves(line):
                    break
                if not line.strip() or line.lstrip().startswith("#"):
                    continue
                if echo:
                    self._write(f"> {shown(line.strip())}\n")
                code = await self._answer(line, None)
                if echo:
                    self._write("\n")
        return code

    async def _answer(self, line: str, prompt: Prompt | None) -> int:
        line = line.strip()
        if not line:
            return 0
        if self._local.is_local(line):
            answer = await self._local.run(line, self._app.complete(""))
        else:
            action = Action(line, confirmed=True) if self._yes else None
            answer = await self._app.handle(self._actor, line, action=action)
        self._show(answer)
        if prompt is not None and isinstance(answer, Card):
            return await self._confirm(answer, prompt)
        return int(answer.exit_code) if isinstance(answer, Card) else 0

    async def _confirm(self, card: Card, prompt: Prompt) -> int:
        button = next((b for b in card.buttons if b.action.confirmed), None)
        if button is None:
            return int(card.exit_code)
        if not await prompt.confirm(f"{shown(button.label)}? [y/N] "):
            self._write("Nothing was changed.\n")
            return int(card.exit_code)
        action = button.action
        after = await self._app.handle(self._actor, action.words, action=action)
        self._show(after)
        return int(after.exit_code)

    def _show(self, answer: Card | str) -> None:
        if isinstance(answer, str):
            self._write(shown(answer).rstrip("\n") + "\n")
        elif self._look.json:
            self._write(as_json_line(answer, self._look))
        else:
            self._write(as_text(answer, self._out, self._look))
            if answer.attachment is not None:
                self._write(shown(answer.attachment.content.decode("utf-8", "replace")))

    async def _interruptible(self, work: Coroutine[Any, Any, int]) -> None:
        """Do some work that Ctrl-C stops, and only that."""
        task = asyncio.ensure_future(work)
        stopped = False

        def stop() -> None:
            nonlocal stopped
            stopped = True
            task.cancel()

        with _on_interrupt(stop):
            try:
                await task
            except asyncio.CancelledError:
                if not stopped:
                    raise
                self._write(_STOPPED)

    @property
    def _in(self) -> TextIO:
        return self._streams[0] if self._streams else sys.stdin

    @property
    def _out(self) -> TextIO:
        # Looked up each time: while the prompt stands, sys.stdout writes above it.
        return self._streams[1] if self._streams else sys.stdout

    def _write(self, words: str) -> None:
        write(self._out, words)


def history_file(environ: Mapping[str, str], home: Path | None = None) -> Path | None:
    """Return where what was typed is kept: in the user's state folder, if there is one."""
    state = environ.get("XDG_STATE_HOME", "")
    if os.path.isabs(state):
        return Path(state) / "changeover" / "history"
    try:
        base = home or Path.home()
    except RuntimeError:
        return None
    return base / ".local" / "state" / "changeover" / "history"


async def _each(lines: Sequence[str]) -> AsyncGenerator[str, None]:
    for line in lines:
        yield line


def _terminal(stream: TextIO) -> bool:
    try:
        return stream.isatty()
    except (AttributeError, ValueError):
        return False


@contextmanager
def _on_interrupt(stop: Callable[[], None]) -> Iterator[None]:
    """Have Ctrl-C call `stop`, where signals can be had; put the old handler back."""
    loop = asyncio.get_running_loop()
    before = signal.getsignal(signal.SIGINT)
    try:
        loop.add_signal_handler(signal.SIGINT, stop)
    except (NotImplementedError, ValueError, RuntimeError):
        yield
        return
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGINT)
        if before is not None:
            signal.signal(signal.SIGINT, before)
