"""Provisional rows get the name of the sealed file and move into the lake, once and whole."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import av
import numpy as np
import pyarrow as pa

from workbench import recognition
from workbench.errors import WorkbenchError
from workbench.records import SIGHTINGS, Box, Camera, FrameIndex, Segment
from workbench.store import LiveRows, Store
from workbench.store.sightings import retimed
from workbench.timeline import SECOND_NS, Span, correct_span

_APART_S = 120.0
"""A recording's name and the start of its sealed file differ by less."""


class Log(Protocol):
    """Writes one act into the audit log."""

    def __call__(self, action: str, subject: str, *, details: Mapping[str, object]) -> object:
        """Write it down."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What came of provisional rows: rows in the lake by now, and what hindered it, by camera."""

    moved: int = 0
    troubles: Mapping[str, str] = field(default_factory=dict)


def sealed(
    store: Store, rows: LiveRows, tell: Callable[[str], None] | None = None
) -> Segment | None:
    """Return the archived file that a recording has become, None while it has not.

    The recorder writes camera and recording into each file's header.

    Parameters
    ----------
    tell
        Told of each file near it that cannot be read: it may be the one.
    """
    opened_ns = int(rows.recording)
    near = Span(opened_ns - round(_APART_S * SECOND_NS), opened_ns + round(_APART_S * SECOND_NS))
    # by corrected time, which is what the store is asked by: no more than these files is read
    span = correct_span(near, store.clock_fixes(rows.camera_id))
    for segment in store.segments([rows.camera_id], span):
        if segment.stamped_start_ns in near:
            try:
                with av.open(f"file:{store.file(segment)}") as container:
                    remark = container.metadata.get("comment")
            except (av.FFmpegError, OSError, ValueError) as error:  # one bad original of many
                if tell is not None:
                    tell(f"{segment.path} cannot be read ({type(error).__name__})")
                continue
            if remark == f"{rows.camera_id} {rows.recording}":
                return segment
    return None


def settle(
    store: Store,
    cameras: Mapping[str, Camera],
    *,
    but: Collection[tuple[str, str]] = (),
    log: Log,
) -> Settled:
    """Move the rows of every recording that is sealed by now; one that fails holds up no other.

    Rows whose recording neither grows nor waits for the archive nor is in it are dropped: they
    would outlive their footage.

    Killed anywhere, it does the same again: ids are those of the sealed file, and a row that the
    lake has is not written twice.

    Parameters
    ----------
    but
        Camera and name of recordings that are still being searched.
    log
        Writes into the audit log what is dropped, before it is.
    """
    moved, troubles = 0, dict[str, str]()
    for rows in store.live.all():
        camera = cameras.get(rows.camera_id)
        if camera is None or (rows.camera_id, rows.recording) in but:
            continue
        unread: list[str] = []
        # asked first: the archive knows a file before it takes it from here
        waits = any((store.root / "recording" / rows.camera_id).glob(f"{rows.recording}.*"))
        try:
            segment = sealed(store, rows, unread.append)
            if segment is not None:
                moved += seal(store, rows, segment, camera)
            elif not waits and not unread:
                drop(store, rows, log)
        except (av.FFmpegError, OSError, ValueError, WorkbenchError) as error:
            unread = [f"{type(error).__name__}: {error}"]
            segment = None
        if unread and segment is None:
            told = f"rows of recording {rows.recording} are not settled: {unread[0]}"
            troubles[rows.camera_id] = told
    return Settled(moved, troubles)


def drop(store: Store, rows: LiveRows, log: Log) -> None:
    """Forget the rows of a recording that is no more, and say so in the log."""
    why = "its recording is not in the archive and not on its way there"
    told = {"recording": rows.recording, "rows": rows.table.num_rows, "why": why}
    with store.live.still(changing=True):
        log("follow.drop", rows.camera_id, details=told)
        store.live.drop(rows)


def seal(store: Store, rows: LiveRows, segment: Segment, camera: Camera) -> int:
    """Move one recording's rows into the lake and say what was searched; return how many.

    Where the sealed file is not as the fragments were, or has been searched meanwhile, the rows
    are dropped: `recognise` finds them.
    """
    index = store.frame_index(segment.sha256)
    searched = store.searched(segment=segment.sha256)
    known = any(not one.failure and one.model_ref != rows.model_ref for one in searched)
    if known or not _is_of(rows, index):
        with store.live.still(changing=True):
            store.live.drop(rows)
        return 0
    fixes = store.clock_fixes(rows.camera_id)
    table = retimed(renamed(rows.table, segment), {segment.sha256: segment}, fixes)
    # The ids of the lake first: whoever asks between the next steps counts each row once.
    store.live.put(
        LiveRows(rows.camera_id, rows.recording, table, rows.shown_ns, rows.looked, rows.model_ref)
    )
    with store.live.still(changing=True):
        store.append_sightings(table)
        for first, stop in pieces(store, segment, index, camera, rows.looked):
            store.mark_searched(segment.sha256, first, stop, rows.model_ref)
        store.live.drop(rows)
    return int(table.num_rows)


def renamed(table: pa.Table, segment: Segment) -> pa.Table:
    """Return rows under the sealed file's name: its hash and the ids that follow from it."""
    rows = table.to_pylist()
    for row in rows:
        box = Box(*(row[f"box_{side}"] for side in "xywh"))
        row["segment_sha256"] = segment.sha256
        row["sighting_id"] = recognition.sighting_id(
            segment.sha256, row["pts"], box, row["model_ref"]
        )
    return pa.Table.from_pylist(rows, SIGHTINGS)


def pieces(
    store: Store,
    segment: Segment,
    index: FrameIndex,
    camera: Camera,
    looked: tuple[tuple[int, int], ...],
) -> list[tuple[int, int]]:
    """Return what was searched, to the next frame, cut where jobs of the archive are cut.

    So a later search of the archive covers each piece, and counts instead of it.
    """
    ends = np.append(index.pts, segment.stop_pts)
    whole = [(first, int(ends[np.searchsorted(ends, stop)])) for first, stop in looked]
    jobs = recognition.plan_jobs(
        segment, store.file(segment), index, camera, (), recognition.Settings()
    )
    cut = [
        (max(first, job.first_pts), min(stop, job.stop_pts))
        for first, stop in whole
        for job in jobs
    ]
    return [(first, stop) for first, stop in cut if first < stop]


def _is_of(rows: LiveRows, index: FrameIndex) -> bool:
    named = [pts for one in rows.table["track_pts"].to_pylist() for pts in one]
    named += [first for first, _ in rows.looked]
    # a span ends behind a frame, or where a frame begins whose pass was still on its way
    ends = [stop for _, stop in rows.looked]
    known = np.isin(ends, index.pts) | np.isin(np.array(ends) - 1, index.pts)
    return not index.ordinal and bool(np.isin(named, index.pts).all()) and bool(known.all())
