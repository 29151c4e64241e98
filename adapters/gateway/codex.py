"""What Codex makes of our answers, found by trying its 0.171 (2026-11).

It posts again 30 times after a 5xx, 6 times after any other status or an event of failure, whatever
`x-should-retry` says, and once after a 400 or the code `invalid_prompt`, whose message it shows. A
comment is no sign of life to it, an event of any kind is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

STOPS = 400
"""The status at which it stops, and shows the message."""

ALIVE = b'event: keepalive\ndata: {"type":"keepalive"}\n\n'

_KEPT_CODES = ("context_length_exceeded", "insufficient_quota", "usage_not_included")
_PASSING = ("busy", "stopping", "timeout")


def is_codex(headers: Mapping[str, str]) -> bool:
    """Return whether Codex asks, in a terminal or an editor."""
    return headers.get("originator", headers.get("User-Agent", "")).lower().startswith("codex")


def stops(headers: Mapping[str, str], code: str) -> bool:
    """Return whether Codex is to stop at a refusal of ours, where asking again is of no use."""
    return code not in _PASSING and is_codex(headers)


def codex_stops(document: Mapping[str, Any]) -> dict[str, Any]:
    """Give an error that is final the code at which Codex stops, but for codes that say more."""
    error = document["error"]
    if not isinstance(error, dict):
        return {"error": {"message": str(error), "code": "invalid_prompt"}}
    code = error.get("code")
    return {"error": {**error, "code": code if code in _KEPT_CODES else "invalid_prompt"}}
