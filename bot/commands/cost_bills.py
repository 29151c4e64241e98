"""Reading what providers bill: once a day, meters more often."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta

from bot.commands.context import Context
from bot.costs.billed import NEAR_MIDNIGHT, metered
from bot.ports import Bill, BillAnswer, BillRead, BillSource

LOOK_BACK_DAYS = 8
"""Bills of the last days are read again, for providers add to them late."""

DAILY = timedelta(hours=20)
HOURLY = timedelta(minutes=50)
_DAY = timedelta(days=1)


async def read_bills(ctx: Context) -> list[BillAnswer]:
    """Ask every provider whose turn it is and store what it says; return the answers.

    Call it every hour or so. Providers that tell days are asked once a day; those whose meter has
    to be read are asked every hour, since a day's cost is the difference between two readings.

    Raises:
        StorageError: the database could not be asked or written.
    """
    reads = {read.provider: read for read in await ctx.ports.bill_log.reads()}
    due = [s for s in ctx.ports.bills if _is_due(reads.get(s.provider), s, ctx.now)]
    return [await _read(ctx, source) for source in due]


def _is_due(read: BillRead | None, source: BillSource, now: datetime) -> bool:
    if read is None or read.at > now:
        return True
    every = HOURLY if source.metered or read.trouble else DAILY
    return now - read.at >= every


async def _read(ctx: Context, source: BillSource) -> BillAnswer:
    today = ctx.now.astimezone(UTC).date()
    first = today - LOOK_BACK_DAYS * _DAY
    answer = await source.read(first, today, ctx.now)
    bills = list(answer.bills)
    trouble, hint = answer.trouble, answer.hint
    if answer.meter is not None:
        await ctx.ports.bill_log.add_reading(answer.meter)
        bills += await _from_meter(ctx, source.provider, first, today)
    await ctx.ports.ledger.add_bills(bills)
    await ctx.ports.bill_log.note(BillRead(source.provider, ctx.now, trouble, hint))
    return answer


async def _from_meter(ctx: Context, provider: str, first: date, end: date) -> Sequence[Bill]:
    start = datetime.combine(first, time(), tzinfo=UTC) - NEAR_MIDNIGHT
    readings = await ctx.ports.bill_log.readings(provider, start, ctx.now)
    days = [first + n * _DAY for n in range((end - first).days)]
    bills = [metered(readings, day, ctx.now) for day in days]
    return [bill for bill in bills if bill is not None]
