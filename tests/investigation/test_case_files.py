"""Subjects, tasks and notes of a case: inside its bounds and roles, logged, found when changed."""

import json

import cv2
import numpy as np
import pytest

from workbench import recognition
from workbench.cases.files import CaseFile
from workbench.errors import BadInput, Refused
from workbench.investigation import (
    add_note,
    add_person,
    add_probes,
    add_subject,
    add_task,
    ask_faces,
    case_file,
    end_task,
    open_workbench,
    subject_photographs,
)
from workbench.investigation.case_files import case_record
from workbench.recognition.models import samples
from workbench.records import Case, Purpose
from workbench.store.case_files import CaseBook
from workbench.timeline import SECOND_NS, Span, parse_instant

START = parse_instant("2026-11-20T07:15:00+07:00")
PERIOD = Span(START - 60 * SECOND_NS, START + 60 * SECOND_NS)
PURPOSE = Purpose("HS-1", "the one who left the van")
SECRET = "sông Ngũ Huyện Khê"


@pytest.fixture(scope="module", autouse=True)
def once():
    """The models, loaded once for all of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        loaded = recognition.load_models()
        patch.setattr(recognition, "load_models", lambda *_: loaded)
        yield


@pytest.fixture
def wb(tmp_path, ward_folder):
    made = open_workbench(
        tmp_path / "root", actor="thu", now=lambda: START, create_from=ward_folder
    )
    made.open_case(Case("HS-1", "The grey van", "Decision 12", "find who left it", PERIOD))
    return made


def png(picture):
    done, data = cv2.imencode(".png", np.ascontiguousarray(picture[:, :, ::-1]))
    assert done
    return data.tobytes()


@pytest.fixture(scope="module")
def portrait():
    return png(samples.portrait())


@pytest.fixture(scope="module")
def small():
    return png(cv2.resize(samples.portrait(), None, fx=0.1, fy=0.1, interpolation=cv2.INTER_AREA))


def test_what_was_written_stands_with_who_and_when_and_is_searched_with(wb, portrait):
    assert case_file(wb, PURPOSE) == CaseFile("HS-1")
    first = add_subject(wb, PURPOSE, " driver of the\ngrey van ", plates=["99b1-123.45"])
    assert first == "DT-1"
    add_probes(wb.as_actor("lan"), PURPOSE, first, plates=["99B1-123.45", "30A-?1234"],
               photographs=[("a.png", portrait)])  # fmt: skip
    task = add_task(wb, PURPOSE, "ask the neighbours", whose="lan", due="2026-11-21")
    add_note(wb, PURPOSE, "called twice")
    end_task(wb.as_actor("lan"), PURPOSE, task, "nobody saw it")
    with pytest.raises(BadInput, match="no open task"):
        end_task(wb, PURPOSE, task, "again")
    found = case_file(wb, PURPOSE)
    (one,) = found.subjects
    assert (one.what, one.written_by) == ("driver of the grey van", "thu")
    assert one.plates == ("99B1-123.45", "30A-?1234")
    assert (one.photographs[0].file, one.photographs[0].quality) == ("a.png", "usable")
    assert (found.tasks[0].done_by, found.tasks[0].outcome) == ("lan", "nobody saw it")
    assert found.notes[0].text == "called twice"
    # a face request takes its photographs
    given = subject_photographs(wb, PURPOSE, first)
    assert given == [("a.png", portrait)]
    camera = next(iter(wb.ward.cameras))
    assert ask_faces(wb, PURPOSE, given, cameras=[camera], span=PERIOD).photographs
    told = case_record(wb, "HS-1")
    assert told["subjects"][0]["photographs"][0]["sha256"] == one.photographs[0].sha256
    # the log says that it was written and looked at, not what
    mine = [entry for entry in wb.audit() if entry.action in ("case.write", "case.file")]
    assert len(mine) == 8
    assert not any(word in str(mine) for word in ("driver", "neighbours", "twice", "99B1"))
    assert all(entry.case_id == "HS-1" for entry in mine)
    assert wb.verify() == []


def test_the_gate_stands_before_a_photograph_is_kept(wb, small):
    with pytest.raises(BadInput, match="cannot be searched with"):
        add_subject(wb, PURPOSE, "the driver", photographs=[("a.png", small)])
    with pytest.raises(BadInput, match="no photograph"):
        add_subject(wb, PURPOSE, "the driver", photographs=[("a.txt", b"text")])
    assert case_file(wb, PURPOSE).subjects == ()
    assert list(CaseBook(wb.root, "HS-1").folder.glob("*.photograph")) == []


@pytest.mark.parametrize(
    ("write", "said"),
    [
        (lambda wb: add_note(wb, PURPOSE, " - "), "nothing in words"),
        (lambda wb: add_note(wb, PURPOSE, "x" * 501), "or too much"),
        (lambda wb: add_subject(wb, PURPOSE, "x", plates=["--"]), "no plate to search for"),
        (lambda wb: add_subject(wb, PURPOSE, "x", plates=["A" * 65]), "no plate to search for"),
        (lambda wb: add_subject(wb, PURPOSE, "x", plates=[f"A{n}" for n in range(9)]), "at most"),
        (lambda wb: add_probes(wb, PURPOSE, "DT-9", plates=["A1"]), "no subject DT-9"),
        (lambda wb: add_probes(wb, PURPOSE, "DT-9"), "no plate and no photograph"),
        (lambda wb: add_task(wb, PURPOSE, "x", due="21/11/2026"), "no day"),
    ],
)
def test_what_says_nothing_is_refused_in_a_sentence(wb, write, said):
    with pytest.raises(BadInput, match=said):
        write(wb)
    assert case_file(wb, PURPOSE) == CaseFile("HS-1")


def test_cases_and_roles_bound_it_as_everything(wb, portrait):
    add_subject(wb, PURPOSE, "the driver", photographs=[("a.png", portrait)])
    add_person(wb, "hoa", ["auditor"], SECRET)
    add_person(wb, "minh", ["approver"], SECRET)
    add_person(wb, "nam", ["investigator"], SECRET, case_ids=[])
    wb.open_case(Case("HS-2", "Another", "Decision 13", "another thing", PERIOD))
    add_person(wb, "tu", ["investigator"], SECRET, case_ids=["HS-2"])
    for name, why in (("hoa", "none of the roles"), ("tu", "does not work on case")):
        for act in (lambda who: case_file(who, PURPOSE), lambda who: add_note(who, PURPOSE, "x"),
                    lambda who: subject_photographs(who, PURPOSE, "DT-1")):  # fmt: skip
            with pytest.raises(Refused, match=why):
                act(wb.as_actor(name))
            assert wb.audit()[-1].action.endswith(".refused")
    minh = wb.as_actor("minh")
    assert case_file(minh, PURPOSE).subjects
    with pytest.raises(Refused, match="none of the roles"):
        add_note(minh, PURPOSE, "x")
    add_note(wb.as_actor("nam"), PURPOSE, "x")
    wb.close_case("HS-1", "done")
    with pytest.raises(Refused, match="closed"):
        add_note(wb, PURPOSE, "x")
    assert case_file(wb, Purpose("HS-2", "why")) == CaseFile("HS-2")


def test_what_was_changed_dropped_or_swapped_is_found(wb, portrait):
    add_subject(wb, PURPOSE, "the driver", photographs=[("a.png", portrait)])
    add_note(wb, PURPOSE, "called twice")
    add_note(wb, PURPOSE, "called again")
    book = CaseBook(wb.root, "HS-1")
    before = book.path.read_text("utf-8")
    lines = before.splitlines(keepends=True)
    forged = json.loads(lines[-1]) | {"facts": {"text": "never called"}}
    altered = [*lines[:-1], json.dumps(forged, sort_keys=True, ensure_ascii=False) + "\n"]
    for text in (lines[:-1], [*lines[:2], lines[3], lines[2]], altered, [before[:-5]]):
        book.path.write_text("".join(text), "utf-8")
        assert any("HS-1" in one for one in wb.verify()), text
    book.path.write_text(before, "utf-8")
    assert wb.verify() == []
    (photograph,) = book.folder.glob("*.photograph")
    photograph.chmod(0o600)
    photograph.write_bytes(b"another")
    assert any("not the one that was given" in one for one in wb.verify())
