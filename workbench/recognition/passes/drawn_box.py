"""The box of a pass on its best frame: as the detector draws it, not all that moves with it.

A motion box holds a long shadow, or somebody beside. One look at the frame that was taken tells.
"""

from __future__ import annotations

from collections.abc import Sequence

from workbench.recognition.passes.detect import moved
from workbench.recognition.passes.naming import DRIVEN, RIDDEN, riders_of
from workbench.recognition.passes.track import Still, affinity, hull, overlap_share
from workbench.recognition.settings import Settings
from workbench.recognition.types import Detection, Detector
from workbench.records import Box

_BEHIND = 0.8


def drawn_box(
    still: Still, kind: str, detect: Detector, width: int, height: int, settings: Settings
) -> Box | None:
    """Return the box that the detector draws of a pass on a frame; None where it draws nothing.

    Parameters
    ----------
    still
        The frame, with the motion box and what was kept around it.
    kind
        What the pass is called: of several things in its motion box, one of this kind is it.
    width, height
        Of the frame, in pixels.
    """
    s, part, region = settings, still.part, still.at.box
    if part is None:
        return None
    things = [
        (box, name)
        for box, name in wholes(moved(detect(part.rgb()), part.left, part.top))
        if overlap_share(box, region) >= s.drawn_inside
    ]
    if not things:
        return None
    box, name = max(things, key=lambda one: (not _is_other(one[1], kind), affinity(region, one[0])))
    if region.w > s.drawn_large * width or region.h > s.drawn_large * height:
        return Box(box.x, region.y, box.w, region.h)
    if name == "person" and kind in RIDDEN:
        # of a rider seen alone, what he rides is in the region below him
        return hull([box, Box(box.x, box.y, box.w, max(1.0, region.y + region.h - box.y))])
    return box


def wholes(found: Sequence[Detection]) -> list[tuple[Box, str]]:
    """Return whole things and what they are: riders with what they ride, nobody behind a window.

    >>> bike = Detection(Box(0, 20, 30, 40), "motorcycle", 0.7)
    >>> rider = Detection(Box(5, 0, 20, 45), "person", 0.9)
    >>> wholes([rider, bike])
    [(Box(x=0, y=0, w=30, h=60), 'motorcycle')]
    """
    driven = [one.box for one in found if one.kind in DRIVEN]
    things = [(one.box, one.kind) for one in found if one.kind in DRIVEN]
    people = [one.box for one in found if one.kind == "person"]
    riders: list[Box] = []
    for one in (one for one in found if one.kind in RIDDEN):
        on_it = riders_of(one.box, people)
        things.append((hull([one.box, *on_it]), one.kind))
        riders += on_it
    return things + [
        (box, "person")
        for box in people
        if box not in riders and all(overlap_share(box, one) <= _BEHIND for one in driven)
    ]


def _is_other(name: str, kind: str) -> bool:
    return kind != "unknown" and (name in DRIVEN) != (kind in DRIVEN)
