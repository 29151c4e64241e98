"""Trials by the thousand: how often one is stopped wrongly, and how soon rightly.

    scripts/bench trial [TRIALS]

Simulated trials, each of 120 stretches, judged by the rule that stops the real ones. Three worlds:
the candidate is just as good; it has twice the primary's errors (5 %); its first token takes 1.5
times as long (log-normal). In the fourth and fifth it is just as good and conversations are of many
turns, all of which are slow or fail together, which the rule does not know.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from math import exp
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bot.ports.trials import ArmFigures, TrialSlot  # noqa: E402
from bot.trials.decide import first_worse  # noqa: E402

TRIALS = 10_000
SLOTS = 120
MEDIAN_MS, SPREAD = 800.0, 0.5
ERRORS = 0.05


@dataclass(frozen=True, slots=True)
class World:
    """What is simulated: `turns` requests of a conversation share their luck."""

    name: str
    share: float = 0.25
    requests_a_slot: int = 20
    errors: float = 1.0
    latency: float = 1.0
    turns: int = 1


WORLDS = (
    World("no difference"),
    World("no difference, 10%", share=0.1),
    World("2 × errors", errors=2.0),
    World("1.5 × latency", latency=1.5),
    World("2 × errors, 10%", share=0.1, errors=2.0),
    World("1.5 × latency, 10%", share=0.1, latency=1.5),
    World("no difference, 5 turns alike", turns=5),
)


def main() -> int:
    """Print a line a world; return 1 if more than 1 % of equal candidates are stopped."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else TRIALS
    bad = False
    print(f"{trials:,} trials each, {SLOTS} stretches, {WORLDS[0].requests_a_slot} requests each")
    print("| world | share | stopped | candidate's requests until then, median | 90% |")
    print("|---|--:|--:|--:|--:|")
    for world in WORLDS:
        dice = random.Random(17)
        table = latencies(dice)
        at = [n for n in (one_trial(world, dice, table) for _ in range(trials)) if n is not None]
        stopped = len(at) / trials
        bad |= world.errors == world.latency == world.turns == 1 and stopped > 0.01
        when = f"{statistics.median(at):.0f} | {sorted(at)[int(len(at) * 0.9)]}" if at else "- | -"
        print(f"| {world.name} | {world.share:.0%} | {stopped:.2%} | {when} |", flush=True)
    return int(bad)


def latencies(dice: random.Random) -> list[float]:
    """Return a stock of first-token times to draw from."""
    return [MEDIAN_MS * exp(dice.gauss(0, SPREAD)) for _ in range(20_000)]


def one_trial(world: World, dice: random.Random, table: list[float]) -> int | None:
    """Return how many requests the candidate had when it was stopped; None if it never was."""
    slots = list(_slots(world, dice, table))
    found = first_worse(slots)
    if found is None:
        return None
    return sum(slot.candidate.asked for slot in slots[: found[1] + 1])


def _slots(world: World, dice: random.Random, table: list[float]) -> Iterator[TrialSlot]:
    many = world.requests_a_slot // world.turns
    for number in range(SLOTS):
        mine = sum(dice.random() < world.share for _ in range(many))
        yield TrialSlot(
            number,
            _arm(mine, world, dice, table, world.errors, world.latency),
            _arm(many - mine, world, dice, table, 1.0, 1.0),
        )


def _arm(
    many: int,
    world: World,
    dice: random.Random,
    table: list[float],
    errors: float,
    latency: float,
) -> ArmFigures:
    failed = sum(dice.random() < ERRORS * errors for _ in range(many))
    times = Counter(rounded(ms * latency) for ms in dice.choices(table, k=many - failed))
    turns = world.turns
    return ArmFigures(
        requests=many * turns,
        asked=many * turns,
        errors=failed * turns,
        times={ms: count * turns for ms, count in times.items()},
    )


def rounded(ms: float) -> int:
    """Round to three digits, as the ledger's sums do."""
    step = 1 if ms < 1000 else 10 if ms < 10_000 else 100
    return round(ms / step) * step


if __name__ == "__main__":
    sys.exit(main())
