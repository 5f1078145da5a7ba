"""Which frame shows a pass best: a motion box proposes, the detector tells what of it is the thing.

The largest motion box of a pass is as a rule one that holds a second thing, or a long shadow. So
once a pass has ended the detector looks at the frame that would be taken; where less is drawn than
the box held, that frame and those around it are worth less, and the next one is looked at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import cv2
import numpy as np

from workbench.recognition.passes.detect import moved
from workbench.recognition.passes.naming import DRIVEN, RIDDEN
from workbench.recognition.passes.track import Observation, Still, affinity, hull, overlap_share
from workbench.recognition.settings import Settings
from workbench.recognition.types import Detection, Detector
from workbench.records import Box


def rated(luma: np.ndarray, at: Observation, settings: Settings) -> Still:
    """Return how good a frame is for a second look at a box: large, sharp, whole, alone.

    A plate hangs low: a vehicle that reaches out of the picture above may well show it.
    """
    height, width = luma.shape
    left, top = max(0, int(at.box.x)), max(0, int(at.box.y))
    right, bottom = int(at.box.x + at.box.w), int(at.box.y + at.box.h)
    crop = luma[top : max(top + 1, bottom), left : max(left + 1, right)]
    if min(crop.shape) < 4:
        return Still(at, 0.0)
    step = max(1, min(crop.shape) // 96)
    edges = cv2.Laplacian(np.ascontiguousarray(crop[::step, ::step]), cv2.CV_16S)
    sharp = float(edges.var())
    value = at.box.w * at.box.h * sharp / (sharp + settings.sharpness_half)
    value *= settings.shared_penalty if at.shared else 1.0
    cut = is_cut(at.box, width, height, settings)
    below = at.box.y + at.box.h > height - settings.cut_margin_px
    return Still(
        at,
        value * (settings.cut_penalty if cut else 1.0),
        value * (settings.cut_penalty if below else 1.0),
        sharp / (sharp + settings.sharpness_half),
        cut,
    )


def is_cut(box: Box, width: int, height: int, settings: Settings) -> bool:
    """Tell whether a box touches the border of a frame, so that part of the thing is outside."""
    m = settings.cut_margin_px
    return box.x < m or box.y < m or box.x + box.w > width - m or box.y + box.h > height - m


def is_large(box: Box, width: int, height: int, settings: Settings) -> bool:
    """Tell whether a box fills so much of a frame that the detector draws less surely than it."""
    share = settings.picture_large
    return box.w > share * width or box.h > share * height


def best_picture(
    pictures: Sequence[Still],
    kind: str,
    detect: Detector,
    width: int,
    height: int,
    settings: Settings,
) -> Observation | None:
    """Return where and when a pass is shown best; None where no look can tell.

    Parameters
    ----------
    pictures
        What was kept of it, in order; frames without a part are not asked for.
    kind
        What the pass is called.
    width, height
        Of the frame, in pixels.
    """
    s = settings
    shown = [still for still in pictures if still.part is not None]
    worth = [still.quality for still in shown]
    if not shown or is_large(shown[worth.index(max(worth))].at.box, width, height, s):
        return None
    drawn: dict[int, Box | None] = {}
    while (best := worth.index(max(worth))) not in drawn and len(drawn) < s.picture_looks:
        drawn[best] = _drawn(shown[best], kind, detect, s)
        looks = {k: box for k, box in drawn.items() if box is not None}
        for k, still in enumerate(shown):
            if k in drawn and k not in looks:
                worth[k] = still.quality * s.picture_undrawn
                continue
            box = _expected(k, shown, looks, s)
            if box is not None:
                worth[k] = _worth(still, box, width, height, s)
            elif still.at.shared and _nearest(k, shown, looks, s) is not None:
                worth[k] = still.quality * s.picture_undrawn
    if not looks:
        return None
    at = shown[best].at
    return replace(at, box=_clipped(_expected(best, shown, looks, s) or at.box, width, height))


def wholes(found: Sequence[Detection]) -> list[tuple[Box, str]]:
    """Return whole things and what they are: riders with what they ride, nobody behind a window.

    >>> bike = Detection(Box(0, 20, 30, 40), "motorcycle", 0.7)
    >>> rider = Detection(Box(5, 0, 20, 45), "person", 0.9)
    >>> wholes([rider, bike])
    [(Box(x=0, y=0, w=30, h=60), 'motorcycle')]
    """
    things = [(one.box, one.kind) for one in found if one.kind in DRIVEN]
    people = [one.box for one in found if one.kind == "person"]
    riders: list[Box] = []
    for one in (one for one in found if one.kind in RIDDEN):
        on_it = [
            box
            for box in people
            if overlap_share(box, one.box) > 0.3 or overlap_share(one.box, box) > 0.5
        ]
        things.append((hull([one.box, *on_it]), one.kind))
        riders += on_it
    behind = [one.box for one in found if one.kind in DRIVEN]
    return things + [
        (box, "person")
        for box in people
        if box not in riders and all(overlap_share(box, window) <= 0.8 for window in behind)
    ]


def _drawn(still: Still, kind: str, detect: Detector, s: Settings) -> Box | None:
    """Return the box that the detector draws of a pass on a frame, the likeliest of several."""
    part, region = still.part, still.at.box
    assert part is not None
    things = [
        (box, name)
        for box, name in wholes(moved(detect(part.rgb()), part.left, part.top))
        if overlap_share(box, region) >= s.picture_inside
    ]
    if not things:
        return None
    box, name = max(things, key=lambda one: (not _is_other(one[1], kind), affinity(region, one[0])))
    if name == "person" and kind in RIDDEN:
        # of a rider seen alone, what he rides is in the region below him
        return hull([box, Box(box.x, box.y, box.w, max(1.0, region.y + region.h - box.y))])
    return box


def _is_other(name: str, kind: str) -> bool:
    return kind != "unknown" and (name in DRIVEN) != (kind in DRIVEN)


def _nearest(k: int, shown: Sequence[Still], looks: Mapping[int, Box], s: Settings) -> int | None:
    """Return the look nearest in time to a frame, if one is near."""
    near = min(looks, key=lambda j: (abs(shown[j].at.t_s - shown[k].at.t_s), j), default=None)
    if near is None or abs(shown[near].at.t_s - shown[k].at.t_s) > s.picture_near_s:
        return None
    return near


def _expected(k: int, shown: Sequence[Still], looks: Mapping[int, Box], s: Settings) -> Box | None:
    """Return what is drawn on a frame, or would be: lying in its region as at the nearest look."""
    near = _nearest(k, shown, looks, s)
    if near is None or near == k:
        return looks.get(k)
    if shown[k].at.shared:
        return None
    box, then, now = looks[near], shown[near].at.box, shown[k].at.box
    across, down = now.w / then.w, now.h / then.h
    return Box(
        now.x + (box.x - then.x) * across,
        now.y + (box.y - then.y) * down,
        box.w * across,
        box.h * down,
    )


def _worth(still: Still, box: Box, width: int, height: int, s: Settings) -> float:
    """Return what a frame is worth with a thing drawn as `box` in it: area, sharp, whole."""
    region, (of_frame, of_size) = still.at.box, s.picture_border
    area = box.w * box.h
    if not still.at.shared:
        area = min(area, region.w * region.h)

    def ends(drawn: float, gap: float, size: float) -> bool:
        """Tell whether a thing ends at the border that its region has come to."""
        return drawn < s.cut_margin_px and gap < max(of_frame * height, of_size * size)

    left, top = region.x, region.y
    right, below = width - region.x - region.w, height - region.y - region.h
    cut = (
        ends(left, box.x - region.x, box.w)
        or ends(top, box.y - region.y, box.h)
        or ends(right, region.x + region.w - box.x - box.w, box.w)
        or ends(below, region.y + region.h - box.y - box.h, box.h)
    )
    return area * still.sharp * (s.cut_penalty if cut else 1.0)


def _clipped(box: Box, width: int, height: int) -> Box:
    """Return the part of a box that is in the frame.

    >>> _clipped(Box(-5, 2, 20, 10), 30, 8)
    Box(x=0, y=2, w=15, h=6)
    """
    left, top = max(0, box.x), max(0, box.y)
    return Box(left, top, min(width, box.x + box.w) - left, min(height, box.y + box.h) - top)
