"""Who reads the lines of plates: PP-OCR, our own network, or our own with PP-OCR asked in doubt.

Our network costs a quarter of PP-OCR's and fails on other signs. Where it is sure of a line and the
line is part of a plate as it stands, PP-OCR would say the same; elsewhere both are put together,
sign by sign, with weights fitted on drawn plates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import exp, log

import numpy as np
from numpy.typing import NDArray

from workbench import plates
from workbench.plates.distance import align
from workbench.recognition.models import weights
from workbench.recognition.plates.calibration import Pooling, default_table
from workbench.recognition.plates.easy_reader import open_easy_line_reader
from workbench.recognition.plates.reader import TextPlateReader
from workbench.recognition.plates.text import LineReader, ReadLine, Sign, TextFinder
from workbench.recognition.types import RGB, LineReaderName, ModelSettings

_FINDER, _GENERAL = "pp-ocrv6-det-small-int8", "pp-ocrv6-rec-small"
_LOWER_LINE = re.compile(r"\d{3}[.]?\d{2}|\d{4}")
_OTHER = ""
_LEAST = 2e-4


def open_text_plate_reader(
    cards: Mapping[str, weights.WeightCard], settings: ModelSettings
) -> TextPlateReader:
    """Return the plate reader that the settings name, its files checked.

    Raises
    ------
    Unavailable, Damaged
        As :func:`workbench.recognition.models.weights.locate`.
    BadInput
        When EasyOCR is needed and cannot be loaded.
    """
    find = TextFinder(
        weights.locate(cards[_FINDER], "graph"),
        max_side_px=settings.plate_max_side_px,
        min_side_px=settings.plate_min_side_px,
    )
    return TextPlateReader(find, _open_lines(cards, settings.plate_reader), settings)


def _open_lines(cards: Mapping[str, weights.WeightCard], name: LineReaderName) -> ReadLine:
    if name == "easyocr":
        return open_easy_line_reader(cards)
    general = LineReader(weights.locate(cards[_GENERAL], "graph"))
    if name == "pp-ocr":
        return general
    return TwoLineReaders(open_easy_line_reader(cards), general, default_table().pooling)


class TwoLineReaders:
    """A :data:`~workbench.recognition.plates.text.ReadLine` that asks a second one in doubt.

    Parameters
    ----------
    first
        Reads every line.
    second
        Reads what the first is not sure of, or what is no part of a plate as the first reads it.
    pooling
        When to ask, and what either says is worth.
    """

    def __init__(self, first: ReadLine, second: ReadLine, pooling: Pooling) -> None:
        self._first, self._second = first, second
        self.pooling = pooling

    def __call__(self, picture: RGB, corners: NDArray[np.float32]) -> tuple[Sign, ...]:
        """Return the signs of a line given by its corners, left to right."""
        signs = self._first(picture, corners)
        if settled(signs, self.pooling.sure):
            return signs
        return pooled(signs, self._second(picture, corners), self.pooling)


def settled(signs: Sequence[Sign], sure: float) -> bool:
    """Tell whether a line needs no second opinion: part of a plate, every sign seen surely."""
    text = "".join(sign.char for sign in signs)
    held = [sign for sign in signs if sign.candidates]
    if not held or min(sign.probability for sign in held) < sure:
        return False
    if text.replace(".", "").replace("-", "").isdigit():
        # "84-91" is an upper line whose letter was not seen, "95.75" a lower one that lost a digit
        return _LOWER_LINE.fullmatch(text) is not None
    found = plates.normalise(text)
    return found is not None and found.grammatical and not found.overrides


def pooled(first: Sequence[Sign], second: Sequence[Sign], pooling: Pooling) -> tuple[Sign, ...]:
    """Return one line from two readings of it.

    The surer of the two says how many signs there are; each sign is the product of both. A sign
    that only one of them has stays as that one saw it.
    """
    lead, other = (first, second) if _least(first) > _least(second) else (second, first)
    if not lead:
        return tuple(other)
    places = [n for n, sign in enumerate(lead) if sign.candidates]
    theirs = [sign for sign in other if sign.candidates]
    found = list(lead)
    for ours, their in align(
        "".join(lead[n].char for n in places),
        "".join(sign.char for sign in theirs),
        plates.default_grammar(),
    ):
        if ours is not None and their is not None:
            found[places[ours]] = _product(found[places[ours]], theirs[their], pooling)
    return tuple(found)


def _least(signs: Sequence[Sign]) -> float:
    """Return how sure a reader is of its number of signs: of the least sure one."""
    return min((sign.probability for sign in signs), default=0.0)


def _product(ours: Sign, theirs: Sign, pooling: Pooling) -> Sign:
    views = (ours.candidates, theirs.candidates)
    logs = {
        char: sum(log(max(held.get(char, 0.0), pooling.floor)) for held in views)
        for char in sorted({*ours.candidates, *theirs.candidates})
    }
    # "some other sign" takes part, or two unsure readings would make a sure one
    logs[_OTHER] = sum(log(max(1.0 - sum(held.values()), pooling.floor)) for held in views)
    most = max(logs.values())
    weights_of = {char: exp(pooling.power * (value - most)) for char, value in logs.items()}
    total = sum(weights_of.values())
    shares = {char: w / total for char, w in weights_of.items() if char != _OTHER}
    likely = sorted(shares.items(), key=lambda item: (-item[1], item[0]))
    char, share = likely[0]
    candidates = {char: share for char, share in likely if share >= _LEAST}
    return replace(ours, char=char, probability=share, candidates=candidates)
