"""Where a vehicle of a case could be or have been, where to look next, what an absence is worth."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from workbench import archive, trajectories
from workbench.errors import N_, BadInput, WorkbenchError
from workbench.records import Purpose
from workbench.timeline import SECOND_NS, UNFIXED_SIGMA_NS, Span, format_utc
from workbench.trajectories import Absence, Assumed, Reached, Seen, Window

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

UNTIL_S = 600.0
"""With one sighting and no instant: until now, but no longer than this after it."""
LONGEST_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, eq=False)
class Whereabouts:
    """What reach answers inside a case.

    ``windows`` are camera-minutes of the case's cameras, most useful first. ``absences`` are by
    site of the case that it can have passed, left out where the same plate was read there at that
    time: those sites are ``read_at``, with how many rows. ``rides`` is how many rides of the case
    the windows rest on; 0: turns are taken to be even.
    """

    found: Reached
    windows: tuple[Window, ...]
    absences: Mapping[str, Absence]
    read_at: Mapping[str, int]
    rides: int
    plate: str | None


def reach(
    house: Workbench,
    sighting_id: str,
    purpose: Purpose,
    *,
    until_id: str = "",
    at_ns: int | None = None,
    assumed: Assumed | None = None,
) -> Whereabouts:
    """Return where a vehicle could be after a sighting, or could have been before another one.

    It stays inside the case: its period, its cameras and their footage. Sites are judged by road
    alone, wherever they are; that two sightings are one vehicle is for the asker to know.

    Parameters
    ----------
    sighting_id, until_id
        The sighting, or a beginning of its id that only it has; the later one likewise.
    at_ns
        With one sighting: by when; left out: until now, :data:`UNTIL_S` after it at most. With two:
        where at that very instant.

    Raises
    ------
    BadInput
        Where the case holds no such sighting, or no ride answers the question.
    Refused
        Outside the case's bounds.
    """
    _, allowed, period = house._authorise(purpose, "reach")
    assumed = assumed or Assumed()
    try:
        first_row = _row(house, sighting_id, allowed, period)
        then_row = _row(house, until_id, allowed, period) if until_id else None
        first = _seen(house, first_row)
        then = None if then_row is None else _seen(house, then_row)
        if then is not None and then.camera_id == first.camera_id and until_id == sighting_id:
            raise BadInput(N_("both sightings are one"), N_("name a later one"))
        if then is None and at_ns is None:
            latest_ns = first.utc_ns + round(UNTIL_S * SECOND_NS)
            at_ns = max(first.utc_ns, min(house.now(), latest_ns))
        stop_ns = then.utc_ns if then else at_ns
        if stop_ns is not None and stop_ns - first.utc_ns > LONGEST_S * SECOND_NS:
            raise BadInput(
                N_("more than a day lies between: by then it can be anywhere"),
                N_("ask about a shorter time"),
            )
        sites = {one: [c.camera_id for c in house.ward.cameras_at(one)] for one in house.ward.sites}
        found = trajectories.reach(
            house.graph, first, then, sites=sites, until_ns=at_ns, assumed=assumed,
            views_m={c: one.range_m for c, one in house.ward.cameras.items()},
            sigmas_s={c: _sigma_s(house, c, first.utc_ns, stop_ns) for c in house.ward.cameras},
        )  # fmt: skip
    except WorkbenchError as error:
        house._log("reach.refused", sighting_id, purpose, details={"why": error.sentence()})
        raise
    text = first_row["plate"] if isinstance(first_row["plate"], str) else None
    coverage = _coverage(house, [c for c in allowed if c in found.cameras], found, period)
    read = _read(house, allowed, period, found)
    read_at = _read_at(found, read[read["plate"] == text] if text else read.head(0))
    rides = trajectories.rides_from(read, first, but=text)
    spots = {c: house.graph.cameras[c] for c in house.ward.cameras}
    listed = trajectories.windows(found, coverage, spots, rides=rides, within=period)
    absent = {
        site: one
        for site, one in trajectories.absences(found, coverage, sites).items()
        if site not in read_at
    }
    house._log(
        "reach", sighting_id, purpose,
        details={
            "until": until_id, "at": "" if at_ns is None else format_utc(at_ns),
            "pace": assumed.pace, "stop_s": assumed.stop_s, "windows": len(listed),
        },
    )  # fmt: skip
    return Whereabouts(found, tuple(listed), absent, read_at, rides.count, text)


def _row(house: Workbench, wanted: str, allowed: tuple[str, ...], period: Span) -> pd.Series:
    """Return the sighting of an id, or of the beginning of one."""
    wanted = wanted.strip()
    facts = ["sighting_id", "camera_id", "utc", "sigma_s", "bearing_deg", "plate"]
    table = house._store.sightings(cameras=allowed, span=period, ids=[wanted], columns=facts)
    if not table.num_rows and len(wanted) >= 6:
        every = house._store.sightings(cameras=allowed, span=period, columns=["sighting_id"])
        begun = [one for one in every["sighting_id"].to_pylist() if one.startswith(wanted)]
        if len(begun) > 1:
            raise BadInput(
                N_("{count} sightings of this case begin with {id}"), N_("write more of the id"),
                count=len(begun), id=wanted[:12],
            )  # fmt: skip
        table = house._store.sightings(cameras=allowed, span=period, ids=begun, columns=facts)
    if not table.num_rows:
        raise BadInput(
            N_("no sighting {id} inside this case"),
            N_("search again: the footage may have been recognised anew"),
            id=wanted[:12] or "–",
        )
    frame: pd.DataFrame = table.to_pandas()
    return frame.iloc[0]


def _seen(house: Workbench, row: pd.Series) -> Seen:
    camera = house.camera(str(row["camera_id"]))
    bearing = row["bearing_deg"]
    return Seen(
        house.graph.cameras[camera.camera_id], _ns(row["utc"]), float(row["sigma_s"]),
        camera.range_m, camera.camera_id, None if pd.isna(bearing) else float(bearing),
    )  # fmt: skip


def _ns(at: object) -> int:
    return int(pd.Timestamp(at).as_unit("ns").value)  # type: ignore[arg-type]


def _sigma_s(house: Workbench, camera_id: str, start_ns: int, stop_ns: int | None) -> float:
    """Return the worst of what is known of a camera's clock meanwhile; unknown where nothing is."""
    early, late = sorted((start_ns, stop_ns or start_ns))
    meanwhile = Span(early, late + 1)
    known = [
        fix.sigma_ns for fix in house.clock_fixes(camera_id)
        if fix.valid.overlap(meanwhile) is not None
    ]  # fmt: skip
    return max(known, default=UNFIXED_SIGMA_NS) / SECOND_NS


def _coverage(
    house: Workbench, cameras: list[str], found: Reached, period: Span
) -> dict[str, trajectories.Coverage]:
    """Return what was recorded and searched of cameras while it can have passed them."""
    spans = [found.cameras[camera] for camera in cameras]
    if not spans:
        return {}
    around = Span(min(s.start_ns for s in spans), max(s.stop_ns for s in spans)).overlap(period)
    if around is None:
        return {camera: trajectories.Coverage() for camera in cameras}
    recorded = archive.coverage(house._store, cameras, around)
    left = archive.not_searched(house._store, cameras, around)
    return {c: trajectories.Coverage(tuple(recorded[c]), tuple(left[c])) for c in cameras}


def _read(house: Workbench, allowed: tuple[str, ...], period: Span, found: Reached) -> pd.DataFrame:
    """Return reads of an hour around: rides to learn from, and where the same plate was read."""
    hour_ns = 3600 * SECOND_NS
    early = min([found.first.utc_ns, *(s.start_ns for s in found.cameras.values())])
    late = max([found.first.utc_ns, *(s.stop_ns for s in found.cameras.values())])
    span = Span(early - hour_ns // 2, late + hour_ns // 2).overlap(period) or period
    table = house._store.sightings(
        cameras=allowed, span=span, with_plate=True,
        columns=["sighting_id", "camera_id", "utc", "bearing_deg", "plate"],
    )  # fmt: skip
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _read_at(found: Reached, rows: pd.DataFrame) -> dict[str, int]:
    """Return by site how often the plate was read there within the time it can have passed."""
    counted: dict[str, int] = {}
    ends = {(one.camera_id, one.utc_ns) for one in (found.first, found.then) if one is not None}
    for row in rows.itertuples():
        at_ns, camera = _ns(row.utc), str(row.camera_id)
        span = found.cameras.get(camera)
        if span is not None and at_ns in span and (camera, at_ns) not in ends:
            site = found.site_of[camera]
            counted[site] = counted.get(site, 0) + 1
    return counted
