"""What is recorded and the frames of it: coverage, a lazy cube over a period, one exact still."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench import media
from workbench.errors import N_, BadInput, Damaged
from workbench.later import later
from workbench.records import FrameIndex, Segment
from workbench.store import Store
from workbench.timeline import (
    SECOND_NS,
    UNFIXED_SIGMA_NS,
    ClockFix,
    Span,
    correct_span,
    format_utc,
    gaps,
    union,
)

if TYPE_CHECKING:
    import dask.array as da
    import xarray as xr
else:
    da = later("dask.array")
    xr = later("xarray")
dask = later("dask")

_RUN_BYTES = 128 << 20
"""GOPs are joined into one chunk up to this many bytes of pixels."""
_MOST_BYTES = 512 << 20
"""A GOP of more is split into even parts; each later part decodes the earlier ones again."""
_JOIN_NS = SECOND_NS
"""Gaps up to this long are none: names of recordings are written to the second."""
_INT64_SAFE = 1 << 62


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """Frames ``[first, stop)`` of one segment that belong into the cube, and their times."""

    segment: Segment
    index: FrameIndex
    first: int
    stop: int
    utc_ns: NDArray[np.int64]


def frames(store: Store, camera_id: str, span: Span) -> xr.DataArray:
    """Return what a camera recorded in `span` as a lazy cube; nothing is decoded here.

    Parameters
    ----------
    store
        The archive.
    camera_id
        One camera.
    span
        Half-open span of corrected UTC.

    Returns
    -------
    xarray.DataArray
        Dims ``(time, y, x, channel)``, uint8 RGB, turned as displayed; one Dask chunk a GOP run.
        Coordinates along ``time``: ``time`` (UTC, datetime64[ns], strictly increasing), ``pts``
        (ticks of the file) and ``segment`` (SHA-256). Attributes: ``camera``; ``sigma_s``, the
        largest standard deviation of the times; ``overlapping_frames``, how many frames were left
        out because an earlier file of the camera covers their time. Gaps are simply absent.

    Raises
    ------
    BadInput
        When nothing was recorded in `span`, or in frames of different sizes.
    Damaged
        When a frame index is missing; on computing, when a frame is broken in its file.
    """
    fixes = store.clock_fixes(camera_id)
    parts: list[_Part] = []
    sigma_ns, overlapping, last_ns = 0, 0, np.iinfo(np.int64).min
    for segment in store.segments([camera_id], span):
        index = store.frame_index(segment.sha256)
        utc, sigma = utc_ns(segment, index.pts, fixes)
        inside = (utc >= span.start_ns) & (utc < span.stop_ns)
        # Times must increase: where files overlap, or a fix sets the clock back, the earlier wins.
        latest = np.maximum.accumulate(np.concatenate(([last_ns], utc[:-1])))
        keep = inside & (utc > latest)
        overlapping += int((inside & ~keep).sum())
        if keep.any():
            sigma_ns = max(sigma_ns, int(sigma[keep].max()))
            last_ns = int(utc[keep].max())
            parts += _parts(segment, index, keep, utc)
    if not parts:
        raise BadInput(
            N_("camera {camera} has no frames from {start} to {stop}"),
            N_("see its coverage for what is recorded"),
            camera=camera_id,
            start=format_utc(span.start_ns),
            stop=format_utc(span.stop_ns),
        )
    _one_size(parts)
    whole = parts[0].segment
    attrs = {"camera": camera_id, "sigma_s": sigma_ns / SECOND_NS}
    return xr.DataArray(
        da.concatenate([_lazy(store, part) for part in parts]),
        dims=("time", "y", "x", "channel"),
        coords={
            "time": np.concatenate([p.utc_ns for p in parts]).astype("datetime64[ns]"),
            "pts": ("time", np.concatenate([p.index.pts[p.first : p.stop] for p in parts])),
            # Objects: one string shared by all frames of a segment, not 64 characters each.
            "segment": (
                "time",
                np.concatenate(
                    [np.full(p.stop - p.first, p.segment.sha256, object) for p in parts]
                ),
            ),
            "channel": ["red", "green", "blue"],
        },
        name="frames",
        attrs={
            **attrs,
            "overlapping_frames": overlapping,
            "height_px": whole.height_px,
            "width_px": whole.width_px,
        },
    )


def _parts(
    segment: Segment, index: FrameIndex, keep: NDArray[np.bool_], utc: NDArray[np.int64]
) -> Iterator[_Part]:
    frame_bytes = segment.height_px * segment.width_px * 3
    at_most = max(1, _MOST_BYTES // frame_bytes)
    for first, stop in media.gop_runs(index, max(1, _RUN_BYTES // frame_bytes)):
        kept = np.flatnonzero(keep[first:stop]) + first
        # Frames left out in the middle of a run part it: a chunk is a range of frames.
        for piece in np.split(kept, 1 + np.flatnonzero(np.diff(kept) > 1)):
            if not len(piece):
                continue
            for numbers in np.array_split(piece, -(-len(piece) // at_most)):
                a, b = int(numbers[0]), int(numbers[-1]) + 1
                yield _Part(segment, index, a, b, utc[a:b])


def _one_size(parts: list[_Part]) -> None:
    sizes = {(p.segment.width_px, p.segment.height_px): p.segment for p in reversed(parts)}
    if len(sizes) > 1:
        (one, a), (other, b) = list(sizes.items())[:2]
        raise BadInput(
            N_("the frames of this period have different sizes: {one} in {a}, {other} in {b}"),
            N_("ask for the periods of the files one by one"),
            where=parts[0].segment.camera_id,
            one=f"{one[0]}x{one[1]}",
            other=f"{other[0]}x{other[1]}",
            a=a.sha256[:12],
            b=b.sha256[:12],
        )


def _lazy(store: Store, part: _Part) -> da.Array:
    segment = part.segment
    shape = (part.stop - part.first, segment.height_px, segment.width_px, 3)
    # The index travels once, as a task of its own; names are the same for the same frames.
    index = dask.delayed(part.index, name=f"frame-index-{segment.sha256}", traverse=False)
    block = dask.delayed(_block, pure=True)(
        store.file(segment),
        index,
        part.first,
        part.stop,
        segment.rotation_deg,
        shape,
        dask_key_name=f"frames-{segment.sha256}-{part.first}-{part.stop}",
    )
    return da.from_delayed(block, shape, np.uint8)


def _block(
    path: Path,
    index: FrameIndex,
    first: int,
    stop: int,
    rotation_deg: int,
    shape: tuple[int, int, int, int],
) -> NDArray[np.uint8]:
    pixels = np.empty(shape, np.uint8)
    wanted = iter(range(first, stop))
    for pts, frame in media.decode(path, index, first, stop):
        number = next(wanted)
        if index.pts[number] != pts:
            raise _broken(path, int(index.pts[number]))
        pixels[number - first] = _sized(media.to_rgb(frame, rotation_deg), shape[1:], path, pts)
    missing = next(wanted, None)
    if missing is not None:
        raise _broken(path, int(index.pts[missing]))
    return pixels


def still(store: Store, segment: Segment, pts: int) -> NDArray[np.uint8]:
    """Return the frame shown at exactly `pts`, uint8 RGB ``(y, x, 3)``, turned as displayed.

    Raises
    ------
    BadInput
        When no frame has this PTS; the nearest ones are named.
    Damaged
        When the frame is broken in the file.
    """
    index = store.frame_index(segment.sha256)
    number = int(np.searchsorted(index.pts, pts))
    if number == len(index) or index.pts[number] != pts:
        near = index.pts[max(0, number - 1) : number + 1].tolist()
        raise BadInput(
            N_("no frame is shown at PTS {pts}"),
            N_("the nearest frames are at {near}"),
            where=segment.sha256[:12],
            pts=pts,
            near=", ".join(map(str, near)),
        )
    path = store.file(segment)
    shape = (segment.height_px, segment.width_px, 3)
    for at, frame in media.decode(path, index, number, number + 1):
        return _sized(media.to_rgb(frame, segment.rotation_deg), shape, path, at)
    raise _broken(path, pts)


def _sized(
    rgb: NDArray[np.uint8], shape: tuple[int, ...], path: Path, pts: int
) -> NDArray[np.uint8]:
    if rgb.shape != shape:
        raise Damaged(
            N_("the frame at PTS {pts} has another size than the first of its file"),
            N_("ask for frames before it"),
            where=str(path),
            pts=pts,
        )
    return rgb


def _broken(path: Path, pts: int) -> Damaged:
    return Damaged(
        N_("the frame at PTS {pts} is broken in the file and cannot be decoded"),
        N_("use the frames around it; nothing is put in its place"),
        where=str(path),
        pts=pts,
    )


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
    for segment in store.segments(list(pieces), span):
        pieces[segment.camera_id] += [
            correct_span(stamped, fixes[segment.camera_id]) for stamped in _recorded(store, segment)
        ]
    found = {camera_id: union(spans, join_ns=_JOIN_NS) for camera_id, spans in pieces.items()}
    if span is None:
        return found
    return {
        camera_id: [cut for s in spans if (cut := s.overlap(span)) is not None]
        for camera_id, spans in found.items()
    }


def not_searched(store: Store, cameras: Sequence[str], span: Span) -> dict[str, list[Span]]:
    """Return what is recorded of each camera in `span` and was never searched, in order.

    No sighting there means that nobody looked, not that nobody passed.
    """
    found: dict[str, list[Span]] = {}
    for camera_id, recorded in coverage(store, cameras, span).items():
        fixes = store.clock_fixes(camera_id)
        looked = [
            correct_span(Span(segment.stamped_ns(one.first_pts), segment.stamped_ns(one.stop_pts)),
                         fixes)
            for segment in store.segments([camera_id])
            if segment.utc_span(fixes).overlap(span) is not None
            for one in store.searched(segment=segment.sha256)
            if not one.failure
        ]  # fmt: skip
        # joined as coverage is: the last frame of one file and the first of the next
        done = union(looked, join_ns=_JOIN_NS)
        found[camera_id] = [gap for part in recorded for gap in gaps(done, part)]
    return found


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


def stamped_ns(segment: Segment, pts: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the stamped instants of frames; ``Segment.stamped_ns`` for arrays."""
    tick_ns = segment.tick_s * SECOND_NS
    over, under = tick_ns.numerator, tick_ns.denominator
    ticks = pts - segment.first_pts
    if over * under < _INT64_SAFE:
        # floor(t * o / u) without the product that overflows int64 after 28 h at 90 kHz
        whole, rest = np.divmod(ticks, under)
        elapsed_ns = whole * over + rest * over // under
    else:
        elapsed_ns = np.array([t * over // under for t in ticks.tolist()], np.int64)
    stamped: NDArray[np.int64] = elapsed_ns + np.int64(segment.stamped_start_ns)
    return stamped


def utc_ns(
    segment: Segment, pts: NDArray[np.int64], fixes: Sequence[ClockFix]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return ``(utc_ns, sigma_ns)`` of frames; ``Segment.utc`` for arrays."""
    stamped = stamped_ns(segment, pts)
    utc, sigma = stamped.copy(), np.full(len(stamped), UNFIXED_SIGMA_NS, np.int64)
    for fix in fixes:
        valid = (stamped >= fix.valid.start_ns) & (stamped < fix.valid.stop_ns)
        if valid.any():
            whole, rest = np.divmod(stamped[valid] - fix.valid.start_ns, SECOND_NS)
            drift_ns = whole * fix.drift_ppb + rest * fix.drift_ppb // SECOND_NS
            utc[valid] = stamped[valid] + fix.offset_ns + drift_ns
            sigma[valid] = fix.sigma_ns
    return utc, sigma
