"""Files of a camera while they are recorded: names, clocks, what a killed process leaves."""

from __future__ import annotations

import json
from pathlib import Path

import av
import pytest
from make.clips import make_clip

from workbench import media
from workbench.records import Loss
from workbench.streams.address import parse_address
from workbench.streams.capture import _Copying
from workbench.streams.files import Clock, recover, set_aside
from workbench.streams.gaps import derive_gaps
from workbench.streams.messages import CaptureJob, Noted, SegmentTold
from workbench.timeline import SECOND_NS, Span

RATE = 10
START_NS = 1_800_000_000 * SECOND_NS


class Machine:
    """A machine whose clocks a test turns."""

    def __init__(self):
        self.steady_ns, self.wall_ns = 5 * SECOND_NS, START_NS

    def goes_on(self, seconds):
        self.steady_ns += round(seconds * SECOND_NS)
        self.wall_ns += round(seconds * SECOND_NS)

    def clock(self):
        return Clock(lambda: self.wall_ns, lambda: self.steady_ns)


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    make_clip(path, 20 * RATE, rate=RATE, gop=RATE)
    return path


def copy(clip, folder, machine, *, segment_s=60.0, at=lambda _n: None):
    """Record a clip on a machine's clock; `at` is called before each packet. Return all told."""
    told = []
    folder.mkdir(exist_ok=True)
    job = CaptureJob("C1", parse_address(str(clip)), folder, segment_s=segment_s, picture_s=1e9)
    with av.open(str(clip)) as container:
        stream = container.streams.video[0]
        copying = _Copying(job, stream, told.append, clock=machine.clock())
        for number, packet in enumerate(p for p in container.demux(stream) if p.size):
            at(number)
            copying.take(packet, packet.pts, packet.dts)
            machine.goes_on(1 / RATE)
        copying.close()
    return told


def gaps_of(told):
    """Return the gaps between a session's files, by what they were stamped with."""
    files = [one for one in told if isinstance(one, SegmentTold)]
    spans = []
    for one in files:
        facts, index = media.index_packets(Path(one.path))
        length_ns = round((facts.stop_pts - int(index.pts[0])) * facts.tick_s * SECOND_NS)
        spans.append(Span(one.start_ns, one.start_ns + length_ns))
    losses = [Loss("C1", one.at_ns, one.cause, "") for one in told if isinstance(one, Noted)]
    return files, derive_gaps("C1", spans, losses, Span(spans[0].start_ns, spans[-1].stop_ns))


def test_a_starved_recorder_leaves_no_gap_that_no_frame_is_missing_from(clip, tmp_path):
    machine = Machine()
    starved = {35: 1.5, 90: -1.5}  # all packets of the second file are read so much too late
    files, found = gaps_of(
        copy(clip, tmp_path / "C1", machine, segment_s=4.0,
             at=lambda n: machine.goes_on(starved.get(n, 0.0)))
    )  # fmt: skip
    assert len(files) >= 2
    assert found == []


def test_a_clock_that_is_slewed_from_file_to_file_is_followed(clip, tmp_path):
    machine = Machine()

    def slew(number):
        machine.wall_ns += round(0.08 / RATE / 5 * SECOND_NS)  # 16 ms a second

    files, _ = gaps_of(copy(clip, tmp_path / "C1", machine, segment_s=4.0, at=slew))
    assert len(files) >= 4
    for n, one in enumerate(files[1:], 1):
        began_s = (one.start_ns - START_NS) / SECOND_NS
        media_s = round(began_s)
        assert began_s == pytest.approx(media_s + 0.016 * media_s, abs=0.03), n


def test_a_stream_slower_than_our_clock_is_not_placed_earlier_and_earlier(
    clip, tmp_path, monkeypatch
):
    monkeypatch.setattr("workbench.streams.capture.REMEMBERED_S", 4.0)
    machine, slow = Machine(), 0.05
    files, _ = gaps_of(
        copy(clip, tmp_path / "C1", machine, segment_s=2.0,
             at=lambda _n: machine.goes_on(slow / RATE))
    )  # fmt: skip
    assert len(files) >= 8
    for one in files:
        media_s = (int(Path(one.path).name.split(".")[0]) - START_NS) / SECOND_NS
        began_s = (one.start_ns - START_NS) / SECOND_NS
        # what two or three files before it showed, and no older ones
        assert 0 <= media_s - began_s < slow * 8, media_s


def stamped(told):
    facts, index = media.index_packets(Path(told.path))
    length_ns = round((facts.stop_pts - int(index.pts[0])) * facts.tick_s * SECOND_NS)
    return Span(told.start_ns, told.start_ns + length_ns)


@pytest.mark.parametrize("step_s", [30.0, -30.0, 0.5, 0.02])
def test_a_clock_that_is_set_is_told_and_its_gap_has_a_cause(tmp_path, clip, step_s):
    machine = Machine()

    def at(number):
        if number == 55:
            machine.wall_ns += round(step_s * SECOND_NS)

    told = copy(clip, tmp_path / "C1", machine, at=at)
    files = [one for one in told if isinstance(one, SegmentTold)]
    noted = [one for one in told if isinstance(one, Noted)]
    if abs(step_s) < 0.1:
        assert noted == []
        assert len(files) == 1
        return
    (one,) = noted
    assert (one.cause, len(files)) == ("clock", 2)
    assert f"{step_s:+.1f} s" in one.detail
    # the file before it keeps the clock it began with, the next one has the new
    assert files[0].start_ns == START_NS
    assert files[1].start_ns == START_NS + round((6 + step_s) * SECOND_NS)
    loss = Loss("C1", one.at_ns, one.cause, one.detail)
    spans = [stamped(each) for each in files]
    if step_s < 0:
        assert spans[1].start_ns < spans[0].stop_ns
        return
    (gap,) = derive_gaps("C1", spans, [loss], Span(spans[0].start_ns, spans[1].stop_ns))
    assert gap.cause == "clock"
    assert gap.span.duration_ns == pytest.approx(step_s * SECOND_NS, rel=0.01)


def test_a_clock_set_back_does_not_write_over_a_file(tmp_path, clip):
    machine = Machine()

    def at(number):
        if number and number % 20 == 0:
            machine.wall_ns, machine.steady_ns = START_NS, machine.steady_ns + 1

    told = copy(clip, tmp_path / "C1", machine, at=at)
    files = [one for one in told if isinstance(one, SegmentTold)]
    assert len({one.path for one in files}) == len(files) == 10
    assert sum(len(media.index_packets(Path(one.path))[1]) for one in files) == 20 * RATE


def test_what_a_kill_leaves_is_told_once_and_words_without_a_file_go(tmp_path, clip):
    folder = tmp_path / "C1"
    (one,) = [t for t in copy(clip, folder, Machine()) if isinstance(t, SegmentTold)]
    # killed between the two removals, once the archive had another file
    (folder / "17.json").write_text(json.dumps({"camera_id": "C1"}))
    (folder / ".18.json").write_text("{")
    assert list(recover(folder, "C1")) == [one]
    assert sorted(path.suffix for path in folder.iterdir()) == [".json", ".mp4"]


def test_what_is_set_aside_is_kept_with_the_reason(tmp_path):
    folder = tmp_path / "C1"
    folder.mkdir()
    told = SegmentTold("C1", str(folder / "17.mp4"), 17, "abc")
    for content in (b"one", b"two"):
        (folder / "17.mp4").write_bytes(content)
        (folder / "17.json").write_text("{}")
        set_aside(told, tmp_path / "aside", "no frames", 99)
    assert list(folder.iterdir()) == []
    kept = sorted((tmp_path / "aside").glob("*.mp4"))
    assert [path.read_bytes() for path in kept] == [b"one", b"two"]
    for path in kept:
        reason = json.loads(path.with_suffix(".json").read_text())
        assert (reason["why"], reason["sha256"], reason["set_aside_ns"]) == ("no frames", "abc", 99)
        assert reason["path"] == str(path)
