"""Fit how two readers of lines are put together, and what each reader's word is worth.

    python models/plate_calibration/fit.py [--out models/plate_calibration.json]

Everything is fitted on plates drawn by ``whole.py`` with the seeds below, and checked on others; no
photograph takes part. One thread, about a quarter of an hour.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from scipy.optimize import minimize_scalar
from whole import Press, Seen

from workbench import plates
from workbench.recognition.models import weights
from workbench.recognition.plates import calibration, fusion, stills
from workbench.recognition.plates.calibration import FEATURES, Evidence, Pooling
from workbench.recognition.plates.easy_reader import open_easy_line_reader
from workbench.recognition.plates.lines import TwoLineReaders, pooled, settled
from workbench.recognition.plates.reader import TextPlateReader
from workbench.recognition.plates.text import LineReader, ReadLine, Sign, TextFinder
from workbench.recognition.types import LINE_READERS, LineReaderName, ModelSettings, PlateReading
from workbench.records import Box

SEED_OF_POOLING, SEED_OF_MAPS, SEED_OF_CHECK = 1201, 1202, 1203
_LINES, _CROPS, _PASSES, _FRAMES = 2000, 400, 150, 3
_AROUND = 0.4
"""Of a plate's width, what is left around it where only its lines are asked for."""

_FLOORS = 1e-2, 3e-3, 1e-3
"""No less: on photographs readers are surer than they may be, and none is to rule a sign out."""

_SURE = 0.9, 0.95, 0.98, 0.99, 0.995, 0.998, 0.999
"""The least of these is taken from which on no drawn line is settled wrongly."""

Pair = tuple[tuple[Sign, ...], tuple[Sign, ...], str]
"""One line: as our network reads it, as PP-OCR does, and its signs."""


def main() -> None:
    """Fit, check, write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=calibration.table_file())
    out: Path = parser.parse_args().out
    cv2.setNumThreads(1)
    settings = ModelSettings(plate_min_score=0.5)
    cards = weights.read_manifest()
    find = TextFinder(
        weights.locate(cards["pp-ocrv6-det-small-int8"], "graph"),
        max_side_px=settings.plate_max_side_px,
        min_side_px=settings.plate_min_side_px,
    )
    ours = open_easy_line_reader(cards)
    general = LineReader(weights.locate(cards["pp-ocrv6-rec-small"], "graph"))
    pairs = list(_pairs(Press(SEED_OF_POOLING), find, ours, general))
    pooling, said = _fit_pooling(pairs)
    print(pooling, said)
    readers: dict[LineReaderName, ReadLine] = {
        "pp-ocr": general, "easyocr": ours, "both": TwoLineReaders(ours, general, pooling),
    }  # fmt: skip
    table: dict[str, Any] = {
        "what": "From a plate reading's evidence to the probability that all its signs are right, "
        "one logistic map a reader, and how two readers of lines are put together; code: "
        "workbench/recognition/plates/calibration.py; written by models/plate_calibration/fit.py",
        "made": date.today().isoformat(),  # noqa: DTZ011 - a label
        "pooling": {
            "sure": pooling.sure, "power": pooling.power, "floor": pooling.floor,
            "fitted_on": {"seed": SEED_OF_POOLING, **said},
        },
        "readers": {},
    }  # fmt: skip
    for name in LINE_READERS:
        read = TextPlateReader(find, readers[name], replace(settings, plate_reader=name))
        evidence, right = _evidence_of(read, Press(SEED_OF_MAPS))
        found = calibration.fit(evidence, right)
        others, truth = _evidence_of(read, Press(SEED_OF_CHECK))
        table["readers"][name] = {
            "weights": dict(zip(FEATURES, (round(w, 5) for w in found.weights), strict=True)),
            "intercept": round(found.intercept, 5),
            "fitted_on": {"seed": SEED_OF_MAPS, "readings": len(right), "right": sum(right)},
            "checked_on": {"seed": SEED_OF_CHECK, **_checked(found, others, truth)},
        }
        print(name, table["readers"][name], flush=True)
    out.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


def _pairs(press: Press, find: TextFinder, ours: ReadLine, general: ReadLine) -> Iterator[Pair]:
    """Yield the lines of drawn plates whose every line the finder saw, read twice."""
    looks = (look for one in press.passes(_LINES, 1) for look in one)
    for look in looks:
        x, y, w, h = look.box
        left, top = max(0, round(x - _AROUND * w)), max(0, round(y - _AROUND * w))
        right, bottom = round(x + w + _AROUND * w), round(y + h + _AROUND * w)
        picture = np.ascontiguousarray(look.picture[top:bottom, left:right])
        inside = Box(x - left, y - top, w, h)
        here = [line for line in find(picture) if _holds(inside, line.centre)]
        here.sort(key=lambda line: float(line.centre[1]))
        if len(here) != len(look.lines):
            continue
        for line, text in zip(here, look.lines, strict=True):
            yield (
                ours(picture, line.corners),
                general(picture, line.corners),
                plates.compact(text),
            )


def _holds(box: Box, point: np.ndarray) -> bool:
    return box.x < point[0] < box.x + box.w and box.y < point[1] < box.y + box.h


def _fit_pooling(pairs: Sequence[Pair]) -> tuple[Pooling, dict[str, Any]]:
    """Return power and floor of greatest likelihood, and what comes of them.

    Both readers have one power: what is drawn here is nearer to what our network learned from than
    a photograph is, so that a power of its own would come out too high.
    """
    alike = [
        (a, b, sign)
        for first, second, text in pairs
        if len(_held(first)) == len(_held(second)) == len(text)
        for a, b, sign in zip(_held(first), _held(second), text, strict=True)
    ]

    def loss(power: float, floor: float) -> float:
        by = Pooling(2.0, power, floor)
        total = 0.0
        for a, b, sign in alike:
            (one,) = pooled((a,), (b,), by)
            total -= float(np.log(max(one.candidates.get(sign, 0.0), 1e-6)))
        return total

    best: tuple[float, Pooling] | None = None
    for floor in _FLOORS:
        found = minimize_scalar(loss, args=(floor,), bounds=(0.1, 1.5), method="bounded",
                                options={"xatol": 0.01})  # fmt: skip
        power = round(float(found.x), 3)
        if best is None or found.fun < best[0]:
            best = float(found.fun), Pooling(2.0, power, floor)
        print(floor, power, found.fun, flush=True)
    assert best is not None
    pooling = best[1]
    together = [_text(pooled(first, second, pooling)) == text for first, second, text in pairs]
    sure, asked = 2.0, len(pairs)
    for level in _SURE[::-1]:
        alone = [(first, text) for first, _, text in pairs if settled(first, level)]
        if any(_text(first) != text for first, text in alone):
            break
        sure, asked = level, len(pairs) - len(alone)
    right = {
        "easyocr": sum(_text(first) == text for first, _, text in pairs),
        "pp-ocr": sum(_text(second) == text for _, second, text in pairs),
        "both": sum(
            _text(first if settled(first, sure) else pooled(first, second, pooling)) == text
            for first, second, text in pairs
        ),
        "both, always asked": sum(together),
    }
    said = {"lines": len(pairs), "asked of the second": asked, "right": right}
    return replace(pooling, sure=sure), said


def _held(signs: Sequence[Sign]) -> list[Sign]:
    return [sign for sign in signs if sign.candidates]


def _text(signs: Sequence[Sign]) -> str:
    return "".join(sign.char for sign in _held(signs))


def _evidence_of(read: TextPlateReader, press: Press) -> tuple[list[Evidence], list[bool]]:
    """Return what speaks for each reading of drawn crops, frames and passes, and its truth."""
    seen: list[Evidence] = []
    right: list[bool] = []
    kept: list[Evidence] = []

    def settle(look: Seen, settled_: Callable[[], Sequence[fusion.PlateOfPass | None]]) -> None:
        kept.clear()
        for one in settled_():
            if one is not None and one.text is not None:
                seen.append(kept[-1])
                right.append(plates.compact(one.text) == look.signs)
                return

    original = fusion.probability

    def keeping(evidence: Evidence, *args: Any, **named: Any) -> float:
        kept.append(evidence)
        return original(evidence, *args, **named)

    fusion.probability = keeping
    try:
        for look in press.crops(_CROPS):
            settle(look, lambda look=look: stills.read_still(read, look.picture, again=False)[:1])
        for looks in press.passes(_PASSES, _FRAMES):
            found: list[tuple[int, PlateReading]] = []
            for number, look in enumerate(looks):
                here = read(look.picture, None)[:1]
                found += [(number, one) for one in here]
                settle(look, lambda here=here: [fusion.fuse([(0, one)]) for one in here])
            settle(looks[0], lambda found=found: [fusion.fuse(found)])
    finally:
        fusion.probability = original
    return seen, right


def _checked(
    found: calibration.Calibration, evidence: Sequence[Evidence], right: Sequence[bool]
) -> dict[str, Any]:
    claims = [calibration.probability(one, found) for one in evidence]
    sure = [ok for claim, ok in zip(claims, right, strict=True) if claim >= 0.95]
    return {
        "readings": len(right),
        "right": sum(right),
        "claimed_95": len(sure),
        "of_these_right": round(sum(sure) / max(1, len(sure)), 4),
        "mean_claim": round(float(np.mean(claims)), 4),
    }


if __name__ == "__main__":
    main()
