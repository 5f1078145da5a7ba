"""A clip of people who walk past a camera, and the passes recognition would have kept of them."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from make.rows import sighting_row, sightings_table
from workbench import media
from workbench.investigation import Workbench
from workbench.recognition.models import samples

SIDE = 320
LEFTS = (20, 400)
"""Where each stands in the first frame, in pixels from the left; a pixel a frame to the right."""
_HIGH, _TOP, _GREY = 360, 20, 96


def faces(count: int = len(LEFTS)) -> list[NDArray[np.uint8]]:
    """Return so many faces, (SIDE, SIDE, 3) RGB: a portrait, its mirror image, a darker one."""
    portrait = cv2.resize(samples.portrait(), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    darker = np.clip(portrait * 0.7, 0, 255).astype(np.uint8)
    return [portrait, portrait[:, ::-1], darker][:count]


def film(path: Path, frames: int, *, lefts: Sequence[int] = LEFTS, gop: int = 4) -> Path:
    """Write the clip: ten frames a second, grey but for the faces."""
    wide = lefts[-1] + SIDE + 40
    with media.ClipWriter(path, wide, _HIGH, time_base=Fraction(1, 10), gop=gop, crf=18) as out:
        for n in range(frames):
            street = np.full((_HIGH, wide, 3), _GREY, np.uint8)
            for left, picture in zip(lefts, faces(len(lefts)), strict=True):
                street[_TOP : _TOP + SIDE, left + n : left + n + SIDE] = picture
            out.write(street, n)
    return path


def take_in(
    wb: Workbench, clip: Path, start_ns: int, frames: int, *, lefts: Sequence[int] = LEFTS
) -> None:
    """Ingest the clip at the first camera and keep a pass a face, called ``pass-0`` and so on."""
    (segment,) = wb.ingest(clip, next(iter(wb.ward.cameras)), start_ns).segments
    pts = wb.frame_index(segment).pts.tolist()
    rows = [
        sighting_row(
            0, segment.camera_id, sighting_id=f"pass-{at}", segment_sha256=segment.sha256,
            kind="person", pts=pts[3], first_pts=pts[0], last_pts=pts[-1], track_pts=pts,
            track_box=[
                edge for n in range(frames) for edge in (left + n, float(_TOP), float(SIDE), SIDE)
            ],
        )
        for at, left in enumerate(lefts)
    ]  # fmt: skip
    wb._store.append_sightings(sightings_table(iter(rows)))
