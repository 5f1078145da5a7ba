"""The recorder before cameras that misbehave: real RTSP, faults on command."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from lab.hearing import numbers, recording
from make.clips import make_clip

from workbench import media
from workbench.streams.messages import Beat, Looked, Lost, Noted, Opened, SegmentTold

RATE = 15


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    made = {}
    for name, options in {
        "plain": {},
        "bframes": {"bframes": 2},
        "larger": {"size": (320, 192), "first_number": 2000},
    }.items():
        made[name] = folder / f"{name}.mp4"
        make_clip(made[name], 40 * RATE, rate=RATE, gop=RATE, **options)
    return made


@pytest.fixture
def cameras(lab, clips):
    """Add cameras that are gone after the test."""
    added = []

    def add(name, clip="plain", **options):
        camera = lab.add(name, clips[clip], **options)
        added.append(camera)
        return camera

    yield add
    for camera in added:
        camera.remove()


@pytest.mark.parametrize("clip", ["plain", "bframes"])
def test_every_frame_from_the_first_one_on_is_recorded_once(tmp_path, cameras, clip):
    camera = cameras("C1", clip, user="ward", password="p@ss:1")
    with recording(tmp_path, camera) as heard:
        heard.wait(lambda: len(heard.of("C1", SegmentTold)) >= 3)
    shown = [number for told in heard.of("C1", SegmentTold) for number in numbers(told)]
    assert shown[:-3] == list(range(len(shown) - 3))
    assert [lost.cause for lost in heard.of("C1", Lost)] == ["stopped"]
    assert heard.of("C1", Opened)[0].codec == "h264"
    assert {looked.shape for looked in heard.of("C1", Looked)} == {(192, 320)}
    beats = heard.of("C1", Beat)
    length_s = (beats[-1].at_ns - beats[1].at_ns) / 1e9
    assert sum(told.packets for told in beats[2:]) / length_s == pytest.approx(RATE, rel=0.05)


def test_the_cameras_own_clock_is_read_from_its_reports(tmp_path, cameras):
    right, wrong = cameras("C1", report_s=1.0), cameras("C2", report_s=1.0, offset_s=-3600.0)
    with recording(tmp_path, right, wrong) as heard:
        for name in ("C1", "C2"):
            heard.wait(lambda n=name: len(heard.of(n, SegmentTold)) >= 2)
    for name, offset_s in (("C1", 0.0), ("C2", -3600.0)):
        for told in heard.of(name, SegmentTold):
            assert told.rtcp_offset_ns / 1e9 == pytest.approx(offset_s, abs=0.25)


def test_a_step_of_the_cameras_clock_is_told_with_the_next_report(tmp_path, cameras):
    camera = cameras("C1", report_s=0.5)
    with recording(tmp_path, camera) as heard:
        heard.wait(lambda: any(beat.clock_offset_ns is not None for beat in heard.of("C1", Beat)))
        camera.step_clock(90.0)
        heard.wait(lambda: (heard.of("C1", Beat)[-1].clock_offset_ns or 0) > 80e9)
    assert heard.of("C1", Beat)[-1].clock_offset_ns / 1e9 == pytest.approx(90.0, abs=0.5)


def test_packets_that_never_come_are_counted(tmp_path, cameras):
    sick, sound = cameras("C1"), cameras("C2")
    with recording(tmp_path, sick, sound) as heard:
        heard.wait(lambda: len(heard.of("C1", Beat)) >= 2)
        sick.fault("loss", share=0.3)
        heard.wait(lambda: any((beat.lost_share or 0) > 0.05 for beat in heard.of("C1", Beat)))
        heard.wait(lambda: len(heard.of("C2", Beat)) >= 4)
    assert {beat.lost_share for beat in heard.of("C2", Beat)} == {0.0}
    assert heard.of("C1", Beat)[0].lost_share == 0.0


@pytest.mark.parametrize(
    ("fault", "cause"),
    [
        ("stall", "stalled"),
        ("hang", "unreachable"),
        ("refuse", "unreachable"),
        ("missing", "unreachable"),
        ("denied", "denied"),
    ],
)
def test_a_fault_has_its_cause_and_costs_the_neighbour_nothing(tmp_path, cameras, fault, cause):
    sick, sound = cameras("C1"), cameras("C2")
    if fault != "stall":
        sick.fault(fault)
    with recording(tmp_path, sick, sound) as heard:
        heard.wait(lambda: heard.of("C2", Beat))
        if fault == "stall":
            heard.wait(lambda: len(heard.of("C1", Beat)) >= 2)
            sick.fault(fault)
        heard.wait(lambda: heard.of("C1", Lost))
        heard.wait(lambda: len(heard.of("C2", SegmentTold)) >= 2)
    assert heard.of("C1", Lost)[0].cause == cause
    shown = [number for told in heard.of("C2", SegmentTold) for number in numbers(told)]
    assert shown == list(range(len(shown)))


def test_garbage_is_told_and_costs_the_neighbour_nothing(tmp_path, cameras):
    sick, sound = cameras("C1"), cameras("C2")
    with recording(tmp_path, sick, sound) as heard:
        heard.wait(lambda: heard.of("C1", Beat))
        sick.fault("garbage", share=1.0)
        heard.wait(lambda: heard.of("C1", Noted) or heard.of("C1", Lost))
        heard.wait(lambda: len(heard.of("C2", SegmentTold)) >= 2)
    shown = [number for told in heard.of("C2", SegmentTold) for number in numbers(told)]
    assert shown == list(range(len(shown)))


@pytest.mark.parametrize("how", ["stall", "gone"])
def test_it_is_back_soon_after_the_camera_is(tmp_path, cameras, how):
    camera = cameras("C1")
    with recording(tmp_path, camera) as heard:
        heard.wait(lambda: heard.of("C1", Beat))
        camera.fault("stall" if how == "stall" else "refuse")
        if how == "gone":
            camera.drop(reset=True)
        heard.wait(lambda: len(heard.of("C1", Lost)) >= 2)
        camera.recover()
        back = time.monotonic()
        heard.wait(lambda: heard.times("C1", Beat)[-1] > back)
        delay_s = next(at for at in heard.times("C1", Beat) if at > back) - back
    assert delay_s < 5


def test_a_leap_of_the_streams_time_begins_another_file(tmp_path, cameras):
    camera = cameras("C1")
    with recording(tmp_path, camera, segment_s=60.0) as heard:
        heard.wait(lambda: len(heard.of("C1", Beat)) >= 2)
        camera.jump(30.0)
        heard.wait(lambda: heard.of("C1", Noted))
        heard.wait(lambda: heard.of("C1", SegmentTold))
        seen = len(heard.of("C1", Beat))
        heard.wait(lambda: len(heard.of("C1", Beat)) >= seen + 2)
    assert heard.of("C1", Noted)[0].cause == "paused"
    files = heard.of("C1", SegmentTold)
    assert len(files) == 2
    for told in files:
        shown = numbers(told)
        assert shown == list(range(shown[0], shown[0] + len(shown)))
        _, index = media.index_packets(Path(told.path))
        assert (index.pts[-1] - index.pts[0]) / 90_000 < 10


def test_another_picture_size_begins_another_file_that_says_so(tmp_path, cameras, clips):
    camera = cameras("C1")
    with recording(tmp_path, camera) as heard:
        heard.wait(lambda: heard.of("C1", Beat))
        camera.switch(clips["larger"])
        heard.wait(
            lambda: any(
                media.index_packets(Path(told.path))[0].width_px == 320
                for told in heard.of("C1", SegmentTold)
            )
        )
    for told in heard.of("C1", SegmentTold):
        facts, _ = media.index_packets(Path(told.path))
        assert {number >= 2000 for number in numbers(told)} == {facts.width_px == 320}


def test_a_wrap_of_rtp_time_is_no_leap(tmp_path, cameras):
    camera = cameras("C1", wraps_after_s=2.0)
    with recording(tmp_path, camera, segment_s=60.0) as heard:
        heard.wait(lambda: len(heard.of("C1", Beat)) >= 5)
    assert heard.of("C1", Noted) == []
    (told,) = heard.of("C1", SegmentTold)
    shown = numbers(told)
    assert shown == list(range(len(shown)))
    assert len(shown) > 3 * RATE
