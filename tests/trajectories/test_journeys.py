"""Journeys: the path that legs allow, the odd one out, and the same plate in two places."""

from __future__ import annotations

from make.passes import road, sightings

from workbench.trajectories import consecutive, journeys, link, score

PLATE = "99B1-123.45"
WAYS = road(A=0, A2=20, B=500, C=1000, D=1500, E=2000, Z=9000)


def trace(rows):  # type: ignore[no-untyped-def]
    table = sightings(rows)
    return journeys(link(table, WAYS, plate=PLATE), table, plate=PLATE)


def test_a_clean_trip_is_one_journey() -> None:
    (journey,) = trace([(str(n), "ABCDE"[n], 45 * n, PLATE) for n in range(5)])
    assert journey.plate == PLATE
    assert journey.sighting_ids == ("0", "1", "2", "3", "4")
    assert journey.legs.num_rows == 4
    assert (journey.set_aside, journey.alternatives) == ((), ())


def test_the_odd_one_out_is_named_with_the_leg_that_says_so() -> None:
    rows = [(str(n), "ABCD"[n], 45 * n, PLATE) for n in range(4)]
    main, other = trace([*rows, ("x", "Z", 60, PLATE)])
    assert main.sighting_ids == ("0", "1", "2", "3")
    assert [aside.sighting_id for aside in main.set_aside] == ["x"]
    aside = main.set_aside[0]
    assert "x" in (aside.from_id, aside.to_id)
    assert other.sighting_ids == ("x",)
    assert other.legs.num_rows == 0


def test_the_odd_one_out_at_either_end() -> None:
    rows = [(str(n), "ABCD"[n], 100 + 45 * n, PLATE) for n in range(4)]
    assert trace([("x", "Z", 99, PLATE), *rows])[0].sighting_ids == ("0", "1", "2", "3")
    assert trace([*rows, ("x", "Z", 236, PLATE)])[0].sighting_ids == ("0", "1", "2", "3")


def test_an_exact_read_is_believed_before_a_look_alike() -> None:
    main, other = trace(
        [("1", "A", 0, PLATE), ("t", "E", 40, "99B1-123.46"), ("2", "B", 45, PLATE)]
    )
    assert main.sighting_ids == ("1", "2")
    assert other.sighting_ids == ("t",)


def test_one_plate_on_two_vehicles_makes_two_journeys() -> None:
    here = [(f"h{n}", "ABCDE"[n], 45 * n, PLATE) for n in range(5)]
    far = [(f"f{n}", "Z", 20 + 45 * n, PLATE) for n in range(4)]
    first, second = trace([*here, *far])
    assert first.sighting_ids == ("h0", "h1", "h2", "h3", "h4")
    assert second.sighting_ids == ("f0", "f1", "f2", "f3")
    assert {aside.sighting_id for aside in first.set_aside} <= {row[0] for row in far}


def test_alternatives_hold_what_was_set_aside() -> None:
    rows = [("1", "A", 0, PLATE), ("2", "B", 45, PLATE), ("3", "C", 90, PLATE)]
    main, _ = trace([*rows, ("x", "D", 110, PLATE)])
    assert main.sighting_ids == ("1", "2", "3")
    assert main.alternatives == (("1", "2", "x"),)
    main, _ = trace([*rows, ("x", "Z", 91, PLATE)])
    assert main.alternatives == ()


def test_two_cameras_of_one_place_are_one_stop() -> None:
    (journey,) = trace(
        [("1", "A", 0, PLATE), ("2", "A2", 2, PLATE), ("3", "B", 45, PLATE), ("4", "B", 900, PLATE)]
    )
    assert journey.sighting_ids == ("1", "2", "3", "4")
    assert journey.stops == (("1", "2"), ("3",), ("4",))


def test_a_single_sighting_and_none() -> None:
    (journey,) = trace([("1", "A", 0, PLATE)])
    assert journey.sighting_ids == ("1",)
    assert trace([]) == []


def test_scoring_counts_links() -> None:
    result = score(consecutive([["a", "b", "c"]]), consecutive([["a", "b"], ["b", "c", "d"]]))
    assert (result.correct, result.predicted, result.true) == (2, 2, 3)
    assert (result.precision, result.recall, result.f1) == (1.0, 2 / 3, 0.8)
    assert score([], []).f1 == 1.0
    assert score([("b", "a")], [("a", "b")]).f1 == 0.0
