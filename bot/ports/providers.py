"""Providers: requests, model lists, prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bot.models import FailureReason, ModelRef, Price, Provider, Secret
from bot.ports.lifecycles import ModelListing


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request to a provider; headers may hold a key, so it never shows itself."""

    url: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    method: str = "POST"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A whole answer. `failure` is set, and `status` 0, when there was none (`network`, `timeout`).

    `detail` says in a few words what the network did; `elapsed_s` is wall time.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    elapsed_s: float
    failure: FailureReason | None = None
    detail: str = ""


class Upstream(Protocol):
    """Sends one request to a provider over the gateway's own hot path."""

    async def fetch(self, request: HttpRequest, *, timeout_s: float) -> HttpAnswer:
        """Send it and read the answer, at most 1 MiB of it; what the network does is no error."""
        ...


class ModelLists(Protocol):
    """Asks providers which models they have (free of charge)."""

    async def models(self, provider: Provider, base_url: str, key: Secret | None) -> Sequence[str]:
        """Return the ids, empty when the provider would not say; never raises."""
        ...

    async def listing(self, provider: Provider, base_url: str, key: Secret | None) -> ModelListing:
        """Return the list with the dates that it gives; not complete unless all of it was read."""
        ...


class Prices(Protocol):
    """Unit prices: the operator's own, and those that are published."""

    def operator(self, ref: ModelRef) -> Price | None:
        """Return the price the operator set for a model."""
        ...

    def listed(self, ref: ModelRef, at: datetime) -> Price | None:
        """Return the published price in force at that time: genai-prices, else the catalog."""
        ...

    def sold(self, name: str, at: datetime) -> Price | None:
        """Return what the vendor of a model asks for it, by its name alone."""
        ...

    def knows(self, ref: ModelRef) -> bool:
        """Return whether the model's name is known, whatever it costs."""
        ...

    def context_window(self, ref: ModelRef) -> int | None:
        """Return the model's context window in tokens, if known."""
        ...
