"""Measure recording: many real RTSP streams into one recorder, as the product starts it.

The cameras come from the fault laboratory of the tests, in a process of their own; the recorder is
``workbench record``. Figures are of the recorder's whole process tree.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from statistics import median
from typing import Any

import numpy as np

from workbench.bench.faults import bench_causes, bench_faults, drawn_day
from workbench.bench.follow import bench_follow
from workbench.bench.rig import (
    Figures,
    RunningRecorder,
    longest,
    make_root,
    tree_cpu_s,
    tree_facts,
    wait_for,
    write_addresses,
)
from workbench.bench.wall import bench_wall
from workbench.errors import N_, BadInput, Unavailable
from workbench.investigation import Workbench, open_workbench
from workbench.streams.fragments import whole_bytes
from workbench.timeline import SECOND_NS, Span

SIZE, FPS, GOP_S, BIT_RATE = (1920, 1080), 12, 2.0, 1_500_000
CLIP_S = 8.0
CAMERAS, MINUTES = 77, 30.0
QUICK_CAMERAS, QUICK_MINUTES = 16, 0.5
KILLS, QUICK_KILLS = 50, 3
FEW = 4
BACK_TRIES, QUICK_BACK_TRIES = 10, 2
SEED = 20261125


@dataclass(frozen=True, slots=True)
class _Rig:
    """A laboratory, a folder, a clip; makes roots whose cameras are of that laboratory."""

    lab: Any
    network: Any
    scenes: Any
    folder: Path
    clip: Path
    quick: bool

    def root(self, name: str, count: int) -> tuple[Path, dict[str, Any]]:
        """Return a new root with `count` cameras of the laboratory, and these."""
        root = make_root(self.folder / name)
        chosen = list(open_workbench(root, actor="bench").ward.cameras)[:count]
        cameras = {camera: self.lab.add(f"{name}/{camera}", self.clip) for camera in chosen}
        write_addresses(root, {camera: one.address for camera, one in cameras.items()})
        return root, cameras


def _recording(rig: _Rig) -> Figures:
    count = QUICK_CAMERAS if rig.quick else CAMERAS
    root, cameras = rig.root("recording", count)
    return recording(root, cameras, 60 * (QUICK_MINUTES if rig.quick else MINUTES))


def _kills(rig: _Rig) -> Figures:
    return kills(rig.root("killed", FEW)[0], QUICK_KILLS if rig.quick else KILLS)


def _bad_neighbours(rig: _Rig) -> Figures:
    return bad_neighbours(*rig.root("bad", FEW))


def _back(rig: _Rig) -> Figures:
    tries = QUICK_BACK_TRIES if rig.quick else BACK_TRIES
    return {**back_after(*rig.root("back", FEW), tries), **cable(rig, tries)}


PARTS: dict[str, Callable[[_Rig], Figures]] = {
    "tiles": lambda rig: bench_wall(rig.lab, rig.folder, quick=rig.quick),
    "recording": _recording,
    "kill -9": _kills,
    "bad neighbours": _bad_neighbours,
    "back after": _back,
    "faults": lambda rig: bench_faults(rig.lab, rig.scenes, rig.folder, quick=rig.quick),
    "causes": lambda rig: bench_causes(rig.lab, rig.scenes, rig.folder, quick=rig.quick),
    "follow": lambda rig: bench_follow(rig.lab, rig.folder, quick=rig.quick),
    "drawn day": lambda rig: drawn_day(quick=rig.quick),
}
"""What is measured, by name, in this order."""


def bench_live(tests: Path, *, quick: bool = False, only: str = "") -> Figures:
    """Record, kill, garble and restart real streams; see ``docs/benchmarks/live.md``.

    Parameters
    ----------
    tests
        The folder of tests, which holds the laboratory of cameras.
    only
        One of :data:`PARTS`; all where it is empty.

    Raises
    ------
    BadInput
        When there is no such part.
    Unavailable
        Where the laboratory is not there.
    """
    if only and only not in PARTS:
        raise BadInput(
            N_("the benchmark has no part '{part}'"),
            N_("choose one of: {known}"),
            part=only,
            known=", ".join(PARTS),
        )
    with _laboratory(tests, quick) as rig:
        figures: Figures = {
            "data": f"RTSP streams, H.264 {SIZE[0]}x{SIZE[1]}, {FPS} fps, "
            f"{BIT_RATE / 1e6:g} Mbit/s asked, drawn street; {os.cpu_count()} cores"
        }
        for name, part in PARTS.items():
            if only in ("", name):
                figures[name] = part(rig)
                sys.stderr.write(f"{name}: {figures[name]}\n")
    return figures


@contextlib.contextmanager
def _laboratory(tests: Path, quick: bool) -> Iterator[_Rig]:
    if not (tests / "lab" / "rtsp.py").exists():
        raise Unavailable(
            N_("the laboratory of cameras is not there"),
            N_("run this from a checkout with its tests"),
            where=str(tests),
        )
    sys.path.insert(0, str(tests))
    rtsp, network, scenes = (
        importlib.import_module(f"lab.{name}") for name in ("rtsp", "network", "scenes")
    )
    with tempfile.TemporaryDirectory() as name, rtsp.RtspProcess() as lab:
        folder = Path(name)
        clips = scenes.make_scenes(
            folder, ["normal"], size=SIZE, fps=FPS, seconds=CLIP_S, gop_s=GOP_S, bit_rate=BIT_RATE
        )
        yield _Rig(lab, network, scenes, folder, clips["normal"], quick)


def recording(root: Path, cameras: Mapping[str, Any], seconds: float) -> Figures:
    """Record all cameras for a while; gaps, losses, what it costs and whether it grows."""
    with RunningRecorder(root) as recorder:
        recorder.wait_for_all()
        pid = recorder.process.pid
        began_ns, began_s, cpu = time.time_ns(), time.monotonic(), tree_cpu_s(pid)
        waiting, facts = 0, [(0.0, tree_facts(pid))]
        while (gone_s := time.monotonic() - began_s) < seconds:
            time.sleep(1.0)
            waiting = max(waiting, recorder.house.waiting()[0])
            if gone_s - facts[-1][0] >= min(60.0, seconds / 10):
                facts.append((gone_s, tree_facts(pid)))
        spent, wall_s, stop_ns = tree_cpu_s(pid) - cpu, time.monotonic() - began_s, time.time_ns()
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
        "growth": {what: _growth(facts, what) for what in facts[0][1]},
        "findings of verify": len(wb.verify()),
    }


def _growth(facts: list[tuple[float, dict[str, int]]], what: str) -> Figures:
    """Return first and last value, and the slope an hour over the second half of the run."""
    late = facts[len(facts) // 2 :]
    at_s, values = [at for at, _ in late], [one[what] for _, one in late]
    slope = float(np.polyfit(at_s, values, 1)[0]) * 3600 if len(late) > 2 else float("nan")
    return {
        "first": facts[0][1][what],
        "middle": late[0][1][what],
        "last": facts[-1][1][what],
        "an hour, second half": round(slope, 1),
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
    names: list[str] = []
    for _ in range(count):
        with RunningRecorder(root, segment_s=10.0) as recorder:
            names = recorder.wait_for_all()
            wait_for(partial(_all_grown, root, names), "a whole fragment")
            time.sleep(rng.uniform(0, 6))
            recorder.kill()
        ends.append(time.time_ns())
    with RunningRecorder(root) as recorder:
        recorder.wait_for_all()
    wb = open_workbench(root, actor="bench")
    lost_s = []
    for name in names:
        stops = [segment.stamped.stop_ns for segment in wb.segments([name])]
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
        "differences when rebuilt": recorder.house.keeping.rebuilt_differs(),
    }


def _all_grown(root: Path, cameras: list[str]) -> bool:
    return all(_grown(root, camera) for camera in cameras)


def _grown(root: Path, camera: str) -> int:
    with contextlib.suppress(OSError):
        return max(map(whole_bytes, (root / "recording" / camera).glob("*.growing.mp4")), default=0)
    return 0


def bad_neighbours(root: Path, cameras: Mapping[str, Any]) -> Figures:
    """One camera sends garbage, one hangs in open: frames of the others beside a quiet time."""
    garbled, hanging, *others = cameras
    spans = []
    with RunningRecorder(root, segment_s=10.0) as recorder:
        recorder.wait_for_all()
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
    """Take a camera away and give it back: how long until its first packet is recorded again."""
    name, camera = next(iter(cameras.items()))
    figures: Figures = {}
    with RunningRecorder(root, segment_s=10.0) as recorder:
        recorder.wait_for_all()
        for how in ("restart", "stall"):
            delays = []
            for _ in range(tries):
                camera.fault("refuse" if how == "restart" else "stall")
                if how == "restart":
                    camera.drop(reset=True)
                delays.append(_back_s(recorder, name, camera.recover))
            figures[f"{how} s, median and most"] = _median_and_most(delays)
    return figures


def cable(rig: _Rig, tries: int) -> Figures:
    """Pull the cable of a camera in a network of its own and put it back."""
    if os.geteuid() != 0:
        return {"cable s, median and most": "not measured: network namespaces want root"}
    rtsp = importlib.import_module("lab.rtsp")
    with rig.network.link() as wire, rtsp.RtspProcess(wire.far_ip, prefix=wire.prefix) as far:
        root = make_root(rig.folder / "cable")
        name = next(iter(open_workbench(root, actor="bench").ward.cameras))
        write_addresses(root, {name: far.add(name, rig.clip).address})
        delays = []
        with RunningRecorder(root, segment_s=10.0) as recorder:
            recorder.wait_for_all()
            for _ in range(tries):
                wire.link_down()
                delays.append(_back_s(recorder, name, wire.link_up))
        return {"cable s, median and most": _median_and_most(delays)}


def _back_s(recorder: RunningRecorder, name: str, bring_back: Callable[[], object]) -> float:
    wait_for(lambda: name not in recorder.recording(), "the camera to be lost")
    bring_back()
    back_ns = time.time_ns()
    wait_for(lambda: name in recorder.recording(), "the camera to be back")
    return (recorder.house.status()[1][name].since_ns - back_ns) / SECOND_NS


def _median_and_most(delays: list[float]) -> list[float]:
    return [round(median(delays), 2), round(max(delays), 2)]
