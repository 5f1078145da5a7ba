"""Rows of docs/lawful-use.md that are about the house as a whole, not about one part of it."""

import dataclasses
import importlib
import pkgutil
import re
import sqlite3

import pyarrow as pa
import pytest

import workbench
from workbench import records
from workbench.errors import BadInput
from workbench.store.sightings import FORBIDDEN, refuse_columns
from workbench.store.tables import TABLES

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
