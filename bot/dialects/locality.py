"""Near, private and free are three facts; the first two are here, the third is a price.

*Near* is an address on this machine or its own network. *Private* is a server from which no request
goes on to a vendor: Ollama at such an address, or what the team vouches for. A proxy on loopback is
near and not private, and so is one of Ollama's cloud models.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from urllib.parse import urlsplit

from bot.models import ModelRef, Provider

VOUCHED = "CHANGEOVER_PRIVATE"
"""The variable with the providers or hosts that the team vouches for, with commas between."""

_LOCAL_SUFFIXES = (".local", ".localhost", ".internal", ".lan")


def is_private(ref: ModelRef, provider: Provider | None) -> bool:
    """Return whether a conversation with this model stays on the team's own machines."""
    return provider is not None and provider.private and not is_cloud_model(ref.name)


def is_cloud_model(name: str) -> bool:
    """Return whether a daemon hands a model on to a cloud: `kimi-k2.6:cloud`, `gpt-oss:120b-cloud`.

    Source: https://docs.ollama.com/cloud
    """
    tag = name.rpartition(":")[2].lower()
    return tag == "cloud" or tag.endswith("-cloud")


def located(provider: Provider, env: Mapping[str, str]) -> Provider:
    """Return the provider with what its effective address says of it."""
    base = env.get(provider.base_url_env or "") or provider.config_base_url or provider.base_url
    near = is_local_url(base)
    vouched = {word.strip().lower() for word in env.get(VOUCHED, "").split(",")} - {""}
    private = (provider.self_hosted and near) or bool(vouched & {provider.id, host_of(base)})
    moved = host_of(base) != host_of(provider.base_url)
    if (near, private, moved) == (provider.near, provider.private, provider.moved):
        return provider
    return replace(provider, near=near, private=private, moved=moved)


@lru_cache(maxsize=256)
def is_local_url(url: str) -> bool:
    """Return whether a URL stays on this machine or its own network."""
    host = host_of(url)
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(_LOCAL_SUFFIXES))
    return address.is_private or address.is_loopback or address.is_unspecified


@lru_cache(maxsize=256)
def host_of(url: str) -> str:
    """Return a URL's host in lower case; empty where it has none."""
    try:
        return (urlsplit(url).hostname or "").rstrip(".").lower()
    except ValueError:
        return ""
