"""How long a provider asks to be left alone, in each of the forms in which providers say it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime

from bot.dialects.error_body import ErrorBody
from bot.dialects.wire import table, words
from bot.ports import Json

LONGEST_RETRY_AFTER_S = 7 * 86400.0
_EPOCH_S, _EPOCH_MS = 1e9, 1e12
_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_NUMBER = r"\d{1,15}(?:\.\d{1,12})?"
_PLAIN = re.compile(_NUMBER)
_PART = re.compile(
    rf"({_NUMBER})\s*(ms|milliseconds?|s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?)"
    r"(?![a-z])",
    re.IGNORECASE,
)
_SPAN = rf"(?:{_NUMBER}\s*[a-z]+(?:,?\s*(?:and\s+)?(?=\d))?){{1,4}}"
_IN_WORDS = re.compile(
    r"(?:try(?:ing)? again|retry(?:ing)?|wait|resets?|available(?: again)?|retry[_-]after)"
    rf"[^\d\n]{{0,24}}?\b(?:in|after|for|of|:)?\s*({_SPAN})",
    re.IGNORECASE,
)
_AT = re.compile(
    r"(?:try again|retry|resets?|until|available|access)[^\d\n]{0,24}"
    r"(\d{4}-\d\d-\d\d)(?:[T ]| at )(\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?)\s*(Z|UTC|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)
_BODY_WAITS = ("retry_after", "retryAfter", "retry_after_seconds", "resets_in_seconds")
_BODY_TIMES = ("resets_at", "reset_at", "resetsAt", "resetAt")
_KINDS = ("requests", "tokens", "input-tokens", "output-tokens")
_RESETS = frozenset(
    {"x-ratelimit-reset", "ratelimit-reset", "x-rate-limit-reset"}
    | {f"x-ratelimit-reset-{kind}" for kind in _KINDS}
    | {f"anthropic-ratelimit-{kind}-reset" for kind in _KINDS}
)


def retry_after_s(
    headers: Mapping[str, str], error: ErrorBody, now: datetime | None
) -> float | None:
    """Return how long the provider asks to be left alone, at most a week.

    `now` is needed to understand an instant.
    """
    lowered = {name.lower(): value for name, value in headers.items()}
    for wait_s in _waits(lowered, error, now):
        if wait_s is not None:
            return min(max(wait_s, 0.0), LONGEST_RETRY_AFTER_S)
    return None


def _waits(
    headers: Mapping[str, str], error: ErrorBody, now: datetime | None
) -> Iterator[float | None]:
    """Yield what each place says, the most telling first."""
    yield from _asked(headers, now)
    yield from _in_body(error, now)
    yield _in_message(error.message, now)
    yield from _resets(headers, now)


def span_s(text: str) -> float | None:
    """Read a duration: `30`, `30s`, `12ms`, `6m0s`, `2m59.56s`, `1 hour 5 minutes`."""
    text = text.strip()
    plain = _number(text)
    if plain is not None:
        return plain
    parts = list(_PART.finditer(text))
    if not parts or _PART.sub("", text).strip(" ,.").replace("and", "").strip():
        return None
    return sum(float(part[1]) * _unit_s(part[2]) for part in parts)


def wait_of(text: str, now: datetime | None) -> float | None:
    """Read a wait: a duration, an epoch in seconds or milliseconds, or a date."""
    if not text:
        return None
    asked = span_s(text)
    if asked is not None and (asked < _EPOCH_S or _number(text.strip()) is None):
        return asked
    if now is None or not text.strip():
        return None
    if asked is not None:
        return asked / (1000 if asked >= _EPOCH_MS else 1) - now.timestamp()
    return _until(text.strip(), now)


def _asked(headers: Mapping[str, str], now: datetime | None) -> Iterator[float | None]:
    wait_ms = _number(headers.get("retry-after-ms", "").strip())
    yield None if wait_ms is None else wait_ms / 1000
    yield wait_of(headers.get("retry-after", ""), now)


def _in_body(error: ErrorBody, now: datetime | None) -> Iterator[float | None]:
    for row in error.details:
        delay = words(row.get("retryDelay"))
        yield span_s(delay) if delay else None
    for place in (error.fields, error.metadata):
        for name in _BODY_WAITS:
            yield _value(place.get(name), now)
        for name in _BODY_TIMES:
            yield _value(place.get(name), now)
    kept = table(error.metadata.get("headers"))
    lowered = {str(name).lower(): words(value) for name, value in kept.items()}
    yield from _asked(lowered, now)
    yield from _resets(lowered, now)


def _in_message(message: str, now: datetime | None) -> float | None:
    head = message[:2000]
    for found in _IN_WORDS.finditer(head):
        wait_s = span_s(found[1])
        if wait_s is not None and _number(found[1].strip()) is None:
            return wait_s
    at = _AT.search(head)
    if at is None or now is None:
        return None
    zone = (at[3] or "Z").upper().replace("UTC", "+00:00").replace("Z", "+00:00")
    return _until(f"{at[1]}T{at[2]}{zone}", now)


def _resets(headers: Mapping[str, str], now: datetime | None) -> Iterator[float | None]:
    """Yield the waits of rate-limit headers: of what is used up, else the shortest."""
    found: list[tuple[bool, float]] = []
    for reset, remaining in _pairs(headers):
        wait_s = wait_of(headers[reset], now)
        if wait_s is not None and wait_s > 0:
            left = headers.get(remaining, "").strip().lower()
            found.append((_number(left) == 0 or left == "rejected", wait_s))
    spent = [wait_s for used_up, wait_s in found if used_up]
    if spent:
        yield max(spent)
    elif found:
        yield min(wait_s for _, wait_s in found)


def _pairs(headers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each reset header with the one that says whether it is used up."""
    for name in headers:
        if name in _RESETS:
            yield name, name.replace("reset", "remaining")
        elif name.startswith("anthropic-ratelimit-unified-") and name.endswith("-reset"):
            yield name, name.removesuffix("reset") + "status"


def _value(value: Json, now: datetime | None) -> float | None:
    if isinstance(value, bool) or value is None:
        return None
    return wait_of(str(value)[:64], now) if isinstance(value, str | int | float) else None


def _unit_s(unit: str) -> float:
    unit = unit.lower()
    return _UNITS_S["ms" if unit.startswith(("ms", "milli")) else unit[0]]


def _number(text: str) -> float | None:
    return float(text) if _PLAIN.fullmatch(text) else None


def _until(text: str, now: datetime) -> float | None:
    try:
        then = datetime.fromisoformat(text)
    except ValueError:
        try:
            then = parsedate_to_datetime(text)
        except ValueError:
            return None
    if then.tzinfo is None:
        then = then.replace(tzinfo=now.tzinfo)
    try:
        return (then - now).total_seconds()
    except OverflowError:
        return None
