"""JSON5 documents written in every way the format allows, for the editor's properties."""

from __future__ import annotations

import json
import math
import random
import re
from typing import Any

from hypothesis import strategies as st

BLANKS = ["", "", " ", "  ", "\t", "\u00a0", "\ufeff", "\u2003", "\x0b", "\x0c"]
BARE = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
KEYS = st.sampled_from(
    ["a", "b", "c", "model", "primary", "$x", "anthropic/opus", "it's", 'say "x"', "", "__proto__",
     "ключ", "a.b", "true", "1st", "//x", "{", "tab\t", "\u2028"]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(["", "x", "it's", 'a "b"', "// no", "/* no */", "a\\b", "l1\nl2", "\u2028"]),
    st.sampled_from(["🚀", "{}[],:"]),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0$"), max_size=8),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)
ROOTS = st.dictionaries(KEYS, VALUES, max_size=5)
SEEDS = st.integers(0, 2**32 - 1)


class Writer:
    """Writes a value as JSON5 with random habits.

    A tidy writer breaks lines as people do, with comments above and beside; a wild one puts
    anything anywhere. Every comment is numbered, `twins` adds keys that stand twice.
    """

    def __init__(self, seed: int, *, tidy: bool, twins: bool = False) -> None:
        self.dice = random.Random(seed)
        self.tidy = tidy
        self.twins = twins
        self.newline = self.dice.choice(["\n", "\n", "\r\n", "\r"])
        self.unit = self.dice.choice(["  ", "    ", "\t", " "])
        self.quotes = self.dice.choice(['"', "'", "\"'"])
        self.bare = self.dice.random() < 0.5
        self.trailing = self.dice.random() < 0.5
        self.chatty = self.dice.choice([0.0, 0.1, 0.4])
        self.colon = self.dice.choice([": ", ": ", ":", " : "])
        self.pad = self.dice.choice(["", " "])
        self.count = 0

    def document(self, root: dict[str, Any]) -> bytes:
        mark = "\ufeff" if self.dice.random() < 0.2 else ""
        body = self.gap() + self.value(root, "") + self.gap()
        return (mark + body).encode("utf-8")

    def comment(self, *, block: bool) -> str:
        self.count += 1
        words = self.dice.choice(["", " it's", ' "a": [', " // ", " } ", " *"])
        return f"/*#{self.count}#{words}*/" if block else f"//#{self.count}#{words}"

    def gap(self) -> str:
        if self.tidy:
            return ""
        parts = []
        while self.dice.random() < 0.5:
            pick = self.dice.random()
            if pick < self.chatty:
                parts.append(self.comment(block=True))
            elif pick < 1.5 * self.chatty:
                end = self.dice.choice([self.newline, self.newline, "\u2028", "\u2029"])
                parts.append(self.comment(block=False) + end)
            else:
                parts.append(self.dice.choice([*BLANKS, self.newline, "\u2028"]))
        return "".join(parts)

    def value(self, value: Any, indent: str) -> str:
        if isinstance(value, dict):
            parts = [self.member(key, held, indent + self.unit) for key, held in value.items()]
            if self.twins and parts and self.dice.random() < 0.3:
                key = self.dice.choice(list(value))
                parts.insert(0, self.member(key, 0, indent + self.unit))
            return self.container(parts, "{", "}", indent)
        if isinstance(value, list):
            parts = [self.value(held, indent + self.unit) for held in value]
            return self.container(parts, "[", "]", indent)
        return self.scalar(value)

    def container(self, parts: list[str], opening: str, closing: str, indent: str) -> str:
        if not self.tidy:
            inner = ",".join(self.gap() + part + self.gap() for part in parts)
            end = "," + self.gap() if parts and self.dice.random() < 0.5 else ""
            return opening + (inner or self.gap()) + end + closing
        if not parts:
            return opening + closing
        if self.dice.random() < 0.3 and not any("//#" in part for part in parts):
            return f"{opening}{self.pad}{', '.join(parts)}{self.pad}{closing}"
        lines = []
        for at, part in enumerate(parts):
            if self.dice.random() < self.chatty:
                lines.append(indent + self.unit + self.comment(block=self.dice.random() < 0.3))
            comma = "," if at < len(parts) - 1 or self.trailing else ""
            beside = f" {self.comment(block=False)}" if self.dice.random() < self.chatty else ""
            lines.append(indent + self.unit + part + comma + beside)
        if self.dice.random() < self.chatty / 2:
            lines.append(indent + self.unit + self.comment(block=False))
        inside = "".join(self.newline + line for line in lines)
        return f"{opening}{inside}{self.newline}{indent}{closing}"

    def member(self, key: str, value: Any, indent: str) -> str:
        colon = self.colon if self.tidy else f"{self.gap()}:{self.gap()}"
        return self.key(key) + colon + self.value(value, indent)

    def key(self, key: str) -> str:
        if self.bare and BARE.fullmatch(key):
            if self.dice.random() < 0.1:
                return f"\\u{ord(key[0]):04x}{key[1:]}"
            return key
        return self.string(key)

    def scalar(self, value: Any) -> str:
        if isinstance(value, str):
            return self.string(value)
        if isinstance(value, bool) or value is None:
            return json.dumps(value)
        if isinstance(value, float) and not math.isfinite(value):
            return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
        if isinstance(value, int) and self.dice.random() < 0.2:
            return hex(value)
        sign = "+" if math.copysign(1, value) > 0 and self.dice.random() < 0.1 else ""
        return sign + repr(value)

    def string(self, value: str) -> str:
        quote = self.dice.choice(self.quotes)
        out = []
        for char in value:
            pick = self.dice.random()
            if char in "\\\n\r" or char == quote or ord(char) < 32 or pick < 0.05:
                units = char.encode("utf-16-be")
                out += [f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)]
            elif pick < 0.07:
                out.append("\\" + self.newline + char)
            else:
                out.append(char)
        return quote + "".join(out) + quote


def comments_in(raw: bytes) -> list[str]:
    """Return the numbers of a written document's comments."""
    return re.findall(r"/[/*]#(\d+)#", raw.decode("utf-8"))
