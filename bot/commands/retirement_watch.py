"""The retirement calendar: daily looks at the providers' lists, and a notice at each stage."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from bot.commands.context import Context
from bot.commands.cost_compare import alternatives
from bot.commands.cost_figures import SAMPLE, config_of
from bot.commands.retirements import steps_of
from bot.config.naming import resolve
from bot.config.schema import ConfigView
from bot.costs.period import ROLLING_WEEK, last
from bot.messages.retirement import retirement_line
from bot.models import Dialect, FailureReason, ModelFacts, ModelRef
from bot.ports import GroupBy, Spend
from bot.ports.alerts import Notice, NoticeKind, Outbox
from bot.ports.lifecycles import Lifecycle
from bot.routing.chain import ChainContext, Hop, lone_hop
from bot.routing.lifecycle import STAGES, believable, notice_key, observed, stage_of
from bot.routing.probe import HopVerdict, probe, target_of

LOOK_EVERY = timedelta(hours=20)
"""Daily, wherever in the day the service is started."""

MOST_NAMES = 3


async def look_at_lists(ctx: Context) -> None:
    """Read the lists whose turn it is, and keep what they say of the models in use.

    Raises:
        StorageError: the database could not be asked; the next look does what is left.
    """
    config = await config_of(ctx)
    hops: dict[str, list[Hop]] = {}
    for ref in sorted(await _watched(ctx, config)):
        hop = _hop(ctx, config, ref)
        if hop.provider is None or hop.skip is not None or hop.provider.custom:
            continue
        if not hop.provider.self_hosted:
            hops.setdefault(hop.provider.id, []).append(hop)
    for provider, those in hops.items():
        if await ctx.ports.lifecycles.claim(provider, ctx.now, ctx.now - LOOK_EVERY):
            await _look(ctx, provider, those)


async def _look(ctx: Context, provider_id: str, hops: Sequence[Hop]) -> None:
    """Read one provider's list; a list that cannot be read leaves everything as it was."""
    lifecycles, first = ctx.ports.lifecycles, hops[0]
    assert first.provider is not None
    base = ctx.settings.env.get(first.provider.base_url_env or "", "")
    listing = await ctx.ports.lists.listing(first.provider, base, first.key)
    whole = believable(listing, await lifecycles.size(provider_id))
    known = {row.ref: row for row in await lifecycles.rows()}
    found = []
    for hop in hops:
        assert hop.ref is not None
        row = known.get(hop.ref)
        own = not first.provider.moved
        seen = observed(hop.ref, row, listing, ctx.now, whole=whole, own=own)
        seen = await _asked(ctx, hop, seen)
        if seen is not None and seen != row:
            found.append(seen)
    await lifecycles.keep(provider_id, len(listing.models) if listing.complete else 0, found)


async def _asked(ctx: Context, hop: Hop, row: Lifecycle | None) -> Lifecycle | None:
    """Ask a model for one token where its end has come or it left the list: is it really gone?

    Gemini tells the dates of its models only in answers, so each is asked.
    """
    assert hop.ref is not None
    assert hop.provider is not None
    facts = ctx.catalog.informed([row] if row else []).on(ctx.now.date()).facts(hop.ref)
    due = facts.retires_on is not None and facts.retires_on <= ctx.now.date()
    gemini = hop.provider.id == "gemini"
    if facts.misspelt or not (due or facts.delisted_on or facts.refused_on or gemini):
        return row
    target = target_of(hop, ctx.settings.env)
    if gemini:
        target = replace(target, dialect=Dialect.GEMINI)
    (verdict,) = await _probe(ctx, [target])
    if verdict.verdict == "ok":
        row = replace(row or Lifecycle(hop.ref, ctx.now), answered_at=ctx.now, refused_at=None)
        if verdict.retires_on is not None:
            row = replace(
                row, retires_on=verdict.retires_on, dated=True, looked_at=ctx.now, withdrawn_on=None
            )
    elif verdict.verdict is FailureReason.MODEL_NOT_FOUND:
        row = row or Lifecycle(hop.ref, ctx.now)
        row = replace(row, refused_at=row.refused_at or ctx.now)
    return row


async def put_retirement_notices(ctx: Context, outbox: Outbox) -> None:
    """Put a notice for each stage that a model in use has come to; each is put once.

    Raises:
        StorageError: the database could not be asked.
    """
    config = await config_of(ctx)
    week = last(ROLLING_WEEK, ctx.now)
    groups = await ctx.ports.ledger.spend(week.start, week.end, GroupBy.MODEL)
    used = {ref: group for group in groups if (ref := ModelRef.parse(group.key))}
    steps = steps_of(ctx, config)
    reminders = {row.ref: row.remind_at for row in await ctx.ports.lifecycles.rows()}
    for ref in sorted(steps.keys() | used.keys()):
        facts, remind_at = ctx.catalog.facts(ref), reminders.get(ref)
        reminded = remind_at is not None and remind_at <= ctx.now
        stage = stage_of(facts, ctx.now.date(), snoozed=remind_at is not None and not reminded)
        key = notice_key(facts, stage, None) if stage else ""
        if key and reminded and await outbox.find(key):
            key = notice_key(facts, stage, remind_at)
        if key and not await outbox.find(key) and await _announced(facts, stage, outbox):
            use = _Use(ref, used.get(ref), steps.get(ref, ""))
            data = await _data(ctx, config, facts, stage, use)
            await outbox.put(Notice(key, NoticeKind.RETIREMENT, ctx.now, data))
        if reminded:
            await ctx.ports.lifecycles.remind(ref, ctx.now, None)


async def _announced(facts: ModelFacts, stage: str, outbox: Outbox) -> bool:
    """Return whether a stage is news: a date is withdrawn only for those who heard of it."""
    if stage != "withdrawn" or facts.withdrawn_on is None:
        return True
    announced = replace(facts, retires_on=facts.withdrawn_on, withdrawn_on=None)
    for days in STAGES:
        if await outbox.find(notice_key(announced, str(days), None)):
            return True
    return False


@dataclass(frozen=True, slots=True)
class _Use:
    """How a model is used: its week's spend, and the command that replaces it in the config."""

    ref: ModelRef
    spend: Spend | None
    step: str


async def _data(
    ctx: Context, config: ConfigView, facts: ModelFacts, stage: str, use: _Use
) -> dict[str, Any]:
    provider = ctx.catalog.provider(use.ref.provider)
    title = provider.title if provider else use.ref.provider
    callers, agents = await _users(ctx, use.ref) if use.spend else ([], [])
    return {
        "model": str(use.ref),
        "stage": stage,
        "line": retirement_line(facts, title, ctx.now.date()),
        "gone": facts.retired_on is not None and not facts.rerouted,
        "requests": use.spend.requests if use.spend else 0,
        "cost_nano": use.spend.cost_nano_usd if use.spend and not use.spend.unpriced else None,
        "callers": callers,
        "agents": agents,
        "in_config": bool(use.step),
        "successor": await _successor(ctx, config, facts, use),
        "moved": _moved_presets(ctx, config, facts) if stage != "withdrawn" else [],
    }


async def _successor(
    ctx: Context, config: ConfigView, facts: ModelFacts, use: _Use
) -> dict[str, Any] | None:
    """Ask the successor for one token and price the week's traffic on it."""
    if facts.successor is None or facts.withdrawn_on is not None:
        return None
    ref = ctx.catalog.current(facts.successor)
    target = target_of(_hop(ctx, config, ref), ctx.settings.env)
    (verdict,) = await _probe(ctx, [target])
    traffic = [use.spend] if use.spend else []
    (priced,) = alternatives(ctx, config, [(ref, None)], traffic, ())
    percent = priced.saving_percent
    return {
        "model": str(ref),
        "ok": verdict.verdict == "ok",
        "untested": verdict.reason if verdict.verdict in ("skipped", "not_tested") else None,
        "reason": verdict.reason,
        "ms": round(verdict.latency_ms) if verdict.latency_ms is not None else None,
        "nano": priced.nano if traffic else None,
        "saving_percent": str(percent) if traffic and percent is not None else None,
        "step": use.step.replace(str(facts.successor), str(ref)),
    }


async def _users(ctx: Context, ref: ModelRef) -> tuple[list[str], list[str]]:
    """Return the callers and agents of a model's newest requests, the most frequent first."""
    week = last(ROLLING_WEEK, ctx.now)
    rows = await ctx.ports.ledger.attempts(week.start, week.end, SAMPLE)
    of_model = [row for row in rows if row.model == ref]
    callers = Counter(row.caller for row in of_model if row.caller)
    agents = Counter(row.agent for row in of_model if row.agent)
    return [n for n, _ in callers.most_common(MOST_NAMES)], [
        n for n, _ in agents.most_common(MOST_NAMES)
    ]


def _moved_presets(ctx: Context, config: ConfigView, facts: ModelFacts) -> list[str]:
    """Return the catalog's presets that mean the successor by now; a team's alias stays."""
    named = ((word, resolve(word, config, ctx.catalog)) for word in ctx.catalog.presets)
    return [word for word, found in named if found.replaced == facts.ref]


async def _watched(ctx: Context, config: ConfigView) -> set[ModelRef]:
    """Return the models that the config names, traffic used or a preset means."""
    week = last(ROLLING_WEEK, ctx.now)
    groups = await ctx.ports.ledger.spend(week.start, week.end, GroupBy.MODEL)
    used = {ref for group in groups if (ref := ModelRef.parse(group.key))}
    presets = {preset.model for preset in ctx.catalog.presets.values()}
    return {*steps_of(ctx, config), *used, *presets}


def _hop(ctx: Context, config: ConfigView, ref: ModelRef) -> Hop:
    return lone_hop(0, ref, config, ChainContext(ctx.catalog, ctx.settings.env))


async def _probe(ctx: Context, targets: Sequence[Any]) -> list[HopVerdict]:
    timeout_s = ctx.settings.timeouts.probe_s
    return await probe(targets, ctx.ports.upstream, None, timeout_s=timeout_s)
