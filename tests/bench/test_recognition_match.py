"""The yardstick itself: planted losses and swaps must show in its figures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from workbench.bench.recognition_match import Trail, identity, paired
from workbench.bench.recognition_passes import box_fits


def way(name: str, x: float, y: float, *, frames: int = 40, step: float = 3.0) -> Trail:
    at = np.arange(frames)
    boxes = np.stack(
        [x + step * at, np.full(frames, y), np.full(frames, 30.0), np.full(frames, 20.0)], 1
    )
    return Trail(name, at, boxes)


TRUTH = [way("a", 0, 0), way("b", 0, 100), way("c", 200, 200, step=-3)]


def f1(found: list[Trail]) -> float:
    score = identity(TRUTH, found)
    return 2 * score.idtp / (2 * score.idtp + score.idfp + score.idfn)


def test_what_is_found_as_it_was_has_full_marks() -> None:
    assert paired(TRUTH, TRUTH) == [0, 1, 2]
    assert f1(TRUTH) == 1


def test_a_lost_pass_is_missed_by_its_own_name() -> None:
    found = [TRUTH[0], TRUTH[2]]
    assert paired(TRUTH, found) == [0, None, 1]
    assert f1(found) == pytest.approx(2 * 80 / (2 * 80 + 40))


def test_swapped_identities_cost_what_their_frames_weigh() -> None:
    a, b = TRUTH[0], TRUTH[1]
    half = np.arange(40)[:, None] < 20
    swapped = [
        replace(a, boxes=np.where(half, a.boxes, b.boxes)),
        replace(b, boxes=np.where(half, b.boxes, a.boxes)),
        TRUTH[2],
    ]
    assert f1(swapped) == pytest.approx((20 + 20 + 40) / 120)


def test_one_found_pass_answers_for_one_true_one() -> None:
    twice = [TRUTH[0], replace(TRUTH[0], name="again")]
    pairs = paired(TRUTH, twice)
    assert [j for j in pairs if j is not None] == [0] or [j for j in pairs if j is not None] == [1]
    assert f1(twice) < f1(TRUTH[:1])


def test_the_box_of_a_row_is_judged_on_its_own_frame() -> None:
    def row(n: int, *box: float) -> dict[str, float]:
        return {"pts": 10 * n, **dict(zip(("box_x", "box_y", "box_w", "box_h"), box, strict=True))}

    # b is missed; of a the row's box is right, of c it is twice as wide
    found = [TRUTH[0], TRUTH[2]]
    rows = [row(5, 15, 0, 30, 20), row(7, 179, 200, 60, 20)]
    ticks = np.arange(60) * 10
    assert box_fits(ticks, rows, found, TRUTH) == pytest.approx([1.0, 0.5])
    # on a frame on which the thing is not in sight, it shows nothing
    assert box_fits(ticks, [row(55, 15, 0, 30, 20), rows[1]], found, TRUTH)[0] == 0.0
