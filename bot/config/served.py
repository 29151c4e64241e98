"""What each OpenClaw generation serves by itself, and what an entry must give it: dated data.

A model that a release does not know is worse than one that fails: 2026.1 answers "Unknown model"
and tries no fallback. Any model works under an entry of `models.providers`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any

from bot.config.release import numbers_of
from bot.config.schema import ConfigView
from bot.models import ModelRef


class Serving(StrEnum):
    """Whether a release can call a model."""

    SERVED = "served"
    UNSERVED = "unserved"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Generation:
    """Releases since a month, as `release` was looked through.

    `providers` maps an id to the models that are served, None for whatever the provider has. What
    it `depends` on its own environment for may have more; a `closed` one has no plugins.
    """

    since: tuple[int, ...]
    release: str
    providers: Mapping[str, frozenset[str] | None]
    closed: bool = False
    depends: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ServedTable:
    """All generations, oldest first; OpenClaw's own ids; entries that make a provider served."""

    generations: tuple[Generation, ...]
    own_ids: Mapping[str, str]
    entries: Mapping[str, Mapping[str, Any]]


@cache
def served_table() -> ServedTable:
    """Return the table that comes with the program."""
    source = Path(__file__).with_name("served.json").read_text(encoding="utf-8")
    data = json.loads(source)
    generations = [
        Generation(
            numbers_of(row["since"]),
            row["release"],
            {
                id_: None if models is None else frozenset(models)
                for id_, models in row["providers"].items()
            },
            row["closed"],
            frozenset(row["depends"]),
        )
        for row in data["generations"]
    ]
    return ServedTable(tuple(generations), data["own_ids"], data["entries"])


def generation_of(version: str | None) -> Generation | None:
    """Return the generation of a release; None for one that is not known.

    What was looked through is a release of it: another may list other models.
    """
    numbers = numbers_of(version)
    found = [one for one in _generations() if one.since <= numbers]
    if not (version and found):
        return None
    last = found[-1]
    same = last.closed or version.removeprefix("v") == last.release
    return last if same else replace(last, depends=frozenset(last.providers))


def serving(ref: ModelRef, view: ConfigView, generation: Generation | None) -> Serving:
    """Return whether a release can call a model with the config as it is."""
    if ref.provider in {id_.lower() for id_ in view.providers}:
        return Serving.SERVED
    if generation is None:
        # Whatever release it is: all have the provider, and one at least lists the model.
        lists = [one.providers.get(ref.provider, frozenset()) for one in _generations()]
        common = all(ref.provider in one.providers for one in _generations())
        known = common and any(models is None or ref.name in models for models in lists)
        return Serving.SERVED if known else Serving.UNKNOWN
    models = generation.providers.get(ref.provider, frozenset())
    if models is None or ref.name in models:
        return Serving.SERVED
    if ref.provider in generation.depends:
        return Serving.UNKNOWN
    if ref.provider in generation.providers or (generation.closed and _is_ours(ref.provider)):
        return Serving.UNSERVED
    if str(ref) in view.aliases or ref.provider in view.profiles:
        return Serving.UNKNOWN
    absent = has_provider(ref.provider) if generation.closed else _is_ours(ref.provider)
    return Serving.UNSERVED if absent else Serving.UNKNOWN


def _is_ours(id_: str) -> bool:
    """Return whether the table says what makes a provider served."""
    return id_ in {*served_table().own_ids, *served_table().entries}


def is_mapped(ref: ModelRef, view: ConfigView) -> bool:
    """Return whether the file's own map of models names a model."""
    return str(ref).lower() in {key.lower() for key in view.aliases}


def is_listed(ref: ModelRef) -> bool:
    """Return whether some release lists a model by name."""
    return any(ref.name in (one.providers.get(ref.provider) or ()) for one in _generations())


def has_provider(id_: str) -> bool:
    """Return whether some release serves a provider of that id."""
    return any(id_ in one.providers for one in _generations())


def _generations() -> tuple[Generation, ...]:
    return served_table().generations
