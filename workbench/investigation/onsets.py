"""Moments of cameras without calibration that look like the beginning of a collision.

Two finders, each with a score of its own: boxes of passes (``collisions.onset``), and points that
are followed in the pictures (``collisions.impulse``), for passes break where two touch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import av
import numpy as np
import pandas as pd

from workbench import media
from workbench.archive.access import utc_ns
from workbench.collisions.impulse import Watched, watch
from workbench.collisions.onset import VEHICLES, WITHIN_S, BoxTrack, onsets
from workbench.collisions.points import STEP_S, Grey, small
from workbench.errors import N_
from workbench.records import Purpose, Wording
from workbench.timeline import SECOND_NS, Span

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

Means = Literal["boxes", "points", "both"]
_BESIDE_NS = 10 * SECOND_NS
"""Passes so long before and after are read, too: who stands after a moment must be seen to."""
_READ = ["sighting_id", "kind", "first_pts", "last_pts", "first_utc", "last_utc", "track_pts",
         "track_box"]  # fmt: skip
_MOVES = N_(
    "{camera}: in {share} % of the time the camera itself moves, or nobody can tell what moves: "
    "points in its pictures say nothing there."
)
_BROKEN = N_(
    "{camera}: a file of its footage cannot be decoded to its end: what was in the rest of it was "
    "not looked at."
)


@dataclass(frozen=True, slots=True)
class SeenOnset:
    """A moment (UTC) on a camera, with its score, which is no probability, and its reason.

    ``means`` says what told it: boxes of passes, points followed in the pictures, or both.
    """

    camera_id: str
    at_ns: int
    score: float
    words: Wording
    means: Means = "boxes"


@dataclass(frozen=True, slots=True)
class Onsets:
    """Moments, the likeliest first, and in how many passes and pictures they were looked for.

    ``unsure`` says of which cameras pictures tell nothing, or not all, and why; ``cancelled`` that
    not all was looked at.
    """

    moments: tuple[SeenOnset, ...]
    cameras: tuple[str, ...]
    passes: int
    pictures: int = 0
    unsure: tuple[Wording, ...] = ()
    cancelled: bool = False


def find_onsets(
    house: Workbench,
    cameras: Sequence[str],
    span: Span,
    purpose: Purpose,
    *,
    by: Sequence[Means] = ("boxes", "points"),
    cancelled: Callable[[], bool] = lambda: False,
) -> Onsets:
    """Look in boxes of passes and in the pictures for moments at which two may have collided.

    No calibration is needed. The pictures of the span are decoded, a dozen a second followed; only
    moments are kept, and nothing of the pictures.

    Parameters
    ----------
    by
        Which finders look.
    cancelled
        Asked at each picture: True ends the search with what was found so far.

    Raises
    ------
    Refused
        Outside the case's bounds.
    """
    _, _, bounds = house._authorise(purpose, "conflicts", cameras=cameras, span=span)
    house._authorise(purpose, "view", cameras=cameras, span=span)
    wide = Span(bounds.start_ns - _BESIDE_NS, bounds.stop_ns + _BESIDE_NS)
    found: list[SeenOnset] = []
    unsure: list[Wording] = []
    passes = pictures = 0
    stopped = False
    for camera_id in cameras:
        table = house._store.sightings(cameras=(camera_id,), span=wide, columns=_READ)
        rows = [one for one in table.to_pylist() if one["kind"] in VEHICLES and one["track_pts"]]
        passes += len(rows)
        boxed = [
            SeenOnset(camera_id, at_ns, one.score, one.words)
            for one in onsets([box_track_of(row, bounds.start_ns) for row in rows])
            if "boxes" in by and (at_ns := bounds.start_ns + round(one.at_s * SECOND_NS)) in bounds
        ]
        broken: list[str] = []
        looked = _greys(house, camera_id, bounds, cancelled, broken) if "points" in by else iter(())
        seen = watch(looked)
        pictures += seen.pictures
        found += together_of(boxed, _pointed(camera_id, bounds, seen))
        if seen.unsure:
            unsure.append(Wording(_MOVES, (("camera", camera_id),
                                           ("share", f"{100 * seen.moving:.0f}"))))  # fmt: skip
        if broken:
            unsure.append(Wording(_BROKEN, (("camera", camera_id),)))
        stopped = stopped or cancelled()
        if stopped:
            break
    found.sort(key=lambda one: -one.score)
    house._log(
        "onset", ",".join(cameras), purpose,
        details={"from_ns": bounds.start_ns, "to_ns": bounds.stop_ns, "passes": passes,
                 "pictures": pictures, "found": len(found), "cancelled": stopped},
    )  # fmt: skip
    return Onsets(tuple(found), tuple(cameras), passes, pictures, tuple(unsure), stopped)


def _pointed(camera_id: str, bounds: Span, seen: Watched) -> list[SeenOnset]:
    return [
        SeenOnset(camera_id, at_ns, one.score, one.words, "points")
        for one in seen.moments
        if (at_ns := bounds.start_ns + round(one.at_s * SECOND_NS)) in bounds
    ]


def together_of(boxed: Sequence[SeenOnset], pointed: Sequence[SeenOnset]) -> list[SeenOnset]:
    """Return the moments of both finders; what both tell within a second is one, the likelier's."""
    left = list(pointed)
    found = []
    for one in boxed:
        near = next((p for p in left if abs(p.at_ns - one.at_ns) <= WITHIN_S * SECOND_NS), None)
        if near is None:
            found.append(one)
            continue
        left.remove(near)
        best = max(one, near, key=lambda each: each.score)
        found.append(SeenOnset(best.camera_id, best.at_ns, best.score, best.words, "both"))
    return found + left


def _greys(
    house: Workbench,
    camera_id: str,
    span: Span,
    cancelled: Callable[[], bool],
    broken: list[str],
) -> Iterator[tuple[float, Grey]]:
    """Yield seconds since a span's start and a small grey picture, a dozen a second.

    Files (SHA-256) that cannot be decoded to their end are noted in `broken`.
    """
    store = house._store
    fixes = store.clock_fixes(camera_id)
    last_ns = -1
    for segment in store.segments([camera_id], span):
        index = store.frame_index(segment.sha256)
        utc, _ = utc_ns(segment, index.pts, fixes)
        inside = np.flatnonzero((utc >= span.start_ns) & (utc < span.stop_ns))
        if not len(inside):
            continue
        at_ns = dict(zip(index.pts.tolist(), utc.tolist(), strict=True))
        first, stop = int(inside[0]), int(inside[-1]) + 1
        try:
            for pts, frame in media.decode(store.file(segment), index, first, stop):
                if cancelled():
                    return
                # where files overlap the earlier one wins
                if at_ns[pts] >= last_ns + round(STEP_S * SECOND_NS) and at_ns[pts] in span:
                    last_ns = at_ns[pts]
                    grey = media.to_luma(frame, segment.rotation_deg)
                    yield (last_ns - span.start_ns) / SECOND_NS, small(grey)
        except (av.FFmpegError, OSError):
            broken.append(segment.sha256)


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
