"""`changeover init`: `.env` and `moltbot.json` where they are missing, never over anything."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import shlex
import sys
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from adapters.environment import FILE_VARIABLES, find_config, read_service_settings
from adapters.main.terminal import person
from adapters.main.wiring import environment, run, wire
from adapters.storage.config_db import DatabaseConfigStore
from adapters.storage.database import Database
from adapters.storage.files.config_file import FileConfigStore
from adapters.terminal.answer import Look, deliver
from adapters.terminal.called import in_shell, program_name
from adapters.terminal.cli import Invocation
from bot.access import Surface
from bot.card import Action, Card, Code, Command, Strong, Text, Tone, text
from bot.catalog import Catalog, shipped
from bot.errors import ConfigMissingError, ConfigWriteError

_PACKAGED = Path(__file__).with_name("env.example")
_EVERYWHERE = ("0.0.0.0", "::", "")  # noqa: S104
_IN_THE_CLONE = Path(__file__).parents[2] / ".env.example"


def run_init(invocation: Invocation) -> int:
    """Write what is missing and say what is there. Raises ChangeoverError."""
    from datetime import UTC, datetime

    if invocation.openclaw:
        return run(lambda: _serve(invocation))

    speller = in_shell(program_name(os.environ))
    look = Look(UTC, lambda: datetime.now(UTC), os.environ, invocation.json, speller)
    card = asyncio.run(_init(invocation))
    return deliver(card, sys.stdout, sys.stderr, look)


async def _serve(invocation: Invocation) -> int:
    """Show or make the edit that points a running OpenClaw at our gateway."""
    from bot.commands.serve import serve
    from bot.openclaw.serve import GatewayAddress

    wired = wire(environment(invocation), config=invocation.config)
    gateway = wired.service.gateway
    host = gateway.host if gateway.host not in _EVERYWHERE else "127.0.0.1"
    door = GatewayAddress(gateway.port, host, token=bool(gateway.token or gateway.callers))
    action = Action("init --openclaw", confirmed=invocation.yes)
    try:
        card = await serve(wired.app.context(person(Surface.CLI), action), door)
    finally:
        await wired.close()
    return deliver(card, sys.stdout, sys.stderr, wired.look(json=invocation.json))


async def _init(invocation: Invocation) -> Card:
    lines: list[Text] = []
    env_path = invocation.env_file or Path.cwd() / ".env"
    wrote_env = _write_env(env_path, needed=invocation.env_file is not None)
    if wrote_env is None:
        words = " cannot be written here; set the variables in the environment."
        lines.append(text(Code(str(env_path)), words))
    else:
        lines.append(_line(env_path, written=wrote_env))
    if wrote_env:
        lines.append(
            text("Add an API key to it: ", Code("ANTHROPIC_API_KEY=…"), "; one is enough.")
        )
    place = _place(invocation)
    found = await _found_file(invocation, place)
    missing = found is None and await _write_config(invocation, place)
    if found is None:
        lines.append(_line(place, written=missing))
    else:
        take = Command(f"config import {shlex.quote(str(found))}", program=True)
        lines.append(text("The database has no config yet. Take the one in use: ", take))
    return Card(
        title=text(Strong("Ready") if missing or wrote_env else "Nothing to write"),
        tone=Tone.GOOD,
        body=tuple(lines),
        footer=text(
            "Next: ", Command("doctor", program=True), ", then ", Command("run", program=True)
        ),
        command="init",
        data={
            "env_path": str(env_path),
            "env_written": bool(wrote_env),
            "config_path": str(place),
            "config_written": missing,
        },
    )


def _write_env(path: Path, *, needed: bool) -> bool | None:
    """Write the template, readable by its owner alone.

    False when the file is there; None where it cannot be and is not needed, as in a container.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    except OSError as error:
        if not needed and error.errno in (errno.EROFS, errno.EACCES):
            return None
        raise ConfigWriteError(
            f"{path} cannot be written: {error.strerror}.",
            "Change to a writable folder, or pass --env-file PATH.",
        ) from error
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        template = _PACKAGED if _PACKAGED.exists() else _IN_THE_CLONE
        file.write(template.read_text(encoding="utf-8"))
    return True


def _first_config() -> bytes:
    """Write the presets of today as a config: all of them named, the preset chain in place."""
    catalog = _today()
    named = {p.name: catalog.current(p.model) for p in catalog.presets.values()}
    chain = [str(named.get(word) or _current(word)) for word in catalog.chain]
    models: dict[str, dict[str, str]] = {str(ref): {"alias": n} for n, ref in named.items()}
    for name in chain:
        models.setdefault(name, {})
    model = {"primary": str(named["best"]), "fallbacks": chain}
    config = {"agents": {"defaults": {"model": model, "models": models}}}
    return (json.dumps(config, indent=2) + "\n").encode()


def _today() -> Catalog:
    return shipped().on(datetime.now(UTC).date())


def _current(word: str) -> str:
    from bot.models import ModelRef

    ref = ModelRef.parse(word)
    return str(_today().current(ref)) if ref else word


async def _found_file(invocation: Invocation, place: Path | str) -> Path | None:
    """Return the config file that a team has, where the database is to hold it and does not yet."""
    if isinstance(place, Path):
        return None
    env = {k: v for k, v in environment(invocation).items() if k not in FILE_VARIABLES}
    database = Database(read_service_settings(env).database_url)
    try:
        await DatabaseConfigStore(database).read()
    except ConfigMissingError:
        with suppress(ConfigMissingError):
            return Path(find_config(env, Path.cwd(), Path.home())[0])
    finally:
        await database.close()
    return None


async def _write_config(invocation: Invocation, place: Path | str) -> bool:
    """Write the first config to the file or the database; False when there is one."""
    if isinstance(place, Path):
        if place.exists():  # noqa: ASYNC240 - nothing else waits
            return False
        await FileConfigStore(place).create(_first_config())
        return True
    database = Database(read_service_settings(environment(invocation)).database_url)
    store = DatabaseConfigStore(database)
    try:
        await store.read()
    except ConfigMissingError:
        await store.create(_first_config())
        return True
    finally:
        await database.close()
    return False


def _place(invocation: Invocation) -> Path | str:
    try:
        return find_config(environment(invocation), Path.cwd(), Path.home(), invocation.config)[0]
    except ConfigMissingError:
        return Path.cwd() / "moltbot.json"


def _line(path: Path | str, *, written: bool) -> Text:
    return text(Code(str(path)), " written." if written else " already exists and was not changed.")
