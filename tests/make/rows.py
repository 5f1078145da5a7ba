"""Builders of records and rows: everything has a sensible value, name only what a test is about."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from workbench.records import SIGHTINGS, Case, FrameIndex, Purpose, Segment
from workbench.timeline import SECOND_NS, ClockFix, Span, parse_instant

START_NS = parse_instant("2026-11-20T07:15:00+07:00")
TICK = Fraction(1, 90_000)
FRAME_TICKS = 9_000
"""Ten frames a second at 90 kHz."""


def sha(name: object) -> str:
    """Return a hash that a test can name."""
    return hashlib.sha256(str(name).encode()).hexdigest()


def segment(name: object = "clip", camera_id: str = "C01", **changes: Any) -> Segment:
    """Return a 60 s segment at 10 fps that starts at START_NS."""
    sha256 = sha(name)
    facts: dict[str, Any] = {
        "sha256": sha256,
        "camera_id": camera_id,
        "path": f"archive/{camera_id}/{sha256}.mp4",
        "stamped_start_ns": START_NS,
        "first_pts": 0,
        "stop_pts": 600 * FRAME_TICKS,
        "time_base": TICK,
        "tick_s": TICK,
        "frame_count": 600,
        "width_px": 640,
        "height_px": 360,
        "codec": "h264",
        "rotation_deg": 0,
        "size_bytes": 1_000_000,
        "notes": (),
    }
    return Segment(**(facts | changes))


def index(count: int = 600, *, first_pts: int = 0, gop: int = 50) -> FrameIndex:
    """Return the frame index of such a segment."""
    pts = first_pts + FRAME_TICKS * np.arange(count, dtype=np.int64)
    return FrameIndex(pts, np.arange(count) % gop == 0)


def fix(camera_id: str = "C01", **changes: Any) -> ClockFix:
    """Return a clock fix of no offset and one second sigma, valid for ever."""
    facts: dict[str, Any] = {
        "camera_id": camera_id,
        "valid": Span(0, 2**62),
        "offset_ns": 0,
        "sigma_ns": SECOND_NS,
        "method": "operator",
    }
    return ClockFix(**(facts | changes))


def case(case_id: str = "01/2026", **changes: Any) -> Case:
    """Return an open case on every camera for the day of START_NS."""
    facts: dict[str, Any] = {
        "case_id": case_id,
        "title": "Hit and run at the VSIP gate",
        "legal_basis": "Criminal Procedure Code 2015, article 99",
        "reason": "find the vehicle that left the scene",
        "period": Span(START_NS - 3600 * SECOND_NS, START_NS + 20 * 3600 * SECOND_NS),
        "opened_by": "investigator",
        "opened_at_ns": START_NS,
    }
    return Case(**(facts | changes))


def purpose(case_id: str = "01/2026", reason: str = "follow the grey van") -> Purpose:
    """Return a purpose under the case above."""
    return Purpose(case_id, reason)


def sighting_row(number: int = 0, camera_id: str = "C01", **changes: Any) -> dict[str, Any]:
    """Return one row of SIGHTINGS: a pass of two seconds, `number` seconds after START_NS.

    ``utc_ns`` among `changes` sets the three times; every other change is a column.
    """
    utc_ns = int(changes.pop("utc_ns", START_NS + number * SECOND_NS))
    pts = changes.get("pts", (number + 1) * 10 * FRAME_TICKS)
    x, y = 20.0 + number % 400, 40.0
    row: dict[str, Any] = {
        "camera_id": camera_id,
        "segment_sha256": sha(f"{camera_id}:clip"),
        "pts": pts,
        "first_pts": pts - 10 * FRAME_TICKS,
        "last_pts": pts + 10 * FRAME_TICKS,
        "utc": utc_ns,
        "first_utc": utc_ns - SECOND_NS,
        "last_utc": utc_ns + SECOND_NS,
        "sigma_s": 1.0,
        "kind": "motorcycle",
        "score": 0.75,
        "moving": True,
        "box_x": x,
        "box_y": y,
        "box_w": 60.0,
        "box_h": 80.0,
        "track_pts": [pts - 10 * FRAME_TICKS, pts, pts + 10 * FRAME_TICKS],
        "track_box": [x - 9, y, 60.0, 80.0, x, y, 60.0, 80.0, x + 9, y, 60.0, 80.0],
        "motion_dx": 9.0,
        "motion_dy": 0.0,
        "bearing_deg": 90.0,
        "speed_mps": None,
        "ground_x": None,
        "ground_y": None,
        "ground_sigma_m": None,
        "plate": None,
        "plate_score": None,
        "plate_raw": None,
        "plate_lattice": None,
        "plate_pts": None,
        "plate_box": None,
        "face_count": 0,
        "face_boxes": [],
        "model_ref": "test-1",
    }
    text = changes.get("plate")
    if text is not None:
        signs = [sign for sign in text if sign.isalnum()]
        row |= {
            "plate_score": 0.9,
            "plate_raw": "".join(signs),
            "plate_lattice": json.dumps([{sign: 1.0} for sign in signs]),
            "plate_pts": pts,
            "plate_box": [x + 5, y + 50, 20.0, 14.0],
        }
    row |= changes
    what = (row["segment_sha256"], row["pts"], row["box_x"], row["box_y"], row["model_ref"])
    row.setdefault("sighting_id", sha(what)[:32])
    return row


def sightings_table(rows: Iterable[dict[str, Any]] = ()) -> pa.Table:
    """Return rows as a table in the schema SIGHTINGS; times may be ns or datetimes."""
    listed = list(rows)
    columns = [
        pa.array([_plain(row[wanted.name]) for row in listed], wanted.type) for wanted in SIGHTINGS
    ]
    return pa.table(columns, schema=SIGHTINGS)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return value
