"""/fallback status, test, events, mute, unmute: the chain at work."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from bot.alerts.mute import QuietHours
from bot.card import Card, Caution, Command
from bot.commands.context import Context
from bot.commands.data import (
    chain_data,
    event_data,
    incident_data,
    limits_data,
    sentence,
    warnings_data,
)
from bot.commands.fallback_retry import prove, still_cooling
from bot.commands.model_read import status_warnings
from bot.commands.registry import Args
from bot.commands.snapshot import StatusSnapshot, load_snapshot, price_of, surroundings
from bot.config.naming import resolve
from bot.config.plan import in_models
from bot.costs.pricing import cost_usd
from bot.dialects.options import REMEMBERED, SAMPLES
from bot.durations import in_force, parse_deadline, parse_duration
from bot.errors import NothingToDoError, StorageError
from bot.messages import cautions
from bot.messages.chain import skip_words, unasked_words
from bot.messages.fallback import (
    ChainTestRun,
    FormatTest,
    TestRow,
    acknowledged_card,
    answered,
    asking,
    chain_card,
    events_card,
    hint_for,
    muted_card,
    quiet_line,
    serving,
    spoken,
    staying_lines,
    test_card,
    unmuted_card,
)
from bot.messages.limits import limit_cautions, limit_lines
from bot.models import Dialect
from bot.ports import ChainTest
from bot.ports.alerts import ChannelTrouble
from bot.routing.chain import AllowRule, Hop, allow_rule, lone_hop
from bot.routing.probe import HopVerdict, probe, target_of

DEFAULT_EVENTS = timedelta(days=1)
MOST_EVENTS = 50


async def status(ctx: Context, args: Args) -> Card:
    """Show the chain as it will really be walked, cool-downs, open incidents and the mute."""
    snapshot = await load_snapshot(ctx)
    known = snapshot.known
    troubles = await _troubles(ctx)
    warnings = [*status_warnings(ctx, snapshot), *cautions.deaf_channels(troubles)]
    muted = known.muted_until
    quiet = ctx.settings.quiet_hours
    data = {
        "chain": chain_data(snapshot),
        "formats": [
            {
                "model": str(hop.ref or hop.written),
                "dialects": [d for d in SAMPLES if spoken(hop, d)],
            }
            for hop in snapshot.hops
        ],
        **limits_data(snapshot),
        "muted_until": muted,
        "quiet_hours": f"{quiet[0]:%H:%M}-{quiet[1]:%H:%M}" if quiet else None,
        "incidents": [incident_data(row, ctx.now) for row in known.incidents],
        "staying": [{"model": m, "conversations": n} for m, n in known.staying.items()],
        "channels_in_trouble": [
            {"surface": one.surface, "since": one.since, "message": one.message} for one in troubles
        ],
        "warnings": warnings_data(warnings),
    }
    return chain_card(
        snapshot.hops,
        snapshot.prices,
        known.incidents,
        muted,
        tuple(warnings),
        ctx.now,
        data,
        [
            *limit_lines(known.limits, snapshot.ceiling),
            quiet_line(quiet, _quiet_until(ctx, ctx.now)),
            *staying_lines(known.staying),
        ],
    )


async def test(ctx: Context, args: Args) -> Card:
    """Ask every hop of the chain, or the models named, for real and all at once."""
    tested = await run_test(ctx, args.words("models"))
    return test_card(tested, _test_data(tested))


async def run_test(ctx: Context, models: tuple[str, ...] = ()) -> ChainTestRun:
    """Ask every hop of the chain, or `models`; end the cool-downs of those that answer.

    Raises:
        ChangeoverError: there is nothing to ask, or the config or a model's name is wrong.
    """
    snapshot = await load_snapshot(ctx)
    hops = _asked(ctx, snapshot, models)
    if not hops:
        raise NothingToDoError("The chain is empty; nothing to test.", Command("model best"))
    say, timeout_s = ctx.ports.progress, ctx.settings.timeouts.probe_s
    if asked := sum(hop.unasked is None and hop.skip is None for hop in hops):
        say(asking(asked, timeout_s))
    started, used = ctx.ports.clock.now(), await _used(ctx)
    targets = [target_of(hop, ctx.settings.env) for hop in hops]
    verdicts, in_formats = await asyncio.gather(
        probe(
            targets,
            ctx.ports.upstream,
            ctx.ports.lists,
            timeout_s=timeout_s,
            told=lambda verdict: say(answered(verdict)),
        ),
        probe(
            [replace(t, dialect=d, options=names) for d, names in used.items() for t in targets],
            ctx.ports.upstream,
            None,
            timeout_s=timeout_s,
        ),
    )
    wall_ms = (ctx.ports.clock.now() - started).total_seconds() * 1000
    rows = [_row(ctx, snapshot, hop, verdict) for hop, verdict in zip(hops, verdicts, strict=True)]
    good = [row.hop for row in rows if row.verdict.verdict == "ok"]
    now = ctx.ports.clock.now()
    remaining = await prove(ctx, good, now)
    known = snapshot.known.cooldowns if remaining is None else remaining
    cooling = frozenset(hop.position for hop in good if still_cooling(hop, known, now))
    formats = []
    for number, (dialect, names) in enumerate(used.items()):
        asked_so = in_formats[number * len(hops) : (number + 1) * len(hops)]
        those = [_row(ctx, snapshot, hop, v) for hop, v in zip(hops, asked_so, strict=True)]
        formats.append(FormatTest(dialect, names, those, serving(those, cooling)))
    tested = ChainTestRun(
        rows=rows,
        wall_ms=wall_ms,
        named=bool(models),
        warnings=tuple(_test_warnings(ctx, snapshot, hops, bool(models))),
        cooling=cooling,
        formats=formats,
    )
    await _remember(ctx, tested)
    return tested


async def events(ctx: Context, args: Args) -> Card:
    """Show what fell back, when, why and to which model."""
    span = parse_duration(args.need("duration")) if args.text("duration") else DEFAULT_EVENTS
    found = await ctx.ports.log.events(ctx.now - span, MOST_EVENTS + 1)
    rows, more = found[:MOST_EVENTS], len(found) > MOST_EVENTS
    data = {"events": [event_data(row) for row in rows], "more": more}
    return events_card(rows, span, data, more=more)


async def mute(ctx: Context, args: Args) -> Card:
    """Send no alerts until then."""
    until = parse_deadline(args.need("duration"), ctx.now, ctx.settings.timezone)
    await ctx.ports.log.mute(until)
    return muted_card(until, ctx.actor, {"muted_until": until}, _quiet_until(ctx, until))


async def unmute(ctx: Context, args: Args) -> Card:
    """Send alerts again."""
    was = await ctx.ports.log.muted_until()
    await ctx.ports.log.mute(None)
    on = in_force(was, ctx.now) is not None
    return unmuted_card(on, ctx.actor, {"muted_until": None}, _quiet_until(ctx, ctx.now))


def _quiet_until(ctx: Context, at: datetime) -> datetime | None:
    """Return when the quiet hours end that `at` is in."""
    hours = ctx.settings.quiet_hours
    night = QuietHours(*hours, ctx.settings.timezone).at(at) if hours else None
    return night.end if night else None


async def _remember(ctx: Context, tested: ChainTestRun) -> None:
    """Keep a whole chain's verdict for the digest."""
    if tested.named:
        return
    answered = sum(row.verdict.verdict == "ok" for row in tested.rows)
    kept = ChainTest(
        ctx.now, tested.chain_ok, answered, len(tested.rows), tested.would_serve, ctx.actor.name
    )
    # The verdict is worth showing while the database is away.
    with suppress(StorageError):
        await ctx.ports.chain_tests.record(kept)


async def acknowledge(ctx: Context, args: Args) -> Card:
    """Record who acknowledged an incident, so that reminders stop."""
    incident = args.count("id") or 0
    if not await ctx.ports.alerts.acknowledge(incident, ctx.actor, ctx.now):
        raise NothingToDoError(
            f"Incident {incident} is closed or already acknowledged.",
            Command("fallback status"),
        )
    data = {"incident": incident, "acknowledged_by": ctx.actor.name}
    return acknowledged_card(incident, ctx.actor, data)


async def _troubles(ctx: Context) -> Sequence[ChannelTrouble]:
    try:
        return await ctx.ports.alerts.troubles()
    except StorageError:
        # The warnings say already that the database is away.
        return ()


async def _used(ctx: Context) -> dict[Dialect, frozenset[str]]:
    """Return the dialects that callers of the gateway used lately, with the options they sent."""
    try:
        used = await ctx.ports.log.used((ctx.now - REMEMBERED).date())
    except StorageError:
        return {}
    return {dialect: used[dialect] for dialect in SAMPLES if dialect in used}


def _asked(ctx: Context, snapshot: StatusSnapshot, words: tuple[str, ...]) -> list[Hop]:
    if not words:
        return [hop for hop in snapshot.hops if hop.skip != "repeated"]
    around = surroundings(ctx, snapshot.known)
    refs = dict.fromkeys(resolve(word, snapshot.view, ctx.catalog).ref for word in words)
    return [lone_hop(i, ref, snapshot.view, around) for i, ref in enumerate(refs)]


def _row(ctx: Context, snapshot: StatusSnapshot, hop: Hop, verdict: HopVerdict) -> TestRow:
    price = snapshot.price(hop)
    if price is None and hop.ref:
        price = price_of(ctx, hop.ref, snapshot.view)
    cost = cost_usd(verdict.usage, price) if verdict.usage else None
    return TestRow(
        hop=hop,
        verdict=verdict,
        cost_usd=cost,
        detail=verdict.detail or skip_words(hop, snapshot.hops) or unasked_words(hop),
        hint=hint_for(hop, verdict, snapshot.hops, snapshot.view),
    )


def _test_warnings(
    ctx: Context, snapshot: StatusSnapshot, hops: list[Hop], named: bool
) -> list[Caution]:
    view = snapshot.view
    rule = allow_rule(view, ctx.ports.store.location)
    found = [
        caution
        for hop in hops
        for caution in cautions.of_hop(hop, snapshot.hops, rule)
        if caution.code in ("not_allowed", "retired", "misspelt")
    ]
    if named and rule is not AllowRule.EXEMPT:
        found += [
            cautions.not_allowed(str(hop.ref))
            for hop in hops
            if hop.ref and not in_models(view, hop.ref)
        ]
    if not named:
        found += limit_cautions(snapshot.hops, snapshot.limits)
        found += cautions.losses(hops)
        found += cautions.local_only_in_name(snapshot.hops)
        found += cautions.unaccepted_formats(snapshot.hops)
    return found


def _test_data(tested: ChainTestRun) -> dict[str, Any]:
    return {
        "chain_ok": tested.chain_ok,
        "would_serve": tested.would_serve,
        "wall_ms": round(tested.wall_ms, 1),
        "cost_usd": tested.cost_usd,
        "hops": [_hop_data(row) for row in tested.rows],
        "dialects": [
            {
                "dialect": one.dialect,
                "options": sorted(one.options),
                "would_serve": one.would_serve,
                "hops": [_hop_data(row) for row in one.rows],
            }
            for one in tested.formats
        ],
        "warnings": warnings_data(tested.warnings),
    }


def _hop_data(row: TestRow) -> dict[str, Any]:
    return {
        "position": row.hop.position,
        "model": str(row.hop.ref) if row.hop.ref else row.hop.written,
        "verdict": row.verdict.verdict,
        "reason": row.verdict.reason,
        "status": row.verdict.status,
        "latency_ms": row.verdict.latency_ms,
        "cost_usd": row.cost_usd,
        "served_model": row.verdict.served_model,
        "detail": row.detail or None,
        "hint": sentence(row.hint),
    }
