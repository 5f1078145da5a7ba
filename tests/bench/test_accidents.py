"""The benchmark of speeds: the measured tracks are read, seen and scored."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.bench import accidents
from workbench.bench.accidents_poles import pole_at, read_tracks
from workbench.bench.clips import footage_folder
from workbench.collisions.calibration import map_points


def test_a_made_up_camera_sees_what_is_ahead_of_it() -> None:
    pole = pole_at(np.array([100.0, 200.0]), 0.0, 8.0, 22.0)
    px = map_points(
        pole.ground_to_px, np.array([(120.0, 200.0), (120.0, 204.0), (130.0, 200.0), (90.0, 200.0)])
    )
    assert px[0, 0] == pytest.approx(640)
    assert px[1, 0] < px[0, 0]  # north lies to the left of who looks east
    assert px[2, 1] < px[0, 1]
    assert np.isnan(px[3]).all()


@pytest.mark.footage
def test_speeds_of_measured_tracks() -> None:
    folder = footage_folder() / "dlr_ut"
    if not folder.is_dir():
        pytest.skip("the measured tracks of dlr_ut are not here")
    tracks = read_tracks(folder, quick=True)
    rows = pd.DataFrame(accidents.measured(tracks, "surveyed", 8, poles=1, passes=12))
    figures = accidents.summary(rows)
    assert figures["passes"] >= 10
    assert figures["error_km_h"] < 1.0
    assert figures["coverage"] > 0.85  # a dozen passes; the benchmark counts hundreds


@pytest.mark.footage
def test_speeds_by_known_lengths_alone() -> None:
    folder = footage_folder() / "dlr_ut"
    if not folder.is_dir():
        pytest.skip("the measured tracks of dlr_ut are not here")
    tracks = read_tracks(folder, quick=True)
    rows = pd.DataFrame(accidents.measured(tracks, "map", 0, lengths=12, poles=1, passes=8))
    assert accidents.summary(rows)["error_km_h"] < 3.0


@pytest.mark.footage
def test_five_surveyed_points_are_refused() -> None:
    folder = footage_folder() / "otvision"
    if not folder.is_dir():
        pytest.skip("the surveyed points of otvision are not here")
    assert "5 points are too few" in accidents.refusal(
        accidents.otvision_points(folder), (800, 600)
    )
