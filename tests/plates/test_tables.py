"""The dated tables: what they hold, and that a fault in them is named by file and row."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from workbench.errors import BadInput, Unavailable
from workbench.plates.grammar import load_grammar

TABLES = Path(__file__).resolve().parents[2] / "data" / "plates"


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    return Path(shutil.copytree(TABLES, tmp_path / "plates"))


def test_every_row_names_its_source() -> None:
    for path in TABLES.glob("*.csv"):
        header, *rows = path.read_text(encoding="utf-8").splitlines()
        assert header.endswith("source")
        assert all(row.rpartition(",")[2] for row in rows), path.name


@pytest.mark.parametrize(
    ("name", "old", "new", "where"),
    [
        ("confusables.csv", "0,O,0.2", "0,O,2", "confusables.csv:2"),
        ("confusables.csv", "0,O,0.2", "0,O,little", "confusables.csv:2"),
        ("local_codes.csv", "2025-07-01", "1.7.2025", "local_codes.csv:7"),
        ("layouts.csv", "CCL-DDD.DD", "", "layouts.csv:2"),
        ("series.csv", "A,ordinary,,,", "A,ordinary", "series.csv:2"),
    ],
)
def test_a_planted_fault_is_named(tables: Path, name: str, old: str, new: str, where: str) -> None:
    path = tables / name
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BadInput) as caught:
        load_grammar(tables)
    assert where in caught.value.sentence()


def test_a_missing_table_is_named(tables: Path) -> None:
    (tables / "series.csv").unlink()
    with pytest.raises(Unavailable, match=r"series\.csv"):
        load_grammar(tables)
