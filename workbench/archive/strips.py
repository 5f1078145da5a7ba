"""Which frame of a camera shows an instant: the frames of a span on the corrected clock. Pure.

A frame is shown from its own instant until the next one's: the frame of an instant is the last one
not after it, as a player presents it. It is never held longer than its file says: where no frame
came for longer (:func:`workbench.media.missing_after`), and behind the last frame of a file, there
is a gap, and a gap has no picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from workbench import media
from workbench.archive.access import stamped_ns, utc_ns
from workbench.records import FrameIndex, Segment
from workbench.timeline import SECOND_NS, ClockFix, Span

Times = NDArray[np.int64]

GAP = -1
"""Stands for the number of a frame where there is none."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Frames of a strip, from number `first` on, that follow each other in one file.

    ``sigma_ns`` is one standard deviation of their instants.
    """

    first: int
    segment: Segment
    sigma_ns: int


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """One camera's frames in a span of corrected UTC.

    Attributes
    ----------
    utc_ns, pts
        Instant and PTS of each frame, int64 ``(n,)``; instants increase strictly. The first may
        lie before the span: it is the one shown when the span begins.
    stretches
        Where each file begins, in order.
    gaps
        What is not recorded inside the span: exactly the instants that no frame shows.
    step_ns
        The usual distance of frames, 0 where there are fewer than two.
    """

    camera_id: str
    span: Span
    utc_ns: Times
    pts: Times
    stretches: tuple[Stretch, ...]
    gaps: tuple[Span, ...]
    step_ns: int

    def shown(self, at_ns: Times) -> Times:
        """Return the number of the frame that shows each instant, :data:`GAP` where none does.

        Parameters
        ----------
        at_ns
            Instants of corrected UTC, int64 ``(m,)``; outside the span no frame shows any.
        """
        number = np.searchsorted(self.utc_ns, at_ns, side="right") - 1
        none = (at_ns < self.span.start_ns) | (at_ns >= self.span.stop_ns) | (number < 0)
        for gap in self.gaps:
            none |= (at_ns >= gap.start_ns) & (at_ns < gap.stop_ns)
        found: Times = np.where(none, GAP, number).astype(np.int64)
        return found

    def at(self, at_ns: int) -> int:
        """Return the number of the frame that shows one instant, :data:`GAP` where none does."""
        return int(self.shown(np.array([at_ns], np.int64))[0])

    def residual_ns(self, at_ns: int) -> int | None:
        """Return how far the picture is from an instant: its own minus it, never after it.

        None in a gap.
        """
        number = self.at(at_ns)
        return None if number == GAP else int(self.utc_ns[number]) - at_ns

    def step(self, at_ns: int, frames: int) -> int:
        """Return the instant that is `frames` frames on (or, negative, back), inside the span.

        From inside a gap the first step leads to the frame at its edge.
        """
        if not len(self.utc_ns):
            return at_ns
        number = int(np.searchsorted(self.utc_ns, at_ns, side="right")) - 1
        if frames < 0 and self.at(at_ns) == GAP:
            number += 1
        number = min(max(number + frames, 0), len(self.utc_ns) - 1)
        return max(self.span.start_ns, int(self.utc_ns[number]))

    def stretch(self, number: int) -> Stretch:
        """Return the stretch a frame belongs to."""
        return next(one for one in reversed(self.stretches) if one.first <= number)


def strip(
    camera_id: str,
    recorded: Iterable[tuple[Segment, FrameIndex]],
    fixes: Sequence[ClockFix],
    span: Span,
    *,
    within: Span | None = None,
) -> Strip:
    """Return a camera's frames in a span, from its files in the order they were recorded.

    Parameters
    ----------
    recorded
        Each file with its frame index; those that meet the span are enough.
    fixes
        What is known of the camera's clock, oldest first.
    within
        Frames outside it do not exist, not even as what is shown when the span begins.

    Notes
    -----
    Where files overlap, or a fix sets the clock back, the earlier frame stays, as in
    :func:`workbench.archive.frames`. A seam between two files, or two fixes, that is no longer than
    the usual distance of frames is none.
    """
    pieces: list[tuple[Segment, Times, Times, Times, Times, Times]] = []
    latest_ns = int(np.iinfo(np.int64).min)
    usual: list[int] = []
    for segment, index in recorded:
        if not len(index):
            continue
        utc, sigma = utc_ns(segment, index.pts, fixes)
        hold, step = _held(segment, index)
        before = np.maximum.accumulate(np.concatenate(([latest_ns], utc[:-1])))
        keep = utc > before
        if within is not None:
            keep &= (utc >= within.start_ns) & (utc < within.stop_ns)
        keep &= (utc < span.stop_ns) & (utc + hold + step > span.start_ns)
        latest_ns = max(latest_ns, int(utc.max()))
        number = np.flatnonzero(keep)
        if len(number):
            usual.append(step)
            pieces.append(
                (segment, number, utc[keep], index.pts[keep], sigma[keep], utc[keep] + hold[keep])
            )
    step_ns = int(np.median(usual)) if usual else 0
    joined = _joined(pieces)
    utc, until = joined[0], joined[2]
    close = np.diff(utc, append=span.stop_ns) - (until - utc) <= step_ns
    until[:-1] = np.where(close[:-1], utc[1:], until[:-1])
    # of the frames before the span only the one that it begins with
    first = max(0, int(np.searchsorted(utc, span.start_ns, side="right")) - 1)
    if first < len(utc) and until[first] <= span.start_ns:
        first += 1
    return Strip(
        camera_id,
        span,
        utc[first:],
        joined[1][first:],
        _stretches(pieces, first),
        _gaps(utc[first:], until[first:], span),
        step_ns,
    )


def _held(segment: Segment, index: FrameIndex) -> tuple[Times, int]:
    """Return how long each frame of a file is shown, ns, and the usual distance of frames."""
    interval = media.typical_interval(index.pts)
    ends = np.append(index.pts[1:], max(segment.stop_pts, int(index.pts[-1]) + 1))
    holes = media.missing_after(index, segment.tick_s)
    ends[holes] = index.pts[holes] + interval
    hold: Times = stamped_ns(segment, ends) - stamped_ns(segment, index.pts)
    step_ns = int(interval * segment.tick_s * SECOND_NS)
    return hold, step_ns


def _joined(
    pieces: Sequence[tuple[Segment, Times, Times, Times, Times, Times]],
) -> tuple[Times, Times, Times]:
    """Return instant, PTS and end of all frames."""
    none = np.empty(0, np.int64)
    utc, pts, until = (np.concatenate([none, *(one[at] for one in pieces)]) for at in (2, 3, 5))
    return utc, pts, until


def _stretches(
    pieces: Sequence[tuple[Segment, Times, Times, Times, Times, Times]], first: int
) -> tuple[Stretch, ...]:
    found: list[Stretch] = []
    total = 0
    for segment, number, _utc, _pts, sigma, _until in pieces:
        new = (np.diff(number, prepend=number[0] - 2) != 1) | (
            np.diff(sigma, prepend=sigma[0] - 1) != 0
        )
        found += [Stretch(total + int(at), segment, int(sigma[at])) for at in np.flatnonzero(new)]
        total += len(number)
    # what began before the first frame kept begins with it
    kept = [one for one in found if one.first > first]
    opening = [one for one in found if one.first <= first][-1:] if total > first else []
    return tuple(
        Stretch(max(0, one.first - first), one.segment, one.sigma_ns) for one in [*opening, *kept]
    )


def _gaps(utc: Times, until: Times, span: Span) -> tuple[Span, ...]:
    starts = np.concatenate(([span.start_ns], until))
    stops = np.concatenate((utc, [span.stop_ns]))
    open_ = stops > starts
    return tuple(
        Span(max(start, span.start_ns), min(stop, span.stop_ns))
        for start, stop in zip(starts[open_].tolist(), stops[open_].tolist(), strict=True)
        if max(start, span.start_ns) < min(stop, span.stop_ns)
    )
