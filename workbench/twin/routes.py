"""Ways through the ward that its plate cameras can follow.

A plate camera stands at a crossing and looks out along one arm. With one such camera drawn a site,
a vehicle is read where it leaves a crossing by the watched arm; so the cameras are chosen such that
watched arms lead to one another, and most journeys follow them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from workbench.errors import N_, BadInput
from workbench.records import Camera

if TYPE_CHECKING:
    from workbench.roads import RoadGraph, Way
    from workbench.ward import Ward

AHEAD_M = 14.0
"""Where along its heading a camera is taken to look, to tell which arm a way takes."""
_AIDE_M = 11.0
_NEIGHBOURS = 7


@dataclass(frozen=True, slots=True, eq=False)
class Route:
    """A way on the road graph; ``line`` is float64[n, 2] lon/lat in degrees."""

    line: NDArray[np.float64]
    road_m: float
    edges: tuple[str, ...]


def metres(line: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return lon/lat degrees as metres east and north of 0, 0, true to scale near 21 N."""
    return np.asarray(line, dtype=np.float64) * (
        111_320.0 * math.cos(math.radians(21.09)),
        110_574.0,
    )


def passing(line: NDArray[np.float64], camera: Camera) -> tuple[float, bool] | None:
    """Return where a way passes a camera: metres along it when abreast, and whether driving away.

    None where the way does not run through the ground that the camera looks at.
    """
    xy = metres(line)
    if len(xy) < 2:
        return None
    eye = metres(np.array([camera.lon_deg, camera.lat_deg]))
    heading = math.radians(camera.heading_deg)
    target = eye + AHEAD_M * np.array([math.sin(heading), math.cos(heading)])
    legs = np.diff(xy, axis=0)
    lengths = np.maximum(np.hypot(*legs.T), 1e-9)
    part = np.clip(((target - xy[:-1]) * legs).sum(1) / lengths**2, 0, 1)
    gaps = np.hypot(*(xy[:-1] + part[:, None] * legs - target).T)
    k = int(gaps.argmin())
    if gaps[k] > _AIDE_M:
        return None
    turn = math.degrees(math.atan2(legs[k, 0], legs[k, 1])) - camera.heading_deg
    turn = (turn + 180) % 360 - 180
    if 50 < abs(turn) < 130:
        return None
    away = abs(turn) < 90
    at = float(lengths[:k].sum() + part[k] * lengths[k])
    return at - AHEAD_M if away else at + AHEAD_M, away


@dataclass(frozen=True, slots=True)
class Chain:
    """The chosen plate camera of each site, and the site that its arm leads to."""

    camera: dict[str, Camera]
    follows: dict[str, str]
    ways: dict[str, Route]
    links: tuple[Route, ...]
    sites: tuple[str, ...]

    def closest(self, count: int) -> tuple[str, ...]:
        """Return `count` sites in a row of a chain that lie nearest to one another by road."""
        rows: list[tuple[float, tuple[str, ...]]] = []
        for site in self.sites:
            trail = _walk(self.follows, site)[:count]
            if len(trail) == count:
                rows.append((sum(self.ways[s].road_m for s in trail[:-1]), tuple(trail)))
        return min(rows)[1] if rows else self.sites[:count]

    def way(self, site: str, hops: int) -> Route | None:
        """Return the way that follows watched arms from `site` over `hops` more sites."""
        parts: list[Route] = []
        visited = {site}
        for _ in range(hops):
            if site not in self.follows:
                break
            parts.append(self.ways[site])
            site = self.follows[site]
            if site in visited:
                break
            visited.add(site)
        return join(parts) if parts else None


def join(parts: list[Route]) -> Route:
    """Return routes one after another as one."""
    return Route(
        np.concatenate([part.line for part in parts]),
        sum(part.road_m for part in parts),
        tuple(edge for part in parts for edge in part.edges),
    )


def _route(way: Way | None) -> Route | None:
    if way is None or way.road_m < 20 or len(way.line) < 2:
        return None
    return Route(np.asarray(way.line, dtype=float), float(way.road_m), tuple(way.edges))


def choose_chain(ward: Ward, graph: RoadGraph) -> Chain:
    """Return one plate camera a site such that their arms make long chains of sites.

    Raises
    ------
    BadInput
        When there is no plate camera, or no arm of one leads to another.
    """
    by_site: dict[str, list[Camera]] = {}
    for camera in sorted(ward.cameras.values(), key=lambda c: c.camera_id):
        if camera.kind == "plate":
            by_site.setdefault(camera.site_id, []).append(camera)
    if not by_site:
        raise BadInput(
            N_("the ward has no plate camera to draw"),
            N_("give at least one site a camera of kind plate"),
        )
    leads, links = _arms(by_site, graph)
    if not leads:
        raise BadInput(
            N_("no two plate cameras are joined by road"),
            N_("check the road edges named in cameras.csv"),
        )
    chosen = _climb(by_site, {c: other for c, (other, _) in leads.items()})
    follows: dict[str, str] = {}
    ways: dict[str, Route] = {}
    for site, camera in chosen.items():
        if camera.camera_id in leads:
            follows[site] = other = leads[camera.camera_id][0]
            # The way goes on to the next site's own chosen camera, so that ways join end to end.
            onward = _route(graph.between(camera.camera_id, chosen[other].camera_id))
            ways[site] = onward or leads[camera.camera_id][1]
    return Chain(chosen, follows, ways, tuple(links), _in_order(follows, list(by_site)))


def _arms(
    by_site: dict[str, list[Camera]], graph: RoadGraph
) -> tuple[dict[str, tuple[str, Route]], list[Route]]:
    """Return the site that each camera's arm leads to first, and the ways that take other arms."""
    leads: dict[str, tuple[str, Route]] = {}
    links: list[Route] = []
    for site, cameras in by_site.items():
        neighbours = _nearest(by_site, site)[:_NEIGHBOURS]
        for camera, other in product(cameras, neighbours):
            way = _route(graph.between(camera.camera_id, by_site[other][0].camera_id))
            if way is None:
                continue
            hit = passing(way.line, camera)
            if hit is None or not hit[1] or camera.sees == "front":
                links.append(way)
            elif camera.camera_id not in leads or way.road_m < leads[camera.camera_id][1].road_m:
                leads[camera.camera_id] = (other, way)
    return leads, links


def _nearest(by_site: dict[str, list[Camera]], site: str) -> list[str]:
    places = {s: metres(np.array([c[0].lon_deg, c[0].lat_deg])) for s, c in by_site.items()}
    others = [s for s in by_site if s != site]
    return sorted(others, key=lambda s: float(np.hypot(*(places[s] - places[site]))))


def _climb(by_site: dict[str, list[Camera]], leads: dict[str, str]) -> dict[str, Camera]:
    """Choose cameras by hill climbing on the sum of chain lengths, from the first of each site."""
    chosen = {site: cameras[0] for site, cameras in by_site.items()}

    def worth() -> int:
        follows = {s: leads[c.camera_id] for s, c in chosen.items() if c.camera_id in leads}
        return sum(min(len(_walk(follows, site)), 7) for site in chosen)

    best = worth()
    improved = True
    while improved:
        improved = False
        for site, cameras in by_site.items():
            for camera in cameras:
                before = chosen[site]
                chosen[site] = camera
                if (now := worth()) > best:
                    best, improved = now, True
                else:
                    chosen[site] = before
    return chosen


def _walk(follows: dict[str, str], site: str) -> list[str]:
    trail = [site]
    while (site := follows.get(site, trail[0])) not in trail:
        trail.append(site)
    return trail


def _in_order(follows: dict[str, str], sites: list[str]) -> tuple[str, ...]:
    """Return all sites, longest chain first, each chain in driving order."""
    left = list(sites)
    order: list[str] = []
    while left:
        trail = max(
            (_walk({a: b for a, b in follows.items() if a in left and b in left}, s) for s in left),
            key=len,
        )
        order += trail
        left = [s for s in left if s not in trail]
    return tuple(order)
