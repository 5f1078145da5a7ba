"""Links of a whole case, taken into one trace: honest, inside the case, quick the second time."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from make import town
from make.rows import sha, sighting_row

from workbench.errors import Refused
from workbench.investigation import (
    believe,
    believing,
    on_the_way,
    open_workbench,
    with_belief,
)
from workbench.records import SIGHTINGS, Case, Purpose
from workbench.store import Store
from workbench.timeline import SECOND_NS, Span

START = town.START_NS
CASE = Case("HS-1", "Collision", "Decision 12", "clarify", Span(START - 10**12, START + 4 * 10**12))
PURPOSE = Purpose("HS-1", "find the grey van")
ERRORS = town.Errors(miss=0.15, sign=0.05, unread=0.3)


def filled(root, ward_folder, vehicles, errors=ERRORS):
    wb = open_workbench(root, actor="thu", now=lambda: START + 5 * 10**12, create_from=ward_folder)
    wb.open_case(CASE)
    table, truth = town.sightings(town.passes(vehicles, seed=101), errors, seed=101)
    rows = []
    for row in table.to_dict("records"):
        at = pd.Timestamp(row["utc"])
        facts = {name: value for name, value in row.items() if name in SIGHTINGS.names}
        facts = {name: None if value is np.nan else value for name, value in facts.items()}
        rows.append({**sighting_row(segment_sha256=sha(row["camera_id"])), **facts, "utc": at,
                     "utc_start": at, "utc_end": at})  # fmt: skip
    Store.open(root).append_sightings(pa.Table.from_pylist(rows, SIGHTINGS))
    return wb, table, truth


@pytest.fixture(scope="module")
def busy(tmp_path_factory, ward_folder):
    return filled(tmp_path_factory.mktemp("busy") / "root", ward_folder, 700)


def longest(table):
    return table["plate"].value_counts().index[0]


def test_legs_get_probabilities_that_are_none_of_certainty_with_their_reasons(busy):
    wb, table, truth = busy
    belief = believe(wb, PURPOSE)
    assert belief.calibrated
    assert belief.links >= believing.LEAST_LINKS
    right, claimed = [], []
    for plate in table["plate"].value_counts().index[:15]:
        trace = with_belief(wb, wb.trace(plate, PURPOSE), belief, PURPOSE)
        assert trace.linked.calibrated
        for leg in trace.legs.to_dict("records"):
            if pd.notna(leg["probability"]) and leg["plausible"] != "impossible":
                right.append(truth[leg["from_id"]] == truth[leg["to_id"]])
                claimed.append(leg["probability"])
        legs = {(leg["from_id"], leg["to_id"]): leg for leg in trace.legs.to_dict("records")}
        for drawn in (row for one in trace.journeys for row in one.legs.to_pylist()):
            same = legs[drawn["from_id"], drawn["to_id"]]["probability"]
            assert drawn["probability"] == same or (drawn["probability"] is None and pd.isna(same))
    assert len(claimed) > 25
    assert np.mean(np.array(right)[np.array(claimed) > 0.9]) > 0.95


def test_unread_sightings_are_possible_and_lead_to_no_other(busy):
    wb, table, _truth = busy
    belief = believe(wb, PURPOSE)
    read = set(table.loc[table["plate"].notna(), "sighting_id"]) | {""}
    assert set(belief.possible["from_id"]) <= read
    assert set(belief.possible["to_id"]) <= read
    assert belief.possible["probability"].max() < 1.0
    found = 0
    for plate in table["plate"].value_counts().index[:15]:
        linked = with_belief(wb, wb.trace(plate, PURPOSE), belief, PURPOSE).linked
        assert linked.possible["plate"].isna().all()
        assert (linked.possible.groupby(["from_id", "to_id"]).size() <= 3).all()
        found += len(linked.possible)
    assert found > 3


def test_a_leg_past_a_misread_is_linked_through_it_and_names_it(busy):
    wb, table, truth = busy
    belief, named = believe(wb, PURPOSE), 0
    for plate in table["plate"].value_counts().index[:15]:
        trace = with_belief(wb, wb.trace(plate, PURPOSE), belief, PURPOSE)
        legs = trace.legs.set_index(["from_id", "to_id"])["probability"]
        for row in trace.linked.via.to_dict("records"):
            assert row["plate"] != plate
            assert 0 < legs[row["from_id"], row["to_id"]] < 1
            named += truth[row["sighting_id"]] == truth[row["from_id"]]
    assert named > 2


def test_the_second_look_is_taken_from_the_first_until_there_is_more(busy, monkeypatch):
    wb, _table, _truth = busy
    first = believe(wb, PURPOSE)
    with monkeypatch.context() as patched:
        patched.setattr(believing.trajectories, "link_by_belief", None)
        assert believe(wb, PURPOSE) is first
    assert wb.audit()[-1].action == "search.links"


def test_outside_the_case_nothing_is_linked(busy):
    wb, table, _truth = busy
    with pytest.raises(Refused):
        believe(wb, Purpose("HS-1", ""))
    one = table["camera_id"].value_counts().index[0]
    narrow = Case("HS-2", "t", "l", "r", Span(START, START + 900 * SECOND_NS), (one,))
    wb.open_case(narrow)
    purpose = Purpose("HS-2", "only one camera")
    inside = believe(wb, purpose)
    assert inside.reads < believe(wb, PURPOSE).reads / 10
    assert set(inside.claims["from_camera"].to_pylist()) <= {one}


def test_too_little_traffic_is_said_and_gets_no_number(tmp_path, ward_folder):
    wb, table, _truth = filled(tmp_path / "root", ward_folder, 25)
    belief = believe(wb, PURPOSE)
    assert not belief.calibrated
    trace = with_belief(wb, wb.trace(longest(table), PURPOSE), belief, PURPOSE)
    assert not trace.linked.calibrated
    assert trace.legs["probability"].isna().all()
    assert trace.legs["unseen"].isna().all()
    assert trace.legs["others_p"].isna().all()
    assert trace.linked.possible["probability"].isna().all()


def test_no_reads_and_one_read_are_no_links(tmp_path, ward_folder):
    wb = open_workbench(
        tmp_path / "root", actor="thu", now=lambda: START + 5 * 10**12, create_from=ward_folder
    )
    wb.open_case(CASE)
    belief = believe(wb, PURPOSE)
    assert (belief.reads, belief.links, belief.calibrated) == (0, 0, False)
    trace = with_belief(wb, wb.trace("99B1-123.45", PURPOSE), belief, PURPOSE)
    assert len(trace.legs) == 0


def test_cameras_on_the_way_that_did_not_record_say_so(busy):
    wb, table, _truth = busy
    for plate in table["plate"].value_counts().index[:60]:
        for leg in wb.trace(plate, PURPOSE).legs.to_dict("records"):
            passed = on_the_way(wb, leg, PURPOSE)
            if passed:
                assert {one.state for one in passed.values()} == {"not recorded"}  # no footage here
                start, stop = (
                    pd.Timestamp(leg[f"{end}_utc"]).as_unit("ns").value for end in ("from", "to")
                )
                assert {one.gaps for one in passed.values()} == {(Span(start, stop),)}
                ends = {wb.camera(leg[f"{end}_camera"]).site_id for end in ("from", "to")}
                assert not ends & {wb.camera(name).site_id for name in passed}
                return
    pytest.fail("no leg went past a camera")
