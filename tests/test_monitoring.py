"""Recording as a whole: real processes, real streams; the cameras play clips at their own pace."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from unittest.mock import Mock

import av
import numpy as np
import pytest
from make.clips import make_clip, read_number
from typer.testing import CliRunner

from workbench import media
from workbench.cli import app as cli
from workbench.errors import BadInput, Refused, Unavailable
from workbench.investigation import open_workbench
from workbench.monitoring import open_monitoring
from workbench.records import Affected, IncidentRecord, Loss, Purpose
from workbench.streams import clock_fixes, new_fixes
from workbench.streams.fragments import whole_bytes
from workbench.streams.gaps import derive_gaps
from workbench.streams.messages import SegmentTold
from workbench.timeline import SECOND_NS, Span

RATE = 12
CAMERAS = ("S01-P1", "S01-P2")


def write_addresses(root, addresses):
    table = root / "ward" / "cameras.csv"
    rows = list(csv.DictReader(table.open()))
    for row in rows:
        row["stream_url"] = str(addresses.get(row["camera_id"], ""))
    with table.open("w") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def long_clip(tmp_path_factory):
    clip = tmp_path_factory.mktemp("camera") / "clip.mp4"
    make_clip(clip, 60 * RATE, rate=RATE, gop=RATE, bframes=2, size=(160, 96))
    return clip


@pytest.fixture
def root(tmp_path, ward_folder, long_clip):
    folder = tmp_path / "root"
    open_workbench(folder, actor="t", create_from=ward_folder)
    write_addresses(folder, dict.fromkeys(CAMERAS, long_clip))
    return folder


def until(condition, seconds=90.0):
    """Wait for a condition with a deadline and return what it gave."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        threading.Event().wait(0.05)
    raise AssertionError("it did not come to pass")


def soon(condition, seconds=40.0):
    """Return a `stopped` for the recorder: the condition, or a failure after a deadline."""
    end = time.monotonic() + seconds

    def stopped():
        if time.monotonic() > end:
            raise AssertionError("it did not come to pass")
        return condition()

    return stopped


def grown(root, camera):
    """Return how many bytes of whole fragments a camera's growing file holds."""
    return max(
        (whole_bytes(path) for path in (root / "recording" / camera).glob("*.growing.mp4")),
        default=0,
    )


def recorded_numbers(wb, segment):
    index = wb.frame_index(segment)
    path = wb.file(segment)
    run = media.decode(path, index, 0, len(index))
    return [read_number(media.to_rgb(frame)) for _, frame in run]


def test_what_is_recorded_is_whole_indexed_hashed_and_without_a_gap(root):
    house, wb = open_monitoring(root, actor="t"), open_workbench(root, actor="t")

    def enough():
        return all(len(wb.segments([camera])) >= 3 for camera in CAMERAS)

    house.record(segment_s=2, stopped=soon(enough))
    for camera in CAMERAS:
        segments = wb.segments([camera])
        shown = [number for one in segments for number in recorded_numbers(wb, one)]
        # frame after frame over the borders of files; the very end may cut B-frames off
        assert shown[:-3] == list(range(len(shown) - 3))
        whole = Span(segments[0].stamped.start_ns, segments[-1].stamped.stop_ns)
        assert house.gaps(whole, [camera]) == []
        assert whole.duration_ns == pytest.approx(len(shown) / RATE * SECOND_NS, rel=0.1)
        # stamped by the recorder's clock, which is right
        assert abs(whole.stop_ns - house.status()[0]) < 5 * SECOND_NS
        assert all(oct(wb.file(one).stat().st_mode)[-3:] == "444" for one in segments)
    assert wb.verify() == []
    assert not list((root / "recording").glob("*/[0-9]*"))
    assert {status.cause for status in house.status()[1].values()} == {"stopped"}
    assert [entry.action for entry in wb.audit()][-3:] == ["record.start", "record.stop", "verify"]


def test_a_second_recorder_is_refused_while_one_runs(root):
    house = open_monitoring(root, actor="t")
    refused = []

    def try_another():
        if house.is_recording() and not refused:
            with pytest.raises(Refused, match="another recorder"):
                open_monitoring(root, actor="t").record()
            refused.append(True)
        return bool(refused)

    house.record(segment_s=2, stopped=soon(try_another))
    assert not house.is_recording()


@pytest.mark.slow
def test_killed_at_any_instant_it_loses_no_more_than_the_open_fragment(root):
    wb, house = open_workbench(root, actor="t"), open_monitoring(root, actor="t")
    command = [sys.executable, "-m", "workbench.cli", "record", str(root), "--segment", "3"]
    ends = []
    for whole_kb in (1, 4, 7):
        process = subprocess.Popen(command, start_new_session=True, stderr=subprocess.DEVNULL)
        began_ns = time.time_ns()
        try:
            until(lambda kb=whole_kb: all(grown(root, camera) > kb * 1000 for camera in CAMERAS))
            until(lambda ns=began_ns: house.status()[0] > ns)
        finally:
            # every process of the recorder at once, as with the power
            os.killpg(process.pid, signal.SIGKILL)
        ends.append(time.time_ns())
        process.wait()
    before = len(wb.segments())

    def back():
        return all(
            any(one.stamped.start_ns > ends[-1] for one in wb.segments([camera]))
            for camera in CAMERAS
        )

    house.record(segment_s=2, stopped=soon(back))
    assert len(wb.segments()) > before
    for camera in CAMERAS:
        segments = wb.segments([camera])
        stops = [one.stamped.stop_ns for one in segments]
        starts = [one.stamped.start_ns for one in segments]
        for killed_ns in ends:
            last = max((stop for stop in stops if stop <= killed_ns + SECOND_NS // 2), default=0)
            assert killed_ns - last < 1.6 * SECOND_NS
        gaps = house.gaps(Span(starts[0], stops[-1]), [camera])
        assert gaps
        assert {gap.cause for gap in gaps} == {"not recording"}
    assert wb.verify() == []


def test_a_process_that_is_killed_is_started_again_and_the_gap_has_its_cause(root):
    house, wb = open_monitoring(root, actor="t"), open_workbench(root, actor="t")
    killed = []

    def kill_one_then_wait():
        growing = list((root / "recording" / CAMERAS[0]).glob("*.growing.mp4"))
        if growing and not killed and grown(root, CAMERAS[0]):
            killed.extend(writers_of(growing[0]))
            os.kill(killed[0], signal.SIGKILL)
        return any("killed" in note for one in wb.segments() for note in one.notes) and (
            len(wb.segments([CAMERAS[0]])) >= 3
        )

    house.record(segment_s=2, stopped=soon(kill_one_then_wait))
    (one, other) = (wb.segments([camera]) for camera in CAMERAS)
    whole = Span(one[0].stamped.start_ns, one[-1].stamped.stop_ns)
    (gap,) = house.gaps(whole, [CAMERAS[0]])
    assert gap.cause == "killed"
    assert gap.span.duration_ns < 4 * SECOND_NS
    untouched = Span(other[0].stamped.start_ns, other[-1].stamped.stop_ns)
    assert house.gaps(untouched, [CAMERAS[1]]) == []


def writers_of(path):
    """Return the processes that hold a file open."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if path in [handle.readlink() for handle in (process / "fd").iterdir()]:
                found.append(int(process.name))
    return found


def test_an_absent_camera_is_lost_with_its_cause_and_hides_no_other(root, long_clip):
    write_addresses(root, {CAMERAS[0]: root / "no-such.mp4", CAMERAS[1]: long_clip})
    house, wb = open_monitoring(root, actor="t"), open_workbench(root, actor="t")
    house.record(segment_s=2, stopped=soon(lambda: len(wb.segments([CAMERAS[1]])) >= 2))
    (loss, *more) = open_monitoring(root, actor="t")._store.upkeep.losses([CAMERAS[0]])
    assert loss.cause == "unreachable"
    assert [one.cause for one in more] == ["stopped"]  # told once, not at every try
    assert wb.segments([CAMERAS[0]]) == []


def test_clips_that_another_system_writes_into_a_folder_are_taken_as_they_are(root, long_clip):
    theirs = root.parent / "theirs"
    theirs.mkdir()
    shutil.copy2(long_clip, theirs / "clip.mp4")
    write_addresses(root, {CAMERAS[0]: theirs})
    house, wb = open_monitoring(root, actor="t"), open_workbench(root, actor="t")
    seen = set()

    def taken():
        seen.add(house.status()[1][CAMERAS[0]].state if house.status()[1] else "")
        return len(wb.segments()) == 1 and "recording" in seen

    house.record(stopped=soon(taken))
    (segment,) = wb.segments([CAMERAS[0]])
    assert wb.file(segment).read_bytes() == long_clip.read_bytes()
    assert (theirs / "clip.mp4").read_bytes() == long_clip.read_bytes()
    stop_ns = (theirs / "clip.mp4").stat().st_mtime_ns
    assert abs(segment.stamped.stop_ns - stop_ns) < SECOND_NS // 5
    fix = house._store.clock_fixes(CAMERAS[0])[-1]
    assert "another system" in fix.note
    assert fix.sigma_ns == 2 * SECOND_NS
    assert wb.verify() == []


def test_a_file_that_holds_no_footage_is_set_aside_and_told_of(root):
    house, wb = open_monitoring(root, actor="t"), open_workbench(root, actor="t")
    folder = root / "recording" / CAMERAS[0]
    folder.mkdir(parents=True)
    (folder / "1700000000000000000.mp4").write_bytes(b"no footage at all")

    def enough():
        return all(len(wb.segments([camera])) >= 2 for camera in CAMERAS)

    house.record(segment_s=2, stopped=soon(enough))
    (path,) = house.quarantined()
    assert path == house.quarantine / CAMERAS[0] / "1700000000000000000.mp4"
    assert path.read_bytes() == b"no footage at all"
    assert json.loads(path.with_suffix(".json").read_text())["why"]
    assert not list(folder.glob("[0-9]*"))
    loss = next(one for one in house._store.upkeep.losses([CAMERAS[0]]) if one.cause == "broken")
    assert loss.at_ns == 1700000000000000000
    assert path.name in loss.detail
    assert "quarantine" in [entry.action for entry in wb.audit()]
    assert house.waiting() == (0, "")
    told = CliRunner().invoke(cli, ["health", str(root)])
    assert "1 recorded files hold no footage" in told.output
    assert told.exit_code == 1


@pytest.mark.parametrize("left", [b"", b'{"at_ns": 17', None])
def test_after_a_power_cut_the_newest_file_says_when_the_recorder_ended(root, left):
    house, wb = open_monitoring(root, actor="t"), open_workbench(root, actor="t")
    house.record(
        CAMERAS[:1], segment_s=2, stopped=soon(lambda: len(wb.segments([CAMERAS[0]])) >= 2)
    )
    status = root / "recording" / "status.json"
    # told to stop, and then the status was lost: no loss is made up
    status.unlink()
    assert house.last_footage(CAMERAS) == {}
    # killed: the last file is newer than the last word
    growing = root / "recording" / CAMERAS[0] / "1700000000000000000.growing.mp4"
    growing.write_bytes(b"")
    if left is not None:
        status.write_bytes(left)
    last_ns = growing.stat().st_mtime_ns + 5 * SECOND_NS
    os.utime(growing, ns=(last_ns, last_ns))
    assert house.last_footage(CAMERAS) == {CAMERAS[0]: last_ns}
    house.record(stopped=soon(lambda: True))
    (loss,) = (one for one in house._store.upkeep.losses() if one.cause == "not recording")
    assert (loss.camera_id, loss.at_ns) == (CAMERAS[0], last_ns)


@pytest.mark.parametrize(
    ("cameras", "addresses", "said"),
    [
        (None, {}, "no camera of this ward has a stream_url"),
        (["S01-P1"], {}, "has no stream_url"),
        (["S99-P1"], {}, "S99-P1"),
        (None, {"S01-P1": "gopher://x"}, "no address of a stream"),
    ],
)
def test_bad_input_is_one_sentence(root, cameras, addresses, said):
    write_addresses(root, addresses)
    with pytest.raises(BadInput, match=said):
        open_monitoring(root, actor="t").record(cameras)


def test_nothing_secret_reaches_the_status_the_log_or_the_process_list(root):
    write_addresses(root, {CAMERAS[0]: "rtsp://127.0.0.1:1/main"})
    secrets = root / "credentials.toml"
    secrets.write_text('[default]\nuser = "ward"\npassword = "hush-hush"\n')
    secrets.chmod(0o600)
    house = open_monitoring(root, actor="t")
    lists = []

    def lost():
        listed = subprocess.run(["ps", "axww", "-o", "args"], capture_output=True, text=True)
        lists.append(listed.stdout)
        return house.status()[1].get(CAMERAS[0], None) and any(
            one.cause == "unreachable" for one in house.status()[1].values()
        )

    house.record(stopped=soon(lost))
    told = json.dumps([entry.details for entry in open_workbench(root, actor="t").audit()])
    told += (root / "recording" / "status.json").read_text()
    told += "".join(loss.detail for loss in house._store.upkeep.losses())
    assert "refused" in told
    assert "hush" not in told + "".join(lists)


def test_health_is_watched_kept_and_explained(root, long_clip):
    missing = root / "no-such.mp4"
    write_addresses(root, {CAMERAS[0]: missing, CAMERAS[1]: long_clip})
    house = open_monitoring(root, actor="t", translate=str)
    start_ns = time.time_ns()
    told = {}

    def checked():
        told.update(house.status()[1])
        return time.time_ns() - start_ns > 12 * SECOND_NS and told[CAMERAS[0]].why

    house.record(segment_s=2, stopped=soon(checked))
    assert "%" in told[CAMERAS[0]].why
    assert CAMERAS[0] in told[CAMERAS[0]].why
    assert told[CAMERAS[1]].why == ""
    health = house.health(Span(start_ns, time.time_ns()))
    assert set(health.camera.values) == set(CAMERAS)
    lost, sound = (health.sel(camera=camera) for camera in CAMERAS)
    assert lost.connected.max() == 0
    assert set(lost.cause.values[lost.connected.values == 0]) == {"unreachable"}
    assert sound.connected.max() == 1
    assert RATE / 2 < float(sound.fps.max()) < RATE * 1.3  # the first check begins before it
    assert np.isfinite(sound.brightness.values).any()


def test_a_reference_is_set_by_a_person_and_used_from_the_next_start(root, monkeypatch):
    house, wb = open_monitoring(root, actor="t"), open_workbench(root, actor="t")
    with pytest.raises(BadInput, match="was recorded in the last minutes"):
        house.set_reference(CAMERAS[0], "day")
    house.record(segment_s=2, stopped=soon(lambda: len(wb.segments([CAMERAS[0]])) >= 3))
    assert house.references(CAMERAS[0]) == []
    house.set_reference(CAMERAS[0], "day")
    (reference,) = house.references(CAMERAS[0])
    assert reference.light == "day"
    assert reference.fps == pytest.approx(RATE, rel=0.1)
    assert wb.audit()[-1].action == "reference"
    # another one takes its place: the first is kept, and the case and its reason are logged
    asked, purpose = [], Purpose("HL-7", "đặt ảnh mẫu")
    house.set_reference(CAMERAS[0], "day", purpose=purpose, allow=asked.append)
    (span,) = asked
    assert span.start_ns < reference.at_ns
    entry = wb.audit()[-1]
    assert (entry.action, entry.case_id, entry.reason) == ("reference", "HL-7", "đặt ảnh mẫu")
    kept = root / "references" / f"{CAMERAS[0]}-day.{reference.at_ns}.npz"
    assert kept.name in entry.details
    with np.load(kept) as earlier:
        assert int(earlier["at_ns"]) == reference.at_ns
    (newer,) = house.references(CAMERAS[0])
    assert newer.at_ns > reference.at_ns

    def refuse(_span):
        raise Refused("the case is closed")

    with pytest.raises(Refused, match="closed"):
        house.set_reference(CAMERAS[0], "day", allow=refuse)
    # footage that cannot be read is a sentence, and the reference stays
    for segment in wb.segments([CAMERAS[0]]):
        path = wb.file(segment)
        path.chmod(0o644)
        path.write_bytes(b"no footage")
    with pytest.raises(BadInput, match="cannot read"):
        house.set_reference(CAMERAS[0], "day")
    for trouble in (av.InvalidDataError(1, "torn"), OSError("the disk is gone")):
        monkeypatch.setattr(house.reference_book, "key_frames", Mock(side_effect=trouble))
        with pytest.raises(Unavailable, match="cannot be read"):
            house.set_reference(CAMERAS[0], "day")
    assert house.references(CAMERAS[0])[0].at_ns == newer.at_ns


def test_an_incident_closes_although_the_clock_was_set_back_meanwhile(root):
    house = open_monitoring(root, actor="t")
    lost_ns = time.time_ns()
    back_ns = lost_ns - 3600 * SECOND_NS
    one = Affected(CAMERAS[0], lost_ns, "stalled", back_ns=back_ns)
    incident = IncidentRecord("I1", "lost", lost_ns, (one,), closed_ns=back_ns)
    kept = house.keep_incident(incident, {})
    assert kept.lost_s == 0
    assert house.incidents(only_open=True) == []


# -- pure parts ---------------------------------------------------------------------------------


def seconds(start, stop):
    return Span(round(start * SECOND_NS), round(stop * SECOND_NS))


def test_gaps_are_explained_by_the_losses_inside_them_alone():
    losses = [
        Loss("C", 10 * SECOND_NS, "stalled", ""),
        Loss("C", 30 * SECOND_NS, "unreachable", ""),
        Loss("C", 32 * SECOND_NS, "denied", ""),
    ]
    covered = [seconds(0, 9), seconds(12, 29), seconds(40, 50), seconds(50.15, 60), seconds(63, 70)]
    found = derive_gaps("C", covered, losses, seconds(0, 70))
    assert [(gap.cause, [loss.cause for loss in gap.losses]) for gap in found] == [
        ("stalled", ["stalled"]),
        ("unreachable", ["unreachable", "denied"]),
        (None, []),
    ]
    (late,) = derive_gaps("C", covered, losses, seconds(35, 40))
    assert late.cause == "unreachable"  # its outage began before the window
    assert late.span == seconds(35, 40)


def test_a_camera_whose_clock_is_wrong_is_not_believed(root):
    segment = None

    class _Segment:
        stamped = seconds(0, 30)

    segment = _Segment()
    near = clock_fixes(SegmentTold("C", "", 0, rtcp_offset_ns=-120_000_000), segment)
    assert [fix.method for fix in near] == ["ntp", "rtcp"]
    assert near[-1].offset_ns == -120_000_000
    far = clock_fixes(SegmentTold("C", "", 0, rtcp_offset_ns=-3600 * SECOND_NS), segment)
    assert [fix.method for fix in far] == ["rtcp", "ntp"]
    assert far[-1].offset_ns == 0
    (alone,) = clock_fixes(SegmentTold("C", "", 0, recovered=True), segment)
    assert alone.sigma_ns > far[-1].sigma_ns
    assert alone.valid == segment.stamped


def test_a_clock_that_stays_as_it_was_is_written_down_once():
    class _Segment:
        def __init__(self, start, stop):
            self.stamped = seconds(start, stop)

    def of(n, offset_ms=None, recovered=False):
        offset_ns = None if offset_ms is None else offset_ms * 10**6
        told = SegmentTold("C", "", 0, rtcp_offset_ns=offset_ns, recovered=recovered)
        return told, _Segment(30 * n, 30 * n + 30)

    known = []
    rows = []
    for case in (of(0), of(1), of(2, -100), of(3, -120), of(4, recovered=True), of(5, -90),
                 of(6, -400), of(7, -9_000), of(8, -9_010), of(9)):  # fmt: skip
        new = new_fixes(*case, known)
        known += new
        rows.append([fix.method for fix in new])
    assert rows == [
        ["ntp"], [], ["ntp", "rtcp"], [], ["ntp"], [], ["ntp", "rtcp"], ["rtcp", "ntp"], [], [],
    ]  # fmt: skip


@pytest.mark.parametrize("asked", [None, list(CAMERAS)])
def test_one_cameras_unusable_address_costs_the_others_nothing_and_is_said(root, long_clip, asked):
    first, second = CAMERAS
    write_addresses(root, {first: "ftp://10.0.0.7/main", second: long_clip})
    checked = CliRunner().invoke(cli, ["ward", "check", str(root)])
    assert checked.exit_code == 1
    assert f"{first}, stream_url" in checked.output
    house = open_monitoring(root, actor="t")
    house.record(asked, stopped=soon(lambda: list(house.folder.glob("*/*.growing.mp4"))))
    assert {one.camera_id for one in house._store.segments()} == {second}
    assert "ftp://10.0.0.7/main" in house.waiting()[1]
    (gap,) = house.gaps(Span(house.now() - 3600 * SECOND_NS, house.now()), [first])
    assert any("ftp://10.0.0.7/main" in loss.detail for loss in gap.losses)
    write_addresses(root, {first: "ftp://10.0.0.7/main"})
    with pytest.raises(BadInput, match="ftp"):
        open_monitoring(root, actor="t").record(asked and [first])
