"""Which URL a provider is asked at in a dialect, and with which headers."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from bot.durations import shorten
from bot.errors import SettingsError
from bot.models import AuthScheme, Dialect, Provider, Secret

ANTHROPIC_VERSION = "2023-06-01"
"""The API version sent wherever the caller named none."""

_HOST = re.compile(r"[A-Za-z0-9._~%\-]+|\[[0-9A-Fa-f:.]+(?:%25[\w.~\-]+)?\]")
_KEY = re.compile(r"[\x21-\x7e]+")
_HEADER = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+: [\x20-\x7e\t]*")
_VERSIONED = re.compile(r"/v\d+(?:alpha|beta)?\d*$")


class _Base(NamedTuple):
    origin: str
    path: str
    query: str


def endpoint_url(
    provider: Provider, dialect: Dialect, base_override: str | None, model: str
) -> str:
    """Return where `model` is asked in `dialect`.

    A base without a path gets the endpoint's usual path. A path is used as the dialect's own
    SDK would use it; one that belongs to another dialect of the same provider is swapped.

    Raises:
        SettingsError: the base is no http(s) URL with a host; the message names its source.
        KeyError: the provider does not speak the dialect.
    """
    base = _parse_base(provider, base_override)
    tail = provider.endpoints[dialect].tail
    if "{model}" in tail:
        tail = tail.replace("{model}", quote(model.removeprefix("models/"), safe=""))
    return f"{base.origin}{_dialect_path(provider, dialect, base.path)}{tail}{base.query}"


def list_url(provider: Provider, base_override: str | None) -> str:
    """Return where the provider's free model list is, empty when it has none.

    Raises:
        SettingsError: the base is no http(s) URL with a host.
    """
    dialect = list_dialect(provider)
    if dialect is None:
        return ""
    base = _parse_base(provider, base_override)
    tail = provider.list_path.removeprefix(provider.endpoints[dialect].prefix)
    return f"{base.origin}{_dialect_path(provider, dialect, base.path)}{tail}{base.query}"


def list_dialect(provider: Provider) -> Dialect | None:
    """Return the dialect whose path (and way of sending the key) the model list shares."""
    if not provider.list_path:
        return None
    sharing = [
        (len(endpoint.prefix), dialect)
        for dialect, endpoint in provider.endpoints.items()
        if provider.list_path.startswith(endpoint.prefix + "/")
    ]
    return max(sharing, key=lambda pair: pair[0])[1] if sharing else None


def auth_headers(provider: Provider, dialect: Dialect, key: Secret | None) -> dict[str, str]:
    """Return the headers that carry the key, the dialect's version, and those of the config.

    The config's win, as they do in the SDKs.

    Raises:
        SettingsError: the key or a header holds characters that no header can carry.
    """
    headers = _auth_headers(provider, dialect, key)
    for name, value in provider.headers.items():
        if not _HEADER.fullmatch(f"{name}: {value}"):
            raise SettingsError(
                f"models.providers.{provider.id}.headers.{name} has characters that no header has.",
                "Write it again, in one line.",
            )
    return headers | dict(provider.headers)


def _auth_headers(provider: Provider, dialect: Dialect, key: Secret | None) -> dict[str, str]:
    headers: dict[str, str] = {}
    if dialect is Dialect.ANTHROPIC:
        headers["anthropic-version"] = ANTHROPIC_VERSION
    scheme = provider.endpoints[dialect].auth
    value = key.reveal().strip() if key is not None else ""
    if scheme is AuthScheme.NONE or not value:
        return headers
    if not _KEY.fullmatch(value):
        source = provider.key_env or f"models.providers.{provider.id}.apiKey"
        raise SettingsError(
            f"{source} contains invalid characters.", "Copy the key again, without quotes."
        )
    if scheme is AuthScheme.BEARER:
        headers["authorization"] = f"Bearer {value}"
    else:
        headers[scheme.value] = value
    return headers


def _parse_base(provider: Provider, base_override: str | None) -> _Base:
    given = (base_override or provider.config_base_url or provider.base_url).strip()
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        parts, port = urlsplit(""), None
    host = parts.netloc.rpartition("@")[2]
    if port is not None or host.endswith(":"):
        host = host.rpartition(":")[0]
    if (
        parts.scheme not in ("http", "https")
        or not _HOST.fullmatch(host)
        or any(c.isspace() or not c.isprintable() for c in given)
    ):
        raise SettingsError(
            f"{_source(provider, base_override)} is {_shown(given)}, "
            "which is not an http(s) URL with a host.",
            "For example: http://127.0.0.1:8080 or https://host/v1",
        )
    query = f"?{parts.query}" if parts.query else ""
    return _Base(f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/"), query)


def refuse_login(source: str, url: str) -> None:
    """Refuse an address that holds a user name or password beside a key: one header, two values.

    Raises:
        SettingsError: it does; the message names where it stands.
    """
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise SettingsError(
            f"{source} holds a user name or password, which cannot be sent beside a key.",
            "Take it out of the address, or unset the provider's key.",
        )


def _source(provider: Provider, base_override: str | None) -> str:
    given = base_override and base_override != provider.config_base_url
    if given and provider.base_url_env:
        return provider.base_url_env
    return f"models.providers.{provider.id}.baseUrl"


def _shown(given: str) -> str:
    """Quote a base without the user name and password it may hold."""
    return repr(shorten(re.sub(r"//[^/@]*@", "//…@", given))) if given else "empty"


def _dialect_path(provider: Provider, dialect: Dialect, given: str) -> str:
    """Return what is before the endpoint's tail, for the path that the base came with."""
    if dialect is Dialect.RESPONSES and Dialect.OPENAI in provider.endpoints:
        # One SDK and one base for both.
        dialect = Dialect.OPENAI
    own = provider.endpoints[dialect].prefix
    if not given or (own and given.endswith(own)):
        return given or own
    bare = own.removesuffix("/v1")
    if dialect is Dialect.ANTHROPIC and bare and given.endswith(bare):
        return given + "/v1"
    for spelling in _other_spellings(provider, dialect):
        if given.endswith(spelling):
            return given[: -len(spelling)] + own
    return _unknown_path(provider, dialect, given)


def _other_spellings(provider: Provider, dialect: Dialect) -> list[str]:
    """Return the paths that a base of one of the other dialects may end in, longest first."""
    spellings: set[str] = set()
    for other, endpoint in provider.endpoints.items():
        if other is dialect:
            continue
        spellings.add(endpoint.prefix)
        if other is Dialect.ANTHROPIC:
            spellings.add(endpoint.prefix.removesuffix("/v1"))
        if other is Dialect.OPENAI and not endpoint.prefix:
            spellings.add("/v1")
    return sorted(spellings - {""}, key=len, reverse=True)


def _unknown_path(provider: Provider, dialect: Dialect, given: str) -> str:
    """Extend a path of the operator's own as the SDK of the dialect does.

    The base is meant for the provider's first dialect; another dialect's path is told from it
    where it extends the first one's (DeepSeek's `/anthropic`).
    """
    first, home = next(iter(provider.endpoints.items()))
    own = provider.endpoints[dialect].prefix
    if first is Dialect.ANTHROPIC:
        return given + own
    as_given = dialect in (Dialect.OPENAI, Dialect.RESPONSES)
    if as_given or (dialect is Dialect.GEMINI and _VERSIONED.search(given)):
        return given
    return given + own.removeprefix(home.prefix)
