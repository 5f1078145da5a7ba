"""One vehicle that was once too quick, against every way to part its reads among two."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from workbench.trajectories.jumps import _parted


def by_force(steps: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> float:
    """Weigh each way to give reads to two vehicles, the first read being of the first one."""
    logs = []
    for given in product((0, 1), repeat=len(begins) - 1):
        owner = np.array([0, *given])
        if not owner.any():
            continue
        log = float(begins[np.flatnonzero(owner)[0]])
        for vehicle in (0, 1):
            mine = np.flatnonzero(owner == vehicle)
            log += float(steps[mine[:-1], mine[1:]].sum() + ends[mine[-1]])
        logs.append(log)
    return float(np.logaddexp.reduce(logs))


@pytest.mark.parametrize("count", [2, 3, 6])
def test_every_way_to_part_reads_among_two_counts_once(count: int) -> None:
    rng = np.random.default_rng(count)
    steps, begins, ends = (rng.normal(-3, 2, shape) for shape in ((count, count), count, count))
    assert _parted(steps, begins, ends) == pytest.approx(by_force(steps, begins, ends))
