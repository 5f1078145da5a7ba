"""Is there one plain ground under some signs, as a plate has and burnt-in text has not?"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.recognition.plates.text import straighten
from workbench.recognition.types import RGB

_LEAST_CONTRAST = 3.0
_LEAST_SIDE_PX = 6


def plainness(picture: RGB, corners: NDArray[np.float32]) -> float:
    """Return how far signs stand out from their ground, in standard deviations of the ground.

    Parameters
    ----------
    corners
        float32[n, 2], n a multiple of 4: the corners of each line, clockwise, in px.
    """
    worst = np.inf
    for line in corners.reshape(-1, 4, 2):
        luma = cv2.cvtColor(straighten(picture, line), cv2.COLOR_RGB2GRAY)
        if min(luma.shape) < _LEAST_SIDE_PX:
            return 0.0
        level, _ = cv2.threshold(luma, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
        light, dark = luma[luma > level], luma[luma <= level]
        if not light.size or not dark.size:
            return 0.0
        ground = light if light.size >= dark.size else dark
        contrast = float(light.mean() - dark.mean())
        # quartiles: the soft edges of the signs belong to neither class
        low, high = np.percentile(ground, (25, 75))
        worst = min(worst, contrast / max(float(high - low) / 1.35, 2.0))
    return float(worst)


def on_plain_ground(picture: RGB, corners: NDArray[np.float32]) -> bool:
    """Tell whether lines of text stand on one plain ground."""
    return plainness(picture, corners) >= _LEAST_CONTRAST
