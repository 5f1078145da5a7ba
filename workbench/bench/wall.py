"""Measure the wall: real sub-streams to a real websocket, and once to what Chromium paints.

Every picture of a stream carries its number in its corner. The laboratory says when a session began
to play, so the age of a picture is known from the camera's sending to the viewer's having it,
whatever the wall itself says of it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import os
import re
import struct
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import cv2
import numpy as np

from workbench.bench.rig import (
    RunningRecorder,
    descendants,
    make_root,
    tree_cpu_s,
    wait_for,
    write_addresses,
)
from workbench.errors import N_, Unavailable
from workbench.investigation import Workbench, open_workbench
from workbench.records import Case, Purpose
from workbench.timeline import SECOND_NS, Span

Figures = dict[str, Any]

SUB_SIZE, MAIN_SIZE, FPS, GOP_S = (640, 360), (1920, 1080), 12, 2.0
SUB_BIT_RATE, MAIN_BIT_RATE = 400_000, 1_500_000
CLIP_S = 8.0
TILE_PX = 250
NUMBER_PX = (224, 128)
"""The picture's number is painted into this corner, width and height."""
SECONDS, QUICK_SECONDS = 20.0, 8.0
SAMPLE_EVERY = 17
"""One batch in so many has the numbers read that are painted into its first sheet."""
CASE = Case(
    case_id="BENCH",
    title="bench",
    legal_basis="measurement",
    reason="measurement",
    period=Span(0, 2**62),
    training=True,
)
CHROMIUM = Path("/usr/bin/chromium")
_STARTED_S = 120


def bench_wall(lab: Any, folder: Path, *, quick: bool = False) -> Figures:
    """Return tiles a second, their age and what they cost; see ``docs/benchmarks/live.md``.

    Parameters
    ----------
    lab
        The laboratory of cameras, in a process of its own; ``tests`` are on the path.
    folder
        Where clips and a root are made.
    """
    seconds = QUICK_SECONDS if quick else SECONDS
    small, large = make_clips(folder)
    root = make_root(folder / "wall")
    cameras = list(open_workbench(root, actor="bench").ward.cameras)
    subs = {one: lab.add(f"{one}/sub", small) for one in cameras}
    mains = {one: lab.add(f"{one}/main", large) for one in cameras}
    write_addresses(root, {one: camera.address for one, camera in mains.items()})
    write_addresses(root, {one: camera.address for one, camera in subs.items()}, "substream_url")
    wb = open_workbench(root, actor="bench")
    wb.open_case(CASE)
    figures: Figures = {
        "data": f"sub-streams H.264 {SUB_SIZE[0]}x{SUB_SIZE[1]}, {FPS} fps, "
        f"{SUB_BIT_RATE / 1000:g} kbit/s asked, drawn street; load before "
        f"{os.getloadavg()[0]:.2f}; laboratory, viewer and wall share {os.cpu_count()} cores",
    }
    with running_pages(root) as pages:
        for count in (26, len(cameras)):
            figures |= _named(watch(wb, pages, cameras[:count], subs, seconds), count, "")
        figures |= in_chromium(pages, subs, seconds)
        if not quick:
            recorder = RunningRecorder(root)
            wait_for(lambda: len(recorder.recording()) == len(cameras), "all to be recorded")
            seen = watch(wb, pages, cameras, subs, seconds)
            recorder.stop()
            figures |= _named(seen, len(cameras), "_recording")
    return figures


def _named(seen: Figures, count: int, how: str) -> Figures:
    return {f"tiles_{count}{how}_{key}": value for key, value in seen.items()}


def make_clips(folder: Path) -> tuple[Path, Path]:
    """Write a numbered clip for the sub-streams and a plain one for the main streams."""
    scenes, clips = importlib.import_module("lab.scenes"), importlib.import_module("make.clips")

    def numbered() -> Iterator[Any]:
        pictures = scenes.scene_pictures("normal", round(CLIP_S * FPS), SUB_SIZE)
        for number, picture in enumerate(pictures):
            picture[: NUMBER_PX[1], : NUMBER_PX[0]] = clips.paint_number(number, NUMBER_PX)
            yield picture

    small = scenes.encode(
        folder / "sub.mp4", numbered(), fps=FPS, gop_s=GOP_S, bit_rate=SUB_BIT_RATE
    )
    made = scenes.make_scenes(
        folder, ["normal"], size=MAIN_SIZE, fps=FPS, seconds=CLIP_S, gop_s=GOP_S,
        bit_rate=MAIN_BIT_RATE,
    )  # fmt: skip
    return small, made["normal"]


class Pages:
    """``workbench serve`` on a root: where its pages and pictures are, and its processes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self.process = process
        parts = urlsplit(process.stdout.readline().strip())
        self.origin = f"{parts.scheme}://{parts.netloc}"
        query = urlencode({"case": CASE.case_id, "reason": CASE.reason})
        self.live = f"{self.origin}/truc-tiep?{query}"
        with urllib.request.urlopen(self.live, timeout=_STARTED_S) as answer:
            policy = answer.headers["Content-Security-Policy"]
        found = re.search(r"ws://[^ ;]+", policy)
        assert found is not None
        self.pictures = found[0]

    @property
    def media_pid(self) -> int:
        """The process of the pictures."""
        for pid in descendants(self.process.pid):
            if b"media_server" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
        raise Unavailable(N_("waited in vain for {event}"), event="the process of the pictures")


@contextmanager
def running_pages(root: Path) -> Iterator[Pages]:
    """Run the product's server while inside."""
    words = [sys.executable, "-m", "workbench.cli", "serve", str(root), "--port", "0"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        yield Pages(process)
    finally:
        process.terminate()
        process.wait(30)


class Tally:
    """What one viewer got: pictures by camera, their age as said and as painted."""

    def __init__(self, began_ns: Mapping[str, int]) -> None:
        self.began_ns = began_ns
        self.pictures: dict[str, int] = {}
        self.said_s: list[float] = []
        self.painted_s: list[float] = []
        self.size = 0
        self.counting = False
        self._read = importlib.import_module("make.clips").read_number

    def take(self, message: bytes) -> int:
        """Take a message in; return its number, to be acknowledged."""
        now_ns = time.time_ns()
        length = struct.unpack(">I", message[:4])[0]
        head = json.loads(message[4 : 4 + length])
        sheet: Any = None
        sheets, at = [], 4 + length
        for size in head["sheets"]:
            sheets.append(message[at : at + size])
            at += size
        if self.counting:
            self.size += at - 4 - length
        for tile in head["tiles"]:
            if "place" not in tile or not self.counting:
                continue
            camera = tile["camera"]
            self.pictures[camera] = self.pictures.get(camera, 0) + 1
            self.said_s.append(now_ns / 1e9 - tile["at_ms"] / 1000)
            number, top, width, height = tile["place"]
            if number or head["n"] % SAMPLE_EVERY:
                continue
            if sheet is None:
                sheet = cv2.imdecode(np.frombuffer(sheets[0], np.uint8), cv2.IMREAD_COLOR)
            picture = sheet[top : top + height, :width]
            age_s = painted_age_s(picture, self.began_ns[camera], now_ns, self._read)
            self.painted_s.append(age_s)
        batch: int = head["n"]
        return batch


def painted_age_s(picture: Any, began_ns: int, now_ns: int, read: Callable[[Any], int]) -> float:
    """Return how long ago the frame with the number in a picture was sent, s."""
    height, width = picture.shape[:2]
    corner = picture[
        : round(NUMBER_PX[1] * height / SUB_SIZE[1]), : round(NUMBER_PX[0] * width / SUB_SIZE[0])
    ]
    return since_sent_s(read(corner), began_ns, now_ns)


def since_sent_s(number: int, began_ns: int, now_ns: int) -> float:
    """Return how long ago a frame was sent; the clip goes round, so the newest such time counts.

    >>> since_sent_s(12, 0, 9_500_000_000)
    0.5
    """
    return round(((now_ns - began_ns) / SECOND_NS - number / FPS) % CLIP_S, 6)


def watch(
    wb: Workbench, pages: Pages, cameras: Sequence[str], subs: Mapping[str, Any], seconds: float
) -> Figures:
    """Watch cameras over a websocket as the page does; what came, how old, and what it cost."""
    from tornado.websocket import websocket_connect

    token = wb.grant(list(cameras), Purpose(CASE.case_id, CASE.reason))
    url = f"{pages.pictures}/wall?grant={quote(token)}"

    async def go() -> tuple[Tally, float, float]:
        socket = await websocket_connect(url)
        await socket.write_message(json.dumps({"visible": dict.fromkeys(cameras, TILE_PX)}))
        tally = Tally({})
        tally.counting = True

        async def hear(until: Callable[[], bool]) -> None:
            while not until():
                message = await asyncio.wait_for(socket.read_message(), _STARTED_S)
                await socket.write_message(json.dumps({"ack": tally.take(message)}))

        tally._read = lambda _picture: 0
        tally.began_ns = dict.fromkeys(cameras, 0)
        late_s = time.monotonic() + _STARTED_S
        await hear(lambda: len(tally.pictures) == len(cameras) or time.monotonic() > late_s)
        settle_s = time.monotonic() + 3.0
        await hear(lambda: time.monotonic() > settle_s)
        tally = Tally({camera: subs[camera].state().began_ns for camera in cameras})
        tally.counting = True
        cpu, start_s = tree_cpu_s(pages.media_pid), time.monotonic()
        await hear(lambda: time.monotonic() > start_s + seconds)
        lasted_s = time.monotonic() - start_s
        spent = tree_cpu_s(pages.media_pid) - cpu
        socket.close()
        return tally, lasted_s, spent

    tally, lasted_s, spent = asyncio.run(go())
    return _figures(tally, cameras, lasted_s, spent)


def _figures(tally: Tally, cameras: Sequence[str], lasted_s: float, spent: float) -> Figures:
    rates = [tally.pictures.get(camera, 0) / lasted_s for camera in cameras]
    made = sum(tally.pictures.values())
    return {
        "fps": round(float(np.mean(rates)), 2),
        "fps_slowest": round(min(rates), 2),
        "age_p95_ms": percentile_ms(tally.painted_s, 95),
        "age_p50_ms": percentile_ms(tally.painted_s, 50),
        "age_said_p95_ms": percentile_ms(tally.said_s, 95),
        "media_cores": round(spent / lasted_s, 3),
        "media_ms_a_picture": round(1000 * spent / max(1, made), 3),
        "kbyte_a_picture": round(tally.size / 1000 / max(1, made), 1),
    }


def percentile_ms(values_s: Sequence[float], share: float) -> int | None:
    """Return a percentile of seconds in ms, None of nothing.

    >>> percentile_ms([0.1, 0.2, 0.3], 50)
    200
    """
    return round(1000 * float(np.percentile(values_s, share))) if len(values_s) else None


_TILES = """() => {
  const found = [];
  const find = (root) => { for (const e of root.querySelectorAll("*")) {
    if (e.classList.contains("tile") && e.dataset.camera) found.push(e);
    if (e.shadowRoot) find(e.shadowRoot); } };
  find(document);
  return found.map(t => ({camera: t.dataset.camera, drawn: Number(t.dataset.drawn),
                          state: t.dataset.state, age: Number(t.dataset.age)}));
}"""
_PAINTED = """corner => {
  const find = (root) => { for (const e of root.querySelectorAll("*")) {
    if (e.tagName === "CANVAS" && e.parentElement.classList.contains("wall")) return e;
    const inside = e.shadowRoot && find(e.shadowRoot); if (inside) return inside; } };
  const canvas = find(document), wall = canvas.parentElement;
  const now_ms = performance.timeOrigin + performance.now(), base = wall.getBoundingClientRect();
  return [...wall.querySelectorAll(".tile")].slice(0, 12).map(tile => {
    const at = tile.getBoundingClientRect();
    const x = Math.round(at.left - base.left), y = Math.round(at.top - base.top + wall.scrollTop);
    const w = Math.round(at.width * corner[0]), h = Math.round(at.height * corner[1]);
    // the corner alone: to read the whole canvas back would cost more than to draw it
    const pen = new OffscreenCanvas(w, h).getContext("2d", {willReadFrequently: true});
    pen.drawImage(canvas, x, y, w, h, 0, 0, w, h);
    return {camera: tile.dataset.camera, now_ms, w, h,
            grey: Array.from(pen.getImageData(0, 0, w, h).data).filter((_v, n) => n % 4 === 1)};
  });
}"""


def in_chromium(pages: Pages, subs: Mapping[str, Any], seconds: float) -> Figures:
    """Open the page in Chromium: what its canvas shows, and how busy Panel is meanwhile."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        return {"chromium": "not tried: playwright is not installed"}
    if not CHROMIUM.exists():
        return {"chromium": f"not tried: there is no {CHROMIUM}"}
    read = importlib.import_module("make.clips").read_number
    figures: Figures = {}
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu"]
        )
        for size, name in (((1440, 1010), "26"), ((2560, 1700), "77")):
            page = browser.new_page(viewport={"width": size[0], "height": size[1]})
            page.goto(pages.live)
            page.wait_for_function(f"() => ({_TILES})().some(t => t.drawn > 30)", timeout=120_000)
            began_ns = {camera: one.state().began_ns for camera, one in subs.items()}
            panel, media = _panel_cpu_s(pages), tree_cpu_s(pages.media_pid)
            before = {tile["camera"]: tile["drawn"] for tile in page.evaluate(_TILES)}
            start_s, ages = time.monotonic(), []
            while time.monotonic() < start_s + seconds:
                page.wait_for_timeout(500)
                ages += _painted(page, began_ns, read)
            lasted_s = time.monotonic() - start_s
            drawn = [t["drawn"] - before.get(t["camera"], 0) for t in page.evaluate(_TILES)]
            visible = [count for count in drawn if count]
            key = f"chromium_{name}"
            figures |= {
                f"{key}_load": round(os.getloadavg()[0], 1),
                f"{key}_visible": len(visible),
                f"{key}_fps": round(sum(visible) / len(visible) / lasted_s, 2),
                f"{key}_age_p95_ms": percentile_ms(ages, 95),
                f"{key}_media_cores": round((tree_cpu_s(pages.media_pid) - media) / lasted_s, 3),
                "panel_busy_share": round((_panel_cpu_s(pages) - panel) / lasted_s, 3),
            }
            page.close()
        browser.close()
    return figures


def _painted(page: Any, began_ns: Mapping[str, int], read: Callable[[Any], int]) -> list[float]:
    ages = []
    shares = [NUMBER_PX[0] / SUB_SIZE[0], NUMBER_PX[1] / SUB_SIZE[1]]
    for tile in page.evaluate(_PAINTED, shares):
        if not began_ns.get(tile["camera"]):
            continue
        grey = np.array(tile["grey"], np.uint8).reshape(tile["h"], tile["w"], 1)
        try:
            number = read(np.repeat(grey, 3, axis=2))
        except ValueError:
            continue  # half of one picture and half of the next
        ages.append(since_sent_s(number, began_ns[tile["camera"]], round(tile["now_ms"] * 1e6)))
    return ages


def _panel_cpu_s(pages: Pages) -> float:
    return float(tree_cpu_s(pages.process.pid) - tree_cpu_s(pages.media_pid))
