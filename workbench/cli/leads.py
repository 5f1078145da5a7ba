"""Commands that find leads in a case's links: contradicting plates, and who travels together."""

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
from workbench.investigation import Accompanied, Contradicted, basis_of, open_workbench
from workbench.plates import compact
from workbench.records import Purpose, Wording
from workbench.store import files
from workbench.trajectories import ALERT_AT, CONVOY_AT, Companion, Contradiction
from workbench.trajectories.convoys import STAYED
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
        write_json(out, basis_of(root, case, reason).facts | as_json(found))


@app.command()
def convoys(
    root: Root, case: CaseId = "", reason: Reason = "", plate: Plate = "", out: Out = None
) -> None:
    """Say which vehicles passed with a plate more than this traffic makes of itself. A lead only.

    Every meeting is told: passes of one camera within seconds of each other.
    """
    refuse_folder(out)
    wb = open_workbench(root, actor=account())
    found = investigation.convoys(wb, Purpose(case, reason), plate)
    for line in convoy_lines(found):
        typer.echo(line)
    if out is not None:
        write_json(out, basis_of(root, case, reason).facts | convoys_json(found))


def convoy_lines(found: Accompanied) -> list[str]:
    """Return who may have travelled with a plate, as lines."""
    lines = []
    for one in found.companions:
        word = "likely" if one.probability >= CONVOY_AT else "weak"
        how = f"{word}, probability {share(one.probability)} by an assumed share of convoys"
        lines.append(f"{one.plate}: {how if found.calibrated else 'not calibrated'}")
        lines += [f"  for      {said.sentence()}" for said in _said(one, found.calibrated)]
        lines += [f"  against  {said.sentence()}" for said in one.speaks_against]
        for met in one.meetings:
            if met.subject_id in found.sightings.index:
                at: Any = found.sightings.loc[met.subject_id]
                when = clock(pd.Timestamp(at["utc"]).as_unit("ns").value)
                lines.append(f"  met      {when} {met.camera_id} {met.gap_s:+.1f} s")
    if not found.companions:
        lines.append(f"nobody passed with {found.plate} more than this traffic makes of itself")
    return [*lines, basis(found.calibrated, found.links, found.reads)]


def _said(one: Companion, calibrated: bool) -> list[Wording]:
    """Return what speaks for a companion; no ratio where there was too little to learn from."""
    return [said for said in one.speaks_for if calibrated or said.template != STAYED]


def convoys_json(found: Accompanied) -> dict[str, object]:
    """Return the whole answer as plain values; no probability where there was too little."""
    rows = []
    for one in found.companions:
        row = asdict(one)
        row["speaks_for"] = [word.sentence() for word in _said(one, found.calibrated)]
        row["speaks_against"] = [word.sentence() for word in one.speaks_against]
        if not found.calibrated:
            row["probability"] = row["log_ratio"] = None
        rows.append(row)
    return {
        "plate": found.plate, "companions": rows, "reads": found.reads, "links": found.links,
        "calibrated": found.calibrated,
    }  # fmt: skip


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
                row: Any = rows.loc[name]
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
