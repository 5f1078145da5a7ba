"""The map: nothing from another host, legs in order, and no line for what cannot be."""

import re

import pytest
from make.small_root import PLATE

from workbench.views.map import journey_map, legs_of, stops_of, ward_map, way_points
from workbench.views.text import translator


@pytest.fixture(scope="module")
def trace(small_root):
    from make.small_root import CASE

    from workbench.records import Purpose

    return small_root.trace(PLATE, Purpose(CASE.case_id, CASE.reason))


@pytest.fixture(scope="module")
def drawn(small_root, trace):
    stops = stops_of(small_root, trace)
    return stops, legs_of(small_root, trace, stops, translator("vi"))


def rendered(chart):
    return chart.get_root().render()


def links(html):
    """Return every address that a browser would load."""
    return re.findall(r"""(?:src|href)=["']([^"']+)["']|url\(([^)]+)\)""", html)


def test_a_served_map_loads_from_this_server_only(small_root):
    found = {first or second for first, second in links(rendered(ward_map(small_root.ward)))}
    assert found == {f"/assets/{name}" for name in (
        "leaflet/leaflet.js", "map_reach.js", "map.js", "leaflet/leaflet.css", "map.css",
    )}  # fmt: skip


def test_an_inline_map_loads_nothing(small_root, trace):
    html = rendered(journey_map(small_root, trace, assets="inline"))
    assert all((first or second).startswith("data:") for first, second in links(html))


def test_the_journey_is_numbered_and_the_impossible_sighting_is_outside(drawn):
    stops, legs = drawn
    assert sorted(stop.number for stop in stops) == [0, 1, 2, 3, 4, 5]
    in_order = [stop.utc_ns for stop in sorted(stops, key=lambda s: s.number) if stop.number]
    assert in_order == sorted(in_order)
    assert [leg.number for leg in legs if leg.number] == [1, 2, 3, 4]


def test_an_impossible_leg_is_listed_with_its_reason_and_never_a_line(small_root, trace, drawn):
    _, legs = drawn
    impossible = [leg for leg in legs if leg.plausible == "impossible"]
    assert impossible
    assert all(leg.line == () and "không thể" in leg.reason for leg in impossible)
    html = rendered(journey_map(small_root, trace))
    assert html.count("wb-legline") == 4
    assert html.count('wb-leg"') == 4


def test_lines_go_from_stop_to_stop_along_roads(small_root, drawn):
    _, legs = drawn
    for leg in legs:
        if leg.line:
            way = small_root.graph.between(leg.start.camera_id, leg.stop.camera_id)
            assert [tuple(point) for point in way.line] == list(leg.line)


def test_the_moving_marker_keeps_time(drawn):
    stops, legs = drawn
    for piece in way_points(legs, stops):
        times = [at for _, _, at in piece["points"]]
        assert times == sorted(times)
        assert (times[0], times[-1]) == (piece["from_ms"], piece["to_ms"])


def test_names_of_the_tables_cannot_become_markup(small_root):
    from dataclasses import replace

    ward = small_root.ward
    site = next(iter(ward.sites.values()))
    evil = '</script><img src="http://elsewhere.example/x">'
    sites = {**ward.sites, site.site_id: replace(site, name=evil)}
    html = rendered(ward_map(replace(ward, sites=sites)))
    assert "<img" not in html
    assert "</script><img" not in html
