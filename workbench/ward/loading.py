"""The ward as loaded: sites, cameras, roads, dated areas, the notice that goes with them."""

from __future__ import annotations

import math
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Any

from workbench.errors import N_, BadInput
from workbench.records import Camera, Site
from workbench.ward.checks import (
    AREA_FIELDS,
    CAMERA_COLUMNS,
    CAMERA_EXTRAS,
    ROAD_FIELDS,
    SITE_FIELDS,
    check_areas,
    check_cameras,
    check_places,
    check_roads,
    check_sites,
    matrix_of,
)
from workbench.ward.tables import Advice, Table, read_csv, read_geojson


@dataclass(frozen=True, slots=True, eq=False)
class Ward:
    """Everything the tables say, checked.

    ``roads`` is a GeoDataFrame (WGS 84) with edge_id, from_node, to_node, name, limit_kmh (km/h),
    oneway, length_m (m) and the line; ``areas`` one with code, name, role ("ward" or "neighbour"),
    valid_from and valid_to (ISO dates, the last day included; empty: open) and the outline.
    ``advice`` holds the findings that did not stop the tables from being used.
    """

    sites: dict[str, Site]
    cameras: dict[str, Camera]
    roads: Any
    areas: Any
    notices: dict[str, str] = field(default_factory=dict)
    advice: tuple[BadInput, ...] = ()

    @property
    def notice(self) -> str:
        """What must be said wherever the positions are shown; Vietnamese, empty where surveyed."""
        return self.notice_in("vi")

    def notice_in(self, language: str) -> str:
        """Return the notice in a language ("vi", "en"), in another one rather than not at all."""
        return self.notices.get(language) or next(iter(self.notices.values()), "")

    def site_of(self, camera_id: str) -> Site:
        """Return the site of a camera; BadInput where there is no such camera."""
        return self.sites[self.camera(camera_id).site_id]

    def camera(self, camera_id: str) -> Camera:
        """Return a camera; BadInput where the ward has none of that name."""
        try:
            return self.cameras[camera_id]
        except KeyError:
            raise BadInput(
                N_("the ward has no camera {camera}"),
                N_("take one from cameras.csv; they are called like {example}"),
                camera=camera_id,
                example=next(iter(self.cameras), "S01-P1"),
            ) from None

    def cameras_at(self, site_id: str) -> list[Camera]:
        """Return the cameras of a site, in the order of the table."""
        return [camera for camera in self.cameras.values() if camera.site_id == site_id]

    def area(self, on: date) -> dict[str, Any]:
        """Return the administrative area that the ward is or was on a day, as a row of `areas`.

        Raises
        ------
        BadInput
            Where the tables name none for that day.
        """
        day = on.isoformat()
        for row in self.areas.to_dict("records"):
            if row["role"] == "ward" and row["valid_from"] <= day <= (row["valid_to"] or "9999"):
                return {str(key): value for key, value in row.items()}
        raise BadInput(
            N_("the tables name no administrative area for {day}"),
            N_("add one, or its dates, to areas.geojson"),
            day=day,
        )

    def area_name(self, on: date) -> str:
        """Return the name the ward goes or went by on a day, e.g. "Phường Từ Sơn"."""
        return str(self.area(on)["name"])


_NAMES = ("sites.geojson", "cameras.csv", "roads.geojson", "areas.geojson")


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


def sites_and_roads(folder: Path) -> tuple[Table, Table]:
    """Return what cameras refer to, as read: rows there, findings not looked for."""
    return (
        read_geojson(folder / "sites.geojson", "Point", SITE_FIELDS),
        read_geojson(folder / "roads.geojson", "LineString", ROAD_FIELDS),
    )


_READ: dict[tuple[tuple[str, bytes], ...], Ward] = {}
_MOST_READ = 8


def load(folder: Path) -> Ward:
    """Read and check the ward's tables.

    Tables that were checked in this process before, byte for byte, are not checked again.

    Raises
    ------
    BadInput
        With the first finding that stops the ward, and how many there are.
    """
    told = _bytes_of(folder)
    if (ward := _READ.get(told)) is None:
        ward = _checked(folder)
        whole = dict(told).keys() >= set(_NAMES)
        if whole and _bytes_of(folder) == told:  # nobody edited them meanwhile
            if len(_READ) >= _MOST_READ:
                _READ.clear()
            _READ[told] = ward
    # tables of its own for each: whoever adds a column must not add it for others
    return replace(
        ward,
        sites=dict(ward.sites),
        cameras=dict(ward.cameras),
        roads=ward.roads.copy(),
        areas=ward.areas.copy(),
        notices=dict(ward.notices),
    )


def _bytes_of(folder: Path) -> tuple[tuple[str, bytes], ...]:
    """Return what the tables are read from; what cannot be read is found by reading them."""
    told = []
    for path in (*(folder / name for name in _NAMES), *sorted(folder.glob("notice.*.txt"))):
        with suppress(OSError):
            told.append((path.name, path.read_bytes()))
    return tuple(told)


def _checked(folder: Path) -> Ward:
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
        substream_url=row.substream_url,
        fallback_url=row.fallback_url,
        boost_url=row.boost_url,
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
