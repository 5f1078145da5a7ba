"""Speeds under the tiles: what is measurable is listed, and no speed stands without its words."""

from __future__ import annotations

import json
import re
import threading
import zipfile
from dataclasses import replace

import cv2
import pytest
from bokeh.document import Document
from make.drawn_passes import drawn_pass
from make.measured_street import SPEED_M_S, film, points_csv, road
from make.rows import sightings_table
from panel.io.state import set_curdoc

from workbench.collisions import CANDIDATE_NOTE, SPEED_NOTE
from workbench.collisions.steps import Cut
from workbench.collisions.wording import ONSET_NOTE
from workbench.investigation import (
    calibrate,
    check_points,
    corrected,
    keep_track,
    kept_track,
    kept_tracks,
    measure,
    open_workbench,
    write_papers,
)
from workbench.investigation.onsets import Onsets, SeenOnset
from workbench.records import Case, Purpose, Wording
from workbench.timeline import SECOND_NS, Span, parse_instant
from workbench.views.accident import _AccidentPage
from workbench.views.page import visit
from workbench.views.speeds import _pool
from workbench.views.text import translator

START_NS = parse_instant("2026-11-20T07:15:00+07:00")
CASE = Case("TN-9", "Va chạm", "QĐ 12", "làm rõ", Span(START_NS, START_NS + 3600 * SECOND_NS))
WHY = Purpose(CASE.case_id, CASE.reason)
CAMERA, KNOCKED, PLAIN, MEETING = "S01-P1", "S02-P1", "S03-P1", "S04-P1"
VI = translator("vi")


@pytest.fixture(scope="module")
def house(tmp_path_factory, ward_folder):
    home = tmp_path_factory.mktemp("speeds")
    wb = open_workbench(home / "root", actor="lan", create_from=ward_folder)
    wb.open_case(CASE)
    cv2.imwrite(str(home / "still.png"), road()[..., ::-1])
    rows = []
    for camera_id, shift in ((CAMERA, (0, 0)), (KNOCKED, (14, -6)), (PLAIN, (1, 0)),
                             (MEETING, (0, 1))):  # fmt: skip
        clip = film(home / f"{camera_id}.mp4", shift_px=shift)
        wb.ingest(clip, camera_id, START_NS, clock_offset_s=0, clock_sigma_s=0.4)
        rows.append(drawn_pass(wb, camera_id))
        if camera_id == MEETING:
            rows.append(drawn_pass(wb, camera_id, back=True))
        if camera_id != PLAIN:
            points, crs = check_points(wb, camera_id, points_csv(), crs="EPSG:32648")
            calibrate(wb, camera_id, points, crs=crs, picture=home / "still.png", at_ns=START_NS)
    wb._store.append_sightings(sightings_table(rows))
    return wb


def page_of(wb, *cameras: str) -> _AccidentPage:
    asked = {"case": CASE.case_id, "reason": CASE.reason, "cameras": ",".join(cameras),
             "at": str(START_NS + SECOND_NS), "span": "10"}  # fmt: skip
    return _AccidentPage(visit(wb, asked, host_url="http://127.0.0.1:5006", media_port=5007))


def test_a_pass_of_a_calibrated_camera_is_measured_and_never_without_its_words(house):
    page = page_of(house, CAMERA, PLAIN)
    (row,) = page.speeds.passes.rows
    assert row["cells"][1]["sub"].startswith(CAMERA)
    assert row["cells"][2] == ""
    assert PLAIN in page.speeds.told.object
    page.speeds.passes._handle_msg({"chosen": row["key"]})
    told = page.speeds.told.object
    for words in (VI(SPEED_NOTE), "khoảng tin cậy 95 %", "hiệu chuẩn", "0.400", "<polygon",
                  "1 trong 36 điểm", "(1/90000 "):  # fmt: skip
        assert words in told, words
    figure = page.speeds.passes.rows[0]["cells"][2]["text"]
    low, high = (float(one) for one in figure.split("(")[1].rstrip(")").split("–"))
    assert low <= 3.6 * SPEED_M_S <= high
    assert [one.action for one in house.audit()].count("measure") == 1
    # shown again: not measured again
    page.speeds.passes._handle_msg({"chosen": row["key"]})
    assert [one.action for one in house.audit()].count("measure") == 1


def test_the_instant_of_the_tiles_is_told_and_a_pass_elsewhere_is_gone_to(house):
    page = page_of(house, CAMERA)
    page.tiles._handle_msg({"here": {"at": 9 * SECOND_NS}})
    (row,) = page.speeds.passes.rows
    page.speeds.passes._handle_msg({"chosen": row["key"]})
    assert "Tại thời điểm đang xem" not in page.speeds.told.object
    at, _ = page.tiles.seek
    page.tiles._handle_msg({"here": {"at": at}})
    assert "Tại thời điểm đang xem" in page.speeds.told.object


def test_a_camera_that_moved_gives_one_sentence_and_no_figure(house):
    page = page_of(house, KNOCKED)
    (row,) = page.speeds.passes.rows
    page.speeds.passes._handle_msg({"chosen": row["key"]})
    told = page.speeds.told.object
    assert 'role="alert"' in told
    assert "km/h" not in told
    assert page.speeds.passes.rows[0]["cells"][2] == ""
    assert house.audit()[-1].action == "measure.refused"


def test_without_a_calibration_nothing_is_searched_and_it_is_said(house):
    page_of(house, CAMERA)
    before = [one.action for one in house.audit()].count("search.sightings")
    page = page_of(house, PLAIN)
    assert page.speeds.passes.rows == []
    assert PLAIN in page.speeds.told.object
    # what often cannot be told is said
    assert "thường không nói được" in page.speeds.told.object
    assert [one.action for one in house.audit()].count("search.sightings") == before


def test_candidates_are_looked_for_on_request_and_each_is_a_question_with_its_reason(house):
    page = page_of(house, MEETING)
    speeds = page.speeds
    assert len(speeds.passes.rows) == 2
    assert speeds.search.visible
    before = [one.action for one in house.audit()].count("conflicts")
    speeds.search.clicks += 1
    assert [one.action for one in house.audit()].count("conflicts") == before + 1
    assert VI(CANDIDATE_NOTE) in speeds.told.object
    assert "không có nghĩa là không có va chạm" in speeds.told.object
    (row,) = (one for one in speeds.passes.rows if one["key"].startswith("candidate:"))
    assert row["cells"][1]["text"] in ("suýt va chạm?", "va chạm?")
    assert float(row["cells"][2]) < 1.0
    speeds.passes._handle_msg({"chosen": row["key"]})
    assert VI(CANDIDATE_NOTE) in speeds.told.object
    assert "ô tô và ô tô" in speeds.told.object  # the reason, in Vietnamese
    at, _ = page.tiles.seek
    assert 0 < at < 2 * SECOND_NS
    # of a camera that moved none is looked for, and it is said
    moved = page_of(house, KNOCKED).speeds
    moved.search.clicks += 1
    assert "has moved" in moved.told.object or "xê dịch" in moved.told.object
    assert not any(one["key"].startswith("candidate:") for one in moved.passes.rows)


def stand_at(page, at_ns):
    page.tiles._handle_msg({"here": {"at": int(at_ns) - page._shown.span.start_ns}})


def test_a_frame_is_left_out_on_the_page_kept_with_the_case_and_taken_back(house):
    page = page_of(house, CAMERA)
    speeds, hand = page.speeds, page.speeds.by_hand
    assert not hand.view.visible
    assert page.tiles.track == {}
    key = speeds.passes.rows[-1]["key"]
    speeds.passes._handle_msg({"chosen": key})
    assert hand.view.visible
    assert not hand.undo.visible
    before = speeds._shown.pts.tolist()
    stand_at(page, speeds._shown.utc_ns[10])
    assert f"PTS {before[10]}" in hand.told.object
    hand.omit.clicks += 1  # no reason: one sentence, and the figures stay
    assert "Sửa tay mà không nêu lý do" in hand.told.object
    assert VI(SPEED_NOTE) in speeds.told.object
    assert page.papers.tracks.options == {}
    hand.why.value = "bị <b>che</b>"
    hand.omit.clicks += 1
    assert speeds._shown.pts.tolist() == before[:10] + before[11:]
    assert speeds.passes.chosen == "kept:DD-1"
    assert "bị &lt;b&gt;che" in speeds.told.object
    assert hand.why.value == ""
    kept = speeds.passes.rows[0]["cells"][1]
    assert kept["text"] == "DD-1, số lần sửa tay: 1"
    assert kept["sub"].startswith("S01-P1 · ")
    speeds._kept = [replace(speeds._kept[0], name="")]
    speeds._list("")
    assert speeds.passes.rows[0]["cells"][1]["sub"] == "S01-P1"
    # that frame has no point any more: there is nothing to move, and nothing to leave out
    assert "không có điểm của đường đi này" in hand.told.object
    hand.why.value = "lại"
    hand.omit.clicks += 1
    assert "không có điểm ở khung hình này" in hand.told.object
    assert hand.undo.visible
    hand.undo.clicks += 1
    assert speeds._shown.pts.tolist() == before
    assert not hand.undo.visible
    again = page_of(house, CAMERA)  # listed when the page is opened anew
    assert again.speeds.passes.rows[0]["key"] == "kept:DD-1"
    assert list(again.papers.tracks.options.values()) == ["DD-1"]
    assert house.verify() == []


def test_a_point_is_put_elsewhere_only_on_the_frame_shown_and_only_in_numbers(house):
    page = page_of(house, MEETING)
    speeds, hand = page.speeds, page.speeds.by_hand
    speeds.passes._handle_msg({"chosen": speeds.passes.rows[0]["key"]})
    done = speeds._shown
    stand_at(page, done.utc_ns[10])
    pts, drawn = int(done.pts[10]), page.tiles.track
    k = drawn["pts"].index(pts)
    good = {"segment": drawn["segment"], "pts": pts, "x": 400.0, "y": 300.0}
    for bad in (
        {}, good | {"pts": int(done.pts[11])}, good | {"segment": "0" * 64}, good | {"x": "4"},
        good | {"y": True}, good | {"x": float("nan")}, good | {"pts": None}, good | {"x": [1]},
    ):  # fmt: skip
        page.tiles._handle_msg({"moved": bad})
        assert hand.move.disabled, bad
    hand.move.clicks += 1  # a browser may press what is disabled
    assert "Điểm chưa được dời" in hand.told.object
    page.tiles._handle_msg({"moved": good})
    assert not hand.move.disabled
    assert "400.0, 300.0 px, chưa lưu" in hand.told.object
    stand_at(page, done.utc_ns[11])  # what was not kept goes with its frame
    assert hand.move.disabled
    stand_at(page, done.utc_ns[10])
    assert "chưa lưu" not in hand.told.object
    hand.why.value = "lệch"
    page.tiles._handle_msg({"moved": good | {"x": -3.0}})
    hand.move.clicks += 1
    assert "nằm ngoài hình" in hand.told.object
    assert kept_tracks(house, [MEETING], CASE.period, WHY) == []
    x, y = drawn["at"][k]
    page.tiles._handle_msg({"moved": good | {"x": x + 5, "y": y}})
    hand.move.clicks += 1
    (track,) = kept_tracks(house, [MEETING], CASE.period, WHY)
    (step,) = track.steps
    assert (step.pts, step.x_px, step.y_px, step.reason) == (pts, x + 5, y, "lệch")
    assert (step.actor, step.at_ns > 0) == ("lan", True)
    assert page.tiles.track["at"][k] == [x + 5, y]
    assert page.tiles.track["found"][k] == [x, y]
    # of a track that steps have spoilt the last one can still be taken back here
    spoilt = [Cut(int(done.pts[3]), int(done.pts[5]), reason="nhầm")]
    keep_track(house, corrected(track, spoilt), WHY)
    page = page_of(house, MEETING)
    page.speeds.passes._handle_msg({"chosen": "kept:" + track.kept})
    assert 'role="alert"' in page.speeds.told.object
    page.speeds.by_hand.undo.clicks += 1
    assert VI(SPEED_NOTE) in page.speeds.told.object


def test_papers_are_those_of_the_command_and_refused_in_one_sentence(house, tmp_path):
    page = page_of(house, CAMERA)
    papers, chosen = page.papers, page.papers.tracks.options
    papers.make.clicks += 1
    assert "Chưa chọn đường đi nào" in papers.said.object
    papers.tracks.value = list(chosen.values())[:1]
    papers.make.clicks += 1
    assert "chưa nêu lý do" in papers.said.object
    assert papers.files.objects == []
    before = [one.action for one in house.audit()].count("papers")
    papers.why.value, papers.place.value = "lập hồ sơ", "Ngã tư <b>"
    papers.make.clicks += 1
    assert not papers.said.visible
    assert [one.filename for one in papers.files.objects] == [
        "TN-9-so-do-hien-truong.pdf", "TN-9-ban-anh-hien-truong.pdf", "TN-9-svg.zip",
    ]  # fmt: skip
    entries = [one for one in house.audit() if one.action == "papers"]
    assert (len(entries) - before, entries[-1].reason) == (1, "lập hồ sơ")
    # the command's own files, but for when and why they were drawn up
    purpose = Purpose(CASE.case_id, "lập hồ sơ")
    done = measure(house, kept_track(house, papers.tracks.value[0], purpose), purpose)
    made = write_papers(house, [done], tmp_path / "papers", VI, place="Ngã tư <b>")
    assert sorted(papers._made) == sorted(path.name for path in made)
    drawn = re.compile(r"Người lập: .*? Lý do")
    scene = (tmp_path / "papers" / "so-do-hien-truong.svg").read_text()
    there = papers._made["so-do-hien-truong.svg"].decode()
    assert drawn.sub("", there) == drawn.sub("", scene)
    assert "Ngã tư &lt;b&gt;" in there
    packed = zipfile.ZipFile(papers.files.objects[2].callback())
    assert packed.namelist() == [name for name in papers._made if name.endswith(".svg")]


def test_without_metres_a_moment_is_looked_for_and_none_is_said_to_be_none(house):
    page = page_of(house, PLAIN)
    speeds = page.speeds
    assert speeds.moment.visible
    assert not speeds.search.visible
    speeds.moment.clicks += 1
    assert "Không có thời điểm nào nổi bật" in speeds.told.object
    assert VI(CANDIDATE_NOTE) in speeds.told.object
    assert house.audit()[-1].action == "onset"


def test_looking_for_the_moment_ends_when_its_button_is_pressed_again(house):
    speeds = page_of(house, PLAIN).speeds
    held = threading.Event()
    _pool.submit(held.wait)  # the search waits in the pool, as behind somebody else's
    with set_curdoc(Document()):
        speeds.moment.clicks += 1
        assert speeds.moment.label == VI("Stop looking for the moment")
        assert PLAIN in speeds.told.object
        speeds._look_again()
        assert speeds._looking is not None
        speeds.moment.clicks += 1
        held.set()
        speeds._looking[0].result(60)
        speeds._look_again()
    assert VI("It was stopped: not all pictures were looked at.") in speeds.told.object
    assert "Không có thời điểm nào nổi bật" not in speeds.told.object
    assert speeds.moment.label == VI("Look for the moment of a collision, without metres")
    assert json.loads(house.audit()[-1].details)["cancelled"] is True


def test_a_moment_is_gone_to_with_its_uncertainty(house, monkeypatch):
    at_ns = START_NS + SECOND_NS
    seen = SeenOnset(PLAIN, at_ns, 0.8, Wording("two boxes overlapped"))
    page = page_of(house, PLAIN)
    monkeypatch.setattr(
        "workbench.views.speeds.find_onsets", lambda *_, **__: Onsets((seen,), (PLAIN,), 2)
    )
    page.speeds.moment.clicks += 1
    (row,) = (one for one in page.speeds.passes.rows if one["key"].startswith("onset:"))
    page.speeds.passes._handle_msg({"chosen": row["key"]})
    assert "± 1 s" in page.speeds.told.object
    assert "chưa hiệu chuẩn" in page.speeds.told.object
    assert VI(ONSET_NOTE) in page.speeds.told.object
    assert page.tiles.seek[0] == at_ns - page._shown.span.start_ns
