"""Which sessions a person pinned to a model, with OpenClaw's own /model, so that they stay on it.

Releases before 2026.3 keep the sessions in `<state>/agents/<id>/sessions/sessions.json`, later
ones as JSON in the agent's database; both name the model `modelOverride`. One that was overridden
by a program (`modelOverrideSource: "auto"`), such as by a fallback, is no pin.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import quote

from adapters.openclaw.find import FILE
from bot.ports import Json
from bot.ports.reloads import Pinned

_MOST_BYTES = 32 * 1024 * 1024
_ROWS = (
    "SELECT entry_json FROM session_nodes WHERE archived_at IS NULL "
    "AND instr(entry_json, '\"modelOverride\"') LIMIT 10000"
)


def pinned_in(state: Path) -> list[Pinned]:
    """Count them by agent, and cron jobs as one; what cannot be read has none."""
    found = _jobs(state)
    for folder in _folders(state):
        models = [name for entry in _entries(folder) if (name := _model(entry))]
        if models:
            found.append(Pinned(folder.name, len(models), tuple(sorted(set(models)))))
    return found


def _jobs(state: Path) -> list[Pinned]:
    """Return the enabled cron jobs with a model of their own, of releases that use a file."""
    models: dict[str, str] = {}
    with suppress(OSError, ValueError, LookupError, TypeError, AttributeError):
        for job in json.loads((state / "cron" / "jobs.json").read_bytes())["jobs"]:
            model = (job.get("payload") or {}).get("model")
            if isinstance(model, str) and model.strip() and job.get("enabled") is not False:
                models[str(job.get("name") or job.get("id"))] = model
    named = tuple(sorted(set(models.values())))
    return [Pinned("cron", 0, named, tuple(models))] if models else []


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


def _entries(folder: Path) -> Iterator[Json]:
    try:
        listed = folder / "sessions" / "sessions.json"
        if listed.is_file() and listed.stat().st_size <= _MOST_BYTES:
            read = json.loads(listed.read_bytes())
            yield from read.values() if isinstance(read, dict) else ()
        database = folder / FILE
        if database.is_file():
            yield from _rows(database)
    except (OSError, ValueError, sqlite3.Error):
        return


def _rows(database: Path) -> list[Json]:
    uri = f"file:{quote(str(database))}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=0.5)) as connection:
        return [json.loads(row[0]) for row in connection.execute(_ROWS)]


def _model(entry: Json) -> str | None:
    if not isinstance(entry, dict) or entry.get("modelOverrideSource") == "auto":
        return None
    model, provider = entry.get("modelOverride"), entry.get("providerOverride")
    if not isinstance(model, str) or not model.strip():
        return None
    return f"{provider}/{model}" if isinstance(provider, str) and provider else model
