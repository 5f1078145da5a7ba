"""*Tai nạn* in headless Chromium: a point is put elsewhere, kept, taken back; papers are had."""

import re
import zipfile
from urllib.parse import urlencode

import cv2
import numpy as np
import pytest
from make.drawn_passes import drawn_pass
from make.measured_street import FRAMES, film, points_csv, road, wheels_px
from make.pdf_text import text_of
from make.rows import sightings_table
from playwright.sync_api import expect

from workbench.investigation import calibrate, case_file, check_points, open_workbench
from workbench.records import Case, Purpose
from workbench.timeline import SECOND_NS, Span, parse_instant

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

START_NS = parse_instant("2026-11-20T07:15:00+07:00")
CASE = Case("TN/9", "Va chạm", "QĐ 12", "làm rõ", Span(START_NS, START_NS + 3600 * SECOND_NS),
            training=True)  # fmt: skip
WHY = Purpose(CASE.case_id, CASE.reason)
CAMERA, LYING, PAPERS = "S01-P1", "S02-P1", "S03-P1"
POINTS = wheels_px() + np.random.default_rng(101).standard_normal((FRAMES, 2))
"""What recognition found, as make.drawn_passes has it; none of the first frame."""
SIZE = (1280, 720)


@pytest.fixture(scope="module")
def street(tmp_path_factory, ward_folder, start_server):
    home = tmp_path_factory.mktemp("by-hand")
    wb = open_workbench(home / "root", actor="kiem-thu", create_from=ward_folder)
    wb.open_case(CASE)
    cv2.imwrite(str(home / "still.png"), road()[..., ::-1])
    rows = []
    for number, camera_id in enumerate((CAMERA, LYING, PAPERS)):
        clip = film(home / f"{camera_id}.mp4", shift_px=(0, number // 2), lying=camera_id == LYING)
        wb.ingest(clip, camera_id, START_NS, clock_offset_s=0, clock_sigma_s=0.4)
        points, crs = check_points(wb, camera_id, points_csv(), crs="EPSG:32648")
        calibrate(wb, camera_id, points, crs=crs, picture=home / "still.png", at_ns=START_NS)
        rows.append(drawn_pass(wb, camera_id))
    wb._store.append_sightings(sightings_table(rows))
    return wb, start_server(wb.root)


def opened(page, street, *cameras, lang="vi", frame=12):
    """Open the page on a frame, choose the pass of the first camera, and return its tile."""
    wb, server = street
    at = wb.utc(wb.segments([cameras[0]])[0], pts_of(wb, cameras[0])[frame])[0]
    asked = {"case": CASE.case_id, "reason": CASE.reason, "span": "10", "lang": lang,
             "cameras": ",".join(cameras), "from": START_NS, "at": at}  # fmt: skip
    page.goto(f"{server.url}/tai-nan?{urlencode(asked)}")
    page.wait_for_selector(".together[data-state=still]")
    page.locator("#speeds tr[data-key]").filter(has_text=cameras[0]).last.click()
    tile = page.locator(f".tile[data-camera='{cameras[0]}']")
    tile.locator(".mark").wait_for()
    return tile


def pts_of(wb, camera_id):
    return [int(one) for one in wb.frame_index(wb.segments([camera_id])[0]).pts]


def on_screen(tile, x_px, y_px):
    """Return where a pixel of the picture is seen: it stands whole, in the middle of its canvas."""
    box = tile.locator("canvas").bounding_box()
    scale = min(box["width"] / SIZE[0], box["height"] / SIZE[1])
    left = box["x"] + (box["width"] - scale * SIZE[0]) / 2
    upper = box["y"] + (box["height"] - scale * SIZE[1]) / 2
    return left + scale * x_px, upper + scale * y_px


def place(mark):
    return float(mark.get_attribute("data-x")), float(mark.get_attribute("data-y"))


def drag(page, tile, start, stop):
    page.mouse.move(*on_screen(tile, *start))
    page.mouse.down()
    page.mouse.move(*on_screen(tile, *np.mean([start, stop], axis=0)), steps=3)
    page.mouse.move(*on_screen(tile, *stop), steps=3)
    page.mouse.up()


def keep(page, why):
    page.get_by_placeholder("Lý do sửa").fill(why)
    page.get_by_role("button", name="Lưu chỗ mới").click()


def kept_steps(wb, number=-1):
    track = case_file(wb, WHY).tracks[number]
    return [one for one in track.steps if not one.undone_by], track


def test_a_point_is_dragged_and_stepped_kept_in_its_own_pixels_and_taken_back(page, street):
    wb, _ = street
    tile = opened(page, street, CAMERA, LYING)  # two tiles: each has black bars
    mark, frames = tile.locator(".mark"), pts_of(wb, CAMERA)
    speeds = page.locator("#speeds")
    assert place(mark) == pytest.approx(tuple(POINTS[12]), abs=0.06)
    expect(tile.locator(".fixed.near")).to_have_count(9)  # four before, four after, its own
    expect(page.locator(f".tile[data-camera='{LYING}'] .mark")).to_have_count(0)
    found_speed = speeds.locator(".big").inner_text()

    there = POINTS[12] + [46, -31]
    drag(page, tile, POINTS[12], there)
    expect(speeds).to_contain_text("chưa lưu")
    assert place(mark) == pytest.approx(tuple(there), abs=1)
    expect(tile.locator(".fixed.old text")).to_have_text("máy tìm")
    # without a reason nothing is kept, with a sentence, and the point stays where it was put
    page.get_by_role("button", name="Lưu chỗ mới").click()
    expect(speeds.get_by_role("alert")).to_contain_text("lý do")
    assert case_file(wb, WHY).tracks == ()
    assert place(mark) == pytest.approx(tuple(there), abs=1)

    keep(page, "bánh xe bị che")
    expect(speeds.locator("tr.chosen")).to_contain_text("DD-1")
    (step,), track = kept_steps(wb)
    assert (step.step["kind"], step.step["pts"]) == ("move", frames[12])
    assert (step.step["x_px"], step.step["y_px"]) == pytest.approx(tuple(there), abs=1)
    assert (step.step["reason"], step.step["actor"]) == ("bánh xe bị che", step.written_by)
    assert track.found["points_px"][12] == pytest.approx(POINTS[12].tolist())  # never changed
    expect(speeds.locator(".big")).not_to_have_text(found_speed)
    expect(speeds).to_contain_text("bánh xe bị che")  # in the method's words
    first_speed = speeds.locator(".big").inner_text()
    expect(tile.locator(".fixed.old text")).to_have_text("máy tìm")  # where it was is still seen

    # the next frame, by keys: a pixel each, ten with Shift, whatever the tile's size
    page.keyboard.press("Escape")
    page.keyboard.press("ArrowRight")
    expect(tile).to_have_attribute("data-pts", str(frames[13]))
    expect(speeds).to_contain_text(f"PTS {frames[13]}")
    mark.focus()
    for key in ("ArrowDown", "ArrowLeft", "Shift+ArrowLeft", "Shift+ArrowDown", "Shift+ArrowDown"):
        page.keyboard.press(key)
    expect(tile).to_have_attribute("data-pts", str(frames[13]))  # it moves the point, no frame
    keep(page, "lệch")
    expect(speeds.locator("tr.chosen")).to_contain_text("số lần sửa tay: 2")
    steps, _ = kept_steps(wb)
    assert (steps[1].step["x_px"], steps[1].step["y_px"]) == pytest.approx(
        tuple(POINTS[13] + [-11, 21]), abs=0.1
    )
    expect(speeds.locator(".big")).not_to_have_text(first_speed)

    # taken back: the last one, and the speed is what it was before it
    undo = page.get_by_role("button", name="Rút lại bước cuối")
    undo.click()
    expect(speeds.locator("tr.chosen")).to_contain_text("số lần sửa tay: 1")
    expect(speeds.locator(".big")).to_have_text(first_speed)
    (step,), _ = kept_steps(wb)
    assert step.step["pts"] == frames[12]
    expect(mark).to_have_attribute("data-x", f"{POINTS[13][0]:.1f}")
    undo.click()
    expect(speeds.locator("tr.chosen")).to_contain_text("số lần sửa tay: 0")
    expect(speeds.locator(".big")).to_have_text(found_speed)
    assert wb.verify() == []


def test_a_turned_picture_enlarged_and_a_finger_put_points_in_displayed_pixels(page, street):
    wb, _ = street
    page.set_viewport_size({"width": 1100, "height": 800})
    tile = opened(page, street, LYING, CAMERA)
    mark = tile.locator(".mark")
    assert place(mark) == pytest.approx(tuple(POINTS[12]), abs=0.06)
    # a finger
    touch = page.context.new_cdp_session(page)
    there = POINTS[12] + [-60, 40]
    for k, kind in enumerate(("touchStart", "touchMove", "touchMove", "touchEnd")):
        x, y = on_screen(tile, *(POINTS[12] + (there - POINTS[12]) * min(k, 2) / 2))
        points = [] if kind == "touchEnd" else [{"x": x, "y": y}]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    expect(page.locator("#speeds")).to_contain_text("chưa lưu")
    assert place(mark) == pytest.approx(tuple(there), abs=1)
    # enlarged about the point: a pixel of the picture is several of the screen
    page.mouse.move(*on_screen(tile, *there))
    for _ in range(5):
        page.mouse.wheel(0, -100)
    expect(tile).to_have_attribute("data-zoom", re.compile(r"^3\.0"))
    zoom = float(tile.get_attribute("data-zoom"))
    box = tile.locator("canvas").bounding_box()
    shown = min(box["width"] / SIZE[0], box["height"] / SIZE[1]) * zoom
    page.mouse.move(*on_screen(tile, *there))
    page.mouse.down()
    seen = on_screen(tile, *there)
    page.mouse.move(seen[0] + 20, seen[1] - 30, steps=4)
    page.mouse.up()
    assert place(mark) == pytest.approx((there[0] + 20 / shown, there[1] - 30 / shown), abs=1)
    put = place(mark)
    keep(page, "xe khác")
    expect(page.locator("#speeds tr.chosen")).to_contain_text("số lần sửa tay: 1")
    (step,), track = kept_steps(wb)
    assert track.found["camera_id"] == LYING
    assert (step.step["x_px"], step.step["y_px"]) == pytest.approx(put, abs=0.1)


def test_where_a_track_begins_and_ends_is_said_on_its_frames(page, street):
    wb, _ = street
    tile = opened(page, street, PAPERS, frame=5)
    # while it plays the points are seen, and cannot be moved
    page.locator(".together [data-part=speed]").select_option("0.1")
    page.locator(".together").press(" ")
    expect(tile.locator(".fixed.own")).to_have_count(1)
    expect(tile.locator(".mark")).to_have_count(0)
    expect(page.locator("#speeds")).to_contain_text("không có điểm của đường đi này")
    page.get_by_role("button", name="Bỏ điểm này").click()
    expect(page.locator("#speeds").get_by_role("alert")).to_contain_text("không có điểm ở khung")
    page.locator(".together").press(" ")
    expect(tile.locator(".mark")).to_have_count(1)
    page.locator(".together").press("Home")
    for _ in range(5):
        page.locator(".together").press("ArrowRight")
    expect(tile).to_have_attribute("data-pts", str(pts_of(wb, PAPERS)[5]))
    expect(page.locator("#speeds")).to_contain_text(f"PTS {pts_of(wb, PAPERS)[5]}")
    speeds, frames = page.locator("#speeds"), pts_of(wb, PAPERS)
    page.get_by_placeholder("Lý do sửa").fill("trước đó là xe khác")
    page.get_by_role("button", name="Đường đi từ đây").click()
    expect(speeds.locator("tr.chosen")).to_contain_text("số lần sửa tay: 1")
    page.keyboard.press("Escape")
    for _ in range(2):
        page.locator(".together").press("PageDown")
    expect(page.locator(".tile")).to_have_attribute("data-pts", str(frames[25]))
    expect(speeds).to_contain_text(f"PTS {frames[25]}")
    page.get_by_placeholder("Lý do sửa").fill("sau đó bị che")
    page.get_by_role("button", name="Đường đi đến đây").click()
    expect(speeds.locator("tr.chosen")).to_contain_text("số lần sửa tay: 2")
    expect(speeds).to_contain_text("21 khung hình")
    steps, _ = kept_steps(wb)
    assert [(one.step["first_pts"], one.step["last_pts"]) for one in steps] == [
        (frames[5], frames[-1]), (frames[0], frames[25]),
    ]  # fmt: skip
    # a frame without a point: one sentence, and nothing is kept
    page.locator(".together").press("ArrowRight")
    expect(speeds).to_contain_text("không có điểm của đường đi này")
    page.get_by_placeholder("Lý do sửa").fill("thử")
    page.get_by_role("button", name="Bỏ điểm này").click()
    expect(speeds.get_by_role("alert")).to_contain_text("không có điểm ở khung hình này")
    assert len(kept_steps(wb)[0]) == 2

    # drafts of the papers of what was kept
    papers = page.locator("#papers")
    id_of = f"DD-{len(case_file(wb, WHY).tracks)}"
    make = papers.get_by_role("button", name="Lập bản nháp")
    make.click()
    expect(papers.get_by_role("alert")).to_contain_text("Chưa chọn đường đi nào")
    papers.get_by_label(id_of, exact=False).check()
    make.click()
    expect(papers.get_by_role("alert")).to_contain_text("chưa nêu lý do")
    assert "papers" not in [one.action for one in wb.audit()]
    papers.get_by_placeholder("Địa điểm").fill("Ngã tư Rích Gạo")
    papers.get_by_placeholder("Lý do lập giấy tờ").fill("lập hồ sơ hiện trường")
    make.click()
    got = {}
    for label in ("Sơ đồ (PDF)", "Bản ảnh (PDF)", "Tất cả dạng SVG (ZIP)"):
        button = papers.locator("a", has_text=label)
        button.wait_for()
        with page.expect_download() as waited:
            button.click()
        got[waited.value.suggested_filename] = waited.value.path()
    assert set(got) == {"TN-9-so-do-hien-truong.pdf", "TN-9-ban-anh-hien-truong.pdf",
                        "TN-9-svg.zip"}  # fmt: skip
    for name, title in (("so-do", "SƠ ĐỒ HIỆN TRƯỜNG"), ("ban-anh", "BẢN ẢNH HIỆN TRƯỜNG")):
        text = text_of(got[f"TN-9-{name}-hien-truong.pdf"].read_bytes())
        for words in (title, CASE.case_id, CASE.title, "BẢN NHÁP", "Ngã tư Rích Gạo",
                      "lập hồ sơ hiện trường"):  # fmt: skip
            assert "".join(words.split()) in text, (name, words)
    assert id_of in text_of(got["TN-9-so-do-hien-truong.pdf"].read_bytes())
    with zipfile.ZipFile(got["TN-9-svg.zip"]) as packed:
        assert {name.rsplit(".", 1)[1] for name in packed.namelist()} == {"svg"}
        assert "BẢN NHÁP" in packed.read("so-do-hien-truong.svg").decode()
    entry = [one for one in wb.audit() if one.action == "papers"][-1]
    assert (entry.subject, entry.reason) == (PAPERS, "lập hồ sơ hiện trường")
