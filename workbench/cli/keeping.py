"""Commands of the archive's keeping: retention, protected spans, rebuilding from the disk."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench import monitoring
from workbench.cli.options import (
    Cameras,
    From,
    Reason,
    Root,
    To,
    camera_list,
    instant_of,
    show,
)
from workbench.investigation import candidates_over, end_candidates, open_workbench
from workbench.timeline import Span, format_utc
from workbench.views.account import account

app = typer.Typer()
protect_app = typer.Typer(help="Spans of footage that are not dropped until they are lifted.")
app.add_typer(protect_app, name="protect")


_WHY = {
    "age": "its days are over",
    "disk": "the disk is short of room",
    "health": "checks of health, their days are over",
    "imported": "of other systems and what these looked at, their days are over",
}


@app.command()
def retention(
    root: Root,
    apply: Annotated[bool, typer.Option("--apply", help="Drop it; without, it is shown.")] = False,
) -> None:
    """Show what is overdue: footage, imports, what closed cases hold; --apply drops, logs it."""
    house = open_workbench(root, actor=account())
    if apply:
        house.allow("upkeep")
    for held in end_candidates(house) if apply else candidates_over(house):
        typer.echo(
            f"{format_utc(held.since_ns)[:10]}  case {held.case_id}: {held.candidates} face "
            f"candidates and {held.photographs} photographs of {held.request_id}  "
            f"the days of category {held.category} are over"
        )
    keeping = monitoring.open_monitoring(root, actor=account()).keeping
    found = keeping.retention(apply=apply)
    for one in found:
        what = f"{one.files:>7} files {one.size_bytes / 1e9:9.2f} GB  {_WHY[one.why]}"
        if one.why == "imported":
            what = f"{one.sightings:>7} sightings, {one.spans} spans  {_WHY[one.why]}"
        typer.echo(f"{one.day}  {one.site_id or '(none)':<8} {what}")
    count, size = sum(one.files for one in found), sum(one.size_bytes for one in found)
    rows = sum(one.sightings for one in found)
    others = f", {rows} sightings of other systems" if rows else ""
    done = "dropped" if apply else "would be dropped"
    typer.echo(f"{count} files, {size / 1e9:.2f} GB{others} {done}")
    disk = keeping.disk()
    typer.echo(f"{keeping.note()}; {disk.free_percent:.1f} % of the disk is free", err=True)


@app.command()
def rebuild(
    root: Root,
    backup: Annotated[
        Path | None, typer.Option(help="An older catalogue.sqlite: for log and searches.")
    ] = None,
    unread: Annotated[
        bool,
        typer.Option("--unread", help="Believe the sidecars, read no file; verify afterwards."),
    ] = False,
) -> None:
    """Make the catalogue again from what lies on the disk; exit 1 where something does not fit."""
    made = monitoring.rebuild(
        root, actor=account(), backup=backup, hashed=not unread, on_progress=show
    )
    for finding in made.findings:
        typer.echo(finding, err=True)
    typer.echo(f"{made.segments} files catalogued, {len(made.findings)} findings")
    if made.aside is not None:
        typer.echo(f"the catalogue before is {made.aside.name}")
    taken = ", ".join(f"{count} of {table}" for table, count in sorted(made.copied.items()))
    typer.echo(f"taken over, because only a catalogue held them: {taken or 'nothing'}")
    if not made.copied.get("audit"):
        typer.echo("the audit log did not come back: verify will go on saying so", err=True)
    if made.findings or not made.copied.get("audit"):
        raise typer.Exit(1)


@protect_app.command("add")
def protect_add(
    root: Root,
    number: Annotated[str, typer.Option("--case", help="Number of the case or the accident.")],
    reason: Reason,
    start: From,
    stop: To,
    cameras: Cameras = "",
) -> None:
    """Keep footage until the protection is lifted, whatever its age and however full the disk."""
    keeping = monitoring.open_monitoring(root, actor=account()).keeping
    span = Span(instant_of(start, "--from"), instant_of(stop, "--to"))
    made, gone = keeping.protect(camera_list(cameras) or [], span, number=number, reason=reason)
    typer.echo(f"protection {made.protection_id} holds")
    if gone:
        typer.echo(f"{gone} files of it were dropped before", err=True)
        raise typer.Exit(1)


@protect_app.command("list")
def protect_list(root: Root) -> None:
    """Print every protection; open cases protect their own period and cameras."""
    for one in monitoring.open_monitoring(root, actor=account()).keeping.protections():
        name = str(one.protection_id) if one.protection_id else "case"
        state = f"lifted {format_utc(one.lifted_at_ns)}" if one.lifted_at_ns else "holds"
        typer.echo(
            f"{name:>5}  {state:<32} {format_utc(one.span.start_ns)}  "
            f"{format_utc(one.span.stop_ns)}  {','.join(one.cameras) or 'all'}  "
            f"{one.number}  {one.reason}"
        )


@protect_app.command("lift")
def protect_lift(
    root: Root,
    number: Annotated[int, typer.Argument(metavar="ID", help="See: workbench protect list.")],
    reason: Reason,
) -> None:
    """End a protection: the footage goes when its days are over."""
    monitoring.open_monitoring(root, actor=account()).keeping.lift(number, reason=reason)
    typer.echo(f"protection {number} is lifted")
