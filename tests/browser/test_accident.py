"""*Tai nạn* in headless Chromium: four cameras of differing rates and clocks show one instant."""

from fractions import Fraction
from urllib.parse import urlencode

import cv2
import numpy as np
import pytest
from make.clips import make_clip, read_number
from make.small_root import CASE
from playwright.sync_api import expect

from workbench.archive.strips import strip
from workbench.investigation import open_workbench
from workbench.timeline import SECOND_NS, Span, parse_instant
from workbench.views.text import clock

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

IN_CASE = urlencode({"case": CASE.case_id, "reason": CASE.reason})
START_NS = parse_instant("2026-11-20T07:15:00+07:00")
MS = 1_000_000
CLIPS = [
    # codec, file, rate, varying rate, first number, recorded late, and what the clock is off by
    ("libx264", "mp4", Fraction(25), False, 100, 0, 0.0),
    ("libx264", "mp4", Fraction(10), True, 1100, 130 * MS, 0.333),
    ("libx265", "mp4", Fraction(30_000, 1001), False, 2100, 40 * MS, -0.0417),
    ("mjpeg", "avi", Fraction(12), False, 3100, 275 * MS, 1.002),
]
FRAMES = 260
LEVELS = """box => {
  const canvas = box.querySelector("canvas"), small = new OffscreenCanvas(160, 96);
  const pen = small.getContext("2d", { willReadFrequently: true });
  pen.drawImage(canvas, 0, 0, 160, 96);
  const levels = [];
  for (let y = 12; y < 96; y += 24) for (let x = 10; x < 160; x += 20) {
    const { data } = pen.getImageData(x - 3, y - 3, 7, 7);
    levels.push(data.reduce((sum, value, n) => sum + (n % 4 < 3 ? value : 0), 0) / 147);
  }
  return levels;
}"""
FIND = """(test) => {
  const find = (root) => { for (const e of root.querySelectorAll("*")) {
    if (e.classList.contains("together")) return e;
    const inside = e.shadowRoot && find(e.shadowRoot); if (inside) return inside; } };
  return test(find(document));
}"""
PRINT = """async box => {
  const canvas = box.querySelector("canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return [data.some(Boolean), ...hash].join(" ");
}"""


@pytest.fixture(scope="module")
def crossing(tmp_path_factory, ward_folder):
    """Four cameras with numbered clips, and a fifth with a gap of two seconds."""
    folder = tmp_path_factory.mktemp("crossing")
    wb = open_workbench(folder / "root", actor="kiem-thu", create_from=ward_folder)
    wb.open_case(CASE)
    cameras = list(wb.ward.cameras)[:5]
    for camera_id, (codec, ending, rate, vfr, first, late, off) in zip(
        cameras, CLIPS, strict=False
    ):
        clip = folder / f"{camera_id}.{ending}"
        make_clip(clip, FRAMES, rate=rate, gop=30, vfr=vfr, first_number=first, codec=codec,
                  bframes=2 if codec == "libx264" else 0,
                  options={"strict": "unofficial"} if codec == "mjpeg" else None)  # fmt: skip
        wb.ingest(clip, camera_id, START_NS + late, clock_offset_s=off, clock_sigma_s=0.02)
    for part, late in ((0, 0), (1, 6)):
        clip = folder / f"gap{part}.mp4"
        make_clip(clip, 40, rate=10, first_number=5000 + 1000 * part)
        wb.ingest(
            clip, cameras[4], START_NS + late * SECOND_NS, clock_offset_s=0, clock_sigma_s=0.5
        )
    return wb, cameras


@pytest.fixture(scope="module")
def crossing_server(crossing, start_server):
    return start_server(crossing[0].root)


def opened(page, server, cameras, **more):
    asked = urlencode({"cameras": ",".join(cameras), "span": "30", **more})
    page.goto(f"{server.url}/tai-nan?{IN_CASE}&{asked}")
    page.wait_for_selector(".together[data-state=still]")


def at_ns(page, span):
    return span.start_ns + int(page.locator(".together").get_attribute("data-at"))


def number_in(page, camera_id):
    levels = page.locator(f".tile[data-camera='{camera_id}']").evaluate(LEVELS)
    picture = np.repeat(np.array(levels).reshape(4, 8, 1), 3, axis=2)
    return read_number(picture.repeat(24, axis=0).repeat(20, axis=1))


def until(page, test):
    """Wait until the component, inside its shadow root, passes a test."""
    page.wait_for_function(f"() => ({FIND})({test})")


def strips_of(wb, cameras, span):
    found = {}
    for camera_id in cameras:
        recorded = [(one, wb.frame_index(one)) for one in wb.segments([camera_id])]
        found[camera_id] = strip(camera_id, recorded, wb.clock_fixes(camera_id), span)
    return found


def went(page, to, act):
    """Do something that leads to an instant, and wait until every tile stands there."""
    act()
    page.wait_for_selector(f".together[data-state=still][data-at='{to}']")


def check(page, wb, cameras, strips, span):
    """Every tile shows the frame of the instant, read off its pixels; return the numbers."""
    at, numbers = at_ns(page, span), []
    for camera_id, (*_, first, _late, _off) in zip(cameras, CLIPS, strict=False):
        box = page.locator(f".tile[data-camera='{camera_id}']")
        mine = strips[camera_id]
        number = number_in(page, camera_id)
        numbers.append(number)
        # by the pixels: the frame that was filmed last, by the clock as it is known
        (segment,) = wb.segments([camera_id])
        pts = wb.frame_index(segment).pts
        filmed_ns, _ = wb.utc(segment, int(pts[number - first]))
        follows_ns, _ = wb.utc(segment, int(pts[number - first + 1]))
        assert filmed_ns <= at < follows_ns, camera_id
        # by the labels: the server's own rule says the same
        assert box.get_attribute("data-pts") == str(pts[number - first])
        assert box.get_attribute("data-segment") == segment.sha256
        assert int(box.get_attribute("data-residual")) == filmed_ns - at == mine.residual_ns(at)
    expect(page.locator(".together [data-part=local]")).to_have_text(
        clock(at, millis=True, date=True), use_inner_text=True
    )
    return numbers


def test_four_tiles_show_one_instant_at_every_step(page, crossing, crossing_server):
    wb, cameras = crossing
    cameras = cameras[:4]
    start_ns = START_NS + 3 * SECOND_NS
    opened(page, crossing_server, cameras, at=start_ns)
    expect(page.locator(".tile")).to_have_count(4)
    span = Span(start_ns - 10 * SECOND_NS, start_ns + 20 * SECOND_NS)
    strips = strips_of(wb, cameras, span)
    finest = strips[cameras[2]]
    expect(page.locator(".tile.chosen")).to_have_attribute("data-camera", cameras[2])
    before = check(page, wb, cameras, strips, span)
    assert at_ns(page, span) == start_ns

    # every step of the finest tile, forwards; then of the slow one, whose frames vary
    for _ in range(12):
        to = finest.step(at_ns(page, span), 1)
        went(page, to - span.start_ns, lambda: page.keyboard.press("ArrowRight"))
        check(page, wb, cameras, strips, span)
    page.keyboard.press("2")
    for _ in range(5):
        to = strips[cameras[1]].step(at_ns(page, span), 1)
        went(page, to - span.start_ns, lambda: page.keyboard.press("ArrowRight"))
        check(page, wb, cameras, strips, span)
        assert strips[cameras[1]].residual_ns(to) == 0
    page.keyboard.press("3")
    to = finest.step(at_ns(page, span), -1)
    went(page, to - span.start_ns, lambda: page.keyboard.press("ArrowLeft"))
    here, there = check(page, wb, cameras, strips, span), at_ns(page, span)
    assert here[2] > before[2]

    # a hundred frames on and a hundred back: the same pixels in every tile
    pixels = [page.locator(".tile").nth(n).evaluate(PRINT) for n in range(4)]
    to = finest.step(there, 100)
    went(page, to - span.start_ns, lambda: [page.keyboard.press("PageDown") for _ in range(10)])
    assert check(page, wb, cameras, strips, span)[2] == here[2] + 100
    for step in range(1, 101):
        back = finest.step(to, -step) - span.start_ns
        if step % 20:
            page.keyboard.press("ArrowLeft")
        else:
            went(page, back, lambda: page.keyboard.press("ArrowLeft"))
            check(page, wb, cameras, strips, span)
    assert at_ns(page, span) == there
    assert check(page, wb, cameras, strips, span) == here
    assert [page.locator(".tile").nth(n).evaluate(PRINT) for n in range(4)] == pixels


def test_a_gap_is_shown_as_a_gap_and_never_as_an_old_picture(page, crossing, crossing_server):
    _wb, cameras = crossing
    opened(page, crossing_server, [cameras[0], cameras[4]], at=START_NS + 5 * SECOND_NS)
    gap = page.locator(f".tile[data-camera='{cameras[4]}'][data-state=gap]")
    text = gap.inner_text()
    assert "Không có bản ghi" in text
    assert "07:15:04.000" in text
    assert "07:15:06.000" in text
    assert gap.get_attribute("data-pts") is None
    assert gap.evaluate(PRINT).startswith("false")  # nothing is drawn at all
    assert not gap.locator("canvas").is_visible()
    page.keyboard.press("2")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(f".tile[data-camera='{cameras[4]}'][data-state=shown]")
    assert number_in(page, cameras[4]) == 6000
    page.keyboard.press("ArrowLeft")
    page.wait_for_selector(".together[data-state=still]")
    page.wait_for_selector(f".tile[data-camera='{cameras[4]}'][data-pts='351000']")
    assert number_in(page, cameras[4]) == 5039
    page.locator(".bars .row i").nth(2).wait_for(state="attached")


def test_playing_stops_on_the_same_instant_in_every_tile(page, crossing, crossing_server):
    wb, cameras = crossing
    cameras = cameras[:4]
    start_ns = START_NS + 3 * SECOND_NS
    opened(page, crossing_server, cameras, at=start_ns)
    span = Span(start_ns - 10 * SECOND_NS, start_ns + 20 * SECOND_NS)
    strips = strips_of(wb, cameras, span)
    for speed, least_ns in (("0.25", 200 * MS), ("4", 2 * SECOND_NS)):
        page.locator(".together [data-part=speed]").select_option(speed)
        since = at_ns(page, span)
        page.keyboard.press(" ")
        until(page, f"one => Number(one.dataset.at) >= {since - span.start_ns + least_ns}")
        page.keyboard.press(" ")
        page.wait_for_selector(".together[data-state=still]")
        check(page, wb, cameras, strips, span)


def test_a_loop_goes_round_and_playing_in_a_gap_shows_none(page, crossing, crossing_server):
    wb, cameras = crossing
    start_ns = START_NS + 5 * SECOND_NS + 500 * MS
    opened(page, crossing_server, [cameras[0], cameras[4]], at=start_ns)
    span = Span(start_ns - 10 * SECOND_NS, start_ns + 20 * SECOND_NS)
    strips = strips_of(wb, [cameras[0]], span)
    page.keyboard.press("[")
    to = strips[cameras[0]].step(start_ns, 20)
    went(page, to - span.start_ns, lambda: [page.keyboard.press("PageDown") for _ in range(2)])
    page.keyboard.press("]")
    ends = page.locator(".together").get_attribute("data-loop").split()
    assert ends == [str(start_ns - span.start_ns), str(to - span.start_ns)]
    assert page.locator(".together [data-part=loop]").is_checked()
    page.evaluate(
        f"""() => ({FIND})(one => {{
          window.seen = [];
          const tile = one.querySelectorAll(".tile")[1];
          new MutationObserver(() => window.seen.push([Number(one.dataset.at), tile.dataset.state]))
            .observe(one, {{ attributes: true, attributeFilter: ["data-at"] }});
        }})"""
    )
    page.keyboard.press(" ")
    page.wait_for_function(
        "() => window.seen.filter(([at], n, all) => n && at < all[n - 1][0]).length >= 2"
    )
    page.keyboard.press(" ")
    page.wait_for_selector(".together[data-state=still]")
    seen = page.evaluate("() => window.seen")
    assert all(int(ends[0]) <= at <= int(ends[1]) for at, _state in seen)
    again_ns = START_NS + 6 * SECOND_NS - span.start_ns
    states = {(at < again_ns, state) for at, state in seen}
    assert states == {(True, "gap"), (False, "shown")}


def test_zoom_shows_a_part_of_the_same_frame_and_all_of_it_again(page, crossing, crossing_server):
    _wb, cameras = crossing
    opened(page, crossing_server, cameras[:2], at=START_NS + 3 * SECOND_NS)
    tile, whole = page.locator(".tile").first, number_in(page, cameras[0])
    before = tile.evaluate(PRINT)
    page.keyboard.press("1")
    for _ in range(4):
        page.keyboard.press("+")
    expect(tile).to_have_attribute("data-zoom", f"{1.25**4:.2f}")
    near = tile.evaluate(PRINT)
    assert near != before
    page.keyboard.press("Shift+ArrowRight")
    assert tile.evaluate(PRINT) != near
    tile.locator("canvas").hover()
    page.mouse.wheel(0, -120)
    expect(tile).to_have_attribute("data-zoom", f"{1.25**5:.2f}")
    page.keyboard.press("0")
    assert number_in(page, cameras[0]) == whole
    assert tile.evaluate(PRINT) == before
    expect(page.locator(".tile").nth(1)).to_have_attribute("data-zoom", "1.00")


def test_a_frame_is_saved_and_a_bookmark_outlives_the_page(page, crossing, crossing_server):
    wb, cameras = crossing
    opened(page, crossing_server, cameras[:2], at=START_NS + 3 * SECOND_NS)
    page.keyboard.press("2")
    pts = page.locator(".tile.chosen").get_attribute("data-pts")
    number = number_in(page, cameras[1])
    with page.expect_download() as coming:
        page.keyboard.press("s")
    picture = cv2.imread(str(coming.value.path()))
    assert read_number(picture) == number
    assert coming.value.suggested_filename.startswith(f"{cameras[1]}_20261120T0015")
    assert f"_pts{pts}_" in coming.value.suggested_filename
    assert [one.action for one in wb.audit() if one.case_id].count("export") == 1

    page.keyboard.press("PageDown")
    page.wait_for_selector(".together[data-state=still]")
    at = page.locator(".together").get_attribute("data-at")
    page.keyboard.press("b")
    page.keyboard.type("xe máy ngã 12")  # the space and the digits belong to the note
    page.keyboard.press("Enter")
    row = page.locator("#bookmarks tr[data-key]")
    row.wait_for()
    expect(page.locator(".together")).to_have_attribute("data-at", at)
    # from another camera and span, after a reload
    opened(page, crossing_server, cameras[2:3], at=START_NS + 7 * SECOND_NS)
    page.locator("#bookmarks tr[data-key]", has_text="xe máy ngã 12").click()
    page.wait_for_selector(f".tile[data-camera='{cameras[1]}'][data-state=shown]")
    page.wait_for_selector(f".together[data-state=still][data-at='{at}']")
    expect(page.locator(".tile")).to_have_count(2)
    page.get_by_role("button", name="Bỏ dấu đã chọn").click()
    row.wait_for(state="detached")


def test_review_leads_to_the_very_frame_among_its_neighbours(page, crossing, crossing_server):
    wb, cameras = crossing
    (segment,) = wb.segments([cameras[1]])
    pts = int(wb.frame_index(segment).pts[20])
    asked = urlencode({"segment": segment.sha256, "pts": pts})
    page.goto(f"{crossing_server.url}/xem-lai?{IN_CASE}&{asked}")
    page.wait_for_selector(f".player[data-state=still][data-pts='{pts}']")
    page.locator(".player .stamp a", has_text="Tai nạn").click()
    page.wait_for_selector(".together[data-state=still]")
    mine = page.locator(".tile").first
    expect(mine).to_have_attribute("data-camera", cameras[1])
    expect(mine).to_have_attribute("data-pts", str(pts))
    expect(mine).to_have_attribute("data-residual", "0")
    expect(page.locator(".tile")).to_have_count(4)
    expect(page.locator("nav [aria-current=page]")).to_contain_text("Tai nạn", use_inner_text=True)
