"""*Hiệu chuẩn* in headless Chromium: a mark is begun, dragged and stepped; its row says where."""

import re
from urllib.parse import urlencode

import pytest
from make.small_root import CASE
from playwright.sync_api import expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

IN_CASE = urlencode({"case": CASE.case_id, "reason": CASE.reason})


def on_screen(picks, x_px, y_px):
    """Return where a pixel of the still lies on the screen."""
    return picks.evaluate(
        "(svg, [x, y]) => { const at = new DOMPoint(x, y).matrixTransform(svg.getScreenCTM());"
        " return [at.x, at.y]; }",
        [x_px, y_px],
    )


def place(mark):
    return float(mark.get_attribute("data-x")), float(mark.get_attribute("data-y"))


def test_a_point_is_dragged_and_stepped_and_its_row_follows(page, server):
    page.goto(f"{server.url}/hieu-chuan?{IN_CASE}")
    page.get_by_role("button", name="Hiện ảnh").click()
    picks = page.locator("svg.picks:not(.ground)")
    picks.wait_for()
    rows = page.get_by_label("Điểm: mỗi điểm một dòng", exact=False)

    page.mouse.click(*on_screen(picks, 100, 60))
    mark = page.locator(".mark[data-id=p1]")
    mark.wait_for()
    x, y = place(mark)
    assert abs(x - 100) < 2 > abs(y - 60)
    expect(rows).to_have_value(re.compile(rf"\n{x:.1f},{y:.1f},,,map,1.0$"))

    # taken a little beside its middle it does not jump: it goes as far as the pointer does
    page.mouse.move(*on_screen(picks, x + 2, y + 1))
    page.mouse.down()
    page.mouse.move(*on_screen(picks, x + 30, y + 20), steps=4)
    page.mouse.move(*on_screen(picks, x + 62, y + 41), steps=4)
    page.mouse.up()
    there = place(mark)
    assert abs(there[0] - x - 60) < 1.5 > abs(there[1] - y - 40)
    expect(rows).to_have_value(re.compile(rf"\n{there[0]:.1f},{there[1]:.1f},,,map,1.0$"))
    assert rows.input_value().count("\n") == 1  # moved, not begun anew

    # the arrow keys move what was taken last, a pixel each, faster than any answer comes
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    here = place(mark)
    assert here == (pytest.approx(there[0] + 3), pytest.approx(there[1] - 1))
    expect(rows).to_have_value(re.compile(rf"\n{here[0]:.1f},{here[1]:.1f},,,map,1.0$"))
    expect(mark).to_have_attribute("aria-label", f"Dấu trên ảnh 1: {here[0]:.1f}, {here[1]:.1f}")
    assert place(mark) == here

    # enlarged, a step is still a pixel of the still, and a click is where the pointer is
    page.mouse.move(*on_screen(picks, *here))
    page.mouse.wheel(0, -600)
    expect(picks).not_to_have_attribute("viewBox", re.compile("^0 0 "))
    spot = on_screen(picks, here[0] + 15, here[1] + 10)
    page.mouse.click(*spot)
    second = page.locator(".mark[data-id=p2]")
    second.wait_for()
    assert abs(place(second)[0] - here[0] - 15) < 1 > abs(place(second)[1] - here[1] - 10)
    mark.focus()
    page.keyboard.press("ArrowLeft")
    assert place(mark) == (pytest.approx(here[0] - 1), here[1])
    # a row that is typed moves its mark; the row has the step before before it is typed over
    expect(rows).to_have_value(re.compile(rf"\n{here[0] - 1:.1f},"))
    rows.fill(rows.input_value().replace(f"{here[0] - 1:.1f},", "111.0,"))
    rows.blur()
    expect(mark).to_have_attribute("data-x", "111.0")


def test_a_place_on_the_map_is_dragged_and_stepped_and_its_row_follows(page, server):
    page.goto(f"{server.url}/hieu-chuan?{IN_CASE}")
    page.get_by_role("button", name="Hiện ảnh").click()
    picture, ground = page.locator("svg.picks:not(.ground)"), page.locator("svg.picks.ground")
    ground.wait_for()
    rows = page.get_by_label("Điểm: mỗi điểm một dòng", exact=False)
    expect(ground.locator(".road").first).to_be_attached()
    page.mouse.click(*on_screen(picture, 100, 60))
    page.locator(".mark[data-id=p1]").wait_for()
    page.mouse.click(*on_screen(ground, 2500, 1300))
    mark = ground.locator(".mark[data-id=m1]")
    mark.wait_for()
    east, north = (float(cell) for cell in rows.input_value().split("\n")[1].split(",")[2:4])

    def row_says(east_m, north_m):
        told = re.escape(f",{east_m:.2f},{north_m:.2f},map,1.0")
        expect(rows).to_have_value(re.compile(told + "$"))

    x, y = place(mark)
    expect(mark).to_have_attribute("aria-label", f"Dấu trên bản đồ 1: {east:.1f}, {north:.1f}")
    page.mouse.move(*on_screen(ground, x + 5, y + 5))
    page.mouse.down()
    page.mouse.move(*on_screen(ground, x + 100, y + 60), steps=4)
    page.mouse.move(*on_screen(ground, x + 205, y + 105), steps=4)
    page.mouse.up()
    there = place(mark)
    assert abs(there[0] - x - 200) < 4 > abs(there[1] - y - 100)
    # to the right is east and downwards south, ten pixels a metre
    east, north = east + (there[0] - x) / 10, north - (there[1] - y) / 10
    row_says(east, north)
    for key in ("ArrowRight", "ArrowRight", "ArrowUp"):
        page.keyboard.press(key)
    assert place(mark) == (pytest.approx(there[0] + 2), pytest.approx(there[1] - 1))
    row_says(east + 0.2, north + 0.1)
    assert rows.input_value().count("\n") == 1
    # the picture keeps its own mark where it was
    assert abs(place(page.locator(".mark[data-id=p1]"))[0] - 100) < 2


@pytest.mark.parametrize("language", ["vi", "en"])
def test_in_a_narrow_window_every_page_name_stands_whole_on_one_line(page, server, language):
    page.set_viewport_size({"width": 1100, "height": 800})
    page.goto(f"{server.url}/hieu-chuan?{IN_CASE}&lang={language}")
    page.locator(".bar nav a[aria-current=page]").wait_for()
    names = page.evaluate(
        "() => [...document.querySelectorAll('.bar nav a')].map((one) => {"
        " const text = document.createRange(); text.selectNodeContents(one);"
        " const at = [...text.getClientRects()];"
        " return [one.textContent.trim(), at.length, Math.max(...at.map((box) => box.right))]; })"
    )
    assert len(names) == 9
    assert [name for name, lines, right in names if lines != 1 or right > 1100] == []
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 1100
