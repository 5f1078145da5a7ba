"""Plates read from real and drawn pictures: whole frames, tracks, crops; readers beside each other.

Truth is the footage's labelled frames, which were used for tuning, plates drawn with a seed that
nothing was fitted on, and any folder of crops under ``--clips`` whose CSV says ``file,text``.
"""

from __future__ import annotations

import csv
import importlib.util
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path

import cv2
import numpy as np

from workbench import plates
from workbench.bench.recognition_costs import plates_by_track
from workbench.bench.recognition_match import reliability, share
from workbench.bench.recognition_rig import Figures, Rig, run
from workbench.bench.recognition_variants import variants
from workbench.errors import N_, BadInput, WorkbenchError
from workbench.recognition import evaluate
from workbench.recognition.clock.overlay import open_clock_reader
from workbench.recognition.models.loading import open_plate_reader
from workbench.recognition.models.weights import models_folder
from workbench.recognition.plates.fusion import fuse
from workbench.recognition.plates.reader import TextPlateReader
from workbench.recognition.plates.stills import OpenReader, open_still_readers, read_still
from workbench.recognition.types import LINE_READERS, RGB, PlateReader, PlateReading
from workbench.recognition.types import clip as corners_of
from workbench.records import Box

QUICK_PICTURES = 6
SURE = 0.95
DRAWN_SEED = 1204
"""Of the plates drawn for this bench; ``models/plate_calibration/fit.py`` uses others."""

_DRAWN, _QUICK_DRAWN, _QUICK_CROPS = 400, 24, 24
_CROPS_A_PLATE, _MARGINS, _WIDTHS_PX = 5, (-0.02, 0.15), (60, 250)
_STOCK_MARGIN = 0.12
_DAY = date(2026, 11, 20)
"""The grammar is dated; the real frames carry no date."""

Crop = tuple[RGB, str]
"""A picture of a plate alone, and its signs."""


@dataclass
class Claims:
    """What was claimed of readings, and whether it was right."""

    of: list[tuple[float, bool]] = field(default_factory=list)

    def figures(self) -> Figures:
        """Return the share of sure claims that are right, and all claims in steps."""
        sure = [right for claim, right in self.of if claim >= SURE]
        return {
            "claimed >= .95 and right": share(sum(sure), len(sure)),
            "readings": len(self.of),
            "reliability": reliability([c for c, _ in self.of], [r for _, r in self.of]),
        }


def plates_part(rig: Rig) -> Figures:
    """Return frames, tracks, crops, drawn plates and claims for each reader of lines."""
    figures: Figures = {}
    pictures: list[tuple[str, RGB, list[evaluate.TruePlate]]] = []
    if rig.footage is not None:
        pictures = list(evaluate.plate_pictures(rig.footage / "vn_plates_mrzaizai2k"))
        if rig.quick:
            pictures = pictures[:: max(1, len(pictures) // QUICK_PICTURES)][:QUICK_PICTURES]
    else:
        figures["real frames"] = "skipped: the folder of real footage is not there"
    drawn = _QUICK_DRAWN if rig.quick else _DRAWN
    sets = {
        "tight crops of the real frames": tight_crops(pictures)[
            : _QUICK_CROPS if rig.quick else None
        ],
        "drawn plates": drawn_plates(drawn),
        "drawn plates of the army": drawn_plates(drawn // 4, army=True),
        **harmed_crops(pictures if not rig.quick else []),
        "crops held elsewhere": held_crops(rig.clips) if rig.clips is not None else [],
    }
    for name in LINE_READERS:
        read = open_plate_reader(replace(rig.settings.models, plate_reader=name))
        figures[name] = reader_figures(read, pictures, sets)
    if pictures:
        figures["stock EasyOCR, no grammar"] = _stock(pictures)
    street = rig.mixed_street
    rows, _ = run(street, rig.settings, rig.models)
    figures["drawn mixed street, by track"] = plates_by_track(street, rows)
    return figures


def reader_figures(
    read: TextPlateReader,
    pictures: Sequence[tuple[str, RGB, Sequence[evaluate.TruePlate]]],
    sets: dict[str, list[Crop]],
) -> Figures:
    """Return what one reader makes of whole frames and of sets of crops."""
    figures: Figures = {}
    if pictures:
        claims = Claims()
        figures["whole frames"] = frames(read, pictures, claims.of)
        figures["whole frames"]["claims"] = claims.figures()
    still, beside = open_still_readers(read.settings.plate_reader)
    for name, crops in sets.items():
        figures[name] = crops_figures(still, crops, beside) if crops else "skipped: there are none"
    return figures


def harmed_crops(
    pictures: Sequence[tuple[str, RGB, Sequence[evaluate.TruePlate]]],
) -> dict[str, list[Crop]]:
    """Return crops of real plates made worse, by half of the vehicles and kind of harm."""
    return {
        f"harmed crops, {half}: {kind}": crops
        for half, built_on in (("built on", True), ("others", False))
        for kind, crops in variants(pictures, built_on=built_on).items()
    }


def crops_figures(
    read: TextPlateReader, crops: Sequence[Crop], beside: OpenReader | None = None
) -> Figures:
    """Return how many pictures of one plate are read exactly and wrongly, at what cost."""
    claims = Claims()
    began = time.process_time()
    for picture, signs in crops:
        best = next((one for one in read_still(read, picture, beside) if one.text), None)
        if best is not None and best.text is not None:
            claims.of.append((best.score, plates.compact(best.text) == signs))
    spent = time.process_time() - began
    right = sum(ok for _, ok in claims.of)
    return {
        "exact": share(right, len(crops)),
        "exact / wrong / unread": [right, len(claims.of) - right, len(crops) - len(claims.of)],
        "CPU ms a plate": round(1000 * spent / len(crops), 1),
        "claims": claims.figures(),
    }


def tight_crops(
    pictures: Sequence[tuple[str, RGB, Sequence[evaluate.TruePlate]]],
) -> list[Crop]:
    """Return five crops of each readable plate, cut close or wide, 60 to 250 px wide."""
    rng = np.random.default_rng(DRAWN_SEED)
    crops = []
    for _, picture, truth in pictures:
        for one in truth:
            for margin in np.linspace(*_MARGINS, _CROPS_A_PLATE) if one.signs else ():
                cut = _cut(picture, one.box, float(margin))
                width = round(float(np.exp(rng.uniform(*np.log(_WIDTHS_PX)))))
                size = width, max(1, round(cut.shape[0] * width / cut.shape[1]))
                crops.append((cv2.resize(cut, size, interpolation=cv2.INTER_AREA), one.signs))
    return crops


def drawn_plates(count: int, *, army: bool = False) -> list[Crop]:
    """Return crops of drawn plates; none where the program that draws them is not installed."""
    path = models_folder() / "plate_calibration" / "whole.py"
    spec = importlib.util.spec_from_file_location("plate_calibration_whole", path)
    if spec is None or spec.loader is None or not path.is_file():
        return []
    whole = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = whole
    spec.loader.exec_module(whole)
    press = whole.Press(DRAWN_SEED + army)
    return [(look.picture, look.signs) for look in press.crops(count, army=army)]


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


def held_crops(folder: Path) -> list[Crop]:
    """Return ``(picture, signs)`` of every CSV with columns file and text below a folder.

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
                    crops.append((evaluate.read_picture(path), signs))
    return crops


def _stock(pictures: Sequence[tuple[str, RGB, Sequence[evaluate.TruePlate]]]) -> Figures | str:
    """Return how EasyOCR as it comes does on crops of the plates."""
    try:
        stock = open_clock_reader()
    except WorkbenchError:
        return "skipped: EasyOCR is not there"
    right = count = 0
    began = time.process_time()
    for _, picture, truth in pictures:
        for one in (one for one in truth if one.signs):
            found = stock(_cut(picture, one.box, _STOCK_MARGIN))
            found = sorted(found, key=lambda line: (round(line[0].y / 20), line[0].x))
            right += plates.compact("".join(text for _, text, _ in found)) == one.signs
            count += 1
    spent = time.process_time() - began
    return {"exact": share(right, count), "CPU ms a plate": round(1000 * spent / count, 1)}


def _cut(picture: RGB, box: Box, margin: float) -> RGB:
    left, top, right, bottom = corners_of(box, picture, margin=margin)
    return np.ascontiguousarray(picture[top:bottom, left:right])
