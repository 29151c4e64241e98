"""Both arms side by side: what each came to, and how sure the difference is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.ports.trials import ArmFigures, ClumpSums
from bot.trials.decide import FEWEST, Clumps
from bot.trials.evidence import Interval, difference, mean, quantile, share

P50, P95 = 0.5, 0.95


@dataclass(frozen=True, slots=True)
class Compared:
    """One figure of both arms, None where an arm has none; `apart` is None with too few requests.

    `apart` is the candidate's less the primary's, with its 95 % interval.
    """

    candidate: float | None
    primary: float | None
    apart: Interval | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Errors as shares of what was asked, first tokens in ms, costs in nano-dollars a request."""

    requests: Compared
    error_count: Compared
    fallbacks: Compared
    errors: Compared
    p50_ms: Compared
    p95_ms: Compared
    cost_nano_usd: Compared


def compare(candidate: ArmFigures, primary: ArmFigures) -> Comparison:
    """Put both arms side by side."""
    arms = (candidate, primary)
    return Comparison(
        requests=Compared(candidate.requests, primary.requests),
        error_count=Compared(candidate.errors, primary.errors),
        fallbacks=Compared(candidate.fallbacks, primary.fallbacks),
        errors=_compared(arms, lambda a: a.asked, lambda a: share(a.errors, a.asked)),
        p50_ms=_compared(arms, _timed, lambda a: quantile(a.times, P50)),
        p95_ms=_compared(arms, _timed, lambda a: quantile(a.times, P95)),
        cost_nano_usd=_compared(
            arms,
            lambda a: a.costed,
            lambda a: mean(float(a.cost_nano_usd), a.cost_squares, a.costed),
        ),
    )


def clumps_of(*arms: tuple[ClumpSums, ClumpSums]) -> Clumps:
    """Return how far requests of a conversation share their luck, in the arm where they do more."""
    return Clumps(max(_clump(arm[0]) for arm in arms), max(_clump(arm[1]) for arm in arms))


def _clump(sums: ClumpSums) -> float:
    """Return the design effect: by how much conversations differ more than chance would make them.

    It is 1 where requests are independent, and the size of the conversations where each fails or
    succeeds as a whole.
    """
    if not 0 < sums.bad < sums.counted:
        return 1.0
    part = sums.bad / sums.counted
    spread = sums.bad_squares - 2 * part * sums.products + part * part * sums.squares
    return max(spread / (sums.counted * part * (1 - part)), 1.0)


def _compared(
    arms: tuple[ArmFigures, ArmFigures],
    counted: Callable[[ArmFigures], int],
    figure: Callable[[ArmFigures], Interval],
) -> Compared:
    mine, other = (figure(arm) if counted(arm) else None for arm in arms)
    if mine is None or other is None or min(map(counted, arms)) < FEWEST:
        return Compared(mine.value if mine else None, other.value if other else None)
    return Compared(mine.value, other.value, difference(mine, other))


def _timed(arm: ArmFigures) -> int:
    return sum(arm.times.values())
