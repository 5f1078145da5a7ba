"""The finder in eight bits finds what the network it is made from finds."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.recognition.models import samples, weights
from workbench.recognition.models.loading import open_plate_reader
from workbench.recognition.plates.text import Line, TextFinder

PLATES = [
    "plate:99-B1/123.45",
    "plate:51F-678.90",
    "plate:59-X3/456.78~small",
    "plate:30A-246.81~dark",
]


@pytest.fixture(scope="module")
def finders() -> tuple[TextFinder, TextFinder]:
    cards = weights.read_manifest()
    names = "pp-ocrv6-det-small", "pp-ocrv6-det-small-int8"
    first, second = (TextFinder(weights.locate(cards[name], "graph")) for name in names)
    return first, second


def spans(lines: list[Line]) -> np.ndarray:
    return np.array([[*line.corners.min(axis=0), *line.corners.max(axis=0)] for line in lines])


@pytest.mark.parametrize("name", PLATES)
def test_both_find_the_same_lines(finders: tuple[TextFinder, TextFinder], name: str) -> None:
    picture = samples.known(name)
    assert picture is not None
    floats, bits = (find(picture) for find in finders)
    assert len(floats) == len(bits) >= 1
    height = min(line.height_px for line in floats)
    assert np.abs(spans(floats) - spans(bits)).max() < 0.15 * height


def test_on_a_plain_ground_no_plate_is_read() -> None:
    read = open_plate_reader()
    for level in range(0, 256, 15):
        assert read(np.full((320, 480, 3), level, np.uint8)) == []
