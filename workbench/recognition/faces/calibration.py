"""Scores of face pairs to likelihood ratios, and whether there are pairs enough to say so.

lir (Netherlands Forensic Institute) fits and measures; what is ours is the rule below which nothing
is called calibrated, and an interval drawn over people, since pairs that share a person are no
independent trials.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from workbench.later import later

stats = later("scipy.stats")

LEAST_PEOPLE = 30
"""People with two or more pictures, taken apart, below which a set calibrates nothing."""
LEAST_DIFFERENT = 300
"""Pairs of different people below which it calibrates nothing: with none of 300 above a score, the
rate above it may still be 1 in 100 (rule of three), and no smaller rate can be told."""
MOST_FITTED = 3000
"""Pairs of different people that the fit takes, drawn where there are more: more change it little,
and cost the time of a watch. Rates of false candidates are counted on all of them."""
FOLDS = 30
"""Groups of people left out in turn for the cost; up to so many, each is a group of one."""
_SURE = 0.95
_PENALTY_INVERSE = 1e4
"""Weak enough to leave the slope of overlapping scores alone, and finite where they are apart."""


@dataclass(frozen=True, slots=True)
class Pair:
    """The score of two pictures and whose they are; people are labels of the set, not names."""

    score: float
    one: str
    other: str

    @property
    def same(self) -> bool:
        """Whether both pictures are of one person."""
        return self.one == self.other


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a set of labelled pairs says of scores.

    ``log10_lr = slope * score + offset``, cut to ``bounds``: beyond them the set has nothing to say
    (empirical bounds, Vergeer and others 2016). ``cllr`` is the cost of those ratios on pairs of
    people left out of the fit, with its interval at 95 % over people: 0 is perfect, 1 tells
    nothing. ``different`` are the scores of different people, ascending. ``drawn`` are fits on
    draws of people: slope, offset and bounds of each, for the interval of a ratio.
    """

    people: int
    same_pairs: int
    different: tuple[float, ...]
    slope: float
    offset: float
    bounds: tuple[float, float]
    cllr: float
    cllr_interval: tuple[float, float]
    drawn: tuple[tuple[float, float, float, float], ...] = ()

    @property
    def calibrated(self) -> bool:
        """Whether the set is large enough to state ratios at all: the rule of this module."""
        return self.people >= LEAST_PEOPLE and len(self.different) >= LEAST_DIFFERENT

    def log10_lr(self, score: float) -> float:
        """Return the likelihood ratio of a score, as its decimal logarithm."""
        return float(np.clip(self.slope * score + self.offset, *self.bounds))

    def interval(self, score: float) -> tuple[float, float]:
        """Return where that logarithm lies in 95 of 100 draws of people; it holds the value."""
        value = self.log10_lr(score)
        each = [float(np.clip(a * score + b, low, high)) for a, b, low, high in self.drawn]
        if not each:
            return value, value
        low, high = np.percentile(each, [2.5, 97.5])
        return min(float(low), value), max(float(high), value)

    @property
    def even_score(self) -> float:
        """The score whose ratio is 1: above it a score speaks for one person, below against it."""
        return -self.offset / self.slope if self.slope > 0 else float("inf")

    def false_positives(self, score: float, gallery: int) -> tuple[float, float]:
        """Return how many of `gallery` other people reach a score: expected, and at most (95 %)."""
        count = len(self.different)
        above = count - int(np.searchsorted(self.different, score))
        most = 1.0 if above == count else float(stats.beta.ppf(_SURE, above + 1, count - above))
        return above / count * gallery, most * gallery


def calibrate(pairs: Sequence[Pair], *, rounds: int = 300, seed: int = 0) -> Calibration:
    """Fit scores to likelihood ratios and measure them; deterministic for a seed.

    Parameters
    ----------
    rounds
        Draws of people for the interval.

    Raises
    ------
    ValueError
        Without pairs of one person and pairs of different people.
    """
    if len({pair.same for pair in pairs}) < 2:
        raise ValueError("pairs of one person and of different people are both needed")
    from sklearn import config_context
    from threadpoolctl import threadpool_limits

    # hundreds of small fits: of each, a third went into looking again at what is given here; and
    # threads of linear algebra, which they are too small for, waited for each other on busy cores
    with (
        config_context(assume_finite=True, skip_parameter_validation=True),
        threadpool_limits(limits=1, user_api="blas"),
    ):
        return _calibrated(pairs, rounds, seed)


def _calibrated(pairs: Sequence[Pair], rounds: int, seed: int) -> Calibration:
    from lir.algorithms.bayeserror import elub  # lir takes three seconds to import

    every = tuple(sorted(pair.score for pair in pairs if not pair.same))
    pairs = _thinned(pairs, seed)
    scores, same = _arrays(pairs)
    slope, offset = _fit(scores, same)
    llr = slope * scores + offset
    bounds = tuple(float(bound) for bound in elub(llr.copy(), same))
    held_out = _held_out(pairs)
    drawn = _draw(pairs, held_out, rounds, seed)
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (float("nan"),) * 2
    twice = [one for one in {p.one for p in pairs} if any(p.same and p.one == one for p in pairs)]
    return Calibration(
        len(twice),
        int(same.sum()),
        every,
        slope,
        offset,
        (bounds[0], bounds[1]),
        _cost(held_out, same),
        (float(low), float(high)),
        _draw_fits(pairs, min(rounds, 100), seed),
    )


def ratio_text(log10: float) -> str:
    """Return a ratio given as its decimal logarithm, to two digits, as people read it.

    >>> ratio_text(2.6), ratio_text(0.31), ratio_text(-1.5)
    ('400', '2.0', '0.032')
    """
    places = 1 - math.floor(log10)
    ratio = round(10.0**log10, places)
    return f"{ratio:,.{max(0, places)}f}".replace(",", " ")


def all_pairs(scores: NDArray[np.float32], people: Sequence[str]) -> list[Pair]:
    """Return every pair of a square table of scores, once.

    >>> all_pairs(np.array([[1, .8], [.8, 1]], np.float32), ["A", "A"])[0].same
    True
    """
    return [
        Pair(float(scores[i, j]), people[i], people[j])
        for i, j in combinations(range(len(people)), 2)
    ]


def _arrays(pairs: Sequence[Pair]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    return np.array([p.score for p in pairs], float), np.array([int(p.same) for p in pairs])


def _fit(scores: NDArray[np.float64], same: NDArray[np.int64]) -> tuple[float, float]:
    """Return slope and offset of the decimal logarithm of the ratio over the score."""
    from lir.algorithms.logistic_regression import LogitCalibrator

    # scikit-learn's own penalty is for features of unit scale: on cosines it takes two thirds of
    # the slope away
    fitted = LogitCalibrator(C=_PENALTY_INVERSE).fit(scores, same)
    line = fitted.transform(np.array([0.0, 1.0]))
    return float(line[1] - line[0]), float(line[0])


def _held_out(pairs: Sequence[Pair]) -> NDArray[np.float64]:
    """Return each pair's log10 ratio, fitted on the pairs that share no person with it."""
    from lir.algorithms.bayeserror import elub

    scores, same = _arrays(pairs)
    found = np.full(len(pairs), np.nan)
    people = sorted({p.one for p in pairs} | {p.other for p in pairs})
    fold = (
        {who: n % FOLDS for n, who in enumerate(people)}
        if _many(pairs)
        else {who: n for n, who in enumerate(people)}
    )
    ends = np.array([sorted((fold[p.one], fold[p.other])) for p in pairs])
    for who in {(int(a), int(b)) for a, b in ends}:
        away = ~np.isin(ends, who).any(axis=1)
        mine = (ends == who).all(axis=1)
        if len(set(same[away])) == 2:
            slope, offset = _fit(scores[away], same[away])
            bounds = elub(slope * scores[away] + offset, same[away])
            found[mine] = np.clip(slope * scores[mine] + offset, *bounds)
    return found


def _many(pairs: Sequence[Pair]) -> bool:
    """Return whether people with several pictures are too many for leaving each out alone."""
    return len({pair.one for pair in pairs if pair.same}) > FOLDS


def _thinned(pairs: Sequence[Pair], seed: int) -> list[Pair]:
    """Return all pairs of one person, and of different people as many as a fit takes."""
    different = [n for n, pair in enumerate(pairs) if not pair.same]
    if len(different) <= MOST_FITTED:
        return list(pairs)
    drawn = np.random.default_rng(seed).permutation(different)[:MOST_FITTED].tolist()
    return [pair for n, pair in enumerate(pairs) if pair.same or n in set(drawn)]


def _draw_fits(
    pairs: Sequence[Pair], rounds: int, seed: int
) -> tuple[tuple[float, float, float, float], ...]:
    """Return slope, offset and bounds of fits on draws of people with replacement."""
    from lir.algorithms.bayeserror import elub

    scores, same = _arrays(pairs)
    found = []
    for weight in _weights(pairs, same, rounds, seed):
        some, kinds = np.repeat(scores, weight), np.repeat(same, weight)
        if len(set(kinds)) == 2:
            slope, offset = _fit(some, kinds)
            low, high = (float(bound) for bound in elub(slope * some + offset, kinds))
            found.append((slope, offset, low, high))
    return tuple(found)


def _weights(
    pairs: Sequence[Pair], same: NDArray[np.int64], rounds: int, seed: int
) -> Iterator[NDArray[np.int64]]:
    """Yield how often each pair counts in each draw of people: as often as both of them."""
    people = sorted({p.one for p in pairs} | {p.other for p in pairs})
    place = {who: n for n, who in enumerate(people)}
    ends = np.array([[place[p.one], place[p.other]] for p in pairs])
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        times = np.bincount(rng.integers(0, len(people), len(people)), minlength=len(people))
        yield np.where(same == 1, times[ends[:, 0]], times[ends[:, 0]] * times[ends[:, 1]])


def _draw(pairs: Sequence[Pair], llr: NDArray[np.float64], rounds: int, seed: int) -> list[float]:
    """Return the cost of each draw of people with replacement, a pair counting as often as both."""
    _, same = _arrays(pairs)
    costs = []
    for weight in _weights(pairs, same, rounds, seed):
        cost = _cost(np.repeat(llr, weight), np.repeat(same, weight))
        if np.isfinite(cost):
            costs.append(cost)
    return costs


def _cost(llr: NDArray[np.float64], same: NDArray[np.int64]) -> float:
    """Return lir's Cllr of the pairs that have a ratio; NaN without both kinds."""
    from lir.data.models import LLRData
    from lir.metrics import cllr

    known = np.isfinite(llr)
    if len(set(same[known])) < 2:
        return float("nan")
    return float(cllr(LLRData(features=llr[known], labels=same[known])))
