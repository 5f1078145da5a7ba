"""A camera's own stream as tiles: fresh, at the width asked for, and never younger than it is."""

import itertools
import socket
import time
from threading import Event

import pytest
from lab.rtsp import RtspLab
from make.clips import make_clip, read_number

from workbench.timeline import SECOND_NS
from workbench.views.camera_stream import Arrivals, Stream
from workbench.views.sources import Picture, Silence

MS = 1_000_000


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("stream") / "numbers.mp4"
    make_clip(path, 96, rate=12, gop=12, size=(640, 360))
    return path


@pytest.fixture
def lab():
    with RtspLab() as running:
        yield running


def until(condition, seconds=10.0):
    pause, late_s = Event(), time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < late_s, "waited in vain"
        pause.wait(0.01)
    return found


def picture(stream):
    return until(lambda: (p := stream(time.time_ns())) and isinstance(p, Picture) and p)


def test_what_waited_on_its_way_is_as_old_as_it_is():
    sent = Arrivals()
    assert [sent(n * 100 * MS, (1000 + n * 100) * MS) for n in range(3)] == [
        1000 * MS, 1100 * MS, 1200 * MS
    ]  # fmt: skip
    # four seconds of it come at once, after a jam of the network
    assert sent(300 * MS, 5300 * MS) == pytest.approx(1300 * MS, abs=25 * MS)
    # a camera that was restarted begins its time anew: nothing is known of what it waited
    assert sent(-60_000 * MS, 9000 * MS) == 9000 * MS
    # no time at all: it came when it came
    assert sent(None, 9100 * MS) == 9100 * MS


def test_a_camera_clock_that_runs_slow_does_not_make_its_pictures_old():
    sent = Arrivals()
    late = [n * 100 * MS - sent(n * 99_900_000, n * 100 * MS) for n in range(36_000)]
    assert max(late) < 150 * MS


def test_pictures_have_the_widths_asked_for_and_their_own_frame(lab, clip):
    stream = Stream(lab.add("cam", clip).url, time.time_ns)
    stream.widths = {160, 256}
    try:
        shown = until(lambda: (p := picture(stream)) and set(p.jpegs) == {160, 256} and p)
        assert shown.rgb.shape == (144, 256, 3)
        assert 0 <= read_number(shown.rgb) < 96
        assert time.time_ns() - shown.at_ns < SECOND_NS
    finally:
        stream.close()


def test_pictures_that_are_left_are_made_less_often_and_never_seldom(lab, clip):
    stream = Stream(lab.add("cam", clip).url, time.time_ns)
    stream.widths = {160}
    try:
        for times, least, most in ((1.1**40, 300, 500), (0.8**40, 60, 120)):
            stream.pace(times)
            picture(stream)
            seen = {}

            def enough(seen=seen):
                shown = picture(stream)
                seen[shown.at_ns] = shown
                return len(seen) == 7

            until(enough)
            # the first was made at the pace before
            ages = sorted(seen)[2:]
            gaps = [(b - a) / MS for a, b in itertools.pairwise(ages)]
            assert least <= sum(gaps) / len(gaps) <= most
    finally:
        stream.close()


def test_a_camera_nobody_sees_makes_no_pictures_and_is_back_at_once(lab, clip):
    stream = Stream(lab.add("cam", clip).url, time.time_ns)
    try:
        stream.widths = frozenset()
        until(lambda: len(stream._kept) > 3)
        assert stream._latest is None or stream._count <= 2
        kept, count = len(stream._kept), stream._count
        stream.widths = {256}
        woken_ns = time.time_ns()
        shown = until(lambda: stream._count > count and stream._latest)
        # no waiting for the next key frame: it comes once a second
        assert kept < 13
        assert time.time_ns() - woken_ns < 600 * MS
        read_number(shown.rgb)
    finally:
        stream.close()


def test_garbage_a_hang_and_a_restart_stall_no_other_stream(lab, clip, tmp_path):
    good, bad, hung = (lab.add(name, clip) for name in ("good", "bad", "hung"))
    hung.fault("hang")
    streams = [Stream(one.url, time.time_ns) for one in (good, bad, hung)]
    try:
        picture(streams[0])
        picture(streams[1])
        bad.fault("garbage", share=1.0, whole=1)
        began, count = time.monotonic(), streams[0]._count
        until(lambda: streams[0]._count >= count + 24)
        assert time.monotonic() - began < 4
        assert streams[2](time.time_ns()) == Silence(None)
        good.drop(reset=True)
        count = streams[0]._count
        until(lambda: streams[0]._count > count)
    finally:
        for one in streams:
            one.close()


def test_a_stalled_stream_grows_old_and_then_silent(lab, clip):
    camera = lab.add("cam", clip)
    stream = Stream(camera.url, time.time_ns)
    try:
        picture(stream)
        camera.fault("stall")
        last = until(lambda: (p := stream._latest) and time.time_ns() - p.at_ns > SECOND_NS and p)
        assert stream(last.at_ns + 4 * SECOND_NS) == Silence(last.at_ns)
    finally:
        stream.close()


def test_after_the_clock_was_set_back_a_dead_stream_is_silent_and_a_living_one_goes_on(lab, clip):
    back_ns = [0]
    camera = lab.add("cam", clip)
    stream = Stream(camera.url, lambda: time.time_ns() - back_ns[0])
    try:
        last = picture(stream)
        leap_ns = 3600 * SECOND_NS
        assert stream(last.at_ns - leap_ns) == Silence(last.at_ns)
        back_ns[0] = leap_ns
        # its next pictures are of the new time, and wait for no turn of the old one
        shown = until(
            lambda: (p := stream(time.time_ns() - leap_ns)) and isinstance(p, Picture) and p
        )
        assert abs(time.time_ns() - leap_ns - shown.at_ns) < 2 * SECOND_NS
    finally:
        stream.close()


def test_a_port_that_answers_nothing_is_only_silence():
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        stream = Stream(f"rtsp://127.0.0.1:{nobody.getsockname()[1]}/x", time.time_ns)
        assert stream(time.time_ns()) == Silence(None)
        stream.close()
