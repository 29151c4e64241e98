"""/fallback limit: what no fallback may cost, or where it may not run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from bot.card import Action, Card, Command, text
from bot.commands.context import Context
from bot.commands.data import chain_data, limits_data, warnings_data
from bot.commands.registry import Args
from bot.commands.snapshot import StatusSnapshot, load_known, load_snapshot, snapshot_of
from bot.durations import shorten
from bot.errors import ConfirmationNeededError, StorageError, UsageError
from bot.messages.limits import LimitWords, limit_card, limit_cautions, limit_question, none_left
from bot.ports import StoredLimit, StoredLimits
from bot.routing.limits import MOST_RATIO, parse_limit

CONFIRM_FOR = timedelta(minutes=5)


async def limit(ctx: Context, args: Args) -> Card:
    """Show, set or lift the limit; ask first where it would leave no fallback."""
    word = args.text("amount")
    snapshot = await load_snapshot(ctx)
    old = snapshot.known.limits.limit
    if word is None:
        if (error := snapshot.known.error) is not None:
            raise StorageError(error.said, error.step)
        return _card(ctx, snapshot, old, changed=False)
    new = None if word.strip().lower() == "off" else _stored(ctx, word)
    after = _with(ctx, snapshot, new)
    if new is not None and none_left(after.hops) and not ctx.action.confirmed:
        return _question(ctx, after, new)
    place = ctx.ports.store.location
    await ctx.ports.log.set_limit(place, new)
    known = await load_known(ctx)
    return _card(
        ctx, snapshot_of(ctx, snapshot.present, known), old, changed=_words(old) != _words(new)
    )


def _stored(ctx: Context, word: str) -> StoredLimit:
    parsed = parse_limit(word)
    if parsed is None:
        raise UsageError(
            f"{shorten(word)!r} is not a limit.",
            text(
                f"Use a ratio up to {MOST_RATIO}x, free, private or off: ",
                Command("fallback limit 2x"),
            ),
        )
    return StoredLimit(str(parsed), ctx.actor.name, ctx.now)


def _with(ctx: Context, snapshot: StatusSnapshot, new: StoredLimit | None) -> StatusSnapshot:
    """Return the chain as it would be walked under another limit."""
    limits = StoredLimits(new, snapshot.known.limits.ceiling)
    return snapshot_of(ctx, snapshot.present, replace(snapshot.known, limits=limits))


def _question(ctx: Context, after: StatusSnapshot, new: StoredLimit) -> Card:
    action = Action(
        ctx.action.words,
        confirmed=True,
        only=ctx.actor.key,
        expires_at=ctx.now + CONFIRM_FOR,
        once=True,
    )
    card = limit_question(after.hops, new, action, CONFIRM_FOR, _data(ctx, after, changed=False))
    error = ConfirmationNeededError(
        f"The {new.words} limit leaves no fallback. Nothing has changed yet.",
        text("Confirm with ", Command(f"{ctx.action.words} --yes", program=True)),
    )
    return replace(card, error=error.info, exit_code=error.exit_code)


def _card(
    ctx: Context, snapshot: StatusSnapshot, old: StoredLimit | None, *, changed: bool
) -> Card:
    words = LimitWords(
        hops=snapshot.hops,
        stored=snapshot.known.limits,
        ceiling=snapshot.ceiling,
        old=_words(old),
        changed=changed,
        actor=ctx.actor,
        warnings=tuple(limit_cautions(snapshot.hops, snapshot.limits)),
        now=ctx.now,
    )
    data = _data(ctx, snapshot, changed=changed) | {"old": _words(old)}
    return limit_card(words, data)


def _words(limit: StoredLimit | None) -> str | None:
    return limit.words if limit else None


def _data(ctx: Context, snapshot: StatusSnapshot, *, changed: bool) -> dict[str, Any]:
    return {
        "changed": changed,
        **limits_data(snapshot),
        "chain": chain_data(snapshot),
        "warnings": warnings_data(limit_cautions(snapshot.hops, snapshot.limits)),
    }
