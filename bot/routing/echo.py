"""What a provider's words repeat of the caller's own text, which is never stored."""

from __future__ import annotations

import re
from collections.abc import Iterable

# Scripts that write words without a space between them: Thai, Lao, Khmer, Japanese, Chinese.
_UNSPACED = "\u0e00-\u0eff\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}](?:[^\W{_UNSPACED}]|[.@+-](?=\w))*")
_LONG_WORD = 12
_IN_A_ROW = 3
_CHARACTERS_IN_A_ROW = 6
# So much of the text's beginning and end is compared: what a provider repeats is there.
_MOST_COMPARED = 1 << 16
_ECHO = "…"


def without_echo(words: str, texts: Iterable[str]) -> str:
    """Return `words` without what they repeat of `texts`: long words, and any three in a row.

    Where words are single letters, or have no space between them, it is six characters in a row.

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
        most = _CHARACTERS_IN_A_ROW if end - begin == 1 else _IN_A_ROW
        row = spots[at : at + most]
        last = row[-1][1]
        if len(row) == most and words[begin:last] in said:
            yield begin, last
        elif end - begin >= _LONG_WORD and words[begin:end] in said:
            yield begin, end
