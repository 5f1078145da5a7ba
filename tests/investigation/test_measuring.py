"""Metres and speeds inside a case: kept, dated, audited; refused where a speed would be a guess."""

from __future__ import annotations

import bz2
import json
import re
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from make.drawn_passes import drawn_pass
from make.measured_street import (
    FPS,
    SPEED_M_S,
    film,
    lengths_csv,
    points_csv,
    road,
    track_csv,
)
from make.rows import sightings_table
from typer.testing import CliRunner

from workbench.cli import app
from workbench.collisions import SPEED_NOTE, KeptCalibration, read_lengths, steps
from workbench.errors import BadInput, Refused
from workbench.investigation import (
    Workbench,
    calibrate,
    calibration_at,
    calibrations,
    check_points,
    corrected,
    draw_scene,
    measure,
    open_workbench,
    statements_of,
    track_of_sheet,
    write_measured,
    write_papers,
)
from workbench.records import Case, Purpose, Wording
from workbench.store import Store
from workbench.timeline import SECOND_NS, Span
from workbench.views.text import translator

START_NS = 1_795_133_700 * SECOND_NS
NOW_NS = START_NS + 3600 * SECOND_NS
CASE = Case("TN-1", "Va chạm", "QĐ 12", "làm rõ", Span(START_NS - SECOND_NS, NOW_NS))
WHY = Purpose("TN-1", "làm rõ tốc độ")
CAMERA, KNOCKED, LIAR = "S01-P1", "S02-P1", "S03-P1"
TRUE_KM_H = 3.6 * SPEED_M_S


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, ward_folder: Path) -> Workbench:
    home = tmp_path_factory.mktemp("measuring")
    made = open_workbench(home / "root", actor="lan", create_from=ward_folder, now=lambda: NOW_NS)
    made.open_case(CASE)
    made.ingest(film(home / "street.mp4"), CAMERA, START_NS, clock_offset_s=0, clock_sigma_s=0.4)
    made.ingest(film(home / "knocked.mp4", shift_px=(14, -6)), KNOCKED, START_NS)
    made.ingest(film(home / "liar.mp4", fps=25), LIAR, START_NS)
    cv2.imwrite(str(home / "still.png"), road()[..., ::-1])
    for camera in (CAMERA, KNOCKED, LIAR):
        points, crs = check_points(made, camera, points_csv(), crs="EPSG:32648")
        calibrate(made, camera, points, crs=crs, picture=home / "still.png", at_ns=START_NS)
    return made


def track(house: Workbench, camera: str = CAMERA):
    segment = house.segments([camera])[0]
    return track_of_sheet(segment, track_csv(house.frame_index(segment).pts), where="xe.csv")


def holds(row: np.ndarray, truth: float) -> bool:
    return row[0] <= truth <= row[2]


def test_the_car_drove_as_fast_as_it_was_drawn_and_every_word_stands_beside(
    house: Workbench,
) -> None:
    done = measure(house, track(house), WHY)
    assert holds(done.motion.mean_speed_km_h, TRUE_KM_H)
    assert done.motion.mean_speed_km_h[1] == pytest.approx(TRUE_KM_H, abs=1.0)
    said = statements_of(done, str)
    assert said[0] == SPEED_NOTE
    text = "\n".join(said)
    for words in ("by 8 surveyed points", "presentation times of the file", "20.000 a second",
                  "one sigma 0.400 s", "px off the calibrated one", "95 % interval"):  # fmt: skip
        assert words in text
    entry = house.audit()[-1]
    assert (entry.action, entry.subject, entry.case_id) == ("measure", CAMERA, "TN-1")
    assert done.calibrated.sha256 in entry.details


def test_a_camera_that_moved_gives_no_speed(house: Workbench) -> None:
    with pytest.raises(BadInput, match=r"moved since it was calibrated: 1[3-7] px"):
        measure(house, track(house, KNOCKED), WHY)
    assert house.audit()[-1].action == "measure.refused"
    with pytest.raises(BadInput, match="moved"):  # no words help against it
        measure(house, track(house, KNOCKED), WHY, compared="lan, bằng mắt")


def test_without_a_calibration_or_a_case_there_is_no_speed(house: Workbench) -> None:
    with pytest.raises(Refused):
        measure(house, track(house), Purpose("", ""))
    with pytest.raises(BadInput, match="S04-P1 is not calibrated"):
        calibration_at(house, "S04-P1", START_NS)


def test_known_lengths_alone_give_speeds_and_neither_place_nor_north(
    house: Workbench, tmp_path: Path
) -> None:
    run, vi = CliRunner(), translator("vi")
    sheet, still, few = (tmp_path / name for name in ("dai.csv", "still.png", "few.csv"))
    cv2.imwrite(str(still), road()[..., ::-1])
    sheet.write_text(lengths_csv())
    few.write_text(lengths_csv(count=4))
    ask = ["calibrate", str(house.root), CAMERA, "--picture", str(still), "--lengths"]
    shown = run.invoke(app, [*ask, str(sheet)])
    assert shown.exit_code == 0, shown.output
    assert len(re.findall(r"^ +\d+  fit ", shown.output, re.M)) == 12
    assert "by known lengths alone" in shown.output
    refused = run.invoke(app, [*ask, str(few)])
    assert isinstance(refused.exception, BadInput)
    assert "4 known lengths between 8 places are too few" in refused.exception.sentence()
    assert house.audit()[-1].action == "calibrate.refused"
    made = next(one for one in calibrations(house, CAMERA) if one.model.kind == "lengths")
    done = measure(house, track(house), WHY, calibration=made.sha256)
    assert holds(done.motion.mean_speed_km_h, TRUE_KM_H)
    assert np.ptp(done.motion.mean_speed_km_h[[0, 2]]) < 4
    assert np.isnan(done.motion.heading_deg).all()
    text = "\n".join(statements_of(done, str))
    assert "neither place nor north is known" in text
    assert "known lengths: 12 measured between marks of the road" in text
    scene = draw_scene(house, [done], vi)[0].svg()
    assert "Không biết hướng bắc" in scene
    assert ">B</text>" not in scene


def test_a_length_that_checks_is_told_and_one_that_contradicts_refuses(
    house: Workbench, tmp_path: Path
) -> None:
    still = tmp_path / "still.png"
    cv2.imwrite(str(still), road()[..., ::-1])
    points, crs = check_points(house, CAMERA, points_csv(), crs="EPSG:32648")
    lengths, wrong = (read_lengths(lengths_csv("check", 2, times)) for times in (1.0, 1.2))
    made = calibrate(house, CAMERA, points, crs=crs, lengths=lengths, picture=still)
    assert "2 that did not enter it check" in made.length_words[0].sentence()
    with pytest.raises(BadInput, match="contradicts the calibration"):
        calibrate(house, CAMERA, points, crs=crs, lengths=wrong, picture=still)
    outside = [replace(lengths[0], x1_px=-4.0)]
    with pytest.raises(BadInput, match="length 1 lies outside the picture"):
        calibrate(house, CAMERA, points, crs=crs, lengths=outside, picture=still)


def test_a_container_that_lies_is_told_and_an_override_changes_every_speed(
    house: Workbench,
) -> None:
    believed = measure(house, track(house, LIAR), WHY)
    told = measure(house, track(house, LIAR), WHY, fps=Fraction(FPS))
    ratio = told.motion.speed_km_h[1] / believed.motion.speed_km_h[1]
    np.testing.assert_allclose(ratio, FPS / 25, rtol=0.02)
    assert holds(told.motion.mean_speed_km_h, TRUE_KM_H)
    assert not holds(believed.motion.mean_speed_km_h, TRUE_KM_H)
    text = "\n".join(statements_of(told, str))
    assert "the rate an operator stated" in text
    assert "20.000 a second were reckoned with, the file says 25.000" in text


def test_a_real_clip_without_times_says_that_its_rate_is_a_guess(
    tmp_path: Path, ward_folder: Path, footage: Path
) -> None:
    """The raw stream was filmed at 20 frames a second and is read as 25."""
    clips = footage / "otvision"
    name = "Testvideo_Cars-Truck_FR20_2020-01-01_00-00-00"
    made = open_workbench(tmp_path / "root", actor="lan", create_from=ward_folder)
    made.open_case(CASE)
    [segment] = made.ingest(clips / f"{name}.h264", CAMERA, START_NS).segments
    known = json.loads((clips / "Testvideo_FR20.otrfpts").read_text()).values()
    px = np.array([(one["x_px"], one["y_px"]) for one in known], dtype=float)
    m = np.array([(one["lon_utm"], one["lat_utm"]) for one in known]) - (844_000, 5_673_000)
    # five surveyed points are refused; eight of the plane through them stand for the road here
    plane, _ = cv2.findHomography(px, m)
    spots = np.array([(60, 260), (300, 130), (350, 200), (640, 140), (620, 300), (200, 180),
                      (480, 250), (500, 150)], dtype=float)  # fmt: skip
    at = cv2.perspectiveTransform(spots[None], plane)[0]
    rows = [f"{x},{y},{e},{n}" for (x, y), (e, n) in zip(spots, at, strict=True)]
    points, crs = check_points(made, CAMERA, "\n".join(["x_px,y_px,east_m,north_m", *rows]))
    calibrate(made, CAMERA, points, crs=crs, at_ns=START_NS, purpose=WHY)
    found = json.loads(bz2.decompress((clips / f"{name}.ottrk").read_bytes()))
    boxes = [one for one in found["data"]["detections"] if one["track-id"] == 2]
    pts = made.frame_index(segment).pts
    rows = [f"{pts[b['frame'] - 1]},{b['x']:.1f},{b['y'] + b['h'] / 2:.1f}" for b in boxes]
    truck = track_of_sheet(segment, "\n".join(["pts,x_px,y_px", *rows]), where="truck.csv")
    guessed, told = measure(made, truck, WHY), measure(made, truck, WHY, fps=Fraction(20))
    assert any("guess of its reader" in one for one in statements_of(guessed, str))
    assert not any("guess of its reader" in one for one in statements_of(told, str))
    ratio = told.motion.mean_speed_km_h / guessed.motion.mean_speed_km_h
    np.testing.assert_allclose(ratio, 0.8, rtol=0.03)


def test_steps_by_hand_are_counted_and_leave_the_track_as_it_was(house: Workbench) -> None:
    found = track(house)
    by_hand = corrected(found, [steps.Omit(int(found.pts[3]), "lan", NOW_NS, "bị che")])
    assert np.isfinite(found.points_px[3]).all()
    done = measure(house, by_hand, WHY)
    assert len(done.pts) == len(found.pts) - 2
    assert any("by hand in 1 steps" in one for one in statements_of(done, str))


def test_the_newest_picture_before_the_instant_is_in_force_and_nothing_is_overwritten(
    house: Workbench, tmp_path: Path
) -> None:
    camera, hour = "S05-P1", 3600 * SECOND_NS
    cv2.imwrite(str(tmp_path / "still.png"), road())
    made = []
    for at_ns, count in ((START_NS, 8), (START_NS + hour, 7), (START_NS + hour, 6)):
        points, crs = check_points(house, camera, points_csv(count=count), crs="EPSG:32648")
        if count == 6:  # the last of these six lies between two others: a corner is better
            points[5] = check_points(house, camera, points_csv(), crs="EPSG:32648")[0][7]
        made.append(calibrate(house, camera, points, crs=crs, picture=tmp_path / "still.png",
                              at_ns=at_ns, note=str(count)))  # fmt: skip
    # from the disk alone, as after a lost catalogue
    kept = Store.open(house.root).calibrations
    assert {one.sha256 for one in kept.all(camera)} == {one.sha256 for one in made}
    assert all(KeptCalibration.from_json(one.text).camera_id == camera for one in kept.all(camera))
    assert calibration_at(house, camera, START_NS + 1).sha256 == made[0].sha256
    assert calibration_at(house, camera, START_NS - 1).sha256 == made[0].sha256
    late = calibration_at(house, camera, START_NS + 2 * hour)
    assert late.kept.view_ns == START_NS + hour
    named = calibration_at(house, camera, START_NS, made[2].sha256[:8])
    assert named.sha256 == made[2].sha256
    with pytest.raises(BadInput, match="0 calibrations"):
        calibration_at(house, camera, START_NS, "zzz")
    assert len(calibrations(house, camera)) == 3


def test_verify_finds_a_record_or_picture_that_was_altered(
    tmp_path: Path, ward_folder: Path
) -> None:
    made = open_workbench(tmp_path / "root", actor="lan", create_from=ward_folder)
    cv2.imwrite(str(tmp_path / "still.png"), road())
    points, crs = check_points(made, CAMERA, points_csv(), crs="EPSG:32648")
    calibrate(made, CAMERA, points, crs=crs, picture=tmp_path / "still.png")
    assert made.verify() == []
    for path in (made.root / "calibrations" / CAMERA).iterdir():
        data = path.read_bytes()
        path.chmod(0o644)
        path.write_bytes(data[:-2] + b"00")
        assert any("not what was written" in one for one in made.verify()), path.name
        path.write_bytes(data)
    assert made.verify() == []


def test_as_files(house: Workbench, tmp_path: Path) -> None:
    done = measure(house, track(house), WHY)
    vi = translator("vi")
    write_measured(house, done, tmp_path / "speed.csv", vi)
    rows = pd.read_csv(tmp_path / "speed.csv")
    assert len(rows) == len(done.pts)
    assert set(rows["note"]) == {vi(SPEED_NOTE)}
    assert (rows["speed_km_h_low"] <= rows["speed_km_h_median"]).all()
    write_measured(house, done, tmp_path / "speed.html", vi)
    page = (tmp_path / "speed.html").read_text()
    for words in (vi(SPEED_NOTE), "BẢN NHÁP", "làm rõ tốc độ", "khoảng 95 %", "<polygon"):
        assert words in page
    assert "presentation times" not in page  # every statement speaks Vietnamese
    write_measured(house, done, tmp_path / "speed.pdf", vi)
    assert (tmp_path / "speed.pdf").read_bytes().startswith(b"%PDF")
    with pytest.raises(BadInput, match="there already"):
        write_measured(house, done, tmp_path / "speed.pdf", vi)
    assert house.audit()[-1].action == "measure.export"


def test_the_command_line_says_it_all_and_refuses_in_one_sentence(
    house: Workbench, tmp_path: Path
) -> None:
    run = CliRunner()
    root = str(house.root)
    sheet, still = tmp_path / "points.csv", tmp_path / "still.png"
    cv2.imwrite(str(still), road())
    sheet.write_text(points_csv())
    words = ["calibrate", root, "S06-P1", str(sheet), "--picture", str(still)]
    done = run.invoke(app, [*words, "--crs", "EPSG:32648"])
    assert done.exit_code == 0, done.output
    assert len([one for one in done.output.splitlines() if "surveyed" in one]) == 9
    listed = run.invoke(app, words[:3])
    assert "calibration " in listed.output
    picks = tmp_path / "xe.csv"
    segment = house.segments([CAMERA])[0]
    picks.write_text(track_csv(house.frame_index(segment).pts))
    ask = ["speed", root, "--case", "TN-1", "--reason", "x", "--segment", segment.sha256[:12],
           "--track", str(picks)]  # fmt: skip
    shown = run.invoke(app, ask)
    assert shown.exit_code == 0, shown.output
    assert SPEED_NOTE in shown.output
    assert "95 % interval" in shown.output
    for wrong, sentence in (
        ([*words[:3], str(still)], "no text in UTF-8"),
        ([*words[:4], "--crs", "EPSG:4326", *words[4:]], "no projected system"),
        (words[:4], "no picture was named"),
        ([*ask[:-1], str(sheet)], "does not name the columns pts"),
        ([*ask, "--fps", "0"], "no frame rate"),
        (ask[:6], "not said what to measure"),
        ([*ask, "--calibration", "zz"], "0 calibrations"),
        ([*ask, "--out", "speed.docx"], "written as .csv"),
    ):
        failed = run.invoke(app, wrong)
        assert isinstance(failed.exception, BadInput), wrong
        assert sentence in failed.exception.sentence()
    sheet.write_text(points_csv(count=4))
    failed = run.invoke(app, [*words, "--crs", "EPSG:32648"])
    assert isinstance(failed.exception, BadInput)
    assert "4 points are too few" in failed.exception.sentence()


def test_the_scene_is_drawn_to_scale_and_the_photos_say_where_they_came_from(
    house: Workbench, tmp_path: Path
) -> None:
    done, vi = measure(house, track(house), WHY), translator("vi")
    made = write_papers(house, [done], tmp_path / "papers", vi, place="Ngã tư Rích Gạo")
    assert [path.name for path in made] == [
        "so-do-hien-truong.svg", "so-do-hien-truong.pdf", "ban-anh-hien-truong-1.svg",
        "ban-anh-hien-truong-2.svg", "ban-anh-hien-truong.pdf",
    ]  # fmt: skip
    assert all(path.read_bytes().startswith(b"%PDF") for path in made if path.suffix == ".pdf")
    scene = made[0].read_text()
    for words in ("BẢN NHÁP", "Thông tư 72/2024/TT-BCA", vi(SPEED_NOTE), "Ngã tư Rích Gạo",
                  "8 điểm đo đạc", "Vị trí dừng", "một sigma 0.400 s", "EPSG:32648"):  # fmt: skip
        assert words in scene, words
    scale = int(re.search(r"Tỷ lệ 1:(\d+)", scene)[1])
    way = re.search(r'<polyline points="([^"]+)"[^>]*stroke="#0b559f"', scene)[1].split()
    ends = np.array([[float(v) for v in one.split(",")] for one in (way[0], way[-1])])
    drawn_m = np.linalg.norm(ends[1] - ends[0]) * scale / 1000
    truth_m = np.linalg.norm(done.motion.position_m[-1] - done.motion.position_m[0])
    assert drawn_m == pytest.approx(truth_m, abs=0.02)
    assert ends[1][1] < ends[0][1]  # it rides north: up
    assert scene.count("<ellipse") == 8  # seven of the way, one of the legend
    photos = made[2].read_text()
    assert done.track.segment.sha256[:16] in photos
    assert f"PTS {int(done.pts[0])}" in photos
    entry = house.audit()[-1]
    assert (entry.action, entry.case_id) == ("papers", "TN-1")
    with pytest.raises(BadInput, match="there already"):
        write_papers(house, [done], tmp_path / "papers", vi)
    with pytest.raises(BadInput, match="nothing was measured"):
        write_papers(house, [], tmp_path / "none", vi)


def test_many_vehicles_tell_the_rest_on_a_second_sheet(house: Workbench) -> None:
    done, vi = measure(house, track(house), WHY), translator("vi")
    several = [
        replace(
            done, statements=tuple(Wording(f"câu {number} của xe {car}") for number in range(9))
        )
        for car in range(4)
    ]
    first, second = (one.svg() for one in draw_scene(house, several, vi))
    for car in range(4):
        for number in range(9):
            assert f"câu {number} của xe {car}" in first + second
    assert vi(SPEED_NOTE) in second


def test_a_sighting_is_measured_from_the_command_line(tmp_path: Path, ward_folder: Path) -> None:
    made = open_workbench(tmp_path / "root", actor="lan", create_from=ward_folder)
    made.open_case(CASE)
    made.ingest(
        film(tmp_path / "street.mp4"), CAMERA, START_NS, clock_offset_s=0, clock_sigma_s=0.4
    )
    cv2.imwrite(str(tmp_path / "still.png"), road()[..., ::-1])
    points, crs = check_points(made, CAMERA, points_csv(), crs="EPSG:32648")
    calibrate(made, CAMERA, points, crs=crs, picture=tmp_path / "still.png", at_ns=START_NS)
    far = drawn_pass(made, CAMERA)
    far["track_box"] = [4.0, 0.0, 8.0, 8.0] * len(far["track_pts"])
    far["sighting_id"] = "ab" * 32
    near = drawn_pass(made, CAMERA)
    near["sighting_id"] = "cd" * 32
    made._store.append_sightings(sightings_table([near, far]))
    ids = set(made.sightings(WHY)["sighting_id"])
    ask = ["speed", str(made.root), "--case", "TN-1", "--reason", "x", "--sighting"]
    said = [CliRunner().invoke(app, [*ask, one]) for one in sorted(ids)]
    shown = next(one for one in said if one.exit_code == 0)
    low, high = map(float, re.search(r"interval ([0-9.]+) to ([0-9.]+)", shown.output).groups())
    assert low <= TRUE_KM_H <= high
    assert SPEED_NOTE in shown.output
    assert "points: 1 of 36 lie outside the calibrated part" in shown.output
    assert "a shadow or a cut box" in shown.output
    (refused,) = (one for one in said if one.exit_code != 0)
    assert isinstance(refused.exception, BadInput)
    assert "0 of the 36 points of this pass" in refused.exception.sentence()
