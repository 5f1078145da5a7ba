"""What holds for every set of sightings: order, no impossible leg in a journey, nothing lost."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from make.passes import road, sightings

from workbench.trajectories import cluster, journeys, link, link_all

CAMERAS = "ABCDEF"
WAYS = road(**{name: 300.0 * at for at, name in enumerate(CAMERAS)})
PLATES = ["99B1-123.45", "9981-123.45", "99B1-123.46", "99B7-123.45", "*-123.45", None]


@st.composite
def runs(draw: st.DrawFn):  # type: ignore[no-untyped-def]
    size = draw(st.integers(0, 14))
    return [
        (
            f"s{n:02d}",
            draw(st.sampled_from(CAMERAS)),
            draw(st.integers(0, 400)),
            draw(st.sampled_from(PLATES)),
            draw(st.sampled_from([None, 90.0, 270.0])),
        )
        for n in range(size)
    ]


@settings(max_examples=60, deadline=None)
@given(runs(), st.integers(0, 99))
def test_legs_are_sorted_and_do_not_depend_on_row_order(rows: list, seed: int) -> None:
    mixed = list(rows)
    random.Random(seed).shuffle(mixed)
    legs = link(sightings(rows), WAYS, plate=PLATES[0])
    assert legs.equals(link(sightings(mixed), WAYS, plate=PLATES[0]))
    assert legs["from_utc"].to_pylist() == sorted(legs["from_utc"].to_pylist())
    assert all(elapsed >= 0 for elapsed in legs["elapsed_s"].to_pylist())
    every = link_all(sightings(rows), WAYS)
    assert every.equals(link_all(sightings(mixed), WAYS))
    assert cluster(sightings(rows), WAYS) == cluster(sightings(mixed), WAYS)


@settings(max_examples=60, deadline=None)
@given(runs())
def test_journeys_hold_each_sighting_once_and_nothing_impossible(rows: list) -> None:
    table = sightings(rows)
    legs = link(table, WAYS, plate=PLATES[0])
    found = journeys(legs, table, plate=PLATES[0])
    read = [row[0] for row in rows if row[3]]
    assert sorted(name for journey in found for name in journey.sighting_ids) == sorted(read)
    for journey in found:
        assert "impossible" not in journey.legs["plausible"].to_pylist()
        pairs = zip(journey.sighting_ids, journey.sighting_ids[1:], strict=False)
        in_legs = zip(
            journey.legs["from_id"].to_pylist(), journey.legs["to_id"].to_pylist(), strict=True
        )
        assert list(pairs) == list(in_legs)
        assert tuple(name for stop in journey.stops for name in stop) == journey.sighting_ids
        assert not {aside.sighting_id for aside in journey.set_aside} & set(journey.sighting_ids)


@settings(max_examples=40, deadline=None)
@given(runs())
def test_clusters_part_the_read_sightings(rows: list) -> None:
    groups = cluster(sightings(rows), WAYS)
    assert sorted(name for group in groups for name in group) == sorted(r[0] for r in rows if r[3])
