"""Points and tracks as tables of text: what an officer types, checked row by row.

A sheet of points has the columns ``x_px, y_px`` and either ``lon_deg, lat_deg`` (WGS 84) or
``east_m, north_m``; ``kind`` (surveyed or map; map where it is left out) and ``sigma_m`` are
optional. A sheet of known lengths has ``x1_px, y1_px, x2_px, y2_px, length_m`` and, optionally,
``sigma_m`` and ``use`` (fit or check; fit where it is left out). A sheet of a track has
``pts, x_px, y_px``; a frame without a point has empty cells.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS, Transformer
from pyproj.exceptions import CRSError

from workbench.collisions.calibration import Floats, PointClass, PointPair
from workbench.collisions.lengths import LENGTH_SIGMA_M, KnownLength
from workbench.errors import N_, BadInput

MOST_ROWS = 20_000
_DEGREES, _METRES = ("lon_deg", "lat_deg"), ("east_m", "north_m")
_KINDS: Mapping[str, PointClass] = {"": "map", "map": "map", "surveyed": "surveyed"}
_ENDS = ("x1_px", "y1_px", "x2_px", "y2_px", "length_m")
_USES: Mapping[str, Literal["fit", "check"]] = {"": "fit", "fit": "fit", "check": "check"}


def read_points(text: str, *, where: str = "", crs: str = "") -> tuple[list[PointPair], str]:
    """Return the points of a sheet and the projected system their metres are in.

    Parameters
    ----------
    where
        The file, for sentences about its rows.
    crs
        A projected system in metres, like EPSG:32648. Left out, degrees are put into their UTM
        zone, and metres stay what they are (the answer is then empty): their second axis is north.

    Raises
    ------
    BadInput
        Naming the row and column that cannot be used.
    """
    rows = _rows(text, where, ("x_px", "y_px"), {*_DEGREES, *_METRES, "kind", "sigma_m", "name"})
    columns = set(rows[0]) if rows else set()
    degrees = columns.issuperset(_DEGREES)
    if degrees == columns.issuperset(_METRES):
        raise BadInput(
            N_("the places need the columns lon_deg, lat_deg or east_m, north_m, not both"),
            N_("name them so in the first line"),
            where=where,
        )
    names = _DEGREES if degrees else _METRES
    places = np.array([[_number(row, n, k, where) for n in names] for k, row in _counted(rows)])
    if degrees:
        if not ((np.abs(places[:, 0]) <= 180) & (np.abs(places[:, 1]) <= 84)).all():
            raise BadInput(
                N_("a longitude or latitude is out of range"),
                N_("lon_deg is about 106 and lat_deg about 21 here; were they exchanged?"),
                where=where,
            )
        crs = crs or _utm(float(places[:, 0].mean()), float(places[:, 1].mean()))
    if crs:
        _refuse_system(crs, where)
    if degrees:
        ahead = Transformer.from_crs("EPSG:4326", crs, always_xy=True)
        places = np.column_stack(ahead.transform(places[:, 0], places[:, 1]))
        if not np.isfinite(places).all():
            raise BadInput(
                N_("the places do not lie where {crs} holds"), N_("leave the system out"),
                where=where, crs=crs,
            )  # fmt: skip
    points = []
    for number, row in _counted(rows):
        kind = _KINDS.get(row.get("kind", "").lower())
        if kind is None:
            raise BadInput(
                N_("row {row}: '{kind}' is no kind of point"), N_("write surveyed or map"),
                where=where, row=number, kind=row["kind"][:30],
            )  # fmt: skip
        sigma = _number(row, "sigma_m", number, where) if row.get("sigma_m") else None
        x, y = (_number(row, name, number, where) for name in ("x_px", "y_px"))
        east, north = places[number - 2].tolist()
        points.append(PointPair(x, y, east, north, kind, sigma))
    return points, crs


def read_lengths(text: str, *, where: str = "") -> list[KnownLength]:
    """Return the known lengths of a sheet.

    Raises
    ------
    BadInput
        Naming the row and column that cannot be used.
    """
    rows = _rows(text, where, _ENDS, {"sigma_m", "use", "name"})
    lengths = []
    for number, row in _counted(rows):
        use = _USES.get(row.get("use", "").lower())
        if use is None:
            raise BadInput(
                N_("row {row}: '{use}' is no use of a length"), N_("write fit or check"),
                where=where, row=number, use=row["use"][:30],
            )  # fmt: skip
        sigma = _number(row, "sigma_m", number, where) if row.get("sigma_m") else LENGTH_SIGMA_M
        x1, y1, x2, y2, metres = (_number(row, name, number, where) for name in _ENDS)
        lengths.append(KnownLength(x1, y1, x2, y2, metres, sigma, use))
    return lengths


def read_track(text: str, *, where: str = "") -> tuple[NDArray[np.int64], Floats]:
    """Return ticks (n,) and contact points (n, 2) of a sheet; NaN where a frame has no point.

    Raises
    ------
    BadInput
        Naming the row and column that cannot be used.
    """
    rows = _rows(text, where, ("pts", "x_px", "y_px"), set())
    ticks, points = [], []
    for number, row in _counted(rows):
        try:
            tick = int(row["pts"])
            if abs(tick) >= 2**62:
                raise ValueError(tick)
        except ValueError:
            raise _unreadable(row["pts"], "pts", number, where) from None
        ticks.append(tick)
        seen = bool(row["x_px"] or row["y_px"])
        points.append(
            [_number(row, n, number, where) if seen else math.nan for n in ("x_px", "y_px")]
        )
    order = np.array(ticks, dtype=np.int64)
    if (np.diff(order) <= 0).any():
        late = int(np.flatnonzero(np.diff(order) <= 0)[0]) + 3
        raise BadInput(
            N_("row {row}: its PTS is not later than the one before"), N_("sort them by frame"),
            where=where, row=late,
        )  # fmt: skip
    return order, np.array(points, dtype=np.float64).reshape(-1, 2)


def _rows(text: str, where: str, needed: tuple[str, ...], more: set[str]) -> list[dict[str, str]]:
    reader = csv.reader(io.StringIO(text.lstrip("\ufeff")))
    try:
        lines = [line for line in reader if any(cell.strip() for cell in line)]
    except csv.Error:
        lines = []
    head = [cell.strip().lower() for cell in lines[0]] if lines else []
    missing = [name for name in needed if name not in head]
    if missing or len(head) != len(set(head)):
        raise BadInput(
            N_("the first line does not name the columns {columns} once each"),
            N_("columns are parted by commas; see docs/accidents.md"),
            where=where,
            columns=", ".join(needed),
        )
    unknown = [name for name in head if name not in needed and name not in more]
    if unknown:
        raise BadInput(
            N_("'{column}' is no column of this table"), N_("take it out, or write it rightly"),
            where=where, column=unknown[0][:30],
        )  # fmt: skip
    if not 1 < len(lines) <= MOST_ROWS:
        raise BadInput(
            N_("the table has {count} rows"), N_("give 1 to {most}"),
            where=where, count=len(lines) - 1, most=MOST_ROWS,
        )  # fmt: skip
    for number, line in enumerate(lines[1:], start=2):
        if len(line) != len(head):
            raise BadInput(
                N_("row {row} has {count} cells and the first line {wanted}"),
                N_("write decimals with a point, and part cells by commas"),
                where=where, row=number, count=len(line), wanted=len(head),
            )  # fmt: skip
    return [dict(zip(head, (c.strip() for c in line), strict=True)) for line in lines[1:]]


def _counted(rows: list[dict[str, str]]) -> enumerate[dict[str, str]]:
    return enumerate(rows, start=2)  # as a spreadsheet counts them


def _number(row: dict[str, str], name: str, number: int, where: str) -> float:
    try:
        value = float(row[name])
    except ValueError:
        value = math.nan
    if not abs(value) < 1e9:
        raise _unreadable(row[name], name, number, where)
    return value


def _unreadable(text: str, name: str, number: int, where: str) -> BadInput:
    return BadInput(
        N_("row {row}: '{text}' is no number for {column}"),
        N_("write it like 12.5"),
        where=where, row=number, text=text[:30], column=name,
    )  # fmt: skip


def _utm(lon_deg: float, lat_deg: float) -> str:
    zone = min(int((lon_deg + 180) // 6) + 1, 60)
    return f"EPSG:{(32600 if lat_deg >= 0 else 32700) + zone}"


def _refuse_system(crs: str, where: str) -> None:
    try:
        system = CRS.from_user_input(crs)
        usable = system.is_projected and system.axis_info[0].unit_name == "metre"
    except CRSError:
        usable = False
    if not usable:
        raise BadInput(
            N_("'{crs}' is no projected system in metres"),
            N_("for this ward it is EPSG:32648"),
            where=where, crs=crs[:60],
        )  # fmt: skip
