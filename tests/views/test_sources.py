"""Sources of live tiles: the replayed instant, the frame at it, and honest silence."""

from threading import Event

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.clips import make_clip, read_number

from workbench.timeline import SECOND_NS, Span
from workbench.views.camera_stream import Stream
from workbench.views.footage import Footage
from workbench.views.sources import (
    DAY_NS,
    HOLD_S,
    Picture,
    Replay,
    Silence,
    replay_instant,
    whole_archive,
)


@given(st.integers(0, 2**62), st.integers(0, 2**60), st.integers(1, 40 * DAY_NS), st.integers(0, 9))
def test_a_replayed_instant_lies_in_the_archive_and_moves_with_the_clock(now, start, length, step):
    archive = Span(start, start + length)
    at = replay_instant(now, archive)
    assert at in archive
    later = replay_instant(now + step, archive)
    assert (later - at - step) % min(length, DAY_NS) == 0
    if length >= DAY_NS:
        assert (at - now) % DAY_NS == 0


@pytest.fixture
def replay(small_root):
    camera = next(s.camera_id for s in small_root.segments() if s.camera_id.startswith("S26"))
    segment = small_root.segments([camera])[0]
    span = small_root.utc_span(segment)
    # the archive's clock is the test's clock: an instant replays itself
    whole = Span(span.start_ns, span.stop_ns + 60 * SECOND_NS)
    return Replay(
        small_root,
        Footage(small_root),
        camera,
        lambda: whole,
    ), span


def test_the_replayed_frame_is_the_one_on_at_that_instant(replay):
    source, span = replay
    for tenths in (0, 1, 5, 6, 150, 20, 299):
        shown = source(span.start_ns + tenths * SECOND_NS // 10 + 1_000_000)
        assert isinstance(shown, Picture)
        assert shown.state == "replay"
        assert read_number(shown.rgb) == 9000 + tenths
        assert shown.at_ns == span.start_ns + tenths * SECOND_NS // 10


def test_where_nothing_was_recorded_there_is_silence_since_the_last_frame(replay):
    source, span = replay
    assert isinstance(source(span.start_ns + 1), Picture)
    assert source(span.stop_ns + 5 * SECOND_NS) == Silence(span.stop_ns)


def test_an_empty_archive_is_silent(small_root):
    assert Replay(small_root, Footage(small_root), "S26-P1", lambda: None)(0) == Silence(None)


def test_the_whole_archive_spans_its_cameras(small_root):
    whole = whole_archive(small_root)
    for segment in small_root.segments():
        span = small_root.utc_span(segment)
        assert whole.start_ns <= span.start_ns < span.stop_ns <= whole.stop_ns


def wait_for_picture(source, now):
    pause = Event()
    for _ in range(500):
        shown = source(now())
        if isinstance(shown, Picture):
            return shown
        pause.wait(0.02)
    raise AssertionError("no picture within ten seconds")


def test_a_stream_is_live_and_grows_silent(tmp_path):
    clip = tmp_path / "camera.mp4"
    make_clip(clip, 40, rate=20)
    clock = [10**18]
    source = Stream(str(clip), lambda: clock[0])
    try:
        shown = wait_for_picture(source, lambda: clock[0])
        assert shown.state == "live"
        read_number(shown.rgb)
        source.close()
        at = source(clock[0]).at_ns
        assert source(at + int((HOLD_S + 1) * SECOND_NS)) == Silence(at)
    finally:
        source.close()


def test_a_stream_that_is_not_there_is_silent_and_says_never(tmp_path):
    source = Stream(str(tmp_path / "nothing.mp4"), lambda: 0)
    source.close()
    assert source(0) == Silence(None)
