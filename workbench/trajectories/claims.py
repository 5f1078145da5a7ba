"""What linking claims: a calibrated probability a leg, its rivals, and what speaks for and against.

Raw probabilities are too sure of themselves. A monotone curve, fitted on simulated wards whose
seeds ``calibration.json`` names, turns them into shares that held.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench.errors import N_
from workbench.plates import distance
from workbench.records import LEGS, Wording
from workbench.timeline import SECOND_NS
from workbench.trajectories.beliefs import Believed, Sightings, frame_of
from workbench.trajectories.hops import Pass, Rules, Ways, cached, judge

SIGNS_FOR = N_("the signs read are {times} times likelier on one plate than on two")
SIGNS_AGAINST = N_("the signs read are {times} times likelier on two plates than on one")
RIDE_FOR = N_("this way in {elapsed_s} s is {times} times likelier than a vehicle by chance")
RIDE_AGAINST = N_(
    "a vehicle there by chance is {times} times likelier than this way in {elapsed_s} s"
)
KIND_FOR = N_("the detector called both alike")
KIND_AGAINST = N_("the detector called them differently ({times} times likelier of two vehicles)")
RIVAL = N_("another sighting may be the next one ({percent} %)")
MAYBE_UNSEEN = N_("it may not have been read again ({percent} %)")

_WORTH_SAYING = 0.7
_MOST_TIMES = 1e6
_WORTH_NAMING = 0.005

Floats = NDArray[np.float64]


Curve = tuple[tuple[float, ...], tuple[float, ...]]
"""From what was claimed to what held: two ascending sequences, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """Curves from what was claimed to what held; ``origin`` says on what they were fitted.

    There are two of each kind, for where few and where many sightings stay unread (``shares`` of
    all); between the two what they say is mixed. Where many are unread, links skip more, and more
    of those who compete for an unread sighting are nobody's: the same claim holds less often.
    """

    links: tuple[Curve, Curve]
    unread: tuple[Curve, Curve]
    shares: tuple[float, float] = (0.0, 1.0)
    origin: str = ""

    def of_links(self, claimed: Floats, share: float) -> Floats:
        """Return the share of links, claimed with such probabilities, that held.

        ``share`` of all sightings that were linked had no plate.
        """
        return self._mixed(self.links, claimed, share)

    def of_unread(self, claimed: Floats, share: float) -> Floats:
        """Return the same for unread sightings that were given to a vehicle."""
        return self._mixed(self.unread, claimed, share)

    def _mixed(self, curves: tuple[Curve, Curve], claimed: Floats, share: float) -> Floats:
        few, many = (np.interp(claimed, *curve) for curve in curves)
        mixed = float(np.interp(share, self.shares, (0.0, 1.0)))
        return np.asarray((1.0 - mixed) * few + mixed * many)


_AS_CLAIMED: Curve = ((0.0, 1.0), (0.0, 1.0))
PLAIN = Calibration(
    (_AS_CLAIMED, _AS_CLAIMED), (_AS_CLAIMED, _AS_CLAIMED), origin="none: as claimed"
)
_FILE = Path(__file__).with_name("calibration.json")


@cache
def default_calibration() -> Calibration:
    """Return the curves that come with the workbench."""
    if not _FILE.is_file():
        return PLAIN
    data = json.loads(_FILE.read_text(encoding="utf-8"))
    links, unread = (
        tuple(
            (tuple(map(float, claimed)), tuple(map(float, held)))
            for claimed, held in (data[f"{name}, few"], data[f"{name}, many"])
        )
        for name in ("links", "unread")
    )
    low, high = data["shares unread"]
    return Calibration(
        (links[0], links[1]), (unread[0], unread[1]), (float(low), float(high)), str(data["origin"])
    )


@dataclass(frozen=True, slots=True, eq=False)
class Rivals:
    """For each read (row) the likeliest next ones: rows and probabilities, best first; -1: none."""

    row: NDArray[np.int64]
    probability: Floats
    unseen: Floats


def rivals(believed: Believed, *, most: int = 3, calibration: Calibration | None = None) -> Rivals:
    """Return the `most` likeliest successors of each read, with calibrated probabilities.

    What is left to 1 is other sightings and there being none (``unseen``).
    """
    curve = calibration or default_calibration()
    i, j, claimed = either_way(believed)
    count = len(believed.reads.ids)
    row = np.full((count, most), -1, np.int64)
    probability = np.zeros((count, most))
    order = np.lexsort((j, -claimed, i))
    i, j = i[order], j[order]
    held = curve.of_links(claimed[order], believed.share_unread)
    rank = np.arange(len(i)) - np.searchsorted(i, i, side="left")
    top = rank < most
    row[i[top], rank[top]] = j[top]
    probability[i[top], rank[top]] = held[top]
    whole = np.bincount(i, held, minlength=count)
    scale = np.where(whole > 1.0, 1.0 / np.maximum(whole, 1e-9), 1.0)
    return Rivals(row, probability * scale[:, None], np.maximum(1.0 - whole, 0.0))


def either_way(believed: Believed) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """Return the edges, and those whose order clocks leave open the other way round too."""
    edges = believed.edges
    open_ = np.flatnonzero(edges.order < 0)
    turned = edges.probability[open_] * np.expm1(-edges.order[open_])
    return (
        np.concatenate([edges.i, edges.j[open_]]),
        np.concatenate([edges.j, edges.i[open_]]),
        np.concatenate([edges.probability, turned]),
    )


def claimed_legs(
    believed: Believed,
    sightings: Sightings,
    ways: Ways,
    *,
    rules: Rules | None = None,
    calibration: Calibration | None = None,
) -> pa.Table:
    """Return the links as LEGS with probability, rivals and the weights of their evidence.

    Times between sightings are on corrected clocks, their sigma is that of the corrections.
    """
    rules, ask = rules or Rules(), cached(ways)
    frame = frame_of(sightings).set_index("sighting_id")
    utc = frame["utc"].to_dict()
    reads, edges = believed.reads, believed.edges
    near = rivals(believed, calibration=calibration)
    rows = []
    kept = np.flatnonzero(believed.links)
    for edge in kept[np.lexsort((edges.j[kept], edges.i[kept]))].tolist():
        i, j = int(edges.i[edge]), int(edges.j[edge])
        hop = judge(_pass(believed, i), _pass(believed, j), ask, rules)
        named = [
            (str(reads.ids[row]), float(p), row)
            for row, p in zip(near.row[i], near.probability[i], strict=True)
            if row >= 0
        ]
        own = next((p for _, p, row in named if row == j), 0.0)
        others = [one for one in named if one[2] != j and one[1] >= _WORTH_NAMING]
        rows.append(
            {
                "from_id": reads.ids[i],
                "to_id": reads.ids[j],
                "from_camera": believed.cameras[reads.camera[i]],
                "to_camera": believed.cameras[reads.camera[j]],
                "from_utc": utc[reads.ids[i]],
                "to_utc": utc[reads.ids[j]],
                "elapsed_s": hop.elapsed_s,
                "elapsed_sigma_s": hop.sigma_s,
                "road_m": hop.road_m,
                "fastest_s": hop.fastest_s,
                "edges": list(hop.edges),
                "plate_distance": distance(str(reads.text[i]), str(reads.text[j])),
                "plausible": hop.plausible,
                "reason": hop.reason,
                "probability": own,
                "unseen": float(near.unseen[i]),
                "others": [name for name, _, _ in others],
                "others_p": [p for _, p, _ in others],
                "plate_log": float(edges.plate[edge]),
                "ride_log": float(edges.time[edge] + edges.place[edge]),
                "kind_log": float(edges.kind[edge]),
            }
        )
    return pa.Table.from_pylist(rows, schema=LEGS)


def _pass(believed: Believed, row: int) -> Pass:
    reads = believed.reads
    return Pass(
        round(float(reads.time_s[row]) * SECOND_NS),
        str(reads.ids[row]),
        believed.cameras[int(reads.camera[row])],
        float(reads.sigma_s[row]),
        str(reads.text[row]),
    )


def with_claims(legs: pa.Table, claims: pa.Table) -> pa.Table:
    """Return legs with the probabilities and evidence that `claims` hold for the same two.

    A leg that is no claim but a rival of one gets the rival's probability, without evidence.
    """
    columns = ("probability", "unseen", "others", "others_p", "plate_log", "ride_log", "kind_log")
    known: dict[tuple[str, str], dict[str, Any]] = {}
    for row in claims.to_pylist():
        known[row["from_id"], row["to_id"]] = {name: row[name] for name in columns}
        for other, p in zip(row["others"] or (), row["others_p"] or (), strict=True):
            known.setdefault((row["from_id"], other), {"probability": p})
    rows = [{**row, **known.get((row["from_id"], row["to_id"]), {})} for row in legs.to_pylist()]
    return pa.Table.from_pylist(rows, schema=LEGS)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a leg and what against it, the weightiest first."""

    speaks_for: tuple[Wording, ...]
    speaks_against: tuple[Wording, ...]


def evidence(leg: Mapping[str, Any]) -> Evidence:
    """Return the evidence of a row of LEGS in words; empty where none was weighed.

    >>> row = {"plate_log": 9.2, "ride_log": -1.1, "kind_log": 0.1, "elapsed_s": 300.0}
    >>> found = evidence(row)
    >>> found.speaks_for[0].sentence()
    'the signs read are 9900 times likelier on one plate than on two'
    >>> found.speaks_against[0].sentence()
    'a vehicle there by chance is 3.0 times likelier than this way in 300 s'
    """
    elapsed = ("elapsed_s", f"{float(leg.get('elapsed_s') or 0.0):.0f}")
    found: list[tuple[float, Wording]] = []
    for column, speaks_for, speaks_against in (
        ("plate_log", SIGNS_FOR, SIGNS_AGAINST),
        ("ride_log", RIDE_FOR, RIDE_AGAINST),
        ("kind_log", KIND_FOR, KIND_AGAINST),
    ):
        value = leg.get(column)
        if value is None or not np.isfinite(value) or abs(value) < _WORTH_SAYING:
            continue
        template = speaks_for if value > 0 else speaks_against
        found.append((float(value), Wording(template, (("times", _times(abs(value))), elapsed))))
    found += _rival_words(leg)
    ranked = sorted(found, key=lambda item: -abs(item[0]))
    return Evidence(
        tuple(word for value, word in ranked if value > 0),
        tuple(word for value, word in ranked if value < 0),
    )


def _rival_words(leg: Mapping[str, Any]) -> list[tuple[float, Wording]]:
    given = leg.get("others_p")
    shares: Sequence[float] = () if given is None else given
    found = [(-p, Wording(RIVAL, (("percent", f"{100 * p:.0f}"),))) for p in shares if p >= 0.01]
    unseen = leg.get("unseen")
    if unseen is not None and unseen >= 0.01:
        found.append((-unseen, Wording(MAYBE_UNSEEN, (("percent", f"{100 * unseen:.0f}"),))))
    return found


def _times(log: float) -> str:
    """Return a factor for people: two figures, and no more than a million.

    >>> _times(1.1), _times(99.0)
    ('3.0', '1000000')
    """
    value = min(exp(min(log, 30.0)), _MOST_TIMES)
    return f"{value:.1f}" if value < 10 else f"{float(f'{value:.2g}'):.0f}"
