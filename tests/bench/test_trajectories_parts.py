"""Parts of the benchmark of linking: only what is asked for is run."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.bench import trajectories as bench
from workbench.errors import BadInput

NOTHING = (np.zeros(0), np.zeros(0, bool))


@pytest.fixture
def ran(monkeypatch):
    """Note what is run, by seed, in place of running it."""
    seen = []

    def note(figures):
        def run(_one, name, seed, _graph):
            seen.append((seed, name))
            return figures

        return run

    monkeypatch.setattr(bench, "simulated", lambda _folder, _seed, hours: hours)
    run = bench.Run({"F1": 0.5}, NOTHING, NOTHING, NOTHING, 0.0)
    monkeypatch.setattr(bench, "linked", note(run))
    monkeypatch.setattr(bench, "reached", note({"pairs": 1}))
    monkeypatch.setattr(bench, "totals", lambda rows: rows[0])
    monkeypatch.setattr(bench, "cloned", note({"alerts": 2}))
    return seen


def test_a_scenario_alone(ran):
    figures = bench.bench_trajectories(seeds=(1, 2), only="hard")
    assert ran == [(1, "hard"), (2, "hard")]
    assert set(figures) == {"data", "calibration", "hard", "reliability"}


def test_questions_alone(ran):
    figures = bench.bench_trajectories(seeds=(1,), only="clones, reach")
    assert ran == [(1, name) for name in (*bench.COMBINED, *bench.CLONED)]
    assert set(figures) == {"data", "calibration", "reach", "clones"}


def test_all_and_quick(ran):
    bench.bench_trajectories(seeds=(1,))
    names = [name for _seed, name in ran]
    assert names == [*bench.GRID, *bench.COMBINED, *bench.COMBINED, *bench.CLONED]
    ran.clear()
    figures = bench.bench_trajectories(seeds=(1, 2), quick=True)
    assert [name for _seed, name in ran] == [*bench.CLONED, *bench.COMBINED, *bench.CLONED]
    assert {seed for seed, _name in ran} == {1}
    assert {"reach", "clones"} < set(figures)
    ran.clear()
    bench.bench_trajectories(seeds=(1, 2), quick=True, only="miss0-sign8")
    assert ran == [(1, "miss0-sign8")]


def test_no_such_part(ran):
    with pytest.raises(BadInput, match="no part 'speed'"):
        bench.bench_trajectories(seeds=(1,), only="hard,speed")
    assert ran == []
