"""Compare three readers of lines on the same crops: EasyOCR as it comes, ours, and PP-OCR.

    python models/plate_reader/compare.py --footage FOLDER [--weights vn_plates.pth]

FOLDER holds ``verified_truth.csv`` and ``test/images``. PP-OCR's finder cuts the lines; a line is
exact where its letters and digits are, without grammar. Synthetic lines are of the seed that is
never trained on. Times are of one thread, user and system, the crop's preparing included.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from samples import Printer
from train import HELD_OUT_SEED

from workbench.recognition.evaluate import plate_pictures
from workbench.recognition.models import weights
from workbench.recognition.models.easyocr_door import import_easyocr
from workbench.recognition.plates.easy_reader import EasyLineReader
from workbench.recognition.plates.text import SIGNS, LineReader, TextFinder, straighten

HERE = Path(__file__).resolve().parent
_SYNTHETIC = 600

Read = Callable[[np.ndarray], str]
"""What a line says, from its picture in RGB."""


def main() -> None:
    """Print a table: reader, lines exact, plates exact, ms of processor a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--footage", type=Path)
    parser.add_argument("--weights", type=Path, default=HERE / "vn_plates.pth")
    wanted = parser.parse_args()
    cv2.setNumThreads(1)
    sets: dict[str, list[tuple[str, np.ndarray, str]]] = {}
    if wanted.footage:
        sets["real"] = list(_real(wanted.footage, None))
        sets["real, 520 px"] = list(_real(wanted.footage, 520))
    sets["drawn"] = list(_drawn())
    for name, read in _readers(wanted.weights).items():
        for of, lines in sets.items():
            started = time.process_time()
            said = [_signs(read(strip)) for _, strip, _ in lines]
            ms = 1000 * (time.process_time() - started) / len(lines)
            right = [text == _signs(truth) for text, (_, _, truth) in zip(said, lines, strict=True)]
            plates: dict[str, bool] = {}
            for (plate, _, _), good in zip(lines, right, strict=True):
                plates[plate] = plates.get(plate, True) and good
            print(
                f"{name:16} {of:13} lines {sum(right)}/{len(lines)} ({np.mean(right):.3f}) "
                f"plates {sum(plates.values())}/{len(plates)} "
                f"({np.mean(list(plates.values())):.3f}) {ms:.2f} ms a line"
            )


def _signs(text: str) -> str:
    return "".join(sign for sign in text.upper() if sign in SIGNS)


def _readers(path: Path) -> dict[str, Read]:
    cards = weights.read_manifest()
    text = LineReader(weights.locate(cards["pp-ocrv6-rec-small"], "graph"))
    ours = EasyLineReader(path)
    folder = str(weights.locate(cards["easyocr-english-g2"], "weights").parent)
    stock = import_easyocr().Reader(
        ["en"], gpu=False, model_storage_directory=folder, user_network_directory=folder,
        download_enabled=False, detector=False, quantize=False, verbose=False,
    )  # fmt: skip

    def whole(strip: np.ndarray) -> np.ndarray:
        height, width = strip.shape[:2]
        return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)

    def stock_read(strip: np.ndarray) -> str:
        grey = cv2.cvtColor(strip, cv2.COLOR_RGB2GRAY)
        return "".join(stock.recognize(grey, detail=0, allowlist=SIGNS + "-."))

    return {
        "EasyOCR english": stock_read,
        "EasyOCR ours": lambda strip: "".join(s.char for s in ours(strip, whole(strip))),
        "PP-OCR": lambda strip: "".join(s.char for s in text(strip, whole(strip))),
    }


def _real(folder: Path, width_px: int | None) -> Iterator[tuple[str, np.ndarray, str]]:
    """Yield plate, picture, truth of each line, of plates whose every line the finder found."""
    card = weights.read_manifest()["pp-ocrv6-det-small-int8"]
    find = TextFinder(weights.locate(card, "graph"), min_side_px=320)
    for name, picture, plates in plate_pictures(folder, width_px=width_px):
        lines = find(picture)
        for plate in plates:
            box = plate.box
            here = [
                line
                for line in lines
                if box.x < line.centre[0] < box.x + box.w and box.y < line.centre[1] < box.y + box.h
            ]
            here.sort(key=lambda line: float(line.centre[1]))
            rows = _rows(plate.signs, long=box.w > 2.5 * box.h)
            if len(rows) != len(here):
                continue
            for line, row in zip(here, rows, strict=True):
                yield f"{name} {plate.signs}", straighten(picture, line.corners), row


def _rows(signs: str, *, long: bool) -> list[str]:
    """Return what each line of a plate says: the lower of two holds its last five or four."""
    if long or not signs:
        return [signs] if signs else []
    upper = 3 if len(signs) == 8 and signs[2].isalpha() and signs[:2] == "51" else 4
    return [signs[:upper], signs[upper:]]


def _drawn() -> Iterator[tuple[str, np.ndarray, str]]:
    for number, (crop, text) in enumerate(Printer(HELD_OUT_SEED + 1).many(_SYNTHETIC)):
        yield str(number), cv2.cvtColor(crop, cv2.COLOR_GRAY2RGB), text


if __name__ == "__main__":
    main()
