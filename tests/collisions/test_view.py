"""Has the camera moved since it was calibrated?"""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from make.calibrations import EIGHT, SIZE, pairs
from numpy.typing import NDArray

from workbench.collisions.calibration import fit_ground
from workbench.collisions.view import compare_view, refuse_moved
from workbench.errors import BadInput

MODEL = fit_ground(pairs(EIGHT), SIZE, draws=20)


def street(seed: int = 101) -> NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    picture = np.full((720, 1280), 110, np.uint8)
    for _ in range(250):
        x, y = int(rng.integers(0, 1240)), int(rng.integers(0, 690))
        w, h = int(rng.integers(8, 60)), int(rng.integers(8, 40))
        cv2.rectangle(picture, (x, y), (x + w, y + h), int(rng.integers(30, 220)), -1)
    return cv2.GaussianBlur(picture, (0, 0), 1.0)


def later(picture: NDArray, dx: float, dy: float, seed: int = 7) -> NDArray[np.uint8]:
    """Shift, darken, add noise and a lorry."""
    rng = np.random.default_rng(seed)
    moved = cv2.warpAffine(picture, np.float32([[1, 0, dx], [0, 1, dy]]), (1280, 720))
    cv2.rectangle(moved, (500, 200), (800, 420), 60, -1)
    noisy = 0.8 * moved + 12 + rng.normal(0, 3, moved.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def test_the_same_view_in_other_light_with_a_lorry_is_the_same() -> None:
    shift = compare_view(MODEL, street(), later(street(), 0, 0))
    assert not shift.moved
    refuse_moved(shift)


def test_a_knocked_camera_is_refused_with_its_shift() -> None:
    shift = compare_view(MODEL, street(), later(street(), 14, -6))
    assert shift.shift_px == pytest.approx(15.2, abs=1.5)
    with pytest.raises(BadInput, match=r"moved since it was calibrated: 1[4-7] px"):
        refuse_moved(shift)


def test_another_street_or_another_size_gives_no_answer() -> None:
    with pytest.raises(BadInput, match="too little"):
        compare_view(MODEL, street(), street(102))
    with pytest.raises(BadInput, match="too little"):
        compare_view(MODEL, street(), np.full((720, 1280), 90, np.uint8))
    with pytest.raises(BadInput, match="640x360"):
        compare_view(MODEL, street(), street()[::2, ::2])
