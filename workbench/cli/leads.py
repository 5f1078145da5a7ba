"""Commands that find leads in a case's links: plates that contradict themselves."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
import typer

from workbench import investigation
from workbench.cli.options import CaseId, Reason, Root
from workbench.errors import N_, BadInput
from workbench.investigation import Contradicted, open_workbench
from workbench.plates import compact
from workbench.records import Purpose
from workbench.store import files
from workbench.trajectories import ALERT_AT, Contradiction
from workbench.views.account import account
from workbench.views.belief import share
from workbench.views.text import clock

app = typer.Typer()
Plate = Annotated[str, typer.Option("--plate", help="Ask about this plate alone.")]
Out = Annotated[Path | None, typer.Option("--json", help="Write all of it here.")]


@app.command()
def contradictions(
    root: Root, case: CaseId = "", reason: Reason = "", plate: Plate = "", out: Out = None
) -> None:
    """Say which plates of a case were read where one vehicle cannot have been. A lead only.

    A plate is told with what speaks for two vehicles and what against; clocks that would explain
    several contradictions at once are told instead of the plates.
    """
    refuse_folder(out)
    wb = open_workbench(root, actor=account())
    found = investigation.contradictions(wb, Purpose(case, reason), plate=plate)
    for line in lines_of(found):
        typer.echo(line)
    if out is not None:
        write_json(out, as_json(found))


def lines_of(found: Contradicted) -> list[str]:
    """Return the answer as lines."""
    lines = [
        line
        for one in found.plates
        for line in _plate_lines(one, found.sightings, found.calibrated)
    ]
    lines += [f"clock doubt: {doubt.words().sentence()}" for doubt in found.doubts]
    if not found.plates:
        lines.append("no plate was read where one vehicle cannot have been")
    lines.append(basis(found.calibrated, found.links, found.reads))
    return lines


def basis(calibrated: bool, links: int, reads: int) -> str:
    """Return what an answer rests on, in a line."""
    said = "" if calibrated else ": too few for probabilities, not calibrated"
    return f"from {links} links of {reads} reads of this case{said}"


def _plate_lines(one: Contradiction, rows: pd.DataFrame, calibrated: bool) -> Iterable[str]:
    word = "alert" if one.probability >= ALERT_AT else "weak"
    how = f"{word}, probability {share(one.probability)}" if calibrated else "not calibrated"
    yield f"{_written(one, rows)}: two vehicles with this plate? {how}"
    for said in one.speaks_for:
        yield f"  for      {said.sentence()}"
    for said in one.speaks_against:
        yield f"  against  {said.sentence()}"
    for ride in one.rides:
        for name in (ride.from_id, ride.to_id):
            if name in rows.index:
                row: dict[str, Any] = rows.loc[name].to_dict()
                at_ns = pd.Timestamp(row["utc"]).as_unit("ns").value
                yield f"  read     {clock(at_ns)} {row['camera_id']} {row['plate']} {name[:12]}"


def _written(one: Contradiction, rows: pd.DataFrame) -> str:
    """Return the plate as it is written, where one of its reads has it so."""
    for text in rows["plate"] if len(rows) else ():
        if isinstance(text, str) and compact(text) == one.plate:
            return text
    return one.plate


def as_json(found: Contradicted) -> dict[str, object]:
    """Return the whole answer as plain values; no probability where there was too little."""
    plates = []
    for one in found.plates:
        row = asdict(one)
        for side in ("speaks_for", "speaks_against"):
            row[side] = [word.sentence() for word in getattr(one, side)]
        if not found.calibrated:
            for name in ("probability", "two_vehicles", "one_vehicle", "near_plates",
                         "other_plates"):  # fmt: skip
                row[name] = None
        plates.append(row)
    return {
        "plates": plates,
        "clock_doubts": [{**asdict(one), "why": one.words().sentence()} for one in found.doubts],
        "reads": found.reads, "links": found.links, "calibrated": found.calibrated,
    }  # fmt: skip


def refuse_folder(out: Path | None) -> None:
    """Refuse a file in a folder that is not there, before anything is computed."""
    if out is not None and not out.absolute().parent.is_dir():
        raise BadInput(
            N_("there is no folder for this file"),
            N_("make the folder first, or give another path"),
            where=str(out),
        )


def write_json(out: Path, told: dict[str, object]) -> None:
    """Write an answer whole or not at all."""
    files.write_bytes(out, json.dumps(told, indent=1, ensure_ascii=False).encode())
