"""Vehicles that travel together more than chance: the company of one plate among linked reads.

Two passes of a camera a few seconds apart are one meeting. Vehicles behind one another on a road
meet again at the next camera without knowing each other, so each further meeting is weighed
against how often *any* two neighbours of this traffic stay together there, by where vehicles turn
and how their times spread. One camera sees both: no clock matters.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from workbench.errors import N_
from workbench.plates import compact, distance
from workbench.records import Wording
from workbench.trajectories.beliefs import Believed
from workbench.trajectories.matching import neighbours

TOGETHER = N_("{met} of {of} reads within {within_s} s of each other, at {places} places")
STAYED = N_(
    "so many meetings are {times} times likelier of two that travel together than of neighbours "
    "in this traffic"
)
GAPS = N_("the other is between {least_s} and {most_s} s behind (before it: negative)")
STOPPED_TOO = N_("both stayed away for {minutes} min between two meetings and came together again")
NOT_SEEN = N_("at {count} reads between the other was not read: missed, or not there")
ONE_ROAD = N_("whoever takes the same road at the same pace looks the same")
MANY_ASKED = N_("{count} vehicles passed near it: the likeliest of so many is likely to look so")

WITHIN_S = 8.0
"""Passes of one camera so far apart are a meeting."""
CONVOY_AT = 0.8
"""From this probability on a companion is called one."""
MOST_CLAIMED = 0.99
LEAST_PLACES = 3
_COMPANY = 0.02
"""The share of vehicles that is taken to travel with another before anything is seen."""
_STAYS = 0.9
_DRIFT_S = 1.5
"""How much the gap of two that travel together changes from meeting to meeting, on average."""
_MISSED = 0.35
"""How often one of two that travel together stays unread where the other is read."""
_PLACE_S = 8.0
_LONG_S = 300.0
_WORTH_KEEPING = 0.02
_MOST_TIMES = 1e6
_PRIOR_STAYS = 5.0
_MOST_LEGS = 4
_LEAST_CHANCE = 0.1
"""No one leg counts more: two may turn off a road for one reason and not know each other."""
_SAME_PLATE = 2.2
"""A read so near the subject's plate may be the subject itself, misread."""

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Meeting:
    """Two passes of one camera; ``gap_s`` is how long after the subject the other one passed."""

    subject_id: str
    other_id: str
    camera_id: str
    gap_s: float


@dataclass(frozen=True, slots=True)
class Companion:
    """A vehicle that may travel with the subject, as its plate was read most often.

    ``log_ratio``: how much likelier these meetings are of two that travel together than of two by
    chance, as a natural log; ``probability`` takes in that of all who passed near it one is the
    likeliest by luck. It rests on an assumed share of vehicles that have company at all.
    """

    plate: str
    log_ratio: float
    probability: float
    places: int
    meetings: tuple[Meeting, ...]
    speaks_for: tuple[Wording, ...]
    speaks_against: tuple[Wording, ...]


class Company:
    """What chance does in some traffic, learned once; then asked about one plate after another."""

    def __init__(self, believed: Believed) -> None:
        reads = believed.reads
        self._believed = believed
        self._chains = believed.chains()
        self._chain_of = np.zeros(len(reads.ids), np.int64)
        for number, chain in enumerate(self._chains):
            self._chain_of[chain] = number
        edges = believed.edges
        to_edge, _ = neighbours(edges.i, edges.j, believed.links, len(reads.ids))
        self._next = np.where(to_edge >= 0, edges.j[to_edge], -1) if len(edges.j) else to_edge
        self._drift_s = _DRIFT_S
        texts = [Counter(str(reads.text[row]) for row in chain) for chain in self._chains]
        self._plate = [commonest(read) for read in texts]
        self._here: dict[int, Ints] = {}
        order = np.lexsort((reads.time_s, reads.state))
        bounds = np.flatnonzero(np.diff(reads.state[order], prepend=-1, append=-1))
        for k in range(len(bounds) - 1):
            rows = order[bounds[k] : bounds[k + 1]]
            self._here[int(reads.state[rows[0]])] = rows
        self._more = self._stay_more()

    def of(self, plate: str) -> tuple[Companion, ...]:
        """Return who may have travelled with a plate, the likeliest first."""
        wanted = compact(plate)
        mine = [n for n, text in enumerate(self._plate) if text == wanted]
        rows = sorted(
            (row for n in mine for row in self._chains[n]),
            key=lambda row: (float(self._believed.reads.time_s[row]), row),
        )
        met: dict[int, dict[int, int]] = defaultdict(dict)
        for at, row in enumerate(rows):
            for other in self._near(row):
                number = int(self._chain_of[other])
                if number not in mine:
                    met[number].setdefault(at, other)
        by_plate: dict[str, dict[int, int]] = defaultdict(dict)
        for number, meetings in sorted(met.items()):
            for at, other in meetings.items():
                by_plate[self._plate[number]].setdefault(at, other)
        found = [
            one
            for text, meetings in sorted(by_plate.items())
            if distance(text, wanted) > _SAME_PLATE
            and (one := self._weighed(text, rows, meetings, len(by_plate))) is not None
        ]
        return tuple(sorted(found, key=lambda c: (-c.log_ratio, c.plate)))

    def _near(self, row: int) -> list[int]:
        """Return the reads of the same camera and side within the time of a meeting."""
        reads = self._believed.reads
        here = self._here[int(reads.state[row])]
        at = float(reads.time_s[row])
        low, high = np.searchsorted(reads.time_s[here], [at - WITHIN_S, at + WITHIN_S])
        near = sorted(here[low:high].tolist(), key=lambda k: (abs(float(reads.time_s[k]) - at), k))
        return [k for k in near if k != row]

    def _stay(self, rows: Sequence[int], start: int, stop: int) -> float:
        """Return how likely a neighbour by chance meets the subject again, `start` to `stop`.

        It turns where the subject turned, each leg, and takes as long, within the time of a
        meeting.
        """
        reads, rides = self._believed.reads, self._believed.travel_model
        follow = 0.0
        for k in range(start, stop):
            a, b = reads.state[rows[k]], reads.state[rows[k + 1]]
            follow += log(max(float((1.0 - rides.ends[a]) * rides.follows[a, b]), 1e-6))
        i, j = np.array([rows[start]]), np.array([rows[stop]])
        elapsed = reads.time_s[j] - reads.time_s[i]
        density = float(
            rides.log_time(reads.camera[i], reads.camera[j], elapsed, np.full(1, 0.5))[0]
        )
        return min(max(exp(min(follow + density, 0.0)) * 2.0 * WITHIN_S, _LEAST_CHANCE), _STAYS)

    def _stay_more(self) -> list[float]:
        """Return by how many legs two neighbours stayed together what the odds are times more.

        Lights, jams and a like pace keep those together who were together before, so that legs are
        not independent. Counted over every leg of every vehicle and each of its neighbours: those
        who do travel together are few among them.
        """
        reads = self._believed.reads
        legs = np.flatnonzero(self._next >= 0)
        expected: list[list[float]] = [[] for _ in range(_MOST_LEGS)]
        stayed = [0.0] * _MOST_LEGS
        legs_of: dict[tuple[int, int], int] = {}
        drifts: list[float] = []
        for row in legs.tolist():
            then = int(self._next[row])
            odds = 0.0
            for other in self._near(row):
                after = int(self._next[other])
                if self._chain_of[other] == self._chain_of[row]:
                    continue
                if not odds:
                    chance = self._stay([row, then], 0, 1)
                    odds = chance / (1.0 - chance)
                run = legs_of.pop((row, other), 0)
                expected[min(run, _MOST_LEGS - 1)].append(odds)
                if (
                    after >= 0
                    and reads.state[after] == reads.state[then]
                    and abs(reads.time_s[after] - reads.time_s[then]) <= WITHIN_S
                ):
                    stayed[min(run, _MOST_LEGS - 1)] += 1.0
                    here, there = (
                        float(reads.time_s[o] - reads.time_s[r])
                        for r, o in ((row, other), (then, after))
                    )
                    drifts.append(abs(there - here))
                    legs_of[then, after] = run + 1
        self._drift_s = max(
            (sum(drifts) + 3.0 * _PRIOR_STAYS) / (len(drifts) + _PRIOR_STAYS), _DRIFT_S
        )
        more = [1.0]
        for odds_of, count in zip(expected, stayed, strict=True):
            more.append(max(_times_more(np.array(odds_of), count, more[-1]), 1.0))
        return more[1:]

    def _weighed(
        self, plate: str, rows: Sequence[int], meetings: dict[int, int], asked: int
    ) -> Companion | None:
        """Weigh one other plate; None where it met the subject at too few places."""
        reads = self._believed.reads
        at = sorted(meetings)
        # One read meets one read: a pass that was told twice is not two meetings.
        kept = [k for n, k in enumerate(at) if not n or meetings[k] != meetings[at[n - 1]]]
        places = self._places([rows[k] for k in kept])
        if places < LEAST_PLACES:
            return None
        gaps = {k: float(reads.time_s[meetings[k]] - reads.time_s[rows[k]]) for k in kept}
        ratio = 0.0
        run = 0
        for before, after in pairwise(kept):
            chance = self._stay(rows, before, after)
            odds = chance / (1.0 - chance) * self._more[min(run, _MOST_LEGS - 1)]
            ratio += log(_STAYS) - log(min(odds / (1.0 + odds), _STAYS))
            drift = abs(gaps[after] - gaps[before])
            ratio += log(self._drift_s / _DRIFT_S) - drift * (1 / _DRIFT_S - 1 / self._drift_s)
            run = run + 1 if after == before + 1 else 0
        unmet = len(rows) - len(kept)
        between = kept[-1] - kept[0] + 1 - len(kept)
        ratio += unmet * log(_MISSED + (1.0 - _STAYS))
        # Of all who ever came near one is the likeliest by luck: the share is spread over them.
        odds = log(_COMPANY) - log(asked) + ratio
        probability = min(1.0 / (1.0 + exp(-min(max(odds, -30.0), 30.0))), MOST_CLAIMED)
        if probability < _WORTH_KEEPING:
            return None
        told = tuple(
            Meeting(
                str(reads.ids[rows[k]]), str(reads.ids[meetings[k]]),
                self._believed.cameras[int(reads.camera[rows[k]])],
                gaps[k],
            )
            for k in kept
        )  # fmt: skip
        apart = max(float(reads.time_s[rows[b]] - reads.time_s[rows[a]]) for a, b in pairwise(kept))
        times = exp(min(max(ratio, 0.0), log(_MOST_TIMES)))
        speaks_for = [
            Wording(
                TOGETHER,
                (("met", str(len(kept))), ("of", str(len(rows))), ("within_s", f"{WITHIN_S:.0f}"),
                 ("places", str(places))),
            ),
            Wording(STAYED, (("times", f"{float(f'{times:.2g}'):.0f}"),)),
            Wording(
                GAPS,
                (("least_s", f"{min(gaps.values()):.1f}"),
                 ("most_s", f"{max(gaps.values()):.1f}")),
            ),
        ]  # fmt: skip
        if apart > _LONG_S:
            speaks_for.append(Wording(STOPPED_TOO, (("minutes", f"{apart / 60:.0f}"),)))
        speaks_against = [Wording(ONE_ROAD), Wording(MANY_ASKED, (("count", str(asked)),))]
        if between:
            speaks_against.insert(0, Wording(NOT_SEEN, (("count", str(between)),)))
        return Companion(
            plate, ratio, probability, places, told, tuple(speaks_for), tuple(speaks_against)
        )

    def _places(self, rows: Sequence[int]) -> int:
        """Return how many places reads lie at: cameras of one crossing are one."""
        fastest = self._believed.travel_model.fastest_s
        kept: list[int] = []
        for camera in dict.fromkeys(int(self._believed.reads.camera[row]) for row in rows):
            if all(min(fastest[camera, k], fastest[k, camera]) > _PLACE_S for k in kept):
                kept.append(camera)
        return len(kept)


def commonest(read: Counter[str]) -> str:
    """Return the text read most often; the lesser one among equals."""
    return min(read, key=lambda text: (-read[text], text))


def _times_more(odds: Floats, stayed: float, before: float) -> float:
    """Return by what odds are to be multiplied so that as many stay as did; few: as before."""
    low, high = -8.0, 8.0
    wanted = stayed + _PRIOR_STAYS * 0.5
    prior = _PRIOR_STAYS
    for _ in range(40):
        middle = (low + high) / 2.0
        times = exp(middle)
        # as if there were some more legs, even at what held with fewer legs before
        expects = float((times * odds / (1.0 + times * odds)).sum())
        expects += prior * times / (times + before)
        low, high = (middle, high) if expects < wanted else (low, middle)
    return exp((low + high) / 2.0)


def companions(believed: Believed, plate: str) -> tuple[Companion, ...]:
    """Return who may have travelled with a plate, the likeliest first; see :class:`Company`."""
    return Company(believed).of(plate)
