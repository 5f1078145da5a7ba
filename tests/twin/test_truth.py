from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench import twin


@pytest.fixture(scope="module")
def truth(whole):
    return twin.truth_of(whole)


def perfect(truth):
    """Sightings that tell exactly what the truth says."""
    passes = truth.passes
    return pd.DataFrame(
        {
            "sighting_id": [f"s{i}" for i in range(len(passes))],
            "camera_id": passes["camera_id"],
            "first_utc": passes["enter_utc"],
            "last_utc": passes["leave_utc"],
            "moving": True,
            "plate": passes["plate"].where(passes["plate_visible"], None),
        }
    )


def test_the_truth_survives_its_files(whole, truth, tmp_path):
    twin.write_truth(whole, tmp_path)
    back = twin.read_truth(tmp_path)
    for name in truth._fields:
        a, b = getattr(truth, name), getattr(back, name)
        assert list(a.columns) == list(b.columns)
        for column in a:
            assert (a[column] == b[column]).all(), column


def test_perfect_sightings_score_one(truth):
    result = twin.score(perfect(truth), truth)
    assert (result.precision, result.recall, result.plate_exact) == (1.0, 1.0, 1.0)
    assert result.plate_wrong == 0.0


def test_a_lost_and_an_invented_sighting_cost_what_they_should(truth):
    rows = perfect(truth)
    n = len(rows)
    late = rows.iloc[[0]].assign(
        sighting_id="ghost",
        first_utc=pd.Timestamp("2030-01-01", tz="UTC"),
        last_utc=pd.Timestamp("2030-01-01", tz="UTC"),
    )
    result = twin.score(pd.concat([rows.iloc[1:], late]), truth)
    assert result.recall == pytest.approx((n - 1) / n)
    assert result.precision == pytest.approx((n - 1) / n)


def test_one_wrong_sign_is_not_exact(truth):
    rows = perfect(truth)
    where = rows["plate"].notna().to_numpy().nonzero()[0][0]
    rows.loc[rows.index[where], "plate"] = "11A-000.00"
    result = twin.score(rows, truth)
    assert result.plates_exact == result.plates_visible - 1
    assert result.plate_wrong > 0


def test_an_uncorrected_clock_does_not_hide_passes(truth):
    rows = perfect(truth)
    late = rows["camera_id"].map(truth.clocks.set_index("camera_id")["stamped_minus_utc_s"])
    shift = pd.to_timedelta(late, unit="s")
    rows["first_utc"] += shift
    rows["last_utc"] += shift
    assert twin.score(rows, truth).recall == 1.0


def test_what_stands_still_is_not_counted_against_it(truth):
    rows = perfect(truth)
    parked = rows.iloc[:5].assign(moving=False, sighting_id=[f"p{i}" for i in range(5)])
    assert twin.score(pd.concat([rows, parked]), truth).precision == 1.0


def test_nothing_found_is_zero_not_an_error(truth):
    result = twin.score(perfect(truth).iloc[:0], truth)
    assert result.recall == 0.0
    assert np.isnan(result.precision)
