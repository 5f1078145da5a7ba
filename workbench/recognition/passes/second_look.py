"""The second look: read plates and count faces on the few best frames of each pass, draw its box.

The search keeps what it saw of these frames, exactly decoded. What it has not kept (a thing that
stood while nothing was decoded) is decoded again, each GOP once for all that want a frame of it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import av
import numpy as np

from workbench import media
from workbench.recognition.passes.drawn_box import drawn_box
from workbench.recognition.passes.pictures import still_part
from workbench.recognition.passes.rows import Pass
from workbench.recognition.passes.track import Still, overlap_share
from workbench.recognition.plates.fusion import fuse
from workbench.recognition.settings import Settings
from workbench.recognition.types import Models, PlateReading
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
    """Fill in a pass's plate, best frame, faces and box; what was kept of its frames is let go."""
    if not passes:
        return
    _find_parts(passes, path, index, segment, settings)
    for one in passes:
        readings = _read_plates(one, models, settings)
        at_ns, _ = segment.utc(one.best.pts, fixes)
        day = datetime.fromtimestamp(at_ns // SECOND_NS, UTC).date()
        one.settle(fuse(own_readings(one, readings, settings), on=day))
        if one.has_person and min(one.best.box.w, one.best.box.h) >= settings.face_least_px:
            one.faces = _find_faces(one, models)
        if one.moving:
            _draw(one, segment, models, settings)
        one.steady(segment.width_px, segment.height_px, settings)
        one.forget_parts()


def _read_plates(one: Pass, models: Models, settings: Settings) -> list[tuple[int, PlateReading]]:
    """Return the readings of a pass: of its best frame first, of others while they may help."""
    readings: list[tuple[int, PlateReading]] = []
    if not _may_have_plate(one, settings):
        return readings
    at = None
    for done, still in enumerate(one.stills):
        if done >= _worth_frames([reading for _, reading in readings], settings):
            break
        found = _read(models, still, settings, None if at is None else _placed(*at, still.at.box))
        readings += [(still.at.number, reading) for reading in found]
        at = next(((r.box, still.at.box) for r in found if r.text), at)
    return readings


def _placed(plate: Box, then: Box, now: Box) -> Box:
    """Return where a plate hangs in a box of its vehicle, from where it hung in another.

    >>> _placed(Box(110, 60, 20, 10), Box(100, 0, 40, 80), Box(200, 0, 80, 160))
    Box(x=220.0, y=120.0, w=40.0, h=20.0)
    """
    across, down = now.w / then.w, now.h / then.h
    return Box(
        now.x + (plate.x - then.x) * across,
        now.y + (plate.y - then.y) * down,
        plate.w * across,
        plate.h * down,
    )


def _draw(one: Pass, segment: Segment, models: Models, settings: Settings) -> None:
    """Give the best frame the box that the detector draws there, where its plate is in it."""
    still, size = _best_still(one), (segment.width_px, segment.height_px)
    box = None if still is None else drawn_box(still, one.kind, models.detect, *size, settings)
    if box is None:
        return
    plate = one.plate
    if plate is not None and plate.text is not None and overlap_share(plate.box, box) < 0.5:
        return  # it is drawn of somebody else
    one.best = replace(one.best, box=box)


def _best_still(one: Pass) -> Still | None:
    kept = [still for still in (*one.stills, one.picture) if still is not None]
    return next((s for s in kept if s.at.number == one.best.number), None)


def _find_faces(one: Pass, models: Models) -> list[Box]:
    still = _best_still(one)
    if still is None or still.part is None:
        return []
    found = models.find_faces(still.part.rgb(), _shifted(one.best.box, still.part, -1))
    return [_shifted(face.box, still.part) for face in found]


def _find_parts(
    passes: Sequence[Pass], path: Path, index: FrameIndex, segment: Segment, settings: Settings
) -> None:
    """Decode again the frames that are asked for and were not kept."""
    wanted: dict[int, list[Pass]] = {}
    for one in passes:
        if one.moving:
            continue
        for still in one.stills:
            wanted.setdefault(still.at.number, []).append(one)
    for number, frame in exact_frames(path, index, sorted(wanted)):
        for one in wanted[number]:
            one.stills = [
                replace(s, part=still_part(frame, s.at.box, segment.rotation_deg, settings))
                if s.at.number == number
                else s
                for s in one.stills
            ]


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


def _may_have_plate(one: Pass, settings: Settings) -> bool:
    largest = max((still.at.box.w for still in one.stills), default=0.0)
    least = settings.person_least_px if one.kind == "person" else settings.plate_least_px
    return one.kind in _PLATED and largest >= least


def _worth_frames(had: Sequence[PlateReading], settings: Settings) -> int:
    """Return how many frames of a pass are worth reading after what was read so far.

    Few where no plate shows; until two agree where one does. What was read surely once, and never
    again, is in sight in no other frame as a rule: few more are tried.
    """
    s = settings
    if not had:
        return s.plate_frames_blind
    sure = [one.text for one in had if one.text and one.score >= s.plate_enough]
    read = [one.text for one in had if one.text]
    if any(sure.count(t) >= 2 or read.count(t) >= s.plate_agreeing for t in read):
        return 0
    return s.plate_frames_sure if sure and len(had) == 1 else s.plate_frames_most


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


def _read(models: Models, still: Still, settings: Settings, hint: Box | None) -> list[PlateReading]:
    part = still.part
    if part is None:
        return []
    m, box = settings.plate_margin, _shifted(still.at.box, part, -1)
    # plates hang low: the upper part of a box is a roof, a rider, the road behind
    high = settings.plate_above * box.h
    box = Box(box.x - m * box.w, box.y + high, box.w * (1 + 2 * m), box.h * (1 + m) - high)
    if hint is not None:
        hint = _shifted(hint, part, -1)
    found = models.read_plates(part.rgb(), box, hint=hint)
    # One plate a vehicle: with two in the box (a neighbour's) the surest grammatical one counts.
    found = sorted(found, key=lambda r: (r.text is None, -r.score, r.box.x, r.box.y))
    return [replace(one, box=_shifted(one.box, part)) for one in found[:1]]


def _shifted(box: Box, part: media.Cut, sign: int = 1) -> Box:
    """Return a box of a part in pixels of the frame; with `sign` -1, one of the frame's in it."""
    return Box(box.x + sign * part.left, box.y + sign * part.top, box.w, box.h)
