"""Timed switches that are due: back they go, if the value is still theirs."""

from __future__ import annotations

from collections.abc import Sequence

from bot.card import Card
from bot.commands.context import Context
from bot.commands.picture import HISTORY
from bot.config.commit import Wish, carry_out
from bot.config.history import go_back
from bot.errors import ConfigLockedError, MovedOnError
from bot.messages.reverts import dropped_card, went_back_card
from bot.ports import Change, Revert, RevertState


async def run_due_reverts(ctx: Context) -> list[Card]:
    """Carry out every revert that is due and return what to tell the channel.

    Raises:
        ConfigError, StorageError: it could not be tried; it stays pending.
    """
    journal, location = ctx.ports.journal, ctx.ports.store.location
    due = [r for r in await journal.reverts(location) if r.due_at <= ctx.now]
    # The newest first, so that a switch inside a switch unwinds in order.
    cards = []
    for revert in sorted(due, key=lambda r: r.change_id, reverse=True):
        changes = await journal.changes(location, HISTORY)
        change = next((c for c in changes if c.id == revert.change_id), None)
        if change is None:
            await journal.close_revert(revert.id, RevertState.DROPPED)
            continue
        card = await _one(ctx, revert, change, changes)
        if card is not None:
            cards.append(card)
    return cards


async def _one(
    ctx: Context, revert: Revert, change: Change, changes: Sequence[Change]
) -> Card | None:
    journal = ctx.ports.journal
    reason = f"the time of change {change.id} is up"
    wish = Wish(ctx.actor, "revert", reason, go_back(change, changes))
    try:
        applied = await carry_out(ctx.ports.store, journal, wish, ctx.now)
    except ConfigLockedError:
        # Somebody is writing, maybe this very revert from another process: look again later.
        return None
    except MovedOnError as error:
        if await journal.close_revert(revert.id, RevertState.DROPPED):
            return dropped_card(change, error.message)
        return None
    if not await journal.close_revert(revert.id, RevertState.DONE) or not applied.changed:
        return None
    return went_back_card(change, applied.change_id, ctx.ports.store.location)
