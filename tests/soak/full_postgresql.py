"""A PostgreSQL server whose disk is full, under `changeover run` with Slack.

    mount -t tmpfs -o size=160m tmpfs FOLDER
    python -m tests.soak.full_postgresql FOLDER [--stop]

The folder is a small file system of its own. It is filled, requests fall back, then there is room
again (or, with --stop, SIGTERM comes first). It must hold, else the exit code is 1: every request
is answered and either in the ledger once or counted as lost, and the alert is posted once.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

from adapters.demo import DEMO_CONFIG
from adapters.simulated import SimulatedProviders
from tests.servers.slack import SlackServer
from tests.surfaces.gateway.test_process import Serving, free_port
from tests.surfaces.test_hung_database import PostgresqlServer, ask
from tests.surfaces.test_program import Program


async def walk(server: PostgresqlServer, disk: Path, folder: Path, *, stop: bool) -> list[str]:
    """Fill, ask, make room, and return what does not hold."""
    slack, port, asked, faults = SlackServer(), free_port(), 0, []
    await slack.start()
    async with SimulatedProviders(latency_s=0) as providers:
        env = {
            "DATABASE_URL": server.url, "PORT": str(port), "SLACK_API_URL": slack.api_url,
            "SLACK_BOT_TOKEN": "xoxb-the-bot", "SLACK_APP_TOKEN": "xapp-the-app",
            "SLACK_CHANNEL": "#llm-ops",
        }  # fmt: skip
        program = Program(folder, providers.env() | env)
        program.config.write_text(DEMO_CONFIG)
        one = Serving(await program.start("run"), port)
        try:
            await one.until("is up on")
            filler = disk / "filler"
            with filler.open("wb", buffering=0) as file, suppress(OSError):
                while True:
                    file.write(b"x" * 4096)
            providers.break_provider("anthropic", "auth")
            while not any("stay in memory until the database is back" in x for x in one.log):
                await ask(one, 25)
                asked += 25
                await asyncio.sleep(0.3)
            print((await program("doctor"))[1])
            if not stop:
                filler.unlink()
                await one.until("buffered rows were written")
                await slack.until(lambda: len(slack.posted) >= 1)
            faults += [] if await one.end() == 0 else ["it did not end in order"]
        finally:
            await one.end(signal.SIGKILL)
            filler.unlink(missing_ok=True)
            await slack.stop()
    log = "".join(one.log)
    print(log)
    query = "SELECT count(*), count(DISTINCT request_id) FROM attempts WHERE answered"
    ((rows, requests),) = server.rows(query)
    lost = sum(map(int, re.findall(r"(\d+) attempts.* lost", log)))
    print(f"{asked} answers, {rows} rows of {requests} requests, {lost} attempts said to be lost")
    # A fallback is two attempts, of which one was answered.
    faults += (
        [] if rows == requests and (rows == asked or lost >= asked - int(str(rows))) else ["books"]
    )
    posts = [message.text for message in slack.posted if message.thread_ts is None]
    faults += [] if stop or len(posts) == 1 else [f"posted: {posts}"]
    noise = "psycopg" in log or "Traceback" in log
    return faults + (["a driver's words in the log"] if noise else [])


def main() -> None:
    """Walk, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--stop", action="store_true")
    options = parser.parse_args()
    server = PostgresqlServer(options.folder)
    try:
        with tempfile.TemporaryDirectory() as name:
            work = walk(server, options.folder, Path(name), stop=options.stop)
            faults = asyncio.run(work)
    finally:
        server.close()
    print(f"WRONG: {faults}" if faults else "All of it holds.")
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
