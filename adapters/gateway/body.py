"""The caller's body: read what routing needs, and change the model without touching the rest."""

from __future__ import annotations

import gc
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from json import JSONDecoder
from typing import Any, NamedTuple

import orjson

from bot.dialects.history import HISTORY, Edit, edited
from bot.models import Dialect

LARGE_BYTES = 1 << 20
"""Beyond this a body is worked on off the loop."""

_MODEL = b'"model"'
_ITS_NAME = re.compile(rb'\s*:\s*("[^"\\]*(?:\\.[^"\\]*)*")')
_BLANK = re.compile(r"[ \t\r\n]*")
_ESCAPED_ASCII = b"\\u00"
_LONGEST_WORD = 1000
_BASE64 = re.compile(r"[A-Za-z0-9+/_=\-\r\n]*")
_STRING = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_KEPT_CHARACTERS = 1 << 16
_MOST_FIELDS = 1000
_MOST_PARTS = 500_000
_MOST_CHOICES = 1000
_TOOL_RESULTS = ("function_call_output", "custom_tool_call_output")
_SAID = ("system", "messages", "instructions", "input")
_MAX_TOKENS = ("max_tokens", "max_completion_tokens")
_DECODER = JSONDecoder(strict=False)


class BadBody(ValueError):
    """The body is not a request; the text says why."""


class Spot(NamedTuple):
    """A top-level field: where its key begins and ends, then its value."""

    name: str
    key: tuple[int, int]
    value: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Wording:
    """How a hop wants the request put: what was found out from its refusals.

    `counted` asks a stream to count its tokens. `renamed` calls the limit of an answer by its
    other name. `edits` put a foreign history right.
    """

    counted: bool = True
    renamed: bool = False
    edits: tuple[Edit, ...] = ()
    short_ids: bool = False


USUAL = Wording()


@dataclass(slots=True)
class Body:
    """A request body as it came, and what was read out of it.

    `wants_usage` is True when the caller asked for usage in the stream.
    """

    raw: bytes
    document: dict[str, Any]
    model: str
    stream: bool
    wants_usage: bool
    _spots: list[Spot] | None = None
    _said: tuple[int, list[str]] | None = None

    @classmethod
    def read(cls, raw: bytes, dialect: Dialect = Dialect.OPENAI) -> Body:
        """Read a body in the caller's dialect.

        Raises:
            BadBody: it is not a JSON object, or a field that routing reads has a wrong type.
        """
        if len(raw) <= LARGE_BYTES:
            return cls._read(raw, dialect)
        _check_parts(raw)
        with _no_collector():
            return cls._read(raw, dialect)

    @classmethod
    def _read(cls, raw: bytes, dialect: Dialect) -> Body:
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
        turns = document.get(HISTORY[dialect])
        if dialect is Dialect.RESPONSES:
            if turns is not None and not isinstance(turns, str | list):
                raise BadBody("input must be a string or a list of items.")
        elif not isinstance(turns, list):
            raise BadBody("messages must be a list.")
        options = document.get("stream_options")
        wants = isinstance(options, dict) and options.get("include_usage") is True
        body = cls(raw, document, model, bool(stream), wants)
        if body.large:
            body._said = body._said_in_short()
        if "model" in document:
            body._spots = body._model_spot() or _top_level(raw)
        return body

    @property
    def large(self) -> bool:
        """True when work on it would hold the loop up."""
        return len(self.raw) > LARGE_BYTES

    @property
    def choices(self) -> int:
        """How many answers are asked for at once."""
        asked = self.document.get("n")
        return asked if isinstance(asked, int) and 1 <= asked <= _MOST_CHOICES else 1

    @property
    def may_be_empty(self) -> bool:
        """True when an answer without content is no fault.

        The caller's own stop words may come first, and after a tool's result there may be nothing
        to add.
        """
        if self.document.get("stop") or self.document.get("stop_sequences"):
            return True
        turns = self.document.get("messages") or self.document.get("input")
        last = turns[-1] if turns and isinstance(turns, list) else None
        last = last if isinstance(last, dict) else {}
        if last.get("role") == "tool" or last.get("type") in _TOOL_RESULTS:
            return True
        blocks = last.get("content")
        return isinstance(blocks, list) and any(
            isinstance(block, dict) and block.get("type") == "tool_result" for block in blocks
        )

    def for_model(self, name: str, dialect: Dialect, wording: Wording = USUAL) -> bytes:
        """Return the body with another model, and asking for usage where that must be asked for.

        Every other byte stays as it came, but for what `wording` changes.
        """
        changes: dict[str, bytes] = {}
        if self.document.get("model") != name:
            changes["model"] = orjson.dumps(name)
        if wording.counted and dialect is Dialect.OPENAI and self.stream and not self.wants_usage:
            options = self.document.get("stream_options")
            known = options if isinstance(options, dict) else {}
            changes["stream_options"] = orjson.dumps(known | {"include_usage": True})
        for key, value in self.edited(dialect, wording).items():
            changes[key] = orjson.dumps(value)
        names = self.renamed_limit() if wording.renamed else {}
        return self._with(changes, names) if changes or names else self.raw

    def edited(self, dialect: Dialect, wording: Wording) -> dict[str, Any]:
        """Return the fields that a foreign history's edits change."""
        if not wording.edits:
            return {}
        return edited(dialect, self.document, wording.edits, short_ids=wording.short_ids)

    def renamed_limit(self) -> dict[str, str]:
        """Return the other name for the field that limits the answer's length, by the one it has.

        Empty when both are there, or neither.
        """
        given = [name for name in _MAX_TOKENS if name in self.document]
        if len(given) != 1:
            return {}
        return {given[0]: _MAX_TOKENS[1 - _MAX_TOKENS.index(given[0])]}

    def text_bytes(self) -> int:
        """Return how much text goes in; pictures and other files are left out."""
        if self._said is not None:
            return self._said[0]
        parts = [self.document.get(key) for key in (*_SAID, "tools")]
        return sum(len(text.encode("utf-8", "replace")) for text in _strings(parts))

    def texts(self) -> Iterator[str]:
        """Yield what the caller says to the model; pictures and other files are left out.

        Of a large body, its beginning and its end.
        """
        if self._said is not None:
            return iter(self._said[1])
        return _strings([self.document.get(key) for key in _SAID])

    def _said_in_short(self) -> tuple[int, list[str]]:
        text = "\n".join(self.texts())
        ends = [text[:_KEPT_CHARACTERS], text[-_KEPT_CHARACTERS:]]
        return self.text_bytes(), ends

    def _with(self, changes: dict[str, bytes], names: dict[str, str]) -> bytes:
        """Put values in the place of those at the top level, or before the first; rename fields."""
        added = [
            b'"%s":%s,' % (key.encode(), value)
            for key, value in changes.items()
            if key not in self.document
        ]
        cuts = [(*spot.value, changes[spot.name]) for spot in self._found(changes)]
        cuts += [(*spot.key, orjson.dumps(names[spot.name])) for spot in self._found(names)]
        parts, at = [], 0
        if added:
            at = self.raw.index(b"{") + 1
            parts = [self.raw[:at], *added]
        for start, end, value in sorted(cuts):
            parts += [self.raw[at:start], value]
            at = end
        return b"".join([*parts, self.raw[at:]])

    def _found(self, keys: Collection[str]) -> list[Spot]:
        """Return the fields of these names; all fields are looked for once a request at most."""
        wanted = {key for key in keys if key in self.document}
        if not wanted:
            return []
        known = self._spots or []
        if not wanted <= {spot.name for spot in known}:
            known = self._spots = _top_level(self.raw)
        return [spot for spot in known if spot.name in wanted]

    def _model_spot(self) -> list[Spot] | None:
        """Return where the model stands, if one look is enough to be sure."""
        if self.raw.count(_MODEL) != 1 or _ESCAPED_ASCII in self.raw:
            return None
        at = self.raw.index(_MODEL)
        name = _ITS_NAME.match(self.raw, at + len(_MODEL))
        return [Spot("model", (at, at + len(_MODEL)), name.span(1))] if name else None


def _check_parts(raw: bytes) -> None:
    """Raise BadBody for a body of so many small parts that reading it would take seconds."""
    signs = (b"{", b"[", b",")
    if sum(map(raw.count, signs)) > _MOST_PARTS:
        # What stands in strings counts for nothing, and may be all of it.
        bare = _STRING.sub(b"", raw)
        if sum(map(bare.count, signs)) > _MOST_PARTS:
            raise BadBody(f"The body has more than {_MOST_PARTS:,} parts.")


@contextmanager
def _no_collector() -> Iterator[None]:
    """Keep the garbage collector from walking over what is being made, again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _top_level(raw: bytes) -> list[Spot]:
    """Return the fields of a JSON object with where they stand.

    The library's own scanner skips over values; as Latin-1 each byte is a character, so that its
    positions are ours.

    Raises:
        BadBody: it has too many fields, or is nested too deeply.
    """
    text = raw.decode("latin-1")
    spots: list[Spot] = []
    at = _after_blank(text, text.index("{") + 1)
    try:
        while text[at] != "}":
            name, end = _DECODER.raw_decode(text, at)
            start = _after_blank(text, _after_blank(text, end) + 1)
            _, after = _DECODER.raw_decode(text, start)
            spots.append(Spot(name, (at, end), (start, after)))
            if len(spots) > _MOST_FIELDS:
                raise BadBody(f"The body has more than {_MOST_FIELDS} fields.")
            at = _after_blank(text, after)
            if text[at] == ",":
                at = _after_blank(text, at + 1)
    except RecursionError:
        raise BadBody("The body is nested too deeply.") from None
    return spots


def _after_blank(text: str, at: int) -> int:
    blank = _BLANK.match(text, at)
    assert blank is not None
    return blank.end()


def _strings(value: Any) -> Iterator[str]:
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and not _is_data(value):
            yield value


def _is_data(text: str) -> bool:
    """Return whether a string holds a file: a data URL, or base64 as long as no word is."""
    if len(text) <= _LONGEST_WORD:
        return False
    return text.startswith("data:") or _BASE64.fullmatch(text, 0, _LONGEST_WORD) is not None
