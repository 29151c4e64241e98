"""Gathers where a Moltbot or OpenClaw may keep things; `bot.openclaw.place` decides."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from bot.models import Secret
from bot.openclaw.place import Facts, Release, release_of
from bot.ports import Json

FILE = "agent/openclaw-agent.sqlite"
_HOME_FOLDERS = (".openclaw", ".clawdbot", ".moltbot")
_LOG_FOLDERS = ("openclaw", "moltbot", "clawdbot")


class Attachable(Protocol):
    """What the environment says of a Moltbot or OpenClaw."""

    @property
    def state_dir(self) -> Path | None:
        """OPENCLAW_STATE_DIR."""
        ...

    @property
    def log(self) -> Path | None:
        """OPENCLAW_LOG."""
        ...


class Reachable(Attachable, Protocol):
    """What the environment says of it, its RPC included."""

    @property
    def gateway_url(self) -> str | None:
        """OPENCLAW_GATEWAY_URL."""
        ...

    @property
    def gateway_token(self) -> Secret | None:
        """OPENCLAW_GATEWAY_TOKEN."""
        ...


def gather(
    settings: Attachable,
    location: str,
    config: Json,
    *,
    home: Path | None = None,
    temporary: Iterable[Path] | None = None,
) -> Facts:
    """Look at the disk and at the parsed config. Folders that cannot be seen are not there."""
    home = home or Path.home()
    config_folder = None if location == "db:" else Path(location).parent
    return Facts(
        named_state=settings.state_dir,
        named_log=settings.log,
        log_setting=_log_setting(config, home),
        config_folder=config_folder,
        agents_beside=config_folder is not None and (config_folder / "agents").is_dir(),
        home_states=tuple(home / name for name in _HOME_FOLDERS if (home / name).is_dir()),
        log_folders=tuple(path for path in _log_folders(temporary) if path.is_dir()),
        version=_text(_object(_object(config).get("meta")).get("lastTouchedVersion")),
    )


def stores_in(state: Path) -> tuple[bool, bool]:
    """Tell whether the agents keep transcripts in SQLite, and whether in JSONL."""
    sqlite = any(True for _ in state.glob(f"agents/*/{FILE}"))
    jsonl = any(True for _ in state.glob("agents/*/sessions/*.jsonl"))
    return sqlite, jsonl


def release_at(version: str | None, state: Path | None) -> Release:
    """Tell which generation writes there."""
    sqlite, jsonl = stores_in(state) if state is not None else (False, False)
    return release_of(version, state, sqlite=sqlite, jsonl=jsonl)


def _log_setting(config: Json, home: Path) -> Path | None:
    named = _text(_object(_object(config).get("logging")).get("file"))
    if not named or "$" in named:
        return None
    if named == "~" or named.startswith("~/"):
        return home / named[2:]
    return Path(named) if Path(named).is_absolute() else None


def _log_folders(temporary: Iterable[Path] | None) -> Iterable[Path]:
    # Releases write to /tmp whatever TMPDIR says; 9.x falls back to a folder of the user's own.
    roots = temporary or dict.fromkeys([Path("/tmp"), Path(tempfile.gettempdir())])  # noqa: S108
    for root in roots:
        for name in _LOG_FOLDERS:
            yield root / name
            yield root / f"{name}-{os.getuid()}"


def _object(value: Json) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}


def _text(value: Json) -> str | None:
    return value.strip() if isinstance(value, str) and value.strip() else None
