"""Small pictures of frames: what the gate and the sweep look at, and whether that is needed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from workbench import media
from workbench.recognition.settings import Settings
from workbench.recognition.types import RGB
from workbench.records import Box, FrameIndex, Segment


def warm_pictures(
    path: Path, index: FrameIndex, first: int, stop: int, segment: Segment, settings: Settings
) -> Iterator[RGB]:
    """Yield gate pictures spread over a part of a file: key frames, or its start where few."""
    s, turn, width = settings, segment.rotation_deg, settings.gate_width_px
    keys = np.arange(first, stop)[index.is_key[first:stop]]
    if len(keys) >= s.warm_least_keys:
        pick = np.linspace(0, len(keys) - 1, min(s.warm_pictures, len(keys))).round()
        wanted = keys[pick.astype(int)].tolist()
        given = 0
        for _, frame in media.key_frames(path, index, wanted):
            given += 1
            yield gate_picture(frame, turn, width)[0]
        if given:
            return
        # raw streams, whose packets bear no times: each must be counted to
        for key in wanted:
            for _, frame in media.decode(path, index, key, key + 1, fast=True):
                yield gate_picture(frame, turn, width)[0]
        return
    end = int(np.searchsorted(index.pts, index.pts[first] + int(s.warm_s / segment.tick_s)))
    end = max(first + 1, min(end, stop))
    every = max(1, (end - first) // s.warm_pictures)
    for n, (_, frame) in enumerate(media.decode(path, index, first, end, fast=True)):
        if n % every == 0:
            yield gate_picture(frame, turn, width)[0]


def gate_picture(frame: av.VideoFrame, turn_deg: int, width_px: int) -> tuple[RGB, float]:
    """Return the gate's small RGB picture of a frame and the frame's pixels per pixel of it."""
    across = frame.width if turn_deg % 180 == 0 else frame.height
    scale = max(1.0, across / width_px)
    small = frame.reformat(
        width=round(frame.width / scale),
        height=round(frame.height / scale),
        format="rgb24",
        interpolation="FAST_BILINEAR",
    )
    return media.to_rgb(small, turn_deg), scale


class Glimpse:
    """Does a frame differ at all from the last one the gate saw? Asked while nothing is followed.

    It takes every few pixels of the luma as they are, for a thirtieth of the gate's own work. What
    differs by less than noise, in colour alone, or in a place smaller than two of its pixels across
    it does not see: the gate itself looks once a second in any case.
    """

    def __init__(self, settings: Settings, rotation_deg: int) -> None:
        self._s, self._rotation_deg = settings, rotation_deg
        self._seen: NDArray[np.uint8] | None = None

    def take(self, frame: av.VideoFrame) -> None:
        """Keep a frame as what others are compared with."""
        self._seen = self._dots(frame)

    def differs(self, frame: av.VideoFrame) -> bool:
        """Tell whether a frame differs from the kept one in more than its noise."""
        dots, seen = self._dots(frame), self._seen
        if seen is None or dots.shape != seen.shape:
            return True
        apart = cv2.absdiff(dots, seen)
        level = max(self._s.glimpse_level, self._s.glimpse_noise * cv2.mean(apart)[0])
        far = cv2.threshold(apart, level, 255, cv2.THRESH_BINARY)[1]
        return cv2.countNonZero(cv2.erode(far, np.ones((2, 2), np.uint8))) > 0

    def _dots(self, frame: av.VideoFrame) -> NDArray[np.uint8]:
        luma = media.to_luma(frame, self._rotation_deg)
        every = max(1, round(luma.shape[1] / self._s.glimpse_width_px))
        return np.ascontiguousarray(luma[every // 2 :: every, every // 2 :: every])


def still_part(
    frame: av.VideoFrame, box: Box, rotation_deg: int, settings: Settings
) -> media.Cut | None:
    """Return what of a frame is kept for a second look: a box and some room around it.

    None where it is too small to show a plate or a face.
    """
    if box.w < settings.plate_least_px and min(box.w, box.h) < settings.face_least_px:
        return None
    m = settings.still_margin
    left, top = int(box.x - m * box.w), int(box.y - m * box.h)
    right, bottom = int(box.x + box.w * (1 + m)) + 1, int(box.y + box.h * (1 + m)) + 1
    return media.cut(frame, (left, top, right, bottom), rotation_deg)
