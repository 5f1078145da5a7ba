"""Conflicts in an archive: candidates among the passes of calibrated cameras, inside a case.

Passes are those that recognition kept, with the box on each frame it looked at; no picture is
decoded again. Cameras without a calibration are named. What is found are leads for a person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pandas as pd
import pyarrow as pa

from workbench import archive
from workbench.collisions import (
    GroundTrack,
    KeptCalibration,
    collisions,
    compare_view,
    ground_track,
    near_misses,
    refuse_moved,
    too_fast,
    usual_ways,
    weaving,
    wrong_way,
)
from workbench.collisions.footprints import DIMENSIONS_M
from workbench.errors import N_, BadInput, WorkbenchError
from workbench.investigation.answers import span_text
from workbench.recognition.runs.fanout import dask_client
from workbench.records import Progress, Purpose
from workbench.timeline import SECOND_NS, Span, local_text

if TYPE_CHECKING:
    from workbench.collisions import Candidate
    from workbench.investigation.facade import Workbench

COLUMNS = (
    "utc", "camera_id", "what", "kinds", "score", "ttc_s", "pet_s", "reason", "clip_start",
    "clip_stop", "sighting_ids", "segment_sha256", "x_m", "y_m", "template", "values",
)  # fmt: skip
_CHUNK_NS = 1800 * SECOND_NS
_BESIDE_NS = 30 * SECOND_NS
"""Passes so long before and after a chunk are read with it: a pair may lie on its border."""
_READ = [
    "sighting_id", "segment_sha256", "kind", "moving", "first_pts", "last_pts", "first_utc",
    "last_utc", "track_pts", "track_box",
]  # fmt: skip
_LEAST_PX = 2.0
_SHARE_OF_BOX = 0.04
"""Assumed error of a contact point: 2 px, and a twenty-fifth of the box's height at least."""
_LONGEST_GAP_S = 1.5


Choose = Callable[[str, int], KeptCalibration | None]
"""The calibration of a camera that counts at an instant (UTC)."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """One camera's passes over half an hour: what a worker gets."""

    calibration: KeptCalibration
    span: Span
    limit_km_h: float | None
    passes: pa.Table


@dataclass(frozen=True, slots=True)
class Searched:
    """What a worker found: rows, how many passes, and how many of them gave a track."""

    rows: list[dict[str, Any]]
    passes: int
    tracks: int


@dataclass(frozen=True, slots=True, eq=False)
class Conflicts:
    """Candidates by time (:data:`COLUMNS`); ``left_out`` says why of each camera not searched.

    ``passes`` were read and ``tracks`` of them lay on calibrated ground long enough. ``failed`` is
    a sentence a stretch that was not searched: the camera had moved, or a worker failed.
    ``unchecked`` is one a stretch that was searched though its view could not be compared.
    """

    table: pd.DataFrame
    cameras: tuple[str, ...]
    left_out: Mapping[str, str]
    passes: int
    tracks: int
    failed: tuple[str, ...]
    cancelled: bool
    unchecked: tuple[str, ...] = ()


def find_conflicts(
    house: Workbench,
    purpose: Purpose,
    calibrations: Sequence[KeptCalibration] | None = None,
    cameras: Sequence[str] | None = None,
    span: Span | None = None,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Conflicts:
    """Search the recognised passes of calibrated cameras for conflicts.

    Parameters
    ----------
    calibrations
        Of any cameras; of several of one camera the one made last counts. None takes those the
        root keeps, for each half hour the one in force at its beginning; a frame of each half hour
        is then compared with the picture calibrated in, and a camera that moved is not searched.
    workers
        Processes of a local cluster where there is no `scheduler`; 0 works in this one.

    Raises
    ------
    Refused
        Outside an open case and its bounds.
    BadInput
        When no camera asked for can be searched.
    """
    for camera_id in cameras or ():
        house.camera(camera_id)
    _, allowed, bounds = house._authorise(purpose, "conflicts", cameras=cameras, span=span)
    choose = _kept(house) if calibrations is None else _given(calibrations)
    left_out: dict[str, str] = {}
    stretches: list[Stretch] = []
    for camera_id in allowed:
        if choose(camera_id, bounds.start_ns) is None:
            left_out[camera_id] = N_("not calibrated")
            continue
        mine = list(_stretches(house, camera_id, choose, bounds))
        try:
            for calibration in {one.calibration for one in mine}:
                calibration.model()
        except WorkbenchError as error:
            left_out[camera_id] = error.sentence()
            continue
        if any(not _same_size(house, one) for one in mine):
            left_out[camera_id] = N_("calibrated in a picture of another size")
        else:
            stretches += mine
    used = tuple(one for one in allowed if one not in left_out)
    if not used:
        house._log("conflicts.refused", ",".join(allowed), purpose, details=dict(left_out))
        raise BadInput(
            N_("none of the {count} cameras asked for has a calibration that can be used"),
            N_("calibrate one of them, or name others"),
            count=len(allowed),
        )
    moved: list[str] = []
    unchecked: list[str] = []
    if calibrations is None:
        stretches = [one for one in stretches if _looks_alike(house, one, moved, unchecked)]
    done, failed, stopped = _spread(stretches, scheduler, workers, on_progress, cancelled)
    failed = [*moved, *failed]
    rows = [row for one in done for row in one.rows]
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("utc", ignore_index=True)
    found = Conflicts(
        table, used, left_out, sum(one.passes for one in done), sum(one.tracks for one in done),
        tuple(failed), stopped, tuple(unchecked),
    )  # fmt: skip
    details = {
        **span_text(bounds), "ns": [bounds.start_ns, bounds.stop_ns],
        "asked": list(cameras or ()), "kept calibrations": calibrations is None,
        "found": len(table), "passes": found.passes, "left_out": dict(left_out),
        "calibrated_ns": {
            used_by: sorted({
                one.calibration.made_ns
                for one in stretches
                if one.calibration.camera_id == used_by
            })
            for used_by in used
        },
        "failed": failed, "cancelled": stopped, "unchecked": unchecked,
    }  # fmt: skip
    house._log("conflicts", ",".join(used), purpose, details=details)
    return found


def _given(calibrations: Sequence[KeptCalibration]) -> Choose:
    known = {one.camera_id: one for one in sorted(calibrations, key=lambda one: one.made_ns)}
    return lambda camera_id, _at_ns: known.get(camera_id)


def _kept(house: Workbench) -> Choose:
    def choose(camera_id: str, at_ns: int) -> KeptCalibration | None:
        found = house._store.calibrations.in_force(camera_id, at_ns)
        return None if found is None else KeptCalibration.from_json(found.text)

    return choose


def _stretches(house: Workbench, camera_id: str, choose: Choose, bounds: Span) -> Iterator[Stretch]:
    """Yield a camera's half hours in which something passed."""
    camera = house.camera(camera_id)
    roads = house.ward.roads
    edge = roads[roads["edge_id"] == camera.road_edge]
    limit = float(edge["limit_kmh"].iloc[0]) if len(edge) else None
    times = house._store.sightings(
        cameras=(camera.camera_id,), span=bounds, columns=["utc"]
    )["utc"].cast(pa.int64()).to_numpy()  # fmt: skip
    for number in np.unique(times // _CHUNK_NS).tolist():
        start_ns = max(bounds.start_ns, number * _CHUNK_NS)
        stop_ns = min(bounds.stop_ns, (number + 1) * _CHUNK_NS)
        wide = Span(
            max(bounds.start_ns, start_ns - _BESIDE_NS), min(bounds.stop_ns, stop_ns + _BESIDE_NS)
        )
        passes = house._store.sightings(cameras=(camera.camera_id,), span=wide, columns=_READ)
        calibration = choose(camera_id, start_ns)
        if calibration is not None:
            yield Stretch(calibration, Span(start_ns, stop_ns), limit, passes)


def _same_size(house: Workbench, stretch: Stretch) -> bool:
    size = stretch.calibration.size_px
    return all(
        (one.width_px, one.height_px) == size
        for one in map(house.segment, set(stretch.passes["segment_sha256"].to_pylist()))
    )


def _looks_alike(
    house: Workbench, stretch: Stretch, moved: list[str], unchecked: list[str]
) -> bool:
    """Say whether a stretch may be searched; where its view moved or cannot be told, add why."""
    calibration = stretch.calibration
    rows = stretch.passes.slice(0, 1).to_pylist()
    if not rows or not rows[0]["track_pts"]:
        return True
    pts = sorted(rows[0]["track_pts"])
    where = f"{calibration.camera_id} from {local_text(stretch.span.start_ns)}"
    try:
        picture = archive.still(
            house._store, house.segment(rows[0]["segment_sha256"]), pts[len(pts) // 2]
        )
        png = house._store.calibrations.picture(calibration.camera_id, calibration.reference_sha256)
        before = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE)
        now = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.uint8)
        if before is None:
            raise BadInput(
                N_("the picture calibrated in cannot be read"), N_("calibrate the camera again")
            )
        shift = compare_view(calibration.model(), np.asarray(before, np.uint8), now)
    except WorkbenchError as error:
        unchecked.append(f"{where}: {error.sentence()}")
        return True
    try:
        refuse_moved(shift)
    except BadInput as error:
        moved.append(f"{where}: {error.sentence()}")
        return False
    return True


def _spread(
    stretches: Sequence[Stretch],
    scheduler: str | None,
    workers: int | None,
    on_progress: Callable[[Progress], None],
    cancelled: Callable[[], bool],
) -> tuple[list[Searched], list[str], bool]:
    """Search stretches on Dask, or here with no workers; one that fails is listed."""
    done: list[Searched] = []
    failed: list[str] = []

    def take(stretch: Stretch, call: Callable[[], Searched]) -> None:
        try:
            done.append(call())
        except Exception as error:  # noqa: BLE001 - one bad stretch must not end the search
            camera_id = stretch.calibration.camera_id
            failed.append(f"{camera_id} {span_text(stretch.span)}: {type(error).__name__}: {error}")
        count, name = len(done) + len(failed), stretch.calibration.camera_id
        on_progress(Progress(count, len(stretches), "cameras", name, failed=tuple(failed)))

    if not stretches or (workers == 0 and scheduler is None):
        for stretch in stretches:
            if cancelled():
                return done, failed, True
            take(stretch, lambda one=stretch: search_stretch(one))  # type: ignore[misc]
        return done, failed, False
    with dask_client(scheduler, workers, most=len(stretches)) as client:
        # rows of a few stretches a worker, not of a whole archive, are on their way at a time
        step = 3 * max(1, len(client.nthreads()))
        for first in range(0, len(stretches), step):
            some = stretches[first : first + step]
            futures = client.map(search_stretch, some, pure=False)
            for stretch, future in zip(some, futures, strict=True):
                if cancelled():
                    client.cancel(futures, force=True)
                    return done, failed, True
                take(stretch, future.result)
    return done, failed, False


def search_stretch(stretch: Stretch) -> Searched:
    """Return the candidates of one stretch, those whose moment lies in it."""
    model = stretch.calibration.model()
    names: dict[str, tuple[str, str]] = {}
    tracks: list[GroundTrack] = []
    rows = stretch.passes.to_pylist()
    for row in rows:
        if not row["moving"] or row["kind"] not in DIMENSIONS_M:
            continue
        px, seconds, sigma = _contacts(row, stretch.span.start_ns)
        if len(seconds) < 2 or np.diff(seconds).max() > _LONGEST_GAP_S:
            continue
        try:
            track = ground_track(
                model, px, seconds, name=row["sighting_id"], kind=row["kind"], sigma_px=sigma,
                nearest_edge=True,
            )  # fmt: skip
        except WorkbenchError:
            continue
        tracks.append(track)
        names[track.name] = (row["sighting_id"], row["segment_sha256"])
    found = [*collisions(tracks), *near_misses(tracks), *weaving(tracks)]
    found += wrong_way(tracks, usual_ways(tracks))
    if stretch.limit_km_h:
        found += too_fast(tracks, limit_km_h=stretch.limit_km_h)
    hit = {one.names for one in found if one.what == "collision"}
    found = [one for one in found if one.what != "near miss" or one.names not in hit]
    told = [_row(one, stretch, names) for one in found]
    inside = [row for row in told if _within(row["utc"], stretch.span)]
    return Searched(inside, len(rows), len(tracks))


def _within(utc: pd.Timestamp, span: Span) -> bool:
    return span.start_ns <= utc.value < span.stop_ns


def _contacts(
    row: Mapping[str, Any], origin_ns: int
) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any], float]:
    """Return contact points, seconds after an instant, and the points' assumed error in px."""
    boxes = np.array(row["track_box"], float).reshape(-1, 4)
    pts = np.array(row["track_pts"], np.int64)
    order = np.argsort(pts, kind="stable")
    boxes, pts = boxes[order], pts[order]
    px = np.column_stack([boxes[:, 0] + boxes[:, 2] / 2, boxes[:, 1] + boxes[:, 3]])
    first_ns, last_ns = _ns(row["first_utc"]), _ns(row["last_utc"])
    share = (pts - row["first_pts"]) / max(1, row["last_pts"] - row["first_pts"])
    seconds = (first_ns - origin_ns) / SECOND_NS + share * (last_ns - first_ns) / SECOND_NS
    return px, seconds, max(_LEAST_PX, _SHARE_OF_BOX * float(np.median(boxes[:, 3])))


def _ns(at: Any) -> int:
    return int(pd.Timestamp(at).value)


def _row(one: Candidate, stretch: Stretch, names: Mapping[str, tuple[str, str]]) -> dict[str, Any]:
    def utc(seconds: float) -> pd.Timestamp:
        return pd.Timestamp(stretch.span.start_ns + round(seconds * SECOND_NS), tz="UTC")

    return {
        "utc": utc(one.at_s), "camera_id": stretch.calibration.camera_id, "what": one.what,
        "kinds": list(one.kinds), "score": round(one.score, 2), "ttc_s": one.ttc_s,
        "pet_s": one.pet_s, "reason": one.text(), "clip_start": utc(one.start_s),
        "clip_stop": utc(one.stop_s), "sighting_ids": [names[name][0] for name in one.names],
        "segment_sha256": names[one.names[0]][1], "x_m": one.place_m[0], "y_m": one.place_m[1],
        "template": one.reason, "values": dict(one.values),
    }  # fmt: skip
