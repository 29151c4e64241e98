"""Which sessions a person pinned to a model, with OpenClaw's own /model, so that they stay on it.

Releases before 2026.3 keep the sessions in `<state>/agents/<id>/sessions/sessions.json`, later
ones as JSON in the agent's database; both name the model `modelOverride`. One that was overridden
by a fallback (`modelOverrideSource: "auto"`) is no pin. Nothing here is ever written.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from adapters.openclaw.find import FILE
from bot.ports import Json
from bot.ports.reloads import Pin, PinKind

_MOST_BYTES = 32 * 1024 * 1024
_KEPT_HERE = "SELECT 1 FROM sqlite_master WHERE name = 'session_nodes'"
_ROWS = (
    "SELECT session_key, entry_json FROM session_nodes WHERE archived_at IS NULL "
    "AND instr(entry_json, '\"modelOverride\"') LIMIT 10000"
)


def pinned_in(state: Path) -> list[Pin]:
    """Return the cron jobs and sessions with a model of their own; what cannot be read has none."""
    sessions = [
        pin
        for folder in _folders(state)
        for key, entry in _entries(folder)
        if (pin := _session(folder.name, key, entry))
    ]
    return [*jobs_in(_jobs(state)), *sessions]


def jobs_in(jobs: Json) -> list[Pin]:
    """Return the enabled cron jobs with a model of their own."""
    found = []
    for job in jobs if isinstance(jobs, list) else ():
        payload = job.get("payload") if isinstance(job, dict) else None
        model = payload.get("model") if isinstance(payload, dict) else None
        if isinstance(model, str) and model.strip() and job.get("enabled") is not False:
            key = str(job.get("id") or job.get("name"))
            agent = str(job.get("agentId") or "")
            found.append(Pin(PinKind.JOB, key, str(job.get("name") or key), model, agent))
    return found


def session_pin(key: str, agent: str, model: str, entry: dict[str, Json]) -> Pin:
    """Make a session's pin; sub-agents and cron runs get their models from tools."""
    tool = ":subagent:" in key or ":cron:" in key or bool(entry.get("spawnedBy"))
    name = key.removeprefix("agent:")
    ran_in = entry.get("sessionId")
    sessions = (ran_in,) if isinstance(ran_in, str) else ()
    return Pin(PinKind.SESSION, key, name, model, agent, tool, sessions)


def _jobs(state: Path) -> Json:
    """Return the cron jobs of releases that keep them in a file."""
    with suppress(OSError, ValueError, LookupError, TypeError):
        return json.loads((state / "cron" / "jobs.json").read_bytes())["jobs"]
    return []


def signed_in(state: Path) -> frozenset[str]:
    """Return the providers of all agents' auth profiles; their keys are not looked at."""
    found: set[str] = set()
    for folder in _folders(state):
        with suppress(OSError, ValueError):
            read = json.loads((folder / "agent" / "auth-profiles.json").read_bytes())
            profiles = read.get("profiles") if isinstance(read, dict) else None
            for profile in profiles.values() if isinstance(profiles, dict) else ():
                provider = profile.get("provider") if isinstance(profile, dict) else None
                found.update({provider.lower()} if isinstance(provider, str) else ())
    return frozenset(found)


def _folders(state: Path) -> Iterable[Path]:
    try:
        return sorted(path for path in (state / "agents").iterdir() if path.is_dir())
    except OSError:
        return ()


def _entries(folder: Path) -> Iterable[tuple[str, Json]]:
    database = folder / FILE
    try:
        if database.is_file() and (rows := _rows(database)) is not None:
            return rows
        listed = folder / "sessions" / "sessions.json"
        if listed.is_file() and listed.stat().st_size <= _MOST_BYTES:
            read = json.loads(listed.read_bytes())
            return read.items() if isinstance(read, dict) else ()
    except (OSError, ValueError, sqlite3.Error):
        pass
    return ()


def _rows(database: Path) -> list[tuple[str, Json]] | None:
    """Return an agent's sessions; None of a release that keeps them elsewhere."""
    uri = f"file:{quote(str(database))}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=0.5)) as connection:
        if not connection.execute(_KEPT_HERE).fetchone():
            return None
        return [(str(key), json.loads(entry)) for key, entry in connection.execute(_ROWS)]


def _session(agent: str, key: str, entry: Json) -> Pin | None:
    if not isinstance(entry, dict) or entry.get("modelOverrideSource") == "auto":
        return None
    model, provider = entry.get("modelOverride"), entry.get("providerOverride")
    if not isinstance(model, str) or not model.strip():
        return None
    if isinstance(provider, str) and provider:
        model = f"{provider}/{model}"
    key = key if key.startswith("agent:") else f"agent:{agent}:{key}"
    return session_pin(key, agent, model, entry)
