"""Text that cannot harm a terminal, and how wide it is there."""

from __future__ import annotations

import unicodedata

_ESCAPED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_KEPT = frozenset("\u200c\u200d")
"""Joiners that some scripts cannot be written without."""

_ASCII = str.maketrans(
    {
        "→": "->", "←": "<-", "·": "-", "…": "...", "–": "-", "—": "-", "×": "x", "−": "-",
        "“": '"', "”": '"', "‘": "'", "’": "'", "≈": "~", "≥": ">=", "≤": "<=", "\xa0": " ",
    }
)  # fmt: skip


def harmless(words: str, keep: str = "") -> str:
    r"""Show control characters, escape sequences and invisible marks as `\x1b`, `\u202e`.

    Characters of `keep` (line breaks, where a text may have them) stay.
    """
    if words.isprintable():
        return words
    return "".join(c if c in keep or _shown(c) else _escape(c) for c in words)


def _shown(char: str) -> bool:
    return char.isprintable() or char in _KEPT or unicodedata.category(char) not in _ESCAPED


def _escape(char: str) -> str:
    short = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(char)
    code = ord(char)
    if short:
        return short
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def cell_width(words: str) -> int:
    """Count the columns a text takes: East Asian wide characters two, combining marks none."""
    if words.isascii():
        return len(words)
    return sum(map(_char_width, words))


def _char_width(char: str) -> int:
    if unicodedata.combining(char) or char in _KEPT or "\ufe00" <= char <= "\ufe0f":
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def encodable(words: str, encoding: str | None) -> str:
    """Write arrows and dots in ASCII where the stream's encoding has none; never fail."""
    try:
        words.encode(encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return words.translate(_ASCII).encode("ascii", "backslashreplace").decode("ascii")
    return words
