"""Files appear whole or not at all; locks exclude threads and forked children."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

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
