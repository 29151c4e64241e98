"""What a provider's words repeat of the caller's own text, which is never stored."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORD = re.compile(r"\w(?:[\w.@+-]*\w)?")
_LONG_WORD = 12
_IN_A_ROW = 3
# So much of the text's beginning and end is compared: what a provider repeats is there.
_MOST_COMPARED = 1 << 16
_ECHO = "…"


def without_echo(words: str, texts: Iterable[str]) -> str:
    """Return `words` without what they repeat of `texts`: long words, and any three in a row.

    What fewer and shorter words say gives nothing away.
    """
    if not words:
        return words
    said = "\n".join(texts)
    if len(said) > 2 * _MOST_COMPARED:
        said = f"{said[:_MOST_COMPARED]}\n{said[-_MOST_COMPARED:]}"
    said = " ".join(said.split())
    spots = [match.span() for match in _WORD.finditer(words)]
    parts: list[str] = []
    kept = 0
    for begin, end in _echoes(words, said, spots):
        if begin > kept or not parts:
            parts += [words[kept:begin], _ECHO]
        kept = max(kept, end)
    return "".join([*parts, words[kept:]])


def _echoes(words: str, said: str, spots: list[tuple[int, int]]) -> Iterable[tuple[int, int]]:
    """Yield where `words` repeat what was said, from left to right; spans may overlap."""
    for at, (begin, end) in enumerate(spots):
        row = spots[at : at + _IN_A_ROW]
        last = row[-1][1]
        if len(row) == _IN_A_ROW and words[begin:last] in said:
            yield begin, last
        elif end - begin >= _LONG_WORD and words[begin:end] in said:
            yield begin, end
