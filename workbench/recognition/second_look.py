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

_PLATED = {"car", "motorcycle", "bus", "truck", "unknown", "person"}
"""What can carry a plate: "unknown" can be anything, a vehicle seen from above included, and a
rider seen from behind is a "person" to the detector."""


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
    """Return ``(frame number, reading)`` of each pass, by the pass's identity.

    The best frames first; others only for a pass that these have not settled.
    """
    readings: dict[int, list[tuple[int, PlateReading]]] = {}
    done = 0
    for round_, stop in enumerate(settings.plate_rounds):
        wanted: dict[int, list[Pass]] = {}
        for one in passes:
            if _worth_reading(one, readings.get(id(one), ()), round_, settings):
                for still in one.stills[done:stop]:
                    wanted.setdefault(still.at.number, []).append(one)
        for number, frame in exact_frames(path, index, sorted(wanted)):
            picture = media.to_rgb(frame, segment.rotation_deg)
            for one in wanted[number]:
                found = _read(models, picture, one, number, settings)
                readings.setdefault(id(one), []).extend((number, reading) for reading in found)
        done = stop
    return {id(one): own_readings(one, readings.get(id(one), ()), settings) for one in passes}


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


def _worth_reading(
    one: Pass, had: Sequence[tuple[int, PlateReading]], round_: int, settings: Settings
) -> bool:
    """Tell whether a pass may have a plate, not surely read yet, that another round can show."""
    if one.kind not in _PLATED or _settled(had, settings):
        return False
    largest = max((still.at.box.w for still in one.stills), default=0.0)
    least = settings.person_least_px if one.kind == "person" else settings.plate_least_px
    return largest >= least and (round_ < settings.plate_sure_rounds or bool(had))


def own_readings(
    one: Pass, had: Sequence[tuple[int, PlateReading]], settings: Settings
) -> list[tuple[int, PlateReading]]:
    """Return the readings without those of a plate that stays where it is while the pass goes on.

    It hangs on something parked that the box sweeps over. A "person" must show that it goes along.
    """
    boxes = {still.at.number: still.at.box for still in one.stills}
    kept = []
    for text in sorted({reading.text or "" for _, reading in had}):
        alike = sorted((r for r in had if (r[1].text or "") == text), key=lambda r: r[0])
        (start, first), (stop, last) = alike[0], alike[-1]
        goes = _shift(first.box, last.box) >= settings.plate_follows * first.box.w
        halts = one.kind != "person" and _shift(boxes[start], boxes[stop]) < first.box.w
        if goes or halts:
            kept += alike
    return sorted(kept, key=lambda r: r[0])


def _shift(a: Box, b: Box) -> float:
    """Return how far the side of a box that went furthest has gone, in pixels."""
    across = abs(b.x - a.x), abs(b.x + b.w - a.x - a.w)
    return float(max(*across, abs(b.y - a.y), abs(b.y + b.h - a.y - a.h)))


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
