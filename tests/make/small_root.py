"""A small archive root for the pages: four cameras, numbered clips, one plate's journey."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np

from make.clips import make_clip
from make.rows import sighting_row, sightings_table
from workbench.investigation import Workbench, add_person, open_workbench
from workbench.records import Case
from workbench.store import Store
from workbench.timeline import SECOND_NS, Span, parse_instant

START_NS = parse_instant("2026-11-20T07:15:00+07:00")
PLATE, TWIN = "99B1-123.45", "99B1-128.45"
CASE = Case(
    case_id="HL-01",
    title="Hồ sơ kiểm thử",
    legal_basis="Kế hoạch kiểm thử",
    reason="kiểm thử trang",
    period=Span(START_NS - 3600 * SECOND_NS, START_NS + 3600 * SECOND_NS),
    training=True,
)
FRAMES, RATE = 300, 10
SIZE = (320, 180)


PASSWORDS = {"lan": "mật khẩu rất dài", "minh": "một câu khác hẳn"}


def with_people(wb: Workbench, root: Path) -> Workbench:
    """Return a copy of a root whose pages ask for a sign-in: two investigators.

    A server may be at work on the root: what its database has not merged yet comes and goes, so
    that a database is copied by SQLite itself.
    """
    shutil.copytree(wb.root, root, ignore=shutil.ignore_patterns("*.sqlite*"))
    for path in wb.root.rglob("*.sqlite"):
        with (
            closing(sqlite3.connect(path)) as source,
            closing(sqlite3.connect(root / path.relative_to(wb.root))) as copy,
        ):
            source.backup(copy)
    made = open_workbench(root, actor=wb.actor)
    for name, password in PASSWORDS.items():
        add_person(made, name, ["investigator"], password)
    return made


def build(root: Path, ward: Path, cameras: int = 5) -> Workbench:
    """Make the root: one clip a camera, passes of PLATE in order, one of TWIN, one impossible."""
    wb = open_workbench(root, actor="kiem-thu", create_from=ward)
    wb.open_case(CASE)
    first_cameras = {}
    for camera in wb.ward.cameras.values():
        if camera.kind == "plate":
            first_cameras.setdefault(camera.site_id, camera.camera_id)
    chosen = list(first_cameras.values())[:cameras]
    incoming = root.parent / "incoming"
    incoming.mkdir(exist_ok=True)
    at_s = 3.0
    rows = []
    for number, camera_id in enumerate(chosen):
        if number:
            way = wb.graph.between(chosen[number - 1], camera_id)
            at_s += way.fastest_s * 1.3
        clip = incoming / f"{camera_id}.mp4"
        make_clip(clip, FRAMES, rate=RATE, gop=30, bframes=2, vfr=number == 1,
                  open_gop=number == 3,
                  start_pts=0 if number else 90_000, size=SIZE,
                  first_number=1000 * number)  # fmt: skip
        start_ns = START_NS + round(max(0.0, at_s - 10) * SECOND_NS)
        taken = wb.ingest(clip, camera_id, start_ns, clock_offset_s=0, clock_sigma_s=0.5)
        segment = taken.segments[0]
        rows += _passes(wb, segment, camera_id, start_ns, at_s, PLATE)
        if number == 0:
            rows += _passes(wb, segment, camera_id, start_ns, at_s + 6, TWIN)
            rows += _passes(wb, segment, camera_id, start_ns, at_s + 9, None)
    # the same plate at the far end of the ward a few seconds after the first: impossible
    far = list(first_cameras.values())[-1]
    clip = incoming / f"{far}.mp4"
    make_clip(clip, FRAMES, rate=RATE, gop=30, size=SIZE, first_number=9000)
    segment = wb.ingest(clip, far, START_NS, clock_offset_s=0, clock_sigma_s=0.5).segments[0]
    rows += _passes(wb, segment, far, START_NS, 8.0, PLATE)
    Store.open(root).append_sightings(sightings_table(rows))
    return wb


def _passes(wb, segment, camera_id, start_ns, at_s, plate):
    index = wb.frame_index(segment)
    target = segment.pts_at(START_NS + round(at_s * SECOND_NS))
    frame = min(int(np.searchsorted(index.pts, target)), len(index) - 12)
    frames = [int(pts) for pts in index.pts[frame - 8 : frame + 9]]
    utc_ns, _ = wb.utc(segment, frames[8])
    boxes = [[60.0 + 8 * n, 60.0, 70.0, 60.0] for n in range(len(frames))]
    facts = {
        "segment_sha256": segment.sha256, "pts": frames[8], "first_pts": frames[0],
        "last_pts": frames[-1], "utc_ns": utc_ns, "box_x": boxes[8][0], "box_y": 60.0,
        "box_w": 70.0, "box_h": 60.0, "track_pts": frames,
        "track_box": [edge for box in boxes for edge in box], "sigma_s": 0.5,
        "bearing_deg": None, "plate_pts": frames[8] if plate else None,
        "plate_box": [boxes[8][0] + 10, 100.0, 40.0, 16.0] if plate else None,
        "kind": "motorcycle" if plate else "person",
    }  # fmt: skip
    return [sighting_row(0, camera_id, plate=plate, **facts)]
