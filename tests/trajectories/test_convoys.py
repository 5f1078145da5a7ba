"""Who travels together: planted company is found, traffic by itself makes none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from make import town
from make.passes import road, sightings

from workbench.trajectories import CONVOY_AT, Company, companions, link_by_belief
from workbench.trajectories.beliefs import Believed
from workbench.trajectories.convoys import ONE_ROAD, WITHIN_S

FOLLOWERS = 6


def linked(passes: pd.DataFrame, seed: int = 4) -> Believed:
    table, _ = town.sightings(passes, town.Errors(miss=0.1, sign=0.02), seed=seed)
    return link_by_belief(table, town.graph().between)


@pytest.fixture(scope="module")
def passes() -> pd.DataFrame:
    return town.passes(450, seed=101, span_s=1800.0)


@pytest.fixture(scope="module")
def led(passes: pd.DataFrame) -> list[str]:
    """Plates of those who pass most cameras."""
    return passes.groupby("plate")["camera_id"].nunique().nlargest(FOLLOWERS).index.tolist()


def followed(passes: pd.DataFrame, led: list[str]) -> tuple[pd.DataFrame, dict[str, str]]:
    parts, planted = [passes], {}
    for number, plate in enumerate(led):
        mine = passes[passes["plate"] == plate].copy()
        mine["second"] += 2.5
        mine["vehicle_id"] = 10_000 + number
        if "pass_id" in mine:
            mine["pass_id"] = [f"q{number}-{k}" for k in range(len(mine))]
        mine["plate"] = planted[plate] = f"99H{number + 1}-777.{number}7"
        parts.append(mine)
    return pd.concat(parts, ignore_index=True).sort_values("second", ignore_index=True), planted


def test_planted_company_is_found_and_told_with_its_meetings(passes, led) -> None:
    together, planted = followed(passes, led)
    company = Company(linked(together))
    found = 0
    for plate, other in planted.items():
        told = [one for one in company.of(plate) if one.probability >= CONVOY_AT]
        found += [one.plate for one in told] == [other.replace("-", "").replace(".", "")]
        for one in told:
            assert one.probability < 1.0
            assert one.places >= 3
            assert all(abs(met.gap_s) <= WITHIN_S for met in one.meetings)
            assert ONE_ROAD in {word.template for word in one.speaks_against}
    assert found >= 4  # the other two keep to roads where all stay together


def test_traffic_makes_no_company_by_itself(passes, led) -> None:
    # The same vehicles, each set off at another time: whoever met, met by chance.
    together, _ = followed(passes, led)
    rng = np.random.default_rng(7)
    shift = {v: rng.uniform(-900, 900) for v in sorted(together["vehicle_id"].unique())}
    together["second"] = (together["second"] + together["vehicle_id"].map(shift)) % 1800.0
    company = Company(linked(together.sort_values("second", ignore_index=True)))
    asked = together.groupby("plate")["camera_id"].nunique().nlargest(120).index
    claimed = [one for plate in asked for one in company.of(plate) if one.probability >= CONVOY_AT]
    assert len(claimed) <= 1


def test_one_shared_road_is_no_company() -> None:
    ways = road(A=0, B=500, C=1000)
    rows = [
        (f"{name}{camera}", camera, 40.0 * k + 45.0 * n + late, f"99{name}1-{k:02d}0.{k:02d}")
        for k in range(20)
        for name, late in (("A", 0.0), ("B", 3.0))
        for n, camera in enumerate("ABC")
    ]
    rows = [(f"{k}", *row[1:]) for k, row in enumerate(rows)]
    believed = link_by_belief(sightings(rows), ways)
    told = companions(believed, "99A1-000.00")
    # Everybody here has a neighbour all along: to be one is nothing.
    assert not [one for one in told if one.probability >= CONVOY_AT]


def test_nothing_and_a_plate_that_nobody_read() -> None:
    ways = road(A=0, B=500)
    assert companions(link_by_belief(sightings([]), ways), "99A1-000.00") == ()
    one = link_by_belief(sightings([("1", "A", 0.0, "99A1-000.00")]), ways)
    assert companions(one, "99A1-000.00") == ()
    assert companions(one, "99A1-999.99") == ()
