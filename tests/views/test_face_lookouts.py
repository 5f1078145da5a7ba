"""Lookouts for a face on the pages: asked, approved, read by two, and no score before that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import panel as pn
import pytest
from make.face_hits import find
from make.walkers import portrait

from workbench.investigation import (
    Workbench,
    add_person,
    allow_face_lookouts,
    open_workbench,
    switch_faces,
)
from workbench.records import Case
from workbench.store.faces import FaceVerdict
from workbench.timeline import SECOND_NS, Span
from workbench.views.faces import FacesPage
from workbench.views.lookouts import LookoutPage
from workbench.views.page import Visit, visit

NOW = 1_800_000_000 * SECOND_NS
HOUR = 3600 * SECOND_NS
SECRET = "sông Ngũ Huyện Khê"


@pytest.fixture
def house(tmp_path: Path, ward_folder: Path) -> Workbench:
    wb = open_workbench(tmp_path / "root", actor="thu", now=lambda: NOW, create_from=ward_folder)
    period = Span(NOW - HOUR, NOW + 200 * HOUR)
    cameras = ("S01-P1", "S01-P2")
    wb.open_case(Case("HS-1", "Xe tải <b>xám", "QĐ 12", "người rời xe", period, cameras))
    return wb


def of(house: Workbench, actor: str) -> Visit:
    asked = {"case": "HS-1", "reason": "người <i>rời xe"}
    return visit(house.as_actor(actor), asked, host_url="http://127.0.0.1:5006", media_port=5007)


def press(column: Any, name: str) -> None:
    next(one for one in column.select(pn.widgets.Button) if one.name == name).clicks += 1


def names(column: Any) -> set[str]:
    return {one.name for one in column.select(pn.widgets.Button)}


def words(column: Any) -> str:
    return " ".join(str(one.object) for one in column.select(pn.pane.HTML))


def ask(page: FacesPage) -> None:
    done, data = cv2.imencode(".png", portrait()[:, :, ::-1])
    assert done
    page.file.param.update(filename="portrait.png", value=data.tobytes())
    page.cameras.value = ["S01-P1"]
    press(page.form, "Xin canh trực tiếp")


def read(page: LookoutPage, verdict: FaceVerdict) -> None:
    queue = page.faces.queue
    press(queue, "Lưu nhận định của tôi: không sửa được nữa")
    assert "ng viên chưa có nhận định" in page.faces.told.object
    next(iter(queue.select(pn.widgets.Select))).value = str(verdict)
    page.look_again()  # a verdict that is being chosen is left alone
    press(queue, "Lưu nhận định của tôi: không sửa được nữa")
    assert page.faces.told.object == ""


def test_asked_approved_and_read_by_two_who_see_no_score(house: Workbench) -> None:
    mine = FacesPage(of(house, "thu"))
    assert "chưa được canh khuôn mặt" in mine.live.state.object
    ask(mine)
    assert "chưa cho phép canh khuôn mặt" in mine.told.object
    allow_face_lookouts(house.as_actor("minh"), True, "được phép")
    mine = FacesPage(of(house, "thu"))
    assert "điểm từ 0.60 trở lên" in mine.live.state.object
    assert "chưa hiệu chuẩn" in mine.live.state.object
    ask(mine)
    assert mine.told.object == ""
    assert "chờ phê duyệt" in words(mine.live.lookouts)
    assert "<i>rời" not in words(mine.live.lookouts)
    assert "Phê duyệt" not in names(mine.live.lookouts)
    theirs = LookoutPage(of(house, "minh"))
    press(theirs.faces.lookouts, "Phê duyệt")
    assert "đã phê duyệt (minh)" in words(theirs.faces.lookouts)
    (one,) = theirs.faces.found
    find(house, one.lookout.lookout_id, 1)

    reader = LookoutPage(of(house, "thu"))
    said = words(reader.faces.queue)
    assert said.count("<img") == 2  # the photograph, and the candidate beside it
    assert "phản bác: rộng 50 điểm ảnh, yếu, 2 hình của lượt qua" in said
    assert "phản bác:" in said.split("2 hình")[1]
    assert "iểm vận hành" not in said
    assert "0.70" not in said
    read(reader, FaceVerdict.EXCLUDES)
    assert "Bạn đã đọc" in words(reader.faces.queue)
    assert not reader.faces.queue.select(pn.widgets.Select)
    second = LookoutPage(of(house, "lan"))
    assert "loại trừ" not in words(second.faces.queue)
    read(second, FaceVerdict.SUPPORTS)
    said = words(second.faces.queue)
    assert "điểm 0.70, điểm vận hành 0.60" in said
    assert "chưa hiệu chuẩn" in said
    assert "bất đồng" in said
    reader.look_again()
    assert "bất đồng" in words(reader.faces.queue)
    press(reader.faces.lookouts, "Kết thúc và xóa")
    assert "ảnh cần tìm đã bị xóa" in words(reader.faces.lookouts)
    assert "bất đồng" in words(reader.faces.queue)  # what was read stays with the case
    assert house.verify() == []


def test_switched_off_and_for_those_who_do_not_read_the_page_stands(house: Workbench) -> None:
    allow_face_lookouts(house, True, "được phép")
    ask(FacesPage(of(house, "thu")))
    for name, role in (("thu", "investigator"), ("chi", "approver")):
        add_person(house.as_actor("root"), name, [role], SECRET)
    approver = LookoutPage(of(house, "chi"))
    press(approver.faces.lookouts, "Từ chối")
    assert "bị từ chối" in words(approver.faces.lookouts) or "từ chối" in words(
        approver.faces.lookouts
    )
    assert "Không có" in words(approver.faces.queue)
    switch_faces(house.as_actor("chi"), on=False, reason="khiếu nại")
    page = LookoutPage(of(house, "thu"))
    assert "khiếu nại" in page.faces.told.object
