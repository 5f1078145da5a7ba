"""One job of recognition: a frame range of one archived file in, rows of SIGHTINGS out.

Two passes over the pixels. The search decodes without the deblocking filter, looks at a small
picture five to ten times a second, follows what moves and asks the detector for names. The second
look decodes a few frames a pass again, exactly, and reads plates and counts faces on them; the
frame a sighting names is always one of these.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow as pa

from workbench import media
from workbench.errors import N_, BadInput, Damaged
from workbench.recognition.planning import modelled_s
from workbench.recognition.rows import Pass, to_table
from workbench.recognition.search import Search, warm_pictures
from workbench.recognition.second_look import look_again
from workbench.recognition.settings import Settings
from workbench.recognition.types import RGB, Models
from workbench.records import Camera, FrameIndex, Segment
from workbench.timeline import ClockFix, Span


@dataclass(frozen=True, slots=True)
class Job:
    """A frame range ``[first, stop)`` of one file; picklable, carries no pixels and no index."""

    segment: Segment
    path: Path
    camera: Camera
    fixes: tuple[ClockFix, ...]
    first: int
    stop: int
    settings: Settings
    first_pts: int
    stop_pts: int
    modelled_s: float = 0.0
    """CPU seconds that the packet index foretells."""

    @property
    def footage_s(self) -> float:
        """Length of the footage it searches, in seconds."""
        return float((self.stop_pts - self.first_pts) * self.segment.tick_s)

    @property
    def subject(self) -> str:
        """What it is, for a message: camera, file, PTS."""
        return (
            f"{self.camera.camera_id} {self.segment.sha256[:12]} "
            f"pts {self.first_pts}-{self.stop_pts}"
        )


def plan_jobs(
    segment: Segment,
    path: Path,
    index: FrameIndex,
    camera: Camera,
    fixes: tuple[ClockFix, ...],
    settings: Settings,
    *,
    span: Span | None = None,
) -> list[Job]:
    """Cut a file into jobs of whole GOPs that cost about ``settings.job_s`` each.

    The cuts depend on the file's packets alone, not on what was learned since: a `span` (UTC) only
    leaves out the jobs beside it, so that two searches that overlap write the same rows.
    """
    tick_s = float(segment.tick_s)
    length_s = max((segment.stop_pts - segment.first_pts) * tick_s, tick_s)
    megapixels = segment.width_px * segment.height_px / 1e6
    whole_s = modelled_s(len(index), int(index.is_key.sum()), megapixels, length_s)
    longest_s = min(settings.span_s, length_s * settings.job_s / whole_s)
    at_most = max(1, round(longest_s * len(index) / length_s))
    jobs = []
    for first, stop in media.gop_runs(index, at_most):
        stop_pts = int(index.pts[stop]) if stop < len(index) else segment.stop_pts
        first_pts, keys = int(index.pts[first]), int(index.is_key[first:stop].sum())
        guess_s = modelled_s(stop - first, keys, megapixels, (stop_pts - first_pts) * tick_s)
        job = Job(segment, path, camera, fixes, first, stop, settings, first_pts, stop_pts, guess_s)
        if span is not None:
            start_ns, _ = segment.utc(job.first_pts, fixes)
            stop_ns, _ = segment.utc(job.stop_pts, fixes)
            if Span(start_ns, max(start_ns, stop_ns)).overlap(span) is None:
                continue
        jobs.append(job)
    return jobs


def run_job(job: Job, models: Models, *, warm: Sequence[RGB] | None = None) -> pa.Table:
    """Return the sightings of a job, sorted by time; the same rows wherever and whenever it runs.

    Each pass belongs to the job in which it starts: a few seconds before are decoded to know what
    was on its way already, and frames after the job until its last pass has ended.

    Parameters
    ----------
    warm
        Gate pictures to begin the background with; None takes them from all over the job.

    Raises
    ------
    BadInput, Damaged
        When the file cannot be opened, or is not the one the job was cut from.
    """
    cv2.setNumThreads(1)
    index = _index_of(job.path)
    if len(index) != job.segment.frame_count or int(index.pts[0]) != job.segment.first_pts:
        raise Damaged(
            N_("the file is not the one that was archived ({found} frames, not {known})"),
            N_("run verify"),
            where=str(job.path),
            found=len(index),
            known=job.segment.frame_count,
        )
    warm = list(warm) if warm else None
    search = Search(
        job.segment,
        job.settings,
        models.detect,
        first=job.first,
        stop=job.stop,
        warm=lambda: (
            warm
            or list(warm_pictures(job.path, index, job.first, job.stop, job.segment, job.settings))
        ),
    )
    passes: list[Pass] = []
    for number, pts, frame in _frames(job, index):
        if number >= job.stop and not search.awaits:
            break
        passes += search.step(number, pts, frame)
    passes += search.finish()
    look_again(passes, job.path, index, job.segment, job.fixes, models, job.settings)
    ref = row_ref(models.ref, job.settings)
    return to_table(passes, job.segment, job.camera, job.fixes, ref)


def _frames(job: Job, index: FrameIndex) -> Iterator[tuple[int, int, av.VideoFrame]]:
    """Yield ``(number, pts, frame)`` from the lead-in to where passes of the job may still end."""
    pts, tick_s = index.pts, float(job.segment.tick_s)
    lead = int(np.searchsorted(pts, pts[job.first] - int(job.settings.lead_s / tick_s)))
    overrun = int(job.settings.overrun_s / tick_s)
    last = job.stop >= len(pts)
    limit = len(pts) if last else int(np.searchsorted(pts, job.stop_pts + overrun))
    for at, frame in media.decode(job.path, index, lead, limit, fast=True):
        yield int(np.searchsorted(pts, at)), at, frame


def row_ref(models_ref: str, settings: Settings) -> str:
    """Return the ``model_ref`` of rows made with these models under these settings."""
    return f"{models_ref}+{settings.ref}"


def _index_of(path: Path) -> FrameIndex:
    if not path.exists():
        raise BadInput(
            N_("the file is not there"),
            N_("see that this machine reaches the archive, then run verify"),
            where=str(path),
        )
    facts = path.stat()
    return _index_once(path, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=4)
def _index_once(path: Path, _size: int, _changed_ns: int) -> FrameIndex:
    # A worker runs many jobs of one file: its packets are read once.
    return media.index_packets(path)[1]


def seconds_of(jobs: Sequence[Job]) -> float:
    """Return the footage of all jobs, in seconds."""
    return sum(job.footage_s for job in jobs)
