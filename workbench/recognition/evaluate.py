"""Score plate readers and face finders against pictures whose truth is known.

Counts only: what was read exactly, read wrongly, seen and not read, or not seen. Boxes are met by
the truth's centre, since truth boxes are drawn around plates and readings around signs.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from workbench import plates
from workbench.errors import N_, BadInput
from workbench.recognition.types import RGB, Detector, Face, FaceFinder, PlateReader, PlateReading
from workbench.records import Box


@dataclass(frozen=True, slots=True)
class TruePlate:
    """A plate in a picture: box in px and its signs, empty where nobody can read it."""

    box: Box
    signs: str


@dataclass(frozen=True, slots=True)
class PlateScore:
    """What a reader made of the readable plates, and what else it said.

    ``readable`` is the sum of the next four. ``beyond`` holds what was read where the truth has no
    readable plate: other plates the truth leaves out, or plates that are none; look at them.
    ``read_ms`` is wall time a picture.
    """

    readable: int
    exact: int
    wrong: tuple[tuple[str, str, str], ...]
    unread: tuple[tuple[str, str], ...]
    missed: tuple[tuple[str, str], ...]
    beyond: tuple[tuple[str, str], ...]
    pictures: int
    read_ms: float = field(compare=False)


Look = Callable[[RGB], list[PlateReading]]
"""A way to read the plates of a whole picture."""


def whole_picture(read: PlateReader) -> Look:
    """Read a picture at once."""
    return lambda picture: read(picture, None)


def object_by_object(read: PlateReader, detect: Detector, *, margin: float = 0.15) -> Look:
    """Read inside each vehicle the detector names, as the engine does with its tracks."""

    def look(picture: RGB) -> list[PlateReading]:
        found: list[PlateReading] = []
        for thing in detect(picture):
            if thing.kind == "person":
                continue
            box = thing.box
            wider = Box(
                box.x - margin * box.w,
                box.y - margin * box.h,
                box.w * (1 + 2 * margin),
                box.h * (1 + 2 * margin),
            )
            for reading in read(picture, wider):
                twins = [n for n, other in enumerate(found) if _inside(_middle(reading), other.box)]
                if not twins:
                    found.append(reading)
                elif _rank(reading) > _rank(found[twins[0]]):
                    found[twins[0]] = reading
        return found

    return look


def tiles(read: PlateReader, *, tile_px: int = 640, shared: float = 0.3) -> Look:
    """Read a large picture in overlapping square tiles, for plates small in it."""

    def look(picture: RGB) -> list[PlateReading]:
        height, width = picture.shape[:2]
        step = max(1, round(tile_px * (1 - shared)))
        found: list[PlateReading] = []
        for top in _starts(height, tile_px, step):
            for left in _starts(width, tile_px, step):
                for reading in read(picture, Box(left, top, tile_px, tile_px)):
                    same = [n for n, r in enumerate(found) if _inside(_middle(reading), r.box)]
                    if not same:
                        found.append(reading)
                    elif _rank(reading) > _rank(found[same[0]]):
                        found[same[0]] = reading
        return found

    return look


def score_plates(
    look: Look, pictures: Iterable[tuple[str, RGB, Sequence[TruePlate]]]
) -> PlateScore:
    """Return how a way of reading does on pictures with known plates: (name, picture, plates)."""
    readable = exact = count = 0
    wrong: list[tuple[str, str, str]] = []
    unread: list[tuple[str, str]] = []
    missed: list[tuple[str, str]] = []
    beyond: list[tuple[str, str]] = []
    seconds = 0.0
    for name, picture, truth in pictures:
        started = time.perf_counter()
        readings = look(picture)
        seconds += time.perf_counter() - started
        count += 1
        met: set[int] = set()
        for plate in truth:
            here = [n for n, r in enumerate(readings) if _inside(_centre(plate.box), r.box)]
            if not plate.signs:
                continue
            met.update(here)
            readable += 1
            texts = [plates.compact(readings[n].text or "") for n in here]
            if plate.signs in texts:
                exact += 1
            elif any(texts):
                wrong.append((name, plate.signs, next(filter(None, texts))))
            elif here:
                unread.append((name, plate.signs))
            else:
                missed.append((name, plate.signs))
        beyond += [(name, r.text) for n, r in enumerate(readings) if n not in met and r.text]
    return PlateScore(
        readable, exact, tuple(wrong), tuple(unread), tuple(missed), tuple(beyond), count,
        1000 * seconds / max(count, 1),
    )  # fmt: skip


def plate_pictures(
    folder: Path, *, width_px: int | None = None
) -> Iterator[tuple[str, RGB, list[TruePlate]]]:
    """Yield the Vietnamese plate frames of the footage folder with their truth.

    Parameters
    ----------
    folder
        Holds ``verified_truth.csv`` (file, xc, yc, w, h as shares, plate) and ``test/images``.
    width_px
        Scale pictures to this width; None leaves them as they are.
    """
    by_file: dict[str, list[dict[str, str]]] = {}
    with (folder / "verified_truth.csv").open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            by_file.setdefault(row["file"], []).append(row)
    for name, rows in sorted(by_file.items()):
        picture = read_picture(folder / "test" / "images" / name)
        if width_px is not None:
            height_px = round(picture.shape[0] * width_px / picture.shape[1])
            picture = cv2.resize(picture, (width_px, height_px), interpolation=cv2.INTER_AREA)
        height, width = picture.shape[:2]
        truth = []
        for row in rows:
            x, y, w, h = (float(row[key]) for key in ("xc", "yc", "w", "h"))
            box = Box((x - w / 2) * width, (y - h / 2) * height, w * width, h * height)
            truth.append(TruePlate(box, row["plate"]))
        yield name, picture, truth


def score_faces(
    find: FaceFinder, pictures: Iterable[tuple[str, RGB, Sequence[tuple[float, float]]]]
) -> tuple[int, int, int]:
    """Return ``(found, there, beyond)`` on pictures with known noses: (name, picture, noses)."""
    found = there = beyond = 0
    for _, picture, noses in pictures:
        faces: list[Face] = find(picture, None)
        free = list(range(len(faces)))
        for nose in noses:
            here = [n for n in free if _inside(nose, faces[n].box)]
            if here:
                free.remove(here[0])
                found += 1
        there += len(noses)
        beyond += len(free)
    return found, there, beyond


def read_picture(path: Path) -> RGB:
    """Return an image file as RGB, turned as its EXIF says.

    Raises
    ------
    BadInput
        When OpenCV cannot read it.
    """
    bgr = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise BadInput(N_("this is no picture"), N_("give a JPEG or PNG file"), where=str(path))
    return np.ascontiguousarray(bgr[:, :, ::-1])


def _starts(length: int, tile: int, step: int) -> list[int]:
    last = max(0, length - tile)
    return sorted({*range(0, last + 1, step), last})


def _rank(reading: PlateReading) -> tuple[bool, float]:
    return reading.text is not None, reading.score


def _centre(box: Box) -> tuple[float, float]:
    return box.x + box.w / 2, box.y + box.h / 2


def _middle(reading: PlateReading) -> tuple[float, float]:
    return _centre(reading.box)


def _inside(point: tuple[float, float], box: Box) -> bool:
    return box.x <= point[0] <= box.x + box.w and box.y <= point[1] <= box.y + box.h
