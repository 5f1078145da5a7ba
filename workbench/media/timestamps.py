"""Pure: settle the presentation times of a file's packets, and what a frame index shows by them.

A recorder restarts, a cheap muxer writes a time twice, a raw stream has none at all. The rules
here give every packet one PTS of its own, in the order in which pictures are shown, and say in
words what was done. Times that are sound are passed through untouched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from workbench.records import FrameIndex


@dataclass(frozen=True, slots=True, eq=False)
class Packets:
    """One entry a packet, in file order; ``pts`` in ticks, None where the file has none.

    ``shown`` is False for packets that an edit list hides (they may be needed for decoding);
    ``corrupt`` counts those that the container itself calls damaged.
    """

    pts: Sequence[int | None]
    dts: Sequence[int | None]
    is_key: NDArray[np.bool_]
    shown: NDArray[np.bool_]
    corrupt: int = 0

    def __len__(self) -> int:
        return len(self.pts)


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """Settled times, in file order, all different.

    ``ours`` is True where any of them is not the file's own, ``counted`` where they are numbers of
    frames rather than ticks.
    """

    pts: NDArray[np.int64]
    ours: bool
    counted: bool
    notes: tuple[str, ...]


def settle(packets: Packets, rank: NDArray[np.int64] | None, tick_s: Fraction) -> Settled:
    """Return times for all packets.

    Parameters
    ----------
    packets
        As read from the file.
    rank
        Position of each packet in display order; needed where a PTS is missing.
    tick_s
        Seconds a tick, to tell a restart of the clock from jitter.
    """
    if any(p is None for p in packets.pts):
        if rank is None:
            raise ValueError("a rank is needed where PTS are missing")
        return _from_rank(packets, rank)
    pts = np.array(packets.pts, np.int64)
    pts, restarts = _join_restarts(pts, packets, tick_s)
    pts, doubled = _part_doubles(pts)
    notes = []
    if restarts:
        notes.append(
            f"the clock of the file jumps back {restarts} time(s); "
            "what follows a jump is placed directly after what was before it"
        )
    if doubled:
        notes.append(f"{doubled} frame(s) had the time of another; moved on by a tick each")
    return Settled(pts, ours=bool(notes), counted=False, notes=tuple(notes))


def _from_rank(packets: Packets, rank: NDArray[np.int64]) -> Settled:
    dts = np.array([d for d in packets.dts if d is not None], np.int64)
    if len(dts) == len(packets) and bool((np.diff(dts) > 0).all()):
        # The n-th picture shown takes the n-th decoding time: right but for a constant delay.
        note = "frames without presentation times: taken from the decoding times"
        return Settled(dts[rank], ours=True, counted=False, notes=(note,))
    return Settled(rank.astype(np.int64), ours=True, counted=True, notes=())


def _join_restarts(
    pts: NDArray[np.int64], packets: Packets, tick_s: Fraction
) -> tuple[NDArray[np.int64], int]:
    clock = np.array(
        [p if d is None else d for p, d in zip(packets.pts, packets.dts, strict=True)], np.int64
    )
    step = np.diff(clock)
    # A decoding time never falls in a sound file. At a key frame any fall is a new recording; in
    # between only a large one is, lest a muxer's rounding be taken for a restart.
    starts = 1 + np.flatnonzero((step < 0) & (packets.is_key[1:] | (step * tick_s < -1)))
    if not len(starts):
        return pts, 0
    pts = pts.copy()
    interval = typical_interval(pts[: starts[0]])
    end = int(pts[: starts[0]].max()) + interval
    for start, stop in zip(starts, [*starts[1:], len(pts)], strict=True):
        piece = pts[start:stop]
        piece += end - int(piece.min())
        end = int(piece.max()) + interval
    return pts, len(starts)


def _part_doubles(pts: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    order = np.argsort(pts, kind="stable")
    sorted_pts = pts[order]
    doubled = int((np.diff(sorted_pts) == 0).sum())
    if not doubled:
        return pts, 0
    # Least change that makes them strictly increasing: p[i] >= p[i-1] + 1.
    count = np.arange(len(pts))
    parted = np.empty_like(pts)
    parted[order] = np.maximum.accumulate(sorted_pts - count) + count
    return parted, doubled


def typical_interval(pts: NDArray[np.int64]) -> int:
    """Return the median ticks between frames in display order, at least 1.

    >>> typical_interval(np.array([0, 10, 20, 90]))
    10
    """
    if len(pts) < 2:
        return 1
    return max(1, int(np.median(np.diff(np.sort(pts)))))


def missing_after(index: FrameIndex, tick_s: Fraction) -> NDArray[np.int64]:
    """Return the frames after which nothing was recorded for 2 s and 5 usual intervals or more."""
    if len(index) < 3:
        return np.empty(0, np.int64)
    least = max(float(2 / tick_s), 5.0 * typical_interval(index.pts))
    return np.flatnonzero(np.diff(index.pts) > least)


def gop_runs(index: FrameIndex, at_most: int) -> list[tuple[int, int]]:
    """Return ranges ``(first, stop)`` of whole GOPs that cover the index in order.

    Each starts on a key frame (the first one with the index) and holds at most `at_most` frames,
    unless one GOP alone is longer.

    >>> gop_runs(FrameIndex(np.arange(7), np.array([1, 0, 1, 0, 1, 0, 0], bool)), 4)
    [(0, 4), (4, 7)]
    """
    if not len(index):
        return []
    starts = sorted({0, *np.flatnonzero(index.is_key).tolist()})
    runs: list[tuple[int, int]] = []
    for first, stop in zip(starts, [*starts[1:], len(index)], strict=True):
        if runs and stop - runs[-1][0] <= at_most:
            runs[-1] = (runs[-1][0], stop)
        else:
            runs.append((first, stop))
    return runs
