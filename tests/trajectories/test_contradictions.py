"""One plate on two vehicles: said where nobody can have driven, and not where something else is."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.passes import road, sightings

from workbench.trajectories import ALERT_AT, Contradictions, contradictions, link_by_belief
from workbench.trajectories.contradictions import MAYBE_JUMP, MAYBE_TWIN, UNDRIVABLE

AT_M = {"A": 0, "B": 500, "C": 1000, "D": 1500, "E": 2000}
WAYS = road(**AT_M)
RIDE_S = 45.0
Row = tuple[str, str, float, str]


def ride(name: str, plate: str, start_s: float, way: str = "ABCDE") -> list[Row]:
    return [(f"{name}{camera}", camera, start_s + RIDE_S * n, plate)
            for n, camera in enumerate(way)]  # fmt: skip


def traffic(count: int = 60, seed: int = 5) -> list[Row]:
    rng = np.random.default_rng(seed)
    rows: list[Row] = []
    for k in range(count):
        plate = (
            f"99{'ABCDEFGH'[rng.integers(8)]}{rng.integers(1, 10)}-{k:02d}{rng.integers(1000):03d}"
        )
        rows += ride(f"v{k}", plate, float(rng.uniform(0, 900)), "ABCDE" if k % 2 else "EDCBA")
    return rows


def asked(rows: list[Row], sigma_s: float = 0.2) -> Contradictions:
    return contradictions(link_by_belief(sightings(rows, sigma_s=sigma_s), WAYS))


CLONE = [*ride("one", "99K1-888.88", 300), *ride("two", "99K1-888.88", 310, "EDCBA")]


def test_a_cloned_plate_is_told_with_its_ride_and_what_else_it_may_be() -> None:
    found = asked([*traffic(), *CLONE])
    assert len(found.plates) == 1
    assert found.doubts == ()
    alert = found.plates[0]
    assert alert.plate == "99K188888"
    assert ALERT_AT <= alert.probability < 1.0
    assert alert.speaks_for[0].template == UNDRIVABLE
    assert "times the limit" in alert.speaks_for[0].sentence()
    assert {name[:3] for name in alert.one} != {name[:3] for name in alert.other}


def test_a_clock_that_is_off_is_doubted_and_no_plate_is() -> None:
    rows = [(n, c, t + (100.0 if c == "C" else 0.0), p) for n, c, t, p in traffic()]
    found = asked(rows)
    assert [one.camera_id for one in found.doubts] == ["C"]
    assert not [one for one in found.plates if one.probability >= ALERT_AT]
    assert found.doubts[0].probability < 1.0
    assert "the clock of C" in found.doubts[0].words().sentence()


def test_a_clone_is_still_found_beside_a_clock_that_is_off() -> None:
    rows = [(n, c, t + (100.0 if c == "C" else 0.0), p) for n, c, t, p in [*traffic(), *CLONE]]
    found = asked(rows)
    assert [one.plate for one in found.plates if one.probability >= ALERT_AT] == ["99K188888"]
    assert "C" not in {c for r in found.plates[0].rides for c in (r.from_camera, r.to_camera)}


def test_near_twins_that_cross_are_two_plates() -> None:
    twins = [*ride("one", "99K1-888.88", 300), *ride("two", "99K1-888.38", 310, "EDCBA")]
    assert not asked([*traffic(), *twins]).plates


def test_a_read_of_a_known_twin_that_looks_like_it_is_no_alert() -> None:
    # The twin drives the other way; once it is read as the first one.
    twin = ride("two", "99K1-888.38", 310, "EDCBA")
    twin[1] = (*twin[1][:3], "99K1-888.88")
    found = asked([*traffic(), *ride("one", "99K1-888.88", 300), *twin])
    assert not [one for one in found.plates if one.probability >= ALERT_AT]
    assert all(MAYBE_TWIN in {word.template for word in one.speaks_against} for one in found.plates)


def test_a_read_that_surely_says_another_sign_is_no_end_of_a_clone() -> None:
    # A near twin's reads, taken into the chain of a plate that is cloned: theirs is another plate.
    lattices = {"99K1-888.88": '[{"9":0.99},{"9":0.99},{"K":0.99},{"1":0.99},{"8":0.99},'
                               '{"8":0.99},{"8":0.99},{"8":0.99},{"8":0.99}]',
                "99K1-888.38": '[{"9":0.99},{"9":0.99},{"K":0.99},{"1":0.99},{"8":0.99},'
                               '{"8":0.99},{"8":0.99},{"3":0.99},{"8":0.99}]'}  # fmt: skip
    twin = ride("twin", "99K1-888.38", 700, "EDC")
    rows = [*traffic(), *CLONE, *twin, *ride("late", "99K1-888.88", 720, "AB")]
    table = sightings(rows, sigma_s=0.2)
    table["plate_lattice"] = [lattices.get(plate) for plate in table["plate"]]
    found = contradictions(link_by_belief(table, WAYS))
    ends = {name for one in found.plates for r in one.rides for name in (r.from_id, r.to_id)}
    assert "99K188888" in {one.plate for one in found.plates if one.probability >= ALERT_AT}
    assert not {name for name in ends if name.startswith("twin")}


def test_alike_kinds_speak_little_against_a_copied_plate() -> None:
    # A plate is copied to a vehicle of its kind: that both are rare lorries must not hide it.
    table = sightings([*traffic(), *CLONE], sigma_s=0.2)
    mine = table["plate"] == "99K1-888.88"
    table["kind"] = np.where(mine, "truck", "motorcycle")
    alerts = contradictions(link_by_belief(table, WAYS)).plates
    assert [one.plate for one in alerts if one.probability >= ALERT_AT] == ["99K188888"]


def test_one_vehicle_that_is_once_too_quick_is_told_as_that_and_is_no_alert() -> None:
    # Before and after it all is as one vehicle drives on: a way that the map lacks, a wrong time.
    whole = ride("one", "99K1-888.88", 300)
    jumping = [*whole[:3], *((n, c, t - 40.0, p) for n, c, t, p in whole[3:])]
    found = asked([*traffic(), *jumping])
    assert [one.plate for one in found.plates] == ["99K188888"]
    assert found.plates[0].probability < 0.1
    assert found.plates[0].speaks_against[0].template == MAYBE_JUMP


def test_a_second_vehicle_that_sets_out_where_vehicles_do_is_an_alert() -> None:
    # It contradicts the first one in one place only, as a jump does, but is no way on from there.
    second = ride("two", "99K1-888.88", 430, "EDCBA")
    found = asked([*traffic(), *ride("one", "99K1-888.88", 300, "ABC"), *second])
    assert [one.plate for one in found.plates if one.probability >= ALERT_AT] == ["99K188888"]
    assert MAYBE_JUMP in {word.template for word in found.plates[0].speaks_against}


def test_a_camera_that_no_road_leads_to_contradicts_nobody() -> None:
    rows = [*traffic(), *ride("one", "99K1-888.88", 300), ("x", "X", 302.0, "99K1-888.88")]
    assert not asked(rows).plates


def test_clocks_that_may_be_off_by_as_much_say_nothing() -> None:
    believed = link_by_belief(sightings([*traffic(), *CLONE], sigma_s=0.9), WAYS)
    wide = believed.reads.sigma_s + 120.0
    object.__setattr__(believed.reads, "sigma_s", wide)
    assert not [one for one in contradictions(believed).plates if one.probability >= ALERT_AT]


def test_traffic_without_clones_and_nothing_at_all_say_nothing() -> None:
    assert asked(traffic()) == Contradictions((), ())
    assert asked([("1", "A", 0.0, "99K1-888.88")]) == Contradictions((), ())
    assert asked([]) == Contradictions((), ())


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 500), st.sampled_from(["ABCDE", "EDCBA", "CDE", "BA"]))
def test_what_is_told_cannot_be_driven_and_shares_sum_to_one(
    seed: int, start_s: float, way: str
) -> None:
    rows = [*traffic(12, seed), *ride("one", "99K1-888.88", 200),
            *ride("two", "99K1-888.88", start_s, way)]  # fmt: skip
    found = asked(rows)
    at = {name: (camera, second) for name, camera, second, _ in rows}
    for one in found.plates:
        shares = (one.two_vehicles, one.one_vehicle, one.near_plates, one.other_plates)
        assert sum(shares) == pytest.approx(1.0)
        assert 0.0 < one.probability < 1.0
        assert not set(one.one) & set(one.other)
        cameras = [c for ride in one.rides for c in (ride.from_camera, ride.to_camera)]
        assert len(cameras) == len(set(cameras))
        for told in one.rides:
            (a, first), (b, then) = at[told.from_id], at[told.to_id]
            assert abs(AT_M[a] - AT_M[b]) / (50 / 3.6) / 1.35 > abs(then - first)


def test_the_order_of_rows_decides_nothing() -> None:
    rows = [*traffic(), *CLONE]
    table = sightings(rows, sigma_s=0.2)
    mixed = table.sample(frac=1, random_state=3).reset_index(drop=True)
    one, other = (contradictions(link_by_belief(t, WAYS)) for t in (table, mixed))
    assert isinstance(table, pd.DataFrame)
    assert one == other
