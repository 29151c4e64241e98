"""OpenClaw's own count beside our ledger, where its RPC is configured."""

from __future__ import annotations

from datetime import datetime, timedelta

from adapters.openclaw.find import Reachable
from adapters.openclaw.rpc import connected
from bot.commands.doctor import Check, Level
from bot.errors import ChangeoverError
from bot.openclaw.usage_cost import agree, tokens_of
from bot.ports import Ledger
from bot.spans import Command, text

_DAYS = 7
_MOST_ATTEMPTS = 200_000


async def cross_check(
    settings: Reachable, ledger: Ledger, now: datetime, *, served: bool
) -> list[Check]:
    """Compare the tokens of the last week, by this machine's calendar as OpenClaw counts.

    `served` says that our gateway answers for it: that is in its count, and among our ledger's
    rows of the gateway.
    """
    if not settings.gateway_url:
        return []
    try:
        async with connected(settings.gateway_url, settings.gateway_token) as rpc:
            theirs = await rpc.usage_cost(_DAYS)
        today = now.astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        start = today - timedelta(days=_DAYS - 1)
        attempts = await ledger.attempts(start, now, _MOST_ATTEMPTS)
    except ChangeoverError as error:
        return [Check("openclaw_gateway", False, Level.WARNING, error.said, error.step)]
    ours = tokens_of(attempts)
    said = (
        f"In {_DAYS} days OpenClaw counted {theirs.tokens:,} tokens and ${theirs.cost_usd:,.4f}, "
        f"our ledger {ours:,} tokens"
    )
    if not theirs.fresh:
        words = f"{said}; OpenClaw is still counting."
        return [Check("openclaw_gateway", True, Level.INFO, words, Command("doctor", program=True))]
    if served and theirs.tokens > ours:
        words = f"{said}; the rest was served by our gateway."
        return [Check("openclaw_gateway", True, Level.INFO, words)]
    if agree(theirs.tokens, ours):
        return [Check("openclaw_gateway", True, Level.INFO, f"{said}: they agree.")]
    return [
        Check(
            "openclaw_gateway",
            False,
            Level.WARNING,
            f"{said}: they differ.",
            text(
                "Keep ",
                Command("run", program=True),
                " going, and check that openclaw_state is the folder it writes to.",
            ),
        )
    ]
