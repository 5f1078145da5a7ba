"""Rows of docs/lawful-use.md that are about the house as a whole, not about one part of it."""

import dataclasses
import importlib
import inspect
import json
import pkgutil
import re
import sqlite3
from pathlib import Path

import pyarrow as pa
import pytest
from typer.testing import CliRunner

import workbench
from workbench import cli, records
from workbench.cli.stating import stating
from workbench.errors import BadInput
from workbench.investigation import open_workbench
from workbench.store.sightings import FORBIDDEN, refuse_columns
from workbench.store.tables import TABLES
from workbench.timeline import Span
from workbench.views import text

STATED = stating(lambda root, case: None).__code__

NATURE = FORBIDDEN - {"name", "feature"}
"""What no table may say. A site has a name, a map has features: a person has neither here."""
OF_OTHERS = {"Person", "SignIn", "Settings"}
"""Officers on the list, and thresholds of a method."""


def words(name):
    return {name, *name.split("_")}


def test_no_table_of_the_house_says_what_a_person_is():
    base = sqlite3.connect(":memory:")
    base.executescript(TABLES)
    tables = [name for (name,) in base.execute("SELECT name FROM sqlite_master")]
    columns = {
        f"{table}.{row[1]}"
        for table in tables
        for row in base.execute(f"PRAGMA table_info({table})")
    }
    columns |= {f"sightings.{name}" for name in records.SIGHTINGS.names}
    columns |= {f"legs.{name}" for name in records.LEGS.names}
    assert len(columns) > 100
    assert {one for one in columns if words(one.split(".")[1]) & NATURE} == set()
    assert not {one for one in columns if one.split(".")[0] == "sightings"} & {"sightings.name"}


@pytest.mark.parametrize("package", ["records", "store", "cases", "investigation"])
def test_no_record_of_the_house_says_what_a_person_is(package):
    module = importlib.import_module(f"workbench.{package}")
    inside = pkgutil.walk_packages(getattr(module, "__path__", []), f"{module.__name__}.")
    names = [one.name for one in inside]
    found = set()
    for name in [module.__name__, *names]:
        for kind, thing in vars(importlib.import_module(name)).items():
            if dataclasses.is_dataclass(thing) and thing.__module__.startswith(workbench.__name__):
                found |= {f"{kind}.{one.name}" for one in dataclasses.fields(thing)}
    said = {one for one in found if words(one.split(".")[1].lower()) & NATURE}
    assert {one for one in said if one.split(".")[0] not in OF_OTHERS} == set()


@pytest.mark.parametrize(
    "column",
    ["gender", "face_age", "race", "emotion", "risk_score", "giới_tính", "tuổi", "dân_tộc",
     "tôn_giáo", "gioi_tinh", "do_tuoi", "Cảm_xúc"],
)  # fmt: skip
def test_a_table_of_another_system_that_says_it_is_refused_by_name(column):
    with pytest.raises(BadInput, match="who or what a person is"):
        refuse_columns([*records.SIGHTINGS.names, column])


def test_nothing_is_filed_under_a_persons_name():
    stored = pa.schema(list(records.SIGHTINGS))
    assert not [one for one in stored.names if re.search(r"name|owner|driver|holder", one)]


SAME = re.compile(r"\bmatch|khớp|danh tính|identif(y|ied|ication)\b", re.I)
NOT_OF_PEOPLE = {
    "speeds clarify": "phép chiếu mặt đường khớp 300 lần",  # a projection fits points
    "a lead": "không phải danh tính",
    "a bundle's receipt": "không phải kết luận về danh tính",
}


def test_no_text_of_the_house_says_that_a_person_is_someone():
    """Whatever a page, a paper or a command can say, in English and in Vietnamese."""
    known = {str(one.id): str(one.string) for one in text.read_catalogue("vi") if one.id}
    said = [words for one, _file in text.messages() for words in (one, known.get(one, ""))]
    package = Path(workbench.__file__).parent
    pages = [path.read_text("utf-8") for path in package.glob("*/assets/*.html")]
    assert len(said) > 3000
    assert len(pages) > 15
    named = ("faces", "lookout", "case", "bundle")
    helps = [CliRunner().invoke(cli.app, [name, "--help"]).output for name in named]
    found = [
        one
        for one in (*said, *pages, *helps)
        if SAME.search(one) and not any(words in one for words in NOT_OF_PEOPLE.values())
    ]
    assert found == []
    assert SAME.search("these faces match")  # the look sees what it looks for
    assert SAME.search("Khuôn mặt khớp")


def commands_with_a_case(part, before=""):
    for one in part.registered_commands:
        if "case" in inspect.signature(one.callback).parameters:
            yield f"{before}{one.name or one.callback.__name__}", one.callback
    for group in part.registered_groups:
        yield from commands_with_a_case(group.typer_instance, f"{before}{group.name} ")


def test_each_command_that_answers_in_a_case_states_its_legal_basis():
    found = dict(commands_with_a_case(cli.app))
    assert len(found) > 20
    assert {"search", "trace", "bundle", "faces candidates", "case export-notebook"} <= set(found)
    bare = [name for name, callback in found.items() if callback.__code__ is not STATED]
    assert bare == []


def test_results_and_files_state_case_legal_basis_and_reason(tmp_path, ward_folder, monkeypatch):
    root = tmp_path / "root"
    wb = open_workbench(root, actor="t", create_from=ward_folder)
    period = Span(0, 10**18)
    wb.open_case(records.Case("HS-1", "The grey van", "Decision 12/QĐ", "find it", period))

    def said(*words):
        done = CliRunner().invoke(cli.app, list(map(str, words)))
        return done.output

    why = ("--case", "HS-1", "--reason", "who left it")
    line = "case HS-1: The grey van; legal basis: Decision 12/QĐ; reason: who left it"
    assert said("search", root, "99B1-123.45", *why).splitlines()[-1] == line
    out = tmp_path / "legs.json"
    assert line in said("trace", root, "99B1-123.45", *why, "--json", out)
    told = json.loads(out.read_text("utf-8"))
    assert (told["case"], told["legal_basis"]) == ("HS-1", "Decision 12/QĐ")
    assert (told["purpose"], told["legs"]) == ("who left it", [])
    out = tmp_path / "found.json"
    assert line in said("contradictions", root, *why, "--json", out)
    assert json.loads(out.read_text("utf-8"))["legal_basis"] == "Decision 12/QĐ"
    assert line in said("bundle", root, tmp_path / "b.zip", "--plate", "99B1-123.45", *why)
    assert "12/QĐ" not in said("search", root, "99B1-123.45", "--case", "HS-1", "--reason", " ")
