"""The page of a case's file: written by those who search, read by approvers, text stays text."""

import cv2
import panel as pn
import pytest
from make.measured_street import film, track_csv

from workbench.collisions import steps as hand
from workbench.errors import Refused
from workbench.investigation import (
    add_person,
    case_file,
    corrected,
    keep_track,
    open_workbench,
    track_of_sheet,
    undo_step,
)
from workbench.recognition.models import samples
from workbench.records import Case, Purpose
from workbench.timeline import SECOND_NS, Span, parse_instant
from workbench.views.case_file import CaseFilePage, case_file_page
from workbench.views.page import visit

START = parse_instant("2026-11-20T07:15:00+07:00")
PERIOD = Span(START - 60 * SECOND_NS, START + 60 * SECOND_NS)
SECRET = "sông Ngũ Huyện Khê"


@pytest.fixture
def house(tmp_path, ward_folder):
    made = open_workbench(tmp_path / "root", actor="thu", create_from=ward_folder)
    made.open_case(Case("HS-1", "Xe tải xám", "QĐ 12", "người rời xe", PERIOD))
    return made


def opened(house, actor):
    asked = {"case": "HS-1", "reason": "người rời xe"}
    seen = visit(house.as_actor(actor), asked, host_url="http://127.0.0.1:5006", media_port=5007)
    return CaseFilePage(seen)


def press(column, name):
    next(one for one in column.select(pn.widgets.Button) if one.name == name).clicks += 1


def words(column):
    return " ".join(str(one.object) for one in column.select(pn.pane.HTML))


def fill(column, *texts):
    for field, text in zip(column.select(pn.widgets.TextInput), texts, strict=False):
        field.value_input = text


def test_a_subject_a_task_and_a_note_are_written_on_the_page(house):
    page = opened(house, "thu")
    assert "Không có" in words(page.subjects)
    press(page.new_subject, "Ghi đối tượng")
    assert "chưa ghi gì bằng lời" in page.told.object.lower()
    fill(page.new_subject, "lái xe <b>xám", "99b1-123.45, 30A-123.45")
    press(page.new_subject, "Ghi đối tượng")
    assert page.told.object == ""
    said = words(page.subjects)
    assert "lái xe &lt;b&gt;xám" in said
    assert "plate=99B1-123.45" in said
    done, data = cv2.imencode(".png", samples.portrait()[:, :, ::-1])
    assert done
    (field,) = page.subjects.select(pn.widgets.FileInput)
    field.param.update(filename="a.png", value=data.tobytes())
    assert page.told.object == ""
    assert "đủ rõ để so sánh" in words(page.subjects)
    fill(page.new_task, "hỏi hàng xóm", "lan", "2026-11-21")
    press(page.new_task, "Ghi việc")
    fill(page.tasks, "không ai thấy")
    press(page.tasks, "Đã làm xong")
    assert "thu đã làm: không ai thấy" in words(page.tasks)
    fill(page.new_note, "đã gọi hai lần")
    press(page.new_note, "Ghi chú lại")
    assert "đã gọi hai lần" in words(page.notes)
    found = case_file(house, Purpose("HS-1", "người rời xe"))
    assert (len(found.subjects), len(found.tasks), len(found.notes)) == (1, 1, 1)
    assert house.verify() == []


def test_roles_decide_who_reads_and_who_writes(house):
    add_person(house, "minh", ["approver"], SECRET)
    add_person(house, "hoa", ["auditor"], SECRET)
    page = opened(house, "minh")
    assert not page.new_note.objects
    with pytest.raises(Refused):
        opened(house, "hoa")


def test_what_a_case_is_about_is_shown_and_changed_with_a_reason(house):
    page = opened(house, "thu")
    one, fields = page.particulars, page.particulars._fields
    assert "chưa phân loại" in one.shown.object
    fields.category.value = "traffic"
    assert "bỏ chạy sau tai nạn" in fields.offered.options
    fields.offered.value = "bỏ chạy sau tai nạn"
    fields.people.value_input = "lan, <b>"
    press(one.form, "Sửa hồ sơ")
    assert "Thiếu lý do" in page.told.object
    fill(one.form[-1], "rõ hơn")
    press(one.form, "Sửa hồ sơ")
    assert "&lt;b&gt;" in page.told.object
    fields.people.value_input = "lan"
    press(one.form, "Sửa hồ sơ")
    assert page.told.object == ""
    case = house.cases()[0]
    assert (case.offence, case.category, case.people) == (
        "bỏ chạy sau tai nạn",
        "traffic",
        ("lan",),
    )
    assert "1096 ngày" in one.shown.object
    assert "Người thụ lý: – → lan" in one.shown.object
    assert "rõ hơn" in one.shown.object
    # a ward's own days, and a file nobody can read
    (house.root / "retention.toml").write_text("[cases]\ntraffic = 9\n")
    one.draw()
    assert "9 ngày sau khi đóng hồ sơ (phường tự đặt)" in one.shown.object
    (house.root / "retention.toml").write_text("[cases\n")
    one.draw()
    assert "1096 ngày" in one.shown.object


def test_a_case_is_opened_on_the_page_and_only_by_those_who_may(house):
    def without_a_case(actor):
        seen = visit(house.as_actor(actor), {}, host_url="http://127.0.0.1:5006", media_port=5007)
        return case_file_page(seen)

    body = without_a_case("thu")
    assert body.layout == "case_new.html"
    assert "Không hiển thị" in body.roots["refusal"].object
    form = body.roots["form"]
    fields = {one.name: one for one in form.select(pn.widgets.TextInput)}
    (told,) = form.select(pn.pane.HTML)
    press(form, "Mở hồ sơ")
    assert "refusal" in told.object
    assert "Từ, như" in told.object  # which field, and nothing that nobody wrote
    assert "+07:00" not in told.object
    for name, text in (
        ("Số hồ sơ", "HS-2"), ("Tên hồ sơ", "<i>Va chạm"), ("Căn cứ pháp lý", "QĐ 13"),
        ("Vì sao cần xem hình", "xác minh"), ("Từ, như 20/11/2026 07:00", "20/11/2026 07:00"),
        ("Đến, như 20/11/2026 09:00", "2026-11-20 09:00"), ("Tội danh hoặc hành vi", "va chạm"),
    ):  # fmt: skip
        fields[name].value_input = text
    next(one for one in form.select(pn.widgets.Select) if one.name == "Loại hồ sơ").value = "other"
    press(form, "Mở hồ sơ")
    assert "data-opened" in told.object
    assert "case=HS-2" in told.object
    made = house.cases()[-1]
    assert (made.case_id, made.category, made.offence) == ("HS-2", "other", "va chạm")
    assert made.period == Span(START - 900 * SECOND_NS, START + 6300 * SECOND_NS)
    add_person(house, "minh", ["approver"], SECRET)
    with pytest.raises(Refused):
        without_a_case("minh")


def test_tracks_kept_in_the_case_are_listed_with_each_step_and_what_was_taken_back(house, tmp_path):
    assert "data-track" not in words(opened(house, "thu").tracks)
    house.ingest(
        film(tmp_path / "street.mp4"), "S01-P1", START, clock_offset_s=0, clock_sigma_s=0.4
    )
    segment = house.segments(["S01-P1"])[0]
    pts = house.frame_index(segment).pts
    sheet = track_csv(pts)
    track = track_of_sheet(segment, sheet, where="xe.csv", name="xe <u>xám")
    why = Purpose("HS-1", "người rời xe")
    steps = [hand.Omit(int(pts[at]), "thu", START, f"<i>khuất {at}") for at in (3, 5)]
    kept = keep_track(house, corrected(track, steps), why)
    undo_step(house, kept.kept, 1, "nhìn rõ", why)
    shown = words(opened(house, "thu").tracks)
    assert shown.count("data-track") == 1
    assert "DD-1" in shown
    assert "S01-P1" in shown
    assert "chấm tay" in shown
    assert shown.count("<li>") == 3  # two steps, and the first of them taken back
    assert "&lt;i&gt;khuất 3" in shown
    assert "<i>" not in shown
    assert "xe &lt;u&gt;xám" in shown
    assert f"{sheet.count(chr(10)) - 1} khung hình" in shown
    assert "bước 1 đã được thu rút lại" in shown
    assert "nhìn rõ" in shown
