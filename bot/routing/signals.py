"""What providers' refusals mean: status, codes and words → reason, by the table in `refusals`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from bot.dialects.error_body import ErrorBody
from bot.dialects.wire import rows, table, words
from bot.models import FailureReason, ModelRef
from bot.routing.cooldown import Reach
from bot.routing.refusals import LITERALS, Meaning

_R = FailureReason

_CALLERS_STATUSES = frozenset({400, 411, 413, 414, 415, 422, 431, 451})
_PASSING = frozenset({408, 409, 423, 424, 425})
_READ_CHARACTERS = 4000
# What a refusal quotes is mostly the caller's own text, or a model's name.
_QUOTED = re.compile(r"\"[^\"\n]{0,2000}\"|(?<!\w)'[^'\n]{0,2000}'(?!\w)|“[^”\n]{0,2000}”")
_PREFIX = re.compile(r"^(?:error(?: code)?:?\s*(?:\d{3})?|\d{3}|http \d{3})[\s:,-]+", re.IGNORECASE)
# OpenRouter: the model is there, none of its hosts may or can take this request.
_NO_FITTING_HOST = re.compile(
    r"no (?:endpoints|providers)\b.{0,40}(?:matching|available)",
    re.IGNORECASE,
)
_OTHER_THING = re.compile(
    r"\b(?:files?|containers?|skills?|assistants?|threads?|vector stores?|batch(?:es)?|tools?"
    r"|items?|voices?|previous[ _]response|response with id|conversations?|cached ?contents?"
    r"|documents?|attachments?|sessions?)\b|\bfile[-_]",
    re.IGNORECASE,
)
_MODELISH = re.compile(r"\bmodel\b|deployment", re.IGNORECASE)
_IN_FLIGHT = "openrouter_in_flight_budget"
# Where the asked id is not known, a model is only what is called one.
_ANY_MODEL = r"(?:(?:\bmodels?[ /:]+[`'\"]?|[`'\"])[\w./:@+-]*\w)"
_MISSING = (
    r"(?:(?:model|name|id)\s+)?(?:or .{{0,40}}? )?(?:is |was |has been |does |do |has |could )?"
    r"(?:currently |been )?(?:not[ _]exist|not (?:be )?found|not a valid|not available\b"
    r"|not (?:active|open|loaded)\b|not supported by any|unavailable\b|decommissioned|retired"
    r"|deprecated|no longer|reached its end)"
)
_FORMS = (
    r"(?<![\w.-]){id}[`'\"”)]?,? " + _MISSING,
    r"(?<![\w.-]){id}[`'\"”]? model is not (?:supported|available)",
    r"(?:unknown|invalid|no such|unrecognized|unsupported|missing) model(?: name| id)?s?"
    r"(?: passed in model)?"
    r"[:=\s(`'\"]{{1,4}}{id}(?![\w/-])",
    r"\bmodel(?: id| name)?[ :]+(?:is )?not[ _]?(?:found|exist\w*)[:\s(`'\"]{{1,4}}{id}(?![\w/-])",
    r"(?:find|not found|access(?: to)?|endpoints found for|providers for|pull)(?: the)?(?: model)?"
    r"[:\s`'\"]{{1,3}}{id}(?![\w/-])",
    r"^models?[:=\s`'\"]{{1,4}}{id}[`'\"]?\.?$",
)


class Lack(StrEnum):
    """What a hop has too little of for a request; another may have more."""

    CONTEXT = "context"
    IMAGES = "images"


@dataclass(frozen=True, slots=True)
class Meant:
    """What a refusal means: a reason; or `unfit`, this hop cannot take this request, with what it
    lacks where that is known; or neither, the caller's own fault.

    `reach` is set where the refusal is about more or less than its reason usually is.
    """

    reason: FailureReason | None = None
    unfit: bool = False
    lack: Lack | None = None
    reach: Reach | None = None


_CALLERS = Meant()
_UNFIT = Meant(unfit=True)


def meaning_of(asked: ModelRef, status: int, error: ErrorBody, text: str) -> Meant:
    """Return what an answer means whose status is no success.

    `asked` is the provider's id and the model's, empty where it is not known; `text` is the whole
    body. A redirect is a `bad_response`:
    the base URL is not the API's, and a key is sent to no other host than the configured one.
    """
    seen = _Seen.of(error, text)
    lack = seen.lack
    if lack is not None and status not in (401, 402):
        return Meant(unfit=True, lack=lack)
    if status >= 500 or status in _PASSING:
        return Meant(_R.SERVER_ERROR)
    if not 400 <= status < 500:
        return Meant(_R.BAD_RESPONSE)
    if seen.says(Meaning.REQUEST):
        return _UNFIT
    flagged = asked.provider == "openrouter" and error.metadata.keys() & {
        "flagged_input",
        "reasons",
    }
    if flagged or seen.says(Meaning.CONTENT):
        return _CALLERS
    limited = _limits(asked.provider, status, error, seen, text)
    if limited is not None:
        return Meant(limited, reach=_reach(limited, error, seen, asked.name))
    if seen.says(Meaning.REGION) and not seen.says(Meaning.MODEL):
        return Meant(_R.AUTH)
    return _key_or_model(status, error, seen, text, asked.name)


def page_meaning(status: int) -> Meant:
    """Return what an error means that came as a web page, from something before the API."""
    if status == 413:
        return _UNFIT
    by_status = {401: _R.AUTH, 402: _R.BILLING, 429: _R.RATE_LIMIT}
    return Meant(by_status.get(status, _R.SERVER_ERROR if status >= 400 else _R.BAD_RESPONSE))


def names_route(text: str) -> bool:
    """Return whether a 404's words are about the address instead of the model."""
    return _found(Meaning.ROUTE, text[:_READ_CHARACTERS].lower())


def names_lack(error: ErrorBody) -> Lack | None:
    """Return what an error says that the model has too little of."""
    return _Seen.of(error, "").lack


@dataclass(frozen=True, slots=True)
class _Seen:
    """A refusal's words, in lower case and without what they quote, and its codes.

    `upstream` is what the host behind a router said: its money and its limits are not ours.
    """

    said: str
    names: frozenset[str]
    upstream: str = ""

    @classmethod
    def of(cls, error: ErrorBody, text: str) -> _Seen:
        message = (error.message or text)[:_READ_CHARACTERS]
        reasons = (words(row.get("reason")).lower() for row in error.details)
        return cls(_plain(message), error.names | frozenset(reasons), _plain(error.upstream))

    def says(self, meaning: Meaning) -> bool:
        """Return whether a literal of the table is here."""
        return bool(self.names & _CODES.get(meaning, frozenset())) or _found(meaning, self.said)

    def coded(self, meaning: Meaning) -> bool:
        """Return whether a code of the table is here."""
        return bool(self.names & _CODES.get(meaning, frozenset()))

    @property
    def lack(self) -> Lack | None:
        """What the model has too little of."""
        if self.says(Meaning.CONTEXT) or _found(Meaning.CONTEXT, self.upstream):
            return Lack.CONTEXT
        images = self.says(Meaning.IMAGES) or _found(Meaning.IMAGES, self.upstream)
        return Lack.IMAGES if images else None


def _limits(
    provider_id: str, status: int, error: ErrorBody, seen: _Seen, text: str
) -> FailureReason | None:
    """Tell an empty account from a limit that passes; a time to wait wins over money."""
    quota = _quota_ids(error)
    if _IN_FLIGHT in text:
        return _R.RATE_LIMIT
    spent = any(name.endswith("spend_limit_exceeded") for name in seen.names)
    if seen.coded(Meaning.MONEY) or spent or (status == 429 and "PerDay" in quota):
        return _R.BILLING
    money = status == 402 or seen.says(Meaning.MONEY)
    if provider_id == "openrouter" and status == 403:
        money = money or "limit_source" in error.metadata or "limit exceeded" in seen.said
    if money:
        waits = seen.says(Meaning.WAIT) or "PerMinute" in quota
        return _R.RATE_LIMIT if waits else _R.BILLING
    if status == 429 or (status == 498 and provider_id == "groq") or seen.says(Meaning.RATE):
        return _R.RATE_LIMIT
    return None


def _reach(reason: FailureReason, error: ErrorBody, seen: _Seen, model: str) -> Reach | None:
    """Tell whether a limit is the whole account's, or an account's limit one model's."""
    named = bool(model) and model.lower() in error.message.lower()
    if reason is _R.BILLING:
        return Reach.MODEL if "PerModel" in _quota_ids(error) else None
    about_model = named or " model" in seen.said or "PerModel" in _quota_ids(error)
    return Reach.KEY if seen.says(Meaning.ACCOUNT) and not about_model else None


def _key_or_model(status: int, error: ErrorBody, seen: _Seen, text: str, model: str) -> Meant:
    if seen.coded(Meaning.MODEL):
        return Meant(_R.MODEL_NOT_FOUND)
    if status == 401 or (status in (400, 422) and seen.says(Meaning.AUTH)):
        return Meant(_R.AUTH)
    if _names_model(seen.said, error.message or text, model):
        return Meant(_R.MODEL_NOT_FOUND)
    if status == 403:
        return _UNFIT if _OTHER_THING.search(seen.said) else Meant(_R.AUTH)
    if status in (404, 410):
        return _absent(error, text)
    if status == 413:
        return _UNFIT
    return _CALLERS if status in _CALLERS_STATUSES else Meant(_R.BAD_RESPONSE)


def _absent(error: ErrorBody, text: str) -> Meant:
    """Tell a wrong address from something of this one request that is not there."""
    if names_route(text) or _NO_FITTING_HOST.search(error.message):
        return Meant(_R.BAD_RESPONSE)
    return _UNFIT if error.envelope else Meant(_R.BAD_RESPONSE)


def _names_model(said: str, message: str, model: str) -> bool:
    """Return whether it is the asked model that is missing, and nothing else of the request."""
    message = message[:_READ_CHARACTERS]
    if _found(Meaning.MODEL, said):
        return True
    if _OTHER_THING.search(said) and not _MODELISH.search(said):
        return False
    return any(form.search(message.strip()) for form in _forms(model))


@lru_cache(maxsize=200)
def _forms(model: str) -> tuple[re.Pattern[str], ...]:
    ids = sorted({model, model.rpartition("/")[2]} - {""}, key=len, reverse=True)
    id_ = f"(?:{'|'.join(re.escape(one) for one in ids)})" if ids else _ANY_MODEL
    return tuple(re.compile(form.format(id=id_), re.IGNORECASE) for form in _FORMS)


def _plain(message: str) -> str:
    return _PREFIX.sub("", _QUOTED.sub("…", message).strip()).lower()


def _quota_ids(error: ErrorBody) -> str:
    return " ".join(
        words(table(violation).get("quotaId"))
        for row in error.details
        for violation in rows(row.get("violations"))
    )


def _found(meaning: Meaning, said: str) -> bool:
    return any(one in said for one in _WORDS.get(meaning, ())) or said.startswith(
        _STARTS.get(meaning, ())
    )


def _grouped(*, code: bool = False, start: bool = False) -> Mapping[Meaning, tuple[str, ...]]:
    return {
        meaning: tuple(
            one.words
            for one in LITERALS
            if one.meaning is meaning and (one.code, one.start) == (code, start)
        )
        for meaning in Meaning
    }


_CODES = {meaning: frozenset(found) for meaning, found in _grouped(code=True).items()}
_WORDS = _grouped()
_STARTS = _grouped(start=True)
