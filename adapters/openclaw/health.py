"""What the watcher found and did, for doctor, status and metrics."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from adapters.openclaw.find import Attachable, gather, release_at
from bot.commands.doctor import Check, Level
from bot.config.schema import view
from bot.errors import ChangeoverError
from bot.openclaw.place import Place, Release, decide
from bot.openclaw.serve import is_served
from bot.ports import Json
from bot.spans import Command

HEALTH_KEY = "openclaw.health"
_COUNTS = (
    "attempts",
    "events",
    "served_by_us",
    "lines_skipped",
    "rewritten",
    "locked",
    "transcripts",
    "databases",
)


@dataclass(frozen=True, slots=True)
class Health:
    """What the watcher found and did so far, for doctor, status and metrics.

    `troubles` are the places that cannot be read at present and why. `served_by_us` are
    attempts left out because our own gateway has counted them.
    """

    place: Place | None = None
    release: Release = Release.UNKNOWN
    version: str | None = None
    transcripts: int = 0
    databases: int = 0
    attempts: int = 0
    events: int = 0
    served_by_us: int = 0
    read_bytes: int = 0
    lines_skipped: int = 0
    rewritten: int = 0
    locked: int = 0
    troubles: dict[str, str] = field(default_factory=dict)


def summary_of(health: Health, now: datetime) -> str:
    """Write down what another process, such as doctor, may want to tell of it."""
    counts = {name: getattr(health, name) for name in _COUNTS}
    return json.dumps({"at": now.isoformat(), "troubles": health.troubles, **counts})


def look(settings: Attachable, location: str, config: Json) -> tuple[Place, Release]:
    """Find the place without a watcher."""
    facts = gather(settings, location, config)
    place = decide(facts)
    return place, release_at(facts.version, Path(place.state) if place.state else None)


def checks(place: Place, release: Release, summary: str | None) -> list[Check]:
    """Describe what was found, what cannot be read, and what the running service made of it."""
    if not place.attached:
        return [
            Check(
                "openclaw",
                True,
                Level.INFO,
                "No Moltbot or OpenClaw is attached.",
                "To attach one: set OPENCLAW_STATE_DIR to its folder, OPENCLAW_LOG to its log.",
            )
        ]
    found = [
        _state(place, release),
        _logs(place),
    ]
    return [*found, *_service(summary)]


def served_by_us(config: Json, summary: str | None) -> bool:
    """Return whether our gateway answers for it, or did since the service began."""
    with contextlib.suppress(ValueError, TypeError, AttributeError):
        if json.loads(summary or "{}").get("served_by_us"):
            return True
    try:
        return is_served(view(config))
    except ChangeoverError:
        return False


def _state(place: Place, release: Release) -> Check:
    if place.state is None:
        return Check(
            "openclaw_state",
            False,
            Level.WARNING,
            "State folder unknown: its usage is not recorded.",
            "Set OPENCLAW_STATE_DIR, for example ~/.openclaw.",
        )
    if not Path(place.state).is_dir():
        return Check(
            "openclaw_state",
            False,
            Level.WARNING,
            f"{place.state} ({place.state_why}) is not a folder, or not readable by this user.",
            "Correct OPENCLAW_STATE_DIR, or give this user read permission.",
        )
    words = f"State folder {place.state} ({place.state_why}), release {release}."
    return Check("openclaw_state", True, Level.INFO, words)


def _logs(place: Place) -> Check:
    missing = [path for path in place.logs if not Path(path).exists()]
    if place.logs and not missing:
        words = f"Log {', '.join(map(str, place.logs))} ({place.logs_why})."
        return Check("openclaw_log", True, Level.INFO, words)
    words = f"{missing[0]} does not exist." if missing else "No log found."
    return Check(
        "openclaw_log",
        False,
        Level.WARNING,
        f"{words} Fallbacks and reloads of 9.x appear only in the log.",
        "Set OPENCLAW_LOG to the log file, or to the folder of daily files.",
    )


def _service(summary: str | None) -> list[Check]:
    if summary is None:
        words = "No service has read it yet."
        return [Check("openclaw_watch", True, Level.INFO, words, Command("run", program=True))]
    try:
        told = json.loads(summary)
        counts = {name: int(told[name]) for name in _COUNTS}
        at, troubles = str(told["at"]), dict(told["troubles"])
    except (ValueError, TypeError, KeyError):
        return []
    words = (
        f"Since its start the service read {counts['attempts']} attempts and {counts['events']} "
        f"fallbacks from {counts['transcripts']} transcripts, {counts['databases']} databases and "
        f"the log; {counts['lines_skipped']} unreadable lines were skipped, {counts['rewritten']} "
        f"files were cut or rewritten (as of {at})."
    )
    found = [Check("openclaw_watch", True, Level.INFO, words)]
    found += [
        Check(
            "openclaw_read",
            False,
            Level.WARNING,
            f"{path} cannot be read: {why}.",
            "Give this user read permission; a locked database is retried.",
        )
        for path, why in list(troubles.items())[:5]
    ]
    return found
