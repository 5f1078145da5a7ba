"""Three minutes of simulated traffic, once a run, and a small table of cameras."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from workbench import ward
from workbench.twin import traffic

LIGHT = traffic.Traffic(vehicles_per_hour=2500, warm_up_s=60)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory: pytest.TempPathFactory, ward_folder: Path) -> Path:
    """A folder with three minutes of traffic."""
    pytest.importorskip("sumo", reason="the extra 'twin' is not installed")
    out = tmp_path_factory.mktemp("twin") / "short"
    traffic.simulate(ward.load(ward_folder), out, seed=3, hours=0.05, traffic=LIGHT)
    return out


@pytest.fixture(scope="session")
def cameras() -> pa.Table:
    """Twelve cameras at four sites on two branches of each kind."""
    return pa.Table.from_pylist(
        [
            {
                "camera_id": f"S{k // 3:02d}-P{k % 3}", "site_id": f"S{k // 3:02d}",
                "kind": "overview" if k % 3 == 2 else "plate", "heading_deg": 30.0 * k,
                "edge": f"E{k:03d}", "along_m": 20.0, "fibre_branch": f"F{k // 6}",
                "power_branch": f"W{k // 3 % 2}",
            }
            for k in range(12)
        ]
    )  # fmt: skip
