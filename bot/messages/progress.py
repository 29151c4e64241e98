"""What a person at a terminal reads while a command runs."""

from __future__ import annotations

from bot.card import Code, Text, text
from bot.messages.chain import REASONS
from bot.messages.words import counted
from bot.models import FailureReason
from bot.routing.probe import HopVerdict


def asking(count: int, timeout_s: float) -> Text:
    """Say how many models are asked, and how long that may take."""
    return text(f"Testing {counted(count, 'model')} in parallel, up to {timeout_s:g} s …")


def answered(verdict: HopVerdict) -> Text:
    """Say what one model answered."""
    outcome = verdict.verdict
    said = f"failed: {REASONS[outcome]}" if isinstance(outcome, FailureReason) else outcome
    took = f", {verdict.latency_ms:.0f} ms" if verdict.latency_ms is not None else ""
    return text("  ", Code(str(verdict.ref)), f": {said}{took}")


def repriced(seen: int, changed: int) -> Text:
    """Say how many rows of the ledger were looked at."""
    return text(f"  {counted(seen, 'row')} checked, {changed:,} repriced …")
