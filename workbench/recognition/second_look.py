"""The second look: decode a few frames of each pass again, exactly, and read plates, count faces.

Frames are taken in the order of the file, each GOP once for all passes that want a frame of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np

from workbench import media
from workbench.recognition.reading import fuse
from workbench.recognition.rows import Pass
from workbench.recognition.settings import Settings
from workbench.recognition.types import RGB, Models, PlateReading
from workbench.records import Box, FrameIndex, Segment
from workbench.timeline import SECOND_NS, ClockFix

_PLATED = {"car", "motorcycle", "bus", "truck", "unknown"}
"""What can carry a plate; "unknown" can be anything, a vehicle seen from above included."""


def look_again(
    passes: Sequence[Pass],
    path: Path,
    index: FrameIndex,
    segment: Segment,
    fixes: tuple[ClockFix, ...],
    models: Models,
    settings: Settings,
) -> None:
    """Fill in each pass's plate, best frame and faces from exactly decoded frames."""
    readings = _read_plates(passes, path, index, segment, models, settings)
    for one in passes:
        at_ns, _ = segment.utc(one.best.pts, fixes)
        day = datetime.fromtimestamp(at_ns // SECOND_NS, UTC).date()
        one.settle(fuse(readings.get(id(one), []), on=day))
    faced: dict[int, list[Pass]] = {}
    for one in passes:
        if one.has_person and min(one.best.box.w, one.best.box.h) >= settings.face_least_px:
            faced.setdefault(one.best.number, []).append(one)
    for number, frame in exact_frames(path, index, sorted(faced)):
        picture = media.to_rgb(frame, segment.rotation_deg)
        for one in faced[number]:
            one.faces = [face.box for face in models.find_faces(picture, one.best.box)]


def _read_plates(
    passes: Sequence[Pass],
    path: Path,
    index: FrameIndex,
    segment: Segment,
    models: Models,
    settings: Settings,
) -> dict[int, list[tuple[int, PlateReading]]]:
    """Return ``(frame number, reading)`` of each pass, by the pass's identity."""
    wanted: dict[int, list[Pass]] = {}
    for one in passes:
        if _worth_reading(one, settings):
            for still in one.stills:
                wanted.setdefault(still.at.number, []).append(one)
    readings: dict[int, list[tuple[int, PlateReading]]] = {}
    for number, frame in exact_frames(path, index, sorted(wanted)):
        picture = None
        for one in wanted[number]:
            had = readings.setdefault(id(one), [])
            if _settled(had, settings):
                continue
            if picture is None:
                picture = media.to_rgb(frame, segment.rotation_deg)
            had += [(number, reading) for reading in _read(models, picture, one, number, settings)]
    return readings


def exact_frames(
    path: Path, index: FrameIndex, numbers: Sequence[int]
) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield ``(number, frame)`` of ascending frame numbers, with the deblocking filter.

    Neighbours in one GOP share one decoding run; a frame broken in the file is left out.
    """
    keys = np.flatnonzero(index.is_key)
    runs: dict[int, list[int]] = {}
    for number in numbers:
        runs.setdefault(int(np.searchsorted(keys, number, side="right")), []).append(number)
    for run in runs.values():
        asked = set(run)
        for pts, frame in media.decode(path, index, run[0], run[-1] + 1):
            number = int(np.searchsorted(index.pts, pts))
            if number in asked:
                yield number, frame


def _worth_reading(one: Pass, settings: Settings) -> bool:
    largest = max((still.at.box.w for still in one.stills), default=0.0)
    return one.kind in _PLATED and largest >= settings.plate_least_px


def _settled(had: Sequence[tuple[int, PlateReading]], settings: Settings) -> bool:
    """Tell whether two frames already read the same, surely: more would only cost."""
    sure = [one.text for _, one in had if one.text and one.score >= settings.plate_enough]
    return any(sure.count(text) >= 2 for text in sure)


def _read(
    models: Models, picture: RGB, one: Pass, number: int, settings: Settings
) -> list[PlateReading]:
    at = next(still.at for still in one.stills if still.at.number == number)
    m = settings.plate_margin
    box = at.box
    box = Box(box.x - m * box.w, box.y - m * box.h, box.w * (1 + 2 * m), box.h * (1 + 2 * m))
    found = models.read_plates(picture, box)
    # One plate a vehicle: with two in the box (a neighbour's) the surest grammatical one counts.
    found = sorted(found, key=lambda r: (r.text is None, -r.score, r.box.x, r.box.y))
    return found[:1]
