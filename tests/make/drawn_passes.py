"""A pass of the drawn car of ``make.measured_street``, as recognition would have kept it."""

from __future__ import annotations

from typing import Any

import numpy as np

from make.measured_street import FRAMES, wheels_px
from make.rows import sighting_row
from workbench.investigation import Workbench


def drawn_pass(wb: Workbench, camera_id: str, *, back: bool = False) -> dict[str, Any]:
    """Return the row of the car, seen in every frame; the first box is nowhere near the road.

    `back` is another car that comes the same way towards it.
    """
    segment = wb.segments([camera_id])[0]
    pts = [int(one) for one in wb.frame_index(segment).pts]
    points = wheels_px() + np.random.default_rng(101).standard_normal((FRAMES, 2))
    boxes = [[x - 20, y - 40, 40.0, 40.0] for x, y in points.tolist()]
    if back:
        boxes.reverse()
    boxes[0] = [4.0, 0.0, 8.0, 8.0]
    return sighting_row(
        0, camera_id, kind="car", segment_sha256=segment.sha256, first_pts=pts[0],
        last_pts=pts[-1], pts=pts[FRAMES // 2 + back], track_pts=pts,
        track_box=[edge for box in boxes for edge in box],
        utc_ns=wb.utc(segment, pts[FRAMES // 2])[0],
    )  # fmt: skip
