"""Conflicts of an archive: candidates inside a case, cameras without calibration named."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from make.calibrations import EIGHT, ORIGIN, SIZE, pairs, pinhole
from make.rows import case, sighting_row, sightings_table
from typer.testing import CliRunner

from workbench.cli import app
from workbench.collisions import CANDIDATE_NOTE, KeptCalibration
from workbench.collisions.calibration import map_points
from workbench.errors import BadInput, Refused
from workbench.investigation import Workbench, find_conflicts, open_workbench, replaying
from workbench.investigation.notebooks import asked_of
from workbench.records import Purpose
from workbench.timeline import SECOND_NS, parse_instant

START = parse_instant("2026-11-20T07:15:00+07:00")
PURPOSE = Purpose("01/2026", "who nearly hit whom")


def film(path: Path, picture: np.ndarray | None = None) -> None:
    """Six seconds of one picture, grey where none is given, ten frames a second."""
    with av.open(path, "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *SIZE, "yuv420p"
        stream.time_base = Fraction(1, 10)
        grey = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8) if picture is None else picture
        for n in range(60):
            frame = av.VideoFrame.from_ndarray(grey, "rgb24")
            frame.pts = n
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


def passing(wb, segment, kind, number, place, pace, first, count=26):
    """Return a row of something that rides straight on, boxes standing on its contact points."""
    index = wb.frame_index(segment)
    m = np.array(place) + 0.1 * np.arange(count)[:, None] * np.array(pace)
    px = map_points(pinhole(), m)
    pts = [int(index.pts[first + k]) for k in range(count)]
    utc = [wb.utc(segment, one)[0] for one in pts]
    boxes = [v for x, y in px.tolist() for v in (x - 20, y - 50, 40.0, 50.0)]
    return sighting_row(
        number, segment_sha256=segment.sha256, camera_id=segment.camera_id, kind=kind,
        pts=pts[0], first_pts=pts[0], last_pts=pts[-1], track_pts=pts, utc_ns=utc[0],
        first_utc=utc[0], last_utc=utc[-1], track_box=boxes, box_x=px[0, 0],
    )  # fmt: skip


@pytest.fixture(scope="module")
def bench(tmp_path_factory, ward_folder) -> Workbench:
    folder = tmp_path_factory.mktemp("conflicts")
    wb = open_workbench(
        folder / "root", actor="thu", now=lambda: START + 3600 * SECOND_NS, create_from=ward_folder
    )
    wb.open_case(case())
    film(folder / "street.mp4")
    camera_id = next(iter(wb.ward.cameras))
    (segment,) = wb.ingest(folder / "street.mp4", camera_id, START).segments
    rows = [
        passing(wb, segment, "motorcycle", 0, (0, 12), (0, 7), 5),
        passing(wb, segment, "car", 1, (-6, 20), (4.5, 0), 8),
        passing(wb, segment, "motorcycle", 2, (3, 12), (0, 5), 33),
    ]
    wb._store.append_sightings(sightings_table(rows))
    return wb


@pytest.fixture(scope="module")
def calibration(bench) -> KeptCalibration:
    camera_id = next(iter(bench.ward.cameras))
    return KeptCalibration(camera_id, START, "thu", SIZE, "EPSG:32648", tuple(pairs(EIGHT)))


def test_a_near_miss_is_told_with_clip_place_and_reason(bench, calibration):
    others = list(bench.ward.cameras)[1:3]
    asked = [calibration.camera_id, *others]
    found = find_conflicts(bench, PURPOSE, [calibration], asked, workers=0)
    assert found.left_out == dict.fromkeys(others, "not calibrated")
    assert (found.passes, found.tracks, found.failed) == (3, 3, ())
    near = found.table[found.table["what"] != "speed"]
    assert list(near["what"]) == ["near miss"]
    row = near.iloc[0]
    assert row["kinds"] in (["motorcycle", "car"], ["car", "motorcycle"])
    assert row["pet_s"] <= 1.0
    assert 0 < row["score"] <= 0.99
    assert row["clip_start"] < row["utc"] < row["clip_stop"]
    assert START < row["utc"].value < START + 6 * SECOND_NS
    assert len(row["sighting_ids"]) == 2
    assert np.hypot(row["x_m"] - ORIGIN[0], row["y_m"] - ORIGIN[1] - 20) < 4
    last = bench.audit()[-1]
    details = json.loads(last.details)
    assert (last.action, details["found"]) == ("conflicts", len(found.table))
    assert details["left_out"] == found.left_out


def test_nothing_outside_the_case_and_nothing_without_a_calibration(bench, calibration):
    with pytest.raises(Refused):
        find_conflicts(bench, Purpose("", "curious"), [calibration], workers=0)
    with pytest.raises(BadInput, match="none of the"):
        find_conflicts(bench, PURPOSE, [], [calibration.camera_id], workers=0)
    assert bench.audit()[-1].action == "conflicts.refused"


def test_a_picture_of_another_size_is_left_out(bench, calibration):
    small = KeptCalibration(
        calibration.camera_id, START, "thu", (1920, 1080), "", tuple(pairs(EIGHT))
    )
    with pytest.raises(BadInput, match="none of the"):
        find_conflicts(bench, PURPOSE, [small], [calibration.camera_id], workers=0)


def test_on_workers_the_roots_own_calibrations_find_the_same(bench, calibration):
    camera_id = calibration.camera_id
    given = find_conflicts(bench, PURPOSE, [calibration], [camera_id], workers=0)
    with pytest.raises(BadInput, match="none of the"):
        find_conflicts(bench, PURPOSE, None, [camera_id], workers=0)
    kept = bench._store.calibrations
    for text, view_ns in ((calibration.to_json(), START), ("{}", START + 1800 * SECOND_NS)):
        kept.add(camera_id, text, b"a picture", view_ns=view_ns, made_ns=START)
    found = find_conflicts(bench, PURPOSE, None, [camera_id], workers=1)
    assert found.failed == ()
    assert len(found.unchecked) == 1  # a grey picture is like any other
    assert found.table.drop(columns="values").equals(given.table.drop(columns="values"))
    assert json.loads(bench.audit()[-1].details)["calibrated_ns"] == {camera_id: [START]}
    # a notebook makes that one again, and not those of calibrations that nobody kept
    (asked,) = asked_of(bench._store.audit(PURPOSE.case_id))
    assert asked.source().startswith(
        f"again.conflicts(wb, muc_dich, cameras=['{camera_id}'], span="
    )
    before = replaying.circumstances(bench, bench.cases()[0])
    one, other = (replaying.told(lambda: asked.run(bench, PURPOSE)) for _ in range(2))
    assert one == other
    assert "near miss" in one["conflicts"]
    assert one["left out"].count("\n") == 2
    later = replace(calibration, made_ns=START + 1)
    kept.add(camera_id, later.to_json(), b"a picture", view_ns=START + 1, made_ns=START + 1)
    (change,) = replaying.changes(before, replaying.circumstances(bench, bench.cases()[0]))
    assert change.sentence() == f"calibrations: those of {camera_id} were changed"


def test_a_camera_that_moved_is_not_searched_and_told(bench, tmp_path):
    camera_id = list(bench.ward.cameras)[3]
    rng = np.random.default_rng(101)
    blocks = cv2.resize(rng.integers(0, 255, (60, 100), np.uint8), None, fx=16, fy=16,
                        interpolation=cv2.INTER_NEAREST)  # fmt: skip
    grey = np.ascontiguousarray(blocks[: SIZE[1], : SIZE[0]])
    film(tmp_path / "blocks.mp4", np.repeat(grey[:, :, None], 3, axis=2))
    (segment,) = bench.ingest(tmp_path / "blocks.mp4", camera_id, START).segments
    rows = [passing(bench, segment, "motorcycle", 7, (0, 12), (0, 7), 5)]
    bench._store.append_sightings(sightings_table(rows))
    for later, off_px in ((0, 0), (1, 24)):
        png = cv2.imencode(".png", np.roll(grey, off_px, axis=1))[1].tobytes()
        kept = KeptCalibration(
            camera_id, START + later, "thu", SIZE, "EPSG:32648", tuple(pairs(EIGHT)),
            reference_sha256=hashlib.sha256(png).hexdigest(),
        )  # fmt: skip
        bench._store.calibrations.add(
            camera_id,
            kept.to_json(),
            png,
            view_ns=START - 86_400_000_000_000 + later,
            made_ns=START + later,
        )
        found = find_conflicts(bench, PURPOSE, None, [camera_id], workers=0)
        assert found.unchecked == ()
        assert found.passes == (0 if later else 1)
        assert [("has moved" in one) for one in found.failed] == [True] * later
        if later:
            assert found.failed[0].startswith(f"{camera_id} from 20/11/2026 07:")
            assert json.loads(bench.audit()[-1].details)["failed"] == list(found.failed)


def run(*words: object):
    return CliRunner().invoke(app, ["conflicts", *map(str, words)])


def test_the_command_prints_candidates_and_writes_them(bench, calibration, tmp_path):
    kept = tmp_path / "kept"
    kept.mkdir()
    (kept / "one.json").write_text(calibration.to_json(), encoding="utf-8")
    words = [bench.root, "--calibrations", kept, "--case", "01/2026", "--reason", "who nearly hit",
             "--cameras", calibration.camera_id, "--workers", "0"]  # fmt: skip
    said = run(*words, "--out", tmp_path / "found.json")
    assert said.exit_code == 0, said.output
    assert "near miss" in said.output
    assert CANDIDATE_NOTE in said.output
    told = json.loads((tmp_path / "found.json").read_text())
    assert told["note"] == CANDIDATE_NOTE
    assert "near miss" in {one["what"] for one in told["candidates"]}
    run(*words, "--out", tmp_path / "found.csv")
    assert CANDIDATE_NOTE in (tmp_path / "found.csv").read_text()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (["--calibrations", "nowhere"], "there is no calibration record"),
        (["--out", "found.txt"], "written as .csv or .json"),
        (["--workers", "-3"], "no number of workers"),
    ],
)
def test_wrong_words_are_told_in_a_sentence(bench, tmp_path, wrong, says):
    said = run(bench.root, "--calibrations", tmp_path, *wrong)
    assert isinstance(said.exception, BadInput)
    assert says in str(said.exception)
