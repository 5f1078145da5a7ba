"""A search of the archive: what it will cost, its turn among others, what it found so far kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa

from workbench import recognition
from workbench.errors import N_, BadInput, Refused
from workbench.investigation.answers import frame_of, span_text
from workbench.investigation.models import with_models_in_use
from workbench.investigation.sealing import settle
from workbench.recognition import Estimate, Expected, Job, Rates, Spent, Summary
from workbench.records import SIGHTINGS, Progress, Purpose
from workbench.store import Searched
from workbench.store.runs import Running, Runs
from workbench.timeline import SECOND_NS, Span, format_utc

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

JOB = "recognition"
"""Name of this work among the long jobs that pages show."""

_Key = tuple[str, int, int]


_MOST_PROMISE = 1_000_000
"""More than key frames of one job can show: what a sweep saw decides among equals only."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be searched, in order, and what need not be.

    ``done`` were searched with these models and count; ``overtaken`` were too, but other models
    searched them later and hide their rows.
    """

    jobs: tuple[Job, ...]
    done: tuple[Job, ...]
    overtaken: tuple[Job, ...]
    rates: Rates
    model_ref: str

    def cost_s(self, job: Job) -> float:
        """Return the CPU seconds a job is expected to take."""
        return self.rates.cpu_s(job.camera.camera_id, job.modelled_s)

    def estimate(self, workers: int) -> Estimate:
        """Return what it will cost on so many workers."""
        skipped_s = sum(job.footage_s for job in (*self.done, *self.overtaken))
        return recognition.estimate(
            [_expected(job) for job in self.jobs], self.rates,
            searched_s=skipped_s, workers=workers,
        )  # fmt: skip


def plan(
    house: Workbench,
    cameras: Sequence[str] | None,
    span: Span | None,
    *,
    purpose: Purpose | None,
    first: Sequence[str] = (),
    settings: recognition.Settings | None = None,
    again: bool = False,
    swept: Candidates | None = None,
) -> Plan:
    """Choose the jobs of a search and put them in order."""
    for camera_id in (*(cameras or ()), *first):
        house.camera(camera_id)
    if purpose is not None:
        _, cameras, span = house._authorise(purpose, "recognise", cameras=cameras, span=span)
    else:
        house.allow("recognise.all")
    settings = with_models_in_use(house, settings)
    ref = recognition.model_ref(settings)
    found = list(_jobs(house, cameras, span, settings))
    state = {} if again else _searched(house, {job.segment.sha256 for job in found}, ref)
    rates = _rates(runs_of(house), ref)
    fresh = [job for job in found if _key(job) not in state]
    rank, promise = _ranks(house, first), _promises(swept)
    order = recognition.in_order(
        [_expected(job) for job in fresh],
        rates,
        lambda number: _MOST_PROMISE * rank(fresh[number]) - promise(fresh[number]),
    )
    return Plan(
        tuple(fresh[number] for number in order),
        tuple(job for job in found if state.get(_key(job)) is True),
        tuple(job for job in found if state.get(_key(job)) is False),
        rates,
        ref,
    )


def run(
    house: Workbench,
    chosen: Plan,
    *,
    purpose: Purpose | None,
    scheduler: str | None,
    workers: int | None,
    on_progress: Callable[[Progress], None],
    cancelled: Callable[[], bool],
    again: bool,
) -> Summary:
    """Search what was planned; rows of each job are kept as it ends."""
    searched = ",".join(sorted({job.camera.camera_id for job in chosen.jobs}))
    with _noted(house, "recognise", searched, purpose, len(chosen.jobs)) as ended:
        summary, details = _run(
            house, chosen, ended, purpose=purpose, scheduler=scheduler, workers=workers,
            on_progress=on_progress, cancelled=cancelled, again=again,
        )  # fmt: skip
    house._log("recognise", searched, purpose, details=details)
    return summary


@contextmanager
def _noted(
    house: Workbench, action: str, subject: str, purpose: Purpose | None, jobs: int
) -> Iterator[list[Job]]:
    """Leave a closing entry where a run dies: of what, and how many jobs had ended by then."""
    ended: list[Job] = []
    try:
        yield ended
    except BaseException as error:  # whoever presses Ctrl-C twice, too
        details = {"error": type(error).__name__, "jobs": jobs, "done": len(ended)}
        house._log(f"{action}.failed", subject, purpose, details=details)
        raise


@contextmanager
def _said_when_stopped(house: Workbench, last: list[Progress]) -> Iterator[None]:
    """Tell pages, on leaving, that a run which did not reach its end goes on no more."""
    try:
        yield
    finally:
        if last and last[0].done < last[0].total:
            with suppress(OSError):
                house.report(JOB, replace(last[0], text="stopped"))


def _run(
    house: Workbench,
    chosen: Plan,
    ended: list[Job],
    *,
    purpose: Purpose | None,
    scheduler: str | None,
    workers: int | None,
    on_progress: Callable[[Progress], None],
    cancelled: Callable[[], bool],
    again: bool,
) -> tuple[Summary, Mapping[str, object]]:
    store, runs = house._store, runs_of(house)
    settled = settle(store, house.ward.cameras, log=house._log)
    for job in chosen.overtaken:  # their rows are there: they count again
        store.mark_searched(job.segment.sha256, job.first_pts, job.stop_pts, chosen.model_ref)
    started_ns = house.now()

    def keep(result: recognition.Result) -> None:
        job = result.job
        if result.table is not None:
            store.append_sightings(result.table)
            spent = (job.footage_s, job.modelled_s, result.cpu_s, float(result.table.num_rows))
            runs.add_cost(result.model_ref, job.camera.camera_id, spent)
        store.mark_searched(
            job.segment.sha256, result.first_pts, result.stop_pts, result.model_ref,
            failure=result.failure,
        )  # fmt: skip
        ended.append(job)

    last: list[Progress] = []

    def told(progress: Progress) -> None:
        last[:] = [progress]
        text = f"recognised {progress.text}" if progress.text else "waiting"
        with suppress(OSError):
            house.report(JOB, replace(progress, text=text))
        on_progress(progress)

    footage_h = sum(job.footage_s for job in chosen.jobs) / 3600
    case_id = purpose.case_id if purpose else ""
    with (
        _said_when_stopped(house, last),
        runs.begin(
            actor=house.actor, started_ns=started_ns, case_id=case_id, footage_h=footage_h
        ) as me,
    ):

        def skip(job: Job) -> bool:
            state = _searched(house, {job.segment.sha256}, chosen.model_ref)
            return not again and state.get(_key(job)) is True

        summary = recognition.recognise(
            chosen.jobs,
            scheduler=scheduler,
            workers=workers,
            on_result=keep,
            on_progress=told,
            cancelled=lambda: cancelled() or runs.stopped_by(me.run_id) is not None,
            # what somebody waits for inside a case goes before a search of everything
            held=lambda: not case_id and any(other.case_id for other in runs.all()),
            skip=skip,
            cost_s=chosen.cost_s,
            urgent=bool(case_id),
        )
        stopped_by = runs.stopped_by(me.run_id)
    unsettled = [f"{camera_id}: {why}" for camera_id, why in settled.troubles.items()]
    before = len(chosen.done) + len(chosen.overtaken)
    summary = replace(
        summary, failed=(*summary.failed, *unsettled), skipped=summary.skipped + before
    )
    details: Mapping[str, object] = {
        "model_ref": summary.model_ref,
        "jobs": summary.jobs,
        "skipped": summary.skipped,
        "sightings": summary.sightings,
        "failed": list(summary.failed),
        "cancelled": summary.cancelled,
        "stopped_by": stopped_by or "",
        "cpu_s": round(summary.cpu_s, 1),
        "seconds": (house.now() - started_ns) / SECOND_NS,
    }
    return summary, details


def stop(house: Workbench, run_id: str = "") -> int:
    """Ask every search that goes on to end, or one of the actor's own; return how many.

    Raises
    ------
    BadInput
        Where no such search goes on.
    Refused
        Where it is somebody else's.
    """
    going = [one for one in house.runs() if run_id in ("", one.run_id)]
    if run_id and not going:
        raise BadInput(N_("that search is over"), N_("look at what it found"))
    for one in going:
        if run_id and one.actor != house.actor:
            house._log("recognise.stop.refused", one.run_id, details={"of": one.actor})
            raise Refused(
                N_("that search was begun by somebody else"),
                N_("ask {actor} to end it, or whoever runs the machine"),
                actor=one.actor,
            )
        house._log("recognise.stop", one.run_id, details={"of": one.actor})
        runs_of(house).stop(one.run_id, house.actor)
    return len(going)


def runs_of(house: Workbench) -> Runs:
    """Return the searches of a root; one that was killed gets its closing entry in the log."""

    def lost(one: Running) -> None:
        details = {"of": one.actor, "started": format_utc(one.started_ns), "error": "killed"}
        purpose = Purpose(one.case_id, "") if one.case_id else None
        house._log("recognise.failed", one.run_id, purpose, details=details)

    return Runs(house.root, lost)


@dataclass(frozen=True, slots=True)
class Candidates:
    """What key frames alone show: ``table`` are rows like sightings, oldest first, never stored.

    ``searched_before`` jobs have rows of their own, and were left out.
    """

    table: pd.DataFrame
    summary: Summary
    searched_before: int


def first_candidates(
    house: Workbench,
    purpose: Purpose,
    cameras: Sequence[str] | None = None,
    span: Span | None = None,
    *,
    scheduler: str | None = None,
    workers: int | None = None,
    settings: recognition.Settings | None = None,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> Candidates:
    """Look at the key frames of a case's footage that no search has been through yet.

    A first answer in a fraction of the time: boxes seconds apart, no plate, no face; what a search
    would find between two key frames is missing. A quick look, to know where to search first.

    Raises
    ------
    Refused
        Outside an open case and its bounds.
    """
    _, allowed, bounds = house._authorise(purpose, "recognise", cameras=cameras, span=span)
    chosen = plan(house, allowed, bounds, purpose=purpose, settings=settings)
    found, subject = [SIGHTINGS.empty_table()], ",".join(cameras or ("*",))
    with _noted(house, "sweep", subject, purpose, len(chosen.jobs)) as ended:

        def keep(result: recognition.Result) -> None:
            if result.table is not None:
                found.append(result.table)
            ended.append(result.job)

        summary = recognition.recognise(
            chosen.jobs,
            scheduler=scheduler,
            workers=workers,
            on_result=keep,
            on_progress=on_progress,
            cancelled=cancelled,
            urgent=True,
            work=recognition.sweep_for_candidates,
        )
    table = frame_of(pa.concat_tables(found))
    at_ns = table["utc"].astype("int64")
    inside = table[(at_ns >= bounds.start_ns) & (at_ns < bounds.stop_ns)]
    details = {
        **span_text(bounds),
        "jobs": summary.jobs,
        "found": len(inside),
        "failed": list(summary.failed),
        "cancelled": summary.cancelled,
    }
    house._log("sweep", subject, purpose, details=details)
    before = len(chosen.done) + len(chosen.overtaken)
    return Candidates(inside.sort_values("utc", ignore_index=True), summary, before)


def _jobs(
    house: Workbench,
    cameras: Sequence[str] | None,
    span: Span | None,
    settings: recognition.Settings,
) -> Iterator[Job]:
    store = house._store
    for segment in store.segments(cameras, span):
        yield from recognition.plan_jobs(
            segment=segment,
            path=store.file(segment),
            index=store.frame_index(segment.sha256),
            camera=house.camera(segment.camera_id),
            fixes=tuple(store.clock_fixes(segment.camera_id)),
            settings=settings,
            span=span,
        )


def _searched(house: Workbench, segments: set[str], ref: str) -> dict[_Key, bool]:
    """Return the stretches searched with these models; False where others hide their rows."""
    store, state = house._store, dict[_Key, bool]()
    alone = next(iter(segments)) if len(segments) == 1 else None
    hidden = [one for one in store.superseded() if one.model_ref == ref]
    for one in store.searched(segment=alone, model_ref=ref):
        if not one.failure and one.segment_sha256 in segments:
            state[_span(one)] = not any(_overlap(one, part) for part in hidden)
    return state


def _overlap(one: Searched, other: Searched) -> bool:
    return (
        one.segment_sha256 == other.segment_sha256
        and one.first_pts < other.stop_pts
        and other.first_pts < one.stop_pts
    )


def _span(one: Searched) -> _Key:
    return one.segment_sha256, one.first_pts, one.stop_pts


def _key(job: Job) -> _Key:
    return job.segment.sha256, job.first_pts, job.stop_pts


def _expected(job: Job) -> Expected:
    return Expected(job.camera.camera_id, job.footage_s, job.modelled_s)


def _rates(runs: Runs, ref: str) -> Rates:
    return Rates(
        {
            camera_id: Spent(footage_s, modelled_s, cpu_s, round(rows))
            for camera_id, (footage_s, modelled_s, cpu_s, rows) in runs.costs(ref).items()
        }
    )


def _ranks(house: Workbench, first: Sequence[str]) -> Callable[[Job], int]:
    """Return where a job stands: cameras asked for first, then what open cases may look at."""
    wished = {camera_id: number for number, camera_id in enumerate(dict.fromkeys(first))}
    cases = [case for case in house.cases() if not case.closed]

    def rank(job: Job) -> int:
        camera_id = job.camera.camera_id
        if camera_id in wished:
            return wished[camera_id]
        at = job.segment.utc(job.first_pts, job.fixes)[0]
        end = max(at + 1, job.segment.utc(job.stop_pts, job.fixes)[0])
        inside = any(
            (not case.cameras or camera_id in case.cameras) and case.period.overlap(Span(at, end))
            for case in cases
        )
        return len(wished) + (0 if inside else 1)

    return rank


def _promises(swept: Candidates | None) -> Callable[[Job], int]:
    """Return how much that moves a sweep saw in a job's footage; 0 where there was none."""
    seen: dict[str, list[int]] = {}
    if swept is not None:
        moving = swept.table[swept.table["moving"]]
        for sha256, pts in zip(moving["segment_sha256"], moving["pts"], strict=True):
            seen.setdefault(sha256, []).append(int(pts))

    def promise(job: Job) -> int:
        at = seen.get(job.segment.sha256, ())
        return min(sum(job.first_pts <= pts < job.stop_pts for pts in at), _MOST_PROMISE - 1)

    return promise
