"""Cast shadows: a box ends where its thing does, and things that only a shadow joins come apart."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from workbench.recognition.passes.shadows import Corners, without_shadow
from workbench.recognition.settings import Settings

HEIGHT, WIDTH = 120, 200
Picture = NDArray[np.uint8]


def road(seed: int = 1) -> Picture:
    """A grainy grey road, as the gate sees it."""
    grain = np.random.default_rng(seed).normal(130, 6, (HEIGHT, WIDTH, 1))
    return np.repeat(np.clip(grain, 0, 255), 3, axis=2).astype(np.uint8)


def shaded(picture: Picture, box: Corners, factor: float = 0.55, soft: float = 1.0) -> Picture:
    shade = np.ones((HEIGHT, WIDTH), np.float32)
    shade[box[1] : box[3], box[0] : box[2]] = factor
    shade = cv2.GaussianBlur(shade, (0, 0), soft)
    return (picture * shade[..., None]).astype(np.uint8)


def painted(picture: Picture, box: Corners, seed: int = 2) -> Picture:
    """A thing of several colours, none of them the road's darkened."""
    left, top, right, bottom = box
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 255, ((bottom - top + 3) // 4, (right - left + 3) // 4, 3))
    patches[..., 0] = 200  # red all over: no shadow is
    large = np.kron(patches, np.ones((4, 4, 1))).astype(np.uint8)
    out = picture.copy()
    out[top:bottom, left:right] = large[: bottom - top, : right - left]
    return out


def seen(picture: Picture, background: Picture) -> tuple[Picture, Corners]:
    """The mask of a picture and the box of all that is in it."""
    apart = cv2.absdiff(picture, background).max(2)
    mask = cv2.compare(cv2.medianBlur(apart, 3), 16, cv2.CMP_GT)
    x, y, w, h = cv2.boundingRect(mask)
    return mask, (x, y, x + w, y + h)


def cut(picture: Picture, background: Picture, settings: Settings | None = None) -> list[Corners]:
    mask, box = seen(picture, background)
    return without_shadow(box, mask, picture, background, settings or Settings())


def near(found: Corners, true: Corners, most: int = 3) -> bool:
    return bool(np.abs(np.subtract(found, true)).max() <= most)


def test_a_walker_far_away_is_as_wide_as_the_walker() -> None:
    background, walker = road(), (60, 40, 70, 70)
    picture = painted(shaded(background, (60, 64, 95, 70)), walker)
    mask, whole = seen(picture, background)
    assert whole[2] > 90
    (found,) = without_shadow(whole, mask, picture, background, Settings())
    assert near(found, walker)


def test_a_vehicle_near_by_is_as_wide_as_the_vehicle() -> None:
    background, vehicle = road(), (50, 20, 110, 80)
    picture = painted(shaded(background, (50, 45, 150, 82), soft=2), vehicle)
    (found,) = cut(picture, background)
    assert near(found, vehicle, 5)


def test_a_strip_that_is_all_soft_border_is_cut_off() -> None:
    background, walker = road(), (60, 40, 70, 70)
    picture = painted(shaded(background, (60, 65, 95, 69), factor=0.3, soft=1.6), walker)
    (found,) = cut(picture, background)
    assert near(found, walker)


def test_how_even_a_shadow_is_is_asked_inside_it_alone() -> None:
    background, walker = road(), (60, 30, 70, 70)
    picture = painted(shaded(background, (60, 58, 95, 70), factor=0.4, soft=0.5), walker)
    (found,) = cut(picture, background, replace(Settings(), cast_even_share=0.8))
    assert near(found, walker)


def test_two_walkers_that_a_shadow_joins_are_two() -> None:
    background, one, other = road(), (50, 34, 60, 70), (84, 44, 94, 70)
    picture = painted(painted(shaded(background, (50, 64, 94, 70)), one), other, seed=3)
    left, right = sorted(cut(picture, background))
    assert near(left, one)
    assert near(right, other)


def test_wide_things_do_not_come_apart_at_a_dark_middle() -> None:
    background = road()
    front, rear = (40, 20, 80, 90), (120, 20, 160, 90)
    picture = painted(painted(shaded(background, (40, 70, 160, 90)), front), rear, seed=3)
    assert len(cut(picture, background)) == 1


def test_where_no_shadow_falls_nothing_is_cut() -> None:
    background, thing = road(), (60, 30, 100, 80)
    picture = painted(background, thing)
    mask, box = seen(picture, background)
    assert without_shadow(box, mask, picture, background, Settings()) == [box]


def test_something_coloured_low_beside_a_thing_is_no_shadow() -> None:
    background = road()
    picture = painted(painted(background, (60, 40, 70, 70)), (70, 64, 95, 70), seed=4)
    mask, box = seen(picture, background)
    assert without_shadow(box, mask, picture, background, Settings()) == [box]


def test_something_brighter_low_beside_a_thing_is_no_shadow() -> None:
    background = road()
    picture = painted(shaded(background, (60, 64, 95, 70), factor=1.6), (60, 40, 70, 70))
    mask, box = seen(picture, background)
    assert without_shadow(box, mask, picture, background, Settings()) == [box]


def test_what_the_border_cuts_is_left_as_it_is() -> None:
    background = road()
    picture = painted(shaded(background, (0, 64, 40, 70)), (0, 40, 16, 70))
    mask, box = seen(picture, background)
    assert without_shadow(box, mask, picture, background, Settings()) == [box]


@given(
    st.integers(2, 120), st.integers(2, 60), st.integers(1, 70), st.integers(1, 50),
    st.integers(0, 2**31),
)  # fmt: skip
def test_boxes_stay_inside_the_box_and_hold_something(
    left: int, top: int, width: int, height: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    background, picture = rng.integers(0, 256, (2, HEIGHT, WIDTH, 3), dtype=np.uint8)
    mask = np.where(rng.random((HEIGHT, WIDTH)) < rng.random(), 255, 0).astype(np.uint8)
    box = (left, top, left + width, top + height)
    found = without_shadow(box, mask, picture, background, Settings())
    assert found
    for a, b, c, d in found:
        assert left <= a < c <= box[2]
        assert top <= b < d <= box[3]
