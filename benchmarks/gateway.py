"""The gateway beside a bare loopback upstream and beside LiteLLM's proxy.

    python -m benchmarks.gateway [--rounds N] [--seconds S] [--no-litellm] [--litellm BIN]

Three targets take turns: the upstream itself, `changeover gateway` (a real process with token,
ledger and events) and `litellm` with one worker in production mode, without a database. LiteLLM is
taken from PyPI into an environment of its own below the temporary folder, and stays there. Every
figure is the median of the rounds; what counts are the ratios.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import importlib.metadata
import json
import os
import platform
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.loopback import CHUNKS, TOKEN

ROOT = Path(__file__).resolve().parents[1]
CHAT = "/v1/chat/completions"
RESPONSES = "/v1/responses"
CONNECTIONS = (1, 16, 64)
REASONS = ("429", "500", "401")
FAILOVERS = 12
DEAD_REQUESTS = 25
LIMIT_S = 1.0
START_WITHIN_S = 120.0


@dataclass
class Target:
    """One server under load; `pid` None for the upstream, whose CPU is nobody's business."""

    name: str
    port: int
    model: str
    process: subprocess.Popen[bytes] | None = None
    start_s: float = 0.0
    idle_mb: float = 0.0
    figures: dict[str, list[float]] = field(default_factory=dict)

    def add(self, what: str, value: float) -> None:
        """Keep a round's figure."""
        self.figures.setdefault(what, []).append(value)

    def count(self, kind: str) -> float:
        """Return how many requests of a kind were answered."""
        return sum(self.figures.get(f"{kind} count", ()))

    @property
    def cpu_s(self) -> float:
        """User and system time so far, its child processes' included."""
        return _cpu_s(self)

    def median(self, what: str) -> float | None:
        """Return a figure over all rounds."""
        values = self.figures.get(what)
        return statistics.median(values) if values else None


def main() -> None:
    """Measure and print."""
    options = _options()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        upstream = Target("direct", free_port(), "ok")
        command = upstream_command(upstream.port)
        upstream.process = stack.enter_context(running(command, folder, {}))
        until_answered(upstream)
        targets = [upstream, stack.enter_context(changeover(folder / "us", upstream.port))]
        if not options.no_litellm:
            binary = options.litellm or _install_litellm()
            targets.append(stack.enter_context(_litellm(folder / "litellm", binary, upstream.port)))
        for _ in range(options.rounds):
            _round(targets, options.seconds)
        for target in targets[1:]:
            _failovers(target)
            _dead_primary(target, upstream)
            _timeouts(target)
        chats_mb = _with_chats(folder / "chats", upstream.port)
    _print(targets, chats_mb, options)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--no-litellm", action="store_true")
    parser.add_argument("--litellm", help="an installed litellm command")
    return parser.parse_args()


# --- targets -----------------------------------------------------------------------------------


def upstream_command(port: int) -> list[str]:
    """Return the command of the bare upstream."""
    return [sys.executable, "-m", "benchmarks.loopback", "upstream", str(port)]


@contextmanager
def changeover(folder: Path, upstream_port: int, workers: int = 1) -> Iterator[Target]:
    """Run `changeover gateway` in front of the upstream."""
    folder.mkdir()
    base = f"http://127.0.0.1:{upstream_port}"

    def provider() -> dict[str, Any]:
        return {"baseUrl": base, "apiKey": "sk-bench", "api": "openai-completions"}

    dead = {f"dead{reason}n{n}": provider() for reason in REASONS for n in range(FAILOVERS)}
    own = provider() | {"api": "openai-responses"}
    providers = {"good": provider(), "bad": provider(), "own": own, **dead}
    providers |= {f"slow{n}": provider() for n in range(FAILOVERS)}
    document = {
        "agents": {"defaults": {"model": {"primary": "good/ok", "fallbacks": ["good/ok"]}}},
        "models": {"providers": providers},
    }
    (folder / "moltbot.json").write_text(json.dumps(document))
    target = Target("changeover", free_port(), "auto")
    env = _own_env(folder, target.port) | {"CHANGEOVER_TIMEOUT_S": f"{LIMIT_S}"}
    env["GATEWAY_WORKERS"] = str(workers)
    command = [sys.executable, "-m", "adapters.main", "gateway"]
    with running(command, folder, env) as process:
        target.process = process
        until_answered(target)
        yield target


def _own_env(folder: Path, port: int) -> dict[str, str]:
    return {
        "CHANGEOVER_CONFIG": str(folder / "moltbot.json"),
        "DATABASE_URL": f"sqlite:///{folder / 'changeover.db'}",
        "GATEWAY_TOKEN": TOKEN,
        "PORT": str(port),
    }


@contextmanager
def _litellm(folder: Path, binary: str, upstream_port: int) -> Iterator[Target]:
    folder.mkdir()
    base = f"http://127.0.0.1:{upstream_port}/v1"

    def model(name: str, upstream: str, **more: Any) -> dict[str, Any]:
        params = {"model": f"openai/{upstream}", "api_base": base, "api_key": "sk-bench", **more}
        return {"model_name": name, "litellm_params": params}

    dead = {f"dead{reason}n{n}": f"dead-{reason}" for reason in REASONS for n in range(FAILOVERS)}
    models = [model("auto", "ok"), model("bad/dead-429", "dead-429")]
    models += [model(f"{name}/{upstream}", upstream) for name, upstream in dead.items()]
    models += [model(f"slow{n}/hang", "hang", timeout=LIMIT_S) for n in range(FAILOVERS)]
    document = {
        "model_list": models,
        "litellm_settings": {
            "telemetry": False,
            "num_retries": 0,
            "fallbacks": [{one["model_name"]: ["auto"]} for one in models[1:]],
        },
        "router_settings": {"num_retries": 0},
        "general_settings": {"master_key": TOKEN},
    }
    # JSON is YAML.
    (folder / "config.yaml").write_text(json.dumps(document))
    target = Target("litellm", free_port(), "auto")
    env = {
        "LITELLM_MODE": "PRODUCTION",
        "LITELLM_LOG": "ERROR",
        "LITELLM_LOCAL_MODEL_COST_MAP": "True",
        "HOME": str(folder),
    }
    command = [binary, "--config", str(folder / "config.yaml"), "--host", "127.0.0.1"]
    command += ["--port", str(target.port), "--num_workers", "1"]
    with running(command, folder, env) as process:
        target.process = process
        until_answered(target)
        yield target


def _install_litellm() -> str:
    """Make LiteLLM's own environment where it is missing; return its command."""
    place = Path(tempfile.gettempdir()) / "changeover-bench-litellm"
    binary = place / "bin" / "litellm"
    if not binary.exists():
        print(f"installing litellm[proxy] into {place}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        pip = [str(place / "bin" / "python"), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, "litellm[proxy]", "uvloop"], check=True)
    return str(binary)


@contextmanager
def running(
    command: Sequence[str], folder: Path, env: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process, its words in a file of the folder."""
    keep = {k: v for k, v in os.environ.items() if k in ("PATH", "LANG", "HOME", "TMPDIR")}
    with (folder / f"{Path(command[0]).name}.log").open("ab") as log:
        process = subprocess.Popen(
            command, cwd=ROOT, env=keep | env, stdout=log, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def until_answered(target: Target) -> None:
    """Wait for the first answer, and note how long it took and what the process then holds."""
    began = time.perf_counter()
    while time.perf_counter() - began < START_WITHIN_S:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if _ask(target, target.model)[0] == 200:
                target.start_s = time.perf_counter() - began
                for _ in range(5):
                    _ask(target, target.model)
                time.sleep(2)
                target.idle_mb = _resident_mb(target)
                return
        time.sleep(0.02)
    raise SystemExit(f"{target.name} does not answer within {START_WITHIN_S:.0f} s")


def _with_chats(folder: Path, upstream_port: int) -> float:
    """Return what `changeover run` holds with both chat clients loaded and nobody to talk to."""
    folder.mkdir()
    model = {"primary": "openai/ok"}
    (folder / "moltbot.json").write_text(json.dumps({"agents": {"defaults": {"model": model}}}))
    nobody = "127.0.0.1:9"
    target = Target("run", free_port(), "auto")
    env = _own_env(folder, target.port) | {
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream_port}",
        "SLACK_BOT_TOKEN": "xoxb-1",
        "SLACK_APP_TOKEN": "xapp-1",
        "SLACK_API_URL": f"http://{nobody}/api/",
        "DISCORD_BOT_TOKEN": "MTA.x.y",
        "DISCORD_CHANNEL_ID": "1",
        "DISCORD_API_URL": f"http://{nobody}/api/v10",
        "DISCORD_GATEWAY_URL": f"ws://{nobody}/",
    }
    with running([sys.executable, "-m", "adapters.main", "run"], folder, env) as process:
        target.process = process
        until_answered(target)
        return target.idle_mb


# --- measuring ---------------------------------------------------------------------------------


def _round(targets: Sequence[Target], seconds: float) -> None:
    for connections in CONNECTIONS:
        for target in targets:
            load(target, connections, seconds, stream=False)
    for target in targets:
        load(target, 16, seconds, stream=True)
    for target in targets[:2]:
        for stream in (False, True):
            load(target, 16, seconds, stream=stream, path=RESPONSES, model="own/ok")


def load(
    target: Target,
    connections: int,
    seconds: float,
    *,
    stream: bool,
    path: str = CHAT,
    model: str = "",
) -> None:
    """Ask a target as fast as it answers, over so many connections, and keep the figures."""
    url = f"http://127.0.0.1:{target.port}{path}"
    command = [sys.executable, "-m", "benchmarks.loopback", "load", url]
    command += [str(connections), str(seconds), model or target.model] + ["--stream"] * stream
    before = _cpu_s(target)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True, text=True)
    spent = _cpu_s(target) - before
    got = json.loads(done.stdout)
    if got["failed"]:
        raise SystemExit(f"{target.name} failed {got['failed']} of {got['count']} requests")
    kind = f"{'responses ' if path == RESPONSES else ''}{'stream ' if stream else ''}{connections}"
    for what in ("count", "per_s", "median_ms", "p99_ms", "first_ms"):
        target.add(f"{kind} {what}", got[what])
    target.add(f"{kind} cpu_ms", spent / got["count"] * 1000)


def _failovers(target: Target) -> None:
    """Ask for models that fail, each for the first time, so that no cool-down helps."""
    for reason in REASONS:
        for n in range(FAILOVERS):
            status, taken_s = _ask(target, f"dead{reason}n{n}/dead-{reason}")
            if status != 200:
                raise SystemExit(f"{target.name} answers {status} when its first hop says {reason}")
            target.add(f"failover {reason}", taken_s * 1000)


def _dead_primary(target: Target, upstream: Target) -> None:
    """Count how many of 25 requests reach a primary that is rate limited."""
    before = _asked(upstream).get("dead-429", 0)
    for _ in range(DEAD_REQUESTS):
        _ask(target, "bad/dead-429")
    target.add("reached", _asked(upstream).get("dead-429", 0) - before)


def _timeouts(target: Target) -> None:
    for n in range(FAILOVERS):
        _status, taken_s = _ask(target, f"slow{n}/hang")
        target.add("overshoot", (taken_s - LIMIT_S) * 1000)


def _ask(target: Target, model: str) -> tuple[int, float]:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}]})
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", target.port, timeout=30)
    try:
        began = time.perf_counter()
        connection.request("POST", CHAT, body, headers)
        answer = connection.getresponse()
        answer.read()
        return answer.status, time.perf_counter() - began
    finally:
        connection.close()


def _asked(upstream: Target) -> dict[str, int]:
    connection = http.client.HTTPConnection("127.0.0.1", upstream.port, timeout=30)
    try:
        connection.request("GET", "/count")
        counts: dict[str, int] = json.loads(connection.getresponse().read())
        return counts
    finally:
        connection.close()


def _cpu_s(target: Target) -> float:
    """Return user and system time of a target so far; 0 where /proc does not say."""
    ticks = 0
    for pid in _pids(target):
        with contextlib.suppress(OSError):
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def _resident_mb(target: Target) -> float:
    pages = 0
    for pid in _pids(target):
        with contextlib.suppress(OSError):
            pages += int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _pids(target: Target) -> list[int]:
    """Return a target's process and those that it has started."""
    assert target.process is not None
    pid = target.process.pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        children = []
    return [pid, *map(int, children)]


def free_port() -> int:
    """Return a port of loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# --- telling -----------------------------------------------------------------------------------

Row = tuple[str, Callable[[Target], float | None], str, bool]


def _rows(direct: Target) -> list[Row]:
    def figure(what: str) -> Callable[[Target], float | None]:
        return lambda target: target.median(what)

    def added(kind: str) -> Callable[[Target], float | None]:
        def read(target: Target) -> float | None:
            mine, bare = target.median(f"{kind} median_ms"), direct.median(f"{kind} median_ms")
            return None if target is direct or mine is None or bare is None else mine - bare

        return read

    rows: list[Row] = []
    for n in CONNECTIONS:
        rows.append((f"requests/s, {n} connections", figure(f"{n} per_s"), "", True))
        rows.append((f"added median, {n}", added(str(n)), "ms", False))
        rows.append((f"p99, {n}", figure(f"{n} p99_ms"), "ms", False))
    rows.append(("CPU a request, 16", figure("16 cpu_ms"), "ms", False))
    rows.append((f"streams/s of {CHUNKS} chunks, 16", figure("stream 16 per_s"), "", True))
    rows.append(("CPU a stream, 16", figure("stream 16 cpu_ms"), "ms", False))
    rows.append(("first byte of a stream, 16", figure("stream 16 first_ms"), "ms", False))
    rows.append(("Responses: requests/s, 16", figure("responses 16 per_s"), "", True))
    rows.append(("Responses: CPU a request, 16", figure("responses 16 cpu_ms"), "ms", False))
    rows.append(
        (f"Responses: streams/s of {CHUNKS}, 16", figure("responses stream 16 per_s"), "", True)
    )
    rows.append(("Responses: CPU a stream, 16", figure("responses stream 16 cpu_ms"), "ms", False))
    rows += [(f"failover on {r}", figure(f"failover {r}"), "ms", False) for r in REASONS]
    rows.append((f"beyond a timeout of {LIMIT_S:g} s", figure("overshoot"), "ms", False))
    rows.append((f"of {DEAD_REQUESTS} reach a dead primary", figure("reached"), "", False))
    rows.append(("idle memory", lambda target: target.idle_mb or None, "MB", False))
    rows.append(("start to first answer", lambda target: target.start_s or None, "s", False))
    return rows


def _print(targets: Sequence[Target], chats_mb: float, options: argparse.Namespace) -> None:
    peer = targets[2] if len(targets) > 2 else None
    version = f", {_version(options)}" if peer else ""
    print(
        f"{datetime.now(UTC).date()}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}{version}; median of "
        f"{options.rounds} rounds of {options.seconds:g} s\n"
    )
    names = [target.name for target in targets] + (["ratio"] if peer else [])
    print("| | " + " | ".join(names) + " |")
    print("|---|" + "--:|" * len(names))
    for title, read, unit, more_is_better in _rows(targets[0]):
        values = [read(target) for target in targets]
        cells = [_cell(value, unit) for value in values]
        if peer:
            cells.append(_ratio(values[1], values[2], more_is_better))
        print(f"| {title} | " + " | ".join(cells) + " |")
    print(f"\n`changeover run` with both chat clients loaded: {chats_mb:.0f} MB.")


def _cell(value: float | None, unit: str) -> str:
    if value is None:
        return ""
    digits = 0 if value >= 100 or value == int(value) else 1 if value >= 10 else 2
    return f"{value:.{digits}f} {unit}".strip()


def _ratio(mine: float | None, theirs: float | None, more_is_better: bool) -> str:
    if not mine or not theirs:
        return ""
    ratio = mine / theirs if more_is_better else theirs / mine
    return f"{ratio:.0f} ×" if ratio >= 10 else f"{ratio:.1f} ×"


def _version(options: argparse.Namespace) -> str:
    binary = Path(options.litellm or shutil.which("litellm") or _install_litellm())
    code = "import importlib.metadata as m; print(m.version('litellm'))"
    done = subprocess.run(
        [str(binary.parent / "python"), "-c", code], capture_output=True, text=True, check=False
    )
    ours = importlib.metadata.version("aiohttp")
    return f"LiteLLM {done.stdout.strip() or '?'}, aiohttp {ours}"


if __name__ == "__main__":
    main()
