"""Pictures as JPEG for the media process: exact stills, runs of frames, crops.

Playing asks for runs in order, and stepping for one frame after the other, so a decoder is kept and
goes on where it stopped; any other still is decoded on its own. Every picture is labelled with the
PTS it was decoded at.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from threading import Lock
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench import media
from workbench.errors import N_, BadInput
from workbench.investigation import Workbench
from workbench.records import Box, FrameIndex, Segment

RGB = NDArray[np.uint8]

STILL_QUALITY = 95
RUN_QUALITY = 88
TILE_QUALITY = 72
OPEN_RUNS = 12
"""Decoders kept open at once for playing, and as many for stepping: nine tiles of a page and more;
the one unused longest is dropped."""
LONGEST_RUN = 60
LONGEST_STRIDE = 480
"""Frames that one request may have decoded, where it asks for each n-th picture only."""
CROP_MARGIN = 0.12


def jpeg(rgb: RGB, quality: int) -> bytes:
    """Return an image as JPEG bytes; `rgb` is uint8 (y, x, 3)."""
    done, data = cv2.imencode(".jpg", rgb[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    if not done:
        raise BadInput(N_("the picture could not be written as JPEG"))
    return data.tobytes()


def shrink(rgb: RGB, width_px: int) -> RGB:
    """Return the image no wider than `width_px`, its proportions kept."""
    height, width = rgb.shape[:2]
    if width <= width_px:
        return rgb
    size = (width_px, max(1, round(height * width_px / width)))
    # LINEAR: AREA costs more than decoding the frame did
    return np.asarray(cv2.resize(rgb, size, interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def crop(rgb: RGB, box: Box, margin: float = CROP_MARGIN) -> RGB:
    """Return the part of the image inside `box` and a margin, clipped to the image.

    >>> crop(np.zeros((10, 10, 3), np.uint8), Box(8, 8, 4, 4), margin=0).shape
    (2, 2, 3)
    """
    height, width = rgb.shape[:2]
    dx, dy = box.w * margin, box.h * margin
    left, top = max(0, int(box.x - dx)), max(0, int(box.y - dy))
    right, bottom = min(width, round(box.x + box.w + dx)), min(height, round(box.y + box.h + dy))
    if right <= left or bottom <= top:
        return rgb
    return rgb[top:bottom, left:right]


@dataclass
class _Run:
    next_frame: int
    frames: Iterator[tuple[int, Any]]


class Footage:
    """Decodes pictures of one archive for the holder of a grant (checked by the caller).

    Safe to use from several threads; one segment's run is decoded by one of them at a time.
    """

    def __init__(self, wb: Workbench) -> None:
        self._wb = wb
        self._lock = Lock()
        # Python 3.11 may fail to parse two .npy headers at once (gh-106905)
        self._index_lock = Lock()
        self._runs: OrderedDict[tuple[str, int], _Run] = OrderedDict()
        self._steps: OrderedDict[tuple[str, int], _Run] = OrderedDict()
        self._indexes: OrderedDict[str, FrameIndex] = OrderedDict()

    def index(self, segment: Segment) -> FrameIndex:
        """Return a segment's frame index, kept for the segments looked at last."""
        with self._lock:
            known = self._indexes.get(segment.sha256)
        if known is None:
            with self._index_lock:
                known = self._wb.frame_index(segment)
            with self._lock:
                self._indexes[segment.sha256] = known
                while len(self._indexes) > 4 * OPEN_RUNS:
                    self._indexes.popitem(last=False)
        return known

    def still(self, segment: Segment, pts: int) -> bytes:
        """Return one exact frame; BadInput where no frame of the segment has that PTS."""
        stepped = self._stepped(segment, pts)
        rgb = self._picture(segment, pts) if stepped is None else stepped
        return jpeg(rgb, STILL_QUALITY)

    def _stepped(self, segment: Segment, pts: int) -> RGB | None:
        """Return a frame by the decoder that a step left before it, or one that goes on after it.

        None where it does not come out as its file says: the archive tells why.
        """
        index = self.index(segment)
        number = int(np.searchsorted(index.pts, pts))
        if number >= len(index) or int(index.pts[number]) != pts:
            return None
        with self._lock:
            going = self._steps.pop((segment.sha256, number), None)
        if going is None:
            path = self._wb.file(segment)
            going = _Run(number, media.decode(path, index, number, len(index)))
        at, frame = next(going.frames, (None, None))
        if at != pts:
            return None
        rgb = media.to_rgb(frame, segment.rotation_deg)
        if rgb.shape != (segment.height_px, segment.width_px, 3):
            return None
        going.next_frame = number + 1
        self._keep(self._steps, segment, going)
        return rgb

    def _keep(
        self, decoders: OrderedDict[tuple[str, int], _Run], segment: Segment, going: _Run
    ) -> None:
        with self._lock:
            decoders[segment.sha256, going.next_frame] = going
            while len(decoders) > OPEN_RUNS:
                decoders.popitem(last=False)

    def _picture(self, segment: Segment, pts: int) -> RGB:
        with self._index_lock:
            return self._wb.picture(segment, pts)

    def crop(self, segment: Segment, pts: int, box: Box, width_px: int) -> bytes:
        """Return a small picture of what is inside a box of an exact frame."""
        return jpeg(shrink(crop(self._picture(segment, pts), box), width_px), RUN_QUALITY)

    def run(
        self, segment: Segment, first_pts: int, count: int, *, every: int = 1, width_px: int = 0
    ) -> list[tuple[int, bytes]]:
        """Return up to `count` frames from the one at `first_pts` on, as ``(pts, JPEG)``.

        Parameters
        ----------
        every
            Each so many frames is returned; those between are decoded only.
        width_px
            Pictures are made no wider than this; 0: as they are.
        """
        index = self.index(segment)
        first = int(np.searchsorted(index.pts, first_pts))
        if first >= len(index) or int(index.pts[first]) != first_pts:
            raise BadInput(N_("no frame at PTS {pts}"), where=segment.sha256[:12], pts=first_pts)
        stop = min(len(index), first + min(min(count, LONGEST_RUN) * every, LONGEST_STRIDE))
        with self._lock:
            going = self._runs.pop((segment.sha256, first), None)
        if going is None:
            path = self._wb.file(segment)
            going = _Run(first, media.decode(path, index, first, len(index)))
        pictures = []
        for pts, frame in going.frames:
            # by its PTS: a frame that is broken in the file is left out, and counted all the same
            number = int(np.searchsorted(index.pts, pts))
            going.next_frame = number + 1
            if number < stop and (number - first) % every == 0:
                rgb = media.to_rgb(frame, segment.rotation_deg)
                rgb = shrink(rgb, width_px) if width_px else rgb
                pictures.append((int(pts), jpeg(rgb, RUN_QUALITY)))
            if going.next_frame >= stop:
                break
        # one that went past the end (the last frame was broken) does not go on where it should
        if going.next_frame == stop < len(index):
            self._keep(self._runs, segment, going)
        return pictures
