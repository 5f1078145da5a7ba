"""Flows between sites: what is counted adds up, and no count singles out a vehicle."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench.records import LEGS
from workbench.timeline import SECOND_NS, Span
from workbench.trajectories import LEAST, flows, without_small

START = 1_795_132_800 * SECOND_NS
HOUR = 3600 * SECOND_NS
SITES = ("A", "B", "C")
SITE_OF = {"A1": "A", "A2": "A", "B1": "B", "C1": "C"}
SPAN = Span(START, START + 3 * HOUR)


def legs(rows):
    """Return legs: (from camera, to camera, seconds after START, probability, plausible)."""
    table = [
        {
            **dict.fromkeys(LEGS.names), "from_id": str(n), "to_id": "x", "from_camera": a,
            "to_camera": b, "from_utc": START + round(s * SECOND_NS), "to_utc": START + 10**14,
            "elapsed_s": 1.0, "elapsed_sigma_s": 1.0, "edges": [], "plate_distance": 0.0,
            "plausible": plausible, "reason": "", "probability": p,
        }
        for n, (a, b, s, p, plausible) in enumerate(rows)
    ]  # fmt: skip
    return pa.Table.from_pylist(table, schema=LEGS)


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["A1", "A2", "B1", "C1", "gone"]),
        st.sampled_from(["A1", "A2", "B1", "C1", "gone"]),
        st.floats(-4000, 14_000),
        st.one_of(st.none(), st.floats(0, 1)),
        st.sampled_from(["plausible", "stop", "doubtful", "impossible"]),
    ),
    max_size=30,
)


@settings(max_examples=30, deadline=None)
@given(ROWS)
def test_the_cube_is_the_sum_of_probabilities_of_what_went_between_sites(rows):
    cube = flows(legs(rows), SITE_OF, SITES, SPAN)
    assert cube["vehicles"].dims == ("origin", "destination", "hour")
    counted = [
        (SITE_OF[a], SITE_OF[b], round(s * SECOND_NS), min(p, 0.99))
        for a, b, s, p, plausible in rows
        if a in SITE_OF and b in SITE_OF and SITE_OF[a] != SITE_OF[b] and p is not None
        and plausible != "impossible" and 0 <= round(s * SECOND_NS) < 3 * HOUR
    ]  # fmt: skip
    assert float(cube["vehicles"].sum()) == pytest.approx(sum(one[3] for one in counted))
    assert int(cube["legs"].sum()) == len(counted)
    for a, b, ns, _p in counted:
        assert int(cube["legs"].sel(origin=a, destination=b).values[ns // HOUR]) >= 1
    assert not np.diagonal(cube["vehicles"].values).any()


def test_hours_are_those_of_the_span():
    span = Span(START + HOUR // 2, START + HOUR // 2 + HOUR)
    cube = flows(legs([("A1", "B1", 2000, 0.9, "plausible")]), SITE_OF, SITES, span)
    assert cube.sizes["hour"] == 2
    assert cube["hour"].values[0].astype("datetime64[ns]").astype(int) == START
    assert float(cube["vehicles"].sel(origin="A", destination="B")[0]) == pytest.approx(0.9)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 12), st.floats(0.1, 1.0))
def test_a_flow_of_few_is_never_told_and_an_empty_one_is_no_secret(count, probability):
    rows = [("A1", "B1", 60.0 * n, probability, "plausible") for n in range(count)]
    told = without_small(flows(legs(rows), SITE_OF, SITES, SPAN))
    assert set(told) == {"vehicles"}
    value = float(told["vehicles"].sel(origin="A", destination="B")[0])
    expected = count * min(probability, 0.99)
    if count == 0:
        assert value == 0
    elif expected < LEAST - 1e-9:
        assert np.isnan(value)
    elif expected > LEAST + 1e-9:
        assert value == pytest.approx(expected)
