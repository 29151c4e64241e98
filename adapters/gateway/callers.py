"""Who may call the gateway: bearer tokens and API keys, compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from hashlib import sha256

from bot.models import Secret


class Callers:
    """The gateway's tokens by name; without any, everybody on loopback may call."""

    def __init__(self, tokens: Mapping[str, Secret]) -> None:
        self._digests = {name: sha256(t.reveal().encode()).digest() for name, t in tokens.items()}

    @property
    def open(self) -> bool:
        """True when no token is asked for."""
        return not self._digests

    def name_of(self, headers: Mapping[str, str]) -> str | None:
        """Return the caller's label; None when the token is missing or wrong."""
        if self.open:
            return ""
        shown = sha256(_token(headers).encode("utf-8", "surrogateescape")).digest()
        found = None
        # Every token is compared, so that the time says nothing about which one came close.
        for name, digest in self._digests.items():
            if hmac.compare_digest(shown, digest):
                found = name
        return found


def _token(headers: Mapping[str, str]) -> str:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    return headers.get("x-api-key", "")
