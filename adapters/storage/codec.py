"""How times, texts and JSON values stand in the database."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from bot.models import FailureReason
from bot.outage import Gap
from bot.ports import (
    ABSENT,
    Ceiling,
    FallbackEvent,
    HopFailure,
    Json,
    StoredLimit,
    StoredLimits,
    Touched,
)

PENDING = "pending"
DONE = "done"
"""States of a row in `changes`: noted before the bytes are written, confirmed after."""

_MARKS = ("cut", "alone", "unfit", "exhausted")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def micros_of(at: datetime) -> int:
    """Count an aware time's microseconds since 1970 UTC; a naive one raises TypeError."""
    return (at - _EPOCH) // _MICROSECOND


def time_of(micros: int) -> datetime:
    """Turn the count back into aware UTC."""
    return _EPOCH + micros * _MICROSECOND


def time_or_none(micros: int | None) -> datetime | None:
    """Turn a count that may be NULL back into aware UTC."""
    return None if micros is None else time_of(micros)


def plain(text: str) -> str:
    """Replace what no database keeps: NUL, and half a surrogate."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "�").encode("utf-8", "replace").decode("utf-8")


def text_of(value: Any) -> str:
    """Write a JSON value in ASCII, so that no database objects to a character; keys in order."""
    return json.dumps(value, separators=(",", ":"))


def value_of(text: str) -> Json:
    """Read the value back."""
    return json.loads(text)


def touched_out(touched: Touched) -> Json:
    """Write an absent value as an absent key, which no value can be taken for."""
    values = {"before": touched.before, "after": touched.after}
    present = {name: value for name, value in values.items() if value is not ABSENT}
    return {"path": list(touched.path), **present}


def touched_in(out: Json) -> Touched:
    """Read a touched value back."""
    return Touched(tuple(out["path"]), out.get("before", ABSENT), out.get("after", ABSENT))


def event_key(event: FallbackEvent) -> str:
    """Name an event, so that one told twice is known: its request, model, reason, and whether
    anybody answered. One without a request is named by its time.
    """
    request = event.request_id or f"{micros_of(event.at)} {event.to_model}"
    parts = (request, event.from_model, event.reason.value, str(event.to_model is None))
    words = "\0".join(parts).encode("utf-8", "replace")
    return hashlib.blake2b(words, digest_size=16).hexdigest()


def context_out(event: FallbackEvent) -> Json:
    """Write what few events have: the hops that did not answer, and what kind of request it was."""
    marks = {name: True for name in _MARKS if getattr(event, name)}
    hops = [[hop.model, hop.reason, hop.asked, hop.detail] for hop in event.hops]
    return {**marks, **({"hops": hops} if hops else {})} or None


def context_in(context: Json) -> dict[str, Any]:
    """Read it back as a FallbackEvent's fields."""
    context = context or {}
    hops = tuple(
        HopFailure(model, FailureReason(reason) if reason else None, asked, detail)
        for model, reason, asked, detail in context.get("hops", ())
    )
    return {"hops": hops, **{name: name in context for name in _MARKS}}


def gaps_out(gaps: Sequence[Gap]) -> Json:
    """Write an outage's gaps as pairs of microseconds."""
    return [[micros_of(gap.start), gap.length // _MICROSECOND] for gap in gaps]


def gaps_in(gaps: Json) -> tuple[Gap, ...]:
    """Read them back."""
    return tuple(Gap(time_of(start), length * _MICROSECOND) for start, length in gaps or ())


def staying_written(at: datetime, counts: Mapping[str, int]) -> str:
    """Write one gateway's report of the conversations that stay with each fallback."""
    return json.dumps({"at": at.isoformat(), "models": dict(counts)})


def used_written(used: Mapping[str, Mapping[str, date]]) -> str:
    """Write a report of the dialects and options that callers used."""
    days = {dialect: {n: day.isoformat() for n, day in ns.items()} for dialect, ns in used.items()}
    return json.dumps(days)


def used_read(reports: Iterable[str], since: date) -> dict[str, frozenset[str]]:
    """Put the reports together, as far as they are not too old; "" is the dialect itself."""
    found: dict[str, set[str]] = {}
    for report in map(json.loads, reports):
        for dialect, days in report.items():
            late = {name for name, day in days.items() if date.fromisoformat(day) >= since}
            if late:
                found.setdefault(dialect, set()).update(late - {""})
    return {dialect: frozenset(names) for dialect, names in found.items()}


def staying_read(reports: Iterable[str], since: datetime) -> dict[str, int]:
    """Add up the reports made since then."""
    total: Counter[str] = Counter()
    for report in map(json.loads, reports):
        if datetime.fromisoformat(report["at"]) >= since:
            total.update(report["models"])
    return dict(total)


def limits_read(limit: Json, ceiling: Json) -> StoredLimits:
    """Read what limits a config's fallbacks; None is not set."""
    return StoredLimits(
        StoredLimit(limit["words"], limit["by"], datetime.fromisoformat(limit["at"]))
        if limit
        else None,
        Ceiling(ceiling["model"], datetime.fromisoformat(ceiling["until"])) if ceiling else None,
    )
