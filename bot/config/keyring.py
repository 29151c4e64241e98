"""Keys from where OpenClaw has them: the file's `env` block, its `.env`, its auth profiles.

They are read only, and held in memory only. Our own environment wins over all of them, then
OpenClaw's `.env`, then the file. Source: https://docs.openclaw.ai/help/environment
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from bot.dialects.references import secret_reference
from bot.models import Secret
from bot.ports import Document, Json

_DATED = re.compile(r"\d{8}(?=@|$)")
# Belongs to a subscription and its own client; the API refuses it as a key.
_OAUTH_TOKEN = "sk-ant-oat"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Profile:
    """An auth profile with a key; `key` is as written, maybe a `${VAR}`."""

    provider: str
    key: Secret


@dataclass(frozen=True, slots=True)
class Keyring:
    """What a config brings along to ask its providers with; `order` is `auth.order`."""

    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    profiles: Mapping[str, Profile] = field(default_factory=dict)
    order: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def profile(self, name: str, providers: Collection[str]) -> Profile | None:
        """Return a provider's profile by its id, or by the part behind the colon."""
        ids = (name, *(f"{provider}:{name}" for provider in providers))
        found = (self.profiles.get(id_) for id_ in ids)
        return next((one for one in found if one and one.provider in providers), None)

    def first(self, providers: Collection[str]) -> tuple[str, Profile] | None:
        """Return the profile that OpenClaw would begin with, and its id."""
        order = [id_ for provider in providers for id_ in self.order.get(provider, ())]
        for id_ in (*order, *self.profiles):
            one = self.profiles.get(id_)
            if one is not None and one.provider in providers:
                return id_, one
        return None


def keyring_of(parsed: Json, document: Document) -> Keyring:
    """Gather a document's keys; what has no usable shape is not there."""
    env = {**_env_block(_table(_table(parsed).get("env"))), **document.env}
    auth = _table(_table(parsed).get("auth"))
    try:
        stored = _table(json.loads(document.profiles)) if document.profiles else {}
    except (ValueError, RecursionError):
        stored = {}
    order = {**_table(stored.get("order")), **_table(auth.get("order"))}
    return Keyring(
        env,
        {
            id_: profile
            for id_, entry in _table(stored.get("profiles")).items()
            if (profile := _profile(_table(entry))) is not None
        },
        {
            provider.lower(): tuple(id_ for id_ in ids if isinstance(id_, str))
            for provider, ids in order.items()
            if isinstance(ids, list)
        },
    )


def without_profile(name: str) -> tuple[str, str | None]:
    """Split `model@profile`; a date such as `@20251001` belongs to the model."""
    start = name.find("@", name.rfind("/") + 1)
    if start > 0 and (dated := _DATED.match(name, start + 1)):
        start = name.find("@", dated.end())
    if start <= 0 or start == len(name) - 1:
        return name, None
    return name[:start], name[start + 1 :]


def _env_block(block: Mapping[str, Json]) -> dict[str, str]:
    both = {**block, **_table(block.get("vars"))}
    return {name: value for name, value in both.items() if isinstance(value, str) and value}


def _profile(entry: Mapping[str, Json]) -> Profile | None:
    """Read a profile that holds a key; a login of a person is for its own client alone."""
    kind, provider = entry.get("type") or entry.get("mode"), entry.get("provider")
    if not isinstance(provider, str) or kind not in ("api_key", "token"):
        return None
    word = "key" if kind == "api_key" else "token"
    key = secret_reference(entry.get(f"{word}Ref") or entry.get(word))
    if key is None or key.startswith(_OAUTH_TOKEN):
        return None
    return Profile(provider.lower(), Secret(key))


def _table(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}
