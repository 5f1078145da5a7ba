"""Reach inside a case: bounds, coverage, the log, and the command line's sentences."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from make.rows import sighting_row, sightings_table
from typer.testing import CliRunner

from workbench.cli import app
from workbench.errors import BadInput, Refused
from workbench.investigation import Workbench, open_workbench, reach
from workbench.records import Case, Purpose
from workbench.store import Store
from workbench.timeline import SECOND_NS, Span, format_utc

START_NS = 1_795_133_700 * SECOND_NS
CASE = Case("HS-1", "t", "KH", "r", Span(START_NS - 600 * SECOND_NS, START_NS + 600 * SECOND_NS))
WHY = Purpose("HS-1", "xem")
PLATE = "99B1-123.45"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, ward_folder: Path) -> Workbench:
    root = tmp_path_factory.mktemp("reach") / "root"
    made = open_workbench(
        root, actor="thu", create_from=ward_folder, now=lambda: START_NS + 300 * SECOND_NS
    )
    made.open_case(CASE)
    made.open_case(replace(CASE, case_id="HS-2", cameras=("S01-P1", "S02-P1")))
    rows = [
        sighting_row(number, camera, plate=PLATE, utc_ns=START_NS + at_s * SECOND_NS, sigma_s=0.5)
        for number, (camera, at_s) in enumerate([("S01-P1", 0), ("S02-P1", 25), ("S05-P1", 90)])
    ]
    Store.open(root).append_sightings(sightings_table(rows))
    return made


def ids(house: Workbench) -> list[str]:
    return house.sightings(WHY).sort_values("utc")["sighting_id"].tolist()


def test_between_two_sightings_the_same_plate_counts_and_the_log_knows(house: Workbench) -> None:
    first, _, last = ids(house)
    answer = reach(house, first, WHY, until_id=last)
    verdicts = {site.site_id: site.verdict for site in answer.found.sites}
    assert verdicts["S01"] == verdicts["S05"] == "seen"
    assert verdicts["S02"] in ("could", "must")
    assert verdicts["S26"] == "cannot"
    assert answer.read_at == {"S02": 1}
    assert "S02" not in answer.absences
    # nothing is recorded in this root: no absence says anything
    assert answer.absences
    assert all(one.ratio == 1.0 for one in answer.absences.values())
    assert {one.state for one in answer.windows} == {"not recorded"}
    entry = house.audit()[-1]
    assert (entry.action, entry.subject, entry.case_id) == ("reach", first, "HS-1")
    assert last in entry.details


def test_it_stays_inside_the_case(house: Workbench) -> None:
    first, _, last = ids(house)
    mine = Purpose("HS-2", "xem")
    answer = reach(house, first, mine)
    assert {one.camera_id for one in answer.windows} <= {"S02-P1"}
    assert set(answer.absences) <= {"S02"}
    within = CASE.period
    for one in answer.windows:
        assert within.start_ns <= one.span.start_ns <= one.span.stop_ns <= within.stop_ns
    assert answer.found.until_ns == START_NS + 300 * SECOND_NS  # until now
    with pytest.raises(BadInput, match="inside this case"):
        reach(house, last, mine)
    assert house.audit()[-1].action == "reach.refused"
    with pytest.raises(Refused):
        reach(house, first, Purpose("", ""))


def test_the_beginning_of_an_id_is_enough_where_it_is_the_only_one(house: Workbench) -> None:
    first = ids(house)[0]
    assert reach(house, first[:10], WHY).plate == PLATE
    with pytest.raises(BadInput, match="no sighting"):
        reach(house, first[:3], WHY)


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (["--sighting", "nichts"], "no sighting nichts"),
        (["--pace", "0"], "pace"),
        (["--stop-min", "-1"], "stop_s"),
        (["--at", "morgen"], "no date and time|not a date and time"),
        (["--at", format_utc(START_NS - SECOND_NS)], "before the sighting"),
        (["--at", format_utc(START_NS + 10**14 * 9)], "more than a day"),
        (["--windows", "-1"], "number of windows"),
        (["--until", "same"], "both sightings are one"),
        (["--until", "earlier"], "earlier"),
        (["--json", "/nowhere/out.json"], "no folder"),
    ],
)
def test_a_slip_on_the_command_line_is_a_sentence(house: Workbench, more, word) -> None:  # type: ignore[no-untyped-def]
    first, second, _ = ids(house)
    name = {"same": second, "earlier": first}
    more = [name.get(word_, word_) for word_ in more]
    words = ["reach", str(house.root), "--sighting", second, "--case", "HS-1", "--reason", "thu"]
    house_now = CliRunner().invoke(app, [*words, *more])
    assert isinstance(house_now.exception, BadInput)
    with pytest.raises(BadInput, match=word):
        raise house_now.exception


def test_the_command_prints_and_writes_the_answer(house: Workbench, tmp_path: Path) -> None:
    first, _, last = ids(house)
    out = tmp_path / "answer.json"
    words = ["reach", str(house.root), "--sighting", first, "--until", last, "--case", "HS-1",
             "--reason", "thu", "--json", str(out)]  # fmt: skip
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "cannot  S26" in done.output
    assert "the same plate was read there, rows: 1" in done.output
    assert "1.00;" not in done.output
    said = json.loads(out.read_text())
    assert said["feasible"] is True
    assert {site["verdict"] for site in said["sites"]} >= {"seen", "could", "cannot"}
    fast = CliRunner().invoke(app, [*words[:-2], "--pace", "0.1"])
    assert fast.exit_code == 1
    assert "no way by road is quick enough" in fast.output
