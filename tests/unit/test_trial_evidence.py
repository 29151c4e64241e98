"""How sure a difference is: intervals by the book, and evidence that no looking can forge."""

from __future__ import annotations

from math import comb, exp, inf

import pytest

from bot.ports.trials import ArmFigures, ClumpSums, TrialEnd, TrialSlot
from bot.trials.compare import clumps_of, compare
from bot.trials.decide import FEWEST, Clumps, first_worse
from bot.trials.evidence import Evidence, Interval, Pair, difference, mean, quantile, share


def _binomial(many: int, part: float) -> list[float]:
    return [comb(many, k) * part**k * (1 - part) ** (many - k) for k in range(many + 1)]


@pytest.mark.parametrize("part", [0.001, 0.05, 0.3, 0.5, 0.97])
@pytest.mark.parametrize(("candidate", "primary"), [(1, 1), (2, 7), (6, 1), (5, 5)])
def test_arms_that_are_alike_give_no_evidence_on_average(
    part: float, candidate: int, primary: int
) -> None:
    # All outcomes of a stretch, each with its chance: the rule holds exactly, not nearly.
    for known in (Pair(0, 0, 0, 0), Pair(3, 2, 40, 9)):
        start = Evidence(0.05)
        start.add(known)
        total = 0.0
        for mine, chance in enumerate(_binomial(candidate, part)):
            for other, beside in enumerate(_binomial(primary, part)):
                after = Evidence(0.05)
                after.add(known)
                after.add(Pair(candidate, mine, primary, other))
                total += chance * beside * after.value
        assert total <= start.value + 1e-9


def test_a_worse_candidate_gives_evidence_without_bound() -> None:
    worse, better = Evidence(0.05), Evidence(0.05)
    for _ in range(2000):
        worse.add(Pair(10, 5, 90, 4))
        better.add(Pair(10, 0, 90, 9))
    assert worse.value == inf
    assert better.value < 1


def test_evidence_of_requests_that_share_their_luck_counts_once() -> None:
    loose, clumped = Evidence(0.05), Evidence(0.05, clump=4.0)
    for _ in range(20):
        loose.add(Pair(10, 2, 90, 4))
        clumped.add(Pair(40, 8, 360, 16))
    assert clumped.value < loose.value * exp(1)
    assert clumped.value > loose.value / exp(3)


def test_intervals_are_those_of_the_books() -> None:
    # Newcombe 1998, example (a): 56 of 70 and 48 of 80, by his method 10.
    apart = difference(share(56, 70), share(48, 80))
    assert [apart.value, apart.low, apart.high] == pytest.approx([0.2, 0.0524, 0.3339], abs=1e-4)
    none = share(0, 100)
    assert [none.low, none.high] == pytest.approx([0.0, 0.0370], abs=1e-4)
    # 1 to 100: the 95th, between the 90th and the 100th by order statistics.
    assert quantile(dict.fromkeys(range(1, 101), 1), 0.95) == Interval(95.0, 90.0, 100.0)
    assert quantile({7: 1}, 0.95) == Interval(7.0, 7.0, 7.0)
    average = mean(100 * 3.0, 100 * 10.0, 100)
    assert average.value == 3.0
    assert average.high - 3.0 == pytest.approx(1.96 * (1 / 99) ** 0.5, abs=1e-3)


def test_a_difference_needs_enough_in_both_arms() -> None:
    few = ArmFigures(FEWEST - 1, FEWEST - 1, 2, times={100: FEWEST - 1})
    many = ArmFigures(90, 90, 2, costed=90, cost_nano_usd=900, cost_squares=9000.0, times={80: 88})
    side = compare(few, many)
    assert side.errors.apart is None
    assert side.errors.candidate == 2 / (FEWEST - 1)
    assert side.cost_nano_usd.candidate is None
    alike = compare(many, many).errors.apart
    assert alike is not None
    assert alike.low < alike.value == 0.0 < alike.high
    nothing = compare(ArmFigures(), ArmFigures())
    assert nothing.p95_ms.primary is None


def test_a_design_effect_is_one_for_single_requests_and_their_number_for_twins() -> None:
    none = ClumpSums()
    # 100 single requests, 10 of them bad; the same with each conversation of four alike.
    single = ClumpSums(100, 10, 100, 10, 10)
    alike = ClumpSums(400, 40, 1600, 160, 160)
    one = clumps_of((single, none), (none, single))
    assert [one.errors, one.slow] == pytest.approx([1.0, 1.0])
    assert clumps_of((single, none), (alike, single)).errors == pytest.approx(4.0)
    assert clumps_of((ClumpSums(9, 0, 9, 0, 0), none), (ClumpSums(9, 9, 9, 9, 9), none)) == Clumps()


def _slots(bad: int, ms: int, many: int = 60) -> list[TrialSlot]:
    mine = ArmFigures(10, 10, bad, times={ms: 10 - bad})
    other = ArmFigures(90, 90, 2, times={100: 80, 200: 8})
    return [TrialSlot(number, mine, other) for number in range(many)]


def test_what_is_worse_is_found_and_what_is_better_or_alike_is_not() -> None:
    assert first_worse(_slots(0, 100)) is None
    assert first_worse(_slots(0, 20)) is None
    errors = first_worse(_slots(3, 100))
    slow = first_worse(_slots(0, 900))
    assert errors is not None
    assert errors[0] is TrialEnd.ERRORS
    assert slow is not None
    assert slow[0] is TrialEnd.SLOW
    # Before there are enough requests in both arms it says nothing, however bad they are.
    assert first_worse(_slots(10, 100, many=2)) is None
    assert first_worse(_slots(3, 100), Clumps(errors=1000.0)) is None


def test_a_difference_too_small_to_matter_stops_nothing_however_sure_it_is() -> None:
    mine = ArmFigures(10_000, 10_000, 0, times={104: 10_000})
    other = ArmFigures(10_000, 10_000, 0, times={100: 10_000})
    assert first_worse([TrialSlot(n, mine, other) for n in range(100)]) is None
