"""Faces to hide are followed through the frames in which nobody sees them, both ways, to a cut."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workbench.bench.blur import boxes_of, score, share_hidden
from workbench.recognition.faces.hiding import HOLD_S, MARGIN, faces_of_clip, hide
from workbench.recognition.types import Face
from workbench.records import Box

RNG = np.random.default_rng(3)
FACE = RNG.integers(60, 255, (40, 32), np.uint8)
SIZE = (320, 180)


def place(number):
    return Box(40.0 + 4 * number, 60.0 + number, 32.0, 40.0)


def frame(number, level=40):
    picture = np.full((180, 320), level, np.uint8)
    box = place(number)
    picture[int(box.y) : int(box.y) + 40, int(box.x) : int(box.x) + 32] = FACE
    return picture


def holds(boxes, box):
    return share_hidden(box, boxes, (SIZE[1], SIZE[0])) >= 0.9


def test_a_face_is_hidden_before_it_is_seen_and_after_it_was_seen_last():
    frames = [frame(n) for n in range(30)]
    seen = [[place(n)] if n in (14, 15) else [] for n in range(30)]
    hidden = hide(frames, [n / 25 for n in range(30)], seen, SIZE)
    assert all(holds(hidden[n], place(n)) for n in range(30))


def test_it_ends_a_second_after_it_was_seen_last():
    times = [n / 10 for n in range(30)]
    frames = [frame(0)] * 30
    hidden = hide(frames, times, [[place(0)] if n == 15 else [] for n in range(30)], SIZE)
    there = [times[n] for n in range(30) if hidden[n]]
    assert min(there) == pytest.approx(1.5 - HOLD_S)
    assert max(there) == pytest.approx(1.5 + HOLD_S)
    wide = [box.w for (box, *_) in (hidden[n] for n in (15, 20, 25))]
    assert wide[0] == pytest.approx(32 * (1 + 2 * MARGIN))
    assert wide == sorted(wide)  # the longer unseen, the wider


def test_a_cut_ends_it_both_ways():
    frames = [frame(0)] * 5 + [np.full((180, 320), 200, np.uint8)] * 5 + [frame(0)] * 5
    seen = [[place(0)] if n in (2, 12) else [] for n in range(15)]
    hidden = hide(frames, [n / 25 for n in range(15)], seen, SIZE)
    assert [bool(boxes) for boxes in hidden] == [True] * 5 + [False] * 5 + [True] * 5


def test_two_faces_are_followed_apart_and_nothing_comes_of_nothing():
    frames = [frame(n) for n in range(10)]
    other = Box(250.0, 20.0, 20.0, 24.0)
    seen = [[place(n)] + ([other] if n == 9 else []) for n in range(10)]
    hidden = hide(frames, [n / 25 for n in range(10)], seen, SIZE)
    assert all(holds(hidden[n], place(n)) and holds(hidden[n], other) for n in range(10))
    assert hide(frames, [n / 25 for n in range(10)], [[]] * 10, SIZE) == [[]] * 10
    assert hide([], [], [], SIZE) == []


@given(st.lists(st.booleans(), min_size=1, max_size=12))
def test_whatever_is_seen_in_a_frame_is_hidden_there(which):
    frames = [frame(n) for n in range(len(which))]
    seen = [[place(n)] if one else [] for n, one in enumerate(which)]
    hidden = hide(frames, [n / 5 for n in range(len(which))], seen, SIZE)
    assert all(holds(hidden[n], place(n)) for n, one in enumerate(which) if one)


def test_a_clip_is_looked_at_frame_by_frame_and_within_what_is_asked():
    asked = []

    def find(picture, box):
        asked.append(box)
        return [Face(place(2), 0.9, np.zeros((5, 2), np.float32))] if len(asked) == 3 else []

    frames = ((n / 25, np.dstack([frame(n)] * 3)) for n in range(5))
    hidden, seen = faces_of_clip(frames, find, within=lambda n: Box(n, 0, 9, 9))
    assert [box.x for box in asked] == [0, 1, 2, 3, 4]
    assert [len(one) for one in seen] == [0, 0, 1, 0, 0]
    assert all(holds(hidden[n], place(n)) for n in range(5))


def test_the_bench_counts_what_a_person_counted(request):
    path = request.config.rootpath / "tests" / "golden" / "faces_by_eye.json"
    people = json.loads(path.read_text("utf-8"))["clips"]["short_hamilton_clip"]["people"]
    clear = [one for one in people if one["kind"] == "clear"]
    counts = np.zeros(275, int)
    for one in clear:
        for number, box in boxes_of(one, 275):
            counts[number] += 1
            assert box.x >= 0
            assert box.x + box.w <= 641
            assert box.y + box.h <= 361
    assert (counts > 0).all()
    assert counts.sum() == 487
    nothing = score([[]] * 275, people, (360, 640))
    assert nothing["clear"]["missed"] == 487
    all_of_it = score([[Box(0, 0, 640, 360)]] * 275, people, (360, 640))
    assert (all_of_it["clear"]["recall"], all_of_it["dim"]["recall"]) == (1.0, 1.0)
    assert all_of_it["picture hidden, mean share"] == 1.0
