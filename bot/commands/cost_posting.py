"""Posting the scheduled digest: exactly once a channel and week, whatever dies in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.card import Card
from bot.commands.context import Context
from bot.commands.cost_digest import weekly_card
from bot.costs.period import Span, week_before
from bot.costs.posting import (
    PATIENCE,
    WEEKLY,
    Posting,
    decide_posting,
    digest_mark,
    period_name,
)
from bot.errors import ChangeoverError, ChatError
from bot.messages.cost_digest import maybe_twice
from bot.ports import Chat, ChatHistory, DigestRow, MessageRef

Arm = Callable[[Card], Awaitable[Card]]
"""Gives a card's buttons their ids, as `App.arm` does."""

_SKEW = timedelta(days=1)
"""How far this machine's clock may be ahead of the channel's; the week's own words are looked for,
so looking back too far finds nothing wrong.
"""


@dataclass(frozen=True, slots=True)
class DigestChannel:
    """Where a digest goes; `key` names the channel for good (`slack:C123`).

    `history` is None for a place that cannot be looked back into, such as a log.
    """

    key: str
    chat: Chat
    history: ChatHistory | None = None


@dataclass(frozen=True, slots=True)
class DigestOutcome:
    """What became of a channel's digest: what was decided, the message, or what went wrong."""

    channel: str
    posting: Posting
    message: MessageRef | None = None
    trouble: ChangeoverError | None = None


async def post_due_digests(
    ctx: Context,
    channels: Sequence[DigestChannel],
    due_at: datetime,
    *,
    started_at: datetime,
    arm: Arm,
) -> list[DigestOutcome]:
    """Post the digest that was due at `due_at`, the schedule's last time, where it does not stand.

    Call it when the schedule says so, at start, and every few minutes: it does nothing where
    there is nothing to do, catches up what was missed, and settles what a crash left behind.
    `started_at` is when this service started. A channel's trouble does not keep the others from
    theirs.
    """
    period = week_before(due_at, ctx.settings.timezone)
    outcomes = []
    for channel in channels:
        try:
            outcome = await _one(ctx, channel, period, due_at, started_at, arm)
        except ChangeoverError as error:
            outcome = DigestOutcome(channel.key, Posting.WAIT, trouble=error)
        outcomes.append(outcome)
    return outcomes


async def _one(
    ctx: Context,
    channel: DigestChannel,
    period: Span,
    due_at: datetime,
    started_at: datetime,
    arm: Arm,
) -> DigestOutcome:
    digests, name = ctx.ports.digests, period_name(period, ctx.settings.timezone)
    row = await digests.find(WEEKLY, channel.key, name)
    first_at = await ctx.ports.ledger.first_at() if row is None else None
    decision = decide_posting(row, period, first_at, due_at, started_at, ctx.now)
    if decision is Posting.SETTLE and row is not None:
        return await _settle(ctx, channel, period, row, arm)
    if decision is not Posting.CLAIM:
        return DigestOutcome(channel.key, decision, row.message if row else None)
    # Made before the claim: what cannot be made claims nothing.
    card = await arm(await weekly_card(ctx, period))
    if not await digests.claim(WEEKLY, channel.key, name, ctx.now):
        return DigestOutcome(channel.key, Posting.WAIT)
    return await _post(ctx, channel, DigestRow(WEEKLY, channel.key, name, ctx.now), card)


async def _post(ctx: Context, channel: DigestChannel, row: DigestRow, card: Card) -> DigestOutcome:
    message = await channel.chat.post(card)
    await ctx.ports.digests.posted(row, message)
    return DigestOutcome(channel.key, Posting.CLAIM, message)


async def _settle(
    ctx: Context, channel: DigestChannel, period: Span, row: DigestRow, arm: Arm
) -> DigestOutcome:
    """Find out whether a claim without a message was posted; if not, post it."""
    found, certain = await _look_back(ctx, channel, period, row)
    if found is not None:
        await ctx.ports.digests.posted(row, found)
        return DigestOutcome(channel.key, Posting.SETTLE, found)
    card = await weekly_card(ctx, period)
    card = await arm(card if certain else maybe_twice(card))
    if not await ctx.ports.digests.take_over(row, ctx.now):
        return DigestOutcome(channel.key, Posting.WAIT)
    mine = DigestRow(row.kind, row.channel, row.period, ctx.now)
    return await _post(ctx, channel, mine, card)


async def _look_back(
    ctx: Context, channel: DigestChannel, period: Span, row: DigestRow
) -> tuple[MessageRef | None, bool]:
    """Return the message, if it stands there, and whether the answer is certain.

    Raises:
        ChatError: the channel would not say; it is asked again for a while.
    """
    if channel.history is None:
        return None, False
    since = min(row.claimed_at, ctx.now) - _SKEW
    try:
        mark = digest_mark(period, ctx.settings.timezone)
        return await channel.history.find(mark, since), True
    except ChatError:
        if timedelta() <= ctx.now - row.claimed_at < PATIENCE:
            raise
        return None, False
