"""Trials by the thousand: how often one is stopped wrongly, and how soon rightly.

    scripts/bench trial [TRIALS]

Simulated trials of 120 stretches, judged by the rule that stops the real ones. The primary fails
5 % of its requests, and its first token takes 800 ms at the median (log-normal). In the last world
the candidate is just as good, and a conversation has up to 40 turns over several stretches: some
fail often, some are slow throughout.
"""

from __future__ import annotations

import random
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from math import exp
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from bot.ports.trials import ArmFigures, ClumpSums, TrialSlot  # noqa: E402
from bot.trials.compare import P95, clumps_of  # noqa: E402
from bot.trials.decide import LOOSE, Clumps, first_worse, totals  # noqa: E402
from bot.trials.evidence import quantile  # noqa: E402

TRIALS = 10_000
SLOTS = 120
MEDIAN_MS, SPREAD = 800.0, 0.5
ERRORS = 0.05
STOCK = 20_000
Dice = random.Random


@dataclass(frozen=True, slots=True)
class World:
    """What is simulated: how much worse the candidate is, its share, how many ask in a stretch.

    Of the trials only a `part`th is made.
    """

    name: str
    share: float = 0.25
    requests: int = 20
    part: int = 1
    errors: float = 1.0
    latency: float = 1.0


WORLDS = (
    World("no difference"),
    World("no difference", share=0.1, part=5),
    World("2 × errors", requests=100, errors=2.0),
    World("2 × errors", share=0.5, requests=100, errors=2.0, part=5),
    World("1.5 × latency", latency=1.5),
    World("1.5 × latency", share=0.1, latency=1.5, part=5),
)
TALKS = World("no difference, long conversations", part=5)


def main() -> int:
    """Print a line a world; return 1 if more than 1 % of equal candidates are stopped."""
    trials = int(sys.argv[1]) if len(sys.argv) > 1 else TRIALS
    print("| world | share | requests | trials | stopped | after (median) | after (90%) |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    bad = False
    for world in WORLDS:
        dice = Dice(17)
        stock = [rounded(MEDIAN_MS * exp(dice.gauss(0, SPREAD))) for _ in range(STOCK)]
        slow = [rounded(ms * world.latency) for ms in stock]
        bad |= report(world, trials, lambda w=world, d=dice, s=stock, t=slow: simple(w, d, s, t))
    dice = Dice(17)
    bad |= report(TALKS, trials, lambda: talks(TALKS, dice))
    return int(bad)


Trial = tuple[Iterable[TrialSlot], Clumps]


def report(world: World, trials: int, make: Callable[[], Trial]) -> bool:
    """Print how many trials were stopped and when; return whether that was wrong too often."""
    at = []
    trials = max(trials // world.part, 1)
    for _ in range(trials):
        slots, clumps = make()
        asked: list[int] = []
        if first_worse(_counted(slots, asked), clumps) is not None:
            at.append(sum(asked))
    stopped = len(at) / trials
    when = f"{statistics.median(at):,.0f} | {sorted(at)[int(len(at) * 0.9)]:,}" if at else "- | -"
    total = f"{world.requests * SLOTS:,} | {trials:,}"
    print(f"| {world.name} | {world.share:.0%} | {total} | {stopped:.2%} | {when} |", flush=True)
    return world.errors == world.latency == 1 and stopped > 0.01


def _counted(slots: Iterable[TrialSlot], asked: list[int]) -> Iterator[TrialSlot]:
    for slot in slots:
        asked.append(slot.candidate.asked)
        yield slot


def simple(world: World, dice: Dice, stock: list[int], slow: list[int]) -> Trial:
    """Make a trial in which each request has its own luck."""

    def arm(many: int, errors: float, times: list[int]) -> ArmFigures:
        failed = sum(dice.random() < ERRORS * errors for _ in range(many))
        good = Counter(dice.choices(times, k=many - failed))
        return ArmFigures(many, many, failed, times=good)

    def slots() -> Iterator[TrialSlot]:
        for number in range(SLOTS):
            mine = sum(dice.random() < world.share for _ in range(world.requests))
            yield TrialSlot(
                number,
                arm(mine, world.errors, slow),
                arm(world.requests - mine, 1.0, stock),
            )

    return slots(), LOOSE


@dataclass(frozen=True, slots=True)
class Turn:
    """One request of a conversation."""

    slot: int
    ms: int | None


def talks(world: World, dice: Dice) -> Trial:
    """Make a trial of conversations whose turns share a part of their luck."""
    arms: dict[bool, list[list[Turn]]] = {True: [], False: []}
    left = world.requests * SLOTS
    while left > 0:
        talk = list(_talk(dice))
        left -= len(talk)
        arms[dice.random() < world.share].append(talk)
    slots = [
        TrialSlot(n, mine, other)
        for n, (mine, other) in enumerate(
            zip(_by_slot(arms[True]), _by_slot(arms[False]), strict=True)
        )
    ]
    limit_ms = quantile(totals(slots)[1].times, P95).value
    return slots, clumps_of(*(_sums(arms[arm], limit_ms) for arm in (True, False)))


def _talk(dice: Dice) -> Iterator[Turn]:
    slot, failing = dice.randrange(SLOTS), 0.4 if dice.random() < 0.1 else ERRORS / 5
    pace = exp(dice.gauss(0, SPREAD * 0.7))
    for _ in range(min(int(dice.expovariate(1 / 8)) + 1, 40)):
        ms = rounded(MEDIAN_MS * pace * exp(dice.gauss(0, SPREAD * 0.7)))
        yield Turn(slot, None if dice.random() < failing else ms)
        slot = min(slot + dice.randrange(3), SLOTS - 1)


def _by_slot(talks: Iterable[list[Turn]]) -> list[ArmFigures]:
    turns: list[list[Turn]] = [[] for _ in range(SLOTS)]
    for talk in talks:
        for turn in talk:
            turns[turn.slot].append(turn)
    return [
        ArmFigures(
            len(there),
            len(there),
            sum(turn.ms is None for turn in there),
            times=Counter(turn.ms for turn in there if turn.ms is not None),
        )
        for there in turns
    ]


def _sums(talks: Iterable[list[Turn]], limit_ms: float) -> tuple[ClumpSums, ClumpSums]:
    failed = [(len(talk), sum(turn.ms is None for turn in talk)) for talk in talks]
    timed = [[turn.ms for turn in talk if turn.ms is not None] for talk in talks]
    slow = [(len(times), sum(ms > limit_ms for ms in times)) for times in timed]
    return _sum(failed), _sum(slow)


def _sum(pairs: Iterable[tuple[int, int]]) -> ClumpSums:
    all_, bad, squares, bad_squares, products = 0, 0, 0, 0, 0
    for many, wrong in pairs:
        all_, bad = all_ + many, bad + wrong
        squares, bad_squares = squares + many * many, bad_squares + wrong * wrong
        products += many * wrong
    return ClumpSums(all_, bad, squares, bad_squares, products)


def rounded(ms: float) -> int:
    """Round to two digits: the ledger's sums keep three, which takes longer to draw."""
    step = 10 if ms < 1000 else 100 if ms < 10_000 else 1000
    return round(ms / step) * step


if __name__ == "__main__":
    sys.exit(main())
