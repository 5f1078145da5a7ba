from __future__ import annotations

from pathlib import Path

import pytest

from workbench.store import Store


@pytest.fixture
def small_ward(tmp_path: Path) -> Path:
    folder = tmp_path / "ward-tables"
    (folder / "plates").mkdir(parents=True)
    (folder / "cameras.csv").write_text("camera_id\nC01\n")
    (folder / "plates" / "grammar.csv").write_text("x\n")
    return folder


@pytest.fixture
def store(tmp_path: Path, small_ward: Path) -> Store:
    return Store.create(tmp_path / "root", small_ward)
