"""Where a Moltbot or OpenClaw keeps things, and which release it is, out of facts gathered."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePath

from bot.config.release import in_old_folder, is_new


class Release(StrEnum):
    """Which generation it is of: they differ in where the evidence lies."""

    OLD = "1.x"
    NEW = "2026.3 or later"
    UNKNOWN = "unknown"


class Why(StrEnum):
    """What made us look where we look."""

    NAMED = "named by the environment"
    CONFIG = "beside the config"
    SETTING = "logging.file in the config"
    DEFAULT = "the default place"
    ABSENT = "not found"


@dataclass(frozen=True, slots=True)
class Facts:
    """What was found on the disk and in the config, before anything is decided.

    `config_folder` is None for a config in the database. `home_states` are the releases' own
    folders that exist. `agents_beside` says that `config_folder` holds an `agents` folder.
    """

    named_state: PurePath | None = None
    named_log: PurePath | None = None
    log_setting: PurePath | None = None
    config_folder: PurePath | None = None
    agents_beside: bool = False
    home_states: tuple[PurePath, ...] = ()
    log_folders: tuple[PurePath, ...] = ()
    version: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """What to follow; `state` and `logs` are empty when there is nothing to attach to."""

    state: PurePath | None
    state_why: Why
    logs: tuple[PurePath, ...]
    logs_why: Why

    @property
    def attached(self) -> bool:
        """True when there is anything to follow."""
        return self.state is not None or bool(self.logs)


def decide(facts: Facts) -> Place:
    """Return what to follow.

    A home folder counts only when the config lies in it: somebody else's OpenClaw on the same
    machine is none of ours.
    """
    state, why = _state(facts)
    if facts.named_log is not None:
        return Place(state, why, (facts.named_log,), Why.NAMED)
    if facts.log_setting is not None:
        return Place(state, why, (facts.log_setting,), Why.SETTING)
    if state is not None and facts.log_folders:
        return Place(state, why, facts.log_folders, Why.DEFAULT)
    return Place(state, why, (), Why.ABSENT)


def release_of(
    version: str | None, state: PurePath | None, *, sqlite: bool, jsonl: bool
) -> Release:
    """Tell the generation by the config's version, else by the transcripts, else the folder."""
    new = is_new(version)
    if new is not None:
        return Release.NEW if new else Release.OLD
    if sqlite:
        return Release.NEW
    if jsonl or (state is not None and in_old_folder(state)):
        return Release.OLD
    return Release.UNKNOWN


def _state(facts: Facts) -> tuple[PurePath | None, Why]:
    if facts.named_state is not None:
        return facts.named_state, Why.NAMED
    folder = facts.config_folder
    if folder is not None and (facts.agents_beside or folder in facts.home_states):
        return folder, Why.CONFIG
    return None, Why.ABSENT
