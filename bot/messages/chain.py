"""How a chain is told, hop by hop."""

from __future__ import annotations

from datetime import datetime

from bot.card import Code, Span, Strong, Text, When, text
from bot.messages.words import joined, per_million
from bot.models import FailureReason, Price
from bot.routing.chain import Hop, SkipReason

REASONS = {
    FailureReason.RATE_LIMIT: "rate limited",
    FailureReason.SERVER_ERROR: "server error",
    FailureReason.TIMEOUT: "timed out",
    FailureReason.AUTH: "key refused",
    FailureReason.NETWORK: "not reachable",
    FailureReason.BILLING: "out of credit",
    FailureReason.MODEL_NOT_FOUND: "model not found",
    FailureReason.BAD_RESPONSE: "unusable answer",
}

SKIPS = {
    SkipReason.NOT_ALLOWED: "skipped: not in agents.defaults.models",
    SkipReason.UNKNOWN_PROVIDER: "skipped: unknown provider",
    SkipReason.UNSUPPORTED: "skipped: its api is not supported",
    SkipReason.NOT_A_MODEL: "skipped: not a model",
    SkipReason.REPEATED: "skipped: stands above already",
    SkipReason.OURSELVES: "skipped: this gateway itself",
}


def state(hop: Hop, now: datetime) -> Text:
    """Say in a few words whether a hop would be asked."""
    if hop.skip is SkipReason.NO_KEY:
        return text(f"skipped: no key, {hop.key_name} is not set")
    if hop.skip is not None:
        return text(SKIPS[hop.skip])
    if hop.cooldown and hop.cooldown.until > now:
        return text(
            f"cooling down ({REASONS[hop.cooldown.reason]}) until ", When(hop.cooldown.until)
        )
    if hop.facts and hop.facts.retired_on:
        return text(f"retired {hop.facts.retired_on}")
    if hop.facts and hop.facts.misspelt:
        return text("unknown to its provider")
    ready = "ready, local" if hop.local else "ready"
    if hop.facts and hop.facts.retires_on:
        return text(f"{ready}, retires {hop.facts.retires_on}")
    return text(ready)


def line(hop: Hop, now: datetime, price: Price | None) -> Text:
    """Write one hop: number, model, preset, state, price."""
    name = str(hop.ref) if hop.ref else hop.written
    spans: list[Span] = [Code(name)]
    if hop.preset:
        spans.append(hop.preset)
    head: Text = (f"{hop.position + 1} ", *joined(spans))
    return (*head, " · ", *state(hop, now), " · ", per_million(price))


def headline(hop: Hop | None, price: Price | None) -> Text:
    """Write the primary as a title."""
    if hop is None:
        return text(Strong("No primary model is set"))
    name = str(hop.ref) if hop.ref else hop.written
    spans: list[Span] = [Strong(hop.preset)] if hop.preset else []
    return joined([*spans, name, per_million(price)])
