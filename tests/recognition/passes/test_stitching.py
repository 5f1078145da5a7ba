"""Passes are closed as early as can be, and are the ones that the whole footage would give."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.recognition.passes.stitching import Stitcher
from workbench.recognition.passes.track import Observation, Track, Tracker, affinity
from workbench.recognition.settings import Settings
from workbench.records import Box

S = Settings()
FPS = 10


def all_at_once(tracks: list[Track]) -> list[Track]:
    """Stitch with everything known: what the early answers must come to."""
    done: list[Track] = []
    for track in sorted(tracks, key=lambda t: (t.seen[0].number, t.seen[0].box.x)):
        best, most = None, 0.3
        for one in done:
            gap_s = track.seen[0].t_s - one.last.t_s
            if 0 < gap_s <= S.stitch_s and len(one.seen) >= S.pass_least_looks:
                fit = affinity(one.motion.at(track.seen[0].t_s), track.seen[0].box)
                if fit > most:
                    best, most = one, fit
        if best is None:
            done.append(track)
        else:
            best.take(track)
    return done


movers = st.lists(
    st.tuples(
        st.integers(0, 60),  # first step
        st.integers(1, 50),  # steps
        st.floats(0, 300),  # x
        st.floats(0, 40),  # y: little, so that they meet and pass for each other
        st.floats(-14, 14),  # px a step
        st.integers(0, 30),  # hidden from this step of its own
        st.integers(0, 18),  # for so many steps
    ),
    min_size=1,
    max_size=7,
)


def boxes(scene: list[tuple], step: int) -> list[Box]:
    found = []
    for first, length, x, y, pace, hidden, hiding in scene:
        n = step - first
        if 0 <= n < length and not hidden <= n < hidden + hiding:
            found.append(Box(x + pace * n, y, 40, 30))
    return found


def told(tracks: list[Track]) -> list[list[tuple]]:
    return sorted([(o.number, o.box.x, o.box.y) for o in track.seen] for track in tracks)


@settings(max_examples=300, deadline=None)
@given(movers)
def test_closed_one_by_one_they_are_the_passes_of_the_whole(scene: list[tuple]) -> None:
    early, late = Tracker(S, 640, 360), Tracker(S, 640, 360)
    stitcher, closed = Stitcher(S), []
    for step in range(120):
        for tracker in (early, late):
            tracker.step(step, step * 100, step / FPS, boxes(scene, step))
        now = stitcher.settle(step / FPS, early.take_ended(), early.live)
        before = [len(track.seen) for track in closed]
        closed += now
        assert [len(track.seen) for track in closed[: len(before)]] == before
    closed += stitcher.finish(early.finish())
    known = all_at_once([track for track in late.finish() if len(track.seen) > 1])
    assert told(closed) == told(known)


pieces = st.lists(
    st.tuples(
        st.integers(0, 40),  # first step
        st.integers(1, 40),  # steps
        st.floats(0, 60),  # x: so near that each could go on as any other
        st.floats(-6, 6),  # px a step
    ),
    min_size=2,
    max_size=8,
    # no two tracks begin with the same box in the same frame: each takes a detection of its own
    unique_by=lambda piece: (piece[0], piece[2]),
)
COAST = 12


def grown(piece: tuple, step: int) -> Observation | None:
    first, length, x, pace = piece
    n = step - first
    if not 0 <= n < length:
        return None
    return Observation(step, step * 100, step / FPS, Box(x + pace * n, 0, 40, 30))


@settings(max_examples=600, deadline=None)
@given(pieces)
def test_pieces_that_vie_for_each_other_are_joined_as_in_the_whole(scene: list[tuple]) -> None:
    stitcher, closed = Stitcher(S), []
    tracks: list[dict[int, Track]] = [{}, {}]
    live: dict[int, Track] = {}
    for step in range(100):
        ended = [n for n, track in live.items() if step - track.last.number > COAST]
        for n, piece in enumerate(scene):
            at = grown(piece, step)
            for made in tracks if at else ():
                if n in made:
                    made[n].add(at)
                else:
                    made[n] = Track.begin(at)
            if at:
                live[n] = tracks[0][n]
        now = stitcher.settle(step / FPS, [live.pop(n) for n in ended], list(live.values()))
        closed += now
    closed += stitcher.finish(list(live.values()))
    whole = all_at_once([track for track in tracks[1].values() if len(track.seen) > 1])
    assert told(closed) == told(whole)


def test_a_pass_is_closed_soon_after_its_end_while_another_goes_on() -> None:
    tracker, stitcher = Tracker(S, 640, 360), Stitcher(S)
    closed = {}
    for step in range(120):
        seen = [Box(5 * step, 300, 40, 30)] + ([Box(12 * step, 20, 40, 30)] if step < 30 else [])
        tracker.step(step, step * 100, step / FPS, seen)
        for track in stitcher.settle(step / FPS, tracker.take_ended(), tracker.live):
            closed[step / FPS] = track
    (at_s,) = closed
    assert at_s == pytest.approx(2.9 + S.stitch_s, abs=0.21)


def test_a_pass_whose_next_piece_is_on_its_way_is_kept() -> None:
    tracker, stitcher = Tracker(S, 640, 360), Stitcher(S)
    for step in range(100):
        seen = [] if 20 <= step < 38 else [Box(4 * step, 100, 60, 40)]
        tracker.step(step, step * 100, step / FPS, seen)
        assert not stitcher.settle(step / FPS, tracker.take_ended(), tracker.live)
    (whole,) = stitcher.finish(tracker.finish())
    assert [whole.seen[0].number, whole.last.number] == [0, 99]
