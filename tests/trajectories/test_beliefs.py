"""Linking by belief on a drawn town: right, honest, and learning what nobody tells it."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pandas as pd
import pytest
from make import town
from make.passes import road, sightings

from workbench.records import LEGS
from workbench.trajectories import (
    claimed_legs,
    default_calibration,
    evidence,
    join_unread,
    link,
    link_by_belief,
    rivals,
    with_claims,
)
from workbench.trajectories.beliefs import Believed
from workbench.trajectories.claims import PLAIN, Calibration
from workbench.trajectories.matching import chosen, marginals

PLATE = "99B1-123.45"
WAYS = road(A=0, B=500, C=1000, D=1500, E=2000)


def run(errors: town.Errors, *, vehicles: int = 700, seed: int = 101):  # type: ignore[no-untyped-def]
    table, truth = town.sightings(town.passes(vehicles, seed=seed), errors, seed=seed)
    return table, truth, link_by_belief(table, town.graph().between)


def true_links(table: pd.DataFrame, truth: dict[str, int], believed: Believed) -> set:
    read = table[table["sighting_id"].isin(believed.reads.ids)].sort_values("true_s")
    found = set()
    for _, rows in read.groupby(read["sighting_id"].map(truth)):
        ids = rows["sighting_id"].tolist()
        found |= set(itertools.pairwise(ids))
    return found


def claimed(believed: Believed) -> set:
    ids, edges, links = believed.reads.ids, believed.edges, believed.links
    return set(zip(ids[edges.i[links]], ids[edges.j[links]], strict=True))


def f1(found: set, true: set) -> float:
    return 2 * len(found & true) / (len(found) + len(true))


@pytest.mark.parametrize(
    ("miss", "sign", "least"), [(0.0, 0.0, 0.995), (0.1, 0.03, 0.99), (0.3, 0.08, 0.97)]
)
def test_links_are_right_and_the_rate_of_wrong_signs_is_found(
    miss: float, sign: float, least: float
) -> None:
    table, truth, believed = run(town.Errors(miss=miss, sign=sign))
    assert f1(claimed(believed), true_links(table, truth, believed)) >= least
    assert believed.sign_model.error_rate == pytest.approx(sign, abs=0.006)


def test_claims_hold_as_often_as_they_say() -> None:
    table, truth, believed = run(town.Errors(miss=0.3, sign=0.08))
    true = true_links(table, truth, believed)
    ids, edges = believed.reads.ids, believed.edges
    right = np.array([pair in true for pair in zip(ids[edges.i], ids[edges.j], strict=True)])
    sure = edges.probability >= 0.99
    assert right[sure].mean() >= 0.985
    assert abs(edges.probability.sum() - right.sum()) / right.sum() < 0.02


def test_wrong_clocks_are_found_from_rides_both_ways() -> None:
    table, truth, believed = run(town.Errors(clock_s=8.0, sign=0.05), vehicles=1500)
    off = (table["raw_s"] - table["true_s"]).groupby(table["camera_id"]).median()
    error = pd.Series(believed.clocks.offset_s, index=list(believed.cameras)) - off
    known = error[believed.clocks.known]
    assert len(known) >= 50
    assert float((known - known.median()).abs().median()) < 1.5
    assert f1(claimed(believed), true_links(table, truth, believed)) >= 0.97


def test_near_twins_that_cross_are_kept_apart() -> None:
    twin = "99B1-123.46"
    rows = [
        row
        for n in range(5)
        for row in ((f"p{n}", "ABCDE"[n], 45 * n, PLATE), (f"t{n}", "EDCBA"[n], 10 + 45 * n, twin))
    ]
    believed = link_by_belief(sightings(rows), WAYS)
    assert all(a[0] == b[0] for a, b in claimed(believed))


def test_chains_whose_ends_are_misread_are_compared_by_all_their_reads() -> None:
    # Half an hour apart, and the two reads on either side differ in four signs of the lower line.
    def ride(name: str, start_s: float, way: str, plates: list[str]) -> list:
        return [(f"{name}{c}", c, start_s + 45.0 * n, plate)
                for n, (c, plate) in enumerate(zip(way, plates, strict=True))]  # fmt: skip

    rng = np.random.default_rng(3)
    rows = []
    for k in range(60):
        plate = (
            f"99{'ABCDEFGH'[k % 8]}{k % 9 + 1}-{rng.integers(100, 1000)}.{rng.integers(10, 100)}"
        )
        for way, start_s in (("ABCDE", float(rng.uniform(0, 900))), ("EDCBA", 2400.0 + 20 * k)):
            rows += ride(f"v{k}{way}", start_s, way, [plate] * 5)
    right, last, first = "99K1-888.88", "99K1-833.88", "99K1-888.11"
    rows += ride("out", 300.0, "ABCDE", [*[right] * 4, last])
    rows += ride("back", 2300.0, "EDCBA", [first, *[right] * 4])
    believed = link_by_belief(sightings(rows, sigma_s=0.2), WAYS)
    assert ("outE", "backE") in claimed(believed)


def test_nothing_and_one_sighting() -> None:
    assert claimed(link_by_belief(sightings([("1", "A", 0, PLATE)]), WAYS)) == set()
    unread = link_by_belief(sightings([("1", "A", 0, None), ("2", "B", 40, None)]), WAYS)
    assert claimed(unread) == set()
    assert len(join_unread(unread, unread.unread).row) == 0


def test_the_order_of_rows_decides_nothing() -> None:
    table, _ = town.sightings(town.passes(150, seed=103), town.Errors(unread=0.3), seed=5)
    mixed = table.sample(frac=1, random_state=random.Random(4).randrange(99))
    one, other = (link_by_belief(t, town.graph().between) for t in (table, mixed))
    assert claimed(one) == claimed(other)
    assert np.array_equal(one.edges.probability, other.edges.probability)
    first, again = (join_unread(found, found.unread) for found in (one, other))
    assert np.array_equal(first.host, again.host)
    assert np.array_equal(first.probability, again.probability)


def test_unread_ones_join_and_never_lead_on() -> None:
    errors = town.Errors(miss=0.1, sign=0.02, unread=0.3)
    _table, truth, believed = run(errors)
    possible = join_unread(believed, believed.unread)
    assert possible.hosts.before.max() < len(believed.reads.ids)
    host, probability = possible.best()
    read = {truth[name] for name in believed.reads.ids}
    right = []
    for row in np.flatnonzero(probability > 0.5).tolist():
        end = max(possible.hosts.before[host[row]], possible.hosts.after[host[row]])
        owner = truth[believed.reads.ids[end]]
        right.append(owner == truth[possible.unread.ids[row]])
    assert len(right) > 0.25 * len(possible.unread.ids)
    assert np.mean(right) > 0.8
    assert len(read) < len(set(truth.values()))
    whole = np.bincount(possible.row, possible.probability)
    assert whole.max() <= 1.0 + 1e-6


def test_the_more_stay_unread_the_more_the_curve_for_many_counts() -> None:
    _, _, believed = run(town.Errors(miss=0.1, unread=0.4), vehicles=150)
    share = believed.share_unread
    assert 0.2 < share < 0.7
    as_claimed, halved = ((0.0, 1.0), (0.0, 1.0)), ((0.0, 1.0), (0.0, 0.5))
    curves = Calibration((as_claimed, halved), (as_claimed, as_claimed))
    plain, mixed = (rivals(believed, calibration=one) for one in (PLAIN, curves))
    sure = plain.unseen > 0
    held = plain.probability[sure] * (1.0 - share / 2)
    assert mixed.probability[sure] == pytest.approx(held)
    assert held.max() > 0.5


def test_legs_carry_probability_rivals_and_evidence() -> None:
    table, _, believed = run(town.Errors(miss=0.2, sign=0.05), vehicles=300)
    legs = claimed_legs(believed, table, town.graph().between)
    assert legs.schema == LEGS
    assert legs.num_rows == believed.links.sum()
    rows = legs.to_pylist()
    assert all(0 <= row["probability"] <= 1 and len(row["others"]) <= 3 for row in rows)
    assert all(
        row["probability"] + row["unseen"] + sum(row["others_p"]) <= 1 + 1e-6 for row in rows
    )
    words = [evidence(row) for row in rows]
    assert sum(bool(one.speaks_for) for one in words) > 0.99 * len(words)
    top = rivals(believed)
    assert (np.diff(top.probability, axis=1) <= 1e-9).all()


def test_claims_reach_the_legs_of_a_trace() -> None:
    rows = [(str(n), "ABCDE"[n], 45 * n, PLATE) for n in range(5)]
    table = sightings([*rows, *((f"o{n}", "ACE"[n % 3], 31 * n, f"30F-{n:05d}") for n in range(9))])
    claims = claimed_legs(link_by_belief(table, WAYS), table, WAYS)
    legs = with_claims(link(table[table["plate"] == PLATE], WAYS), claims)
    assert [row["probability"] > 0.5 for row in legs.to_pylist()] == [True] * 4
    assert with_claims(legs, claims.slice(0, 0)).num_rows == 4


def test_traffic_one_way_does_not_move_clocks_by_a_whole_ride() -> None:
    rng = np.random.default_rng(3)
    rows, at_m = [], {"A": 0, "B": 400, "C": 800}
    for n in range(60):
        plate, start = f"99{'BCDE'[n % 4]}1-{rng.integers(10_000, 99_999)}", 40.0 * n
        for name, metres in at_m.items():
            off = 9.0 if name == "B" else 0.0
            second = start + metres / rng.uniform(10.0, 14.0) + off
            rows.append((f"{name}{n}", name, second, plate, 90.0))
    believed = link_by_belief(sightings(rows, sigma_s=30.0), road(**at_m))
    off = believed.clocks.offset_s - believed.clocks.offset_s.mean()
    assert off == pytest.approx([-3.0, 6.0, -3.0], abs=2.5)
    assert all(a[1:] == b[1:] for a, b in claimed(believed))


def test_a_camera_that_nothing_ties_stays_unknown() -> None:
    rows = [("1", "A", 0, PLATE), ("2", "B", 45, PLATE), ("3", "E", 4000, "30F-123.99")]
    believed = link_by_belief(sightings(rows, sigma_s=30.0), WAYS)
    assert not believed.clocks.known.any()
    assert believed.clocks.sigma_s.tolist() == [30.0] * 3


def test_links_never_go_round_in_a_ring() -> None:
    i, j = np.array([0, 1, 2]), np.array([1, 2, 0])
    kept = chosen(i, j, np.array([0.9, 0.8, 0.7]), 0.4)
    assert kept.tolist() == [True, True, False]


def test_marginals_are_those_of_all_pairings_counted_out() -> None:
    i, j = np.array([0, 0, 1, 1]), np.array([2, 3, 2, 3])
    log = np.log([5.0, 0.5, 2.0, 1.0])
    weight = np.exp(log)
    pairings = [(), (0,), (1,), (2,), (3,), (0, 3), (1, 2)]
    total = sum(np.prod(weight[list(edges)]) for edges in pairings)
    exact = [
        sum(np.prod(weight[list(edges)]) for edges in pairings if edge in edges) / total
        for edge in range(4)
    ]
    assert marginals(i, j, log, np.zeros(4), 4) == pytest.approx(exact, abs=0.03)


def test_the_curve_of_claims_names_its_seeds_and_never_falls() -> None:
    curve = default_calibration()
    assert "seeds 101, 102, 103" in curve.origin
    for claimed_p, held in (*curve.links, *curve.unread):
        assert list(claimed_p) == sorted(claimed_p)
        assert list(held) == sorted(held)
        assert held[0] >= 0
        assert held[-1] <= 1
    claimed = np.linspace(0.0, 1.0, 11)
    for of in (curve.of_links, curve.of_unread):
        few, many = (of(claimed, share) for share in curve.shares)
        assert few != pytest.approx(many)
        assert of(claimed, np.mean(curve.shares)) == pytest.approx((few + many) / 2)
        assert of(claimed, 0.0) == pytest.approx(few)
        assert of(claimed, 1.0) == pytest.approx(many)
