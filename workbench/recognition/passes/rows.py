"""Passes -> rows of SIGHTINGS. An id is a hash of what was seen, so a re-run writes equal rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from workbench import optics
from workbench.recognition.passes.naming import Standing, verdict
from workbench.recognition.passes.steady import steadied
from workbench.recognition.passes.track import Look, Observation, Still, Track
from workbench.recognition.plates.fusion import PlateOfPass
from workbench.recognition.settings import Settings
from workbench.records import SIGHTINGS, Box, Camera, Segment
from workbench.timeline import ClockFix

_COMPLETE_SHARE = 0.05  # of the frame's height: nearer to the border a box may be cut


@dataclass(slots=True)
class Pass:
    """What passed (or stood), before it becomes a row."""

    seen: list[Observation]
    stills: list[Still]
    """Frames for the second look, those that promise a plate first."""
    kind: str
    score: float
    moving: bool
    has_person: bool
    best: Observation
    picture: Still | None = None
    """The frame that shows it best, whether or not it may show a plate."""
    looks: list[Look] = field(default_factory=list)
    plate: PlateOfPass | None = None
    faces: list[Box] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    """Of `seen`, steadied once it has closed; empty: as they were seen."""

    @classmethod
    def of_track(cls, track: Track, settings: Settings) -> Pass:
        """Take a finished track; its candidates are the best of its stretches."""
        kind, score = verdict(track.named, settings)
        stills = list(track.stills.values()) or [Still(track.seen[0], 0.0)]
        best = min(stills, key=lambda s: (-s.quality, s.at.number))
        chosen = sorted(stills, key=lambda s: (-s.legible, s.at.number))[: settings.candidates]
        person = kind == "person" or (
            kind == "unknown" and any(name == "person" for name, _ in track.named)
        )
        return cls(track.seen, chosen, kind, score, True, person, best.at, best, track.looks)

    @classmethod
    def of_standing(cls, one: Standing) -> Pass:
        """Take an object that stood; its surest looks are its candidates."""
        at, score = one.best
        seen = [hit for hit, _ in one.hits]
        ranked = sorted(one.hits, key=lambda hit: (-hit[1], hit[0].number))[:2]
        stills = [Still(hit, s) for hit, s in ranked]
        return cls(seen, stills, one.kind, score, False, one.kind == "person", at)

    def steady(self, width: int, height: int, settings: Settings) -> None:
        """Steady the boxes of its way; speed and direction stay those of the boxes as seen."""
        if self.moving:
            self.boxes = steadied(self.seen, self.looks, width, height, settings)

    def forget_parts(self) -> None:
        """Let go of what was kept of the frames."""
        self.stills = [replace(still, part=None) for still in self.stills]
        self.picture = None

    def settle(self, plate: PlateOfPass | None) -> None:
        """Take the plate's reading; the frame that shows a read plate is the best one."""
        self.plate = plate
        if plate is not None and plate.text is not None:
            self.best = next(s.at for s in self.stills if s.at.number == plate.number)
            if self.kind == "person":
                # Nobody on foot carries a plate along: this is a rider the detector saw alone.
                self.kind, self.score = "motorcycle", plate.score


def to_table(
    passes: Sequence[Pass],
    segment: Segment,
    camera: Camera,
    fixes: Sequence[ClockFix],
    model_ref: str,
) -> pa.Table:
    """Return the passes as SIGHTINGS, by first frame, then id."""
    rows = [_row(one, segment, camera, fixes, model_ref) for one in passes]
    rows.sort(key=lambda row: (row["first_pts"], row["sighting_id"]))
    return pa.Table.from_pylist(rows, schema=SIGHTINGS)


def sighting_id(segment_sha256: str, pts: int, box: Box, model_ref: str) -> str:
    """Return the id of a sighting: SHA-256 over file, best frame, box in whole pixels, models.

    >>> sighting_id("ab", 7, Box(1.2, 2, 3, 4), "m") == sighting_id("ab", 7, Box(1, 2, 3, 4), "m")
    True
    """
    corners = ",".join(str(round(v)) for v in (box.x, box.y, box.w, box.h))
    return hashlib.sha256(f"{segment_sha256}|{pts}|{corners}|{model_ref}".encode()).hexdigest()


def image_motion(
    seen: Sequence[Observation], width_px: int, height_px: int
) -> tuple[float, float] | None:
    """Return px/s to the right and downwards of a pass, from its whole boxes where it has them.

    A box cut by the border moves only on one side: its centre goes half as fast as the thing.
    """
    margin = _COMPLETE_SHARE * height_px / 10
    whole = [
        o
        for o in seen
        if o.box.x > margin
        and o.box.y > margin
        and o.box.x + o.box.w < width_px - margin
        and o.box.y + o.box.h < height_px - margin
    ]
    if len(whole) >= 4 and whole[-1].t_s - whole[0].t_s >= 0.3:
        seen = whole
    t = np.array([o.t_s for o in seen])
    if len(t) < 2 or t[-1] <= t[0]:
        return None
    t = t - t.mean()
    x = np.array([o.box.x + o.box.w / 2 for o in seen])
    y = np.array([o.box.y + o.box.h / 2 for o in seen])
    spread = float((t * t).sum())
    return float((t * x).sum()) / spread, float((t * y).sum()) / spread


def _row(
    one: Pass,
    segment: Segment,
    camera: Camera,
    fixes: Sequence[ClockFix],
    model_ref: str,
) -> dict[str, Any]:
    best, first, last = one.best, one.seen[0], one.seen[-1]
    utc_ns, sigma_ns = segment.utc(best.pts, fixes)
    motion = image_motion(one.seen, segment.width_px, segment.height_px) if one.moving else None
    bearing = motion and optics.bearing_of_motion(
        *motion, camera.heading_deg, foreshortening=optics.POLE_FORESHORTENING
    )
    ground = optics.to_ground(camera, best.box.x + best.box.w / 2, best.box.y + best.box.h)
    box = _rounded(best.box)
    plate = one.plate
    pts_of = {still.at.number: still.at.pts for still in one.stills}
    return {
        "sighting_id": sighting_id(segment.sha256, best.pts, box, model_ref),
        "camera_id": camera.camera_id,
        "segment_sha256": segment.sha256,
        "pts": best.pts,
        "first_pts": first.pts,
        "last_pts": last.pts,
        "utc": utc_ns,
        "first_utc": segment.utc(first.pts, fixes)[0],
        "last_utc": segment.utc(last.pts, fixes)[0],
        "sigma_s": sigma_ns / 1e9,
        "kind": one.kind,
        "score": round(one.score, 4),
        "moving": one.moving,
        "box_x": box.x,
        "box_y": box.y,
        "box_w": box.w,
        "box_h": box.h,
        "track_pts": [o.pts for o in one.seen],
        "track_box": [
            v for b in one.boxes or [o.box for o in one.seen] for v in _values(_rounded(b))
        ],
        "motion_dx": None if motion is None else round(motion[0], 2),
        "motion_dy": None if motion is None else round(motion[1], 2),
        "bearing_deg": None if bearing is None else round(bearing, 1),
        "speed_mps": _speed(one, camera),
        "ground_x": _finite(ground.x),
        "ground_y": _finite(ground.y),
        "ground_sigma_m": _finite(ground.sigma),
        "plate": plate.text if plate else None,
        "plate_score": round(plate.score, 4) if plate else None,
        "plate_raw": plate.raw if plate else None,
        "plate_lattice": _lattice(plate.lattice) if plate else None,
        "plate_pts": pts_of[plate.number] if plate else None,
        "plate_box": _values(_rounded(plate.box)) if plate else None,
        "face_count": len(one.faces),
        "face_boxes": [v for box in one.faces for v in _values(_rounded(box))],
        "model_ref": model_ref,
    }


def _speed(one: Pass, camera: Camera) -> float | None:
    """Return ground speed between the first and last fifth of a pass; None uncalibrated."""
    if not one.moving or camera.pixel_to_ground is None or len(one.seen) < 5:
        return None
    edge = max(1, len(one.seen) // 5)
    ends = []
    for part in (one.seen[:edge], one.seen[-edge:]):
        spots = [optics.to_ground(camera, o.box.x + o.box.w / 2, o.box.y + o.box.h) for o in part]
        ends.append(
            (np.mean([s.x for s in spots]), np.mean([s.y for s in spots]),
             np.mean([o.t_s for o in part]))
        )  # fmt: skip
    (x0, y0, t0), (x1, y1, t1) = ends
    return _finite(float(np.hypot(x1 - x0, y1 - y0) / (t1 - t0))) if t1 > t0 else None


def _finite(value: float | None) -> float | None:
    return round(float(value), 3) if value is not None and np.isfinite(value) else None


def _rounded(box: Box) -> Box:
    return Box(*(round(float(v), 1) for v in _values(box)))


def _values(box: Box) -> list[float]:
    return [box.x, box.y, box.w, box.h]


def _lattice(places: Sequence[dict[str, float]]) -> str:
    return json.dumps(
        [{sign: round(float(p), 4) for sign, p in place.items()} for place in places],
        ensure_ascii=False,
    )
