"""Name objects with the COCO detector: SSD MobileNetV2 in OpenCV's own network runner.

The detector names what motion has proposed. It sees small objects badly, so that a region is cut
out and enlarged for it; it knows nothing of vehicles from straight above, and then says nothing.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from workbench.recognition.sessions import suppress
from workbench.recognition.types import RGB, Detection, Detector, clip
from workbench.records import Box

_INPUT_PX = 300
_KIND_OF_COCO = {
    1: "person", 2: "bicycle", 3: "car", 4: "motorcycle", 6: "bus", 8: "truck",
}  # fmt: skip
"""COCO's ids of our kinds; anything else it knows (telephones, kites) is dropped."""

# One thing gets two names within a row (car and truck), never across (a rider is on a motorcycle).
_RIVALS = (("car", "bus", "truck"), ("motorcycle", "bicycle"), ("person",))

LEAST_REGION_PX = 96
"""A region is widened to this before it is cut out: context helps more than enlargement."""


class CocoDetector:
    """A :data:`~workbench.recognition.types.Detector` on one network; not for several threads.

    Parameters
    ----------
    graph, text_graph
        Frozen TensorFlow graph and OpenCV's description of it.
    min_score
        Least score of a named object, 0..1.
    max_overlap
        Intersection over union above which two boxes of rival kinds are one object.
    """

    def __init__(
        self, graph: Path, text_graph: Path, *, min_score: float = 0.35, max_overlap: float = 0.5
    ) -> None:
        self._network = cv2.dnn.readNetFromTensorflow(str(graph), str(text_graph))
        self._min_score = min_score
        self._max_overlap = max_overlap

    def __call__(self, picture: RGB) -> list[Detection]:
        """Return the objects of a picture, best first, boxes in its pixels."""
        height, width = picture.shape[:2]
        blob = cv2.dnn.blobFromImage(picture, size=(_INPUT_PX, _INPUT_PX))
        self._network.setInput(blob)
        rows = self._network.forward()[0, 0]
        found: list[Detection] = []
        for _, label, score, left, top, right, bottom in rows.tolist():
            kind = _KIND_OF_COCO.get(int(label))
            if kind is None or score < self._min_score:
                continue
            left, right = (min(1.0, max(0.0, x)) * width for x in (left, right))
            top, bottom = (min(1.0, max(0.0, y)) * height for y in (top, bottom))
            if right - left >= 1 and bottom - top >= 1:
                box = Box(left, top, right - left, bottom - top)
                found.append(Detection(box, kind, min(1.0, score)))
        return one_name_each(found, self._max_overlap)


def one_name_each(found: list[Detection], max_overlap: float) -> list[Detection]:
    """Return the detections, best first, without the weaker of two rival names for one object.

    >>> a, b = Detection(Box(0, 0, 9, 9), "car", .6), Detection(Box(0, 0, 9, 8), "truck", .7)
    >>> [d.kind for d in one_name_each([a, b], .5)]
    ['truck']
    """
    kept: list[Detection] = []
    for kinds in _RIVALS:
        group = [d for d in found if d.kind in kinds]
        if group:
            corners = [(d.box.x, d.box.y, d.box.x + d.box.w, d.box.y + d.box.h) for d in group]
            scores = np.array([d.score for d in group], np.float32)
            best = suppress(np.array(corners, np.float32), scores, max_overlap)
            kept += [group[row] for row in best]
    return sorted(kept, key=lambda d: (-d.score, d.kind, d.box.x, d.box.y))


def detect_in(
    detect: Detector, picture: RGB, region: Box, *, margin: float = 0.25
) -> list[Detection]:
    """Return the objects of a region, cut out with a margin as a square and enlarged.

    The detector's input is 300 pixels square: a person 40 pixels high in a 1080p frame is 11 there
    and invisible, in its own region 150 and sure. Boxes are in the picture's pixels.
    """
    side = max(region.w, region.h, LEAST_REGION_PX) * (1 + 2 * margin)
    square = Box(region.x + (region.w - side) / 2, region.y + (region.h - side) / 2, side, side)
    left, top, right, bottom = clip(square, picture)
    if right - left < 2 or bottom - top < 2:
        return []
    found = detect(np.ascontiguousarray(picture[top:bottom, left:right]))
    return [
        Detection(Box(d.box.x + left, d.box.y + top, d.box.w, d.box.h), d.kind, d.score)
        for d in found
    ]
