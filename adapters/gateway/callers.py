"""Who may call the gateway: bearer tokens and API keys, compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256
from urllib.parse import urlsplit

from bot.models import Secret

_HERE = frozenset({"localhost", "127.0.0.1", "::1"})


class Callers:
    """The gateway's tokens by name; without any, everybody on loopback may call."""

    def __init__(self, tokens: Mapping[str, Secret]) -> None:
        self._digests = {name: sha256(t.reveal().encode()).digest() for name, t in tokens.items()}

    @property
    def open(self) -> bool:
        """True when no token is asked for."""
        return not self._digests

    def name_of(self, headers: Mapping[str, str]) -> str | None:
        """Return the caller's label; None when the token is missing or wrong.

        An open gateway lets programs in, and web pages only from this machine: a page from
        elsewhere could make its reader's browser spend the team's money.
        """
        if self.open:
            return "" if _from_here(headers.get("Origin")) else None
        found = None
        for token in _tokens(headers):
            shown = sha256(token.encode("utf-8", "surrogateescape")).digest()
            # Every one is compared, so that the time says nothing about which came close.
            for name, digest in self._digests.items():
                if hmac.compare_digest(shown, digest):
                    found = name
        return found


def _tokens(headers: Mapping[str, str]) -> list[str]:
    """Return what may be a token: some clients send one in each of the two headers."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    shown = [token.strip()] if scheme.lower() == "bearer" else []
    key = headers.get("x-api-key")
    return shown if key is None else [*shown, key]


def _from_here(origin: str | None) -> bool:
    if origin is None:
        return True
    try:
        host = urlsplit(origin).hostname
    except ValueError:
        return False
    return host in _HERE
