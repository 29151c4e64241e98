"""Kill the service around the moment of posting: the channel has the digest exactly once.

python -m tests.soak.kill_digest [DATABASE_URL]

Real processes with a real database, the real Slack client and a Slack server on loopback. Each
moment has one process that dies there by SIGKILL and three that start afterwards: one while the
claim may still be somebody's, two when it is not.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection, Pipe

from adapters.slack.app import SlackSurface
from adapters.storage.database import Database
from adapters.storage.digest_log import SqlDigestLog
from adapters.storage.ledger import SqlLedger
from bot.access import SERVICE
from bot.card import Card
from bot.commands.cost_posting import DigestChannel, post_due_digests
from bot.models import Secret
from bot.ports import Chat, MessageRef
from tests.fakes_core import Bench
from tests.fakes_ledger import attempt
from tests.servers.slack import APP_TOKEN, BOT_TOKEN, SlackServer

# The server's own clock is around here; the Monday before is the day after the week that counts.
NOW = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
DUE = datetime(2023, 11, 13, 9, 0, tzinfo=UTC)
LATER = timedelta(minutes=4)
MOMENTS = ("claimed", "posted", "posted, an hour ahead")


@dataclass(frozen=True)
class Setup:
    """What the surface has to know of its app."""

    api_url: str | None
    bot_token: Secret = Secret(BOT_TOKEN)  # noqa: RUF009 - it never changes
    app_token: Secret | None = Secret(APP_TOKEN)  # noqa: RUF009
    signing_secret: Secret | None = None
    channel: str | None = "C0OPS"


class Dying:
    """A channel whose process is killed before the message is sent, or after."""

    def __init__(self, chat: Chat, moment: str) -> None:
        self._chat, self._moment = chat, moment

    async def post(self, card: Card) -> MessageRef:
        """Post, or die."""
        if self._moment == "claimed":
            os.kill(os.getpid(), signal.SIGKILL)
        message = await self._chat.post(card)
        if self._moment:
            os.kill(os.getpid(), signal.SIGKILL)
        return message

    async def update(self, message: MessageRef, card: Card) -> None:
        """Edit; a digest never is."""
        await self._chat.update(message, card)

    async def reply(self, message: MessageRef, card: Card) -> MessageRef:
        """Answer; a digest never is."""
        return await self._chat.reply(message, card)


def main(url: str | None) -> int:
    """Go through the moments and print what stands in the channel; 1 unless it is one each."""
    wrong = 0
    for moment in MOMENTS:
        with tempfile.TemporaryDirectory() as folder:
            found = _go_through(moment, url or f"sqlite:///{folder}/changeover.db")
        print(f"{moment}: messages {found}")
        wrong += found != 1
    return 1 if wrong else 0


def _go_through(moment: str, url: str) -> int:
    """Return how many messages stand there at the end; -1 when somebody failed."""
    ours, theirs = Pipe()
    server = _fork(lambda: _serve(theirs))
    try:
        api_url = ours.recv()
        first = NOW + timedelta(hours=1) if "ahead" in moment else NOW
        ends = [_run(url, api_url, first, moment)]
        ends += [_run(url, api_url, first + n * LATER, "") for n in (0.25, 1, 2)]
        ours.send("count")
        found = int(ours.recv())
    finally:
        ours.send("stop")
        os.waitpid(server, 0)
    return found if os.WIFSIGNALED(ends[0]) and not any(ends[1:]) else -1


def _run(url: str, api_url: str, now: datetime, moment: str) -> int:
    return os.waitpid(_fork(lambda: asyncio.run(_service(url, api_url, now, moment))), 0)[1]


async def _service(url: str, api_url: str, now: datetime, moment: str) -> None:
    database, bench = Database(url), Bench()
    bench.clock.at = now
    ledger, digests = SqlLedger(database), SqlDigestLog(database)
    await ledger.add([attempt(1, at=DUE - timedelta(days=2))])
    bench.app.ports = replace(bench.app.ports, ledger=ledger, digests=digests)
    slack = SlackSurface(bench.app, Setup(api_url), pace_s=0)
    await slack.api.open()
    channel = DigestChannel("slack", Dying(slack.chat, moment), slack.chat)
    context = bench.app.context(SERVICE)
    outcomes = await post_due_digests(context, [channel], DUE, started_at=now, arm=bench.app.arm)
    for outcome in outcomes:
        if outcome.trouble is not None:
            raise outcome.trouble
    await slack.api.close()
    await database.close()


def _serve(pipe: Connection) -> None:
    async def serve() -> None:
        server = SlackServer()
        await server.start()
        pipe.send(f"{server.url}/api/")
        while await asyncio.to_thread(pipe.recv) == "count":
            pipe.send(sum("week 2023-11-06 to 2023-11-12" in m.words for m in server.posted))
        await server.stop()

    asyncio.run(serve())


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
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else None))
