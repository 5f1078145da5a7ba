"""One job of recognition: a frame range of one archived file in, rows of SIGHTINGS out.

The sweep looks at key frames alone, decoded without the deblocking filter. Where one shows
something the search decodes, exactly, what it may look at, looks at a small picture of five to ten
a second, follows what moves and asks the detector for names; of the best few frames of a pass it
keeps a part, on which plates are read, faces counted and its box is drawn as soon as the pass
closes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, groupby
from pathlib import Path

import av
import cv2
import numpy as np
import pyarrow as pa

from workbench import media
from workbench.errors import N_, BadInput, Damaged
from workbench.recognition.passes.pictures import warm_pictures
from workbench.recognition.passes.rows import Pass, to_table
from workbench.recognition.passes.search import Search
from workbench.recognition.passes.second_look import look_again
from workbench.recognition.passes.sweep import Unit, survey
from workbench.recognition.runs.planning import modelled_s
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
    index = index_of(job.path)
    if len(index) != job.segment.frame_count or int(index.pts[0]) != job.segment.first_pts:
        raise Damaged(
            N_("the file is not the one that was archived ({found} frames, not {known})"),
            N_("run verify"),
            where=str(job.path),
            found=len(index),
            known=job.segment.frame_count,
        )
    units: list[Unit] = []
    if job.settings.drop_quiet:
        lead = _lead_key(job, index)
        units = survey(job.path, index, job.segment, job.settings, lead, job.stop)
    search = Search(
        job.segment,
        job.settings,
        models.detect,
        first=job.first,
        stop=job.stop,
        warm=lambda: list(warm or _warm(job, index, units)),
    )
    passes: list[Pass] = []
    for closed in _searched(job, index, units, search):
        # at once: what a pass keeps of its frames need not wait for the end of the job
        look_again(closed, job.path, index, job.segment, job.fixes, models, job.settings)
        passes += closed
    ref = row_ref(models.ref, job.settings)
    return to_table(passes, job.segment, job.camera, job.fixes, ref)


def _lead(job: Job, index: FrameIndex) -> int:
    """Return the frame some seconds before a job begins: what is on its way there is not its."""
    lead_ticks = int(job.settings.lead_s / float(job.segment.tick_s))
    return int(np.searchsorted(index.pts, index.pts[job.first] - lead_ticks))


def _lead_key(job: Job, index: FrameIndex) -> int:
    keys = np.flatnonzero(index.is_key[: _lead(job, index) + 1])
    return int(keys[-1]) if len(keys) else 0


def _warm(job: Job, index: FrameIndex, units: Sequence[Unit]) -> Sequence[RGB]:
    s = job.settings
    views = [unit.view for unit in units if unit.view is not None and unit.first >= job.first]
    if len(views) < s.warm_least_keys:
        return list(warm_pictures(job.path, index, job.first, job.stop, job.segment, s))
    pick = np.linspace(0, len(views) - 1, min(s.warm_pictures, len(views))).round()
    return [views[n].picture for n in pick.astype(int).tolist()]


def _searched(
    job: Job, index: FrameIndex, units: Sequence[Unit], search: Search
) -> Iterator[list[Pass]]:
    """Push a job through a search, quiet units by their key frame alone; yield what closes."""
    tick_s = float(job.segment.tick_s)
    for run in _runs(units or [Unit(_lead(job, index), job.stop, active=True)]):
        if not run[0].active:
            for unit in run:
                assert unit.view is not None
                end_pts = index.pts[unit.stop] if unit.stop < len(index) else job.segment.stop_pts
                yield search.rest(unit.view, (int(end_pts) - unit.view.pts) * tick_s)
            continue
        yield from _attended(job, index, run[0].first, run[-1].stop, search)
    beyond = int(np.searchsorted(index.pts, job.stop_pts + int(job.settings.overrun_s / tick_s)))
    if job.stop < len(index) and search.awaits:
        for number, pts, frame in _numbered(job, index, job.stop, beyond):
            if not search.awaits:
                break
            yield search.step(number, pts, frame)
    yield search.finish()


def _attended(
    job: Job, index: FrameIndex, first: int, stop: int, search: Search
) -> Iterator[list[Pass]]:
    """Push frames ``[first, stop)`` through a search, but for the ends of GOPs nothing happens in.

    Where nothing is followed and the next key frame is near, that one is looked at ahead: where it
    shows nothing either, what lies between is passed over, as it is between the sweep's key frames.
    """
    keys = np.append(np.flatnonzero(index.is_key[first:stop]) + first, len(index))
    s, tick_s = job.settings, float(job.segment.tick_s)
    asked = -1 if s.drop_quiet and not index.ordinal else len(index)
    frames: Iterator[_Numbered] = _numbered(job, index, first, stop)
    while True:
        for number, pts, frame in frames:
            yield search.step(number, pts, frame)
            key = int(keys[np.searchsorted(keys, number, side="right")])
            if key <= asked or key == len(index):
                continue
            left_s = (int(index.pts[key]) - pts) * tick_s
            if not s.skip_least_s <= left_s <= s.sweep_most_s or not search.idles(pts):
                continue
            asked = key
            ahead = _numbered(job, index, key, stop)
            shown = next(ahead, None)
            if shown is not None and shown[0] == key and search.shows_nothing(shown[2]):
                search.pass_over(left_s)
                frames = chain((shown,), ahead)
                break
        else:
            return


_Numbered = tuple[int, int, av.VideoFrame]


def _numbered(job: Job, index: FrameIndex, first: int, stop: int) -> Iterator[_Numbered]:
    # with the deblocking filter: plates are read on these very frames, nothing is decoded twice
    apart = int(1 / job.settings.active_fps / float(job.segment.tick_s) + 0.01)
    for pts, frame in media.decode(job.path, index, first, stop, apart_ticks=apart):
        yield int(np.searchsorted(index.pts, pts)), pts, frame


def _runs(units: Sequence[Unit]) -> Iterator[list[Unit]]:
    for _, run in groupby(units, key=lambda unit: unit.active):
        yield list(run)


def row_ref(models_ref: str, settings: Settings) -> str:
    """Return the ``model_ref`` of rows made with these models under these settings."""
    return f"{models_ref}+{settings.ref}"


def index_of(path: Path) -> FrameIndex:
    """Return a file's frame index, read once for all its jobs; raises BadInput without the file."""
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
