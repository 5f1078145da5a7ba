"""The ward's tables: the shipped ones hold, and every planted fault is told in a sentence."""

from __future__ import annotations

import csv
import io
import math
import re
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyogrio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from make.ward_faults import ADVICE, STOPS, cell, crs, document, geometry, rewrite
from make.wards import copy_ward, edit_cameras, edit_features, set_cell
from pyproj import Geod
from shapely.geometry import Point

from workbench import ward
from workbench.errors import BadInput
from workbench.optics import view_cone
from workbench.roads import RoadGraph

GEOD = Geod(ellps="WGS84")


@pytest.fixture
def folder(ward_folder: Path, tmp_path: Path) -> Path:
    return copy_ward(ward_folder, tmp_path / "ward")


@pytest.fixture(scope="module")
def loaded(ward_folder: Path) -> ward.Ward:
    return ward.load(ward_folder)


# -- the shipped ward ------------------------------------------------------------------------


def test_shipped_tables_have_no_finding(ward_folder: Path) -> None:
    assert [str(finding) for finding in ward.check(ward_folder)] == []


def test_shipped_ward_is_the_one_ordered(loaded: ward.Ward) -> None:
    assert len(loaded.sites) == 26
    assert len(loaded.cameras) == 77
    assert len({site.neighbourhood for site in loaded.sites.values()}) == 3
    with_plate = {c.site_id for c in loaded.cameras.values() if c.kind == "plate"}
    assert with_plate == set(loaded.sites)
    for branch in ("fibre_branch", "power_branch"):
        assert min(Counter(getattr(s, branch) for s in loaded.sites.values()).values()) >= 3


def test_counts_in_the_readme_are_those_of_the_tables(loaded: ward.Ward, ward_folder: Path) -> None:
    text = (ward_folder / "README.md").read_text("utf-8")
    kinds = Counter(camera.kind for camera in loaded.cameras.values())
    assert f"{len(loaded.sites)} points" in text
    assert (
        f"{len(loaded.cameras)} rows, {kinds['plate']} plate and {kinds['overview']} overview"
        in text
    )
    assert f"{len(loaded.roads)} lines, {loaded.roads['length_m'].sum() / 1000:.0f} km" in text


def test_shipped_positions_lie_within_the_stated_box(loaded: ward.Ward) -> None:
    things = [*loaded.sites.values(), *loaded.cameras.values()]
    assert all(105.959959 <= thing.lon_deg <= 105.982962 for thing in things)
    assert all(21.071045 <= thing.lat_deg <= 21.10484 for thing in things)


def test_shipped_rear_cameras_stand_on_the_side_that_drives_away(loaded: ward.Ward) -> None:
    # Traffic keeps right: seen along the heading, the road lies to the left of a camera that is
    # shown rears on the near lane, and to the right of one that is shown fronts.
    lines = dict(zip(loaded.roads["edge_id"], loaded.roads.geometry, strict=True))
    for camera in loaded.cameras.values():
        if camera.kind != "plate":
            continue
        at = Point(camera.lon_deg, camera.lat_deg)
        line = lines[camera.road_edge]
        foot = line.interpolate(line.project(at))
        to_road = GEOD.inv(at.x, at.y, foot.x, foot.y)[0]
        turn = (to_road - camera.heading_deg + 180) % 360 - 180
        assert (turn < 0) == (camera.sees == "rear"), camera.camera_id


def test_names_are_those_of_their_dates(loaded: ward.Ward) -> None:
    assert loaded.area_name(date(2025, 6, 30)) == "Phường Phù Chẩn"
    assert loaded.area(date(2025, 6, 30))["code"] == "09397"
    assert loaded.area_name(date(2025, 7, 1)) == "Phường Từ Sơn"
    assert loaded.area(date(2026, 11, 20))["code"] == "09367"


def test_notice_says_that_positions_are_illustrative(loaded: ward.Ward) -> None:
    assert "minh họa" in loaded.notice
    assert "illustrative" in loaded.notice_in("en")
    assert loaded.notice_in("fr")


def test_unknown_camera_is_refused_with_an_example(loaded: ward.Ward) -> None:
    with pytest.raises(BadInput, match="no camera S99-P1"):
        loaded.camera("S99-P1")
    assert loaded.site_of("S10-P1").name == "Cổng VSIP"
    assert [c.camera_id for c in loaded.cameras_at("S24")] == ["S24-P1", "S24-V1"]


# -- planted faults --------------------------------------------------------------------------


@pytest.mark.parametrize("fault", STOPS)
def test_planted_fault_is_told_with_file_row_and_remedy(folder: Path, fault: str) -> None:
    plant, file, row, words, remedy = STOPS[fault]
    plant(folder)
    findings = [f for f in ward.check(folder) if not isinstance(f, ward.Advice)]
    told = [f for f in findings if f.where == file and words in str(f)]
    assert told, [str(f) for f in findings]
    assert len(told) == 1
    sentence = str(told[0])
    assert row in sentence
    assert remedy.lower() in sentence.lower()
    assert "{" not in sentence


@pytest.mark.parametrize("fault", ADVICE)
def test_advice_is_given_and_does_not_stop_the_ward(folder: Path, fault: str) -> None:
    plant, file, place, words = ADVICE[fault]
    plant(folder)
    (finding,) = ward.check(folder)
    assert isinstance(finding, ward.Advice)
    assert finding.where == file
    assert place in str(finding)
    assert words in str(finding)
    assert "secret" not in str(finding)
    assert [str(f) for f in ward.load(folder).advice] == [str(finding)]


def test_dates_without_a_name_are_refused_not_guessed(folder: Path) -> None:
    ADVICE["days without a name"][0](folder)
    with pytest.raises(BadInput, match="2025-07-03"):
        ward.load(folder).area_name(date(2025, 7, 3))


def test_one_fault_stops_the_ward_with_its_own_sentence(folder: Path) -> None:
    set_cell(folder, 5, "heading_deg", "")
    with pytest.raises(BadInput, match=r"^cameras\.csv: row 5: column heading_deg is empty\. Fill"):
        ward.load(folder)


def test_several_faults_are_counted_and_the_cause_comes_first(folder: Path) -> None:
    rewrite("roads.geojson", lambda text: text.replace('"E001"', '"E001x"'))(folder)
    cell(5, "heading_deg", "")(folder)
    geometry("sites.geojson", 3, lambda g: g.update(coordinates=[105.99, 21.09]))(folder)
    with pytest.raises(BadInput) as raised:
        ward.load(folder)
    count = int(re.search(r"(\d+) findings", str(raised.value)).group(1))  # type: ignore[union-attr]
    assert count == len(ward.check(folder)) >= 3
    assert "sites.geojson: feature 3" in str(raised.value)


# -- what spreadsheets leave behind ----------------------------------------------------------


def _from_vietnamese_excel(folder: Path) -> None:
    path = folder / "cameras.csv"
    rows = list(csv.reader(io.StringIO(path.read_text("utf-8"))))
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    for row in rows:
        writer.writerow([re.sub(r"^(-?\d+)\.(\d+)$", r"\1,\2", cell) for cell in row])
    path.write_bytes(b"\xef\xbb\xbf" + out.getvalue().encode())


def test_semicolons_and_decimal_commas_are_read_as_meant_and_said(
    folder: Path, loaded: ward.Ward
) -> None:
    _from_vietnamese_excel(folder)
    (finding,) = ward.check(folder)
    assert "semicolons" in str(finding)
    assert ward.load(folder).cameras == loaded.cameras


@pytest.mark.parametrize(
    "change",
    [
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + ",,,,,,,,,,,,,,\n\n",
        lambda text: "sep=,\n" + text,
        lambda text: text.replace("\n", ",,\n"),
    ],
    ids=["BOM", "Windows line ends", "empty rows below", "Excel's separator line", "empty columns"],
)
def test_harmless_traces_of_a_spreadsheet_are_read_as_meant(
    folder: Path, loaded: ward.Ward, change: Callable[[str], str]
) -> None:
    rewrite("cameras.csv", change)(folder)
    assert ward.check(folder) == []
    assert ward.load(folder).cameras == loaded.cameras


def test_row_numbers_are_those_of_the_spreadsheet(folder: Path) -> None:
    def spread(rows: list[list[str]]) -> None:
        rows[1][2] = "name\nover two lines"  # one row of a spreadsheet, two lines of the file
        rows.insert(3, [])  # an empty row counts
        rows[5][6] = "400"

    edit_cameras(folder, spread)
    (finding,) = ward.check(folder)
    assert "row 6:" in str(finding)


def test_files_written_by_qgis_are_read(folder: Path, loaded: ward.Ward) -> None:
    # QGIS adds a crs member, an altitude where the layer has one, and feature ids.
    def change(features: list[dict[str, Any]]) -> None:
        for number, feature in enumerate(features):
            feature["id"] = number
            feature["geometry"]["coordinates"].append(7.5)

    edit_features(folder, "sites.geojson", change)
    document("sites.geojson", crs=crs("urn:ogc:def:crs:OGC:1.3:CRS84"))(folder)
    assert ward.check(folder) == []
    assert ward.load(folder).sites == loaded.sites


def test_layers_saved_by_gdal_are_read_as_before(folder: Path, loaded: ward.Ward) -> None:
    # GDAL (which QGIS saves with) rewrites every number, and dates where all rows hold one.
    edit_features(
        folder,
        "areas.geojson",
        lambda features: [
            f["properties"].update(
                valid_from=f["properties"]["valid_from"] or "2021-11-01",
                valid_to=f["properties"]["valid_to"] or "2099-12-31",
            )
            for f in features
        ],
    )
    for name in ("areas", "sites", "roads"):
        path = folder / f"{name}.geojson"
        information, rows = pyogrio.read_arrow(path)
        pyogrio.write_arrow(
            rows,
            path,
            driver="GeoJSON",
            geometry_name=information["geometry_name"] or "wkb_geometry",
            geometry_type=information["geometry_type"],
            crs="EPSG:4326",
        )
    assert ward.check(folder) == []
    again = ward.load(folder)
    assert again.sites == loaded.sites
    assert again.roads.drop(columns="geometry").equals(loaded.roads.drop(columns="geometry"))
    assert again.area_name(date(2025, 6, 30)) == "Phường Phù Chẩn"
    with pytest.raises(BadInput, match="no administrative area"):
        again.area(date(2020, 1, 1))


def test_no_notice_where_positions_are_surveyed(folder: Path) -> None:
    (folder / "notice.vi.txt").unlink()
    assert "illustrative" in ward.load(folder).notice  # another language rather than none
    (folder / "notice.en.txt").unlink()
    assert ward.load(folder).notice == ""


# -- whatever is typed, a sentence and never a traceback ---------------------------------------

ODD = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8),
    st.just("10" * 200), st.lists(st.integers(), max_size=2), st.dictionaries(st.text(), st.none()),
)  # fmt: skip


def test_tables_are_read_again_where_a_byte_changed_and_are_nobody_elses(
    ward_folder: Path, tmp_path: Path
) -> None:
    folder = copy_ward(ward_folder, tmp_path / "ward")
    first = ward.load(folder)
    first.roads["seen"] = 1
    first.cameras.clear()
    again = ward.load(folder)
    assert "seen" not in again.roads
    assert len(again.cameras) > 1
    column = (folder / "cameras.csv").read_text("utf-8").splitlines()[0].split(",").index("name")
    edit_cameras(folder, lambda rows: rows[1].__setitem__(column, "another name"))
    assert next(iter(ward.load(folder).cameras.values())).name == "another name"
    (folder / "sites.geojson").unlink()
    with pytest.raises(BadInput, match="missing"):
        ward.load(folder)


fuzz = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _speak(folder: Path) -> None:
    findings = ward.check(folder)
    assert all(map(str, findings))
    if all(isinstance(finding, ward.Advice) for finding in findings):
        # what passes the check is usable in the layers above
        loaded = ward.load(folder)
        graph = RoadGraph(loaded)
        for camera in loaded.cameras.values():
            assert len(view_cone(camera)) > 3
        graph.between(*list(loaded.cameras)[:2])
        if not findings:
            assert loaded.area_name(date(2026, 11, 20))


@fuzz
@given(row=st.integers(2, 78), column=st.integers(0, 14), text=st.text(max_size=12))
def test_any_cell_of_cameras_is_answered_in_sentences(
    ward_folder: Path, tmp_path_factory: pytest.TempPathFactory, row: int, column: int, text: str
) -> None:
    folder = copy_ward(ward_folder, tmp_path_factory.mktemp("fuzz") / "ward")
    edit_cameras(folder, lambda rows: rows[row - 1].__setitem__(column, text))
    _speak(folder)


@fuzz
@given(
    name=st.sampled_from(["sites.geojson", "roads.geojson", "areas.geojson"]),
    number=st.integers(0, 4),
    key=st.integers(0, 6),
    value=ODD,
    part=st.sampled_from(["properties", "geometry", "coordinates"]),
)
def test_any_value_in_a_layer_is_answered_in_sentences(
    ward_folder: Path,
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    number: int,
    key: int,
    value: object,
    part: str,
) -> None:
    folder = copy_ward(ward_folder, tmp_path_factory.mktemp("fuzz") / "ward")

    def change(features: list[dict[str, Any]]) -> None:
        feature = features[number]
        if part == "properties":
            names = list(feature["properties"])
            feature["properties"][names[key % len(names)]] = value
        elif part == "geometry":
            feature["geometry"] = value
        else:
            feature["geometry"]["coordinates"] = [value, 21.09]

    edit_features(folder, name, change)
    _speak(folder)


@fuzz
@given(
    name=st.sampled_from(["cameras.csv", "sites.geojson", "notice.vi.txt"]),
    raw=st.one_of(st.binary(max_size=200), st.text(max_size=80).map(str.encode)),
)
def test_any_bytes_are_answered_in_sentences(
    ward_folder: Path, tmp_path_factory: pytest.TempPathFactory, name: str, raw: bytes
) -> None:
    folder = copy_ward(ward_folder, tmp_path_factory.mktemp("fuzz") / "ward")
    (folder / name).write_bytes(raw)
    _speak(folder)


def test_loaded_numbers_are_finite(loaded: ward.Ward) -> None:
    for camera in loaded.cameras.values():
        numbers = (camera.lon_deg, camera.lat_deg, camera.heading_deg, camera.pixel_sigma_px)
        assert all(map(math.isfinite, numbers))
        assert 0 <= camera.heading_deg < 360
