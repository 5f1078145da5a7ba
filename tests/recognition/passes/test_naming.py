"""Meetings: what shares a moving region is parted, kept and let go by what the detector draws."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from workbench.recognition.passes.naming import Namer
from workbench.recognition.passes.track import Track, Tracker
from workbench.recognition.settings import Settings
from workbench.recognition.types import Detection
from workbench.records import Box

S = Settings()
Drawn = Callable[[int], list[Detection]]


class Shown:
    """Stands where the detector before a frame does, with known answers."""

    def __init__(self, found: list[Detection]) -> None:
        self.found, self.asked = found, []

    def near(self, region: Box, margin: float, least_px: float = 0.0) -> list[Detection]:
        self.asked.append((region, margin, least_px))
        return self.found


def walker(x: float, y: float = 100.0) -> Detection:
    return Detection(Box(x, y, 20, 60), "person", 0.8)


def around(found: list[Detection]) -> Box:
    left, top = min(d.box.x for d in found), min(d.box.y for d in found)
    right = max(d.box.x + d.box.w for d in found)
    bottom = max(d.box.y + d.box.h for d in found)
    return Box(left, top, right - left, bottom - top)


def follow(drawn: Drawn, regions: Callable[[int], list[Box]], n: int, look: bool) -> list[Track]:
    """Follow `n` pictures; every fifth the detector looks at each meeting and each loose region."""
    tracker, namer = Tracker(S, 640, 360), Namer(S)
    for i in range(n):
        tracker.step(i, i * 100, i / 10, regions(i))
        if not look or i % 5 or i < 5:
            continue
        met = tracker.meetings or [(t.last.box, [t]) for t in tracker.live]
        for region, tracks in met:
            namer.meet(tracker, region, tracks, Shown(drawn(i)), i, i * 100, i / 10)
    return [t for t in tracker.finish() if tracker.is_pass(t)]


def ways(passes: list[Track]) -> list[float]:
    return sorted(round(t.last.box.x - t.seen[0].box.x) for t in passes)


def test_two_who_walk_together_are_two() -> None:
    def drawn(i: int) -> list[Detection]:
        return [walker(50 + 4 * i), walker(78 + 4 * i)]

    def regions(i: int) -> list[Box]:
        return [around(drawn(i))]

    assert len(follow(drawn, regions, 60, look=False)) == 1
    assert len(follow(drawn, regions, 60, look=True)) == 2


def test_one_who_stops_where_another_passes_is_not_carried_along() -> None:
    def drawn(i: int) -> list[Detection]:
        # one walks up to the other's way and stands there; the other goes on past him
        return [walker(50 + 4.0 * min(i, 25)), walker(270 - 4.0 * i)]

    def regions(i: int) -> list[Box]:
        a, b = drawn(i)
        return [around([a, b])] if abs(b.box.x - a.box.x) < 40 else [a.box, b.box]

    assert ways(follow(drawn, regions, 60, look=True)) == [-236, 100]


def test_who_is_hidden_for_a_moment_stays_and_who_is_gone_ends() -> None:
    tracker, namer = Tracker(S, 640, 360), Namer(S)

    def step(i: int, shown: list[Detection]) -> None:
        region = Box(60 + 4 * i, 100, 60, 60)
        tracker.step(i, i, i / 10, [region])
        namer.meet(tracker, region, list(tracker.live), Shown(shown), i, i, i / 10)

    for i in range(12):
        step(i, [walker(60 + 4 * i), walker(100 + 4 * i)])
    assert len(tracker.live) == 2
    for i in range(12, 12 + S.meet_undrawn - 1):
        step(i, [walker(60 + 4 * i)])
    assert len(tracker.live) == 2
    step(12 + S.meet_undrawn, [walker(60 + 4 * (12 + S.meet_undrawn))])
    assert len(tracker.live) == 1
    assert [len(track.seen) > 10 for track in tracker.take_ended()] == [True]


@pytest.mark.parametrize("found", [[], [Detection(Box(400, 10, 20, 60), "person", 0.9)]])
def test_a_look_that_shows_nothing_of_them_changes_nothing(found: list[Detection]) -> None:
    tracker, namer = Tracker(S, 640, 360), Namer(S)
    for i in range(20):
        tracker.step(i, i, i / 10, [Box(60 + 4 * i, 100, 60, 60)])
    (track,) = tracker.live
    before = list(track.seen)
    namer.meet(tracker, track.last.box, [track], Shown(found), 20, 20, 2.0)
    assert tracker.live == [track]
    assert track.seen == before
    assert not track.named


def test_half_a_thing_drawn_beside_the_whole_begins_nothing() -> None:
    tracker, namer = Tracker(S, 640, 360), Namer(S)
    for i in range(20):
        tracker.step(i, i, i / 10, [Box(60 + 4 * i, 100, 60, 60)])
    whole = Detection(Box(136, 100, 60, 60), "car", 0.9)
    half = Detection(Box(140, 104, 30, 50), "person", 0.8)
    namer.meet(
        tracker, tracker.live[0].last.box, list(tracker.live), Shown([whole, half]), 20, 20, 2
    )
    assert len(tracker.live) == 1


def test_a_closer_look_is_kept_and_a_rider_is_drawn_with_what_he_rides() -> None:
    tracker, namer = Tracker(S, 640, 360), Namer(S)
    for i in range(5):
        tracker.step(i, i * 100, i / 10, [Box(100 + 6.0 * i, 90, 60, 90)])
    rider = Detection(Box(130, 95, 25, 50), "person", 0.8)
    bike = Detection(Box(126, 120, 40, 55), "motorcycle", 0.7)
    (track,) = tracker.live
    namer.look_closer(tracker, [track], Shown([rider, bike]), 4, 400, 0.4)
    (look,) = track.looks
    assert (look.at, look.drawn) == (track.last, Box(126, 95, 40, 80))
    # a look at another frame than the one it was last seen on says nothing of where it moved
    namer.look_closer(tracker, [track], Shown([rider, bike]), 5, 500, 0.5)
    assert len(track.looks) == 1
