"""Provisional rows that move into the lake, and what may lie in their way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from make.clips import make_clip
from make.growing import START_NS, record
from make.rows import sighting_row, sightings_table

from workbench import archive
from workbench.investigation import Workbench, open_workbench
from workbench.investigation.sealing import sealed, settle
from workbench.records import Segment
from workbench.store import LiveRows, Store, provisional_name
from workbench.timeline import SECOND_NS

CAMERAS = ("C1", "S01-P2")
HOUR_NS = 3600 * SECOND_NS


@pytest.fixture
def wb(tmp_path: Path, ward_folder: Path) -> Workbench:
    root, now = tmp_path / "root", START_NS + HOUR_NS
    open_workbench(root, actor="thu", create_from=ward_folder)
    table = root / "ward" / "cameras.csv"
    table.write_text(table.read_text().replace("S01-P1", "C1"))  # the camera that `record` writes
    return open_workbench(root, actor="thu", now=lambda: now)


@pytest.fixture
def store(wb: Workbench) -> Store:
    return Store.open(wb.root)


def leave(store: Store, camera_id: str, recording: int) -> None:
    """Leave a row of a recording as a killed following does."""
    row = sighting_row(
        segment_sha256=provisional_name(camera_id, str(recording)), camera_id=camera_id,
        track_pts=[], track_box=[], utc_ns=recording + SECOND_NS,
    )  # fmt: skip
    rows = LiveRows(camera_id, str(recording), sightings_table([row]), (recording,), (), "m@1")
    store.live.put(rows)


def archived(store: Store, folder: Path, camera_id: str, start_ns: int, seed: int) -> Segment:
    """Take a recording of a camera into the archive under its name."""
    clip = folder / f"{camera_id}-{seed}.mp4"
    make_clip(clip, 20 + seed, gop=10)
    path = record(clip, folder / camera_id, start_ns)
    return archive.import_file(store, path, camera_id=camera_id, stamped_start_ns=start_ns)


def names(store: Store) -> list[tuple[str, str]]:
    return [(rows.camera_id, rows.recording) for rows in store.live.all()]


@pytest.mark.parametrize("harm", ["bytes", "lost"])
def test_a_damaged_original_beside_it_ends_neither_search_nor_settling(
    wb: Workbench, store: Store, tmp_path: Path, harm: str
) -> None:
    beside = archived(store, tmp_path, "C1", START_NS, 1)
    own = archived(store, tmp_path, "C1", START_NS + 30 * SECOND_NS, 2)
    leave(store, "C1", START_NS + 30 * SECOND_NS)
    leave(store, "C1", START_NS + 60 * SECOND_NS)
    (store.root / "recording" / "C1").mkdir(parents=True)
    (store.root / "recording" / "C1" / f"{START_NS + 60 * SECOND_NS}.mp4").touch()
    original = store.file(beside)
    original.chmod(0o600)
    original.unlink()
    if harm == "bytes":
        original.write_bytes(b"no video at all" * 1000)
    assert sealed(store, store.live.all()[0]) == own
    settled = settle(store, wb.ward.cameras, log=wb._log)
    assert names(store) == [("C1", str(START_NS + 60 * SECOND_NS))]
    assert beside.path in settled.troubles["C1"]
    summary = wb.recognise(["S01-P2"])
    assert any(beside.path in failure for failure in summary.failed)


def test_only_files_near_a_recording_are_asked_of_the_store(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archived(store, tmp_path, "C1", START_NS, 1)
    archived(store, tmp_path, "C1", START_NS + HOUR_NS, 2)
    leave(store, "C1", START_NS)
    read: list[int] = []
    segments = Store.segments

    def counted(self: Store, *asked: object) -> list[Segment]:
        found = segments(self, *asked)  # type: ignore[arg-type]
        read.append(len(found))
        return found

    monkeypatch.setattr(Store, "segments", counted)
    assert sealed(store, store.live.all()[0]) is not None
    assert read == [1]


def test_rows_without_a_recording_are_dropped_and_it_is_logged(
    wb: Workbench, store: Store, tmp_path: Path
) -> None:
    folder = store.root / "recording" / "C1"
    (folder.parent / "quarantine" / "C1").mkdir(parents=True)
    folder.mkdir()
    grows, waits, aside, gone = (START_NS + n * HOUR_NS for n in range(4))
    (folder / f"{grows}.growing.mp4").touch()
    (folder / f"{waits}.mp4").touch()
    (folder.parent / "quarantine" / "C1" / f"{aside}.mp4").touch()
    archived(store, tmp_path, "C1", gone + 10 * SECOND_NS, 1)  # of another recording
    for recording in (grows, waits, aside, gone):
        leave(store, "C1", recording)
    settle(store, wb.ward.cameras, log=wb._log)
    assert names(store) == [("C1", str(grows)), ("C1", str(waits))]
    acts = [entry for entry in wb.audit() if entry.action == "follow.drop"]
    assert [json.loads(entry.details)["recording"] for entry in acts] == [str(aside), str(gone)]
    assert all(json.loads(entry.details)["rows"] == 1 for entry in acts)
