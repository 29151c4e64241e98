"""What a chat endpoint is to the simulator: it reads asks and writes answers and errors."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from adapters.simulated.answers import Answer, Ask
from adapters.simulated.faults import Fault
from bot.models import AuthScheme

Json = Any


class Surface(ABC):
    """One chat endpoint of one provider, in one dialect.

    `schemes` are the headers a key may come in. `comment` and `padding` are what the endpoint
    sends while it has nothing to say yet, in a stream and before a whole answer.
    """

    stream_type = "text/event-stream"
    comment = b""
    padding = b""
    request_id_header = "x-request-id"

    def __init__(self, path: str, *schemes: AuthScheme) -> None:
        self.path = path
        self.schemes = schemes

    @abstractmethod
    def read(self, body: Mapping[str, Json], where: Mapping[str, str]) -> Ask | Fault:
        """Understand a request, or say what is wrong with it.

        `where` holds the path's variables and the query's.
        """

    @abstractmethod
    def whole(self, answer: Answer) -> Json:
        """Write the answer as one JSON document."""

    @abstractmethod
    def stream(self, answer: Answer, ask: Ask) -> Iterator[bytes]:
        """Write the answer in portions, down to the event that ends a stream."""

    @abstractmethod
    def broken_stream(self, answer: Answer, fault: Fault) -> Iterator[bytes]:
        """Write a stream that fails before its first content, inside a 200."""

    @abstractmethod
    def error(self, fault: Fault, serial: int) -> Json:
        """Put a fault in this endpoint's envelope."""

    def broken_whole(self, answer: Answer, fault: Fault) -> bytes:
        """Write a 200 that is no answer: by default one that is cut off in the middle."""
        document = encode(self.whole(answer))
        return document[: len(document) // 2]

    def resolve(self, model: str) -> str:
        """Turn the id a caller sent into the one to look up."""
        return model

    def headers_fault(self, headers: Mapping[str, str]) -> Fault | None:
        """Describe what is wrong with the headers, keys aside."""
        return None

    def missing_key(self) -> Fault | None:
        """Describe how this endpoint asks for a key where it differs from its provider."""
        return None


def encode(document: Json) -> bytes:
    """Write JSON as the providers do: compact and in UTF-8."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")


def sse(document: Json, event: str = "", end: bytes = b"\n") -> bytes:
    """Write one server-sent event."""
    name = b"event: " + event.encode() + end if event else b""
    return name + b"data: " + encode(document) + end + end


def invalid(message: str, param: str | None = None) -> Fault:
    """Refuse a request for the caller's own mistake."""
    return Fault(400, message, param=param)


def positive(value: Json) -> int | None:
    """Return a count of at least one, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def thinking_type(body: Mapping[str, Json]) -> bool | None:
    """Read `thinking.type`, which Anthropic and DeepSeek share."""
    thinking = body.get("thinking")
    kind = thinking.get("type") if isinstance(thinking, dict) else None
    return {"enabled": True, "adaptive": True, "disabled": False}.get(str(kind))


ANTHROPIC_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    529: "overloaded_error",
}
"""Anthropic's error type for a status; every other one is `api_error`."""

GOOGLE_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
}
"""Google's canonical code for a status."""


def google_error(fault: Fault) -> dict[str, Json]:
    """Write Google's error document, which two endpoints share."""
    error: dict[str, Json] = {
        "code": fault.status,
        "message": fault.message,
        "status": GOOGLE_STATUSES.get(fault.status, "UNKNOWN"),
    }
    if fault.details:
        error["details"] = list(fault.details)
    return {"error": error}
