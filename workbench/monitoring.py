"""The facade of the running cameras: record them, say how they are, explain what is missing.

It needs no case: it looks at no footage and searches none. What is recorded lies in the same
archive as any other footage, and is seen under a case only (:mod:`workbench.investigation`).
"""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from workbench import archive, media, streams, ward
from workbench.errors import N_, BadInput, Refused, WorkbenchError
from workbench.records import Gap, Loss, Segment
from workbench.store import Store, files
from workbench.streams.messages import Beat, Looked, Lost, Noted, Opened, SegmentTold, Told
from workbench.timeline import SECOND_NS, ClockFix, Span

STATUS_S = 1.0
ARRIVAL_SIGMA_S = 0.2
"""What the network and the camera's encoder may add to the time of a packet's arrival."""
RECOVERED_SIGMA_S = 0.5
RTCP_SIGMA_S = 0.05
RTCP_TRUST_S = 2.0
"""A camera whose clock is farther from ours is wrong: the centre keeps time by NTP."""
ALWAYS = Span(0, 2**63 - 1)


@dataclass(slots=True)
class CameraStatus:
    """How the recording of one camera stands, as ``recording/status.json`` tells it."""

    state: str = "opening"
    since_ns: int = 0
    cause: str = ""
    detail: str = ""
    fps: float = 0.0
    kbit_s: float = 0.0
    growing: str = ""
    faults: list[str] = field(default_factory=list)
    why: str = ""


class Monitoring:
    """One root's cameras. Make it with :func:`open_monitoring`."""

    def __init__(self, store: Store, *, actor: str, now: Callable[[], int]) -> None:
        self._store = store
        self.actor = actor
        self.now = now
        self.ward = ward.load(store.ward_folder)

    @property
    def folder(self) -> Path:
        """Where recordings grow before the archive takes them."""
        return self._store.root / "recording"

    def sources(self, cameras: Sequence[str] | None = None) -> dict[str, streams.StreamAddress]:
        """Return the address of each camera that has one, with its credentials.

        Raises
        ------
        BadInput
            When a camera asked for is unknown or has no address, or an address or the credentials
            cannot be used.
        """
        known = streams.read_credentials(self._store.root / "credentials.toml")
        found = {}
        for camera_id in cameras if cameras is not None else self.ward.cameras:
            camera = self.ward.camera(camera_id)
            if not camera.stream_url:
                if cameras is not None:
                    raise BadInput(
                        N_("camera {camera} has no stream_url"),
                        N_("write its address into cameras.csv, or import it with cameras import"),
                        where=str(self._store.ward_folder / "cameras.csv"),
                        camera=camera_id,
                    )
                continue
            address = streams.parse_address(camera.stream_url, where=camera_id)
            found[camera_id] = streams.with_credentials(address, camera_id, known)
        return found

    def record(
        self,
        cameras: Sequence[str] | None = None,
        *,
        segment_s: float = 30.0,
        stopped: Callable[[], bool] = lambda: False,
        on_status: Callable[[Mapping[str, CameraStatus]], None] = lambda _status: None,
    ) -> None:
        """Record cameras (None: all with an address) into the archive until `stopped` says so.

        Raises
        ------
        BadInput
            When no camera has an address, or one cannot be used.
        Refused
            While another recorder runs on this root.
        """
        sources = self.sources(cameras)
        if not sources:
            raise BadInput(
                N_("no camera of this ward has a stream_url"),
                N_("write addresses into cameras.csv, or import them with cameras import"),
                where=str(self._store.ward_folder / "cameras.csv"),
            )
        if not 2 <= segment_s <= 600:
            raise BadInput(
                N_("files of {length} s are not sensible"),
                N_("take 10 to 60 s"),
                length=segment_s,
            )
        self.folder.mkdir(exist_ok=True)
        with files.held(self.folder / ".recorder") as ours:
            if not ours:
                raise Refused(
                    N_("another recorder runs on this folder"),
                    N_("stop it first, or look at its state with: workbench health"),
                    where=str(self.folder),
                )
            self._log("record.start", details={"cameras": list(sources), "segment_s": segment_s})
            session = _Session(self, sources, segment_s, on_status)
            try:
                session.run(stopped)
            finally:
                self._log("record.stop", details=session.told())

    def status(self) -> tuple[int, dict[str, CameraStatus]]:
        """Return ``(at_ns, by camera)`` as the recorder last wrote it; ``(0, {})`` if never."""
        try:
            told = json.loads((self.folder / "status.json").read_text())
            return int(told["at_ns"]), {
                camera: CameraStatus(**facts) for camera, facts in told["cameras"].items()
            }
        except (OSError, ValueError, KeyError, TypeError):
            return 0, {}

    def waiting_files(self) -> int:
        """Return how many finished files the recorder said were not yet in the archive."""
        try:
            told = json.loads((self.folder / "status.json").read_text())
            return int(told["waiting_files"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0

    def is_recording(self) -> bool:
        """Return whether a recorder runs on this root now."""
        lock = self.folder / ".recorder"
        if not lock.exists():
            return False
        with files.held(lock) as ours:
            return not ours

    def gaps(self, span: Span, cameras: Sequence[str] | None = None) -> list[Gap]:
        """Return what was not recorded in `span`, with its causes, by camera, then time."""
        cameras = list(self.sources() if cameras is None else cameras)
        covered = archive.coverage(self._store, cameras, join_ns=0)
        around = Span(max(0, span.start_ns - 3600 * SECOND_NS), span.stop_ns)
        losses: dict[str, list[Loss]] = {}
        for loss in self._store.losses(cameras, around):
            losses.setdefault(loss.camera_id, []).append(loss)
        return [
            gap
            for camera_id in cameras
            for gap in streams.derive_gaps(
                camera_id, covered.get(camera_id, []), losses.get(camera_id, []), span
            )
        ]

    def take(self, told: SegmentTold) -> Segment:
        """Take a finished recording into the archive; doing it again changes nothing.

        The last step removes it from its camera's folder: whatever is killed before, finds it there
        again and goes on.
        """
        path = Path(told.path)
        facts, index = media.index_packets(path)
        notes = facts.notes
        if told.recovered:
            notes += ("its recorder was killed: the whole fragments of what it had written",)
        segment = Segment(
            sha256=told.sha256,
            camera_id=told.camera_id,
            path=self._store.link_original(path, told.sha256, told.camera_id),
            stamped_start_ns=told.start_ns,
            first_pts=int(index.pts[0]),
            stop_pts=facts.stop_pts,
            time_base=facts.time_base,
            tick_s=facts.tick_s,
            frame_count=len(index),
            width_px=facts.width_px,
            height_px=facts.height_px,
            codec=facts.codec,
            rotation_deg=facts.rotation_deg,
            size_bytes=facts.size_bytes,
            notes=notes,
        )
        self._store.add_segment(segment, index)
        for fix in clock_fixes(told, segment):
            self._store.add_clock_fix(fix)
        streams.forget(told)
        return segment

    def lose(self, loss: Loss) -> None:
        """Keep what ended a camera's footage."""
        self._store.add_loss(loss)

    def _log(self, action: str, *, details: Mapping[str, object]) -> None:
        self._store.append_audit(
            at_ns=self.now(),
            actor=self.actor,
            action=action,
            subject=str(self.folder),
            details=dict(details),
        )


def clock_fixes(told: SegmentTold, segment: Segment) -> list[ClockFix]:
    """Return what a recording says of its clock, the one to be believed last.

    Its stamps are our own time of arrival. A camera's sender reports are finer as long as its clock
    agrees with ours; a camera whose clock is wrong is kept in the history and not believed.
    """
    sigma_s = RECOVERED_SIGMA_S if told.recovered else ARRIVAL_SIGMA_S
    arrival = ClockFix(
        told.camera_id,
        segment.stamped,
        0,
        round(sigma_s * SECOND_NS),
        "ntp",
        note="arrival at the recorder",
    )
    if told.rtcp_offset_ns is None:
        return [arrival]
    reports = ClockFix(
        told.camera_id,
        segment.stamped,
        told.rtcp_offset_ns,
        round(RTCP_SIGMA_S * SECOND_NS),
        "rtcp",
        note="the camera's sender reports",
    )
    trusted = abs(told.rtcp_offset_ns) <= RTCP_TRUST_S * SECOND_NS
    return [arrival, reports] if trusted else [reports, arrival]


class _Session:
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
        self._finished: queue.Queue[SegmentTold | Loss | None] = queue.Queue()
        self._taken = self._losses = 0
        self._trouble = ""
        self._written_s = 0.0

    def run(self, stopped: Callable[[], bool]) -> None:
        """Record until `stopped`; returns when every finished file is in the archive."""
        self._note_absence()
        keeper = threading.Thread(target=self._keep, name="keeper")
        keeper.start()

        def turn() -> bool:
            self._write_status()
            return stopped()

        try:
            streams.record(self._jobs, self._hear, turn)
        finally:
            for camera, status in self._cameras.items():
                if status.state != "stopped":
                    self._hear(
                        camera, Lost("stopped", "the recorder was told to stop", self._house.now())
                    )
            self._finished.put(None)
            keeper.join()
            self._write_status(at_once=True)

    def told(self) -> dict[str, object]:
        """Return what the audit log keeps of this run."""
        return {"files": self._taken, "losses": self._losses, "trouble": self._trouble}

    def _note_absence(self) -> None:
        """Say from when on nobody recorded: the last word of the recorder before this one."""
        at_ns, before = self._house.status()
        for camera in self._cameras:
            if camera in before and before[camera].state != "stopped":
                detail = "the recorder ended without a word: killed, or the machine went down"
                self._house.lose(Loss(camera, at_ns, "not recording", detail))

    def _hear(self, camera: str, told: Told) -> None:
        status = self._cameras[camera]
        if isinstance(told, Beat):
            seconds = max(1.0, (told.at_ns - status.since_ns) / SECOND_NS)
            seconds = min(seconds, streams.BEAT_S)
            status.fps = round(told.packets / seconds, 1)
            status.kbit_s = round(told.size_bytes * 8 / 1000 / seconds, 1)
            status.growing = told.growing
            if status.state != "recording":
                status.state, status.since_ns, status.cause, status.detail = (
                    "recording", told.at_ns, "", "",
                )  # fmt: skip
        elif isinstance(told, SegmentTold):
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
        elif isinstance(told, Noted):
            self._finished.put(Loss(camera, told.at_ns, told.cause, told.detail))
        elif isinstance(told, Opened | Looked):
            pass

    def _keep(self) -> None:
        """Take finished files into the archive, in a thread of its own."""
        while (one := self._finished.get()) is not None:
            try:
                if isinstance(one, Loss):
                    self._house.lose(one)
                else:
                    self._house.take(one)
                    self._taken += 1
                self._trouble = ""
            except (WorkbenchError, OSError) as error:
                # The file stays where it is and is told of again when its camera is next opened.
                self._trouble = str(error)

    def _write_status(self, *, at_once: bool = False) -> None:
        now_s = time.monotonic()
        if not at_once and now_s - self._written_s < STATUS_S:
            return
        self._written_s = now_s
        told: dict[str, Any] = {
            "at_ns": self._house.now(),
            "waiting_files": self._finished.qsize(),
            "trouble": self._trouble,
            "cameras": {camera: asdict(status) for camera, status in self._cameras.items()},
        }
        text = json.dumps(told, ensure_ascii=False)
        try:
            files.write_bytes(self._house.folder / "status.json", text.encode(), durable=False)
        except OSError as error:
            self._trouble = str(error)
        self._on_status(self._cameras)


def open_monitoring(
    root: Path | str, *, actor: str, now: Callable[[], int] = time.time_ns
) -> Monitoring:
    """Open the cameras of an archive root.

    Raises
    ------
    BadInput
        Where `root` is none, its tables have a fault, or nobody acts.
    """
    if not actor.strip():
        raise BadInput(N_("nobody is named for the log"), N_("say who acts"))
    return Monitoring(Store.open(Path(root)), actor=actor, now=now)
