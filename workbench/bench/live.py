"""Measure recording: many real RTSP streams into one recorder, as the product starts it.

The cameras come from the fault laboratory of the tests, in a process of their own; the recorder is
``workbench record``. Figures are of the recorder's whole process tree.
"""

from __future__ import annotations

import csv
import importlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

from workbench import demonstration
from workbench.errors import N_, Unavailable
from workbench.investigation import Workbench, open_workbench
from workbench.monitoring import open_monitoring
from workbench.records import Gap
from workbench.streams.fragments import whole_bytes
from workbench.timeline import SECOND_NS, Span

Figures = dict[str, Any]

SIZE, FPS, GOP_S, BIT_RATE = (1920, 1080), 12, 2.0, 1_500_000
CLIP_S = 8.0
CAMERAS, MINUTES = 77, 10.0
QUICK_CAMERAS, QUICK_MINUTES = 16, 0.5
SEGMENT_S = 30.0
KILLS, QUICK_KILLS = 50, 3
KILLED_CAMERAS = 4
BACK_TRIES, QUICK_BACK_TRIES = 10, 2
SEED = 20261125
_TICKS = os.sysconf("SC_CLK_TCK")
_PATIENCE_S = 60.0


def bench_live(tests: Path, *, quick: bool = False) -> Figures:
    """Record, kill, garble and restart real streams; see ``docs/benchmarks/live.md``.

    Parameters
    ----------
    tests
        The folder of tests, which holds the laboratory of cameras.

    Raises
    ------
    Unavailable
        Where the laboratory is not there.
    """
    if not (tests / "lab" / "rtsp.py").exists():
        raise Unavailable(
            N_("the laboratory of cameras is not there"),
            N_("run this from a checkout with its tests"),
            where=str(tests),
        )
    sys.path.insert(0, str(tests))
    lab_rtsp = importlib.import_module("lab.rtsp")
    lab_scenes = importlib.import_module("lab.scenes")

    with tempfile.TemporaryDirectory() as name, lab_rtsp.RtspProcess() as lab:
        folder = Path(name)
        clips = lab_scenes.make_scenes(
            folder, ["normal"], size=SIZE, fps=FPS, seconds=CLIP_S, gop_s=GOP_S, bit_rate=BIT_RATE
        )
        count = QUICK_CAMERAS if quick else CAMERAS
        root = make_root(folder / "root")
        chosen = list(open_workbench(root, actor="bench").ward.cameras)[:count]
        cameras = {camera: lab.add(camera, clips["normal"]) for camera in chosen}
        write_addresses(root, {camera: one.address for camera, one in cameras.items()})
        figures: Figures = {
            "data": f"{count} RTSP streams, H.264 {SIZE[0]}x{SIZE[1]}, {FPS} fps, "
            f"{BIT_RATE / 1e6:g} Mbit/s asked, drawn street; {os.cpu_count()} cores",
            "recording": recording(root, cameras, QUICK_MINUTES * 60 if quick else MINUTES * 60),
        }
        few = dict(list(cameras.items())[:KILLED_CAMERAS])
        root = make_root(folder / "killed")
        write_addresses(root, {camera: one.address for camera, one in few.items()})
        figures["kill -9"] = kills(root, QUICK_KILLS if quick else KILLS)
        root = make_root(folder / "bad")
        write_addresses(root, {camera: one.address for camera, one in few.items()})
        figures["bad neighbours"] = bad_neighbours(root, few)
        figures["back after"] = back_after(root, few, QUICK_BACK_TRIES if quick else BACK_TRIES)
    return figures


def make_root(root: Path) -> Path:
    """Return a new root with the illustrative ward's tables."""
    open_workbench(root, actor="bench", create_from=demonstration.WARD)
    return root


def write_addresses(root: Path, addresses: Mapping[str, str]) -> None:
    """Write stream addresses into a root's table of cameras; others lose theirs."""
    table = root / "ward" / "cameras.csv"
    with table.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["stream_url"] = addresses.get(row["camera_id"], "")
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


class RunningRecorder:
    """``workbench record`` on a root, in a session of its own so that all of it can be killed."""

    def __init__(self, root: Path, segment_s: float = SEGMENT_S) -> None:
        self.house = open_monitoring(root, actor="bench")
        began_ns = time.time_ns()
        words = [sys.executable, "-m", "workbench.cli", "record", str(root)]
        self.process = subprocess.Popen(
            [*words, "--segment", str(segment_s)],
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        wait_for(lambda: self.house.status()[0] > began_ns, "the recorder to start")

    def recording(self) -> set[str]:
        """Return the cameras that are being recorded now."""
        return {
            camera for camera, one in self.house.status()[1].items() if one.state == "recording"
        }

    def kill(self) -> None:
        """End every process of it at once, as a loss of power does."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> None:
        """End it as Ctrl-C does and wait until all is in the archive."""
        self.process.send_signal(signal.SIGINT)
        self.process.wait(_PATIENCE_S)


def recording(root: Path, cameras: Mapping[str, Any], seconds: float) -> Figures:
    """Record all cameras for a while; gaps, losses and what it costs."""
    recorder = RunningRecorder(root)
    wait_for(lambda: len(recorder.recording()) == len(cameras), "all cameras to be recorded")
    began_ns, began_s, cpu = time.time_ns(), time.monotonic(), tree_cpu_s(recorder.process.pid)
    waiting = 0
    before = tree_facts(recorder.process.pid)
    while time.monotonic() < began_s + seconds:
        time.sleep(1.0)
        waiting = max(waiting, recorder.house.waiting()[0])
    spent = tree_cpu_s(recorder.process.pid) - cpu
    wall_s = time.monotonic() - began_s
    after = tree_facts(recorder.process.pid)
    stop_ns = time.time_ns()
    recorder.stop()
    wb = open_workbench(root, actor="bench")
    found = recorder.house.gaps(Span(began_ns, stop_ns), list(cameras))
    shed = sum(one.state().frames_shed for one in cameras.values())
    return {
        "cameras": len(cameras),
        "seconds": round(wall_s),
        "CPU of one core": round(spent / wall_s, 3),
        "CPU of one core a stream, %": round(100 * spent / wall_s / len(cameras), 3),
        "gaps": len(found),
        "unknown gaps": sum(gap.cause is None for gap in found),
        "longest gap s": longest(found),
        "frames recorded of due": round(
            _frames(wb, began_ns, stop_ns) / (wall_s * FPS * len(cameras)), 4
        ),
        "frames shed by slow reading": shed,
        "files and notes waiting at most": waiting,
        "memory MiB, first and last": [before["rss_mib"], after["rss_mib"]],
        "file handles, first and last": [before["handles"], after["handles"]],
        "threads, first and last": [before["threads"], after["threads"]],
        "findings of verify": len(wb.verify()),
    }


def _frames(wb: Workbench, start_ns: int, stop_ns: int) -> int:
    count = 0
    for segment in wb.segments():
        index = wb.frame_index(segment)
        first = segment.pts_at(start_ns)
        count += int(((index.pts >= first) & (index.pts < segment.pts_at(stop_ns))).sum())
    return count


def kills(root: Path, count: int) -> Figures:
    """Kill the whole recorder at random instants; what each kill cost, and whether all is sound."""
    rng = Random(SEED)
    ends: list[int] = []
    for _ in range(count):
        recorder = RunningRecorder(root, segment_s=10.0)
        names = set(recorder.house.status()[1])
        wait_for(lambda r=recorder, n=names: r.recording() == n, "all cameras to be recorded")  # type: ignore[misc]
        wait_for(lambda n=names: all(_grown(root, camera) for camera in n), "a whole fragment")  # type: ignore[misc]
        time.sleep(rng.uniform(0, 6))
        recorder.kill()
        ends.append(time.time_ns())
    recorder = RunningRecorder(root)
    names = set(recorder.house.status()[1])
    wait_for(lambda: recorder.recording() == names, "all cameras to be recorded")
    recorder.stop()
    wb = open_workbench(root, actor="bench")
    lost_s = []
    for camera in names:
        stops = [segment.stamped.stop_ns for segment in wb.segments([camera])]
        for killed_ns in ends:
            last_ns = max(stop for stop in stops if stop <= killed_ns + SECOND_NS)
            lost_s.append(max(0.0, (killed_ns - last_ns) / SECOND_NS))
    first = min(segment.stamped.start_ns for segment in wb.segments())
    last = max(segment.stamped.start_ns for segment in wb.segments())
    found = recorder.house.gaps(Span(first, last), sorted(names))
    return {
        "kills": count,
        "cameras": len(names),
        "lost s, median and most": [round(median(lost_s), 2), round(max(lost_s), 2)],
        "gaps": len(found),
        "unknown gaps": sum(gap.cause is None for gap in found),
        "findings of verify": len(wb.verify()),
        "files indexed again are identical": rebuilt_alike(wb),
    }


def rebuilt_alike(wb: Workbench) -> bool:
    """Index every file again from its bytes and compare with what the archive holds."""
    from workbench import media

    for segment in wb.segments():
        _, fresh = media.index_packets(wb.file(segment))
        known = wb.frame_index(segment)
        if (
            fresh.pts.tolist() != known.pts.tolist()
            or fresh.is_key.tolist() != known.is_key.tolist()
        ):
            return False
    return True


def _grown(root: Path, camera: str) -> int:
    with suppress(OSError):
        return max(map(whole_bytes, (root / "recording" / camera).glob("*.growing.mp4")), default=0)
    return 0


def bad_neighbours(root: Path, cameras: Mapping[str, Any]) -> Figures:
    """One camera sends garbage, one hangs in open: frames of the others beside a quiet time."""
    garbled, hanging, *others = cameras
    recorder = RunningRecorder(root, segment_s=10.0)
    wait_for(lambda: len(recorder.recording()) == len(cameras), "all cameras to be recorded")
    spans = []
    for bad in (False, True):
        if bad:
            cameras[garbled].fault("garbage", share=1.0)
            cameras[hanging].fault("hang")
            cameras[hanging].drop(reset=True)
        start_ns = time.time_ns()
        time.sleep(15.0)
        spans.append((start_ns, time.time_ns()))
    for camera in (garbled, hanging):
        cameras[camera].recover()
    wait_for(lambda: hanging in recorder.recording(), "the hanging camera to be back")
    recorder.stop()
    wb = open_workbench(root, actor="bench")
    rates = [
        {
            camera: _frames_of(wb, camera, *span) / ((span[1] - span[0]) / SECOND_NS)
            for camera in others
        }
        for span in spans
    ]
    return {
        "fps of the others, quiet": {c: round(v, 2) for c, v in rates[0].items()},
        "fps of the others, beside them": {c: round(v, 2) for c, v in rates[1].items()},
        "largest change, %": round(
            max(100 * abs(rates[1][c] / rates[0][c] - 1) for c in others), 1
        ),
    }


def _frames_of(wb: Workbench, camera: str, start_ns: int, stop_ns: int) -> int:
    count = 0
    for segment in wb.segments([camera]):
        pts = wb.frame_index(segment).pts
        inside = (pts >= segment.pts_at(start_ns)) & (pts < segment.pts_at(stop_ns))
        count += int(inside.sum())
    return count


def back_after(root: Path, cameras: Mapping[str, Any], tries: int) -> Figures:
    """Take a camera away and give it back: how long until it is recorded again."""
    name, camera = next(iter(cameras.items()))
    figures: Figures = {}
    recorder = RunningRecorder(root, segment_s=10.0)
    wait_for(lambda: name in recorder.recording(), "the camera to be recorded")
    for how in ("restart", "cable"):
        delays = []
        for _ in range(tries):
            camera.fault("refuse" if how == "restart" else "stall")
            if how == "restart":
                camera.drop(reset=True)
            wait_for(lambda: name not in recorder.recording(), "the camera to be lost")
            camera.recover()
            back_ns = time.time_ns()
            wait_for(lambda: name in recorder.recording(), "the camera to be back")
            delays.append((recorder.house.status()[1][name].since_ns - back_ns) / SECOND_NS)
        figures[f"{how} s, median and most"] = [round(median(delays), 2), round(max(delays), 2)]
    recorder.stop()
    return figures


def wait_for(condition: Callable[[], object], what: str, seconds: float = _PATIENCE_S) -> None:
    """Wait until a condition holds.

    Raises
    ------
    Unavailable
        When it does not within `seconds`.
    """
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise Unavailable(N_("waited in vain for {event}"), event=what)
        time.sleep(0.05)


def longest(found: Sequence[Gap]) -> float:
    """Return the longest gap in seconds, 0 without one."""
    return round(max((gap.span.duration_ns / SECOND_NS for gap in found), default=0.0), 2)


def descendants(pid: int) -> list[int]:
    """Return a process and all that it started, directly or not (Linux)."""
    parents: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(stat.read_text().rsplit(")", 1)[1].split()[1])
            parents.setdefault(parent, []).append(int(stat.parent.name))
    found, waiting = [], [pid]
    while waiting:
        found.append(waiting.pop())
        waiting += parents.get(found[-1], [])
    return found


def tree_cpu_s(pid: int) -> float:
    """Return the CPU seconds of a process tree, those of its ended children included."""
    total = 0
    for one in descendants(pid):
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()
            total += sum(int(fields[n]) for n in (11, 12, 13, 14))
    return total / _TICKS


def tree_facts(pid: int) -> dict[str, int]:
    """Return memory (proportional share, MiB), file handles and threads of a process tree."""
    memory_kib = handles = threads = 0
    for one in descendants(pid):
        with suppress(OSError):
            folder = Path(f"/proc/{one}")
            for line in (folder / "smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    memory_kib += int(line.split()[1])
            handles += len(list((folder / "fd").iterdir()))
            threads += len(list((folder / "task").iterdir()))
    return {"rss_mib": memory_kib // 1024, "handles": handles, "threads": threads}
