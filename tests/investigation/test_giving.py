"""A trace as a file: it is the case's, no probability is certain, no impossible leg a line."""

from __future__ import annotations

import json
import sys
from xml.etree import ElementTree

import geopandas
import pandas as pd
import pytest
from make.rows import sighting_row, sightings_table

from workbench import cli, investigation
from workbench.errors import BadInput, Refused
from workbench.investigation import open_workbench
from workbench.records import Case, Purpose
from workbench.store import files
from workbench.timeline import SECOND_NS, Span, parse_instant

START = parse_instant("2026-11-20T07:15:00+07:00")
PERIOD = Span(START - 3600 * SECOND_NS, START + 7200 * SECOND_NS)
PURPOSE = Purpose("HS-1", "find the grey van")
PLATE = "99B1-123.45"
KML = "{http://www.opengis.net/kml/2.2}"


@pytest.fixture
def wb(tmp_path, ward_folder):
    made = open_workbench(
        tmp_path / "root", actor="thu", now=lambda: START + 10**13, create_from=ward_folder
    )
    made.open_case(Case("HS-1", "Collision", "Decision 12", "clarify it", PERIOD))
    rows, at_s = [], 0.0
    for number, (camera, before) in enumerate(
        [("S01-P1", None), ("S02-P1", "S01-P1"), ("S03-P1", "S02-P1")]
    ):
        way = made.graph.between(before, camera) if before else None
        at_s += way.fastest_s * 1.4 if way else 0
        utc_ns = START + round(at_s * SECOND_NS)
        rows.append(sighting_row(number, camera, plate=PLATE, utc_ns=utc_ns, plate_score=0.9999))
    # the same plate at the other end of the ward two seconds after: impossible
    rows.append(sighting_row(9, "S26-P1", plate=PLATE, utc_ns=START + 2 * SECOND_NS))
    made._store.append_sightings(sightings_table(rows))
    return made


def believed(trace, probability):
    """Return the trace as linking with probabilities gives it."""
    legs = trace.legs.copy()
    legs["probability"], legs["unseen"] = probability, 0.0004
    legs["plate_log"], legs["ride_log"], legs["kind_log"] = 9.2, -1.1, 0.1
    return investigation.Trace(trace.plate, trace.sightings, legs, trace.journeys)


def written(wb, trace, path):
    investigation.export_trace(wb, trace, path, PURPOSE)
    return path


def test_geojson(wb, tmp_path):
    trace = believed(wb.trace(PLATE, PURPOSE), 0.99999)
    whole = json.loads(written(wb, trace, tmp_path / "t.geojson").read_text())
    assert whole["about"]["case"] == "HS-1"
    assert "never identities" in whole["about"]["note"]
    layers = {name: [f for f in whole["features"] if f["properties"]["layer"] == name]
              for name in ("sightings", "legs")}  # fmt: skip
    assert [len(layers["sightings"]), len(layers["legs"])] == [4, len(trace.legs)]
    for feature in layers["legs"]:
        facts = feature["properties"]
        impossible = facts["plausible"] == "impossible"
        assert (feature["geometry"] is None) == impossible
        assert facts["probability"] == 0.99
        assert "likelier on one plate" in facts["evidence_for"]
        assert "by chance" in facts["evidence_against"]
        assert facts["from_utc"].endswith("Z")
        assert facts["from_local"].endswith("+07:00")
        same = [pd.Timestamp(facts[f"from_{name}"]).tz_convert("UTC") for name in ("utc", "local")]
        assert same[0] == same[1]
    assert any(f["geometry"] is None for f in layers["legs"])
    point = layers["sightings"][0]
    camera = wb.camera(point["properties"]["camera_id"])
    assert point["geometry"]["coordinates"] == [camera.lon_deg, camera.lat_deg]
    assert point["properties"]["plate_probability"] == 0.99


def test_without_a_probability_it_says_so(wb, tmp_path):
    trace = wb.trace(PLATE, PURPOSE)
    trace = investigation.Trace(
        trace.plate, trace.sightings, trace.legs.assign(probability=None), trace.journeys
    )
    whole = json.loads(written(wb, trace, tmp_path / "t.geojson").read_text())
    legs = [f["properties"] for f in whole["features"] if f["properties"]["layer"] == "legs"]
    assert {one["probability"] for one in legs} == {None}
    assert {one["probability_note"] for one in legs} == {"not calibrated here"}


def test_geopackage_and_kml_say_the_same(wb, tmp_path):
    trace = believed(wb.trace(PLATE, PURPOSE), 0.8)
    path = written(wb, trace, tmp_path / "t.gpkg")
    legs = geopandas.read_file(path, layer="legs")
    points = geopandas.read_file(path, layer="sightings")
    assert (len(legs), len(points)) == (len(trace.legs), 4)
    assert set(legs["case"]) == {"HS-1"}
    assert set(legs["probability"]) == {0.8}
    assert (
        legs.geometry.is_empty.sum() + legs.geometry.isna().sum()
        == (trace.legs["plausible"] == "impossible").sum()
    )
    root = ElementTree.parse(written(wb, trace, tmp_path / "t.kml")).getroot()
    marks = root.findall(f".//{KML}Placemark")
    assert len(marks) == 4 + len(trace.legs)
    assert len(root.findall(f".//{KML}Point")) == 4
    drawn = len(root.findall(f".//{KML}LineString"))
    assert drawn == (trace.legs["plausible"] != "impossible").sum()
    assert "HS-1" in root.find(f".//{KML}Document/{KML}description").text


def test_a_closed_case_gives_nothing_away(wb, tmp_path):
    trace = wb.trace(PLATE, PURPOSE)
    wb.close_case("HS-1", "done")
    with pytest.raises(Refused):
        investigation.export_trace(wb, trace, tmp_path / "t.kml", PURPOSE)
    assert wb.audit()[-1].action == "trace.export.refused"
    assert not list(tmp_path.glob("*.kml"))


def test_it_is_logged_and_whole(wb, tmp_path):
    trace = wb.trace(PLATE, PURPOSE)
    data = investigation.trace_bytes(wb, trace, "kml", PURPOSE)
    assert (wb.audit()[-1].action, wb.audit()[-1].case_id) == ("trace.export", "HS-1")
    assert written(wb, trace, tmp_path / "t.kml").read_bytes() == data
    for name in ("t.kml", "t.shp", "no/t.kml"):
        with pytest.raises(BadInput):
            investigation.export_trace(wb, trace, tmp_path / name, PURPOSE)
    assert not list(tmp_path.glob(f"{files.TEMPORARY}*"))


def test_the_command(wb, tmp_path, monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr(sys, "argv", ["workbench", "trace", str(wb.root), PLATE, *words])
        try:
            cli.main()
        except SystemExit as ended:
            return ended.code or 0
        return 0

    case = ["--case", "HS-1", "--reason", "find it"]
    assert run(*case, "--out", str(tmp_path / "a.geojson")) == 0
    assert json.loads((tmp_path / "a.geojson").read_text())["features"]
    assert run(*case, "--out", str(tmp_path / "a.txt")) == 2
    assert "Name the file .geojson, .gpkg or .kml" in capsys.readouterr().err
    assert run(*case, "--out", str(tmp_path / "a.geojson")) == 2
    assert run("--out", str(tmp_path / "b.kml")) == 3
