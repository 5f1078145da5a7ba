"""The command that searches recordings of an open case while they grow."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from workbench.cli.options import Cameras, CaseId, Reason, Root, camera_list
from workbench.investigation import open_workbench
from workbench.records import Purpose
from workbench.timeline import SECOND_NS, Span, format_utc
from workbench.views.account import account

app = typer.Typer()
_TELL_S = 5.0


@app.command()
def follow(
    root: Root,
    case: CaseId,
    reason: Reason,
    cameras: Cameras = "",
    priority: Annotated[
        str, typer.Option(help="The most important cameras, comma-separated, first one first.")
    ] = "",
    scheduler: Annotated[
        str, typer.Option(help="Address of a Dask scheduler; a local cluster if empty.")
    ] = "",
    workers: Annotated[int, typer.Option(help="Local worker processes; -1 one a core.")] = -1,
) -> None:
    """Search what a case's cameras record, while they record it; ends with the case's period.

    Exit 1 where footage was left out: what was recorded and not searched is listed at the end.
    """
    wb = open_workbench(root, actor=account())
    pressed: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: pressed.append(number))
    told = {"s": 0.0}

    def tell(status: Mapping[str, Any]) -> None:
        if time.monotonic() - told["s"] >= _TELL_S:
            told["s"] = time.monotonic()
            sys.stderr.write(line_of(status) + "\n")

    began_ns = wb.now()
    chosen = camera_list(cameras)
    followed = wb.follow(
        Purpose(case, reason),
        chosen,
        priority=camera_list(priority) or (),
        scheduler=scheduler or None,
        workers=None if workers < 0 else max(1, workers),
        stopped=lambda: bool(pressed),
        on_status=tell,
    )
    for sentence in followed.failures:
        typer.echo(sentence, err=True)
    span = Span(began_ns, max(began_ns + 1, wb.now()))
    for camera_id, spans in wb.not_searched(list(followed.arrived_s), span).items():
        for one in spans:
            length_s = one.duration_ns / SECOND_NS
            typer.echo(
                f"{camera_id:<8} {format_utc(one.start_ns)} {length_s:9.1f} s  "
                "recorded, not searched"
            )
    arrived, left = sum(followed.arrived_s.values()), sum(followed.left_out_s.values())
    typer.echo(
        f"{followed.ended}: {followed.rows} sightings, {arrived:.0f} s of footage arrived, "
        f"{left:.0f} s left out{delays_of(followed.latency_p50_s, followed.latency_p95_s)}"
    )
    if left >= 1 or followed.failures:
        raise typer.Exit(1)


def line_of(status: Mapping[str, Any]) -> str:
    """Return how a following goes, in one line.

    >>> camera = {"rows": 2, "backlog_s": 1.5, "arrived_s": 10.0, "searched_s": 7.0,
    ...           "left_out_s": 2.0, "latency_p50_s": 3.1, "latency_p95_s": 4.0}
    >>> line_of({"at_ns": 0, "cameras": {"A": camera}})
    '1970-01-01T00:00:00.000Z  2 sightings, 1.5 s waiting, 2.0 s left out, slowest p95 4.0 s'
    """
    cameras = status["cameras"].values()
    slowest = max((c["latency_p95_s"] for c in cameras if c["latency_p95_s"]), default=None)
    return (
        f"{format_utc(status['at_ns'])}  {sum(c['rows'] for c in cameras)} sightings, "
        f"{sum(c['backlog_s'] for c in cameras):.1f} s waiting, "
        f"{sum(c['left_out_s'] for c in cameras):.1f} s left out"
        + (f", slowest p95 {slowest:.1f} s" if slowest else "")
    )


def delays_of(p50_s: float | None, p95_s: float | None) -> str:
    """Return the delays of rows in words, nothing where there are none.

    >>> delays_of(2.0, 4.5), delays_of(None, None)
    ('; seen to row 2.0 s (p50), 4.5 s (p95)', '')
    """
    if p50_s is None or p95_s is None:
        return ""
    return f"; seen to row {p50_s:.1f} s (p50), {p95_s:.1f} s (p95)"
