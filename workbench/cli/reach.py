"""The command that says where a vehicle could be, or could have been between two sightings."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import CaseId, Reason, Root, instant_of
from workbench.errors import N_, BadInput
from workbench.investigation import Whereabouts, basis_of, open_workbench
from workbench.investigation import reach as find
from workbench.records import Purpose
from workbench.store import files
from workbench.timeline import SECOND_NS, VIET_NAM, Span, format_utc
from workbench.trajectories import Assumed, say
from workbench.views.account import account

app = typer.Typer()
DEFAULT = Assumed()
_ORDER = ("seen", "must", "could", "cannot")


@app.command()
def reach(
    root: Root,
    sighting: Annotated[str, typer.Option("--sighting", help="Id of a sighting, or its start.")],
    until: Annotated[
        str, typer.Option("--until", help="Id of a later sighting: where between the two?")
    ] = "",
    case: CaseId = "",
    reason: Reason = "",
    pace: Annotated[
        float, typer.Option(help="Multiple of the speed limit that it never exceeded.")
    ] = DEFAULT.pace,
    stop_min: Annotated[
        float, typer.Option(help="Minutes it may have stood; bounds what to look at.")
    ] = DEFAULT.stop_s / 60,
    miss: Annotated[
        float, typer.Option(help="Share of passes without a readable row; assumed.")
    ] = DEFAULT.miss,
    at: Annotated[
        str, typer.Option("--at", help="By when, like 2026-11-20T07:15:00+07:00; now if empty.")
    ] = "",
    most: Annotated[int, typer.Option("--windows", help="How many camera-minutes to list.")] = 10,
    out: Annotated[Path | None, typer.Option("--json", help="Write all of it here.")] = None,
) -> None:
    """Say which sites it must, could or cannot have passed and where to look next. A lead only.

    Exit 1 where no way by road is quick enough between the two sightings.
    """
    if most < 0:
        raise BadInput(N_("{count} is no number of windows"), N_("give 0 or more"),
                       where="--windows", count=most)  # fmt: skip
    if out is not None and not out.absolute().parent.is_dir():
        raise BadInput(
            N_("there is no folder for this file"),
            N_("make the folder first, or give another path"),
            where=str(out),
        )
    assumed = Assumed(pace=pace, stop_s=stop_min * 60.0, miss=miss)
    found = find(
        open_workbench(root, actor=account()), sighting, Purpose(case, reason), until_id=until,
        at_ns=instant_of(at, "--at") if at else None, assumed=assumed,
    )  # fmt: skip
    for line in lines_of(found, most):
        typer.echo(line)
    if out is not None:
        told = basis_of(root, case, reason).facts | as_json(found)
        text = json.dumps(told, indent=1, ensure_ascii=False)
        files.write_bytes(out, text.encode())
    if not found.found.feasible:
        raise typer.Exit(1)


def lines_of(whereabouts: Whereabouts, most: int) -> list[str]:
    """Return the answer as lines."""
    found = whereabouts.found
    share, metres = _length(whereabouts)
    head = f"{found.elapsed_s:.1f} s ± {found.sigma_s:.1f}"
    if found.then is not None:
        head += f"; the road takes {found.least_s:.1f} s at {found.assumed.pace:g} x the limit"
        head += f"; probability that the first was first: {found.order:.2f}"
    lines = [head]
    if not found.feasible:
        lines.append("no way by road is quick enough: not one vehicle, or a clock is wrong")
        return lines
    lines.append(f"roads within reach: {metres / 1000:.1f} km ({share:.0%} of the ward's)")
    for site in sorted(found.sites, key=lambda s: (_ORDER.index(s.verdict), s.site_id)):
        when = "" if site.span is None else f"  {_clock(site.span)}"
        lines.append(f"{site.verdict:<7} {site.site_id}{when}  {say(site)}")
        if (count := whereabouts.read_at.get(site.site_id, 0)) and site.verdict != "seen":
            lines.append(f"        the same plate was read there, rows: {count}")
        elif (absent := whereabouts.absences.get(site.site_id)) is not None:
            lines.append(
                f"        not seen: {absent.looked:.0%} of that time recorded and searched, "
                f"likelihood ratio {absent.ratio:.2f}: {absent.words}"
            )
    lines.append(
        f"ratios assume that {found.assumed.miss:.0%} of passes are missed: not calibrated"
    )
    rest = (
        f"{whereabouts.rides} rides of this case" if whereabouts.rides
        else "the roads alone" if found.then is None else "time to spare"
    )  # fmt: skip
    lines.append(f"look at next, most useful a minute first ({rest}):")
    lines += [
        f"  {one.camera_id:<8} {_clock(one.span)}  chance {_chance(one.share)}  {one.state} "
        f"(searched {one.searched_s:.0f} s, recorded only {one.recorded_only_s:.0f} s, "
        f"not recorded {one.not_recorded_s:.0f} s)"
        for one in whereabouts.windows[:most]
    ]
    return lines


def as_json(whereabouts: Whereabouts) -> dict[str, object]:
    """Return the whole answer as plain values; times in UTC."""
    found = whereabouts.found

    def span(one: Span | None) -> list[str] | None:
        return None if one is None else [format_utc(one.start_ns), format_utc(one.stop_ns)]

    return {
        "elapsed_s": found.elapsed_s,
        "sigma_s": found.sigma_s,
        "feasible": found.feasible,
        "order": found.order,
        "assumed": {n: getattr(found.assumed, n) for n in ("pace", "stop_s", "miss", "sigmas")},
        "parts": [
            [p.edge_id, round(p.start_m, 1), round(p.stop_m, 1), format_utc(p.earliest_ns),
             format_utc(p.latest_ns)]
            for p in found.parts
        ],
        "sites": [
            {
                "site_id": s.site_id, "verdict": s.verdict, "slack_s": s.slack_s,
                "round_slack_s": s.round_slack_s, "span": span(s.span), "why": say(s),
            }
            for s in found.sites
        ],
        "windows": [
            {
                "camera_id": w.camera_id, "span": span(w.span), "share": min(w.share, 0.99),
                "basis": w.basis, "state": w.state, "searched_s": w.searched_s,
                "recorded_only_s": w.recorded_only_s, "not_recorded_s": w.not_recorded_s,
            }
            for w in whereabouts.windows
        ],
        "absences": [
            {"site_id": a.site_id, "looked": a.looked, "miss": a.miss, "ratio": a.ratio,
             "words": a.words}
            for a in whereabouts.absences.values()
        ],
        "read_at": dict(whereabouts.read_at),
    }  # fmt: skip


def _length(whereabouts: Whereabouts) -> tuple[float, float]:
    found = whereabouts.found
    whole = sum(edge.length_m for edge in found.road.graph.stretches())
    metres = sum(part.stop_m - part.start_m for part in found.parts)
    return metres / whole, metres


def _chance(share: float) -> str:
    return "< .01" if share < 0.01 else f"{min(share, 0.99):.2f}"


def _clock(span: Span) -> str:
    start, stop = (
        datetime.fromtimestamp(ns / SECOND_NS, VIET_NAM).strftime("%H:%M:%S")
        for ns in (span.start_ns, span.stop_ns)
    )
    return f"{start}–{stop}"
