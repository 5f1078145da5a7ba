"""Commands of the register of models: what is there, what an exchange changes, the exchange."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Root, show
from workbench.errors import N_, BadInput
from workbench.investigation import (
    Comparison,
    compare_model,
    list_models,
    open_workbench,
    use_model,
    use_shipped,
)
from workbench.recognition.models.registry import FootageChange
from workbench.store import files
from workbench.views.account import account

app = typer.Typer()
models_app = typer.Typer(
    help="The register of models: shipped ones, and your own in ROOT/models.", no_args_is_help=True
)
app.add_typer(models_app, name="models")

Name = Annotated[str, typer.Argument(help="A folder of ROOT/models, or a shipped model.")]
_SHOWN = 20


@models_app.command("list")
def list_all(
    root: Annotated[
        Path | None, typer.Argument(help="Archive root; without it the shipped models alone.")
    ] = None,
) -> None:
    """List the models: task, SHA-256, licence, source, card; + marks those in use. Exit 1 at a
    fault."""
    if root is not None:
        open_workbench(root, actor=account())  # a folder that is no root is said, not listed
    found = list_models(root)
    for one in found:
        mark = "+" if one.in_use else " "
        whose = "shipped" if one.shipped else "own"
        typer.echo(
            f"{mark} {one.name}  {one.task}  {whose}, {one.state}  {one.sha256[:12]}".rstrip()
        )
        if one.licence:
            typer.echo(f"    {one.licence} ({one.source})")
            typer.echo(f"    {one.card}")
        if one.problem:
            typer.echo(f"    {one.problem}", err=True)
    if any(one.problem for one in found):
        raise typer.Exit(1)


@models_app.command()
def compare(
    root: Root,
    name: Name,
    jobs: Annotated[
        int, typer.Option("--stretches", help="Stretches of footage to search twice, at most.")
    ] = 6,
    out: Annotated[Path | None, typer.Option("--json", help="Write all of it here.")] = None,
) -> None:
    """Show what would change with a model switched on: on drawn inputs, and on searched footage.

    Exit 1 where something would. No plate is shown: look at the places inside a case.
    """
    if out is not None and not out.absolute().parent.is_dir():
        raise BadInput(
            N_("there is no folder for this file"),
            N_("make the folder first, or give another path"),
            where=str(out),
        )
    found = compare_model(open_workbench(root, actor=account()), name, jobs=jobs, on_progress=show)
    for line in lines_of(found):
        typer.echo(line)
    if out is not None:
        files.write_bytes(out, found.as_json().encode())
    if found.footage.changes or any(one.changed for one in found.drawn):
        raise typer.Exit(1)


def lines_of(found: Comparison) -> list[str]:
    """Return a comparison as lines: the whole, then each drawn input, then places in footage."""
    told = [
        f"{found.name} ({found.task}) in place of {found.replaces or 'nothing'}",
        f"  self-test: {found.self_test}",
        f"  CPU an input: {found.before_ms:.1f} ms before, {found.after_ms:.1f} ms after",
    ]
    for one in found.drawn:
        mark = "≠" if one.changed else "="
        was = f"{one.before} -> " if one.changed and one.before else ""
        told.append(f"{mark} {one.input}: {was}{one.after}")
    told += _footage_lines(found.footage)
    return told


def _footage_lines(footage: FootageChange) -> list[str]:
    if not footage.stretches:
        return ["no searched footage was compared"]
    counts = ", ".join(f"{count} {what}" for what, count in footage.counts.items())
    told = [
        (
            f"{footage.footage_s:.0f} s of footage in {footage.stretches} stretches: "
            f"{footage.passes_before} passes before, {footage.passes_after} after; "
            f"{counts or 'nothing changes'}; "
            f"{footage.cpu_before_s:.1f} CPU s before, {footage.cpu_after_s:.1f} after"
        )
    ]
    for change in footage.changes[:_SHOWN]:
        what = f"{change.before} -> {change.after}" if change.before or change.after else ""
        told.append(
            f"  {change.what:<13} {change.camera_id:<8} {change.segment_sha256[:12]} "
            f"pts {change.pts}  {what}".rstrip()
        )
    if len(footage.changes) > _SHOWN:
        told.append(f"  and {len(footage.changes) - _SHOWN} more: --json holds them all")
    return told


@models_app.command()
def use(
    root: Root,
    name: Annotated[str, typer.Argument(help="A model that was compared.")] = "",
    shipped: Annotated[
        bool, typer.Option("--shipped", help="Go back to the shipped models.")
    ] = False,
    task: Annotated[
        str, typer.Option("--task", help="With --shipped: of this task only, as the list says it.")
    ] = "",
) -> None:
    """Switch a model on for ROOT, once it was compared; rows name it, older footage is searched
    anew."""
    if bool(name) == shipped or (task and not shipped):
        raise BadInput(
            N_("give either the name of a model or --shipped"),
            N_("--task goes with --shipped"),
            where="models use",
        )
    wb = open_workbench(root, actor=account())
    if shipped:
        off = use_shipped(wb, task)
        typer.echo(f"shipped models are in use; switched off: {', '.join(off) or 'none'}")
        return
    one = use_model(wb, name)
    typer.echo(f"{one.name} is in use for {one.slot}; what was searched before is searched anew")
