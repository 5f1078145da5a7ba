"""One hop between two passes: can it be, what speaks against it, and that in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from math import hypot, isfinite, isnan
from typing import Literal, TypeAlias

import pandas as pd
import pyarrow as pa

from workbench.errors import N_, BadInput
from workbench.plates import compact
from workbench.roads import Way, bearing_along
from workbench.timeline import SECOND_NS

# Why a hop is judged as it is: templates for the catalogue, over the columns of LEGS.
ON_THE_WAY = N_("{road_m} m by road in {elapsed_s} s; at the speed limit it takes {fastest_s} s")
TOO_FAST = N_(
    "{road_m} m by road in {elapsed_s} s (clocks ± {elapsed_sigma_s} s) cannot be done: "
    "at the speed limit it takes {fastest_s} s"
)
CLOCKS_ONLY = N_(
    "{road_m} m by road in {elapsed_s} s is possible only because the clocks are unsure "
    "(± {elapsed_sigma_s} s)"
)
FASTER = N_("{road_m} m by road in {elapsed_s} s is faster than the limit ({fastest_s} s)")
EITHER_FIRST = N_(
    "the clocks (± {elapsed_sigma_s} s) do not tell which of the two cameras saw it first"
)
LEFT_OTHERWISE = N_("at {from_camera} it was heading away from the way to {to_camera}")
CAME_OTHERWISE = N_("at {to_camera} it was coming from another side than {from_camera}")
STOPPED = N_(
    "{elapsed_s} s for a way of {fastest_s} s: it stopped, or took another way, or this is "
    "another trip"
)
NO_WAY = N_("no way by road is known from {from_camera} to {to_camera}")
SAME_PASS = N_("{from_camera} saw the same pass twice, {elapsed_s} s apart")
SAME_PLACE = N_("two cameras of one place saw the same pass, {elapsed_s} s apart")
SEEN_AGAIN = N_("seen again at the same place after {elapsed_s} s: it stood there or came back")

Plausible = Literal["plausible", "stop", "doubtful", "impossible"]
Sightings: TypeAlias = pd.DataFrame | pa.Table
Ways = Callable[[str, str], Way | None]
"""From camera to camera: the shortest way in time, or None where there is none."""


@dataclass(frozen=True, slots=True)
class Rules:
    """Every number that judging a hop uses.

    ``limit_factor``: how much faster than the limit anyone goes (1.35 holds 99.8 % of true
    positions). ``sigmas``: how many standard deviations the clocks are allowed. A hop is a stop
    when it takes ``stop_factor`` times the fastest time and ``stop_s`` more than it. Cameras no
    more than ``place_m`` apart by road are one place, and passes within ``same_pass_s`` there are
    one pass. A heading more than ``against_deg`` off contradicts a way unless there were
    ``turn_s`` seconds to turn.
    """

    limit_factor: float = 1.35
    sigmas: float = 2.0
    stop_factor: float = 3.0
    stop_s: float = 120.0
    place_m: float = 60.0
    same_pass_s: float = 12.0
    against_deg: float = 120.0
    turn_s: float = 30.0


@dataclass(frozen=True, slots=True, order=True)
class Pass:
    """What linking uses of a sighting; sorts by time, then by identity."""

    utc_ns: int
    sighting_id: str
    camera_id: str
    sigma_s: float
    plate: str
    bearing_deg: float | None = None


@dataclass(frozen=True, slots=True)
class Hop:
    """The judgement of one hop, as it goes into a row of LEGS."""

    elapsed_s: float
    sigma_s: float
    road_m: float | None
    fastest_s: float | None
    edges: tuple[str, ...]
    plausible: Plausible
    reason: str


def passes(sightings: Sightings) -> list[Pass]:
    """Return the passes of a SIGHTINGS table or DataFrame that have a plate, in time order.

    Columns used: sighting_id, camera_id, utc, sigma_s, plate and, where there, bearing_deg.
    """
    wanted = ["sighting_id", "camera_id", "utc", "sigma_s", "plate"]
    if isinstance(sightings, pd.DataFrame):
        columns = [*wanted, *(["bearing_deg"] if "bearing_deg" in sightings else [])]
        table = pa.Table.from_pandas(sightings[columns], preserve_index=False)
    else:
        table = sightings
    utc = table["utc"].cast(pa.timestamp("ns", tz="UTC")).cast(pa.int64()).to_pylist()
    rows = [table[name].to_pylist() for name in ("sighting_id", "camera_id", "sigma_s", "plate")]
    if "bearing_deg" in table.column_names:
        bearings = table["bearing_deg"].to_pylist()
    else:
        bearings = [None] * len(utc)
    found = [
        Pass(at, sighting_id, camera_id, sigma_s, compact(plate), _known(bearing))
        for at, sighting_id, camera_id, sigma_s, plate, bearing in zip(
            utc, *rows, bearings, strict=True
        )
        if isinstance(plate, str) and compact(plate)
    ]
    return sorted(found, key=lambda p: (p.utc_ns, p.sighting_id))


def cached(ways: Ways) -> Ways:
    """Return `ways` that asks for each pair of cameras once.

    A camera that is no longer in the road graph has no way: its old sightings are linked all the
    same, and the legs say so.
    """

    @cache
    def ask(start: str, end: str) -> Way | None:
        try:
            return ways(start, end)
        except BadInput:
            return None

    return ask


def judge(first: Pass, then: Pass, ways: Ways, rules: Rules) -> Hop:
    """Return whether one vehicle can have made both passes, in this order, and why.

    The clocks of two cameras err apart; one camera's clock errs the same way at both passes.
    """
    elapsed_s = (then.utc_ns - first.utc_ns) / SECOND_NS
    same_camera = first.camera_id == then.camera_id
    sigma_s = 0.0 if same_camera else hypot(first.sigma_s, then.sigma_s)
    way = ways(first.camera_id, then.camera_id)
    road_m = 0.0 if same_camera else (way.road_m if way else None)
    fastest_s = 0.0 if same_camera else (way.fastest_s if way else None)

    def hop(plausible: Plausible, reason: str) -> Hop:
        edges = way.edges if way and not same_camera else ()
        return Hop(elapsed_s, sigma_s, road_m, fastest_s, tuple(edges), plausible, reason)

    if same_camera or (way is not None and way.road_m <= rules.place_m):
        if elapsed_s <= rules.same_pass_s + rules.sigmas * sigma_s:
            return hop("plausible", SAME_PASS if same_camera else SAME_PLACE)
        return hop("stop", SEEN_AGAIN)
    if way is None:
        return hop("doubtful", NO_WAY)
    return hop(*_by_road(first, then, way, elapsed_s, sigma_s, rules))


def _by_road(
    first: Pass, then: Pass, way: Way, elapsed_s: float, sigma_s: float, rules: Rules
) -> tuple[Plausible, str]:
    least_s, margin_s = way.fastest_s / rules.limit_factor, rules.sigmas * sigma_s
    if elapsed_s + margin_s < least_s:
        return "impossible", TOO_FAST
    if margin_s - elapsed_s >= least_s:
        return "doubtful", EITHER_FIRST
    if elapsed_s < least_s:
        return "doubtful", CLOCKS_ONLY
    if elapsed_s + margin_s < way.fastest_s:
        return "doubtful", FASTER
    if elapsed_s < way.fastest_s + rules.turn_s:
        left, came = way_ends(way)
        if _apart(first.bearing_deg, left) > rules.against_deg:
            return "doubtful", LEFT_OTHERWISE
        if _apart(then.bearing_deg, came) > rules.against_deg:
            return "doubtful", CAME_OTHERWISE
    slow_s = max(rules.stop_factor * way.fastest_s, way.fastest_s + rules.stop_s)
    if elapsed_s - margin_s > slow_s:
        return "stop", STOPPED
    return "plausible", ON_THE_WAY


def _known(bearing: float | None) -> float | None:
    return None if bearing is None or isnan(bearing) else bearing


def _apart(bearing: float | None, way_bearing: float | None) -> float:
    """Return the angle between two bearings, 0..180; 0 where one is unknown: no contradiction."""
    if bearing is None or way_bearing is None:
        return 0.0
    return abs((bearing - way_bearing + 180.0) % 360.0 - 180.0)


@lru_cache(maxsize=4096)
def way_ends(way: Way) -> tuple[float | None, float | None]:
    """Return the bearings in which a way starts and ends; None for a way without length."""
    if way.road_m <= 0:
        return None, None
    return bearing_along(way, 0.0), bearing_along(way, way.road_m)


def explain(leg: Mapping[str, object], translate: Callable[[str], str] = str) -> str:
    """Return the reason of a row of LEGS in words, its template passed through `translate`.

    >>> explain({"reason": NO_WAY, "from_camera": "C1", "to_camera": "C2"})
    'no way by road is known from C1 to C2'
    """
    shown = {
        name: _rounded(value) if isinstance(value, float) else value for name, value in leg.items()
    }
    return translate(str(leg["reason"])).format_map(shown)


def _rounded(value: float) -> str:
    if not isfinite(value):
        return "?"
    return f"{value:.1f}" if abs(value) < 10 and value != round(value) else f"{value:.0f}"
