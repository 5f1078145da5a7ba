"""Import: untouched, read-only, idempotent; a claim that contradicts the archive is refused."""

from __future__ import annotations

import errno
import hashlib
import os
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from make.clips import make_clip

from workbench import archive, media
from workbench.archive.ingest import time_in_name
from workbench.errors import BadInput, Unavailable
from workbench.store import Store
from workbench.timeline import SECOND_NS, parse_instant

START = parse_instant("2026-11-20T07:15:00+07:00")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    (tmp_path / "tables").mkdir()
    return Store.create(tmp_path / "root", tmp_path / "tables")


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    make_clip(tmp_path / "Clip.MP4", 30, container="mp4", start_pts=9000)
    return tmp_path / "Clip.MP4"


def everything(folder: Path) -> dict[str, tuple[int, int]]:
    return {
        str(p): (p.stat().st_mtime_ns, p.stat().st_size)
        for p in folder.rglob("*")
        if p.is_file() and "sqlite" not in p.name
    }


def test_a_file_is_archived_untouched_and_read_only(store: Store, clip: Path) -> None:
    before = clip.read_bytes()
    segment = archive.import_file(store, clip, camera_id="C1", stamped_start_ns=START)
    kept = store.file(segment)
    assert clip.read_bytes() == kept.read_bytes() == before
    assert segment.sha256 == hashlib.sha256(before).hexdigest()
    assert kept == store.archive_folder / "C1" / f"{segment.sha256}.mp4"
    assert kept.stat().st_mode & 0o777 == 0o444
    assert (segment.frame_count, segment.width_px, segment.height_px) == (30, 160, 96)
    assert segment.stamped.start_ns == START
    assert segment.stamped.duration_ns == pytest.approx(30 * SECOND_NS / 25, abs=2)
    assert store.segment(segment.sha256) == segment
    _, index = media.index_packets(clip)
    assert np.array_equal(store.frame_index(segment.sha256).pts, index.pts)
    assert archive.verify(store) == []


def test_importing_again_changes_nothing(store: Store, clip: Path, tmp_path: Path) -> None:
    first = archive.import_file(store, clip, camera_id="C1", stamped_start_ns=START)
    before = everything(store.root)
    copy = tmp_path / "another name.mp4"
    copy.write_bytes(clip.read_bytes())
    for path in (clip, copy):
        assert archive.import_file(store, path, camera_id="C1", stamped_start_ns=START) == first
    assert everything(store.root) == before
    assert store.segments() == [first]


@pytest.mark.parametrize(
    ("claim", "says"),
    [
        ({"camera_id": "C2"}, "C1"),
        ({"stamped_start_ns": START + SECOND_NS}, "clock fix"),
        ({"rate": Fraction(20)}, "rate"),
    ],
)
def test_a_claim_that_contradicts_the_archive_is_refused(
    store: Store, clip: Path, claim: dict, says: str
) -> None:
    archive.import_file(store, clip, camera_id="C1", stamped_start_ns=START)
    before = everything(store.root)
    with pytest.raises(BadInput, match=says) as refusal:
        archive.import_file(store, clip, **({"camera_id": "C1", "stamped_start_ns": START} | claim))
    assert str(clip) in refusal.value.sentence()
    assert refusal.value.remedy
    assert everything(store.root) == before


def test_what_is_refused_leaves_nothing_behind(store: Store, tmp_path: Path) -> None:
    before = everything(store.root)
    (tmp_path / "a.txt").write_text("words\n" * 50)
    make_clip(tmp_path / "b.h264", 3)
    # Opens as a raw stream (its parameter sets are whole) but holds no picture.
    (tmp_path / "b.h264").write_bytes((tmp_path / "b.h264").read_bytes()[:60])
    for name in ("a.txt", "b.h264", "none.mp4"):
        with pytest.raises(BadInput):
            archive.import_file(store, tmp_path / name, camera_id="C1", stamped_start_ns=START)
    assert everything(store.root) == before
    assert store.segments() == []


def test_a_full_disk_is_said_and_the_rest_of_a_folder_goes_on(
    store: Store, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_clip(tmp_path / "z.mp4", 5, first_number=50)
    real = Store.keep_original

    def full(self: Store, source: Path, camera_id: str) -> tuple[str, str]:
        if source == clip:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(self, source, camera_id)

    monkeypatch.setattr(Store, "keep_original", full)
    with pytest.raises(Unavailable, match="No space left"):
        archive.import_file(store, clip, camera_id="C1", stamped_start_ns=START)
    taken, refused = archive.import_folder(store, tmp_path, camera_id="C1", stamped_start_ns=START)
    assert [s.frame_count for s in taken] == [5]
    assert any("No space left" in error.sentence() for error in refused)


def test_the_operators_rate_stretches_the_segment(store: Store, clip: Path) -> None:
    segment = archive.import_file(
        store, clip, camera_id="C1", stamped_start_ns=START, rate=Fraction(20)
    )
    assert segment.tick_s == segment.time_base * Fraction(25, 20)
    assert segment.stamped.duration_ns == pytest.approx(30 * SECOND_NS / 20, abs=2)
    assert any("20 frames per second" in note for note in segment.notes)
    assert archive.verify(store) == []


def test_lost_file_and_index_come_back_with_the_same_bytes(store: Store, clip: Path) -> None:
    segment = archive.import_file(store, clip, camera_id="C1", stamped_start_ns=START)
    store.file(segment).unlink()
    store.index_path(segment.sha256).unlink()
    assert len(archive.verify(store)) == 2
    assert archive.import_file(store, clip, camera_id="C1", stamped_start_ns=START) == segment
    assert archive.verify(store) == []


def test_a_folder_continues_from_file_to_file(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "camera"
    (folder / "deeper").mkdir(parents=True)
    for number in (1, 2, 10):
        make_clip(folder / f"part_{number}.mp4", 25, first_number=100 * number)
    (folder / "readme.txt").write_text("notes\n" * 20)
    (folder / "part_3.mp4").write_bytes(b"broken" * 100)
    (folder / ".hidden.mp4").write_bytes(b"")
    taken, refused = archive.import_folder(store, folder, camera_id="C1", stamped_start_ns=START)
    assert [(s.stamped_start_ns - START) // SECOND_NS for s in taken] == [0, 1, 2]
    assert [Path(error.where).name for error in refused] == ["deeper", "part_3.mp4", "readme.txt"]
    assert all(error.sentence() for error in refused)
    assert archive.import_folder(store, folder, camera_id="C1", stamped_start_ns=START)[0] == taken
    assert store.segments() == taken


def test_times_in_names_take_precedence(store: Store, tmp_path: Path) -> None:
    folder = tmp_path / "camera"
    folder.mkdir()
    names = ["a 20261120T080000.mp4", "b 2026-11-20_09-00-00.mp4", "c.mp4"]
    for number, name in enumerate(names):
        make_clip(folder / name, 25, first_number=100 * number)
    taken, refused = archive.import_folder(store, folder, camera_id="C1")
    assert refused == []
    assert [s.stamped_start_ns for s in taken] == [
        parse_instant("2026-11-20T08:00:00+07:00"),
        parse_instant("2026-11-20T09:00:00+07:00"),
        parse_instant("2026-11-20T09:00:01+07:00"),
    ]
    assert ["read from its name" in " ".join(s.notes) for s in taken] == [True, True, False]


def test_a_folder_without_any_start_is_refused_file_by_file(store: Store, tmp_path: Path) -> None:
    (tmp_path / "camera").mkdir()
    make_clip(tmp_path / "camera" / "a.mp4", 5)
    taken, refused = archive.import_folder(store, tmp_path / "camera", camera_id="C1")
    assert taken == []
    assert "starts" in refused[0].sentence()
    with pytest.raises(BadInput, match="no such folder"):
        archive.import_folder(store, tmp_path / "none", camera_id="C1", stamped_start_ns=START)


@pytest.mark.parametrize(
    ("name", "instant"),
    [
        ("20261120T071500.mp4", "2026-11-20T07:15:00+07:00"),
        ("gate_2026-11-20_07-15-00_main.mkv", "2026-11-20T07:15:00+07:00"),
        ("2026-11-20T07:15:00.mp4", "2026-11-20T07:15:00+07:00"),
        ("ch01_20261120071500.dav", "2026-11-20T07:15:00+07:00"),
        ("20261120T001500Z.ts", "2026-11-20T07:15:00+07:00"),
        ("Testvideo_FR20_2020-01-01_00-00-00.mp4", "2020-01-01T00:00:00+07:00"),
        ("20261320T071500.mp4", None),
        ("20261120T251500.mp4", None),
        ("part_10.mp4", None),
        ("120261120T071500.mp4", None),
    ],
)
def test_names(name: str, instant: str | None) -> None:
    assert time_in_name(name) == (parse_instant(instant) if instant else None)


def test_camera_names_cannot_leave_the_archive(store: Store, clip: Path) -> None:
    for camera_id in ("../out", "", ".hidden", f"a{os.sep}b"):
        with pytest.raises(BadInput):
            archive.import_file(store, clip, camera_id=camera_id, stamped_start_ns=START)


@pytest.mark.footage
def test_every_odd_file_goes_through_a_folder_import(store: Store, footage: Path) -> None:
    taken_count = 0
    for folder in sorted((footage / "media_odd").iterdir()):
        taken, refused = archive.import_folder(
            store, folder, camera_id=folder.name, stamped_start_ns=START
        )
        taken_count += len(taken)
        assert len(taken) + len(refused) == len(list(folder.iterdir()))
    assert taken_count == 17
    assert archive.verify(store) == []
