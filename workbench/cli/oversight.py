"""The command of those who watch over the use of the workbench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cases.oversight import SORTS
from workbench.cli.options import From, Root, To, span_of
from workbench.investigation import inspect, open_workbench, write_inspected
from workbench.timeline import format_utc
from workbench.views.account import account
from workbench.views.text import DEFAULT_LANGUAGE, translator

app = typer.Typer()


@app.command()
def audit(
    root: Root,
    start: From = "",
    stop: To = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="Write the report as .pdf or .html, too.")
    ] = None,
    language: Annotated[
        str, typer.Option("--language", help="Of the report: vi or en.")
    ] = DEFAULT_LANGUAGE,
) -> None:
    """Say who used the workbench, for what, what was refused; exit 1 where the log is not whole.

    Figures alone: no picture, no plate, no face. That it was asked for stands in the log, too.
    """
    wb = open_workbench(root, actor=account())
    found = inspect(wb, span_of(start, stop))
    if out is not None:
        write_inspected(wb, found, out, translator(language))
        typer.echo(f"written to {out}", err=True)
    for one in found.use.by_actor:
        sorts = ", ".join(f"{count} {SORTS[sort]}" for sort, count in one.by_sort.items())
        typer.echo(
            f"{one.name or '?'}: {one.acts} acts ({sorts}), {one.refused} refused, "
            f"{format_utc(one.first_ns)} to {format_utc(one.last_ns)}"
        )
    for entry in found.use.refused:
        typer.echo(
            f"refused {format_utc(entry.at_ns)}  {entry.actor}  {entry.action}  {entry.case_id}"
        )
    for fault in found.faults:
        typer.echo(fault, err=True)
    typer.echo(
        f"{found.use.entries} acts, {len(found.use.refused)} refused; head {found.head_seq} "
        f"{found.head_sha256}"
    )
    if found.faults:
        raise typer.Exit(1)
