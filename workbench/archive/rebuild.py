"""Make the catalogue again from originals, sidecars and journal; say what does not fit together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from workbench import media
from workbench.archive.integrity import same_index
from workbench.errors import Unavailable, WorkbenchError
from workbench.records import Progress, Segment
from workbench.store import Store, files
from workbench.store.journal import read_sidecar, sidecar_of, write_sidecar
from workbench.store.rebuild import Draft

_BATCH = 500


@dataclass(slots=True)
class Rebuilt:
    """What a rebuild made: how many segments, what does not fit, where the old catalogue lies.

    ``copied`` counts rows, by table, that only the old catalogue or a backup held.
    """

    segments: int = 0
    findings: list[str] = field(default_factory=list)
    copied: dict[str, int] = field(default_factory=dict)
    aside: Path | None = None


def rebuild(
    store: Store,
    *,
    at_ns: int,
    backup: Path | None = None,
    hashed: bool = True,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> Rebuilt:
    """Make a new catalogue from the disk and put it in force; the old one is set aside.

    Parameters
    ----------
    backup
        An older catalogue, for what is neither on the disk nor readable in the present one.
    hashed
        Read every file: check its hash and index it anew. Without, sidecars are believed where a
        file of the right size lies beside them: minutes instead of days; ``verify`` can follow.
    """
    target = store.root / "catalogue.sqlite"
    (store.root / ".locks").mkdir(exist_ok=True)
    draft = Draft(store.root, store.journal)
    try:
        made = Rebuilt()
        sources = [one for one in (target, backup) if one is not None]
        old: dict[str, Segment] = {}
        for source in reversed(sources):
            known, gone = draft.segments_of(source), draft.dropped_since(source, sources)
            long_gone = draft.long_gone(source, sources)
            # what was dropped since is not brought back, nor told of as lost
            old |= {
                sha256: one
                for sha256, one in known.items()
                if (sha256 not in gone and not long_gone(one)) or _on_disk(store, one)
            }
        scan = _Scan(store, draft, old, made, hashed=hashed, mending=True)
        scan.run(on_progress)
        # Nobody writes from here on; what was taken in meanwhile is looked at now.
        with files.locked(store.root / ".locks" / "catalogue"):
            scan.run(on_progress)
            made.findings += draft.add_journal()
            draft.leave_out(store.keeping.listed())
            for source in sources:
                draft.copy(source)
            draft.put_drops_together()
            # dropped while the files were read
            draft.leave_out_gone(lambda one: _on_disk(store, one))
            made.findings += list(dict.fromkeys(draft.broken))
            made.copied = draft.copied
            made.segments = draft.count()
            made.aside = draft.put_in_force(target, at_ns)
        store.note_sighting_days()
        return made
    finally:
        draft.remove()


def differs(store: Store) -> list[str]:
    """Return where a catalogue made from the disk alone is not the one in force; changes nothing.

    Segments, clock fixes, losses, cases, protections and drops are compared row by row, frame
    indexes with those of the files, after every file was hashed and indexed again.
    """
    store.journal.settle()
    draft = Draft(store.root, store.journal)
    try:
        made = Rebuilt()
        _Scan(store, draft, {}, made, hashed=True, mending=False).run(lambda _progress: None)
        made.findings += draft.add_journal()
        draft.put_drops_together()
        draft.leave_out(store.keeping.listed())
        return made.findings + draft.differs(store.root / "catalogue.sqlite")
    finally:
        draft.remove()


def _on_disk(store: Store, segment: Segment) -> bool:
    """Return whether anything of a segment is there: a drop leaves neither file nor sidecar."""
    try:
        return store.file(segment).exists() or sidecar_of(store.root, segment).exists()
    except OSError:
        return True  # the disk does not say: nothing is taken for gone


class _Scan:
    """Puts the archive's files into a draft; a second run looks at what came since the first."""

    def __init__(
        self,
        store: Store,
        draft: Draft,
        old: dict[str, Segment],
        made: Rebuilt,
        *,
        hashed: bool,
        mending: bool,
    ) -> None:
        self._store, self._draft, self._old, self._made = store, draft, old, made
        self._hashed, self._mending = hashed, mending
        self._done: set[str] = set()

    def run(self, on_progress: Callable[[Progress], None]) -> None:
        """Look at every file that was not looked at before."""
        told, others = self._files()
        waiting = sorted(told.keys() - self._done)
        batch: list[Segment] = []
        for number, sha256 in enumerate(waiting):
            batch.append(self._segment(told[sha256]))
            if len(batch) == _BATCH:
                self._draft.add(batch)
                batch = []
                on_progress(Progress(number + 1, len(waiting), "files"))
        self._draft.add(batch)
        for path, finding in others.items():
            if path.stem not in told and str(path) not in self._done:
                self._made.findings.append(f"{path}: {finding}")
        self._done |= {*waiting, *map(str, others)}

    def _files(self) -> tuple[dict[str, Segment], dict[Path, str]]:
        """Return what is said of each archived file, by hash, and what is wrong where none is."""
        told: dict[str, Segment] = {}
        others: dict[Path, str] = {}
        for path in sorted(self._store.archive_folder.glob("*/*")):
            if path.name.startswith(files.TEMPORARY):
                continue
            if path.suffix != ".json":
                others[path] = "no sidecar and no catalogue says whose it is; ingest it again"
            elif (said := read_sidecar(path)) and sidecar_of(self._store.root, said) == path:
                told[said.sha256] = said
            else:
                others[path] = "this sidecar was altered, or lies in the wrong place"
        # What only the old catalogue knows of is not forgotten, though its file be missing.
        return self._old | told, others

    def _segment(self, told: Segment) -> Segment:
        path, beside = self._store.file(told), sidecar_of(self._store.root, told)
        if self._mending and read_sidecar(beside) != told:
            write_sidecar(self._store.root, told)
            self._made.findings.append(
                f"{path}: its sidecar was missing or altered; the old catalogue knew it"
            )
        self._made.findings += [f"{path}: {finding}" for finding in self._look(told, path)]
        return told

    def _look(self, told: Segment, path: Path) -> Iterator[str]:
        """Yield what is wrong with a file; index it anew where its bytes are the archived ones."""
        try:
            if not path.is_file():
                yield "the original is missing; its sidecar is there"
                return
            if path.stat().st_size != told.size_bytes:
                yield "its size is not what was archived"
                return
            if not self._hashed:
                return
            sha256 = files.sha256_of(path)
        except OSError as error:
            yield f"it cannot be read ({error.strerror})"
            return
        if sha256 != told.sha256:
            yield "its hash is wrong: the bytes are not those that were archived"
            return
        try:
            facts, index = media.index_packets(path)
        except Unavailable as error:
            yield f"it cannot be read ({error.fields.get('reason', '')}); its sidecar is believed"
            return
        except WorkbenchError:
            yield "this FFmpeg cannot read it; its sidecar is believed"
            return
        if self._mending:
            self._store.put_index(told.sha256, index)
        elif not same_index(self._store, told, index):
            yield "its frame index is not that of the file"
        # the rate and the remarks of an operator are in no file
        seen = replace(
            told,
            first_pts=int(index.pts[0]),
            stop_pts=facts.stop_pts,
            frame_count=len(index),
            width_px=facts.width_px,
            height_px=facts.height_px,
            codec=facts.codec,
            rotation_deg=facts.rotation_deg,
        )
        if seen != told:
            yield "its sidecar says other things of it than the file; the sidecar is believed"
