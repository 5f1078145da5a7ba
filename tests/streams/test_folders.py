"""Folders into which another system writes: each finished clip is taken once, untouched."""

from __future__ import annotations

import os
import shutil

import pytest
from make.clips import make_clip

from workbench.store.files import sha256_of
from workbench.streams.address import parse_address
from workbench.streams.files import recover
from workbench.streams.folders import SETTLED_S, SILENT_S, Folder
from workbench.streams.gaps import derive_gaps
from workbench.streams.messages import Beat, CaptureJob, Noted, SegmentTold
from workbench.timeline import SECOND_NS, Span

RATE, LENGTH_S = 10, 6
END_NS = 1_800_000_000 * SECOND_NS


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    for name in ("a.mp4", "b.mkv"):
        make_clip(folder / name, LENGTH_S * RATE, rate=RATE, first_number=ord(name[0]))
    return folder


@pytest.fixture
def place(tmp_path):
    class Place:
        def __init__(self):
            self.source, self.folder = tmp_path / "theirs", tmp_path / "ours"
            self.source.mkdir()
            self.folder.mkdir()
            self.told, self.now_s = [], 1000.0
            self.begin()

        def begin(self):
            address = parse_address(str(self.source))
            job = CaptureJob("C1", address, self.folder, source="fallback")
            self.watched = Folder(job, self.source, self.told.append)

        def put(self, clip, name, end_ns):
            path = self.source / name
            path.parent.mkdir(exist_ok=True)
            shutil.copy(clip, path)
            os.utime(path, ns=(end_ns, end_ns))
            return path

        def look(self, later_s=0.0):
            self.now_s += later_s
            self.watched.look(self.now_s)
            return [one for one in self.told if isinstance(one, SegmentTold)]

    return Place()


def test_a_clip_is_taken_once_when_it_no_longer_grows_and_stays_as_it_was(place, clips):
    path = place.put(clips / "a.mp4", "day/a.mp4", END_NS)
    (place.source / ".part").write_bytes(b"hidden")
    (place.source / "empty.mp4").touch()
    before = path.stat()
    assert place.look() == place.look(SETTLED_S - 1) == []
    with path.open("ab") as file:  # it grows
        file.write(b"more")
    os.utime(path, ns=(END_NS, END_NS))
    assert place.look(2) == place.look(SETTLED_S - 1) == []
    (told,) = place.look(1)
    assert (told.stamps, told.start_ns) == ("last change", END_NS - LENGTH_S * SECOND_NS)
    assert told.source == "fallback"
    copy = place.folder / f"{told.start_ns}.mp4"
    assert told.path == str(copy)
    assert copy.read_bytes() == path.read_bytes()
    assert sha256_of(copy) == told.sha256
    after = path.stat()
    assert (after.st_mode, after.st_mtime_ns) == (before.st_mode, before.st_mtime_ns)
    assert len(place.look(60)) == 1
    place.begin()  # another process: what it finds is told again, and nothing copied again
    place.look()
    assert len(place.look(60)) == 1
    assert list(recover(place.folder, "C1")) == [told]
    assert not (place.folder / ".taking").exists()


def test_killed_between_copy_and_note_nothing_is_lost_and_the_hash_is_the_same(place, clips):
    place.put(clips / "b.mkv", "b.mkv", END_NS)
    place.look()
    (told,) = place.look(SETTLED_S)
    (place.folder / "taken.json").unlink()
    (place.folder / ".taking").write_bytes(b"half")
    place.begin()
    place.look()
    again = place.look(SETTLED_S)[-1]
    assert (again.sha256, again.start_ns) == (told.sha256, told.start_ns)
    assert again.path.endswith(".mkv")
    assert {one.sha256 for one in recover(place.folder, "C1")} == {told.sha256}


def test_the_time_between_clips_has_its_cause(place, clips):
    ends = [END_NS, END_NS + LENGTH_S * SECOND_NS, END_NS + 60 * SECOND_NS]
    for number, end_ns in enumerate(ends):
        place.put(clips / "a.mp4", f"{number}.mp4", end_ns)
    place.look()
    files = place.look(SETTLED_S)
    assert [one.start_ns + LENGTH_S * SECOND_NS for one in files] == ends  # oldest first
    place.look(SILENT_S)
    noted = [one for one in place.told if isinstance(one, Noted)]
    assert [one.at_ns for one in noted] == [ends[1], ends[2]]
    spans = [Span(one.start_ns, one.start_ns + LENGTH_S * SECOND_NS) for one in files]
    whole = Span(spans[0].start_ns, ends[2] + 3600 * SECOND_NS)
    assert [gap.cause for gap in derive_gaps("C1", spans, noted, whole)] == ["paused", "paused"]


def test_one_file_that_cannot_be_read_keeps_no_other_waiting(place, clips, monkeypatch):
    place.put(clips / "a.mp4", "a.mp4", END_NS)
    bad = place.put(clips / "b.mkv", "b.mkv", END_NS - SECOND_NS)
    opened = type(bad).open

    def refusing(path, *words, **more):
        if path == bad:
            raise PermissionError(13, "Permission denied")
        return opened(path, *words, **more)

    monkeypatch.setattr(type(bad), "open", refusing)
    place.look()
    assert len(place.look(SETTLED_S)) == 1
    (noted,) = (one for one in place.told if isinstance(one, Noted))
    assert noted.detail == "b.mkv cannot be read: Permission denied"
    monkeypatch.undo()
    place.look(1)
    assert len(place.look(SETTLED_S)) == 2


def test_a_clip_whose_disk_fails_in_the_middle_keeps_no_other_waiting(place, clips, monkeypatch):
    place.put(clips / "a.mp4", "a.mp4", END_NS)
    bad = place.put(clips / "b.mkv", "b.mkv", END_NS - SECOND_NS)
    opened = type(bad).open

    class Failing:
        def __init__(self, file):
            self.file, self.reads = file, 0

        def __enter__(self):
            return self

        def __exit__(self, *_what):
            self.file.close()

        def read(self, _size):
            self.reads += 1
            if self.reads > 1:
                raise OSError(5, "Input/output error")
            return self.file.read(100)

    def open_path(path, *words, **more):
        file = opened(path, *words, **more)
        return Failing(file) if path == bad else file

    monkeypatch.setattr(type(bad), "open", open_path)
    place.look()
    assert len(place.look(SETTLED_S)) == 1
    (noted,) = (one for one in place.told if isinstance(one, Noted))
    assert noted.detail == "b.mkv cannot be read: Input/output error"
    monkeypatch.undo()
    place.look(1)
    assert len(place.look(SETTLED_S)) == 2


def test_a_folder_that_goes_is_no_empty_folder(place, clips):
    place.put(clips / "a.mp4", "a.mp4", END_NS)
    place.look()
    shutil.rmtree(place.source)
    with pytest.raises(FileNotFoundError):
        place.look(SETTLED_S)
    assert all(not one.live for one in place.told if isinstance(one, Beat))
