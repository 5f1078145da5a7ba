"""Every check of the ward's tables: dated areas, sites, the road graph, cameras among them."""

from __future__ import annotations

import itertools
import math
import re
from datetime import date, timedelta
from typing import Any

import numpy as np
from pyproj import CRS, Geod
from pyproj.exceptions import CRSError
from shapely.geometry import LineString, Point
from shapely.ops import nearest_points

from workbench.errors import N_
from workbench.later import later
from workbench.ward import schemas
from workbench.ward.tables import Table, looks_swapped, numbers, once, texts

nx = later("networkx")

SITE_FIELDS = ("site_id", "name", "neighbourhood", "fibre_branch", "power_branch")
AREA_FIELDS = ("code", "name", "role", "valid_from", "valid_to")
ROAD_FIELDS = (
    "edge_id", "from_node", "to_node", "name", "limit_kmh", "oneway", "length_m",
)  # fmt: skip
CAMERA_COLUMNS = (
    "camera_id", "site_id", "name", "kind", "lon_deg", "lat_deg", "heading_deg", "fov_deg",
    "range_m", "sees", "road_edge",
)  # fmt: skip
CAMERA_EXTRAS = (
    "stream_url", "substream_url", "fallback_url", "boost_url", "pixel_to_ground",
    "pixel_sigma_px", "ground_crs",
)  # fmt: skip
_CAMERA_NUMBERS = ("lon_deg", "lat_deg", "heading_deg", "fov_deg", "range_m", "pixel_sigma_px")
_NODE_GAP_M = 1.0  # ends of edges that share a node lie no farther apart
_LENGTH_TOLERANCE = 0.01  # of the length, and never less than a metre
_SITE_REACH_M = 150.0  # a site is one pole or one junction, not a street
_EDGE_REACH_M = 60.0
_ALONG_DEG = 45.0  # a plate camera that looks farther off its road reads few plates
_GEOD = Geod(ellps="WGS84")


def check_areas(table: Table) -> None:
    """Check names, dates and outlines of the administrative areas."""
    texts(table, *AREA_FIELDS)
    for column in ("valid_from", "valid_to"):  # QGIS writes dates with slashes
        slashes = r"^(\d{4})/(\d{2})/(\d{2})$"
        table.frame[column] = table.frame[column].str.replace(slashes, r"\1-\2-\3", regex=True)
    bad = schemas.apply(schemas.AREAS, table)
    periods = []
    for row, area in table.frame.drop(index=list(bad)).iterrows():
        if not area.geometry.is_valid:
            table.find(
                N_("feature {row} ({name}): the outline crosses itself"),
                N_("use 'Fix geometries' in QGIS"),
                row,
                name=area["name"],
            )
        if area["role"] != "ward":
            continue
        try:
            first = date.fromisoformat(area["valid_from"] or "0001-01-01")
            last = date.fromisoformat(area["valid_to"] or "9999-12-30")
        except ValueError:
            table.find(
                N_("feature {row} ({name}): {first} or {last} is no day of the calendar"),
                N_("write dates like 2025-06-30"),
                row,
                name=area["name"],
                first=area["valid_from"],
                last=area["valid_to"],
            )
            continue
        periods.append((first, last, row, area["name"]))
    if not periods and not bad:
        table.find(N_("no feature has the role ward"), N_("draw the ward's outline and say so"))
    periods.sort()
    for (_, last, _, before), (first, _, row, name) in itertools.pairwise(periods):
        if first <= last:
            table.find(
                N_("feature {row} ({name}) begins on {first}, while {before} is still valid"),
                N_("let one end the day before the other begins"),
                row,
                name=name,
                first=first,
                before=before,
            )
        elif first > last + timedelta(days=1):
            table.find(
                N_("no name of the ward is valid between {last} and {first}"),
                N_("let {name} begin the day after {before} ends"),
                advice=True,
                name=name,
                first=first,
                last=last,
                before=before,
            )


def check_sites(table: Table, areas: Table) -> None:
    """Check the sites, and that each lies in the ward under every name it has had."""
    texts(table, *SITE_FIELDS)
    schemas.apply(schemas.SITES, table)
    once(
        table,
        "site_id",
        N_("feature {row}: site {id} is there already (feature {first})"),
        N_("give it an identifier of its own, or delete one of the two"),
    )
    if not areas.usable:
        return
    wards = areas.frame[areas.frame["role"] == "ward"]
    # A site is to be in the ward under each of its names, or a dated name would be wrong for it.
    for row, site in table.frame.iterrows():
        lon, lat = site.geometry.x, site.geometry.y
        if looks_swapped(lon, lat):
            table.find(
                N_("feature {row} ({site}) has longitude and latitude swapped ({lon}, {lat})"),
                N_("GeoJSON wants longitude first, for example [105.967381, 21.093506]"),
                row,
                site=site.site_id,
                lon=lon,
                lat=lat,
            )
            continue
        outside = wards[~wards.geometry.covers(site.geometry)]
        if len(outside):
            table.find(
                N_("feature {row}: site {site} lies outside {area} ({metres:.0f} m from it)"),
                N_("move it in QGIS, or correct the outline in areas.geojson"),
                row,
                site=site.site_id,
                area=outside.iloc[0]["name"],
                metres=_gap_m(site.geometry, outside.geometry.iloc[0]),
            )


def _gap_m(point: Point, shape: Any) -> float:
    """Return the geodesic metres from a point to the nearest of a shape."""
    near = nearest_points(shape, point)[0]
    return float(_GEOD.inv(point.x, point.y, near.x, near.y)[2])


def check_roads(table: Table) -> None:
    """Check the edges one by one, then as a graph."""
    texts(table, "edge_id", "from_node", "to_node", "name")
    for column in ("limit_kmh", "length_m"):
        numbers(table, column)
    bad = schemas.apply(schemas.ROADS, table)
    once(
        table,
        "edge_id",
        N_("feature {row}: edge {id} is there already (feature {first})"),
        N_("give it an identifier of its own, or delete one of the two"),
    )
    for row, edge in table.frame.iterrows():
        drawn_m = _GEOD.geometry_length(edge.geometry)
        stated_m = edge.length_m
        if math.isnan(stated_m):
            table.find(
                N_("feature {row}: edge {edge} has no length"),
                N_("write length_m {drawn:.1f}"),
                row,
                edge=edge.edge_id,
                drawn=drawn_m,
            )
        off = abs(drawn_m - stated_m) > max(1.0, _LENGTH_TOLERANCE * drawn_m)
        if math.isfinite(stated_m) and off:
            table.find(
                N_("feature {row}: edge {edge} says {stated:.1f} m and is drawn {drawn:.1f} m"),
                N_("write length_m {drawn:.1f}, or correct the line"),
                row,
                edge=edge.edge_id,
                stated=stated_m,
                drawn=drawn_m,
            )
    _check_nodes(table)
    if not bad:
        _check_connected(table)


def _check_nodes(table: Table) -> None:
    ends: dict[str, tuple[str, tuple[float, float]]] = {}
    for row, edge in table.frame.iterrows():
        for node, at in ((edge.from_node, 0), (edge.to_node, -1)):
            here = edge.geometry.coords[at][:2]
            other, there = ends.setdefault(node, (edge.edge_id, here))
            gap_m = _GEOD.inv(here[0], here[1], there[0], there[1])[2]
            if gap_m > _NODE_GAP_M:
                table.find(
                    N_(
                        "feature {row}: edge {edge} meets edge {other} at node {node}, but their "
                        "ends lie {gap:.1f} m apart"
                    ),
                    N_("snap the ends together in QGIS, or name another node"),
                    row,
                    edge=edge.edge_id,
                    other=other,
                    node=node,
                    gap=gap_m,
                )


def _check_connected(table: Table) -> None:
    graph = nx.DiGraph()
    for edge in table.frame.itertuples():
        graph.add_edge(edge.from_node, edge.to_node)
        if not edge.oneway:
            graph.add_edge(edge.to_node, edge.from_node)
    main = max(nx.weakly_connected_components(graph), key=len)
    whole = max(nx.strongly_connected_components(graph), key=len)
    for row, edge in table.frame.iterrows():
        if edge.from_node not in main:
            table.find(
                N_("feature {row}: edge {edge} ({name}) is not connected to the other roads"),
                N_("give one of its ends the node of the road it meets"),
                row,
                edge=edge.edge_id,
                name=edge["name"],
            )
        elif edge.from_node not in whole or edge.to_node not in whole:
            table.find(
                N_("feature {row}: edge {edge} ({name}) can be entered or left, but not both"),
                N_("check which roads around it are one-way, and their direction"),
                row,
                advice=True,
                edge=edge.edge_id,
                name=edge["name"],
            )


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
        addresses = " ".join(
            [camera.stream_url, camera.substream_url, camera.fallback_url, camera.boost_url]
        )
        if re.search(r"//[^/@\s]*:[^/@\s]*@", addresses):
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
    if site is not None and (away_m := _gap_m(at, site)) > _SITE_REACH_M:
        table.find(
            N_("row {row}: camera {camera} stands {away:.0f} m from its site {site}"),
            N_("correct its position or its site; a site is at most {reach:.0f} m around"),
            away=away_m,
            site=camera.site_id,
            reach=_SITE_REACH_M,
            **here,
        )
    elif edge is not None and (away_m := _gap_m(at, edge)) > _EDGE_REACH_M:
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
