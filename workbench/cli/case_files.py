"""Commands of what is written down in a case: subjects with probes, tasks, notes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench import records
from workbench.cli.options import Reason, Root, camera_list
from workbench.errors import N_, BadInput
from workbench.investigation import (
    add_note,
    add_probes,
    add_subject,
    add_task,
    case_file,
    case_history,
    change_case,
    end_task,
    open_workbench,
)
from workbench.monitoring import open_monitoring
from workbench.monitoring.retention import Policy
from workbench.records import Purpose
from workbench.store.categories import CATEGORIES, OFFENCES
from workbench.timeline import format_utc
from workbench.views.account import account

app = typer.Typer()
"""Joined to ``workbench case``."""

Offence = Annotated[
    str, typer.Option("--offence", help="The offence or act, in words; see: case categories.")
]
CategoryKey = Annotated[
    str, typer.Option("--category", help="Its category, like traffic; see: case categories.")
]
PeopleOn = Annotated[
    str,
    typer.Option(
        "--people", help="Who works on it, comma-separated; empty: whoever may work on cases."
    ),
]

Case = Annotated[str, typer.Argument(metavar="NUMBER", help="The case's number.")]


@app.command("change")
def change(
    root: Root,
    case: Case,
    reason: Reason,
    offence: Annotated[
        str | None, typer.Option("--offence", help="The offence or act, in words.")
    ] = None,
    category: Annotated[str | None, typer.Option("--category", help="Its category.")] = None,
    people: Annotated[
        str | None, typer.Option("--people", help='Who works on it, comma-separated; "": nobody.')
    ] = None,
) -> None:
    """Change what a case is about, or who works on it; the log keeps what was, and why."""
    named = None if people is None else camera_list(people) or []
    change_case(
        open_workbench(root, actor=account()), case, reason,
        offence=offence, category=category, people=named,
    )  # fmt: skip
    typer.echo(f"case {case} is changed")


@app.command("categories")
def categories(root: Root) -> None:
    """List the categories of cases: days a closed case's footage is held, on what they rest."""
    policy = open_monitoring(root, actor=account()).keeping.policy() or Policy()
    for key, one in CATEGORIES.items():
        days = policy.case_days[key]
        rests = one.basis if days == one.days else f"retention.toml; else {one.days}: {one.basis}"
        typer.echo(f"{key:<10} {days:>6} days  {one.name}  ({rests})")
        for offence in OFFENCES[key]:
            typer.echo(f"{'':<10}   {offence}")


@app.command("file")
def show_file(root: Root, case: Case, reason: Reason) -> None:
    """Show what a case is about and what was written down in it: subjects, tasks, notes, tracks."""
    wb = open_workbench(root, actor=account())
    found = case_file(wb, Purpose(case, reason))
    for turn in case_history(wb, Purpose(case, reason)):
        typer.echo(f"{format_utc(turn.at_ns)}  {turn.actor}  {turn.act}: {turn.reason}")
    typer.echo(_about(next(known for known in wb.cases() if known.case_id == case)))
    for one in found.subjects:
        typer.echo(f"{one.subject_id}  {one.what}  ({one.written_by})")
        for plate in one.plates:
            typer.echo(f"  plate {plate}")
        for each in one.photographs:
            why = [*each.remarks, f"used because: {each.despite}" if each.despite else ""]
            typer.echo("  ".join(["  photograph", each.file, each.quality, *filter(None, why)]))
    for task in found.tasks:
        state = "open" if task.is_open else f"done by {task.done_by}: {task.outcome}"
        whose = f" for {task.whose}" if task.whose else ""
        due = f" until {task.due}" if task.due else ""
        typer.echo(f"{task.task_id}  {task.what}{whose}{due}  {state}")
    for note in found.notes:
        typer.echo(f"{format_utc(note.at_ns)}  {note.written_by}: {note.text}")
    for track in found.tracks:
        where = f"{track.found['camera_id']} {track.found['segment_sha256'][:12]}"
        typer.echo(f"{track.track_id}  {track.found['name'] or 'track'}  {where}"
                   f"  {len(track.found['pts'])} frames  ({track.written_by})")  # fmt: skip
        for number, step in enumerate(track.steps, start=1):
            undone = f"  taken back by {step.undone_by}: {step.why}" if step.undone_by else ""
            told = ", ".join(
                f"{name} {value}" for name, value in step.step.items()
                if name not in ("actor", "at_ns", "reason")
            )  # fmt: skip
            said = step.step.get("reason", "") or "no reason given"
            typer.echo(f"  step {number}: {told}  ({step.written_by}): {said}{undone}")
    if not (found.subjects or found.tasks or found.notes or found.tracks):
        typer.echo("nothing is written down in this case")


@app.command("subject")
def write_subject(
    root: Root,
    case: Case,
    reason: Reason,
    what: Annotated[
        str, typer.Option("--what", help="Whom or what it is about, in words; a new subject.")
    ] = "",
    subject: Annotated[str, typer.Option("--to", help="Add to this subject, like DT-1.")] = "",
    plate: Annotated[
        list[str] | None, typer.Option("--plate", help="A plate to search for; repeatable.")
    ] = None,
    photograph: Annotated[
        list[Path] | None, typer.Option("--photograph", help="One face in it; repeatable.")
    ] = None,
    despite: Annotated[
        str, typer.Option("--despite", help="Why photographs below the gate must do.")
    ] = "",
) -> None:
    """Write down a subject of a case with plates and photographs to search with."""
    if bool(what) == bool(subject):
        raise BadInput(
            N_("a subject is new or known"), N_("give --what or --to"), where="case subject"
        )
    given = []
    for path in photograph or ():
        if not path.is_file():
            raise BadInput(N_("there is no such file"), N_("check its name"), where=str(path))
        given.append((path.name, path.read_bytes()))
    wb, purpose = open_workbench(root, actor=account()), Purpose(case, reason)
    if what:
        subject = add_subject(
            wb, purpose, what, plates=plate or (), photographs=given, despite=despite
        )
    else:
        add_probes(wb, purpose, subject, plates=plate or (), photographs=given, despite=despite)
    typer.echo(f"{subject} is written down")


@app.command("task")
def write_task(
    root: Root,
    case: Case,
    reason: Reason,
    what: Annotated[str, typer.Option("--what", help="What is to be done; a new task.")] = "",
    whose: Annotated[str, typer.Option("--for", help="Who is to do it.")] = "",
    due: Annotated[str, typer.Option("--due", help="Day it is due, like 2026-11-20.")] = "",
    done: Annotated[str, typer.Option("--done", help="This one is done, like VC-1.")] = "",
    outcome: Annotated[str, typer.Option("--outcome", help="What came of it.")] = "",
) -> None:
    """Write down a task of a case, or that one is done."""
    if bool(what) == bool(done):
        raise BadInput(N_("a task is new or done"), N_("give --what or --done"), where="case task")
    wb, purpose = open_workbench(root, actor=account()), Purpose(case, reason)
    if what:
        done = add_task(wb, purpose, what, whose=whose, due=due)
        typer.echo(f"{done} is written down")
    else:
        end_task(wb, purpose, done, outcome)
        typer.echo(f"{done} is done")


@app.command("note")
def write_note(
    root: Root, case: Case, reason: Reason, text: Annotated[str, typer.Argument(help="The note.")]
) -> None:
    """Write a note in a case; it is kept as it is."""
    add_note(open_workbench(root, actor=account()), Purpose(case, reason), text)
    typer.echo("written down")


def _about(case: records.Case) -> str:
    name = CATEGORIES[case.category].name if case.category in CATEGORIES else "none"
    people = ", ".join(case.people) or "whoever may work on cases"
    return f"offence: {case.offence or '-'}\ncategory: {name}\npeople: {people}"
