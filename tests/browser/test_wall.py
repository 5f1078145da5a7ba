"""The wall in headless Chromium, fed by a recorder that writes growing files as time goes."""

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread
from urllib.parse import urlencode

import av
import numpy as np
import pytest
from make import fake_recorder
from make.clips import make_clip, read_number
from make.small_root import build
from playwright.sync_api import expect

from workbench.records import Case
from workbench.timeline import SECOND_NS, Span

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

RATE, FRAMES, SIZE = 25, 3000, (320, 180)
FILE_S = 8
MAIN, OTHER, THIRD = "S01-P1", "S01-P2", "S02-P1"
NOW_NS = time.time_ns()
LIVE = Case(
    case_id="TT-01",
    title="Trực tiếp",
    legal_basis="Kế hoạch kiểm thử",
    reason="xem trực tiếp",
    period=Span(NOW_NS - 3600 * SECOND_NS, NOW_NS + 6 * 3600 * SECOND_NS),
    training=True,
)
IN_CASE = urlencode({"case": LIVE.case_id, "reason": LIVE.reason})
NUMBER = """host => {
  const video = host.querySelector("video");
  const small = new OffscreenCanvas(320, 180), pen = small.getContext("2d");
  return new Promise(resolve => {
    const look = (_now, frame) => {
      pen.drawImage(video, 0, 0, 320, 180);
      resolve({pixels: Array.from(pen.getImageData(0, 0, 320, 180).data),
               media_s: frame ? frame.mediaTime : null, shown_ms: Number(host.dataset.shown)});
    };
    if (video.paused) setTimeout(look, 50); else video.requestVideoFrameCallback(look);
  });
}"""


class Recorder:
    """The fake recorder's process and what it told of its files."""

    def __init__(self, root: Path, clip: Path, cameras):
        words = [sys.executable, fake_recorder.__file__, str(root / "recording"), str(clip)]
        self.process = subprocess.Popen(
            [*words, str(FILE_S), *cameras],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.files = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.files.append(json.loads(line))

    def tell(self, do, camera, **more):
        self.process.stdin.write(json.dumps({"do": do, "camera": camera, **more}) + "\n")
        self.process.stdin.flush()

    def stop(self):
        self.process.kill()
        self.process.wait()


class Clip:
    """The numbered clip: which frame is to be seen at which PTS."""

    def __init__(self, path: Path):
        self.path = path
        make_clip(path, FRAMES, rate=RATE, gop=RATE, bframes=2, size=SIZE)
        with av.open(str(path)) as source:
            pts = [p.pts for p in source.demux(video=0) if p.pts is not None]
        self.pts = np.sort(np.array(pts))

    def filmed_ms(self, number, files):
        """Return the instants at which a frame was recorded, one a file that holds it."""
        ticks = self.pts[number]
        return [f["start_ns"] / 1e6 + (int(ticks) - f["zero_pts"]) / 90 for f in files]


@pytest.fixture(scope="module")
def live_root(tmp_path_factory, ward_folder):
    """A root whose first cameras have an address that nobody answers: only recordings show."""
    folder = tmp_path_factory.mktemp("wall")
    tables = folder / "ward"
    tables.mkdir()
    for item in ward_folder.iterdir():
        target = tables / item.name
        target.symlink_to(item) if item.name != "cameras.csv" else None
    with (ward_folder / "cameras.csv").open(encoding="utf-8", newline="") as source:
        rows = list(csv.DictReader(source))
    for row in rows:
        if row["camera_id"] in (MAIN, OTHER, THIRD):
            row["stream_url"] = "rtsp://127.0.0.1:9/nobody"
    with (tables / "cameras.csv").open("w", encoding="utf-8", newline="") as sink:
        writer = csv.DictWriter(sink, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    wb = build(folder / "root", tables, cameras=2)
    wb.open_case(LIVE)
    return wb


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return Clip(tmp_path_factory.mktemp("clip") / "numbers.mp4")


@pytest.fixture(scope="module")
def live_server(live_root, start_server):
    return start_server(live_root.root)


@pytest.fixture
def recorder(live_root, clip):
    running = Recorder(live_root.root, clip.path, [MAIN, OTHER])
    yield running
    running.stop()
    for left in (live_root.root / "recording").rglob("*.mp4"):
        left.unlink()
    (live_root.root / "recording" / "status.json").unlink()


@pytest.fixture
def wall(page, live_server, recorder):
    page.goto(f"{live_server.url}/truc-tiep?{IN_CASE}")
    page.locator(f".tile[data-camera='{MAIN}'][data-state=live]").wait_for()
    return page


def tile_of(page, camera):
    return page.locator(f".tile[data-camera='{camera}']")


def until(page, camera, test, timeout_s=20):
    """Wait until a JS test of a tile holds: ``tile`` and ``feed`` are its elements."""
    page.wait_for_function(
        """([camera, test]) => {
          const find = (root) => { for (const e of root.querySelectorAll("*")) {
            if (e.dataset && e.dataset.camera === camera) return e;
            const inside = e.shadowRoot && find(e.shadowRoot); if (inside) return inside; } };
          const tile = find(document), feed = tile && tile.querySelector(".feed");
          return tile && new Function("tile", "feed", "return " + test)(tile, feed);
        }""",
        arg=[camera, test],
        timeout=timeout_s * 1000,
    )


def enlarge(page, camera=MAIN):
    tile_of(page, camera).click()
    page.locator(f".tile.large[data-camera='{camera}'] .feed[data-state=playing]").wait_for()
    until(page, camera, "Number(feed.dataset.presented) > 10")
    return page.locator(f".tile[data-camera='{camera}'] .feed")


def look(feed):
    """Return the number in the video and the instant that is shown for it, in ms UTC."""
    seen = feed.evaluate(NUMBER)
    rgb = np.array(seen["pixels"], np.uint8).reshape(180, 320, 4)[:, :, :3]
    return read_number(rgb), seen["shown_ms"]


def test_an_enlarged_tile_plays_the_recording_at_its_full_rate(wall, recorder, clip, capsys):
    feed = enlarge(wall)
    until(wall, MAIN, "Number(feed.dataset.fps) > 22 && Number(feed.dataset.presented) > 60", 40)
    number, shown_ms = look(feed)
    filmed = clip.filmed_ms(number, recorder.files)
    assert min(abs(shown_ms - at) for at in filmed) < 1000 / RATE / 2
    began = len(recorder.files)
    dropped = float(feed.get_attribute("data-dropped"))
    presented = float(feed.get_attribute("data-presented"))
    # on into the next file without a stop
    deadline = time.monotonic() + 3 * FILE_S
    while len(recorder.files) < began + 2 and time.monotonic() < deadline:
        wall.wait_for_timeout(200)
    newest_ms = max(file["start_ns"] for file in recorder.files) / 1e6
    until(wall, MAIN, f"Number(feed.dataset.shown) > {newest_ms + 1000}")
    later, later_ms = look(feed)
    assert later > number
    # between two frames of the recording lie as many milliseconds as the clocks say
    assert abs((later_ms - shown_ms) - (later - number) * 1000 / RATE) < 150
    assert min(abs(later_ms - at) for at in clip.filmed_ms(later, recorder.files)) < 20
    fps, late = (float(feed.get_attribute(f"data-{name}")) for name in ("fps", "late"))
    lost = float(feed.get_attribute("data-dropped")) - dropped
    shown = float(feed.get_attribute("data-presented")) - presented
    told = f"{fps:.1f} fps of {RATE}, {late:.2f} s behind, {lost:.0f} dropped of {shown:.0f}"
    with capsys.disabled():
        print(f"\nenlarged: {told}")
    assert fps > 0.85 * RATE
    assert late < 3
    expect(tile_of(wall, MAIN)).to_have_attribute("data-state", "live")


def test_what_the_browser_cannot_play_stays_a_picture(page, live_server, live_root, tmp_path):
    path = tmp_path / "hevc.mp4"
    make_clip(path, 10 * RATE, rate=RATE, gop=RATE, size=(1280, 720), codec="libx265")
    running = Recorder(live_root.root, path, [THIRD])
    try:
        page.goto(f"{live_server.url}/truc-tiep?{IN_CASE}")
        tile_of(page, THIRD).click()
        until(page, THIRD, "feed && feed.dataset.state === 'unplayable'")
        until(page, THIRD, "tile.dataset.state === 'live'")
        drawn = int(tile_of(page, THIRD).get_attribute("data-drawn"))
        until(page, THIRD, f"Number(tile.dataset.drawn) > {drawn + 5}")
        assert not page.locator(".feed video").is_visible()
    finally:
        running.stop()
        for left in (live_root.root / "recording").rglob("*.*"):
            if left.is_file():
                left.unlink()


def test_winding_back_shows_the_earlier_frame_and_the_button_returns_to_now(wall, recorder, clip):
    feed = enlarge(wall)
    until(wall, MAIN, "Number(feed.dataset.held) > 8", 30)
    feed.locator(".pause").click()
    until(wall, MAIN, "feed.querySelector('video').paused && !feed.querySelector('video').seeking")
    number, before_ms = look(feed)
    feed.locator(".back").click()
    until(wall, MAIN, "feed.dataset.mode === 'back' && tile.dataset.state === 'back'")
    until(wall, MAIN, f"Number(feed.dataset.shown) < {before_ms - 3000}")
    until(wall, MAIN, "!feed.querySelector('video').seeking")
    earlier, shown_ms = look(feed)
    assert number - 6 * RATE < earlier < number
    assert min(abs(shown_ms - at) for at in clip.filmed_ms(earlier, recorder.files)) < 20
    expect(tile_of(wall, MAIN).locator(".what")).to_contain_text("XEM LÙI", use_inner_text=True)
    feed.locator(".edge").click()
    until(wall, MAIN, "tile.dataset.state === 'live' && Number(feed.dataset.late) < 2.5")
    later, _ = look(feed)
    assert later > number


@pytest.mark.slow
def test_a_whole_minute_can_be_dragged_back_and_one_key_returns_to_now(wall, recorder, clip):
    feed = enlarge(wall)
    until(wall, MAIN, "Number(feed.dataset.held) > 64", 90)
    # paused first: else it plays on from where it is dragged to, for as long as this test waits
    wall.keyboard.press(" ")
    until(wall, MAIN, "feed.querySelector('video').paused && !feed.querySelector('video').seeking")
    _, began_ms = look(feed)
    slider = feed.locator(".slider")
    box = slider.bounding_box()
    span_s = float(slider.get_attribute("max")) - float(slider.get_attribute("min"))
    wall.mouse.move(box["x"] + box["width"] - 3, box["y"] + box["height"] / 2)
    wall.mouse.down()
    target_x = box["x"] + box["width"] * (1 - 60 / span_s)
    wall.mouse.move(target_x, box["y"] + box["height"] / 2, steps=8)
    wall.mouse.up()
    until(wall, MAIN, f"Number(feed.dataset.shown) < {began_ms - 50_000}")
    until(wall, MAIN, "feed.dataset.mode === 'back' && !feed.querySelector('video').seeking")
    earlier, shown_ms = look(feed)
    # within the slider's own pixel and what passed meanwhile, and the picture is of that time
    assert 50_000 < began_ms - shown_ms < 64_000
    assert min(abs(shown_ms - at) for at in clip.filmed_ms(earlier, recorder.files)) < 20
    expect(tile_of(wall, MAIN).locator(".what")).to_contain_text("XEM LÙI", use_inner_text=True)
    wall.keyboard.press("l")
    until(wall, MAIN, "tile.dataset.state === 'live' && Number(feed.dataset.late) < 2.5")
    wall.keyboard.press("j")
    until(wall, MAIN, "feed.dataset.mode === 'back'")
    wall.keyboard.press("End")
    until(wall, MAIN, "tile.dataset.state === 'live' && Number(feed.dataset.late) < 2.5")


def test_what_was_recorded_before_a_tile_was_enlarged_can_be_wound_back_at_once(wall):
    # the wall follows this recording since it was opened
    first = int(tile_of(wall, MAIN).get_attribute("data-at"))
    until(wall, MAIN, f"Number(tile.dataset.at) > {first} + 6000")
    feed = enlarge(wall)
    assert float(feed.evaluate("host => host.querySelector('video').buffered.end(0)")) > 4


def test_a_stalled_writer_makes_the_tile_old_and_its_age_grows(wall, recorder):
    recorder.tell("stall", MAIN)
    until(wall, MAIN, "tile.dataset.state === 'stale'")
    tile = tile_of(wall, MAIN)
    expect(tile.locator(".what")).to_contain_text("HÌNH CŨ", use_inner_text=True)
    expect(tile.locator(".silence")).to_contain_text("Không có hình mới từ", use_inner_text=True)
    first = float(tile.get_attribute("data-age"))
    assert first >= 3
    until(wall, MAIN, f"Number(tile.dataset.age) > {first + 2}")
    # the other camera goes on
    expect(tile_of(wall, OTHER)).to_have_attribute("data-state", "live")
    recorder.tell("go", MAIN)
    until(wall, MAIN, "tile.dataset.state === 'live' && Number(tile.dataset.age) < 3")


def test_a_stalled_writer_makes_the_enlarged_tile_old_too(wall, recorder):
    enlarge(wall)
    recorder.tell("stall", MAIN)
    until(wall, MAIN, "tile.dataset.state === 'stale' && Number(tile.dataset.age) > 4")
    recorder.tell("go", MAIN)
    until(wall, MAIN, "tile.dataset.state === 'live' && Number(tile.dataset.age) < 3", 30)


def test_faults_are_stamped_over_the_picture(wall, recorder):
    recorder.tell("health", OTHER, faults=["frozen", "covered"], why="có thể bị che bởi biển hiệu")
    tile = tile_of(wall, OTHER)
    expect(tile.locator(".stamps span:not(:empty)")).to_have_text(
        ["HÌNH BỊ ĐỨNG", "ỐNG KÍNH BỊ CHE"], use_inner_text=True
    )
    expect(tile).to_have_attribute("title", re.compile("biển hiệu"))
    expect(tile).to_have_attribute("data-state", "live")
    recorder.tell("health", OTHER, faults=[])
    tile.locator(".stamps span").first.wait_for(state="detached")


def test_a_lost_camera_says_since_when_and_why(wall, recorder):
    recorder.tell("lose", MAIN, cause="unreachable", why="3 camera cùng nhánh cáp mất trong 2 giây")
    until(wall, MAIN, "tile.dataset.state === 'silent'")
    said = tile_of(wall, MAIN).locator(".silence")
    for words in ("Mất tín hiệu từ", "camera không trả lời", "nhánh cáp"):
        expect(said).to_contain_text(words, use_inner_text=True)
    expect(tile_of(wall, MAIN).locator(".what")).to_contain_text(
        "MẤT TÍN HIỆU", use_inner_text=True
    )
    recorder.tell("back", MAIN)
    until(wall, MAIN, "tile.dataset.state === 'live'")


def media_pid(server):
    """Return the process of the pictures: the child of the server that runs it."""
    parent = server.process.pid
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if b"media_server" in Path(f"/proc/{child}/cmdline").read_bytes():
            return int(child)
    raise AssertionError("no media process")


def test_a_killed_media_process_is_told_on_every_tile_and_everything_comes_back(wall, live_server):
    feed = enlarge(wall)
    os.kill(media_pid(live_server), signal.SIGKILL)
    until(wall, OTHER, "tile.dataset.state === 'cut'")
    expect(tile_of(wall, OTHER)).to_contain_text("Mất kết nối với máy chủ", use_inner_text=True)
    expect(wall.locator(".wall .cut")).to_contain_text(
        "Mất kết nối với máy chủ", use_inner_text=True
    )
    name, what = (tile_of(wall, OTHER).locator(part).bounding_box() for part in (".name", ".what"))
    assert name["x"] + name["width"] <= what["x"] + 1
    # an ordinary tile's age grows on meanwhile, by the page's own clock
    until(wall, OTHER, "tile.dataset.state === 'live' && Number(tile.dataset.age) < 3", 40)
    until(wall, MAIN, "tile.dataset.state === 'live' && Number(feed.dataset.late) < 2.5", 40)
    before = float(feed.get_attribute("data-presented"))
    until(wall, MAIN, f"Number(feed.dataset.presented) > {before + RATE}")


def test_the_keyboard_moves_enlarges_and_goes_back(wall):
    wall.keyboard.press("ArrowRight")
    first = wall.locator(".tile:focus").get_attribute("data-camera")
    wall.keyboard.press("ArrowRight")
    second = wall.locator(".tile:focus").get_attribute("data-camera")
    assert first != second
    wall.keyboard.press("ArrowLeft")
    expect(wall.locator(".tile:focus")).to_have_attribute("data-camera", first)
    wall.keyboard.press("Enter")
    wall.locator(f".tile.large[data-camera='{first}']").wait_for()
    wall.keyboard.press("Escape")
    wall.locator(".tile.large").wait_for(state="detached")
    wall.keyboard.press("f")
    wall.wait_for_function("() => document.fullscreenElement !== null")
    wall.keyboard.press("f")
    wall.wait_for_function("() => document.fullscreenElement === null")


def test_a_saved_layout_is_kept_and_chosen_by_its_digit(wall):
    tile_of(wall, OTHER).focus()
    wall.keyboard.press("Space")
    wall.locator(f".tile.marked[data-camera='{OTHER}']").wait_for()
    wall.locator(".choices form input").fill("Cổng chính")
    wall.keyboard.press("Enter")
    wall.locator(f".tile[data-camera='{MAIN}']").wait_for(state="detached")
    expect(wall.locator(".tile")).to_have_count(1)
    tile_of(wall, OTHER).focus()
    wall.keyboard.press("0")
    tile_of(wall, MAIN).wait_for()
    wall.reload()
    tile_of(wall, MAIN).wait_for()
    wall.locator(".choices .layout", has_text="Cổng chính").wait_for()
    tile_of(wall, MAIN).focus()
    wall.keyboard.press("1")
    wall.locator(f".tile[data-camera='{MAIN}']").wait_for(state="detached")
    expect(wall.locator(".choices [aria-pressed=true]")).to_contain_text(
        "Cổng chính", use_inner_text=True
    )


def test_a_neighbourhood_and_a_site_narrow_the_wall(wall):
    wall.locator(".choices select option").nth(1).wait_for(state="attached")
    shown = wall.locator(".tile").count()
    options = wall.locator(".choices select option").all_inner_texts()
    assert options[0] == "Mọi khu phố"
    wall.locator(".choices select").select_option(options[1])
    expect(wall.locator(".wall section")).to_have_count(1)
    wall.locator(".choices .layout").first.click()
    expect(wall.locator(".tile")).to_have_count(shown)
    wall.locator("tr[data-key=S02]").click()
    wall.locator(f".tile[data-camera='{MAIN}']").wait_for(state="detached")
    wall.locator(".tile[data-camera^=S02]").first.wait_for()


def test_a_recording_is_not_opened_a_second_time_and_no_address_reaches_the_page(wall):
    html = wall.content() + wall.locator(".wall[data-link]").inner_text()
    assert "rtsp" not in html
    expect(tile_of(wall, MAIN)).to_have_attribute("data-recording", "1")
