"""Every secret that the process knows, blacked out of whatever text leaves it."""

from __future__ import annotations

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus, unquote, urlsplit

T = TypeVar("T")
MARK = "[hidden]"
SHORTEST = 6
"""What is shorter is no secret, and stands in any text."""

WORD = 12
"""What is shorter is blacked out as a word of its own only; of a local server, not at all."""

_LOGIN = re.compile(r"https?://([^\s/?#]*)@|(?<!http)(?<!https)://(\S*)@", re.IGNORECASE)
_BASE64 = "A-Za-z0-9+/_=-"


class Blackout:
    """Knows secrets in every form that they may be quoted in; learns more as configs are read."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: frozenset[str] = frozenset()
        self._harmless: frozenset[str] = frozenset()
        self.known: frozenset[str] = frozenset()
        """The secrets as they are, for who has to look before a text is cut short."""
        self._forms: tuple[tuple[str, re.Pattern[str] | None], ...] = ()
        self.learn(secrets)

    def learn(self, secrets: Iterable[str], harmless: Iterable[str] = ()) -> None:
        """Add secrets; `harmless` are short words that local servers take for a key."""
        known = self._secrets | {one for one in secrets if len(one) >= SHORTEST}
        spared = self._harmless | {one for one in harmless if len(one) < WORD}
        if (known, spared) == (self._secrets, self._harmless):
            return
        self._secrets, self._harmless = known, spared
        self.known = known - spared
        forms = {form for one in known - spared for form in quoted_forms(one)} - spared
        patterns = {form: _as_word(form) if len(form) < WORD else None for form in forms}
        patterns |= {core: _in_base64(core) for one in known - spared for core in _cores(one)}
        self._forms = tuple(sorted(patterns.items(), key=lambda pair: (-len(pair[0]), pair[0])))

    def clean(self, text: str) -> str:
        """Return the text without any of them, the longest first."""
        for form, word in self._forms:
            if form in text:
                text = word.sub(MARK, text) if word else text.replace(form, MARK)
        return text

    def clean_bytes(self, text: bytes) -> bytes:
        """Do it to bytes; what is no UTF-8 in them stays."""
        return self.clean(text.decode("utf-8", "surrogateescape")).encode(
            "utf-8", "surrogateescape"
        )

    def clean_all(self, value: T) -> T:
        """Return plain data, or a card, with every text in it cleaned; keys stay."""
        return self._deep(value) if self._forms else value

    def _deep(self, value: Any) -> Any:
        if isinstance(value, str):
            # An enumeration's word is ours.
            return self.clean(value) if type(value) is str else value
        if isinstance(value, dict):
            return {key: self._deep(one) for key, one in value.items()}
        if isinstance(value, list | tuple):
            parts = [self._deep(one) for one in value]
            return parts if isinstance(value, list) else tuple(parts)
        if is_dataclass(value) and not isinstance(value, type):
            return replace(
                value, **{f.name: self._deep(getattr(value, f.name)) for f in fields(value)}
            )
        return value


def logins_in(url: str) -> Iterator[str]:
    """Yield what an address holds of a login, in whole and in the parts that a reader may cut."""
    for found in _LOGIN.finditer(url):
        login = found[1] or found[2] or ""
        name, _, password = login.partition(":")
        for word in (password or name, unquote(password or name)):
            yield word
            # A password with @ or / is cut there by whoever reads the address otherwise.
            yield from re.split(r"[@/:?#]", word)
        if password:
            yield f"{unquote(name)}:{unquote(password)}"
    try:
        query = urlsplit(url).query
    except ValueError:
        return
    for pair in query.split("&"):
        name, _, value = pair.partition("=")
        if any(word in name.lower() for word in ("key", "token", "pass", "secret", "sig")):
            yield from (value, unquote(value))


def quoted_forms(secret: str) -> Iterator[str]:
    """Yield a secret as it is, and as addresses and JSON write it."""
    yield from (secret, quote(secret, safe=""), quote(secret), quote_plus(secret))
    for ascii_only in (True, False):
        once = json.dumps(secret, ensure_ascii=ascii_only)[1:-1]
        # Twice: a provider quotes a body or a header in its own JSON.
        yield from (once, json.dumps(once, ensure_ascii=ascii_only)[1:-1])


def _cores(secret: str) -> Iterator[str]:
    """Yield what a secret is inside a longer base64 text, such as Basic auth's.

    Its ends depend on the neighbours; what is too short to be sure of is left out.
    """
    raw = secret.encode("utf-8", "surrogateescape")
    for encode in (b64encode, urlsafe_b64encode):
        for before in range(3):
            text = encode(b"\0" * before + raw).decode()
            core = text[-(-before * 4 // 3) : (before + len(raw)) // 3 * 4]
            if len(core) >= WORD:
                yield core


def _in_base64(core: str) -> re.Pattern[str]:
    return re.compile(rf"[{_BASE64}]{{0,400}}{re.escape(core)}[{_BASE64}]{{0,400}}")


def _as_word(form: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9]){re.escape(form)}(?![A-Za-z0-9])")
