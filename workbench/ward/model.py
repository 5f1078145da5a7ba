"""The ward as loaded: sites, cameras, roads, dated areas, and the notice that goes with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Any

from workbench.errors import N_, BadInput
from workbench.records import Camera, Site


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
