"""Journeys: the paths that legs allow, what contradicts them, and how many links are right."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import pyarrow as pa

from workbench.plates import compact
from workbench.trajectories.hops import SAME_PASS, SAME_PLACE, Pass, Sightings, passes
from workbench.trajectories.link import DOUBTFUL_COST, chain_through, chains, commonest, weight

_MOST_ALTERNATIVES = 3
_WORTH_SHOWING = 0.5
_ONE_PASS = (SAME_PASS, SAME_PLACE)


@dataclass(frozen=True, slots=True)
class SetAside:
    """A sighting that a journey leaves out, and the impossible leg that speaks against it.

    ``from_id`` and ``to_id`` name that leg in LEGS; one of them is ``sighting_id``.
    """

    sighting_id: str
    from_id: str
    to_id: str


@dataclass(frozen=True, slots=True, eq=False)
class Journey:
    """Sightings that one vehicle can have made, in order of time, and the legs between them.

    ``legs`` (schema LEGS) has one row less than there are sightings; none is impossible. ``stops``
    are the same sightings with those of one pass seen by two cameras together. ``set_aside`` are
    sightings read as the same plate that cannot belong to it: a misread, a near twin, a wrong
    clock, or the same plate on another vehicle. ``alternatives`` are other consistent orders of
    sightings that hold one of them, best first.
    """

    plate: str
    sighting_ids: tuple[str, ...]
    legs: pa.Table
    stops: tuple[tuple[str, ...], ...] = ()
    alternatives: tuple[tuple[str, ...], ...] = ()
    set_aside: tuple[SetAside, ...] = ()


def journeys(legs: pa.Table, sightings: Sightings, *, plate: str | None = None) -> list[Journey]:
    """Return the journeys that the legs of one plate allow, the fullest first.

    Each sighting is in exactly one. A sighting that contradicts the others is left out of their
    journey, named in its ``set_aside``, and makes a journey of its own, together with others that
    agree with it.

    Parameters
    ----------
    legs
        From :func:`workbench.trajectories.link`, for the same sightings.
    sightings
        SIGHTINGS rows; those without a plate are left out.
    plate
        The plate searched; None: the commonest read.
    """
    by_id = {p.sighting_id: p for p in passes(sightings)}
    rows = legs.to_pylist()
    named = {row["from_id"] for row in rows} | {row["to_id"] for row in rows}
    # link() may have left far reads out; with no legs at all there is nothing to go by.
    found = [p for p in by_id.values() if p.sighting_id in named or not rows]
    wanted = compact(plate) if plate else commonest(found)
    shown = plate or wanted
    order = [p.sighting_id for p in found]
    weights = {p.sighting_id: weight(p.plate, wanted) for p in found}
    at = {(row["from_id"], row["to_id"]): i for i, row in enumerate(rows)}
    edges = {
        pair: DOUBTFUL_COST if rows[i]["plausible"] == "doubtful" else 0.0
        for pair, i in at.items()
        if rows[i]["plausible"] != "impossible"
    }
    result = []
    for chain in chains(order, weights, edges):
        pairs = list(pairwise(chain))
        aside = _set_aside(chain, rows, by_id)
        result.append(
            Journey(
                shown,
                tuple(chain),
                legs.take(pa.array([at[pair] for pair in pairs], pa.int64())),
                _stops(chain, [rows[at[pair]] for pair in pairs]),
                _alternatives(chain, aside, order, weights, edges),
                aside,
            )
        )
    return result


def _stops(chain: list[str], legs: list[Mapping[str, object]]) -> tuple[tuple[str, ...], ...]:
    stops = [[chain[0]]]
    for name, leg in zip(chain[1:], legs, strict=True):
        if leg["plausible"] == "plausible" and leg["reason"] in _ONE_PASS:
            stops[-1].append(name)
        else:
            stops.append([name])
    return tuple(tuple(stop) for stop in stops)


def _set_aside(
    chain: list[str], rows: list[dict[str, object]], by_id: Mapping[str, Pass]
) -> tuple[SetAside, ...]:
    inside = set(chain)
    found: dict[str, SetAside] = {}
    for row in rows:
        a, b = str(row["from_id"]), str(row["to_id"])
        if row["plausible"] == "impossible" and (a in inside) != (b in inside):
            other = b if a in inside else a
            found.setdefault(other, SetAside(other, a, b))
    return tuple(sorted(found.values(), key=lambda aside: by_id[aside.sighting_id]))


def _alternatives(
    chain: list[str],
    aside: tuple[SetAside, ...],
    order: list[str],
    weights: Mapping[str, float],
    edges: Mapping[tuple[str, str], float],
) -> tuple[tuple[str, ...], ...]:
    best = sum(weights[name] for name in chain)
    found: dict[tuple[str, ...], float] = {}
    for one in aside:
        other = chain_through(one.sighting_id, order, weights, edges)
        total = sum(weights[name] for name in other)
        if len(other) > 1 and total >= _WORTH_SHOWING * best and set(other) & set(chain):
            found[tuple(other)] = total
    ranked = sorted(found, key=lambda path: (-found[path], path))
    return tuple(ranked[:_MOST_ALTERNATIVES])


@dataclass(frozen=True, slots=True)
class Score:
    """Counts of links and what follows from them; a link is (earlier, later) consecutive pass."""

    correct: int
    predicted: int
    true: int

    @property
    def precision(self) -> float:
        """Share of the predicted links that are true; 1 where none was predicted."""
        return self.correct / self.predicted if self.predicted else 1.0

    @property
    def recall(self) -> float:
        """Share of the true links that were predicted; 1 where there are none."""
        return self.correct / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.predicted + self.true
        return 2 * self.correct / both if both else 1.0


def score(predicted: Iterable[tuple[str, str]], true: Iterable[tuple[str, str]]) -> Score:
    """Return the score of predicted links against the true ones; order within a link counts.

    >>> score([("a", "b"), ("b", "d")], [("a", "b"), ("b", "c"), ("c", "d")]).recall
    0.3333333333333333
    """
    guessed, known = set(predicted), set(true)
    return Score(len(guessed & known), len(guessed), len(known))


def consecutive(chains: Iterable[Sequence[str]]) -> list[tuple[str, str]]:
    """Return the links of ordered chains: each two neighbours.

    >>> consecutive([["a", "b", "c"], ["d"]])
    [('a', 'b'), ('b', 'c')]
    """
    return [pair for chain in chains for pair in pairwise(chain)]
