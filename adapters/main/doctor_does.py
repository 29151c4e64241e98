"""What the doctor tries out: a row, a file, the port, the clock, the providers' lists and bills."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import aiohttp

from adapters.gateway.neighbour import greeting
from adapters.main.wiring import Wired
from adapters.shared.proxy import proxy_for
from adapters.storage.connection import Connection
from adapters.storage.key_values import put_value
from bot.access import Actor
from bot.catalog import Catalog
from bot.commands.doctor import Check, Level
from bot.commands.snapshot import load_snapshot
from bot.errors import ChangeoverError, StorageError
from bot.messages.database import SAME_DATABASE, gateway_line
from bot.ports import BillSource
from bot.routing.near import nearest

WITHIN_S = 5.0
_DAY = timedelta(days=1)
_BILL_KEYS = ("OPENAI_ADMIN_KEY", "ANTHROPIC_ADMIN_KEY", "OPENROUTER_MANAGEMENT_KEY")
MOST_SKEW_S = 60.0
TRIED_BYTES = 200_000
"""Random and more than fits into what a database has left: a full disk must show."""


class _RollBack(Exception):
    """Ends a transaction that must leave nothing behind."""


async def examine_row(wired: Wired) -> list[Check]:
    """Write a row and take it back; before the first start there is no database to write to."""
    if wired.database.empty:
        return []

    def write(connection: Connection) -> None:
        put_value(connection, f"doctor {os.getpid()}", os.urandom(TRIED_BYTES).hex())
        raise _RollBack

    try:
        await wired.database.write(write)
    except _RollBack:
        return [Check("database writes", True, Level.INFO, "Writable.")]
    except StorageError as error:
        return [Check("database writes", False, Level.ERROR, error.message, error.hint)]
    raise AssertionError("the row stayed")


def examine_file(path: Path) -> Check:
    """Make and sync a file where the config is; one mounted by itself is written in place."""
    try:
        handle, name = tempfile.mkstemp(prefix=".changeover-doctor-", dir=path.parent)
        try:
            os.write(handle, b"x")
            os.fsync(handle)
        finally:
            os.close(handle)
            os.unlink(name)
    except OSError as error:
        why = os.strerror(error.errno or 0).lower()
        if error.errno != errno.ENOSPC and os.access(path, os.W_OK):
            words = f"{path} is writable in place; its folder is not: {why}."
            return Check("writable", True, Level.INFO, words)
        words = f"{path} is not writable: {why}."
        hint = f"Give the user write permission on {path.parent}, and free disk space."
        return Check("writable", False, Level.ERROR, words, hint)
    return Check("writable", True, Level.INFO, f"{path} is writable.")


async def examine_port(host: str, port: int, installation: str) -> Check | None:
    """Bind the gateway's port, or recognise a gateway of ours on it; None where it is free."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as door:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind(address)
        return None
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        said = await greeting(host, port) if taken else None
        if said is not None:
            other = said.get("installation", installation) != installation
            words = gateway_line(f"{host}:{port}", other=other)
            return Check("gateway", not other, _level(other), words, SAME_DATABASE if other else "")
        why = (error.strerror or str(error)).lower()
        words = f"The gateway cannot listen on {host}:{port}: {why}."
        return Check("gateway", False, Level.ERROR, words, "Set PORT to a free port.")


def cores_here() -> int:
    """Return how many cores this process may use."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


async def examine_clock(urls: dict[str, str]) -> list[Check]:
    """Compare this machine's clock with the `Date` of the chats; one that says nothing is left."""
    checks = []
    for name, url in urls.items():
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=WITHIN_S)) as session,
                session.get(url, allow_redirects=False, proxy=proxy_for(url)) as answer,
            ):
                theirs = parsedate_to_datetime(answer.headers["Date"])
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, LookupError):
            continue
        off_s = (datetime.now(UTC) - theirs).total_seconds()
        if abs(off_s) <= MOST_SKEW_S:
            checks.append(Check("clock", True, Level.INFO, f"The clock agrees with {name}'s."))
            continue
        words = f"This machine's clock is {off_s:+.0f} s off {name}'s."
        checks.append(Check("clock", False, Level.ERROR, words, "Set it by NTP: timedatectl"))
    return checks


async def examine_models(wired: Wired, actor: Actor) -> list[Check]:
    """Look for each model of the chain in its provider's own list."""
    ctx = wired.app.context(actor)
    try:
        hops = (await load_snapshot(ctx)).hops
    except ChangeoverError:
        return []
    env = wired.settings.env

    async def look(hop_index: int) -> Check | None:
        hop = hops[hop_index]
        if hop.provider is None or hop.ref is None or not hop.walked:
            return None
        base = env.get(hop.provider.base_url_env or "") or hop.provider.config_base_url or ""
        ids = await ctx.ports.lists.models(hop.provider, base, hop.key)
        near = nearest(hop.ref.name, ids)
        if near is None:
            return None
        words = f"{hop.ref} is not listed by {hop.provider.title}; closest ID: {near}."
        command = f"changeover model preset NAME {hop.ref.provider}/{near}"
        return Check("model", False, Level.WARNING, words, command)

    found = await asyncio.gather(*map(look, range(len(hops))))
    return [check for check in found if check is not None]


async def examine_bills(env: Mapping[str, str], catalog: Catalog, now: datetime) -> list[Check]:
    """Ask each provider for yesterday's bill with the key that is set for that.

    A provider's ordinary key is not tried here: the chain's test does that.
    """
    if not any(env.get(name) for name in _BILL_KEYS):
        return []
    from adapters.providers.bills import bill_sources

    asked = [source for source in bill_sources(env, catalog) if not source.metered]
    return list(await asyncio.gather(*(_bill_check(source, now) for source in asked)))


async def _bill_check(source: BillSource, now: datetime) -> Check:
    today = now.astimezone(UTC).date()
    answer = await source.read(today - _DAY, today, now)
    name = f"bill_{source.provider}"
    if not answer.trouble:
        return Check(name, True, Level.INFO, f"The bill of {source.provider} can be read.")
    detail = f"The bill of {source.provider} cannot be read. {answer.trouble}"
    return Check(name, False, Level.WARNING, detail, answer.hint)


def _level(wrong: bool) -> Level:
    return Level.WARNING if wrong else Level.INFO
