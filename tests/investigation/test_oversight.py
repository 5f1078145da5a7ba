"""An auditor sees how the house is used, and nobody else's plates; a cut log is said."""

import sqlite3
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from workbench.cli import app
from workbench.errors import BadInput, Refused
from workbench.investigation import add_person, inspect, open_workbench, page_of, write_inspected
from workbench.investigation.people import sign_in
from workbench.records import Case, Purpose
from workbench.timeline import SECOND_NS, Span, parse_instant
from workbench.views.text import translator

START = parse_instant("2026-11-20T07:15:00+07:00")
CASE = Case(
    "HS-1", "Collision", "Decision 12", "clarify",
    Span(START - 3600 * SECOND_NS, START + 3600 * SECOND_NS),
)  # fmt: skip
PURPOSE = Purpose("HS-1", "<b>find</b> the grey van")
SECRET = "sông Ngũ Huyện Khê"
EN, VI = translator("en"), translator("vi")


@pytest.fixture
def wb(tmp_path, ward_folder):
    made = open_workbench(
        tmp_path / "root",
        actor="root",
        now=lambda: START + 7200 * SECOND_NS,
        create_from=ward_folder,
    )
    made.open_case(CASE)
    for name, role in (("hoa", "auditor"), ("lan", "investigator"), ("nam", "approver")):
        add_person(made, name, [role], SECRET)
    lan = made.as_actor("lan")
    lan.search_plate("99B1-123.45", PURPOSE)
    with pytest.raises(Refused):
        lan.search_plate("99B1-123.45", replace(PURPOSE, reason=""))
    return made


def entered(wb, name):
    return wb.as_actor(name, sign_in(wb, name, SECRET))


def test_only_an_auditor_sees_it_and_that_is_logged(wb):
    for name in ("lan", "nam"):
        with pytest.raises(Refused, match="auditor"):
            inspect(entered(wb, name))
    found = inspect(entered(wb, "hoa"))
    assert found.faults == ()
    assert {one.name for one in found.use.by_actor} >= {"lan", "nam", "root"}
    assert found.use.without_answer == 1
    assert [one.action for one in found.use.refused] == [
        "search.refused", "audit.refused", "audit.refused",
    ]  # fmt: skip
    assert wb.audit()[-1].action == "audit"
    assert wb.audit()[-1].actor == "hoa"
    assert found.head_seq == len(wb.audit()) - 1


@pytest.mark.parametrize("tr", [EN, VI])
def test_the_page_holds_no_plate_and_what_officers_wrote_stays_text(wb, tr):
    page = page_of(wb, inspect(wb), tr)
    assert "99B1" not in page
    assert "<b>find" not in page
    assert "lan" in page
    assert "HS-1" in page
    assert f"<p>{tr('none')}</p>" in page  # no export yet
    assert "None" not in page


def test_a_log_that_was_cut_is_said_and_exits_with_one(wb, tmp_path):
    with sqlite3.connect(wb.root / "catalogue.sqlite") as db:
        for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'"):
            db.execute(f'DROP TRIGGER "{name}"')
        db.execute("DELETE FROM audit WHERE seq = 3")
    found = inspect(wb)
    assert found.faults
    assert "broken" in page_of(wb, found, VI)
    done = CliRunner().invoke(app, ["audit", str(wb.root)])
    assert done.exit_code == 1


def test_the_report_is_written_as_pdf_and_html_and_nowhere_else(wb, tmp_path):
    found = inspect(wb, Span(START, START + 10**13))
    write_inspected(wb, found, tmp_path / "use.pdf", VI)
    assert (tmp_path / "use.pdf").read_bytes().startswith(b"%PDF")
    write_inspected(wb, found, tmp_path / "use.html", VI)
    assert "Nhật ký" in (tmp_path / "use.html").read_text("utf-8")
    for path in (tmp_path / "use.txt", tmp_path / "none" / "use.pdf"):
        with pytest.raises(BadInput, match="pdf"):
            write_inspected(wb, found, path, VI)


def test_an_empty_root_and_the_command_line(tmp_path, ward_folder):
    open_workbench(tmp_path / "root", actor="root", create_from=ward_folder)
    done = CliRunner().invoke(app, ["audit", str(tmp_path / "root"), "--from", START_TEXT])
    assert done.exit_code == 0
    assert "0 acts" in done.output


START_TEXT = "2200-01-01T00:00:00+07:00"
