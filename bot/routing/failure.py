"""From what a provider answered to what it means: good, the caller's own fault, or a failure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.dialects.answer import AnswerState, answer_state
from bot.dialects.error_body import ErrorBody, is_page, page_title, read_error
from bot.dialects.stream import Ending, StreamEvent
from bot.dialects.wire import load_json, rows, table, words
from bot.durations import shorten
from bot.models import Dialect, FailureReason, ModelRef, Secret
from bot.ports import Json
from bot.routing.cooldown import Reach
from bot.routing.redact import redact
from bot.routing.retry_after import retry_after_s
from bot.routing.signals import Lack, Meant, meaning_of, names_lack, names_route, page_meaning

_DETAIL_CHARACTERS = 200
# What OpenRouter writes before the setting that is in the way, and longer than what is shown.
_PREAMBLE = re.compile(r"^\d+ endpoints? out of [^\n]{0,300}? reasons \([^)]{0,80}\):\s*")
_READ_BYTES = 64 * 1024
_OWN_REASON_INSIDE_200 = frozenset({401, 402, 403, 429})
# What Anthropic, and Responses' events, call the statuses with a reason of their own inside a 200.
_NUMBERS = {
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "insufficient_quota": 429,
}


class Outcome(StrEnum):
    """What to do with an answer: hand it on as good, hand it back as it is, or go to the next.

    UNFIT is a hop that cannot take this one request, which another may: nothing is held against
    it, and its words are the caller's where no other answers.
    """

    OK = "ok"
    CALLER = "caller"
    UNFIT = "unfit"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What an answer means.

    `reason` is set on a failure. `retry_after_s` is what the provider asked for. `retry_same` is
    True where asking the same hop once more may help. `lack` is what an unfit hop has too little
    of, `reach` what a refusal is about where that is unusual. `detail` is short and without
    secrets.
    """

    outcome: Outcome
    reason: FailureReason | None = None
    retry_after_s: float | None = None
    retry_same: bool = False
    detail: str = ""
    lack: Lack | None = None
    reach: Reach | None = None

    @property
    def ok(self) -> bool:
        """True when the answer is a good one."""
        return self.outcome is Outcome.OK


OK = Verdict(Outcome.OK)


def classify(
    asked: ModelRef,
    dialect: Dialect,
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    now: datetime | None = None,
    parsed: Json = None,
    secrets: Iterable[Secret | str] = (),
) -> Verdict:
    """Judge a whole answer to what was asked of a provider, by its id, and its model.

    `parsed` is its JSON where the caller has read it already; `now` is only needed to understand
    a wait that names an instant.
    """
    if 200 <= status < 300:
        return _answered(asked.provider, dialect, headers, body, parsed, secrets)
    if 300 <= status < 400:
        return _failed(FailureReason.BAD_RESPONSE, f"HTTP {status}: a redirect", secrets)
    text = body[:_READ_BYTES].decode("utf-8", "replace")
    error = _error_in(body if parsed is None else b"", parsed)
    page = not error.envelope and is_page(header(headers, "content-type"), body)
    meant = page_meaning(status) if page else meaning_of(asked, status, error, text)
    if answer_state(dialect, parsed) is AnswerState.GOOD:
        # Answers are never stored, whatever the status they come with.
        text = "with a response body"
    said = _PREAMBLE.sub("", error.message) or (page_title(text) or "a web page" if page else text)
    detail = f"HTTP {status}: {said}" if said.strip() else f"HTTP {status}, no message"
    if meant.reason is None:
        return _not_failed(meant, _clean(detail, secrets))
    retry_same = header(headers, "x-should-retry").lower() != "false"
    wait_s = retry_after_s(headers, error, now)
    return _failed(meant.reason, detail, secrets, wait_s, retry_same, meant.reach)


def classify_stream(
    provider_id: str,
    dialect: Dialect,
    ending: Ending,
    event: StreamEvent | None = None,
    *,
    secrets: Iterable[Secret | str] = (),
) -> Verdict:
    """Judge a stream that is over, by its ending and its ERROR event if it had one."""
    if event is not None and event.body is not None:
        if answer_state(dialect, event.body) is AnswerState.BLOCKED:
            return _blocked(event.body)
        return _error_inside(provider_id, event.body, secrets)
    if ending is Ending.WHOLE:
        return OK
    said = "the stream ended without any content"
    if ending is Ending.CUT:
        said = "the stream was cut off"
    if event is not None and event.detail:
        said = event.detail
    return _failed(FailureReason.BAD_RESPONSE, said, secrets)


def route_missing(status: int, headers: Mapping[str, str], body: bytes, model: str) -> bool:
    """Return whether the address itself is missing, as opposed to the model."""
    if status in (405, 501):
        return True
    if status != 404:
        return False
    text = body[:_READ_BYTES].decode("utf-8", "replace")
    if is_page(header(headers, "content-type"), body) or names_route(text):
        return True
    return "model" not in text.lower() and model.lower() not in text.lower()


def header(headers: Mapping[str, str], name: str) -> str:
    """Return a header's value whatever its case, empty when it is not there."""
    value = headers.get(name)
    if value is None:
        value = next((v for k, v in headers.items() if k.lower() == name), "")
    return value


def _answered(
    provider_id: str,
    dialect: Dialect,
    headers: Mapping[str, str],
    body: bytes,
    parsed: Json,
    secrets: Iterable[Secret | str],
) -> Verdict:
    if parsed is None:
        try:
            parsed = load_json(body)
        except ValueError:
            said = "HTTP 200 with a non-JSON body"
            if not body.strip():
                said = "HTTP 200 with an empty body"
            elif is_page(header(headers, "content-type"), body):
                said = "HTTP 200 with a web page instead of JSON"
            return _failed(FailureReason.BAD_RESPONSE, said, secrets)
    if isinstance(parsed, list) and parsed:
        parsed = parsed[0]
    match answer_state(dialect, parsed):
        case AnswerState.GOOD:
            return OK
        case AnswerState.BLOCKED:
            return _blocked(parsed)
        case AnswerState.ERROR:
            return _error_inside(provider_id, parsed, secrets)
        case AnswerState.EMPTY:
            return _failed(FailureReason.BAD_RESPONSE, "an empty answer", secrets)
        case _:
            said = "HTTP 200 with JSON that is not a chat response"
            return _failed(FailureReason.BAD_RESPONSE, said, secrets)


def _error_inside(provider_id: str, body: Json, secrets: Iterable[Secret | str]) -> Verdict:
    """Judge an error inside a 200: it has the reason of its inner code, if that has one."""
    error = read_error(body)
    if not error.envelope:
        choices = (table(choice) for choice in rows(table(body).get("choices")))
        error = next((read_error(c) for c in choices if c.get("error")), error)
    number = error.number or next((_NUMBERS[n] for n in error.names if n in _NUMBERS), None)
    said = f"HTTP 200 with an error: {error.message or words(body) or 'no message'}"
    lack = names_lack(error)
    if lack is not None:
        return _not_failed(Meant(unfit=True, lack=lack), _clean(said, secrets))
    if number not in _OWN_REASON_INSIDE_200:
        return _failed(FailureReason.BAD_RESPONSE, said, secrets)
    meant = meaning_of(ModelRef(provider_id, ""), number, error, str(body)[:_READ_BYTES])
    if meant.reason is None:
        return _not_failed(meant, _clean(said, secrets))
    return _failed(meant.reason, said, secrets, retry_after_s({}, error, None), reach=meant.reach)


def _blocked(body: Json) -> Verdict:
    why = words(table(table(body).get("promptFeedback")).get("blockReason"))
    return Verdict(Outcome.CALLER, detail=_clean(f"content blocked {why}".strip(), ()))


def _not_failed(meant: Meant, detail: str) -> Verdict:
    outcome = Outcome.UNFIT if meant.unfit else Outcome.CALLER
    return Verdict(outcome, detail=detail, lack=meant.lack)


def _failed(
    reason: FailureReason,
    detail: str,
    secrets: Iterable[Secret | str],
    wait_s: float | None = None,
    retry_same: bool = False,
    reach: Reach | None = None,
) -> Verdict:
    passing = reason is FailureReason.SERVER_ERROR and retry_same
    detail = _clean(detail, secrets)
    return Verdict(Outcome.FAILED, reason, wait_s, passing, detail, reach=reach)


def _error_in(body: bytes, parsed: Json) -> ErrorBody:
    if parsed is None:
        try:
            parsed = load_json(body)
        except ValueError:
            return ErrorBody()
    return read_error(parsed)


def _clean(detail: str, secrets: Iterable[Secret | str]) -> str:
    # Redact first, on more than is shown: a key must not survive by being cut in two.
    line = " ".join(redact(detail[: 20 * _DETAIL_CHARACTERS], secrets).split())
    return shorten(line, _DETAIL_CHARACTERS)
