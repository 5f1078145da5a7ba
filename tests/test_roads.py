"""The road graph: lengths, one-way roads, partial edges and reach, on drawn roads and the ward."""

from __future__ import annotations

import math
from pathlib import Path

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.wards import camera, edge, point, tables
from pyproj import Geod

from workbench import ward
from workbench.errors import BadInput
from workbench.roads import RoadGraph, bearing_along, position_along

GEOD = Geod(ellps="WGS84")


@pytest.fixture(scope="module")
def square() -> RoadGraph:
    """A square of 300 m sides A-B-C-D; C-D is one-way, D-A quick, and a lane leaves B."""
    edges = [
        edge("AB", "AB", (0, 0), (300, 0)),
        edge("BC", "BC", (300, 0), (300, 300)),
        edge("CD", "CD", (300, 300), (0, 300), oneway=True),
        edge("DA", "DA", (0, 300), (0, 0), limit_kmh=72.0),
        edge("BE", "BE", (300, 0), (400, 0), (400, 100)),
        edge("far", "XY", (0, 900), (300, 900)),
    ]
    cameras = [
        camera("S01-P1", "AB", 100, 5),
        camera("S01-P2", "AB", 250, -5),
        camera("S02-P1", "BC", 305, 100),
        camera("S03-P1", "CD", 200, 300),
        camera("S03-P2", "CD", 100, 300),
        camera("S04-P1", "DA", 0, 200),
        camera("S05-P1", "BE", 400, 50),
        camera("S06-P1", "far", 100, 900),
    ]
    return RoadGraph(tables(edges, cameras))


@pytest.fixture(scope="module")
def loaded(ward_folder: Path) -> ward.Ward:
    return ward.load(ward_folder)


@pytest.fixture(scope="module")
def graph(loaded: ward.Ward) -> RoadGraph:
    return RoadGraph(loaded)


def near(metres: float) -> object:
    return pytest.approx(metres, abs=1.5)  # the drawing's metres a degree are rounded


# -- ways ------------------------------------------------------------------------------------


def test_part_of_one_edge_is_driven_either_way(square: RoadGraph) -> None:
    there, back = square.between("S01-P1", "S01-P2"), square.between("S01-P2", "S01-P1")
    assert there is not None
    assert back is not None
    assert there.road_m == back.road_m == near(150)
    assert there.fastest_s == pytest.approx(there.road_m / 10)
    assert there.edges == ("AB",)
    assert there.line == back.line[::-1]


def test_way_over_a_node_takes_part_of_both_edges(square: RoadGraph) -> None:
    way = square.between("S01-P1", "S02-P1")
    assert way is not None
    assert way.road_m == near(300)
    assert way.edges == ("AB", "BC")
    assert way.line[0] == pytest.approx(point(100, 0), abs=1e-6)
    assert way.line[1] == pytest.approx(point(300, 0), abs=1e-9)
    assert way.line[-1] == pytest.approx(point(300, 100), abs=1e-6)


def test_lines_bend_where_the_edge_does(square: RoadGraph) -> None:
    way = square.between("S01-P2", "S05-P1")
    assert way is not None
    assert way.road_m == near(200)
    assert [p == pytest.approx(point(400, 0), abs=1e-9) for p in way.line].count(True) == 1


def test_one_way_road_is_not_driven_backwards(square: RoadGraph) -> None:
    along, against = square.between("S03-P1", "S03-P2"), square.between("S03-P2", "S03-P1")
    assert along is not None
    assert against is not None
    assert along.road_m == near(100)
    assert against.road_m == near(100 + 300 + 300 + 300 + 100)  # round the square
    assert against.edges == ("CD", "DA", "AB", "BC", "CD")


def test_quickest_and_shortest_may_be_different_ways() -> None:
    edges = [
        edge("short", "AB", (0, 0), (300, 0), limit_kmh=18.0),
        edge("round", "AB", (0, 0), (150, 100), (300, 0), limit_kmh=72.0),
        edge("west", "ZA", (-100, 0), (0, 0)),
        edge("east", "BC", (300, 0), (400, 0)),
    ]
    graph = RoadGraph(
        tables(edges, [camera("S01-P1", "west", -100, 0), camera("S02-P1", "east", 400, 0)])
    )
    way = graph.between("S01-P1", "S02-P1")
    assert way is not None
    assert way.edges == ("west", "short", "east")
    assert way.road_m == near(500)
    assert way.fastest_s == pytest.approx(20 + 2 * math.hypot(150, 100) / 20, abs=0.2)


def test_no_way_is_none_not_a_guess(square: RoadGraph) -> None:
    assert square.between("S01-P1", "S06-P1") is None


def test_way_to_itself_is_no_distance(square: RoadGraph) -> None:
    way = square.between("S01-P1", "S01-P1")
    assert way is not None
    assert (way.road_m, way.fastest_s, way.edges) == (0, 0, ("AB",))
    assert position_along(way, 0) == way.line[0] == way.line[-1]


def test_positions_at_one_node_are_no_distance_apart(square: RoadGraph) -> None:
    way = square.between(square.at("AB", 1e9), square.at("BC", 0))
    assert way is not None
    assert way.road_m == pytest.approx(0, abs=1e-6)
    assert len(way.line) >= 2


def test_edges_touched_only_at_their_end_are_not_named(square: RoadGraph) -> None:
    way = square.between(square.at("AB", 0), square.at("BC", 0))
    assert way is not None
    assert way.edges == ("AB",)


def test_ways_between_cameras_are_kept(square: RoadGraph) -> None:
    assert square.between("S01-P1", "S04-P1") is square.between("S01-P1", "S04-P1")


def test_unknown_names_are_refused(square: RoadGraph) -> None:
    with pytest.raises(BadInput, match="no camera S99-P1"):
        square.between("S01-P1", "S99-P1")
    with pytest.raises(BadInput, match="no edge nowhere"):
        square.snap(106, 21, "nowhere")
    with pytest.raises(BadInput, match="no edge nowhere"):
        RoadGraph(tables([edge("AB", "AB", (0, 0), (9, 0))], [camera("S01-P1", "nowhere", 0, 0)]))


# -- positions -------------------------------------------------------------------------------


def test_snap_finds_the_nearest_road_or_stays_on_the_one_named(square: RoadGraph) -> None:
    free = square.snap(*point(290, 40))
    assert (free.edge_id, free.along_m, free.off_m) == ("BC", near(40), near(10))
    held = square.snap(*point(290, 40), "AB")
    assert (held.edge_id, held.along_m, held.off_m) == ("AB", near(290), near(40))
    beyond = square.snap(*point(-50, -1), "AB")
    assert beyond.along_m == 0


def test_bearing_follows_the_line(square: RoadGraph) -> None:
    assert square.bearing(square.at("AB", 10)) == pytest.approx(90, abs=0.1)
    assert square.bearing(square.at("CD", 10)) == pytest.approx(270, abs=0.1)
    assert square.bearing(square.at("BE", 150)) == pytest.approx(0, abs=0.1)
    assert square.bearing(square.at("BE", 1e9)) == pytest.approx(0, abs=0.1)


def test_position_and_bearing_along_a_way(square: RoadGraph) -> None:
    way = square.between("S01-P1", "S02-P1")
    assert way is not None
    assert position_along(way, 250) == pytest.approx(point(300, 50), abs=2e-5)
    assert bearing_along(way, 10) == pytest.approx(90, abs=0.1)
    assert bearing_along(way, 250) == pytest.approx(0, abs=0.1)
    assert position_along(way, -5) == way.line[0]
    assert position_along(way, 1e9) == way.line[-1]


# -- reach -----------------------------------------------------------------------------------


def test_reach_grows_both_ways_and_over_nodes(square: RoadGraph) -> None:
    reach = square.reachable("S01-P1", 25)
    assert reach["AB"].fraction == 1
    assert reach["BC"].stretches == ((0.0, near(50)),)
    # over A after 10 s and along the quick road for 15 s more, but not through its far end
    assert reach["DA"].stretches == ((near(0), near(300)),)
    assert "CD" not in reach
    assert "far" not in reach


def test_reach_scales_with_the_speed_driven(square: RoadGraph) -> None:
    reach = square.reachable("S01-P1", 4, speed_factor=1.5)
    assert reach["AB"].stretches == ((near(40), near(160)),)
    assert reach["AB"].fraction == pytest.approx(0.4, abs=0.01)
    further = square.reachable("S01-P1", 22, speed_factor=1.5)
    assert further["BC"].stretches == ((0.0, near(130)),)


def test_reach_does_not_go_backwards_on_a_one_way_road(square: RoadGraph) -> None:
    (stretch,) = square.reachable("S03-P1", 5)["CD"].stretches
    assert stretch == (near(100), near(150))


def test_nothing_but_the_place_itself_in_no_time(square: RoadGraph) -> None:
    assert square.reachable("S01-P1", -3).keys() == {"AB"}
    assert square.reachable("S01-P1", 0)["AB"].fraction == 0


# -- the shipped ward ------------------------------------------------------------------------


def test_every_camera_of_the_ward_reaches_every_other(loaded: ward.Ward, graph: RoadGraph) -> None:
    for a in loaded.cameras:
        for b in loaded.cameras:
            way = graph.between(a, b)
            assert way is not None
            assert GEOD.line_length(*zip(*way.line, strict=True)) == pytest.approx(
                way.road_m, abs=0.05
            )
            assert way.fastest_s <= way.road_m / (30 / 3.6) + 1e-6  # slowest limit of the ward


def test_cameras_stand_beside_the_road_they_name(graph: RoadGraph) -> None:
    assert max(position.off_m for position in graph.cameras.values()) < 12


def test_neighbouring_sites_are_a_short_drive_apart(loaded: ward.Ward, graph: RoadGraph) -> None:
    """A vehicle at 30 to 40 km/h can pass four to six sites in two minutes."""
    at = {s.site_id: graph.snap(s.lon_deg, s.lat_deg) for s in loaded.sites.values()}
    hops = nx.Graph()
    for a, here in at.items():
        gaps = sorted(
            way.road_m
            for b, there in at.items()
            if a != b and (way := graph.between(here, there)) is not None
        )
        assert 140 < gaps[0] < 260, a
        for b, there in at.items():
            way = graph.between(here, there)
            if a != b and way is not None and way.road_m < 260:
                hops.add_edge(a, b)
    hoods = {s.site_id: s.neighbourhood for s in loaded.sites.values()}
    for part in nx.connected_components(hops):
        assert len(part) >= 5, {hoods[site] for site in part}


places = st.tuples(st.integers(0, 82), st.floats(0, 1))


@settings(max_examples=60, deadline=None)
@given(a=places, b=places, c=places)
def test_detours_are_never_shorter(
    graph: RoadGraph, loaded: ward.Ward, a: tuple[int, float], b: tuple[int, float],
    c: tuple[int, float],
) -> None:  # fmt: skip
    ids = list(loaded.roads["edge_id"])
    p, q, r = (graph.at(ids[n], share * graph.length_m(ids[n])) for n, share in (a, b, c))
    pq, qr, pr = graph.between(p, q), graph.between(q, r), graph.between(p, r)
    assert pq is not None
    assert qr is not None
    assert pr is not None
    assert pr.road_m <= pq.road_m + qr.road_m + 1e-6
    assert pr.fastest_s <= pq.fastest_s + qr.fastest_s + 1e-6
    straight_m = GEOD.inv(p.lon_deg, p.lat_deg, r.lon_deg, r.lat_deg)[2]
    assert pr.road_m >= straight_m - 0.05
    assert pr.line[0] == pytest.approx((p.lon_deg, p.lat_deg), abs=1e-9)
    assert pr.line[-1] == pytest.approx((r.lon_deg, r.lat_deg), abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(a=places, b=places, slack=st.floats(0.98, 1.02))
def test_reach_and_way_agree(
    graph: RoadGraph, loaded: ward.Ward, a: tuple[int, float], b: tuple[int, float], slack: float
) -> None:
    """A position is within reach exactly when the quickest way to it takes no longer."""
    ids = list(loaded.roads["edge_id"])
    p, q = (graph.at(ids[n], share * graph.length_m(ids[n])) for n, share in (a, b))
    way = graph.between(p, q)
    assert way is not None
    seconds = way.fastest_s * slack
    if abs(seconds - way.fastest_s) < 1e-3:
        return
    reach = graph.reachable(p, seconds).get(q.edge_id)
    inside = reach is not None and any(
        start - 1e-6 <= q.along_m <= stop + 1e-6 for start, stop in reach.stretches
    )
    assert inside == (seconds > way.fastest_s)


@settings(max_examples=60, deadline=None)
@given(place=places)
def test_snapping_a_position_on_an_edge_returns_it(
    graph: RoadGraph, loaded: ward.Ward, place: tuple[int, float]
) -> None:
    edge_id = loaded.roads["edge_id"][place[0]]
    at = graph.at(edge_id, place[1] * graph.length_m(edge_id))
    again = graph.snap(at.lon_deg, at.lat_deg, edge_id)
    assert again.off_m < 0.01
    assert again.along_m == pytest.approx(at.along_m, abs=0.05)


@settings(max_examples=40, deadline=None)
@given(shares=st.lists(st.floats(0, 1), min_size=2, max_size=2))
def test_positions_along_a_way_are_so_many_metres_apart(
    graph: RoadGraph, shares: list[float]
) -> None:
    way = graph.between("S05-P1", "S16-P1")
    assert way is not None
    low, high = sorted(share * way.road_m for share in shares)
    a, b = position_along(way, low), position_along(way, high)
    assert GEOD.inv(*a, *b)[2] <= high - low + 0.05
