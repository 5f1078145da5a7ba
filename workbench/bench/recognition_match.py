"""Compare what was found with what was there: passes, identities, claims. Pure; numbers only.

A trail is one thing's boxes by frame number, true or found. Passes are paired one to one; IDF1 is
that of Ristani et al. (2016), with what the truth marks as not to be scored left out beforehand, as
MOTChallenge does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

Boxes = NDArray[np.float64]
"""One row a box: x, y, w, h in px."""

_INSIDE_LEAST = 0.5
_COMMON_LEAST = 2
_Z95 = 1.959964


@dataclass(frozen=True, slots=True, eq=False)
class Trail:
    """One thing's way: ascending frame numbers, its box on each, and whether that box counts.

    ``scored`` is False where a thing is there and nobody can ask for it: nearly hidden, cut by the
    border, very small.
    """

    name: str
    frames: NDArray[np.int64]
    boxes: Boxes
    scored: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    kind: str = ""

    def __post_init__(self) -> None:
        if not len(self.scored) and len(self.frames):
            object.__setattr__(self, "scored", np.ones(len(self.frames), bool))

    @property
    def counts(self) -> bool:
        """Whether any of it is to be scored."""
        return bool(self.scored.any())

    def shift_sizes(self) -> float:
        """Return how far its middle gets from where it began, in its own (median) sizes."""
        middles = self.boxes[:, :2] + self.boxes[:, 2:] / 2
        size = float(np.median(np.sqrt(self.boxes[:, 2] * self.boxes[:, 3])))
        return float(np.linalg.norm(middles - middles[0], axis=1).max()) / max(size, 1e-9)


def overlaps(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Return intersection over union of each box of `a` with each of `b`.

    >>> overlaps(np.array([[0.0, 0, 2, 2]]), np.array([[1.0, 0, 2, 2], [5, 5, 1, 1]])).round(2)
    array([[0.33, 0.  ]])
    """
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)
    whole = (a[:, 2] * a[:, 3])[:, None] + (b[:, 2] * b[:, 3])[None] - shared
    return np.asarray(shared / np.maximum(whole, 1e-9))


def filled(trail: Trail, most_gap: int) -> Trail:
    """Return a trail with a box on every frame: straight lines across gaps of at most `most_gap`.

    >>> way = Trail("a", np.array([2, 4, 40]), np.array([[0.0, 0, 4, 4], [4, 0, 4, 4], [9, 0, 4, 4]]))
    >>> filled(way, 5).frames.tolist(), filled(way, 5).boxes[1].tolist()
    ([2, 3, 4, 40], [2.0, 0.0, 4.0, 4.0])
    """  # noqa: E501 - one line a statement
    if len(trail.frames) < 2:
        return trail
    every = np.arange(trail.frames[0], trail.frames[-1] + 1)
    at = np.searchsorted(trail.frames, every)
    gap = trail.frames[at] - trail.frames[np.maximum(at - 1, 0)]
    known = trail.frames[at] == every
    kept = every[known | (gap <= most_gap)]
    boxes = np.column_stack([np.interp(kept, trail.frames, trail.boxes[:, k]) for k in range(4)])
    nearest = np.clip(np.searchsorted(trail.frames, kept), 0, len(trail.frames) - 1)
    return Trail(trail.name, kept, boxes, trail.scored[nearest], trail.kind)


def box_at(trail: Trail, frame: int) -> NDArray[np.float64] | None:
    """Return a trail's box on a frame, on the line between its neighbours; None outside it."""
    if not len(trail.frames) or not trail.frames[0] <= frame <= trail.frames[-1]:
        return None
    return np.array([np.interp(frame, trail.frames, trail.boxes[:, k]) for k in range(4)])


def agreement(
    truth: Sequence[Trail], found: Sequence[Trail], *, least_iou: float = 0.3
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ``(agreeing, common)``: frames of each pair that overlap enough, and that both have.

    Asked on the frames of `found`; the boxes of `truth` are taken between their neighbours there.
    """
    agreeing = np.zeros((len(truth), len(found)), np.int64)
    common = np.zeros_like(agreeing)
    for i, true in enumerate(truth):
        for j, one in enumerate(found):
            inside = (one.frames >= true.frames[0]) & (one.frames <= true.frames[-1])
            if not inside.any():
                continue
            at = one.frames[inside]
            boxes = np.column_stack(
                [np.interp(at, true.frames, true.boxes[:, k]) for k in range(4)]
            )
            common[i, j] = len(at)
            agreeing[i, j] = int((_row_overlaps(boxes, one.boxes[inside]) >= least_iou).sum())
    return agreeing, common


def _shared(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    low = np.maximum(a[:, :2], b[:, :2])
    high = np.minimum(a[:, :2] + a[:, 2:], b[:, :2] + b[:, 2:])
    return np.asarray(np.clip(high - low, 0, None).prod(-1))


def _row_overlaps(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    shared = _shared(a, b)
    whole = a[:, 2:].prod(-1) + b[:, 2:].prod(-1) - shared
    return np.asarray(shared / np.maximum(whole, 1e-9))


def paired(
    truth: Sequence[Trail],
    found: Sequence[Trail],
    *,
    least_iou: float = 0.3,
    least_share: float = 0.5,
) -> list[int | None]:
    """Return, for each true pass, which found one is it; each found pass is at most one true one.

    They are one when they have at least two frames in common and overlap by `least_iou` on at least
    `least_share` of these. Of all ways to pair them the one with most agreeing frames counts.
    """
    if not truth or not found:
        return [None] * len(truth)
    agreeing, common = agreement(truth, found, least_iou=least_iou)
    may = (agreeing >= _COMMON_LEAST) & (agreeing >= least_share * common)
    # A pair more counts more than any number of frames: the longest could else take two apart.
    worth = np.where(may, agreeing + 1e6, 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    result: list[int | None] = [None] * len(truth)
    for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
        if may[row, column]:
            result[row] = column
    return result


def touches_some(
    truth: Sequence[Trail], one: Trail, *, least_iou: float = 0.1, least_share: float = 0.5
) -> bool:
    """Tell whether a found trail lies on true things for most of its frames, whichever they are.

    It lies on one where they overlap by `least_iou`, or where half of its box is inside: a wheel is
    a piece of its motorcycle, however small.

    >>> frames = np.arange(3)
    >>> bus = Trail("bus", frames, np.array([[0.0, 0, 100, 100]] * 3))
    >>> touches_some([bus], Trail("lamp", frames, np.array([[5.0, 5, 6, 6]] * 3)))
    True
    >>> touches_some([bus], Trail("leaf", frames, np.array([[97.0, 5, 20, 20]] * 3)))
    False
    """
    if not truth:
        return False
    lies = np.zeros(len(one.frames), bool)
    for true in truth:
        inside = (one.frames >= true.frames[0]) & (one.frames <= true.frames[-1])
        at = one.frames[inside]
        if len(at):
            boxes = np.column_stack(
                [np.interp(at, true.frames, true.boxes[:, k]) for k in range(4)]
            )
            own = one.boxes[inside]
            lies[inside] |= _row_overlaps(boxes, own) >= least_iou
            lies[inside] |= _shared(boxes, own) >= _INSIDE_LEAST * own[:, 2:].prod(-1)
    return bool(lies.mean() >= least_share)


@dataclass(frozen=True, slots=True)
class Identity:
    """Boxes under the right identity (``idtp``), found beyond (``idfp``), not found (``idfn``)."""

    idtp: int
    idfp: int
    idfn: int

    @property
    def idf1(self) -> float:
        """Return ``2 IDTP / (2 IDTP + IDFP + IDFN)``, NaN where there is nothing."""
        whole = 2 * self.idtp + self.idfp + self.idfn
        return 2 * self.idtp / whole if whole else math.nan

    @property
    def precision(self) -> float:
        """Return the share of found boxes that are of the right identity."""
        return self.idtp / (self.idtp + self.idfp) if self.idtp + self.idfp else math.nan

    @property
    def recall(self) -> float:
        """Return the share of true boxes found under the right identity."""
        return self.idtp / (self.idtp + self.idfn) if self.idtp + self.idfn else math.nan

    def __add__(self, other: Identity) -> Identity:
        return Identity(self.idtp + other.idtp, self.idfp + other.idfp, self.idfn + other.idfn)


def identity(truth: Sequence[Trail], found: Sequence[Trail], *, least_iou: float = 0.5) -> Identity:
    """Return IDTP, IDFP and IDFN of found trails against true ones, box by box.

    A found box that on its frame is best explained by a true one that is not scored is left out.
    """
    meets = np.zeros((len(truth), len(found)), np.int64)
    true_boxes = sum(int(one.scored.sum()) for one in truth)
    found_boxes = 0
    true_at, found_at = _by_frame(truth), _by_frame(found)
    for frame, here in found_at.items():
        who = np.array([j for j, _ in here])
        boxes = np.array([found[j].boxes[k] for j, k in here])
        there = true_at.get(frame, [])
        if not there:
            found_boxes += len(here)
            continue
        iou = overlaps(np.array([truth[i].boxes[k] for i, k in there]), boxes)
        scored = np.array([truth[i].scored[k] for i, k in there])
        ids = np.array([i for i, _ in there])
        enough = iou >= least_iou
        rows, columns = linear_sum_assignment(np.where(enough, iou, 0.0), maximize=True)
        dropped = [c for r, c in zip(rows, columns, strict=True) if enough[r, c] and not scored[r]]
        kept = np.setdiff1d(np.arange(len(here)), dropped)
        found_boxes += len(kept)
        for r in np.flatnonzero(scored):
            hit = kept[enough[r, kept]]
            meets[ids[r], who[hit]] += 1
    rows, columns = linear_sum_assignment(meets, maximize=True)
    idtp = int(meets[rows, columns].sum())
    return Identity(idtp, found_boxes - idtp, true_boxes - idtp)


def _by_frame(trails: Sequence[Trail]) -> dict[int, list[tuple[int, int]]]:
    """Return ``(trail, row)`` of every box by frame."""
    at: dict[int, list[tuple[int, int]]] = {}
    for n, trail in enumerate(trails):
        for k, frame in enumerate(trail.frames.tolist()):
            at.setdefault(frame, []).append((n, k))
    return at


def wilson(hits: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share.

    >>> [round(v, 3) for v in wilson(196, 200)]
    [0.95, 0.992]
    >>> wilson(0, 0)
    (0.0, 1.0)
    """
    if not count:
        return 0.0, 1.0
    share, z2 = hits / count, _Z95**2
    centre = (share + z2 / (2 * count)) / (1 + z2 / count)
    half = _Z95 / (1 + z2 / count) * math.sqrt(share * (1 - share) / count + z2 / (4 * count**2))
    return max(0.0, centre - half), min(1.0, centre + half)


def share(hits: int, count: int) -> dict[str, object]:
    """Return a share with what it is of and its 95 % interval, ready to be written down.

    >>> share(9, 10)
    {'share': 0.9, 'of': 10, '95 %': [0.596, 0.982]}
    """
    low, high = wilson(hits, count)
    return {
        "share": round(hits / count, 4) if count else None,
        "of": count,
        "95 %": [round(low, 3), round(high, 3)],
    }


def reliability(
    claimed: Sequence[float],
    right: Sequence[bool],
    edges: Sequence[float] = (0.0, 0.5, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0),
) -> list[dict[str, object]]:
    """Return what was claimed against what was right, in steps of the claim; empty steps left out.

    >>> reliability([0.96, 0.97, 0.2], [True, False, False])[-1]["right"]["share"]
    0.5
    """
    p, ok = np.asarray(claimed, float), np.asarray(right, bool)
    rows: list[dict[str, object]] = []
    for low, high in pairwise(edges):
        inside = (p >= low) & ((p < high) if high < 1 else (p <= high))
        if inside.any():
            rows.append(
                {
                    "claimed from": low,
                    "to": high,
                    "mean claim": round(float(p[inside].mean()), 4),
                    "right": share(int(ok[inside].sum()), int(inside.sum())),
                }
            )
    return rows
