"""Corrections of a track are kept in the case: undone, told, bundled, found when altered."""

from __future__ import annotations

import json
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from make.drawn_passes import drawn_pass
from make.measured_street import film, points_csv, road, track_csv
from make.rows import sightings_table
from typer.testing import CliRunner

from workbench.cli import app
from workbench.collisions import steps as hand
from workbench.errors import BadInput, Refused
from workbench.investigation import (
    Workbench,
    add_person,
    bundle,
    calibrate,
    case_file,
    check_points,
    corrected,
    draw_scene,
    keep_step,
    keep_track,
    kept_track,
    measure,
    open_workbench,
    statements_of,
    track_of_sheet,
    track_of_sighting,
    undo_step,
)
from workbench.records import Case, Purpose
from workbench.store.case_files import CaseBook
from workbench.timeline import SECOND_NS, Span
from workbench.views.text import translator

START_NS = 1_795_133_700 * SECOND_NS
NOW_NS = START_NS + 3600 * SECOND_NS
CASE = Case("TN-1", "Va chạm", "QĐ 12", "làm rõ", Span(START_NS - SECOND_NS, NOW_NS))
OTHER = replace(CASE, case_id="TN-2", cameras=("S02-P1",))
WHY = Purpose("TN-1", "làm rõ tốc độ")
CAMERA = "S01-P1"


@pytest.fixture
def house(tmp_path: Path, ward_folder: Path) -> Workbench:
    made = open_workbench(
        tmp_path / "root", actor="lan", create_from=ward_folder, now=lambda: NOW_NS
    )
    made.open_case(CASE)
    made.open_case(OTHER)
    made.ingest(
        film(tmp_path / "street.mp4"), CAMERA, START_NS, clock_offset_s=0, clock_sigma_s=0.4
    )
    cv2.imwrite(str(tmp_path / "still.png"), road()[..., ::-1])
    points, crs = check_points(made, CAMERA, points_csv(), crs="EPSG:32648")
    calibrate(made, CAMERA, points, crs=crs, picture=tmp_path / "still.png", at_ns=START_NS)
    return made


def picked(house: Workbench):
    segment = house.segments([CAMERA])[0]
    return track_of_sheet(segment, track_csv(house.frame_index(segment).pts), where="xe.csv")


def test_steps_come_back_with_the_track_as_it_was_and_who_took_them(house: Workbench) -> None:
    found = picked(house)
    pts = found.pts.tolist()
    steps = [
        hand.Omit(pts[3], reason="bị che"),
        hand.Move(pts[5], 700.5, 400.0, "minh", NOW_NS - 1, "lệch"),
        hand.Cut(pts[1], pts[30], reason="chưa vào khung"),
    ]
    kept = keep_track(house, corrected(found, steps), WHY)
    assert (kept.kept, kept.kept_numbers, kept.undone) == ("DD-1", (1, 2, 3), 0)
    np.testing.assert_array_equal(kept.before, found.points_px)
    again = kept_track(house, "DD-1", WHY)
    np.testing.assert_array_equal(again.points_px, corrected(found, steps).points_px)
    assert [one.actor for one in again.steps] == ["lan", "minh (lan)", "lan"]
    assert again.origin == found.origin
    # the same once more is no second track, and no step twice
    assert keep_track(house, corrected(found, steps), WHY).kept_numbers == (1, 2, 3)
    more = keep_track(house, corrected(again, [hand.Omit(pts[8], reason="bị che")]), WHY)
    assert more.kept_numbers == (1, 2, 3, 4)
    # taken back, both stay written down
    back = undo_step(house, "DD-1", 2, "nhầm khung", WHY)
    assert (back.kept_numbers, back.undone) == ((1, 3, 4), 1)
    assert back.points_px[5].tolist() == found.points_px[5].tolist()
    (known,) = case_file(house, WHY).tracks
    assert (known.steps[1].undone_by, known.steps[1].why) == ("lan", "nhầm khung")
    with pytest.raises(BadInput, match="no step 2 to take back"):
        undo_step(house, "DD-1", 2, "lại", WHY)
    with pytest.raises(BadInput, match="has no track DD-7"):
        kept_track(house, "DD-7", WHY)
    assert house.verify() == []


def test_outside_of_the_case_nothing_is_kept(house: Workbench) -> None:
    for purpose in (Purpose("TN-2", "x"), Purpose("", "")):
        with pytest.raises(Refused):
            keep_track(house, picked(house), purpose)
    strange = replace(picked(house), pts=picked(house).pts + 1)
    with pytest.raises(BadInput, match="no frame is shown"):
        keep_track(house, strange, WHY)
    assert case_file(house, WHY).tracks == ()


def test_a_step_is_kept_with_what_it_measures_or_not_at_all(house: Workbench) -> None:
    found = picked(house)
    pts = found.pts.tolist()
    before = measure(house, found, WHY).motion.mean_speed_km_h
    x, y = found.points_px[12].tolist()
    done = keep_step(house, found, hand.Move(pts[12], x + 40, y, reason="lệch"), WHY)
    assert (done.track.kept, done.track.kept_numbers) == ("DD-1", (1,))
    assert done.motion.mean_speed_km_h.tolist() != before.tolist()
    assert any("lệch" in one for one in statements_of(done, str))
    assert kept_track(house, "DD-1", WHY).before[12].tolist() == [x, y]
    for step, said in (
        (hand.Move(pts[5], x, y), "without a reason is not kept"),
        (hand.Omit(pts[5], reason=" . "), "without a reason is not kept"),
        (hand.Cut(pts[5], pts[-1]), "without a reason is not kept"),
        (hand.Move(pts[5], 1280.5, y, reason="lệch"), "1280.5, .* px lies outside the picture"),
        (hand.Move(pts[5], x, -0.1, reason="lệch"), "lies outside the picture, which is 1280x720"),
        (hand.Move(pts[7], x, y, reason="lệch"), f"no point at the frame named .PTS {pts[7]}"),
        (hand.Omit(pts[5] + 1, reason="lệch"), "no point at the frame named"),
        (hand.Cut(pts[5] + 1, pts[-1], reason="lệch"), "which the track does not have"),
        # what nothing can be measured after is not kept either
        (hand.Cut(pts[5], pts[6], reason="ngắn"), "points are too few"),
    ):
        with pytest.raises(BadInput, match=said):
            keep_step(house, done.track, step, WHY)
    # nor by the verb of the command, which takes whole files of steps
    for step in (hand.Omit(pts[5]), hand.Move(pts[5], x, 900, reason="lệch")):
        with pytest.raises(BadInput, match=r"without a reason|outside the picture"):
            keep_track(house, corrected(done.track, [step]), WHY)
    (known,) = case_file(house, WHY).tracks
    assert len(known.steps) == 1
    # of a track that is kept already the step joins those that hold, whichever row it was taken on
    joined = keep_step(house, found, hand.Omit(pts[20], reason="bị che"), WHY)
    assert joined.track.kept_numbers == (1, 2)
    with pytest.raises(BadInput, match="no point at the frame named"):
        keep_step(house, found, hand.Omit(pts[20], reason="bị che"), WHY)
    undo_step(house, "DD-1", 2, "nhầm", WHY)
    # a calibration that is taken away: there are no metres, and no step either
    folder = house.root / "calibrations"
    folder.rename(house.root / "away")
    with pytest.raises(BadInput, match="not calibrated"):
        keep_step(house, done.track, hand.Omit(pts[5], reason="bị che"), WHY)
    (house.root / "away").rename(folder)
    assert len(case_file(house, WHY).tracks[0].steps) == 2
    # who may only look keeps nothing, and the log says that they tried
    for name, roles in (("lan", ["traffic", "operator"]), ("xem", ["operator"])):
        add_person(house, name, roles, "một mật khẩu thật dài")
    with pytest.raises(Refused, match="has none of the roles"):
        keep_step(house.as_actor("xem"), done.track, hand.Omit(pts[5], reason="bị che"), WHY)
    assert (house.audit()[-1].action, house.audit()[-1].actor) == ("case.write.refused", "xem")
    assert len(case_file(house, WHY).tracks[0].steps) == 2


def test_papers_list_every_step_and_the_log_names_them(house: Workbench) -> None:
    found, vi = picked(house), translator("vi")
    pts = found.pts.tolist()
    loose = corrected(found, [hand.Omit(pts[3], "lan", NOW_NS, "bị che")])
    assert any("1 of them not kept in the case" in one
               for one in statements_of(measure(house, loose, WHY), str))  # fmt: skip
    many = [hand.Move(p, *at, "lan", NOW_NS, f"lý do {k}") for k, (p, at) in enumerate(
        zip(pts[8:34], found.points_px[8:34].tolist(), strict=True))]  # fmt: skip
    kept = keep_track(house, corrected(loose, many), WHY)
    done = measure(house, kept, WHY)
    text = "\n".join(statements_of(done, str))
    assert f"step 1: the point of PTS {pts[3]} was left out by lan" in text
    assert "kept in the case as DD-1" in text
    entry = json.loads(house.audit()[-1].details)
    assert (entry["track"], entry["steps"], len(entry["steps_sha256"])) == ("DD-1", 27, 64)
    sheets = "".join(one.svg() for one in draw_scene(house, [done] * 2, vi))
    for k in range(26):
        assert f"lý do {k}<" in sheets


def test_a_bundle_holds_the_steps_and_verify_finds_one_that_was_altered(
    house: Workbench, tmp_path: Path
) -> None:
    house._store.append_sightings(sightings_table([{**drawn_pass(house, CAMERA),
                                                    "plate": "99B112345"}]))  # fmt: skip
    sighting = house.sightings(WHY)["sighting_id"].iloc[0]
    found = track_of_sighting(house, sighting, WHY)
    keep_track(house, corrected(found, [hand.Omit(int(found.pts[3]), reason="bị che")]), WHY)
    out = tmp_path / "bundle.zip"
    bundle(house, WHY, out, plates=["99B1-123.45"], originals=False, clips=False)
    with zipfile.ZipFile(out) as box:
        (track,) = json.loads(box.read("case_file.json"))["tracks"]
    assert track["found"]["pts"] == found.pts.tolist()
    assert track["found"]["origin"][1] == [["id", sighting[:12]]]
    assert track["steps"][0]["step"]["reason"] == "bị che"
    assert house.verify() == []
    path = CaseBook(house.root, "TN-1").path
    whole = path.read_text()
    altered = re.sub(r'("kind": "omit", "pts": )(\d+)', rf"\g<1>{found.pts[4]}", whole)
    assert altered != whole
    path.write_text(altered)
    assert any("TN-1" in one for one in house.verify())
    path.write_text("".join(whole.splitlines(keepends=True)[:-1]))  # the step, cut off
    assert any("not what the log says" in one for one in house.verify())
    path.write_text(whole)
    assert house.verify() == []


def test_the_command_line_keeps_measures_again_and_takes_back(
    house: Workbench, tmp_path: Path
) -> None:
    run, segment = CliRunner(), house.segments([CAMERA])[0]
    picks, steps = tmp_path / "xe.csv", tmp_path / "steps.json"
    pts = house.frame_index(segment).pts
    picks.write_text(track_csv(pts))
    steps.write_text(hand.to_json([hand.Omit(int(pts[4]), reason="bị che")]))
    ask = ["speed", str(house.root), "--case", "TN-1", "--reason", "làm rõ"]
    first = run.invoke(app, [*ask, "--segment", segment.sha256[:12], "--track", str(picks),
                             "--steps", str(steps), "--keep"])  # fmt: skip
    assert first.exit_code == 0, first.output
    assert "kept in case TN-1 as DD-1" in first.output
    again = run.invoke(app, [*ask, "--kept", "DD-1", "--omit", str(pts[6]), "--keep"])
    assert f"step 2: the point of PTS {pts[6]} was left out" in again.output, again.output
    listed = run.invoke(app, ["case", "file", str(house.root), "TN-1", "--reason", "xem"])
    assert f"step 1: kind omit, pts {pts[4]}" in listed.output, listed.output
    back = run.invoke(app, [*ask, "--kept", "DD-1", "--undo", "1"])
    assert "steps taken back: 1" in back.output
    assert f"PTS {pts[4]} was left out" not in back.output
    drawn = run.invoke(app, ["papers", str(house.root), str(tmp_path / "papers"), "--case", "TN-1",
                             "--reason", "x", "--kept", "DD-1"])  # fmt: skip
    assert drawn.exit_code == 0, drawn.output
    assert f"PTS {pts[6]}" in (tmp_path / "papers" / "so-do-hien-truong.svg").read_text()
    failed = run.invoke(app, [*ask, "--undo", "1"])
    assert "only a step of a kept track" in failed.exception.sentence()
