"""Take footage in: hash while copying, index the copy, catalogue it; the original is not touched.

A file name may carry the local time (UTC+7) of its first frame, as recorders write it:
``20261120T071500``, ``20261120_071500``, ``2026-11-20_07-15-00`` or ``2026-11-20T07:15:00``, with
anything before and after; a ``Z`` directly behind it makes it UTC. Such a name counts in folder
imports only: for one file the operator's word is taken.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path, PurePosixPath

from workbench import media
from workbench.errors import N_, BadInput, Unavailable, WorkbenchError
from workbench.records import FrameIndex, Segment
from workbench.store import Store
from workbench.store.files import sha256_of
from workbench.timeline import SECOND_NS, VIET_NAM, UtcNs

_NAME_TIME = re.compile(
    r"(?<!\d)(20\d\d)(-?)([01]\d)\2([0-3]\d)[T_ -]?([012]\d)([-:_]?)([0-5]\d)\6([0-5]\d)(?!\d)(Z?)"
)


def import_file(
    store: Store,
    path: Path,
    *,
    camera_id: str,
    stamped_start_ns: int,
    rate: Fraction | None = None,
) -> Segment:
    """Archive one file and return its segment; doing it again changes nothing.

    Parameters
    ----------
    store
        Where to.
    path
        Any footage FFmpeg reads.
    camera_id
        The camera that filmed it.
    stamped_start_ns
        What the camera claimed for the first frame, ns since 1970 UTC.
    rate
        The operator's frames per second, where the file has no times or lies about them.

    Raises
    ------
    BadInput
        When the file is unusable, or in the archive already under another camera, start or rate.
    Unavailable
        When the archive's disk cannot take it.
    """
    return _import(store, path, camera_id, stamped_start_ns, rate, ())


def import_folder(
    store: Store,
    folder: Path,
    *,
    camera_id: str,
    stamped_start_ns: int | None = None,
    rate: Fraction | None = None,
) -> tuple[list[Segment], list[WorkbenchError]]:
    """Archive the files of a folder in the order of their names; return them and the refusals.

    The first file starts at `stamped_start_ns`, each next one where the one before it ended;
    a time in a file's name (see the module) takes precedence. Numbers in names count as numbers:
    ``cam_2`` is before ``cam_10``. Hidden files are passed over, folders inside are refused: they
    may belong to another camera.

    Raises
    ------
    BadInput
        When `folder` is no folder.
    """
    if not folder.is_dir():
        raise BadInput(N_("there is no such folder"), N_("check the path"), where=str(folder))
    taken: list[Segment] = []
    refused: list[WorkbenchError] = []
    start_ns = stamped_start_ns
    for path in sorted(folder.iterdir(), key=_by_numbers):
        if path.name.startswith("."):
            continue
        named_ns = time_in_name(path.name)
        notes = ("its start was read from its name, local time",) if named_ns is not None else ()
        start_ns = named_ns if named_ns is not None else start_ns
        try:
            if path.is_dir():
                raise BadInput(
                    N_("this is a folder inside the folder"),
                    N_("import it by itself, under its own camera"),
                    where=str(path),
                )
            if start_ns is None:
                raise BadInput(
                    N_("nobody says when this file starts"),
                    N_("give the start of the first file, or a name like 2026-11-20_07-15-00.mp4"),
                    where=str(path),
                )
            segment = _import(store, path, camera_id, start_ns, rate, notes)
        except WorkbenchError as error:
            refused.append(error)
            continue
        taken.append(segment)
        start_ns = segment.stamped.stop_ns
    return taken, refused


def time_in_name(name: str) -> UtcNs | None:
    """Return the instant a file name carries, or None.

    >>> time_in_name("cam3_20261120T071500.mp4") == time_in_name("2026-11-20_07-15-00 yard.mkv")
    True
    >>> time_in_name("20261120T001500Z.mp4") == time_in_name("20261120T071500.mp4")
    True
    >>> time_in_name("20261399_071500.mp4") is None
    True
    """
    found = _NAME_TIME.search(name)
    if found is None:
        return None
    year, _, month, day, hour, _, minute, second, zulu = found.groups()
    numbers = [int(part) for part in (year, month, day, hour, minute, second)]
    try:
        at = datetime(*numbers, tzinfo=UTC if zulu else VIET_NAM)  # type: ignore[arg-type, misc]
    except ValueError:
        return None
    return UtcNs(int(at.timestamp()) * SECOND_NS)


def _by_numbers(path: Path) -> list[tuple[int, int, str]]:
    parts = re.split(r"(\d+)", path.name.lower())
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts if p]


def _import(
    store: Store,
    path: Path,
    camera_id: str,
    stamped_start_ns: int,
    rate: Fraction | None,
    notes: tuple[str, ...],
) -> Segment:
    known = _known(store, path)
    if known is not None:
        return _again(store, known, path, camera_id, stamped_start_ns, rate, notes)
    # Refuse what is no video before copying it; what is indexed is the copy that was hashed.
    media.check_readable(path)
    try:
        sha256, stored_path = store.keep_original(path, camera_id)
    except OSError as error:
        raise Unavailable(
            N_("the archive cannot take this file ({reason})"),
            N_("see that its disk has room and can be written to, then ingest it again"),
            where=str(path),
            reason=error.strerror or type(error).__name__,
        ) from error
    copy = store.root / stored_path
    try:
        facts, index = media.index_packets(copy, rate=rate)
        segment = describe(sha256, stored_path, facts, index, camera_id, stamped_start_ns, notes)
        added = store.add_segment(segment, index)
    except (BadInput, Unavailable) as error:
        # Nothing in the catalogue names this copy (where another import was quicker, it may).
        if not any(s.path == stored_path for s in store.segments_of_size(copy.stat().st_size)):
            copy.unlink(missing_ok=True)
        raise type(error)(error.what, error.remedy, where=str(path), **error.fields) from None
    return segment if added else store.segment(sha256)


def _known(store: Store, path: Path) -> Segment | None:
    """Return the segment with the same bytes, hashing the file only where a size agrees."""
    try:
        size = path.stat().st_size
        sizes = store.segments_of_size(size)
        if not sizes:
            return None
        sha256 = sha256_of(path)
    except OSError:
        return None  # said in words by the check that follows
    return next((s for s in sizes if s.sha256 == sha256), None)


def _again(
    store: Store,
    known: Segment,
    path: Path,
    camera_id: str,
    stamped_start_ns: int,
    rate: Fraction | None,
    notes: tuple[str, ...],
) -> Segment:
    facts, index = media.index_packets(path, rate=rate)
    claim = describe(known.sha256, known.path, facts, index, camera_id, stamped_start_ns, notes)
    try:
        store.add_segment(claim, index)
    except BadInput as error:
        raise BadInput(error.what, error.remedy, where=str(path), **error.fields) from None
    if not store.file(known).exists():
        # The same bytes came back: a lost original is whole again.
        store.keep_original(path, known.camera_id, suffix=PurePosixPath(known.path).suffix)
    return known


def describe(
    sha256: str,
    stored_path: str,
    facts: media.VideoFacts,
    index: FrameIndex,
    camera_id: str,
    stamped_start_ns: int,
    notes: tuple[str, ...],
) -> Segment:
    """Return the segment that a file's facts and index make it; `notes` come after the file's."""
    return Segment(
        sha256=sha256,
        camera_id=camera_id,
        path=stored_path,
        stamped_start_ns=stamped_start_ns,
        first_pts=int(index.pts[0]),
        stop_pts=facts.stop_pts,
        time_base=facts.time_base,
        tick_s=facts.tick_s,
        frame_count=len(index),
        width_px=facts.width_px,
        height_px=facts.height_px,
        codec=facts.codec,
        rotation_deg=facts.rotation_deg,
        size_bytes=facts.size_bytes,
        notes=facts.notes + notes,
    )
