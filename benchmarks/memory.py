"""The memory of `changeover run` with Slack, Discord and the gateway, beside Python's own.

Both chats are simulated on loopback; what is measured is the service's own process, once it is
connected and has answered commands on both. The bound is a Python that has done nothing.

Run it as `python -m benchmarks.memory`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import tempfile
import time
from pathlib import Path

from tests.servers.discord import TOKEN, DiscordServer
from tests.servers.slack import APP_TOKEN, BOT_TOKEN, SlackServer

ROOT = Path(__file__).parents[1]
AIM_MB, COMMANDS = 80.0, 20
CONFIG = {"agents": {"defaults": {"model": {"primary": "anthropic/claude-opus-4-5"}}}}


def megabytes(pid: int) -> float:
    """What a process holds in memory that is its own or shared with others."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found is not None
    return int(found[1]) / 1024


async def bare() -> float:
    """An interpreter that waits."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE
    )
    await asyncio.sleep(0.5)
    found = megabytes(process.pid)
    process.terminate()
    await process.wait()
    return found


async def service(slack: SlackServer, discord: DiscordServer, folder: Path) -> None:
    """Run the service and print what it holds at each stage."""
    config = folder / "moltbot.json"
    config.write_text(json.dumps(CONFIG))
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(folder), "PORT": "0",
        "CHANGEOVER_CONFIG": str(config), "DATABASE_URL": f"sqlite:///{folder / 'c.db'}",
        "SLACK_API_URL": slack.api_url, "SLACK_BOT_TOKEN": BOT_TOKEN,
        "SLACK_APP_TOKEN": APP_TOKEN, "SLACK_CHANNEL": "#llm-ops",
        "DISCORD_API_URL": discord.api_url, "DISCORD_GATEWAY_URL": discord.gateway_url,
        "DISCORD_BOT_TOKEN": TOKEN, "ANTHROPIC_API_KEY": "sk-ant-none",
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "adapters.main", "run", env=environment, cwd=folder
    )
    try:
        started = time.monotonic()
        await slack.until(lambda: slack.sockets, timeout_s=30)
        await discord.connected()
        print(f"connected after                  {time.monotonic() - started:6.1f} s")
        await asyncio.sleep(1)
        print(f"changeover run, both connected   {megabytes(process.pid):6.1f} MB")
        for _ in range(COMMANDS):
            await slack.command("/model", "status", channel="D1")
            await discord.command("model status")
        await slack.until(lambda: len(slack.posted) >= COMMANDS, timeout_s=60)
        used = megabytes(process.pid)
        print(f"after {2 * COMMANDS} commands                {used:6.1f} MB")
        print(f"{AIM_MB:.0f} MB aimed at: {'met' if used <= AIM_MB else 'missed'}")
    finally:
        process.terminate()
        await process.wait()


async def main() -> None:
    """Measure both."""
    print(f"a Python that does nothing       {await bare():6.1f} MB")
    slack, discord = SlackServer(), DiscordServer()
    await slack.start()
    await discord.start()
    try:
        with tempfile.TemporaryDirectory() as folder:
            await service(slack, discord, Path(folder))
    finally:
        await discord.stop()
        await slack.stop()


if __name__ == "__main__":
    asyncio.run(main())
