"""Blacks out keys in what a provider says, before it is handed on, logged or stored."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bot.blackout import quoted_forms
from bot.config.redact import redact_looks
from bot.models import Secret

SHORTEST_SECRET = 6
"""Shorter keys (any value enables Ollama) are words that may be anywhere."""

_BLACK = "…"
# Also shortened and half-masked forms, as in "Incorrect API key provided: sk-abc***xyz".
_LOOKS = re.compile(
    r"(?<![A-Za-z0-9])(?:"
    r"(?:sk|rk|pk)-[A-Za-z0-9_*-]{4,}[A-Za-z0-9_.*-]*"
    r"|(?:gsk|xai|pplx|nvapi|hf)[_-][A-Za-z0-9_*-]{6,}"
    r"|AIza[A-Za-z0-9_*-]{6,}"
    r"|xox[a-z]-[A-Za-z0-9*-]{4,}|xapp-[A-Za-z0-9*-]{4,})"
    r"|(?<!\w)\w*+\*{3,}[\w*]*+"
    r"|(?<=[?&]key=)[^&\s\"'<>]+"
    r"|(?<=://)[^\s/@\"']+(?=@)"
)
_AFTER_WORD = re.compile(
    r"(\b(?:bearer|x-api-key|x-goog-api-key|api[ _-]?key)\b[\"']?\s*[:=]?\s*[\"'`]?)"
    r"(?=[^\s\"'`]{0,200}[0-9_-])([A-Za-z0-9._~+/=*-]{6,})",
    re.IGNORECASE,
)


def redact(text: str, secrets: Iterable[Secret | str] = ()) -> str:
    """Return the text with the given keys, and whatever else looks like one, as `…`."""
    known = {s.reveal() if isinstance(s, Secret) else s for s in secrets}
    # Every form before any is replaced: a short secret may be part of a longer one.
    for one in sorted({form for k in known for form in quoted_forms(k)}, key=len, reverse=True):
        if len(one) >= SHORTEST_SECRET:
            text = text.replace(one, _BLACK)
    text = _AFTER_WORD.sub(rf"\1{_BLACK}", _LOOKS.sub(_BLACK, text))
    return redact_looks(text, 0, len(text))


def redact_body(body: bytes, secrets: Iterable[Secret | str] = ()) -> bytes:
    """Return an error's body with keys blacked out; bytes that are no text stay as they are."""
    clean = redact(body.decode("utf-8", "surrogateescape"), secrets)
    return clean.encode("utf-8", "surrogateescape")
