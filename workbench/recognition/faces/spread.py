"""An authorised face search on the house's fan-out: a stretch of one file is a job like any other.

What crosses between processes are the passes, the photographs, and places with scores back.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

import pyarrow as pa

from workbench.recognition.faces.search import (
    FaceCandidate,
    FaceJob,
    FaceRun,
    Probe,
    join_runs,
    search_faces,
)
from workbench.recognition.runs.engine import Job
from workbench.recognition.runs.fanout import Result, Summary, recognise
from workbench.recognition.settings import Settings
from workbench.records import Box, Camera, FaceAuthority, Progress, Segment
from workbench.timeline import Span

PASSES_A_JOB = 50
LOOK_S = 0.1
"""Guess of a decoded look with its faces, CPU s: shares the time left among jobs, no more."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceWork:
    """A job of a face search as the fan-out takes it.

    ``ahead_ns`` is how far the house's clock is ahead of the machines': the leave ends by it.
    """

    face: FaceJob
    camera: Camera
    probe: Probe
    authority: FaceAuthority
    ahead_ns: int
    settings: Settings = field(default_factory=Settings)

    @property
    def segment(self) -> Segment:
        """The archived file."""
        return self.face.segment

    @property
    def first_pts(self) -> int:
        """Where its first pass begins."""
        return min(min(one.pts) for one in self.face.passes)

    @property
    def stop_pts(self) -> int:
        """Where its last pass ends."""
        return max(max(one.pts) for one in self.face.passes)

    @property
    def footage_s(self) -> float:
        """Seconds between the two."""
        return (self.stop_pts - self.first_pts) * float(self.segment.tick_s)

    @property
    def modelled_s(self) -> float:
        """A guess of what it takes, CPU s."""
        return LOOK_S * self.face.settings.looks * len(self.face.passes)

    @property
    def subject(self) -> str:
        """How a report of failure calls it."""
        return f"{self.camera.camera_id} {self.segment.sha256[:12]} {len(self.face.passes)} passes"


@dataclass(frozen=True, slots=True)
class FaceSearch:
    """How a whole search ended: what it came to, and how the fan-out did."""

    run: FaceRun
    summary: Summary


def cut_face_job(job: FaceJob, period: Span) -> Iterator[FaceJob]:
    """Yield a job in pieces that workers can share, without passes that reach out of a period."""
    inside = [one for one in job.passes if one.pts and _within(job, one.pts, period)]
    for first in range(0, len(inside), PASSES_A_JOB):
        yield replace(job, passes=tuple(inside[first : first + PASSES_A_JOB]))


def spread_face_search(
    works: Sequence[FaceWork],
    *,
    most: int,
    scheduler: str | None = None,
    workers: int | None = None,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> FaceSearch:
    """Run the jobs of a face search and join what they come to; nothing is stored.

    Parameters
    ----------
    most
        Candidates of all jobs together, best first.
    """
    runs: list[FaceRun] = []

    def keep(result: Result) -> None:
        if result.table is not None:
            runs.append(_run_of(result.table))

    summary = recognise(
        cast(Sequence[Job], works), scheduler=scheduler, workers=workers, on_result=keep,
        on_progress=on_progress, cancelled=cancelled, urgent=True,
        work=cast(Callable[[Job], pa.Table], face_rows),
    )  # fmt: skip
    return FaceSearch(join_runs(runs, most), summary)


def face_rows(work: FaceWork) -> pa.Table:
    """Run a job where it is called: one row with what it came to."""
    run = search_faces(
        work.face, work.probe, work.authority, now=lambda: time.time_ns() + work.ahead_ns
    )
    return pa.table({"run": [json.dumps(asdict(run))]})


def candidate_of(facts: dict[str, Any]) -> FaceCandidate:
    """Return a candidate that was written as JSON."""
    face, frames = Box(**facts["face"]), tuple(facts["frames"])
    return FaceCandidate(**{**facts, "face": face, "frames": frames})


def _run_of(table: pa.Table) -> FaceRun:
    facts = json.loads(table["run"][0].as_py())
    return FaceRun(
        **{**facts, "candidates": tuple(candidate_of(one) for one in facts["candidates"])}
    )


def _within(job: FaceJob, pts: Sequence[int], period: Span) -> bool:
    first, _ = job.segment.utc(min(pts), job.fixes)
    last, _ = job.segment.utc(max(pts), job.fixes)
    return period.start_ns <= first and max(first, last) + 1 <= period.stop_ns
