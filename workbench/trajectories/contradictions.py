"""One plate on two vehicles: reads that one vehicle cannot have made, weighed against every excuse.

No alert stands on sums of small oddities: it needs two reads of one plate between which nobody can
have driven, clocks allowed for. Then four explanations are weighed: two vehicles with one plate;
one vehicle and clocks that are off; two plates one sign apart, or a misread of one; two plates that
are alike by chance. Rates of signs, kinds, near twins and quick rides, and how far clocks are off,
are those of the sightings themselves.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from workbench.errors import N_
from workbench.later import later
from workbench.records import Wording
from workbench.trajectories import signs
from workbench.trajectories.beliefs import KINDS, Believed, histories
from workbench.trajectories.candidates import pairs
from workbench.trajectories.hops import Rules
from workbench.trajectories.jumps import log_jump
from workbench.trajectories.known import MOST_WRONG, SLACK_S, Known, least_s

special = later("scipy.special")

UNDRIVABLE = N_(
    "read at {from_camera} and {elapsed_s} s later at {to_camera}: by road it takes {least_s} s at "
    "{factor} times the limit, {lack_s} s more than there were (clocks ± {sigma_s} s)"
)
MORE_RIDES = N_("{count} pairs of reads at other cameras contradict each other as well")
KINDS_DIFFER = N_("the detector called the two different kinds of vehicle")
SIGNS_AGREE = N_("{count} and {others} reads agree in every sign")
MAYBE_TWIN = N_("it may be two plates that differ in one sign")
MAYBE_CLOCK = N_("it may be one vehicle and a clock that is off")
MAYBE_JUMP = N_(
    "it may be one vehicle on a way that the map lacks, or a time that is wrong: one ride alone "
    "is too quick"
)
MAYBE_CHANCE = N_("it may be two plates that are alike by chance")
FEW_READS = N_("one of the two was read once only: it may be a misread")
KINDS_ALIKE = N_("the detector called both the same kind of vehicle")
CLOCK_DOUBT = N_(
    "the clock of {camera}: {against} plates would have been at two places at once with it, "
    "{fitting} fit it"
)

ALERT_AT = 0.8
"""From this probability on a contradiction is called an alert; the benchmark counts these."""
MOST_CLAIMED = 0.99
_WORTH_KEEPING = 0.02
_LEAST_SIGNS = 7
_CLONES = 0.002
"""The share of vehicles that is taken to bear another's plate before anything is seen."""
_SAME_KIND = 0.8
"""How often a plate is copied to a vehicle of its own kind, else to any."""
_JUMPS, _TWICE = 0.1, 3.0
"""Vehicles seen once too soon, and plates on two vehicles, that are taken to have been told."""
_COUNTED = 3
_MET = 0.3
"""How often two vehicles of one plate are read so that one cannot be the other."""
_WRONG_CLOCK = 0.005
_TIED = 0.1
_FITS_ANYWAY = 0.5
"""How often a vehicle's reads would be drivable although the clock of a camera is far off."""
_PLACES = 7.0
"""Signs of a plate in which twins differ: series and number, not the local code."""
_QUICK = 1.1
_LEAST_SIGMAS = 0.5
_SURE_SIGN, _OTHER_SIGN = 0.5, 0.02
_MOST_KIND = 4.0
_PLAIN = 1e-5
_CLEAR_S = 3.0

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Undrivable:
    """Two reads of one plate that one vehicle cannot have made; times on corrected clocks.

    ``lack_s`` is what the quickest ride takes longer than there was time; ``by_clocks`` how likely
    the two clocks together make up for it.
    """

    from_id: str
    to_id: str
    from_camera: str
    to_camera: str
    elapsed_s: float
    sigma_s: float
    least_s: float
    lack_s: float
    by_clocks: float


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A plate that two vehicles may bear.

    ``one`` and ``other`` are the ids of the reads on either side. The first of ``rides`` is the
    clearest; no two of them share a camera, so that each speaks for itself. The four explanations
    sum to 1; ``probability`` is that of two vehicles, never above :data:`MOST_CLAIMED`.
    """

    plate: str
    probability: float
    two_vehicles: float
    one_vehicle: float
    near_plates: float
    other_plates: float
    one: tuple[str, ...]
    other: tuple[str, ...]
    rides: tuple[Undrivable, ...]
    speaks_for: tuple[Wording, ...]
    speaks_against: tuple[Wording, ...]


@dataclass(frozen=True, slots=True)
class ClockDoubt:
    """A camera whose clock explains contradictions better than cloned plates would."""

    camera_id: str
    probability: float
    plates_against: int
    plates_fitting: int

    def words(self) -> Wording:
        """Return the doubt in words."""
        fields = (
            ("camera", self.camera_id), ("against", str(self.plates_against)),
            ("fitting", str(self.plates_fitting)),
        )  # fmt: skip
        return Wording(CLOCK_DOUBT, fields)


@dataclass(frozen=True, slots=True)
class Contradictions:
    """Plates that contradict themselves, the likeliest first, and clocks that are doubted."""

    plates: tuple[Contradiction, ...]
    doubts: tuple[ClockDoubt, ...]


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Pairs of reads (rows) of plates that are alike, and how one vehicle would do with them."""

    i: Ints
    j: Ints
    lack_s: Floats
    sigma_s: Floats
    least_s: Floats
    agree: Floats
    """``[pair, slot]``: log of how much likelier the two beliefs are of one sign than of two."""
    apart: Floats
    """The same of two signs that differ."""
    ratio: Floats
    """``[pair, end, slot, sign]``: belief in each sign over its share, of either read's vehicle."""

    def where(self, keep: NDArray[np.bool_]) -> _Found:
        """Return the pairs of a mask."""
        return _Found(
            self.i[keep], self.j[keep], self.lack_s[keep], self.sigma_s[keep], self.least_s[keep],
            self.agree[keep], self.apart[keep], self.ratio[keep],
        )  # fmt: skip


def contradictions(believed: Believed, *, rules: Rules | None = None) -> Contradictions:
    """Return plates that were read where one vehicle cannot have been, and why they may be.

    Parameters
    ----------
    believed
        Linked sightings; its clocks are corrected already.
    rules
        ``limit_factor`` is used: what nobody exceeds over a whole way.
    """
    factor = (rules or Rules()).limit_factor
    reads = believed.reads
    if len(reads.ids) < 2:
        return Contradictions((), ())
    chain_of = np.zeros(len(reads.ids), np.int64)
    chains = believed.chains()
    for number, chain in enumerate(chains):
        chain_of[chain] = number
    found, fitting = _compared(believed, chain_of, factor)
    if not len(found.i):
        return Contradictions((), ())
    known = Known(believed, chains, factor)
    near = known.near_share()
    alike = _alike(found, near, len(chains))
    clocks = _clock_doubts(believed, found, chain_of, alike, fitting)
    quick = _quick_share(believed, factor)
    groups: dict[tuple[int, int], list[int]] = defaultdict(list)
    for k in range(len(found.i)):
        a, b = sorted((int(chain_of[found.i[k]]), int(chain_of[found.j[k]])))
        groups[a, b].append(k)
    weighed = [
        (pair, _weigh(believed, found, rows, known, pair, near, clocks, quick, factor))
        for pair, rows in sorted(groups.items())
    ]
    answers = [
        _worded(believed, chains, pair, one, factor) for pair, one in _worth_telling(weighed)
    ]
    doubts = [
        ClockDoubt(believed.cameras[camera], min(p, MOST_CLAIMED), against, fits)
        for camera, (p, against, fits) in clocks.items()
        if p >= 0.5
    ]
    return Contradictions(
        tuple(sorted(answers, key=lambda c: (-c.probability, c.plate))),
        tuple(sorted(doubts, key=lambda d: (-d.plates_against, d.camera_id))),
    )


def _compared(believed: Believed, chain_of: Ints, factor: float) -> tuple[_Found, Counter[int]]:
    """Return undrivable pairs of alike plates, and how many plates fit each camera's clock."""
    reads = believed.reads
    least = least_s(believed, factor)
    sigma_s = reads.sigma_s
    far_s = float(least.max(initial=0.0))
    i, j = pairs(reads.plates.top, reads.time_s, near_s=far_s, far_s=0.0)
    top = reads.plates.top
    known = (top[i] != signs.OPEN) & (top[j] != signs.OPEN)
    wrong = ((top[i] != top[j]) & known).sum(1)
    keep = (wrong <= MOST_WRONG) & (known.sum(1) >= _LEAST_SIGNS)
    i, j, wrong = i[keep], j[keep], wrong[keep]
    a, b = reads.camera[i], reads.camera[j]
    elapsed = reads.time_s[j] - reads.time_s[i]
    # Clocks may hide which was first: what lacks is the less of the two ways round.
    lack = np.minimum(least[a, b] - elapsed, least[b, a] + elapsed) - SLACK_S
    sigma = np.hypot(sigma_s[i], sigma_s[j])
    alike = (wrong == 0) | (chain_of[i] == chain_of[j])
    fits = (lack <= 0) & alike & (least[a, b] > _CLEAR_S)
    plates_at: dict[int, set[int]] = defaultdict(set)
    for end in (i, j):
        for camera, chain in zip(reads.camera[end[fits]], chain_of[i[fits]], strict=True):
            plates_at[int(camera)].add(int(chain))
    bad = (lack > 0) & (lack > _LEAST_SIGMAS * sigma)
    i, j, lack, sigma = i[bad], j[bad], lack[bad], sigma[bad]
    agree, apart, ratio, sure = _signs(believed, i, j, chain_of[i] != chain_of[j])
    a, b = reads.camera[i], reads.camera[j]
    ways = np.minimum(least[a, b], least[b, a])
    found = _Found(i, j, lack, sigma, ways, agree, apart, ratio).where(sure)
    return found, Counter({camera: len(plates) for camera, plates in plates_at.items()})


def _signs(
    believed: Believed, i: Ints, j: Ints, whole: NDArray[np.bool_]
) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    """Return by pair and slot the log ratios of one sign, of two that differ, and each's belief.

    At last whether every sign is likelier the same than not. Where `whole`, each end is believed
    with all reads of its chain; else, both lying on one chain, by what was read there and then.
    """
    model, reads = believed.sign_model, believed.reads
    evidence = model.evidence(reads.plates)
    before, after = histories(evidence, believed.edges, believed.links, len(reads.ids))
    weight = whole[:, None, None]

    def belief(rows: Ints) -> Floats:
        own = evidence[rows]
        known = np.where(weight, before[rows] + after[rows] - own, own)
        return model.belief(known).astype(np.float64)

    first, then = belief(i), belief(j)
    shared = (first * then).sum(-1)
    # A read that surely says another sign than its chain is of another vehicle, joined by mistake.
    alone = [model.belief(evidence[rows]) for rows in (i, j)]
    own = np.minimum((alone[0] * then).sum(-1), (first * alone[1]).sum(-1))
    both = (first * then / model.share).sum(-1)
    distinct = 1.0 - (model.share**2).sum(-1)
    apart = (1.0 - shared) / np.maximum(distinct, 1e-9)
    ratio = np.stack([first, then], axis=1) / model.share
    open_ = (reads.plates.top[i] == signs.OPEN) | (reads.plates.top[j] == signs.OPEN)
    same, two = np.log(np.maximum(both, 1e-12)), np.log(np.maximum(apart, 1e-12))
    # A sign that nearly all plates have there says neither: it is enough that it is the likelier.
    return (
        same,
        two,
        ratio,
        (((same > two) | (shared >= _SURE_SIGN)) & (own >= _OTHER_SIGN) | open_).all(1),
    )


def _plate_logs(found: _Found, k: int, near: float, plates: int) -> tuple[float, float, float]:
    """Return the log weights of one plate, of two one sign apart, of two alike by chance."""
    same = float(found.agree[k].sum())
    turned = same - found.agree[k] + found.apart[k]
    twin = float(np.logaddexp.reduce(turned)) - log(_PLACES)
    return same, log(near) + twin, log(max(plates, 2) / 2.0)


def _alike(found: _Found, near: float, plates: int) -> NDArray[np.bool_]:
    """Return which pairs are of one plate rather than of two, whoever bore it."""
    logs = np.array([_plate_logs(found, k, near, plates) for k in range(len(found.i))])
    return np.asarray(logs[:, 0] > np.logaddexp(logs[:, 1], logs[:, 2]))


def _clock_doubts(
    believed: Believed,
    found: _Found,
    chain_of: Ints,
    alike: NDArray[np.bool_],
    fitting: Counter[int],
) -> dict[int, tuple[float, int, int]]:
    """Return by camera how likely its clock is far off, plates against it and plates that fit.

    A wrong clock contradicts many plates, a cloned plate itself alone. Contradictions are laid to
    the camera that has most of them first, so that its neighbours are not doubted with it.
    """
    reads = believed.reads
    rows = np.flatnonzero(alike & (found.lack_s > 2.0 * found.sigma_s))
    plates_at: dict[int, set[tuple[int, int]]] = defaultdict(set)
    for k in rows.tolist():
        a, b = int(found.i[k]), int(found.j[k])
        chains = sorted((int(chain_of[a]), int(chain_of[b])))
        for camera in {int(reads.camera[a]), int(reads.camera[b])}:
            plates_at[camera].add((chains[0], chains[1]))
    # A clock that rides both ways have tied to the others has been looked at once already.
    tied = believed.clocks.known & bool(believed.clocks.offset_s.any())
    wrong = np.where(tied, _TIED * _WRONG_CLOCK, _WRONG_CLOCK)
    answers: dict[int, tuple[float, int, int]] = {
        camera: (wrong[camera] * _FITS_ANYWAY ** min(fitting[camera], 20), 0, fitting[camera])
        for camera in range(len(believed.cameras))
    }
    plates = len(np.unique(chain_of))
    asked = set[int]()
    told: set[tuple[int, int]] = set()
    for _ in range(len(plates_at)):
        left = {camera: plates - told for camera, plates in plates_at.items()}
        camera = max(left, key=lambda c: (len(left[c]) if c not in asked else -1, -c))
        asked.add(camera)
        against, fits = len(left[camera]), fitting[camera]
        # How often plates contradict themselves where this camera has no part in it.
        elsewhere = set().union(*left.values()) - left[camera]
        usual = max((len(elsewhere) + _CLONES * _MET) / (plates + 1.0), _CLONES * _MET)
        odds = log(wrong[camera]) + fits * log(_FITS_ANYWAY) - against * log(min(usual, 0.5))
        probability = 1.0 / (1.0 + exp(-min(max(odds, -30.0), 30.0))) if against > 1 else (
            wrong[camera] * _FITS_ANYWAY ** min(fits, 20)
        )  # fmt: skip
        answers[camera] = probability, against, fits
        if probability >= 0.5:
            told |= left[camera]
    return answers


def _quick_share(believed: Believed, factor: float) -> float:
    """Return the share of rides that beat the limit by a tenth and more, clocks left aside."""
    edges, reads = believed.edges, believed.reads
    sure = believed.links & (edges.probability > 0.9)
    i, j = edges.i[sure], edges.j[sure]
    fastest = believed.travel_model.fastest_s[reads.camera[i], reads.camera[j]]
    sigma = np.hypot(reads.sigma_s[i], reads.sigma_s[j])
    told = (fastest > 15.0) & (sigma < 0.05 * fastest)
    elapsed = (reads.time_s[j] - reads.time_s[i])[told]
    quick = elapsed + SLACK_S < fastest[told] / _QUICK
    return float((quick.sum() + 1.0) / (told.sum() + 50.0)) if factor > _QUICK else 1.0


@dataclass(frozen=True, slots=True, eq=False)
class _Weighed:
    rides: tuple[Undrivable, ...]
    kind_log: float
    logs: Floats
    """Of two vehicles, one and clocks, near plates, others; of one once too quick, if as common."""
    shares: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    jump: float = 0.0

    def given(self, odds: float) -> _Weighed:
        """Return the shares where so many are once too quick for each plate on two vehicles."""
        logs = self.logs + np.array([0.0, 0.0, 0.0, 0.0, log(odds)])
        two, clock, near, other, jump = np.exp(logs - np.logaddexp.reduce(logs)).tolist()
        return replace(self, shares=(two, clock + jump, near, other), jump=jump)


def _weigh(
    believed: Believed,
    found: _Found,
    rows: Sequence[int],
    known: Known,
    pair: tuple[int, int],
    near: float,
    clocks: dict[int, tuple[float, int, int]],
    quick: float,
    factor: float,
) -> _Weighed:
    """Weigh the four explanations of two chains that contradict each other."""
    reads, chains = believed.reads, known.chains

    def by_clocks(k: int) -> float:
        a, b = int(reads.camera[found.i[k]]), int(reads.camera[found.j[k]])
        sigma = max(float(found.sigma_s[k]), 0.05)
        lack, least = float(found.lack_s[k]), float(found.least_s[k])
        late = least * (factor / _QUICK - 1.0)
        tail = quick * special.ndtr(-lack / sigma) + (1.0 - quick) * special.ndtr(
            -(lack + late) / sigma
        )
        jump = sum(clocks[c][0] for c in (a, b))
        return float(min(tail + jump, 1.0))

    def unlike(k: int) -> int:
        one, other = reads.plates.top[[found.i[k], found.j[k]]]
        return int(((one != other) & (one != signs.OPEN) & (other != signs.OPEN)).sum())

    def clearest(k: int) -> tuple[float, int, float, int]:
        # Among rides that clocks cannot explain, those first whose signs anybody sees to be equal.
        return max(by_clocks(k), _PLAIN), unlike(k), -float(found.lack_s[k]), k

    ranked = sorted(rows, key=clearest)
    kept: list[int] = []
    taken: set[int] = set()
    for k in ranked:
        ends = {int(reads.camera[found.i[k]]), int(reads.camera[found.j[k]])}
        if not ends & taken:
            kept.append(k)
            taken |= ends
    kind_log = _kinds(believed, chains[pair[0]], chains[pair[1]])
    best = max(rows, key=lambda k: float(found.agree[k].sum()))
    same, twin, chance = _plate_logs(found, best, near, len(chains))
    surer = max(pair, key=lambda number: (known.times[number], -number))
    sides = ((0, int(found.i[best])), (1, int(found.j[best])))
    misread = [known.log_misread(found.ratio[best, end], row, pair, surer) for end, row in sides]
    twin = float(np.logaddexp.reduce([twin, *misread]))
    copied = -log(_SAME_KIND + (1.0 - _SAME_KIND) * exp(-kind_log))
    one = same + copied + sum(log(max(by_clocks(k), 1e-12)) for k in kept)
    two = log(_CLONES * _MET) + same
    at = np.asarray(rows, np.int64)
    jump = log_jump(believed, chains[pair[0]], chains[pair[1]], found.i[at], found.j[at])
    logs = np.array([two, one, log(_MET) + twin, log(_MET) + chance, two + copied + jump])
    rides = tuple(_ride(believed, found, k, by_clocks(k)) for k in kept)
    return _Weighed(rides, kind_log, logs)


def _kinds(believed: Believed, one: Sequence[int], other: Sequence[int]) -> float:
    """Return how much likelier what both were called is of one vehicle than of two, as a log."""
    kind = believed.reads.kind
    logs = [float(believed.kinds[kind[a], kind[b]]) for a in one[:8] for b in other[:8]]
    worth = min(len(one), len(other), 2)
    return float(np.clip(worth * np.mean(logs), -_MOST_KIND, _MOST_KIND))


def _ride(believed: Believed, found: _Found, k: int, by_clocks: float) -> Undrivable:
    reads = believed.reads
    a, b = int(found.i[k]), int(found.j[k])
    return Undrivable(
        str(reads.ids[a]), str(reads.ids[b]),
        believed.cameras[int(reads.camera[a])], believed.cameras[int(reads.camera[b])],
        float(reads.time_s[b] - reads.time_s[a]), float(found.sigma_s[k]),
        float(found.least_s[k]), float(found.lack_s[k]), by_clocks,
    )  # fmt: skip


def _counted(
    weighed: Sequence[tuple[tuple[int, int], _Weighed]],
) -> list[tuple[tuple[int, int], _Weighed]]:
    """Return the plates with shares; how common a ride too quick is beside two vehicles is counted.

    Counted from the plates themselves: most of both leave no doubt, whatever is thought first.
    """
    told: list[tuple[tuple[int, int], _Weighed]] = []
    for _ in range(_COUNTED):
        jumps = _JUMPS + sum(one.jump for _, one in told)
        odds = jumps / (_TWICE + sum(one.shares[0] for _, one in told))
        told = _of_plates([(pair, one.given(odds)) for pair, one in weighed])
    return told


def _worth_telling(
    weighed: Sequence[tuple[tuple[int, int], _Weighed]],
) -> list[tuple[tuple[int, int], _Weighed]]:
    """Return the plates that two vehicles may bear, or one that was once too quick, each once.

    What a single ride explains is told with that reason: nobody can have driven it, and which way
    it was is for people to look at.
    """
    told: set[int] = set()
    found = []
    for pair, one in _counted(weighed):
        if one.shares[0] + one.jump >= _WORTH_KEEPING and not told & set(pair):
            found.append((pair, one))
            told |= set(pair)
    return found


def _of_plates(
    weighed: Sequence[tuple[tuple[int, int], _Weighed]],
) -> list[tuple[tuple[int, int], _Weighed]]:
    """Return one pair of chains a plate: the likeliest of those that hang together by a chain."""
    kept: list[tuple[tuple[int, int], _Weighed]] = []
    told: set[int] = set()
    for pair, one in sorted(weighed, key=lambda item: (-item[1].shares[0], item[0])):
        if not told & set(pair):
            kept.append((pair, one))
        if one.shares[0] >= _WORTH_KEEPING:
            told |= set(pair)
    return kept


def _worded(
    believed: Believed,
    chains: Sequence[Sequence[int]],
    pair: tuple[int, int],
    weighed: _Weighed,
    factor: float,
) -> Contradiction:
    reads = believed.reads
    one, other = _sides(believed, chains, pair, weighed.rides[0])
    read = Counter(str(reads.text[row]) for number in pair for row in chains[number])
    plate = min(read, key=lambda text: (-read[text], text))
    best = weighed.rides[0]
    speaks_for = [
        Wording(
            UNDRIVABLE,
            (
                ("from_camera", best.from_camera), ("to_camera", best.to_camera),
                ("elapsed_s", f"{best.elapsed_s:.0f}"), ("least_s", f"{best.least_s:.0f}"),
                ("factor", f"{factor:g}"), ("lack_s", f"{best.lack_s:.0f}"),
                ("sigma_s", f"{best.sigma_s:.1f}"),
            ),
        )
    ]  # fmt: skip
    if len(weighed.rides) > 1:
        speaks_for.append(Wording(MORE_RIDES, (("count", str(len(weighed.rides) - 1)),)))
    names = [_called(believed, chains[number]) for number in pair]
    if names[0] != names[1]:
        kinds = Wording(KINDS_DIFFER)
        (speaks_for if weighed.kind_log < 0 else []).append(kinds)
    if len(read) == 1:
        counts = (("count", str(len(one))), ("others", str(len(other))))
        speaks_for.append(Wording(SIGNS_AGREE, counts))
    against = [
        (share, Wording(template))
        for share, template in zip(
            (weighed.shares[1] - weighed.jump, weighed.jump, *weighed.shares[2:]),
            (MAYBE_CLOCK, MAYBE_JUMP, MAYBE_TWIN, MAYBE_CHANCE),
            strict=True,
        )
        if share >= 0.01
    ]
    speaks_against = [word for _, word in sorted(against, key=lambda item: -item[0])]
    if min(len(one), len(other)) == 1:
        speaks_against.append(Wording(FEW_READS))
    if names[0] == names[1] and weighed.kind_log > 0:
        speaks_against.append(Wording(KINDS_ALIKE))
    return Contradiction(
        plate, min(weighed.shares[0], MOST_CLAIMED), *weighed.shares, tuple(one), tuple(other),
        weighed.rides, tuple(speaks_for), tuple(speaks_against),
    )  # fmt: skip


def _sides(
    believed: Believed, chains: Sequence[Sequence[int]], pair: tuple[int, int], ride: Undrivable
) -> tuple[list[str], list[str]]:
    """Return the reads of either side; of one chain that holds both only the two that are told."""
    if pair[0] == pair[1]:
        return [ride.from_id], [ride.to_id]
    one, other = ([str(believed.reads.ids[row]) for row in chains[n]] for n in pair)
    return one, other


def _called(believed: Believed, chain: Sequence[int]) -> str:
    named = Counter(int(believed.reads.kind[row]) for row in chain)
    return KINDS[max(named, key=lambda kind: (named[kind], -kind))]
