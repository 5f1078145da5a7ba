"""A disk that fails in the middle of a file is told; it is no end of the file."""

from __future__ import annotations

import errno
import io
import os
from pathlib import Path

import av
import pytest
from make.clips import make_clip

from workbench import media
from workbench.errors import Unavailable
from workbench.media import packets


class FailingFile(io.RawIOBase):
    """A file whose bytes from `bad` on cannot be read, as with a disk that has lost a sector."""

    def __init__(self, path: Path, bad: int, number: int) -> None:
        self.name = str(path)
        self._bad, self._number = bad, number
        self._file = os.fdopen(os.open(path, os.O_RDONLY), "rb")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer) -> int:
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int = -1) -> bytes:
        at = self._file.tell()
        if at >= self._bad:
            raise OSError(self._number, os.strerror(self._number))
        return self._file.read(min(size, self._bad - at) if size >= 0 else self._bad - at)

    def close(self) -> None:
        self._file.close()
        super().close()


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch):
    """Return a function that makes a file's bytes unreadable from some place on."""
    plain, bad = av.open, {}

    def open_container(name, *args, **options):
        path = Path(name.removeprefix("file:"))
        if path not in bad:
            return plain(name, *args, **options)
        options.pop("options", None)
        return plain(FailingFile(path, *bad[path]), *args, buffer_size=4096, **options)

    def open_path(path, *args, **options):
        return FailingFile(path, *bad[path]) if path in bad else plain_path(path, *args, **options)

    plain_path = Path.open
    monkeypatch.setattr(packets.av, "open", open_container)
    monkeypatch.setattr(Path, "open", open_path)
    return lambda path, at, number=errno.EIO: bad.__setitem__(path, (at, number))


@pytest.mark.parametrize("name", ["a.ts", "a.mp4", "a.mkv", "a.h264"])
@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_a_file_is_never_indexed_short_by_a_failing_disk(tmp_path, failing, name, number) -> None:
    path = tmp_path / name
    options = {"movflags": "frag_keyframe+empty_moov"} if name == "a.mp4" else {}
    make_clip(path, 200, gop=10, options=options)
    whole = media.index_packets(path)[1]
    at = path.stat().st_size * 6 // 10
    failing(path, at, number)
    with pytest.raises(Unavailable) as told:
        media.index_packets(path)
    assert str(path) in told.value.sentence()
    assert told.value.fields.get("reason", os.strerror(number)) == os.strerror(number)
    frames = []
    with pytest.raises(Unavailable):
        frames += [pts for pts, _ in media.decode(path, whole, 0, len(whole))]


def test_a_file_that_was_removed_meanwhile_is_read_to_its_end(tmp_path) -> None:
    path = tmp_path / "a.mp4"
    make_clip(path, 50)
    with packets.opened(path) as (container, stream):
        found = packets.demuxed(container, stream)
        first = next(found)
        path.unlink()
        assert 1 + len(list(found)) == 50
        assert first.is_keyframe


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
def test_a_disk_that_does_not_even_say_what_a_file_is_is_told(
    tmp_path, bad_stat, number: int
) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"no film")
    bad_stat(path, number)
    with pytest.raises(Unavailable) as told:
        media.index_packets(path)
    assert str(path) in told.value.sentence()
    with pytest.raises(Unavailable):
        media.remark_of(path)


def test_a_disk_that_fails_after_the_last_packet_is_told(tmp_path, bad_stat) -> None:
    path = tmp_path / "a.mp4"
    make_clip(path, 10)
    bad_stat(path, errno.EIO)
    with pytest.raises(Unavailable, match="does not give this file"):
        media.index_packets(path)
