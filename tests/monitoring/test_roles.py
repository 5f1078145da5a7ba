"""Commands of the recorder and of retention ask for a role, as those of clocks and models do."""

import json
import shutil
from contextlib import suppress

import pytest

from workbench.errors import BadInput, Refused
from workbench.investigation import add_person, change_person, open_workbench
from workbench.monitoring import inventory, open_monitoring, rebuild
from workbench.monitoring.keeping import Caretaker
from workbench.timeline import SECOND_NS, Span

NOW = 1_795_133_700 * SECOND_NS
SECRET = "sông Ngũ Huyện Khê"
SPAN = Span(NOW - 60 * SECOND_NS, NOW)
ROLES = ("investigator", "traffic", "trainer", "approver", "operator", "auditor")
VERBS = {
    "record": lambda house, _root: house.record(),
    "reference": lambda house, _root: house.set_reference("S01-P1", "day"),
    "retention": lambda house, _root: house.keeping.retention(apply=True),
    "protect": lambda house, _root: house.keeping.protect([], SPAN, number="HS-1", reason="r"),
    "lift": lambda house, _root: house.keeping.lift(7, reason="r"),
    "acknowledge": lambda house, _root: house.acknowledge_incident("none"),
    "close": lambda house, _root: house.close_incident("none", "seen"),
    "notify": lambda house, _root: house.try_notices(),
    "import": lambda house, root: inventory.apply_import(house, root / "ward" / "cameras.csv"),
    "discover": lambda house, _root: inventory.discover(house, ["x y"], probe=False),
    "rebuild": lambda house, root: rebuild(root, actor=house.actor, now=house.now),
}
SEARCHERS = {"investigator", "traffic", "trainer"}
MAY = {
    **{verb: {"operator"} for verb in VERBS},
    "protect": {*SEARCHERS, "approver", "operator"},
    "lift": {"approver", "operator"},
}


@pytest.fixture(scope="module")
def manned(tmp_path_factory, ward_folder):
    """A root with a person a role: six slow hashes of passwords, once."""
    folder = tmp_path_factory.mktemp("roles") / "root"
    wb = open_workbench(folder, actor="t", now=lambda: NOW, create_from=ward_folder)
    for role in ROLES:
        add_person(wb, f"x-{role}", [role], SECRET)
    return folder


@pytest.fixture
def root(tmp_path, manned):
    return shutil.copytree(manned, tmp_path / "root")


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_is_for_its_roles_and_a_refusal_is_logged(root, verb):
    for role in ROLES:
        house = open_monitoring(root, actor=f"x-{role}", now=lambda: NOW)
        refused = False
        try:
            VERBS[verb](house, root)
        except Refused as error:
            refused = "none of the roles" in str(error)
        except BadInput:
            pass  # it was let in, and has nothing to work on here
        assert refused == (role not in MAY[verb]), role
        last = house._store.audit()[-1]
        if refused and verb != "rebuild":
            assert (last.actor, last.action.endswith(".refused")) == (f"x-{role}", True)
    machine = open_monitoring(root, actor="t", now=lambda: NOW)
    if verb != "rebuild":  # it is let in as before
        with suppress(BadInput):
            VERBS[verb](machine, root)
        mine = [one.action for one in machine._store.audit() if one.actor == "t"]
        assert not [action for action in mine if action.endswith(".refused")]


def test_what_a_recorder_does_by_itself_goes_on_when_its_starter_is_gone(root):
    (root / "retention.toml").write_text("[default]\ndays = 30\n")
    wb = open_workbench(root, actor="t", now=lambda: NOW)
    house = open_monitoring(root, actor="x-operator", now=lambda: NOW)
    change_person(wb, "x-operator", locked=True)
    with pytest.raises(Refused, match="locked"):
        house.keeping.retention(apply=True)
    assert house.keeping.retention() == []  # to be shown it, nobody needs a role
    keeper = Caretaker(house.keeping, lambda: 0.0)
    keeper._retain()
    refused = [one for one in wb.audit() if one.action == "upkeep.refused"]
    assert len(refused) == 1
    assert json.loads(refused[0].details) == {}
