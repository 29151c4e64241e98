"""`changeover doctor` tries the keys that are there to read bills, and nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from bot.catalog import Catalog
from bot.commands.doctor import Check, Level
from bot.ports import BillSource

_KEYS = ("OPENAI_ADMIN_KEY", "ANTHROPIC_ADMIN_KEY", "OPENROUTER_MANAGEMENT_KEY")
_DAY = timedelta(days=1)


async def examine_bills(env: Mapping[str, str], catalog: Catalog, now: datetime) -> list[Check]:
    """Ask each provider for yesterday's bill with the key that is set for that.

    A provider's ordinary key is not tried here: the chain's test does that.
    """
    if not any(env.get(name) for name in _KEYS):
        return []
    from adapters.providers.bills import bill_sources

    asked = [source for source in bill_sources(env, catalog) if not source.metered]
    return list(await asyncio.gather(*(_check(source, now) for source in asked)))


async def _check(source: BillSource, now: datetime) -> Check:
    today = now.astimezone(UTC).date()
    answer = await source.read(today - _DAY, today, now)
    name = f"bill_{source.provider}"
    if not answer.trouble:
        return Check(name, True, Level.INFO, f"The bill of {source.provider} can be read.")
    detail = f"The bill of {source.provider} cannot be read. {answer.trouble}"
    return Check(name, False, Level.WARNING, detail, answer.hint)
