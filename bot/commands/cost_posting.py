"""The scheduled digest in the outbox: once a week, gathered when it is posted."""

from __future__ import annotations

from datetime import date, datetime, timedelta

from bot.alerts.rendering import RenderedMessage
from bot.commands.context import Context
from bot.commands.cost_digest import weekly_card
from bot.costs.period import Span, midnight, week_before
from bot.costs.posting import digest_mark, is_worth_posting
from bot.ports.alerts import Notice, NoticeKind, Outbox

PATIENCE = timedelta(hours=1)
"""How long a channel that will not show its history is asked again before the digest comes anew."""

_WEEK = timedelta(days=7)


async def put_due_digest(
    ctx: Context, outbox: Outbox, due_at: datetime, *, started_at: datetime
) -> bool:
    """Put the digest that was due at `due_at` into the outbox; False where there is none to put.

    Call it when the schedule says so, at start, and every few minutes: it catches up what was
    missed. `started_at` is when this service started. Raises StorageError.
    """
    zone = ctx.settings.timezone
    period = week_before(due_at, zone)
    monday = period.start.astimezone(zone).date()
    if await outbox.find(_key(monday)) is not None:
        return False
    if not is_worth_posting(period, await ctx.ports.ledger.first_at(), due_at, started_at):
        return False
    data = {"monday": monday.isoformat()}
    return await outbox.put(Notice(_key(monday), NoticeKind.DIGEST, ctx.now, data))


async def digest_draft(ctx: Context, outbox: Outbox, notice: Notice) -> RenderedMessage | None:
    """Gather a digest as it is now; None once the next one has taken its place."""
    data = notice.data
    assert isinstance(data, dict)
    monday, zone = date.fromisoformat(str(data["monday"])), ctx.settings.timezone
    if await outbox.find(_key(monday + _WEEK)) is not None:
        return None
    period = Span(midnight(monday, zone), midnight(monday + _WEEK, zone))
    card = await weekly_card(ctx, period)
    return RenderedMessage(card, digest_mark(period, zone), patience=PATIENCE)


def _key(monday: date) -> str:
    return f"digest:{monday.isoformat()}"
