"""Name objects with the COCO detector: SSD MobileNetV2 in eight bits.

The detector names what motion has proposed. It sees small objects badly, so that a region is cut
out and enlarged for it; it knows nothing of vehicles from straight above, and then says nothing.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import av
import cv2
import numpy as np

from workbench import media
from workbench.errors import N_, BadInput
from workbench.recognition.models.sessions import open_network, suppress
from workbench.recognition.types import RGB, Detection, Detector, clip
from workbench.records import Box

_INPUT_PX = 300
_SIDE_PX = 32, 2048
_KIND_OF_COCO = {
    1: "person", 2: "bicycle", 3: "car", 4: "motorcycle", 6: "bus", 8: "truck",
}  # fmt: skip
"""COCO's ids of our kinds; anything else it knows (telephones, kites) is dropped."""
_OUTPUTS = ("detection_boxes", "detection_classes", "detection_scores")

# One thing gets two names within a row (car and truck), never across (a rider is on a motorcycle).
_RIVALS = (("car", "bus", "truck"), ("motorcycle", "bicycle"), ("person",))

LEAST_REGION_PX = 96
"""A region is widened to this before it is cut out: context helps more than enlargement."""


class CocoDetector:
    """A :data:`~workbench.recognition.types.Detector` on one network; not for several threads.

    Parameters
    ----------
    graph
        ONNX network with the interface of TensorFlow's object detection exports: uint8 RGB
        (1, y, x, 3) in; ``detection_boxes`` (top, left, bottom, right, 0..1), ``detection_classes``
        (COCO's ids) and ``detection_scores`` out, suppressed.
    min_score
        Least score of a named object, 0..1.
    max_overlap
        Intersection over union above which two boxes of rival kinds are one object.

    Raises
    ------
    BadInput
        Where the network has not these inputs and outputs.
    """

    def __init__(self, graph: Path, *, min_score: float = 0.35, max_overlap: float = 0.5) -> None:
        self._network = open_network(graph, exact=True)
        inputs = self._network.get_inputs()
        named = {one.name.partition(":")[0]: one.name for one in self._network.get_outputs()}
        if (
            len(inputs) != 1
            or inputs[0].type != "tensor(uint8)"
            or not _takes_a_picture(inputs[0].shape)
            or any(output not in named for output in _OUTPUTS)
        ):
            raise BadInput(
                N_("the network does not find objects as TensorFlow's exports do"),
                N_("give one with one uint8 picture in and {outputs} out"),
                where=str(graph),
                outputs=", ".join(_OUTPUTS),
            )
        self._input = inputs[0].name
        high, wide = inputs[0].shape[1:3]
        self._size = tuple(n if _is_known(n) else _INPUT_PX for n in (wide, high))
        self._outputs = [named[output] for output in _OUTPUTS]
        self._min_score = min_score
        self._max_overlap = max_overlap

    def __call__(self, picture: RGB) -> list[Detection]:
        """Return the objects of a picture, best first, boxes in its pixels."""
        shown = picture
        if picture.shape[1::-1] != self._size:
            shown = cv2.resize(picture, self._size)
        given = {self._input: np.ascontiguousarray(shown)[None]}
        corners, labels, scores = (
            np.asarray(v)[0] for v in self._network.run(self._outputs, given)
        )
        rows = zip(labels.tolist(), scores.tolist(), corners.tolist(), strict=True)
        return _named(rows, picture, self._min_score, self._max_overlap)


class FrozenDetector:
    """The same on a frozen TensorFlow graph run by OpenCV, such as the network before it was cut
    to eight bits; four times as dear.

    Parameters
    ----------
    graph, text_graph
        The graph, and OpenCV's description of it.
    min_score, max_overlap
        As for :class:`CocoDetector`.
    """

    def __init__(
        self, graph: Path, text_graph: Path, *, min_score: float = 0.35, max_overlap: float = 0.5
    ) -> None:
        self._network = cv2.dnn.readNetFromTensorflow(str(graph), str(text_graph))
        self._min_score = min_score
        self._max_overlap = max_overlap

    def __call__(self, picture: RGB) -> list[Detection]:
        """Return the objects of a picture, best first, boxes in its pixels."""
        self._network.setInput(cv2.dnn.blobFromImage(picture, size=(_INPUT_PX, _INPUT_PX)))
        found = self._network.forward()[0, 0].tolist()
        rows = [(row[1], row[2], (row[4], row[3], row[6], row[5])) for row in found]
        return _named(rows, picture, self._min_score, self._max_overlap)


def _is_known(length: object) -> TypeGuard[int]:
    """Tell a length that is fixed from one that may be anything: a name, none, or -1."""
    return isinstance(length, int) and length >= 0


def _takes_a_picture(shape: Sequence[object]) -> bool:
    """Tell whether an input takes one picture (1, y, x, 3) of a size that can be made.

    >>> [_takes_a_picture(s) for s in ([1, 300, 300, 3], ["n", None, -1, 3], [1, 3, 300, 300])]
    [True, True, False]
    """
    if len(shape) != 4:
        return False
    fits = ((1, 1), (_SIDE_PX[0], _SIDE_PX[1]), (_SIDE_PX[0], _SIDE_PX[1]), (3, 3))
    return all(
        not _is_known(length) or low <= length <= high
        for length, (low, high) in zip(shape, fits, strict=True)
    )


def _named(
    rows: Iterable[tuple[float, float, Sequence[float]]],
    picture: RGB,
    min_score: float,
    max_overlap: float,
) -> list[Detection]:
    """Return what a network says (COCO id, score, top, left, bottom, right) in our words."""
    height, width = picture.shape[:2]
    found: list[Detection] = []
    for label, score, place in rows:
        if not all(map(math.isfinite, (label, score, *place))):
            continue  # of a network's slip nothing can be said, least of all that it is sure
        kind = _KIND_OF_COCO.get(int(label))
        if kind is None or score < min_score:
            continue
        top, left, bottom, right = (min(1.0, max(0.0, x)) for x in place)
        left, right, top, bottom = left * width, right * width, top * height, bottom * height
        if right - left >= 1 and bottom - top >= 1:
            box = Box(left, top, right - left, bottom - top)
            found.append(Detection(box, kind, min(1.0, score)))
    return one_name_each(found, max_overlap)


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


@dataclass(frozen=True, slots=True, eq=False)
class Eye:
    """The detector before one frame: colours are made only of what it looks at."""

    detect: Detector
    frame: av.VideoFrame
    rotation_deg: int = 0

    def whole(self) -> list[Detection]:
        """Return the objects of the frame, boxes in its pixels."""
        turned = self.rotation_deg % 180 != 0
        wide, high = self.frame.width, self.frame.height
        picture = glance(self.frame, self.rotation_deg)
        return spread(self.detect(picture), *((high, wide) if turned else (wide, high)))

    def near(
        self, region: Box, margin: float, least_px: float = LEAST_REGION_PX
    ) -> list[Detection]:
        """Return the objects of a region, see :func:`detect_in`."""
        square = square_around(region, margin, least_px)
        left, top = int(np.floor(square.x)), int(np.floor(square.y))
        part = media.cut(
            self.frame,
            (left, top, int(np.ceil(square.x + square.w)), int(np.ceil(square.y + square.h))),
            self.rotation_deg,
        )
        return [] if part is None else moved(self.detect(part.rgb()), part.left, part.top)


def glance(frame: av.VideoFrame, rotation_deg: int = 0) -> RGB:
    """Return a frame at the detector's own size, its sides not kept in proportion."""
    small = frame.reformat(
        width=_INPUT_PX, height=_INPUT_PX, format="rgb24", interpolation="BILINEAR"
    )
    return media.to_rgb(small, rotation_deg)


def spread(found: list[Detection], width_px: int, height_px: int) -> list[Detection]:
    """Return what was found on a glance with boxes in pixels of the frame.

    >>> (one,) = spread([Detection(Box(30, 30, 150, 60), "car", 0.9)], 1920, 1080)
    >>> one.box
    Box(x=192.0, y=108.0, w=960.0, h=216.0)
    """
    across, down = width_px / _INPUT_PX, height_px / _INPUT_PX
    return [
        Detection(
            Box(d.box.x * across, d.box.y * down, d.box.w * across, d.box.h * down), d.kind, d.score
        )
        for d in found
    ]


def moved(found: list[Detection], left_px: int, top_px: int) -> list[Detection]:
    """Return what was found in a part of a picture with boxes in pixels of the whole."""
    return [
        Detection(Box(d.box.x + left_px, d.box.y + top_px, d.box.w, d.box.h), d.kind, d.score)
        for d in found
    ]


def square_around(region: Box, margin: float, least_px: float = LEAST_REGION_PX) -> Box:
    """Return the square with a region in its middle and a margin on each side of it."""
    side = max(region.w, region.h, least_px) * (1 + 2 * margin)
    return Box(region.x + (region.w - side) / 2, region.y + (region.h - side) / 2, side, side)


def detect_in(
    detect: Detector, picture: RGB, region: Box, *, margin: float = 0.25
) -> list[Detection]:
    """Return the objects of a region, cut out with a margin as a square and enlarged.

    The detector's input is 300 pixels square: a person 40 pixels high in a 1080p frame is 11 there
    and invisible, in its own region 150 and sure. Boxes are in the picture's pixels.
    """
    left, top, right, bottom = clip(square_around(region, margin), picture)
    if right - left < 2 or bottom - top < 2:
        return []
    return moved(detect(picture[top:bottom, left:right]), left, top)
