"""Flows belong to a case, and none that could single out a vehicle leaves it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import xarray as xr
from make.rows import sighting_row, sightings_table

from workbench import investigation
from workbench.errors import BadInput, Refused
from workbench.investigation import Belief, flowing, notebooks, open_workbench, replaying
from workbench.records import LEGS, Case, Purpose
from workbench.timeline import SECOND_NS, Span, parse_instant
from workbench.views.flow_map import flow_map
from workbench.views.text import translator

START = parse_instant("2026-11-20T07:00:00+07:00")
PERIOD = Span(START, START + 7200 * SECOND_NS)
PURPOSE = Purpose("HS-1", "count the flows")


@pytest.fixture
def wb(tmp_path, ward_folder):
    made = open_workbench(
        tmp_path / "root", actor="thu", now=lambda: START + 10**14, create_from=ward_folder
    )
    made.open_case(Case("HS-1", "Flows", "Plan 3", "count them", PERIOD))
    return made


def legs(count, start, stop):
    return [
        {
            **dict.fromkeys(LEGS.names), "from_id": f"{start}{n}", "to_id": f"{stop}{n}",
            "from_camera": start, "to_camera": stop, "from_utc": START + n * SECOND_NS,
            "to_utc": START + (n + 60) * SECOND_NS, "elapsed_s": 60.0, "elapsed_sigma_s": 1.0,
            "edges": [], "plate_distance": 0.0, "plausible": "plausible", "reason": "",
            "probability": 0.9,
        }
        for n in range(count)
    ]  # fmt: skip


def belief(*rows, calibrated=True):
    claims = pa.Table.from_pylist([one for part in rows for one in part], schema=LEGS)
    return Belief(claims, pd.DataFrame(), 2 * claims.num_rows, claims.num_rows, calibrated)


@pytest.fixture
def linked(monkeypatch):
    """Links as of a busy street (10 vehicles) and of one rider (2)."""
    made = belief(legs(10, "S01-P1", "S02-P1"), legs(2, "S02-P1", "S03-P1"))
    monkeypatch.setattr(flowing, "believe", lambda _wb, _purpose: made)
    return made


def test_inside_the_case_everything_is_there_and_logged(wb, linked):
    cube = investigation.flows(wb, PURPOSE)
    assert cube.sizes == {"origin": 26, "destination": 26, "hour": 2}
    cell = cube["vehicles"].sel(origin="S02", destination="S03")
    assert cell.values.tolist() == pytest.approx([1.8, 0.0])
    assert wb.audit()[-1].action == "search.flows"
    pane = flow_map(cube, translator("vi"))
    assert pane[0].options["Cả giai đoạn"] == -1
    pane[0].value = 1
    assert not np.isfinite(pane[1].object.dimension_values("vehicles")).any()


@pytest.mark.parametrize("name", ["f.nc", "f.csv"])
def test_a_file_holds_no_flow_of_few(wb, linked, tmp_path, name):
    investigation.export_flows(wb, tmp_path / name, PURPOSE)
    assert [entry.action for entry in wb.audit()[-2:]] == ["search.flows", "flows.export"]
    if name.endswith(".nc"):
        told = xr.open_dataset(tmp_path / name, engine="scipy")["vehicles"]
        assert float(told.sel(origin="S01", destination="S02")[0]) == pytest.approx(9.0)
        assert np.isnan(float(told.sel(origin="S02", destination="S03")[0]))
    else:
        rows = pd.read_csv(tmp_path / name).set_index(["origin", "destination"])
        assert rows.loc[("S01", "S02"), "vehicles"] == 9.0
        assert np.isnan(rows.loc[("S02", "S03"), "vehicles"])
        assert set(rows["case"]) == {"HS-1"}
    with pytest.raises(BadInput, match="already"):
        investigation.export_flows(wb, tmp_path / name, PURPOSE)


def test_the_threshold_can_be_raised_only_and_holds_for_sums_too(wb, linked, tmp_path):
    for least in (4.9, 0, -1, float("nan"), float("inf")):
        with pytest.raises(BadInput, match="single one out"):
            investigation.export_flows(wb, tmp_path / "f.nc", PURPOSE, least=least)
    whole = investigation.summed_flows(investigation.flows(wb, PURPOSE))
    assert whole[["origin", "destination"]].to_numpy().tolist() == [["S01", "S02"]]
    assert investigation.summed_flows(investigation.flows(wb, PURPOSE), 20.0).empty


def test_no_case_no_flows_and_too_few_links_no_number(wb, linked, tmp_path):
    with pytest.raises(Refused):
        investigation.flows(wb, Purpose("", "traffic study"))
    with pytest.raises(BadInput, match="too few"):
        investigation.flows(wb, PURPOSE, belief(legs(3, "S01-P1", "S02-P1"), calibrated=False))
    for name in ("f.xlsx", "no/f.nc"):
        with pytest.raises(BadInput):
            investigation.export_flows(wb, tmp_path / name, PURPOSE)


def test_a_case_with_hardly_a_read_says_so(wb):
    wb._store.append_sightings(sightings_table([sighting_row(1, "S01-P1", plate="99B1-123.45")]))
    with pytest.raises(BadInput, match="0 links of 1 reads"):
        investigation.flows(wb, PURPOSE)


def test_flows_made_again_are_those_that_may_be_given_away(wb, linked):
    investigation.flows(wb, PURPOSE)
    (asked,) = notebooks.asked_of(wb._store.audit("HS-1"))
    assert asked.source() == "again.flows(wb, muc_dich)"
    one, other = (replaying.told(lambda: asked.run(wb, PURPOSE)) for _ in range(2))
    assert one == other
    rows = [line.split(",") for line in one["flows"].splitlines()[1:]]
    assert [row[-1] for row in rows if row[:2] == ["S01", "S02"]] == ["9.0"]
    assert [row[-1] for row in rows if row[:2] == ["S02", "S03"]] == [""]  # of two vehicles
