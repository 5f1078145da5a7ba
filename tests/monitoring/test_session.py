"""What the session does with finished files: taken, told of twice, claimed already, no footage."""

from __future__ import annotations

import os
import resource
import shutil
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest
from make.clips import make_clip

from workbench import streams
from workbench.errors import BadInput, Damaged, Unavailable
from workbench.investigation import open_workbench
from workbench.monitoring import open_monitoring
from workbench.monitoring.notify import Settings
from workbench.monitoring.session import Session
from workbench.store import files
from workbench.streams.messages import SegmentTold
from workbench.timeline import SECOND_NS

START = 1_795_000_000 * SECOND_NS


@pytest.fixture
def house(tmp_path, ward_folder):
    open_workbench(tmp_path / "root", actor="t", create_from=ward_folder)
    return open_monitoring(tmp_path / "root", actor="t")


@pytest.fixture
def session(house):
    made = Session(house, {}, 30.0, lambda _status: None, Settings())
    yield made
    made._notifier.end()


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    path = tmp_path_factory.mktemp("clips") / "clip.mp4"
    make_clip(path, 20)
    return path


def finished(house, source, camera="S01-P1", start_ns=START):
    """Lay a finished file into its camera's folder, as its recorder does."""
    path = house.folder / camera / f"{start_ns}.mp4"
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(source, bytes):
        path.write_bytes(source)
    else:
        shutil.copyfile(source, path)
    return SegmentTold(camera, str(path), start_ns, files.sha256_of(path))


def losses(house):
    return [(one.camera_id, one.cause) for one in house._store.upkeep.losses()]


def archived(house):
    return sorted(path.name for path in house._store.archive_folder.rglob("*") if path.is_file())


def notes(house):
    return [one.details for one in house._store.audit() if one.action == "recording.again"]


def test_the_same_bytes_with_another_start_are_let_go_and_noted(house, session, clip):
    session._take(finished(house, clip))
    before = archived(house)
    told = finished(house, clip, start_ns=START + 9 * SECOND_NS)
    session._take(told)
    assert not Path(told.path).exists()
    assert (house.quarantined(), losses(house), len(notes(house))) == ([], [], 1)
    assert archived(house) == before
    assert [one.stamped_start_ns for one in house._store.segments()] == [START]


def test_the_same_bytes_of_another_camera_leave_no_stray_and_a_true_word(house, session, clip):
    session._take(finished(house, clip))
    before = archived(house)
    told = finished(house, clip, "S01-P2")
    session._take(told)
    assert not Path(told.path).exists()
    assert (house.quarantined(), losses(house)) == ([], [("S01-P2", "broken")])
    (loss,) = house._store.upkeep.losses()
    assert "byte for byte a file of camera S01-P1" in loss.detail
    assert '"archived for": "S01-P1"' in notes(house)[0]
    assert archived(house) == before
    assert open_workbench(house._store.root, actor="t").verify() == []


def test_bytes_are_let_go_only_where_the_archive_has_them(house, session, clip):
    session._take(finished(house, clip))
    (one,) = house._store.segments()
    original = house._store.file(one)
    original.unlink()
    session._take(finished(house, clip, "S01-P2"))
    assert original.read_bytes() == clip.read_bytes()
    original.chmod(0o644)
    original.write_bytes(b"altered")
    told = finished(house, clip, "S01-P2")
    with pytest.raises(Damaged):
        session._take(told)
    assert Path(told.path).exists()


def test_a_lost_mount_of_recordings_is_no_broken_file(house, session, clip):
    told = finished(house, clip)
    aside = house.folder.rename(house.folder.with_name("away"))
    for _look in range(3):
        with pytest.raises(Unavailable, match="not where it was written"):
            session._take(told)
    assert losses(house) == []
    shutil.rmtree(house.folder, ignore_errors=True)
    aside.rename(house.folder)
    session._take(told)
    assert len(house._store.segments()) == 1
    session._take(told)  # told of twice
    assert len(house._store.segments()) == 1


@contextmanager
def no_more_files():
    spare = os.open("/dev/null", os.O_RDONLY)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_process_without_free_handles_finds_no_file_broken(house, session, clip):
    told = finished(house, clip)
    for _look in range(3):
        with no_more_files(), pytest.raises((Unavailable, OSError)) as error:
            session._take(told)
        assert "open" in str(error.value)
    session._take(told)
    assert (len(house._store.segments()), losses(house), house.quarantined()) == (1, [], [])


def test_no_footage_is_set_aside_at_the_second_look_and_the_loss_comes_after(
    house, session, monkeypatch
):
    told = finished(house, b"no footage")
    with pytest.raises(BadInput):
        session._take(told)
    # the disk does not give its bytes: it may be footage
    with monkeypatch.context() as patched:
        patched.setattr(files, "sha256_of", _no_bytes)
        with pytest.raises(OSError, match="Input/output"):
            session._take(told)
    # it cannot be moved
    with monkeypatch.context() as patched:
        patched.setattr(streams, "set_aside", _no_bytes)
        with pytest.raises(OSError, match="Input/output"):
            session._take(told)
    assert (losses(house), house.quarantined()) == ([], [])
    # the catalogue cannot take the loss: it is told of later
    with monkeypatch.context() as patched:
        patched.setattr(house, "lose", _no_bytes)
        with pytest.raises(OSError, match="Input/output"):
            session._take(told)
    assert len(house.quarantined()) == 1
    session._take(told)
    assert losses(house) == [("S01-P1", "broken")]


def test_the_last_status_does_not_wait_for_a_drop_that_goes_on(house, monkeypatch):
    (house._store.root / "retention.toml").write_text("[default]\ndays = 1\n")
    stopping, said = threading.Event(), []

    def long_drop(*, stopped, **_asked):
        stopping.set()
        for _ in range(400):
            if stopped() and house.status()[1]["S01-P1"].state == "stopped":
                said.append(house.status()[1]["S01-P1"].state)
                return
            threading.Event().wait(0.05)

    monkeypatch.setattr(house.keeping, "retention", long_drop)
    address = streams.parse_address("/nowhere.mp4", where="S01-P1")
    session = Session(house, {"S01-P1": {"main": address}}, 30.0, lambda _status: None, Settings())
    house.folder.mkdir()
    session.run(stopping.is_set)
    assert said == ["stopped"]


def _no_bytes(*_facts):
    raise OSError(5, "Input/output error")


def test_a_bad_disk_or_reference_of_one_camera_keeps_no_other_from_being_recorded(house, bad_stat):
    last_ns = START + 9 * SECOND_NS
    for camera in ("S01-P1", "S02-P1"):
        told = finished(house, b"film", camera)
        os.utime(told.path, ns=(last_ns, last_ns))
    (house._store.root / "references").mkdir()
    torn = house._store.root / "references" / "S01-P1-day.npz"
    torn.write_bytes(b"PK torn")
    bad_stat(house.folder / "S01-P1")
    assert house.last_footage(["S01-P1", "S02-P1"]) == {"S02-P1": last_ns}
    with pytest.raises(Damaged, match="cannot be read"):
        house.references("S01-P1")
    sources = {
        camera: {"main": streams.parse_address(f"rtsp://127.0.0.1:1/{camera}")}
        for camera in ("S01-P1", "S02-P1")
    }
    made = Session(house, sources, 30.0, lambda _status: None, Settings())
    made._note_absence()
    assert losses(house) == [("S02-P1", "not recording")]
    made._write_status(at_once=True)
    assert str(torn) in house.waiting()[1]
    made._notifier.end()
