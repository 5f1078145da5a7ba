"""Moments of cameras without calibration that look like the beginning of a collision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.collisions.onset import VEHICLES, BoxTrack, onsets
from workbench.records import Purpose, Wording
from workbench.timeline import SECOND_NS, Span

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

_BESIDE_NS = 10 * SECOND_NS
"""Passes so long before and after are read, too: who stands after a moment must be seen to."""
_READ = ["sighting_id", "kind", "first_pts", "last_pts", "first_utc", "last_utc", "track_pts",
         "track_box"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class SeenOnset:
    """A moment (UTC) on a camera, with its score, which is no probability, and its reason."""

    camera_id: str
    at_ns: int
    score: float
    words: Wording


@dataclass(frozen=True, slots=True)
class Onsets:
    """Moments, the likeliest first, and among how many passes they were looked for."""

    moments: tuple[SeenOnset, ...]
    cameras: tuple[str, ...]
    passes: int


def find_onsets(house: Workbench, cameras: Sequence[str], span: Span, purpose: Purpose) -> Onsets:
    """Look among the boxes of passes for moments at which two vehicles may have collided.

    Nothing is decoded and no calibration is needed. What recognition did not see is not found.

    Raises
    ------
    Refused
        Outside the case's bounds.
    """
    _, _, bounds = house._authorise(purpose, "conflicts", cameras=cameras, span=span)
    wide = Span(bounds.start_ns - _BESIDE_NS, bounds.stop_ns + _BESIDE_NS)
    found: list[SeenOnset] = []
    passes = 0
    for camera_id in cameras:
        table = house._store.sightings(cameras=(camera_id,), span=wide, columns=_READ)
        rows = [one for one in table.to_pylist() if one["kind"] in VEHICLES and one["track_pts"]]
        passes += len(rows)
        for one in onsets([box_track_of(row, bounds.start_ns) for row in rows]):
            at_ns = bounds.start_ns + round(one.at_s * SECOND_NS)
            if at_ns in bounds:
                found.append(SeenOnset(camera_id, at_ns, one.score, one.words))
    found.sort(key=lambda one: -one.score)
    house._log(
        "onset", ",".join(cameras), purpose,
        details={"from_ns": bounds.start_ns, "to_ns": bounds.stop_ns, "passes": passes,
                 "found": len(found)},
    )  # fmt: skip
    return Onsets(tuple(found), tuple(cameras), passes)


def box_track_of(row: dict[str, Any], origin_ns: int) -> BoxTrack:
    """Return the boxes of a row of sightings, in px, at seconds since an instant."""
    pts = np.asarray(row["track_pts"], dtype=np.int64)
    order = np.argsort(pts, kind="stable")
    box = np.asarray(row["track_box"], dtype=np.float64).reshape(-1, 4)[order]
    first_ns, last_ns = (int(pd.Timestamp(row[name]).value) for name in ("first_utc", "last_utc"))
    share = (pts[order] - row["first_pts"]) / max(1, row["last_pts"] - row["first_pts"])
    seconds = (first_ns - origin_ns + share * (last_ns - first_ns)) / SECOND_NS
    corners = np.hstack([box[:, :2], box[:, :2] + box[:, 2:]])
    return BoxTrack(row["sighting_id"], seconds, corners)
