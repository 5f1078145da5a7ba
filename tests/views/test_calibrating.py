"""The calibration page: taps become rows, rows are checked, and only what was checked is kept."""

import numpy as np
import pytest
from make.calibrations import EIGHT, LADDER, LADDER_ENDS, ORIGIN, pinhole
from make.small_root import CASE
from shapely.geometry import Point

from workbench import investigation
from workbench.collisions.calibration import map_points
from workbench.errors import Refused
from workbench.views.calibrating import HEAD, LENGTHS_HEAD, Calibrating, calibration_page
from workbench.views.text import translator


@pytest.fixture
def one(small_root, purpose):
    camera = small_root.segments()[0].camera_id
    made = Calibrating(small_root, purpose, [camera], translator("vi"))
    made.show.clicks += 1
    return made


def tap_all(one, count=8):
    wide, high = one.size_px
    px = map_points(pinhole(), EIGHT) * (wide / 1280, high / 720)
    for (x, y), (east, north) in zip(px[:count], EIGHT + ORIGIN, strict=False):
        one.tap_picture(x, y)
        one.tap_map(east, north)


def test_without_a_case_there_is_no_picture(on_page):
    with pytest.raises(Refused):
        calibration_page(on_page())


def test_taps_make_points_that_are_checked_and_then_kept(one, small_root):
    assert one.picture.objects
    assert one.map.objects
    tap_all(one)
    assert one.keep.disabled
    one.check.clicks += 1
    assert one.told.object.count("<tr>") == 9
    assert not one.keep.disabled
    one.note.value = "chạm trên bản đồ"
    one.keep.clicks += 1
    kept = investigation.calibrations(small_root, one.camera.value)[-1]
    assert (kept.kept.note, kept.model.kind) == ("chạm trên bản đồ", "map")
    assert kept.sha256[:12] in one.known.object
    assert [e.action for e in small_root.audit() if e.case_id == CASE.case_id][-1] == "calibrate"


def test_a_refusal_is_a_sentence_in_vietnamese_and_nothing_can_be_kept(one):
    one.check.clicks += 1
    assert "refusal" in one.told.object
    tap_all(one, count=4)
    one.check.clicks += 1
    assert "quá ít" in one.told.object
    assert one.keep.disabled
    one.rows.value = f"{HEAD}\n1,2,<b>,4,map,1"
    one.check.clicks += 1
    assert "&lt;b&gt;" in one.told.object
    assert "<b>" not in one.told.object


def test_a_changed_row_must_be_checked_again_and_a_place_needs_its_point(one):
    tap_all(one)
    one.tap_map(1.0, 2.0)  # every point has its place
    assert "trên ảnh trước" in one.told.object
    one.check.clicks += 1
    one.rows.value += "\n"
    one.rows.value = one.rows.value.replace("map,1.0", "surveyed,0.5", 1)
    assert one.keep.disabled


def test_two_taps_make_a_length_and_lengths_do_without_points(one, small_root):
    wide, high = one.size_px
    px = map_points(pinhole(), LADDER) * (wide / 1280, high / 720)
    one.taps.value = "lengths"
    for a, b in LADDER_ENDS:
        one.tap_picture(*px[a])
        one.tap_picture(*px[b])
        lines = one.lengths.value.splitlines()
        cells = lines[-1].split(",")
        cells[4] = f"{np.linalg.norm(LADDER[a] - LADDER[b]):.3f}"  # the officer types the metres
        one.lengths.value = "\n".join([*lines[:-1], ",".join(cells)])
    assert one.rows.value == HEAD
    one.check.clicks += 1
    assert one.told.object.count("<tr>") == 13
    one.keep.clicks += 1
    kept = investigation.calibrations(small_root, one.camera.value)[-1]
    assert (kept.model.kind, kept.kept.ground_crs, len(kept.kept.lengths)) == ("lengths", "", 12)
    assert "không biết vị trí" in one.known.object
    one.lengths.value = f"{LENGTHS_HEAD}\n1,2,3,40,<i>,0.05,fit"
    one.check.clicks += 1
    assert "&lt;i&gt;" in one.told.object
    assert one.keep.disabled


def shown(one):
    return {mark["id"]: (mark["x"], mark["y"]) for mark in one.picture.objects[0].marks}


def test_a_mark_stands_where_its_row_says_and_a_moved_mark_changes_its_row_alone(one):
    tap_all(one)
    before = one.rows.value.splitlines()
    assert len(shown(one)) == 8
    one.check.clicks += 1
    assert not one.keep.disabled
    picks = one.picture.objects[0]
    picks._handle_msg({"moved": "p3", "x": 101.25, "y": 77})
    after = one.rows.value.splitlines()
    assert after[3].split(",") == ["101.2", "77.0", *before[3].split(",")[2:]]
    assert after[:3] + after[4:] == before[:3] + before[4:]
    assert shown(one)["p3"] == (101.2, 77.0)
    assert one.keep.disabled  # what was moved must be checked again
    one.rows.value = "\n".join(after[:2])  # and a row that is deleted takes its mark along
    assert set(shown(one)) == {"p1"}


def test_ends_of_lengths_are_marks_too_joined_by_a_line(one):
    one.taps.value = "lengths"
    one.tap_picture(10, 20)
    assert shown(one) == {"l11": (10, 20)}
    one.tap_picture(30, 40)
    first, second = one.picture.objects[0].marks
    assert (first["to"], second.get("to")) == ("l12", None)
    one.picture.objects[0]._handle_msg({"moved": "l12", "x": 31, "y": 40})
    assert one.lengths.value.splitlines()[1].startswith("10.0,20.0,31.0,40.0,,")


def test_two_lengths_are_two_lines_and_columns_may_stand_in_any_order(one):
    one.taps.value = "lengths"
    for x in (10, 30, 50, 70):
        one.tap_picture(x, 20)
    assert [mark.get("to") for mark in one.picture.objects[0].marks] == ["l12", None, "l22", None]
    one.rows.value = "kind,y_px,x_px,north_m,east_m\nmap,7,5,,\nmap,nan,5,,\nmap,inf,1,,\nmap,9,x,,"
    assert shown(one)["p1"] == (5, 7)
    assert not {"p2", "p3", "p4"} & shown(one).keys()
    one.picture.objects[0]._handle_msg({"moved": "p1", "x": 6, "y": 8})
    assert one.rows.value.splitlines()[1] == "map,8.0,6.0,,"


def on_map(one):
    return {mark["id"]: (mark["x"], mark["y"]) for mark in one.map.objects[0].marks}


def test_a_place_is_moved_on_the_map_and_checked_again(one):
    tap_all(one)
    east, north = (round(float(x), 2) for x in (EIGHT + ORIGIN)[2])
    one.rows.value = one.rows.value.replace(f"{north:.2f},map,1.0", f"{north:.2f},surveyed,0.03")
    before = one.rows.value.splitlines()
    assert before[3].endswith("surveyed,0.03")
    one.check.clicks += 1
    assert not one.keep.disabled
    ground = one.map.objects[0]
    places = on_map(one)
    assert list(places) == [f"m{n}" for n in range(1, 9)]
    x, y = places["m3"]
    assert one.ground.metres(x, y) == pytest.approx((east, north), abs=1e-6)
    ground._handle_msg({"tapped": True, "x": 2400, "y": 1350})
    assert "trên ảnh trước" in one.told.object
    # 12.3 m to the east and 4.56 m to the south
    ground._handle_msg({"moved": "m3", "x": x + 123, "y": y + 45.6})
    after = one.rows.value.splitlines()
    assert after[3].split(",") == [
        *before[3].split(",")[:2], f"{east + 12.3:.2f}", f"{north - 4.56:.2f}",
        "map", "1.0",  # no surveyed place any more
    ]  # fmt: skip
    assert after[:3] + after[4:] == before[:3] + before[4:]
    assert on_map(one) == places | {"m3": (pytest.approx(x + 123), pytest.approx(y + 45.6))}
    assert one.keep.disabled
    for said in ({"moved": "m3", "x": 4801, "y": 1}, {"moved": "m9", "x": 1, "y": 1},
                 {"moved": "p3", "x": 1, "y": 1}):  # fmt: skip
        ground._handle_msg(said)
    assert one.rows.value.splitlines() == after
    assert set(shown(one)) == {f"p{n}" for n in range(1, 9)}  # the picture has marks of its own
    # what lies beyond the map has no mark on it
    one.rows.value = "\n".join([*after[:3], "1,2,1.00,2.00,map,1.0"])
    assert list(on_map(one)) == ["m1", "m2"]


def test_roads_are_drawn_north_up_as_far_as_the_map_reaches(one, small_root):
    roads = [np.array(line) for line in one.map.objects[0].roads]
    assert roads
    every = np.concatenate(roads)
    assert (every >= -0.1).all()
    assert (every <= np.array(one.ground.size_px) + 0.1).all()
    spot = small_root.ward.roads.to_crs("EPSG:32648").geometry.union_all()
    off = [spot.distance(Point(one.ground.metres(*px))) for px in every]
    assert max(off) < 0.05
    upper, lower = one.ground.metres(0, 0), one.ground.metres(10, 20)
    assert np.subtract(lower, upper) == pytest.approx((1.0, -2.0))


@pytest.mark.parametrize("said", [
    {"moved": "p9", "x": 1, "y": 1}, {"moved": "p1", "x": -1, "y": 1}, {"moved": ["p1"]},
    {"moved": "p1", "x": "1", "y": 1}, {"moved": "p1", "x": True, "y": 1},
    {"moved": "p1", "x": float("nan"), "y": 1},
    {"tapped": True, "x": 1e9, "y": 1}, {"tapped": "yes", "x": 1, "y": 1}, "p1", None,
])  # fmt: skip
def test_a_message_that_no_page_of_ours_sends_moves_nothing(one, said):
    one.tap_picture(5, 6)
    before = one.rows.value
    one.picture.objects[0]._handle_msg(said)
    assert one.rows.value == before
