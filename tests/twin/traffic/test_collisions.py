"""Collisions have a cause and are few; overlaps of calm vehicles are none; a SUMO that crashes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from workbench.errors import Unavailable
from workbench.twin.traffic import Traffic, engine
from workbench.twin.traffic.collisions import Aftermath, Collision, choose
from workbench.twin.traffic.demand import Trip, _come_back, _Places

CALM = Trip("V1", "car", "sedan", "white", "99A-123.45", "through", "calm", 0.0, ("a",), (), True)
CARELESS = replace(CALM, vehicle_id="V2", style="careless")
WEAVING = replace(CALM, vehicle_id="V3", style="weaving")
TRIPS = [CALM, CARELESS, WEAVING, replace(CALM, vehicle_id="V4")]
OFTEN = Traffic(collisions_per_hour=1000)


def one(collider: str, victim: str, lane: str = ":N01_0_0", mps: float = 9.0) -> Collision:
    return Collision(700.0, lane, 5.0, collider, victim, mps, 0.0)


@pytest.mark.parametrize(
    ("found", "cause"),
    [
        (one("V1", "V4"), ""),
        (one("V2", "V1"), "right of way ignored"),
        (one("V1", "V2"), "right of way ignored"),
        (one("V2", "V1", "E001_f_0"), "following too close"),
        (one("V1", "V2", "E001_f_0"), ""),
        (one("V1", "V3", "E001_f_0"), "swerving"),
        (one("V2", "V1", mps=0.5), ""),
        (replace(one("V2", "V1"), time_s=10.0), ""),
    ],
)
def test_a_collision_has_a_cause(found: Collision, cause: str) -> None:
    chosen = choose([found], TRIPS, OFTEN, seed=1, hours=1)
    assert [c.cause for c in chosen] == ([cause] if cause else [])


def test_nobody_collides_twice_and_as_many_are_told_as_were_asked_for() -> None:
    trips = [replace(CARELESS, vehicle_id=f"V{k}") for k in range(400)]
    found = [replace(one(f"V{k}", f"V{k + 1}"), time_s=700.0 + k) for k in range(399)]
    counts = [
        len(choose(found, trips, Traffic(collisions_per_hour=4), seed=seed, hours=1))
        for seed in range(30)
    ]
    assert 2.5 < np.mean(counts) < 5.5
    chosen = choose(found, trips, OFTEN, seed=1, hours=1)
    names = [name for c in chosen for name in (c.collider_id, c.victim_id)]
    assert len(names) == len(set(names))
    assert choose(found, trips, OFTEN, seed=1, hours=1) == chosen


def test_the_two_brake_stand_and_leave_and_others_drive_on() -> None:
    times = np.arange(690.0, 760.0)
    rows = pd.concat(
        pd.DataFrame(
            {"time": times, "id": name, "lane": "E001_f_0", "pos": 12.0 * (times - 690),
             "posLat": 0.0, "speed": 12.0, "odometer": 12.0 * (times - 690)}
        )
        for name in ("V1", "V2", "V9")
    ).sort_values("time", ignore_index=True)  # fmt: skip
    after = Aftermath([one("V1", "V2")], 20.0)
    halves = [after.take(part) for part in (rows.iloc[:45], rows.iloc[45:])]
    left = pd.concat(halves)
    mine = left[left["id"] == "V1"]
    assert mine["time"].max() == 720.0
    assert (mine["pos"].diff().dropna() >= 0).all()
    assert mine["pos"].iloc[-1] == pytest.approx(120 + 12.0**2 / 12, abs=1e-6)
    assert (mine[mine["time"] > 702]["speed"] == 0).all()
    assert (left["id"] == "V9").sum() == len(times)


def test_who_left_in_the_morning_returns_in_the_evening() -> None:
    places = _Places(("in",), ("out",), ("home",), ("work",))
    always, rng = Traffic(evening_return=1.0), np.random.default_rng(1)
    way = _come_back("resident", ["home", "out"], [], 7.5, 1800.0, always, places, rng)
    assert way is not None
    assert way[0] == ["home", "out", "home"]
    assert 15.4 < 7.5 + way[1][0] / 3600 < 20.6
    # In the evening of a day whose morning was simulated they are under way already.
    assert (
        _come_back("resident", ["in", "home"], [], 18.0, 11 * 3600.0, always, places, rng) is None
    )
    # A run that began in the afternoon has no morning: they set out as before.
    assert _come_back("resident", ["in", "home"], [], 18.0, 3600.0, always, places, rng) is not None


@pytest.mark.parametrize(
    ("script", "tries", "says"),
    [
        ("echo 'malloc(): corrupted top size' >&2; kill -ABRT $$", 2, "SIGABRT, malloc"),
        ("echo 'Error: no route' >&2; exit 1", 1, "Error: no route"),
    ],
)
def test_a_sumo_that_fails_gets_one_sentence(
    tmp_path: Path, script: str, tries: int, says: str
) -> None:
    program = tmp_path / "sumo"
    program.write_text(f"#!/bin/bash\necho run >> runs\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(Unavailable, match="seed 7") as told:
        engine._run(program, tmp_path, Traffic(), 7, 1.0)
    assert says in told.value.sentence()
    assert (tmp_path / "runs").read_text().count("run") == tries


def test_a_sumo_that_crashes_once_is_run_again(tmp_path: Path) -> None:
    program = tmp_path / "sumo"
    program.write_text("#!/bin/bash\n[ -e again ] && exit 0\ntouch again; kill -SEGV $$\n")
    program.chmod(0o755)
    assert engine._run(program, tmp_path, Traffic(), 7, 1.0) == 2
