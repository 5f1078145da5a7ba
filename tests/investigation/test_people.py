"""People of a root: added, changed, signed in; and each verb asks whether it is theirs."""

import json
import stat
from dataclasses import replace

import pytest

from workbench.errors import BadInput, Damaged, Refused
from workbench.investigation import (
    add_person,
    cases_of,
    change_person,
    list_people,
    open_workbench,
    seen_by,
    use_model,
    use_shipped,
)
from workbench.investigation.people import SIGNED_IN_S, SignIn, sign_in, sign_in_stands, sign_out
from workbench.records import Case, Purpose
from workbench.store.people import People
from workbench.timeline import SECOND_NS, ClockFix, Span, parse_instant

START = parse_instant("2026-11-20T07:15:00+07:00")
PERIOD = Span(START - 3600 * SECOND_NS, START + 3600 * SECOND_NS)
CASE = Case("HS-1", "Collision", "Decision 12", "clarify the collision", PERIOD)
PURPOSE = Purpose("HS-1", "find the grey van")
SECRET = "sông Ngũ Huyện Khê"


class Clock:
    def __init__(self):
        self.ns = START + 7200 * SECOND_NS

    def __call__(self):
        return self.ns


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def wb(tmp_path, ward_folder, clock):
    made = open_workbench(tmp_path / "root", actor="root", now=clock, create_from=ward_folder)
    made.open_case(CASE)
    return made


def entered(wb, name):
    return wb.as_actor(name, sign_in(wb, name, SECRET, origin="10.0.0.9"))


def test_people_are_kept_for_their_owner_only_and_never_under_a_second_name(wb):
    add_person(wb, "lan", ["investigator"], SECRET)
    path = wb.root / "people.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SECRET not in path.read_text("utf-8")
    with pytest.raises(BadInput, match="twice"):
        add_person(wb, "lan", ["operator"], SECRET)
    with pytest.raises(BadInput, match="nobody"):
        change_person(wb, "minh", roles=["operator"])
    with pytest.raises(BadInput, match="nothing"):
        change_person(wb, "lan", roles=["investigator"])
    with pytest.raises(BadInput, match="C-404"):
        add_person(wb, "minh", ["operator"], SECRET, cameras=["C-404"])
    assert [one.name for one in list_people(wb)] == ["lan"]
    log = json.dumps([str(entry) for entry in wb.audit()], ensure_ascii=False)
    assert "people.add" in log
    assert "argon2" not in log
    assert SECRET not in log
    assert wb.verify() == []


def test_a_sign_in_and_each_refusal_stand_in_the_log_and_a_mistyped_name_does_not(wb):
    add_person(wb, "lan", ["investigator"], SECRET)
    sign_in(wb, "lan", SECRET, origin="10.0.0.9")
    for name, password in (("lan", "wrong"), (SECRET, SECRET)):
        with pytest.raises(Refused, match="wrong name or password"):
            sign_in(wb, name, password)
    last = wb.audit()[-3:]
    assert [(entry.actor, entry.action) for entry in last] == [
        ("lan", "sign-in"), ("lan", "sign-in.refused"), ("?", "sign-in.refused"),
    ]  # fmt: skip
    assert SECRET not in str(last)


def test_a_change_of_the_person_ends_their_sign_ins_at_once(wb):
    add_person(wb, "lan", ["investigator"], SECRET)
    lan = entered(wb, "lan")
    token = lan.grant(None, PURPOSE)
    assert wb.honour(token).actor == "lan"
    change_person(wb, "lan", password=SECRET + "!")
    with pytest.raises(Refused, match="sign-in has ended"):
        lan.sightings(PURPOSE)
    assert lan.audit()[-1].action == "search.refused"
    again = wb.as_actor("lan", sign_in(wb, "lan", SECRET + "!"))
    again.sightings(PURPOSE)
    change_person(wb, "lan", locked=True)
    with pytest.raises(Refused, match="locked"):
        sign_in(wb, "lan", SECRET + "!")
    with pytest.raises(Refused, match="locked"):
        wb.honour(token)


def test_a_sign_in_ends_by_itself_and_with_the_account(wb, clock):
    add_person(wb, "lan", ["investigator"], SECRET)
    lan = entered(wb, "lan")
    clock.ns += SIGNED_IN_S * SECOND_NS - 1
    assert sign_in_stands(wb, lan.sign_in)
    clock.ns += 1
    assert not sign_in_stands(wb, lan.sign_in)
    with pytest.raises(Refused, match="sign-in has ended"):
        lan.allow("view")
    change_person(wb, "lan", until_ns=clock.ns + SECOND_NS)
    assert sign_in(wb, "lan", SECRET).until_ns == clock.ns + SECOND_NS


def test_somebody_who_is_not_on_the_list_cannot_have_signed_in(wb, clock):
    forged = wb.as_actor("root", SignIn("root", 1, clock.ns + SECOND_NS))
    with pytest.raises(Refused, match="sign-in has ended"):
        forged.sightings(PURPOSE)
    wb.sightings(PURPOSE)  # the machine's own account, which is on no list


def test_an_auditor_and_an_approver_search_nothing_and_an_operator_looks_only(wb):
    for name, role in (("hoa", "auditor"), ("nam", "approver"), ("tu", "operator")):
        add_person(wb, name, [role], SECRET)
        person = entered(wb, name)
        for verb in (
            lambda who=person: who.sightings(PURPOSE),
            lambda who=person: who.search_plate("99A12345", PURPOSE),
            lambda who=person: who.trace("99A12345", PURPOSE),
            lambda who=person: who.open_case(replace(CASE, case_id="HS-9")),
            lambda who=person: who.estimate(purpose=PURPOSE),
        ):
            with pytest.raises(Refused, match="roles"):
                verb()
    entered(wb, "tu").grant(None, PURPOSE)
    entered(wb, "tu").estimate()
    with pytest.raises(Refused, match="roles"):
        entered(wb, "hoa").grant(None, PURPOSE)
    with pytest.raises(Refused, match="roles"):
        entered(wb, "nam").estimate()


def test_cameras_and_cases_of_a_person_narrow_what_the_case_allows(wb):
    one, other = list(wb.ward.cameras)[:2]
    wb.open_case(replace(CASE, case_id="HS-2"))
    add_person(wb, "lan", ["investigator"], SECRET, cameras=[one], case_ids=["HS-1"])
    lan = entered(wb, "lan")
    assert [case.case_id for case in cases_of(lan)] == ["HS-1"]
    assert seen_by(lan, [other, one]) == (one,)
    assert wb.honour(lan.grant(None, PURPOSE)).cameras == (one,)
    with pytest.raises(Refused, match=other):
        lan.grant([other], PURPOSE)
    with pytest.raises(Refused, match="HS-2"):
        lan.sightings(Purpose("HS-2", "somebody else's case"))
    with pytest.raises(Refused):
        lan.open_case(replace(CASE, case_id="HS-3"))


def test_narrowing_a_person_ends_the_leave_given_before(wb):
    one, other = list(wb.ward.cameras)[:2]
    add_person(wb, "lan", ["investigator"], SECRET)
    token = entered(wb, "lan").grant([one, other], PURPOSE)
    change_person(wb, "lan", cameras=[one])
    with pytest.raises(Refused, match=other):
        wb.honour(token)


@pytest.mark.parametrize(
    "spoilt", ["", "[]", '{"lan": 1}', '{"lan": {"roles": ["king"]}}', "\x00", '{"lan": {}}']
)
def test_a_spoilt_list_lets_nobody_in_and_is_never_written_over(wb, spoilt):
    add_person(wb, "lan", ["investigator"], SECRET)
    lan = entered(wb, "lan")
    path = wb.root / "people.json"
    path.write_text(spoilt)
    with pytest.raises(Damaged, match="people"):
        sign_in(wb, "lan", SECRET)
    with pytest.raises(Damaged):
        lan.sightings(PURPOSE)
    with pytest.raises(Damaged):
        add_person(wb, "minh", ["operator"], SECRET)
    assert path.read_text() == spoilt


@pytest.mark.parametrize("text", ["", "lan", "1.2", "1.2.", "-1.2.lan", "x.2.lan", "١.2.lan"])
def test_what_is_no_sign_in_is_none(text):
    assert SignIn.read(text) is None
    assert SignIn.read(SignIn("lan.x", 3, 7).text()) == SignIn("lan.x", 3, 7)


def test_what_only_operators_do_is_refused_to_others(wb):
    camera = next(iter(wb.ward.cameras))
    fix = ClockFix(camera, PERIOD, SECOND_NS, SECOND_NS, "operator")
    for name, role in (("lan", "investigator"), ("hoa", "auditor"), ("nam", "approver")):
        add_person(wb, name, [role], SECRET)
        for verb in (
            lambda who: who.fix_clock(fix),
            lambda who: who.ingest(wb.root / "x.mp4", camera, START),
            lambda who: use_model(who, "own"),
            use_shipped,
            lambda who: add_person(who, "moi", ["approver"], SECRET),
            lambda who: change_person(who, "lan", roles=["approver"]),
        ):
            with pytest.raises(Refused, match="roles"):
                verb(wb.as_actor(name))
            assert wb.audit()[-1].actor == name
            assert wb.audit()[-1].action.endswith(".refused")
    assert wb.clock_fixes(camera) == []


def test_an_operator_keeps_the_list_but_not_for_himself(wb):
    add_person(wb, "tu", ["operator"], SECRET)
    tu = wb.as_actor("tu")
    add_person(tu, "lan", ["investigator"], SECRET)
    change_person(tu, "lan", locked=True)
    with pytest.raises(Refused, match="another operator"):
        change_person(tu, "tu", roles=["operator", "approver"])
    change_person(tu, "tu", password=SECRET + "!")  # one's own password is one's own
    with pytest.raises(Refused, match="another operator"):
        change_person(tu, "tu", password=SECRET + "?", roles=["operator", "approver"])
    assert [one.roles for one in list_people(wb) if one.name == "tu"] == [("operator",)]


def test_signing_out_ends_that_sign_in_alone_and_is_forgotten_once_it_is_over(wb, clock):
    add_person(wb, "lan", ["investigator"], SECRET)
    one, other = (sign_in(wb, "lan", SECRET) for _ in range(2))
    sign_out(wb, one)
    assert not sign_in_stands(wb, one)
    assert sign_in_stands(wb, other)
    with pytest.raises(Refused, match="sign-in has ended"):
        wb.as_actor("lan", one).sightings(PURPOSE)
    clock.ns += (SIGNED_IN_S + 1) * SECOND_NS
    last = sign_in(wb, "lan", SECRET)
    sign_out(wb, last)
    assert list(People(wb.root).ended()) == [last.number]


def test_footage_of_another_time_is_not_a_persons_to_see(wb):
    middle = START
    add_person(wb, "lan", ["investigator"], SECRET, seen=(middle, 0))
    lan = entered(wb, "lan")
    grant = wb.honour(lan.grant(None, PURPOSE))
    assert grant.span == Span(middle, PERIOD.stop_ns)
    lan.sightings(PURPOSE)  # left open: what both the case and the list allow
    early = Span(PERIOD.start_ns, middle + 1)
    for verb in (
        lambda: lan.sightings(PURPOSE, span=early),
        lambda: lan.grant(None, PURPOSE, span=early),
        lambda: lan.frames(next(iter(wb.ward.cameras)), early, PURPOSE),
    ):
        with pytest.raises(Refused, match="filmed from"):
            verb()
        assert wb.audit()[-1].action.endswith(".refused")
    change_person(wb, "lan", seen=(0, middle))
    with pytest.raises(Refused, match="filmed from"):
        wb.honour(wb.as_actor("lan", None)._signer().dumps(
            ["lan", "HS-1", list(grant.cameras), middle, PERIOD.stop_ns, 2**62]
        ))  # fmt: skip
    change_person(wb, "lan", seen=(PERIOD.stop_ns, 0))
    with pytest.raises(Refused, match="filmed from"):
        entered(wb, "lan").sightings(PURPOSE)
    with pytest.raises(BadInput, match="end before"):
        change_person(wb, "lan", seen=(middle, middle))
    change_person(wb, "lan", seen=(0, 0))
    entered(wb, "lan").sightings(PURPOSE, span=early)
