"""docs/schema.md says what the code says: every column, its type, unit and meaning."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest

from workbench.records import LEGS, SIGHTINGS
from workbench.store import Store
from workbench.store.tables import TABLES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "schema.md"


def rows_under(heading: str) -> list[list[str]]:
    """Return the cells of the table under a heading, without its two head lines."""
    part = PAGE.read_text(encoding="utf-8").split(f"\n{heading}\n")[1].split("\n#")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")]
    return [[cell.strip().strip("`") for cell in line.strip("|").split("|")] for line in lines][2:]


@pytest.mark.parametrize(("heading", "schema"), [("## SIGHTINGS", SIGHTINGS), ("## LEGS", LEGS)])
def test_parquet_columns(heading: str, schema: pa.Schema) -> None:
    assert rows_under(heading) == [
        [
            wanted.name,
            str(wanted.type),
            wanted.metadata[b"unit"].decode(),
            "may be" if wanted.nullable else "no",
            wanted.metadata[b"says"].decode(),
        ]
        for wanted in schema
    ]


def test_sqlite_columns(store: Store) -> None:
    with store._catalogue.read() as db:
        names = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        made = {
            name: [(row[1], row[2]) for row in db.execute(f"PRAGMA table_info({name})")]
            for name in names
        }
    assert sorted(re.findall(r"\n### (\w+)\n", PAGE.read_text(encoding="utf-8"))) == sorted(names)
    for name in names:
        rows = rows_under(f"### {name}")
        assert [(column, kind) for column, kind, _ in rows] == made[name], name
        for column, _, says in rows:
            assert says, f"{name}.{column} is not explained"
            assert re.search(rf"\n    {column} [^\n]*-- {re.escape(says)}\n", TABLES), says
