"""Errors in the words and shape of the caller's own dialect.

Shapes: OpenAI `{error: {message, type, param, code}}`, Anthropic
`{type: "error", error: {type, message}, request_id}`.

Types are those that agents ask again on. Claude Code 2.1 retries an error event only when it reads
`"type":"overloaded_error"` (an event has no status); the SDKs retry by status alone; agents on
OpenAI's dialect take `server_error` for passing and `api_error` for final.
"""

from __future__ import annotations

from typing import Any

import orjson

from bot.models import Dialect

_ANTHROPIC_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
}
_OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
_USUAL = {Dialect.ANTHROPIC: "api_error", Dialect.OPENAI: "server_error"}


def fault(dialect: Dialect, status: int, message: str, code: str, request_id: str) -> bytes:
    """Write an error body."""
    return orjson.dumps(_document(dialect, status, message, code, request_id))


def stream_fault(
    dialect: Dialect, message: str, code: str, request_id: str, *, status: int = 503
) -> bytes:
    """Write the event that ends a stream which has begun; by default asking again may help."""
    return event_of(dialect, _document(dialect, status, message, code, request_id))


def event_of(dialect: Dialect, document: dict[str, Any]) -> bytes:
    """Write an error body as the last event of a stream."""
    name = b"event: error\n" if dialect is Dialect.ANTHROPIC else b""
    return name + b"data: " + orjson.dumps(document) + b"\n\n"


def _document(
    dialect: Dialect, status: int, message: str, code: str, request_id: str
) -> dict[str, Any]:
    usual = "invalid_request_error" if 400 <= status < 500 else _USUAL[dialect]
    if dialect is Dialect.ANTHROPIC:
        kind = _ANTHROPIC_TYPES.get(status, usual)
        return {
            "type": "error",
            "error": {"type": kind, "message": message},
            "request_id": request_id,
        }
    kind = _OPENAI_TYPES.get(status, usual)
    return {"error": {"message": message, "type": kind, "param": None, "code": code}}
