"""Light by night: pools and glare are no part of a vehicle; what is dark beside them stays."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import event, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from workbench.recognition.passes.gate import Gate
from workbench.recognition.passes.lit import _lamps, beside_lamps, is_night, without_light
from workbench.recognition.settings import Settings

HEIGHT, WIDTH = 225, 400
Picture = NDArray[np.uint8]


def road(level: float = 22, seed: int = 1) -> Picture:
    """A grainy grey road, by night."""
    grain = np.random.default_rng(seed).normal(level, 1.5, (HEIGHT, WIDTH, 1))
    return np.repeat(np.clip(grain, 0, 255), 3, axis=2).astype(np.uint8)


def lit(background: Picture, *, lamp: bool = True, pool: bool = True) -> Picture:
    """A lamp at (200, 80), 20 across, and the light it throws on the road below it."""
    light = np.zeros((HEIGHT, WIDTH), np.float32)
    if pool:
        cv2.ellipse(light, (200, 125), (45, 16), 0, 0, 360, 3.0, -1)
    out = background * (1 + cv2.GaussianBlur(light, (0, 0), 3)[..., None])
    shine = np.zeros((HEIGHT, WIDTH), np.float32)
    if lamp:
        cv2.circle(shine, (200, 80), 10, 220.0, -1)
    out = out + (shine + 0.3 * cv2.GaussianBlur(shine, (0, 0), 6))[..., None]
    return np.clip(out, 0, 255).astype(np.uint8)


def mask_of(picture: Picture, background: Picture) -> Picture:
    return cv2.compare(cv2.absdiff(picture, background).max(2), 7, cv2.CMP_GT)


def rows(mask: Picture) -> tuple[int, int]:
    there = np.flatnonzero((mask > 0).any(1))
    return int(there[0]), int(there[-1])


def test_a_pool_below_a_lamp_is_cut_off_and_the_lamp_stays() -> None:
    background = road()
    picture = lit(background)
    mask = mask_of(picture, background)
    assert rows(mask)[1] > 135
    first, last = rows(without_light(mask, picture, background, Settings()))
    assert first <= 72
    assert 88 <= last <= 105


def test_light_without_a_lamp_is_left_to_the_gate() -> None:
    background = road()
    picture = lit(background, lamp=False)
    mask = mask_of(picture, background)
    assert without_light(mask, picture, background, Settings()) is mask


def test_what_is_dark_in_the_glare_stays() -> None:
    background = road()
    picture = lit(background)
    picture[40:110, 176:182] = 2
    mask = mask_of(picture, background)
    left = without_light(mask, picture, background, Settings())
    assert (left[40:110, 176:182] > 0).mean() > 0.9


def test_night_is_told_by_the_background_and_not_by_the_clock() -> None:
    assert is_night(road(), Settings())
    assert not is_night(road(120), Settings())


def test_exposure_is_told_far_from_lamps() -> None:
    background = road()
    far = beside_lamps(lit(background), background, 20, Settings())
    assert not far[60:100, 180:220].any()
    assert far[:, :120].all()


def test_the_gate_by_night_shows_a_lamp_without_its_pool() -> None:
    gate = Gate(Settings(), [road(seed=n) for n in range(9)], 1.0)
    boxes = gate.step(lit(road(seed=20)))
    assert boxes
    assert max(box.y + box.h for box in boxes) <= 110


def test_by_night_a_dark_thing_on_a_dark_road_is_seen() -> None:
    gate = Gate(Settings(), [road(seed=n) for n in range(9)], 1.0)
    picture = road(seed=20)
    picture[60:120, 100:130] = 11
    (box,) = gate.step(picture)
    assert abs(box.x - 100) < 4
    assert abs(box.h - 60) < 6


def test_a_lamp_seen_once_after_a_quiet_stretch_is_no_background() -> None:
    gate = Gate(Settings(), [road(seed=n) for n in range(9)], 1.0)
    gate.step(lit(road(seed=20)), stands_for=200)
    for n in range(21, 26):
        gate.step(road(seed=n))
    boxes = gate.step(lit(road(seed=30)))
    assert any(box.y <= 75 and box.y + box.h >= 85 for box in boxes)


@given(st.integers(0, 2**31))
def test_nothing_is_added_to_a_mask(seed: int) -> None:
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(30, 120)), int(rng.integers(30, 120)))
    background = rng.integers(10, 30, (*size, 3), dtype=np.uint8)
    picture = background.astype(np.float32)
    for _ in range(int(rng.integers(1, 5))):  # lamps with pools below, over the borders too
        x, y = int(rng.integers(size[1])), int(rng.integers(size[0]))
        wide = int(rng.integers(2, 9))
        cv2.ellipse(picture, (x, y + 4 * wide), (3 * wide, wide), 0, 0, 360, (70, 70, 60), -1)
        cv2.circle(picture, (x, y), wide, (245, 245, 240), -1)
    picture = cv2.GaussianBlur(picture, (0, 0), float(rng.uniform(0.5, 3))).astype(np.uint8)
    mask = np.where(rng.random(size) < rng.uniform(0.3, 1), 255, 0).astype(np.uint8)
    before = mask.copy()
    left = without_light(mask, picture, background, Settings())
    assert (mask == before).all()
    assert not cv2.countNonZero(cv2.subtract(left, mask))
    event(f"light was cut off: {cv2.countNonZero(left) < cv2.countNonZero(mask)}")


def test_a_lamp_elsewhere_leaves_a_pale_walker_whole() -> None:
    background = road()
    walker = background.astype(np.int16)
    walker[80:100, 60:75] += 60
    walker[100:130, 60:75] += 12
    picture = np.maximum(walker.clip(0, 255).astype(np.uint8), lit(background, pool=False))
    mask = mask_of(picture, background)
    left = without_light(mask, picture, background, Settings())
    assert (left[80:130, 60:75] > 0).mean() > 0.95


def test_hundreds_of_lights_cost_no_more_than_a_few_lamps() -> None:
    rng = np.random.default_rng(3)
    gain = np.zeros((HEIGHT, WIDTH), np.uint8)
    for x, y in rng.integers((2, 2), (WIDTH - 6, HEIGHT - 6), (300, 2)):
        gain[y : y + 3, x : x + 3] = 200
    settings = Settings()
    assert len(_lamps(gain, settings)) <= settings.lamps_most


@pytest.mark.parametrize("levels", [(22, 122), (122, 22)])
def test_a_gate_that_goes_on_for_hours_follows_dusk_and_dawn(levels: tuple[int, int]) -> None:
    first, last = levels
    settings = Settings()
    gate = Gate(settings, [road(first, n) for n in range(8)], 1.0)
    seen = 0
    for n in range(1000):
        seen += len(gate.step(road(first + (last - first) * min(1.0, n / 900), n + 50)))
    assert seen == 0
    walker = road(last, 999)
    walker[80:130, 60:75] = 11 + 1.0 * walker[80:130, 60:75]
    assert bool(gate.step(walker)) == (last == 22)
