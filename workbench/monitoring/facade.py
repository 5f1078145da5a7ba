"""The facade of the running cameras: record them, say how they are, explain what is missing.

It needs no case: it looks at no footage and searches none. What is recorded lies in the same
archive as any other footage, and is seen under a case only (:mod:`workbench.investigation`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from workbench import archive, media, streams, ward
from workbench.errors import N_, BadInput, Damaged, Refused, Unavailable
from workbench.monitoring import roles
from workbench.monitoring.incidents import BEFORE_S, lost_s
from workbench.monitoring.keeping import Keeping
from workbench.monitoring.notices import notice
from workbench.monitoring.notify import FILE, LOG, read_settings, trial, usable_settings
from workbench.monitoring.references import References
from workbench.monitoring.session import Session
from workbench.monitoring.status import CameraStatus
from workbench.records import (
    Affected,
    Camera,
    Gap,
    IncidentRecord,
    Loss,
    Purpose,
    Segment,
    Source,
)
from workbench.store import Store, files
from workbench.store.upkeep import LAST_NS
from workbench.streams.gaps import JOIN_S
from workbench.streams.messages import SegmentTold
from workbench.timeline import SECOND_NS, Span, union

if TYPE_CHECKING:
    import xarray as xr

SOURCE_NOTES: Mapping[Source, str] = {
    "sub": "recorded from the camera's sub-stream: its main stream failed",
    "fallback": "recorded from the camera's fallback address: its own streams failed",
    "boost": "recorded at the camera's raised rate: a neighbour was lost",
}
"""Remarks on files that did not come from the camera's main address."""
HEALTH = pa.schema(
    [
        ("camera_id", pa.string()),
        ("at_ns", pa.int64()),
        ("connected", pa.bool_()),
        ("cause", pa.string()),
        *((name, pa.list_(pa.string())) for name in ("faults", "suspected", "unknown")),
        *(
            (name, pa.float32())
            for name in (
                "fps", "kbit_s", "brightness", "contrast", "sharpness", "change", "shift_px",
                "rotation_deg", "zoom", "clock_offset_s", "loss_share",
            )
        ),
        ("light", pa.string()),
    ]
)  # fmt: skip
"""One row a check of one camera; units as in ``HealthCheck``."""


def address_faults(camera: Camera) -> list[BadInput]:
    """Return what is wrong with a camera's addresses."""
    found = []
    for column in ("stream_url", "substream_url", "fallback_url", "boost_url"):
        try:
            if url := getattr(camera, column):
                streams.parse_address(url, where=f"{camera.camera_id}, {column}")
        except BadInput as error:
            found.append(error)
    return found


class Monitoring:
    """One root's cameras. Make it with :func:`open_monitoring`."""

    def __init__(
        self, store: Store, *, actor: str, now: Callable[[], int], translate: Callable[[str], str]
    ) -> None:
        self._store = store
        self.actor = actor
        self.now = now
        self.translate = translate
        self.ward = ward.load(store.ward_folder)
        self.keeping = Keeping(self, store)
        self.reference_book = References(self, store)

    @property
    def folder(self) -> Path:
        """Where recordings grow before the archive takes them."""
        return self._store.root / "recording"

    def sources(self, cameras: Sequence[str] | None = None) -> dict[str, streams.StreamAddress]:
        """Return the address of each camera that has one, with its credentials.

        Raises
        ------
        BadInput
            When a camera asked for is unknown or has no address, or the credentials cannot be used.
        """
        return {camera: known["main"] for camera, known in self.addresses(cameras).items()}

    def addresses(
        self, cameras: Sequence[str] | None = None
    ) -> dict[str, dict[Source, streams.StreamAddress]]:
        """Return every usable address of each camera whose main one is; see :meth:`sources`.

        What is wrong with the others: :meth:`unusable`.
        """
        secrets = streams.read_credentials(self._store.root / "credentials.toml")
        found = {}
        for camera_id in cameras if cameras is not None else self.ward.cameras:
            camera = self.ward.camera(camera_id)
            if not camera.stream_url:
                if cameras is not None:
                    raise BadInput(
                        N_("camera {camera} has no stream_url"),
                        N_("write its address into cameras.csv"),
                        where=str(self._store.ward_folder / "cameras.csv"),
                        camera=camera_id,
                    )
                continue
            urls: dict[Source, str] = {
                "main": camera.stream_url,
                "sub": camera.substream_url,
                "fallback": camera.fallback_url,
                "boost": camera.boost_url,
            }
            known: dict[Source, streams.StreamAddress] = {}
            for source, url in urls.items():
                try:
                    address = streams.parse_address(url, where=camera_id) if url else None
                except BadInput:
                    continue  # one camera's slip of the pen must not cost the others their footage
                if address is not None:
                    known[source] = streams.with_credentials(address, camera_id, secrets, source)
            if "main" in known:
                found[camera_id] = known
        return found

    def unusable(self, cameras: Sequence[str] | None = None) -> dict[str, list[BadInput]]:
        """Return what is wrong with the addresses of cameras (None: all), by camera."""
        wanted = self.ward.cameras if cameras is None else cameras
        faults = {one: address_faults(self.ward.camera(one)) for one in wanted}
        return {camera_id: found for camera_id, found in faults.items() if found}

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
            When no camera has an address that can be used.
        Refused
            While another recorder runs on this root.
        """
        roles.allow(self)
        sources = self.addresses(cameras)
        unusable = self.unusable(cameras)
        settings, silent = usable_settings(self._store.root / FILE)
        if not sources:
            for found in unusable.values():
                raise found[0]
            raise BadInput(
                N_("no camera of this ward has a stream_url"),
                N_("write the cameras' addresses into that column"),
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
            self.log(
                "record.start",
                details={"cameras": list(sources), "segment_s": segment_s, "messages": silent},
            )
            for camera_id in unusable.keys() - sources.keys():
                detail = str(unusable[camera_id][0])
                self.lose(Loss(camera_id, self.now(), "not recording", detail))
            faults = [str(fault) for found in unusable.values() for fault in found]
            told = "; ".join([*filter(None, [silent]), *faults])
            session = Session(self, sources, segment_s, on_status, settings, told)
            try:
                session.run(stopped)
            finally:
                self.log("record.stop", details=session.told())

    def status(self) -> tuple[int, dict[str, CameraStatus]]:
        """Return ``(at_ns, by camera)`` as the recorder last wrote it; ``(0, {})`` if never."""
        try:
            told = json.loads((self.folder / "status.json").read_text())
            return int(told["at_ns"]), {
                camera: CameraStatus(**facts) for camera, facts in told["cameras"].items()
            }
        except (OSError, ValueError, KeyError, TypeError):
            return 0, {}

    def waiting(self) -> tuple[int, str]:
        """Return how much waits for the archive, as the recorder said last, and what hinders it."""
        try:
            told = json.loads((self.folder / "status.json").read_text())
            return int(told["waiting_files"]), str(told["trouble"])
        except (OSError, ValueError, KeyError, TypeError):
            return 0, ""

    def is_recording(self) -> bool:
        """Return whether a recorder runs on this root now."""
        lock = self.folder / ".recorder"
        if not lock.exists():
            return False
        with files.held(lock) as ours:
            return not ours

    def gaps(self, span: Span, cameras: Sequence[str] | None = None) -> list[Gap]:
        """Return what was not recorded in `span`, with its causes, by camera, then time."""
        if cameras is None:
            cameras = [one.camera_id for one in self.ward.cameras.values() if one.stream_url]
        return self.gaps_in(self.recorded(span, cameras), span)

    def recorded(self, span: Span, cameras: Sequence[str]) -> dict[str, list[Span]]:
        """Return what was recorded of cameras in `span`, and the last of it before.

        By the recorder's own clock, as the losses are: a camera's finer clock comes and goes.
        """
        return self._store.upkeep.stamped(cameras, span, join_ns=round(JOIN_S * SECOND_NS))

    def gaps_in(self, covered: Mapping[str, Sequence[Span]], span: Span) -> list[Gap]:
        """Return what is missing in what :meth:`recorded` says, as :meth:`gaps` does."""
        cameras = list(covered)
        removed: dict[str, list[Span]] = {}
        for one in self._store.keeping.dropped(cameras, span):
            removed.setdefault(one.camera_id, []).append(one.span)
        found: list[Gap] = []
        for camera_id in cameras:
            gone = union(removed.get(camera_id, []), join_ns=SECOND_NS)
            spans = [*covered[camera_id], *gone]
            # an outage that began before the window has its losses there
            since_ns = min((one.stop_ns for one in spans), default=span.start_ns)
            first_ns = min(since_ns, span.start_ns) - round(60 * SECOND_NS)
            losses = self._store.upkeep.losses([camera_id], Span(first_ns, span.stop_ns))
            missing = streams.derive_gaps(camera_id, spans, losses, span)
            missing += [
                Gap(camera_id, cut, (), dropped=True) for one in gone if (cut := one.overlap(span))
            ]
            found += sorted(missing, key=lambda gap: gap.span)
        return found

    def set_reference(
        self,
        camera_id: str,
        light: streams.Light,
        *,
        purpose: Purpose | None = None,
        allow: Callable[[Span], object] = lambda _span: None,
    ) -> None:
        """Take the last recorded minute as what a camera should look like: ``References.set``."""
        self.reference_book.set(camera_id, light, purpose=purpose, allow=allow)

    def references(self, camera_id: str) -> list[streams.Reference]:
        """Return the reference pictures in force for a camera."""
        return self.reference_book.of(camera_id)

    def keep_health(self, checks: Sequence[streams.HealthCheck]) -> None:
        """Add checks to the history, and join those of hours that are over."""
        rows = [asdict(check) for check in checks]
        self._store.upkeep.append_health(pa.Table.from_pylist(rows, HEALTH), self.now())
        # whoever is told that this failed adds the checks again: they would count twice
        with suppress(OSError, pa.ArrowException):
            self._store.upkeep.join_health(self.now())

    def checks(
        self,
        span: Span,
        cameras: Sequence[str] | None = None,
        *,
        unread: dict[str, str] | None = None,
    ) -> list[streams.HealthCheck]:
        """Return the checks of these cameras (None: all) made in `span`, as they were written.

        `unread` is told which files cannot be read, and why; their checks are left out.
        """
        found = []
        for table in self._store.upkeep.health(span, cameras, unread=unread):
            for row in table.to_pylist():
                for name in ("faults", "suspected", "unknown"):
                    row[name] = tuple(row[name])
                found.append(streams.HealthCheck(**row))
        return found

    def health(self, span: Span, cameras: Sequence[str] | None = None) -> xr.Dataset:
        """Return the checks made in `span` over (camera, time); see ``health_dataset``.

        Its attribute ``unread`` names the files whose checks cannot be read and are left out.
        """
        unread: dict[str, str] = {}
        checks = self.checks(span, cameras, unread=unread)
        found = streams.health_dataset(checks, step_s=streams.CHECK_S, cameras=cameras)
        return found.assign_attrs(unread=list(unread))

    def take(self, told: SegmentTold) -> Segment:
        """Take a finished recording into the archive; doing it again changes nothing.

        The last step removes it from its camera's folder: whatever is killed before, finds it there
        again and goes on.

        Raises
        ------
        BadInput
            When its bytes are no footage.
        Unavailable
            When it is not there, and not in the archive either.
        """
        path = Path(told.path)
        if not path.exists():
            return self._told_twice(told)
        facts, index = media.index_packets(path)
        notes: tuple[str, ...] = ()
        if told.recovered:
            notes = ("its recorder was killed: the whole fragments of what it had written",)
        if told.source != "main":
            notes = (*notes, SOURCE_NOTES[told.source])
        stored = self._store.link_original(path, told.sha256, told.camera_id)
        segment = archive.describe(
            told.sha256, stored, facts, index, told.camera_id, told.start_ns, notes
        )
        try:
            self._store.add_segment(segment, index)
        except BadInput:
            return self._archived_before(told, stored)
        known = self._store.clock_fixes(told.camera_id, Span(segment.stamped.start_ns, LAST_NS))
        for fix in streams.new_fixes(told, segment, known):
            self._store.add_clock_fix(fix)
        streams.forget(told)
        return segment

    def _told_twice(self, told: SegmentTold) -> Segment:
        try:
            return self._store.segment(told.sha256)
        except BadInput:
            raise Unavailable(
                N_("a finished recording is not where it was written"),
                N_("see that the disk of recording/ is there; it is tried again"),
                where=told.path,
            ) from None

    def _archived_before(self, told: SegmentTold, stored: str) -> Segment:
        """Let go of a recording whose very bytes the archive has with another camera or start."""
        known, path = self._store.segment(told.sha256), Path(told.path)
        original = self._store.file(known)
        if stored != known.path:
            (self._store.root / stored).unlink(missing_ok=True)
        if not original.exists():  # a lost original is whole again
            self._store.keep_original(path, known.camera_id, suffix=original.suffix)
        elif files.sha256_of(original) != told.sha256:
            raise Damaged(
                N_("this archived file is not what was taken in; a recording has its bytes still"),
                N_("run verify, and put the file {path} in its place"),
                where=str(original),
                path=path,
            )
        if known.camera_id != told.camera_id:
            detail = f"{path.name} is byte for byte a file of camera {known.camera_id}"
            self.lose(Loss(told.camera_id, told.start_ns, "broken", detail))
        self.log(
            "recording.again",
            details={
                "file": path.name, "camera": told.camera_id, "start_ns": told.start_ns,
                "sha256": told.sha256, "archived for": known.camera_id,
                "archived from_ns": known.stamped_start_ns,
            },
        )  # fmt: skip
        streams.forget(told)
        return known

    def set_aside(self, told: SegmentTold, why: str) -> Loss:
        """Move a finished recording whose bytes are no footage to :attr:`quarantine`.

        Returns what :meth:`tell_aside` is to tell of it. OSError where the disk does not give its
        bytes or cannot take them: then nothing is known of it, and it stays where it is.
        """
        files.sha256_of(Path(told.path))
        path = streams.set_aside(told, self.quarantine / told.camera_id, why, self.now())
        detail = f"{path.name} is no footage and lies in {self.quarantine.name}: {why}"
        return Loss(told.camera_id, told.start_ns, "broken", detail)

    def tell_aside(self, loss: Loss) -> None:
        """Tell of a recording that was set aside."""
        self.lose(loss)
        self.log("quarantine", details={"camera": loss.camera_id, "why": loss.detail})

    @property
    def quarantine(self) -> Path:
        """Where recordings lie that the archive could make nothing of, by camera."""
        return self.folder / "quarantine"

    def quarantined(self) -> list[Path]:
        """Return the recordings that were set aside; the ``.json`` beside each says why."""
        return sorted(path for path in self.quarantine.glob("*/*") if path.suffix != ".json")

    def last_footage(self, cameras: Sequence[str]) -> dict[str, int]:
        """Return when the last footage of each camera was written, UTC, by its files alone.

        Left out are those never recorded here, and those whose recorder was told to stop.
        """
        found = {}
        for camera_id in cameras:
            times = []
            try:
                folder = self.folder / camera_id
                if not folder.is_dir():
                    continue
                times = [path.stat().st_mtime_ns for path in folder.glob("[0-9]*.mp4")]
            except OSError:
                pass  # the archive tells of what is in it; the camera's own process, of its disk
            lately = Span(self.now(), LAST_NS)  # with the last file begun before
            times += [
                one.stop_ns for one in self._store.upkeep.stamped([camera_id], lately)[camera_id]
            ]
            told = self._store.upkeep.losses([camera_id])[-1:]
            stopped_ns = max((one.at_ns for one in told if one.cause == "stopped"), default=0)
            if times and max(times) > stopped_ns + SECOND_NS:
                found[camera_id] = max(times)
        return found

    def lose(self, loss: Loss) -> None:
        """Keep what ended a camera's footage."""
        self._store.upkeep.add_loss(loss)

    def incidents(
        self, span: Span | None = None, *, only_open: bool = False
    ) -> list[IncidentRecord]:
        """Return the incidents that touch `span` (None: any time), oldest first."""
        return self._store.upkeep.incidents.all(span, only_open=only_open)

    @property
    def notices(self) -> Path:
        """The file that every message to people is added to, a line of JSON each."""
        return self._store.root / LOG

    def keep_incident(
        self, incident: IncidentRecord, growing_ns: Mapping[str, int]
    ) -> IncidentRecord | None:
        """Write what the recorder knows of an incident; None where somebody has closed it.

        Parameters
        ----------
        growing_ns
            When the file began that each camera writes now.
        """
        if incident.closed_ns is not None:
            incident = replace(incident, affected=self._measured(incident, growing_ns))
        if not self._store.upkeep.incidents.keep(incident):
            return None
        if incident.closed_ns is not None:
            self._log_incident("incident", incident)
        return incident

    def acknowledge_incident(self, incident_id: str, note: str = "") -> IncidentRecord:
        """Say that the actor has seen an incident; BadInput where there is none of that name."""
        roles.allow(self)
        found = self._store.upkeep.incidents.acknowledge(
            incident_id, self.now(), self.actor, note.strip()
        )
        self._log_incident("incident.ack", found)
        return found

    def close_incident(self, incident_id: str, note: str) -> IncidentRecord:
        """Close an incident, and its task, with a note of what was found; measures what it cost.

        Raises
        ------
        BadInput
            Where there is none of that name, it is closed already, or the note is empty.
        """
        roles.allow(self)
        if not note.strip():
            raise BadInput(N_("an incident is closed with a note"), N_("say what was found"))
        _, status = self.status()
        growing_ns = {
            camera: int(one.growing.split(".")[0]) for camera, one in status.items() if one.growing
        }
        book, now_ns = self._store.upkeep.incidents, self.now()
        measured = self._measured(book.one(incident_id), growing_ns)
        found = book.close(incident_id, now_ns, self.actor, note.strip(), measured)
        self._log_incident("incident.close", found)
        return found

    def _measured(
        self, incident: IncidentRecord, growing_ns: Mapping[str, int]
    ) -> tuple[Affected, ...]:
        measured = []
        for one in incident.affected:
            start_ns = one.since_ns - round(BEFORE_S * SECOND_NS)
            # a clock set back meanwhile: it was well again before it was lost
            until_ns = max(one.back_ns or incident.closed_ns or self.now(), start_ns)
            span = Span(start_ns, until_ns)
            missing = [gap.span for gap in self.gaps(span, [one.camera_id])]
            seconds = lost_s(missing, one, until_ns, growing_ns.get(one.camera_id))
            measured.append(replace(one, lost_s=round(seconds, 1)))
        return tuple(measured)

    def _log_incident(self, action: str, incident: IncidentRecord) -> None:
        details = {
            "incident": incident.incident_id,
            "kind": incident.kind,
            "cameras": list(incident.cameras),
            "seconds": round(incident.duration_s(self.now()), 1),
            "lost_s": incident.lost_s,
            "why": incident.why(self.translate),
            "note": incident.note,
        }
        self.log(action, details=details)

    def try_notices(self) -> dict[str, str]:
        """Send a trial by every way of ``notify.toml``; return what hindered each, if anything.

        Raises
        ------
        BadInput
            When the settings cannot be used.
        """
        roles.allow(self)
        settings = read_settings(self._store.root / FILE)
        told = notice("test", None, self.ward.sites, {}, self.now(), self.translate)
        found = trial(settings, told, self.notices)
        self.log("notify.test", details={"ways": found})
        return found

    def log(
        self, action: str, purpose: Purpose | None = None, *, details: Mapping[str, object]
    ) -> None:
        """Add an entry about the cameras to the audit log."""
        self._store.append_audit(
            at_ns=self.now(),
            actor=self.actor,
            action=action,
            subject=str(self.folder),
            case_id=purpose.case_id if purpose else "",
            reason=purpose.reason if purpose else "",
            details=dict(details),
        )


def open_monitoring(
    root: Path | str,
    *,
    actor: str,
    now: Callable[[], int] = time.time_ns,
    translate: Callable[[str], str] = str,
) -> Monitoring:
    """Open the cameras of an archive root.

    Parameters
    ----------
    actor
        Who acts, for the audit log.
    now
        The clock, nanoseconds UTC.
    translate
        Puts what is written for officers (causes) into the centre's language.

    Raises
    ------
    BadInput
        Where `root` is none, its tables have a fault, or nobody acts.
    """
    if not actor.strip():
        raise BadInput(N_("nobody is named for the log"), N_("say who acts"))
    return Monitoring(Store.open(Path(root)), actor=actor, now=now, translate=translate)
