"""Tables of sightings as files: CSV, Parquet and GeoPackage, read row by row, written whole."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import geopandas
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from workbench.errors import N_, BadInput
from workbench.store import files
from workbench.timeline import Span, parse_instant

Row = tuple[int, dict[str, Any]]
"""A row's number as its reader counts (a line of a CSV file, else from 1) and its values."""

LAYER = "sightings"
_BATCH = 20_000
_ENDS: dict[str, Literal["csv", "parquet", "gpkg"]] = {
    ".csv": "csv", ".parquet": "parquet", ".gpkg": "gpkg",
}  # fmt: skip


def format_of(path: Path) -> Literal["csv", "parquet", "gpkg"]:
    """Return in which of the three formats a file is, by its name.

    >>> format_of(Path("Reads.CSV"))
    'csv'
    """
    found = _ENDS.get(path.suffix.lower())
    if found is None:
        raise BadInput(
            N_("'{end}' is no table of sightings"),
            N_("name the file .csv, .parquet or .gpkg"),
            where=str(path),
            end=path.suffix or path.name,
        )
    return found


def read(path: Path) -> tuple[list[str], Iterator[Row]]:
    """Return a file's column names and its rows; times are text, or UTC ns where the zone is known.

    Raises
    ------
    BadInput
        When it cannot be read as what its name says.
    """
    kind = format_of(path)
    if not path.is_file():
        raise BadInput(N_("there is no such file"), N_("check the name"), where=str(path))
    try:
        if kind == "csv":
            return _read_csv(path)
        return _rows_of(_read_parquet(path) if kind == "parquet" else _read_gpkg(path))
    except BadInput:
        raise
    except Exception as error:  # noqa: BLE001 - three libraries raise a dozen kinds of their own
        raise BadInput(
            N_("this file cannot be read as {kind}: {error}"),
            N_("write it anew, or in another of the three formats"),
            where=str(path),
            kind=kind,
            error=str(error).splitlines()[0][:200] if str(error) else type(error).__name__,
        ) from None


def write(table: pa.Table, path: Path, about: Mapping[str, str]) -> None:
    """Write a table in the format of its name, whole or not at all; `about` goes into Parquet."""
    kind = format_of(path)
    with files.replacing(path) as temporary:
        if kind == "csv":
            pa_csv.write_csv(table, temporary)
        elif kind == "parquet":
            pq.write_table(table.replace_schema_metadata(dict(about)), temporary)
        else:
            frame = table.to_pandas()
            points = geopandas.points_from_xy(frame["lon_deg"], frame["lat_deg"])
            drawn = geopandas.GeoDataFrame(frame, geometry=points, crs=4326)
            # its driver makes no file under a name without the ending
            named = temporary.with_name(f"{temporary.name}.gpkg")
            try:
                drawn.to_file(named, driver="GPKG", layer=LAYER)
                named.replace(temporary)
            finally:
                named.unlink(missing_ok=True)


def read_places(path: Path | None) -> dict[str, str]:
    """Return the names of a mapping: columns ``name`` and ``camera_id`` of a CSV file."""
    if path is None:
        return {}
    rows = _small(path, ("name", "camera_id"))
    return {row["name"].strip(): row["camera_id"].strip() for row in rows}


def read_covered(path: Path | None) -> list[tuple[str, Span]]:
    """Return what another system looked at: ``camera_id``, ``start`` and ``stop`` of each span.

    Parquet with ``start_ns`` and ``stop_ns`` (UTC), as the simulated ward writes it, will do too.
    """
    if path is None:
        return []
    names, rows = read(path)
    ns = {"start_ns", "stop_ns"} <= set(names)
    first, last = ("start_ns", "stop_ns") if ns else ("start", "stop")
    lacking = [name for name in ("camera_id", first, last) if name not in names]
    if lacking:
        raise BadInput(
            N_("there is no column {columns}"),
            N_("write camera_id, start and stop of each span"),
            where=str(path),
            columns=", ".join(lacking),
        )
    found = []
    for number, row in rows:
        where = f"{path}:{number}"
        ends = [_at(row[name], where) for name in (first, last)]
        if ends[1] <= ends[0]:
            raise BadInput(
                N_("this span ends before it begins"), N_("exchange start and stop"), where=where
            )
        found.append((str(row["camera_id"]).strip(), Span(ends[0], ends[1])))
    return found


def _at(value: Any, where: str) -> int:
    try:
        return int(value)
    except (TypeError, ValueError):
        return parse_instant(str(value or "").strip(), where=where)


def _small(path: Path, wanted: tuple[str, ...]) -> list[dict[str, str]]:
    if format_of(path) != "csv" or not path.is_file():
        raise BadInput(N_("there is no such CSV file"), N_("check the name"), where=str(path))
    names, rows = _read_csv(path)
    lacking = [name for name in wanted if name not in names]
    if lacking:
        raise BadInput(
            N_("there is no column {columns}"),
            N_("its first line must be: {wanted}"),
            where=str(path),
            columns=", ".join(lacking),
            wanted=",".join(wanted),
        )
    return [row for _number, row in rows]


def _read_csv(path: Path) -> tuple[list[str], Iterator[Row]]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(
            N_("byte {at} is not UTF-8"),
            N_("save the table as CSV in UTF-8"),
            where=str(path),
            at=error.start,
        ) from None
    head = text.split("\n", 1)[0]
    # what spreadsheets write where a comma separates decimals
    mark = ";" if head.count(";") > head.count(",") else ","
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark, strict=True)
    try:
        names = [name.strip() for name in next(reader, [])]
    except csv.Error as error:
        raise _no_csv(path, reader, error) from None
    return names, _csv_rows(path, reader, names)


def _csv_rows(path: Path, reader: Any, names: list[str]) -> Iterator[Row]:
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(names):
                raise BadInput(
                    N_("this line has {got} cells and the first line {wanted}"),
                    N_("put text with separators between quotation marks"),
                    where=f"{path}:{reader.line_num}",
                    got=len(cells),
                    wanted=len(names),
                )
            yield reader.line_num, dict(zip(names, cells, strict=True))
    except csv.Error as error:
        raise _no_csv(path, reader, error) from None


def _no_csv(path: Path, reader: Any, error: csv.Error) -> BadInput:
    return BadInput(
        N_("this line is no CSV: {error}"),
        N_("write the table anew"),
        where=f"{path}:{reader.line_num}",
        error=error,
    )


def _read_parquet(path: Path) -> pa.Table:
    return pq.read_table(path, partitioning=None)


def _read_gpkg(path: Path) -> pa.Table:
    layers = geopandas.list_layers(path)["name"].tolist()
    layer = LAYER if LAYER in layers else layers[0] if len(layers) == 1 else None
    if layer is None:
        raise BadInput(
            N_("this file has layers {layers}"),
            N_("name the one with sightings '{wanted}'"),
            where=str(path),
            layers=", ".join(layers),
            wanted=LAYER,
        )
    frame = geopandas.read_file(path, layer=layer)
    if isinstance(frame, geopandas.GeoDataFrame):
        if not {"lon_deg", "lat_deg"} <= set(frame.columns):
            if frame.crs is None:
                raise BadInput(
                    N_("the layer does not say in which coordinates its points are"),
                    N_("give it its reference system"),
                    where=str(path),
                )
            points = frame.geometry.to_crs(4326)
            frame = frame.assign(lon_deg=points.x, lat_deg=points.y)
        frame = pd.DataFrame(frame.drop(columns=frame.geometry.name))
    return pa.Table.from_pandas(frame, preserve_index=False)


def _rows_of(table: pa.Table) -> tuple[list[str], Iterator[Row]]:
    columns = []
    for column in table.columns:
        if pa.types.is_timestamp(column.type):
            known = column.type.tz is not None
            column = column.cast(pa.timestamp("ns", column.type.tz))
            column = column.cast(pa.int64()) if known else column.cast(pa.string())
        columns.append(column)
    plain = pa.table(columns, names=table.column_names)
    return table.column_names, _table_rows(plain)


def _table_rows(table: pa.Table) -> Iterator[Row]:
    number = 0
    for batch in table.to_batches(_BATCH):
        for row in batch.to_pylist():
            number += 1
            yield number, row
