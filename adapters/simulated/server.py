"""One simulated provider as an HTTP server on loopback."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from aiohttp import web

from adapters.simulated import faults, models
from adapters.simulated.answers import Answer, Ask, PromptCache, compose
from adapters.simulated.breaker import Break, Breaker
from adapters.simulated.delivery import JSON, Delivery
from adapters.simulated.faults import Fault
from adapters.simulated.lists import Account, Listing, Scene
from adapters.simulated.providers import Spec
from adapters.simulated.surface import Surface, encode, invalid
from bot.models import AuthScheme, FailureReason
from bot.ports import Clock

Json = Any

_MOST_BYTES = 64 * 1024 * 1024
_LOST = frozenset({FailureReason.NETWORK, FailureReason.TIMEOUT})


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request as it arrived; header names are in lower case, `json` is None without JSON."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    json: Json = field(repr=False)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many chats were answered and how many failed, and the answered ones by model asked."""

    served: int
    failed: int
    by_model: Mapping[str, int]


class ProviderServer:
    """Serves one provider's endpoints in its own wire format."""

    def __init__(self, spec: Spec, breaker: Breaker, clock: Clock, latency_s: float) -> None:
        self.spec = spec
        self.base_url = ""
        self.last_request: SeenRequest | None = None
        self._breaker = breaker
        self._clock = clock
        self._delivery = Delivery(latency_s)
        self._account = Account()
        policy = models.CACHING.get(spec.id)
        self._cache = PromptCache(policy) if policy else None
        self._serial = 0
        self._failed = 0
        self._by_model: Counter[str] = Counter()
        self._runner: web.AppRunner | None = None

    @property
    def counts(self) -> Counts:
        """The chats so far."""
        return Counts(self._by_model.total(), self._failed, dict(self._by_model))

    async def start(self) -> None:
        """Listen on a free port of loopback."""
        app = web.Application(client_max_size=_MOST_BYTES)
        for surface in self.spec.chats:
            app.router.add_post(surface.path, partial(self._chat, surface))
        for listing in self.spec.listings:
            app.router.add_get(listing.path, partial(self._list, listing))
        # A handler that hangs has to end when its client goes.
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=0.5
        )
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.base_url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def close(self) -> None:
        """Drop whatever hangs, then stop listening."""
        self._delivery.close()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    # --- free endpoints --------------------------------------------------------------------

    async def _list(self, listing: Listing, request: web.Request) -> web.StreamResponse:
        self._remember(request, b"", None)
        broken = self._breaker.state(self.spec.id)
        reason = broken.reason if broken else None
        if reason is FailureReason.NETWORK:
            return await self._delivery.reset(request)
        if reason is FailureReason.TIMEOUT:
            return await self._delivery.hang(request)
        fault = self._key_fault(listing.schemes, listing.manners, request)
        fault = fault or self._listing_fault(listing, reason)
        if fault is not None:
            return self._delivery.refuse(listing.manners, fault, self._serial)
        scene = Scene(self._account, self._clock.now(), reason is FailureReason.BILLING)
        body = listing.body(scene)
        if isinstance(body, str):
            return web.Response(text=body)
        return web.Response(body=encode(body), content_type=JSON)

    def _listing_fault(self, listing: Listing, reason: FailureReason | None) -> Fault | None:
        """Describe what keeps a free endpoint from answering; most failures concern chats alone."""
        keyed = bool(listing.schemes)
        if reason is FailureReason.SERVER_ERROR or (reason is FailureReason.AUTH and keyed):
            return faults.said(self.spec.id, reason)
        return None

    # --- chats -----------------------------------------------------------------------------

    async def _chat(self, surface: Surface, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        body = _parsed(raw)
        self._remember(request, raw, body)
        self._serial += 1
        serial = self._serial
        broken = self._breaker.state(self.spec.id)
        ask = self._understand(surface, request, body)
        if broken and broken.reason in _LOST:
            self._failed += 1
            if broken.reason is FailureReason.NETWORK:
                return await self._delivery.reset(request)
            streams = isinstance(ask, Ask) and ask.stream
            return await self._delivery.hang(request, surface, streams=streams)
        if isinstance(ask, Ask):
            ask = self._admit(ask, broken)
        if isinstance(ask, Fault):
            self._failed += 1
            return self._delivery.refuse(surface, ask, serial)
        now = self._clock.now()
        answer = compose(self.spec.id, ask, self._cache, serial=serial, created=now)
        if broken:
            self._failed += 1
            return await self._spoil(surface, request, ask, answer)
        self._by_model[ask.model] += 1
        self._account.book(now, answer.cost_usd)
        if ask.stream:
            return await self._delivery.stream(
                surface, request, surface.stream(answer, ask), serial
            )
        document = encode(surface.whole(answer))
        return await self._delivery.whole(surface, request, document, serial)

    async def _spoil(
        self, surface: Surface, request: web.Request, ask: Ask, answer: Answer
    ) -> web.StreamResponse:
        """Send a 200 that is no answer."""
        fault = faults.said(self.spec.id, FailureReason.SERVER_ERROR, model=ask.model)
        if ask.stream:
            portions = surface.broken_stream(answer, fault)
            return await self._delivery.stream(surface, request, portions, answer.serial)
        document = surface.broken_whole(answer, fault)
        return await self._delivery.whole(surface, request, document, answer.serial)

    def _understand(self, surface: Surface, request: web.Request, body: Json) -> Ask | Fault:
        fault = self._key_fault(surface.schemes, surface, request)
        fault = fault or surface.headers_fault(request.headers)
        if fault is not None:
            return fault
        if not isinstance(body, dict):
            return invalid("The body is not a JSON object.")
        ask = surface.read(body, {**request.query, **request.match_info})
        if isinstance(ask, Fault):
            return ask
        return replace(ask, model=surface.resolve(ask.model))

    def _admit(self, ask: Ask, broken: Break | None) -> Ask | Fault:
        if broken and broken.reason is not FailureReason.BAD_RESPONSE:
            return faults.said(
                self.spec.id, broken.reason, model=ask.model, wait_s=broken.retry_after_s
            )
        if ask.model not in models.taken(self.spec.id):
            return faults.unknown_model(self.spec.id, ask.model)
        return ask

    def _key_fault(
        self, schemes: Iterable[AuthScheme], manners: Surface, request: web.Request
    ) -> Fault | None:
        if not schemes:
            return None
        presented = [key for scheme in schemes if (key := _key(request.headers, scheme))]
        if not presented:
            return manners.missing_key() or faults.missing_key(self.spec.id)
        if self.spec.key in presented:
            return None
        return faults.said(self.spec.id, FailureReason.AUTH)

    def _remember(self, request: web.Request, raw: bytes, body: Json) -> None:
        self.last_request = SeenRequest(
            method=request.method,
            path=request.path,
            query=dict(request.query),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=raw,
            json=body,
        )


def _key(headers: Mapping[str, str], scheme: AuthScheme) -> str:
    if scheme is AuthScheme.BEARER:
        kind, _, key = headers.get("Authorization", "").partition(" ")
        return key.strip() if kind.lower() == "bearer" else ""
    return headers.get(scheme.value, "")


def _parsed(raw: bytes) -> Json:
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        return None
