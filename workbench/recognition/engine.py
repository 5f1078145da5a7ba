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
from workbench.recognition.gate import Gate
from workbench.recognition.naming import Namer
from workbench.recognition.rows import Pass, to_table
from workbench.recognition.second_look import look_again
from workbench.recognition.settings import Settings
from workbench.recognition.track import Observation, Still, Track, Tracker
from workbench.recognition.types import RGB, Models
from workbench.records import Box, Camera, FrameIndex, Segment
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
    """Cut a file into jobs of whole GOPs, about ``settings.span_s`` long.

    The cuts depend on the file alone: a `span` (UTC) only leaves out the jobs beside it, so that
    two searches that overlap write the same rows.
    """
    tick_s = float(segment.tick_s)
    length_s = (segment.stop_pts - segment.first_pts) * tick_s
    at_most = max(1, round(settings.span_s * len(index) / max(length_s, tick_s)))
    jobs = []
    for first, stop in media.gop_runs(index, at_most):
        stop_pts = int(index.pts[stop]) if stop < len(index) else segment.stop_pts
        job = Job(
            segment, path, camera, fixes, first, stop, settings, int(index.pts[first]), stop_pts
        )
        if span is not None:
            start_ns, _ = segment.utc(job.first_pts, fixes)
            stop_ns, _ = segment.utc(job.stop_pts, fixes)
            if Span(start_ns, max(start_ns, stop_ns)).overlap(span) is None:
                continue
        jobs.append(job)
    return jobs


def run_job(job: Job, models: Models) -> pa.Table:
    """Return the sightings of a job, sorted by time; the same rows wherever and whenever it runs.

    Each pass belongs to the job in which it starts: a few seconds before are decoded to know what
    was on its way already, and frames after the job until its last pass has ended.

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
    search = _Search(job, index, models)
    for number, pts, frame in search.frames():
        search.step(number, pts, frame)
    passes = search.passes()
    look_again(passes, job.path, index, job.segment, job.fixes, models, job.settings)
    ref = row_ref(models.ref, job.settings)
    return to_table(passes, job.segment, job.camera, job.fixes, ref)


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


class _Search:
    """State of one job while its frames stream by."""

    def __init__(self, job: Job, index: FrameIndex, models: Models) -> None:
        self._job, self._index, self._s = job, index, job.settings
        self._turn = job.segment.rotation_deg
        self._tick_s = float(job.segment.tick_s)
        self._tracker = Tracker(self._s, job.segment.width_px, job.segment.height_px)
        self._namer = Namer(models.detect, self._s)
        self._gate: Gate | None = None
        self._due_s = self._look_due_s = self._idle_look_due_s = -1e18

    def frames(self) -> Iterator[tuple[int, int, av.VideoFrame]]:
        """Yield ``(number, pts, frame)`` from the lead-in to where the job's last pass ends."""
        job, pts = self._job, self._index.pts
        ticks = int(self._s.lead_s / self._tick_s)
        lead = int(np.searchsorted(pts, pts[job.first] - ticks))
        overrun = int(self._s.overrun_s / self._tick_s)
        limit = (
            int(np.searchsorted(pts, job.stop_pts + overrun)) if job.stop < len(pts) else len(pts)
        )
        for at, frame in media.decode(job.path, self._index, lead, limit, fast=True):
            number = int(np.searchsorted(pts, at))
            if number >= job.stop and not any(self._ours(t) for t in self._tracker.live):
                return
            yield number, at, frame

    def step(self, number: int, pts: int, frame: av.VideoFrame) -> None:
        """Look at one decoded frame, if it is time to."""
        s, t_s = self._s, (pts - self._job.segment.first_pts) * self._tick_s
        if t_s < self._due_s:
            return
        small, scale = gate_picture(frame, self._turn, s.gate_width_px)
        if self._gate is None:
            self._gate = Gate(s, list(self._warm()), scale)
        self._tracker.step(number, pts, t_s, self._gate.step(small, self._tracker.held(t_s)))
        self._look(number, pts, t_s, frame)
        self._keep_stills(number, frame)
        active = any(self._tracker.is_lively(track, t_s) for track in self._tracker.live)
        # Half a millisecond of slack: a 10 fps file sampled at 10 fps must not lose every other.
        self._due_s = t_s + 1 / (s.active_fps if active else s.idle_fps) - 5e-4

    def passes(self) -> list[Pass]:
        """End the search: return what belongs to this job, moving first."""
        job, s = self._job, self._s
        tracker = self._tracker
        moving = [t for t in tracker.finish() if self._ours(t) and tracker.is_pass(t)]
        found = [Pass.of_track(track, s) for track in moving]
        stood = [s for s in self._namer.sure() if job.first <= s.hits[0][0].number < job.stop]
        return found + [Pass.of_standing(one) for one in stood]

    def _ours(self, track: Track) -> bool:
        return self._job.first <= track.seen[0].number < self._job.stop

    def _warm(self) -> Iterator[RGB]:
        """Yield gate pictures spread over the job: key frames, or its first part where few."""
        job, s = self._job, self._s
        numbers = np.arange(job.first, job.stop)
        keys = numbers[self._index.is_key[job.first : job.stop]]
        width = s.gate_width_px
        if len(keys) >= s.warm_least_keys:
            pick = np.linspace(0, len(keys) - 1, min(s.warm_pictures, len(keys))).round()
            for key in keys[pick.astype(int)].tolist():
                for _, frame in media.decode(job.path, self._index, key, key + 1, fast=True):
                    yield gate_picture(frame, self._turn, width)[0]
            return
        ticks = int(s.warm_s / self._tick_s)
        stop = int(np.searchsorted(self._index.pts, self._index.pts[job.first] + ticks))
        stop = max(job.first + 1, min(stop, job.stop))
        every = max(1, (stop - job.first) // s.warm_pictures)
        run = media.decode(job.path, self._index, job.first, stop, fast=True)
        for n, (_, frame) in enumerate(run):
            if n % every == 0:
                yield gate_picture(frame, self._turn, width)[0]

    def _look(self, number: int, pts: int, t_s: float, frame: av.VideoFrame) -> None:
        if number >= self._job.stop and not self._tracker.live:
            return
        s = self._s
        firm = [t for t in self._tracker.live if len(t.seen) >= s.pass_least_looks]
        moving = [t for t in firm if t.last.number == number and self._tracker.is_going(t)]
        full = t_s >= (self._look_due_s if moving else self._idle_look_due_s)
        # Between whole looks only a thing nobody has named is worth one, a few times.
        new = [t for t in moving if not t.named and t_s >= t.look_due_s]
        if not full and not new:
            return
        picture = media.to_rgb(frame, self._turn)
        if full:
            self._namer.look(self._tracker, picture, number, pts, t_s)
            self._look_due_s, self._idle_look_due_s = t_s + s.look_s, t_s + s.idle_look_s
            moving = [t for t in moving if t in self._tracker.live]
        self._namer.look_closer(self._tracker, moving if full else new, picture, number, pts, t_s)

    def _keep_stills(self, number: int, frame: av.VideoFrame) -> None:
        luma = None
        for track in self._tracker.live:
            at = track.last
            if at.number != number:
                continue
            if luma is None:
                luma = media.to_luma(frame, self._turn)
            bucket = int(at.t_s / self._s.candidate_gap_s)
            still = rated(luma, at, self._s)
            best = track.stills.get(bucket)
            if best is None or still.legible > best.legible:
                track.stills[bucket] = still


def gate_picture(frame: av.VideoFrame, turn_deg: int, width_px: int) -> tuple[RGB, float]:
    """Return the gate's small RGB picture of a frame and the frame's pixels per pixel of it."""
    across = frame.width if turn_deg % 180 == 0 else frame.height
    scale = max(1.0, across / width_px)
    small = frame.reformat(
        width=round(frame.width / scale),
        height=round(frame.height / scale),
        format="rgb24",
        interpolation="FAST_BILINEAR",
    )
    return media.to_rgb(small, turn_deg), scale


def rated(luma: np.ndarray, at: Observation, settings: Settings) -> Still:
    """Return how good a frame is for a second look at a box: large, sharp, whole, alone.

    A plate hangs low: a vehicle that reaches out of the picture above may well show it.
    """
    height, width = luma.shape
    left, top = max(0, int(at.box.x)), max(0, int(at.box.y))
    right, bottom = int(at.box.x + at.box.w), int(at.box.y + at.box.h)
    crop = luma[top : max(top + 1, bottom), left : max(left + 1, right)]
    if min(crop.shape) < 4:
        return Still(at, 0.0)
    step = max(1, min(crop.shape) // 96)
    edges = cv2.Laplacian(np.ascontiguousarray(crop[::step, ::step]), cv2.CV_16S)
    sharp = float(edges.var())
    value = at.box.w * at.box.h * sharp / (sharp + settings.sharpness_half)
    value *= settings.shared_penalty if at.shared else 1.0
    cut = is_cut(at.box, width, height, settings)
    below = at.box.y + at.box.h > height - settings.cut_margin_px
    return Still(
        at,
        value * (settings.cut_penalty if cut else 1.0),
        value * (settings.cut_penalty if below else 1.0),
    )


def is_cut(box: Box, width: int, height: int, settings: Settings) -> bool:
    """Tell whether a box touches the border of a frame, so that part of the thing is outside."""
    m = settings.cut_margin_px
    return box.x < m or box.y < m or box.x + box.w > width - m or box.y + box.h > height - m


def seconds_of(jobs: Sequence[Job]) -> float:
    """Return the footage of all jobs, in seconds."""
    return sum(job.footage_s for job in jobs)
