"""Plates read from real pictures: whole frames, tracks, crops; readers beside each other; claims.

Truth is the footage's labelled frames, which were used for tuning, and any folder of crops under
``--clips`` whose CSV says ``file,text``.
"""

from __future__ import annotations

import csv
import importlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from pathlib import Path

import numpy as np

from workbench import plates
from workbench.bench.recognition_costs import plates_by_track
from workbench.bench.recognition_match import reliability, share
from workbench.bench.recognition_rig import Figures, Rig, run
from workbench.errors import N_, BadInput, WorkbenchError
from workbench.recognition import evaluate
from workbench.recognition.clock.overlay import open_clock_reader
from workbench.recognition.plates.fusion import PlateOfPass, fuse
from workbench.recognition.types import RGB, PlateReader, PlateReading
from workbench.recognition.types import clip as corners_of
from workbench.records import Box

QUICK_PICTURES = 6
SURE = 0.95
_CROP_MARGIN = 0.12
_DAY = date(2026, 11, 20)
"""The grammar is dated; the real frames carry no date."""

Said = tuple[str, float | None]
"""What a reader says of a crop: signs without punctuation, and its claim if it makes one."""


def plates_part(rig: Rig) -> Figures:
    """Return frames, tracks, crops, claims."""
    figures: Figures = {}
    claims: list[tuple[float, bool]] = []
    if rig.footage is None:
        figures["real frames"] = "skipped: the folder of real footage is not there"
    else:
        folder = rig.footage / "vn_plates_mrzaizai2k"
        pictures = list(evaluate.plate_pictures(folder))
        if rig.quick:
            pictures = pictures[:: max(1, len(pictures) // QUICK_PICTURES)][:QUICK_PICTURES]
        figures["real frames"] = frames(rig.models.read_plates, pictures, claims)
        crops = [
            (f"{name} {one.signs}", _cut(picture, one.box), one.signs)
            for name, picture, there in pictures
            for one in there
            if one.signs
        ]
        figures["crops of these frames"] = readers(rig, crops)
    held = held_crops(rig.clips) if rig.clips is not None else []
    figures["crops held elsewhere"] = (
        readers(rig, held, claims) if held else "skipped: no file,text CSV under --clips"
    )
    street = rig.mixed_street
    rows, _ = run(street, rig.settings, rig.models)
    figures["drawn mixed street, by track"] = plates_by_track(street, rows)
    sure = [right for claim, right in claims if claim >= SURE]
    figures["calibration"] = {
        "data": "readings of the real frames, each alone, and held crops, as the rows carry them",
        "claimed >= .95 and right": share(sum(sure), len(sure)),
        "reliability": reliability([c for c, _ in claims], [r for _, r in claims]),
    }
    return figures


def frames(
    read: PlateReader,
    pictures: Sequence[tuple[str, RGB, Sequence[evaluate.TruePlate]]],
    claims: list[tuple[float, bool]],
) -> Figures:
    """Return what was read on whole frames, frame by frame and by track; claims are added to.

    A track here is all frames of one plate, told apart by the truth: the set holds single frames.
    """
    seen: dict[str, list[PlateReading]] = {}

    def look(picture: RGB) -> list[PlateReading]:
        return read(picture, None)

    by_plate: dict[str, list[tuple[int, PlateReading]]] = defaultdict(list)
    there_are: set[str] = set()
    began = time.process_time()
    for name, picture, _ in pictures:
        seen[name] = look(picture)
    spent = time.process_time() - began
    for number, (name, _, truth) in enumerate(pictures):
        for one in truth:
            if not one.signs:
                continue
            there_are.add(one.signs)
            x, y = one.box.x + one.box.w / 2, one.box.y + one.box.h / 2
            for reading in seen[name]:
                b = reading.box
                if b.x <= x <= b.x + b.w and b.y <= y <= b.y + b.h:
                    by_plate[one.signs].append((number, reading))
                    if reading.text:
                        alone = fuse([(number, reading)], on=_DAY)
                        if alone is not None and alone.text:
                            right = plates.compact(alone.text) == one.signs
                            claims.append((alone.score, right))
    again = iter([seen[name] for name, _, _ in pictures])
    score = evaluate.score_plates(lambda _picture: next(again), pictures)
    fused = {signs: fuse(found, on=_DAY) for signs, found in by_plate.items()}
    by_track = sum(
        one is not None and one.text is not None and plates.compact(one.text) == signs
        for signs, one in fused.items()
    )
    return {
        "data": "vn_plates_mrzaizai2k, whole frames 1920x1080; used for tuning",
        "read exactly, by frame": share(score.exact, score.readable),
        "wrong / unread / not seen": [len(score.wrong), len(score.unread), len(score.missed)],
        "read exactly, by track": [by_track, len(there_are)],
        "wrong": [list(row) for row in score.wrong],
        "CPU ms a frame": round(1000 * spent / max(1, len(pictures)), 1),
    }


def held_crops(folder: Path) -> list[tuple[str, RGB, str]]:
    """Return ``(file, picture, signs)`` of every CSV with columns file and text below a folder.

    Raises
    ------
    BadInput
        Where a picture that a CSV names is not there.
    """
    crops = []
    for table in sorted(folder.rglob("*.csv")):
        with table.open(encoding="utf-8-sig", newline="") as stream:
            rows = csv.DictReader(stream)
            if not {"file", "text"} <= set(rows.fieldnames or ()):
                continue
            for row in rows:
                path = table.parent / row["file"]
                if not path.is_file():
                    raise BadInput(
                        N_("a picture that the table names is not there"),
                        N_("put it beside the table"),
                        where=str(path),
                    )
                signs = plates.compact(row["text"])
                if signs:
                    crops.append((row["file"], evaluate.read_picture(path), signs))
    return crops


def readers(
    rig: Rig,
    crops: Sequence[tuple[str, RGB, str]],
    claims: list[tuple[float, bool]] | None = None,
) -> Figures:
    """Return how each reader there is does on the same crops; the product's claims are added to."""
    figures: Figures = {"crops": len(crops)}
    two_line = [crop.shape[1] / crop.shape[0] < 2.2 for _, crop, _ in crops]
    for name, read in _readers(rig):
        began = time.process_time()
        said = [read(crop) for _, crop, _ in crops]
        spent = time.process_time() - began
        right = [text == signs for (text, _), (_, _, signs) in zip(said, crops, strict=True)]
        figures[name] = {
            "exact": share(sum(right), len(right)),
            "exact, two lines": share(
                sum(ok for ok, two in zip(right, two_line, strict=True) if two), sum(two_line)
            ),
            "CPU ms a crop": round(1000 * spent / max(1, len(crops)), 1),
        }
        if name.startswith("product") and claims is not None:
            claims += [
                (claim, ok)
                for (text, claim), ok in zip(said, right, strict=True)
                if text and claim is not None
            ]
    return figures


def _readers(rig: Rig) -> Iterable[tuple[str, Callable[[RGB], Said]]]:
    """Yield the readers that are installed, by name."""
    read_crop = _read_crop(rig.models.read_plates)

    def product(crop: RGB) -> Said:
        found = [one for one in read_crop(crop) if one.text]
        best = max(found, key=lambda one: one.score, default=None)
        return ("", None) if best is None else (plates.compact(best.text or ""), best.score)

    yield "product (grammar decides)", product
    lines = getattr(rig.models.read_plates, "lines", None)
    if lines is not None:

        def bare(crop: RGB) -> Said:
            found = sorted(lines(crop), key=lambda line: (round(_top(line) / 20), _left(line)))
            return plates.compact("".join(line.text for line in found)), None

        yield "its text reader alone, no grammar", bare
    try:
        stock = open_clock_reader()
    except WorkbenchError:
        return

    def easy(crop: RGB) -> Said:
        found = sorted(stock(crop), key=lambda one: (round(one[0].y / 20), one[0].x))
        return plates.compact("".join(text for _, text, _ in found)), None

    yield "stock EasyOCR", easy


def _read_crop(read: PlateReader) -> Callable[[RGB], list[PlateOfPass]]:
    """Return the product's own way of reading a crop, where it has one."""
    try:
        stills = importlib.import_module("workbench.recognition.plates.stills")
    except ModuleNotFoundError:

        def plain(crop: RGB) -> list[PlateOfPass]:
            one = fuse(list(enumerate(read(crop, None)[:1])), on=_DAY)
            return [] if one is None else [one]

        return plain
    return lambda crop: list(stills.read_still(read, crop))


def _top(line: object) -> float:
    return float(np.asarray(line.corners)[:, 1].min())  # type: ignore[attr-defined]


def _left(line: object) -> float:
    return float(np.asarray(line.corners)[:, 0].min())  # type: ignore[attr-defined]


def _cut(picture: RGB, box: Box) -> RGB:
    left, top, right, bottom = corners_of(box, picture, margin=_CROP_MARGIN)
    return np.ascontiguousarray(picture[top:bottom, left:right])
