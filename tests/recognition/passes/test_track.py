"""Tracks: identity through gaps, fragments and meetings; flicker is no pass."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from workbench.recognition.passes.stitching import Stitcher
from workbench.recognition.passes.track import Observation, Track, Tracker, overlap_share
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


def test_who_comes_in_beside_one_that_leaves_does_not_take_over_its_track() -> None:
    def at(i: int) -> list[Box]:
        side = max(30.0, 160 - 6 * i)  # it goes away from the camera, up and smaller
        leaves = Box(260, max(0.0, 200 - 10 * i), side, side)
        if i < 14:
            return [leaves]
        grown = min(180.0, 90.0 + 20 * (i - 14))
        comes = Box(250 - 2 * (i - 14), 360 - min(300.0, 200 + 16 * (i - 14)), grown, 300)
        comes = Box(comes.x, comes.y, comes.w, 360 - comes.y)
        if overlap_share(leaves, comes) > 0 or i < 17:  # the gate sees one region
            left, top = min(leaves.x, comes.x), min(leaves.y, comes.y)
            right = max(leaves.x + leaves.w, comes.x + comes.w)
            return [Box(left, top, right - left, 360 - top)]
        return [leaves, comes]

    def both(i: int) -> list[Box]:
        if i < 30:
            return at(i)
        gone = i - 30  # the first has left; the second goes away as that did
        side = max(40.0, 180 - 8 * gone)
        return [Box(230, max(0.0, 60 - 6 * gone), side, side * 1.4)]

    _, passes = run(both, 46)
    firsts = sorted(t.seen[0].number for t in passes)
    assert len(passes) == 2
    assert firsts[0] == 0
    assert 14 <= firsts[1] <= 18


def test_what_went_out_of_sight_behind_another_is_a_pass_with_its_own_looks_alone() -> None:
    def at(i: int) -> list[Box]:
        if i < 12:
            return [Box(40 + 16 * i, 100, 50, 40)]
        lorry = Box(180 + 4 * (i - 12), 60, 200, 140)  # stands before it from then on
        return [lorry]

    tracker = Tracker(S, 640, 360)
    for i in range(60):
        if i == 8:
            tracker.step(i, i * 100, i / 10, [*at(i), Box(420, 60, 200, 140)])
        elif i < 12:
            tracker.step(i, i * 100, i / 10, [*at(i), *([Box(420, 60, 200, 140)] if i > 8 else [])])
        else:
            tracker.step(i, i * 100, i / 10, [Box(210, 60, 410, 140)])
    small = next(t for t in tracker.finish() if t.seen[0].number == 0)
    assert not small.last.shared
    assert small.last.number <= 12
    assert tracker.is_pass(small)


def test_what_a_region_only_drags_along_has_gone_nowhere() -> None:
    track = Track.begin(Observation(0, 0, 0.0, Box(60, 100, 30, 30)))
    for i in range(1, 8):
        track.add(Observation(i, i * 100, i / 10, Box(60 + 2 * i, 100, 30, 30)))
    before = track.reach_px, track.way_px, track.moved_s, track.motion.at(2.0)
    for i in range(8, 40):
        guess = Box(60 + 12 * i, 100, 30, 30)
        track.add(Observation(i, i * 100, i / 10, guess, shared=True, guessed=True))
    assert track.reach_px > 10 * before[0]
    track.forget_guesses()
    assert track.last.number == 7
    assert (track.reach_px, track.way_px, track.moved_s, track.motion.at(2.0)) == before


def test_two_newcomers_at_once_leave_the_one_between_them_to_itself() -> None:
    tracker = Tracker(S, 640, 360)
    for i in range(16):
        tracker.step(i, i * 100, i / 10, [Box(120 + 12 * i, 130, 60, 60)])
    regions = [Box(270, 0, 130, 190), Box(270, 130, 130, 230)]  # at the upper and lower border
    tracker.step(16, 1600, 1.6, regions)
    first = next(track for track in tracker.live if track.seen[0].number == 0)
    assert first.last.guessed
    assert first.last.box.w < 80


def test_the_rest_of_a_lorry_follows_its_cab() -> None:
    def at(i: int) -> list[Box]:
        if i < 7:
            return [Box(0, 100 - 2 * i, 40 + 14 * i, 90)]  # the cab, at the left border
        return [Box(max(0.0, 10.0 * (i - 12)), 0, 420, 200)]  # and all of it, at the upper one

    _, passes = run(at, 34)
    assert len(passes) == 1
    assert passes[0].seen[0].number == 0


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
