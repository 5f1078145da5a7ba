"""The truth of mixtures: one mover is one walker or one car, and its box fits it."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from workbench import media
from workbench.bench.recognition_mixtures import (
    SOURCES,
    CutOut,
    SourceClip,
    cut_outs,
    empty_scene,
    known_movers,
    mixture,
)
from workbench.recognition.types import RGB

HIGH, WIDE, FRAMES = 240, 400, 40
PEOPLE = SourceClip("drawn.mp4", Fraction(10), False, "people")
CARS = SourceClip("drawn.mp4", Fraction(10), False, "cars")
DARK, PALE, RED = (20, 20, 30), (122, 124, 126), (170, 30, 30)


def road() -> RGB:
    noise = np.random.default_rng(3).normal(0, 3, (HIGH, WIDE, 1))
    return (
        np.clip(120 + cv2.GaussianBlur(noise, (5, 5), 0)[..., None], 0, 255)
        .repeat(3, 2)
        .astype(np.uint8)
    )


def filmed(out: Path, draw: Callable[[RGB, int], None]) -> tuple[Path, RGB]:
    """Write a clip of the road with what is drawn on each frame; return it and the empty road."""
    scene = road()
    with media.ClipWriter(out, WIDE, HIGH, time_base=Fraction(1, 10), gop=20, crf=10) as clip:
        for n in range(FRAMES):
            picture = scene.copy()
            draw(picture, n)
            clip.write(picture, n)
    return out, scene


def walker(picture: RGB, x: int, y: int) -> tuple[int, int, int, int]:
    """Draw a walker of 80 px with one arm out and a shoe below a pale shin; return its box."""
    cv2.circle(picture, (x, y + 8), 7, DARK, -1)  # 15 px wide
    cv2.rectangle(picture, (x - 10, y + 14), (x + 10, y + 50), RED, -1)
    cv2.rectangle(picture, (x + 10, y + 20), (x + 22, y + 28), RED, -1)
    cv2.rectangle(picture, (x - 8, y + 50), (x + 8, y + 70), DARK, -1)
    cv2.rectangle(picture, (x - 6, y + 71), (x + 6, y + 76), PALE, -1)
    cv2.rectangle(picture, (x - 8, y + 77), (x + 8, y + 79), DARK, -1)
    return x - 10, y + 1, 33, 79


def off(one: CutOut, truth: list[tuple[int, int, int, int]], first: int = 0) -> float:
    """Return by how many px an edge of a mover's boxes is off at most."""
    found = np.array(one.boxes)
    true = np.array(truth[first : first + len(found)])
    edges = [np.hstack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]]) for boxes in (found, true)]
    return float(np.abs(edges[0] - edges[1]).max())


@pytest.mark.parametrize("dash", [1, 8])
def test_a_tape_is_cut_off_a_walker_whose_head_arm_and_shoe_stay(tmp_path, dash):
    truth = []

    def alone(picture: RGB, n: int) -> None:
        truth.append(walker(picture, 60 + 6 * n, 100))

    def before_a_tape(picture: RGB, n: int) -> None:
        y = 140 + 2 * (n % 2)  # it flutters
        for x in range(10 + 6 * n, 120 + 6 * n, dash):
            if dash == 1 or x // dash % 2:
                cv2.rectangle(picture, (x, y), (x + dash - 1, y + 1), (250, 250, 250), -1)
        walker(picture, 60 + 6 * n, 100)

    (bare,) = known_movers(*filmed(tmp_path / "alone.mp4", alone), PEOPLE)
    assert len(bare.boxes) == FRAMES
    assert off(bare, truth) <= 2
    path, scene = filmed(tmp_path / "tape.mp4", before_a_tape)
    (raw,) = cut_outs(path, scene, 10.0)
    assert off(raw, bare.boxes) > 15  # the tape hangs on the walker
    (one,) = known_movers(path, scene, PEOPLE)
    assert len(one.boxes) == FRAMES
    assert off(one, bare.boxes) <= 2
    beside = [x - left for (x, *_), (left, _) in zip(one.boxes, one.corners, strict=True)]
    assert max(beside) <= 4  # nor is the tape laid


def test_two_side_by_side_are_left_out_and_one_alone_is_not(tmp_path):
    alone = []

    def draw(picture: RGB, n: int) -> None:
        walker(picture, 40 + 8 * n, 20)
        walker(picture, 72 + 8 * n, 22)
        alone.append(walker(picture, 60 + 7 * n, 150))

    path, scene = filmed(tmp_path / "pair.mp4", draw)
    assert len(cut_outs(path, scene, 10.0)) == 2
    (one,) = known_movers(path, scene, PEOPLE)
    assert off(one, alone) <= 2


def car(picture: RGB, x: int, y: int, *, wide: int = 60, high: int = 90) -> None:
    """Draw a pale car with a dark window over its shadow, which reaches below it and aside."""
    shadow = picture[y + 20 : y + high + 24, x - 6 : x + wide]
    shadow[:] = (0.55 * shadow).astype(np.uint8)
    cv2.rectangle(picture, (x, y), (x + wide - 1, y + high - 1), (210, 212, 215), -1)
    cv2.rectangle(picture, (x + 8, y + 20), (x + wide - 9, y + 44), (90, 90, 90), -1)


def test_a_car_is_laid_with_its_shadow_and_its_box_goes_around_the_car(tmp_path):
    truth = []

    def draw(picture: RGB, n: int) -> None:
        car(picture, 20 + 7 * n, 60)
        truth.append((20 + 7 * n, 60, 60, 90))

    path, scene = filmed(tmp_path / "car.mp4", draw)
    (raw,) = cut_outs(path, scene, 10.0)
    assert off(raw, truth) > 20
    (one,) = known_movers(path, scene, CARS)
    assert off(one, truth) <= 2
    below = [top + mask.shape[0] for (_, top), mask in zip(one.corners, one.masks, strict=True)]
    assert min(below) >= 60 + 90 + 20
    back = one.mirrored(WIDE).mirrored(WIDE)
    assert (back.boxes, back.corners) == (one.boxes, one.corners)
    for mover in (one, one.mirrored(WIDE)):
        x, y, w, h = mover.boxes[5]
        left, top = mover.corners[5]
        assert left <= x < x + w <= left + mover.pixels[5].shape[1]
        bright = mover.pixels[5][y - top : y - top + h, x - left : x - left + w].mean()
        assert bright > mover.pixels[5].mean() + 10  # the box lies where the car is in its pixels


def test_cars_do_not_drive_through_one_another(tmp_path):
    boxes = [(round(n * (WIDE - 60) / (FRAMES - 1)), 60, 60, 90) for n in range(FRAMES)]
    one = CutOut(
        boxes,
        [(x, y) for x, y, _, _ in boxes],
        [np.full((90, 60, 3), 200, np.uint8) for _ in boxes],
        [np.ones((90, 60), np.float32) for _ in boxes],
    )

    def least_lag(*, apart: bool) -> int:
        out = tmp_path / f"{apart}.mp4"
        truth = mixture(
            [one], road(), out, rate=Fraction(10), passes=6, every_s=1.0, seed=5, apart=apart
        )
        meets = [
            float(np.abs(a.boxes[n - a.frames[0], 0] - b.boxes[n - b.frames[0], 0]))
            for k, a in enumerate(truth)
            for b in truth[:k]
            for n in set(a.frames.tolist()) & set(b.frames.tolist())
        ]
        return round(min(meets, default=WIDE))

    assert least_lag(apart=False) < 55
    assert least_lag(apart=True) >= 60 - 7


def test_nobody_appears_where_another_is_or_vanished(tmp_path):
    boxes = [(200 + n, 100, 20, 60) for n in range(20)]
    one = CutOut(
        boxes,
        [(x, y) for x, y, _, _ in boxes],
        [np.full((60, 20, 3), 200, np.uint8) for _ in boxes],
        [np.ones((60, 20), np.float32) for _ in boxes],
    )
    truth = mixture(
        [one], road(), tmp_path / "out.mp4", rate=Fraction(10), passes=5, every_s=3.0, seed=5
    )
    begins = sorted(int(trail.frames[0]) for trail in truth)
    assert min(np.diff(begins)) >= 20 + 30  # its way, and three seconds


@pytest.mark.footage
def test_the_mixture_of_real_cars_has_cars(footage):
    clip = SOURCES["car-detection"]
    scene = empty_scene(footage / clip.file)
    movers = known_movers(footage / clip.file, scene, clip)
    assert len(movers) == 4
    for one in movers:
        # in the middle of its way a car is whole, and longer than wide with or without a shadow
        k = len(one.boxes) // 2
        shape = one.masks[k].shape
        assert one.boxes[k][3] + 20 < shape[0]
        assert one.boxes[k][3] > 1.2 * one.boxes[k][2]


@pytest.mark.footage
def test_real_walkers_are_one_each_and_no_tape_is_theirs(footage):
    clip = SOURCES["vtest"]
    scene = empty_scene(footage / clip.file)
    movers = known_movers(footage / clip.file, scene, clip)
    assert len(movers) >= 30
    shapes = np.array([w / h for one in movers[:12] for _, _, w, h in one.boxes])
    assert np.quantile(shapes, 0.99) < 0.75  # an arm held out; the tape made it 1.2
    assert {len(one.boxes) for one in movers} & {185, 64} == set()
