"""How sure a leg is: all reads of a case are linked at once, and a trace takes its legs from that.

Rates of wrong signs, times of travel and clocks are learned from the traffic around a subject, so
all that the case allows is linked, and nothing more. What is kept of it are the links; what others
than the subject did is shown to nobody.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import shapely

from workbench import trajectories
from workbench.investigation.answers import Linked, Trace, frame_of
from workbench.investigation.exchanging import searched_elsewhere, watched
from workbench.records import LEGS, Purpose
from workbench.timeline import SECOND_NS, Span, gaps

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

LEAST_LINKS = 600
"""Fewer links teach rides and signs too little: their probabilities are not called calibrated.

See docs/trajectories.md for what was measured.
"""
WORTH_SHOWING = 0.05
"""An unread sighting that is less likely to belong to a vehicle is not shown with it."""
MOST_CLAIMED = 0.999
_MOST_POSSIBLE = 3
_MOST_BETWEEN = 4
_KEPT = 4
NOTHING_CONTRADICTS = trajectories.Contradictions((), ())
_COLUMNS = (
    "sighting_id", "camera_id", "utc", "sigma_s", "kind", "plate", "plate_raw", "plate_lattice",
    "bearing_deg",
)  # fmt: skip

_SEAM_NS = 2 * SECOND_NS
"""Shorter gaps are seams between two files of a recording."""
_ON_THE_LINE_DEG = 3e-5  # about three metres

OnWay = Literal["not recorded", "partly recorded", "not searched", "not seen"]


@dataclass(frozen=True, slots=True)
class Passed:
    """What it is worth that a camera on the way of a leg has no such read.

    ``gaps`` are the spans of UTC, within the leg, from which there is no recording.
    """

    state: OnWay
    gaps: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """What linking all reads of a case came to.

    ``claims`` are its links as LEGS; ``possible`` names unread sightings that may lie on one:
    sighting_id, from_id and to_id (empty at an open end), probability. ``calibrated`` says whether
    there was enough to learn from. ``contradictions`` are of all its plates, ``company``
    answers about any of them: what is shown is for the verb that asks. None: too few reads.
    """

    claims: pa.Table
    possible: pd.DataFrame
    reads: int
    links: int
    calibrated: bool
    contradictions: trajectories.Contradictions = NOTHING_CONTRADICTS
    company: trajectories.Company | None = None


_beliefs: OrderedDict[tuple[Path, str], Belief] = OrderedDict()
_lock = threading.Lock()


def believe(house: Workbench, purpose: Purpose) -> Belief:
    """Return the links of all reads that a case allows; quick where nothing has changed since.

    Takes about 10 CPU seconds for an hour of a whole ward: pages call it beside their own work.

    Raises
    ------
    Refused
        Outside an open case and its bounds.
    """
    _, cameras, span = house._authorise(purpose, "search")
    table = house._store.sightings(cameras=cameras, span=span, columns=_COLUMNS)
    key = house.root, _fingerprint(table)
    with _lock:  # two who ask at once wait for one answer
        found = _beliefs.get(key)
        if found is None:
            found = _linked(house, frame_of(table))
            _beliefs[key] = found
            while len(_beliefs) > _KEPT:
                _beliefs.popitem(last=False)
        else:
            _beliefs.move_to_end(key)
    details = {"reads": found.reads, "links": found.links, "calibrated": found.calibrated}
    house._log("search.links", "*", purpose, details=details)
    return found


def _fingerprint(table: pa.Table) -> str:
    digest = hashlib.sha256()
    for name in ("sighting_id", "utc", "plate"):
        for value in table[name].combine_chunks().buffers() if table.num_rows else ():
            digest.update(value if value is not None else b"-")
    digest.update(str(table.num_rows).encode())
    return digest.hexdigest()


def _linked(house: Workbench, sightings: pd.DataFrame) -> Belief:
    nobody = pd.DataFrame(columns=["sighting_id", "from_id", "to_id", "probability"])
    if sightings["plate"].notna().sum() < 2:
        return Belief(LEGS.empty_table(), nobody, int(sightings["plate"].notna().sum()), 0, False)
    believed = trajectories.link_by_belief(sightings, house.graph.between)
    joined = trajectories.join_unread(believed, believed.unread)
    claims = trajectories.claimed_legs(believed, sightings, house.graph.between)
    calibrated = claims.num_rows >= LEAST_LINKS
    return Belief(
        claims, _possible(believed, joined), len(believed.reads.ids), claims.num_rows, calibrated,
        trajectories.contradictions(believed), trajectories.Company(believed),
    )  # fmt: skip


def _possible(believed: trajectories.Believed, joined: trajectories.Possible) -> pd.DataFrame:
    ids, hosts = np.append(believed.reads.ids, ""), joined.hosts  # row -1, an open end, is ""
    held = trajectories.default_calibration().of_unread(joined.probability, joined.share)
    held = np.minimum(held, MOST_CLAIMED)  # the curve reaches 1, and nothing is certain
    frame = pd.DataFrame(
        {
            "sighting_id": joined.unread.ids[joined.row],
            "from_id": ids[hosts.before[joined.host]],
            "to_id": ids[hosts.after[joined.host]],
            "probability": held,
        }
    )
    frame = frame[frame["probability"] >= WORTH_SHOWING]
    return frame.sort_values("probability", ascending=False, ignore_index=True)


def with_belief(house: Workbench, trace: Trace, belief: Belief, purpose: Purpose) -> Trace:
    """Return a trace whose legs say how sure they are, what else could be, and why.

    Where there was too little to learn from, the evidence stands without any probability.

    Raises
    ------
    Refused
        Outside an open case and its bounds.
    """
    legs = pa.Table.from_pandas(trace.legs, schema=LEGS, preserve_index=False)
    mine = set(trace.sightings["sighting_id"])
    of_mine = pc.is_in(belief.claims["from_id"], pa.array(sorted(mine), pa.string()))
    legs = trajectories.with_claims(legs, belief.claims.filter(of_mine))
    legs, between = _through_others(legs, belief.claims)
    if not belief.calibrated:
        silent = dict.fromkeys(("probability", "unseen", "others_p"))
        legs = pa.Table.from_pylist([{**row, **silent} for row in legs.to_pylist()], schema=LEGS)
    possible = belief.possible
    near = possible[possible["from_id"].isin(mine) | possible["to_id"].isin(mine)]
    near = near.groupby(["from_id", "to_id"], sort=False).head(_MOST_POSSIBLE)
    others = {name for row in legs["others"].to_pylist() for name in row or ()}
    rows = _rows(house, purpose, [*near["sighting_id"], *others, *between["sighting_id"]])
    if not belief.calibrated:
        near = near.assign(probability=np.nan)
    linked = Linked(
        belief.calibrated,
        belief.reads,
        belief.links,
        near.merge(rows, on="sighting_id", how="inner"),
        rows[rows["sighting_id"].isin(others)],
        between.merge(rows, on="sighting_id", how="inner"),
    )
    journeys = trajectories.journeys(legs, trace.sightings, plate=trace.plate)
    return replace(trace, legs=frame_of(legs), journeys=tuple(journeys), linked=linked)


def _through_others(legs: pa.Table, claims: pa.Table) -> tuple[pa.Table, pd.DataFrame]:
    """Give legs that linking makes by way of other reads the probability of all their parts.

    Returns the legs, and the reads between (from_id, to_id, sighting_id), in order.
    """
    nexts = {
        first: (then, sure)
        for first, then, sure in zip(
            *(claims[name].to_pylist() for name in ("from_id", "to_id", "probability")), strict=True
        )
    }
    rows, between = legs.to_pylist(), []
    for row in rows:
        here, whole, passed = row["from_id"], 1.0, list[str]()
        while row["probability"] is None and here in nexts and len(passed) <= _MOST_BETWEEN:
            here, sure = nexts[here]
            whole *= sure or 0.0
            if here == row["to_id"]:
                row["probability"] = whole
                between += [(row["from_id"], row["to_id"], name) for name in passed]
            passed.append(here)
    named = pd.DataFrame(between, columns=["from_id", "to_id", "sighting_id"])
    return pa.Table.from_pylist(rows, schema=LEGS), named


def _rows(house: Workbench, purpose: Purpose, ids: Sequence[str]) -> pd.DataFrame:
    _, allowed, wanted = house._authorise(purpose, "search")
    found = house._store.sightings(cameras=allowed, span=wanted, ids=list(dict.fromkeys(ids)))
    return frame_of(found)


def cameras_between(
    house: Workbench, leg: Mapping[str, Any], cameras: Iterable[str]
) -> tuple[str, ...]:
    """Return which of `cameras` the shortest way of a leg goes past, those at its ends left out."""
    ends = {house.camera(leg[f"{end}_camera"]).site_id for end in ("from", "to")}
    edges = set(leg["edges"] if leg["edges"] is not None else ())
    near = [name for name in cameras if house.graph.cameras[name].edge_id in edges]
    way = house.graph.between(leg["from_camera"], leg["to_camera"]) if near else None
    if way is None or len(ends) == 1:
        return ()
    line = shapely.LineString(way.line)  # begins and ends at the cameras, not at crossings

    def on_it(name: str) -> bool:
        at = house.graph.cameras[name]
        return bool(line.distance(shapely.Point(at.lon_deg, at.lat_deg)) <= _ON_THE_LINE_DEG)

    return tuple(name for name in near if house.camera(name).site_id not in ends and on_it(name))


def on_the_way(house: Workbench, leg: Mapping[str, Any], purpose: Purpose) -> dict[str, Passed]:
    """Return the cameras of the case between the ends of a leg, and what their silence means.

    A camera that did not record, or whose footage nobody searched, says nothing; one that was
    searched and has no such read speaks a little against the way past it.

    Raises
    ------
    Refused
        Outside an open case and its bounds.
    """
    _, allowed, _ = house._authorise(purpose, "search")
    between = cameras_between(house, leg, allowed)
    start, stop = (pd.Timestamp(leg[f"{end}_utc"]).as_unit("ns").value for end in ("from", "to"))
    if not between or start >= stop:
        return {}
    span = Span(start, stop)
    recorded, elsewhere = watched(house, between), searched_elsewhere(house, between)
    # what another system looked at needs no search here
    waiting = {
        name: [part for one in spans for part in gaps(elsewhere[name], one)]
        for name, spans in house.not_searched(between, span).items()
    }

    def share(spans: Iterable[Span]) -> float:
        inside = (one.overlap(span) for one in spans)
        return sum(one.duration_ns for one in inside if one) / span.duration_ns

    found: dict[str, Passed] = {}
    for name in between:
        missing = tuple(
            one for one in gaps(recorded.get(name, []), span) if one.duration_ns >= _SEAM_NS
        )
        if share(missing) > 0.5:
            found[name] = Passed("not recorded", missing)
        elif missing:
            found[name] = Passed("partly recorded", missing)
        elif share(waiting.get(name, [])) > 0.5:
            found[name] = Passed("not searched")
        else:
            found[name] = Passed("not seen")
    return found
