"""`changeover config …`: the config as a whole, in a file or in the database."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from adapters.environment import DATABASE
from adapters.environment.values import expand
from adapters.main.terminal import person
from adapters.main.wiring import Wired, environment, run, wire
from adapters.storage.config_db import DatabaseConfigStore
from adapters.storage.files.config_file import FileConfigStore
from adapters.terminal.answer import deliver
from adapters.terminal.cli import Invocation
from bot.access import Surface
from bot.card import Action, Card
from bot.commands.whole_config import bring_in, difference, listed, put_back, shown
from bot.errors import StorageError, UsageError
from bot.messages.whole_config import exported_card
from bot.spans import Command

_NEEDS = {"import": "FILE", "restore": "REVISION"}
_TAKES = {*_NEEDS, "export", "diff"}


def run_config(invocation: Invocation) -> int:
    """Carry one of them out. Raises ChangeoverError."""
    return run(lambda: _run(invocation))


async def _run(invocation: Invocation) -> int:
    verb, word = _asked(invocation)
    wired = wire(environment(invocation), config=invocation.config)
    try:
        if verb == "export" and word is None:
            raw = (await wired.app.ports.store.read()).raw
            sys.stdout.buffer.write(raw)
            return 0
        card = await _card(wired, invocation, verb, word)
    finally:
        await wired.close()
    card = wired.settings.blackout.clean_all(card)
    return deliver(card, sys.stdout, sys.stderr, wired.look(json=invocation.json))


def _asked(invocation: Invocation) -> tuple[str, str | None]:
    """Return the word after `config` and its argument. Raises UsageError."""
    verb, word = (*invocation.words, None, None)[:2]
    if verb is None:
        raise UsageError("config needs a word.", Command("config --help", program=True))
    if word is None and verb in _NEEDS:
        raise UsageError(
            f"config {verb} needs {_NEEDS[verb]}.",
            Command(f"config {verb} {_NEEDS[verb]}", program=True, form=True),
        )
    if word is not None and verb not in _TAKES:
        raise UsageError(
            f"config {verb} takes no {word!r}.", Command(f"config {verb}", program=True)
        )
    return verb, word


async def _card(wired: Wired, invocation: Invocation, verb: str, word: str | None) -> Card:
    action = Action(invocation.line, confirmed=invocation.yes)
    ctx = wired.app.context(person(Surface.CLI), action)
    match verb:
        case "import":
            return await bring_in(ctx, *await _source(wired, word or ""))
        case "export":
            return await _export(wired, word)
        case "restore":
            return await put_back(ctx, word or "")
        case "diff":
            return await difference(ctx, word)
        case "revisions":
            return await listed(ctx)
        case _:
            return await shown(ctx)


async def _source(wired: Wired, word: str) -> tuple[bytes, str]:
    """Read what is to be imported, and name it as the journal does."""
    if word.lower() == DATABASE:
        return (await DatabaseConfigStore(wired.database).read()).raw, DATABASE
    store = FileConfigStore(expand(word, Path.cwd(), Path.home()))
    return (await store.read()).raw, store.location


async def _export(wired: Wired, word: str | None) -> Card:
    """Write a private copy, never over anything."""
    ports = wired.app.ports
    document = await ports.store.read()
    target = FileConfigStore(expand(word or "", Path.cwd(), Path.home()))
    await target.create(document.raw)
    try:
        pending = len(await ports.journal.reverts(ports.store.location))
    except StorageError:
        pending = 0
    return exported_card(os.fspath(target.location), ports.store.location, pending)
