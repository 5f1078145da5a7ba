"""A simulated scenario as it lies in a folder, and its degraded tables written beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from workbench.errors import N_, BadInput
from workbench.store import files
from workbench.timeline import SECOND_NS, Span
from workbench.twin.traffic.degradation import Degraded, Knobs, degrade, settings


@dataclass(frozen=True, slots=True, eq=False)
class Simulated:
    """What is needed of a scenario to degrade it or to draw it; ``scenario`` is scenario.json."""

    passes: pa.Table
    cameras: pa.Table
    span: Span
    scenario: dict[str, Any]


def write_table(table: pa.Table, path: Path) -> None:
    """Write a table, whole or not at all."""
    with files.replacing(path) as temporary:
        pq.write_table(table, temporary, compression="zstd")


def open_simulated(folder: Path) -> Simulated:
    """Read a folder that a simulation was written into.

    Raises
    ------
    BadInput
        Where it holds none, or an unfinished one.
    """
    try:
        scenario = json.loads((folder / "scenario.json").read_text())
        passes = pq.read_table(folder / "passes.parquet")
        cameras = pq.read_table(folder / "cameras.parquet")
        start_ns, hours = int(scenario["start_ns"]), float(scenario["hours"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            N_("this folder holds no finished simulation ({said})"),
            N_("make one with 'workbench twin simulate'"),
            where=str(folder),
            said=str(error).splitlines()[0][:120] if str(error) else type(error).__name__,
        ) from None
    span = Span(start_ns, start_ns + round(hours * 3600 * SECOND_NS))
    return Simulated(passes, cameras, span, scenario)


def degrade_folder(truth: Path, out: Path, knobs: Knobs, seed: int) -> Degraded:
    """Degrade a scenario and write ``<table>.parquet`` and ``degraded.json`` into a folder."""
    one = open_simulated(truth)
    made = degrade(one.passes, one.cameras, one.span, knobs, seed)
    for part in fields(made):
        write_table(getattr(made, part.name), out / f"{part.name}.parquet")
    told = {**settings(knobs, seed), "scenario_seed": one.scenario["seed"]}
    files.write_bytes(out / "degraded.json", (json.dumps(told, indent=1) + "\n").encode())
    return made
