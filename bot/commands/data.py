"""What `--json` puts in `data`: plain values, every figure as a number, absent ones null."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from bot.card import Caution, Phrase
from bot.commands.snapshot import StatusSnapshot
from bot.models import ModelFacts, Price
from bot.outage import down_time
from bot.ports import Change, FallbackEvent, IncidentRow
from bot.routing.chain import Hop
from bot.routing.limits import Over
from bot.spans import Sentence


def price_data(price: Price | None) -> dict[str, Any] | None:
    """Unit prices in USD per million tokens, with their source and date."""
    if price is None:
        return None
    return {
        "input_usd_per_1m": price.input_usd_per_1m,
        "output_usd_per_1m": price.output_usd_per_1m,
        "cached_input_usd_per_1m": price.cached_input_usd_per_1m,
        "cache_write_usd_per_1m": price.cache_write_usd_per_1m,
        "source": price.source,
        "as_of": price.as_of.isoformat() if price.as_of else None,
    }


def hop_data(hop: Hop, price: Price | None) -> dict[str, Any]:
    """One candidate of the chain."""
    facts = hop.facts
    return {
        "position": hop.position,
        "model": str(hop.ref) if hop.ref else hop.written,
        "written": hop.written,
        "preset": hop.preset,
        "provider": hop.provider.id if hop.provider else hop.ref.provider if hop.ref else None,
        "local": hop.private,
        "near": hop.near,
        "private": hop.private,
        "key_present": hop.key_present,
        "key_name": hop.key_name,
        "allowed": hop.allowed,
        "walked": hop.walked,
        "skip_reason": hop.skip,
        "over_limit": over_data(hop.over),
        "walker": hop.walker,
        "not_asked_by_gateway": hop.unasked,
        "cooldown_until": hop.cooldown.until if hop.cooldown else None,
        "cooldown_reason": hop.cooldown.reason if hop.cooldown else None,
        "context_window": facts.context_window if facts else None,
        "vision": facts.vision if facts else None,
        "tools": facts.tools if facts else None,
        **ending_data(facts),
        "price": price_data(price),
    }


def ending_data(facts: ModelFacts | None) -> dict[str, Any]:
    """When a model ends, by whom that is said, and what follows it."""
    days = {
        name: day.isoformat() if facts and (day := getattr(facts, name)) else None
        for name in ("retires_on", "retired_on", "withdrawn_on", "delisted_on")
    }
    dated = facts.date_as_of if facts and facts.retires_on else None
    return {
        **days,
        "retirement_source": (facts.date_source or None) if facts and dated else None,
        "retirement_as_of": dated.isoformat() if dated else None,
        "rerouted": bool(facts and facts.rerouted),
        "successor": str(facts.successor) if facts and facts.successor else None,
    }


def over_data(over: Over | None) -> dict[str, Any] | None:
    """The prices that were compared where a hop is over a limit, in USD per million tokens."""
    if over is None:
        return None
    return {"most_usd_per_1m": over.most_usd, "costs_usd_per_1m": over.costs_usd}


def limits_data(snapshot: StatusSnapshot) -> dict[str, Any]:
    """What limits the fallbacks: the team's word, and the model that a spent budget allows."""
    limit, ceiling = snapshot.known.limits.limit, snapshot.known.limits.ceiling
    return {
        "limit": limit.words if limit else None,
        "limit_set_by": limit.set_by if limit else None,
        "limit_set_at": limit.set_at if limit else None,
        "budget_ceiling": {"model": ceiling.model, "until": ceiling.until}
        if ceiling and snapshot.ceiling
        else None,
    }


def chain_data(snapshot: StatusSnapshot) -> list[dict[str, Any]]:
    """The whole chain, the primary at position 0."""
    return [hop_data(hop, snapshot.price(hop)) for hop in snapshot.hops]


def change_data(change: Change) -> dict[str, Any]:
    """One row of history."""
    return {
        "id": change.id,
        "at": change.at,
        "actor": change.actor_name,
        "actor_key": change.actor_key,
        "surface": change.surface,
        "action": change.action,
        "old": change.old,
        "new": change.new,
        "reason": change.reason or None,
        "reverts": change.reverts,
        "revision": change.revision,
        "diff": change.diff,
    }


def incident_data(row: IncidentRow, now: datetime) -> dict[str, Any]:
    """One incident."""
    return {
        "id": row.id,
        "state": row.state,
        "primary": row.primary,
        "reason": row.reason,
        "opened_at": row.opened_at,
        "resolved_at": row.resolved_at,
        "down_s": round(down_time([row], now).total_seconds()),
        "requests": row.requests,
        "served_by": row.served_by,
        "acknowledged_by": row.acknowledged_by,
    }


def event_data(event: FallbackEvent) -> dict[str, Any]:
    """One fallback event."""
    return {
        "at": event.at,
        "from": event.from_model,
        "to": event.to_model,
        "reason": event.reason,
        "request_id": event.request_id,
        "source": event.source,
    }


def warnings_data(warnings: Sequence[Caution]) -> list[dict[str, Any]]:
    """Warnings with their stable codes."""
    return [{"code": w.code, "text": Sentence(w.said), "hint": sentence(w.step)} for w in warnings]


def sentence(phrase: Phrase) -> Sentence | None:
    """Return words as data carries them; none where there are none."""
    return Sentence(phrase) if phrase else None


def ratio_data(ratio: Decimal | None) -> Decimal | None:
    """A price ratio to four places."""
    return None if ratio is None else ratio.quantize(Decimal("0.0001"))
