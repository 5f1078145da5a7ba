"""The boxes of a pass once it has closed: steadied, and drawn towards what the detector drew."""

from __future__ import annotations

import numpy as np
import pytest

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


@pytest.mark.parametrize("speed", [2.0, 5.0])
def test_a_sudden_stop_stays_one(speed: float) -> None:
    # in sizes a second; what a collision looks like must not be smoothed away
    rng, size, stop_s = np.random.default_rng(3), 100.0, 2.5
    t_s = np.arange(0, 5, 0.1)
    x = 100 + speed * size * np.minimum(t_s, stop_s)
    noise = rng.normal(0, 3, (len(t_s), 2))
    way = [
        Observation(i, i * 100, float(t), Box(a + n[0], 500 + n[1], size, size))
        for i, (t, a, n) in enumerate(zip(t_s, x, noise, strict=True))
    ]
    found = np.array([box.x for box in steadied(way, [], 1920, 1080, S)])
    rates = np.diff(found) / 0.1 / size
    before, after = t_s[1:] <= stop_s - 0.45, t_s[:-1] >= stop_s + 0.45
    assert rates[before].mean() == pytest.approx(speed, rel=0.02)
    assert abs(rates[after]).mean() < 0.04 * speed
    assert np.abs(found - x).max() < 0.16 * size
    assert np.abs(found - x)[np.abs(t_s - stop_s) > 0.5].mean() < np.abs(noise[:, 0]).mean()
