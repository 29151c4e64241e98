"""The secrets that a config holds or names: keys, header values, logins in addresses."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from bot.blackout import WORD, logins_in
from bot.config.include import resolve_includes
from bot.config.keyring import keyring_of
from bot.dialects.locality import is_local_url
from bot.dialects.references import secret_reference, variable_named
from bot.errors import ConfigError
from bot.ports import Document, Json

_NAMED = re.compile(
    r"(?:key|token|secret|password|passwd|credential|authorization|cookie|bearer)s?\Z",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_REFERENCE = frozenset(("source", "provider", "id"))
_SCHEME = re.compile(r"(?:bearer|basic|token|bot)\s+", re.IGNORECASE)
_OPEN_HEADERS = frozenset(
    (
        "accept", "content-type", "user-agent", "referer", "http-referer", "x-title",
        "anthropic-version", "anthropic-beta", "openai-beta", "openai-organization",
    )
)  # fmt: skip
"""Headers that say what a request is; all others of a provider may let it in."""


def secrets_in(document: Document, env: Mapping[str, str]) -> tuple[set[str], set[str]]:
    """Return a config's secrets, and those of them that are mere words of a local server."""
    try:
        parsed = resolve_includes(document)
    except ConfigError:
        # Nobody can use it either.
        return set(), set()
    keys = keyring_of(parsed, document)
    env = {**keys.env, **env}
    found = {word for name, value in keys.env.items() for word in _walk({name: value}, env)}
    found |= {w for one in keys.profiles.values() for w in _of(one.key.reveal(), env, named=True)}
    found |= {word for word in _walk(parsed, env) if word}
    models = parsed.get("models") if isinstance(parsed, dict) else None
    providers = models.get("providers") if isinstance(models, dict) else None
    words: set[str] = set()
    for entry in providers.values() if isinstance(providers, dict) else ():
        if isinstance(entry, dict) and is_local_url(str(entry.get("baseUrl") or "")):
            words |= {w for w in _of(entry.get("apiKey"), env, named=True) if len(w) < WORD}
    return found, words


def _walk(value: Json, env: Mapping[str, str], *, named: bool = False) -> Iterator[str]:
    if isinstance(value, dict):
        if "source" in value and value.keys() <= _REFERENCE:
            # It names a store and a place in it: words such as `default` must stay readable.
            value = {"": secret_reference(value)}
        for key, one in value.items():
            if named and key.lower() in _OPEN_HEADERS:
                continue
            inside = named or key == "headers" or bool(_NAMED.search(key))
            yield from _walk(one, env, named=inside)
    elif isinstance(value, list):
        for one in value:
            yield from _walk(one, env, named=named)
    else:
        yield from _of(value, env, named=named)


def _of(value: Json, env: Mapping[str, str], *, named: bool) -> Iterator[str]:
    if not isinstance(value, str):
        return
    meant = _VARIABLE.sub(lambda found: env.get(found[1], ""), value).strip()
    if variable_named(meant):
        meant = env.get(meant, "")
    if "://" in meant:
        yield from logins_in(meant)
    if named and meant:
        yield meant
        yield _SCHEME.sub("", meant, count=1)
