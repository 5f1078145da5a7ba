"""Legs: what is possible, what is not, why, and how reads of one plate come together."""

from __future__ import annotations

import pyarrow as pa
import pytest
from make.passes import road, sightings

from workbench.errors import BadInput
from workbench.records import LEGS
from workbench.trajectories import cluster, explain, link, link_all

PLATE = "99B1-123.45"
WAYS = road(A=0, A2=20, B=500, C=1000, D=1500, E=2000)


def one_leg(first: tuple, then: tuple, *, sigma_s: float = 0.5) -> dict:
    legs = link(sightings([first, then], sigma_s=sigma_s), WAYS)
    assert legs.schema == LEGS
    (row,) = legs.to_pylist()
    return row


# 500 m take 36 s at the limit of 50 km/h and 26.7 s at 1.35 times the limit.
@pytest.mark.parametrize(
    ("seconds", "sigma_s", "plausible", "says"),
    [
        (45, 0.5, "plausible", "500 m by road in 45 s; at the speed limit it takes 36 s"),
        (30, 0.5, "doubtful", "faster than the limit"),
        (20, 0.5, "impossible", "cannot be done"),
        (20, 5.0, "doubtful", "only because the clocks are unsure"),
        (1, 30.0, "doubtful", "which of the two cameras saw it first"),
        (400, 0.5, "stop", "it stopped"),
    ],
)
def test_time_and_road_decide(seconds: float, sigma_s: float, plausible: str, says: str) -> None:
    row = one_leg(("1", "A", 0, PLATE), ("2", "B", seconds, PLATE), sigma_s=sigma_s)
    assert row["plausible"] == plausible
    assert says in explain(row)
    assert row["elapsed_s"] == seconds
    assert row["elapsed_sigma_s"] == pytest.approx(sigma_s * 2**0.5)
    assert (row["road_m"], row["edges"]) == (500, ["e"])
    assert row["fastest_s"] == pytest.approx(36)


def test_direction_contradicts_only_without_time_to_turn() -> None:
    east, west = 90.0, 270.0
    assert one_leg(("1", "A", 0, PLATE, east), ("2", "B", 45, PLATE, east))["plausible"] == (
        "plausible"
    )
    left = one_leg(("1", "A", 0, PLATE, west), ("2", "B", 45, PLATE, east))
    assert left["plausible"] == "doubtful"
    assert explain(left) == "at A it was heading away from the way to B"
    came = one_leg(("1", "A", 0, PLATE, east), ("2", "B", 45, PLATE, west))
    assert "coming from another side" in explain(came)
    turned = one_leg(("1", "A", 0, PLATE, west), ("2", "B", 80, PLATE, east))
    assert turned["plausible"] == "plausible"


def test_one_place_seen_twice_and_seen_again() -> None:
    twice = one_leg(("1", "A", 0, PLATE), ("2", "A2", 3, PLATE))
    assert (twice["plausible"], explain(twice)) == (
        "plausible",
        "two cameras of one place saw the same pass, 3 s apart",
    )
    split = one_leg(("1", "A", 0, PLATE), ("2", "A", 4, PLATE))
    assert "saw the same pass twice" in explain(split)
    assert split["elapsed_sigma_s"] == 0  # one clock errs the same way twice
    again = one_leg(("1", "A", 0, PLATE), ("2", "A", 900, PLATE))
    assert again["plausible"] == "stop"


def test_no_way_is_said_and_no_verdict() -> None:
    row = one_leg(("1", "A", 0, PLATE), ("2", "elsewhere", 30, PLATE))
    assert (row["plausible"], row["road_m"]) == ("doubtful", None)
    assert explain(row) == "no way by road is known from A to elsewhere"


def test_a_camera_unknown_to_the_graph_does_not_stop_the_trace() -> None:
    def ways(start: str, end: str):  # type: ignore[no-untyped-def]
        raise BadInput("no camera {camera}", camera=end)

    legs = link(sightings([("1", "A", 0, PLATE), ("2", "gone", 9, PLATE)]), ways)
    assert legs["plausible"].to_pylist() == ["doubtful"]


def test_impossible_legs_stay_in_and_the_way_around_is_there() -> None:
    legs = link(
        sightings(
            [
                ("1", "A", 0, PLATE),
                ("2", "B", 45, PLATE),
                ("x", "E", 50, "99B1-123.46"),
                ("3", "C", 90, PLATE),
            ]
        ),
        WAYS,
        plate=PLATE,
    )
    judged = {(r["from_id"], r["to_id"]): r["plausible"] for r in legs.to_pylist()}
    assert judged == {
        ("1", "2"): "plausible",
        ("2", "x"): "impossible",
        ("x", "3"): "impossible",
        ("2", "3"): "plausible",
    }
    distances = {(r["from_id"], r["to_id"]): r["plate_distance"] for r in legs.to_pylist()}
    assert distances["2", "x"] == 1.0
    assert distances["2", "3"] == 0.0


def test_far_reads_can_be_left_out_and_unread_ones_always_are() -> None:
    rows = sightings(
        [
            ("1", "A", 0, PLATE),
            ("u", "B", 20, None),
            ("x", "B", 45, "30F-1234"),
            ("2", "C", 90, PLATE),
        ]
    )
    assert link(rows, WAYS, plate=PLATE, max_distance=1.5)["to_id"].to_pylist() == ["2"]
    assert link(rows, WAYS, plate=PLATE)["to_id"].to_pylist() == ["x", "2"]


def test_a_table_and_a_frame_give_the_same_and_nothing_gives_nothing() -> None:
    frame = sightings([("1", "A", 0, PLATE), ("2", "B", 45, PLATE)])
    table = pa.Table.from_pandas(frame, preserve_index=False)
    assert link(table, WAYS).equals(link(frame, WAYS))
    assert link(frame.iloc[:0], WAYS).num_rows == 0
    assert link(frame.iloc[:0], WAYS).schema == LEGS


def test_a_misread_joins_its_plate_when_time_and_road_agree() -> None:
    rows = [("1", "A", 0, PLATE), ("m", "B", 45, "9981-123.45"), ("2", "C", 90, PLATE)]
    assert cluster(sightings(rows), WAYS) == [["1", "m", "2"]]
    elsewhere = [rows[0], ("m", "E", 45, "9981-123.45"), rows[2]]
    assert sorted(cluster(sightings(elsewhere), WAYS)) == [["1", "2"], ["m"]]


def test_near_twins_are_not_joined() -> None:
    twin = "99B1-123.46"
    rows = [
        ("1", "A", 0, PLATE),
        ("t1", "A", 20, twin),
        ("2", "B", 45, PLATE),
        ("t2", "B", 66, twin),
    ]
    assert cluster(sightings(rows), WAYS) == [["1", "2"], ["t1", "t2"]]


def test_a_read_that_fits_two_plates_joins_neither() -> None:
    rows = [
        ("1", "A", 0, "99B1-123.45"),
        ("2", "C", 90, "99B1-123.45"),
        ("t1", "A", 1, "99B1-123.65"),
        ("t2", "C", 91, "99B1-123.65"),
        ("m", "B", 45, "99B1-123.95"),
    ]
    assert ["m"] in cluster(sightings(rows), WAYS)


def test_linking_a_run_links_each_plate_by_itself() -> None:
    rows = [
        ("1", "A", 0, PLATE),
        ("o1", "A", 5, "30F-123.99"),
        ("m", "B", 45, "9981-123.45"),
        ("o2", "B", 50, "30F-123.99"),
        ("2", "C", 90, PLATE),
    ]
    legs = link_all(sightings(rows), WAYS).to_pylist()
    assert [(leg["from_id"], leg["to_id"]) for leg in legs] == [
        ("1", "m"),
        ("o1", "o2"),
        ("m", "2"),
    ]
