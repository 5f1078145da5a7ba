from __future__ import annotations

import pickle
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from workbench import twin
from workbench.errors import BadInput
from workbench.records import KINDS
from workbench.twin.fleet import make_fleet
from workbench.twin.journeys import HEADWAY_S


def test_every_site_has_one_plate_camera_and_some_have_an_overview(tables, whole):
    known, _ = tables
    plates = [c for c, v in whole.views.items() if v.kind == "plate"]
    assert sorted(known.cameras[c].site_id for c in plates) == sorted(known.sites)
    assert sum(v.kind == "overview" for v in whole.views.values()) == 6
    assert whole.cameras == tuple(whole.views)


def test_the_plan_follows_from_its_seed(tables, whole):
    again = twin.plan(*tables, seed=20261120)
    assert again == whole
    assert pickle.loads(pickle.dumps(whole)) == whole
    assert twin.plan(*tables, seed=20261121) != whole


def test_at_least_eight_journeys_pass_four_watched_sites_readably(whole):
    passes = twin.truth_of(whole).passes
    read = passes[passes["plate_visible"]]
    sites = read.groupby("vehicle_id")["camera_id"].nunique()
    assert (sites >= 4).sum() >= 8


def test_most_vehicles_are_motorcycles_and_plates_are_unique():
    fleet = make_fleet(200, np.random.default_rng(1))
    kinds = Counter(v.kind for v in fleet)
    assert set(kinds) <= set(KINDS)
    assert 0.6 < kinds["motorcycle"] / 200 < 0.8
    plates = [v.plate for v in fleet if v.plate]
    assert len(set(plates)) == len(plates)
    assert all(not v.plate for v in fleet if v.kind == "bicycle")
    assert all(v.plated_ends == ("rear",) for v in fleet if v.kind == "motorcycle")


def test_a_fleet_has_near_twins():
    plates = [v.plate for v in make_fleet(200, np.random.default_rng(1)) if v.plate]
    near = [
        (a, b)
        for i, a in enumerate(plates)
        for b in plates[:i]
        if len(a) == len(b) and sum(x != y for x, y in zip(a, b, strict=True)) == 1
    ]
    assert near


def test_passes_keep_their_headway_nearly_always(whole):
    gaps = []
    for camera, view in whole.views.items():
        if view.kind == "plate":
            times = [p.abreast_s for p in whole.passes_of(camera) if p.direction == "away"]
            gaps += list(np.diff(times))
    assert np.mean(np.array(gaps) >= HEADWAY_S) > 0.85


def test_elapsed_time_between_two_cameras_is_the_way_at_the_vehicle_s_speed(tables, whole):
    _, graph = tables
    journey = max(whole.journeys, key=lambda j: len(j.cameras))
    own = sorted(
        (p for p in whole.passes if p.vehicle_id == journey.vehicle_id
         and whole.views[p.camera_id].kind == "plate"),
        key=lambda p: p.abreast_s,
    )  # fmt: skip
    for a, b in pairwise(own):
        way = graph.between(a.camera_id, b.camera_id)
        driven_m = (b.abreast_s - a.abreast_s) * journey.speed_mps
        assert driven_m == pytest.approx(way.road_m, abs=35)


def test_some_recorders_are_off_and_say_so(whole):
    late = {c for c in whole.cameras if whole.clip_start_ns(c) != whole.start_ns}
    assert 3 <= len(late) <= 4


def test_a_ward_without_plate_cameras_gets_a_sentence(tables):
    known, graph = tables
    bare = type(known)(
        known.sites, {c: v for c, v in known.cameras.items() if v.kind != "plate"},
        known.roads, known.areas,
    )  # fmt: skip
    with pytest.raises(BadInput, match="no plate camera"):
        twin.plan(bare, graph)
