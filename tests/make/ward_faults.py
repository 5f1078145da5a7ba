"""Faults an editor can make in the ward's tables, and what must be said of each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyproj import Geod

from make.wards import edit_cameras, edit_features, set_cell

GEOD = Geod(ellps="WGS84")


def _feature(table: str, number: int, /, **properties: Any) -> Callable[[Path], None]:
    return lambda folder: edit_features(
        folder, table, lambda features: features[number - 1]["properties"].update(properties)
    )


def geometry(
    name: str, number: int, change: Callable[[dict[str, Any]], object]
) -> Callable[[Path], None]:
    return lambda folder: edit_features(
        folder, name, lambda features: change(features[number - 1]["geometry"])
    )


def cell(row: int, column: str, value: str) -> Callable[[Path], None]:
    return lambda folder: set_cell(folder, row, column, value)


def _cells(row: int, **values: str) -> Callable[[Path], None]:
    def plant(folder: Path) -> None:
        for column, value in values.items():
            set_cell(folder, row, column, value)

    return plant


def _drop_column(rows: list[list[str]]) -> None:
    at = rows[0].index("heading_deg")
    for row in rows:
        del row[at]


def _rename_column(rows: list[list[str]]) -> None:
    rows[0][rows[0].index("stream_url")] = "stream_uri"


def rewrite(name: str, change: Callable[[str], str | bytes]) -> Callable[[Path], None]:
    def plant(folder: Path) -> None:
        new = change((folder / name).read_text("utf-8"))
        (folder / name).write_bytes(new if isinstance(new, bytes) else new.encode())

    return plant


def document(name: str, **members: Any) -> Callable[[Path], None]:
    return rewrite(name, lambda text: json.dumps({**json.loads(text), **members}))


def crs(name: str) -> dict[str, Any]:
    return {"type": "name", "properties": {"name": name}}


def _island(folder: Path) -> None:
    def add(features: list[dict[str, Any]]) -> None:
        line = [[105.97, 21.08], [105.971, 21.08]]
        length_m = round(GEOD.line_length(*zip(*line, strict=True)), 1)
        features.append(
            {
                "type": "Feature",
                "properties": {
                    **features[0]["properties"],
                    "edge_id": "E900",
                    "from_node": "X1",
                    "to_node": "X2",
                    "length_m": length_m,
                },
                "geometry": {"type": "LineString", "coordinates": line},
            }
        )

    edit_features(folder, "roads.geojson", add)


# (fault, the file that is to be named, its row, words of the sentence, words of the remedy)
STOPS = {
    "duplicate camera": (
        cell(5, "camera_id", "S01-P1"),
        "cameras.csv", "row 5", "S01-P1 is there already (row 2)", "of its own",
    ),
    "duplicate camera but for capitals": (
        cell(5, "camera_id", "s01-p1"),
        "cameras.csv", "row 5", "s01-p1 is there already (row 2)", "of its own",
    ),
    "camera of an unknown site": (
        cell(5, "site_id", "S77"),
        "cameras.csv", "row 5", "names site S77", "add the site in QGIS",
    ),
    "camera on an unknown edge": (
        cell(5, "road_edge", "E999"),
        "cameras.csv", "row 5", "names road E999", "edge_id",
    ),
    "missing heading": (
        cell(5, "heading_deg", ""),
        "cameras.csv", "row 5", "heading_deg is empty", "Fill it in",
    ),
    "heading past the compass": (
        cell(5, "heading_deg", "361"),
        "cameras.csv", "row 5", "361 is not between 0 and 360", "clockwise from north",
    ),
    "heading below the compass": (
        cell(5, "heading_deg", "-1"),
        "cameras.csv", "row 5", "-1 is not between 0 and 360", "clockwise from north",
    ),
    "no field of view": (
        cell(5, "fov_deg", "0"),
        "cameras.csv", "row 5", "field of view 0", "lens",
    ),
    "range in kilometres by mistake": (
        cell(5, "range_m", "28000"),
        "cameras.csv", "row 5", "range 28000", "how far",
    ),
    "unknown kind": (
        cell(5, "kind", "ptz"), "cameras.csv", "row 5", "kind 'ptz'", "plate or overview",
    ),
    "unknown end": (
        cell(5, "sees", "back"), "cameras.csv", "row 5", "sees 'back'", "front, rear or both",
    ),
    "identifier that no folder can have": (
        cell(5, "camera_id", "S01/V1"), "cameras.csv", "row 5", "'S01/V1'", "letters",
    ),
    "swapped camera": (
        _cells(5, lon_deg="21.087263", lat_deg="105.967163"),
        "cameras.csv", "row 5", "longitude and latitude swapped", "exchange the two",
    ),
    "camera in metres": (
        cell(5, "lon_deg", "600444.1"), "cameras.csv", "row 5", "no longitude", "WGS 84",
    ),
    "camera far from its site": (
        cell(5, "site_id", "S26"), "cameras.csv", "row 5", "m from its site S26", "position",
    ),
    "camera far from its road": (
        cell(5, "road_edge", "E012"), "cameras.csv", "row 5", "m from its road E012", "name the",
    ),
    "word for a number": (
        cell(5, "fov_deg", "wide"), "cameras.csv", "row 5", "'wide'", "plain number",
    ),
    "not a number": (
        cell(5, "lat_deg", "NaN"), "cameras.csv", "row 5", "'NaN'", "plain number",
    ),
    "decimal comma between commas": (
        cell(5, "heading_deg", "348,3"), "cameras.csv", "row 5", "decimal comma", "348.3",
    ),
    "eight numbers for nine": (
        _cells(5, pixel_to_ground="1 0 0 0 1 0 0 0", ground_crs="EPSG:32648"),
        "cameras.csv", "row 5", "not nine numbers", "calibrate",
    ),
    "flat homography": (
        _cells(5, pixel_to_ground="1 0 0 2 0 0 0 0 1", ground_crs="EPSG:32648"),
        "cameras.csv", "row 5", "not nine numbers", "calibrate",
    ),
    "calibrated in degrees": (
        _cells(5, pixel_to_ground="1 0 0 0 1 0 0 0 1", ground_crs="EPSG:4326"),
        "cameras.csv", "row 5", "'EPSG:4326'", "EPSG:32648",
    ),
    "calibrated nowhere": (
        _cells(5, pixel_to_ground="1 0 0 0 1 0 0 0 1"),
        "cameras.csv", "row 5", "ground_crs ''", "EPSG:32648",
    ),
    "error of no size": (
        cell(5, "pixel_sigma_px", "0"), "cameras.csv", "row 5", "not above 0", "deviation",
    ),
    "missing column": (
        lambda folder: edit_cameras(folder, _drop_column),
        "cameras.csv", "row 1", "no column 'heading_deg'", "add it",
    ),
    "column named twice": (
        rewrite("cameras.csv", lambda text: text.replace("fov_deg", "range_m", 1)),
        "cameras.csv", "row 1", "'range_m' twice", "delete one",
    ),
    "row cut short": (
        lambda folder: edit_cameras(folder, lambda rows: rows[4].__delitem__(slice(6, None))),
        "cameras.csv", "row 5", "has 6 cells", "separator",
    ),
    "quotation mark left open": (
        rewrite("cameras.csv", lambda text: text + '"'),
        "cameras.csv", "", "not a readable table", "never closed",
    ),
    "saved in the old Vietnamese encoding": (
        rewrite("cameras.csv", lambda text: text.encode("cp1258", errors="replace")),
        "cameras.csv", "", "not UTF-8", "CSV UTF-8",
    ),
    "saved as Unicode text": (
        rewrite("cameras.csv", lambda text: text.encode("utf-16")),
        "cameras.csv", "", "not UTF-8", "CSV UTF-8",
    ),
    "empty file": (
        rewrite("cameras.csv", lambda _: ""), "cameras.csv", "", "is empty", "columns",
    ),
    "heading only": (
        rewrite("cameras.csv", lambda text: text.split("\n")[0]),
        "cameras.csv", "", "no rows", "one row",
    ),
    "missing file": (
        lambda folder: (folder / "cameras.csv").unlink(),
        "cameras.csv", "", "is missing", "folder",
    ),
    "folder for a file": (
        lambda folder: ((folder / "cameras.csv").unlink(), (folder / "cameras.csv").mkdir()),
        "cameras.csv", "", "cannot be read", "who may read",
    ),
    "duplicate site": (
        _feature("sites.geojson", 3, site_id="S01"),
        "sites.geojson", "feature 3", "S01 is there already (feature 1)", "of its own",
    ),
    "site outside the ward": (
        geometry("sites.geojson", 3, lambda g: g.update(coordinates=[105.99, 21.09])),
        "sites.geojson", "feature 3", "outside Phường Phù Chẩn", "QGIS",
    ),
    "site in another former ward": (
        # inside today's Từ Sơn, but never in Phù Chẩn: its dated name would be wrong
        geometry("sites.geojson", 3, lambda g: g.update(coordinates=[105.955, 21.0945])),
        "sites.geojson", "feature 3", "outside Phường Phù Chẩn", "QGIS",
    ),
    "swapped site": (
        geometry("sites.geojson", 3, lambda g: g["coordinates"].reverse()),
        "sites.geojson", "feature 3", "longitude and latitude swapped", "longitude first",
    ),
    "site in metres": (
        geometry("sites.geojson", 3, lambda g: g.update(coordinates=[600444.0, 2332111.0])),
        "sites.geojson", "feature 3", "not in degrees", "EPSG:4326",
    ),
    "site without a name": (
        _feature("sites.geojson", 3, name=None), "sites.geojson", "row 3", "name is empty", "fill",
    ),
    "site without a place": (
        lambda folder: edit_features(
            folder, "sites.geojson", lambda features: features[2].update(geometry=None)
        ),
        "sites.geojson", "feature 3", "is nothing", "draw it again",
    ),
    "site drawn as a line": (
        geometry(
            "sites.geojson",
            3,
            lambda g: g.update(type="LineString", coordinates=[[105.96, 21.08], [105.97, 21.08]]),
        ),
        "sites.geojson", "feature 3", "is LineString", "draw it again",
    ),
    "missing property": (
        lambda folder: edit_features(
            folder, "sites.geojson", lambda features: features[2]["properties"].pop("fibre_branch")
        ),
        "sites.geojson", "feature 3", "no property 'fibre_branch'", "add the field",
    ),
    "other coordinate system": (
        document("sites.geojson", crs=crs("urn:ogc:def:crs:EPSG::32648")),
        "sites.geojson", "", "EPSG::32648", "EPSG:4326",
    ),
    "coordinate system of fantasy": (
        document("sites.geojson", crs=crs("Phù Chẩn")),
        "sites.geojson", "", "Phù Chẩn", "EPSG:4326",
    ),
    "broken JSON": (
        rewrite("sites.geojson", lambda text: text[:500]),
        "sites.geojson", "line", "not valid JSON", "QGIS",
    ),
    "other JSON": (
        rewrite("sites.geojson", lambda _: "[1, 2]"),
        "sites.geojson", "", "no GeoJSON", "export",
    ),
    "no features": (
        document("sites.geojson", features=[]), "sites.geojson", "", "no features", "draw",
    ),
    "duplicate edge": (
        _feature("roads.geojson", 3, edge_id="E001"),
        "roads.geojson", "feature 3", "E001 is there already (feature 1)", "of its own",
    ),
    "length that disagrees with the line": (
        _feature("roads.geojson", 3, length_m=150.0),
        "roads.geojson", "feature 3", "says 150.0 m and is drawn 101.0 m", "101.0",
    ),
    "new road without its length": (
        _feature("roads.geojson", 3, length_m=None),
        "roads.geojson", "feature 3", "E003 has no length", "write length_m 101.0",
    ),
    "no speed limit": (
        _feature("roads.geojson", 3, limit_kmh=0), "roads.geojson", "row 3", "limit 0", "km/h",
    ),
    "limit left empty": (
        _feature("roads.geojson", 3, limit_kmh=None),
        "roads.geojson", "row 3", "limit_kmh is empty", "fill it in",
    ),
    "limit in words": (
        _feature("roads.geojson", 3, limit_kmh="fast"),
        "roads.geojson", "row 3", "'fast'", "plain number",
    ),
    "one-way in words": (
        _feature("roads.geojson", 3, oneway="maybe"), "roads.geojson", "row 3", "maybe", "true",
    ),
    "disconnected road": (
        _island, "roads.geojson", "feature 84", "E900", "the node of the road it meets",
    ),
    "road that misses its node": (
        geometry("roads.geojson", 3, lambda g: g["coordinates"][0].__setitem__(1, 21.0874)),
        "roads.geojson", "feature 3", "lie 2.2 m apart", "snap",
    ),
    "two names at once": (
        _feature("areas.geojson", 2, valid_from="2025-06-30"),
        "areas.geojson", "feature 2", "while Phường Phù Chẩn is still valid", "day before",
    ),
    "date in another order": (
        _feature("areas.geojson", 2, valid_from="01/07/2025"),
        "areas.geojson", "row 2", "is not a date", "2025-06-30",
    ),
    "date that is no day": (
        _feature("areas.geojson", 1, valid_to="2025-06-31"),
        "areas.geojson", "feature 1", "no day of the calendar", "2025-06-30",
    ),
    "outline that crosses itself": (
        geometry(
            "areas.geojson",
            5,
            lambda g: g.update(
                type="Polygon",
                coordinates=[[[105.9, 21], [106, 21.1], [106, 21], [105.9, 21.1], [105.9, 21]]],
            ),
        ),
        "areas.geojson", "feature 5", "crosses itself", "Fix geometries",
    ),
    "no ward": (
        lambda folder: edit_features(
            folder,
            "areas.geojson",
            lambda features: [f["properties"].update(role="neighbour") for f in features],
        ),
        "areas.geojson", "", "role ward", "outline",
    ),
}  # fmt: skip

ADVICE = {
    "site without a plate camera": (
        cell(72, "kind", "overview"), "sites.geojson", "S24", "no plate camera",
    ),
    "plate camera that looks across": (
        cell(2, "heading_deg", "90"), "cameras.csv", "row 2", "across its road",
    ),
    "password in an address": (
        cell(2, "stream_url", "rtsp://admin:secret@10.0.0.5/1"),
        "cameras.csv", "row 2", "holds a password",
    ),
    "misspelt column": (
        lambda folder: edit_cameras(folder, _rename_column),
        "cameras.csv", "stream_uri", "not known",
    ),
    "dead end behind a one-way road": (
        _feature("roads.geojson", 1, oneway=True), "roads.geojson", "feature 1", "but not both",
    ),
    "days without a name": (
        _feature("areas.geojson", 2, valid_from="2025-07-05"),
        "areas.geojson", "2025-06-30", "no name of the ward",
    ),
}  # fmt: skip
