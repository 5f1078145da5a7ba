"""The boxes of a pass once it has closed: steadied, and drawn towards what the detector drew."""

from __future__ import annotations

import numpy as np

from workbench import optics
from workbench.recognition.passes.steady import steadied
from workbench.recognition.passes.track import Look, Observation
from workbench.recognition.settings import Settings
from workbench.records import Box

S = Settings()


def true(i: int) -> Box:
    return Box(20 + 6.0 * i, 100, 40, 90)


def seen(*boxes: Box) -> list[Observation]:
    return [Observation(i, i * 100, i / 10, box) for i, box in enumerate(boxes)]


def fits(boxes: list[Box]) -> list[float]:
    return [optics.iou(box, true(i)) for i, box in enumerate(boxes)]


def test_a_box_that_jumps_once_is_brought_back() -> None:
    boxes = [true(i) for i in range(40)]
    boxes[15] = Box(110, 100, 40, 30)  # a fragment: the upper third
    found = steadied(seen(*boxes), [], 640, 360, S)
    assert min(fits(found)) > 0.9


def test_a_shadow_is_left_out_around_a_look_that_shows_the_thing() -> None:
    with_shadow = [Box(b.x, b.y, 1.8 * b.w, b.h) for b in map(true, range(40))]
    way = seen(*with_shadow)
    before = steadied(way, [], 640, 360, S)
    after = steadied(way, [Look(way[n], true(n)) for n in (10, 25)], 640, 360, S)
    assert np.mean(fits(before)) < 0.6
    assert np.mean(fits(after)) > 0.7
    assert min(fits(after)[n] for n in (10, 25)) > 0.8


def test_a_side_at_the_border_stays_there_and_no_box_leaves_the_frame() -> None:
    boxes = [Box(0, 100, 10 + 6.0 * i, 90) if i < 5 else Box(6.0 * i - 30, 100, 40, 90)
             for i in range(30)]  # fmt: skip
    found = steadied(seen(*boxes), [], 640, 360, S)
    assert [box.x for box in found[:5]] == [0.0] * 5
    assert all(box.x >= 0 and box.y >= 0 and box.x + box.w <= 640 for box in found)


def test_too_short_a_way_stays_as_it_was() -> None:
    boxes = [true(i) for i in range(3)]
    assert steadied(seen(*boxes), [], 640, 360, S) == boxes
