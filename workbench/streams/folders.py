"""A folder into which another system writes finished clips, as the source of a camera.

Each file is taken once, when it no longer grows: copied untouched, hashed on the way, and handed to
the archive like a recording of our own. Nothing in the other system's folder is changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av

from workbench.streams.files import finish_copy, write_whole
from workbench.streams.gaps import JOIN_S
from workbench.streams.messages import Beat, CaptureJob, Noted, Opened, SegmentTold, Told
from workbench.timeline import SECOND_NS

POLL_S = 1.0
SETTLED_S = 5.0
"""A file that has kept its size and its time for so long is finished."""
SILENT_S = 600.0
"""After so long without a new clip it is said from when on there is none."""
_TAKEN = "taken.json"
_COPYING = ".taking"
_CHUNK_BYTES = 1 << 24
_Mark = tuple[int, int]
"""Size and time of the last change, ns: what tells a file from what it was."""


class _ClipError(Exception):
    """The other system's disk does not give a clip."""


@dataclass(slots=True)
class _Seen:
    mark: _Mark
    since_s: float


class Folder:
    """The files of one folder: which are finished, and which were taken already.

    Parameters
    ----------
    job
        The camera; its ``folder`` is where copies go, and where it is kept what was taken.
    source
        The other system's folder; folders inside it count.
    tell
        Hears of every clip, and of the time between clips.
    """

    def __init__(self, job: CaptureJob, source: Path, tell: Callable[[Told], None]) -> None:
        self._job, self._source, self._tell = job, source, tell
        self._seen: dict[str, _Seen] = {}
        self._taken: dict[str, _Mark] = {}
        self._stop_ns: int | None = None
        with suppress(OSError, ValueError, KeyError, TypeError):
            kept = json.loads((job.folder / _TAKEN).read_text())
            self._taken = {name: (size, at_ns) for name, (size, at_ns) in kept["files"].items()}
            self._stop_ns = kept["stop_ns"]
        (job.folder / _COPYING).unlink(missing_ok=True)
        self._beat_s = self._new_s = time.monotonic()
        tell(Opened("files", 0, 0, time.time_ns()))

    def look(self, now_s: float) -> None:
        """Take what is finished at `now_s`, by a clock that nobody sets; oldest first.

        Raises
        ------
        OSError
            When the folder is not there, or the disk takes no more.
        """
        there = dict(self._files())
        self._seen = {name: seen for name, seen in self._seen.items() if name in there}
        finished = []
        for name, mark in there.items():
            seen = self._seen.get(name)
            if seen is None or seen.mark != mark:
                self._seen[name] = _Seen(mark, now_s)
            elif now_s - seen.since_s >= SETTLED_S and self._taken.get(name) != mark:
                finished.append((mark[1], name))
        for _, name in sorted(finished):
            self._take(name, there[name])
        gone = self._taken.keys() - there.keys()
        if gone or finished:
            self._taken = {n: mark for n, mark in self._taken.items() if n not in gone}
            self._keep()
        if finished:
            self._new_s = now_s
        elif self._stop_ns is not None and now_s - self._new_s >= SILENT_S:
            self._new_s = now_s
            self._tell(Noted("paused", "no clip came into the folder after this", self._stop_ns))
        self.beat()

    def beat(self) -> None:
        """Tell that it is watched."""
        length_s = time.monotonic() - self._beat_s
        if length_s >= POLL_S:
            self._beat_s += length_s
            self._tell(Beat(time.time_ns(), 0, 0, "", length_s=length_s, live=False))

    def _files(self) -> Iterator[tuple[str, _Mark]]:
        self._source.stat()  # a folder that is gone is an error, not an empty one
        for path in self._source.rglob("*"):
            self.beat()
            name = path.relative_to(self._source)
            if any(part.startswith(".") for part in name.parts):
                continue
            with suppress(OSError):  # moved just now
                if path.is_file() and (stat := path.stat()).st_size:
                    yield str(name), (stat.st_size, stat.st_mtime_ns)

    def _take(self, name: str, mark: _Mark) -> None:
        source, copy = self._source / name, self._job.folder / _COPYING
        digest = hashlib.sha256()
        try:
            with copy.open("wb", buffering=0) as writing:
                for chunk in _chunks(source):
                    digest.update(chunk)
                    writing.write(chunk)
                    os.fdatasync(writing.fileno())  # piece by piece: none of it takes long
                    self.beat()
                os.fsync(writing.fileno())
            same = _mark(source) == mark
        except _ClipError as error:
            self._seen.pop(name, None)  # tried again later; the others are not kept waiting
            self._tell(Noted("broken", f"{name} cannot be read: {error}", time.time_ns()))
            return
        if not same:
            self._seen.pop(name, None)  # it grows again: wait
            return
        start_ns = mark[1] - _length_ns(copy)
        told = SegmentTold(
            self._job.camera_id,
            "",
            start_ns,
            digest.hexdigest(),
            stamps="last change",
            source=self._job.source,
        )
        told = finish_copy(copy, self._job.folder, source.suffix.lower(), told)
        self._taken[name] = mark
        self._keep()
        if self._stop_ns is not None and start_ns - self._stop_ns > JOIN_S * SECOND_NS:
            # the other system had nothing to write, or lost it
            self._tell(Noted("paused", f"no clip in the folder before {name}", self._stop_ns))
        self._stop_ns = max(mark[1], self._stop_ns or 0)
        self._tell(told)

    def _keep(self) -> None:
        write_whole(self._job.folder / _TAKEN, {"files": self._taken, "stop_ns": self._stop_ns})


def watch_folder(
    job: CaptureJob, source: Path, tell: Callable[[Told], None], stopping: Callable[[], bool]
) -> None:
    """Take the files of a folder until `stopping` says so.

    Raises
    ------
    OSError
        When the folder goes, or the disk takes no more.
    """
    folder = Folder(job, source, tell)
    while not stopping():
        folder.look(time.monotonic())
        time.sleep(POLL_S)


def _chunks(source: Path) -> Iterator[bytes]:
    """Yield a clip's bytes; where its disk fails it is no fault of ours: `_ClipError`."""
    try:
        with source.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                yield chunk
    except OSError as error:
        raise _ClipError(error.strerror or type(error).__name__) from error


def _mark(source: Path) -> _Mark:
    try:
        stat = source.stat()
    except OSError as error:
        raise _ClipError(error.strerror or type(error).__name__) from error
    return stat.st_size, stat.st_mtime_ns


def _length_ns(path: Path) -> int:
    """Return how long a clip plays, 0 where it does not say: the archive looks closer."""
    try:
        with av.open(f"file:{path}", metadata_errors="ignore") as container:
            return (container.duration or 0) * 1000
    except (av.FFmpegError, ValueError):
        return 0
