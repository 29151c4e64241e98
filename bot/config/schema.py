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

from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError

from bot.config.include import Fault, Resolved, resolve
from bot.config.keyring import Keyring, keyring_of
from bot.config.values import dotted
from bot.errors import ConfigShapeError, ConfigUnreadableError
from bot.ports import Document, Json, Path
from bot.spans import Command, text

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


class _Lenient(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Model(_Lenient):
    primary: StrictStr | None = None
    fallbacks: list[StrictStr] | None = None


class _Entry(_Lenient):
    alias: StrictStr | None = None


class _Policy(_Lenient):
    allow: list[StrictStr] | None = None


class _Defaults(_Lenient):
    model: StrictStr | _Model | None = None
    models: dict[str, _Entry | None] | None = None
    policy: _Policy | None = Field(default=None, alias="modelPolicy")
    programs: Any = Field(default=None, alias="cliBackends")


class _Agent(_Lenient):
    id: StrictStr | None = None
    model: StrictStr | _Model | None = None


class _Agents(_Lenient):
    defaults: _Defaults | None = None
    list_: list[_Agent] | None = Field(default=None, alias="list")
    entries: dict[str, _Agent | None] | None = None


class _ProviderModel(_Lenient):
    id: StrictStr


class _Provider(_Lenient):
    base_url: StrictStr | None = Field(default=None, alias="baseUrl")
    api_key: StrictStr | dict[str, Any] | None = Field(default=None, alias="apiKey")
    api: StrictStr | None = None
    headers: dict[str, StrictStr | dict[str, Any]] | None = None
    models: list[_ProviderModel] | None = None


class _Providers(_Lenient):
    providers: dict[str, _Provider] | None = None


class _Profile(_Lenient):
    provider: StrictStr | None = None


class _Auth(_Lenient):
    profiles: dict[str, _Profile] | None = None


class _Meta(_Lenient):
    version: StrictStr | None = Field(default=None, alias="lastTouchedVersion")


class _Root(_Lenient):
    agents: _Agents | None = None
    models: _Providers | None = None
    meta: _Meta | None = None
    auth: _Auth | None = None


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
    try:
        root = _Root.model_validate(parsed)
    except ValidationError as error:
        raise _shape_error(error) from None
    agents = root.agents or _Agents()
    defaults = agents.defaults or _Defaults()
    models = defaults.models or {}
    aliases = {key: entry.alias if entry else None for key, entry in models.items()}
    default = _choice(MODEL_PATH, defaults.model)
    return ConfigView(
        default=default.served() if _ours(default.primary, aliases) else default,
        aliases=aliases,
        allow=tuple(defaults.policy.allow or ()) if defaults.policy else (),
        agents=_agents(agents),
        providers={
            id_: parsed["models"]["providers"][id_]
            for id_ in (root.models.providers if root.models else None) or {}
        },
        version=root.meta.version if root.meta else None,
        profiles=_profiles(root.auth) | _programs(defaults.programs),
    )


def _profiles(auth: _Auth | None) -> frozenset[str]:
    named = (auth.profiles if auth else None) or {}
    return frozenset((p.provider or id_.partition(":")[0]).lower() for id_, p in named.items())


def _programs(backends: Json) -> frozenset[str]:
    """Return the providers that OpenClaw asks through a program on its own machine.

    Source: https://docs.openclaw.ai/gateway/cli-backends
    """
    return frozenset(map(str.lower, backends)) if isinstance(backends, dict) else frozenset()


def _ours(primary: str | None, aliases: Mapping[str, str | None]) -> bool:
    """Return whether a model is our own gateway, by its name or an alias."""
    named = [key for key, alias in aliases.items() if alias and alias == primary]
    return any(word.startswith(f"{OWN_PROVIDER}/") for word in (primary or "", *named))


def _choice(path: Path, model: str | _Model | None) -> ModelChoice:
    match model:
        case None:
            return ModelChoice(path, ModelShape.ABSENT)
        case str():
            return ModelChoice(path, ModelShape.STRING, model)
        case _:
            chain = None if model.fallbacks is None else tuple(model.fallbacks)
            return ModelChoice(path, ModelShape.OBJECT, model.primary, chain)


def _agents(agents: _Agents) -> dict[str, ModelChoice]:
    found = {
        agent.id: _choice(("agents", "list", position, "model"), agent.model)
        for position, agent in enumerate(agents.list_ or ())
        if agent.id
    }
    for id_, entry in (agents.entries or {}).items():
        found[id_] = _choice(("agents", "entries", id_, "model"), entry.model if entry else None)
    return found


def _shape_error(error: ValidationError) -> ConfigShapeError:
    # A union reports each branch that failed, the one that came furthest knows best where; its
    # branch names are no keys of the file.
    first = max(error.errors(include_url=False), key=lambda one: len(_steps(one["loc"])))
    steps = _steps(first["loc"])
    place = ".".join(steps) or "the file"
    kind = type(first.get("input")).__name__
    found = {"dict": "an object", "list": "a list", "str": "a string", "bool": "true or false"}
    what = found.get(kind, "nothing" if kind == "NoneType" else "a number")
    return ConfigShapeError(
        f"{place} is missing." if first["type"] == "missing" else f"{place} must not be {what}.",
        text(
            "Fix it in the file, then run ",
            Command("doctor", program=True),
            "; nothing was written.",
        ),
    )


def _steps(place: tuple[int | str, ...]) -> list[str]:
    branches = ("str", "_Model", "dict[str,any]")
    return [str(step) for step in place if step not in branches]
