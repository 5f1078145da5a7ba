"""Packets on their way to disk: handfuls, arrival times, open groups of pictures."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import av
import cv2
import pytest
from lab.hearing import Heard, recording
from make.clips import make_clip, paint_number, read_number

from workbench import media
from workbench.streams import CaptureJob, clock_fixes, parse_address, record
from workbench.streams.messages import Beat, Looked, Lost, SegmentTold
from workbench.streams.packets import ParameterSets, arriving, gathered
from workbench.timeline import SECOND_NS, Span

RATE = 12


class Packet:
    size, dts, time_base = 1, None, Fraction(1, 1000)


class Line:
    """A camera of 25 frames/s at the end of a line, on a clock of the test's."""

    def __init__(self, monkeypatch, reading_s, offset_s=50.0):
        self.now_s, self.reading_s, self.offset_s = 1000.0, reading_s, offset_s
        self.slept = 0
        self.late_s = []
        monkeypatch.setattr("workbench.streams.packets.time.monotonic", lambda: self.now_s)
        monkeypatch.setattr("workbench.streams.packets.time.sleep", self._sleep)

    def _sleep(self, seconds):
        self.slept += 1
        self.now_s += seconds

    def packets(self, count):
        began_s = self.now_s
        for number in range(count):
            packet = Packet()
            packet.dts = round(1000 * (number / 25 + self.offset_s))
            self.now_s = max(self.now_s, began_s + number / 25) + self.reading_s
            self.late_s.append(self.now_s - began_s - number / 25)
            yield packet


def test_packets_that_lie_there_are_taken_without_a_wait(monkeypatch):
    line = Line(monkeypatch, 0.0001)
    assert len(list(gathered(line.packets(2500)))) == 2500
    # of 100 s: a handful each .28 s
    assert 300 < line.slept < 400
    assert max(line.late_s) < 0.26
    assert sum(late < 0.001 for late in line.late_s) >= line.slept


@pytest.mark.parametrize("reading_s", [0.003, 0.01, 0.03])
def test_a_slow_reader_does_not_fall_behind(monkeypatch, reading_s):
    line = Line(monkeypatch, reading_s)
    assert len(list(gathered(line.packets(2500)))) == 2500
    assert max(line.late_s[25:]) < 0.6
    assert sorted(line.late_s)[len(line.late_s) // 10] < 0.3


def test_pictures_without_times_get_the_instant_they_came():
    now_ns = [7 * SECOND_NS]

    def coming():
        for wait_s in (0.5, 0.5, 0.0, 2.0):
            now_ns[0] += round(wait_s * SECOND_NS)
            yield Packet()

    placed = list(arriving(coming(), Fraction(1, 10_000), lambda: now_ns[0]))
    assert [(pts, dts) for _, pts, dts in placed] == [
        (at, at) for at in (5_000, 10_000, 10_001, 30_000)
    ]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
@pytest.mark.parametrize("suffix", [".ts", ".mp4"])
@pytest.mark.parametrize("open_gop", [True, False])
def test_open_groups_are_told_from_closed_ones(tmp_path, codec, suffix, open_gop):
    clip = tmp_path / f"a{suffix}"
    make_clip(clip, 5 * RATE, rate=RATE, gop=RATE, bframes=2, open_gop=open_gop, codec=codec)
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        sets = ParameterSets(stream.codec_context.name, stream.codec_context.extradata)
        keys = [sets.closed(p) for p in container.demux(stream) if p.size and p.is_keyframe]
    assert keys[0]
    assert len(keys) > 3
    # (some versions of x264 mark only some groups open)
    assert all(keys) is not open_gop


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_every_frame_that_the_index_names_decodes_where_groups_are_open(tmp_path, lab, codec):
    clip = tmp_path / "open.mp4"
    make_clip(clip, 30 * RATE, rate=RATE, gop=RATE, bframes=2, open_gop=True, codec=codec)
    camera = lab.add("C1", clip)
    try:
        with recording(tmp_path, camera, segment_s=1.2) as heard:
            heard.wait(lambda: len(heard.of("C1", SegmentTold)) >= 3)
    finally:
        camera.remove()
    seen = []
    files = heard.of("C1", SegmentTold)
    for told in files:
        _, index = media.index_packets(Path(told.path))
        run = list(media.decode(Path(told.path), index, 0, len(index)))
        assert [pts for pts, _ in run] == index.pts.tolist()
        seen.append([read_number(media.to_rgb(frame)) for _, frame in run])
    for one, other in pairwise(seen):
        assert one == list(range(one[0], one[0] + len(one)))
        assert 0 <= other[0] - one[-1] - 1 <= 2  # the pictures that leaned over the border


class _Mjpeg(BaseHTTPRequestHandler):
    """A camera that sends JPEGs at its own pace, without a word of time."""

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        began_s = time.monotonic()
        for number in range(10_000):
            if self.server.over.wait(
                max(0.0, began_s + number / self.server.fps - time.monotonic())
            ):
                return
            picture = cv2.cvtColor(paint_number(number), cv2.COLOR_RGB2BGR)
            data = cv2.imencode(".jpg", picture)[1].tobytes()
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(data)}\r\n\r\n"
            try:
                self.wfile.write(head.encode() + data + b"\r\n")
            except OSError:
                return

    def log_message(self, *_words):
        pass


@pytest.fixture
def mjpeg():
    with ThreadingHTTPServer(("127.0.0.1", 0), _Mjpeg) as server:
        server.fps, server.over = 7.0, threading.Event()
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.over.set()
        server.shutdown()
        thread.join()


def test_pictures_over_http_are_stamped_by_their_arrival(tmp_path, mjpeg):
    heard, stop = Heard(), threading.Event()
    address = parse_address(f"http://127.0.0.1:{mjpeg.server_port}/video.cgi")
    job = CaptureJob("C1", address, tmp_path / "C1", segment_s=2.0, picture_s=1.0)
    thread = threading.Thread(target=record, args=([job], heard, stop.is_set))
    thread.start()
    try:
        heard.wait(lambda: len(heard.of("C1", SegmentTold)) >= 2)
    finally:
        stop.set()
        thread.join()
    assert [lost.cause for lost in heard.of("C1", Lost)] == ["stopped"]
    assert heard.of("C1", Looked)
    assert heard.of("C1", Beat)
    shown, stops = [], []
    for told in heard.of("C1", SegmentTold)[:2]:
        assert told.stamps == "arrival"
        facts, index = media.index_packets(Path(told.path))
        run = media.decode(Path(told.path), index, 0, len(index))
        shown += [read_number(media.to_rgb(frame)) for _, frame in run]
        length_s = float((index.pts[-1] - index.pts[0]) * facts.tick_s)
        # FFmpeg would call it 25 frames a second; a busy machine lets pictures come in bursts
        assert (len(index) - 1) / length_s == pytest.approx(mjpeg.fps, rel=0.5)
        stops.append((told.start_ns, told.start_ns + round(length_s * SECOND_NS)))
    assert shown == list(range(shown[0], shown[0] + len(shown)))
    between_s = (stops[1][0] - stops[0][1]) / SECOND_NS
    assert between_s == pytest.approx(1 / mjpeg.fps, abs=0.1)
    stamped = type("S", (), {"stamped": Span(*stops[0])})
    assert "the stream has no times" in clock_fixes(heard.of("C1", SegmentTold)[0], stamped)[0].note


def test_nothing_heavy_is_forked_with_each_camera():
    heavy = ("xarray", "pandas", "duckdb", "scipy", "dask", "panel")
    asked = (
        f"import sys, workbench.streams.capture; print([m for m in {heavy} if m in sys.modules])"
    )
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
