from __future__ import annotations

import os
import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.recognition.evaluate import read_picture
from workbench.recognition.models import samples
from workbench.recognition.models.sessions import suppress
from workbench.recognition.passes.detect import _quiet, detect_in, one_name_each
from workbench.recognition.types import Detection, clip
from workbench.records import KINDS, Box


def overlap(a: Box, b: Box) -> float:
    wide = max(0.0, min(a.x + a.w, b.x + b.w) - max(a.x, b.x))
    tall = max(0.0, min(a.y + a.h, b.y + b.h) - max(a.y, b.y))
    return wide * tall / (a.w * a.h + b.w * b.h - wide * tall)


def test_one_person_in_a_portrait_and_nothing_in_a_grey_field(models):
    assert [d.kind for d in models.detect(samples.portrait())] == ["person"]
    assert models.detect(samples.grey_field()) == []


def test_the_same_picture_gives_the_same_answer(models):
    assert models.detect(samples.portrait()) == models.detect(samples.portrait())


@pytest.mark.footage
def test_motorcycles_of_a_real_street_are_named(models, footage):
    folder = footage / "vn_plates_mrzaizai2k" / "test" / "images"
    found = models.detect(read_picture(folder / "clip3.2_new_0.jpg"))
    assert "motorcycle" in {d.kind for d in found}
    assert {d.kind for d in found} <= set(KINDS)
    assert all(0 <= d.score <= 1 for d in found)


def test_a_small_person_is_found_in_its_region_and_not_in_the_whole(models):
    portrait = samples.portrait()
    street = np.full((1440, 2560, 3), 96, np.uint8)
    small = portrait[::4, ::4]
    street[700:828, 1200:1328] = small
    assert models.detect(street) == []
    (person,) = detect_in(models.detect, street, Box(1200, 700, 128, 128))
    assert person.kind == "person"
    assert overlap(person.box, Box(1200, 700, 128, 128)) > 0.4


def test_regions_off_the_picture_are_empty(models):
    assert detect_in(models.detect, samples.grey_field(), Box(5000, 5000, 10, 10)) == []


def test_rival_names_of_one_object_are_one_object_and_a_rider_is_not_his_bike():
    box = Box(10, 10, 50, 80)
    found = [
        Detection(box, "car", 0.5),
        Detection(box, "truck", 0.6),
        Detection(box, "person", 0.4),
        Detection(box, "motorcycle", 0.9),
    ]
    assert [d.kind for d in one_name_each(found, 0.5)] == ["motorcycle", "truck", "person"]


sides = st.floats(1, 50)
boxes = st.tuples(st.floats(0, 100), st.floats(0, 100), sides, sides)


@given(st.lists(st.tuples(boxes, st.floats(0.01, 1)), min_size=1, max_size=12))
def test_what_is_kept_never_overlaps_and_what_goes_overlaps_a_better_one(rows):
    corners = np.array([(x, y, x + w, y + h) for (x, y, w, h), _ in rows], np.float32)
    scores = np.array([score for _, score in rows], np.float32)
    kept = suppress(corners, scores, 0.4)

    def iou(a: int, b: int) -> float:
        boxed = [Box(r[0], r[1], r[2] - r[0], r[3] - r[1]) for r in corners.astype(float)]
        return overlap(boxed[a], boxed[b])

    assert all(iou(a, b) <= 0.4001 for n, a in enumerate(kept) for b in kept[:n])
    for gone in set(range(len(rows))) - set(kept):
        assert any(iou(gone, k) > 0.3999 and scores[k] >= scores[gone] for k in kept)


@given(boxes, st.floats(0, 1))
def test_a_clipped_box_lies_in_the_picture(box, margin):
    left, top, right, bottom = clip(Box(*box), np.zeros((60, 90, 3), np.uint8), margin=margin)
    assert 0 <= left <= 90
    assert 0 <= right <= 90
    assert 0 <= top <= 60
    assert 0 <= bottom <= 60


def test_two_detectors_opened_at_once_leave_standard_error_where_it_was():
    before, inside, out = os.fstat(2), threading.Event(), threading.Event()

    def first() -> None:
        with _quiet():
            inside.set()
            out.wait(0.2)  # until the second is inside too, which it must not be

    def second() -> None:
        inside.wait()
        with _quiet():
            out.set()
            threads[0].join()

    threads = [threading.Thread(target=first), threading.Thread(target=second)]
    kept = os.dup(2)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert os.path.samestat(os.fstat(2), before)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
