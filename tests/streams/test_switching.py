"""Another address of a camera on command: beside the one recorded, or at once."""

from __future__ import annotations

import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from lab.hearing import job_of, numbers, recording
from make.clips import make_clip

from workbench import media
from workbench.streams.messages import Beat, Lost, SegmentTold, Switched, TrialFailed

RATE = 15


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    made = {}
    for name, options in {
        "plain": {},
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


def other_address(tmp_path, camera, of, **settings):
    """Return the job that records camera `of` from the address of `camera`."""
    return replace(
        job_of(tmp_path, camera, **settings), camera_id=of.name, folder=tmp_path / of.name
    )


def covered(heard, name):
    """Return the spans of a camera's files, oldest first, in seconds."""
    spans = []
    for told in heard.of(name, SegmentTold):
        facts, index = media.index_packets(Path(told.path))
        length_s = float((index.pts[-1] - index.pts[0]) * facts.time_base) + 1 / RATE
        spans.append((told.start_ns / 1e9, told.start_ns / 1e9 + length_s, told.source))
    return sorted(spans)


def test_a_change_of_address_while_it_is_recorded_costs_no_footage(tmp_path, cameras):
    main, sub, sound = cameras("C1"), cameras("C1s", "larger"), cameras("C2")
    with recording(tmp_path, main, sound) as heard:
        heard.wait(lambda: len(heard.of("C1", Beat)) >= 2)
        heard.asked = [other_address(tmp_path, sub, main, source="sub")]
        heard.wait(lambda: heard.of("C1", Switched))
        heard.wait(lambda: len([t for t in heard.of("C1", SegmentTold) if t.source == "sub"]) >= 2)
    (switched,) = heard.of("C1", Switched)
    assert (switched.source, switched.before, switched.beside) == ("sub", "main", True)
    assert [lost.cause for lost in heard.of("C1", Lost)] == ["stopped"]  # the end of the test
    spans = covered(heard, "C1")
    assert [source for *_, source in spans] == sorted(source for *_, source in spans)
    for (_, stop_s, _), (start_s, *_) in pairwise(spans):
        assert start_s - stop_s < 0.2  # a late packet, no gap
    before = max(stop for _, stop, source in spans if source == "main")
    after = min(start for start, _, source in spans if source == "sub")
    assert before - after < 2.0  # both are kept for a moment
    for told in heard.of("C1", SegmentTold):
        assert {number >= 2000 for number in numbers(told)} == {told.source == "sub"}
    shown = [number for told in heard.of("C2", SegmentTold) for number in numbers(told)]
    assert shown == list(range(len(shown)))


@pytest.mark.parametrize("fault", ["refuse", "hang", "denied"])
def test_an_address_that_does_not_deliver_is_not_taken(tmp_path, cameras, fault):
    main, sub = cameras("C1"), cameras("C1s")
    sub.fault(fault)
    with recording(tmp_path, main) as heard:
        heard.wait(lambda: heard.of("C1", Beat))
        heard.asked = [other_address(tmp_path, sub, main, source="sub")]
        heard.wait(lambda: heard.of("C1", TrialFailed))
        done = len(heard.of("C1", SegmentTold))
        heard.wait(lambda: len(heard.of("C1", SegmentTold)) > done)
        sub.recover()
        heard.asked = [other_address(tmp_path, sub, main, source="sub")]
        heard.wait(lambda: heard.of("C1", Switched))
    assert heard.of("C1", TrialFailed)[0].source == "sub"
    shown = [n for t in heard.of("C1", SegmentTold) if t.source == "main" for n in numbers(t)]
    assert shown == list(range(len(shown)))


@pytest.mark.parametrize("fault", ["refuse", "hang", "stall"])
def test_a_lost_camera_is_opened_elsewhere_at_once_and_comes_back(tmp_path, cameras, fault):
    main, sub = cameras("C1"), cameras("C1s", "larger")
    with recording(tmp_path, main) as heard:
        heard.wait(lambda: heard.of("C1", Beat))
        main.fault(fault)
        if fault == "hang":
            main.drop(reset=True)
        heard.wait(lambda: heard.of("C1", Lost))
        asked_s = time.monotonic()
        heard.asked = [other_address(tmp_path, sub, main, source="sub")]
        heard.wait(lambda: heard.of("C1", Switched))
        heard.wait(lambda: heard.times("C1", Beat)[-1] > asked_s)
        assert heard.times("C1", Beat)[-1] - asked_s < 3
        heard.wait(lambda: [t for t in heard.of("C1", SegmentTold) if t.source == "sub"])
        main.recover()
        heard.asked = [job_of(tmp_path, main)]
        heard.wait(lambda: len(heard.of("C1", Switched)) == 2)
    cold, hot = heard.of("C1", Switched)
    assert (cold.source, cold.beside, hot.source, hot.beside) == ("sub", False, "main", True)
    after = [span for span in covered(heard, "C1") if span[0] > cold.at_ns / 1e9]
    assert all(start - stop < 0.2 for (_, stop, _), (start, *_) in pairwise(after))
