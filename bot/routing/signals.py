"""What providers' refusals mean: status and words → reason, with their exceptions by provider."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from bot.dialects.error_body import ErrorBody
from bot.dialects.wire import rows, table, words
from bot.models import FailureReason

_R = FailureReason

_CALLERS = frozenset({400, 411, 413, 414, 415, 422, 431, 451})
_PASSING = frozenset({408, 409, 423, 424, 425})
_NO_MONEY_NAMES = frozenset(
    {"insufficient_quota", "credit_balance_exhausted", "billing_error"}
    | {"billing_hard_limit_reached", "billing_not_active"}
)
_NO_MONEY = re.compile(
    r"credit balance is too low|reached your specified api usage limits|enable billing"
    r"|insufficient (?:credits|balance)",
    re.IGNORECASE,
)
_BUDGET = re.compile(r"limit exceeded|budget|spend|insufficient|credits", re.IGNORECASE)
_BAD_KEY = re.compile(r"api key (?:not valid|expired|not found)|invalid api key", re.IGNORECASE)
_BAD_KEY_NAMES = frozenset({"invalid_api_key", "authentication_error", "unauthenticated"})
_NO_MODEL_NAMES = frozenset({"model_not_found", "model_decommissioned"})
_NO_MODEL = re.compile(
    r"model[ _]not[ _](?:exist|found)|not a valid model|(?:unknown|invalid|no such) model\b"
    r"|\bmodels?[ /:]+[`'\"]?[\w./:@-]+[`'\"]?,? (?:is |was |has been |does )?"
    r"(?:not exist|not found|decommissioned|retired|deprecated|no longer)",
    re.IGNORECASE,
)
_NO_ROUTE = re.compile(
    r"invalid url|unknown (?:request )?url|page not found|cannot (?:get|post)\b|no route",
    re.IGNORECASE,
)
# OpenRouter: the model is there, none of its hosts may or can take this request.
_NO_FITTING_HOST = re.compile(
    r"no (?:allowed )?(?:endpoints|providers)\b.{0,40}(?:that support|matching|available)",
    re.IGNORECASE,
)
_TOO_LONG_NAMES = frozenset({"context_length_exceeded"})
_TOO_LONG = re.compile(
    r"maximum context length|prompt is too long|exceeds? the (?:available )?context|context window",
    re.IGNORECASE,
)
_IN_FLIGHT = "openrouter_in_flight_budget"


def reason_of(provider_id: str, status: int, error: ErrorBody, text: str) -> FailureReason | None:
    """Return why a request failed whose status is no success; None for the caller's own fault.

    `text` is the whole body. A redirect is a `bad_response`: the base URL is not the API's, and
    a key is sent to no other host than the one that was configured.
    """
    if status >= 500:
        too_long = error.envelope and _names_length(error)
        return None if too_long else _R.SERVER_ERROR
    if status in _CALLERS:
        return _refused(error)
    if status in _PASSING:
        return _R.SERVER_ERROR
    rule = _RULES.get(status)
    return rule(provider_id, error, text) if rule else _R.BAD_RESPONSE


def page_reason(status: int) -> FailureReason:
    """Return what an error means that came as a web page, from something before the API."""
    by_status = {401: _R.AUTH, 402: _R.BILLING, 429: _R.RATE_LIMIT}
    return by_status.get(status, _R.SERVER_ERROR if status >= 400 else _R.BAD_RESPONSE)


def names_route(text: str) -> bool:
    """Decide whether a 404's words are about the address instead of the model."""
    return _NO_ROUTE.search(text) is not None


def _refused(error: ErrorBody) -> FailureReason | None:
    """Look behind a 400: some providers put a bad key, an empty account or a wrong model there."""
    if _names_length(error):
        return None
    reasons = {words(row.get("reason")) for row in error.details}
    if (
        "API_KEY_INVALID" in reasons
        or error.names & _BAD_KEY_NAMES
        or _BAD_KEY.search(error.message)
    ):
        return _R.AUTH
    if _no_money(error) or _NO_MONEY.search(error.message):
        return _R.BILLING
    if error.names & _NO_MODEL_NAMES or _NO_MODEL.search(error.message):
        return _R.MODEL_NOT_FOUND
    return _R.RATE_LIMIT if "rate_limit_exceeded" in error.names else None


def _unauthorized(provider_id: str, error: ErrorBody, text: str) -> FailureReason | None:
    return _R.AUTH


def _unpaid(provider_id: str, error: ErrorBody, text: str) -> FailureReason | None:
    return _R.RATE_LIMIT if _IN_FLIGHT in text else _R.BILLING


def _forbidden(provider_id: str, error: ErrorBody, text: str) -> FailureReason | None:
    if error.names & _NO_MODEL_NAMES:
        return _R.MODEL_NOT_FOUND
    if _no_money(error):
        return _R.BILLING
    if provider_id == "openrouter":
        if "flagged_input" in error.metadata or "reasons" in error.metadata:
            return None
        if "limit_source" in error.metadata or _BUDGET.search(error.message):
            return _R.BILLING
    return _R.AUTH


def _not_found(provider_id: str, error: ErrorBody, text: str) -> FailureReason | None:
    if names_route(text) or _NO_FITTING_HOST.search(error.message):
        return _R.BAD_RESPONSE
    named = error.envelope or "model" in text.lower() or provider_id == "ollama"
    return _R.MODEL_NOT_FOUND if named else _R.BAD_RESPONSE


def _gone(provider_id: str, error: ErrorBody, text: str) -> FailureReason | None:
    return _R.MODEL_NOT_FOUND if "model" in text.lower() else _R.BAD_RESPONSE


def _limited(provider_id: str, error: ErrorBody, text: str) -> FailureReason | None:
    return _R.BILLING if _no_money(error) or _quota_of_a_day(error) else _R.RATE_LIMIT


def _capacity(provider_id: str, error: ErrorBody, text: str) -> FailureReason | None:
    return _R.RATE_LIMIT if provider_id == "groq" else _R.BAD_RESPONSE


def _no_money(error: ErrorBody) -> bool:
    return any(
        name in _NO_MONEY_NAMES or name.endswith("spend_limit_exceeded") for name in error.names
    )


def _quota_of_a_day(error: ErrorBody) -> bool:
    return any(
        "PerDay" in words(table(violation).get("quotaId"))
        for row in error.details
        for violation in rows(row.get("violations"))
    )


def _names_length(error: ErrorBody) -> bool:
    return bool(error.names & _TOO_LONG_NAMES) or _TOO_LONG.search(error.message) is not None


_RULES: Mapping[int, Callable[[str, ErrorBody, str], FailureReason | None]] = {
    401: _unauthorized,
    402: _unpaid,
    403: _forbidden,
    404: _not_found,
    410: _gone,
    429: _limited,
    498: _capacity,
}
