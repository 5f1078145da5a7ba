"""The road graph: ways between cameras, what can be reached in a time, and positions along a way.

Lengths are geodesic metres on WGS 84; times are what the speed limits allow, so that "too fast" is
said of a leg only where no way explains it. A vehicle may turn round anywhere on a two-way road:
every distance and time here is a lower bound.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import Geod

from workbench.errors import N_, BadInput
from workbench.later import later
from workbench.records import Camera

if TYPE_CHECKING:
    import networkx as nx
else:
    nx = later("networkx")

_GEOD = Geod(ellps="WGS84")
_Measure = Literal["road_m", "time_s"]
_Point = tuple[float, float]


class RoadTables(Protocol):
    """What a graph is built from; a loaded ward is one."""

    @property
    def roads(self) -> Any:
        """GeoDataFrame: edge_id, from_node, to_node, limit_kmh, oneway and a line in WGS 84."""

    @property
    def cameras(self) -> Mapping[str, Camera]:
        """Cameras by id, each on its ``road_edge``."""


@dataclass(frozen=True, slots=True)
class Position:
    """A point on an edge, ``along_m`` from its first node; ``off_m`` is how far it was snapped."""

    edge_id: str
    along_m: float
    lon_deg: float
    lat_deg: float
    off_m: float = 0.0


@dataclass(frozen=True, slots=True)
class Way:
    """The shortest way by road from one position to another.

    ``fastest_s`` is the least time at the limits, on whichever way is quickest; ``road_m``,
    ``edges`` and ``line`` (lon/lat degrees, from start to end, two points or more) are those of the
    way that is shortest.
    """

    road_m: float
    fastest_s: float
    edges: tuple[str, ...]
    line: tuple[_Point, ...]


@dataclass(frozen=True, slots=True)
class Reach:
    """The part of an edge that can be reached: ``stretches`` in metres from its first node."""

    edge_id: str
    fraction: float
    stretches: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Stretch:
    """An edge as what crosses the graph by itself needs it; ``speed_mps`` is at the limit."""

    edge_id: str
    from_node: str
    to_node: str
    length_m: float
    speed_mps: float
    oneway: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Edge:
    from_node: str
    to_node: str
    speed_mps: float
    oneway: bool
    lonlat: NDArray[np.float64]  # (n, 2) degrees
    at_m: NDArray[np.float64]  # (n,) metres from the first point

    @property
    def length_m(self) -> float:
        return float(self.at_m[-1])

    def point(self, along_m: float) -> _Point:
        lon, lat = (np.interp(along_m, self.at_m, self.lonlat[:, axis]) for axis in (0, 1))
        return float(lon), float(lat)

    def cut(self, start_m: float, stop_m: float) -> list[_Point]:
        """Return the line from one metre to another, backwards where the second is smaller."""
        low, high = min(start_m, stop_m), max(start_m, stop_m)
        inner = self.lonlat[(self.at_m > low) & (self.at_m < high)]
        points = [self.point(low), *map(tuple, inner.tolist()), self.point(high)]
        return points if start_m <= stop_m else points[::-1]


@dataclass(frozen=True, slots=True)
class _Trip:
    """A candidate: its cost in the measure asked for and, per edge, the metres from and to."""

    cost: float
    parts: tuple[tuple[str, float, float], ...]


class RoadGraph:
    """The roads of a ward with its cameras snapped onto the edges they look at.

    Parameters
    ----------
    tables
        A loaded ward, or anything with the same ``roads`` and ``cameras``.

    Raises
    ------
    BadInput
        Where a camera names an edge that is not there.
    """

    def __init__(self, tables: RoadTables) -> None:
        self._edges = {str(row.edge_id): _edge(row) for row in tables.roads.itertuples(index=False)}
        self._graphs: dict[_Measure, nx.DiGraph] = {
            "road_m": self._digraph("road_m"),
            "time_s": self._digraph("time_s"),
        }
        self._trees: dict[tuple[_Measure, str], tuple[dict[str, float], dict[str, list[str]]]] = {}
        self._ways: dict[tuple[str, str], Way | None] = {}
        self._driven: dict[tuple[_Measure, str, str], tuple[str, float, float]] = {}
        self._drawn: dict[tuple[str, bool], list[_Point]] = {}
        # Degrees of longitude shrink with latitude: nearest is judged in units of equal length.
        points = np.concatenate([edge.lonlat for edge in self._edges.values()])
        self._scale = np.array([math.cos(math.radians(float(points[:, 1].mean()))), 1.0])
        self._lines = {
            edge_id: shapely.LineString(edge.lonlat * self._scale)
            for edge_id, edge in self._edges.items()
        }
        self._tree = shapely.STRtree(list(self._lines.values()))
        self.cameras = {
            camera.camera_id: self.snap(camera.lon_deg, camera.lat_deg, camera.road_edge)
            for camera in tables.cameras.values()
        }

    def snap(self, lon_deg: float, lat_deg: float, edge_id: str | None = None) -> Position:
        """Return the nearest position on any edge, or on the one named.

        Raises
        ------
        BadInput
            Where there is no such edge.
        """
        at = shapely.Point(lon_deg * self._scale[0], lat_deg * self._scale[1])
        edge_id = list(self._lines)[int(self._tree.nearest(at))] if edge_id is None else edge_id
        edge = self._known(edge_id)
        steps = np.hypot(*np.diff(edge.lonlat * self._scale, axis=0).T)
        drawn = np.concatenate([[0.0], np.cumsum(steps)])
        along_m = float(np.interp(self._lines[edge_id].project(at), drawn, edge.at_m))
        lon, lat = edge.point(along_m)
        off_m = float(_GEOD.inv(lon_deg, lat_deg, lon, lat)[2])
        return Position(edge_id, along_m, lon, lat, off_m)

    def at(self, edge_id: str, along_m: float) -> Position:
        """Return the position so many metres along an edge, held within it."""
        edge = self._known(edge_id)
        along_m = min(max(along_m, 0.0), edge.length_m)
        return Position(edge_id, along_m, *edge.point(along_m))

    def length_m(self, edge_id: str) -> float:
        """Return the length of an edge as drawn."""
        return self._known(edge_id).length_m

    def stretches(self) -> Iterator[Stretch]:
        """Yield every edge: its ends, its length, the speed that its limit allows."""
        for edge_id, edge in self._edges.items():
            yield Stretch(
                edge_id, edge.from_node, edge.to_node, edge.length_m, edge.speed_mps, edge.oneway
            )

    def line(self, edge_id: str, start_m: float, stop_m: float) -> tuple[_Point, ...]:
        """Return lon/lat degrees of a part of an edge, metres from its first node."""
        return tuple(self._known(edge_id).cut(start_m, stop_m))

    def bearing(self, position: Position) -> float:
        """Return where the edge runs at a position, degrees from north, in the line's direction."""
        edge = self._known(position.edge_id)
        return _bearing(edge.lonlat, edge.at_m, position.along_m)

    def between(self, start: str | Position, end: str | Position) -> Way | None:
        """Return the way from one camera (by id) or position to another; None where there is none.

        Ways between cameras are kept once found. Directions of one-way roads are obeyed.

        Raises
        ------
        BadInput
            Where the graph knows no camera of that name.
        """
        if not (isinstance(start, str) and isinstance(end, str)):
            return self._way(self._position(start), self._position(end))
        if (start, end) not in self._ways:
            self._ways[start, end] = self._way(self._position(start), self._position(end))
        return self._ways[start, end]

    def reachable(
        self, start: str | Position, seconds: float, *, speed_factor: float = 1.0
    ) -> dict[str, Reach]:
        """Return the edges that can be reached within a time, and how much of each.

        Parameters
        ----------
        start
            A camera's id or a position; both directions are open where the road is two-way.
        seconds
            Time since it was there; none or less reaches the position itself only.
        speed_factor
            Share of the limit that is driven; 1.35 held 99.8 % of simulated vehicles.
        """
        start = self._position(start)
        seconds = max(seconds, 0.0)
        here = self._known(start.edge_id)
        reach_m = seconds * here.speed_mps * speed_factor
        back_m = 0.0 if here.oneway else reach_m
        spans: dict[str, list[tuple[float, float]]] = {
            start.edge_id: [
                (max(start.along_m - back_m, 0.0), min(start.along_m + reach_m, here.length_m))
            ]
        }
        arrival = self._arrivals(start)
        for edge_id, edge in self._edges.items():
            for node, backwards in ((edge.from_node, False), (edge.to_node, True)):
                left_s = seconds - arrival.get(node, math.inf) / speed_factor
                if left_s < 0 or (backwards and edge.oneway):
                    continue
                deep_m = min(left_s * edge.speed_mps * speed_factor, edge.length_m)
                if deep_m > 0:
                    ends = (edge.length_m - deep_m, edge.length_m) if backwards else (0.0, deep_m)
                    spans.setdefault(edge_id, []).append(ends)
        return {
            edge_id: _reach(edge_id, found, self._edges[edge_id].length_m)
            for edge_id, found in spans.items()
        }

    def _arrivals(self, start: Position) -> dict[str, float]:
        """Return seconds at the limits from a position to each node."""
        arrival: dict[str, float] = {}
        for node, _, cost in self._exits(start, "time_s"):
            for other, further in self._from(node, "time_s")[0].items():
                arrival[other] = min(arrival.get(other, math.inf), cost + further)
        return arrival

    def _known(self, edge_id: str) -> _Edge:
        try:
            return self._edges[edge_id]
        except KeyError:
            raise BadInput(
                N_("the road graph has no edge {edge}"),
                N_("take one from roads.geojson"),
                edge=edge_id,
            ) from None

    def _position(self, place: str | Position) -> Position:
        if isinstance(place, Position):
            return place
        try:
            return self.cameras[place]
        except KeyError:
            raise BadInput(
                N_("the road graph has no camera {camera}"),
                N_("take one from cameras.csv"),
                camera=place,
            ) from None

    def _digraph(self, measure: _Measure) -> nx.DiGraph:
        """Return the nodes with, of parallel edges, the one that costs least."""
        graph = nx.DiGraph()
        for edge_id, edge in self._edges.items():
            cost = edge.length_m if measure == "road_m" else edge.length_m / edge.speed_mps
            turns = [(edge.from_node, edge.to_node)]
            if not edge.oneway:
                turns.append((edge.to_node, edge.from_node))
            for a, b in turns:
                if cost < graph.get_edge_data(a, b, {"cost": math.inf})["cost"]:
                    graph.add_edge(a, b, cost=cost, edge_id=edge_id)
        return graph

    def _from(self, node: str, measure: _Measure) -> tuple[dict[str, float], dict[str, list[str]]]:
        if (measure, node) not in self._trees:
            self._trees[measure, node] = (
                nx.single_source_dijkstra(self._graphs[measure], node, weight="cost")
                if node in self._graphs[measure]
                else ({node: 0.0}, {node: [node]})
            )
        return self._trees[measure, node]

    def _exits(self, at: Position, measure: _Measure) -> list[tuple[str, float, float]]:
        """Return (node, metre of the edge where it is, cost) of the ends that can be driven to."""
        edge = self._edges[at.edge_id]
        unit = 1.0 if measure == "road_m" else edge.speed_mps
        ends = [(edge.to_node, edge.length_m, (edge.length_m - at.along_m) / unit)]
        if not edge.oneway:
            ends.append((edge.from_node, 0.0, at.along_m / unit))
        return ends

    def _entries(self, at: Position, measure: _Measure) -> list[tuple[str, float, float]]:
        """Return (node, metre of the edge where it is, cost) of the ends one can come from."""
        edge = self._edges[at.edge_id]
        unit = 1.0 if measure == "road_m" else edge.speed_mps
        ends = [(edge.from_node, 0.0, at.along_m / unit)]
        if not edge.oneway:
            ends.append((edge.to_node, edge.length_m, (edge.length_m - at.along_m) / unit))
        return ends

    def _trip(self, start: Position, end: Position, measure: _Measure) -> _Trip | None:
        edge = self._edges[start.edge_id]
        # Each as cost, edges, then the nodes between; the first of equals is taken.
        found: list[tuple[float, int, float, list[str], float]] = []
        if start.edge_id == end.edge_id and (not edge.oneway or end.along_m >= start.along_m):
            ahead_m = abs(end.along_m - start.along_m)
            cost = ahead_m if measure == "road_m" else ahead_m / edge.speed_mps
            found.append((cost, 1, 0.0, [], 0.0))
        for leave, leave_m, leave_cost in self._exits(start, measure):
            costs, paths = self._from(leave, measure)
            for enter, enter_m, enter_cost in self._entries(end, measure):
                if enter in costs:
                    cost = leave_cost + costs[enter] + enter_cost
                    found.append((cost, len(paths[enter]) + 1, leave_m, paths[enter], enter_m))
        if not found:
            return None
        # The trip with fewer edges of two that cost the same: no detour of no metres over a node.
        cost, _, leave_m, nodes, enter_m = min(found, key=lambda trip: trip[:2])
        if not nodes:
            return _Trip(cost, ((start.edge_id, start.along_m, end.along_m),))
        parts = (
            (start.edge_id, start.along_m, leave_m),
            *self._whole(nodes, measure),
            (end.edge_id, enter_m, end.along_m),
        )
        return _Trip(cost, parts)

    def _whole(self, nodes: list[str], measure: _Measure) -> list[tuple[str, float, float]]:
        parts = []
        for a, b in pairwise(nodes):
            if (measure, a, b) not in self._driven:
                edge_id = self._graphs[measure][a][b]["edge_id"]
                edge = self._edges[edge_id]
                forward = edge.from_node == a and edge.to_node == b
                ends = (0.0, edge.length_m) if forward else (edge.length_m, 0.0)
                self._driven[measure, a, b] = (edge_id, *ends)
            parts.append(self._driven[measure, a, b])
        return parts

    def _cut(self, edge_id: str, from_m: float, to_m: float) -> list[_Point]:
        """Return the line of a part of an edge; those of whole edges are kept."""
        edge = self._edges[edge_id]
        if {from_m, to_m} != {0.0, edge.length_m}:
            return edge.cut(from_m, to_m)
        key = edge_id, from_m < to_m
        if key not in self._drawn:
            self._drawn[key] = edge.cut(from_m, to_m)
        return self._drawn[key]

    def _way(self, start: Position, end: Position) -> Way | None:
        shortest = self._trip(start, end, "road_m")
        quickest = self._trip(start, end, "time_s")
        if shortest is None or quickest is None:
            return None
        line: list[_Point] = []
        edges: list[str] = []
        for edge_id, from_m, to_m in shortest.parts:
            if from_m == to_m and len(shortest.parts) > 1:
                continue  # the position is the node itself: that edge is not driven on
            points = self._cut(edge_id, from_m, to_m)
            line += points[1:] if line else points
            edges.append(edge_id)
        if not edges:  # two positions at one node
            edges, line = [start.edge_id], self._edges[start.edge_id].cut(*[start.along_m] * 2)
        return Way(shortest.cost, quickest.cost, tuple(edges), tuple(line))


def _edge(row: Any) -> _Edge:
    lonlat = np.array([point[:2] for point in row.geometry.coords], dtype=np.float64)
    steps_m = np.asarray(_GEOD.line_lengths(lonlat[:, 0], lonlat[:, 1]))
    return _Edge(
        from_node=str(row.from_node),
        to_node=str(row.to_node),
        speed_mps=float(row.limit_kmh) / 3.6,
        oneway=bool(row.oneway),
        lonlat=lonlat,
        at_m=np.concatenate([[0.0], np.cumsum(steps_m)]),
    )


def _reach(edge_id: str, spans: list[tuple[float, float]], length_m: float) -> Reach:
    merged: list[tuple[float, float]] = []
    for start_m, stop_m in sorted(spans):
        if merged and start_m <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], stop_m))
        else:
            merged.append((start_m, stop_m))
    covered_m = sum(stop_m - start_m for start_m, stop_m in merged)
    return Reach(edge_id, min(covered_m / length_m, 1.0), tuple(merged))


def position_along(way: Way, along_m: float) -> _Point:
    """Return (lon, lat) in degrees so many metres along a way, held between its ends."""
    lonlat, at_m = _measured(way)
    lon, lat = (np.interp(along_m, at_m, lonlat[:, axis]) for axis in (0, 1))
    return float(lon), float(lat)


def bearing_along(way: Way, along_m: float) -> float:
    """Return the direction of travel so many metres along a way, degrees clockwise from north."""
    return _bearing(*_measured(way), along_m)


@lru_cache(maxsize=64)
def _measured(way: Way) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    lonlat = np.array(way.line, dtype=np.float64)
    steps_m = np.asarray(_GEOD.line_lengths(lonlat[:, 0], lonlat[:, 1]))
    return lonlat, np.concatenate([[0.0], np.cumsum(steps_m)])


def _bearing(lonlat: NDArray[np.float64], at_m: NDArray[np.float64], along_m: float) -> float:
    leg = int(np.clip(np.searchsorted(at_m, along_m, side="right") - 1, 0, len(at_m) - 2))
    return float(_GEOD.inv(*lonlat[leg], *lonlat[leg + 1])[0] % 360.0)
