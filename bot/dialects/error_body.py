"""The words of an error answer, whichever of the providers' shapes they come in.

OpenAI, Groq, DeepSeek `{error: {message, type, param, code}}`; Anthropic `{type, error: {type,
message}}`; Gemini `{error: {code, message, status, details}}`, which its OpenAI layer puts in a
list; OpenRouter `{error: {code, message, metadata}}`; Ollama `{error: "text"}`; FastAPI servers
`{detail: …}`; gateways and clouds `{code, message}`, `{error: "code", message}`,
`{__type, message}`, `{errors: [{code, message}]}`; a failed event of Responses
`{response: {error: {code, message}}}`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from bot.dialects.wire import load_json, rows, table, words
from bot.ports import Json

_LABELS = ("code", "type", "status", "__type", "error_code")
_MESSAGES = ("message", "detail", "msg", "error_msg", "Message")
_MOST_NAME = 100
_MOST_UPSTREAM = 4000
_TITLE = re.compile(r"<title[^>]*>([^<]{1,200})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """An error as its sender put it; `names` are its code, type and status words, lower case.

    `number` is a code that looks like an HTTP status, `fields` the error object itself. `envelope`
    is True when the body has the shape of an API's own error. `upstream` is what a router repeats
    of the error of the host behind it.
    """

    message: str = ""
    names: frozenset[str] = frozenset()
    number: int | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict)
    details: tuple[Mapping[str, Json], ...] = ()
    envelope: bool = False
    fields: Mapping[str, Json] = field(default_factory=dict)
    upstream: str = ""


def read_error(body: Json) -> ErrorBody:
    """Read a parsed body; anything that is no error object gives an empty one."""
    if isinstance(body, list):
        body = body[0] if body else None
    body = table(body)
    error = body.get("error") or table(body.get("response")).get("error")
    if isinstance(error, dict) and isinstance(error.get("error"), dict) and "message" not in error:
        error = error["error"]
    errors = rows(body.get("errors"))
    if not error and errors:
        error = table(errors[0])
    if not isinstance(error, dict) or not error:
        return _flat(body)
    labels = [error.get(name) for name in _LABELS] + [body.get("code"), body.get("type")]
    return ErrorBody(
        message=words(error.get("message")) or words(body.get("message")),
        names=_names(labels),
        number=_http_number(error.get("code")),
        metadata=table(error.get("metadata")),
        details=tuple(table(row) for row in rows(error.get("details"))),
        envelope=True,
        fields=error,
        upstream=_upstream(words(table(error.get("metadata")).get("raw"))),
    )


def _upstream(raw: str) -> str:
    """Return the message in what OpenRouter repeats, which is JSON or words."""
    try:
        inner = table(load_json(raw[:_MOST_UPSTREAM].encode()))
    except ValueError:
        return raw[:_MOST_UPSTREAM]
    error = table(inner.get("error"))
    return words(error.get("message")) or words(inner.get("message"))


def _flat(body: Mapping[str, Json]) -> ErrorBody:
    """Read an error whose fields stand at the top, with `error` as its message or its code."""
    said = words(body.get("error"))
    message = next((m for name in _MESSAGES if (m := words(body.get(name)))), "")
    labels = [body.get(name) for name in _LABELS] + ([said] if message else [])
    coded = body.get("code") is not None or body.get("object") == "error"
    return ErrorBody(
        message=message or said,
        names=_names(labels),
        number=_http_number(body.get("code")),
        details=tuple(table(row) for row in rows(body.get("details"))),
        envelope=bool(said) or (coded and bool(message)),
        fields=body,
    )


def _names(labels: Iterable[Json]) -> frozenset[str]:
    return frozenset(
        label.rpartition("#")[2].lower()
        for label in labels
        if isinstance(label, str) and len(label) <= _MOST_NAME and label != "error"
    )


def page_title(text: str) -> str:
    """Return an HTML page's title, or nothing."""
    found = _TITLE.search(text)
    return " ".join(found[1].split()) if found else ""


def is_page(content_type: str, body: bytes) -> bool:
    """Return whether a body is a web page instead of an API's answer."""
    head = body[:512].lstrip().lower()
    return "html" in content_type.lower() or head.startswith((b"<!doctype", b"<html", b"<head"))


def _http_number(code: Json) -> int | None:
    if isinstance(code, str) and len(code) == 3 and code.isdecimal():
        code = int(code)
    if isinstance(code, bool) or not isinstance(code, int):
        return None
    return code if 100 <= code <= 599 else None
