"""The caller's body: read what routing needs, and change the model without touching the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from bot.models import Dialect

_MODEL = re.compile(rb'"model"\s*:\s*("(?:[^"\\]|\\.)*")')


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

    def for_model(self, name: str, dialect: Dialect) -> bytes:
        """Return the body with another model, and asking for usage where that must be asked for.

        The bytes stay as they came where the model's place in them is plain.
        """
        if dialect is Dialect.OPENAI and self.stream and not self.wants_usage:
            options = self.document.get("stream_options")
            known = options if isinstance(options, dict) else {}
            return orjson.dumps(
                self.document | {"model": name, "stream_options": known | {"include_usage": True}}
            )
        found = _MODEL.finditer(self.raw)
        only = next(found, None)
        if only is None or next(found, None) is not None:
            return orjson.dumps(self.document | {"model": name})
        start, end = only.span(1)
        return self.raw[:start] + orjson.dumps(name) + self.raw[end:]
