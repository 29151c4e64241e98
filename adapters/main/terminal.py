"""One-shot commands, the console and the doctor."""

from __future__ import annotations

import getpass
import os
import sys

from adapters.main.wiring import Wired, environment, run, wire
from adapters.terminal.answer import deliver
from adapters.terminal.cli import Invocation
from adapters.terminal.one_shot import run_one
from adapters.terminal.progress import Progress
from bot.access import Actor, Surface


def run_terminal(invocation: Invocation) -> int:
    """Carry out model, fallback, cost, doctor or console. Raises ChangeoverError."""
    progress = Progress(sys.stderr, json=invocation.json)
    wired = wire(environment(invocation), config=invocation.config, progress=progress)
    return run(lambda: _work(invocation, wired, progress))


def person(surface: Surface) -> Actor:
    """Return whoever sits at this machine: the server's owner."""
    try:
        name = os.environ.get("CHANGEOVER_ACTOR") or getpass.getuser()
    except (KeyError, OSError):
        name = str(os.getuid())
    if os.environ.get("CHANGEOVER_SURFACE") == "script":
        surface = Surface.SCRIPT
    return Actor(surface, name, name, owner=True)


async def _work(invocation: Invocation, wired: Wired, progress: Progress) -> int:
    look = wired.look(json=invocation.json)
    try:
        if invocation.command == "console":
            return await _console(invocation, wired)
        if invocation.command == "doctor":
            from adapters.main.doctor import examine_all

            card = await progress.during(examine_all(wired, person(Surface.CLI)))
            return deliver(card, sys.stdout, sys.stderr, look)
        actor = person(Surface.CLI)
        return await run_one(
            wired.app, invocation, actor, sys.stdout, sys.stderr, look, progress.during
        )
    finally:
        await wired.close()


async def _console(invocation: Invocation, wired: Wired) -> int:
    from adapters.terminal.console import Console, history_file

    console = Console(
        wired.app,
        person(Surface.CONSOLE),
        wired.look(json=invocation.json, prompt=True),
        history=history_file(wired.settings.env),
        refresh=wired.app.refresh_names,
        yes=invocation.yes,
    )
    return await console.run("Changeover. /model status, /model help; :help for this console.")
