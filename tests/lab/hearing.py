"""A recorder on cameras of the laboratory, and a listener that keeps what it tells."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from pathlib import Path

from make.clips import read_number

from workbench import media
from workbench.streams import CaptureJob, parse_address, record
from workbench.streams.messages import Beat, Looked


class Heard:
    """What a recorder told of each camera, with when it was heard."""

    def __init__(self):
        self.all, self.asked = [], []
        self._news = threading.Condition()

    def __call__(self, camera, told):
        with self._news:
            self.all.append((time.monotonic(), camera, told))
            self._news.notify_all()

    def of(self, camera, kind):
        return [
            told for _, name, told in list(self.all) if name == camera and isinstance(told, kind)
        ]

    def times(self, camera, kind):
        return [
            at for at, name, told in list(self.all) if name == camera and isinstance(told, kind)
        ]

    def wait(self, condition, seconds=25.0):
        with self._news:
            assert self._news.wait_for(condition, seconds), [
                (name, told) for _, name, told in self.all if not isinstance(told, Beat | Looked)
            ]


def job_of(tmp_path, camera, **settings):
    return CaptureJob(
        camera.name,
        with_login(camera),
        tmp_path / camera.name,
        **{"segment_s": 0.9, "read_s": 1.0, "open_s": 1.5, "picture_s": 1.0} | settings,
    )


@contextmanager
def recording(tmp_path, *cameras, **settings):
    heard, stop = Heard(), threading.Event()
    jobs = [job_of(tmp_path, camera, **settings) for camera in cameras]

    def changes():
        asked, heard.asked = heard.asked, []
        return asked

    thread = threading.Thread(
        target=record, args=(jobs, heard, stop.is_set), kwargs={"changes": changes}
    )
    thread.start()
    try:
        yield heard
    finally:
        stop.set()
        thread.join()


def with_login(camera):
    address = parse_address(camera.address)
    return type(address)(address.url, camera.user, camera.password)


def numbers(told):
    _, index = media.index_packets(Path(told.path))
    run = media.decode(Path(told.path), index, 0, len(index))
    return [read_number(media.to_rgb(frame)) for _, frame in run]
