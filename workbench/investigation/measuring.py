"""Metres and speeds inside a case: calibrations kept with a camera, and what a track measures.

A calibration belongs to the view a camera had at an instant; the newest one whose picture is not
later than what is measured is in force. Before any speed the picture of the instant is compared
with the picture calibrated in: a camera that moved gives none.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from pyproj import Transformer

from workbench import collisions
from workbench.collisions import steps as hand
from workbench.collisions.tracks import CONTACT_SIGMA_PX
from workbench.errors import N_, BadInput, WorkbenchError
from workbench.investigation import people, reaching
from workbench.investigation.calibrated import Calibrated, most
from workbench.investigation.hand_words import words_by_hand
from workbench.records import Box, Camera, Purpose, Segment, Wording
from workbench.store import is_imported
from workbench.store.calibrations import CalibrationFile
from workbench.timeline import SECOND_NS, Span, local_text

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

Grey = NDArray[np.uint8]
_FEWEST_HELD = 5
"""Points of a pass on calibrated ground: fewer give no speed."""

_CLOCKS = {
    "overlay": N_(
        "clock: instants are corrected by {offset} s, read in the picture; one sigma {sigma} s"
    ),
    "operator": N_(
        "clock: instants are corrected by {offset} s, as an operator stated; one sigma {sigma} s"
    ),
}
_CLOCK = N_("clock: instants are corrected by {offset} s ({method}); one sigma {sigma} s")


@dataclass(frozen=True, slots=True, eq=False)
class Track:
    """Contact points (n, 2) of one vehicle at the ticks (n,) of a file; ``name`` is for papers.

    ``steps`` are an analyst's corrections, done to ``points_px`` already; ``before`` are the points
    without them. Of a track ``found`` by a detector, points where no metres hold are left out; of
    one picked by hand they are refused. ``kept`` is its id in the case, where it is kept there,
    ``kept_numbers`` those of its steps that hold, ``undone`` how many were taken back.
    """

    segment: Segment
    pts: NDArray[np.int64]
    points_px: NDArray[np.float64]
    origin: Wording
    name: str = ""
    steps: tuple[hand.Step, ...] = ()
    found: bool = False
    before: NDArray[np.float64] | None = None
    kept: str = ""
    kept_numbers: tuple[int, ...] = ()
    undone: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """What a track measures, and everything a reader must know to weigh it.

    ``pts`` (n,) and ``utc_ns`` (n,) belong to the rows of ``motion``; ``sigma_ns`` is one standard
    deviation of the clock. ``statements`` are the method's words, in the order they are told.
    """

    camera_id: str
    purpose: Purpose
    by: str
    at_ns: int
    track: Track
    calibrated: Calibrated
    motion: collisions.Motion
    pts: NDArray[np.int64]
    utc_ns: NDArray[np.int64]
    sigma_ns: int
    statements: tuple[Wording, ...]


def check_points(
    house: Workbench, camera_id: str, text: str, *, where: str = "", crs: str = ""
) -> tuple[list[collisions.PointPair], str]:
    """Return the points of a sheet, in metres of `crs`, of the camera's system or of their zone."""
    system = crs or house.camera(camera_id).ground_crs
    return collisions.read_points(text, where=where, crs=system)


def place_m(camera: Camera, crs: str) -> tuple[float, float]:
    """Return where a camera stands, in metres of a projected system."""
    ahead = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
    east, north = ahead.transform(camera.lon_deg, camera.lat_deg)
    return float(east), float(north)


def frame_at(house: Workbench, camera_id: str, at_ns: int) -> tuple[Segment, int]:
    """Return the archived file and the PTS of what a camera showed at an instant.

    Raises
    ------
    BadInput
        When nothing of it is archived then.
    """
    house.camera(camera_id)
    for segment in house.segments([camera_id], Span(at_ns, at_ns + 1)):
        pts = house.frame_index(segment).pts
        number = bisect.bisect_right(pts, at_ns, key=lambda one: house.utc(segment, int(one))[0])
        return segment, int(pts[max(0, number - 1)])
    raise BadInput(
        N_("nothing of camera {camera} is archived at {at}"),
        N_("see what is: workbench status ROOT"),
        camera=camera_id, at=local_text(at_ns),
    )  # fmt: skip


def calibrate(
    house: Workbench,
    camera_id: str,
    points: Sequence[collisions.PointPair],
    *,
    crs: str,
    lengths: Sequence[collisions.KnownLength] = (),
    picture: Path | None = None,
    at_ns: int | None = None,
    purpose: Purpose | None = None,
    pick_sigma_px: float = 1.0,
    note: str = "",
) -> Calibrated:
    """Fit a camera's points, and keep them with the picture they were picked in.

    Parameters
    ----------
    crs
        Projected system of the points' metres; empty where they are local.
    lengths
        Known lengths that add to the points, stand alone, or check.
    picture
        A still of the camera as a file; `at_ns` is then when it was taken, now where left out.
    at_ns, purpose
        Without `picture`: the archived frame shown then, looked at for a case that covers it.

    Raises
    ------
    BadInput
        When the points are refused, with the reason, or there is no picture.
    Refused
        When the actor may not calibrate, or the case does not cover the frame.
    """
    camera = house.camera(camera_id)
    try:
        people.may(house, "calibrate", None, (camera.camera_id,))
        if picture is not None:
            grey, source = read_grey(picture), picture.name
            view_ns = house.now() if at_ns is None else at_ns
        elif at_ns is not None:
            segment, pts = frame_at(house, camera_id, at_ns)
            grey = _grey(house.still(segment.sha256, pts, purpose or Purpose("", "")))
            source, view_ns = f"{segment.sha256}:{pts}", house.utc(segment, pts)[0]
        else:
            raise BadInput(
                N_("no picture was named that the points were picked in"),
                N_("give --picture FILE, or --at INSTANT with a case"),
            )
        png = cv2.imencode(".png", grey)[1].tobytes()
        kept = collisions.KeptCalibration(
            camera_id, house.now(), house.actor, (grey.shape[1], grey.shape[0]), crs,
            tuple(points), pick_sigma_px, hashlib.sha256(png).hexdigest(), note, view_ns, source,
            tuple(lengths),
        )  # fmt: skip
        _refuse_outside(kept)
        model = kept.model()
    except WorkbenchError as refusal:
        house._log("calibrate.refused", camera_id, purpose, details={"why": refusal.sentence()})
        raise
    record = house._store.calibrations.add(
        camera_id, kept.to_json(), png, view_ns=view_ns, made_ns=kept.made_ns
    )
    house._log(
        "calibrate", camera_id, purpose,
        details={
            "calibration": record.sha256, "class": model.kind, "points": len(points),
            "lengths": len(lengths), "picture": source,
            "worst_m": round(most(np.concatenate([model.residual_m, abs(model.length_off_m)])), 3),
        },
    )  # fmt: skip
    return Calibrated(record.sha256, kept, model)


def calibrations(house: Workbench, camera_id: str) -> list[Calibrated]:
    """Return every calibration of a camera, by the instant of its picture."""
    house.camera(camera_id)
    return [_calibrated(one) for one in house._store.calibrations.all(camera_id)]


def calibration_at(house: Workbench, camera_id: str, at_ns: int, name: str = "") -> Calibrated:
    """Return the calibration in force at an instant, or the one named.

    Raises
    ------
    BadInput
        When the camera has none.
    """
    known = house._store.calibrations
    found = known.named(camera_id, name) if name else known.in_force(camera_id, at_ns)
    if found is None:
        raise BadInput(
            N_("camera {camera} is not calibrated: there are no metres and no speeds"),
            N_("calibrate it first: workbench calibrate"),
            camera=camera_id,
        )
    return _calibrated(found)


def track_of_sighting(house: Workbench, sighting_id: str, purpose: Purpose) -> Track:
    """Return the lower edges of a sighting's boxes as its track.

    Raises
    ------
    BadInput
        When the case holds no such sighting, or its footage is not here.
    """
    _, allowed, period = house._authorise(purpose, "measure")
    found = str(reaching._row(house, sighting_id, allowed, period)["sighting_id"])
    row = house.sighting(found, purpose)
    if is_imported(str(row["model_ref"])):
        raise BadInput(
            N_("there is no footage of this sighting here: it came from another system"),
            N_("ask that system for its footage"),
        )
    boxes = np.asarray(row["track_box"], dtype=np.float64).reshape(-1, 4)
    points = [collisions.contact_point(Box(*box)) for box in boxes.tolist()]
    return Track(
        house.segment(str(row["segment_sha256"])),
        np.asarray(row["track_pts"], dtype=np.int64),
        np.array(points).reshape(-1, 2),
        Wording(
            N_("points: lower edges of the boxes of sighting {id}, steadied over time; a shadow or "
               "a cut box puts all of them off, which no interval knows"),
            (("id", found[:12]),),
        ),
        found[:8], found=True,
    )  # fmt: skip


def track_of_sheet(segment: Segment, text: str, *, where: str = "", name: str = "") -> Track:
    """Return the track of a sheet with the columns pts, x_px, y_px, of one archived file."""
    pts, points = collisions.read_track(text, where=where)
    words = Wording(N_("points: picked frame by frame, table {name}"), (("name", where),))
    return Track(segment, pts, points, words, name)


def corrected(track: Track, steps: Sequence[hand.Step]) -> Track:
    """Return a track after an analyst's steps; the one given is not changed."""
    points = hand.replay(track.pts, track.points_px, steps)
    before = track.points_px if track.before is None else track.before
    return replace(track, points_px=points, steps=(*track.steps, *steps), before=before)


def measure(
    house: Workbench,
    track: Track,
    purpose: Purpose,
    *,
    fps: Fraction | None = None,
    calibration: str = "",
    compared: str = "",
    sigma_px: float = CONTACT_SIGMA_PX,
) -> Measured:
    """Return the speeds of a track of archived footage, each with its 95 % interval.

    Parameters
    ----------
    fps
        Frames a second, where an operator knows better than the file: every speed changes with it.
    calibration
        Beginning of the name of the calibration to use; empty: the one in force then.
    compared
        Who compared the view by eye, and how, where pictures cannot be compared by computer. It
        says nothing against a camera that was seen to have moved.

    Raises
    ------
    BadInput
        Without a calibration, when the camera moved, or when the track cannot be measured.
    Refused
        Outside the case's bounds.
    """
    segment = track.segment
    camera_id = segment.camera_id
    try:
        refuse_no_frame(house, track)
        utc = np.array([house.utc(segment, int(one))[0] for one in track.pts[[0, -1]]])
        house._authorise(
            purpose, "measure", cameras=(camera_id,), span=Span(int(utc[0]), int(utc[1]) + 1)
        )
        used = calibration_at(house, camera_id, int(utc[0]), calibration)
        track, left_out = _where_metres_hold(used.model, track)
        view = _same_view(house, used, track, purpose, compared)
        base, times = time_base(house, segment, fps)
        motion = collisions.measure_motion(
            used.model, track.points_px, track.pts, base, sigma_px=sigma_px
        )
    except WorkbenchError as refusal:
        house._log("measure.refused", camera_id, purpose, details={"why": refusal.sentence()})
        raise
    if used.model.kind == "lengths":  # which knows no north
        motion = replace(motion, heading_deg=np.full_like(motion.heading_deg, np.nan))
    pts = track.pts[np.isfinite(track.points_px).all(axis=1)]
    start_ns, sigma_ns = house.utc(segment, int(pts[0]))
    speed = motion.mean_speed_km_h
    house._log(
        "measure", camera_id, purpose,
        details={
            "segment": segment.sha256, "calibration": used.sha256, "points": len(pts),
            "time_base": base.source, "tick_s": str(base.tick_s),
            "mean_km_h": [round(float(one), 1) for one in speed],
            **_steps_facts(track),
        },
    )  # fmt: skip
    return Measured(
        camera_id, purpose, house.actor, house.now(), track, used, motion, pts,
        start_ns + np.round(motion.time_s * SECOND_NS).astype(np.int64), sigma_ns,
        (
            used.words, *used.length_words, view, *times,
            _clock(house, segment, start_ns, int(pts[0]), sigma_ns),
            track.origin, *left_out, *words_by_hand(track), _method(sigma_px),
        ),
    )  # fmt: skip


def time_base(
    house: Workbench, segment: Segment, fps: Fraction | None
) -> tuple[collisions.TimeBase, tuple[Wording, ...]]:
    """Return how a file's ticks become seconds, and the words that say so."""
    index = house.frame_index(segment)
    step = Fraction(int(np.median(np.diff(index.pts)))) if len(index) > 1 else Fraction(1)
    said = 1 / (step * segment.time_base)
    if fps is not None:
        base = collisions.TimeBase(1 / (fps * step), "override")
    elif segment.tick_s != segment.time_base:
        base = collisions.TimeBase(segment.tick_s, "override")
    else:
        base = collisions.TimeBase(segment.tick_s)
    rate = 1 / (step * base.tick_s)
    words = [Wording(base.statement(), (("tick", str(base.tick_s)),))]
    words.append(
        Wording(
            N_("frames: {used} a second were reckoned with, the file says {said}"),
            (("used", f"{float(rate):.3f}"), ("said", f"{float(said):.3f}")),
        )
    )
    if index.ordinal and base.source == "file":
        words.append(
            Wording(N_("the file keeps no times of its own: that rate is a guess of its reader, "
                       "and speeds are as wrong as the guess"))
        )  # fmt: skip
    return base, tuple(words)


def read_grey(path: Path) -> Grey:
    """Return a picture file as grey (y, x).

    Raises
    ------
    BadInput
        When it is no picture.
    """
    try:
        found = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_GRAYSCALE)
    except (OSError, cv2.error):
        found = None
    if found is None:
        raise BadInput(
            N_("this is no picture that can be read"), N_("give a PNG or JPEG of the camera"),
            where=str(path),
        )  # fmt: skip
    return np.asarray(found, np.uint8)


def reference_of(house: Workbench, used: Calibrated) -> Grey:
    """Return the grey picture a calibration was made in."""
    png = house._store.calibrations.picture(used.kept.camera_id, used.kept.reference_sha256)
    return np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_GRAYSCALE), np.uint8)


def statements_of(one: Measured, translate: Callable[[str], str]) -> list[str]:
    """Return what must stand beside a speed, the fixed sentence first."""
    return [translate(collisions.SPEED_NOTE), *(w.sentence(translate) for w in one.statements)]


def _calibrated(record: CalibrationFile) -> Calibrated:
    kept = collisions.KeptCalibration.from_json(record.text)
    return Calibrated(record.sha256, kept, kept.model())


def _grey(rgb: NDArray[np.uint8]) -> Grey:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)


def _refuse_outside(kept: collisions.KeptCalibration) -> None:
    wide, high = kept.size_px
    for number, each in enumerate(kept.lengths, start=1):
        if not all(0 <= x <= wide for x in (each.x1_px, each.x2_px)) or not all(
            0 <= y <= high for y in (each.y1_px, each.y2_px)
        ):
            raise BadInput(
                N_("length {length} lies outside the picture, which is {wide}x{high}"),
                N_("pick it in this picture, or name the picture it was picked in"),
                length=number, wide=wide, high=high,
            )  # fmt: skip
    for number, one in enumerate(kept.points, start=1):
        if not (0 <= one.x_px <= wide and 0 <= one.y_px <= high):
            raise BadInput(
                N_("point {point} lies outside the picture, which is {wide}x{high}"),
                N_("pick it in this picture, or name the picture it was picked in"),
                point=number, wide=wide, high=high,
            )  # fmt: skip


def refuse_no_frame(house: Workbench, track: Track) -> None:
    """Refuse a track that is empty, or names a tick at which its file shows no frame."""
    if not len(track.pts):
        raise BadInput(N_("the track is empty"), N_("mark frames"))
    strange = track.pts[~np.isin(track.pts, house.frame_index(track.segment).pts)]
    if len(strange):
        raise BadInput(
            N_("no frame is shown at PTS {pts}"),
            N_("take PTS of this file: {file}"),
            pts=int(strange[0]), file=track.segment.sha256[:12],
        )  # fmt: skip


def _same_view(
    house: Workbench, used: Calibrated, track: Track, purpose: Purpose, compared: str
) -> Wording:
    seen = track.pts[np.isfinite(track.points_px).all(axis=1)]
    middle = int(seen[len(seen) // 2] if len(seen) else track.pts[0])
    now = _grey(house.still(track.segment.sha256, middle, purpose))
    reference = reference_of(house, used)
    if now.shape != reference.shape or not compared.strip():
        shift = collisions.compare_view(used.model, reference, now)
    else:
        try:
            shift = collisions.compare_view(used.model, reference, now)
        except BadInput:
            words = N_("view: no computer could compare it with the calibrated one; by eye: {how}")
            return Wording(words, (("how", compared.strip()[:200]),))
    collisions.refuse_moved(shift)
    return Wording(
        N_("view: {shift} px off the calibrated one ({alike} marks alike)"),
        (("shift", f"{shift.shift_px:.1f}"), ("alike", str(shift.alike))),
    )


def _where_metres_hold(
    model: collisions.GroundModel, track: Track
) -> tuple[Track, tuple[Wording, ...]]:
    """Return a detector's track over the calibrated ground alone, and how much that left out."""
    known = np.isfinite(track.points_px).all(axis=1)
    inside = known & model.covered(np.nan_to_num(track.points_px, nan=-1e6))
    total, held = int(known.sum()), int(inside.sum())
    if not track.found or held == total:
        return track, ()
    if held < _FEWEST_HELD:
        raise BadInput(
            N_("{count} of the {total} points of this pass lie in the calibrated part of the "
               "picture"),
            N_("choose another pass, or calibrate with points around its way"),
            count=held, total=total,
        )  # fmt: skip
    words = N_(
        "points: {count} of {total} lie outside the calibrated part of the picture and were left "
        "out"
    )
    return (
        replace(track, points_px=np.where(inside[:, None], track.points_px, np.nan)),
        (Wording(words, (("count", str(total - held)), ("total", str(total)))),),
    )


def _steps_facts(track: Track) -> dict[str, object]:
    """Return what the log says of corrections: how many, their hash, and where they are kept."""
    if not track.steps and not track.kept:
        return {}
    told = hashlib.sha256(hand.to_json(track.steps).encode()).hexdigest()
    return {"track": track.kept, "steps": len(track.steps), "steps_sha256": told}


def _clock(house: Workbench, segment: Segment, at_ns: int, pts: int, sigma_ns: int) -> Wording:
    fixes = house._store.clock_fixes(segment.camera_id, segment.stamped)
    if not fixes:
        return Wording(N_("clock: nothing is known of this camera's clock; instants are its own"))
    return Wording(
        _CLOCKS.get(fixes[-1].method, _CLOCK),
        (
            ("offset", f"{(at_ns - segment.stamped_ns(pts)) / SECOND_NS:+.3f}"),
            ("method", fixes[-1].method), ("sigma", f"{sigma_ns / SECOND_NS:.3f}"),
        ),
    )  # fmt: skip


def _method(sigma_px: float) -> Wording:
    return Wording(
        N_(
            "method: homography of the road fitted 300 times with disturbed points; Kalman "
            "smoother on the ground; contact points taken to be off by {sigma} px, independently; "
            "median and 95 % interval"
        ),
        (("sigma", f"{sigma_px:g}"),),
    )
