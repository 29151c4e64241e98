"""What each provider says when it refuses: status, words, codes, headers.

Only the words are here; the envelope around them belongs to the endpoint (`Surface.error`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.models import FailureReason

_R = FailureReason


@dataclass(frozen=True, slots=True)
class Fault:
    """An error a provider answers with.

    `type`, `param` and `code` are OpenAI's fields; `details` are Gemini's, or OpenRouter's
    `metadata` as its only element. Endpoints take what their envelope has room for.
    """

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    details: tuple[Mapping[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """What a fault's wording depends on."""

    model: str
    wait_s: int


_Said = Mapping[FailureReason, Fault]


def said(provider: str, reason: FailureReason, *, model: str = "", wait_s: int = 30) -> Fault:
    """Return how the provider words a failure.

    Raises:
        KeyError: the reason is not one that is said in words (timeout, network, bad_response).
    """
    return _SAID[provider](Case(model or "the model", wait_s))[reason]


def unknown_model(provider: str, model: str) -> Fault:
    """Return the answer to a model id the provider has never had, or has no more."""
    if provider == "openrouter":
        return Fault(400, f"{model} is not a valid model ID")
    return said(provider, _R.MODEL_NOT_FOUND, model=model)


def missing_key(provider: str) -> Fault:
    """Return the answer to a request that carries no key at all."""
    return _MISSING_KEY.get(provider) or said(provider, _R.AUTH)


def _anthropic(case: Case) -> _Said:
    waiting = {"retry-after": str(case.wait_s), "anthropic-ratelimit-requests-remaining": "0"}
    return {
        _R.RATE_LIMIT: Fault(
            429, "This request would exceed your organization's rate limit.", headers=waiting
        ),
        _R.SERVER_ERROR: Fault(529, "Overloaded", headers={"x-should-retry": "true"}),
        _R.AUTH: Fault(401, "invalid x-api-key", headers={"x-should-retry": "false"}),
        _R.BILLING: Fault(
            400,
            "Your credit balance is too low to access the Anthropic API. "
            "Please go to Plans & Billing to upgrade or purchase credits.",
        ),
        _R.MODEL_NOT_FOUND: Fault(404, f"model: {case.model}"),
    }


def _no_access(model: str) -> Fault:
    message = f"The model `{model}` does not exist or you do not have access to it."
    return Fault(404, message, code="model_not_found")


def _openai(case: Case) -> _Said:
    waiting = {"retry-after": str(case.wait_s), "retry-after-ms": str(case.wait_s * 1000)}
    return {
        _R.RATE_LIMIT: Fault(
            429,
            f"Rate limit reached for {case.model} on requests per min (RPM): Limit 500, "
            f"Used 500, Requested 1. Please try again in {case.wait_s}s.",
            type="requests",
            code="rate_limit_exceeded",
            headers=waiting,
        ),
        _R.SERVER_ERROR: Fault(
            500, "The server had an error while processing your request.", type="server_error"
        ),
        _R.AUTH: Fault(401, "Incorrect API key provided.", code="invalid_api_key"),
        _R.BILLING: Fault(
            429,
            "You exceeded your current quota, please check your plan and billing details.",
            type="insufficient_quota",
            code="insufficient_quota",
        ),
        _R.MODEL_NOT_FOUND: _no_access(case.model),
    }


def _openrouter(case: Case) -> _Said:
    upstream = {"raw": f"{case.model} is overloaded upstream", "provider_name": "Anthropic"}
    limited = {**upstream, "raw": f"{case.model} is temporarily rate-limited upstream"}
    return {
        _R.RATE_LIMIT: Fault(
            429,
            "Provider returned error",
            headers={"Retry-After": str(case.wait_s)},
            details=(limited,),
        ),
        _R.SERVER_ERROR: Fault(502, "Provider returned error", details=(upstream,)),
        _R.AUTH: Fault(401, "User not found."),
        _R.BILLING: Fault(
            402, "Insufficient credits. Add more using https://openrouter.ai/settings/credits"
        ),
        _R.MODEL_NOT_FOUND: Fault(404, f"No endpoints found for {case.model}."),
    }


def _deepseek(case: Case) -> _Said:
    code = "invalid_request_error"
    return {
        _R.RATE_LIMIT: Fault(
            429,
            "Rate limit reached for requests",
            type="rate_limit_error",
            code="rate_limit_error",
            headers={"Retry-After": str(case.wait_s)},
        ),
        _R.SERVER_ERROR: Fault(
            503,
            "Service is too busy. Please try again later.",
            type="service_unavailable_error",
            code="service_unavailable_error",
        ),
        _R.AUTH: Fault(
            401,
            "Authentication Fails, Your api key: ****demo is invalid",
            type="authentication_error",
            code=code,
        ),
        _R.BILLING: Fault(402, "Insufficient Balance", type="unknown_error", code=code),
        _R.MODEL_NOT_FOUND: Fault(400, "Model Not Exist", code=code),
    }


def _groq(case: Case) -> _Said:
    return {
        _R.RATE_LIMIT: Fault(
            429,
            f"Rate limit reached for model `{case.model}` on tokens per minute (TPM): "
            f"Limit 12000, Used 12000. Please try again in {case.wait_s}s.",
            type="tokens",
            code="rate_limit_exceeded",
            headers={"retry-after": str(case.wait_s)},
        ),
        _R.SERVER_ERROR: Fault(
            503, f"{case.model} is currently over capacity.", type="internal_server_error"
        ),
        _R.AUTH: Fault(401, "Invalid API Key", code="invalid_api_key"),
        _R.BILLING: Fault(
            402, "The organization's spend limit is reached.", code="spend_limit_exceeded"
        ),
        _R.MODEL_NOT_FOUND: _no_access(case.model),
    }


_GOOGLE = "type.googleapis.com/google.rpc."


def _gemini(case: Case) -> _Said:
    def quota(window: str, *more: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
        violation = {
            "quotaMetric": "generativelanguage.googleapis.com/generate_content_requests",
            "quotaId": f"GenerateRequestsPer{window}PerProjectPerModel",
            "quotaDimensions": {"location": "global", "model": case.model},
            "quotaValue": "1000",
        }
        return ({"@type": f"{_GOOGLE}QuotaFailure", "violations": [violation]}, *more)

    retry = {"@type": f"{_GOOGLE}RetryInfo", "retryDelay": f"{case.wait_s}s"}
    invalid = {
        "@type": f"{_GOOGLE}ErrorInfo",
        "reason": "API_KEY_INVALID",
        "domain": "googleapis.com",
        "metadata": {"service": "generativelanguage.googleapis.com"},
    }
    exceeded = "You exceeded your current quota, please check your plan and billing details."
    return {
        _R.RATE_LIMIT: Fault(429, exceeded, details=quota("Minute", retry)),
        _R.SERVER_ERROR: Fault(503, "The model is overloaded. Please try again later."),
        _R.AUTH: Fault(400, "API key not valid. Please pass a valid API key.", details=(invalid,)),
        _R.BILLING: Fault(429, exceeded, details=quota("Day")),
        _R.MODEL_NOT_FOUND: Fault(
            404,
            f"models/{case.model} is not found for API version v1beta, or is not supported for "
            "generateContent. Call ListModels to see the available models.",
        ),
    }


def _ollama(case: Case) -> _Said:
    return {
        _R.RATE_LIMIT: Fault(
            429,
            "you have reached your session usage limit, upgrade for higher limits",
            headers={"Retry-After": str(case.wait_s)},
        ),
        _R.SERVER_ERROR: Fault(500, "llama runner process has terminated: exit status 2"),
        _R.AUTH: Fault(401, "unauthorized"),
        _R.BILLING: Fault(402, "this model requires a subscription, upgrade for access"),
        _R.MODEL_NOT_FOUND: Fault(404, f"model '{case.model}' not found"),
    }


_SAID: Mapping[str, Callable[[Case], _Said]] = {
    "anthropic": _anthropic,
    "openai": _openai,
    "openrouter": _openrouter,
    "deepseek": _deepseek,
    "groq": _groq,
    "gemini": _gemini,
    "ollama": _ollama,
}

_MISSING_KEY = {
    "anthropic": Fault(401, "x-api-key header is required"),
    "openai": Fault(401, "You didn't provide an API key."),
    "openrouter": Fault(401, "No auth credentials found"),
    "deepseek": Fault(
        401,
        "Authentication Fails (auth header format should be Bearer sk-...)",
        type="authentication_error",
        code="invalid_request_error",
    ),
    "gemini": Fault(
        403,
        "Method doesn't allow unregistered callers (callers without established identity). "
        "Please use API Key or other form of API consumer identity to call this API.",
    ),
}
