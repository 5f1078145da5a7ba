"""Loading the ward, and every check that its tables have to pass first."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from workbench.errors import N_, BadInput
from workbench.records import Camera, Site
from workbench.ward.cameras import (
    CAMERA_COLUMNS,
    CAMERA_EXTRAS,
    check_cameras,
    check_places,
    matrix_of,
)
from workbench.ward.model import Ward
from workbench.ward.network import ROAD_FIELDS, check_roads
from workbench.ward.places import AREA_FIELDS, SITE_FIELDS, check_areas, check_sites
from workbench.ward.tables import Advice, Table, read_csv, read_geojson


@dataclass(frozen=True, slots=True)
class _Tables:
    sites: Table
    cameras: Table
    roads: Table
    areas: Table
    notices: dict[str, str]

    def findings(self) -> list[BadInput]:
        found = [
            finding
            # what cameras refer to comes first: its faults are the cause of theirs
            for table in (self.areas, self.sites, self.roads, self.cameras)
            for finding in table.findings
        ]
        # Stable: what stops the ward comes before what is worth a look, each in table order.
        return sorted(found, key=lambda finding: isinstance(finding, Advice))


def check(folder: Path) -> list[BadInput]:
    """Return every finding in the ward's tables, each a sentence with file, row and remedy.

    Those of kind :class:`Advice` come last and do not stop the ward from loading.
    """
    return _examine(folder).findings()


def load(folder: Path) -> Ward:
    """Read and check the ward's tables.

    Raises
    ------
    BadInput
        With the first finding that stops the ward, and how many there are.
    """
    tables = _examine(folder)
    findings = tables.findings()
    stops = [finding for finding in findings if not isinstance(finding, Advice)]
    if len(stops) == 1:
        raise stops[0]
    if stops:
        raise BadInput(
            N_("{count} findings in the ward's tables; the first: {first}"),
            N_("'workbench ward check' lists them all"),
            where=str(folder),
            count=len(stops),
            first=stops[0].sentence().rstrip("."),
        )
    return Ward(
        sites={row.site_id: _site(row) for row in tables.sites.frame.itertuples()},
        cameras={row.camera_id: _camera(row) for row in tables.cameras.frame.itertuples()},
        roads=tables.roads.frame.reset_index(drop=True),
        areas=tables.areas.frame.reset_index(drop=True),
        notices=tables.notices,
        advice=tuple(findings),
    )


def _site(row: Any) -> Site:
    return Site(
        site_id=row.site_id,
        name=row.name,
        neighbourhood=row.neighbourhood,
        lon_deg=row.geometry.x,
        lat_deg=row.geometry.y,
        fibre_branch=row.fibre_branch,
        power_branch=row.power_branch,
    )


def _camera(row: Any) -> Camera:
    sigma_px = row.pixel_sigma_px
    return Camera(
        camera_id=row.camera_id,
        site_id=row.site_id,
        name=row.name,
        kind=row.kind,
        lon_deg=row.lon_deg,
        lat_deg=row.lat_deg,
        heading_deg=row.heading_deg % 360.0,
        fov_deg=row.fov_deg,
        range_m=row.range_m,
        sees=row.sees,
        road_edge=row.road_edge,
        stream_url=row.stream_url,
        pixel_to_ground=matrix_of(row.pixel_to_ground),
        ground_crs=row.ground_crs,
        **({} if math.isnan(sigma_px) else {"pixel_sigma_px": sigma_px}),
    )


def _examine(folder: Path) -> _Tables:
    tables = _Tables(
        sites=read_geojson(folder / "sites.geojson", "Point", SITE_FIELDS),
        cameras=read_csv(folder / "cameras.csv", CAMERA_COLUMNS, CAMERA_EXTRAS),
        roads=read_geojson(folder / "roads.geojson", "LineString", ROAD_FIELDS),
        areas=read_geojson(folder / "areas.geojson", "Polygon", AREA_FIELDS),
        notices=_notices(folder),
    )
    if tables.areas.usable:
        check_areas(tables.areas)
    if tables.sites.usable:
        check_sites(tables.sites, tables.areas)
    if tables.roads.usable:
        check_roads(tables.roads)
    if tables.cameras.usable:
        check_cameras(tables.cameras)
        check_places(tables.cameras, tables.sites, tables.roads)
    return tables


def _notices(folder: Path) -> dict[str, str]:
    """Return the texts of notice.LANGUAGE.txt; none is right for a ward that was surveyed."""
    return {
        path.name.split(".")[1]: text
        for path in sorted(folder.glob("notice.*.txt"), reverse=True)
        if path.is_file() and (text := path.read_text("utf-8-sig", errors="replace").strip())
    }
