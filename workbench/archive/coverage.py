"""What is recorded: spans a camera, and the same on a regular grid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from workbench import media
from workbench.archive.times import stamped_ns, utc_span
from workbench.errors import N_, BadInput
from workbench.records import Segment
from workbench.store import Store
from workbench.timeline import SECOND_NS, Span, union

_JOIN_NS = SECOND_NS
"""Gaps up to this long are none: names of recordings are written to the second."""


def coverage(
    store: Store, cameras: Sequence[str], span: Span | None = None
) -> dict[str, list[Span]]:
    """Return the recorded spans of each camera, corrected, merged and in order.

    Parameters
    ----------
    store
        The archive.
    cameras
        Ids; one without footage gets an empty list.
    span
        Cut to this span of UTC; None: everything.

    Notes
    -----
    ``timeline.gaps(spans, span)`` gives what is not recorded. Holes inside a file (2 s or more
    without a frame) are not covered.
    """
    pieces: dict[str, list[Span]] = {camera_id: [] for camera_id in cameras}
    fixes = {camera_id: store.clock_fixes(camera_id) for camera_id in pieces}
    for segment in store.segments(list(pieces)):
        pieces[segment.camera_id] += [
            utc_span(stamped, fixes[segment.camera_id]) for stamped in _recorded(store, segment)
        ]
    found = {camera_id: union(spans, join_ns=_JOIN_NS) for camera_id, spans in pieces.items()}
    if span is None:
        return found
    return {
        camera_id: [cut for s in spans if (cut := s.overlap(span)) is not None]
        for camera_id, spans in found.items()
    }


def _recorded(store: Store, segment: Segment) -> list[Span]:
    if not segment.notes:
        # A hole always leaves a note at import: an index is read only where there is one.
        return [segment.stamped]
    index = store.frame_index(segment.sha256)
    holes = media.missing_after(index, segment.tick_s)
    if not len(holes):
        return [segment.stamped]
    interval = media.typical_interval(index.pts)
    starts = np.concatenate(([index.pts[0]], index.pts[holes + 1]))
    stops = np.concatenate((index.pts[holes] + interval, [segment.stop_pts]))
    return [
        Span(start, stop)
        for start, stop in zip(
            stamped_ns(segment, starts).tolist(), stamped_ns(segment, stops).tolist(), strict=True
        )
    ]


def coverage_grid(spans: Mapping[str, Sequence[Span]], within: Span, step_ns: int) -> xr.Dataset:
    """Return coverage over ``(camera, time)`` on a regular grid.

    Parameters
    ----------
    spans
        From :func:`coverage`.
    within
        The grid starts here; its last cell may reach past the end.
    step_ns
        Length of a cell.

    Returns
    -------
    xarray.Dataset
        ``recorded``: the share of each cell that is recorded, float32, 0 to 1; ``time`` is the
        start of the cell, UTC datetime64[ns].
    """
    if step_ns <= 0:
        raise BadInput(N_("a grid step of {step} ns"), N_("give a positive one"), step=step_ns)
    count = max(1, -(-within.duration_ns // step_ns))
    edges = within.start_ns + step_ns * np.arange(count + 1, dtype=np.int64)
    recorded = np.zeros((len(spans), count), np.float32)
    for row, covered in enumerate(spans.values()):
        for span in union(covered):
            # Overlap of the span with every cell at once.
            shared = np.minimum(edges[1:], span.stop_ns) - np.maximum(edges[:-1], span.start_ns)
            recorded[row] += np.maximum(shared, 0) / step_ns
    return xr.Dataset(
        {
            "recorded": (
                ("camera", "time"),
                np.minimum(recorded, 1),
                {"units": "1", "long_name": "share of the cell that is recorded"},
            )
        },
        coords={"camera": list(spans), "time": edges[:-1].astype("datetime64[ns]")},
    )
