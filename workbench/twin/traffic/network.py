"""The ward's road graph as a SUMO network, and where its lanes and cameras lie on the graph.

Every road becomes one directed SUMO edge a direction of travel, ``E001_f`` along the line as drawn
and ``E001_b`` against it. SUMO cuts lanes at the junctions; :class:`Lane` turns a position on a
lane back into metres from the road's first node.
"""

from __future__ import annotations

import math
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import shapely
from pyproj import Transformer

from workbench.errors import N_, BadInput, Unavailable
from workbench.records import Camera

if TYPE_CHECKING:
    from workbench.roads import RoadGraph
    from workbench.ward import Ward

SWEET_M = {"plate": 14.0, "overview": 20.0}
"""How far in front of a camera, along the road, it sees a vehicle best, by kind of camera."""

_METRIC = "EPSG:32648"
_WIDE_KMH, _LANE_M = 45, 3.5
_SINGLE_M = 4.5
_OFF_END_M = 1.0


@dataclass(frozen=True, slots=True)
class Lane:
    """Where a directed SUMO edge lies on its road: metres from the road's first node.

    ``start_m`` is greater than ``stop_m`` where it runs against the line. ``length_m`` is SUMO's.
    """

    edge_id: str
    forward: bool
    start_m: float
    stop_m: float
    length_m: float
    lanes: int

    @property
    def sumo_id(self) -> str:
        """The name of the directed edge in the SUMO network."""
        return f"{self.edge_id}_{'f' if self.forward else 'b'}"

    def position(self, along_m: float) -> float:
        """Return SUMO's position of a point given in metres from the road's first node."""
        share = (along_m - self.start_m) / (self.stop_m - self.start_m)
        return min(max(share, 0.0), 1.0) * self.length_m


@dataclass(frozen=True, slots=True)
class Spot:
    """Where one camera sees best what drives one way: its sweet spot on a directed edge.

    ``position_m`` is SUMO's. ``near`` is whether that direction has the lane beside the pole.
    """

    camera_id: str
    sumo_id: str
    position_m: float
    along_m: float
    away: bool
    near: bool
    heading_deg: float


@dataclass(frozen=True, slots=True)
class Network:
    """The SUMO network's file with what is needed to read its results."""

    path: Path
    lanes: dict[str, Lane]
    spots: tuple[Spot, ...]
    ends: dict[str, tuple[str, str]]
    """From and to node of each directed edge."""
    travel_s: dict[str, float]


def build(ward: Ward, graph: RoadGraph, folder: Path, netconvert: Path) -> Network:
    """Write ``ward.net.xml`` into a folder and return what is needed to use it.

    Raises
    ------
    Unavailable
        Where ``netconvert`` does not make a network of the roads.
    """
    to_metres = Transformer.from_crs("EPSG:4326", _METRIC, always_xy=True)
    rows = list(ward.roads.itertuples(index=False))
    lines = {
        str(row.edge_id): shapely.LineString(
            np.column_stack(to_metres.transform(*np.asarray(row.geometry.coords)[:, :2].T))
        )
        for row in rows
    }
    nodes: dict[str, tuple[float, float]] = {}
    arms: Counter[str] = Counter()
    for row in rows:
        line = lines[str(row.edge_id)]
        for node, point in ((row.from_node, line.coords[0]), (row.to_node, line.coords[-1])):
            nodes[str(node)] = (point[0], point[1])
            arms[str(node)] += 1
    wide = Counter(
        str(node)
        for row in rows
        if row.limit_kmh >= _WIDE_KMH
        for node in (row.from_node, row.to_node)
    )
    root = ET.Element("nodes")
    for node, (x, y) in sorted(nodes.items()):
        # Where the main road meets two arms there are lights: without them a busy crossing locks.
        lights = wide[node] >= 2 and arms[node] >= 4
        kind = "traffic_light" if lights else "priority"
        ET.SubElement(root, "node", id=node, x=f"{x:.3f}", y=f"{y:.3f}", type=kind)
    _write(root, folder / "ward.nod.xml")
    root = ET.Element("edges")
    ends: dict[str, tuple[str, str]] = {}
    travel_s: dict[str, float] = {}
    for row in rows:
        for forward in (True,) if row.oneway else (True, False):
            line = lines[str(row.edge_id)]
            points = list(line.coords) if forward else list(line.coords)[::-1]
            a, b = (row.from_node, row.to_node) if forward else (row.to_node, row.from_node)
            name = f"{row.edge_id}_{'f' if forward else 'b'}"
            ends[name] = (str(a), str(b))
            travel_s[name] = line.length / (float(row.limit_kmh) / 3.6)
            broad = row.limit_kmh >= _WIDE_KMH
            ET.SubElement(
                root,
                "edge",
                {
                    "id": name, "from": str(a), "to": str(b),
                    "numLanes": "2" if broad else "1",
                    "width": f"{_LANE_M if broad else _SINGLE_M}",
                    "speed": f"{float(row.limit_kmh) / 3.6:.3f}",
                    "priority": f"{int(row.limit_kmh) // 10}",
                    "spreadType": "center" if row.oneway else "right",
                    "shape": " ".join(f"{x:.3f},{y:.3f}" for x, y in points),
                },
            )  # fmt: skip
    _write(root, folder / "ward.edg.xml")
    path = folder / "ward.net.xml"
    words = [
        str(netconvert), "-n", str(folder / "ward.nod.xml"), "-e", str(folder / "ward.edg.xml"),
        "-o", str(path), "--offset.disable-normalization", "--no-turnarounds.except-deadend",
        "--no-warnings", "--precision", "3",
    ]  # fmt: skip
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode or not path.is_file():
        raise Unavailable(
            N_("netconvert made no network of the ward's roads: {said}"),
            N_("run 'workbench ward check', and look at the roads it names"),
            said=done.stderr.strip()[-300:],
        )
    lanes = _lanes(path, lines)
    spots = tuple(
        spot for camera in ward.cameras.values() for spot in spots_of(camera, graph, lanes)
    )
    return Network(path, lanes, spots, ends, travel_s)


def spots_of(camera: Camera, graph: RoadGraph, lanes: dict[str, Lane]) -> list[Spot]:
    """Return the sweet spots of a camera, one a direction of travel on the road it looks along.

    Raises
    ------
    BadInput
        Where the camera looks across its road.
    """
    pole = graph.cameras[camera.camera_id]
    runs = graph.bearing(pole)
    turn = (camera.heading_deg - runs + 180.0) % 360.0 - 180.0
    if 60 < abs(turn) < 120:
        raise BadInput(
            N_("camera {camera} looks across road {edge}, not along it"),
            N_("correct heading_deg or road_edge in cameras.csv"),
            camera=camera.camera_id,
            edge=camera.road_edge,
        )
    ahead = abs(turn) < 90
    sweet_m = SWEET_M[camera.kind]
    found = []
    for forward in (True, False):
        lane = lanes.get(f"{camera.road_edge}_{'f' if forward else 'b'}")
        if lane is None:
            continue
        low, high = sorted((lane.start_m, lane.stop_m))
        along = pole.along_m + (sweet_m if ahead else -sweet_m)
        along = min(max(along, low + _OFF_END_M), high - _OFF_END_M)
        bearing = graph.bearing(graph.at(camera.road_edge, along))
        away = forward == ahead
        found.append(
            Spot(
                camera.camera_id,
                lane.sumo_id,
                lane.position(along),
                along,
                away,
                _is_near(camera, graph, forward, away),
                bearing if forward else (bearing + 180.0) % 360.0,
            )
        )
    return found


def _is_near(camera: Camera, graph: RoadGraph, forward: bool, away: bool) -> bool:
    """Return whether a direction's lane is the one beside the pole.

    The table says which end the nearest lane shows; where it says both, the side of the road on
    which the pole stands decides: one drives on the right.
    """
    if camera.sees != "both":
        return away == (camera.sees == "rear")
    pole = graph.cameras[camera.camera_id]
    runs = math.radians(graph.bearing(pole))
    east = (camera.lon_deg - pole.lon_deg) * math.cos(math.radians(pole.lat_deg))
    north = camera.lat_deg - pole.lat_deg
    on_right = east * math.cos(runs) - north * math.sin(runs) >= 0
    return forward == on_right


def _lanes(path: Path, lines: dict[str, shapely.LineString]) -> dict[str, Lane]:
    found: dict[str, Lane] = {}
    for edge in ET.parse(path).getroot().iter("edge"):
        name = edge.get("id", "")
        if name.startswith(":"):
            continue
        edge_id, _, side = name.rpartition("_")
        parts = edge.findall("lane")
        shape = [tuple(map(float, p.split(",")[:2])) for p in parts[0].get("shape", "").split()]
        line = lines[edge_id]
        start, stop = (float(line.project(shapely.Point(shape[k]))) for k in (0, -1))
        found[name] = Lane(
            edge_id, side == "f", start, stop, float(parts[0].get("length", "0")), len(parts)
        )
    return found


def _write(root: ET.Element, path: Path) -> None:
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
