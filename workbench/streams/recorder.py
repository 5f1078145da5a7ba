"""The recorder: a capture process a camera, watched, ended when it hangs, and started again.

One camera that sends garbage, hangs or crashes its process costs no other camera a packet. Nothing
is silent: what a process tells, and how it ended, goes to one listener. The recorder is a small
process of its own: whoever listens may be busy, or die, and no frame is lost by it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from multiprocessing import connection
from multiprocessing.process import BaseProcess
from threading import Thread

from workbench.records import LossCause, Source
from workbench.streams.capture import capture
from workbench.streams.mailbox import Mailbox
from workbench.streams.messages import (
    Beat,
    CaptureJob,
    Lost,
    Opened,
    SegmentTold,
    Switched,
    Told,
    TrialFailed,
)

BACK_OFF_S = (0.3, 0.6, 1.2, 2.0)
"""Waits before each new try; the last one is kept. A camera that is back is recorded soon."""
DENIED_WAIT_S = 30.0
"""Cameras lock accounts after a few wrong passwords."""
GRACE_S = 1.0
"""A process may be so much later than its own timeouts before it counts as hung."""
TRIAL_S = 15.0
"""An address tried beside another must be on disk by then: it keeps the camera's own out."""
STARTS_AT_ONCE = 6
GATHER_S = 0.1
"""What the processes tell is heard so often: to be woken for each word costs more than the word."""
LEAN = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": "1048576",
    "MALLOC_TRIM_THRESHOLD_": "262144",
}
"""Settings of glibc: pictures are given back at once, not kept for each of many processes."""
_POLL_S = 0.2
_END_S = 5.0

Listener = Callable[[str, Told], None]
"""Hears ``(camera_id, told)``, in the recorder's thread: it must not take long."""


@dataclass(slots=True, eq=False)
class _Watched:
    """One address of a camera and its process of the moment."""

    job: CaptureJob
    process: BaseProcess | None = None
    ear: connection.Connection | None = None
    heard_s: float = 0.0
    due_s: float = 0.0
    open: bool = False
    writing: bool = False
    ended: bool = False
    tries: int = 0
    seed: float = field(default=0.0)
    asked_s: float = field(default_factory=time.monotonic)


class Recorder:
    """Keeps the capture processes of many cameras going.

    Parameters
    ----------
    jobs
        One a camera.
    hear
        Told of all that happens.
    """

    def __init__(self, jobs: Sequence[CaptureJob], hear: Listener) -> None:
        self._hear = hear
        self._spawn = multiprocessing.get_context("forkserver")
        # Forked from a process that has the libraries already: a start takes 20 ms.
        self._spawn.set_forkserver_preload(["workbench.streams.capture"])
        self._watched = [
            _Watched(job, seed=zlib.crc32(job.camera_id.encode()) / 2**32) for job in jobs
        ]
        self._trials: list[_Watched] = []
        self._leaving: list[_Watched] = []

    def run(self, stopped: Callable[[], bool]) -> None:
        """Record until `stopped` says so; then let every process end its file."""
        try:
            while not stopped():
                self._start_due()
                time.sleep(GATHER_S)
                self._listen(_POLL_S)
                self._reap()
                self._end_hung()
        finally:
            self._close()

    def take(self, job: CaptureJob) -> None:
        """Record a camera from another of its addresses.

        While it is recorded, the new address is tried beside, and taken once it is written to
        disk: the change costs no footage. Otherwise the camera is opened there at once.
        """
        n, one = next(
            (n, one) for n, one in enumerate(self._watched) if one.job.camera_id == job.camera_id
        )
        for trial in [each for each in self._trials if each.job.camera_id == job.camera_id]:
            self._leave(trial)
            self._trials.remove(trial)
        if one.writing and not one.ended:
            self._trials.append(_Watched(job, seed=one.seed))
            return
        if one.process is not None:
            self._leave(one)
        self._watched[n] = _Watched(job, seed=one.seed)
        told = Switched(job.source, one.job.source, time.time_ns(), beside=False)
        self._hear(job.camera_id, told)

    def _leave(self, one: _Watched) -> None:
        """Let a process end; what it tells from now on is what it has written, no more."""
        if one.process is not None:
            if one.writing:
                one.process.terminate()
            else:
                one.process.kill()  # it may hang in a call that hears no signal
            one.heard_s = time.monotonic()
            self._leaving.append(one)

    def pids(self) -> dict[str, int]:
        """Return the process of each camera that has one."""
        return {
            one.job.camera_id: one.process.pid
            for one in self._watched
            if one.process is not None and one.process.pid is not None
        }

    def _start_due(self) -> None:
        now_s = time.monotonic()
        ending = {one.job.camera_id for one in self._leaving if one.ear is None}
        due = [
            one
            for one in (*self._trials, *self._watched)
            if one.process is None and one.due_s <= now_s and one.job.camera_id not in ending
        ]
        for one in due[:STARTS_AT_ONCE]:
            ear, theirs = self._spawn.Pipe(duplex=False)
            job = replace(one.job, beside=one in self._trials)
            process = self._spawn.Process(
                target=capture, args=(job, theirs), name=job.camera_id, daemon=True
            )
            try:
                process.start()
            except (OSError, EOFError) as error:  # no memory, no process numbers: later, perhaps
                ear.close()
                self._lose(one, Lost("killed", f"no process: {error}", time.time_ns()))
                self._drop(one)
                continue
            finally:
                theirs.close()
            one.ear, one.process = ear, process
            one.open = one.writing = one.ended = False
            one.heard_s = time.monotonic()

    @property
    def _everyone(self) -> list[_Watched]:
        return [*self._watched, *self._trials, *self._leaving]

    def _listen(self, wait_s: float) -> None:
        ears = [(one.ear, one) for one in self._everyone if one.ear is not None]
        if not ears:
            time.sleep(wait_s)
            return
        ready = connection.wait([ear for ear, _ in ears], timeout=wait_s)
        for ear, one in ears:
            if ear not in ready:
                continue
            try:
                self._heed(one, ear.recv())
                while ear.poll():
                    self._heed(one, ear.recv())
            except (EOFError, OSError):
                self._gone(one)

    def _heed(self, one: _Watched, told: Told) -> None:
        one.heard_s = time.monotonic()
        if one in self._leaving:
            if isinstance(told, SegmentTold):
                self._hear(one.job.camera_id, told)
        elif one in self._trials:
            self._try(one, told)
        else:
            self._take_in(one, told)

    def _take_in(self, one: _Watched, told: Told) -> None:
        if isinstance(told, Opened):
            one.open = True
        elif isinstance(told, Beat):
            one.tries = 0
            one.writing = bool(told.growing) or not told.live
        elif isinstance(told, Lost):
            one.ended = True
            self._wait_before_next(one, told)
        self._hear(one.job.camera_id, told)

    def _try(self, trial: _Watched, told: Told) -> None:
        """Hear an address that is tried beside another: it is taken once it is on disk."""
        camera_id = trial.job.camera_id
        if isinstance(told, Opened):
            trial.open = True
        elif isinstance(told, SegmentTold):
            self._hear(camera_id, told)
        elif isinstance(told, Lost):
            trial.ended = True
            self._hear(
                camera_id, TrialFailed(trial.job.source, told.cause, told.detail, told.at_ns)
            )
        elif isinstance(told, Beat) and (told.growing or not told.live):
            n, before = next(
                (n, one) for n, one in enumerate(self._watched) if one.job.camera_id == camera_id
            )
            self._leave(before)
            self._trials.remove(trial)
            self._watched[n] = trial
            self._hear(
                camera_id,
                Switched(trial.job.source, before.job.source, told.at_ns, beside=True),
            )
            self._take_in(trial, told)

    def _gone(self, one: _Watched) -> None:
        """Take note that a process says no more; it is waited for by nobody: see `_reap`."""
        assert one.process is not None
        assert one.ear is not None
        one.ear.close()
        one.ear = None
        one.heard_s = time.monotonic()
        one.process.kill()  # no more than its pipe may have ended

    def _reap(self) -> None:
        """Let go of the processes that are gone; a camera is not opened again before.

        One that did not say why it ended was killed or crashed.
        """
        for one in self._everyone:
            if one.process is None or one.ear is not None:
                continue
            code = one.process.exitcode
            late = time.monotonic() - one.heard_s > GRACE_S
            if not one.ended and one not in self._leaving and (code is not None or late):
                how = "closed its pipe" if code is None else f"ended with code {code}"
                one.ended = True
                self._lose(one, Lost("killed", f"the capture process {how}", time.time_ns()))
            if code is None:
                continue
            one.process.close()
            one.process = None
            one.writing = False
            self._drop(one)

    def _drop(self, one: _Watched) -> None:
        """Forget an attempt or a process that left, and that is gone."""
        self._trials = [each for each in self._trials if each is not one]
        self._leaving = [each for each in self._leaving if each is not one]

    def _end_hung(self) -> None:
        now_s = time.monotonic()
        for one in self._leaving:
            if one.process is not None and now_s - one.heard_s > one.job.read_s + GRACE_S:
                one.process.kill()
        for one in self._trials:
            if not one.ended and now_s - one.asked_s > TRIAL_S:
                detail = f"not on disk after {TRIAL_S:.0f} s"
                self._try(one, Lost("stalled", detail, time.time_ns()))
                if one.process is not None:
                    one.process.kill()
        self._trials = [one for one in self._trials if one.process is not None or not one.ended]
        for one in (*self._watched, *self._trials):
            if one.process is None or one.ear is None or one.ended:
                continue
            patience_s = (one.job.read_s if one.open else one.job.open_s) + GRACE_S
            if now_s - one.heard_s > patience_s:
                what = "no packet" if one.open else "no answer"
                cause: LossCause = "stalled" if one.open else "unreachable"
                self._lose(one, Lost(cause, f"{what} for {patience_s:.0f} s", time.time_ns()))
                one.ended = True
                one.process.kill()

    def _lose(self, one: _Watched, lost: Lost) -> None:
        if one in self._trials:
            self._try(one, lost)
            return
        self._wait_before_next(one, lost)
        self._hear(one.job.camera_id, lost)

    def _wait_before_next(self, one: _Watched, lost: Lost) -> None:
        wait_s = BACK_OFF_S[min(one.tries, len(BACK_OFF_S) - 1)]
        if lost.cause == "denied":
            wait_s = DENIED_WAIT_S
        one.tries += 1
        # spread: the cameras of a branch that comes back are not all opened in one instant
        one.due_s = time.monotonic() + wait_s * (0.75 + 0.5 * one.seed)

    def _close(self) -> None:
        for one in self._everyone:
            if one.process is not None:
                one.process.terminate()
        self._let_end(lambda one: one.ear is not None)
        for one in self._everyone:
            if one.process is not None:
                one.process.kill()
        self._let_end(lambda one: one.process is not None)

    def _let_end(self, waited_for: Callable[[_Watched], bool]) -> None:
        until_s = time.monotonic() + _END_S
        while time.monotonic() < until_s and any(map(waited_for, self._everyone)):
            self._listen(GATHER_S)
            self._reap()


def record(
    jobs: Sequence[CaptureJob],
    hear: Listener,
    stopped: Callable[[], bool],
    *,
    poll_s: float = 0.2,
    changes: Callable[[], Sequence[CaptureJob]] = tuple,
) -> None:
    """Run a recorder in a process of its own until `stopped`; start it again if it dies.

    Returns when every file is ended and told of.

    Parameters
    ----------
    changes
        Asked at every turn which cameras to record from another address: see `Recorder.take`.
    """
    known = {job.camera_id: job for job in jobs}
    asked_for: dict[tuple[str, Source], CaptureJob] = {}

    def note(camera_id: str, told: Told) -> None:
        if isinstance(told, Switched) and (camera_id, told.source) in asked_for:
            known[camera_id] = asked_for[camera_id, told.source]
        hear(camera_id, told)

    def ask(ear: connection.Connection) -> None:
        for job in changes():
            asked_for[job.camera_id, job.source] = job
            with suppress(OSError):
                ear.send(job)

    while True:
        ours, theirs = socket.socketpair()
        with connection.Connection(ours.detach()) as ear:
            handle = theirs.fileno()
            process = subprocess.Popen(
                [sys.executable, "-c", f"from {__name__} import serve; serve({handle})"],
                pass_fds=[handle],
                env={**os.environ, **LEAN},
            )
            theirs.close()
            try:
                ear.send(list(known.values()))
                asked = _hear_out(ear, note, stopped, poll_s, ask)
            finally:
                ear.close()  # its end of the line: it stops, whatever happened here
                with suppress(subprocess.TimeoutExpired):
                    process.wait(3 * _END_S)
                process.kill()
                process.wait()
        if asked:
            return
        time.sleep(BACK_OFF_S[-1])
        detail = f"the recorder process ended with code {process.returncode}"
        for job in jobs:
            hear(job.camera_id, Lost("killed", detail, time.time_ns()))


def _hear_out(
    ear: connection.Connection,
    hear: Listener,
    stopped: Callable[[], bool],
    poll_s: float,
    ask: Callable[[connection.Connection], None],
) -> bool:
    """Pass on what the recorder tells until it ends; return whether it was asked to."""
    asked, ask_s = False, 0.0
    while True:
        if stopped() and not asked:
            asked = True
            with suppress(OSError):
                ear.send("stop")
        # many cameras are never silent: it is asked between their words, however many there are
        if not asked and time.monotonic() >= ask_s:
            ask(ear)
            ask_s = time.monotonic() + poll_s
        try:
            if ear.poll(poll_s):
                for word in ear.recv():
                    hear(*word)
        except (EOFError, OSError):
            return asked


def serve(handle: int) -> None:
    """Be the recorder process: take jobs from the connection `handle`, record, tell."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever listens
    with connection.Connection(handle) as teller:
        jobs: list[CaptureJob] = teller.recv()
        waiting = Mailbox()  # a listener that is busy must not hold up the watch over the cameras

        def send() -> None:
            while words := waiting.take():
                with suppress(OSError):  # nobody listens any more: the end is near
                    teller.send(words)

        recorder = Recorder(jobs, waiting.put)

        def stopped() -> bool:
            # a job is a camera to be recorded from elsewhere; any other word from the listener
            # means stop, and so does its death
            try:
                while teller.poll():
                    word = teller.recv()
                    if not isinstance(word, CaptureJob):
                        return True
                    recorder.take(word)
            except (EOFError, OSError):
                return True
            return False

        sender = Thread(target=send, name="teller", daemon=True)
        sender.start()
        try:
            recorder.run(stopped)
        finally:
            waiting.close()
            sender.join(_END_S)
