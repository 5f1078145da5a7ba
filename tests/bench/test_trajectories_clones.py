"""What counts as a right alert and as a clone that could be found: planted both ways."""

from __future__ import annotations

import pandas as pd
import pytest
from make.passes import road, sightings

from workbench import trajectories
from workbench.bench import trajectories_clones as clones

PLATE = "99K1-888.88"
WAYS = road(A=0, B=500, C=1000, D=1500, E=2000)
ROWS = [
    *((f"one{c}", c, 300.0 + 45 * n, PLATE) for n, c in enumerate("ABCDE")),
    *((f"two{c}", c, 310.0 + 45 * n, PLATE) for n, c in enumerate("EDCBA")),
]


def truth(owner_of: dict[str, str]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "sighting_id": [row[0] for row in ROWS],
            "vehicle_id": [owner_of[row[0][:3]] for row in ROWS],
            "true_time_ns": [round(row[2] * 1e9) for row in ROWS],
            "plate": PLATE,
        }
    )


@pytest.fixture(scope="module")
def believed() -> trajectories.Believed:
    return trajectories.link_by_belief(sightings(ROWS, sigma_s=0.2), WAYS)


def test_a_clone_is_detectable_and_a_vehicle_alone_is_neither(believed) -> None:
    two = clones.plates_of(believed, truth({"one": "v", "two": "w"}))
    assert two == ({PLATE}, {PLATE})
    assert clones.plates_of(believed, truth({"one": "v", "two": "v"})) == (set(), set())


def test_an_alert_is_right_where_two_vehicles_bear_the_plate(believed) -> None:
    alert = trajectories.contradictions(believed).plates[0]
    assert clones.right_of(alert, truth({"one": "v", "two": "w"})) == PLATE
    assert clones.right_of(alert, truth({"one": "v", "two": "v"})) == ""


def test_shares_are_of_all_runs_together() -> None:
    names = ("alerts", "right", "contradictory", "contradictory found", "detectable",
             "detectable found", "companions claimed", "companions right", "convoys planted",
             "convoys found")  # fmt: skip
    first = dict.fromkeys(names, 0) | {"alerts": 1, "right": 1, "claims": []}
    second = dict.fromkeys(names, 0) | {"alerts": 3, "right": 0, "claims": []}
    told = clones.totals([first, second])
    assert told["clone alerts precision"] == 0.25
    assert told["clone alerts recall of the detectable"] is None
