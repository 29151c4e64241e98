"""One line of a Moltbot's or OpenClaw's log → what it tells about fallbacks and reloads.

The file log is JSON, one record a line; the console (`docker logs`) is text. Both are read, in
the forms of all releases; a line that tells neither is None. Source: FACTS of openclaw 2026.1.29
and 2026.9.6, and the guide's own `[gateway] Fallback triggered` line.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from bot.models import ModelRef
from bot.openclaw.reasons import clean_detail

NEEDLES = (b"allback", b"reload", b"nknown model")
"""A line without any of these is not worth reading."""

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_TIME = re.compile(r"\s*\[?(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(\.\d+)?(Z|[+-]\d\d:?\d\d)?\]?(?=\s)")
_SUBSYSTEM = re.compile(r"\s*\[([\w./ -]{1,60})\]\s*")
_DECISION = re.compile(
    r"model fallback decision: decision=(\w+) requested=(\S+) candidate=(\S+) reason=(\S+)"
    r"(?: providerErrorType=\S+)? next=(\S+)(?: detail=(.*))?"
)
_GUIDE = re.compile(r"Fallback triggered: (\S+) (?:→|->) (\S+) \(([a-z_]+)\)\s*$")
_RELOAD = re.compile(
    r"config (?:(?P<applied>change applied|hot reload applied)"
    r"|(?P<rejected>reload skipped \(invalid config\)|reload failed)"
    r"|(?P<restart>change requires gateway restart|reload requires gateway restart"
    r"|reload disabled))[ :]*(?P<rest>.*)",
    re.DOTALL,
)
_UNKNOWN_MODEL = re.compile(r"lane task error: .{0,200}?Unknown model: ([^\s\"\\]+)")
_EVENT = "model_fallback_decision"


class Decided(StrEnum):
    """What OpenClaw 9.x decided about a candidate."""

    FAILED = "candidate_failed"
    SUCCEEDED = "candidate_succeeded"
    SKIPPED = "skip_candidate"


_DECIDED = frozenset(Decided)


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision of its fallback chain.

    `run` groups the decisions of one request; empty in the text form. `next` None means that
    the chain ends here. `first_reason` and `first_detail` are those of the request's first
    failure, where the line tells them. `mark` names the line itself.
    """

    at: datetime | None
    decided: Decided
    requested: ModelRef
    candidate: ModelRef
    run: str = ""
    reason: str = ""
    status: int | None = None
    detail: str = ""
    next: ModelRef | None = None
    first_reason: str = ""
    first_detail: str = ""
    mark: str = ""


@dataclass(frozen=True, slots=True)
class LogLine:
    """The guide's own line: A failed, B answered."""

    at: datetime | None
    from_model: str
    to_model: str | None
    reason: str
    mark: str


class Reload(StrEnum):
    """What became of an edited config."""

    APPLIED = "applied"
    REJECTED = "rejected"
    RESTART = "restart"


@dataclass(frozen=True, slots=True)
class ReloadNote:
    """A line about the config: what became of it, and the paths or the fault it names."""

    at: datetime | None
    reload: Reload
    detail: str


@dataclass(frozen=True, slots=True)
class UnknownModel:
    """A turn failed because this release cannot call the model that the config names."""

    at: datetime | None
    model: str


class Broken(StrEnum):
    """A line that should tell something and cannot be read."""

    BROKEN = "broken"


Line = Decision | LogLine | ReloadNote | UnknownModel | Broken | None


@dataclass(frozen=True, slots=True)
class _Record:
    at: datetime | None
    subsystem: str
    message: str
    fields: Mapping[str, Any]


def read_line(raw: bytes) -> Line:
    """Read one line, without its line break; never raises."""
    if not any(needle in raw for needle in NEEDLES):
        return None
    text = raw.decode("utf-8", "replace").strip("\ufeff \t\r\n\0")
    record = _of_json(text) if text.startswith("{") else _of_text(text)
    if record is None:
        return Broken.BROKEN
    mark = hashlib.blake2b(raw.strip(), digest_size=12).hexdigest()
    if record.fields.get("event") == _EVENT:
        return _decision(record, mark) or Broken.BROKEN
    return _worded(record, mark)


def time_in(text: str) -> datetime | None:
    """Read an instant; one without a zone is none, since nobody knows whose clock it is."""
    found = _TIME.match(f"{text} ")
    if found is None or found[3] is None:
        return None
    try:
        at = datetime.fromisoformat(f"{found[1]}{(found[2] or '')[:7]}{found[3]}")
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _of_json(text: str) -> _Record | None:
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict):
        return None
    meta = record.get("_meta")
    meta = meta if isinstance(meta, dict) else {}
    at = time_in(_word(record.get("time"))) or time_in(_word(meta.get("date")))
    parts = [record[key] for key in ("0", "1", "2", "3") if key in record]
    subsystem = ""
    if parts and (named := _subsystem(_word(parts[0]))):
        subsystem, parts = named, parts[1:]
    fields = next((part for part in parts if isinstance(part, dict)), {})
    words = [part for part in parts if isinstance(part, str)]
    return _Record(at, subsystem, " ".join(words), fields)


def _of_text(text: str) -> _Record:
    text = _ANSI.sub("", text)
    at = None
    # `docker logs -t` puts its own time before that of the line.
    while (found := _TIME.match(text)) is not None:
        at = time_in(found[0]) or at
        text = text[found.end() :]
    subsystem = ""
    if (found := _SUBSYSTEM.match(text)) is not None:
        subsystem, text = found[1], text[found.end() :]
    return _Record(at, subsystem, text.lstrip(), {})


def _worded(record: _Record, mark: str) -> Line:
    # Answers stand in the log too, whole: only what the gateway itself says counts, so the words
    # must come at the beginning and under the right heading.
    heading = record.subsystem.rpartition("/")[2]
    message = record.message
    if not heading and (found := _SUBSYSTEM.match(message)) is not None:
        heading, message = found[1], message[found.end() :]
    if heading == "reload" and (found := _RELOAD.match(message)) is not None:
        kind = Reload.APPLIED if found["applied"] else Reload.REJECTED
        kind = Reload.RESTART if found["restart"] else kind
        return ReloadNote(record.at, kind, clean_detail(found["rest"]))
    if heading == "diagnostic" and (found := _UNKNOWN_MODEL.match(message)) is not None:
        return UnknownModel(record.at, found[1].rstrip("."))
    if heading in ("gateway", "") and (found := _GUIDE.match(message)) is not None:
        return LogLine(record.at, found[1], _model_or_none(found[2]), found[3], mark)
    if heading in ("decision", "model-fallback", "") and (found := _DECISION.match(message)):
        return _of_words(record, found, mark) or Broken.BROKEN
    return None


def _of_words(record: _Record, found: re.Match[str], mark: str) -> Decision | None:
    requested, candidate = ModelRef.parse(found[2]), ModelRef.parse(found[3])
    if requested is None or candidate is None or found[1] not in _DECIDED:
        return None
    return Decision(
        at=record.at,
        decided=Decided(found[1]),
        requested=requested,
        candidate=candidate,
        reason=found[4],
        detail=clean_detail(found[6] or ""),
        next=ModelRef.parse(found[5]),
        mark=mark,
    )


def _decision(record: _Record, mark: str) -> Decision | None:
    fields = record.fields
    requested, candidate = _ref(fields, "requested"), _ref(fields, "candidate")
    decided = _word(fields.get("decision"))
    if requested is None or candidate is None or decided not in _DECIDED:
        return None
    previous = fields.get("previousAttempts")
    first = previous[0] if isinstance(previous, list) and previous else {}
    first = first if isinstance(first, dict) else {}
    status = fields.get("status")
    return Decision(
        at=record.at,
        decided=Decided(decided),
        requested=requested,
        candidate=candidate,
        run=_word(fields.get("runId")),
        reason=_word(fields.get("reason")),
        status=status if isinstance(status, int) else None,
        detail=clean_detail(_word(fields.get("errorPreview"))),
        next=_ref(fields, "nextCandidate"),
        first_reason=_word(first.get("reason")),
        first_detail=clean_detail(_word(first.get("errorPreview"))),
        mark=mark,
    )


def _ref(fields: Mapping[str, Any], prefix: str) -> ModelRef | None:
    provider, model = _word(fields.get(f"{prefix}Provider")), _word(fields.get(f"{prefix}Model"))
    return ModelRef.parse(f"{provider}/{model}") if provider else None


def _subsystem(text: str) -> str:
    """Return the heading of a JSON record, which is JSON in a string."""
    if not text.startswith('{"subsystem"'):
        return ""
    try:
        return _word(json.loads(text).get("subsystem"))
    except ValueError:
        return ""


def _model_or_none(word: str) -> str | None:
    return None if word.lower() in ("none", "-") else word


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""
