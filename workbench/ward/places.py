"""Checks of the dated areas and of the sites within them."""

from __future__ import annotations

import itertools
from datetime import date, timedelta
from typing import Any

from pyproj import Geod
from shapely.geometry import Point
from shapely.ops import nearest_points

from workbench.errors import N_
from workbench.ward import schemas
from workbench.ward.tables import Table, looks_swapped, once, texts

SITE_FIELDS = ("site_id", "name", "neighbourhood", "fibre_branch", "power_branch")
AREA_FIELDS = ("code", "name", "role", "valid_from", "valid_to")
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
                metres=gap_m(site.geometry, outside.geometry.iloc[0]),
            )


def gap_m(point: Point, shape: Any) -> float:
    """Return the geodesic metres from a point to the nearest of a shape."""
    near = nearest_points(shape, point)[0]
    return float(_GEOD.inv(point.x, point.y, near.x, near.y)[2])
