"""One run of the recorder: hears its processes, has files taken, keeps the status file."""

from __future__ import annotations

import json
import queue
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workbench import streams
from workbench.errors import BadInput, Damaged
from workbench.monitoring.keeping import Caretaker
from workbench.monitoring.status import CameraStatus
from workbench.records import Loss
from workbench.store import files
from workbench.streams.messages import Beat, Lost, Noted, SegmentTold, Told
from workbench.timeline import SECOND_NS

if TYPE_CHECKING:
    from workbench.monitoring.facade import Monitoring

STATUS_S = 1.0
RETRY_S = 30.0
"""A finished file that the archive could not take is tried again so often."""
HISTORY_S = 60.0
"""Checks are written together, once a minute."""


@dataclass(frozen=True, slots=True)
class Over:
    """An incident that is over, for the log."""

    incident_id: str
    details: Mapping[str, object]


Kept = SegmentTold | Loss | list[streams.HealthCheck] | Over


class Session:
    """One run of the recorder: hears its processes, has files taken, keeps the status file."""

    def __init__(
        self,
        house: Monitoring,
        sources: Mapping[str, streams.StreamAddress],
        segment_s: float,
        on_status: Callable[[Mapping[str, CameraStatus]], None],
    ) -> None:
        self._house, self._on_status = house, on_status
        self._cameras = {camera: CameraStatus(since_ns=house.now()) for camera in sources}
        self._jobs = [
            streams.CaptureJob(camera, address, house.folder / camera, segment_s=segment_s)
            for camera, address in sources.items()
        ]
        self._finished: queue.Queue[Kept | None] = queue.Queue()
        self._watch = streams.Watch(
            list(sources),
            streams.Topology.of(list(house.ward.sites.values()), list(house.ward.cameras.values())),
            {camera: house.references(camera) for camera in sources},
            time.monotonic(),
        )
        self._checks: list[streams.HealthCheck] = []
        self._whys: dict[str, str] = {}
        self._queued: set[str] = set()
        self._doubtful: set[str] = set()
        self._history_s = time.monotonic()
        self._taken = self._losses = self._dropped = 0
        self._trouble = ""
        self._written_s = 0.0
        self._caretaker = Caretaker(
            house.keeping, lambda: sum(one.kbit_s for one in self._cameras.values())
        )

    def run(self, stopped: Callable[[], bool]) -> None:
        """Record until `stopped`; returns when every finished file is in the archive."""
        self._note_absence()
        keeper = threading.Thread(target=self._keep, name="keeper")
        keeper.start()

        def turn() -> bool:
            self._check()
            self._write_status()
            return stopped()

        try:
            with self._caretaker:
                streams.record(self._jobs, self._hear, turn)
        finally:
            asked = sys.exc_info()[0] is None
            for camera, status in self._cameras.items():
                if asked and status.state != "stopped":
                    self._hear(
                        camera, Lost("stopped", "the recorder was told to stop", self._house.now())
                    )
            self._finished.put(self._checks)
            self._finished.put(None)
            keeper.join()
            self._write_status(at_once=True)

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

    def _hear(self, camera: str, told: Told) -> None:
        status = self._cameras[camera]
        incident = self._watch.hear(camera, told)
        if incident is not None and incident.closed_ns is not None:
            self._close_incident(incident)
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

    def _close_incident(self, incident: streams.Incident) -> None:
        """Log an incident that is over: how long it took and which cameras it cost."""
        assert incident.closed_ns is not None
        details = {
            "cameras": list(incident.cameras),
            "seconds": round((incident.closed_ns - incident.opened_ns) / SECOND_NS, 1),
            "why": self._whys.pop(incident.incident_id, ""),
        }
        self._finished.put(Over(incident.incident_id, details))

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
        elif isinstance(one, Over):
            self._house.log_incident(one.incident_id, one.details)
        elif isinstance(one, SegmentTold):
            self._take(one)
        elif one:
            self._house.keep_health(one)

    def _take(self, told: SegmentTold) -> None:
        """Have a file taken; what is no footage at a second look is set aside and told of."""
        try:
            self._house.take(told)
            self._taken += 1
        except (BadInput, Damaged) as error:
            if told.path not in self._doubtful:
                self._doubtful.add(told.path)
                raise
            self._house.set_aside(told, str(error))
        self._doubtful.discard(told.path)
        self._queued.discard(told.path)

    def _write_status(self, *, at_once: bool = False) -> None:
        now_s = time.monotonic()
        if not at_once and now_s - self._written_s < STATUS_S:
            return
        self._written_s = now_s
        why = self._watch.why(self._house.now(), self._house.translate)
        for camera, status in self._cameras.items():
            status.why = why.get(camera, "")
        for incident in self._watch.incidents:
            sentence = next((why[one] for one in incident.cameras if one in why), "")
            self._whys[incident.incident_id] = sentence
        told: dict[str, Any] = {
            "at_ns": self._house.now(),
            "waiting_files": self._finished.qsize(),
            "trouble": "; ".join(filter(None, (self._trouble, self._caretaker.trouble))),
            "cameras": {camera: asdict(status) for camera, status in self._cameras.items()},
        }
        text = json.dumps(told, ensure_ascii=False)
        try:
            files.write_bytes(self._house.folder / "status.json", text.encode(), durable=at_once)
        except OSError as error:
            self._trouble = str(error)
        self._on_status(self._cameras)
