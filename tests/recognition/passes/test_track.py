"""Tracks: identity through gaps, fragments and meetings; flicker is no pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.recognition.passes.stitching import Stitcher
from workbench.recognition.passes.track import Track, Tracker, overlap_share
from workbench.recognition.settings import Settings
from workbench.records import Box

S = Settings()


def run(at: Callable[[int], list[Box]], n: int, fps: int = 10) -> tuple[Tracker, list[Track]]:
    tracker = Tracker(S, 640, 360)
    for i in range(n):
        tracker.step(i, i * 100, i / fps, at(i))
    return tracker, [t for t in Stitcher(S).finish(tracker.finish()) if tracker.is_pass(t)]


def car(i: int, y: float = 100.0, speed: float = 12.0) -> Box:
    return Box(10 + speed * i, y, 60, 40)


def test_one_thing_is_one_pass_with_every_frame() -> None:
    _, passes = run(lambda i: [car(i)], 30)
    assert len(passes) == 1
    assert [o.pts for o in passes[0].seen] == [100 * i for i in range(30)]


def test_a_gap_behind_a_post_does_not_break_a_pass() -> None:
    _, passes = run(lambda i: [] if 12 <= i < 20 else [car(i)], 32)
    assert len(passes) == 1


def test_two_that_cross_stay_two() -> None:
    def at(i: int) -> list[Box]:
        a, b = Box(10 + 12 * i, 100, 50, 50), Box(400 - 12 * i, 110, 50, 50)
        if overlap_share(a, b) > 0:  # the gate sees one blob
            left, right = min(a.x, b.x), max(a.x, b.x) + 50
            return [Box(left, 100, right - left, 60)]
        return [a, b]

    _, passes = run(at, 32)
    assert len(passes) == 2
    ends = sorted(t.last.box.x - t.seen[0].box.x for t in passes)
    assert ends[0] < -300
    assert ends[1] > 300


def test_fragments_are_one_thing() -> None:
    def at(i: int) -> list[Box]:
        whole = car(i)
        if i % 3 == 2:  # the windscreen vanishes in the road
            return [Box(whole.x, 100, 26, 40), Box(whole.x + 32, 100, 28, 40)]
        return [whole]

    _, passes = run(at, 30)
    assert len(passes) == 1


def test_two_that_part_become_two() -> None:
    def at(i: int) -> list[Box]:
        if i < 8:
            return [Box(100 + 5 * i, 100, 80, 60)]
        return [
            Box(100 + 5 * i - 8 * (i - 8), 100, 36, 60),
            Box(146 + 5 * i + 8 * (i - 8), 100, 36, 60),
        ]

    _, passes = run(at, 40)
    assert len(passes) == 2


def test_leaves_flicker_and_tape_are_no_passes() -> None:
    rng = np.random.default_rng(5)

    def at(i: int) -> list[Box]:
        leaves = Box(200 + 6 * np.sin(i), 50, 60, 50)
        flicker = [Box(*rng.integers(0, 300, 2), 12, 12)] if i % 2 else []
        tape = Box(300 + i, 300, 120, 8)
        return [leaves, tape, *flicker]

    assert run(at, 80)[1] == []


def test_a_burnt_in_clock_does_not_hold_the_quicker_pace() -> None:
    tracker = Tracker(S, 640, 360)
    lively = []
    for i in range(300):
        digits = [Box(100 + 8 * (i // 10 % 3), 10, 20, 14)] if i % 10 < 3 else []
        tracker.step(i, i, i / 10, digits)
        lively.append(any(tracker.is_lively(track, i / 10) for track in tracker.live))
    assert not any(lively[150:])
    for i in range(300, 310):
        tracker.step(i, i, i / 10, [car(i - 300)])
        assert any(tracker.is_lively(track, i / 10) for track in tracker.live)


def test_a_track_given_up_is_no_longer_held() -> None:
    tracker = Tracker(S, 640, 360)
    for i in range(int(10 * S.hold_new_s) + 20):
        tracker.step(i, i, i / 10, [Box(100, 100, 40, 40)])
    assert len(tracker.live) == 1
    assert tracker.held(tracker.live[0].last.t_s) == []


def test_the_same_boxes_give_the_same_tracks() -> None:
    def at(i: int) -> list[Box]:
        return [car(i), car(i, 200, 8), car(30 - i, 260, 9)]

    first, second = run(at, 30)[1], run(at, 30)[1]
    assert [t.seen for t in first] == [t.seen for t in second]
    assert len(first) == 3
