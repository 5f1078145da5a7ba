"""What a case takes to court: originals, what was found in them and what was not, signed.

Searches are made anew as the bundle is packed, so that what it holds is what the root answers now;
they stand in its own log, those without an answer too. Every read that a search offers goes in,
also those that nobody chose.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, field
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import jinja2
import pandas as pd

from workbench import media
from workbench.cases import bundle as packing
from workbench.cases import verifier
from workbench.errors import N_, BadInput, Damaged, WorkbenchError
from workbench.investigation.case_files import case_record
from workbench.investigation.face_copies import SHOWN_WORDS, face_copies
from workbench.investigation.face_lookout_readings import face_lookout_record
from workbench.investigation.face_readings import face_record
from workbench.investigation.models import face_models, list_models
from workbench.investigation.notebooks import asked_of, notebook_of
from workbench.investigation.public_notices import as_facts, notices_of
from workbench.investigation.reading_copies import make_copies
from workbench.paper import pdf_of
from workbench.recognition.faces.hiding import open_face_hider
from workbench.records import AuditEntry, Case, Progress, Purpose, Segment
from workbench.store import files, is_imported
from workbench.timeline import Span, format_utc, gaps, local_text

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

MOST_PLATES = 20
AROUND_S = 2
"""Seconds that an exact cut shows before its first and after its last pass."""
_ASSETS = Path(__file__).parent / "assets"
_CHUNK = 1 << 20
_PICTURES = ("stills/", "clips/", "faces/")


@dataclass(frozen=True, slots=True)
class Bundled:
    """A bundle that was written: where, what is in it, and what it is known by."""

    path: Path
    files: int
    bytes: int
    sightings: int
    segments: int
    manifest_sha256: str
    key: str


def signing_key(house: Workbench) -> bytes:
    """Return the root's private key, PEM; made at the first call, for its owner alone, and logged.

    Raises
    ------
    Damaged
        When it is there and is none.
    """
    path = house.root / "signing.key"
    with files.locked(house.root / ".locks" / "signing"):
        if not path.exists():
            pem = packing.new_key()
            house._log("key.make", "signing.key", details={"key": packing.public_key(pem)})
            files.write_bytes(path, pem, mode=0o600)
        pem = path.read_bytes()
    packing.public_key(pem)
    return pem


def bundle(
    house: Workbench,
    purpose: Purpose,
    out: Path,
    *,
    plates: Sequence[str],
    originals: bool = True,
    clips: bool = True,
    cuts: bool = False,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> Bundled:
    """Write the evidence of a case on some plates as a signed zip.

    Parameters
    ----------
    out
        A path that ends in ``.zip`` and is not there yet.
    plates
        What is searched for, as :meth:`Workbench.search_plate` takes it.
    originals
        Put the untouched files in, too; without them their hashes stand there alone.
    clips
        Make a reading copy in motion of each pass, too: it is decoded, looked at for faces frame
        by frame and encoded again, some seconds of a core for each second of it.
    cuts
        Put exact cuts of the originals in, from the key frame before their first pass to
        :data:`AROUND_S` after the last one. Of a file that cannot be cut so, and is not there
        whole, the whole one.

    Raises
    ------
    Refused
        Outside an open case and its bounds.
    BadInput
        When the path or the plates cannot be used.
    Damaged
        When an original is not what was archived: nothing is written then.
    """
    _check(out, plates)
    case, cameras, span = house._authorise(purpose, "export")
    pem = signing_key(house)
    house._log(
        "export", ",".join(plates), purpose,
        details={"to": out.name, "originals": originals, "clips": clips, "cuts": cuts},
    )  # fmt: skip
    pack = _Pack()
    seen = house._store.audit(purpose.case_id)[-1].seq
    rows = _searched(house, purpose, plates, pack)
    _recipe(house, case, purpose, seen, pack)
    # of what another system saw there is no file here; its rows are in the bundle all the same
    ours = [not is_imported(str(ref)) for ref in rows["model_ref"]]
    segments = [house.segment(sha256) for sha256 in dict.fromkeys(rows.loc[ours]["segment_sha256"])]
    _tell(house, case, cameras, span, segments, pack)
    with files.replacing(out, mode=0o444) as temporary:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as box:
            pack.box = box
            if not originals:  # else each is hashed as it is copied
                _check_originals(house, segments)
            derived = _reading_copies(house, purpose, rows, pack, on_progress, clips=clips)
            _face_copies(house, purpose, pack)
            uncut = _cuts(house, segments, rows, pack, derived) if cuts else []
            _originals(house, segments if originals else uncut, pack, on_progress)
            pack.add(verifier.DERIVED, _json(derived), "how clips and cuts were made, of what")
            head = _close(house, case, pack)
            key = packing.public_key(pem)
            facts: Mapping[str, Any] = {
                "made_at_ns": house.now(), "made_by": house.actor, "reason": purpose.reason,
            }  # fmt: skip
            _receipt(case, pack, key=key, facts=facts)
            crate = packing.crate(
                case, pack.items, made_at_ns=facts["made_at_ns"], made_by=house.actor
            )
            pack.add(packing.CRATE, _json(crate), "description for programs (RO-Crate)")
            text = packing.manifest(case, pack.items, head=head, key=key, **facts)
            box.writestr(verifier.MANIFEST, text)
            box.writestr(verifier.SIGNATURE, packing.sign(text, pem) + "\n")
        found, _ = verifier.check(str(temporary), key)
        if found:  # a disk that lies, or somebody at work meanwhile
            raise Damaged(
                N_("the bundle is not what was written: {finding}"),
                N_("check the disk, and make it again"),
                where=str(out),
                finding=found[0].sentence("en"),
            )
        size = temporary.stat().st_size
        sha256 = hashlib.sha256(text).hexdigest()
        told = {"to": out.name, "manifest": sha256, "files": len(pack.items), "key": key}
        house._log("export.done", ",".join(plates), purpose, details=told)
    return Bundled(out, len(pack.items), size, len(rows), len(segments), sha256, key)


@dataclass(slots=True)
class _Pack:
    """The files of a bundle while it is made: small ones wait until the zip is open."""

    items: list[packing.Item] = field(default_factory=list)
    box: zipfile.ZipFile | None = None
    _waiting: list[tuple[str, bytes]] = field(default_factory=list)

    def add(self, path: str, data: bytes, what: str, made_of: str = "") -> None:
        self.items.append(packing.item(path, data, what, made_of))
        self._waiting.append((path, data))
        if self.box is not None:
            for name, text in self._waiting:
                self.box.writestr(name, text)
            self._waiting.clear()


def _check(out: Path, plates: Sequence[str]) -> None:
    if out.suffix.lower() != ".zip" or not out.absolute().parent.is_dir() or out.exists():
        raise BadInput(
            N_("a bundle needs a new file in a folder that is there, and ends in .zip"),
            N_("give another path; a bundle that was made is never written over"),
            where=str(out),
        )
    if not 0 < len(plates) <= MOST_PLATES:
        raise BadInput(
            N_("a bundle is about one to {most} plates"),
            N_("name them with --plate"),
            where="--plate",
            most=MOST_PLATES,
        )


def _searched(
    house: Workbench, purpose: Purpose, plates: Sequence[str], pack: _Pack
) -> pd.DataFrame:
    """Search, tell what was asked and found, and return the rows of all that was offered."""
    asked, legs, reads = [], [], list[str]()
    for plate in plates:
        hits = house.search_plate(plate, purpose)
        reads += [hit.plate for hit in hits]
        asked.append(
            {
                "asked": plate,
                "answers": [
                    {
                        "plate": hit.plate,
                        "approximate": hit.approximate,
                        "distance": round(hit.distance, 4),
                        "differs": [str(one) for one in hit.differences],
                        "sightings": hit.sightings,
                    }
                    for hit in hits
                ],
            }
        )
        for hit in hits[:1] if hits and not hits[0].approximate else ():
            legs += _records(house.trace(hit.plate, purpose).legs)
    every = house.sightings(purpose, with_plate=True)
    rows = every[every["plate"].isin(reads)].reset_index(drop=True)
    pack.add("searches.json", _json(asked), "what was asked and what it gave, empty answers too")
    pack.add("sightings.json", _json(_records(rows)), "the passes that were offered, a lead each")
    pack.add("sightings.csv", rows.to_csv(index=False).encode(), "the same as a table")
    pack.add("legs.json", _json(legs), "ways between them, impossible ones too")
    return rows


def _recipe(house: Workbench, case: Case, purpose: Purpose, seen: int, pack: _Pack) -> None:
    """Add a notebook that makes the bundle's searches again; of other plates nothing is in it."""
    acts = [one for one in house._store.audit(purpose.case_id) if one.seq > seen]
    asked = [one for one in asked_of(acts) if one.action in ("search.plate", "trace")]
    data, _ = notebook_of(house, case, purpose, asked, root=".", name="recipe.ipynb")
    pack.add("recipe.ipynb", data, "the searches, to be made again on the archive")


def _tell(
    house: Workbench,
    case: Case,
    cameras: Sequence[str],
    span: Span,
    segments: Sequence[Segment],
    pack: _Pack,
) -> None:
    """Add what is known beside the footage: case, gaps, clocks, models, originals."""
    pack.add("case.json", _json(asdict(case)), "the case and its bounds")
    recorded = house.coverage(list(cameras))
    missing = {
        camera: {
            "not_recorded": _spans(gaps(recorded.get(camera, []), span)),
            "not_searched": _spans(house.not_searched([camera], span).get(camera, [])),
        }
        for camera in cameras
    }
    pack.add("gaps.json", _json(missing), "what was not recorded or not searched in the period")
    pack.add(
        "faces.json", _json(face_record(house, case.case_id)), "face searches, refused ones too"
    )
    looked = face_lookout_record(house, case.case_id)
    pack.add("face_lookouts.json", _json(looked), "lookouts for a face, refused and empty ones too")
    sites = {house.ward.cameras[one].site_id for one in cameras if one in house.ward.cameras}
    told = as_facts(notices_of(house), sorted(sites))
    pack.add("notices.json", _json(told), "whether the public is told of the cameras, by site")
    pack.add(
        "case_file.json", _json(case_record(house, case.case_id)), "subjects, tasks, notes, tracks"
    )
    fixes = {
        camera: [asdict(fix) for fix in house.clock_fixes(camera)]
        for camera in dict.fromkeys(one.camera_id for one in segments)
    }
    pack.add("clocks.json", _json(fixes), "what is known of the cameras' clocks")
    pack.add(
        "models.json",
        _json([asdict(one) for one in list_models(house.root)]),
        "the models that found the passes",
    )
    originals = [
        {
            **{key: str(value) for key, value in asdict(one).items()},
            "utc": [format_utc(ns) for ns in _ends(house.utc_span(one))],
        }
        for one in segments
    ]
    pack.add("originals.json", _json(originals), "the originals: hash, camera, time, tick")
    pack.add("verify.py", packing.VERIFIER.read_bytes(), "checks this bundle; needs Python alone")


def _ends(span: Span) -> tuple[int, int]:
    return span.start_ns, span.stop_ns


def _spans(spans: Iterable[Span]) -> list[list[str]]:
    return [[format_utc(ns) for ns in _ends(one)] for one in spans]


def _reading_copies(
    house: Workbench,
    purpose: Purpose,
    rows: pd.DataFrame,
    pack: _Pack,
    on_progress: Callable[[Progress], None],
    *,
    clips: bool,
) -> list[dict[str, Any]]:
    """Add a reading copy of each pass: its best frame, and a clip; return how clips were made."""
    failed, derived = [], []
    finder = cache(
        lambda: open_face_hider(face_models(house))
    )  # opened at the first pass that needs it
    for number, row in enumerate(rows.to_dict("records")):
        on_progress(Progress(number, len(rows), "stills", str(row["camera_id"])))
        one = row["sighting_id"]
        made_of = f"{row['segment_sha256']} pts {row['pts']}"
        try:
            copy = make_copies(house, purpose, row, finder, clips=clips)
        except WorkbenchError as error:
            failed.append({"sighting": one, "why": error.sentence()})
            continue
        pack.add(f"stills/{one}.jpg", copy.still, "reading copy: others are hidden", made_of)
        if copy.clip is not None and copy.derivation is not None:
            said = {"path": f"clips/{one}.mp4", **copy.derivation}
            made_of = f"{row['segment_sha256']} pts {said['first_pts']} to {said['last_pts']}"
            pack.add(said["path"], copy.clip, "reading copy in motion: others are hidden", made_of)
            derived.append(said)
        elif clips:
            failed.append({"sighting": one, "why": copy.why})
    pack.add("stills.json", _json(failed), "passes without a reading copy or a clip, and why")
    return derived


def _face_copies(house: Workbench, purpose: Purpose, pack: _Pack) -> None:
    """Add a reading copy of each face candidate the case keeps, excluded ones too."""
    told = []
    for one in face_copies(house, purpose, cache(open_face_hider)):
        said = {"request": one.request_id, "number": one.number, "shown": SHOWN_WORDS[one.shown]}
        if one.picture is None:
            told.append({**said, "why": one.why})
            continue
        path = f"faces/{one.request_id}-{one.number:02d}.jpg"
        pack.add(path, one.picture, "reading copy of a face candidate", one.made_of)
        told.append({**said, "path": path, "made_of": one.made_of})
    pack.add("face_copies.json", _json(told), "pictures of face candidates: whose face shows, why")


def _check_originals(house: Workbench, segments: Sequence[Segment]) -> None:
    for segment in segments:
        source = house.file(segment)
        if files.sha256_of(source) != segment.sha256:
            raise _altered(segment, source)


def _cuts(
    house: Workbench,
    segments: Sequence[Segment],
    rows: pd.DataFrame,
    pack: _Pack,
    derived: list[dict[str, Any]],
) -> list[Segment]:
    """Add an exact cut of each original around its passes; return those that cannot be cut."""
    assert pack.box is not None
    uncut = []
    for segment in segments:
        mine = rows[rows["segment_sha256"] == segment.sha256]
        around = round(AROUND_S / segment.tick_s)
        first = max(segment.first_pts, int(mine["first_pts"].min()) - around)
        last = min(segment.stop_pts - 1, int(mine["last_pts"].max()) + around)
        with tempfile.TemporaryDirectory() as folder:
            try:
                cut, packets = media.cut_exactly(
                    house.file(segment), Path(folder), house.frame_index(segment), first, last
                )
            except WorkbenchError:
                uncut.append(segment)
                continue
            name = f"cuts/{segment.sha256}{cut.suffix}"
            with cut.open("rb") as reading, pack.box.open(_stored(name, cut), "w") as writing:
                sha256, size = _copied(reading, writing)
        ticks = [one.pts for one in packets if one.pts is not None]
        what = f"exact cut of {segment.camera_id}: packets as they are"
        made_of = f"{segment.sha256} pts {min(ticks)} to {max(ticks)}"
        pack.items.append(packing.Item(name, size, sha256, what, made_of))
        derived.append(
            {
                "path": name,
                "kind": "exact cut",
                "source_sha256": segment.sha256,
                "asked_pts": [first, last],
                "first_pts": min(ticks),
                "last_pts": max(ticks),
                "packets": [list(astuple(one)) for one in packets],
                "packet": "tick, bytes, SHA-256, byte in the cut, byte in the original",
                "streams": "video alone",
                "tool": f"workbench {version('phuchan-workbench')}, PyAV {version('av')}",
                "command": "workbench bundle --cuts",
            }
        )
    return uncut


def _stored(name: str, source: Path) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)  # video does not get smaller
    entry.file_size = source.stat().st_size
    return entry


def _altered(segment: Segment, source: Path) -> Damaged:
    return Damaged(
        N_("the original {sha256} of {camera} is not what was archived"),
        N_("run workbench verify; nothing was handed out"),
        where=str(source),
        sha256=segment.sha256[:12],
        camera=segment.camera_id,
    )


def _originals(
    house: Workbench,
    segments: Sequence[Segment],
    pack: _Pack,
    on_progress: Callable[[Progress], None],
) -> None:
    assert pack.box is not None
    for number, segment in enumerate(segments):
        on_progress(Progress(number, len(segments), "originals", segment.camera_id))
        source = house.file(segment)
        name = f"originals/{segment.sha256}{source.suffix}"
        with source.open("rb") as reading, pack.box.open(_stored(name, source), "w") as writing:
            sha256, size = _copied(reading, writing)
        if sha256 != segment.sha256:
            raise _altered(segment, source)
        what = f"original of {segment.camera_id}, untouched"
        pack.items.append(packing.Item(name, size, sha256, what))


def _copied(reading: IO[bytes], writing: IO[bytes]) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    while chunk := reading.read(_CHUNK):
        digest.update(chunk)
        writing.write(chunk)
        size += len(chunk)
    return digest.hexdigest(), size


def _close(house: Workbench, case: Case, pack: _Pack) -> AuditEntry:
    """Add the log as it is now, whole of this case; return its newest entry."""
    entries = house._store.audit()
    log = _json(packing.log_of(entries, case.case_id))
    pack.add("log.json", log, "every act in this case; of other cases the hashes")
    return entries[-1]


def _receipt(case: Case, pack: _Pack, *, key: str, facts: Mapping[str, Any]) -> None:
    """Add a page for people, in Vietnamese: what is in it, and how to check it."""
    checker = next(one for one in pack.items if one.path == "verify.py")
    page = jinja2.Environment(autoescape=True, loader=jinja2.FileSystemLoader(_ASSETS))
    html = page.get_template("receipt.html").render(
        case=case.case_id, title=case.title, basis=case.legal_basis, training=case.training,
        reason=facts["reason"], by=facts["made_by"], key=key,
        at=f"{local_text(facts['made_at_ns'])} (UTC+7)",
        checker=checker.sha256,
        rows=[one for one in pack.items if not one.path.startswith(_PICTURES)],
        stills=sum(one.path.startswith("stills/") for one in pack.items),
        clips=sum(one.path.startswith("clips/") for one in pack.items),
        faces=sum(one.path.startswith("faces/") for one in pack.items),
    )  # fmt: skip
    pack.add("receipt.html", html.encode(), "receipt, to be printed and signed")
    pack.add("receipt.pdf", pdf_of(html), "the same as PDF")


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    text = frame.to_json(orient="records", date_format="iso", date_unit="ns", default_handler=str)
    records: list[dict[str, Any]] = json.loads(text)
    return records


def _json(facts: object) -> bytes:
    return json.dumps(facts, indent=1, ensure_ascii=False, sort_keys=True, default=str).encode()
