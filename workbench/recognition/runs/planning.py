"""What a search will cost and in which order its jobs go, known before a frame is decoded.

A model of the packet index alone (frames, size, key frames, length) cuts files and gives the first
guess. What finished jobs of a camera took, beside what the model had said of them, corrects it: a
busy crossing costs several times an empty lane of the same size.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil

_DECODE_S_PER_MPX = 1.45e-3
_KEY_S_PER_MPX = 2.0e-3
_WATCH_S_PER_S = 0.06
"""Gate pictures and looks of the detector, for each second of footage whatever its size."""
_BEGIN_S = 0.4
"""Opening a file, its background and the lead-in."""
DEFAULT_SIGHTINGS_PER_H = 200.0
"""What is assumed of a camera's traffic before anything was searched."""
_ENOUGH_S = 120.0
"""A camera's own past counts from so much searched footage on; before that, that of all."""
_WASTE = 1.04
"""Two workers of one machine do 1.93 times the work of one."""


def modelled_s(frames: int, keys: int, megapixels: float, footage_s: float) -> float:
    """Return the CPU seconds that the packet index foretells for a stretch of a file.

    >>> round(modelled_s(3000, 60, 2.07, 120.0), 1), round(modelled_s(600, 12, 0.23, 60.0), 1)
    (16.9, 4.2)
    """
    pixels_s = megapixels * (frames * _DECODE_S_PER_MPX + keys * _KEY_S_PER_MPX)
    return _BEGIN_S + pixels_s + footage_s * _WATCH_S_PER_S


@dataclass(frozen=True, slots=True)
class Spent:
    """What searched footage of a camera took: footage and CPU in s, the model's guess, rows."""

    footage_s: float = 0.0
    modelled_s: float = 0.0
    cpu_s: float = 0.0
    sightings: int = 0

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.footage_s + other.footage_s,
            self.modelled_s + other.modelled_s,
            self.cpu_s + other.cpu_s,
            self.sightings + other.sightings,
        )

    @property
    def ratio(self) -> float:
        """CPU seconds taken for each that the model foretold."""
        return self.cpu_s / self.modelled_s if self.modelled_s else 1.0


@dataclass(frozen=True, slots=True)
class Rates:
    """What footage of each camera costs, as far as this archive's own searches tell."""

    spent: Mapping[str, Spent] = field(default_factory=dict)

    @property
    def learned_h(self) -> float:
        """Hours of searched footage that the rates rest on; 0: on the model alone."""
        return self._all.footage_s / 3600

    def cpu_s(self, camera_id: str, guess_s: float) -> float:
        """Return the CPU seconds to expect where the model foretells `guess_s`.

        >>> Rates({"A": Spent(600, 100, 250)}).cpu_s("A", 10), Rates().cpu_s("A", 10)
        (25.0, 10.0)
        """
        return guess_s * self._of(camera_id).ratio

    def sightings(self, camera_id: str, footage_s: float) -> float:
        """Return how many rows to expect of so much footage."""
        known = self._of(camera_id)
        if not known.footage_s:
            return DEFAULT_SIGHTINGS_PER_H * footage_s / 3600
        return known.sightings * footage_s / known.footage_s

    def _of(self, camera_id: str) -> Spent:
        own = self.spent.get(camera_id, Spent())
        return own if own.footage_s >= _ENOUGH_S else self._all

    @property
    def _all(self) -> Spent:
        return sum(self.spent.values(), Spent())


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a search will cost; said before it begins.

    ``footage_h`` is to be searched, ``searched_h`` was searched already and is skipped; ``cpu_h``
    is expected on all workers together and ``minutes`` until the end with that many ``workers``;
    ``learned_h`` is the searched footage this rests on, 0 for the default;
    ``s_per_footage_h`` are the CPU seconds an hour of each camera's footage is expected to take.
    """

    jobs: int
    footage_h: float
    searched_h: float
    cpu_h: float
    minutes: float
    workers: int
    sightings: int
    learned_h: float
    s_per_footage_h: Mapping[str, float]

    def __str__(self) -> str:
        basis = (
            f"learned from {self.learned_h:.1f} h searched here"
            if self.learned_h
            else "a default: nothing was searched here yet with these models"
        )
        return (
            f"{self.footage_h:.2f} h of footage in {self.jobs} jobs, {self.searched_h:.2f} h more "
            f"searched already and skipped; about {self.cpu_h:.2f} CPU hours, "
            f"{self.minutes:.0f} min on {self.workers} workers, {self.sightings} sightings "
            f"({basis})"
        )


@dataclass(frozen=True, slots=True)
class Expected:
    """One job as the plan sees it: whose it is, its footage, its cost by the model."""

    camera_id: str
    footage_s: float
    modelled_s: float


def estimate(
    jobs: Sequence[Expected], rates: Rates, *, searched_s: float, workers: int
) -> Estimate:
    """Return what these jobs will cost on so many workers (0 counts as this one process)."""
    costs = [rates.cpu_s(job.camera_id, job.modelled_s) for job in jobs]
    hands = max(1, workers)
    wall_s = max([sum(costs) * (_WASTE if hands > 1 else 1.0) / hands, *costs])
    footage: dict[str, float] = {}
    spent: dict[str, float] = {}
    for job, cost in zip(jobs, costs, strict=True):
        footage[job.camera_id] = footage.get(job.camera_id, 0.0) + job.footage_s
        spent[job.camera_id] = spent.get(job.camera_id, 0.0) + cost
    return Estimate(
        len(jobs),
        sum(footage.values()) / 3600,
        searched_s / 3600,
        sum(costs) / 3600,
        float(ceil(wall_s / 60)),
        hands,
        round(sum(rates.sightings(job.camera_id, job.footage_s) for job in jobs)),
        rates.learned_h,
        {one: 3600 * spent[one] / footage[one] for one in sorted(footage) if footage[one]},
    )


def in_order(
    jobs: Sequence[Expected], rates: Rates, rank: Callable[[int], int] = lambda _job: 0
) -> list[int]:
    """Return the numbers of jobs in the order they go: by rank, within it the dearest first.

    Dear ones first keep the end short, where some workers would wait for the last; and what is dear
    is what much moves in.

    Parameters
    ----------
    rank
        From a job's number to its place among the wishes; less goes before more.

    >>> jobs = [Expected("A", 60, 4), Expected("B", 60, 9), Expected("A", 60, 7)]
    >>> in_order(jobs, Rates()), in_order(jobs, Rates(), lambda n: jobs[n].camera_id != "A")
    ([1, 2, 0], [2, 0, 1])
    """
    costs = [rates.cpu_s(job.camera_id, job.modelled_s) for job in jobs]
    return sorted(range(len(jobs)), key=lambda n: (rank(n), -costs[n], n))


def left_text(seconds: float) -> str:
    """Return a time to wait as people read it.

    >>> left_text(42), left_text(3725)
    ('0:00:42', '1:02:05')
    """
    whole = max(0, round(seconds))
    return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
