"""A street with three faces, a pass each, in a case of its own; and whose face a copy shows."""

from __future__ import annotations

from fractions import Fraction

import cv2
import numpy as np

from make.rows import sighting_row, sightings_table
from workbench import media
from workbench.investigation import open_workbench
from workbench.investigation.face_copies import face_copies
from workbench.recognition.faces.hiding import open_face_hider
from workbench.recognition.models import samples
from workbench.records import Case
from workbench.timeline import SECOND_NS, Span, parse_instant

START_NS = parse_instant("2026-11-20T07:15:00+07:00")
PERIOD = Span(START_NS - 60 * SECOND_NS, START_NS + 60 * SECOND_NS)
FRAMES, RATE, SIDE = 12, 10, 320
LEFTS = (20, 400, 780)


def film(path):
    """Film the street: the same portrait three times, mirrored and darker, moving to the right."""
    portrait = cv2.resize(samples.portrait(), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    pictures = [portrait, portrait[:, ::-1], np.clip(portrait * 0.7, 0, 255).astype(np.uint8)]
    with media.ClipWriter(path, 1120, 360, time_base=Fraction(1, RATE), gop=10, crf=18) as out:
        for n in range(FRAMES):
            street = np.full((360, 1120, 3), 96, np.uint8)
            for left, picture in zip(LEFTS, pictures, strict=True):
                street[20 : 20 + SIDE, left + n : left + n + SIDE] = picture
            out.write(street, n)


def build(root, ward_folder, clip, *, now):
    """Return a root with an open case that `thu` opened, the clip and its three passes."""
    made = open_workbench(root, actor="thu", now=now, create_from=ward_folder)
    made.open_case(Case("HS-1", "The grey van", "Decision 12", "find who left it", PERIOD))
    (segment,) = made.ingest(clip, next(iter(made.ward.cameras)), START_NS).segments
    pts = made.frame_index(segment).pts.tolist()
    rows = [
        sighting_row(
            0, segment.camera_id, sighting_id=f"pass-{at}", segment_sha256=segment.sha256,
            kind="person", pts=pts[3], first_pts=pts[0], last_pts=pts[-1], track_pts=pts,
            track_box=[v for n in range(FRAMES) for v in (left + n, 20.0, float(SIDE), SIDE)],
        )
        for at, left in enumerate(LEFTS)
    ]  # fmt: skip
    made._store.append_sightings(sightings_table(iter(rows)))
    return made


def shown_in_copies(wb, purpose):
    """Return whose face shows in the copies of candidates, by number."""
    finder = open_face_hider()
    return {one.number: one.shown for one in face_copies(wb, purpose, lambda: finder)}
