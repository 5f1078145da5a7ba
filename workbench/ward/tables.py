"""Reading the ward's editable tables: CSV from a spreadsheet, GeoJSON from QGIS.

Every oddity that spreadsheets and QGIS are known to leave behind ends in one sentence with file,
row and remedy; nothing here raises for a user's mistake. Frames come back indexed by the row number
their editor shows (a spreadsheet's row, a GeoJSON file's feature counted from 1).
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas as gpd
import pandas as pd
from pyproj import CRS
from pyproj.exceptions import CRSError
from shapely.errors import GEOSException
from shapely.geometry import shape

from workbench.errors import N_, BadInput

WGS84 = CRS.from_epsg(4326)
# West, south, east, north of Viet Nam with its islands: wide enough for any ward, narrow enough to
# tell a longitude from a latitude.
_VIET_NAM = (102.0, 7.0, 118.0, 24.0)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


class Advice(BadInput):
    """A finding worth a look that does not stop the tables from being used."""


@dataclass(slots=True)
class Table:
    """One file as read: its rows (None where unreadable) and what was found on the way."""

    name: str
    frame: Any = None
    findings: list[BadInput] = field(default_factory=list)
    decimal_comma: bool = False

    def find(
        self, what: str, remedy: str, row: int | None = None, *, advice: bool = False, **fields: Any
    ) -> None:
        """Note one finding; `row` may be used as ``{row}`` in the templates."""
        kind = Advice if advice else BadInput
        self.findings.append(kind(what, remedy, where=self.name, row=row, **fields))

    @property
    def usable(self) -> bool:
        """Whether there are rows to look at."""
        return self.frame is not None


def _text_of(table: Table, path: Path) -> str | None:
    try:
        raw = path.read_bytes()
    except FileNotFoundError:
        table.find(N_("the file is missing"), N_("put it into the ward's folder"))
        return None
    except OSError as error:
        table.find(
            N_("the file cannot be read ({reason})"),
            N_("check that it is a file and who may read it"),
            reason=error.strerror or type(error).__name__,
        )
        return None
    try:
        text = raw.decode("utf-8-sig")  # spreadsheets put a BOM first; it says nothing wrong
    except UnicodeDecodeError:
        table.find(
            N_("the file is not UTF-8 text, so Vietnamese letters cannot be told apart"),
            N_("save it again as 'CSV UTF-8' or GeoJSON in UTF-8"),
        )
        return None
    if "\x00" in text:
        table.find(
            N_("the file holds binary data, not text"), N_("save it again as CSV or GeoJSON")
        )
        return None
    return text


def read_csv(
    path: Path,
    required: Sequence[str],
    optional: Sequence[str] = (),
    *,
    alias: Callable[[str], str] = str,
    whole: bool = False,
) -> Table:
    """Read a CSV file into a frame of stripped text, indexed by spreadsheet row.

    A byte-order mark, semicolons or tabs between the columns and empty rows are read as meant;
    unusual separators are reported as advice. Missing optional columns come back empty.

    Parameters
    ----------
    alias
        From a column's name in the file to the one it stands for.
    whole
        Return the columns the file has, unknown ones too, in its order.
    """
    table = Table(path.name)
    text = _text_of(table, path)
    if text is None:
        return table
    head = text.split("\n", 1)[0]
    if head.lower().startswith("sep="):  # Excel's own first line; it shows as no row there
        text = text.partition("\n")[2]
        head = text.split("\n", 1)[0]
    separator = max(",;\t", key=head.count)
    try:
        records = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        table.find(
            N_("the file is not a readable table ({reason})"),
            N_("look for a quotation mark that is opened and never closed"),
            reason=str(error),
        )
        return table
    if not records or not any(cell.strip() for cell in records[0]):
        table.find(N_("the file is empty"), N_("its first row must name the columns"))
        return table
    names = [alias(cell.strip()) for cell in records[0]]
    while names and not names[-1]:
        names.pop()
    if not _columns_usable(table, names, required, optional):
        return table
    if separator != ",":
        table.decimal_comma = separator == ";"
        table.find(
            N_("the columns are separated by {separator}, not by commas; they were read as meant"),
            N_("choose the comma when saving, so that every program reads the file alike"),
            advice=True,
            separator={";": "semicolons", "\t": "tabs"}[separator],
        )
    rows = _rows(table, names, records[1:])
    if not rows:
        table.find(N_("the file has no rows below its first"), N_("add one row for each item"))
        return table
    table.frame = pd.DataFrame.from_dict(rows, orient="index")
    if not whole:
        table.frame = table.frame.reindex(columns=[*required, *optional], fill_value="")
    return table


def _rows(table: Table, names: list[str], records: list[list[str]]) -> dict[int, dict[str, str]]:
    """Return the rows below the first by their number in a spreadsheet, empty ones left out."""
    rows: dict[int, dict[str, str]] = {}
    for number, record in enumerate(records, start=2):
        if not any(cell.strip() for cell in record):
            continue
        if len(record) < len(names) or any(cell.strip() for cell in record[len(names) :]):
            table.find(
                N_("row {row} has {found} cells where the first row names {wanted} columns"),
                N_("look for a missing separator, or put text that holds one in quotation marks"),
                number,
                found=len(record),
                wanted=len(names),
            )
            continue
        rows[number] = {name: cell.strip() for name, cell in zip(names, record, strict=False)}
    return rows


def _columns_usable(
    table: Table, names: list[str], required: Sequence[str], optional: Sequence[str]
) -> bool:
    missing = [name for name in required if name not in names]
    for name in missing:
        table.find(
            N_("row 1 names no column '{column}'"),
            N_("add it; the columns are {columns}"),
            column=name,
            columns=", ".join(required),
        )
    twice = sorted({name for name in names if name and names.count(name) > 1})
    for name in twice:
        table.find(N_("row 1 names column '{column}' twice"), N_("delete one"), column=name)
    for name in names:
        if name and name not in required and name not in optional:
            table.find(
                N_("column '{column}' is not known and is ignored"),
                N_("check its spelling; known are {columns}"),
                advice=True,
                column=name,
                columns=", ".join([*required, *optional]),
            )
    return not missing and not twice


def numbers(table: Table, column: str) -> None:
    """Turn a column into floats, NaN where empty; what is no number is reported and is NaN."""
    table.frame[column] = pd.array(
        [_number(table, row, column, cell) for row, cell in table.frame[column].items()],
        dtype="float64",
    )


def _number(table: Table, row: int, column: str, cell: Any) -> float:
    if cell is None or cell != cell:  # pandas turns a lone null into NaN
        return math.nan
    text = str(cell).strip()
    if not text:
        return math.nan
    if _DECIMAL_COMMA.fullmatch(text):
        fixed = text.replace(",", ".")
        if table.decimal_comma:  # a file separated by semicolons leaves one meaning only
            return float(fixed)
        table.find(
            N_("row {row}: '{text}' in column {column} has a decimal comma"),
            N_("write {fixed}"),
            row,
            column=column,
            text=text,
            fixed=fixed,
        )
        return math.inf
    if not _NUMBER.fullmatch(text) or not math.isfinite(float(text)):
        table.find(
            N_("row {row}: '{text}' in column {column} is not a number"),
            N_("write a plain number such as 105.967381"),
            row,
            column=column,
            text=text,
        )
        return math.inf  # infinite: reported here, so that no later check reports it again
    return float(text)


def read_geojson(path: Path, geometry: str, required: Sequence[str]) -> Table:
    """Read a GeoJSON FeatureCollection into a GeoDataFrame (WGS 84), indexed by feature number.

    Features whose geometry is missing, of another kind, not in degrees, or with longitude and
    latitude swapped are reported and left out.
    """
    table = Table(path.name)
    text = _text_of(table, path)
    if text is None:
        return table
    try:
        document = json.loads(text)
        features = document["features"] if document["type"] == "FeatureCollection" else None
    except json.JSONDecodeError as error:
        table.find(
            N_("the file is not valid JSON (line {line}, column {column})"),
            N_("undo the last edit there, or export it again from QGIS as GeoJSON"),
            line=error.lineno,
            column=error.colno,
        )
        return table
    except (KeyError, TypeError, RecursionError):
        features = None
    if not isinstance(features, list):
        table.find(
            N_("the file is JSON but no GeoJSON FeatureCollection"),
            N_("export the layer again from QGIS as GeoJSON"),
        )
        return table
    if not _crs_usable(table, document):
        return table
    if not features:
        table.find(N_("the file holds no features"), N_("draw at least one in QGIS"))
        return table
    rows: dict[int, dict[str, Any]] = {}
    for number, feature in enumerate(features, start=1):
        row = _feature(table, number, feature, geometry, required)
        if row is not None:
            rows[number] = row
    if rows:
        table.frame = gpd.GeoDataFrame(
            pd.DataFrame.from_dict(rows, orient="index"), geometry="geometry", crs=WGS84
        )
    return table


def _crs_usable(table: Table, document: dict[str, Any]) -> bool:
    stated = document.get("crs")
    if stated is None:
        return True
    try:
        name = str(stated["properties"]["name"])
    except (KeyError, TypeError):
        name = json.dumps(stated, ensure_ascii=False)[:60]
    try:
        right = CRS.from_user_input(name).equals(WGS84, ignore_axis_order=True)
    except CRSError:
        right = False
    if not right:
        table.find(
            N_("the file is in coordinate system {crs}, not in WGS 84 degrees"),
            N_("export it from QGIS with CRS EPSG:4326"),
            crs=name,
        )
    return right


def _feature(
    table: Table, number: int, feature: Any, geometry: str, required: Sequence[str]
) -> dict[str, Any] | None:
    properties = (feature.get("properties") if isinstance(feature, dict) else None) or {}
    label = str(properties.get(required[0]) or "?") if isinstance(properties, dict) else "?"
    try:
        drawn = shape(feature["geometry"])
        kind, bounds = drawn.geom_type, drawn.bounds
    except (TypeError, KeyError, ValueError, AttributeError, IndexError, GEOSException):
        drawn, kind, bounds = None, "nothing", (math.nan,) * 4
    wanted = {geometry, "MultiPolygon"} if geometry == "Polygon" else {geometry}
    if drawn is None or kind not in wanted or drawn.is_empty or not all(map(math.isfinite, bounds)):
        table.find(
            N_("feature {row} ({label}) is {found}, where {wanted} is needed"),
            N_("draw it again in QGIS, or delete it"),
            number,
            label=label,
            found=kind if drawn is None or not drawn.is_empty else "empty",
            wanted=geometry,
        )
        return None
    west, south, east, north = bounds
    if not (west >= -180 and east <= 180 and south >= -90 and north <= 90):
        swapped = _in_viet_nam(south, west) and _in_viet_nam(north, east)
        table.find(
            N_("feature {row} ({label}) has longitude and latitude swapped ({x:.5f}, {y:.5f})")
            if swapped
            else N_("feature {row} ({label}) is not in degrees ({x:.0f}, {y:.0f})"),
            N_("GeoJSON wants longitude first, for example [105.967381, 21.093506]")
            if swapped
            else N_("the layer is in metres; export it from QGIS with CRS EPSG:4326"),
            number,
            label=label,
            x=west,
            y=south,
        )
        return None
    absent = [name for name in required if name not in properties]
    for name in absent:
        table.find(
            N_("feature {row} ({label}) has no property '{column}'"),
            N_("add the field to the layer in QGIS and fill it in"),
            number,
            label=label,
            column=name,
        )
    if absent:
        return None
    return {**{name: properties[name] for name in required}, "geometry": drawn}


def _in_viet_nam(lon_deg: float, lat_deg: float) -> bool:
    west, south, east, north = _VIET_NAM
    return west <= lon_deg <= east and south <= lat_deg <= north


def looks_swapped(lon_deg: float, lat_deg: float) -> bool:
    """Tell whether a position makes sense only with its two numbers exchanged.

    >>> looks_swapped(21.09, 105.97), looks_swapped(105.97, 21.09)
    (True, False)
    """
    return not _in_viet_nam(lon_deg, lat_deg) and _in_viet_nam(lat_deg, lon_deg)


def texts(table: Table, *columns: str) -> None:
    """Turn columns into stripped text, "" where there is none."""
    for column in columns:
        table.frame[column] = [
            "" if value is None or value != value else str(value).strip()
            for value in table.frame[column]
        ]


def once(table: Table, column: str, what: str, remedy: str) -> None:
    """Report every identifier that an earlier row has, as {id} and {first}."""
    # Capital letters do not count: identifiers become names in folders that ignore them.
    first: dict[str, int] = {}
    for row, name in table.frame[column].items():
        if name and (seen := first.setdefault(name.lower(), row)) != row:
            table.find(what, remedy, row, id=name, first=seen)
