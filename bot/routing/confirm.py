"""What our own one-token probe says of a cool-down that real traffic began, or that lasts hours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

from bot.config.schema import ConfigView
from bot.models import FailureReason, ModelRef
from bot.ports import Cooldown
from bot.routing.chain import ChainContext, Hop, SkipReason, chain_of, lone_hop, scope_of
from bot.routing.cooldown import CONFIRMED, CooldownBook
from bot.routing.probe import HopVerdict

PROBE_EVERY = timedelta(minutes=10)


def settle(
    book: CooldownBook, hop: Hop, claimed: FailureReason, verdict: HopVerdict, now: datetime
) -> bool:
    """Make a cool-down last, or end it, by what a probe has found; return whether it ended.

    What the probe could not find out leaves the short cool-down as it is.
    """
    scope = scope_of(hop)
    if scope is None:
        return False
    found = verdict.verdict
    # Where only the model is missing, the key is known.
    disproved = found == "ok" or (found is FailureReason.MODEL_NOT_FOUND and claimed is not found)
    if disproved:
        book.prove(scope, now, disproved=claimed)
    if isinstance(found, FailureReason) and found in CONFIRMED:
        book.failed(scope, found, None, now)
    return disproved


def to_probe(
    rows: list[Cooldown], view: ConfigView, around: ChainContext, now: datetime
) -> list[tuple[Hop, FailureReason]]:
    """Return a hop for each cool-down that only a person or a provider ends, to ask it anew.

    Never one whose end its provider has named: until then it is known what it would say.
    """
    found: dict[str, tuple[Hop, FailureReason]] = {}
    for row in rows:
        if row.reason in CONFIRMED and row.holds(now) and not row.named:
            hop = next(_hops_of(row.scope, view, around), None)
            if hop is not None:
                found[row.scope] = hop, row.reason
    return list(found.values())


def _hops_of(name: str, view: ConfigView, around: ChainContext) -> Iterator[Hop]:
    """Yield the hops that a scope covers: of the chains first, else of the model or provider."""
    bare = name.rpartition("#")[0]
    hops: list[Hop] = []
    for choice in (view.default, *view.agents.values()):
        hops += chain_of(view, choice, replace(around, gateway=True))
    if any(hop.over and (scope := scope_of(hop)) and name in scope.names for hop in hops):
        # Over the fallback limit: not asked, for one token neither.
        hops = [hop for hop in hops if not hop.over]
    asked = ModelRef.parse(bare)
    refs = [asked] if asked else [ref for ref in around.catalog.models if ref.provider == bare]
    hops += [lone_hop(0, ref, view, around) for ref in refs]
    for hop in hops:
        scope = scope_of(hop)
        if hop.skip in (None, SkipReason.REPEATED) and scope and name in scope.names:
            yield replace(hop, skip=None)
