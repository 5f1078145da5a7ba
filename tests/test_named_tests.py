"""The pages that name tests as proof name tests that are there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

HOUSE = Path(__file__).resolve().parent.parent
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


@cache
def functions_of(path):
    tree = ast.parse((HOUSE / path).read_text("utf-8"))
    return {one.name for one in tree.body if isinstance(one, ast.FunctionDef)}


@pytest.mark.parametrize("page", ["security.md", "lawful-use.md"])
def test_each_test_that_is_named_as_proof_is_collected(page):
    named = NAMED.findall((HOUSE / "docs" / page).read_text("utf-8"))
    assert len(named) > 20
    missing = [f"{path}::{name}" for path, name in named if name not in functions_of(path)]
    assert missing == []
    assert all(name.startswith("test_") for _, name in named)


def test_each_row_of_the_pages_names_a_test():
    for page, rows in (("security.md", 15), ("lawful-use.md", 20)):
        text = (HOUSE / "docs" / page).read_text("utf-8")
        found = [line for line in text.splitlines() if line.startswith("|")][2:]
        assert len(found) >= rows, page
        assert [line[:60] for line in found if not NAMED.search(line)] == [], page
