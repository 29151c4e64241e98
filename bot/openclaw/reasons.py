"""OpenClaw's words for a failure, and a provider's own words in them → a failure reason."""

from __future__ import annotations

import json
import re

from bot.dialects.error_body import ErrorBody, read_error
from bot.durations import shorten
from bot.models import FailureReason, ModelRef
from bot.routing.redact import redact
from bot.routing.signals import meaning_of

_R = FailureReason
_CONTRACT = frozenset(FailureReason)
_DETAIL_CHARACTERS = 200
_READ_CHARACTERS = 4000

# Source: the FAILOVER_REASONS of openclaw 2026.9.6 and 2026.1.29; None is the caller's own fault.
_OWN: dict[str, FailureReason | None] = {
    "auth": _R.AUTH,
    "auth_permanent": _R.AUTH,
    "billing": _R.BILLING,
    "context_overflow": None,
    "empty_response": _R.BAD_RESPONSE,
    "format": None,
    "model_not_found": _R.MODEL_NOT_FOUND,
    "overloaded": _R.SERVER_ERROR,
    "rate_limit": _R.RATE_LIMIT,
    "server_error": _R.SERVER_ERROR,
    "session_expired": _R.AUTH,
    "timeout": _R.TIMEOUT,
    "tls_certificate": _R.NETWORK,
}
_STATUS = re.compile(
    r"\s*(?:HTTP(?:/[\d.]+)?(?: status)?(?: code)?:? ?)?([45]\d\d)\b", re.IGNORECASE
)
_STATUS_WITHIN = re.compile(
    r"\b(?:HTTP|status|code)[\"']?(?: code)?[ :=\"']{1,4}([45]\d\d)\b", re.IGNORECASE
)
# As openclaw 2026.1.29 sorts them (ERROR_PATTERNS), what is the caller's own first.
_WORDS: tuple[tuple[re.Pattern[str], FailureReason | None], ...] = (
    (
        re.compile(
            r"context (?:length|window|overflow)|prompt is too long|maximum context"
            r"|request_too_large|roles must alternate|tool_use_?\.?id|invalid request format"
            r"|string should match pattern"
        ),
        None,
    ),
    (
        re.compile(
            r"payment required|insufficient (?:credits|balance|_?quota)|credit balance"
            r"|plans & billing|exceeded your current quota"
        ),
        _R.BILLING,
    ),
    (
        re.compile(
            r"rate[_ ]limit|too many requests|\b429\b|resource[_ ](?:has been )?exhausted"
            r"|quota exceeded|usage limit"
        ),
        _R.RATE_LIMIT,
    ),
    (
        re.compile(
            r"invalid[_ ]?api[_ ]?key|incorrect api key|invalid token|authenticat|unauthorized"
            r"|forbidden|access denied|expired|no (?:api key|credentials) found"
        ),
        _R.AUTH,
    ),
    (re.compile(r"time[d -]*out|deadline exceeded|etimedout"), _R.TIMEOUT),
    (re.compile(r"overloaded|internal server error|bad gateway|unavailable"), _R.SERVER_ERROR),
    (
        re.compile(r"unknown model|model[ _]not[ _](?:found|exist)|no such model"),
        _R.MODEL_NOT_FOUND,
    ),
    (
        re.compile(
            r"econn|enotfound|eai_again|fetch failed|connection (?:error|refused|reset)"
            r"|socket hang up|network|certificate|terminated"
        ),
        _R.NETWORK,
    ),
)


def reason_for(word: str, status: int | None = None, text: str = "") -> FailureReason | None:
    """Return what OpenClaw's word for a failure means; None for the caller's own fault.

    Where its word says nothing, the status and the provider's words decide.
    """
    word = word.strip().lower()
    if word in _OWN:
        return _OWN[word]
    if word in _CONTRACT:
        return FailureReason(word)
    return reason_in(f"{status} {text}" if status else text)


def reason_in(text: str, provider: str = "") -> FailureReason | None:
    """Return what a provider's error text means; None for the caller's own fault."""
    text = text[:_READ_CHARACTERS]
    found = _STATUS.match(text) or _STATUS_WITHIN.search(text)
    if found is not None:
        return meaning_of(ModelRef(provider, ""), int(found[1]), _error_in(text), text).reason
    lowered = text.lower()
    for words, reason in _WORDS:
        if words.search(lowered):
            return reason
    return _R.BAD_RESPONSE


def status_in(text: str) -> int:
    """Return the HTTP status that an error text names, or 0."""
    found = _STATUS.match(text[:_READ_CHARACTERS])
    return int(found[1]) if found else 0


def clean_detail(text: str) -> str:
    """Return an error text on one line, cut short, without what looks like a key."""
    # Redact first, on more than is shown: a key must not survive by being cut in two.
    line = " ".join(redact(text[:_READ_CHARACTERS]).split())
    return shorten(line, _DETAIL_CHARACTERS)


def _error_in(text: str) -> ErrorBody:
    """Read the JSON body that some texts quote after the status."""
    start = text.find("{")
    if start >= 0:
        try:
            body = read_error(json.loads(text[start:]))
        except (ValueError, RecursionError):
            body = ErrorBody()
        if body.envelope:
            return body
    return ErrorBody(message=text)
