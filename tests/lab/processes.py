"""Capture processes that misbehave, in place of the real one."""

from __future__ import annotations

import signal
import threading
import time

from workbench.streams.messages import Beat, Lost, Opened, SegmentTold


def beat_written_or_not(job, parent):
    """Beat for ever; from its sub-stream nothing is written: no key frame ever comes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent.send(Opened("h264", 320, 180, time.time_ns()))
    while True:
        parent.send(Beat(time.time_ns(), 1, 1, "" if job.source == "sub" else "f"))
        time.sleep(0.02)


def folder_or_stream(job, parent):
    """Beat for ever; the fallback is a folder, which ends the copy it is at when told to stop."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    live = job.source != "fallback"
    while not stopping.is_set():
        parent.send(Beat(time.time_ns(), 0, 0, "f" if live else "", live=live))
        time.sleep(0.02)
    parent.send(SegmentTold(job.camera_id, "/x", 1, source=job.source))
    parent.send(Lost("stopped", "", time.time_ns()))


def beat_or_close(job, parent):
    """Beat for ever; camera "C1" closes its pipe instead and lives on, deaf to SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if job.camera_id == "C1":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        parent.close()
        threading.Event().wait(60.0)  # not for ever: whoever should end it may be what fails
        return
    while True:
        parent.send(Beat(time.time_ns(), 1, 1, "f"))
        time.sleep(0.02)
