"""Known lengths: with points, in their place, or as a check; refused where they say too little."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.calibrations import (
    EIGHT,
    LADDER,
    LADDER_ENDS,
    SIX,
    SIZE,
    known_lengths,
    pairs,
    pinhole,
)
from numpy.typing import NDArray

from workbench.collisions import KeptCalibration, KnownLength, fit_ground, read_lengths
from workbench.collisions.calibration import GroundModel, map_points
from workbench.errors import BadInput

WAYS = ((0, 1), (1, 2), (0, 2))
THERE = np.array([(-2.0, 13.0), (2.0, 20.0), (-2.0, 27.0)])
TRUE_M = np.array([np.linalg.norm(THERE[a] - THERE[b]) for a, b in WAYS])
HEAD = "x1_px,y1_px,x2_px,y2_px,length_m"


def apart(model: GroundModel) -> NDArray:
    """Return (3, 3): 2.5, 50 and 97.5 % of three distances on the road."""
    at = model.ground_draws(map_points(pinhole(), THERE))
    drawn = np.stack([np.linalg.norm(at[:, a] - at[:, b], axis=1) for a, b in WAYS], axis=1)
    return np.percentile(drawn, [2.5, 50, 97.5], axis=0)


def test_exact_lengths_alone_give_exact_distances_and_say_that_they_know_no_more() -> None:
    model = fit_ground([], SIZE, lengths=known_lengths())
    at = model.ground(map_points(pinhole(), THERE))
    found = [np.linalg.norm(at[a] - at[b]) for a, b in WAYS]
    assert found == pytest.approx(TRUE_M, abs=1e-3)
    assert model.kind == "lengths"
    assert model.inflation == 1.0
    assert abs(model.length_off_m).max() < 1e-3
    assert np.nanmax(abs(model.length_left_out_m)) < 1e-2
    # up the picture is the second axis
    ahead = model.ground(np.array([(640.0, 400.0), (640.0, 300.0)]))
    assert ahead[1, 1] > ahead[0, 1]


@settings(max_examples=4, deadline=None)
@given(order=st.permutations(range(len(LADDER_ENDS))), turned=st.lists(st.booleans(), min_size=12))
def test_neither_the_order_of_lengths_nor_of_their_ends_matters(
    order: list[int], turned: list[bool]
) -> None:
    lengths = known_lengths(LADDER, 1.0, 0.05)
    other = [
        replace(
            lengths[k], x1_px=lengths[k].x2_px, y1_px=lengths[k].y2_px, x2_px=lengths[k].x1_px,
            y2_px=lengths[k].y1_px,
        ) if turned[k] else lengths[k]
        for k in order
    ]  # fmt: skip
    px = map_points(pinhole(), THERE)
    before, after = (
        fit_ground([], SIZE, lengths=some, draws=20).ground(px) for some in (lengths, other)
    )
    for a, b in WAYS:
        assert np.linalg.norm(before[a] - before[b]) == pytest.approx(
            np.linalg.norm(after[a] - after[b]), abs=1e-3
        )


def test_the_95_per_cent_interval_of_a_distance_holds_95_times_in_100() -> None:
    held = []
    for seed in range(16):
        low, _, high = apart(
            fit_ground([], SIZE, lengths=known_lengths(LADDER, 1.0, 0.05, seed), draws=80)
        )
        held.append((low <= TRUE_M) & (high >= TRUE_M))
    assert np.mean(held) >= 0.87


def test_beside_points_of_a_map_lengths_narrow_what_they_leave_open_and_it_still_holds() -> None:
    widths, held = {0: [], 12: []}, []
    for seed in range(8):
        points = pairs(SIX, "map", 1.0, 0.3, seed)
        for count, wide in widths.items():
            lengths = known_lengths(LADDER, 1.0, 0.05, 500 + seed)[:count]
            model = fit_ground(points, SIZE, lengths=lengths, draws=80)
            low, _, high = apart(model)
            wide.append(high - low)
            if count:
                held.append((low <= TRUE_M) & (high >= TRUE_M))
                assert model.kind == "map"  # of the least certain
    assert np.median(widths[12]) < 0.5 * np.median(widths[0])
    assert np.mean(held) >= 0.85


def test_a_length_that_checks_changes_nothing_and_says_how_far_it_is_off() -> None:
    points = pairs(EIGHT, pick_px=1.0, off_m=0.03)
    checks = [replace(one, use="check") for one in known_lengths(LADDER, 1.0, 0.05)[:3]]
    plain, checked = fit_ground(points, SIZE), fit_ground(points, SIZE, lengths=checks)
    np.testing.assert_array_equal(plain.draws, checked.draws)
    assert checked.length_off_m == pytest.approx([0, 0, 0], abs=0.4)
    np.testing.assert_array_equal(checked.length_off_m, checked.length_left_out_m)


@pytest.mark.parametrize(
    ("lengths", "word"),
    [
        (known_lengths()[:5], "5 known lengths between"),
        (known_lengths(ends=[(0, 1), (2, 3), (4, 5), (6, 7)] * 2), "the same way"),
        (known_lengths(ends=LADDER_ENDS[:10], pick_px=1.0), "unsure by"),  # sides, no diagonal
        ([*known_lengths()[:11], replace(known_lengths()[11], length_m=9.0)], "disagree"),
        ([*known_lengths()[:11], replace(known_lengths()[11], length_m=0.0)], "not above 0"),
        ([*known_lengths()[:11], replace(known_lengths()[11], sigma_m=0.0)], "not above 0"),
        ([*known_lengths()[:11], KnownLength(5, 5, 6, 6, 1.0)], "under 5 px"),
        (known_lengths(LADDER * [0.12, 0.08] + [0, 20]), "of the picture"),
    ],
)
def test_lengths_that_say_too_little_are_refused_with_the_reason(
    lengths: list[KnownLength], word: str
) -> None:
    with pytest.raises(BadInput, match=word):
        fit_ground([], SIZE, lengths=lengths)


def test_a_wrong_length_beside_points_is_named_and_few_points_stay_too_few() -> None:
    points = pairs(EIGHT, pick_px=1.0, off_m=0.03)
    wrong = replace(known_lengths(LADDER, 1.0, 0.05)[3], length_m=12.0)
    with pytest.raises(BadInput, match="length 1 disagrees with the others: 12"):
        fit_ground(points, SIZE, lengths=[wrong])
    with pytest.raises(BadInput, match="length 1 contradicts the calibration: 12"):
        fit_ground(points, SIZE, lengths=[replace(wrong, use="check")])
    with pytest.raises(BadInput, match="4 points are too few"):
        fit_ground(points[:4], SIZE, lengths=known_lengths(LADDER, 1.0, 0.05))


def test_a_kept_calibration_by_lengths_fits_the_same_and_one_of_before_is_read() -> None:
    kept = KeptCalibration(
        "S01-P1", 1, "lan", SIZE, "", (), lengths=tuple(known_lengths(LADDER, 1.0))
    )
    again = KeptCalibration.from_json(kept.to_json())
    assert again == kept
    np.testing.assert_array_equal(again.model().draws, kept.model().draws)
    before = KeptCalibration("S01-P1", 1, "lan", SIZE, "", tuple(pairs(EIGHT))).to_json()
    assert KeptCalibration.from_json(before.replace('"lengths": []', '"note": ""')).lengths == ()


def test_a_sheet_of_lengths() -> None:
    found = read_lengths(f"{HEAD},sigma_m,use,name\n1,2,3,40,6.00,,,ô đỗ\n1,2,3,50,6.1,0.02,check,")
    assert found == [
        KnownLength(1, 2, 3, 40, 6.0, 0.05, "fit"), KnownLength(1, 2, 3, 50, 6.1, 0.02, "check"),
    ]  # fmt: skip
    for text, sentence in (
        ("x1_px,y1_px\n1,2", "does not name the columns"),
        (f"{HEAD},use\n1,2,3,4,5,maybe", "row 2: 'maybe' is no use"),
        (f"{HEAD}\n1,2,3,4,long", "row 2: 'long' is no number for length_m"),
    ):
        with pytest.raises(BadInput, match=sentence):
            read_lengths(text, where="dai.csv")
