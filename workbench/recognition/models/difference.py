"""What two sets of models say of the same footage: passes gained and lost, names, plates. Pure.

Rows come in, places and counts go out: no plate's text, for nobody has named a case.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from workbench.later import later

optimize = later("scipy.optimize")

Kind = Literal["gained", "lost", "named", "plate read", "plate lost", "plate changed", "faces"]

_SAME_LEAST = 0.3
"""Intersection over union, on average over what both saw, from which two rows are one pass."""
_BOTH_LEAST = 0.5
"""Of the shorter pass, so much must lie within the longer one in time."""
_LOOKS = 8


@dataclass(frozen=True, slots=True)
class RowChange:
    """One pass that would be another; ``before`` and ``after`` are kinds or counts, never plates.

    ``camera_id``, ``segment_sha256`` and ``pts`` say where to look, inside a case.
    """

    what: Kind
    camera_id: str
    segment_sha256: str
    pts: int
    before: str
    after: str


def row_changes(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> list[RowChange]:
    """Return what changes from one set of rows of a stretch of footage to another.

    Parameters
    ----------
    before, after
        Rows of SIGHTINGS of one file.
    """
    pairs = paired(before, after)
    taken = {n for n, _ in pairs}, {n for _, n in pairs}
    found = [
        _change("lost", row, row["kind"], "") for n, row in enumerate(before) if n not in taken[0]
    ]
    found += [
        _change("gained", row, "", row["kind"]) for n, row in enumerate(after) if n not in taken[1]
    ]
    for old, new in pairs:
        found += _of_pair(before[old], after[new])
    return sorted(found, key=lambda one: (one.pts, one.what))


def paired(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> list[tuple[int, int]]:
    """Return which rows are one pass, each at most once."""
    if not before or not after:
        return []
    worth = np.array([[_alike(old, new) for new in after] for old in before])
    return [
        (int(a), int(b))
        for a, b in zip(*optimize.linear_sum_assignment(-worth), strict=True)
        if worth[a, b] >= _SAME_LEAST
    ]


def _of_pair(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[RowChange]:
    if old["kind"] != new["kind"]:
        yield _change("named", new, old["kind"], new["kind"])
    if old["plate"] != new["plate"]:
        what: Kind = "plate changed"
        if not old["plate"] or not new["plate"]:
            what = "plate read" if new["plate"] else "plate lost"
        yield _change(what, new, "", "")
    if old["face_count"] != new["face_count"]:
        yield _change("faces", new, str(old["face_count"]), str(new["face_count"]))


def _change(what: Kind, row: Mapping[str, Any], before: str, after: str) -> RowChange:
    return RowChange(what, row["camera_id"], row["segment_sha256"], int(row["pts"]), before, after)


def _alike(old: Mapping[str, Any], new: Mapping[str, Any]) -> float:
    """Return the mean overlap of two passes over the time both were there; 0 where too short."""
    first = max(old["first_pts"], new["first_pts"])
    last = min(old["last_pts"], new["last_pts"])
    shorter = min(row["last_pts"] - row["first_pts"] for row in (old, new))
    if last < first or last - first < _BOTH_LEAST * shorter:
        return 0.0
    at = np.linspace(first, last, _LOOKS)
    return float(
        np.mean([_overlap(a, b) for a, b in zip(_way(old, at), _way(new, at), strict=True)])
    )


def _way(row: Mapping[str, Any], at: NDArray[np.float64]) -> NDArray[np.float64]:
    pts = np.asarray(row["track_pts"], float)
    boxes = np.reshape(np.asarray(row["track_box"], float), (-1, 4))
    if not len(pts):
        pts, boxes = np.array([row["pts"]], float), np.array([[row[f"box_{s}"] for s in "xywh"]])
    return np.stack([np.interp(at, pts, boxes[:, side]) for side in range(4)], axis=1)


def _overlap(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    (ax, ay, aw, ah), (bx, by, bw, bh) = a, b
    wide, high = min(ax + aw, bx + bw) - max(ax, bx), min(ay + ah, by + bh) - max(ay, by)
    shared = max(0.0, wide) * max(0.0, high)
    return float(shared / max(aw * ah + bw * bh - shared, 1e-9))
