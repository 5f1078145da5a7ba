"""*Khuôn mặt* and *Hồ sơ vụ việc* in Chromium: three people, from a subject to two verdicts."""

from __future__ import annotations

from urllib.parse import urlencode

import cv2
import pytest
from make.face_hits import find
from make.passers import LEFTS, film, take_in
from playwright.sync_api import expect

from workbench.investigation import add_person, allow_face_lookouts, open_workbench
from workbench.recognition.models import samples
from workbench.records import Case
from workbench.timeline import SECOND_NS, Span, parse_instant

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

START_NS = parse_instant("2026-11-20T07:15:00+07:00")
PERIOD = Span(START_NS - 60 * SECOND_NS, START_NS + 60 * SECOND_NS)
FRAMES = 6
ASKED = urlencode({"case": "HS-1", "reason": "người rời xe"})
ROLES = {"lan": "investigator", "minh": "approver", "tu": "investigator"}
SECRET = "sông Ngũ Huyện Khê"
RUN_MS = 300_000
"""Another process loads the models and compares; a loaded machine takes its time."""


@pytest.fixture(scope="module")
def house(tmp_path_factory, ward_folder):
    """A root whose pages ask for a sign-in: a case, and a clip with two passes of faces."""
    folder = tmp_path_factory.mktemp("faces")
    clip = film(folder / "clip.mp4", FRAMES)
    wb = open_workbench(folder / "root", actor="may", create_from=ward_folder)
    wb.open_case(Case("HS-1", "Xe tải xám", "QĐ 12", "người rời xe", PERIOD))
    take_in(wb, clip, START_NS, FRAMES)
    for name, role in ROLES.items():
        add_person(wb, name, [role], SECRET)
    return wb


@pytest.fixture(scope="module")
def photograph(tmp_path_factory):
    path = tmp_path_factory.mktemp("photographs") / "portrait.png"
    cv2.imwrite(str(path), samples.portrait()[:, :, ::-1])
    return path


@pytest.fixture(scope="module")
def url(house, start_server):
    return start_server(house.root).url


def enter(page, url, name, slug, asked=ASKED):
    """Sign in as somebody, whoever was before, and open a page of the case."""
    page.context.clear_cookies()
    page.goto(f"{url}/login?{urlencode({'next': f'/{slug}?{asked}'})}")
    page.fill("#username", name)
    page.fill("#password", SECRET)
    page.click("button")
    expect(page.locator(".bar .end")).to_contain_text(name, use_inner_text=True)
    page.goto(f"{url}/{slug}?{asked}")
    page.wait_for_selector("footer.notice")


def button(page, name):
    return page.get_by_role("button", name=name, exact=True)


def test_a_subject_is_written_and_stays_over_a_reload(page, url, photograph):
    enter(page, url, "lan", "ho-so")
    button(page, "Ghi đối tượng").wait_for()
    page.get_by_label("Về ai hoặc về việc gì").fill("người lái <i>xe xám")
    page.get_by_label("Biển số").first.fill("99b1-123.45")
    button(page, "Ghi đối tượng").click()
    subject = page.locator("[data-subject=DT-1]")
    expect(subject).to_contain_text("người lái <i>xe xám")
    expect(subject.locator("a.plate")).to_have_text("99B1-123.45")
    page.locator("input[type=file]").first.set_input_files(photograph)
    expect(page.locator(".frame .tag").first).to_have_text("đủ rõ để so sánh")
    # what the case is about, changed with a reason
    page.get_by_label("Tội danh hoặc hành vi").fill("trẻ em <i>mất tích")
    page.get_by_label("Lý do sửa").fill("rõ hơn")
    button(page, "Sửa hồ sơ").click()
    expect(page.locator("table.particulars")).to_contain_text("trẻ em <i>mất tích")
    page.reload()
    expect(page.locator("[data-turns]")).to_contain_text("lan · đã sửa · rõ hơn")
    expect(page.locator("[data-subject=DT-1] a.plate")).to_have_text("99B1-123.45")
    expect(page.locator(".frame .tag").first).to_have_text("đủ rõ để so sánh")


def test_a_photograph_that_is_too_large_stays_here_with_a_sentence(page, url, photograph, tmp_path):
    large = tmp_path / "large.png"
    with large.open("wb") as out:
        out.truncate(26 << 20)
    enter(page, url, "lan", "khuon-mat")
    field = page.locator("input[type=file]").first
    field.wait_for(state="attached")
    expect(page.locator("#too-large")).to_be_hidden()
    field.set_input_files(large)
    expect(page.locator("#too-large")).to_be_visible()
    expect(page.locator("#too-large")).to_contain_text("lớn hơn 20 MB nên chưa được gửi")
    # the connection stands: the next one is taken, and the sentence goes
    field.set_input_files(photograph)
    expect(page.locator("#too-large")).to_be_hidden()
    expect(page.locator(".frame .tag").first).to_have_text("đủ rõ để so sánh")


def test_from_request_to_verdicts_by_three_people(page, url, house, photograph):
    enter(page, url, "lan", "khuon-mat")
    expect(page.locator("[data-calibrated]")).to_contain_text("chưa được hiệu chuẩn")
    page.locator("input[type=file]").first.set_input_files(photograph)
    expect(page.locator(".frame .tag").first).to_have_text("đủ rõ để so sánh")
    cameras, camera_id = page.locator("input.choices__input").first, house.segments()[0].camera_id
    cameras.click()
    cameras.fill(camera_id)
    page.locator(".choices__item--choice", has_text=camera_id).first.wait_for()
    cameras.press("Enter")
    expect(page.locator(".choices__item--selectable[data-deletable]")).to_contain_text(camera_id)
    button(page, "Khối lượng dự kiến").click()
    expect(page.locator("p.cost").first).to_contain_text("2 lượt trong")
    button(page, "Xin phép").click()
    request = page.locator("[data-request]").first
    expect(request).to_contain_text("chờ phê duyệt")
    assert button(page, "Phê duyệt").count() == 0

    enter(page, url, "minh", "khuon-mat")
    page.locator("main").get_by_role("button", name="Mở", exact=True).first.click()
    button(page, "Phê duyệt").wait_for()
    page.get_by_label("Lý do quyết định").fill("cần cho điều tra")
    button(page, "Phê duyệt").click()
    expect(page.locator("[data-request]").first).to_contain_text("đã phê duyệt (minh)")

    enter(page, url, "lan", "khuon-mat")
    page.locator("main").get_by_role("button", name="Mở", exact=True).first.click()
    button(page, "Chạy lượt tìm").click()
    button(page, "Đọc các ứng viên").wait_for(timeout=RUN_MS)
    read(page, "loại trừ")
    expect(page.get_by_text("Bạn đã đọc")).to_be_visible()
    assert page.get_by_text("Điểm", exact=True).count() == 0

    enter(page, url, "tu", "khuon-mat")
    page.locator("main").get_by_role("button", name="Mở", exact=True).first.click()
    button(page, "Đọc các ứng viên").wait_for()
    read(page, "ủng hộ giả thuyết")
    button(page, "Xem điểm và nhận định").click()
    table = page.locator("table.rows")
    expect(table).to_contain_text("chưa hiệu chuẩn")
    expect(table).to_contain_text("bất đồng")
    expect(table).to_contain_text("loại trừ")
    expect(table).not_to_contain_text("1.00")
    assert house.verify() == []


def test_a_live_lookout_from_the_request_to_a_reading(page, url, house, photograph):
    now = house.now()
    period = Span(now - SECOND_NS, now + 24 * 3600 * SECOND_NS)
    cameras = ("S01-P1", "S01-P2")
    house.open_case(Case("HS-2", "Xe tải xám", "QĐ 13", "người rời xe", period, cameras))
    asked = urlencode({"case": "HS-2", "reason": "người rời xe"})
    allow_face_lookouts(house, True, "được phép")
    enter(page, url, "lan", "khuon-mat", asked)
    page.locator("input[type=file]").first.set_input_files(photograph)
    expect(page.locator(".frame .tag").first).to_have_text("đủ rõ để so sánh")
    choose = page.locator("input.choices__input").first
    choose.click()
    choose.fill("S01-P1")
    page.locator(".choices__item--choice", has_text="S01-P1").first.wait_for()
    choose.press("Enter")
    expect(page.locator(".choices__item--selectable[data-deletable]")).to_contain_text("S01-P1")
    button(page, "Xin canh trực tiếp").click()
    expect(page.locator("[data-lookout]")).to_contain_text("chờ phê duyệt")

    enter(page, url, "minh", "canh-bien-so", asked)
    button(page, "Phê duyệt").click()
    expect(page.locator("[data-lookout]")).to_contain_text("đã phê duyệt (minh)")
    lookout_id = page.locator("[data-lookout]").get_attribute("data-lookout")
    assert find(house.as_actor("lan"), lookout_id, 1, case="HS-2") == 1

    enter(page, url, "tu", "canh-bien-so", asked)
    candidate = page.locator("[data-candidate]")
    expect(candidate).to_contain_text("rộng 50 điểm ảnh")
    expect(candidate.locator("img")).to_have_count(2)
    expect(candidate).not_to_contain_text("điểm vận hành")
    pick = page.get_by_label("Nhận định", exact=True)
    label = pick.locator("option", has_text="loại trừ").first.inner_text()
    pick.select_option(label=label)
    button(page, "Lưu nhận định của tôi: không sửa được nữa").click()
    expect(candidate).to_contain_text("Bạn đã đọc")
    expect(candidate).to_contain_text("1/2")
    assert house.verify() == []


def read(page, word):
    """Give every candidate the verdict that begins so, and keep it."""
    button(page, "Đọc các ứng viên").click()
    expect(page.locator("[data-candidate]")).to_have_count(len(LEFTS))
    picks = page.get_by_label("Nhận định", exact=True)
    expect(picks).to_have_count(len(LEFTS))
    for at in range(len(LEFTS)):
        label = picks.nth(at).locator("option", has_text=word).first.inner_text()
        picks.nth(at).select_option(label=label)
    button(page, "Lưu nhận định của tôi: không sửa được nữa").click()
    button(page, "Lưu nhận định của tôi: không sửa được nữa").wait_for(state="detached")
