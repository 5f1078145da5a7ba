"""The pages in headless Chromium: their roots are drawn, and clicks lead to the very frame."""

import re
import subprocess
from urllib.parse import urlencode

import pytest
from make.clips import read_number
from make.small_root import CASE, PASSWORDS, PLATE, TWIN, with_people
from playwright.sync_api import expect

from workbench.records import Progress
from workbench.store import Store
from workbench.store.runs import Runs
from workbench.views.account import account
from workbench.views.text import clock

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

IN_CASE = urlencode({"case": CASE.case_id, "reason": CASE.reason})
PIXELS = """canvas => {
  const small = new OffscreenCanvas(320, 180), pen = small.getContext("2d");
  pen.drawImage(canvas, 0, 0, 320, 180);
  return Array.from(pen.getImageData(0, 0, 320, 180).data);
}"""


def number_on(canvas):
    """Return the number painted into what a canvas shows."""
    import numpy as np

    data = np.array(canvas.evaluate(PIXELS), np.uint8).reshape(180, 320, 4)
    return read_number(data[:, :, :3])


@pytest.mark.parametrize("slug", ["truc-tiep", "truy-vet", "xem-lai"])
def test_without_a_case_a_page_says_so_and_shows_nothing(page, server, slug):
    page.goto(f"{server.url}/{slug}")
    page.wait_for_selector(".refusal")
    expect(page.locator(".refusal")).to_contain_text("Không hiển thị", use_inner_text=True)
    assert page.locator("canvas, iframe, table.rows").count() == 0
    assert page.get_attribute("html", "lang") == "vi"


def test_choosing_a_case_opens_the_page_and_the_switch_turns_it_english(page, server):
    page.goto(f"{server.url}/")
    page.select_option("#case", CASE.case_id)
    page.wait_for_selector(".wall .tile")
    assert page.input_value("#reason") == CASE.reason
    expect(page.locator("nav [aria-current=page]")).to_contain_text(
        "Trực tiếp", use_inner_text=True
    )
    page.click("a[hreflang=en]")
    page.wait_for_selector(".wall .tile")
    expect(page.locator("nav [aria-current=page]")).to_have_text("Live", use_inner_text=True)
    assert page.input_value("#case") == CASE.case_id


def test_live_tiles_move_and_say_what_they_are(page, server):
    page.goto(f"{server.url}/truc-tiep?{IN_CASE}")
    moving = page.locator(".tile[data-state=replay]").first
    moving.wait_for()
    camera = moving.get_attribute("data-camera")
    tile = page.locator(f".tile[data-camera='{camera}']")
    at = tile.get_attribute("data-at")
    page.wait_for_function(
        """([at, camera]) => {
          const find = (root) => { for (const e of root.querySelectorAll("*")) {
            if (e.dataset && e.dataset.camera === camera) return e;
            const inside = e.shadowRoot && find(e.shadowRoot); if (inside) return inside; } };
          const tile = find(document);
          return tile.dataset.state !== "replay" || Number(tile.dataset.at) > Number(at);
        }""",
        arg=[at, camera],
    )
    expect(tile).to_contain_text(camera, use_inner_text=True)
    expect(tile).to_contain_text(re.compile("PHÁT LẠI|MẤT TÍN HIỆU"), use_inner_text=True)
    # not every camera of this archive has footage at the replayed instant: those say so
    silent = page.locator(".tile[data-state=silent]").first
    silent.wait_for()
    expect(silent).to_contain_text("Không có tín hiệu", use_inner_text=True)


def test_a_site_chosen_on_the_map_shows_its_tiles_only(page, server):
    page.goto(f"{server.url}/truc-tiep?{IN_CASE}")
    page.wait_for_selector(".wall .tile")
    frame = page.frame_locator("iframe")
    frame.locator("body[data-ready]").wait_for()
    page.locator("tr[data-key=S01]").click()
    page.wait_for_selector(".tile[data-camera^=S26]", state="detached")
    expect(page.locator(".tile")).to_have_count(1)
    tile = page.locator(".tile")
    tile.click()
    page.wait_for_selector(".tile.large")


def search(page, server):
    page.goto(f"{server.url}/truy-vet?{IN_CASE}")
    page.locator("input.bk-input").fill(PLATE)
    page.get_by_role("button", name="Tìm biển số").click()
    page.locator(f"#candidates tr[data-key='{PLATE}']").wait_for()


def test_a_plate_search_leads_to_journey_and_frame(page, server, small_root):
    search(page, server)
    near = page.locator(f"#candidates tr[data-key='{TWIN}']")
    expect(near).to_contain_text("≈", use_inner_text=True)
    expect(near.locator("mark")).to_have_text("8", use_inner_text=True)
    page.locator(f"#candidates tr[data-key='{PLATE}']").click()
    frame = page.frame_locator("#map iframe")
    frame.locator(".wb-stop b").nth(5).wait_for()
    expect(frame.locator(".wb-stop:not(.aside)")).to_have_count(5)
    expect(frame.locator("path.wb-legline")).to_have_count(4)
    expect(page.locator("#legs tr.bad").first).to_contain_text("không thể", use_inner_text=True)
    page.locator("#timeline canvas").first.wait_for(state="attached")

    # few reads: no number, and a chosen leg gives its reasons all the same
    expect(page.locator(".note.linked")).to_contain_text("Chưa hiệu chuẩn", use_inner_text=True)
    page.locator("#legs tr[data-key]").first.click()
    page.wait_for_selector(".leg-reasons:not(.contradiction)")
    frame.locator("path.wb-legline.chosen").wait_for()
    expect(page.locator(".leg-reasons:not(.contradiction)")).to_contain_text(
        "đầu mối", ignore_case=True, use_inner_text=True
    )
    page.locator(f"#candidates tr[data-key='{PLATE}']").click()
    page.wait_for_selector(".frame")

    # a click on the map's second stop shows that sighting's frame
    first = page.locator(".frame").get_attribute("data-sighting")
    frame.locator(".wb-stop", has_text="2").locator("b").first.click()
    page.wait_for_selector(f".frame:not([data-sighting='{first}'])")
    shown = page.locator(".frame")
    segment = small_root.segment(shown.get_attribute("data-segment"))
    assert segment.camera_id.startswith("S02")
    expect(shown).to_contain_text(segment.sha256, use_inner_text=True)
    expect(shown).to_contain_text(shown.get_attribute("data-pts"), use_inner_text=True)
    expect(shown).to_contain_text("test-1", use_inner_text=True)

    # the marker moves along the road while time plays
    page.locator("#travel button").click()
    page.wait_for_selector("#travel .travel[data-lat]:not([data-lat=''])")
    frame.locator(".wb-mover").wait_for()

    # and the way goes on to the same frame in the player
    pts = shown.get_attribute("data-pts")
    page.locator(".frame a.button").click()
    page.wait_for_selector(f".player[data-state=still][data-pts='{pts}']")
    expect(page.locator(".player[data-state]")).to_have_attribute("data-segment", segment.sha256)
    expect(page.locator(".player[data-state]")).to_have_attribute("data-boxes", "1")


def test_a_player_without_a_recording_says_what_to_do_and_labels_nothing(page, server):
    page.goto(f"{server.url}/xem-lai?{IN_CASE}")
    page.locator(".player .message:visible").wait_for()
    expect(page.locator(".player .message")).to_have_text(
        "Chọn một đoạn ghi trong danh sách", use_inner_text=True
    )
    expect(page.locator(".player .stamp")).to_have_text("", use_inner_text=True)
    assert not page.locator(".player .coverage").is_visible()  # nothing is missing of nothing
    inputs = page.locator(".player .controls :is(button, input, select)")
    expect(inputs).to_have_count(8)
    assert all(inputs.nth(n).is_disabled() for n in range(8))
    page.locator("table.rows tr[data-key]").first.click()
    page.wait_for_selector(".player[data-state=still]")
    expect(page.locator(".player .stamp")).to_contain_text("PTS", use_inner_text=True)
    page.locator(".player .coverage").wait_for()
    for n in range(8):
        expect(inputs.nth(n)).to_be_enabled()


@pytest.mark.parametrize(
    ("site", "first"),
    [("S01", 0), ("S02", 1000), ("S04", 3000)],
    ids=["start_time", "varying_rate", "open_gop"],
)
def test_every_step_of_the_player_shows_the_frame_of_its_pts(page, server, small_root, site, first):
    segment = next(s for s in small_root.segments() if s.camera_id.startswith(site))
    pts = small_root.frame_index(segment).pts.tolist()
    page.goto(f"{server.url}/xem-lai?{IN_CASE}&segment={segment.sha256}&pts={pts[27]}")

    def at(index):
        page.wait_for_selector(f".player[data-state=still][data-pts='{pts[index]}']")
        expect(page.locator(".player[data-state]")).to_have_attribute("data-index", str(index))
        at_ns, _ = small_root.utc(segment, pts[index])
        local = page.locator(".player [data-part=local]")
        expect(local).to_have_text(clock(at_ns, millis=True, date=True), use_inner_text=True)
        return number_on(page.locator(".player[data-state] canvas"))

    page.wait_for_selector(".player[data-state=still]")
    page.locator(".player[data-state] label input[type=checkbox]").uncheck()
    assert at(27) == first + 27
    # over the border of two GOPs: frame 30 is a key frame, in an open GOP 28 and 29 lean on it
    for index in (28, 29, 30, 31):
        page.keyboard.press("ArrowRight")
        assert at(index) == first + index
    page.keyboard.press("ArrowLeft")
    assert at(30) == first + 30
    page.keyboard.press("End")
    assert at(299) == first + 299
    page.keyboard.press("Home")
    assert at(0) == first


def test_playing_keeps_the_files_pace_and_stops_on_a_frame(page, server, small_root):
    segment = next(s for s in small_root.segments() if s.camera_id.startswith("S03"))
    pts = small_root.frame_index(segment).pts.tolist()
    page.goto(f"{server.url}/xem-lai?{IN_CASE}&segment={segment.sha256}&pts={pts[0]}")
    page.wait_for_selector(f".player[data-state=still][data-pts='{pts[0]}']")
    page.locator(".player[data-state] label input[type=checkbox]").uncheck()
    page.keyboard.press(" ")
    page.wait_for_selector(".player[data-state=playing]")
    page.wait_for_function(
        """at => {
          const find = (root) => { for (const e of root.querySelectorAll("*")) {
            if (e.classList.contains("player") && e.dataset.state) return e;
            const inside = e.shadowRoot && find(e.shadowRoot); if (inside) return inside; } };
          return Number(find(document).dataset.index) >= at;
        }""",
        arg=12,
    )
    page.keyboard.press(" ")
    page.wait_for_selector(".player[data-state=still]")
    index = int(page.locator(".player[data-state]").get_attribute("data-index"))
    assert index >= 12
    expect(page.locator(".player[data-state]")).to_have_attribute("data-pts", str(pts[index]))
    assert number_on(page.locator(".player[data-state] canvas")) == 2000 + index


def test_with_sign_in_and_tls_nothing_is_served_to_strangers(
    chromium, small_root, tmp_path, start_server
):
    house = with_people(small_root, tmp_path / "root")
    running = start_server(house.root, tls=certificate(tmp_path))
    assert running.url.startswith("https://")
    context = chromium.new_context(ignore_https_errors=True)
    context.set_default_timeout(30_000)
    page = context.new_page()
    assert 'type="password"' in page.request.get(f"{running.url}/assets/workbench.css").text()
    page.goto(f"{running.url}/truc-tiep?{IN_CASE}")
    page.fill("#username", "lan")
    page.fill("#password", "wrong")
    page.click("button")
    page.wait_for_selector(".error")
    page.fill("#username", "lan")
    page.fill("#password", PASSWORDS["lan"])
    page.click("button")
    page.wait_for_selector(".bar")
    assert "case=HL-01" in page.url  # where they were going
    # the media process, too, knows who has signed in, over TLS as well
    page.wait_for_selector(".tile[data-state=replay]")
    expect(page.locator(".bar .end")).to_contain_text("lan", use_inner_text=True)
    assert all(one["secure"] for one in context.cookies() if one["name"] == "user")
    context.close()


def certificate(folder):
    """Make a certificate of our own for 127.0.0.1, as a house without an authority would."""
    paths = folder / "house.pem", folder / "house.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
         "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1",
         "-out", paths[0], "-keyout", paths[1]],
        check=True, capture_output=True,
    )  # fmt: skip
    return paths


def test_a_search_of_ones_own_is_ended_after_one_question(page, server, small_root):
    runs, store = Runs(small_root.root), Store.open(small_root.root)
    said = Progress(1.25, 6.0, "h", "recognised S01-P1, 0:12:05 left")
    with runs.begin(actor=account(), started_ns=CASE.period.start_ns, case_id="",
                    footage_h=6.0) as own:  # fmt: skip
        store.set_progress("recognition", said, small_root.now())
        page.goto(f"{server.url}/truy-vet?{IN_CASE}")
        page.get_by_text("đã nhận dạng S01-P1, còn 0:12:05").wait_for()
        cancel = page.get_by_role("button", name="Hủy lượt tìm lúc")
        cancel.click()
        page.get_by_text("Dừng lượt tìm lúc").wait_for()
        expect(cancel).to_have_count(0)
        assert runs.stopped_by(own.run_id) is None
        page.get_by_role("button", name="Dừng", exact=True).click()
        page.get_by_text("đang dừng; kết quả đã có vẫn giữ").wait_for()
        assert runs.stopped_by(own.run_id) == account()
    store.set_progress("recognition", Progress(1.25, 6.0, "h", "stopped"), small_root.now())
    page.get_by_text("đang dừng; kết quả đã có vẫn giữ").wait_for(state="detached")
    page.get_by_text("đã dừng", exact=True).wait_for()
