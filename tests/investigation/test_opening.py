"""Offence, category and people of a case: given, changed with a reason, and what they bind."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace

import pytest

from workbench.cases.particulars import with_particulars
from workbench.errors import BadInput, Refused
from workbench.investigation import (
    add_person,
    approve_faces,
    case_file,
    case_history,
    change_case,
    open_workbench,
)
from workbench.investigation.people import cases_of
from workbench.monitoring import rebuild
from workbench.records import Case, Purpose
from workbench.store import journal
from workbench.store.categories import CATEGORIES, DAYS, OFFENCES, holds_now, kept_until_ns
from workbench.store.tables import ADDED
from workbench.timeline import SECOND_NS, Span, parse_instant

START = parse_instant("2026-11-20T07:15:00+07:00")
PERIOD = Span(START - 60 * SECOND_NS, START + 60 * SECOND_NS)
CASE = Case("HS-1", "The grey van", "Decision 12", "find who left it", PERIOD)
PURPOSE = Purpose("HS-1", "the one who left the van")
SECRET = "sông Ngũ Huyện Khê"
DAY_NS = 86_400 * SECOND_NS


@pytest.fixture
def wb(tmp_path, ward_folder):
    return open_workbench(
        tmp_path / "root", actor="thu", now=lambda: START, create_from=ward_folder
    )


def given(**more):
    return with_particulars(CASE, **more)


def test_given_at_the_opening_changed_with_a_reason_and_earlier_versions_stay(wb):
    made = wb.open_case(given(offence=" leaving the\nscene ", category="traffic"))
    assert (made.offence, made.category, made.people) == ("leaving the scene", "traffic", ())
    change_case(wb, "HS-1", "it was a theft", offence="theft", category="criminal", people=["lan"])
    after = wb._store.case("HS-1")
    assert (after.offence, after.category, after.people) == ("theft", "criminal", ("lan",))
    assert [one.category for one in wb._store.case_versions("HS-1")] == ["traffic", "criminal"]
    opened, changed = case_history(wb, PURPOSE)
    assert (opened.act, opened.details["category"]) == ("case.open", "traffic")
    assert (changed.actor, changed.reason) == ("thu", "it was a theft")
    assert changed.details == {
        "offence": ["leaving the scene", "theft"], "category": ["traffic", "criminal"],
        "people": [[], ["lan"]],
    }  # fmt: skip
    change_case(wb, "HS-1", "everybody helps", people=[])
    assert wb._store.case("HS-1").people == ()
    assert wb.verify() == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"category": "murder"}, "no category of cases"),
        ({"offence": "x" * 201}, "201 signs"),
        ({"people": ["Lan Anh"]}, "no name for signing in"),
        ({"people": [f"a{n}" for n in range(101)]}, "too many"),
        ({"category": "training"}, "never becomes one for training"),
        ({}, "nothing of case HS-1 would change"),
        ({"offence": "", "category": "traffic"}, "nothing of case HS-1 would change"),
    ],
)
def test_what_cannot_be_kept_is_a_sentence_and_changes_nothing(wb, change, said):
    before = wb.open_case(given(category="traffic"))
    with pytest.raises(BadInput, match=said):
        change_case(wb, "HS-1", "why", **change)
    for reason in ("", " ", "x" * 501):
        with pytest.raises(BadInput, match="a reason"):
            change_case(wb, "HS-1", reason, offence="theft")
    assert wb._store.case_versions("HS-1") == [before]


def test_a_case_for_training_is_one_by_its_category_and_stays_one(wb):
    assert wb.open_case(given(category="training")).training
    with pytest.raises(BadInput, match="only then"):
        change_case(wb, "HS-1", "why", category="criminal")
    with pytest.raises(BadInput, match="only then"):
        wb.open_case(replace(CASE, case_id="HS-2", training=True, category="criminal"))


def test_whom_a_case_does_not_name_neither_searches_nor_sees_it(wb):
    for name, role in (("lan", "investigator"), ("tu", "investigator"), ("minh", "approver"),
                       ("ky", "operator")):  # fmt: skip
        add_person(wb, name, [role], SECRET)
    lan, tu, minh, ky = (wb.as_actor(name) for name in ("lan", "tu", "minh", "ky"))
    with pytest.raises(BadInput, match="nobody of the name nobody"):
        lan.open_case(given(people=["nobody"]))
    # whoever opens it works on it
    assert lan.open_case(given(people=["minh"])).people == ("minh", "lan")
    camera = next(iter(wb.ward.cameras))
    for outsider in (tu, ky):
        assert cases_of(outsider) == []
        for act in (
            lambda one: one.sightings(PURPOSE),
            lambda one: one.search_plate("99B1-123.45", PURPOSE),
            lambda one: one.grant([camera], PURPOSE),
            lambda one: case_file(one, PURPOSE),
            lambda one: change_case(one, "HS-1", "let me in", people=[one.actor]),
            lambda one: one.close_case("HS-1", "away with it"),
        ):
            with pytest.raises(Refused, match=r"does not work on case HS-1|none of the roles"):
                act(outsider)
    assert wb.audit()[-1].action == "case.close.refused"
    # an approver decides on the work of others
    assert [one.case_id for one in cases_of(minh)] == ["HS-1"]
    case_file(minh, PURPOSE)
    with pytest.raises(BadInput, match="no face request"):
        approve_faces(minh, "KM-0000000000", "why")
    token = lan.grant([camera], PURPOSE)
    assert wb.honour(token).actor == "lan"
    change_case(lan, "HS-1", "tu takes over", people=["tu"])
    tu.sightings(PURPOSE)
    # leave that was given before ends with it
    with pytest.raises(Refused, match="does not work on case"):
        wb.honour(token)
    with pytest.raises(Refused, match="does not work on case"):
        lan.sightings(PURPOSE)


def test_of_a_closed_case_only_an_approver_changes_anything(wb):
    wb.open_case(given(category="traffic"))
    for name, role in (("lan", "investigator"), ("minh", "approver")):
        add_person(wb, name, [role], SECRET)
    wb.as_actor("lan").close_case("HS-1", "done")
    assert wb._store.case("HS-1").closed_at_ns == START
    with pytest.raises(Refused, match="roles"):
        change_case(wb.as_actor("lan"), "HS-1", "shorter", category="other")
    change_case(wb.as_actor("minh"), "HS-1", "an appeal", category="criminal")
    after = wb._store.case("HS-1")
    assert (after.closed, after.closed_at_ns, after.category) == (True, START, "criminal")
    wb.close_case("HS-1", "again")
    assert wb._store.case("HS-1") == after


def test_a_closed_case_holds_for_whole_local_days_after_the_day_it_was_closed():
    case = replace(CASE, category="other", closed=True, closed_at_ns=START)
    midnight = parse_instant("2026-11-20T00:00:00+07:00")
    until = kept_until_ns(case, {"other": 2})
    assert until == midnight + 3 * DAY_NS
    assert holds_now(case, until - 1, {"other": 2})
    assert not holds_now(case, until, {"other": 2})
    assert not holds_now(case, START - 1, {"other": 0})  # whatever the clocks say
    assert holds_now(replace(case, closed=False), 2**62, {"other": 0})
    assert not holds_now(replace(case, category=""), START)  # as before there were categories
    for key, one in CATEGORIES.items():
        assert one.days == DAYS[key] > 0
        assert one.basis
    assert OFFENCES.keys() == CATEGORIES.keys()


def older(root):
    """Make a root's catalogue and journal as a workbench without these columns left them."""
    names = [one.split()[0] for one in ADDED["cases"]]
    with closing(sqlite3.connect(root / "catalogue.sqlite")) as db:
        for name in names:
            db.execute(f"ALTER TABLE cases DROP COLUMN {name}")
        db.commit()
    return names


def test_an_older_root_opens_and_its_cases_are_as_they_were(wb):
    before = [wb.open_case(CASE), wb.open_case(replace(CASE, case_id="HS-2", cameras=()))]
    wb.close_case("HS-2", "done")
    older(wb.root)
    again = open_workbench(wb.root, actor="thu", now=lambda: START + DAY_NS)
    assert again.cases() == [before[0], replace(before[1], closed=True)]
    assert len(again._store.case_versions("HS-2")) == 2
    assert again.verify() == []
    change_case(again, "HS-1", "what it is about", category="missing")
    # when an old one was closed stands in the log
    assert change_case(again, "HS-2", "the same", category="missing").closed_at_ns == START
    with (
        pytest.raises(sqlite3.IntegrityError, match="versions"),
        closing(sqlite3.connect(wb.root / "catalogue.sqlite")) as db,
    ):
        db.execute("UPDATE cases SET category = ''")


def test_a_rebuild_takes_cases_of_an_older_journal_and_catalogue(wb, tmp_path):
    wb.open_case(CASE)
    names = older(wb.root)
    lines = []
    for path in (wb.root / "journal").glob("*.jsonl"):
        for text in path.read_text().splitlines():
            facts = journal.unsealed(text)
            for name in names:
                facts["row"].pop(name, None)
            lines.append(facts)
            path.write_text(journal.sealed(facts) + "\n")
    assert [one["table"] for one in lines] == ["cases"]
    # the whole journal is lost, and the old catalogue is what is left
    for path in (wb.root / "journal").glob("*.jsonl"):
        path.rename(tmp_path / path.name)
    made = rebuild(wb.root, actor="thu", now=lambda: START)
    assert made.copied["cases"] == 1
    assert [one.case_id for one in open_workbench(wb.root, actor="thu").cases()] == ["HS-1"]
    # and the other way: the journal alone
    for path in (*wb.root.glob("catalogue*"), *(wb.root / "journal").glob("*.jsonl")):
        path.unlink()
    for path in tmp_path.glob("*.jsonl"):
        path.rename(wb.root / "journal" / path.name)
    rebuild(wb.root, actor="thu", now=lambda: START)
    (case,) = open_workbench(wb.root, actor="thu").cases()
    assert (case.case_id, case.category, case.people) == ("HS-1", "", ())
