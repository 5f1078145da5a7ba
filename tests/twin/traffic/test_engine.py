"""The simulated ward: its truth is whole, agrees with itself, and comes again to the byte."""

from __future__ import annotations

import hashlib
import importlib.util
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from workbench import roads, ward
from workbench.cli import app
from workbench.errors import BadInput, Unavailable
from workbench.records import KINDS
from workbench.twin import traffic


@pytest.fixture(scope="module")
def tables(simulated):
    return {path.stem: pd.read_parquet(path) for path in simulated.glob("*.parquet")}


def test_every_table_is_there_and_its_counts_are_told(simulated, tables):
    told = json.loads((simulated / "scenario.json").read_text())
    assert set(tables) == {"passes", "positions", "vehicles", "collisions", "cameras"}
    for name in ("passes", "positions", "collisions"):
        assert told["counts"][name] == len(tables[name])
    assert told["seed"] == 3
    assert told["traffic"]["vehicles_per_hour"] == 2500
    assert not [path for path in simulated.iterdir() if path.suffix not in {".parquet", ".json"}]


def test_passes_are_what_the_ward_and_its_law_allow(simulated, tables, ward_folder):
    known = ward.load(ward_folder)
    passes = tables["passes"]
    one = traffic.open_simulated(simulated)
    assert len(passes) > 200
    assert passes["time_ns"].is_monotonic_increasing
    assert passes["time_ns"].between(one.span.start_ns, one.span.stop_ns).all()
    assert passes["pass_id"].is_unique
    assert set(passes["kind"]) <= set(KINDS)
    assert set(passes["camera_id"]) <= set(known.cameras)
    assert {known.cameras[c].road_edge for c in passes["camera_id"]} == set(passes["edge"])
    assert passes["speed_mps"].between(0, 30).all()
    bikes = passes[passes["kind"] == "motorcycle"]
    assert 0.6 < len(bikes) / len(passes) < 0.8
    assert not bikes[bikes["plate_side"] == "front"]["plate_shown"].any()
    assert bikes[bikes["plate_side"] == "rear"]["plate_shown"].all()
    assert (passes[passes["kind"] == "bicycle"]["plate"] == "").all()
    assert ((passes["direction"] == "away") == (passes["plate_side"] == "rear")).all()


def test_a_heading_agrees_with_the_camera(tables, ward_folder):
    known = ward.load(ward_folder)
    passes = tables["passes"]
    looks = np.array([known.cameras[c].heading_deg for c in passes["camera_id"]])
    turn = np.abs((passes["heading_deg"] - looks + 180) % 360 - 180)
    assert (turn[passes["direction"] == "away"] < 60).all()
    assert (turn[passes["direction"] == "towards"] > 120).all()


def test_a_pass_lies_between_the_positions_around_it(simulated, tables, ward_folder):
    """The sweet spot is between where the vehicle was the second before and the second after."""
    where = tables["cameras"].set_index("camera_id")["along_m"]
    by_vehicle = dict(list(tables["positions"].groupby("vehicle_id")))
    checked = 0
    for one in tables["passes"].sample(150, random_state=1).itertuples():
        rows = by_vehicle[one.vehicle_id]
        around = rows[(rows["time_ns"] - one.time_ns).abs() <= 1_000_000_000]
        around = around[around["edge"] == one.edge]
        if len(around) == 2:
            low, high = sorted(around["offset_m"])
            assert low - 1.5 <= where[one.camera_id] <= high + 1.5
            checked += 1
    assert checked > 80


def test_nobody_is_faster_between_two_cameras_than_the_limits_and_haste_allow(tables, ward_folder):
    graph = roads.RoadGraph(ward.load(ward_folder))
    spots = {
        row.camera_id: graph.at(row.edge, row.along_m) for row in tables["cameras"].itertuples()
    }
    fast = hops = 0
    for _, rows in tables["passes"].groupby("vehicle_id"):
        for a, b in zip(rows[:-1].itertuples(), rows[1:].itertuples(), strict=False):
            way = graph.between(spots[a.camera_id], spots[b.camera_id])
            if way is not None and way.road_m > 60:
                hops += 1
                fast += (b.time_ns - a.time_ns) / 1e9 < way.fastest_s / 1.4
    assert hops > 100
    assert fast <= 0.01 * hops


def test_riders_who_weave_move_sideways_more_than_others(tmp_path, ward_folder):
    pytest.importorskip("sumo")
    many = traffic.Traffic(vehicles_per_hour=900, weave_share=0.5, warm_up_s=30)
    traffic.simulate(ward.load(ward_folder), tmp_path, seed=5, hours=0.05, traffic=many)
    rows = pd.read_parquet(tmp_path / "positions.parquet")
    rows = rows.merge(pd.read_parquet(tmp_path / "vehicles.parquet"), on="vehicle_id")
    rows = rows[(rows["kind"] == "motorcycle") & (rows["speed_mps"] > 5)]
    same = ["vehicle_id", "edge", "forward", "lane"]
    rows["sideways_m"] = rows.groupby(same)["lateral_m"].diff().abs()
    by_style = rows.groupby("style")["sideways_m"].mean()
    assert by_style["calm"] > 0.01
    assert by_style["weaving"] > 1.5 * by_style["calm"]


def test_the_same_seed_gives_the_same_bytes_and_another_does_not(tmp_path, ward_folder):
    pytest.importorskip("sumo")
    few = traffic.Traffic(vehicles_per_hour=600, warm_up_s=20)

    def run(name: str, seed: int) -> dict[str, str]:
        traffic.simulate(
            ward.load(ward_folder), tmp_path / name, seed=seed, hours=0.02, traffic=few
        )
        return {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in (tmp_path / name).iterdir()
        }

    first = run("a", 11)
    assert run("b", 11) == first
    assert run("c", 12)["passes.parquet"] != first["passes.parquet"]


def test_without_sumo_one_sentence_says_what_to_install(tmp_path, ward_folder, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match=r"SUMO is not installed.*twin"):
        traffic.simulate(ward.load(ward_folder), tmp_path, seed=1, hours=0.1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("words", [["--start", "25:00"], ["--start", "7"], ["--hours", "0"]])
def test_a_time_that_is_none_is_refused_in_one_sentence(tmp_path, words):
    done = CliRunner().invoke(app, ["twin", "simulate", str(tmp_path / "o"), *words])
    assert isinstance(done.exception, BadInput)
    assert not (tmp_path / "o").exists()


def test_shares_that_do_not_go_together_are_refused():
    with pytest.raises(BadInput):
        traffic.Traffic(motorcycle_share=0.9, truck_share=0.2)
    with pytest.raises(BadInput):
        traffic.Traffic(vehicles_per_hour=0)


def test_the_command_line_degrades_what_was_simulated(simulated, tmp_path):
    words = ["twin", "degrade", str(simulated), str(tmp_path), "--preset", "hard", "--seed", "4"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    names = {path.stem for path in tmp_path.glob("*.parquet")}
    assert names == {"sightings", "looks", "coverage", "truth", "clocks"}
    assert json.loads((tmp_path / "degraded.json").read_text())["knobs"]["miss"] == 0.3


def test_a_folder_without_a_simulation_is_refused(tmp_path: Path):
    (tmp_path / "scenario.json").write_text("{}")
    done = CliRunner().invoke(app, ["twin", "degrade", str(tmp_path), str(tmp_path / "o")])
    assert isinstance(done.exception, BadInput)
