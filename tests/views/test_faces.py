"""The page of face search: request, leave by another, a run beside it, two blind readings."""

from __future__ import annotations

import cv2
import panel as pn
import pytest
from make.passers import film, take_in

from workbench.errors import Refused
from workbench.investigation import (
    add_person,
    face_running,
    face_starting,
    open_workbench,
    run_faces,
)
from workbench.recognition.models import samples
from workbench.records import Case
from workbench.store.faces import FaceVerdict
from workbench.timeline import SECOND_NS, Span, parse_instant
from workbench.views.faces import FacesPage, faces_page
from workbench.views.page import _words, visit

START_NS = parse_instant("2026-11-20T07:15:00+07:00")
PERIOD = Span(START_NS - 60 * SECOND_NS, START_NS + 60 * SECOND_NS)
FRAMES = 8
SECRET = "sông Ngũ Huyện Khê"


@pytest.fixture
def house(tmp_path, ward_folder):
    clip = film(tmp_path / "clip.mp4", FRAMES)
    wb = open_workbench(tmp_path / "root", actor="thu", create_from=ward_folder)
    wb.open_case(Case("HS-1", "Xe tải <b>xám", "QĐ 12", "người rời xe", PERIOD))
    take_in(wb, clip, START_NS, FRAMES)
    return wb


def of(house, actor):
    asked = {"case": "HS-1", "reason": "người <i>rời xe"}
    return visit(house.as_actor(actor), asked, host_url="http://127.0.0.1:5006", media_port=5007)


def opened(house, actor):
    page = FacesPage(of(house, actor))
    if page.found:
        press(page.requests, "Mở")
    return page


def press(column, name):
    next(one for one in column.select(pn.widgets.Button) if one.name == name).clicks += 1


def names(column):
    return {one.name for one in column.select(pn.widgets.Button)}


def words(column):
    return " ".join(str(one.object) for one in column.select(pn.pane.HTML))


def ask(page, house):
    done, data = cv2.imencode(".png", samples.portrait()[:, :, ::-1])
    assert done
    page.file.param.update(filename="portrait.png", value=data.tobytes())
    assert "đủ rõ để so sánh" in page.gate.object
    page.cameras.value = [house.segments()[0].camera_id]
    press(page.form, "Khối lượng dự kiến")
    assert "2 lượt trong" in page.foretold.object
    press(page.form, "Xin phép")
    assert page.told.object == ""


def ended(house, request_id):
    """Wait for the process that a run was begun in."""
    process = face_starting._begun.get((house.root.resolve(), request_id))
    if process is not None:  # else it was seen to have ended
        process.wait(600)


def read(page, verdict):
    press(page.opened, "Đọc các ứng viên")
    said = words(page.opened)
    assert said.count("data-candidate") == 2
    assert "Điểm" not in said
    assert "score" not in said
    press(page.opened, "Lưu nhận định của tôi: không sửa được nữa")
    assert "1, 2 chưa có nhận định" in page.told.object
    page.told.object = ""
    for pick in page.opened.select(pn.widgets.Select):
        pick.value = str(verdict)
    press(page.opened, "Lưu nhận định của tôi: không sửa được nữa")
    assert page.told.object == ""


def test_without_a_case_there_is_no_page(house):
    empty = visit(house, {}, host_url="http://127.0.0.1:5006", media_port=5007)
    with pytest.raises(Refused):
        faces_page(empty)


def test_from_request_to_two_blind_readings_on_the_page(house):
    mine = FacesPage(of(house, "thu"))
    assert "Không có" in words(mine.requests)
    ask(mine, house)
    (request,) = (one.request for one in mine.found)
    assert "<i>rời" not in words(mine.requests)
    assert not {"Phê duyệt", "Chạy lượt tìm"} & names(mine.opened)
    theirs = opened(house, "minh")
    assert "2 lượt trong" in words(theirs.opened)
    press(theirs.opened, "Phê duyệt")
    assert "Lý do" in theirs.told.object or "lý do" in theirs.told.object
    theirs.told.object = ""
    why = next(iter(theirs.opened.select(pn.widgets.TextInput)))
    why.value_input = "cần cho điều tra"
    press(theirs.opened, "Phê duyệt")
    assert theirs.told.object == ""
    mine.look_again()
    press(mine.opened, "Chạy lượt tìm")
    assert mine.told.object == ""
    assert "đang chạy" in mine.running.object
    press(mine.opened, "Chạy lượt tìm")
    assert "đang được chạy" in mine.told.object
    ended(house, request.request_id)
    state = face_running(house, request.request_id)
    assert (state.running, state.error) == (False, None)
    mine.look_again()
    mine.told.object = ""
    read(mine, FaceVerdict.SUPPORTS)
    assert "Bạn đã đọc" in words(mine.opened)
    second = opened(house, "lan")
    read(second, FaceVerdict.EXCLUDES)
    press(second.opened, "Xem điểm và nhận định")
    said = words(second.opened)
    assert said.count("bất đồng") == 2
    assert "chưa hiệu chuẩn" in said
    assert "loại trừ" in said
    assert "1.00" not in said
    assert "khớp" not in said
    acts = [entry.action for entry in house.audit()]
    for act in ("faces.list", "faces.photographs", "faces.cost", "faces.view", "faces.results"):
        assert act in acts
    assert house.verify() == []


def test_a_run_that_is_ended_keeps_nothing_and_says_so(house, monkeypatch):
    mine = FacesPage(of(house, "thu"))
    mine.urgent.value_input = "trẻ mất tích"
    ask(mine, house)
    (request,) = (one.request for one in mine.found)
    press(mine.opened, "Chạy lượt tìm")
    press(mine.opened, "Dừng")
    ended(house, request.request_id)
    mine.look_again()
    assert "không giữ lại" in mine.running.object or "không giữ" in mine.running.object
    found = run_faces(house, request.request_id, workers=0)
    assert len(found.run.candidates) == 2


def test_roles_decide_who_sees_the_page_and_what_it_offers(house):
    ask(FacesPage(of(house, "thu")), house)
    add_person(house, "lan", ["investigator"], SECRET)
    add_person(house, "minh", ["approver"], SECRET)
    add_person(house, "hoa", ["auditor"], SECRET)
    minh = opened(house, "minh")
    assert not minh.form.objects
    assert {"Phê duyệt", "Từ chối"} <= names(minh.opened)
    assert "<img" in words(minh.opened)
    assert "Phê duyệt" not in names(opened(house, "lan").opened)
    with pytest.raises(Refused):
        FacesPage(of(house, "hoa"))
    menu = {who: [link["name"] for link in _words(of(house, who), "truc-tiep")["links"]]
            for who in ("minh", "hoa")}  # fmt: skip
    assert "Khuôn mặt" in menu["minh"]
    assert "Khuôn mặt" not in menu["hoa"]
