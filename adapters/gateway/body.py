"""The caller's body: read what routing needs, and change the model without touching the rest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

from bot.models import Dialect

_MODEL = b'"model"'
_ITS_NAME = re.compile(rb'\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*")')
# Strings, or what opens, closes and parts: enough to know where a top-level value begins and ends.
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[{}\[\],:]')
_ESCAPED_ASCII = b"\\u00"
_LONGEST_WORD = 1000


class BadBody(ValueError):
    """The body is not a request; the text says why."""


@dataclass(frozen=True, slots=True)
class Body:
    """A request body as it came, and what was read out of it.

    `wants_usage` is True when the caller asked for usage in the stream.
    """

    raw: bytes
    document: dict[str, Any]
    model: str
    stream: bool
    wants_usage: bool

    @classmethod
    def read(cls, raw: bytes) -> Body:
        """Read a body.

        Raises:
            BadBody: it is not a JSON object, or a field that routing reads has a wrong type.
        """
        try:
            document = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise BadBody(f"The body is not JSON: {error}.") from error
        if not isinstance(document, dict):
            raise BadBody("The body must be a JSON object.")
        model, stream = document.get("model", ""), document.get("stream", False)
        if not isinstance(model, str):
            raise BadBody("model must be a string: a preset, provider/model or auto.")
        if not isinstance(stream, bool) and stream is not None:
            raise BadBody("stream must be true or false.")
        if not isinstance(document.get("messages"), list):
            raise BadBody("messages must be a list.")
        options = document.get("stream_options")
        wants = isinstance(options, dict) and options.get("include_usage") is True
        return cls(raw, document, model, bool(stream), wants)

    def for_model(self, name: str, dialect: Dialect, *, counted: bool = True) -> bytes:
        """Return the body with another model, and asking for usage where that must be asked for.

        Every other byte stays as it came; unless `counted`, no usage is asked for either.
        """
        changes: dict[str, bytes] = {}
        if self.document.get("model") != name:
            changes["model"] = orjson.dumps(name)
        if counted and dialect is Dialect.OPENAI and self.stream and not self.wants_usage:
            options = self.document.get("stream_options")
            known = options if isinstance(options, dict) else {}
            changes["stream_options"] = orjson.dumps(known | {"include_usage": True})
        return self._with(changes) if changes else self.raw

    def text_bytes(self) -> int:
        """Return how much text goes in; pictures and other long words are left out."""
        parts = [self.document.get(key) for key in ("system", "messages", "tools")]
        return sum(len(text.encode("utf-8", "replace")) for text in _strings(parts))

    def texts(self) -> Iterator[str]:
        """Yield what the caller says to the model; pictures and other long words are left out."""
        return _strings([self.document.get(key) for key in ("system", "messages")])

    def _with(self, changes: dict[str, bytes]) -> bytes:
        """Put values in the place of those at the top level, or before the first."""
        added = b"".join(
            b'"%s":%s,' % (key.encode(), value)
            for key, value in changes.items()
            if key not in self.document
        )
        old = [key for key in changes if key in self.document]
        spots = self._model_spot() if old == ["model"] else None
        if old and spots is None:
            spots = [spot for spot in _top_level(self.raw) if spot[0] in old]
        raw = self.raw
        for key, start, end in sorted(spots or (), key=lambda spot: spot[1], reverse=True):
            raw = raw[:start] + changes[key] + raw[end:]
        if not added:
            return raw
        begin = raw.index(b"{") + 1
        return raw[:begin] + added + raw[begin:]

    def _model_spot(self) -> list[tuple[str, int, int]] | None:
        """Return where the model stands, if one look is enough to be sure."""
        if self.raw.count(_MODEL) != 1 or _ESCAPED_ASCII in self.raw:
            return None
        name = _ITS_NAME.match(self.raw, self.raw.index(_MODEL) + len(_MODEL))
        return [("model", *name.span(1))] if name else None


def _top_level(raw: bytes) -> Iterator[tuple[str, int, int]]:
    """Yield the keys of a JSON object with where their values begin and end."""
    depth, key, start = 0, "", -1
    last_string = b""
    for token in _TOKEN.finditer(raw):
        sign = raw[token.start()]
        if sign == 0x22:
            last_string = token[0] if depth == 1 else b""
        elif sign == 0x3A and depth == 1:
            key, start = orjson.loads(last_string), token.end()
        elif sign in b"{[":
            depth += 1
        elif sign in b"}]":
            depth -= 1
        if start >= 0 and ((sign == 0x2C and depth == 1) or (sign == 0x7D and depth == 0)):
            value = raw[start : token.start()]
            begin = start + len(value) - len(value.lstrip())
            yield key, begin, start + len(value.rstrip())
            start = -1


def _strings(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and (
            len(value) <= _LONGEST_WORD or " " in value[:_LONGEST_WORD]
        ):
            yield value
