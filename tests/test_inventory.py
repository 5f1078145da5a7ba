"""The inventory: tables of cameras imported, devices found and told apart from the known ones."""

from __future__ import annotations

import csv
import json
import os

import pytest
from lab.onvif import Announcer, OnvifCamera
from typer.testing import CliRunner

from workbench.cli import app
from workbench.errors import BadInput
from workbench.investigation import open_workbench
from workbench.monitoring import inventory, open_monitoring
from workbench.streams import onvif
from workbench.ward import load

BASE = (
    "camera_id,site_id,name,kind,lon_deg,lat_deg,heading_deg,fov_deg,range_m,sees,road_edge,"
    "stream_url\n"
)
NEW = "S01-P9,S01,Mới,plate,105.967281,21.087486,348.3,13,28,rear,E003,rtsp://10.0.0.9/main\n"


@pytest.fixture
def root(tmp_path, ward_folder):
    folder = tmp_path / "root"
    open_workbench(folder, actor="t", create_from=ward_folder)
    return folder


@pytest.fixture
def house(root):
    return open_monitoring(root, actor="t", now=lambda: 1_795_133_700_000_000_000)


def given(tmp_path, text, encoding="utf-8"):
    path = tmp_path / "mới.csv"
    path.write_bytes(text.encode(encoding))
    return path


def cells(root):
    with (root / "ward" / "cameras.csv").open(encoding="utf-8-sig") as file:
        return {row["camera_id"]: row for row in csv.DictReader(file)}


def test_a_table_is_shown_then_applied_and_the_earlier_one_kept(root, house, tmp_path):
    before = (root / "ward" / "cameras.csv").read_bytes()
    rows = cells(root)
    path = given(tmp_path, BASE + NEW + "S01-P1,,,,,,,,,,,rtsp://10.0.0.1/main\nS01-P2" + "," * 11)
    plan = inventory.plan_import(house, path)
    assert plan.faults == []
    assert plan.added == ["S01-P9"]
    assert [(one.camera_id, one.column) for one in plan.changed] == [("S01-P1", "stream_url")]
    assert plan.same == 1
    assert (root / "ward" / "cameras.csv").read_bytes() == before
    _, earlier = inventory.apply_import(house, path)
    assert earlier.read_bytes() == before
    assert earlier.name == "cameras.2026-11-20T00-15-00.000Z.csv"
    after = cells(root)
    assert after.pop("S01-P9")["stream_url"] == "rtsp://10.0.0.9/main"
    assert after["S01-P1"].pop("stream_url") == "rtsp://10.0.0.1/main"
    rows["S01-P1"].pop("stream_url")
    # columns that the table did not have are there now, and empty
    told = [{k: v for k, v in row.items() if v or k in rows["S01-P2"]} for row in after.values()]
    assert told == list(rows.values())
    assert load(root / "ward").cameras["S01-P9"].name == "Mới"
    entry = open_workbench(root, actor="t").audit()[-1]
    assert entry.action == "cameras.import"
    assert json.loads(entry.details)["added"] == ["S01-P9"]
    # a second time it changes nothing and keeps nothing
    plan, earlier = inventory.apply_import(house, path)
    assert (plan.idle, earlier) == (True, None)


def test_a_spreadsheet_under_vietnamese_settings_is_read_as_meant(root, house, tmp_path):
    text = (
        "\ufeffMã camera;Mã điểm;Tên;Loại;Kinh độ (°);Vĩ độ (°);Hướng nhìn;Góc nhìn;Tầm nhìn (m);"
        "Thấy;Đoạn đường;Luồng chính\r\n;;;;;;;;;;;\r\n"
        "S01-P9;S01;Mới;Biển số;105,967281;21,087486;348,3;13;28;Sau;E003;rtsp://10.0.0.9/a\r\n"
    )
    plan = inventory.plan_import(house, given(tmp_path, text))
    assert plan.faults == []
    inventory.apply_import(house, given(tmp_path, text))
    camera = load(root / "ward").cameras["S01-P9"]
    assert (camera.kind, camera.sees, camera.lon_deg) == ("plate", "rear", 105.967281)


FAULTS = {
    "password": (NEW.replace("rtsp://", "rtsp://u:p@"), "credentials.toml"),
    "password in a query": (NEW.replace("/main", "/main?password=x"), "credentials.toml"),
    "no stream": (NEW.replace("rtsp://10.0.0.9/main", "gopher://x"), "no address of a stream"),
    "unknown site": (NEW.replace(",S01,", ",S99,"), "S99, which sites.geojson has not"),
    "unknown road": (NEW.replace("E003", "E999"), "E999, which roads.geojson has not"),
    "swapped": (NEW.replace("105.967281,21.087486", "21.087486,105.967281"), "swapped"),
    "kind": (NEW.replace("plate", "dome"), "kind 'dome' is not known"),
    "number": (NEW.replace("348.3", "north"), "'north' in column heading_deg is not a number"),
    "twice": (NEW + NEW, "S01-P9 is there already (row 2)"),
    "no id": (NEW.replace("S01-P9", ""), "column camera_id: the cell is empty"),
    "capitals": (NEW.replace("S01-P9", "s01-p1"), "the ward calls s01-p1 S01-P1"),
    "bad id": (NEW.replace("S01-P9", "../x"), "cannot be an identifier"),
    "incomplete": ("S01-P9,S01" + "," * 10 + "\n", "column name is empty"),
    "cells": ("S01-P9,S01\n", "has 2 cells"),
    "emptied": ("S01-P1,-" + "," * 10 + "\n", "column site_id is empty"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_each_fault_is_a_sentence_and_nothing_is_applied(root, house, tmp_path, name):
    text, says = FAULTS[name]
    before = (root / "ward" / "cameras.csv").read_bytes()
    path = given(tmp_path, BASE + "S01-P2,,,,,,,,,,,rtsp://10.0.0.2/x\n" * (name == "kind") + text)
    plan = inventory.plan_import(house, path)
    sentences = [one.sentence() for one in plan.faults]
    assert any(says in one and "mới.csv" in one for one in sentences), sentences
    assert not any("u:p@" in one for one in sentences)
    with pytest.raises(BadInput):
        inventory.apply_import(house, path)
    assert (root / "ward" / "cameras.csv").read_bytes() == before
    assert list((root / "ward").glob("cameras.*.csv")) == []


@pytest.mark.parametrize(
    ("text", "says"),
    [("", "empty"), ("a,b\n1,2\n", "no column 'camera_id'"), ("ID;Mã\n1;2\n", "twice")],
)
def test_files_that_are_no_table_of_cameras(house, tmp_path, text, says):
    plan = inventory.plan_import(house, given(tmp_path, text))
    assert says in plan.faults[0].sentence()


def test_another_encoding_is_told(house, tmp_path):
    plan = inventory.plan_import(house, given(tmp_path, BASE + NEW, "utf-16"))
    assert "not UTF-8" in plan.faults[0].sentence()


def secrets(root, camera):
    path = root / "credentials.toml"
    path.write_text(f'[default]\nuser = "{camera.user}"\npassword = "{camera.password}"\n')
    path.chmod(0o600)


def test_known_and_unknown_streams_are_told_apart(root, tmp_path):
    with OnvifCamera(clock_offset_s=120) as camera:
        secrets(root, camera)
        path = given(tmp_path, "camera_id,stream_url\nS01-P1,rtsp://127.0.0.1/main\n")
        inventory.apply_import(open_monitoring(root, actor="t"), path)
        out = tmp_path / "found.csv"
        words = ["cameras", "discover", str(root), "--no-probe", "--wait", "5", "--csv", str(out)]
        done = CliRunner().invoke(app, [*words, "--address", f"127.0.0.1:{camera.port}"])
    assert done.exit_code == 0, done.output
    assert "Lab Cam 7  firmware 1.2.3  clock +120 s" in done.output
    assert "S01-P1: main  H264 1920x1080 15 fps 2048 kbit/s" in done.output
    assert "not in cameras.csv: sub" in done.output
    assert camera.password not in done.output
    table = open_monitoring(root, actor="t")
    # what was written can be completed and read back
    assert inventory.plan_import(table, out).faults == []


def test_no_digest_goes_to_a_stranger(root):
    with OnvifCamera() as camera, Announcer(camera.service) as announcer:
        secrets(root, camera)
        (one,) = inventory.discover(
            open_monitoring(root, actor="t"),
            interfaces=["127.0.0.1"],
            wait_s=1,
            port=announcer.port,
        )
        assert not any("Password" in body for body in camera.seen)
    assert one.device.name == "Lab Cam L7"
    assert "not signed in" in one.device.trouble.sentence()


def test_cli_lists_and_imports(root, tmp_path):
    run = CliRunner()
    done = run.invoke(app, ["cameras", "list", str(root)])
    assert "S01-P1" in done.output
    assert "77 cameras" in done.output
    path = given(tmp_path, BASE + NEW)
    shown = run.invoke(app, ["cameras", "import", str(root), str(path)])
    assert "add     S01-P9" in shown.output
    assert "S01-P9" not in cells(root)
    done = run.invoke(app, ["cameras", "import", str(root), str(path), "--apply"])
    assert done.exit_code == 0, done.output
    assert "S01-P9" in cells(root)
    bad = run.invoke(app, ["cameras", "import", str(root), os.devnull, "--apply"])
    assert bad.exit_code == 1


@pytest.mark.parametrize("column", ["stream_url", "substream_url", "fallback_url", "boost_url"])
@pytest.mark.parametrize("known", [True, False])
def test_an_unusable_address_in_any_column_is_refused(house, root, tmp_path, column, known):
    before = cells(root)
    text = f"camera_id,{column}\nS01-P1,ftp://x/y\n"
    if not known and column == "stream_url":
        text = BASE + NEW.replace("rtsp:", "ftp:")
    elif not known:
        text = BASE.strip() + f",{column}\n" + NEW.strip() + ",ftp://x/y\n"
    with pytest.raises(BadInput, match="ftp"):
        inventory.apply_import(house, given(tmp_path, text))
    assert cells(root) == before


def test_places_for_credentials_are_no_credentials(house, root, tmp_path):
    url = "http://10.0.0.9/live?user={user}&password={password}"
    inventory.apply_import(house, given(tmp_path, f"camera_id,stream_url\nS01-P1,{url}\n"))
    assert cells(root)["S01-P1"]["stream_url"] == url
    plan = inventory.plan_import(
        house, given(tmp_path, f"camera_id,stream_url\nS01-P1,{url[:-10]}hush\n")
    )
    assert "a name or a password" in plan.faults[0].sentence()


def test_no_cell_of_a_strangers_table_is_a_formula(root, house, tmp_path):
    hostile = '=WEBSERVICE("http://thief.example")'
    shown = onvif.Profile("t", "main", "H264", 1920, 1080, 15, 0, "")
    device = onvif.Device("10.0.0.9", "http://10.0.0.9/", hostile, maker="@x", profiles=(shown,))
    (row,) = csv.DictReader(inventory.found_csv([inventory.Found(device, ("",), ())]).splitlines())
    assert (row["name"], row["maker"], row["stream_url"]) == ("'" + hostile, "'@x", "")
    assert row["remark"] == "no usable address of main"


@pytest.mark.parametrize(
    "name",
    ["xn--.é..", "a" * 70, "a" * 100_000, "..", "é" * 64, "\0", "xn--\udcff", "a..b", "[::1"],
    ids=lambda name: ascii(name[:8]),
)
def test_a_name_that_no_host_can_have_is_a_sentence(root, name):
    words = ["cameras", "discover", str(root), "--address", name, "--no-probe", "--wait", "0.2"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code in (1, 2)
    assert not isinstance(done.exception, TypeError | UnicodeError | OSError), done.exception
    assert len(done.output) < 1000
