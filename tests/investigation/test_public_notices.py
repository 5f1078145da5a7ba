"""The record of public notices: by site, dated, never changed, its gaps said where people look."""

import json

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from workbench.cli import app, main
from workbench.errors import BadInput, Refused
from workbench.investigation import (
    add_person,
    inspect,
    notices_of,
    open_workbench,
    page_of,
    record_notice,
)
from workbench.store.public_notices import PublicNotices
from workbench.timeline import SECOND_NS, parse_instant
from workbench.views.text import translator

NOW = parse_instant("2026-11-20T07:15:00+07:00")
DAY_NS = 86_400 * SECOND_NS
SECRET = "sông Ngũ Huyện Khê"


@pytest.fixture
def wb(tmp_path, ward_folder):
    clock = {"ns": NOW}
    made = open_workbench(
        tmp_path / "root", actor="t", now=lambda: clock["ns"], create_from=ward_folder
    )
    made.clock = clock
    return made


def lacks(wb):
    return {one.site_id: one.lack for one in notices_of(wb)}


def test_each_site_is_without_a_notice_until_somebody_has_seen_one(wb):
    assert set(lacks(wb)) == {camera.site_id for camera in wb.ward.cameras.values()}
    assert set(lacks(wb).values()) == {"no record"}
    site = next(iter(lacks(wb)))
    done, data = cv2.imencode(".png", np.zeros((8, 8, 3), np.uint8))
    assert done
    one = record_notice(
        wb,
        site,
        seen_on="2026-11-20",
        what="cổng chợ, biển A3",
        photograph=("a.png", data.tobytes()),
    )
    assert lacks(wb)[site] == ""
    assert one.sha256 in next(e.details for e in wb.audit() if e.action == "public.notice")
    wb.clock["ns"] += 366 * DAY_NS
    assert lacks(wb)[site] == ""
    wb.clock["ns"] += DAY_NS
    assert lacks(wb)[site] == "old"
    record_notice(wb, site, seen_on="2027-11-20", what="chỉ còn cột", missing=True)
    assert lacks(wb)[site] == "missing"
    assert len(PublicNotices(wb.root).all()) == 2
    assert wb.verify() == []


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"site_id": "S99"}, "no site S99"),
        ({"seen_on": "2026-11-21"}, "no day"),  # tomorrow
        ({"seen_on": "20/11/2026"}, "no day"),
        ({"seen_on": "20261120"}, "no day"),
        ({"what": " - "}, "missing, or endless"),
        ({"what": "x" * 501}, "missing, or endless"),
        ({"photograph": ("a.txt", b"text")}, "no photograph"),
    ],
)
def test_what_tells_nothing_is_refused_in_a_sentence(wb, more, said):
    site = next(iter(lacks(wb)))
    words = {"site_id": site, "seen_on": "2026-11-20", "what": "cổng chợ", **more}
    with pytest.raises(BadInput, match=said):
        record_notice(wb, words.pop("site_id"), **words)
    assert PublicNotices(wb.root).all() == []


def test_only_an_operator_on_the_list_records_one(wb):
    add_person(wb, "lan", ["investigator"], SECRET)
    add_person(wb, "nam", ["operator"], SECRET)
    site = next(iter(lacks(wb)))
    with pytest.raises(Refused, match="operator"):
        record_notice(wb.as_actor("lan"), site, seen_on="2026-11-20", what="cổng chợ")
    assert wb.audit()[-1].action == "upkeep.refused"
    assert record_notice(wb.as_actor("nam"), site, seen_on="2026-11-20", what="cổng chợ")


def test_a_changed_dropped_or_added_record_is_found(wb):
    sites = list(lacks(wb))[:2]
    for site in sites:
        record_notice(wb, site, seen_on="2026-11-20", what="cổng chợ")
    path = PublicNotices(wb.root).path
    before = path.read_text("utf-8")
    lines = before.splitlines(keepends=True)
    for text in (
        lines[0],
        before + lines[0],
        lines[1] + lines[0],
        before.replace("chợ", "làng", 1),
    ):
        path.write_text(text, "utf-8")
        assert any("not those of the log" in one for one in wb.verify()), text
    path.write_text(before[:-9], "utf-8")
    assert any("cannot be read or was altered" in one for one in wb.verify())
    path.write_text(before, "utf-8")
    assert wb.verify() == []


def test_auditors_are_told_which_sites_lack_one(wb):
    sites = list(lacks(wb))
    record_notice(wb, sites[0], seen_on="2026-11-20", what="cổng chợ")
    page = page_of(wb, inspect(wb), translator("vi"))
    assert f"<td>{sites[1]}</td>" in page
    assert f"<td>{sites[0]}</td>" not in page
    assert "chưa ghi nhận thông báo nào cho người dân" in page


def test_the_commands_say_it_and_exit_by_it(wb, monkeypatch, capsys):
    root, sites = str(wb.root), list(lacks(wb))
    listed = CliRunner().invoke(app, ["notice", "list", root])
    assert listed.exit_code == 1
    assert f"{len(sites)} without a notice" in listed.output
    for site in sites:
        words = ["notice", "record", root, site, "--on", "2026-01-20", "--what", "cổng chợ"]
        assert CliRunner().invoke(app, words).exit_code == 0
    monkeypatch.setattr("workbench.cli.notices.open_workbench", lambda *_, **__: wb)
    listed = CliRunner().invoke(app, ["notice", "list", root])
    assert listed.exit_code == 0
    assert "stands  2026-01-20" in listed.output
    monkeypatch.setattr("sys.argv", ["workbench", "notice", "record", root, "S99", "--on", "x",
                                     "--what", "y"])  # fmt: skip
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1
    assert json.loads(wb.audit()[-1].details)["state"] == "stands"
