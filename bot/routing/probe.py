"""The chain test: every hop is asked at once for one token, as the gateway would ask it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any, Literal

from bot.dialects.answer import served_model
from bot.dialects.endpoint import auth_headers, endpoint_url
from bot.dialects.options import sample_of
from bot.dialects.retirement import retirement_of
from bot.dialects.usage import read_usage
from bot.dialects.wire import load_json
from bot.errors import SettingsError
from bot.models import Dialect, FailureReason, ModelRef, Provider, Secret, Usage
from bot.ports import HttpAnswer, HttpRequest, Json, ModelLists, Upstream
from bot.routing.chain import Hop, SkipReason
from bot.routing.failure import OK, Outcome, Verdict, classify, route_missing
from bot.routing.near import nearest
from bot.routing.redact import redact

OTHER_FORMAT = "other_format"
"""Why a hop is left alone that does not speak the dialect of a test."""

_ASKED = [{"role": "user", "content": "Hi"}]
_LIMITS = ("max_tokens", "max_completion_tokens")
_NATIVE = (Dialect.GEMINI, Dialect.OLLAMA)
# A thinking model that spends the one token on thinking makes some servers complain, but it ran.
_RAN_OUT = b"max_tokens or model output limit was reached"


@dataclass(frozen=True, slots=True)
class ProbeTarget:
    """One hop to ask, or (with `skip`, the reason) to leave alone.

    `theirs` says that OpenClaw asks it all the same. With a `dialect` it is asked as callers of
    that one do, with our own values for the `options` that they send.
    """

    position: int
    ref: ModelRef
    provider: Provider | None
    base_override: str | None = None
    key: Secret | None = None
    skip: str | None = None
    theirs: bool = False
    dialect: Dialect | None = None
    options: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class HopVerdict:
    """What asking one hop gave.

    `reason` is the failure's or the skip's; `latency_ms` is the answering request's own time, and
    `near` the model that was probably meant when this one is not there, `retires_on` the end that
    the answer announces. `detail` is the
    provider's or the network's word, without secrets.
    """

    position: int
    ref: ModelRef
    verdict: FailureReason | Literal["ok", "skipped", "not_tested"]
    reason: str | None = None
    status: int | None = None
    latency_ms: float | None = None
    usage: Usage | None = None
    served_model: str | None = None
    detail: str = ""
    near: str | None = None
    retires_on: date | None = None


@dataclass(slots=True)
class _Asked:
    """The last answer to a hop's probe, and the dialect it was asked in."""

    dialect: Dialect
    answer: HttpAnswer
    verdict: Verdict


def target_of(hop: Hop, env: Mapping[str, str]) -> ProbeTarget:
    """Return what to ask of a hop."""
    provider = hop.provider
    base = None
    if provider is not None:
        base = env.get(provider.base_url_env or "") or provider.config_base_url
    return ProbeTarget(
        position=hop.position,
        ref=hop.ref or ModelRef("", hop.written),
        provider=provider,
        base_override=base,
        key=hop.key,
        skip=str(hop.skip or hop.unasked) if hop.skip or hop.unasked else None,
        theirs=hop.unasked is not None and hop.skip in (None, SkipReason.OPENCLAW_ONLY),
    )


async def probe(
    targets: Sequence[ProbeTarget],
    upstream: Upstream,
    lists: ModelLists | None,
    *,
    timeout_s: float,
    told: Callable[[HopVerdict], None] = lambda verdict: None,
) -> list[HopVerdict]:
    """Ask every target at once, each within `timeout_s`; the verdicts are in the same order.

    `told` gets each verdict as it comes. Without `lists` no model is looked for that was probably
    meant.
    """

    async def one(target: ProbeTarget) -> HopVerdict:
        verdict = await _probe_one(target, upstream, lists, timeout_s)
        told(verdict)
        return verdict

    return await asyncio.gather(*map(one, targets))


def probe_body(provider: Provider, dialect: Dialect, model: str) -> dict[str, Any]:
    """Return the smallest request that proves a model answers.

    One token, where the provider allows so few: OpenAI's thinking models and OpenRouter's hosts
    want some more.
    """
    if dialect is Dialect.GEMINI:
        contents = [{"role": "user", "parts": [{"text": "Hi"}]}]
        return {"contents": contents, "generationConfig": {"maxOutputTokens": 1}}
    if dialect is Dialect.RESPONSES:
        return {"model": model, "input": "Hi", "max_output_tokens": 16, "store": False}
    body: dict[str, Any] = {"model": model, "messages": _ASKED}
    if dialect is Dialect.OLLAMA:
        return body | {"stream": False, "options": {"num_predict": 1}}
    if provider.id == "openai" and dialect is Dialect.OPENAI:
        return body | {"max_completion_tokens": 16}
    body["max_tokens"] = 16 if provider.id == "openrouter" else 1
    if provider.id == "deepseek":
        body["thinking"] = {"type": "disabled"}
    return body


async def _probe_one(
    target: ProbeTarget, upstream: Upstream, lists: ModelLists | None, timeout_s: float
) -> HopVerdict:
    provider, skip = target.provider, target.skip
    if target.theirs:
        return HopVerdict(target.position, target.ref, "not_tested", skip)
    if skip is not None or provider is None:
        return HopVerdict(target.position, target.ref, "skipped", skip or "unknown_provider")
    if not provider.endpoints:
        return HopVerdict(target.position, target.ref, "skipped", "unsupported")
    if target.dialect and target.dialect not in provider.endpoints:
        return HopVerdict(target.position, target.ref, "skipped", OTHER_FORMAT)
    unaskable = _unaskable(target, provider)
    if unaskable is not None:
        reason, detail = unaskable
        return HopVerdict(target.position, target.ref, reason, reason, detail=detail)
    hop = _Hop(target, provider, upstream, timeout_s)
    verdict = hop.verdict(await hop.ask())
    if verdict.verdict is not FailureReason.MODEL_NOT_FOUND or lists is None:
        return verdict
    return replace(verdict, near=await hop.near(lists))


def _unaskable(target: ProbeTarget, provider: Provider) -> tuple[FailureReason, str] | None:
    """Explain why a hop's address or key cannot even be sent."""
    dialect = next(iter(provider.endpoints))
    try:
        endpoint_url(provider, dialect, target.base_override, target.ref.name)
    except SettingsError as error:
        return FailureReason.NETWORK, error.message
    try:
        auth_headers(provider, dialect, target.key)
    except SettingsError as error:
        return FailureReason.AUTH, error.message
    return None


@dataclass(slots=True)
class _Hop:
    """One hop under test, and the time it has left."""

    target: ProbeTarget
    provider: Provider
    upstream: Upstream
    left_s: float

    async def ask(self) -> _Asked:
        """Ask as the gateway would; where that address is not there, in the native format."""
        if self.target.dialect is not None:
            return await self._ask(self.target.dialect)
        first = next(iter(self.provider.endpoints))
        asked = await self._ask(first)
        native = next((d for d in _NATIVE if d in self.provider.endpoints), first)
        answer = asked.answer
        missing = answer.failure is None and route_missing(
            answer.status, answer.headers, answer.body, self.target.ref.name
        )
        if native is first or not missing or self.left_s <= 0:
            return asked
        return await self._ask(native)

    def verdict(self, asked: _Asked) -> HopVerdict:
        """Put the last answer into a hop's verdict."""
        target, verdict, answer = self.target, asked.verdict, asked.answer
        found = HopVerdict(
            position=target.position,
            ref=target.ref,
            verdict="ok",
            status=answer.status or None,
            latency_ms=answer.elapsed_s * 1000,
            detail=verdict.detail,
        )
        if verdict.ok:
            body = _json(answer.body)
            return replace(
                found,
                usage=read_usage(asked.dialect, self.provider.id, body),
                served_model=served_model(asked.dialect, body),
                retires_on=retirement_of(body)[0],
            )
        # Our request is right and names nothing but a model: who calls it wrong is not in order.
        absent = verdict.outcome is Outcome.UNFIT and answer.status in (404, 410)
        usual = FailureReason.MODEL_NOT_FOUND if absent else FailureReason.BAD_RESPONSE
        reason = verdict.reason or usual
        return replace(found, verdict=reason, reason=reason)

    async def near(self, lists: ModelLists) -> str | None:
        """Look for the model that was probably meant, in what is left of the time."""
        if self.left_s <= 0:
            return None
        asked = lists.models(self.provider, self.target.base_override or "", self.target.key)
        try:
            ids = await asyncio.wait_for(asked, self.left_s)
        except TimeoutError:
            return None
        return nearest(self.target.ref.name, ids)

    async def _ask(self, dialect: Dialect) -> _Asked:
        body = sample_of(dialect, self.target.options)
        body |= probe_body(self.provider, dialect, self.target.ref.name)
        asked = await self._send(dialect, body)
        other = _with_other_limit(body, asked)
        if other is None or self.left_s <= 0:
            return asked
        return await self._send(dialect, other)

    async def _send(self, dialect: Dialect, body: dict[str, Any]) -> _Asked:
        target = self.target
        url = endpoint_url(self.provider, dialect, target.base_override, target.ref.name)
        headers = auth_headers(self.provider, dialect, target.key)
        headers |= {"content-type": "application/json", "accept": "application/json"}
        request = HttpRequest(url, headers, json.dumps(body).encode())
        answer = await self.upstream.fetch(request, timeout_s=self.left_s)
        self.left_s -= answer.elapsed_s
        return _Asked(dialect, answer, self._judged(dialect, answer))

    def _judged(self, dialect: Dialect, answer: HttpAnswer) -> Verdict:
        secrets = [self.target.key] if self.target.key else []
        if answer.failure is not None:
            detail = redact(answer.detail, secrets)
            return Verdict(Outcome.FAILED, answer.failure, detail=detail)
        if answer.status == 400 and _RAN_OUT in answer.body:
            return OK
        return classify(
            ModelRef(self.provider.id, self.target.ref.name),
            dialect,
            answer.status,
            answer.headers,
            answer.body,
            secrets=secrets,
        )


def _with_other_limit(body: dict[str, Any], asked: _Asked) -> dict[str, Any] | None:
    """Return the request with the limit's other name, when its name was the complaint."""
    sent = next((name for name in _LIMITS if name in body), None)
    if sent is None or asked.verdict.outcome not in (Outcome.CALLER, Outcome.UNFIT):
        return None
    if sent.encode() not in asked.answer.body:
        return None
    other = next(name for name in _LIMITS if name != sent)
    return {key: value for key, value in body.items() if key != sent} | {other: 16}


def _json(body: bytes) -> Json:
    try:
        return load_json(body)
    except ValueError:
        return None
