"""The other places of a config that name a model: they do not follow when the primary changes.

Source: the zod schemas of openclaw 2026.1.29 and the configured-model-refs of 2026.9.6.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bot.config.naming import written
from bot.config.schema import DEFAULTS, OWN_PROVIDER, ConfigView
from bot.config.values import SetValue, dotted, get
from bot.models import ModelRef
from bot.ports import ABSENT, Json, Path

_OF_AN_AGENT: tuple[Path, ...] = (
    ("heartbeat", "model"),
    ("subagents", "model"),
    ("compaction", "model"),
    ("compaction", "memoryFlush", "model"),
    ("utilityModel",),
    ("imageModel",),
)
_IMAGES = "imageModel"


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A place with a model of its own; `path` is where its string is.

    `agent` is whose own primary it is; `apart` marks one that the same edit cannot set, since
    another file holds it.
    """

    path: Path
    written: str
    ref: ModelRef | None
    agent: str | None = None
    apart: bool = False

    @property
    def name(self) -> str:
        """The place as people name it."""
        path = self.path[:-1] if self.path[-1] == "primary" else self.path
        return dotted(path[2:] if path[:2] == DEFAULTS else path)

    @property
    def for_images(self) -> bool:
        """True where only a model that sees images is of use."""
        return _IMAGES in self.path


def elsewhere(parsed: Json, view: ConfigView, *, agents: bool = True) -> list[Elsewhere]:
    """Return every other place that names a model; `agents` False leaves agents' own out."""
    found = []
    for path, agent in _paths(parsed, agents):
        value = get(parsed, path)
        if isinstance(value, dict):
            path, value = (*path, "primary"), value.get("primary", ABSENT)
        if value is not ABSENT and isinstance(value, str) and value.strip() and "$" not in value:
            ref = written(value, view)
            if ref is None or ref.provider != OWN_PROVIDER:
                found.append(Elsewhere(path, value, ref, agent))
    return found


def set_everywhere(
    parsed: Json, view: ConfigView, ref: ModelRef, *, sees_images: bool
) -> list[SetValue]:
    """Plan one model for every other place that has another; the edit adds no place."""
    return [
        SetValue(place.path, str(ref))
        for place in elsewhere(parsed, view)
        if place.ref != ref and (sees_images or not place.for_images)
    ]


def _paths(parsed: Json, agents: bool) -> Iterator[tuple[Path, str | None]]:
    yield from (((*DEFAULTS, *tail), None) for tail in _OF_AN_AGENT)
    for base, agent in _agents(parsed):
        if agents:
            yield (*base, "model"), agent
        yield from (((*base, *tail), None) for tail in _OF_AN_AGENT)
    by_channel = get(parsed, ("channels", "modelByChannel"))
    for channel, targets in by_channel.items() if isinstance(by_channel, dict) else ():
        for target in targets if isinstance(targets, dict) else ():
            yield ("channels", "modelByChannel", channel, target), None
    mappings = get(parsed, ("hooks", "mappings"))
    for at in range(len(mappings) if isinstance(mappings, list) else 0):
        yield ("hooks", "mappings", at, "model"), None
    yield ("hooks", "gmail", "model"), None


def _agents(parsed: Json) -> Iterator[tuple[Path, str | None]]:
    listed, entries = get(parsed, ("agents", "list")), get(parsed, ("agents", "entries"))
    for at, agent in enumerate(listed if isinstance(listed, list) else ()):
        id_ = agent.get("id") if isinstance(agent, dict) else None
        yield ("agents", "list", at), id_ if isinstance(id_, str) else None
    for id_ in entries if isinstance(entries, dict) else ():
        yield ("agents", "entries", id_), id_
