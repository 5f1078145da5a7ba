"""Passes of a made-up hour, for tests that need no traffic engine."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from workbench.timeline import SECOND_NS, Span
from workbench.twin.traffic.engine import PASSES

START_NS = 1_795_132_800 * SECOND_NS
SPAN = Span(START_NS, START_NS + 3600 * SECOND_NS)


def made_up(count: int, seed: int = 1, *, at_night: bool = False) -> pa.Table:
    """Return passes of an hour by vehicles that each pass about five cameras."""
    rng = np.random.default_rng(seed)
    vehicle = rng.integers(0, max(1, count // 5), count)
    kinds = np.array(["motorcycle", "motorcycle", "motorcycle", "car", "truck", "bicycle"])
    kind = kinds[vehicle % 6]
    when = np.sort(rng.integers(0, 3600 * SECOND_NS, count)) + SPAN.start_ns
    when += 13 * 3600 * SECOND_NS if at_night else 0
    camera = rng.integers(0, 12, count)
    away = rng.random(count) < 0.5
    plate = [_plate(str(kind[k]), int(v)) for k, v in enumerate(vehicle)]
    shown = [
        bool(p) and (bool(a) or k != "motorcycle")
        for p, a, k in zip(plate, away, kind, strict=True)
    ]
    return pa.table(
        [
            [f"P{k:07d}" for k in range(count)], [f"V{v:06d}" for v in vehicle],
            [f"S{c // 3:02d}-P{c % 3}" for c in camera], when,
            np.where(away, "away", "towards"), [f"E{c:03d}" for c in camera],
            30.0 * camera, np.zeros(count, np.int8), rng.uniform(3, 14, count), kind,
            np.array(["white", "red", "blue"])[vehicle % 3], plate,
            np.where(away, "rear", "front"),
            shown,
            away,
        ],
        schema=PASSES,
    )  # fmt: skip


def _plate(kind: str, v: int) -> str:
    if kind == "bicycle":
        return ""
    series = "ABC"[v % 3] + (str(1 + v % 9) if kind == "motorcycle" else "")
    return f"99{series}-{v // 100 % 1000:03d}.{v % 100:02d}"
