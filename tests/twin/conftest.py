"""A small scenario on the ward's own tables, planned once."""

from __future__ import annotations

from pathlib import Path

import pytest

from workbench import roads, twin, ward


@pytest.fixture(scope="session")
def tables(ward_folder: Path) -> tuple[ward.Ward, roads.RoadGraph]:
    known = ward.load(ward_folder)
    return known, roads.RoadGraph(known)


@pytest.fixture(scope="session")
def whole(tables: tuple[ward.Ward, roads.RoadGraph]) -> twin.Scenario:
    return twin.plan(*tables, seed=20261120)


@pytest.fixture(scope="session")
def small(tables: tuple[ward.Ward, roads.RoadGraph]) -> twin.Scenario:
    return twin.plan(*tables, seed=5, small=True)
