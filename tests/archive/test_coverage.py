"""Coverage: what is recorded, what is not, also inside a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from make.clips import make_clip

from workbench import archive
from workbench.errors import BadInput
from workbench.store import Store
from workbench.timeline import SECOND_NS, ClockFix, Span, gaps, parse_instant

START = parse_instant("2026-11-20T07:15:00+07:00")
S = SECOND_NS


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "tables").mkdir()
    store = Store.create(tmp_path / "root", tmp_path / "tables")
    for camera_id, name, start_s, seconds in (
        ("C1", "a.mp4", 0, 2),
        ("C1", "b.ts", 2, 2),
        ("C1", "c.mp4", 10, 2),
        ("C2", "d.mp4", 1, 4),
    ):
        make_clip(tmp_path / name, 25 * seconds, first_number=start_s * 100)
        archive.import_file(
            store, tmp_path / name, camera_id=camera_id, stamped_start_ns=START + start_s * S
        )
    return store


def seconds(spans: list[Span]) -> list[tuple[float, float]]:
    return [(round((s.start_ns - START) / S, 3), round((s.stop_ns - START) / S, 3)) for s in spans]


def test_spans_and_gaps(store: Store) -> None:
    found = archive.coverage(store, ["C1", "C2", "C3"])
    assert {c: seconds(s) for c, s in found.items()} == {
        "C1": [(0, 4), (10, 12)],
        "C2": [(1, 5)],
        "C3": [],
    }
    within = Span(START + S, START + 11 * S)
    cut = archive.coverage(store, ["C1"], within)
    assert seconds(cut["C1"]) == [(1, 4), (10, 11)]
    assert seconds(gaps(cut["C1"], within)) == [(4, 10)]


def test_clock_fixes_move_whole_files(store: Store) -> None:
    """A fix valid for exactly the file's stamped span must move its end as well as its start."""
    (segment,) = store.segments(["C2"])
    store.add_clock_fix(ClockFix("C2", segment.stamped, 100 * S, S, "operator"))
    assert seconds(archive.coverage(store, ["C2"])["C2"]) == [(101, 105)]


def test_a_hole_inside_a_file_is_not_covered(store: Store, tmp_path: Path) -> None:
    pts = [3600 * i + (90_000 * 20 if i >= 25 else 0) for i in range(50)]
    make_clip(tmp_path / "hole.mp4", 50, pts=pts)
    archive.import_file(store, tmp_path / "hole.mp4", camera_id="C9", stamped_start_ns=START)
    assert seconds(archive.coverage(store, ["C9"])["C9"]) == [(0, 1), (21, 22)]


def test_the_grid(store: Store) -> None:
    spans = archive.coverage(store, ["C1", "C2"])
    grid = archive.coverage_grid(spans, Span(START, START + 12 * S), 4 * S)
    assert dict(grid.sizes) == {"camera": 2, "time": 3}
    assert grid.recorded.sel(camera="C1").values.tolist() == pytest.approx([1, 0, 0.5], abs=1e-6)
    assert grid.recorded.sel(camera="C2").values.tolist() == pytest.approx([0.75, 0.25, 0])
    assert grid.time.values[0] == np.datetime64(START, "ns")
    with pytest.raises(BadInput):
        archive.coverage_grid(spans, Span(START, START + 1), 0)
