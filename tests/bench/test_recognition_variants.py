"""Crops made worse for the bench: every kind of every readable plate, halves apart, by the seed."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.bench.recognition_variants import BUILT_ON, KINDS, variants
from workbench.recognition.evaluate import TruePlate
from workbench.records import Box


def scene(signs: str):
    picture = np.random.default_rng(5).integers(0, 255, (300, 400, 3)).astype(np.uint8)
    unread = TruePlate(Box(20, 20, 40, 30), "")
    return "a.jpg", picture, [TruePlate(Box(120, 90, 150, 100), signs), unread]


@pytest.mark.parametrize("built_on", [True, False])
def test_each_half_has_its_own_plates_and_each_plate_a_crop_of_each_kind(built_on: bool) -> None:
    ours, others = sorted(BUILT_ON)[0], "99B112345"
    pictures = [scene(ours), scene(others)]
    found = variants(pictures, built_on=built_on)
    assert set(found) == set(KINDS)
    for crops in found.values():
        assert [signs for _, signs in crops] == [ours if built_on else others]
        assert min(crops[0][0].shape[:2]) >= 8
    again = variants(pictures, built_on=built_on)
    assert all((found[kind][0][0] == again[kind][0][0]).all() for kind in KINDS)
    shapes = {crops[0][0].shape[1] for crops in found.values()}
    assert len(shapes) > 3
    assert 40 <= found["40 to 60 px wide"][0][0].shape[1] <= 75
