"""The root folder of a workbench and the one class through which our own data is written."""

from __future__ import annotations

import json
import secrets
import shutil
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa

from workbench.errors import N_, BadInput, Damaged
from workbench.records import SIGHTINGS, AuditEntry, Case, FrameIndex, Progress, Segment
from workbench.store import files
from workbench.store.calibrations import Calibrations
from workbench.store.catalogue import Catalogue
from workbench.store.imports import Imports
from workbench.store.journal import Journal, read_sidecar, sidecar_of, write_sidecar
from workbench.store.keeping import Keeping
from workbench.store.lake import Lake
from workbench.store.ledger import Head, Ledger
from workbench.store.live import Live, beside
from workbench.store.searched import Searched
from workbench.store.sightings import retimed, without
from workbench.store.upkeep import Upkeep
from workbench.timeline import ClockFix, Span, stamped_spans

FORMAT = 1
"""Version of the root's layout; a root of a later version is refused."""

_SECRET_BYTES = 32

_PARSING = threading.Lock()
_SEARCH = ("sighting_id", "utc", "segment_sha256", "first_pts", "model_ref")
"""What tells which search a sighting came from, and its place in order."""


class Store:
    """A workbench's root folder: ward tables, archive, index, catalogue, ledger and sightings.

    Safe with several threads and processes at once. It holds paths only: it can be pickled, sent
    to a worker and used on both sides of a fork.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ward_folder = root / "ward"
        self.archive_folder = root / "archive"
        self._catalogue = Catalogue(root / "catalogue.sqlite", root / ".locks" / "catalogue")
        self._ledger = Ledger(self._catalogue, root / "audit-head.json", root / ".locks" / "audit")
        self.live = Live(root / "live", root / ".locks")
        self._lake = Lake(root / "sightings", root / ".locks", self._catalogue)
        self.imports = Imports(root, self._lake)
        self.calibrations = Calibrations(root)
        self.journal = Journal(root / "journal", root / ".locks" / "journal", self._catalogue)
        self.upkeep = Upkeep(root, self._catalogue, self.journal)
        self.keeping = Keeping(root, self._catalogue, self.journal, self._lake, self.live)

    def __repr__(self) -> str:
        return f"Store({str(self.root)!r})"

    @classmethod
    def create(cls, root: Path, ward_folder: Path) -> Store:
        """Make a root with a copy of the ward's tables, or complete and open the one there.

        What is there stays as it is: an edited ward is not copied over.

        Raises
        ------
        BadInput
            When `root` holds something else, or `ward_folder` is no folder.
        """
        root, ward_folder = root.absolute(), ward_folder.absolute()
        if not ward_folder.is_dir():
            raise BadInput(
                N_("there is no folder with the ward's tables"),
                N_("name the folder that holds sites, cameras and roads"),
                where=str(ward_folder),
            )
        if root.is_relative_to(ward_folder):
            raise BadInput(
                N_("the workbench cannot be made inside the ward's own folder"),
                N_("choose another folder"),
                where=str(root),
            )
        if root.exists() and not root.is_dir():
            raise BadInput(
                N_("this is a file, not a folder"), N_("choose another name"), where=str(root)
            )
        marker = root / "workbench.json"
        if not marker.exists():
            try:
                root.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise BadInput(
                    N_("the folder cannot be made: {error}"),
                    N_("choose a place where you may write"),
                    where=str(root),
                    error=error.strerror,
                ) from error
            if any(not path.name.startswith(files.TEMPORARY) for path in root.iterdir()):
                raise BadInput(
                    N_("the folder is not empty and is no workbench"),
                    N_("choose an empty folder or a new name"),
                    where=str(root),
                )
            # First of all, so that an interrupted creation is known as ours and completed later.
            text = json.dumps({"workbench": "root", "format": FORMAT}) + "\n"
            files.write_bytes(marker, text.encode())
        _check_format(root)
        store = cls(root)
        store._complete(ward_folder)
        return store

    @classmethod
    def open(cls, root: Path) -> Store:
        """Return the store of a root that exists.

        Raises
        ------
        BadInput
            When there is none, or a newer workbench made it.
        Damaged
            When its catalogue is gone.
        """
        store = cls.lost(root)
        root = store.root
        if not store._catalogue.path.exists():
            raise Damaged(
                N_("the catalogue of this workbench is missing"),
                N_(
                    "run: workbench rebuild; after an interrupted creation, "
                    "create the workbench again"
                ),
                where=str(store._catalogue.path),
            )
        (root / ".locks").mkdir(exist_ok=True)
        store._catalogue.complete()
        return store

    @classmethod
    def lost(cls, root: Path) -> Store:
        """Return the store of a root whose catalogue may be missing or damaged, to rebuild it.

        Raises
        ------
        BadInput
            When there is no root, or a newer workbench made it.
        """
        root = root.absolute()
        if not (root / "workbench.json").exists():
            raise BadInput(
                N_("there is no workbench here"),
                N_("create one first, or name the folder that holds workbench.json"),
                where=str(root),
            )
        _check_format(root)
        return cls(root)

    def _complete(self, ward_folder: Path) -> None:
        for folder in (".locks", "archive", "index", "sightings"):
            (self.root / folder).mkdir(exist_ok=True)
        head, catalogue = self.root / "audit-head.json", self._catalogue.path
        if head.exists() and not catalogue.exists():
            raise Damaged(
                N_("the catalogue of this workbench is missing"),
                N_("run: workbench rebuild; an empty one would hide what is lost"),
                where=str(catalogue),
            )
        with files.locked(self.root / ".locks" / "create"):
            self._catalogue.create()
            self._ledger.begin()
            if not self.ward_folder.exists():
                copy = self.root / f"{files.TEMPORARY}{uuid.uuid4().hex}"
                try:
                    shutil.copytree(ward_folder, copy)
                    copy.rename(self.ward_folder)
                finally:
                    shutil.rmtree(copy, ignore_errors=True)

    # --- footage --------------------------------------------------------------------------------

    def keep_original(
        self,
        source: Path,
        camera_id: str,
        *,
        suffix: str | None = None,
        on_bytes: Callable[[int], None] | None = None,
    ) -> tuple[str, str]:
        """Copy footage, untouched and read-only, into the archive.

        Parameters
        ----------
        suffix
            Ending of its name there; the source's where it is None.

        Returns
        -------
        tuple[str, str]
            SHA-256 of the bytes and the path to write into ``Segment.path``.
        """
        folder = self.archive_folder / _folder_name(camera_id)
        suffix = source.suffix.lower() if suffix is None else suffix
        sha256, target = files.copy_hashed(
            source, lambda digest: folder / f"{digest}{suffix}", on_bytes=on_bytes
        )
        return sha256, target.relative_to(self.root).as_posix()

    def link_original(self, source: Path, sha256: str, camera_id: str) -> str:
        """Give a finished recording its name in the archive and return ``Segment.path``.

        `source` keeps its own name until the caller removes it.
        """
        target = self.archive_folder / _folder_name(camera_id) / f"{sha256}{source.suffix.lower()}"
        files.link_read_only(source, target, sha256)
        return target.relative_to(self.root).as_posix()

    def add_segment(self, segment: Segment, index: FrameIndex) -> bool:
        """Catalogue a segment and store its frame index; False where it was there.

        Raises
        ------
        BadInput
            When the same file is there under another camera, start or tick, or its path leads out
            of the archive.
        """
        parts = PurePosixPath(segment.path).parts
        if parts[:1] != ("archive",) or ".." in parts:
            raise BadInput(
                N_("the path of segment {sha256} is not inside the archive: {path}"),
                N_("write it relative to the root, like archive/CAMERA/HASH.mp4"),
                sha256=segment.sha256[:12],
                path=segment.path,
            )
        if not self.index_path(segment.sha256).exists():
            self.put_index(segment.sha256, index)
        # The sidecar comes first: what the catalogue knows, the disk can tell.
        beside = sidecar_of(self.root, segment)
        fresh = not beside.exists()
        if fresh:
            write_sidecar(self.root, segment)
        try:
            added = self._catalogue.add_segment(segment)
        except BadInput:
            if fresh:
                beside.unlink(missing_ok=True)
            raise
        if added and not fresh and read_sidecar(beside) != segment:
            write_sidecar(self.root, segment)  # of an import that was broken off
        return added

    def settle(self, after: int = 0) -> int | None:
        """Write down on the disk some of what only the catalogue holds; see ``store.journal``.

        Returns where to go on; None where nothing is left.
        """
        self.journal.settle()
        with self.keeping.still():  # or a sidecar would be written of what goes just now
            return self.journal.settle_sidecars(self.root, after)

    def note_sighting_days(self) -> None:
        """Learn anew from the files of sightings which segments they are of."""
        self._lake.note_days()

    def segments(
        self, cameras: Sequence[str] | None = None, span: Span | None = None
    ) -> list[Segment]:
        """Return the segments of these cameras (None: all) by camera, then stamped start.

        `span` keeps those that hold an instant of it, corrected; no others are read.
        """
        if span is None:
            return self._catalogue.segments(cameras)
        names = self._catalogue.cameras() if cameras is None else list(cameras)
        fixes = {camera_id: self.clock_fixes(camera_id) for camera_id in names}
        found = self._catalogue.segments_in(
            {camera_id: stamped_spans(span, known) for camera_id, known in fixes.items()}
        )
        return [one for one in found if one.utc_span(fixes[one.camera_id]).overlap(span)]

    def cameras(self) -> list[str]:
        """Return the cameras that have segments, whether or not the ward has them still."""
        return self._catalogue.cameras()

    def oldest_ns(self, from_ns: int | None = None) -> int | None:
        """Return the earliest stamped start from an instant on; None where there is none."""
        return self._catalogue.oldest_ns(from_ns)

    def segments_of_size(self, size_bytes: int) -> list[Segment]:
        """Return the segments whose file has this size."""
        return self._catalogue.segments_of_size(size_bytes)

    def segment(self, sha256: str) -> Segment:
        """Return the segment of a hash, or of a unique prefix of it of 8 digits or more.

        Raises
        ------
        BadInput
            When there is none, or more than one.
        """
        return self._catalogue.segment(sha256)

    def file(self, segment: Segment) -> Path:
        """Return where a segment's original lies (it may have been lost since)."""
        return self.root / segment.path

    def index_path(self, sha256: str) -> Path:
        """Return where the frame index of a segment lies, or is to lie.

        By the first two digits, so that no folder holds a million files; one that an earlier
        workbench wrote directly into ``index/`` is still found there.
        """
        flat = self.root / "index" / f"{sha256}.npz"
        return flat if flat.exists() else self.root / "index" / sha256[:2] / f"{sha256}.npz"

    def put_index(self, sha256: str, index: FrameIndex) -> None:
        """Write a segment's frame index, in place of an earlier one."""
        with (
            files.replacing(self.index_path(sha256)) as temporary,
            temporary.open("wb") as file,
        ):
            np.savez_compressed(
                file, pts=index.pts, is_key=index.is_key, ordinal=np.bool_(index.ordinal)
            )

    def frame_index(self, sha256: str) -> FrameIndex:
        """Return a segment's frame index.

        Raises
        ------
        Damaged
            When it is missing or unreadable.
        """
        path = self.index_path(sha256)
        try:
            # numpy parses headers with ast, which two threads of Python 3.11 cannot do at once
            with _PARSING, np.load(path, allow_pickle=False) as stored:
                return FrameIndex(
                    stored["pts"].astype(np.int64, copy=False),
                    stored["is_key"].astype(np.bool_, copy=False),
                    bool(stored["ordinal"]),
                )
        except Exception as error:  # numpy and zipfile raise a dozen kinds here
            raise Damaged(
                N_("the frame index of this segment is missing or unreadable: {error}"),
                N_("run verify; it makes the index again from the original"),
                where=str(path),
                error=error,
            ) from error

    def add_clock_fix(self, fix: ClockFix) -> None:
        """Add a fix as the newest of its camera; repeating the newest changes nothing."""
        self._catalogue.add_clock_fix(fix)
        self.journal.settle()

    def clock_fixes(self, camera_id: str, span: Span | None = None) -> list[ClockFix]:
        """Return a camera's clock fixes, oldest first; those valid in a span of stamped time."""
        return self._catalogue.clock_fixes(camera_id, span)

    # --- sightings ------------------------------------------------------------------------------

    def append_sightings(self, table: pa.Table) -> int:
        """Store the sightings that are not there yet and return how many they were.

        Raises
        ------
        BadInput
            When the table is not in the schema SIGHTINGS, naming the column or the sighting.
        """
        return self._lake.append(table)

    def sightings(
        self,
        *,
        cameras: Sequence[str] | None = None,
        span: Span | None = None,
        kinds: Sequence[str] | None = None,
        with_plate: bool = False,
        ids: Sequence[str] | None = None,
        segment: str | None = None,
        columns: Sequence[str] | None = None,
    ) -> pa.Table:
        """Return sightings by time, then id, in the schema SIGHTINGS (or `columns` of it).

        Where footage was searched again with other models, the latest search counts: rows of
        earlier ones stay in the lake and are left out here. Those of recordings that still grow
        are among them, provisional: see :mod:`workbench.store.live`.

        Parameters
        ----------
        cameras, kinds, ids
            Keep only these; None keeps all, an empty list none.
        span
            Keep those whose best frame lies in this half-open span of UTC.
        with_plate
            Keep only those with a plate read.
        segment
            Keep only those of this segment, by full SHA-256.
        columns
            The columns to return, in this order.
        """
        wanted = list(columns or SIGHTINGS.names)
        needed = list(dict.fromkeys([*wanted, *_SEARCH]))
        asked: dict[str, Any] = {
            "cameras": cameras, "span": span, "kinds": kinds, "with_plate": with_plate,
            "ids": ids, "segment": segment,
        }  # fmt: skip
        with self.live.still():
            growing = self.live.sightings(**asked)
            found = self._lake.query(**asked, columns=needed)
        earlier = self._catalogue.superseded()
        found = without(found, earlier) if earlier else found
        return (beside(found, growing.select(needed)) if growing.num_rows else found).select(wanted)

    def plates(self, *, cameras: Sequence[str] | None = None, span: Span | None = None) -> pa.Table:
        """Return distinct plate reads by text: plate, count, score (best), first_utc, last_utc."""
        return self._lake.plates(cameras=cameras, span=span)

    def retime(self, camera_id: str) -> int:
        """Bring a camera's stored sightings to its present clock fixes; return how many changed.

        Call it after :meth:`add_clock_fix`: a sighting's times were computed when it was found, and
        its id, which does not contain them, keeps a second run from writing it again.
        """
        fixes = self.clock_fixes(camera_id)
        known = {segment.sha256: segment for segment in self.segments([camera_id])}
        return self._lake.rewrite(camera_id, lambda rows: retimed(rows, known, fixes))

    def check_sightings(self) -> list[Damaged]:
        """Return a finding for each file of sightings, imports or calibrations not as written."""
        return [*self._lake.check(), *self.imports.check(), *self.calibrations.check()]

    def mark_searched(
        self,
        segment_sha256: str,
        first_pts: int,
        stop_pts: int,
        model_ref: str,
        failure: str = "",
    ) -> None:
        """Record that recognition went through ``[first_pts, stop_pts)``, or why it failed."""
        self._catalogue.mark_searched(
            Searched(segment_sha256, int(first_pts), int(stop_pts), model_ref, failure)
        )

    def searched(
        self, *, segment: str | None = None, model_ref: str | None = None
    ) -> list[Searched]:
        """Return spans searched or failed, by segment, then first tick."""
        return self._catalogue.searched(segment, model_ref)

    def superseded(self) -> list[Searched]:
        """Return the parts of spans that other models or settings searched later: those count."""
        return self._catalogue.superseded()

    # --- trust ----------------------------------------------------------------------------------

    def append_audit(
        self,
        *,
        at_ns: int,
        actor: str,
        action: str,
        subject: str,
        case_id: str = "",
        reason: str = "",
        details: Mapping[str, object] | None = None,
    ) -> AuditEntry:
        """Add an entry at the end of the audit chain and return it."""
        return self._ledger.append(
            at_ns=at_ns,
            actor=actor,
            action=action,
            subject=subject,
            case_id=case_id,
            reason=reason,
            details=details or {},
        )

    def audit(self, case_id: str = "", begins: str = "") -> list[AuditEntry]:
        """Return the audit entries, oldest first: all, or of a case whose action begins so."""
        return self._ledger.entries(case_id, begins)

    def audit_head(self) -> tuple[Head, ...]:
        """Return what the audit entries must contain: the newest one, and any lost before it.

        Ask for it before the entries, or use :meth:`audit_with_head`: an entry written between the
        two questions would else look like one that was cut off.
        """
        return self._ledger.head()

    def audit_with_head(self) -> tuple[list[AuditEntry], tuple[Head, ...]]:
        """Return entries and head as of one instant, ready for ``cases.check_chain``."""
        return self._ledger.with_head()

    def put_case(self, case: Case) -> None:
        """Store a case; an earlier version of it is kept beside."""
        self._catalogue.put_case(case)
        self.journal.settle()

    def case(self, case_id: str) -> Case:
        """Return a case in the version in force.

        Raises
        ------
        BadInput
            When there is no such case.
        """
        versions = self._catalogue.case_versions(case_id)
        if not versions:
            raise BadInput(
                N_("there is no case {case_id}"),
                N_("open it first, or pick one from the list of cases"),
                case_id=case_id or "''",
            )
        return versions[-1]

    def case_versions(self, case_id: str) -> list[Case]:
        """Return every version of a case, oldest first."""
        return self._catalogue.case_versions(case_id)

    def cases(self) -> list[Case]:
        """Return every case in the version in force, oldest first."""
        return self._catalogue.cases()

    def secret(self) -> bytes:
        """Return this root's own random key for signing tokens, made at the first call.

        Raises
        ------
        Damaged
            When the key file is too short to be a key.
        """
        path = self.root / "secret.key"
        with files.locked(self.root / ".locks" / "secret"):
            if not path.exists():
                files.write_bytes(path, secrets.token_bytes(_SECRET_BYTES), mode=0o600)
            key = path.read_bytes()
        if len(key) < _SECRET_BYTES:
            raise Damaged(
                N_("the signing key is damaged"),
                N_("delete the file: a new one is made, and pages must be opened again"),
                where=str(path),
            )
        return key

    # --- work in progress -----------------------------------------------------------------------

    def set_progress(self, job: str, progress: Progress, at_ns: int) -> None:
        """Say how far a job is; what was said later stands."""
        self._catalogue.set_progress(job, progress, at_ns)

    def progress(self) -> dict[str, tuple[Progress, int]]:
        """Return what each job said last and when (UTC ns), newest first."""
        return self._catalogue.progress()


def _check_format(root: Path) -> None:
    marker = root / "workbench.json"
    try:
        stored = json.loads(marker.read_text(encoding="utf-8"))
        version = int(stored["format"])
    except (OSError, ValueError, KeyError, TypeError):
        raise Damaged(
            N_("workbench.json cannot be read"),
            N_("write {text} into it if this folder is a workbench"),
            where=str(marker),
            text=json.dumps({"workbench": "root", "format": FORMAT}),
        ) from None
    if version > FORMAT:
        raise BadInput(
            N_("a newer workbench made this folder (format {stored}; this one knows {known})"),
            N_("update the workbench, then open it again"),
            where=str(root),
            stored=version,
            known=FORMAT,
        )


def _folder_name(camera_id: str) -> str:
    if not camera_id or camera_id.startswith(".") or set(camera_id) & set("/\\\0"):
        raise BadInput(
            N_("'{camera_id}' cannot name a camera's folder"),
            N_("use letters, digits, dot, dash and underscore"),
            camera_id=camera_id,
        )
    return camera_id
