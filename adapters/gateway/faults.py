"""Errors in the words and shape of the caller's own dialect.

Shapes: OpenAI and Responses `{error: {message, type, param, code}}`, Anthropic
`{type: "error", error: {type, message}, request_id}`. A stream of Responses ends with a
`response.failed`, the one event of failure that Codex understands.

Types are those that agents ask again on. Claude Code 2.1 retries an error event only when it reads
`"type":"overloaded_error"` (an event has no status), and an answer with these words whatever its
`x-should-retry` says; the SDKs retry by status and that header; agents on OpenAI's dialect take
`server_error` for passing and `api_error` for final.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from bot.dialects.error_body import ErrorBody, read_error
from bot.dialects.response_body import response_body
from bot.models import Dialect

OWNERS_TURN = "no_usable_key"
"""The code of a chain that only its keys' owners can help: asking again does not."""

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
_USUAL = {
    Dialect.ANTHROPIC: "api_error",
    Dialect.OPENAI: "server_error",
    Dialect.RESPONSES: "server_error",
}


class Refusal(Exception):
    """An answer that the gateway gives itself; `closes` ends the connection with it.

    `param` is the field of the request that is at fault.
    """

    def __init__(
        self,
        message: str,
        status: int,
        code: str,
        headers: Mapping[str, str] | None = None,
        *,
        closes: bool = False,
        param: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.headers = dict(headers or {})
        self.closes = closes
        self.param = param


def not_found(
    message: str, param: str, headers: Mapping[str, str] | None = None, status: int = 400
) -> Refusal:
    """Refuse what refers to something that cannot be had; agents then send their input whole."""
    code = "not_found" if status == 404 else "previous_response_not_found"
    return Refusal(message, status, code, headers, param=param)


class CallerGone(Exception):
    """The caller went away, or takes nothing more, in the middle of its answer."""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """The answer that a stream of Responses had begun: what its last event says of it."""

    id: str
    created_at: int
    model: str = ""
    number: int = 0


def fault(
    dialect: Dialect,
    status: int,
    message: str,
    code: str,
    request_id: str,
    param: str | None = None,
) -> bytes:
    """Write an error body."""
    return orjson.dumps(_document(dialect, status, message, code, request_id, param))


def stream_fault(
    dialect: Dialect,
    message: str,
    code: str,
    request_id: str,
    answer: Unfinished,
    *,
    status: int = 503,
) -> bytes:
    """Write the event that ends a stream which has begun; by default asking again may help."""
    return event_of(dialect, _document(dialect, status, message, code, request_id), answer)


def event_of(dialect: Dialect, document: dict[str, Any], answer: Unfinished) -> bytes:
    """Write an error body as the last event of a stream."""
    name = b""
    if dialect is Dialect.ANTHROPIC:
        name = b"event: error\n"
    elif dialect is Dialect.RESPONSES:
        name, document = b"event: response.failed\n", _failed(read_error(document), answer)
    return name + b"data: " + orjson.dumps(document) + b"\n\n"


def _failed(error: ErrorBody, answer: Unfinished) -> dict[str, Any]:
    code = error.fields.get("code") or error.fields.get("type") or "server_error"
    said = {"code": str(code), "message": error.message}
    response = response_body(answer.id, answer.created_at, answer.model, "failed", error=said)
    return {"type": "response.failed", "sequence_number": answer.number, "response": response}


def _document(
    dialect: Dialect,
    status: int,
    message: str,
    code: str,
    request_id: str,
    param: str | None = None,
) -> dict[str, Any]:
    usual = "invalid_request_error" if 400 <= status < 500 else _USUAL[dialect]
    if dialect is Dialect.ANTHROPIC:
        kind = usual if code == OWNERS_TURN else _ANTHROPIC_TYPES.get(status, usual)
        return {
            "type": "error",
            "error": {"type": kind, "message": message},
            "request_id": request_id,
        }
    kind = _OPENAI_TYPES.get(status, usual)
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}
