"""*Tai nạn* in headless Chromium: a pass of a calibrated camera is measured under its tile."""

from urllib.parse import urlencode

import cv2
import pytest
from make.drawn_passes import drawn_pass
from make.measured_street import SPEED_M_S, film, points_csv, road
from make.rows import sightings_table
from playwright.sync_api import expect

from workbench.collisions import SPEED_NOTE
from workbench.investigation import calibrate, check_points, open_workbench
from workbench.records import Case
from workbench.timeline import SECOND_NS, Span, parse_instant
from workbench.views.text import translator

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

START_NS = parse_instant("2026-11-20T07:15:00+07:00")
CASE = Case("TN-9", "Va chạm", "QĐ 12", "làm rõ", Span(START_NS, START_NS + 3600 * SECOND_NS),
            training=True)  # fmt: skip
CAMERA, PLAIN = "S01-P1", "S01-P2"


@pytest.fixture(scope="module")
def street(tmp_path_factory, ward_folder, start_server):
    home = tmp_path_factory.mktemp("street")
    wb = open_workbench(home / "root", actor="kiem-thu", create_from=ward_folder)
    wb.open_case(CASE)
    cv2.imwrite(str(home / "still.png"), road()[..., ::-1])
    for camera_id, shift in ((CAMERA, (0, 0)), (PLAIN, (1, 0))):
        clip = film(home / f"{camera_id}.mp4", shift_px=shift)
        wb.ingest(clip, camera_id, START_NS, clock_offset_s=0, clock_sigma_s=0.4)
    points, crs = check_points(wb, CAMERA, points_csv(), crs="EPSG:32648")
    calibrate(wb, CAMERA, points, crs=crs, picture=home / "still.png", at_ns=START_NS)
    wb._store.append_sightings(sightings_table([drawn_pass(wb, CAMERA)]))
    return start_server(wb.root)


def test_a_pass_is_chosen_and_its_speed_stands_with_interval_class_and_sentence(page, street):
    asked = urlencode({"case": CASE.case_id, "reason": CASE.reason, "span": "10",
                       "cameras": f"{CAMERA},{PLAIN}", "at": START_NS + SECOND_NS})  # fmt: skip
    page.goto(f"{street.url}/tai-nan?{asked}")
    page.wait_for_selector(".together[data-state=still]")
    speeds = page.locator("#speeds")
    expect(speeds).to_contain_text(PLAIN)  # not calibrated, and said
    row = speeds.locator("tr[data-key]")
    expect(row).to_have_count(1)
    row.click()
    told = speeds.locator(".speed")
    expect(told.locator(".note")).to_have_text(translator("vi")(SPEED_NOTE))
    expect(told).to_contain_text("khoảng tin cậy 95 %")
    expect(told).to_contain_text("8 điểm đo")  # class of the calibration
    expect(told).to_contain_text("đồng hồ")
    expect(told).to_contain_text("Tại thời điểm đang xem")
    expect(told.locator("svg polygon")).to_have_count(1)
    expect(row.locator("td").nth(2)).to_contain_text("–", use_inner_text=True)
    low, high = row.locator("td").nth(2).inner_text().split("(")[1].rstrip(")").split("–")
    assert float(low) <= 3.6 * SPEED_M_S <= float(high)
    # the clock goes on, and so does the speed of its instant
    before = told.locator("[data-part=here]").inner_text()
    page.locator(".together").press("ArrowRight")
    expect(told.locator("[data-part=here]")).not_to_have_text(before)
    # candidates are looked for when asked, and none found is no verdict
    page.get_by_role("button", name="Tìm va chạm và suýt va chạm").click()
    expect(told).to_contain_text("không có nghĩa là không có va chạm")
    # the address names what is looked at: opened anew, the same tiles stand at the same instant
    at = page.locator(".together").get_attribute("data-at")
    page.wait_for_url(lambda address: f"at={START_NS + int(at)}" in address)
    page.reload()
    page.wait_for_selector(f".together[data-state=still][data-at='{at}']")
    expect(page.locator(".tile")).to_have_count(2)
    expect(page.locator(".tile .base").first).to_have_text("giờ: theo tệp")
    # the other language shows the same: what the address says by now, not what it said at first
    page.locator(".together").press("ArrowRight")
    page.wait_for_selector(f".together[data-state=still]:not([data-at='{at}'])")
    at = page.locator(".together").get_attribute("data-at")
    page.wait_for_url(lambda address: f"at={START_NS + int(at)}" in address)
    page.get_by_role("link", name="English").click()
    page.wait_for_url(lambda address: "lang=en" in address)
    page.wait_for_selector(f".together[data-state=still][data-at='{at}']")
    expect(page.locator(".tile")).to_have_count(2)


def test_the_moment_is_looked_for_beside_the_page_and_none_is_said_to_be_none(page, street):
    asked = urlencode({"case": CASE.case_id, "reason": CASE.reason, "span": "10",
                       "cameras": PLAIN, "at": START_NS + SECOND_NS})  # fmt: skip
    page.goto(f"{street.url}/tai-nan?{asked}")
    page.wait_for_selector(".together[data-state=still]")
    button = page.get_by_role("button", name="Tìm thời điểm bắt đầu va chạm")
    button.click()
    told = page.locator("#speeds .speed")
    expect(told).to_contain_text("Không có thời điểm nào nổi bật")
    expect(told).to_contain_text("18 ảnh")  # of 36 frames, 20 a second
    expect(button).to_be_visible()  # it can be asked again
