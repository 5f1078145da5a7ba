"""Decoded frames as arrays, turned the way they are displayed."""

from __future__ import annotations

import av
import numpy as np
from numpy.typing import NDArray

_LUMA_FIRST = ("yuv4", "yuvj4", "nv12", "nv21", "gray")


def to_rgb(frame: av.VideoFrame, rotation_deg: int = 0) -> NDArray[np.uint8]:
    """Return RGB, ``(y, x, 3)`` contiguous, turned clockwise by `rotation_deg` (quarter turns)."""
    return np.ascontiguousarray(_turned(frame.to_ndarray(format="rgb24"), rotation_deg))


def to_luma(frame: av.VideoFrame, rotation_deg: int = 0) -> NDArray[np.uint8]:
    """Return the luma ``(y, x)`` as coded, turned clockwise by `rotation_deg`.

    Eight-bit planar frames are not copied: the array is a view with the decoder's stride.
    """
    name = frame.format.name
    if name.startswith(_LUMA_FIRST) and not name.endswith(("le", "be")):
        plane = frame.planes[0]
        rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)
        return _turned(rows[: frame.height, : frame.width], rotation_deg)
    return _turned(frame.to_ndarray(format="gray"), rotation_deg)


def _turned(pixels: NDArray[np.uint8], rotation_deg: int) -> NDArray[np.uint8]:
    if rotation_deg % 90:
        raise ValueError(f"a turn of {rotation_deg} degrees")
    # rot90 turns counter-clockwise.
    return np.rot90(pixels, -rotation_deg // 90 % 4) if rotation_deg else pixels
