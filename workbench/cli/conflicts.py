"""The command that lists conflicts of an archive: candidates that a person decides about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cli.options import (
    Cameras,
    CaseId,
    From,
    Reason,
    Root,
    To,
    camera_list,
    show,
    span_of,
)
from workbench.collisions import CANDIDATE_NOTE, KeptCalibration
from workbench.errors import N_, BadInput
from workbench.investigation import Basis, Conflicts, basis_of, find_conflicts, open_workbench
from workbench.records import Purpose
from workbench.store import files
from workbench.views.account import account

app = typer.Typer()


@app.command()
def conflicts(
    root: Root,
    calibrations: Annotated[
        Path | None,
        typer.Option(help="Folder of other calibration records than the root's own (*.json)."),
    ] = None,
    case: CaseId = "",
    reason: Reason = "",
    cameras: Cameras = "",
    start: From = "",
    stop: To = "",
    out: Annotated[
        Path | None, typer.Option(help="File to write the candidates to: .csv or .json.")
    ] = None,
    scheduler: Annotated[
        str, typer.Option(help="Address of a Dask scheduler; a local cluster if empty.")
    ] = "",
    workers: Annotated[
        int, typer.Option(help="Local worker processes; 0 works in this one, -1 one a core.")
    ] = -1,
) -> None:
    """List near misses, collisions, weaving, speeding and wrong ways of a case as candidates.

    Only what recognise found before, and only cameras with a calibration: others are named. Exit 1
    where a stretch failed. A candidate is no violation: a person decides.
    """
    if workers < -1:
        raise BadInput(N_("{count} is no number of workers"), N_("give -1, 0 or more"),
                       where="--workers", count=workers)  # fmt: skip
    if out is not None and out.suffix not in (".csv", ".json"):
        raise BadInput(N_("candidates are written as .csv or .json"), N_("name such a file"),
                       where=str(out))  # fmt: skip
    found = find_conflicts(
        open_workbench(root, actor=account()),
        Purpose(case, reason),
        None if calibrations is None else read_calibrations(calibrations),
        camera_list(cameras),
        span_of(start, stop),
        scheduler=scheduler or None,
        workers=None if workers < 0 else workers,
        on_progress=show,
    )
    _tell(found)
    if out is not None:
        _write(found, out, basis_of(root, case, reason))
    if found.failed:
        raise typer.Exit(1)


def read_calibrations(folder: Path) -> list[KeptCalibration]:
    """Return the records in a folder's JSON files.

    Raises
    ------
    BadInput
        Where there is none, or one cannot be read.
    """
    read = []
    for path in sorted(folder.glob("*.json")):
        try:
            read.append(KeptCalibration.from_json(path.read_text(encoding="utf-8")))
        except (BadInput, UnicodeDecodeError):
            raise BadInput(
                N_("it is no calibration record"),
                N_("take it out of the folder, or calibrate the camera again"),
                where=str(path),
            ) from None
    if not read:
        raise BadInput(
            N_("there is no calibration record (*.json)"),
            N_("name the folder they are kept in"),
            where=str(folder),
        )
    return read


def _tell(found: Conflicts) -> None:
    row: Any
    for row in found.table.itertuples():
        figures = [f"TTC {row.ttc_s:.1f} s"] if _is_number(row.ttc_s) else []
        figures += [f"PET {row.pet_s:.1f} s"] if _is_number(row.pet_s) else []
        typer.echo(
            f"{row.utc:%Y-%m-%dT%H:%M:%S.%f}"[:-3] + f"Z  {row.camera_id:<8} {row.what:<9} "
            f"{row.score:.2f}  {'/'.join(row.kinds):<22} {', '.join(figures):<24} {row.reason}"
        )
    for sentence in found.failed:
        typer.echo(sentence, err=True)
    for sentence in found.unchecked:
        typer.echo(f"view not compared, searched all the same: {sentence}", err=True)
    for camera_id, why in found.left_out.items():
        typer.echo(f"{camera_id:<8} left out: {why}", err=True)
    typer.echo(
        f"{len(found.table)} candidates in {found.passes} passes of {len(found.cameras)} cameras, "
        f"{found.tracks} of them on calibrated ground; {len(found.left_out)} cameras left out"
    )
    typer.echo(CANDIDATE_NOTE)


def _is_number(value: object) -> bool:
    return isinstance(value, float) and value == value


def _write(found: Conflicts, out: Path, basis: Basis) -> None:
    table = found.table.copy()
    for name in ("utc", "clip_start", "clip_stop"):
        table[name] = [at.isoformat() for at in table[name]]
    if out.suffix == ".csv":
        for name in ("kinds", "sighting_ids"):
            table[name] = [" ".join(each) for each in table[name]]
        table["note"] = CANDIDATE_NOTE
        table["case"], table["legal_basis"] = basis.case, basis.legal_basis
        text = table.drop(columns=["template", "values"]).to_csv(index=False)
    else:
        rows = json.loads(table.to_json(orient="records", force_ascii=False))
        told = basis.facts | {
            "note": CANDIDATE_NOTE, "cameras": list(found.cameras),
            "left_out": dict(found.left_out), "candidates": rows,
        }  # fmt: skip
        text = json.dumps(told, ensure_ascii=False, indent=1) + "\n"
    files.write_bytes(out, text.encode())
