"""What each column of the ward's tables may hold, as pandera schemas with sentences.

Every check carries its sentence and remedy; :func:`apply` turns pandera's failure cases into
findings that name the row.
"""

from __future__ import annotations

import math

import pandera.pandas as pa
from pandera.errors import SchemaErrors

from workbench.errors import N_
from workbench.ward.tables import Table

# Identifiers become folder names in the archive and parts of addresses.
_ID = r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}"
_DATE = r"(\d{4}-\d{2}-\d{2})?"

_NO_ID = (
    N_("row {row}: '{value}' in column {column} cannot be an identifier"),
    N_("use up to 32 letters without accents, digits, '-' or '_'"),
)
_EMPTY = (
    N_("row {row}: column {column} is empty"),
    N_("fill it in; the other rows show what is meant"),
)
_REMEDIES = dict([_NO_ID, _EMPTY])


def _says(what: str, remedy: str) -> str:
    _REMEDIES[what] = remedy
    return what


def _id() -> pa.Column:
    return pa.Column(checks=pa.Check.str_matches(f"^{_ID}$", error=_NO_ID[0]))


def _word() -> pa.Column:
    return pa.Column(checks=pa.Check(lambda text: text.str.strip() != "", error=_EMPTY[0]))


def _one_of(*words: str, what: str, remedy: str) -> pa.Column:
    return pa.Column(checks=pa.Check.isin(list(words), error=_says(what, remedy)))


def _number(
    low: float, high: float, what: str, remedy: str, *, above: bool = False, empty: bool = False
) -> pa.Column:
    # An infinite value was reported where it was parsed.
    return pa.Column(
        float,
        nullable=empty,
        checks=pa.Check(
            lambda x: x.map(math.isinf) | ((x > low if above else x >= low) & (x <= high)),
            error=_says(what, remedy),
        ),
    )


CAMERAS = pa.DataFrameSchema(
    {
        "camera_id": _id(),
        "site_id": _id(),
        "name": _word(),
        "kind": _one_of(
            "plate",
            "overview",
            what=N_("row {row}: kind '{value}' is not known"),
            remedy=N_("write plate or overview"),
        ),
        "lon_deg": _number(
            -180,
            180,
            N_("row {row}: {value} is no longitude in degrees"),
            N_("write degrees east in WGS 84, for example 105.967381"),
        ),
        "lat_deg": _number(
            -90,
            90,
            N_("row {row}: {value} is no latitude in degrees"),
            N_("write degrees north in WGS 84, for example 21.093506"),
        ),
        "heading_deg": _number(
            0,
            360,
            N_("row {row}: the heading {value} is not between 0 and 360 degrees"),
            N_("write where the camera looks, clockwise from north: east is 90"),
        ),
        "fov_deg": _number(
            0,
            180,
            N_("row {row}: the field of view {value} is not between 0 and 180 degrees"),
            N_("write the lens's horizontal angle, for example 22"),
            above=True,
        ),
        "range_m": _number(
            0,
            1000,
            N_("row {row}: the range {value} is not between 0 and 1000 metres"),
            N_("write how far the camera sees well enough, for example 28"),
            above=True,
        ),
        "sees": _one_of(
            "front",
            "rear",
            "both",
            what=N_("row {row}: sees '{value}' is not known"),
            remedy=N_("write front, rear or both: the end of a vehicle that the camera is shown"),
        ),
        "road_edge": _id(),
    }
)

SITES = pa.DataFrameSchema(
    {
        "site_id": _id(),
        "name": _word(),
        "neighbourhood": _word(),
        "fibre_branch": _word(),
        "power_branch": _word(),
    }
)

ROADS = pa.DataFrameSchema(
    {
        "edge_id": _id(),
        "from_node": _id(),
        "to_node": _id(),
        "limit_kmh": _number(
            5,
            120,
            N_("row {row}: the speed limit {value} is not between 5 and 120 km/h"),
            N_("write the limit in km/h"),
        ),
        "length_m": _number(
            0,
            100_000,
            N_("row {row}: the length {value} is not a length in metres"),
            N_("write metres; the check says the length of the line drawn"),
            above=True,
            empty=True,  # told with the length as drawn
        ),
        "oneway": _one_of(
            True,  # type: ignore[arg-type]
            False,  # type: ignore[arg-type]
            what=N_("row {row}: oneway '{value}' is neither true nor false"),
            remedy=N_("set true where traffic runs only in the direction of the line"),
        ),
    }
)

AREAS = pa.DataFrameSchema(
    {
        "name": _word(),
        "role": _one_of(
            "ward",
            "neighbour",
            what=N_("row {row}: role '{value}' is not known"),
            remedy=N_("write ward or neighbour"),
        ),
        "valid_from": pa.Column(
            checks=pa.Check.str_matches(
                f"^{_DATE}$",
                error=_says(
                    N_("row {row}: '{value}' in column {column} is not a date"),
                    N_("write it like 2025-06-30, or leave it empty where there is no end"),
                ),
            )
        ),
        "valid_to": pa.Column(
            checks=pa.Check.str_matches(
                f"^{_DATE}$", error=N_("row {row}: '{value}' in column {column} is not a date")
            )
        ),
    }
)


def apply(schema: pa.DataFrameSchema, table: Table) -> set[int]:
    """Report every cell that breaks `schema`, each once; return the rows concerned."""
    try:
        schema.validate(table.frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases
    else:
        return set()
    told: set[tuple[int, str]] = set()
    for case in cases.sort_values(["index", "column"]).itertuples(index=False):
        row, column, value = int(case.index), str(case.column), case.failure_case
        empty = case.check == "not_nullable" or value == ""
        if (row, column) not in told:
            what = _EMPTY[0] if empty else case.check
            shown = f"{value:g}" if isinstance(value, float) else str(value)
            table.find(what, _REMEDIES[what], row, column=column, value=shown)
            told.add((row, column))
    return {row for row, _ in told}
