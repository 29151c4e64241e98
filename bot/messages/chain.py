"""A chain in words, hop by hop."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal

from bot.card import Code, Span, Strong, Text, When, WhenStyle, text
from bot.messages.retirement import end_words
from bot.messages.words import joined, money, per_million, unit
from bot.models import FailureReason, Price
from bot.outage import AlertReason
from bot.routing.chain import Hop, SkipReason
from bot.routing.limits import LimitKind, Over

REASONS = {
    FailureReason.RATE_LIMIT: "rate limited",
    FailureReason.SERVER_ERROR: "server error",
    FailureReason.TIMEOUT: "timed out",
    FailureReason.AUTH: "API key rejected",
    FailureReason.NETWORK: "unreachable",
    FailureReason.BILLING: "out of credit",
    FailureReason.MODEL_NOT_FOUND: "model not found",
    FailureReason.BAD_RESPONSE: "invalid response",
}

FAILS: Mapping[str, str] = {
    AlertReason.RATE_LIMIT: "is rate limited",
    AlertReason.SERVER_ERROR: "returns server errors",
    AlertReason.TIMEOUT: "times out",
    AlertReason.AUTH: "rejected the API key",
    AlertReason.NETWORK: "is unreachable",
    AlertReason.BILLING: "is out of credit",
    AlertReason.MODEL_NOT_FOUND: "was not found by its provider",
    AlertReason.BAD_RESPONSE: "returns invalid responses",
    AlertReason.CHAIN_EXHAUSTED: "has no working fallback",
    AlertReason.CONFIG_INVALID: "is invalid",
}

_SKIPS = {
    SkipReason.NOT_ALLOWED: "not in agents.defaults.models",
    SkipReason.UNKNOWN_PROVIDER: "unknown provider",
    SkipReason.UNSUPPORTED: "unsupported API",
    SkipReason.NOT_A_MODEL: "not a model",
    SkipReason.OURSELVES: "Changeover's own gateway",
    SkipReason.NOT_SERVED: "this OpenClaw release has no such model",
}
_OPENCLAW_ONLY = "OpenClaw only"


KEY_ELSEWHERE = "Write the key as ${VARIABLE} in the config, and set that in .env."
_PAGE = re.compile(r"https://openrouter\.ai/(?:settings|workspaces)/[\w/-]+")
_PRIVACY = "https://openrouter.ai/settings/privacy"


def settings_page(detail: str) -> str:
    """Return the page with the setting that bars a model, by what was refused; empty if none."""
    named = _PAGE.search(detail)
    if named:
        return named[0]
    return _PRIVACY if "data policy" in detail or "guardrail" in detail else ""


def skip_words(hop: Hop, hops: Sequence[Hop]) -> str:
    """Say why a hop is skipped; empty when it is not."""
    match hop.skip:
        case None | SkipReason.OVER_LIMIT | SkipReason.OVER_BUDGET:
            return over_words(hop.over) if hop.over else ""
        case SkipReason.NO_KEY:
            return f"no API key ({hop.key_name})"
        case SkipReason.KEY_ELSEWHERE:
            if ".request." in unreadable(hop):
                return f"only OpenClaw can use {unreadable(hop)}"
            return f"API key not readable here ({unreadable(hop)})"
        case SkipReason.UNSUPPORTED if hop.provider and hop.provider.api:
            return f"unsupported API ({hop.provider.api})"
        case SkipReason.REPEATED:
            first = next((other for other in hops if other.ref == hop.ref), hop)
            return f"duplicate of hop {first.position + 1}"
        case SkipReason.OPENCLAW_ONLY:
            return _OPENCLAW_ONLY
        case reason:
            return _SKIPS[reason]


def over_words(over: Over) -> str:
    """Say what a fallback is over, with the prices that were compared."""
    if over.limit is not None and over.limit.kind is LimitKind.PRIVATE:
        return "not private (limit: private)"
    if over.limit is not None and over.limit.kind is LimitKind.FREE:
        costs = "price unknown" if over.costs_usd is None else _blended(over.costs_usd)
        return f"not free ({costs}, limit: free)"
    what = f"over the {over.limit} limit" if over.limit else "over the spent budget's ceiling"
    if over.costs_usd is None:
        return f"{what} (price unknown)"
    if over.most_usd is None:
        return f"{what} (nothing to compare with: the first model's price is unknown)"
    return f"{what} ({_blended(over.most_usd)} → {_blended(over.costs_usd)})"


def _blended(usd: Decimal) -> str:
    """Write a price of three parts input to one part output; below a dollar with two figures."""
    return unit(usd.quantize(Decimal("0.01"), ROUND_HALF_UP)) if usd >= 1 else money(usd)


def key_step(hop: Hop, *, at_start: bool = True) -> str:
    """Say where the key belongs that a hop lacks."""
    if hop.profile:
        return f"{'Add' if at_start else 'add'} auth profile {hop.profile} where OpenClaw runs"
    return f"{'Set' if at_start else 'set'} {hop.key_name} in .env and restart"


def unasked_words(hop: Hop) -> str:
    """Say why only OpenClaw can ask a hop; empty when our gateway can as well."""
    match hop.unasked:
        case None:
            return ""
        case SkipReason.NO_KEY if hop.signed_in:
            return "OpenClaw's own sign-in"
        case SkipReason.NO_KEY:
            return f"no API key here ({hop.key_name})"
        case SkipReason.OURSELVES:
            return _SKIPS[SkipReason.OURSELVES]
        case _:
            return _OPENCLAW_ONLY


def unreadable(hop: Hop) -> str:
    """Name the config's key whose secret is kept in a store of OpenClaw's."""
    return (hop.provider and hop.provider.unreadable) or "a secret reference"


def state(hop: Hop, hops: Sequence[Hop], now: datetime) -> Text:
    """Say in a few words whether a hop would be asked."""
    if hop.skip is SkipReason.OPENCLAW_ONLY:
        return text(f"{_OPENCLAW_ONLY}: Changeover's gateway cannot call it")
    if hop.skip is not None:
        return text(f"skipped: {skip_words(hop, hops)}")
    cooling = hop.cooldown
    if cooling and cooling.holds(now):
        # A time more than a day away says nothing without its date.
        style = WhenStyle.DATE_TIME if cooling.until - now > timedelta(days=1) else WhenStyle.TIME
        return text(f"cooling down ({REASONS[cooling.reason]}) until ", When(cooling.until, style))
    if hop.facts and hop.facts.retired_on and not hop.facts.rerouted:
        return text(end_words(hop.facts))
    if hop.facts and hop.facts.misspelt:
        return text("not listed by its provider")
    ready = "ready, local" if hop.private else "ready"
    if hop.unasked is SkipReason.NO_KEY and not hop.signed_in:
        ready = unasked_words(hop)
    elif hop.unasked and hop.unasked is not SkipReason.OURSELVES:
        # Its sign-in may have ended: nothing here can tell.
        ready = f"{unasked_words(hop)}, not tested from here"
    elif hop.unasked:
        ready = f"{ready}, {unasked_words(hop)}"
    ending = end_words(hop.facts) if hop.facts else ""
    return text(f"{ready}, {ending}" if ending else ready)


def line(hop: Hop, hops: Sequence[Hop], now: datetime, price: Price | None) -> Text:
    """Write one hop: number, model, preset, state, price."""
    name = str(hop.ref) if hop.ref else hop.written
    spans: list[Span] = [Code(name)]
    if hop.preset:
        spans.append(hop.preset)
    head: Text = (f"{hop.position + 1} ", *joined(spans))
    return (*head, " · ", *state(hop, hops, now), " · ", per_million(price))


def headline(hop: Hop | None, price: Price | None) -> Text:
    """Write the primary as a title."""
    if hop is None:
        return text(Strong("No primary model set"))
    name = str(hop.ref) if hop.ref else hop.written
    spans: list[Span] = [Strong(hop.preset)] if hop.preset else []
    return joined([*spans, name, per_million(price)])
