"""The benchmark of speeds: the measured tracks are read, seen and scored."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from workbench.bench import accidents
from workbench.bench.accidents_poles import pole_at, read_tracks
from workbench.bench.clips import footage_folder
from workbench.collisions.calibration import map_points
from workbench.errors import BadInput


def test_a_made_up_camera_sees_what_is_ahead_of_it() -> None:
    pole = pole_at(np.array([100.0, 200.0]), 0.0, 8.0, 22.0)
    px = map_points(
        pole.ground_to_px, np.array([(120.0, 200.0), (120.0, 204.0), (130.0, 200.0), (90.0, 200.0)])
    )
    assert px[0, 0] == pytest.approx(640)
    assert px[1, 0] < px[0, 0]  # north lies to the left of who looks east
    assert px[2, 1] < px[0, 1]
    assert np.isnan(px[3]).all()


def test_the_standard_error_of_a_share_is_that_of_its_cameras() -> None:
    # four cameras, whose rows are all inside or all outside: four draws of a share, not forty
    inside = pd.Series([1.0, 1.0, 1.0, 0.0]).repeat(10).reset_index(drop=True)
    camera = pd.Series([0, 1, 2, 3]).repeat(10).reset_index(drop=True)
    of_four = np.std([1, 1, 1, 0], ddof=1) / np.sqrt(4)
    assert accidents._sigma_of_share(inside, camera) == pytest.approx(of_four, abs=6e-4)
    # rows that share nothing are as many draws as rows
    alone = accidents._sigma_of_share(inside, pd.Series(range(40)))
    assert alone == pytest.approx(np.std(inside, ddof=1) / np.sqrt(40), abs=6e-4)
    assert accidents._sigma_of_share(inside, pd.Series(0, index=range(40))) is None


def test_the_standard_error_is_how_much_the_share_differs_from_run_to_run() -> None:
    rng = np.random.default_rng(5)
    shares, told = [], []
    for _ in range(200):  # 40 cameras, each of 1 to 30 rows and with a chance of its own
        camera = pd.Series(np.repeat(np.arange(40), rng.integers(1, 31, 40)))
        chance = rng.beta(9.0, 1.0, 40)[camera]
        inside = pd.Series((rng.uniform(size=len(camera)) < chance).astype(float))
        shares.append(inside.mean())
        told.append(accidents._sigma_of_share(inside, camera))
    assert np.mean(told) == pytest.approx(np.std(shares), rel=0.15)


def test_parts_are_run_by_name_and_what_was_measured_outlives_an_interruption(
    tmp_path, monkeypatch, capsys
) -> None:
    def stop(*_given: object) -> accidents.Figures:
        raise KeyboardInterrupt

    (tmp_path / "dlr_ut").mkdir()
    monkeypatch.setattr(accidents, "read_tracks", lambda *_given, **_kept: None)
    monkeypatch.setattr(
        accidents, "PARTS", {"one": lambda *_given: {"x": 1}, "two": stop, "three": stop}
    )
    figures = accidents.bench_accidents(folder=tmp_path)
    assert (figures["one"], figures["stopped in"]) == ({"x": 1}, "two")
    assert not {"two", "three"} & figures.keys()
    assert "stopped in" not in accidents.bench_accidents(folder=tmp_path, only=" one")
    assert capsys.readouterr().err.count("one: 0 CPU s") == 2
    with pytest.raises(BadInput, match="no part 'four'"):
        accidents.bench_accidents(folder=tmp_path, only="one,four")


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
