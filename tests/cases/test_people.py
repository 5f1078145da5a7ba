"""What roles and bounds allow, what a password must be, and who has to wait."""

from dataclasses import replace

import pytest
from argon2 import extract_parameters
from hypothesis import given
from hypothesis import strategies as st

from workbench.cases import people
from workbench.cases.people import Throttle, check_person, hash_password, knows_password, permit
from workbench.errors import BadInput, Refused
from workbench.records import Case
from workbench.store.people import ROLES, Person
from workbench.timeline import SECOND_NS, Span

NOW = 1_000 * SECOND_NS
CASE = Case("HS-1", "Collision", "Decision 12", "clarify", Span(0, NOW))
DRILL = replace(CASE, case_id="TL-1", training=True)
LAN = Person("lan", ("investigator",), "x")

MAY = {
    "search": {"investigator", "traffic", "trainer"},
    "follow": {"investigator", "traffic", "trainer"},
    "recognise": {"investigator", "traffic", "trainer"},
    "whatever comes next": {"investigator", "traffic", "trainer"},
    "view": {"investigator", "traffic", "trainer", "operator"},
    "case.open": {"investigator", "traffic", "trainer"},
    "case.close": {"investigator", "traffic", "trainer", "approver"},
    "upkeep": {"operator"},
    "recognise.all": {"operator"},
    "audit": {"auditor"},
}


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("act", MAY)
def test_each_role_may_do_what_the_table_says_and_nothing_else(role, act):
    person = replace(LAN, roles=(role,))
    if role in MAY[act]:
        permit(person, act, now_ns=NOW, case=DRILL)
    else:
        with pytest.raises(Refused, match="roles"):
            permit(person, act, now_ns=NOW, case=DRILL)


def test_a_trainer_stays_with_cases_for_training():
    trainer = replace(LAN, roles=("trainer",))
    permit(trainer, "search", now_ns=NOW, case=DRILL)
    with pytest.raises(Refused, match="trainer"):
        permit(trainer, "search", now_ns=NOW, case=CASE)
    permit(replace(trainer, roles=("trainer", "traffic")), "search", now_ns=NOW, case=CASE)
    # an operator who trains may look, as an operator, and still not search
    with pytest.raises(Refused, match="trainer"):
        permit(replace(trainer, roles=("trainer", "operator")), "search", now_ns=NOW, case=CASE)


def test_bounds_of_a_person_are_narrower_than_those_of_the_case():
    bound = replace(LAN, cameras=("C1",), cases=("HS-1",), until_ns=NOW + 1)
    permit(bound, "view", now_ns=NOW, case=CASE, cameras=("C1",))
    with pytest.raises(Refused, match="C2"):
        permit(bound, "view", now_ns=NOW, case=CASE, cameras=("C1", "C2"))
    with pytest.raises(Refused, match="HS-2"):
        permit(bound, "view", now_ns=NOW, case=replace(CASE, case_id="HS-2"), cameras=("C1",))
    with pytest.raises(Refused, match="ended"):
        permit(bound, "view", now_ns=NOW + 1, case=CASE, cameras=("C1",))
    with pytest.raises(Refused, match="locked"):
        permit(replace(bound, locked=True), "view", now_ns=NOW, case=CASE, cameras=("C1",))


@pytest.mark.parametrize("name", ["", "Lan", "lan ", "../x", "a" * 41, "<b>", "lán", ".lan", "a\n"])
def test_names_that_are_none_are_refused(name):
    with pytest.raises(BadInput, match="name"):
        check_person(name, ["operator"])


@pytest.mark.parametrize("roles", [[], ["admin"], ["operator", "root"]])
def test_roles_that_are_none_are_refused(roles):
    with pytest.raises(BadInput, match="role"):
        check_person("lan", roles)


@pytest.mark.parametrize(
    "password", ["", "short", "aaaaaaaaaaaaaaaa", "this is Lan's own", "x1y2z3" * 50]
)
def test_easy_and_endless_passwords_are_refused(password):
    with pytest.raises(BadInput, match="password"):
        hash_password("lan", password)


def test_a_password_is_kept_as_argon2id_and_known_again():
    hashed = hash_password("lan", "sông Ngũ Huyện Khê")
    assert hashed.startswith("$argon2id$")
    person = replace(LAN, password=hashed)
    assert "argon2" not in repr(person)
    assert knows_password(person, "sông Ngũ Huyện Khê")
    assert not knows_password(person, "sông Ngũ Huyện Khe")
    assert not knows_password(None, "nobody has this password")
    assert not knows_password(replace(person, password="spoilt"), "sông Ngũ Huyện Khê")


def test_a_name_that_nobody_has_costs_as_much_as_any_other():
    made = hash_password("lan", "sông Ngũ Huyện Khê")
    assert extract_parameters(people._NOBODY) == extract_parameters(made)
    people._HASHER.verify(people._NOBODY, "nobody has this password")  # whole, so that it is tried


def test_a_name_that_nobody_has_is_tried_all_the_same(monkeypatch):
    tried = []

    class Counted:
        def verify(self, known, password):
            tried.append(known)
            return hasher.verify(known, password)

    hasher = people._HASHER
    monkeypatch.setattr(people, "_HASHER", Counted())
    assert not knows_password(None, "sông Ngũ Huyện Khê")
    assert tried == [people._NOBODY]


def test_whoever_guesses_waits_and_longer_each_time():
    throttle, now, waits = Throttle(), NOW, []
    for _ in range(12):
        throttle.failed(["name lan", "from 10.0.0.9"], now)
        waits.append(throttle.wait_s(["name lan"], now))
    assert waits[:4] == [0] * 4
    assert waits[4:] == [30, 60, 120, 240, 480, 900, 900, 900]
    assert throttle.wait_s(["name lan"], now + 900 * SECOND_NS) <= 0
    # others at the same address are not kept out by a dozen mistakes
    assert throttle.wait_s(["name minh", "from 10.0.0.9"], now) == 0
    throttle.succeeded(["name lan"])
    assert throttle.wait_s(["name lan"], now) == 0


def test_one_address_that_tries_many_names_waits_too():
    throttle = Throttle()
    for number in range(40):
        throttle.failed([f"name {number}", "from 10.0.0.9"], NOW)
    assert throttle.wait_s(["name new", "from 10.0.0.9"], NOW) == people.LONGEST_WAIT_S
    # and what it sent is forgotten in time
    throttle.failed(["name last"], NOW + 7200 * SECOND_NS)
    assert list(throttle._failed) == ["name last"]


@given(st.lists(st.sampled_from(sorted(ROLES)), min_size=1), st.sampled_from(sorted(MAY)))
def test_more_roles_never_allow_less(roles, act):
    def allowed(some):
        try:
            permit(replace(LAN, roles=tuple(some)), act, now_ns=NOW, case=DRILL)
        except Refused:
            return False
        return True

    assert allowed(roles) == any(allowed([role]) for role in roles)
