"""The run of an authorised face search: what it will cost, and only candidates kept of it."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import pandas as pd

from workbench import recognition
from workbench.cases import asking, authorise_faces
from workbench.errors import N_, Refused
from workbench.investigation import people
from workbench.investigation.answers import frame_of
from workbench.investigation.face_calibrating import face_calibration
from workbench.investigation.face_requests import (
    Asked,
    asked,
    happened,
    must_be_on,
    picture_of,
    refusals,
    settle_faces,
)
from workbench.investigation.models import face_models
from workbench.recognition.faces.search import (
    FaceCandidate,
    FaceSearchSettings,
    Probe,
    make_probe,
    plan_face_job,
)
from workbench.recognition.faces.spread import (
    FaceSearch,
    FaceWork,
    cut_face_job,
    spread_face_search,
)
from workbench.records import FaceAuthority, Progress, Purpose
from workbench.store import is_imported
from workbench.store.faces import FaceBook, FaceRequest
from workbench.timeline import SECOND_NS, Span

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

JOB = N_("face search")
"""Name of this work among the long jobs that pages show."""
_KINDS = ("person", "motorcycle", "bicycle", "unknown")
"""Passes in which a face may show."""


@dataclass(frozen=True, slots=True)
class FaceCost:
    """What a face search will come to, said before it starts.

    ``passes`` are to be looked at, in ``footage_h`` hours of recorded footage; ``not_searched_h``
    more were never searched for passes and are not looked at. ``cpu_s`` is expected from the face
    searches measured here, None where none was. ``false_candidates`` is how many other people among
    so many passes would have a likelihood ratio over 1, expected and at most (95 %): None where no
    set calibrates the network in use.
    """

    passes: int
    footage_h: float
    not_searched_h: float
    cpu_s: float | None
    measured_passes: int
    false_candidates: tuple[float, float] | None = None


def face_cost(house: Workbench, request_id: str) -> FaceCost:
    """Return what a face search will come to, before it starts; nothing is decoded."""
    request = FaceBook(house.root).request(request_id)
    purpose = Purpose(request.case_id, request.purpose)
    with refusals(house, "faces.cost", purpose):
        people.may(house, "faces.cost", house._store.case(request.case_id), request.cameras)
    return _cost(house, request.cameras, request.period, purpose, request_id)


def foretell_faces(
    house: Workbench, purpose: Purpose, *, cameras: Sequence[str], span: Span
) -> FaceCost:
    """Return what a face search of these bounds would come to, before it is asked for."""
    asking.check_request(1, 1, cameras, 1)
    with refusals(house, "faces.cost", purpose):
        _, allowed, period = people.authorise(
            house, purpose, "faces.cost", cameras=cameras, span=span
        )
    return _cost(house, allowed, period, purpose, purpose.case_id)


def _cost(
    house: Workbench, cameras: Sequence[str], period: Span, purpose: Purpose, subject: str
) -> FaceCost:
    rows = _rows(house, cameras, period)
    house._log("faces.cost", subject, purpose, details={"passes": len(rows)})
    recorded = house._store.segments(cameras, period)
    spans = [house.utc_span(one).overlap(period) for one in recorded]
    left = house.not_searched(cameras, period)
    passes, cpu_s = _measured(house)
    made = face_calibration(house)
    return FaceCost(
        len(rows),
        sum(one.duration_ns for one in spans if one) / SECOND_NS / 3600,
        sum(one.duration_ns for gaps in left.values() for one in gaps) / SECOND_NS / 3600,
        cpu_s / passes * len(rows) if passes else None,
        passes,
        None if made is None else made.false_candidates(len(rows)),
    )


def run_faces(
    house: Workbench,
    request_id: str,
    *,
    settings: FaceSearchSettings | None = None,
    scheduler: str | None = None,
    workers: int | None = None,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> FaceSearch:
    """Search the passes in a request's bounds, once; only the candidates are kept.

    Raises
    ------
    Refused
        Without leave that stands, for somebody else than who asked, a second time, and where leave
        ended or face search was switched off meanwhile: nothing is kept then.
    """
    settle_faces(house)
    book = FaceBook(house.root)
    one = asked(house, request_id)
    with book.running(request_id) as alone:
        with refusals(house, "faces.run", _purpose(one.request)):
            if not alone:
                raise _runs_already(one.request)
            works = _works(house, one, settings)
        last: list[Progress] = []

        def told(progress: Progress) -> None:
            last[:] = [progress]
            with suppress(OSError):
                text = f"{request_id} {progress.text}".rstrip()
                house.report(JOB, replace(progress, text=text))
            on_progress(progress)

        try:
            return _run(house, one, works, scheduler, workers, told, cancelled)
        finally:
            if last and last[0].done < last[0].total:
                with suppress(OSError):
                    house.report(JOB, replace(last[0], text="stopped"))


def search_faces_again(
    house: Workbench, request_id: str, purpose: Purpose
) -> Sequence[FaceCandidate]:
    """Compare the passes of a request that was run once more; nothing is kept of it.

    It is what the leave was given for: the same person's photographs, cameras and time, by who
    asked, while the leave stands. The log counts what was compared and destroyed, and says whether
    the candidates are those that were found.

    Raises
    ------
    Refused
        Without leave that stands, for somebody else than who asked, before the first run.
    """
    settle_faces(house)
    book, one = FaceBook(house.root), asked(house, request_id)
    with book.running(request_id) as alone, refusals(house, "faces.again", purpose):
        if not alone:
            raise _runs_already(one.request)
        if purpose.case_id != one.request.case_id or not one.standing.ran:
            raise Refused(
                N_("face request {request} was not run in this case"),
                N_("choose its case, and have it run by who asked for it"),
                request=request_id,
            )
        works = _works(house, one, None, again=True)
        found = spread_face_search(
            works, most=one.request.length, workers=0,
            cancelled=lambda: book.switched_off() is not None,
        )  # fmt: skip
        text = json.dumps([asdict(kept) for kept in found.run.candidates], sort_keys=True).encode()
        facts = {
            "compared": found.run.compared, "destroyed": found.run.destroyed,
            "same": text == book.candidates(request_id),
        }  # fmt: skip
        house._log("faces.again", request_id, purpose, details=facts)
        must_be_on(house)
    return found.run.candidates


def check_run(house: Workbench, request_id: str) -> None:
    """Raise Refused where :func:`run_faces` would be, before anything is loaded; it is logged."""
    settle_faces(house)
    one = asked(house, request_id)
    with refusals(house, "faces.run", _purpose(one.request)):
        _leave(house, one)
        if FaceBook(house.root).runs_now(request_id):
            raise _runs_already(one.request)


def _run(
    house: Workbench,
    one: Asked,
    works: Sequence[FaceWork],
    scheduler: str | None,
    workers: int | None,
    on_progress: Callable[[Progress], None],
    cancelled: Callable[[], bool],
) -> FaceSearch:
    book, request = FaceBook(house.root), one.request
    request_id, purpose = request.request_id, _purpose(request)
    subject, started_ns = request_id, house.now()
    house._log("faces.start", subject, purpose, details={"passes": _count(works)})
    over = ""

    def ended() -> bool:
        nonlocal over
        with_leave = asked(house, request_id).standing.state in ("approved", "asked")
        if book.switched_off() is not None:
            over = over or "switched off"
        elif not with_leave:
            over = over or "its leave ended"
        elif cancelled():
            over = over or "cancelled"
        return bool(over)

    try:
        found = spread_face_search(
            works, most=request.length, scheduler=scheduler, workers=workers,
            on_progress=on_progress, cancelled=ended,
        )  # fmt: skip
    except BaseException as error:
        house._log("faces.failed", subject, purpose, details={"error": type(error).__name__})
        raise
    with book.changing():
        facts = {
            "passes": _count(works),
            "compared": found.run.compared,
            "destroyed": found.run.destroyed,
            "without_face": found.run.without,
            "refused": dict(found.run.refused),
            "encoder": found.run.encoder,
            "failed": list(found.summary.failed),
            "cpu_s": round(found.summary.cpu_s, 2),
            "seconds": (house.now() - started_ns) / SECOND_NS,
        }
        with refusals(house, "faces.run", purpose, facts):
            if ended():
                raise Refused(
                    N_("the face search ended early and nothing was kept: {why}"),
                    N_("see where the request stands"),
                    why=over,
                )
            if asked(house, request_id).standing.ran:
                raise _ran_already(request)
        text = json.dumps([asdict(kept) for kept in found.run.candidates], sort_keys=True).encode()
        facts |= {
            "found": len(found.run.candidates),
            "candidates_sha256": hashlib.sha256(text).hexdigest(),
            "approved": one.standing.state == "approved",
        }
        happened(house, request, "run", facts, purpose)
        book.put_candidates(request_id, text)
    return found


def _leave(house: Workbench, one: Asked, *, again: bool = False) -> FaceAuthority:
    """Return the leave to run a request now; Refused where there is none, or it was run.

    With `again`: to compare once more what it was run on.
    """
    request = one.request
    must_be_on(house)
    case = house._store.case(request.case_id)
    authority = authorise_faces(
        case, asking.authority_of(request, one.standing), actor=house.actor,
        cameras=request.cameras, span=request.period, now_ns=house.now(),
    )  # fmt: skip
    people.may(house, "faces.run", case, request.cameras)
    if one.standing.ran and not again:
        raise _ran_already(request)
    return authority


def _works(
    house: Workbench, one: Asked, settings: FaceSearchSettings | None, *, again: bool = False
) -> list[FaceWork]:
    authority, request = _leave(house, one, again=again), one.request
    # a fixed length, whatever the scores are: see LENGTH
    settings = settings or FaceSearchSettings(
        models=face_models(house), floor=-1.0, most=request.length
    )
    store, probe = house._store, _probe(house, request)
    rows = _rows(house, request.cameras, request.period)
    works = []
    for sha256, mine in rows.groupby("segment_sha256", sort=False):
        segment = store.segment(str(sha256))
        fixes = tuple(store.clock_fixes(segment.camera_id))
        whole = plan_face_job(
            segment,
            store.file(segment),
            fixes,
            cast(list[dict[str, Any]], mine.to_dict("records")),
            settings,
        )
        works += [
            FaceWork(piece, house.camera(segment.camera_id), probe, authority, _ahead_ns(house))
            for piece in cut_face_job(whole, request.period)
        ]
    return works


def _rows(house: Workbench, cameras: Sequence[str], period: Span) -> pd.DataFrame:
    table = house._store.sightings(cameras=cameras, span=period, kinds=_KINDS)
    rows = frame_of(table)
    ours = [not is_imported(str(ref)) for ref in rows["model_ref"]]
    return rows.loc[ours].reset_index(drop=True)  # an empty list takes rows, not columns


def _probe(house: Workbench, request: FaceRequest) -> Probe:
    book = FaceBook(house.root)
    pictures = [
        (one.name, picture_of(one.name, book.photograph(request.request_id, one.sha256)))
        for one in request.photographs
    ]
    find = recognition.load_models(face_models(house)).find_faces
    return make_probe(pictures, find, despite=request.despite)


def _measured(house: Workbench) -> tuple[int, float]:
    """Return passes and CPU seconds of the face searches that ended on this root."""
    book, passes, cpu_s = FaceBook(house.root), 0, 0.0
    for request_id in book.ids():
        for event in book.events(request_id):
            if event.kind == "run" and not event.facts["failed"]:
                passes, cpu_s = passes + event.facts["passes"], cpu_s + event.facts["cpu_s"]
    return passes, cpu_s


def _ran_already(request: FaceRequest) -> Refused:
    return Refused(
        N_("face request {request} was run already"),
        N_("read its candidates, or ask anew"),
        request=request.request_id,
    )


def _runs_already(request: FaceRequest) -> Refused:
    return Refused(
        N_("face request {request} is being run now"),
        N_("wait for its end"),
        request=request.request_id,
    )


def _purpose(request: FaceRequest) -> Purpose:
    return Purpose(request.case_id, request.purpose)


def _count(works: Sequence[FaceWork]) -> int:
    return sum(len(work.face.passes) for work in works)


def _ahead_ns(house: Workbench) -> int:
    return house.now() - time.time_ns()
