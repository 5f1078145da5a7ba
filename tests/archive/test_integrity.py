"""verify finds every planted fault and nothing in a sound archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from make.clips import make_clip

from workbench import archive
from workbench.errors import Damaged
from workbench.records import FrameIndex, Segment
from workbench.store import Store
from workbench.timeline import parse_instant

START = parse_instant("2026-11-20T07:15:00+07:00")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "tables").mkdir()
    store = Store.create(tmp_path / "root", tmp_path / "tables")
    for number, name in enumerate(("a.mp4", "b.ts", "c.h264")):
        make_clip(tmp_path / name, 20, first_number=100 * number, bframes=2)
        archive.import_file(store, tmp_path / name, camera_id="C1", stamped_start_ns=START + number)
    return store


def rewrite(path: Path, change: Callable[[bytes], bytes]) -> None:
    mode = path.stat().st_mode
    path.chmod(0o644)
    path.write_bytes(change(path.read_bytes()))
    path.chmod(mode)


def flip_last_bit(data: bytes) -> bytes:
    return data[:-1] + bytes([data[-1] ^ 1])


def altered(store: Store, one: Segment, two: Segment) -> None:
    rewrite(store.file(one), flip_last_bit)


def shortened(store: Store, one: Segment, two: Segment) -> None:
    rewrite(store.file(one), lambda data: data[:-1])


def missing(store: Store, one: Segment, two: Segment) -> None:
    store.file(one).unlink()


def swapped(store: Store, one: Segment, two: Segment) -> None:
    rewrite(store.file(one), lambda _: store.file(two).read_bytes())


def writable(store: Store, one: Segment, two: Segment) -> None:
    store.file(one).chmod(0o644)


def lost_index(store: Store, one: Segment, two: Segment) -> None:
    store.index_path(one.sha256).unlink()


def broken_index(store: Store, one: Segment, two: Segment) -> None:
    rewrite(store.index_path(one.sha256), lambda data: data[: len(data) // 2])


def shifted_index(store: Store, one: Segment, two: Segment) -> None:
    index = store.frame_index(one.sha256)
    pts = index.pts.copy()
    pts[5] += 1
    store.put_index(one.sha256, FrameIndex(pts, index.is_key, index.ordinal))


def other_key(store: Store, one: Segment, two: Segment) -> None:
    index = store.frame_index(one.sha256)
    store.put_index(one.sha256, FrameIndex(index.pts, ~index.is_key, index.ordinal))


def foreign_index(store: Store, one: Segment, two: Segment) -> None:
    store.put_index(one.sha256, store.frame_index(two.sha256))


FAULTS = {
    altered: {"altered file"},
    shortened: {"altered file"},
    missing: {"missing file"},
    swapped: {"swapped file"},
    writable: {"writable file"},
    lost_index: {"lost index"},
    broken_index: {"altered index"},
    shifted_index: {"altered index"},
    other_key: {"altered index"},
    foreign_index: {"altered index"},
}


def test_a_sound_archive_has_no_findings(store: Store) -> None:
    assert archive.verify(store) == []


@pytest.mark.parametrize("victim", [0, 1, 2])
@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.__name__)
def test_each_planted_fault_is_found_where_it_is(
    store: Store, fault: Callable[[Store, Segment, Segment], None], victim: int
) -> None:
    segments = store.segments()
    one, two = segments[victim], segments[(victim + 1) % 3]
    fault(store, one, two)
    findings = archive.verify(store)
    assert {f.kind for f in findings} == FAULTS[fault]
    assert {f.sha256 for f in findings} == {one.sha256}
    for finding in findings:
        assert one.sha256 in finding.sentence()
        assert finding.problem.remedy


def test_a_disk_that_tells_nothing_of_a_file_is_a_finding_and_no_end(
    store: Store, bad_stat
) -> None:
    one, two = store.segments()[:2]
    bad_stat(store.file(one))
    store.file(two).chmod(0o644)
    found = {(finding.kind, finding.sha256) for finding in archive.verify(store)}
    assert ("unreadable file", one.sha256) in found
    assert ("writable file", two.sha256) in found


def test_two_files_that_changed_places_are_both_found(store: Store) -> None:
    one, two, _ = store.segments()
    first, second = store.file(one).read_bytes(), store.file(two).read_bytes()
    rewrite(store.file(one), lambda _: second)
    rewrite(store.file(two), lambda _: first)
    assert [f.kind for f in archive.verify(store)] == ["swapped file", "swapped file"]


def test_an_altered_file_with_a_lost_index_gives_two_findings(store: Store) -> None:
    one, two, _ = store.segments()
    altered(store, one, two)
    lost_index(store, one, two)
    assert [f.kind for f in archive.verify(store)] == ["altered file", "lost index"]


def test_strays_in_archive_and_index(store: Store) -> None:
    (store.archive_folder / "C7").mkdir()
    planted = [store.archive_folder / "C7" / "x.mp4", store.index_path("0" * 64)]
    for path in planted:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"x")
    findings = archive.verify(store)
    assert {(f.kind, f.problem.where) for f in findings} == {
        ("stray file", str(path)) for path in planted
    }


def test_an_altered_catalogue_row(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    segments = store.segments()
    rows = [replace(segments[0], frame_count=19), *segments[1:]]
    monkeypatch.setattr(Store, "segments", lambda self, cameras=None: rows)
    assert [f.kind for f in archive.verify(store)] == ["altered catalogue"]


@pytest.mark.parametrize("victim", [0, 1, 2])
@pytest.mark.parametrize("fault", [lost_index, broken_index, shifted_index])
def test_an_index_is_rebuilt_from_its_file(
    store: Store, fault: Callable[[Store, Segment, Segment], None], victim: int
) -> None:
    segments = store.segments()
    one, two = segments[victim], segments[(victim + 1) % 3]
    before = store.frame_index(one.sha256)
    fault(store, one, two)
    rebuilt = archive.repair_index(store, one)
    assert np.array_equal(rebuilt.pts, before.pts)
    assert np.array_equal(store.frame_index(one.sha256).is_key, before.is_key)
    assert archive.verify(store) == []


def test_no_index_is_made_from_a_file_that_is_not_the_archived_one(store: Store) -> None:
    one, two, _ = store.segments()
    for fault in (altered, missing):
        fault(store, one, two)
        with pytest.raises(Damaged):
            archive.repair_index(store, one)
