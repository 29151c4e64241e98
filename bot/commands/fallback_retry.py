"""What ends cool-downs before their time: a good answer of a chain test, and /fallback retry."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from bot.card import Card
from bot.commands.context import Context
from bot.commands.registry import Args
from bot.commands.snapshot import load_snapshot, surroundings
from bot.config.naming import resolve
from bot.errors import StorageError
from bot.messages.fallback import retried_card
from bot.ports import Cooldown
from bot.routing.chain import Hop, lone_hop, scope_of
from bot.routing.cooldown import covering, ended, is_retry, proof, retry_of


async def retry(ctx: Context, args: Args) -> Card:
    """End cool-downs now in every process: all, or those of one model."""
    snapshot = await load_snapshot(ctx)
    log, word = ctx.ports.log, args.text("model")
    known = await log.cooldowns(ctx.now)
    hops: Sequence[Hop] = snapshot.hops
    model = ""
    if word:
        ref = resolve(word, snapshot.view, ctx.catalog).ref
        hops, model = [lone_hop(0, ref, snapshot.view, surroundings(ctx, snapshot.known))], str(ref)
    scopes = [scope for hop in hops if (scope := scope_of(hop))]
    names = dict.fromkeys(name for scope in scopes for name in scope.names)
    if not word:
        names |= dict.fromkeys(row.scope for row in known if not is_retry(row.scope))
    names[retry_of(model)] = None
    await log.set_cooldown(*(ended(name, ctx.now, by_hand=True) for name in names))
    over = [row for row in known if row.scope in names and row.holds(ctx.now)]
    data = {
        "ended": [
            {"scope": _public(row.scope), "reason": row.reason, "until": row.until} for row in over
        ]
    }
    told = [(_public(row.scope), row.reason) for row in over]
    return retried_card(told, model, ctx.actor, data)


async def prove(ctx: Context, hops: Iterable[Hop], at: datetime) -> Sequence[Cooldown] | None:
    """End the cool-downs of hops that have just answered; return the rows that remain.

    None when the database is away: then none is ended.
    """
    rows = [row for hop in hops if (scope := scope_of(hop)) for row in proof(scope, at)]
    try:
        await ctx.ports.log.set_cooldown(*rows)
        return await ctx.ports.log.cooldowns(at)
    except StorageError:
        return None


def still_cooling(hop: Hop, rows: Sequence[Cooldown], now: datetime) -> bool:
    """Return whether a hop would be passed over all the same."""
    scope = scope_of(hop)
    row = covering(scope, rows) if scope else None
    return row is not None and row.holds(now)


def _public(scope: str) -> str:
    return scope.rpartition("#")[0] or scope
