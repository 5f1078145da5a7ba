"""What several commands take, and how it is read."""

from __future__ import annotations

import math
import sys
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from workbench.errors import N_, BadInput
from workbench.records import Progress
from workbench.timeline import Span, parse_instant

FASTEST = 1000
"""Frames a second that no camera of a street exceeds."""
LATEST_NS = 2**63 - 1
MOST_SECONDS = 100 * 366 * 86_400.0

Root = Annotated[Path, typer.Argument(help="Folder the workbench keeps everything in.")]
CaseId = Annotated[str, typer.Option("--case", help="Number of the open case this belongs to.")]
Reason = Annotated[str, typer.Option("--reason", help="Why, in words; kept in the audit log.")]
Cameras = Annotated[
    str, typer.Option("--cameras", help="Camera ids, comma-separated; all if empty.")
]
From = Annotated[str, typer.Option("--from", help="Start, like 2026-11-20T07:15:00+07:00.")]
To = Annotated[str, typer.Option("--to", help="End, written like the start.")]


def camera_list(text: str) -> list[str] | None:
    """Return the ids of a comma-separated list; None for an empty one."""
    return [part.strip() for part in text.split(",") if part.strip()] or None


def span_of(start: str, stop: str) -> Span | None:
    """Return the span of ``--from`` and ``--to``; None where neither is given."""
    if not start and not stop:
        return None
    return Span(
        instant_of(start, "--from") if start else 0,
        instant_of(stop, "--to") if stop else LATEST_NS,
    )


def instant_of(text: str, option: str) -> int:
    """Return an instant in ns UTC; refuse one that cannot be kept."""
    instant = parse_instant(text, where=option)
    if not 0 <= instant < LATEST_NS:
        raise BadInput(
            N_("'{text}' is not a time that can be kept"),
            N_("give one from 1970 to 2261"),
            where=option,
            text=text,
        )
    return instant


def seconds_of(value: float, option: str) -> float:
    """Return seconds that a clock may be off by; refuse others."""
    if not math.isfinite(value) or abs(value) > MOST_SECONDS:
        raise BadInput(
            N_("{value} is no number of seconds for a clock"),
            N_("give one up to {most:.0f}, for example 1.5"),
            where=option,
            value=value,
            most=MOST_SECONDS,
        )
    return value


def rate_of(text: str) -> Fraction | None:
    """Return a frame rate; None where nothing is given."""
    if not text:
        return None
    try:
        # no exponents: a few signs could stand for a number that fills the memory
        rate = Fraction(text if len(text) <= 20 and "e" not in text.lower() else "0")
    except (ValueError, ZeroDivisionError):
        rate = Fraction(0)
    if not 0 < rate <= FASTEST:
        raise BadInput(
            N_("'{text}' is no frame rate"),
            N_("write frames a second, for example 12.5 or 30000/1001"),
            where="--rate",
            text=text,
        )
    return rate


def show(progress: Progress) -> None:
    """Show progress on standard error: one line rewritten on a terminal, a line each elsewhere."""
    share = f"{progress.done:.2f} of {progress.total:.2f} {progress.unit}  {progress.text}"
    sys.stderr.write(f"\r{share:<78}" if sys.stderr.isatty() else share.rstrip() + "\n")
    sys.stderr.flush()
