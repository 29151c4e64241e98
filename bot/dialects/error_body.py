"""The words of an error answer, whichever of the providers' shapes they come in.

OpenAI, Groq, DeepSeek `{error: {message, type, param, code}}`; Anthropic `{type, error: {type,
message}}`; Gemini `{error: {code, message, status, details}}`, which its OpenAI layer puts in a
list; OpenRouter `{error: {code, message, metadata}}`; Ollama `{error: "text"}`; FastAPI servers
`{detail: …}`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.dialects.wire import rows, table, words
from bot.ports import Json

_TITLE = re.compile(r"<title[^>]*>([^<]{1,200})", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """An error as its sender put it; `names` are its code, type and status words, lower case.

    `number` is a code that looks like an HTTP status. `envelope` is True when the body has the
    shape of an API's own error.
    """

    message: str = ""
    names: frozenset[str] = frozenset()
    number: int | None = None
    metadata: Mapping[str, Json] = field(default_factory=dict)
    details: tuple[Mapping[str, Json], ...] = ()
    envelope: bool = False


def read_error(body: Json) -> ErrorBody:
    """Read a parsed body; anything that is no error object gives an empty one."""
    if isinstance(body, list):
        body = body[0] if body else None
    body = table(body)
    error = body.get("error")
    if isinstance(error, str) and error:
        return ErrorBody(error, envelope=True)
    if not isinstance(error, dict):
        return ErrorBody(words(body.get("detail")) or words(body.get("message")))
    code = error.get("code")
    labels = (code, error.get("type"), error.get("status"))
    return ErrorBody(
        message=words(error.get("message")),
        names=frozenset(label.lower() for label in labels if isinstance(label, str)),
        number=_http_number(code),
        metadata=table(error.get("metadata")),
        details=tuple(table(row) for row in rows(error.get("details"))),
        envelope=True,
    )


def page_title(text: str) -> str:
    """Return an HTML page's title, or nothing."""
    found = _TITLE.search(text)
    return " ".join(found[1].split()) if found else ""


def is_page(content_type: str, body: bytes) -> bool:
    """Decide whether a body is a web page instead of an API's answer."""
    head = body[:512].lstrip().lower()
    return "html" in content_type.lower() or head.startswith((b"<!doctype", b"<html", b"<head"))


def _http_number(code: Json) -> int | None:
    if isinstance(code, str) and len(code) == 3 and code.isdecimal():
        code = int(code)
    if isinstance(code, bool) or not isinstance(code, int):
        return None
    return code if 100 <= code <= 599 else None
