"""A search made again: is its answer, byte for byte, what it was; and if not, what has changed?

Answers are told as tables of text in one fixed form, so that two of them can be compared as bytes.
Beside them stands what they depend on: models, code, archive, clocks, ward, case, rights. A
difference is told with what of that changed; where nothing did, the rows themselves were.
"""

from __future__ import annotations

import base64
import binascii
import csv
import hashlib
import html
import io
import json
import platform
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from workbench.errors import N_, BadInput, WorkbenchError
from workbench.investigation.answers import PlateHit, Trace
from workbench.investigation.face_calibrating import face_calibration
from workbench.investigation.people import seen_by
from workbench.records import Case, Purpose
from workbench.store import files
from workbench.store.faces import FaceBook
from workbench.timeline import format_utc

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

EXPORTED = "export.notebook"
"""The act in the log that holds the hash of what a notebook wrote down."""

SHOWN = 50
"""Rows of a table that a page of a notebook shows; all of them are compared."""

_LIBRARIES = ("duckdb", "numpy", "pandas", "pyarrow", "rapidfuzz")
_BULKY = ("track_pts", "track_box", "plate_lattice", "plate_box", "face_boxes")
_PACKAGE = Path(__file__).resolve().parent.parent

Circumstances = Mapping[str, Mapping[str, str]]
"""What an answer depends on: by group, then by thing, a value that differs where the thing does."""

Answer = Mapping[str, str]
"""Tables by name, each as text; or one sentence under ``refused``."""


# -- answers as text ---------------------------------------------------------------------------


def told(search: Callable[[], Any]) -> Answer:
    """Make a search and return its answer as text; a refusal is an answer, too."""
    try:
        found = search()
    except WorkbenchError as error:
        return {"refused": error.sentence()}
    if isinstance(found, Trace):
        return {"sightings": sightings_text(found.sightings), "legs": table_text(found.legs)}
    if isinstance(found, pd.DataFrame):
        return {"sightings": sightings_text(found)}
    if isinstance(found, Mapping):
        return {name: table_text(frame) for name, frame in found.items()}
    return {"reads": _reads_text(found)}


def _reads_text(hits: Sequence[PlateHit]) -> str:
    rows = [
        {
            **{key: getattr(hit, key) for key in ("plate", "sightings", "first_utc", "last_utc")},
            "cameras": " ".join(hit.cameras),
            "distance": hit.distance,
            "approximate": hit.approximate,
            "differs": "; ".join(str(one) for one in hit.differences),
        }
        for hit in hits
    ]
    return table_text(pd.DataFrame(rows))


def sightings_text(rows: pd.DataFrame) -> str:
    """Return sightings as text: tracks and lattices, which are long, as one hash a row."""
    bulky = [name for name in _BULKY if name in rows.columns]
    short = rows.drop(columns=bulky)
    if bulky:
        short["rest_sha256"] = [
            hashlib.sha256("\n".join(map(_cell, values)).encode()).hexdigest()[:16]
            for values in zip(*(rows[name] for name in bulky), strict=True)
        ]
    return table_text(short)


def table_text(frame: pd.DataFrame) -> str:
    """Return a table as CSV in one fixed form: times to the nanosecond, every digit of a number.

    >>> table_text(pd.DataFrame({"a": [0.1, None], "b": ["x", "y,z"]})).splitlines()
    ['a,b', '0.1,x', ',"y,z"']
    """
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(map(str, frame.columns))
    writer.writerows(
        [_cell(value) for value in row] for row in frame.itertuples(index=False, name=None)
    )
    return sink.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, np.ndarray | list | tuple):
        return json.dumps([_cell(one) for one in value], ensure_ascii=False)
    if value is None or value is pd.NaT or value is pd.NA or value != value:  # NaN is not itself
        return ""
    if isinstance(value, bool | np.bool_):
        return "true" if value else "false"
    if isinstance(value, float | np.floating):
        return repr(float(value))
    if isinstance(value, pd.Timestamp):
        return value.isoformat()
    return str(value)


# -- what an answer depends on -----------------------------------------------------------------


def circumstances(house: Workbench, case: Case) -> Circumstances:
    """Return what searches of a case depend on, as it is now for the house's actor."""
    cameras = seen_by(house, tuple(case.cameras or house.ward.cameras))
    segments = house.segments(cameras, case.period)
    refs: dict[str, set[str]] = {}
    spans: dict[str, list[tuple[int, int]]] = {}
    mine = {one.sha256 for one in segments}
    for one in house._store.searched():
        if one.segment_sha256 in mine and not one.failure:
            refs.setdefault(one.segment_sha256, set()).add(one.model_ref)
            spans.setdefault(one.segment_sha256, []).append((one.first_pts, one.stop_pts))
    rows = house._store.sightings(
        cameras=cameras, span=case.period, columns=["segment_sha256", "model_ref"]
    )
    for sha256, ref in zip(
        rows["segment_sha256"].to_pylist(), rows["model_ref"].to_pylist(), strict=True
    ):
        refs.setdefault(sha256, set()).add(ref)
    return {
        "code": _code(),
        "model": {sha256: " | ".join(sorted(found)) for sha256, found in sorted(refs.items())},
        "archive": {
            one.sha256: f"{one.camera_id} {one.stamped_start_ns} {_merged(spans.get(one.sha256))}"
            for one in segments
        },
        "clock": {
            one: _digest([asdict(fix) for fix in house.clock_fixes(one)])
            for one in cameras
            if house.clock_fixes(one)
        },
        "ward": {
            path.name: files.sha256_of(path)
            for path in sorted((house.root / "ward").iterdir())
            if path.is_file()
        },
        "case": {
            "period": f"{format_utc(case.period.start_ns)} {format_utc(case.period.stop_ns)}",
            "cameras": " ".join(case.cameras),
            "closed": str(case.closed),
            **({"people": " ".join(case.people)} if case.people else {}),
        },
        "calibration": {
            one: _digest([kept.text for kept in house._store.calibrations.all(one)])
            for one in cameras
            if house._store.calibrations.all(one)
        },
        "faces": _face_requests(house, case),
        "rights": {"cameras": " ".join(cameras)},
    }


def _face_requests(house: Workbench, case: Case) -> dict[str, str]:
    """Return by request of the case what happened to it, and with which set scores are weighed."""
    book = FaceBook(house.root)
    made = face_calibration(house)
    told = "" if made is None else _digest(made.facts)
    events = {one: book.events(one) for one in book.ids()}
    return {
        one: f"{len(found)} {found[-1].sha256} {told}"
        for one, found in events.items()
        if found[0].facts["case_id"] == case.case_id
    }


def _merged(spans: Sequence[tuple[int, int]] | None) -> str:
    """Return ticks searched, however jobs cut them: the same footage searched is the same text."""
    joined: list[list[int]] = []
    for first, stop in sorted(spans or ()):
        if joined and first <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], stop)
        else:
            joined.append([first, stop])
    return " ".join(f"{first}-{stop}" for first, stop in joined)


@lru_cache(maxsize=1)
def _code() -> Mapping[str, str]:
    source = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        source.update(path.relative_to(_PACKAGE).as_posix().encode() + b"\0")
        source.update(hashlib.sha256(path.read_bytes()).digest())
    return {
        "workbench": version("phuchan-workbench"),
        "source": source.hexdigest(),
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
    }


def _digest(facts: object) -> str:
    text = json.dumps(facts, sort_keys=True, default=str, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that changed since: of which group, in words."""

    group: str
    what: str
    fields: Mapping[str, object]

    def sentence(self, translate: Callable[[str], str] = str) -> str:
        """Return it in words, its template passed through `translate` first."""
        return translate(self.what).format(**self.fields)


_SAYS = {
    "code": N_("code: {names} differ ({before} before, {now} now)"),
    "clock": N_("clocks: what is known of {names} was corrected"),
    "ward": N_("the ward's tables: {names} were changed"),
    "calibration": N_("calibrations: those of {names} were changed"),
    "faces": N_("face searches: {names} were read, decided, deleted or weighed anew"),
    "case": N_("the case: its {names} changed"),
    "rights": N_("rights: whoever runs this sees other cameras ({before} before, {now} now)"),
}
_UNKNOWN = N_(
    "nothing written down here has changed, and the answer has: rows were altered or lost outside "
    "the workbench; run workbench verify"
)


def changes(before: Circumstances, now: Circumstances) -> list[Change]:
    """Return what of two states differs, a sentence a group; nothing where they are the same."""
    found = []
    old, new = before.get("model", {}), now.get("model", {})
    both = [one for one in old if one in new and old[one] != new[one]]
    if both:
        fields: dict[str, object] = {
            "count": len(both), "before": old[both[0]][:200], "now": new[both[0]][:200],
        }  # fmt: skip
        what = N_("models: {count} files were searched with others ({before} before, {now} now)")
        found.append(Change("model", what, fields))
    old, new = before.get("archive", {}), now.get("archive", {})
    if old != new:
        fields = {
            "added": len(new.keys() - old.keys()),
            "gone": len(old.keys() - new.keys()),
            "other": sum(old[one] != new[one] for one in old.keys() & new.keys()),
        }
        what = N_(
            "archive: {added} files came, {gone} went, of {other} other parts are searched now"
        )
        found.append(Change("archive", what, fields))
    for group, said in _SAYS.items():
        if group not in before:  # a notebook of before this was written down
            continue
        old, new = before[group], now.get(group, {})
        names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
        if names:
            fields = {
                "names": ", ".join(names),
                "before": ", ".join(old.get(name, "–")[:60] for name in names),
                "now": ", ".join(new.get(name, "–")[:60] for name in names),
            }
            found.append(Change(group, said, fields))
    return found


# -- what was written down, against now --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Compared:
    """A search made again beside what it answered once.

    ``gone`` and ``come`` are the lines that only the older, and only the newer answer has, by
    table. ``why`` is what changed since; empty where the two are the same.
    """

    name: str
    now: Answer
    before_sha256: str
    now_sha256: str
    gone: Mapping[str, Sequence[str]]
    come: Mapping[str, Sequence[str]]
    why: tuple[Change, ...]
    translate: Callable[[str], str] = str

    @property
    def same(self) -> bool:
        """Whether the two answers are the same, byte for byte."""
        return self.before_sha256 == self.now_sha256

    def lines(self) -> list[str]:
        """Return in words whether the two are the same, what differs, and why."""
        tr = self.translate
        if self.same:
            return [
                tr("{name}: the same, byte for byte (SHA-256 {sha256})").format(
                    name=self.name, sha256=self.now_sha256[:16]
                )
            ]
        gone, come = (sum(map(len, one.values())) for one in (self.gone, self.come))
        said = tr("{name}: differs: {gone} rows went, {come} came").format(
            name=self.name, gone=gone, come=come
        )
        because = [one.sentence(tr) for one in self.why] or [tr(_UNKNOWN)]
        return [said, *(f"{tr('because')}: {one}" for one in because)]

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        said = "".join(f"<p>{html.escape(line)}</p>" for line in self.lines())
        for mark, side in (("−", self.gone), ("+", self.come)):
            for rows in side.values():
                shown = "\n".join(f"{mark} {row}" for row in rows[:SHOWN])
                said += f"<pre>{html.escape(shown)}</pre>" if rows else ""
        return said + shown_answer(self.now)


def shown_answer(answer: Answer) -> str:
    """Return an answer as HTML: the first rows of each table, nothing of it as markup."""
    said = ""
    for name, text in answer.items():
        if name == "refused":
            said += f"<p>{html.escape(text)}</p>"
            continue
        rows = list(csv.reader(io.StringIO(text)))
        frame = pd.DataFrame(rows[1:], columns=rows[0] or None)
        said += f"<p>{html.escape(name)}: {len(frame)}</p>"
        said += frame.head(SHOWN).to_html(index=False, border=0) if len(frame) else ""
    return said


class Replay:
    """What a notebook wrote down of a case's searches, beside a root to make them again on.

    Parameters
    ----------
    record
        What :func:`pack` returned.
    translate
        Puts what is said into the reader's language.

    Raises
    ------
    BadInput
        When the record cannot be read.
    """

    def __init__(
        self,
        record: str,
        house: Workbench,
        purpose: Purpose,
        *,
        translate: Callable[[str], str] = str,
    ) -> None:
        self._record, data = unpack(record)
        self._house, self._purpose, self._tr = house, purpose, translate
        self._known = logged(house, purpose.case_id, hashlib.sha256(data).hexdigest())
        self._done: list[Compared] = []
        self.changes = self._changed()

    def _changed(self) -> list[Change]:
        before = self._record["circumstances"]
        case = next((c for c in self._house.cases() if c.case_id == self._purpose.case_id), None)
        if case is None:
            return []
        now = circumstances(self._house, case)
        try:
            self._house._authorise(self._purpose, "search")
        except WorkbenchError:  # of the footage nothing is told to whoever may not search it
            return [one for one in changes(before, now) if one.group in ("case", "rights", "code")]
        return changes(before, now)

    def lines(self) -> list[str]:
        """Return whether the log knows this record, and what has changed since it was written."""
        tr = self._tr
        told = [
            tr("this record is the one of entry {seq} of the log").format(seq=self._known)
            if self._known
            else tr(
                "the log of this root does not know this record: it was altered, or is of another"
            )
        ]
        told += [one.sentence(tr) for one in self.changes]
        if not self.changes:
            told.append(tr("nothing that the searches depend on has changed since"))
        return told

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def run(self, name: str, search: Callable[[], Any]) -> Compared:
        """Make a search again and compare its answer with the one written down under a name."""
        if name not in self._record["answers"]:
            raise BadInput(N_("no search {name} was written down"), where="notebook", name=name)
        answer_sha256 = self._record["answers"][name]
        before, now = self._record["tables"][answer_sha256], told(search)
        now_sha256 = sha256_of(now)
        gone, come = _unlike(before, now), _unlike(now, before)
        why = () if now_sha256 == answer_sha256 else tuple(self.changes)
        one = Compared(name, now, answer_sha256, now_sha256, gone, come, why, self._tr)
        self._done.append(one)
        return one

    def summary(self) -> pd.DataFrame:
        """Return one row a search made so far: the same or not, and why."""
        tr = self._tr
        return pd.DataFrame(
            {
                tr("search"): one.name,
                tr("the same"): tr("yes") if one.same else tr("no"),
                "SHA-256": one.now_sha256[:16],
                tr("because"): "; ".join(one.lines()[1:]),
            }
            for one in self._done
        )


def _unlike(one: Answer, other: Answer) -> dict[str, list[str]]:
    """Return the lines of each table that the other answer's does not have as often."""
    found = {}
    for name, text in one.items():
        left = list(other.get(name, "").splitlines())
        rows = []
        counts: dict[str, int] = {}
        for row in left:
            counts[row] = counts.get(row, 0) + 1
        for row in text.splitlines():
            if counts.get(row):
                counts[row] -= 1
            else:
                rows.append(row)
        found[name] = rows
    return found


def sha256_of(answer: Answer) -> str:
    """Return the hash of an answer: of its tables' names and bytes."""
    return _digest(dict(answer))


def pack(now: Circumstances, answers: Mapping[str, Answer]) -> tuple[str, str]:
    """Return a record of answers as text for a notebook, and its SHA-256; equal ones once."""
    by_hash = {sha256_of(one): dict(one) for one in answers.values()}
    facts = {
        "form": 1,
        "circumstances": {group: dict(values) for group, values in now.items()},
        "answers": {name: sha256_of(one) for name, one in answers.items()},
        "tables": by_hash,
    }
    data = json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()
    text = base64.b64encode(zlib.compress(data, 9)).decode()
    lines = "\n".join(text[at : at + 100] for at in range(0, len(text), 100))
    return lines, hashlib.sha256(data).hexdigest()


def unpack(record: str) -> tuple[dict[str, Any], bytes]:
    """Return what :func:`pack` was given, and the bytes that its hash is of; BadInput otherwise."""
    try:
        data = zlib.decompress(base64.b64decode("".join(record.split()), validate=True))
        facts = json.loads(data)
        answers, tables = facts["answers"], facts["tables"]
        whole = all(sha256_of(tables[one]) == one for one in answers.values())
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error, zlib.error):
        whole = False
    if not whole:
        raise BadInput(
            N_("what this notebook wrote down cannot be read: it was altered"),
            N_("export it again: workbench case export-notebook"),
            where="notebook",
        )
    return facts, data


def logged(house: Workbench, case_id: str, sha256: str) -> int:
    """Return the entry of the log that says a record was written; 0 where there is none."""
    for entry in house._store.audit(case_id, EXPORTED):
        if entry.action == EXPORTED and json.loads(entry.details).get("record") == sha256:
            return entry.seq
    return 0
