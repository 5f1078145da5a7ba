"""Re-hash and re-index the archive: does it still hold what was put into it?"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from workbench import media
from workbench.errors import N_, Damaged, Unavailable, WorkbenchError
from workbench.records import FrameIndex, Segment
from workbench.store import Store
from workbench.store.files import TEMPORARY, sha256_of
from workbench.store.journal import read_sidecar, sidecar_of

FindingKind = Literal[
    "missing file",
    "altered file",
    "swapped file",
    "writable file",
    "unreadable file",
    "lost index",
    "altered index",
    "altered catalogue",
    "lost sidecar",
    "altered sidecar",
    "stray file",
]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it was written; ``sha256`` is the segment's, empty for strays."""

    kind: FindingKind
    sha256: str
    problem: Damaged

    def sentence(self, translate: Callable[[str], str] = str) -> str:
        """Return it in words: what, where, what to do."""
        return self.problem.sentence(translate)


def verify(store: Store) -> list[Finding]:
    """Return every finding, by camera and start of the segments, strays last.

    Each file is hashed, then its packets are indexed again and compared with the stored index and
    the catalogue. Nothing is changed.
    """
    segments = store.segments()
    known = {segment.sha256 for segment in segments}
    findings = [f for segment in segments for f in _check(store, segment, known)]
    return findings + list(_strays(store, segments))


def repair_index(store: Store, segment: Segment) -> FrameIndex:
    """Make a segment's frame index again from its file and store it.

    Raises
    ------
    Damaged
        When the file itself is missing or not what was archived.
    """
    for finding in _check_file(store, segment, set()):
        if finding.kind != "writable file":
            raise finding.problem
    _, index = media.index_packets(store.file(segment))
    store.put_index(segment.sha256, index)
    return index


def _check(store: Store, segment: Segment, known: set[str]) -> Iterator[Finding]:
    sound = True
    for finding in _check_file(store, segment, known):
        sound = sound and finding.kind == "writable file"
        yield finding
    if sound:
        found = list(_check_index(store, segment))
        yield from found
        if "altered catalogue" not in {one.kind for one in found}:
            yield from _check_sidecar(store, segment)
    elif not store.index_path(segment.sha256).exists():
        yield _lost_index(store, segment)


def _check_file(store: Store, segment: Segment, known: set[str]) -> Iterator[Finding]:
    path = store.file(segment)

    def found(kind: FindingKind, what: str, remedy: str, **fields: object) -> Finding:
        return Finding(kind, segment.sha256, Damaged(what, remedy, where=str(path), **fields))

    try:
        if not path.is_file():
            yield found(
                "missing file",
                N_("the archived file of camera {camera} is missing"),
                N_("restore it from a backup, or ingest the original again"),
                camera=segment.camera_id,
            )
            return
        if path.is_symlink() or path.stat().st_mode & 0o222:
            yield found(
                "writable file",
                N_("the archived file can be written to"),
                N_("find out who changed its rights, then make it read-only again (chmod 444)"),
            )
        sha256 = sha256_of(path)
    except OSError as error:
        yield found(
            "unreadable file",
            N_("the archived file cannot be read ({reason})"),
            N_("see to the disk, then restore the file from a backup"),
            reason=error.strerror or type(error).__name__,
        )
        return
    if sha256 == segment.sha256:
        return
    if sha256 in known:
        yield found(
            "swapped file",
            N_("another archived file ({other}) lies under this name"),
            N_("keep both as they are for the inquiry and restore this one from a backup"),
            other=sha256[:12],
        )
    else:
        yield found(
            "altered file",
            N_("the bytes are not those that were archived (SHA-256 now {now}, then {then})"),
            N_("keep it as it is for the inquiry and restore the original from a backup"),
            now=sha256[:12],
            then=segment.sha256[:12],
        )


def _check_index(store: Store, segment: Segment) -> Iterator[Finding]:
    """Compare index and catalogue with a file that is known to be sound."""
    path = store.file(segment)
    try:
        facts, fresh = media.index_packets(path)
    except Unavailable as error:
        problem = Damaged(error.what, error.remedy, where=error.where, **error.fields)
        yield Finding("unreadable file", segment.sha256, problem)
        return
    except WorkbenchError:
        yield Finding(
            "unreadable file",
            segment.sha256,
            Damaged(
                N_("the archived file is whole but this FFmpeg cannot read it"),
                N_("read it with the version of the workbench that archived it"),
                where=str(path),
            ),
        )
        return
    if not store.index_path(segment.sha256).exists():
        yield _lost_index(store, segment)
    elif not same_index(store, segment, fresh):
        yield Finding(
            "altered index",
            segment.sha256,
            Damaged(
                N_("the frame index is not that of its file"),
                N_("rebuild the index from the file"),
                where=str(store.index_path(segment.sha256)),
            ),
        )
    # An operator's rate is part of the catalogue alone, so ticks are not compared.
    filed = (
        segment.first_pts,
        segment.frame_count,
        segment.size_bytes,
        segment.codec,
        segment.width_px,
        segment.height_px,
        segment.rotation_deg,
    )
    seen = (
        int(fresh.pts[0]),
        len(fresh),
        facts.size_bytes,
        facts.codec,
        facts.width_px,
        facts.height_px,
        facts.rotation_deg,
    )
    if filed != seen:
        yield Finding(
            "altered catalogue",
            segment.sha256,
            Damaged(
                N_("the catalogue says {filed} of this file, which is {seen}"),
                N_("restore the catalogue from a backup"),
                where=str(path),
                filed=filed,
                seen=seen,
            ),
        )


def _check_sidecar(store: Store, segment: Segment) -> Iterator[Finding]:
    beside = sidecar_of(store.root, segment)
    if not beside.exists():
        yield Finding(
            "lost sidecar",
            segment.sha256,
            Damaged(
                N_("nothing beside this file says whose it is, should the catalogue be lost"),
                N_("run: workbench rebuild; it is written from the catalogue"),
                where=str(beside),
            ),
        )
    elif read_sidecar(beside) != segment:
        yield Finding(
            "altered sidecar",
            segment.sha256,
            Damaged(
                N_("what is written beside this file is not what the catalogue says of it"),
                N_("compare both with a backup: one of them was altered"),
                where=str(beside),
            ),
        )


def same_index(store: Store, segment: Segment, fresh: FrameIndex) -> bool:
    """Return whether the stored frame index of a segment is this one."""
    try:
        stored = store.frame_index(segment.sha256)
    except WorkbenchError:
        return False
    return (
        np.array_equal(stored.pts, fresh.pts)
        and np.array_equal(stored.is_key, fresh.is_key)
        and stored.ordinal == fresh.ordinal
    )


def _lost_index(store: Store, segment: Segment) -> Finding:
    return Finding(
        "lost index",
        segment.sha256,
        Damaged(
            N_("the frame index of a file of camera {camera} is lost"),
            N_("rebuild the index from the file"),
            where=str(store.index_path(segment.sha256)),
            camera=segment.camera_id,
        ),
    )


def _strays(store: Store, segments: list[Segment]) -> Iterator[Finding]:
    expected = {store.file(segment) for segment in segments}
    expected |= {store.index_path(segment.sha256) for segment in segments}
    expected |= {sidecar_of(store.root, segment) for segment in segments}
    folders: list[Path] = [store.archive_folder, store.root / "index"]
    for path in sorted(p for folder in folders for p in folder.rglob("*")):
        # What is being written at this moment is no stray yet.
        if path.name.startswith(TEMPORARY) or path in expected:
            continue
        with suppress(OSError):  # of a disk that does not say, no more is known than the name
            if path.is_dir():
                continue
        yield Finding(
            "stray file",
            "",
            Damaged(
                N_("this file is in no catalogue"),
                N_("if it is footage, ingest it; then move it out of the archive"),
                where=str(path),
            ),
        )
