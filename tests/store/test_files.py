"""Files appear whole or not at all; locks exclude threads and forked children."""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from pathlib import Path

import pytest

from workbench.errors import Damaged
from workbench.store import files


def test_an_error_leaves_the_old_file_and_no_rest(tmp_path: Path) -> None:
    path = tmp_path / "new" / "a.json"
    files.write_bytes(path, b"old")

    def write() -> None:
        with files.replacing(path) as temporary:
            temporary.write_bytes(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        write()
    assert path.read_bytes() == b"old"
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]
    files.write_bytes(path, b"new", durable=False, mode=0o444)
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o444


def test_copy_that_fails_leaves_nothing(tmp_path: Path) -> None:
    source, target = tmp_path / "s.mp4", tmp_path / "archive"
    source.write_bytes(b"x" * 10)

    def stop(copied: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        files.copy_hashed(source, lambda sha256: target / sha256, on_bytes=stop)
    assert list(target.iterdir()) == []
    sha256, path = files.copy_hashed(source, lambda sha256: target / sha256)
    assert files.sha256_of(path) == sha256 == path.name


def test_lock_excludes_threads_and_lets_readers_share(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    order: list[str] = []
    started = threading.Event()

    def second() -> None:
        started.set()
        with files.locked(lock):
            order.append("second")

    with files.locked(lock):
        thread = threading.Thread(target=second)
        thread.start()
        started.wait()
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
    with files.locked(lock, shared=True), files.locked(lock, shared=True):
        pass


def test_a_child_forked_inside_does_not_keep_the_lock(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    reading, writing = os.pipe()
    with files.locked(lock):
        child = os.fork()
        if child == 0:  # pragma: no cover - the child only waits for its end
            os.close(writing)
            os.read(reading, 1)
            os._exit(0)
    with files.locked(lock):  # would wait for ever
        pass
    os.close(writing)
    os.waitpid(child, 0)
    os.close(reading)


def test_a_recording_on_another_disk_is_copied_and_read_back(tmp_path):
    with tempfile.TemporaryDirectory(dir="/dev/shm") as elsewhere:
        source, target = Path(elsewhere) / "1.mp4", tmp_path / "archive" / "1.mp4"
        source.write_bytes(b"footage" * 1000)
        if source.stat().st_dev == tmp_path.stat().st_dev:
            pytest.skip("one disk only")
        with pytest.raises(Damaged, match="not what was recorded"):
            files.link_read_only(source, target, "0" * 64)
        assert not list(target.parent.iterdir())
        assert source.exists()
        sha256 = files.sha256_of(source)
        for _ in range(2):  # doing it again changes nothing
            files.link_read_only(source, target, sha256)
            assert target.read_bytes() == source.read_bytes()
            assert oct(target.stat().st_mode)[-3:] == "444"
        assert [path.name for path in target.parent.iterdir()] == ["1.mp4"]


def test_a_disk_without_second_names_gets_a_copy(tmp_path, monkeypatch):
    source, target = tmp_path / "1.mp4", tmp_path / "archive" / "1.mp4"
    source.write_bytes(b"footage")

    def refused(*_names):
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    files.link_read_only(source, target, files.sha256_of(source))
    assert target.read_bytes() == b"footage"
    assert target.stat().st_ino != source.stat().st_ino
