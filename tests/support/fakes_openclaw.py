"""A Moltbot or OpenClaw on the disk, with what it would write, and sinks to watch."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from adapters.openclaw.watcher import OpenClawWatcher, Sinks
from bot.errors import StorageError
from bot.models import Secret
from bot.ports import Attempt, FallbackEvent
from tests.support.fakes_storage import FakeClock, FakeConfigStore, FakeFallbackLog

DATA = Path(__file__).parent.parent / "data" / "openclaw"
BEGAN = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
_TABLE = """CREATE TABLE transcript_events (
  session_id TEXT NOT NULL, seq INTEGER NOT NULL, event_json TEXT, created_at INTEGER NOT NULL,
  event_zstd BLOB, event_utf8_bytes INTEGER, navigation_json TEXT, PRIMARY KEY (session_id, seq)
) STRICT"""


def sample(name: str) -> list[bytes]:
    """Return the lines of a real release's file."""
    return (DATA / name).read_bytes().splitlines()


def stamp(at: datetime) -> str:
    """Write a time as the gateway does."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def entry(
    number: int,
    role: str,
    *,
    at: datetime | None = None,
    model: str = "alpha/alpha-model",
    error: str = "",
    words: str = "hi",
    tokens: tuple[int, int, int, int] = (800, 50, 200, 0),
    cost: float = 0.0,
    stop: str = "stop",
    **more: Any,
) -> bytes:
    """Write one message of a transcript, with its line break."""
    when = at or BEGAN + timedelta(seconds=number)
    message: dict[str, Any] = {"role": role, "content": [{"type": "text", "text": words}]}
    if role == "assistant":
        provider, _, name = model.partition("/")
        given, output, cached, written = (0, 0, 0, 0) if error else tokens
        message |= {
            "api": "openai-completions",
            "provider": provider,
            "model": name,
            "usage": {
                "input": given,
                "output": output,
                "cacheRead": cached,
                "cacheWrite": written,
                "cost": {"total": cost},
            },
            "stopReason": "error" if error else stop,
        }
        if error:
            message["errorMessage"] = error
    message |= more
    row = {"type": "message", "id": f"{number:08x}", "timestamp": stamp(when), "message": message}
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


def decision(run: str, *, at: datetime = BEGAN, decided: str = "candidate_succeeded") -> bytes:
    """Write one decision of 9.x, with its line break: alpha failed, beta answered."""
    fields = {
        "event": "model_fallback_decision",
        "runId": run,
        "decision": decided,
        "requestedProvider": "alpha",
        "requestedModel": "alpha-model",
        "candidateProvider": "beta" if decided == "candidate_succeeded" else "alpha",
        "candidateModel": "beta-model" if decided == "candidate_succeeded" else "alpha-model",
        "previousAttempts": [{"reason": "rate_limit", "errorPreview": "429 slow down"}],
    }
    row = {"0": '{"subsystem":"model-fallback/decision"}', "1": fields, "time": stamp(at)}
    return json.dumps(row, separators=(",", ":")).encode() + b"\n"


class FakeMemory:
    """Text by key."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.puts = 0

    async def get(self, key: str) -> str | None:
        return self.kept.get(key)

    async def put(self, key: str, value: str) -> None:
        self.puts += 1
        self.kept[key] = value


@dataclass(frozen=True, slots=True)
class Named:
    """What the environment says."""

    state_dir: Path | None = None
    log: Path | None = None
    gateway_url: str | None = None
    gateway_token: Secret | None = None


@dataclass
class Desk:
    """A state folder and a log, and whatever a watcher makes of them."""

    root: Path
    config: dict[str, Any] = field(default_factory=dict)
    memory: FakeMemory = field(default_factory=FakeMemory)
    log: FakeFallbackLog = field(default_factory=FakeFallbackLog)
    rows: dict[tuple[str, int], Attempt] = field(default_factory=dict)
    clock: FakeClock = field(default_factory=lambda: FakeClock(BEGAN + timedelta(hours=1)))
    fail: StorageError | None = None
    handed: int = 0

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def log_file(self) -> Path:
        return self.root / "openclaw.log"

    def session(self, name: str = "s1", agent: str = "main") -> Path:
        """Return a transcript's path, its folder made."""
        folder = self.state / "agents" / agent / "sessions"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.jsonl"

    def append(self, path: Path, *parts: bytes) -> None:
        """Write on, as another process would."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.writelines(parts)

    def database(self, agent: str = "main") -> Path:
        """Return an agent's database, made."""
        path = self.state / "agents" / agent / "agent" / "openclaw-agent.sqlite"
        if not path.exists():
            path.parent.mkdir(parents=True)
            with closing(sqlite3.connect(path)) as base, base:
                base.execute("PRAGMA journal_mode=WAL")
                base.execute(_TABLE)
        return path

    def insert(self, path: Path, rows: Sequence[dict[str, Any]]) -> None:
        """Put events into a database."""
        names = ("session_id", "seq", "event_json", "created_at", "event_zstd")
        with closing(sqlite3.connect(path)) as base, base:
            base.executemany(
                "INSERT INTO transcript_events (session_id, seq, event_json, created_at, "
                "event_zstd) VALUES (?, ?, ?, ?, ?)",
                [tuple(row.get(name) for name in names) for row in rows],
            )

    def watcher(self, **more: Any) -> OpenClawWatcher:
        """Return a new watcher, as after a restart."""
        self.state.mkdir(exist_ok=True)
        raw = json.dumps(self.config).encode()
        store = FakeConfigStore(raw, location=str(self.root / "moltbot.json"))
        named = Named(self.state, self.log_file)
        sinks = Sinks(self._attempts, self._events, self.memory)
        options: dict[str, Any] = {"home": self.root, "temporary": (), "poll_s": 0.01}
        return OpenClawWatcher(named, store, sinks, self.clock, **(options | more))

    async def follow(self, watcher: OpenClawWatcher) -> None:
        """Let it read until there is nothing more."""
        while await watcher.step():
            pass

    async def events(self) -> list[FallbackEvent]:
        """Return the events, oldest first."""
        return list(reversed(await self.log.events(BEGAN - timedelta(days=30), 10_000)))

    @property
    def attempts(self) -> list[Attempt]:
        return sorted(self.rows.values(), key=lambda a: (a.at, a.number))

    async def _attempts(self, attempts: Sequence[Attempt]) -> None:
        if self.fail:
            raise self.fail
        self.handed += len(attempts)
        for one in attempts:
            self.rows.setdefault((one.request_id, one.number), one)

    async def _events(self, events: Sequence[FallbackEvent]) -> None:
        if self.fail:
            raise self.fail
        await self.log.add_events(events)
