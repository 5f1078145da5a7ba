"""What a table of sightings must be before it enters the lake, and its times under clock fixes.

The schema is closed: a column that is not in :data:`workbench.records.SIGHTINGS` is refused, and
one that would say something of a person's nature or identity is refused by name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from workbench.errors import N_, BadInput
from workbench.records import KINDS, SIGHTINGS, Segment
from workbench.store.searched import Searched
from workbench.timeline import SECOND_NS, ClockFix

TIMES = ("utc", "first_utc", "last_utc", "sigma_s")
"""The columns that follow from PTS and clock fixes, and change when a fix does."""

FORBIDDEN = frozenset(
    {
        "age", "anger", "behaviour", "biometric", "descriptor", "disability", "embedding",
        "emotion", "ethnic", "ethnicity", "face_id", "feature", "gender", "identity", "mood",
        "name", "nationality", "person_id", "race", "religion", "risk", "sex", "skin",
        "suspect", "threat", "vector",
        "cam_xuc", "chung_toc", "dan_toc", "gioi_tinh", "ho_ten", "mau_da", "nghi_pham",
        "quoc_tich", "ton_giao", "tuoi",
    }
)  # fmt: skip
"""Words that no column may be called by, alone or between underscores (see docs/lawful-use.md)."""

_CAMERA = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def checked(table: pa.Table) -> pa.Table:
    """Return the table in the schema SIGHTINGS, each sighting once.

    Columns may come in any order and in types that hold the same values (``large_string``,
    microseconds).

    Raises
    ------
    BadInput
        With the column or the sighting concerned.
    """
    refuse_columns(table.column_names)
    missing = [name for name in SIGHTINGS.names if name not in table.column_names]
    if missing:
        raise BadInput(
            N_("the sightings have no column {columns}"),
            N_("write every column of the table of sightings, see docs/schema.md"),
            columns=", ".join(missing),
        )
    columns = []
    for wanted in SIGHTINGS:
        column = table[wanted.name]
        if column.null_count and not wanted.nullable:
            raise BadInput(
                N_("column {column} of the sightings has {count} empty values"),
                N_("give it a value in every row"),
                column=wanted.name,
                count=column.null_count,
            )
        try:
            columns.append(column.cast(wanted.type))
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, pa.ArrowTypeError) as error:
            raise BadInput(
                N_("column {column} of the sightings is {got} and cannot become {wanted}: {error}"),
                N_("write it in the type of the table of sightings, see docs/schema.md"),
                column=wanted.name,
                got=column.type,
                wanted=wanted.type,
                error=str(error).splitlines()[0],
            ) from None
    result = _each_once(pa.table(columns, schema=SIGHTINGS))
    _check_values(result)
    return result


def refuse_columns(names: list[str]) -> None:
    """Raise BadInput for a column that the lake does not hold, and say why.

    >>> refuse_columns(["camera_id", "track_box"])
    """
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise BadInput(
            N_("the sightings have column {columns} twice"),
            N_("write each column once"),
            columns=", ".join(twice),
        )
    strange = [name for name in names if name not in SIGHTINGS.names]
    forbidden = [name for name in strange if _words(name) & FORBIDDEN]
    if forbidden:
        raise BadInput(
            N_("sightings may not carry {columns}: nothing is stored of who or what a person is"),
            N_("leave the column out; it is refused on purpose, see docs/lawful-use.md"),
            columns=", ".join(forbidden),
        )
    if strange:
        raise BadInput(
            N_("the table of sightings has no column {columns}"),
            N_("leave it out, or add it to the documented schema first, see docs/schema.md"),
            columns=", ".join(strange),
        )


def _words(name: str) -> set[str]:
    plain = unicodedata.normalize("NFD", name.replace("đ", "d").replace("Đ", "D"))
    plain = "".join(sign for sign in plain if not unicodedata.combining(sign))
    parts = re.split(r"[^A-Za-z0-9]+", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", plain))
    words = [part.lower() for part in parts]
    pairs = (f"{one}_{other}" for one, other in pairwise(words))
    return {*words, *(word.removesuffix("s") for word in words), *pairs, name.lower()}


def _each_once(table: pa.Table) -> pa.Table:
    ids = table["sighting_id"].to_numpy(zero_copy_only=False)
    _, first = np.unique(ids, return_index=True)
    if len(first) == len(ids):
        return table
    once = table.take(np.sort(first))
    distinct = {str(row) for row in table.to_pylist()}
    if len(distinct) > len(once):
        raise BadInput(
            N_("two different sightings have the same sighting_id"),
            N_("make the id from segment, PTS, box and model"),
        )
    return once


def _check_values(table: pa.Table) -> None:
    _all(
        table,
        pc.is_in(table["kind"], pa.array(KINDS)),
        N_("sighting {sighting_id} is of an unknown kind"),
        N_("use one of {kinds}"),
        kinds=", ".join(KINDS),
    )
    _all(
        table,
        pc.match_substring_regex(table["camera_id"], f"^{_CAMERA.pattern}$"),
        N_("sighting {sighting_id} has a camera name that cannot name a folder"),
        N_("use letters, digits, dot, dash and underscore"),
    )
    for column in ("score", "plate_score"):
        inside = pc.and_(pc.greater_equal(table[column], 0.0), pc.less_equal(table[column], 1.0))
        _all(
            table,
            inside,
            N_("sighting {sighting_id} has a {column} that is not between 0 and 1"),
            N_("write scores as fractions"),
            column=column,
        )
    # Not so the UTC of them: where one clock fix ends and another begins, time may step back.
    for low, high in (("first_pts", "pts"), ("pts", "last_pts")):
        _all(
            table,
            pc.less_equal(table[low], table[high]),
            N_("sighting {sighting_id} has {low} after {high}"),
            N_("the best frame lies between the first and the last"),
            low=low,
            high=high,
        )
    boxes = pc.multiply(pc.list_value_length(table["track_pts"]), 4)
    _all(
        table,
        pc.equal(boxes, pc.list_value_length(table["track_box"])),
        N_("sighting {sighting_id} has not four track_box numbers for each track_pts"),
        N_("write x, y, w, h of each observation, one after another"),
    )


def _all(table: pa.Table, good: pa.ChunkedArray, what: str, remedy: str, **fields: str) -> None:
    """Raise BadInput naming the first sighting whose value is known and not good."""
    bad = pc.index(pc.fill_null(good, True), False).as_py()
    if bad >= 0:
        raise BadInput(what, remedy, sighting_id=table["sighting_id"][bad].as_py(), **fields)


def retimed(rows: pa.Table, known: Mapping[str, Segment], fixes: Sequence[ClockFix]) -> pa.Table:
    """Return rows with times under these fixes; those of unknown segments stay as they are."""
    hashes = rows["segment_sha256"].to_pylist()
    for name, ticks in (("utc", "pts"), ("first_utc", "first_pts"), ("last_utc", "last_pts")):
        at_ns = rows[name].cast(pa.int64()).to_pylist()
        sigma_s = rows["sigma_s"].to_pylist()
        for row, (sha256, pts) in enumerate(zip(hashes, rows[ticks].to_pylist(), strict=True)):
            if sha256 in known:
                at_ns[row], sigma_ns = known[sha256].utc(pts, fixes)
                sigma_s[row] = sigma_ns / SECOND_NS
        rows = _with(rows, name, at_ns)
        if name == "utc":
            rows = _with(rows, "sigma_s", sigma_s)
    return rows


def _with(rows: pa.Table, name: str, values: list[Any]) -> pa.Table:
    at = rows.column_names.index(name)
    return rows.set_column(
        at, rows.schema.field(name), pa.array(values, rows.schema.field(name).type)
    )


def without(found: pa.Table, earlier: Sequence[Searched]) -> pa.Table:
    """Leave out the rows of spans that were searched again later."""
    spans: dict[tuple[str, str], list[Searched]] = {}
    for span in earlier:
        spans.setdefault((span.segment_sha256, span.model_ref), []).append(span)
    rows = zip(
        *(found[name].to_pylist() for name in ("segment_sha256", "first_pts", "model_ref")),
        strict=True,
    )
    keep = [
        not any(s.first_pts <= first < s.stop_pts for s in spans.get((sha256, ref), ()))
        for sha256, first, ref in rows
    ]
    return found.filter(pa.array(keep, pa.bool_()))
