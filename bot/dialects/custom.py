"""Providers of the team's own config: `models.providers.<id>` as a Provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bot.dialects.references import missing_in, secret_reference
from bot.dialects.wire import rows, table, words
from bot.models import AuthScheme, Dialect, Endpoint, Provider
from bot.ports import Json

_OPENAI = Endpoint("/v1", "/chat/completions", AuthScheme.BEARER)
_RESPONSES = Endpoint("/v1", "/responses", AuthScheme.BEARER)
_ANTHROPIC = Endpoint("/v1", "/messages", AuthScheme.X_API_KEY)
_GEMINI = Endpoint("/v1beta", "/models/{model}:generateContent", AuthScheme.X_GOOG_API_KEY)
_NOT_SET_BY_A_CONFIG = frozenset(
    ("host", "content-length", "content-type", "accept", "transfer-encoding", "connection")
)


@dataclass(frozen=True, slots=True)
class _Api:
    endpoints: Mapping[Dialect, Endpoint]
    list_path: str


_APIS = {
    "openai-completions": _Api({Dialect.OPENAI: _OPENAI}, "/v1/models"),
    "openai-responses": _Api({Dialect.RESPONSES: _RESPONSES}, "/v1/models"),
    "anthropic-messages": _Api({Dialect.ANTHROPIC: _ANTHROPIC}, "/v1/models"),
    "google-generative-ai": _Api(
        {Dialect.OPENAI: replace(_OPENAI, prefix="/v1beta/openai"), Dialect.GEMINI: _GEMINI},
        "/v1beta/models",
    ),
    "ollama": _Api(
        {
            Dialect.OPENAI: _OPENAI,
            Dialect.RESPONSES: replace(_RESPONSES, stateless=True),
            Dialect.OLLAMA: Endpoint("/api", "/chat", AuthScheme.BEARER),
        },
        "/api/tags",
    ),
}
_FIRST_DIALECT = {
    "openai-completions": Dialect.OPENAI,
    "openai-responses": Dialect.RESPONSES,
    "anthropic-messages": Dialect.ANTHROPIC,
}
DEFAULT_API = "openai-completions"
OPENCLAW_APIS = frozenset(
    (
        "openai-codex-responses",
        "azure-openai-responses",
        "github-copilot",
        "bedrock-converse-stream",
    )
)
"""What OpenClaw's releases speak besides, and our gateway does not."""


def custom_provider(
    id_: str, entry: Mapping[str, Json], built_in: Provider | None = None, model: str = ""
) -> Provider:
    """Read a config entry; one whose `api` is not spoken here has no endpoints.

    A `baseUrl` without a path gets `/v1` (or what its `api` usually has); one with a path is
    used as it is, an `anthropic-messages` one with and without `/v1`. An entry under a built-in
    provider's id changes that one's base, key, headers and `api`, not its titles. The row of
    `model` may have an `api` and headers of its own.
    """
    row = next((table(r) for r in rows(entry.get("models")) if table(r).get("id") == model), {})
    api = words(row.get("api")) or _api_name(entry)
    headers, unreadable = _headers(id_, entry, row)
    key = secret_reference(entry.get("apiKey"))
    if key is None and entry.get("apiKey"):
        unreadable = f"models.providers.{id_}.apiKey"
    unreadable = _by_openclaw_alone(id_, entry) or unreadable
    said = Provider(
        id=id_.lower(),
        title=id_,
        base_url=words(entry.get("baseUrl")).strip(),
        endpoints={},
        config_key=key,
        headers=headers,
        unreadable=unreadable,
        api=api,
    )
    if built_in is not None:
        return _overridden(built_in, entry, said)
    known = _APIS.get(api or DEFAULT_API, _Api({}, ""))
    return replace(
        said,
        endpoints=_with_auth_header(entry, known.endpoints),
        list_path=known.list_path,
        key_env=missing_in(key) if key and key == f"${{{missing_in(key)}}}" else None,
        custom=True,
    )


def _overridden(built_in: Provider, entry: Mapping[str, Json], said: Provider) -> Provider:
    """Change what an entry says; its `api`'s dialect, if spoken, comes first."""
    first = _FIRST_DIALECT.get(said.api)
    endpoints = dict(built_in.endpoints)
    if said.base_url and first in endpoints:
        endpoints = {first: endpoints.pop(first), **endpoints}
    if said.config_key:
        # A team that gives a key where none is usual (Ollama) has something that checks it.
        endpoints = {
            dialect: replace(endpoint, auth=AuthScheme.BEARER)
            if endpoint.auth is AuthScheme.NONE
            else endpoint
            for dialect, endpoint in endpoints.items()
        }
    return replace(
        built_in,
        config_base_url=said.base_url or built_in.config_base_url,
        config_key=said.config_key or built_in.config_key,
        endpoints=_with_auth_header(entry, endpoints),
        headers=said.headers,
        unreadable=said.unreadable,
    )


def _headers(
    id_: str, entry: Mapping[str, Json], row: Mapping[str, Json]
) -> tuple[dict[str, str], str | None]:
    """Return what an entry and its model's row send besides, and what of it cannot be read."""
    given = {
        name.lower(): value
        for part in (entry.get("headers"), table(entry.get("request")).get("headers"))
        for name, value in (*table(part).items(), *table(row.get("headers")).items())
        if name.lower() not in _NOT_SET_BY_A_CONFIG
    }
    read = {name: secret_reference(value) for name, value in given.items()}
    lost = next((name for name, value in read.items() if value is None and given[name]), None)
    headers = {name: value for name, value in read.items() if value is not None}
    return headers, f"models.providers.{id_}.headers.{lost}" if lost else None


def _by_openclaw_alone(id_: str, entry: Mapping[str, Json]) -> str | None:
    """Name what an entry says of its requests that only OpenClaw does: sign-in, proxy, TLS."""
    request = table(entry.get("request"))
    for part in ("auth", "proxy", "tls"):
        said = table(request.get(part))
        if said and said.get("mode") != "provider-default":
            return f"models.providers.{id_}.request.{part}"
    return None


def _api_name(entry: Mapping[str, Json]) -> str:
    """Return the entry's `api`, or what its models agree on; empty when nothing is said."""
    named = words(entry.get("api"))
    if named:
        return named
    of_models = {words(table(row).get("api")) for row in rows(entry.get("models"))} - {""}
    return of_models.pop() if len(of_models) == 1 else ""


def _with_auth_header(
    entry: Mapping[str, Json], endpoints: Mapping[Dialect, Endpoint]
) -> Mapping[Dialect, Endpoint]:
    """Send the key as a bearer token where the entry's `authHeader` asks for it."""
    if entry.get("authHeader") is not True:
        return endpoints
    return {d: replace(e, auth=AuthScheme.BEARER) for d, e in endpoints.items()}
