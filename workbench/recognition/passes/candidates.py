"""First candidates of a job, from its key frames alone: minutes before the search itself is done.

A candidate is provisional: boxes at key frames, linked by where a thing of that size may have got
to in between. No plate is read, no face is looked for, and the search replaces all of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from workbench import optics
from workbench.later import later
from workbench.recognition.passes.detect import spread
from workbench.recognition.passes.naming import verdict, without_riders
from workbench.recognition.passes.rows import Pass, to_table
from workbench.recognition.passes.sweep import KeyView, survey
from workbench.recognition.passes.track import Observation, overlap_share
from workbench.recognition.runs.engine import Job, index_of, row_ref
from workbench.recognition.settings import Settings
from workbench.recognition.types import Detection, Models
from workbench.records import Box

optimize = later("scipy.optimize")

_OTHER_COLOURS = 10.0

SWEPT = "+key-frames"
"""End of the ``model_ref`` of candidates: no row of a search has it."""


@dataclass(slots=True)
class _Trail:
    """One candidate: where it was on key frames, and what it was called there."""

    seen: list[Observation]
    colours: NDArray[np.float32] = field(repr=False)
    named: list[tuple[str, float]] = field(default_factory=list)

    def at(self, t_s: float) -> tuple[float, float]:
        """Return where its middle is expected: straight on, where a way is known."""
        x, y = _middle(self.seen[-1].box)
        if len(self.seen) < 2:
            return x, y
        before, last = self.seen[-2:]
        part = (t_s - last.t_s) / max(last.t_s - before.t_s, 1e-6)
        x0, y0 = _middle(before.box)
        return x + part * (x - x0), y + part * (y - y0)


def sweep_job(job: Job, models: Models) -> pa.Table:
    """Return the candidates of a job as rows of SIGHTINGS, sorted by time.

    Costs a fifth of decoding the job. A file with few key frames has none: it waits its turn.
    Their ``model_ref`` ends with :data:`SWEPT`; show them until the rows of :func:`run_job` are
    there, then drop them all. Never store them beside those.

    Raises
    ------
    BadInput
        When the file cannot be opened.
    """
    cv2.setNumThreads(1)
    s = job.settings
    index = index_of(job.path)
    units = survey(job.path, index, job.segment, s, job.first, job.stop, glances=True)
    trails: list[_Trail] = []
    live: list[_Trail] = []
    for view in [unit.view for unit in units if unit.view is not None]:
        t_s = (view.pts - job.segment.first_pts) * float(job.segment.tick_s)
        things = _things(view, models, job) if view.boxes else []
        live = _link(live, things, view, t_s, job.segment.width_px, s)
        trails += [one for one in live if len(one.seen) == 1]
    found = [_as_pass(one, job) for one in trails]
    ref = row_ref(models.ref, s) + SWEPT
    return to_table(found, job.segment, job.camera, job.fixes, ref)


def _things(view: KeyView, models: Models, job: Job) -> list[tuple[Box, str, float]]:
    """Return what differs on a key frame: as the detector draws it where it knows it."""
    known: list[Detection] = []
    if view.glance is not None:
        size = job.segment.width_px, job.segment.height_px
        known = without_riders(spread(models.detect(view.glance), *size))
    things = [
        (one.box, one.kind, one.score)
        for one in known
        if any(overlap_share(one.box, box) > 0.5 for box in view.boxes)
    ]
    for box in view.boxes:
        if not any(
            overlap_share(box, one) > 0.4 or overlap_share(one, box) > 0.7 for one, _, _ in things
        ):
            things.append((box, "unknown", 0.0))
    return things


def _link(
    live: Sequence[_Trail],
    things: Sequence[tuple[Box, str, float]],
    view: KeyView,
    t_s: float,
    width_px: int,
    s: Settings,
) -> list[_Trail]:
    """Give each thing to the candidate it may go on from; return those seen on this key frame."""
    owner: dict[int, _Trail] = {}
    colours = [_colours(view, box, width_px) for box, _, _ in things]
    if live and things:
        far = np.array(
            [
                [_distance(one, a, b, t_s) for a, b in zip(things, colours, strict=True)]
                for one in live
            ]
        )
        pairs = optimize.linear_sum_assignment(np.minimum(far, s.sweep_reach_sizes))
        for i, j in zip(*pairs, strict=True):
            if far[i, j] < s.sweep_reach_sizes:
                owner[int(j)] = live[int(i)]
    seen = []
    for j, (box, kind, score) in enumerate(things):
        at = Observation(view.number, view.pts, t_s, box)
        trail = owner.get(j)
        if trail is None:
            trail = _Trail([at], colours[j])
        else:
            trail.seen.append(at)
            trail.colours = colours[j]
        if kind != "unknown":
            trail.named.append((kind, score))
        seen.append(trail)
    return seen


def _colours(view: KeyView, box: Box, width_px: int) -> NDArray[np.float32]:
    """Return what colours a thing has, as shares of 64; its edge is left out."""
    scale = width_px / view.picture.shape[1]
    x, y, w, h = (v / scale for v in (box.x, box.y, box.w, box.h))
    left, top = max(0, int(x + 0.15 * w)), max(0, int(y + 0.1 * h))
    part = view.picture[
        top : max(top + 1, int(y + 0.9 * h)), left : max(left + 1, int(x + 0.85 * w))
    ]
    bins = (part >> 6).reshape(-1, 3).astype(np.int64) @ (16, 4, 1)
    shares = np.bincount(bins, minlength=64) / max(1, len(bins))
    return shares.astype(np.float32)


def _distance(
    one: _Trail, thing: tuple[Box, str, float], colours: NDArray[np.float32], t_s: float
) -> float:
    """Return how far a thing is from where a candidate is expected, in its sizes.

    Other colours, another size and another name count as further away.
    """
    last, (box, kind, _) = one.seen[-1].box, thing
    size = float(np.sqrt(max(last.w * last.h, box.w * box.h)))
    (x, y), (x1, y1) = one.at(t_s), _middle(box)
    other = bool(one.named) and kind not in ("unknown", one.named[-1][0])
    unlike = 1 - float(np.minimum(one.colours, colours).sum())
    growth = abs(float(np.log(box.w * box.h / max(last.w * last.h, 1e-9))))
    return float(np.hypot(x1 - x, y1 - y)) / size + growth + 2.0 * other + _OTHER_COLOURS * unlike


def _as_pass(one: _Trail, job: Job) -> Pass:
    kind, score = verdict(one.named, job.settings)
    best = max(one.seen, key=lambda at: (at.box.w * at.box.h, -at.number))
    first = one.seen[0].box
    # what is on one key frame alone came and went
    moving = len(one.seen) == 1 or min(optics.iou(first, at.box) for at in one.seen[1:]) < 0.5
    return Pass(list(one.seen), [], kind, score, moving, kind == "person", best)


def _middle(box: Box) -> tuple[float, float]:
    return box.x + box.w / 2, box.y + box.h / 2
