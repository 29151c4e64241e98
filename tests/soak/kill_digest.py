"""Kill the service at every moment of the weekly digest: each channel has it exactly once.

python -m tests.soak.kill_digest

Real processes with a real database, the real Slack and Discord clients and servers on loopback. At
each moment one process dies by SIGKILL, and three start afterwards: one while its claim may still
be somebody's, two when it is not.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from multiprocessing.connection import Connection, Pipe
from typing import Any

from adapters.charts import ResvgCharts
from adapters.slack.app import SlackSurface
from adapters.storage.alerts import DatabaseAlertStore
from adapters.storage.database import Database
from adapters.storage.ledger.store import DatabaseLedger
from bot.access import SERVICE
from bot.alerts.notices import StoredOutbox
from bot.card import Chart
from bot.commands.cost_posting import digest_draft, put_due_digest
from tests.servers.discord import DiscordServer
from tests.servers.slack import SlackServer
from tests.support.fakes_alerts import AlertBench
from tests.support.fakes_core import Bench
from tests.support.fakes_discord import running
from tests.support.fakes_ledger import attempt
from tests.support.fakes_slack import Setup

# The chats' own clocks run by the world's; the Monday before is the day after the week that counts.
NOW = datetime.now(UTC).replace(microsecond=0)
DUE = NOW.replace(hour=0, minute=0, second=0) - timedelta(days=NOW.weekday())
WEEK = f"week {DUE - timedelta(days=7):%Y-%m-%d} to {DUE - timedelta(days=1):%Y-%m-%d}"
LATER = timedelta(minutes=1)
MOMENTS = tuple(
    f"{when} {what}{ahead}"
    for what in ("put", "claim", "slack post", "slack note", "discord post", "discord note")
    for when in ("before", "after")
    for ahead in ("", ", an hour ahead")
    if not ahead or what.endswith("post")
)


@dataclass(frozen=True)
class Place:
    """Where the chats are, in another process."""

    slack_url: str
    api_url: str
    gateway_url: str

    async def connected(self) -> None:
        """Nobody tells over a pipe; the surface itself knows."""


class Dying:
    """A port whose process is killed before or after the call with the moment's name."""

    def __init__(self, port: Any, moment: str, calls: dict[str, str]) -> None:
        self._port, self._moment, self._calls = port, moment, calls

    def __getattr__(self, method: str) -> Any:
        original = getattr(self._port, method)
        what = self._calls.get(method, "")

        async def call(*arguments: Any, **more: Any) -> Any:
            self._die(f"before {what}")
            result = await original(*arguments, **more)
            self._die(f"after {what}")
            return result

        return call

    def _die(self, moment: str) -> None:
        if self._moment.partition(",")[0] == moment:
            os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    """Go through the moments and print what stands in the channels; 1 unless it is one each."""
    logging.disable(logging.CRITICAL)
    wrong = 0
    for moment in MOMENTS:
        with tempfile.TemporaryDirectory() as folder:
            found = _go_through(moment, f"sqlite:///{folder}/changeover.db")
        print(f"{moment}: Slack {found[0]}, Discord {found[1]}", flush=True)
        wrong += found != (1, 1)
    return 1 if wrong else 0


def _go_through(moment: str, url: str) -> tuple[int, int]:
    """Return how many messages stand there at the end; -1 when somebody failed."""
    ours, theirs = Pipe()
    server = _fork(lambda: asyncio.run(_serve(theirs)))
    try:
        at = ours.recv()
        first = NOW + timedelta(hours=1) if "ahead" in moment else NOW
        ends = [_run(url, at, first, moment)]
        ends += [_run(url, at, first + n * LATER, "") for n in (0.25, 1, 2)]
        ours.send("count")
        slack, discord = ours.recv()
    finally:
        ours.send("stop")
        os.waitpid(server, 0)
    return (slack, discord) if os.WIFSIGNALED(ends[0]) and not any(ends[1:]) else (-1, -1)


def _run(url: str, at: Place, now: datetime, moment: str) -> int:
    return os.waitpid(_fork(lambda: asyncio.run(_service(url, at, now, moment))), 0)[1]


async def _service(url: str, at: Place, now: datetime, moment: str) -> None:
    """One process: it puts what is due and delivers it to both chats, then ends."""
    database, bench = Database(url), Bench()
    bench.clock.at = now
    ledger = DatabaseLedger(database)
    await ledger.add([attempt(1, at=DUE - timedelta(days=2))])
    bench.app.ports = replace(bench.app.ports, ledger=ledger)
    slack = SlackSurface(bench.app, Setup(api_url=at.slack_url, channel="C0OPS"), _draw, pace_s=0)
    await slack.api.open()
    async with running(at, bench, draw=_draw, wait=False) as discord:
        await discord.ready()
        chats: dict[str, Any] = {"slack": slack.chat, "discord": discord.chat}
        store = DatabaseAlertStore(database)
        outbox = StoredOutbox(Dying(store, moment, {"add_notice": "put"}), list(chats))
        context = bench.app.context(SERVICE)
        await put_due_digest(context, outbox, DUE, started_at=now)
        for name, chat in chats.items():
            pipeline = AlertBench(*chats).start(
                clock=bench.clock,
                store=Dying(store, moment, {"claim": "claim", "posted": f"{name} note"}),
                chats={name: Dying(chat, moment, {"post": f"{name} post"})},
                histories={name: chat},
                digest=partial(digest_draft, context, outbox),
            )
            await pipeline.deliver(name)
    await slack.api.close()
    await database.close()


async def _draw(chart: Chart) -> bytes:
    return ResvgCharts().png(chart.svg)


async def _serve(pipe: Connection) -> None:
    slack, discord = SlackServer(), DiscordServer()
    slack.first_ts = int(NOW.timestamp())
    await slack.start()
    await discord.start()
    pipe.send(
        Place(slack_url=slack.api_url, api_url=discord.api_url, gateway_url=discord.gateway_url)
    )
    while await asyncio.to_thread(pipe.recv) == "count":
        pipe.send(
            (
                sum(WEEK in message.words for message in slack.posted),
                sum(WEEK in message.words for message in discord.seen()),
            )
        )
    await discord.stop()
    await slack.stop()


def _fork(work: Callable[[], None]) -> int:
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException as error:  # noqa: BLE001 - said, and seen in the exit code
        print(f"a process failed: {error!r}", file=sys.stderr)
    finally:
        os._exit(3)


if __name__ == "__main__":
    sys.exit(main())
