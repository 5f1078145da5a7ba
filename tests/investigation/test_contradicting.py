"""Clone alerts inside a case: bounded, logged, no probability where there is too little."""

import json

import pandas as pd
import pyarrow as pa
import pytest
from make.rows import sha, sighting_row

from workbench.cli.leads import as_json, convoy_lines, convoys_json, lines_of
from workbench.errors import BadInput, Refused
from workbench.investigation import contradictions, convoys, open_workbench
from workbench.plates import compact
from workbench.records import SIGHTINGS, Case, Purpose
from workbench.store import Store
from workbench.timeline import SECOND_NS, Span, parse_instant

START = parse_instant("2026-11-20T07:00:00+07:00")
PERIOD = Span(START, START + 3600 * SECOND_NS)
PURPOSE = Purpose("HS-1", "kiểm tra biển số")
PLATE = "99K1-888.88"


def row(camera, second, plate):
    at = pd.Timestamp(START + round(second * SECOND_NS), tz="UTC")
    return {**sighting_row(segment_sha256=sha(f"{camera}{plate}{second}")),
            "sighting_id": sha(f"{camera}{plate}{second}x"), "camera_id": camera, "utc": at,
            "first_utc": at, "last_utc": at, "sigma_s": 0.2, "plate": plate,
            "plate_raw": compact(plate), "plate_lattice": None}  # fmt: skip


@pytest.fixture(scope="module")
def wb(tmp_path_factory, ward_folder):
    made = open_workbench(
        tmp_path_factory.mktemp("clones") / "root", actor="thu", now=lambda: START + 10**14,
        create_from=ward_folder,
    )  # fmt: skip
    made.open_case(Case("HS-1", "Clones", "Plan 3", "look", PERIOD))
    made.open_case(Case("HS-2", "Early", "Plan 3", "look", Span(START, START + SECOND_NS)))
    cameras = [c.camera_id for c in made.ward.cameras.values() if c.kind == "plate"]
    first = cameras[0]
    far = max(cameras, key=lambda c: made.graph.between(first, c).fastest_s)
    assert made.graph.between(first, far).fastest_s > 60
    rows = [row(first, 100, PLATE), row(far, 104, PLATE)]
    for k in range(40):  # others whose reads fit these clocks
        plate = f"99A{k % 9 + 1}-{k:02d}{(k * 37) % 1000:03d}"
        rows += [row(first, 10 + 40 * k, plate), row(far, 210 + 40 * k, plate)]
    Store.open(made.root).append_sightings(pa.Table.from_pylist(rows, SIGHTINGS))
    return made


def test_two_reads_that_nobody_can_drive_between_are_told_with_reasons_and_logged(wb):
    found = contradictions(wb, PURPOSE)
    assert [one.plate for one in found.plates] == ["99K188888"]
    assert set(found.sightings["plate"]) == {PLATE}
    said = "\n".join(lines_of(found))
    assert f"{PLATE}: two vehicles with this plate? not calibrated" in said
    assert "times the limit" in said
    assert "against" in said
    entry = next(e for e in wb.audit() if e.action == "search.contradictions")
    assert entry.case_id == "HS-1"
    assert entry.reason == "kiểm tra biển số"


def test_where_links_are_few_no_probability_is_given_anywhere(wb):
    found = contradictions(wb, PURPOSE)
    assert not found.calibrated
    assert "probability 0" not in "\n".join(lines_of(found))
    told = as_json(found)
    assert told["plates"][0]["probability"] is None
    assert json.dumps(told)


def test_one_plate_is_asked_about_as_anybody_writes_it(wb):
    assert len(contradictions(wb, PURPOSE, plate="99k1 88888").plates) == 1
    assert contradictions(wb, PURPOSE, plate="99A1-00000").plates == ()
    with pytest.raises(BadInput, match="no signs"):
        contradictions(wb, PURPOSE, plate="---")


def test_outside_the_case_and_its_bounds_nothing_is_said(wb):
    with pytest.raises(Refused):
        contradictions(wb, Purpose("", ""))
    early = contradictions(wb, Purpose("HS-2", "look"))
    assert early.plates == ()
    assert len(early.sightings) == 0


def test_who_travels_together_is_asked_of_one_plate_that_the_case_holds_and_logged(wb):
    found = convoys(wb, PURPOSE, "99k1-88888")
    assert found.companions == ()
    assert "nobody passed with 99K188888" in "\n".join(convoy_lines(found))
    assert json.dumps(convoys_json(found))
    assert next(e for e in wb.audit() if e.action == "search.convoys").subject == "99K188888"
    with pytest.raises(BadInput, match="no read of"):
        convoys(wb, PURPOSE, "99Z9-999.99")
    with pytest.raises(BadInput, match="one plate"):
        convoys(wb, PURPOSE, "")
    with pytest.raises(Refused):
        convoys(wb, Purpose("", ""), PLATE)
