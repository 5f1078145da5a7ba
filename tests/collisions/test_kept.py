"""A kept calibration gives the same fit again, and a broken one is refused."""

from __future__ import annotations

import numpy as np
import pytest
from make.calibrations import EIGHT, SIZE, pairs

from workbench.collisions.kept import KeptCalibration
from workbench.errors import BadInput

KEPT = KeptCalibration(
    "S01-P1", 1_795_133_700_000_000_000, "lan", SIZE, "EPSG:32648",
    tuple(pairs(EIGHT, pick_px=1.0, off_m=0.03)), reference_sha256="ab" * 32, note="máy toàn đạc",
)  # fmt: skip


def test_a_kept_calibration_comes_back_and_fits_the_same() -> None:
    again = KeptCalibration.from_json(KEPT.to_json())
    assert again == KEPT
    np.testing.assert_array_equal(again.model().draws, KEPT.model().draws)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"points": [{"x": 1}], "size_px": [1, 2]}'])
def test_a_broken_record_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        KeptCalibration.from_json(text)
