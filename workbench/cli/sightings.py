"""Commands that take in sightings of other systems and give out those of a case."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench import investigation
from workbench.cli.options import Cameras, CaseId, From, Reason, Root, To, camera_list, span_of
from workbench.investigation import open_workbench
from workbench.records import Purpose
from workbench.timeline import format_utc
from workbench.views.account import account

app = typer.Typer()
sightings_app = typer.Typer(
    help="Sightings of other systems in, sightings of a case out.", no_args_is_help=True
)
app.add_typer(sightings_app, name="sightings")


@app.command()
def flows(
    root: Root,
    case: CaseId = "",
    reason: Reason = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="Write them as .nc (netCDF) or .csv.")
    ] = None,
    least: Annotated[
        float, typer.Option(help="Expected vehicles below which a flow is not written; 5 or more.")
    ] = 5.0,
) -> None:
    """Count vehicles between sites by hour, inside a case: sums of probabilities, no plates.

    The largest flows are printed. Those below --least are left out, here and in files.
    """
    wb = open_workbench(root, actor=account())
    purpose = Purpose(case, reason)
    if out is not None:
        cube = investigation.export_flows(wb, out, purpose, least=least)
        typer.echo(f"flows of {cube.sizes['origin']} sites and {cube.sizes['hour']} hours: {out}")
        return
    cube = investigation.flows(wb, purpose)
    whole = investigation.summed_flows(cube, least)
    for row in whole.itertuples():
        typer.echo(f"{row.origin} -> {row.destination}  {row.vehicles:8.1f} vehicles expected")
    typer.echo(f"{len(whole)} flows of {least:g} vehicles or more in the case's period", err=True)


@sightings_app.command("import")
def import_(
    root: Root,
    file: Annotated[Path, typer.Argument(help="A .csv, .parquet or .gpkg file.")],
    source: Annotated[str, typer.Option(help="The system it comes from, in words.")] = "",
    reason: Reason = "",
    timezone: Annotated[
        str, typer.Option(help="Zone of times without an offset, like Asia/Ho_Chi_Minh.")
    ] = "",
    sigma: Annotated[
        float | None, typer.Option(help="Seconds the clock may be off (one sigma), if not said.")
    ] = None,
    places: Annotated[
        Path | None, typer.Option("--map", help="CSV of name, camera_id: other names of cameras.")
    ] = None,
    coverage: Annotated[
        Path | None, typer.Option(help="Table of camera_id, start, stop: what it looked at.")
    ] = None,
) -> None:
    """Take in sightings of another system: the whole file, or nothing where a row is bad.

    Columns are in docs/exchange.md. Each bad row is named; the same file twice adds nothing.
    """
    wb = open_workbench(root, actor=account())
    done = investigation.import_sightings(
        wb, file, source=source, reason=reason, timezone=timezone, sigma_s=sigma, places=places,
        covered=coverage, on_fault=lambda sentence: typer.echo(sentence, err=True),
    )  # fmt: skip
    one = done.record
    if done.left_out:
        typer.echo(f"not kept, of footage that is not here: {', '.join(done.left_out)}", err=True)
    if done.twice:
        typer.echo(f"{done.twice} rows stood in the file more than once", err=True)
    typer.echo(
        f"{done.added} sightings added, {one.rows - done.added} were here; import {one.sha256[:12]}"
    )


@sightings_app.command("export")
def export(
    root: Root,
    file: Annotated[Path, typer.Argument(help="The .csv, .parquet or .gpkg file to write.")],
    case: CaseId = "",
    reason: Reason = "",
    cameras: Cameras = "",
    start: From = "",
    stop: To = "",
    plates: Annotated[bool, typer.Option("--plates", help="Only those with a plate read.")] = False,
) -> None:
    """Write the sightings of an open case, inside its bounds, to a file. Leads, not identities."""
    wb = open_workbench(root, actor=account())
    count = investigation.export_sightings(
        wb, file, Purpose(case, reason), cameras=camera_list(cameras), span=span_of(start, stop),
        with_plate=plates,
    )  # fmt: skip
    typer.echo(f"{count} sightings of case {case} written to {file}")


@sightings_app.command("list")
def list_(root: Root) -> None:
    """List what was taken in: source, file, who, when, why, and the spans it covers."""
    found = investigation.imports(open_workbench(root, actor=account()))
    for one in found:
        span = f"{format_utc(one.first_ns)} to {format_utc(one.last_ns)}" if one.rows else "empty"
        gone = f", {one.dropped} dropped since" if one.dropped else ""
        typer.echo(
            f"{one.sha256[:12]}  {one.source}: {one.added} of {one.rows} sightings{gone}, {span}\n"
            f"    {one.file}, by {one.actor} at {format_utc(one.at_ns)}: {one.reason}; "
            f"{len(one.covered)} spans searched elsewhere"
        )
    typer.echo(f"{len(found)} imports", err=True)


@sightings_app.command("remove")
def remove(
    root: Root,
    import_id: Annotated[str, typer.Argument(help="As 'sightings list' names it.")],
    reason: Reason = "",
) -> None:
    """Take an import away, rows and record; the log keeps a statement that it was."""
    record, gone = investigation.remove_import(
        open_workbench(root, actor=account()), import_id, reason
    )
    typer.echo(f"{gone} sightings of {record.source} removed")
    typer.echo("where another import holds the same rows, import its file again", err=True)
