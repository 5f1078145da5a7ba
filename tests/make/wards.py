"""Wards for tests: copies of the shipped tables to plant faults in, and small drawn ones."""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import geopandas as gpd
from shapely.geometry import LineString

from workbench.records import Camera

TABLES = (
    "areas.geojson", "sites.geojson", "roads.geojson", "cameras.csv", "notice.vi.txt",
    "notice.en.txt",
)  # fmt: skip
ORIGIN = (105.967, 21.087)
# Metres a degree at the origin, near enough to draw with; the tests measure with pyproj.
METRES_A_DEGREE = (103_900.0, 110_700.0)


def copy_ward(source: Path, target: Path) -> Path:
    """Copy the tables of a ward, and nothing else, into a new folder."""
    target.mkdir(parents=True)
    for name in TABLES:
        shutil.copyfile(source / name, target / name)
    return target


def edit_cameras(folder: Path, change: Callable[[list[list[str]]], object]) -> None:
    """Change the cells of cameras.csv in place; the first list is the heading."""
    path = folder / "cameras.csv"
    rows = list(csv.reader(io.StringIO(path.read_text("utf-8"), newline="")))
    change(rows)
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    path.write_text(text.getvalue(), "utf-8")


def set_cell(folder: Path, row: int, column: str, value: str) -> None:
    """Set one cell of cameras.csv by the row number that a spreadsheet shows."""
    edit_cameras(folder, lambda rows: rows[row - 1].__setitem__(rows[0].index(column), value))


def edit_features(
    folder: Path, name: str, change: Callable[[list[dict[str, Any]]], object]
) -> None:
    """Change the features of a GeoJSON table in place."""
    path = folder / name
    document = json.loads(path.read_text("utf-8"))
    change(document["features"])
    path.write_text(json.dumps(document, ensure_ascii=False), "utf-8")


def point(east_m: float, north_m: float) -> tuple[float, float]:
    """Return lon, lat so many metres from the origin."""
    return (
        ORIGIN[0] + east_m / METRES_A_DEGREE[0],
        ORIGIN[1] + north_m / METRES_A_DEGREE[1],
    )


@dataclass(frozen=True)
class Tables:
    """What a road graph is built from."""

    roads: Any
    cameras: Mapping[str, Camera]


def edge(edge_id: str, nodes: str, *at: tuple[float, float], **more: Any) -> dict[str, Any]:
    """Return one row of roads: `nodes` like "AB", points in metres from the origin."""
    return {
        "edge_id": edge_id,
        "from_node": nodes[0],
        "to_node": nodes[1],
        "limit_kmh": 36.0,
        "oneway": False,
        "geometry": LineString([point(*metres) for metres in at]),
        **more,
    }


def camera(camera_id: str, edge_id: str, east_m: float, north_m: float, **more: Any) -> Camera:
    """Return a plate camera that looks north, so many metres from the origin."""
    lon, lat = point(east_m, north_m)
    words: dict[str, Any] = {
        "camera_id": camera_id,
        "site_id": camera_id[:3],
        "name": camera_id,
        "kind": "plate",
        "lon_deg": lon,
        "lat_deg": lat,
        "heading_deg": 0.0,
        "fov_deg": 24.0,
        "range_m": 28.0,
        "sees": "rear",
        "road_edge": edge_id,
    }
    return Camera(**{**words, **more})


def tables(edges: list[dict[str, Any]], cameras: list[Camera]) -> Tables:
    """Return roads and cameras as a loaded ward has them."""
    roads = gpd.GeoDataFrame(edges, geometry="geometry", crs=4326)
    return Tables(roads, {one.camera_id: one for one in cameras})
