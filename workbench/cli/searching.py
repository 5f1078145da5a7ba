"""The command that searches the archive for passes: its cost first, then the search."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

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
from workbench.errors import N_, BadInput
from workbench.investigation import Candidates, first_candidates, open_workbench
from workbench.recognition import Estimate, Summary
from workbench.records import Purpose
from workbench.views.account import account

app = typer.Typer()


@app.command()
def recognise(
    root: Root,
    cameras: Cameras = "",
    start: From = "",
    stop: To = "",
    first: Annotated[
        str, typer.Option(help="Cameras that go before the others, comma-separated, in order.")
    ] = "",
    case: CaseId = "",
    reason: Reason = "",
    scheduler: Annotated[
        str, typer.Option(help="Address of a Dask scheduler; a local cluster if empty.")
    ] = "",
    workers: Annotated[
        int, typer.Option(help="Local worker processes; 0 runs in this one, -1 one a core.")
    ] = -1,
    sweep_first: Annotated[
        bool,
        typer.Option("--sweep", help="List first candidates of --case, then go where they are."),
    ] = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Say what it would cost, and search nothing.")
    ] = False,
    again: Annotated[
        bool, typer.Option("--again", help="Search also what was searched with these models.")
    ] = False,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="End the searches that run on ROOT; rows are kept.")
    ] = False,
) -> None:
    """Find the passes in archived footage; ended anywhere, the same command goes on.

    Exit 1 where it was stopped before its end or a span failed. With --case only what the case
    allows is searched, before searches without a case. With --sweep what `sweep` does goes first,
    and the search begins where it saw most.
    """
    wb = open_workbench(root, actor=account())
    if cancel:
        typer.echo(f"{wb.stop_runs()} searches asked to end; what they found is kept")
        return
    if workers < -1:
        raise BadInput(N_("{count} is no number of workers"), N_("give -1, 0 or more"),
                       where="--workers", count=workers)  # fmt: skip
    chosen, span = camera_list(cameras), span_of(start, stop)
    purpose = Purpose(case, reason) if case else None
    hands = None if workers < 0 else workers
    if estimate:
        cost = wb.estimate(
            chosen,
            span,
            purpose=purpose,
            first=camera_list(first) or (),
            again=again,
            scheduler=scheduler or None,
            workers=hands,
        )
        typer.echo(told(cost))
        return
    with _stoppable() as stopped:
        swept = None
        if sweep_first:
            swept = first_candidates(
                wb,
                Purpose(case, reason),
                chosen,
                span,
                scheduler=scheduler or None,
                workers=hands,
                on_progress=show,
                cancelled=lambda: bool(stopped),
            )
            _list(swept)
        summary = wb.recognise(
            chosen,
            span,
            purpose=purpose,
            first=camera_list(first) or (),
            swept=swept,
            again=again,
            scheduler=scheduler or None,
            workers=hands,
            on_estimate=lambda cost: typer.echo(told(cost)),
            on_progress=show,
            cancelled=lambda: bool(stopped),
        )
    _report(summary)


@app.command()
def sweep(
    root: Root,
    case: CaseId = "",
    reason: Reason = "",
    cameras: Cameras = "",
    start: From = "",
    stop: To = "",
    scheduler: Annotated[
        str, typer.Option(help="Address of a Dask scheduler; a local cluster if empty.")
    ] = "",
    workers: Annotated[
        int, typer.Option(help="Local worker processes; 0 runs in this one, -1 one a core.")
    ] = -1,
) -> None:
    """List first candidates of a case from key frames alone; recognise finds what passes between.

    Exit 1 where it was stopped before its end or a span failed. Nothing is stored.
    """
    wb = open_workbench(root, actor=account())
    with _stoppable() as stopped:
        found = first_candidates(
            wb,
            Purpose(case, reason),
            camera_list(cameras),
            span_of(start, stop),
            scheduler=scheduler or None,
            workers=None if workers < 0 else workers,
            on_progress=show,
            cancelled=lambda: bool(stopped),
        )
    _list(found)
    _report(found.summary, found.searched_before, "candidates")


def _list(found: Candidates) -> None:
    for row in found.table[found.table["moving"]].itertuples():
        at = f"{row.utc:%Y-%m-%dT%H:%M:%SZ} ± {row.sigma_s:.1f} s"
        typer.echo(f"≈ {at}  {row.camera_id:<8} {row.kind}")


def told(cost: Estimate) -> str:
    """Return an estimate as lines: the whole, then what an hour of each camera costs."""
    lines = [str(cost)]
    lines += [f"  {one:<10} {s:7.0f} CPU s an hour" for one, s in cost.s_per_footage_h.items()]
    return "\n".join(lines)


@contextmanager
def _stoppable() -> Iterator[list[int]]:
    """Yield signals as they come: the first ends the run in order, a second one the process."""
    stopped: list[int] = []

    def stop(number: int, _frame: object) -> None:
        if stopped:
            raise KeyboardInterrupt
        stopped.append(number)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.signal(number, stop) for number in numbers]
    try:
        yield stopped
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)


def _report(summary: Summary, before: int | None = None, what: str = "sightings") -> None:
    for sentence in summary.failed:
        typer.echo(sentence, err=True)
    typer.echo(
        f"{summary.done} of {summary.jobs} spans searched, "
        f"{summary.skipped if before is None else before} searched before, "
        f"{summary.sightings} {what}, {len(summary.failed)} failed"
    )
    if summary.cancelled:
        typer.echo("stopped before the end; run it again to go on", err=True)
    if summary.failed or summary.cancelled:
        raise typer.Exit(1)
