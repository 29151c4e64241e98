"""The config as this program sees it: the model-related part, checked, with where it is.

Shapes: `agents.defaults.model` is an object `{primary, fallbacks}` in every release and a string
too since 2026.3; an agent's own model is in `agents.list[].model` before and in
`agents.entries.<id>.model` since. Source: the zod schemas of openclaw 2026.1.29 and 2026.9.6.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from bot.config.include import Fault, Resolved, resolve
from bot.config.keyring import Keyring, keyring_of
from bot.config.values import dotted
from bot.errors import ConfigUnreadableError
from bot.ports import Document, Json, Path

DEFAULTS: Path = ("agents", "defaults")
MODEL_PATH: Path = (*DEFAULTS, "model")
MODELS_PATH: Path = (*DEFAULTS, "models")
ALLOW_PATH: Path = (*DEFAULTS, "modelPolicy", "allow")
_NEEDED: tuple[Path, ...] = (
    MODEL_PATH,
    MODELS_PATH,
    ALLOW_PATH[:-1],
    ("agents", "list"),
    ("agents", "entries"),
    ("models", "providers"),
)
OWN_PROVIDER = "changeover"
"""The provider name of our gateway in a Moltbot's or OpenClaw's config."""


class ModelShape(StrEnum):
    """How a `model` value is written."""

    ABSENT = "absent"
    STRING = "string"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A `model` value: where it stands, how it is written, what it says.

    `primary` and `fallbacks` are as written: names, aliases, or `${VAR}`. `fallbacks` None means
    that the key is absent, which for an agent inherits the defaults' chain.

    `front` is our own gateway where it is first in the file. What the gateway asks first is
    then the first of the file's fallbacks: that is `primary` here, and `fallbacks` the rest.
    """

    path: Path
    shape: ModelShape
    primary: str | None = None
    fallbacks: tuple[str, ...] | None = None
    front: str | None = None

    @property
    def primary_path(self) -> Path:
        """Where the primary's string stands or would be."""
        if self.front is not None:
            return (*self.fallbacks_path, 0)
        return self.path if self.shape is ModelShape.STRING else (*self.path, "primary")

    @property
    def fallbacks_path(self) -> Path:
        """Where the chain's list stands or would be."""
        return (*self.path, "fallbacks")

    @property
    def written(self) -> tuple[str | None, list[str]]:
        """What the file says: its own first model and its list."""
        if self.front is None:
            return self.primary, list(self.fallbacks or ())
        return self.front, [word for word in (self.primary, *(self.fallbacks or ())) if word]

    def served(self) -> ModelChoice:
        """Return the choice as our gateway walks it, which is first in the file."""
        primary, *rest = self.fallbacks or (None,)
        return replace(self, front=self.primary, primary=primary, fallbacks=tuple(rest))


@dataclass(frozen=True, slots=True)
class ConfigView:
    """The model-related part of the config.

    `aliases` maps a model (as its key is written) to its alias or None, in the file's order.
    `allow` is `modelPolicy.allow`. `profiles` are the providers that OpenClaw is signed in to or
    has a program for, `keys` what it would ask them with. `providers` are under their ids as
    written. `faults` are the `$include`s that give nothing, none of which can hold any of this.
    """

    default: ModelChoice
    aliases: Mapping[str, str | None] = field(default_factory=dict)
    allow: tuple[str, ...] = ()
    agents: Mapping[str, ModelChoice] = field(default_factory=dict)
    providers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    version: str | None = None
    profiles: frozenset[str] = frozenset()
    keys: Keyring = field(default_factory=Keyring)
    faults: tuple[Fault, ...] = ()

    def choice(self, agent: str | None) -> ModelChoice | None:
        """Return the defaults' model, or an agent's own; None for an unknown agent."""
        return self.default if agent is None else self.agents.get(agent)

    def entry(self, provider: str) -> Mapping[str, Any]:
        """Return the file's entry of a provider, in whatever case its id is written."""
        found = (entry for id_, entry in self.providers.items() if id_.lower() == provider)
        return next(found, {})

    @property
    def choices(self) -> tuple[ModelChoice, ...]:
        """The defaults' model and every agent's own."""
        return (self.default, *self.agents.values())

    def snapshot(self) -> Json:
        """Return the part whose edits from outside are history, as plain JSON."""
        return {
            "primary": self.default.written[0],
            "fallbacks": self.default.written[1],
            "models": dict(self.aliases),
            "allow": list(self.allow),
            "agents": {
                id_: {"primary": choice.primary, "fallbacks": list(choice.fallbacks or ())}
                for id_, choice in self.agents.items()
                if choice.shape is not ModelShape.ABSENT
            },
        }


_MODEL = (str, {"primary": str, "fallbacks": [str]})
_AGENT = {"id": str, "model": _MODEL}
_PROVIDER = {
    "baseUrl": str,
    "apiKey": (str, dict),
    "api": str,
    "headers": {"*": (str, dict)},
    "models": [{"id!": str}],
}
_PLAIN = {
    "agents": {
        "defaults": {
            "model": _MODEL,
            "models": {"*": {"alias": str}},
            "modelPolicy": {"allow": [str]},
        },
        "list": [_AGENT],
        "entries": {"*": _AGENT},
    },
    "models": {"providers": {"*": _PROVIDER}},
    "meta": {"lastTouchedVersion": str},
    "auth": {"profiles": {"*": {"provider": str}}},
}
"""The usual shape: a tuple of choices, a list of one item, any key (`*`), a needed one (`!`)."""


def view_of(document: Document) -> ConfigView:
    """Read the model-related part of a document, its includes followed.

    Raises:
        ConfigSyntaxError: it is not JSON5.
        ConfigUnreadableError, ConfigShapeError: as `view_in`.
    """
    return view_in(document, resolve(document))


def view_in(document: Document, resolved: Resolved) -> ConfigView:
    """Read the model-related part of a document whose includes were followed.

    Raises:
        ConfigUnreadableError: an include that gives nothing may hold the models.
        ConfigShapeError: something else is where a model or a list of models belongs.
    """
    for fault in resolved.faults:
        held = next((path for path in _NEEDED if fault.overlaps(path)), None)
        if held is not None:
            raise ConfigUnreadableError(f"{fault.says} It may hold {dotted(held)}.", fault.fix)
    keys = keyring_of(resolved.value, document)
    return replace(view(resolved.value), keys=keys, faults=resolved.faults)


def view(parsed: Json) -> ConfigView:
    """Read the model-related part of a parsed config. Raises ConfigShapeError."""
    if not is_plain(parsed):
        # Pydantic decides, and names what is wrong; importing it takes longer than a whole status.
        from bot.config.shape import check_shape

        check_shape(parsed)
    agents = _table(parsed, "agents")
    defaults = _table(agents, "defaults")
    aliases = {key: _table(entry).get("alias") for key, entry in _table(defaults, "models").items()}
    default = _choice(MODEL_PATH, defaults.get("model"))
    return ConfigView(
        default=default.served() if _ours(default.primary, aliases) else default,
        aliases=aliases,
        allow=tuple(_table(defaults, "modelPolicy").get("allow") or ()),
        agents=_agents(agents),
        providers=_table(parsed, "models", "providers"),
        version=_table(parsed, "meta").get("lastTouchedVersion"),
        profiles=_profiles(_table(parsed, "auth", "profiles"))
        | _programs(defaults.get("cliBackends")),
    )


def is_plain(value: Json, shape: Any = _PLAIN) -> bool:
    """Return whether a value has a sound shape; whether another one will do, pydantic knows."""
    match shape:
        case tuple():
            return any(is_plain(value, one) for one in shape)
        case [item]:
            return isinstance(value, list) and all(is_plain(one, item) for one in value)
        case {"*": item}:
            return isinstance(value, dict) and all(is_plain(one, item) for one in value.values())
        case dict():
            return isinstance(value, dict) and all(
                is_plain(value[name], one) if value.get(name) is not None else name == key
                for key, one in shape.items()
                for name in [key.removesuffix("!")]
            )
        case _:
            return isinstance(value, shape)


def _table(parsed: Json, *path: str) -> dict[str, Any]:
    """Return the object at a path, an empty one where there is none."""
    for key in path:
        parsed = (parsed or {}).get(key)
    return parsed or {}


def _profiles(profiles: dict[str, Any]) -> frozenset[str]:
    return frozenset(
        (one.get("provider") or id_.partition(":")[0]).lower() for id_, one in profiles.items()
    )


def _programs(backends: Json) -> frozenset[str]:
    """Return the providers that OpenClaw asks through a program on its own machine.

    Source: https://docs.openclaw.ai/gateway/cli-backends
    """
    return frozenset(map(str.lower, backends)) if isinstance(backends, dict) else frozenset()


def _ours(primary: str | None, aliases: Mapping[str, str | None]) -> bool:
    """Return whether a model is our own gateway, by its name or an alias."""
    named = [key for key, alias in aliases.items() if alias and alias == primary]
    return any(word.startswith(f"{OWN_PROVIDER}/") for word in (primary or "", *named))


def _choice(path: Path, model: Json) -> ModelChoice:
    match model:
        case None:
            return ModelChoice(path, ModelShape.ABSENT)
        case str():
            return ModelChoice(path, ModelShape.STRING, model)
        case _:
            chain = model.get("fallbacks")
            fallbacks = None if chain is None else tuple(chain)
            return ModelChoice(path, ModelShape.OBJECT, model.get("primary"), fallbacks)


def _agents(agents: dict[str, Any]) -> dict[str, ModelChoice]:
    found = {
        agent["id"]: _choice(("agents", "list", position, "model"), agent.get("model"))
        for position, agent in enumerate(agents.get("list") or ())
        if agent.get("id")
    }
    for id_, entry in _table(agents, "entries").items():
        path = ("agents", "entries", id_, "model")
        found[id_] = _choice(path, _table(entry).get("model"))
    return found
