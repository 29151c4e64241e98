"""Providers of the team's own config: `models.providers.<id>` as a Provider."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.dialects.wire import rows, table, words
from bot.models import AuthScheme, Dialect, Endpoint, Provider
from bot.ports import Json

_OPENAI = Endpoint("/v1", "/chat/completions", AuthScheme.BEARER)
_ANTHROPIC = Endpoint("/v1", "/messages", AuthScheme.X_API_KEY)
_GEMINI = Endpoint("/v1beta", "/models/{model}:generateContent", AuthScheme.X_GOOG_API_KEY)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class _Api:
    endpoints: Mapping[Dialect, Endpoint]
    list_path: str


_APIS = {
    "openai-completions": _Api({Dialect.OPENAI: _OPENAI}, "/v1/models"),
    "anthropic-messages": _Api({Dialect.ANTHROPIC: _ANTHROPIC}, "/v1/models"),
    "google-generative-ai": _Api(
        {Dialect.OPENAI: replace(_OPENAI, prefix="/v1beta/openai"), Dialect.GEMINI: _GEMINI},
        "/v1beta/models",
    ),
    "ollama": _Api(
        {
            Dialect.OPENAI: _OPENAI,
            Dialect.OLLAMA: Endpoint("/api", "/chat", AuthScheme.BEARER),
        },
        "/api/tags",
    ),
}
_FIRST_DIALECT = {
    "openai-completions": Dialect.OPENAI,
    "anthropic-messages": Dialect.ANTHROPIC,
}
DEFAULT_API = "openai-completions"


def custom_provider(
    id_: str, entry: Mapping[str, Json], built_in: Provider | None = None
) -> Provider:
    """Read a config entry; one whose `api` is not spoken here has no endpoints.

    A `baseUrl` without a path gets `/v1` (or what its `api` usually has); one with a path is
    used as it is, an `anthropic-messages` one with and without `/v1`. An entry under a built-in
    provider's id changes that one's base, key and `api`, not its titles. Wrong types count as
    absent.
    """
    if built_in is not None:
        return _overridden(built_in, entry)
    api = _APIS.get(_api_name(entry) or DEFAULT_API, _Api({}, ""))
    key = _api_key(entry)
    base_url = words(entry.get("baseUrl")).strip()
    variable = _VARIABLE.fullmatch(key or "")
    return Provider(
        id=id_.lower(),
        title=id_,
        base_url=base_url,
        endpoints=_with_auth_header(entry, api.endpoints),
        list_path=api.list_path,
        key_env=variable[1] if variable else None,
        custom=True,
        config_key=key,
    )


def _overridden(built_in: Provider, entry: Mapping[str, Json]) -> Provider:
    """Change what an entry says; its `api`'s dialect, if spoken, comes first."""
    base_url = words(entry.get("baseUrl")).strip() or None
    key = _api_key(entry)
    first = _FIRST_DIALECT.get(_api_name(entry))
    endpoints = dict(built_in.endpoints)
    if base_url and first in endpoints:
        endpoints = {first: endpoints.pop(first), **endpoints}
    if key:
        # A team that gives a key where none is usual (Ollama) has something that checks it.
        endpoints = {
            dialect: replace(endpoint, auth=AuthScheme.BEARER)
            if endpoint.auth is AuthScheme.NONE
            else endpoint
            for dialect, endpoint in endpoints.items()
        }
    return replace(
        built_in,
        config_base_url=base_url or built_in.config_base_url,
        config_key=key or built_in.config_key,
        endpoints=_with_auth_header(entry, endpoints),
    )


def _api_name(entry: Mapping[str, Json]) -> str:
    """Return the entry's `api`, or what its models agree on; empty when nothing is said."""
    named = words(entry.get("api"))
    if named:
        return named
    of_models = {words(table(row).get("api")) for row in rows(entry.get("models"))} - {""}
    return of_models.pop() if len(of_models) == 1 else ""


def _api_key(entry: Mapping[str, Json]) -> str | None:
    key = entry.get("apiKey")
    if isinstance(key, Mapping):
        # OpenClaw's secret reference: {source: "env", provider: "default", id: "VARIABLE"}.
        name = words(key.get("id")) if key.get("source") == "env" else ""
        return f"${{{name}}}" if name else None
    return words(key).strip() or None


def _with_auth_header(
    entry: Mapping[str, Json], endpoints: Mapping[Dialect, Endpoint]
) -> Mapping[Dialect, Endpoint]:
    """Send the key as a bearer token where the entry's `authHeader` asks for it."""
    if entry.get("authHeader") is not True:
        return endpoints
    return {d: replace(e, auth=AuthScheme.BEARER) for d, e in endpoints.items()}
