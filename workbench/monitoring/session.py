"""One run of the recorder: hears its processes, has files taken, keeps the status file."""

from __future__ import annotations

import itertools
import json
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench import streams
from workbench.errors import BadInput, WorkbenchError
from workbench.monitoring.incidents import Change, IncidentDesk, taken_up
from workbench.monitoring.keeping import Caretaker
from workbench.monitoring.notices import Event, notice
from workbench.monitoring.notify import Notifier, Settings
from workbench.monitoring.status import CameraStatus
from workbench.monitoring.steering import Steering
from workbench.records import Loss, Source
from workbench.store import files
from workbench.streams.messages import Beat, Lost, Noted, SegmentTold, Told

if TYPE_CHECKING:
    from workbench.monitoring.facade import Monitoring

STATUS_S = 1.0
RETRY_S = 30.0
"""A finished file that the archive could not take is tried again so often."""
HISTORY_S = 60.0
"""Checks are written together, once a minute."""


@dataclass(frozen=True, slots=True)
class Attended:
    """An incident to be written; a later one of the same incident has a higher number."""

    number: int
    change: Change
    growing_ns: Mapping[str, int]


Kept = SegmentTold | Loss | list[streams.HealthCheck] | Attended


class Session:
    """One run of the recorder: hears its processes, has files taken, keeps the status file."""

    def __init__(
        self,
        house: Monitoring,
        sources: Mapping[str, Mapping[Source, streams.StreamAddress]],
        segment_s: float,
        on_status: Callable[[Mapping[str, CameraStatus]], None],
        settings: Settings,
        silent: str = "",
    ) -> None:
        self._house, self._on_status, self._silent = house, on_status, silent
        self._cameras = {camera: CameraStatus(since_ns=house.now()) for camera in sources}
        cameras = [house.ward.cameras[camera] for camera in sources]
        jobs = {
            camera: {
                source: streams.CaptureJob(
                    camera, address, house.folder / camera, segment_s=segment_s, source=source
                )
                for source, address in known.items()
            }
            for camera, known in sources.items()
        }
        self._jobs = [known["main"] for known in jobs.values()]
        self._steering = Steering(jobs, streams.neighbours(cameras), time.monotonic_ns())
        self._site_of = {camera.camera_id: camera.site_id for camera in cameras}
        known = house.incidents(only_open=True)
        self._desk = IncidentDesk(known, settings.rules, self._site_of)
        self._notifier = Notifier(settings, house.notices, house.now)
        self._attended = itertools.count()
        self._newest: dict[str, int] = {}
        self._finished: queue.Queue[Kept | None] = queue.Queue()
        self._watch = streams.Watch(
            list(sources),
            streams.Topology.of(list(house.ward.sites.values()), list(house.ward.cameras.values())),
            {camera: self._references(camera) for camera in sources},
            time.monotonic(),
        )
        for incident in known:
            self._watch.take_up(incident.kind, taken_up(incident))
        self._checks: list[streams.HealthCheck] = []
        self._queued: set[str] = set()
        self._doubtful: set[str] = set()
        self._aside: dict[str, Loss] = {}
        self._history_s = time.monotonic()
        self._taken = self._losses = self._dropped = 0
        self._trouble = ""
        self._written_s = 0.0
        self._caretaker = Caretaker(
            house.keeping, lambda: sum(one.kbit_s for one in self._cameras.values())
        )

    def _references(self, camera: str) -> list[streams.Reference]:
        """Return a camera's references; without those that cannot be read it is recorded too."""
        try:
            return self._house.references(camera)
        except WorkbenchError as error:
            self._silent = "; ".join(filter(None, (self._silent, str(error))))
            return []

    def run(self, stopped: Callable[[], bool]) -> None:
        """Record until `stopped`; returns when every finished file is in the archive."""
        self._note_absence()
        keeper = threading.Thread(target=self._keep, name="keeper")
        keeper.start()

        def turn() -> bool:
            self._check()
            self._write_status()
            return stopped()

        def changes() -> list[streams.CaptureJob]:
            return self._steering.turn(time.monotonic_ns())

        with self._caretaker:
            try:
                streams.record(self._jobs, self._hear, turn, changes=changes)
            finally:
                self._caretaker.stop()
                asked = sys.exc_info()[0] is None
                for camera, status in self._cameras.items():
                    if asked and status.state != "stopped":
                        told = Lost("stopped", "the recorder was told to stop", self._house.now())
                        self._hear(camera, told)
                self._finished.put(self._checks)
                self._write_status(at_once=True)
                self._finished.put(None)
                keeper.join()
                self._write_status(at_once=True)
                self._notifier.end()

    def told(self) -> dict[str, object]:
        """Return what the audit log keeps of this run."""
        return {
            "files": self._taken,
            "losses": self._losses,
            "checks_dropped": self._dropped,
            "trouble": self._trouble,
        }

    def _note_absence(self) -> None:
        """Say from when on nobody recorded: the last word of the recorder before this one."""
        at_ns, before = self._house.status()
        ended = {camera: at_ns for camera, one in before.items() if one.state != "stopped"}
        detail = "the recorder ended without a word: killed, or the machine went down"
        if not before:  # after a power cut the status may be empty: the files are there
            ended = self._house.last_footage(list(self._cameras))
            detail += "; told by its newest file"
        for camera, last_ns in ended.items():
            self._house.lose(Loss(camera, last_ns, "not recording", detail))
            if camera in self._cameras:
                self._watch.lose(camera, last_ns, "not recording")

    def _hear(self, camera: str, told: Told) -> None:
        status = self._cameras[camera]
        deed = self._steering.hear(camera, told, time.monotonic_ns())
        status.source = self._steering.source(camera)
        stand_in = self._steering.stands_in(camera)
        self._watch.hear(camera, told, time.monotonic(), stand_in=stand_in)
        if deed is not None:
            self._finished.put(deed.loss)
            for about in deed.about or (camera,):
                self._desk.respond(camera, deed.at_ns, deed.what, about=about)
        if isinstance(told, Beat):
            seconds = max(streams.BEAT_S, told.length_s)
            status.fps = round(told.packets / seconds, 1)
            status.kbit_s = round(told.size_bytes * 8 / 1000 / seconds, 1)
            status.growing = told.growing
            if status.state != "recording" and (told.growing or not told.live):
                status.state, status.since_ns, status.cause, status.detail = (
                    "recording", told.at_ns, "", "",
                )  # fmt: skip
        elif isinstance(told, SegmentTold):
            if told.path not in self._queued:  # told again at each reopening until it is taken
                self._queued.add(told.path)
                self._finished.put(told)
        elif isinstance(told, Lost):
            self._losses += 1
            status.growing, status.fps, status.kbit_s = "", 0.0, 0.0
            if status.state != "lost":
                status.state, status.since_ns = "lost", told.at_ns
                self._finished.put(Loss(camera, told.at_ns, told.cause, told.detail))
            elif status.cause != told.cause:
                self._finished.put(Loss(camera, told.at_ns, told.cause, told.detail))
            status.cause, status.detail = told.cause, told.detail
            if told.cause == "stopped":
                status.state = "stopped"
        elif isinstance(told, Noted) and told.cause in ("paused", "clock"):
            self._finished.put(Loss(camera, told.at_ns, told.cause, told.detail))

    def _attend(self, now_ns: int, explained: Sequence[streams.Explained]) -> None:
        """Have incidents written, made into tasks and told of."""
        growing_ns = {
            camera: int(status.growing.split(".")[0])
            for camera, status in self._cameras.items()
            if status.growing
        }
        for change in self._desk.turn(now_ns, explained, self._watch.over()):
            if change.tell == "opened":
                self._tell(change)  # at once: it must not wait for a catalogue that hangs
            self._finished.put(Attended(next(self._attended), change, growing_ns))

    def _tell(self, change: Change) -> None:
        house = self._house
        now_ns = change.incident.closed_ns or house.now()
        checks = change.checks if change.tell == "opened" else ()
        event: Event = "closed" if change.tell == "closed" else "opened"
        self._notifier.tell(
            notice(
                event,
                change.incident,
                house.ward.sites,
                self._site_of,
                now_ns,
                house.translate,
                checks,
            )
        )

    def _check(self) -> None:
        """Make the checks of health that are due, and say what may have caused open incidents."""
        for check in self._watch.due(self._house.now(), time.monotonic()):
            self._cameras[check.camera_id].faults = list(check.faults)
            self._checks.append(check)
        if time.monotonic() - self._history_s > HISTORY_S:
            self._history_s = time.monotonic()
            self._finished.put(self._checks)
            self._checks = []

    def _keep(self) -> None:
        """Take finished files into the archive, in a thread of its own; try again what fails.

        What still fails at the end stays in its camera's folder and is told of at the next start.
        """
        failed: list[Kept] = []
        retry_s = time.monotonic() + RETRY_S
        while True:
            try:
                one = self._finished.get(timeout=RETRY_S)
            except queue.Empty:
                one = []
            turn: list[Kept] = [] if one is None else [one]
            if failed and one is None:
                turn, failed = failed, []
            elif failed and time.monotonic() > retry_s:
                turn, failed = [*failed, *turn], []
                retry_s = time.monotonic() + RETRY_S
            for each in turn:
                try:
                    self._keep_one(each)
                except Exception as error:  # noqa: BLE001 - one bad file must not end the keeping
                    self._trouble = str(error)
                    if isinstance(each, list) and sum(isinstance(f, list) for f in failed) > 60:
                        self._dropped += len(each)  # a disk full for hours must not fill memory
                    elif each:
                        failed.append(each)
            if not failed:
                self._trouble = ""
            if one is None:
                return

    def _keep_one(self, one: Kept) -> None:
        if isinstance(one, Loss):
            self._house.lose(one)
        elif isinstance(one, Attended):
            self._keep_incident(one)
        elif isinstance(one, SegmentTold):
            self._take(one)
        elif one:
            self._house.keep_health(one)

    def _take(self, told: SegmentTold) -> None:
        """Have a file taken; what is no footage at a second look is set aside and told of."""
        loss = self._aside.get(told.path)
        try:
            if loss is None:
                self._house.take(told)
                self._taken += 1
        except BadInput as error:
            if told.path not in self._doubtful:
                self._doubtful.add(told.path)
                raise
            loss = self._aside[told.path] = self._house.set_aside(told, str(error))
        if loss is not None:
            self._house.tell_aside(loss)
            del self._aside[told.path]
        self._doubtful.discard(told.path)
        self._queued.discard(told.path)

    def _keep_incident(self, one: Attended) -> None:
        incident = one.change.incident
        if one.number < self._newest.get(incident.incident_id, -1):
            return  # it could not be written then, and a later one was
        kept = self._house.keep_incident(incident, one.growing_ns)
        self._newest[incident.incident_id] = one.number
        if one.change.tell == "closed" and kept is not None:
            self._tell(replace(one.change, incident=kept))

    def _write_status(self, *, at_once: bool = False) -> None:
        now_s = time.monotonic()
        if not at_once and now_s - self._written_s < STATUS_S:
            return
        self._written_s = now_s
        now_ns = self._house.now()
        explained = self._watch.explained(now_s)
        self._attend(now_ns, explained)
        why = streams.why(explained, self._house.translate)
        for camera, status in self._cameras.items():
            status.why = why.get(camera, "")
        told: dict[str, Any] = {
            "at_ns": now_ns,
            "waiting_files": self._finished.qsize(),
            "trouble": "; ".join(
                filter(None, (self._trouble, self._silent, self._caretaker.trouble))
            ),
            "cameras": {camera: asdict(status) for camera, status in self._cameras.items()},
        }
        text = json.dumps(told, ensure_ascii=False)
        try:
            files.write_bytes(self._house.folder / "status.json", text.encode(), durable=at_once)
        except OSError as error:
            self._trouble = str(error)
        self._on_status(self._cameras)
