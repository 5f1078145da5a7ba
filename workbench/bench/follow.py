"""Measure recognition on streams: from a vehicle's best picture to the row that can be asked for.

Cameras of the laboratory serve drawn streets with plates; ``workbench record`` and ``workbench
follow`` run as an operator starts them, each in processes of its own.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from workbench import demonstration, twin
from workbench.bench.rig import (
    Figures,
    RunningRecorder,
    make_root,
    tree_cpu_s,
    wait_for,
    write_addresses,
)
from workbench.investigation import Workbench, open_workbench
from workbench.records import Case
from workbench.timeline import SECOND_NS, Span

CAMERAS, SECONDS = 8, 180.0
QUICK_CAMERAS, QUICK_SECONDS = 4, 45.0
DRAWN = 2
"""Streets that are drawn; the cameras share them."""
CASE = "BENCH-FOLLOW"


def bench_follow(lab: Any, folder: Path, *, quick: bool = False) -> Figures:
    """Follow the recordings of drawn streets with plates; see ``docs/benchmarks/live.md``."""
    root = make_root(folder / "follow")
    wb = open_workbench(root, actor="bench")
    clips = draw_streets(wb, folder)
    count = QUICK_CAMERAS if quick else CAMERAS
    chosen = [one.camera_id for one in wb.ward.cameras.values() if one.kind == "plate"][:count]
    cameras = {
        camera: lab.add(f"follow/{camera}", clips[n % len(clips)])
        for n, camera in enumerate(chosen)
    }
    write_addresses(root, {camera: one.address for camera, one in cameras.items()})
    figures = following(root, chosen, QUICK_SECONDS if quick else SECONDS)
    return {
        "data": f"{count} RTSP streams of {len(clips)} drawn streets with plates, "
        f"{os.cpu_count()} cores",
        **figures,
    }


def draw_streets(wb: Workbench, folder: Path) -> list[Path]:
    """Return clips of plate cameras of the demonstration ward, as the twin draws them."""
    scenario = twin.plan(
        wb.ward, wb.graph, seed=demonstration.SEED, start_ns=demonstration.START_NS,
        duration_s=None, overviews=None, small=True,
    )  # fmt: skip
    plated = [one for one in scenario.cameras if wb.camera(one).kind == "plate"][:DRAWN]
    return [
        Path(twin.render_camera(scenario, camera_id, folder / f"{camera_id}.mp4"))
        for camera_id in plated
    ]


def following(root: Path, cameras: list[str], seconds: float) -> Figures:
    """Record and follow cameras for a while; delays, what was searched and what it cost."""
    loaded = os.getloadavg()[0]
    wb = open_workbench(root, actor="bench")
    now_ns = wb.now()
    period = Span(now_ns - SECOND_NS, now_ns + 3600 * SECOND_NS)
    case = Case(CASE, "bench", "bench", "bench", period, tuple(cameras), training=True)
    wb.open_case(case)
    words = [sys.executable, "-m", "workbench.cli", "follow", str(root)]
    with RunningRecorder(root) as recorder:
        recorder.wait_for_all()
        follower = subprocess.Popen(
            [*words, "--case", CASE, "--reason", "bench"],
            start_new_session=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_for(lambda: _rows(wb.following()), "the first row", 120.0)
            began_s, spent_s = time.monotonic(), tree_cpu_s(follower.pid)
            time.sleep(seconds)
            wall_s = time.monotonic() - began_s
            spent_s = tree_cpu_s(follower.pid) - spent_s
            follower.send_signal(signal.SIGINT)
            follower.wait(180)
        finally:
            if follower.poll() is None:
                os.killpg(follower.pid, signal.SIGKILL)
                follower.wait()
    told = wb.following()
    entry = next(entry for entry in reversed(wb.audit()) if entry.action == "follow.stop")
    ended: Mapping[str, Any] = json.loads(entry.details)
    arrived = sum(ended["arrived_s"].values())
    return {
        "load of the machine before": round(loaded, 1),
        "cameras": len(cameras),
        "seconds": round(wall_s),
        "seen to row s, p50 and p95": [ended["latency_p50_s"], ended["latency_p95_s"]],
        "end of pass to row s, p50 and p95, by camera": {
            camera: [one["after_end_p50_s"], one["after_end_p95_s"]]
            for camera, one in told["cameras"].items()
        },
        "rows": ended["rows"],
        "footage arrived s": round(arrived),
        "share searched": round(sum(ended["searched_s"].values()) / max(arrived, 1.0), 3),
        "share left out": round(sum(ended["left_out_s"].values()) / max(arrived, 1.0), 3),
        "CPU of one core": round(spent_s / wall_s, 2),
        "failures": len(ended["failures"]),
    }


def _rows(told: Mapping[str, Any]) -> int:
    return sum(camera["rows"] for camera in told.get("cameras", {}).values())
