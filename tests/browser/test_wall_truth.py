"""The wall in headless Chromium over real sub-streams, with one fault after another planted."""

import csv
import json
import os
import re
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from lab.rtsp import RtspProcess
from lab.scenes import make_scenes
from make.clips import make_clip
from make.small_root import build
from playwright.sync_api import expect

from workbench.records import Affected, Case, IncidentRecord, Wording
from workbench.store import Store
from workbench.timeline import SECOND_NS, Span
from workbench.views.text import clock

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

GOOD, ILL, LOST = "S01-P1", "S01-P2", "S02-P1"
NOW_NS = time.time_ns()
LIVE = Case(
    case_id="TT-03",
    title="Trực tiếp",
    legal_basis="Kế hoạch kiểm thử",
    reason="xem trực tiếp",
    period=Span(NOW_NS - 3600 * SECOND_NS, NOW_NS + 6 * 3600 * SECOND_NS),
    training=True,
)
IN_CASE = urlencode({"case": LIVE.case_id, "reason": LIVE.reason})
WELL = {"state": "recording", "since_ns": NOW_NS, "cause": "", "faults": [], "why": ""}


class Status:
    """What a recorder would write, again and again as it does; :attr:`cameras` may be changed."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self.cameras = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self):
        while not self._ended.wait(0.3):
            told = {"at_ns": time.time_ns(), "cameras": dict(self.cameras)}
            part = self.folder / "part"
            part.write_text(json.dumps(told))
            part.replace(self.folder / "status.json")

    def stop(self):
        self._ended.set()
        self._thread.join()
        (self.folder / "status.json").unlink(missing_ok=True)


@pytest.fixture(scope="module")
def cameras(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scenes")
    clips = make_scenes(folder, ["normal", "frozen"], fps=12, seconds=4)
    make_clip(folder / "numbers.mp4", 96, rate=12, gop=12, size=(640, 360))
    with RtspProcess() as lab:
        yield {
            GOOD: lab.add(GOOD, folder / "numbers.mp4"),
            ILL: lab.add(ILL, clips["frozen"]),
        }


@pytest.fixture(scope="module")
def root(tmp_path_factory, ward_folder, cameras):
    folder = tmp_path_factory.mktemp("truth")
    tables = folder / "ward"
    tables.mkdir()
    for item in ward_folder.iterdir():
        if item.name != "cameras.csv":
            (tables / item.name).symlink_to(item)
    with (ward_folder / "cameras.csv").open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    for row in rows:
        if row["camera_id"] in (GOOD, ILL, LOST):
            row["stream_url"] = "rtsp://127.0.0.1:9/nobody"
        row["substream_url"] = (
            cameras[row["camera_id"]].address if row["camera_id"] in cameras else ""
        )
    with (tables / "cameras.csv").open("w", encoding="utf-8", newline="") as sink:
        writer = csv.DictWriter(sink, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    wb = build(folder / "root", tables, cameras=2)
    wb.open_case(LIVE)
    return wb


@pytest.fixture(scope="module")
def running(root, start_server):
    return start_server(root.root)


@pytest.fixture
def status(root):
    told = Status(root.root / "recording")
    told.cameras = {GOOD: WELL, ILL: WELL, LOST: WELL}
    yield told
    told.stop()


@pytest.fixture
def wall(page, running, status):
    page.goto(f"{running.url}/truc-tiep?{IN_CASE}")
    page.locator(f".tile[data-camera='{GOOD}'][data-state=live]").wait_for()
    return page


def tile(wall, camera=GOOD):
    return wall.locator(f".tile[data-camera='{camera}']")


def until(wall, camera, test, timeout_s=25):
    wall.wait_for_function(
        """([camera, test]) => {
          const find = (root) => { for (const e of root.querySelectorAll("*")) {
            if (e.dataset && e.dataset.camera === camera && e.classList.contains("tile")) return e;
            const inside = e.shadowRoot && find(e.shadowRoot); if (inside) return inside; } };
          const tile = find(document);
          return tile && new Function("tile", "return " + test)(tile);
        }""",
        arg=[camera, test],
        timeout=timeout_s * 1000,
    )


def stamped(wall, camera, *texts):
    """Wait until a tile carries these stamps and no other."""
    spans = tile(wall, camera).locator(".stamps span:not(:empty)")
    expect(spans).to_have_text(list(texts), use_inner_text=True)


def test_a_healthy_camera_is_live_fresh_and_carries_no_stamp(wall):
    drawn = int(tile(wall).get_attribute("data-drawn"))
    until(wall, GOOD, f"Number(tile.dataset.drawn) > {drawn + 10} && Number(tile.dataset.age) < 1")
    stamped(wall, GOOD)
    expect(tile(wall)).to_contain_text("TRỰC TIẾP", use_inner_text=True)
    expect(tile(wall)).to_have_attribute("data-recording", "1")


def test_frozen_and_covered_are_stamped_over_a_picture_that_is_not_old(wall, status):
    status.cameras = status.cameras | {ILL: WELL | {"faults": ["frozen", "covered"]}}
    until(wall, ILL, "tile.dataset.faults === 'frozen covered'")
    stamped(wall, ILL, "HÌNH BỊ ĐỨNG", "ỐNG KÍNH BỊ CHE")


def test_a_lost_camera_says_since_when_and_why(wall, status):
    since_ns = time.time_ns() - 65 * SECOND_NS
    lost = {"state": "lost", "since_ns": since_ns, "cause": "stalled", "why": "nhánh cáp (97 %)"}
    status.cameras = status.cameras | {LOST: WELL | lost}
    until(wall, LOST, "tile.dataset.state === 'silent'")
    said = tile(wall, LOST).locator(".silence")  # silent before already, and for another reason
    expect(said).to_contain_text(clock(since_ns), use_inner_text=True)
    expect(said).to_contain_text("nhánh cáp (97 %)", use_inner_text=True)


def test_a_picture_that_moves_does_not_hide_that_its_record_is_missing(wall, status):
    since_ns = time.time_ns() - 5 * SECOND_NS
    lost = {"state": "lost", "since_ns": since_ns, "cause": "stalled"}
    status.cameras = status.cameras | {GOOD: WELL | lost}
    stamped(wall, GOOD, f"KHÔNG GHI ĐƯỢC từ {clock(since_ns)}")
    expect(tile(wall)).to_have_attribute("data-state", "live")
    expect(tile(wall)).to_have_attribute("data-recording", "")
    status.cameras = status.cameras | {GOOD: WELL}
    tile(wall).locator(".stamps span").wait_for(state="detached")


def test_where_no_recorder_runs_no_picture_looks_recorded(wall, status):
    status.stop()
    stamped(wall, GOOD, "KHÔNG GHI ĐƯỢC")
    frame = wall.frame_locator("iframe")
    frame.locator("body[data-site-s01=none], body[data-siteS01=none]").wait_for()


def test_a_substream_that_stalls_makes_its_tile_old_then_silent_and_it_comes_back(wall, cameras):
    cameras[GOOD].fault("stall")
    until(wall, GOOD, "tile.dataset.state === 'stale' && Number(tile.dataset.age) > 3")
    expect(tile(wall)).to_contain_text("HÌNH CŨ", use_inner_text=True)
    cameras[GOOD].recover()
    until(wall, GOOD, "tile.dataset.state === 'live' && Number(tile.dataset.age) < 1")


SET_BACK = """
const Real = Worker;
window.Worker = class extends Real {
  set onmessage(heard) {
    super.onmessage = (event) => {
      if ("offset_ms" in event.data) event.data.offset_ms -= window.set_back_ms || 0;
      heard(event);
    };
  }
};
"""
"""The server's clock is set back while its pictures still carry the times of before."""


def test_pictures_of_a_time_to_come_are_never_live(page, running, status):
    page.add_init_script(SET_BACK)
    page.goto(f"{running.url}/truc-tiep?{IN_CASE}")
    page.locator(f".tile[data-camera='{GOOD}'][data-state=live]").wait_for()
    tile(page).click()
    now = page.locator(".care .current")
    now.locator("canvas[data-drawn][data-state=live]").wait_for()
    expect(now.locator("figcaption")).to_have_text("Hiện tại", use_inner_text=True)
    page.evaluate("window.set_back_ms = 3600e3")
    until(page, GOOD, "tile.dataset.state === 'stale' && tile.dataset.age === ''")
    expect(tile(page).locator(".age")).not_to_contain_text("< 1", use_inner_text=True)
    # nor does the panel below call one "now": it is cleared, and says when the last one was
    now.locator("canvas[data-state=stale]:not([data-drawn])").wait_for()
    inked = """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
        .data.some((byte) => byte)"""
    assert not now.locator("canvas").evaluate(inked)
    last = re.compile(r"^Không có hình hiện tại; hình cuối lúc.*\d\d:\d\d:\d\d")
    expect(now.locator("figcaption")).to_have_text(last, use_inner_text=True)
    page.evaluate("window.set_back_ms = 0")
    until(page, GOOD, "tile.dataset.state === 'live'")
    now.locator("canvas[data-drawn]").wait_for()


def test_a_media_process_that_hangs_is_told_on_every_tile(wall, running):
    parent = running.process.pid
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    media = next(
        int(one) for one in children if b"media_server" in Path(f"/proc/{one}/cmdline").read_bytes()
    )
    os.kill(media, signal.SIGSTOP)
    try:
        until(wall, GOOD, "tile.dataset.state === 'cut'")
        expect(wall.locator(".wall .cut")).to_contain_text(
            "Mất kết nối với máy chủ", use_inner_text=True
        )
        stamped(wall, GOOD)
    finally:
        os.kill(media, signal.SIGCONT)
    until(wall, GOOD, "tile.dataset.state === 'live' && Number(tile.dataset.age) < 1", 40)


def test_a_page_in_a_hidden_tab_asks_for_nothing_and_is_fresh_when_it_is_back(wall):
    turn = """hidden => {
      Object.defineProperty(document, "hidden", {get: () => hidden, configurable: true});
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    wall.evaluate(turn, True)
    until(wall, GOOD, "Number(tile.dataset.age) > 4 && tile.dataset.state === 'stale'")
    wall.evaluate(turn, False)
    until(wall, GOOD, "tile.dataset.state === 'live' && Number(tile.dataset.age) < 1")


def branch_incident(root):
    branch = root.ward.sites["S01"].fibre_branch
    on_it = [
        camera.camera_id
        for camera in root.ward.cameras.values()
        if root.ward.sites[camera.site_id].fibre_branch == branch
    ]
    return IncidentRecord(
        "kiem-thu", "lost", time.time_ns() - 90 * SECOND_NS,
        tuple(Affected(camera, time.time_ns(), "stalled") for camera in on_it),
        cause=Wording("the fibre branch"), cause_kind="fibre branch", scope=branch,
        probability=0.97,
    )  # fmt: skip


def test_the_map_shows_each_site_as_it_is_and_the_branch_that_failed(wall, status, root):
    frame = wall.frame_locator("iframe")
    frame.locator("body[data-site-s01=recording]").wait_for()
    status.cameras = status.cameras | {
        ILL: WELL | {"state": "lost"}, LOST: WELL | {"faults": ["dark"]}
    }  # fmt: skip
    frame.locator("body[data-site-s01=lost][data-site-s02=faulty]").wait_for()
    frame.locator(".wb-sign[data-state=lost]", has_text="✕").first.wait_for()
    assert frame.locator("path.wb-branch").count() == 0
    # no name lies over another one; that of a lost site is told before others
    names = frame.locator(".wb-name:visible")
    names.filter(has_text="S01").first.wait_for()
    places = "all => all.map((one) => one.getBoundingClientRect()).map(({x, y}) => ({x, y}))"
    boxes = names.evaluate_all(places)  # all at one instant: the map lays them anew meanwhile
    assert not [
        (a, b)
        for n, a in enumerate(boxes)
        for b in boxes[n + 1 :]
        if abs(a["x"] - b["x"]) < 20 and abs(a["y"] - b["y"]) < 12
    ]
    book = Store.open(root.root).upkeep.incidents
    book.keep(branch_incident(root))
    try:
        frame.locator("path.wb-fibre").first.wait_for()
        row = wall.locator("[data-incident=kiem-thu]")
        expect(row).to_contain_text("97 %", use_inner_text=True)
        expect(row).to_contain_text("Mất tín hiệu", use_inner_text=True)
        # an officer has seen it, and closes it with what was found
        row.locator("button", has_text="Xác nhận").click()
        wall.locator("[data-incident=kiem-thu].seen").wait_for()
        row.locator("button", has_text="Đóng").click()
        row.locator("input").fill("đã hàn lại cáp")
        row.locator("button[type=submit]").click()
        row.wait_for(state="detached")
    finally:
        book.keep(replace(branch_incident(root), closed_ns=time.time_ns()))
    closed = book.one("kiem-thu")
    assert closed.note == "đã hàn lại cáp"
    assert closed.closed_by == closed.acknowledged_by != ""
    frame.locator("path.wb-fibre").first.wait_for(state="detached")
    expect(wall.locator(".legend b")).to_have_count(4)


def test_an_enlarged_camera_is_shown_beside_its_reference(wall, root):
    lumas = np.random.default_rng(1).integers(0, 255, (3, 90, 160), np.uint8)
    folder = root.root / "references"
    folder.mkdir(exist_ok=True)
    np.savez_compressed(
        folder / f"{GOOD}-day.npz", lumas=lumas, at_ns=NOW_NS, fps=12.0, kbit_s=400.0
    )
    tile(wall).click()
    care = wall.locator(".care")
    care.locator(".reference img").wait_for()
    expect(care).to_contain_text("Ảnh mẫu (ban ngày)", use_inner_text=True)
    care.locator(".current canvas[data-drawn]").wait_for()
    care.locator(".set").click()
    asked = care.locator(".asking")
    expect(asked).to_contain_text("Lấy phút ghi gần nhất làm ảnh mẫu?", use_inner_text=True)
    asked.locator("button").first.click()
    # nothing was recorded in this root: the refusal is said, and the reference stays
    care.locator(".foot .bad").wait_for()
    expect(care.locator(".foot .bad")).to_contain_text("không được ghi", use_inner_text=True)
    expect(care.locator(".reference img")).to_have_count(1)
    wall.keyboard.press("Escape")
    care.wait_for(state="detached")
