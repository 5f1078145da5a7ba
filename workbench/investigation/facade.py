"""The facade of cases: every verb loads, makes one pure call, stores, and leaves an audit entry.

Pages, the command line and notebooks use these verbs and nothing below them. A verb that searches
sightings or shows footage takes a ``Purpose`` and stays inside the bounds of its case.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from itsdangerous import BadSignature, URLSafeSerializer
from numpy.typing import NDArray

from workbench import archive, cases, plates, recognition, roads, trajectories, ward
from workbench.errors import N_, BadInput, Refused, WorkbenchError
from workbench.investigation import checking, opening, people, running, taking
from workbench.investigation.answers import (
    Grant,
    Ingested,
    PlateHit,
    Trace,
    asked_text,
    frame_of,
    span_text,
)
from workbench.investigation.following import Followed, follow
from workbench.records import AuditEntry, Camera, Case, FrameIndex, Progress, Purpose, Segment
from workbench.store import Store
from workbench.store.runs import Running
from workbench.timeline import SECOND_NS, ClockFix, ClockMethod, Span, UtcNs

if TYPE_CHECKING:
    import xarray as xr

GRANT_S = 8 * 3600
"""How long a page may fetch pictures before it has to ask again, seconds."""
LONGEST_PLATE = 64
"""Signs that a plate asked for may have: the log is there to be read."""


class Workbench:
    """One archive root with its ward, opened by one actor. Make it with :func:`open_workbench`."""

    def __init__(self, store: Store, *, actor: str, now: Callable[[], int]) -> None:
        self._store = store
        self.actor = actor
        self.sign_in: people.SignIn | None = None
        self.now = now
        self.ward = ward.load(store.ward_folder)
        self.graph = roads.RoadGraph(self.ward)

    # -- the house ---------------------------------------------------------------------------

    @property
    def root(self) -> Path:
        """The folder everything is kept in."""
        return self._store.root

    def as_actor(self, actor: str, sign_in: people.SignIn | None = None) -> Workbench:
        """Return the same workbench for another person, who may have signed in."""
        other = object.__new__(Workbench)
        other.__dict__.update(self.__dict__, actor=actor, sign_in=sign_in)
        return other

    def camera(self, camera_id: str) -> Camera:
        """Return a camera of the ward; BadInput names the nearest ids where there is none."""
        return self.ward.camera(camera_id)

    def verify(self) -> list[str]:
        """Re-hash and re-index the archive, check rows and log; return one sentence a finding."""
        found = [finding.sentence() for finding in archive.verify(self._store)]
        found += [damage.sentence() for damage in self._store.check_sightings()]
        found += cases.check_chain(*self._store.audit_with_head())
        found += checking.check_books(self)
        self._log("verify", str(self.root), details={"findings": len(found)})
        return found

    def audit(self) -> list[AuditEntry]:
        """Return the whole audit log, oldest first."""
        return self._store.audit()

    def report(self, job: str, progress: Progress) -> None:
        """Keep how far a long job is, for pages to show."""
        self._store.set_progress(job, progress, self.now())

    def progress(self) -> Mapping[str, tuple[Progress, int]]:
        """Return the last word of each long job, with the instant it was said."""
        return self._store.progress()

    # -- cases -------------------------------------------------------------------------------

    def open_case(self, case: Case) -> Case:
        """Record a new case; refused where its number is taken by a different one."""
        return opening.open_case(self, case)

    def close_case(self, case_id: str, reason: str) -> None:
        """Close a case: nothing can be searched or seen under it any more."""
        opening.close_case(self, case_id, reason)

    def cases(self) -> list[Case]:
        """Return every case, oldest first."""
        return self._store.cases()

    def _authorise(
        self,
        purpose: Purpose | None,
        action: str,
        *,
        cameras: Sequence[str] | None = None,
        span: Span | None = None,
    ) -> tuple[Case, tuple[str, ...], Span]:
        """Return the case with the cameras and span asked for, or log a refusal and raise it.

        Cameras and span left open mean all that the case allows.
        """
        try:
            return people.authorise(self, purpose, action, cameras=cameras, span=span)
        except WorkbenchError as refusal:
            self._log(f"{action}.refused", refusal.sentence(), purpose)
            raise

    def allow(self, act: str, case: Case | None = None) -> None:
        """Return when the actor's roles allow an act; log a refusal and raise it otherwise."""
        try:
            people.may(self, act, case)
        except WorkbenchError as refusal:
            self._log(f"{act}.refused", refusal.sentence())
            raise

    def _log(
        self,
        action: str,
        subject: str,
        purpose: Purpose | None = None,
        *,
        details: Mapping[str, object] | None = None,
    ) -> AuditEntry:
        return self._store.append_audit(
            at_ns=self.now(),
            actor=self.actor,
            action=action,
            subject=subject,
            case_id=purpose.case_id[: cases.LONGEST_REASON] if purpose else "",
            reason=purpose.reason[: cases.LONGEST_REASON] if purpose else "",
            details=dict(details or {}),
        )

    # -- archive -----------------------------------------------------------------------------

    def ingest(
        self,
        path: Path,
        camera_id: str,
        start_ns: int,
        *,
        rate: Fraction | None = None,
        clock_offset_s: float | None = None,
        clock_sigma_s: float | None = None,
        reason: str = "",
    ) -> Ingested:
        """Take a file or a folder of footage into the archive, untouched.

        Parameters
        ----------
        start_ns
            What the camera claims for the first frame, nanoseconds UTC.
        rate
            Frames a second, where the operator knows better than the file.
        clock_offset_s, clock_sigma_s
            What is stated of the camera's clock: added to stamped time, and its standard deviation,
            1 s where none is given. Without an offset, what is known of the clock at that time
            stays in force; where nothing is, it is taken to be right to a second.
        """
        return taking.ingest(
            self, path, camera_id, start_ns, rate=rate, clock_offset_s=clock_offset_s,
            clock_sigma_s=clock_sigma_s, reason=reason,
        )  # fmt: skip

    def fix_clock(self, fix: ClockFix) -> None:
        """Record what has become known of a camera's clock, and move its sightings accordingly.

        Older fixes stay in the history; a sighting's PTS never changes, its corrected time does.
        """
        self.camera(fix.camera_id)
        self.allow("upkeep")
        self._store.add_clock_fix(fix)
        self._store.retime(fix.camera_id)
        self._log(
            "clock",
            fix.camera_id,
            details={k: getattr(fix, k) for k in ("method", "offset_ns", "sigma_ns", "note")},
        )

    def read_clock(self, segment_sha256: str) -> ClockFix | None:
        """Measure a camera's clock from the date and time burnt into its pictures.

        Returns None where no clock can be read on enough frames. EasyOCR reads the pictures; the
        offset is the burnt-in time minus what was claimed for the segment, recorded as `overlay`.
        """
        segment = self._store.segment(segment_sha256)
        index = self._store.frame_index(segment.sha256)
        measured = recognition.measure_overlay_clock(self._store.file(segment), segment, index)
        if measured is None:
            self._log("clock.unread", segment.camera_id, details={"segment": segment.sha256})
            return None
        offset_ns, sigma_ns = measured
        method: ClockMethod = "overlay"
        fix = ClockFix(segment.camera_id, segment.stamped, offset_ns, sigma_ns, method)
        self.fix_clock(fix)
        return fix

    def clock_fixes(self, camera_id: str, span: Span | None = None) -> list[ClockFix]:
        """Return what is known of a camera's clock, oldest first; in a span of stamped time."""
        return self._store.clock_fixes(camera_id, span)

    def segments(
        self, cameras: Sequence[str] | None = None, span: Span | None = None
    ) -> list[Segment]:
        """Return the archived files, by camera and start; those that meet `span` of UTC."""
        return self._store.segments(cameras, span)

    def segment(self, sha256: str) -> Segment:
        """Return one archived file by its hash or a unique beginning of it."""
        return self._store.segment(sha256)

    def frame_index(self, segment: Segment) -> FrameIndex:
        """Return the presentation times of a segment's frames."""
        return self._store.frame_index(segment.sha256)

    def utc_span(self, segment: Segment) -> Span:
        """Return the corrected time a segment covers."""
        return segment.utc_span(self._store.clock_fixes(segment.camera_id, segment.stamped))

    def utc(self, segment: Segment, pts: int) -> tuple[UtcNs, int]:
        """Return ``(utc_ns, sigma_ns)`` of a frame."""
        return segment.utc(pts, self._store.clock_fixes(segment.camera_id))

    def coverage(self, cameras: Sequence[str] | None = None) -> dict[str, list[Span]]:
        """Return the recorded spans of each camera, corrected, merged and in order."""
        return archive.coverage(self._store, cameras or tuple(self.ward.cameras))

    def not_searched(self, cameras: Sequence[str], span: Span) -> dict[str, list[Span]]:
        """Return what is recorded of each camera in `span` and was never searched."""
        return archive.not_searched(self._store, cameras, span)

    def file(self, segment: Segment) -> Path:
        """Return the path of an original, for programs that already hold a grant to show it."""
        return self._store.file(segment)

    # -- looking -----------------------------------------------------------------------------

    def frames(self, camera_id: str, span: Span, purpose: Purpose) -> xr.DataArray:
        """Return a lazy cube of the camera's frames in `span`: (time, y, x, channel) uint8 RGB."""
        self.camera(camera_id)
        self._authorise(purpose, "view", cameras=(camera_id,), span=span)
        cube = archive.frames(self._store, camera_id, span)
        self._log("view", camera_id, purpose, details=span_text(span))
        return cube

    def still(self, segment_sha256: str, pts: int, purpose: Purpose) -> NDArray[np.uint8]:
        """Return one exact frame, uint8 (y, x, 3) RGB, decoded from the untouched original."""
        segment = self._store.segment(segment_sha256)
        at, _ = self.utc(segment, pts)
        self._authorise(purpose, "view", cameras=(segment.camera_id,), span=Span(at, at + 1))
        picture = archive.still(self._store, segment, pts)
        details = {"segment": segment.sha256, "pts": int(pts)}
        self._log("view", segment.camera_id, purpose, details=details)
        return picture

    def grant(
        self, cameras: Sequence[str] | None, purpose: Purpose, *, span: Span | None = None
    ) -> str:
        """Return a signed token with which a page fetches pictures, after logging the view."""
        case, allowed, wanted = self._authorise(purpose, "view", cameras=cameras, span=span)
        expires_ns = self.now() + GRANT_S * SECOND_NS
        self._log("view", ",".join(allowed), purpose, details=span_text(wanted))
        facts = [self.actor, case.case_id, list(allowed), wanted.start_ns, wanted.stop_ns]
        return str(self._signer().dumps([*facts, expires_ns]))

    def honour(self, token: str) -> Grant:
        """Return the grant a token stands for; Refused where it is forged, expired or overtaken."""
        try:
            actor, case_id, cameras, start_ns, stop_ns, expires_ns = self._signer().loads(token)
        except (BadSignature, ValueError, TypeError):
            what = N_("this page has no leave to show footage")
            raise Refused(what, N_("open it again from its case")) from None
        case, now_ns = self._store.case(case_id), self.now()
        if now_ns >= expires_ns or case.closed:
            what = N_("the leave to show footage has ended")
            raise Refused(what, N_("open the page again from its case"))
        purpose, span = Purpose(case_id, "grant"), Span(start_ns, stop_ns)
        # a case may have been narrowed since: what it allows now is what counts
        cases.authorise(case, purpose, cameras=cameras, span=span, now_ns=now_ns)
        people.may(self.as_actor(actor), "view", case, cameras, span)  # so may its holder
        return Grant(actor, case_id, tuple(cameras), span, expires_ns)

    def picture(self, segment: Segment, pts: int) -> NDArray[np.uint8]:
        """Return one exact frame for the holder of a grant that covers it (checked there)."""
        return archive.still(self._store, segment, pts)

    def _signer(self) -> URLSafeSerializer:
        return URLSafeSerializer(self._store.secret(), salt="footage-grant")

    # -- recognition -------------------------------------------------------------------------

    def recognise(
        self,
        cameras: Sequence[str] | None = None,
        span: Span | None = None,
        *,
        purpose: Purpose | None = None,
        first: Sequence[str] = (),
        swept: running.Candidates | None = None,
        again: bool = False,
        scheduler: str | None = None,
        workers: int | None = None,
        settings: recognition.Settings | None = None,
        on_estimate: Callable[[recognition.Estimate], None] = lambda _estimate: None,
        on_progress: Callable[[Progress], None] = lambda _progress: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> recognition.Summary:
        """Find passes in the archived footage of `cameras` (all) inside `span` (everything).

        Rows are stored as each piece of work ends, and what was searched with these models is not
        searched again: ended anywhere, the same call goes on. What failed is listed and kept.

        Parameters
        ----------
        purpose
            An open case: only what it allows is searched, before searches without a case.
        first
            Cameras that go first, in this order; then what open cases may look at, then the rest.
        swept
            What `first_candidates` found: among equals, where it saw most goes first.
        again
            Search also what was searched already; the rows are the same ones.
        on_estimate
            Told what the run will cost before it begins.
        """
        plan = running.plan(
            self, cameras, span, purpose=purpose, first=first, settings=settings, again=again,
            swept=swept,
        )  # fmt: skip
        on_estimate(plan.estimate(recognition.count_workers(scheduler, workers)))
        return running.run(
            self, plan, purpose=purpose, scheduler=scheduler, workers=workers,
            on_progress=on_progress, cancelled=cancelled, again=again,
        )  # fmt: skip

    def estimate(
        self,
        cameras: Sequence[str] | None = None,
        span: Span | None = None,
        *,
        purpose: Purpose | None = None,
        first: Sequence[str] = (),
        again: bool = False,
        scheduler: str | None = None,
        workers: int | None = None,
        settings: recognition.Settings | None = None,
    ) -> recognition.Estimate:
        """Return what `recognise` would cost with the same arguments; nothing is decoded."""
        plan = running.plan(
            self, cameras, span, purpose=purpose, first=first, settings=settings, again=again
        )
        return plan.estimate(recognition.count_workers(scheduler, workers))

    def runs(self) -> list[Running]:
        """Return the searches of the archive that go on now, in any process."""
        return running.runs_of(self).all()

    def stop_runs(self, run_id: str = "") -> int:
        """Ask searches to end: one of one's own, or all; return how many. What they found stays."""
        return running.stop(self, run_id)

    def follow(
        self,
        purpose: Purpose,
        cameras: Sequence[str] | None = None,
        *,
        priority: Sequence[str] = (),
        scheduler: str | None = None,
        workers: int | None = None,
        settings: recognition.Settings | None = None,
        stopped: Callable[[], bool] = lambda: False,
        on_status: Callable[[Mapping[str, Any]], None] = lambda _status: None,
        models: recognition.GiveModels = recognition.own_models,
    ) -> Followed:
        """Search what cameras of an open case record, while they record it.

        It ends by itself when the case's period is over or the case is closed. Nobody is alerted:
        rows stand where searches of the case find them.

        Parameters
        ----------
        cameras
            Cameras of the case; None: all of them.
        priority
            The most important cameras, first one first; the others follow in the order given.
            Where there is no time for all, the last ones are left out.

        Raises
        ------
        Refused
            Outside the case's bounds, or while another following runs on this root.
        """
        return follow(
            self, purpose, cameras, priority=priority, scheduler=scheduler, workers=workers,
            settings=settings, stopped=stopped, on_status=on_status, models=models,
        )  # fmt: skip

    def following(self) -> dict[str, Any]:
        """Return how the following goes, as it said last; empty where none ever ran."""
        return self._store.live.said()

    # -- searching ---------------------------------------------------------------------------

    def sightings(
        self,
        purpose: Purpose,
        *,
        cameras: Sequence[str] | None = None,
        span: Span | None = None,
        kinds: Sequence[str] | None = None,
        with_plate: bool = False,
    ) -> pd.DataFrame:
        """Return the passes inside the case (and the narrower bounds given), oldest first."""
        _, allowed, wanted = self._authorise(purpose, "search", cameras=cameras, span=span)
        table = self._store.sightings(
            cameras=allowed, span=wanted, kinds=kinds, with_plate=with_plate
        )
        told = asked_text(wanted, kinds, table.num_rows, with_plate=with_plate)
        self._log("search.sightings", ",".join(cameras or ("*",)), purpose, details=told)
        return frame_of(table)

    def sighting(self, sighting_id: str, purpose: Purpose) -> pd.Series:
        """Return one pass; BadInput where the case's bounds hold none of that id."""
        _, allowed, wanted = self._authorise(purpose, "view")
        found = self._store.sightings(cameras=allowed, span=wanted, ids=[sighting_id])
        if not found.num_rows:
            raise BadInput(
                N_("no sighting {id} inside this case"),
                N_("search again: the footage may have been recognised anew"),
                id=sighting_id[:12],
            )
        self._log("view.sighting", sighting_id, purpose)
        return frame_of(found).iloc[0]

    def search_plate(self, pattern: str, purpose: Purpose, *, limit: int = 50) -> list[PlateHit]:
        """Return the distinct reads that answer `pattern`, exact ones first, inside the case.

        ``?`` stands for one sign and ``*`` for any; a part of a plate finds the plates around it;
        approximate hits carry which signs differ.
        """
        _, allowed, wanted = self._authorise(purpose, "search")
        columns = ["plate", "camera_id", "utc"]
        read = frame_of(
            self._store.sightings(cameras=allowed, span=wanted, with_plate=True, columns=columns)
        )
        try:
            _not_too_long(pattern)
            hits = plates.search(pattern, list(read["plate"].unique()), limit=limit)
        except BadInput:
            self._log("search.plate.refused", pattern[:LONGEST_PLATE], purpose)
            raise
        by_plate = dict(tuple(read.groupby("plate")))
        found = [
            PlateHit(
                hit.text,
                len(by_plate[hit.text]),
                tuple(sorted(by_plate[hit.text]["camera_id"].unique())),
                by_plate[hit.text]["utc"].min(),
                by_plate[hit.text]["utc"].max(),
                hit.distance,
                hit.approximate,
                tuple(hit.differences),
            )
            for hit in hits
        ]
        told = {"found": [hit.plate for hit in found], "limit": limit}
        self._log("search.plate", pattern, purpose, details=told)
        return found

    def trace(self, plate: str, purpose: Purpose, *, also: Sequence[str] = ()) -> Trace:
        """Return where one plate was read inside the case, and what way by road that allows.

        Parameters
        ----------
        also
            Other reads the investigator takes for the same plate, for example approximate hits. Of
            it and of the plate asked for every spelling is taken: separators are no part of it.
        """
        _, allowed, wanted = self._authorise(purpose, "search")
        _not_too_long(plate, *also)
        table = self._store.sightings(cameras=allowed, span=wanted, with_plate=True)
        read = frame_of(table)
        # as typed, or in another layout of the same signs: both are this plate
        signs = {_signs(one) for one in (plate, *also)} - {""}
        mine = read[read["plate"].map(_signs).isin(signs)].reset_index(drop=True)
        legs = trajectories.link(mine, self.graph.between, plate=plate)
        journeys = trajectories.journeys(legs, mine, plate=plate)
        details = {"also": list(also), "sightings": len(mine), "legs": legs.num_rows}
        self._log("trace", plate, purpose, details=details)
        return Trace(plate, mine, frame_of(legs), tuple(journeys))


def _signs(plate: str) -> str:
    """Return what two spellings of a plate share; a sign that could not be read is like no other.

    >>> _signs("99b1 123.45"), _signs("99B1-12?.45")
    ('99B112345', '99B1-12?.45')
    """
    return plate if plates.UNKNOWN in plate else plates.compact(plate)


def _not_too_long(*asked: str) -> None:
    if max(map(len, asked)) > LONGEST_PLATE:
        raise BadInput(N_("that is too long to be a plate"), N_("write or choose one plate"))


def open_workbench(
    root: Path | str,
    *,
    actor: str,
    now: Callable[[], int] = time.time_ns,
    create_from: Path | None = None,
) -> Workbench:
    """Open an archive root.

    Parameters
    ----------
    actor
        Who acts, for the audit log: a signed-in name.
    now
        The clock, nanoseconds UTC.
    create_from
        A folder of ward tables (sites, cameras, roads, areas): a missing root is made from it.

    Raises
    ------
    BadInput
        Where `root` is none and `create_from` not given, its tables have a fault, or nobody acts.
    """
    if not actor.strip():
        raise BadInput(N_("nobody is named for the log"), N_("say who acts"))
    root = Path(root)
    if create_from is not None:
        ward.load(create_from)
        store = Store.create(root, create_from)
    else:
        store = Store.open(root)
    return Workbench(store, actor=actor, now=now)
