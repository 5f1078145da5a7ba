"""Commands of bounded lookouts: ask, approve, look through what was found, end, switch off."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cases.lookouts import evidence
from workbench.cli import face_lookouts
from workbench.cli.options import CaseId, Reason, Root, camera_list, instant_of
from workbench.investigation import (
    approve_lookout,
    ask_lookout,
    decide_hit,
    end_lookout,
    list_lookouts,
    lookout_switch,
    open_workbench,
    switch_lookouts,
)
from workbench.records import Purpose
from workbench.store.lookouts import VERDICTS, Lookout, LookoutHit
from workbench.timeline import format_utc
from workbench.views.account import account

app = typer.Typer()
lookout_app = typer.Typer(
    help="Look out for a plate or a face on named live cameras: asked, approved, bounded.",
    no_args_is_help=True,
)
app.add_typer(lookout_app, name="lookout")

face_lookouts.add_to(lookout_app)

Id = Annotated[
    str, typer.Argument(help="Id of the lookout, like CM-0123456789 for a face; of others a part.")
]


@lookout_app.command()
def ask(
    root: Root,
    plate: Annotated[str, typer.Argument(help="The plate; ? stands for one unknown sign.")],
    cameras: Annotated[str, typer.Option("--cameras", help="Its cameras, comma-separated.")],
    until: Annotated[str, typer.Option("--until", help="Its end, like 2026-11-20T19:00+07:00.")],
    case: CaseId = "",
    reason: Reason = "",
) -> None:
    """Ask that a plate be looked out for; it finds nothing before somebody else approves it."""
    house = open_workbench(root, actor=account())
    named = camera_list(cameras) or []
    one = ask_lookout(house, plate, named, instant_of(until, "--until"), Purpose(case, reason))
    typer.echo(f"{one.lookout_id}: asked for; somebody else approves it")


@lookout_app.command()
def approve(root: Root, lookout: Id, case: CaseId = "", reason: Reason = "") -> None:
    """Approve what somebody else asked for."""
    house = open_workbench(root, actor=account())
    if face_lookouts.is_face(lookout):
        face_lookouts.approve(house, lookout, Purpose(case, reason))
    else:
        typer.echo(_line(approve_lookout(house, lookout, Purpose(case, reason))))


@lookout_app.command()
def end(root: Root, lookout: Id, case: CaseId = "", reason: Reason = "") -> None:
    """End a lookout, or refuse one: it is deleted with all it found; counts stay in the log.

    Of one for a face, candidates that somebody has read stay with the case.
    """
    house = open_workbench(root, actor=account())
    if face_lookouts.is_face(lookout):
        face_lookouts.end(house, lookout, Purpose(case, reason))
        return
    one = end_lookout(house, lookout, Purpose(case, reason))
    typer.echo(f"{one.lookout_id}: ended; {len(one.hits)} hits deleted")


@lookout_app.command("list")
def list_all(root: Root, case: CaseId = "", reason: Reason = "") -> None:
    """List the lookouts of a case, and whether lookouts run at all."""
    house = open_workbench(root, actor=account())
    switch = lookout_switch(house)
    found = list_lookouts(house, Purpose(case, reason))
    if not switch.on:
        typer.echo(f"lookouts are switched off: {switch.by} {switch.reason}".rstrip())
    for one in found:
        typer.echo(_line(one))
    faces = face_lookouts.say_all(house, Purpose(case, reason))
    if not found and not faces:
        typer.echo("none")


@lookout_app.command()
def hits(
    root: Root,
    case: CaseId = "",
    reason: Reason = "",
    out: Annotated[
        Path | None, typer.Option("--out", help="A new folder for pictures of faces.")
    ] = None,
) -> None:
    """Show what the lookouts of a case found, what speaks for and against, and who decided what.

    A hit is a lead: it says that a plate was read, not who drove. Candidates for a face come
    without a score until two people have read them: workbench lookout read.
    """
    house = open_workbench(root, actor=account())
    found = [(one, hit) for one in list_lookouts(house, Purpose(case, reason)) for hit in one.hits]
    for one, hit in found:
        typer.echo(_hit_line(one, hit))
        for sentence, values in evidence(hit):
            typer.echo("    " + sentence.format(**values))
    faces = face_lookouts.say_candidates(house, Purpose(case, reason), out)
    if not found and not faces:
        typer.echo("none")


@lookout_app.command()
def decide(
    root: Root,
    hit: Annotated[str, typer.Argument(help="Id of the hit.")],
    verdict: Annotated[str, typer.Argument(help=f"One of: {', '.join(VERDICTS)}.")],
    case: CaseId = "",
    reason: Reason = "",
    note: Annotated[str, typer.Option(help="What it rests on.")] = "",
) -> None:
    """Say what a hit is worth for the case."""
    house = open_workbench(root, actor=account())
    decided = decide_hit(house, hit, verdict, Purpose(case, reason), note=note)
    typer.echo(f"{decided.hit_id}: {decided.verdict}, {decided.decided_by}")


@lookout_app.command()
def off(root: Root, reason: Reason = "") -> None:
    """Stop every lookout of the root at once."""
    switch_lookouts(open_workbench(root, actor=account()), False, reason)
    typer.echo("lookouts are switched off")


@lookout_app.command()
def on(root: Root, reason: Reason = "") -> None:
    """Let the lookouts go on that were stopped."""
    switch_lookouts(open_workbench(root, actor=account()), True, reason)
    typer.echo("lookouts run")


def _line(one: Lookout) -> str:
    state = f"approved by {one.approved_by}" if one.approved_by else "not approved"
    open_hits = sum(not hit.verdict for hit in one.hits)
    return (
        f"{one.lookout_id}  {one.plate:<12} {','.join(one.cameras)}  until "
        f"{format_utc(one.until_ns)}  asked by {one.asked_by}, {state}; "
        f"{len(one.hits)} hits, {open_hits} not looked at"
    )


def _hit_line(one: Lookout, hit: LookoutHit) -> str:
    verdict = f"{hit.verdict} ({hit.decided_by})" if hit.verdict else "not looked at"
    return (
        f"{hit.hit_id}  {one.plate} -> {hit.read}  {hit.camera_id}  "
        f"{format_utc(hit.utc_ns)} +- {hit.sigma_s:.1f} s  {hit.kind}  {verdict}"
    )
