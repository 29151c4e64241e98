"""What a config may look like where it names models, as pydantic checks it.

Source: the zod schemas of openclaw 2026.1.29 and 2026.9.6.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictStr, ValidationError

from bot.errors import ConfigShapeError
from bot.ports import Json
from bot.spans import Command, text


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


def check_shape(parsed: Json) -> None:
    """Check a parsed config. Raises ConfigShapeError, which names the place."""
    try:
        _Root.model_validate(parsed)
    except ValidationError as error:
        raise _shape_error(error) from None


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
