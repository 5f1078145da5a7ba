"""The recorder before capture processes that misbehave, real ones and one that never dies."""

from __future__ import annotations

import itertools
import multiprocessing
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
from lab.hearing import Heard
from lab.processes import beat_or_close, beat_written_or_not, folder_or_stream

from workbench.streams import recorder
from workbench.streams.address import StreamAddress
from workbench.streams.mailbox import Mailbox
from workbench.streams.messages import Beat, CaptureJob, Lost, SegmentTold, Switched, TrialFailed
from workbench.streams.recorder import Recorder


def job(name, **settings):
    return CaptureJob(name, StreamAddress("rtsp://127.0.0.1:1/x"), Path("/nowhere"), **settings)


@pytest.fixture
def started(monkeypatch):
    """Run a recorder of processes that run `what` until the test ends; errors come out there."""
    running = []

    def start(what, *names):
        monkeypatch.setattr(recorder, "capture", what)
        heard, stop, errors = Heard(), threading.Event(), []
        made = Recorder([job(name) for name in names], heard)

        def run():
            try:
                made.run(stop.is_set)
            except Exception as error:  # noqa: BLE001 - shown by the test
                errors.append(error)

        thread = threading.Thread(target=run)
        thread.start()
        running.append((thread, stop, errors))
        return made, heard

    yield start
    for thread, stop, errors in running:
        stop.set()
        thread.join()
        assert errors == []


def test_a_process_that_closes_its_pipe_and_lives_on_costs_the_others_nothing(started):
    _, heard = started(beat_or_close, "C1", "C2")
    heard.wait(lambda: len(heard.of("C1", Lost)) >= 3 and len(heard.of("C2", Beat)) >= 100)
    assert {lost.cause for lost in heard.of("C1", Lost)} == {"killed"}
    times = heard.times("C2", Beat)
    assert max(b - a for a, b in pairwise(times)) < 3  # it stood still for 5 s for each


class Undying:
    """A process that no signal reaches, as one that waits for a dead disk."""

    exitcode, pid, signals, closed = None, 1, 0, False

    def kill(self):
        self.signals += 1

    terminate = kill

    def close(self):
        if self.exitcode is None:
            raise ValueError("Cannot close a process while it is still running")
        self.closed = True


def test_a_camera_is_not_opened_again_before_its_process_is_gone(monkeypatch):
    heard = Heard()
    made = Recorder([job("C1")], heard)
    (one,) = made._watched
    starts = []
    monkeypatch.setattr(made._spawn, "Pipe", lambda **_: starts.append(1) or (None, None))
    process = one.process = Undying()
    one.ear, theirs = recorder.multiprocessing.Pipe(duplex=False)
    theirs.close()
    made._listen(0.1)
    made._reap()
    assert process.signals == 1
    one.heard_s -= 60
    made._reap()
    made._end_hung()
    one.due_s = 0.0
    made._start_due()
    made._reap()
    assert (len(heard.of("C1", Lost)), starts, process.closed) == (1, [], False)
    monkeypatch.setattr(recorder, "_END_S", 0.1)
    made._close()  # it does not wait for ever either
    process.exitcode = -9
    made._reap()
    assert (one.process, process.closed, len(heard.of("C1", Lost))) == (None, True, 1)


def test_a_trial_of_which_nothing_is_written_ends(monkeypatch):
    monkeypatch.setattr(recorder, "capture", beat_written_or_not)
    monkeypatch.setattr(recorder, "TRIAL_S", 1.0)
    heard, turns = Heard(), itertools.count()
    made = Recorder([job("C1")], heard)

    def stopped():
        assert next(turns) < 200
        if heard.of("C1", Beat) and not made._trials and not heard.of("C1", TrialFailed):
            made.take(job("C1", source="sub"))
        return bool(heard.of("C1", TrialFailed)) and not made._trials

    made.run(stopped)
    (failed,) = heard.of("C1", TrialFailed)
    assert (failed.source, failed.cause) == ("sub", "stalled")
    assert heard.of("C1", Switched) == []
    assert [lost.detail[-8:] for lost in heard.of("C1", Lost)] == [
        "code -15"
    ]  # the end of the test


def test_a_folder_that_stands_in_is_left_when_the_other_delivers_and_ends_its_copy(monkeypatch):
    monkeypatch.setattr(recorder, "capture", folder_or_stream)
    heard, turns, asked = Heard(), itertools.count(), []
    made = Recorder([job("C1", source="fallback")], heard)

    def stopped():
        assert next(turns) < 100
        if heard.of("C1", Beat) and not asked:
            asked.append(made.take(job("C1", source="main")))
        return bool(heard.of("C1", Switched)) and not made._leaving

    made.run(stopped)
    (switched,) = heard.of("C1", Switched)
    assert (switched.source, switched.before, switched.beside) == ("main", "fallback", True)
    assert [told.source for told in heard.of("C1", SegmentTold)] == ["fallback", "main"]
    assert [lost.cause for lost in heard.of("C1", Lost)] == ["stopped"]  # the end of the test


def test_changes_are_asked_for_between_the_words_of_forty_cameras():
    ear, teller = multiprocessing.Pipe()
    waiting, stop, asked, heard = Mailbox(), threading.Event(), [], []

    def beat():
        for n in itertools.count():  # one of them every 20 ms: it is never silent
            if stop.wait(0.02):
                return
            waiting.put(f"C{n % 48}", Beat(time.time_ns(), 12, 1000, "f"))

    def send():
        while words := waiting.take():
            teller.send(words)
        teller.close()

    def stopped():
        if len(heard) >= 200:
            stop.set()
            waiting.close()
        return stop.is_set()

    threads = [threading.Thread(target=one) for one in (beat, send)]
    for thread in threads:
        thread.start()
    began_s = time.monotonic()

    def hear(camera_id, _told):
        heard.append(camera_id)

    poll_s = 0.2
    try:
        ended = recorder._hear_out(ear, hear, stopped, poll_s, lambda _: asked.append(len(heard)))
    finally:
        stop.set()
        waiting.close()
        for thread in threads:
            thread.join()
    assert ended
    assert len(set(heard)) == 48
    assert len(asked) >= 10  # it was once, at the start
    assert len(asked) <= (time.monotonic() - began_s) / poll_s + 2
    assert max(b - a for a, b in pairwise(asked)) <= 60
