"""Operations on premultiplied RGBA pictures that are laid over a frame."""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

RGB = NDArray[np.uint8]
RGBA = NDArray[np.uint8]
Rect = tuple[int, int, int, int]
"""Left, top, right, bottom in frame pixels, half-open."""


def lay(onto: RGB, rgba: RGBA, u: int, v: int) -> Rect | None:
    """Lay a premultiplied picture over a frame in place; return the rectangle touched."""
    x0, y0 = max(0, u), max(0, v)
    x1, y1 = min(onto.shape[1], u + rgba.shape[1]), min(onto.shape[0], v + rgba.shape[0])
    if x1 <= x0 or y1 <= y0:
        return None
    part = rgba[y0 - v : y1 - v, x0 - u : x1 - u]
    clear = cv2.cvtColor(255 - part[..., 3], cv2.COLOR_GRAY2RGB)
    under = cv2.multiply(onto[y0:y1, x0:x1], clear, scale=1 / 255)
    onto[y0:y1, x0:x1] = cv2.add(under, cv2.cvtColor(part, cv2.COLOR_RGBA2RGB))
    return x0, y0, x1, y1


def moved(
    rgba: RGBA,
    at: tuple[int, int],
    anchors: NDArray[np.float32],
    now: NDArray[np.float64],
    limits: tuple[int, int],
) -> tuple[RGBA | None, int, int]:
    """Return a sprite scaled and moved so that its three anchor pixels lie where they are `now`.

    `limits` are the frame's width and height; what leaves it by more than 16 px is cut.
    """
    if np.abs(now - anchors).max() < 0.05:
        return rgba.copy(), at[0], at[1]
    matrix = cv2.getAffineTransform((anchors - at).astype(np.float32), now.astype(np.float32))
    h, w = rgba.shape[:2]
    corners = np.array([(0, 0, 1), (w, 0, 1), (w, h, 1), (0, h, 1)]) @ matrix.T
    lo = np.maximum(np.floor(corners.min(0)).astype(int), -16)
    hi = np.minimum(np.ceil(corners.max(0)).astype(int), (limits[0] + 16, limits[1] + 16))
    if (hi - lo).min() < 3:
        return None, 0, 0
    matrix[:, 2] -= lo
    size = (int(hi[0] - lo[0]), int(hi[1] - lo[1]))
    drawn = cv2.warpAffine(rgba, matrix, size, flags=cv2.INTER_LINEAR)
    return drawn, int(lo[0]), int(lo[1])


def stick(layer: RGBA, picture: RGB, corners: NDArray[np.float64]) -> None:
    """Draw a flat picture onto a sprite in perspective, twice as fine and then averaged.

    `corners` are the layer's pixels of its top left, top right, bottom right, bottom left.
    """
    lo = np.maximum(np.floor(corners.min(0)).astype(int) - 1, 0)
    hi = np.minimum(np.ceil(corners.max(0)).astype(int) + 2, layer.shape[1::-1])
    if (hi - lo).min() < 2:
        return
    h, w = picture.shape[:2]
    source = np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float32)
    matrix = cv2.getPerspectiveTransform(source, ((corners - lo) * 2).astype(np.float32))
    size = (int(hi[0] - lo[0]), int(hi[1] - lo[1]))
    rgba = np.dstack([picture, np.full((h, w), 255, np.uint8)])
    drawn = cv2.warpPerspective(rgba, matrix, (size[0] * 2, size[1] * 2), flags=cv2.INTER_LINEAR)
    drawn = cv2.resize(drawn, size, interpolation=cv2.INTER_AREA)
    roi = layer[lo[1] : hi[1], lo[0] : hi[0]]
    clear = cv2.merge([255 - drawn[..., 3]] * 4)
    layer[lo[1] : hi[1], lo[0] : hi[0]] = cv2.add(cv2.multiply(roi, clear, scale=1 / 255), drawn)


def smear(layer: RGBA, length_px: float) -> None:
    """Blur in place along the direction of travel, nearly upright where this is used."""
    if length_px < 0.8:
        return
    reach = min(length_px, 24.0)
    size = 2 * math.ceil((reach - 1) / 2) + 1 if reach > 1 else 3
    kernel = np.ones(size, np.float32)
    kernel[0] = kernel[-1] = max(0.0, (reach - (size - 2)) / 2)
    cv2.sepFilter2D(layer, -1, np.ones(1, np.float32), kernel / kernel.sum(), dst=layer)


def blurred(layer: RGBA, sigma_px: float) -> RGBA:
    """Return a layer out of focus; wide blurs are made on a coarser grid."""
    if sigma_px < 0.5:
        return layer
    part = max(1, int(sigma_px / 0.9))
    if part == 1:
        return np.asarray(cv2.GaussianBlur(layer, (0, 0), sigma_px))
    size = (max(2, layer.shape[1] // part), max(2, layer.shape[0] // part))
    small = cv2.resize(layer, size, interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), sigma_px / part)
    grown = cv2.resize(small, layer.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(grown)


def to_planes(picture: RGB) -> NDArray[np.uint8]:
    """Return RGB as planar YUV 4:2:0, uint8[y * 3 / 2, x]; sizes are even."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2YUV_I420))


def put_planes(
    planes: NDArray[np.uint8], picture: RGB, rect: Rect, noise: NDArray[np.int8] | None
) -> None:
    """Convert a rectangle of an RGB frame into a planar one, with `noise` on its luma.

    The rectangle grows to even coordinates.
    """
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    x0, y0 = rect[0] // 2 * 2, rect[1] // 2 * 2
    x1, y1 = min(width, (rect[2] + 1) // 2 * 2), min(height, (rect[3] + 1) // 2 * 2)
    part = to_planes(picture[y0:y1, x0:x1])
    w, h = x1 - x0, y1 - y0
    luma = part[:h]
    if noise is not None:
        luma = cv2.add(luma, noise[y0:y1, x0:x1], dtype=cv2.CV_8U)
    planes[y0:y1, x0:x1] = luma
    # Each chroma plane is a flat run of (h / 2) rows of w / 2, both in the part and in the frame.
    chroma = part[h:].reshape(2, h // 2, w // 2)
    target = planes[height:].reshape(2, height // 2, width // 2)
    target[:, y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] = chroma
