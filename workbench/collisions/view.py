"""Whether a camera still looks where it looked when it was calibrated.

Marks of two grey pictures are paired (ORB, both ways), and the homography most of them agree on
tells how far the points of the calibration moved. A camera on a pole that is knocked moves the
whole picture; a few pixels change speeds by less than the calibration's own error.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.collisions.calibration import Floats, GroundModel
from workbench.errors import N_, BadInput

MOST_PX = 3.0
"""Of 1280: a larger shift of the calibrated part makes a calibration another view's."""
_FEWEST_ALIKE = 20


@dataclass(frozen=True, slots=True)
class ViewShift:
    """How far the calibrated part of the picture moved, at the most, and marks that say so."""

    shift_px: float
    alike: int
    moved: bool


def compare_view(
    model: GroundModel, reference: NDArray[np.uint8], now: NDArray[np.uint8]
) -> ViewShift:
    """Return how far today's picture is off the one a calibration was made in.

    Parameters
    ----------
    model
        The calibration; the corners of its points are what must not have moved.
    reference, now
        (height, width) grey pictures of the size calibrated in.

    Raises
    ------
    BadInput
        When a picture has another size, or too little of both is alike to tell.
    """
    wide, high = model.size_px
    for picture in (reference, now):
        if picture.shape[:2] != (high, wide):
            raise BadInput(
                N_("the picture is {now} and the calibration was made in {then}"),
                N_("take the picture from the same stream"),
                now=f"{picture.shape[1]}x{picture.shape[0]}",
                then=f"{wide}x{high}",
            )
    pairs = _alike(reference, now)
    if len(pairs) >= _FEWEST_ALIKE:
        found, agreeing = cv2.findHomography(pairs[:, :2], pairs[:, 2:], cv2.RANSAC, 2.0)
        alike = int(agreeing.sum()) if found is not None else 0
        if alike >= max(_FEWEST_ALIKE, 0.3 * len(pairs)):
            corners = model.hull_px
            mapped = np.column_stack([corners, np.ones(len(corners))]) @ np.asarray(found).T
            off = np.linalg.norm(mapped[:, :2] / mapped[:, 2:] - corners, axis=1)
            shift = float(off.max())
            return ViewShift(shift, alike, shift > MOST_PX * wide / 1280)
    raise BadInput(
        N_("the view cannot be compared with the calibrated one: too little of it is alike"),
        N_("compare by eye with a picture of the same light, or calibrate again"),
    )


def refuse_moved(shift: ViewShift) -> None:
    """Refuse speeds of a camera that moved.

    Raises
    ------
    BadInput
        Saying by how much.
    """
    if shift.moved:
        raise BadInput(
            N_("the camera has moved since it was calibrated: {shift:.0f} px off"),
            N_("calibrate it again; no speed is given until then"),
            shift=shift.shift_px,
        )


def _alike(reference: NDArray[np.uint8], now: NDArray[np.uint8]) -> Floats:
    """Return (n, 4) pixels of marks in both pictures, before and now."""
    orb = cv2.ORB.create(nfeatures=1500, fastThreshold=10)
    marks_then, signs_then = orb.detectAndCompute(reference, None)
    marks_now, signs_now = orb.detectAndCompute(now, None)
    if signs_then is None or signs_now is None:
        return np.zeros((0, 4))
    pairs = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(signs_then, signs_now)
    rows = [(*marks_then[p.queryIdx].pt, *marks_now[p.trainIdx].pt) for p in pairs]
    return np.array(rows, dtype=np.float64).reshape(-1, 4)
