"""Progress on a terminal: what a long command is doing, beside its answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TextIO

from adapters.terminal.answer import on_terminal, shown, write
from bot.card import Card, Text, plain


class Progress:
    """Writes lines to a terminal; to a pipe, a file or beside JSON nothing.

    A command that has said nothing for `patience_s` is said to be still running.
    """

    def __init__(self, err: TextIO, *, json: bool, patience_s: float = 2.0) -> None:
        self._err = err
        self._on = on_terminal(err) and not json
        self._patience_s = patience_s
        self._told = False

    def __call__(self, words: Text) -> None:
        """Describe what has come so far."""
        self._told = True
        if self._on:
            write(self._err, shown(plain(words)) + "\n")

    async def during(self, work: Awaitable[Card]) -> Card:
        """Wait for an answer; a command that says nothing for long is still running."""
        task = asyncio.ensure_future(work)
        try:
            await asyncio.wait([task], timeout=self._patience_s)
            if not task.done() and not self._told:
                self(("Working …",))
            return await task
        finally:
            task.cancel()
