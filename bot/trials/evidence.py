"""How sure a difference between two arms is: intervals for people, evidence for the stop.

The evidence is an e-value (Turner, Ly and Grünwald, "Two-sample tests that are safe under optional
stopping", 2022): where both arms are alike it is expected to be 1 at most, however often it is
looked at, so it ever reaches 1/α with a chance of α at most (Ville's inequality). Nothing in it is
an approximation, so it also holds for a handful of errors.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, exp, floor, inf, log, sqrt

Z95 = 1.959963984540054

TIMES_WORSE = (1.5, 2.0, 3.0, 5.0, 10.0)
"""The differences that are looked for, all at once: so many times the primary's share."""

_GUESSED = 20
"""How many requests the guess before the first stretch counts for."""

_BEYOND_DOUBT = 600.0
_MOST_SHARE = 0.98
_LEAST_SHARE = 0.001


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure and where it lies with 95 % confidence."""

    value: float
    low: float
    high: float

    @property
    def clear(self) -> bool:
        """True when a difference is not likely to be chance, looked at once."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True, slots=True)
class Pair:
    """Both arms in one stretch of time: how many were counted, and how many of them are bad."""

    candidate: int
    candidate_bad: int
    primary: int
    primary_bad: int


@dataclass(slots=True)
class Evidence:
    """The e-value that the candidate has the larger share of bad ones, stretch by stretch.

    Each stretch is weighed by the primary's share known before it; `usual` is the guess before the
    first. Of `clump` requests that share their luck, only one is evidence.
    """

    usual: float
    clump: float = 1.0
    _logs: list[float] = field(default_factory=lambda: [0.0] * len(TIMES_WORSE))
    _bad: float = 0.0
    _counted: int = 0

    def add(self, pair: Pair) -> None:
        """Take in the next stretch of time."""
        known = (self._bad + _GUESSED * self.usual) / (self._counted + _GUESSED)
        primary = max(known, _LEAST_SHARE)
        for at, times in enumerate(TIMES_WORSE):
            self._logs[at] += _log_growth(pair, primary, min(primary * times, _MOST_SHARE))
        self._bad += pair.primary_bad
        self._counted += pair.primary

    @property
    def value(self) -> float:
        """What it has come to; the differences looked for count alike."""
        logs = [known / self.clump for known in self._logs]
        return inf if max(logs) > _BEYOND_DOUBT else sum(map(exp, logs)) / len(logs)


def _log_growth(pair: Pair, primary: float, candidate: float) -> float:
    """Return by how much a stretch raises the log of the evidence.

    The shares of the two arms are weighed against the share of both together. For arms that are
    alike the expectation is 1 at most, since a geometric mean is no more than the arithmetic.
    """
    both = pair.candidate + pair.primary
    if not pair.candidate or not pair.primary or candidate <= primary:
        return 0.0
    mixed = (pair.candidate * candidate + pair.primary * primary) / both
    return (
        pair.candidate_bad * log(candidate / mixed)
        + (pair.candidate - pair.candidate_bad) * log((1 - candidate) / (1 - mixed))
        + pair.primary_bad * log(primary / mixed)
        + (pair.primary - pair.primary_bad) * log((1 - primary) / (1 - mixed))
    )


def share(bad: int, counted: int) -> Interval:
    """Return a share with Wilson's score interval; `counted` is at least 1."""
    value, square = bad / counted, Z95 * Z95
    middle = (bad + square / 2) / (counted + square)
    half = Z95 / (counted + square) * sqrt(bad * (counted - bad) / counted + square / 4)
    return Interval(value, max(middle - half, 0.0), min(middle + half, 1.0))


def quantile(times: Mapping[int, int], part: float) -> Interval:
    """Return a quantile of counted values, its interval by order statistics."""
    values = sorted(times.items())
    counted = sum(times.values())
    half = Z95 * sqrt(counted * part * (1 - part))
    places = (ceil(counted * part), floor(counted * part - half), ceil(counted * part + half) + 1)
    value, low, high = (float(_nth(values, min(max(n, 1), counted))) for n in places)
    return Interval(value, low, high)


def mean(total: float, squares: float, counted: int) -> Interval:
    """Return a mean with its normal interval, of a sum and a sum of squares."""
    value = total / counted
    spread = max(squares / counted - value * value, 0.0) * counted / max(counted - 1, 1)
    half = Z95 * sqrt(spread / counted)
    return Interval(value, value - half, value + half)


def difference(candidate: Interval, primary: Interval) -> Interval:
    """Return candidate less primary, of two intervals (Newcombe 1998; Zou and Donner 2008)."""
    value = candidate.value - primary.value
    down = sqrt(_square(candidate.value - candidate.low) + _square(primary.high - primary.value))
    up = sqrt(_square(candidate.high - candidate.value) + _square(primary.value - primary.low))
    return Interval(value, value - down, value + up)


def _square(number: float) -> float:
    return number * number


def _nth(values: Sequence[tuple[int, int]], number: int) -> int:
    for value, counted in values:
        number -= counted
        if number <= 0:
            return value
    return values[-1][0]
