"""Checks of the cameras: each row by itself, then against sites and roads."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
from pyproj import CRS, Geod
from pyproj.exceptions import CRSError
from shapely.geometry import LineString, Point

from workbench.errors import N_
from workbench.ward import schemas
from workbench.ward.places import gap_m
from workbench.ward.tables import Table, looks_swapped, numbers, once

CAMERA_COLUMNS = (
    "camera_id", "site_id", "name", "kind", "lon_deg", "lat_deg", "heading_deg", "fov_deg",
    "range_m", "sees", "road_edge",
)  # fmt: skip
CAMERA_EXTRAS = ("stream_url", "pixel_to_ground", "pixel_sigma_px", "ground_crs")
_CAMERA_NUMBERS = ("lon_deg", "lat_deg", "heading_deg", "fov_deg", "range_m", "pixel_sigma_px")
_SITE_REACH_M = 150.0  # a site is one pole or one junction, not a street
_EDGE_REACH_M = 60.0
_ALONG_DEG = 45.0  # a plate camera that looks farther off its road reads few plates
_GEOD = Geod(ellps="WGS84")


def check_cameras(table: Table) -> None:
    """Check what each row says of its camera alone."""
    for column in _CAMERA_NUMBERS:
        numbers(table, column)
    for row, camera in table.frame.iterrows():
        if looks_swapped(camera.lon_deg, camera.lat_deg):
            table.find(
                N_("row {row}: camera {camera} has longitude and latitude swapped"),
                N_("exchange the two: lon_deg is about 106 here, lat_deg about 21"),
                row,
                camera=camera.camera_id,
            )
            table.frame.loc[row, ["lon_deg", "lat_deg"]] = math.inf  # as where no number is
    schemas.apply(schemas.CAMERAS, table)
    once(
        table,
        "camera_id",
        N_("row {row}: camera {id} is there already (row {first})"),
        N_("give it an identifier of its own, or delete one of the two rows"),
    )
    for row, camera in table.frame.iterrows():
        if re.search(r"//[^/@]*:[^/@]*@", camera.stream_url):
            table.find(
                N_("row {row}: the stream address of {camera} holds a password"),
                N_("keep passwords out of tables that are passed around"),
                row,
                advice=True,
                camera=camera.camera_id,
            )
        _check_calibration(table, row, camera)


def _check_calibration(table: Table, row: int, camera: Any) -> None:
    sigma_px = camera.pixel_sigma_px
    if sigma_px <= 0:
        table.find(
            N_("row {row}: pixel_sigma_px {value:g} of {camera} is not above 0"),
            N_("write the standard deviation of a point picked by hand, usually 1 to 3"),
            row,
            camera=camera.camera_id,
            value=sigma_px,
        )
    if not camera.pixel_to_ground:
        return
    try:
        matrix = np.array(matrix_of(camera.pixel_to_ground)).reshape(3, 3)
        usable = bool(np.isfinite(matrix).all()) and np.linalg.matrix_rank(matrix) == 3
    except ValueError:
        usable = False
    if not usable:
        table.find(
            N_("row {row}: pixel_to_ground of {camera} is not nine numbers of a homography"),
            N_("calibrate the camera again, or empty the cell"),
            row,
            camera=camera.camera_id,
        )
        table.frame.loc[row, "pixel_to_ground"] = ""
    try:
        crs = CRS.from_user_input(camera.ground_crs)
        metric = crs.is_projected and all(a.unit_name == "metre" for a in crs.axis_info)
    except CRSError:
        metric = False
    if not metric:
        table.find(
            N_("row {row}: ground_crs '{crs}' of {camera} is no projected system in metres"),
            N_("write the one the points were surveyed in, for example EPSG:32648"),
            row,
            camera=camera.camera_id,
            crs=camera.ground_crs,
        )


def check_places(table: Table, site_table: Table, road_table: Table) -> None:
    """Check what each camera says of sites and roads."""
    sites = _by_id(site_table, "site_id")
    edges = _by_id(road_table, "edge_id")
    for row, camera in table.frame.iterrows():
        here = {"row": row, "camera": camera.camera_id}
        if sites and camera.site_id and camera.site_id not in sites:
            table.find(
                N_("row {row}: camera {camera} names site {site}, which sites.geojson has not"),
                N_("correct the name, or add the site in QGIS"),
                site=camera.site_id,
                **here,
            )
        if edges and camera.road_edge and camera.road_edge not in edges:
            table.find(
                N_("row {row}: camera {camera} names road {edge}, which roads.geojson has not"),
                N_("write the edge_id of the road it looks at"),
                edge=camera.road_edge,
                **here,
            )
        if abs(camera.lon_deg) <= 180 and abs(camera.lat_deg) <= 90:
            site, edge = sites.get(camera.site_id), edges.get(camera.road_edge)
            _check_near(table, here, camera, site, edge)
    _check_each_site(table, site_table)


def _by_id(table: Table, column: str) -> dict[str, Any]:
    if not table.usable:
        return {}
    return dict(zip(table.frame[column], table.frame.geometry, strict=True))


def _check_near(
    table: Table, here: dict[str, Any], camera: Any, site: Point | None, edge: LineString | None
) -> None:
    at = Point(camera.lon_deg, camera.lat_deg)
    if site is not None and (away_m := gap_m(at, site)) > _SITE_REACH_M:
        table.find(
            N_("row {row}: camera {camera} stands {away:.0f} m from its site {site}"),
            N_("correct its position or its site; a site is at most {reach:.0f} m around"),
            away=away_m,
            site=camera.site_id,
            reach=_SITE_REACH_M,
            **here,
        )
    elif edge is not None and (away_m := gap_m(at, edge)) > _EDGE_REACH_M:
        table.find(
            N_("row {row}: camera {camera} stands {away:.0f} m from its road {edge}"),
            N_("name the road it looks at, or correct its position"),
            away=away_m,
            edge=camera.road_edge,
            **here,
        )
    elif edge is not None and camera.kind == "plate" and math.isfinite(camera.heading_deg):
        bearing = _bearing_near(edge, at)
        off = abs((camera.heading_deg - bearing + 90) % 180 - 90)
        if off > _ALONG_DEG:
            table.find(
                N_(
                    "row {row}: camera {camera} looks to {heading:.0f} degrees, across its road "
                    "{edge}, which runs to {bearing:.0f} or {back:.0f}"
                ),
                N_("check the heading, or name the road it looks along"),
                advice=True,
                heading=camera.heading_deg,
                edge=camera.road_edge,
                bearing=bearing,
                back=(bearing + 180) % 360,
                **here,
            )


def _bearing_near(line: LineString, at: Point) -> float:
    """Return the bearing of a line, degrees from north, at its point nearest to `at`."""
    along = line.project(at)
    step = min(line.length * 0.01, 1e-4)
    a, b = line.interpolate(max(along - step, 0)), line.interpolate(along + step)
    return float(_GEOD.inv(a.x, a.y, b.x, b.y)[0] % 360)


def _check_each_site(table: Table, sites: Table) -> None:
    kinds: dict[str, set[str]] = {}
    for camera in table.frame.itertuples():
        kinds.setdefault(camera.site_id, set()).add(camera.kind)
    for row, site_id in sites.frame["site_id"].items() if sites.usable else ():
        if "plate" not in kinds.get(site_id, ()):
            sites.find(
                N_("feature {row}: site {site} has no plate camera; passes there stay unread"),
                N_("add one to cameras.csv if there is one"),
                row,
                advice=True,
                site=site_id,
            )


def matrix_of(text: str) -> tuple[float, ...] | None:
    """Return the numbers of a cell, None where it is empty."""
    return tuple(float(part) for part in text.split()) if text else None
