"""Commands of incidents and of messages about them."""

from __future__ import annotations

from typing import Annotated

import typer

from workbench.cli.options import Root, span_of
from workbench.monitoring import open_monitoring
from workbench.records import IncidentRecord
from workbench.timeline import format_utc
from workbench.views.account import account
from workbench.views.text import DEFAULT_LANGUAGE, LANGUAGES, translator

app = typer.Typer()
incident_app = typer.Typer(help="One incident: lost or faulty cameras, from when until when.")
notify_app = typer.Typer(help="Messages to people about incidents.")
app.add_typer(incident_app, name="incident")
app.add_typer(notify_app, name="notify")

Incident = Annotated[str, typer.Argument(help="Its name, as `workbench incidents` lists it.")]


@app.command()
def incidents(
    root: Root,
    only_open: Annotated[bool, typer.Option("--open", help="Only those that go on.")] = False,
    start: Annotated[str, typer.Option("--from", help="Start, as of other commands.")] = "",
    stop: Annotated[str, typer.Option("--to", help="End, written like the start.")] = "",
) -> None:
    """List incidents: cause, what was done, tasks, footage lost; exit 1 where one goes on."""
    house = open_monitoring(root, actor=account())
    found = house.incidents(span_of(start, stop), only_open=only_open)
    for incident in found:
        for line in _lines(incident, house.now()):
            typer.echo(line)
    open_ones = sum(incident.is_open for incident in found)
    typer.echo(f"{len(found)} incidents, {open_ones} open", err=True)
    if open_ones:
        raise typer.Exit(1)


def _lines(incident: IncidentRecord, now_ns: int) -> list[str]:
    state = "open  " if incident.is_open else "closed"
    lost = f", {incident.lost_s:.1f} s not recorded" if incident.lost_s is not None else ""
    cameras = ", ".join(incident.cameras)
    head = f"{state} {incident.incident_id}  {format_utc(incident.opened_ns)}  {incident.kind}"
    told = [f"{head}  {incident.duration_s(now_ns):.0f} s{lost}  {cameras}"]
    if incident.is_open and incident.missing != incident.cameras:
        told.append(f"    not back: {', '.join(incident.missing)}")
    languages = [translator(one) for one in dict.fromkeys((DEFAULT_LANGUAGE, *LANGUAGES))]
    why = dict.fromkeys(incident.why(tr) for tr in languages)
    told += [f"    {one}" for one in why if one]
    told += [
        f"    {format_utc(one.at_ns)} {one.camera_id}: {one.what.sentence()}"
        for one in incident.responses
    ]
    if incident.acknowledged_by and incident.acknowledged_ns is not None:
        told.append(f"    seen by {incident.acknowledged_by}, {incident.note}".rstrip(", "))
    if incident.closed_by:
        told.append(f"    closed by {incident.closed_by}: {incident.note}")
    if incident.task is not None and incident.task.closed_ns is None:
        for check in incident.task.checks:
            told += [f"    task: {text}" for text in dict.fromkeys(map(check.sentence, languages))]
    return told


@incident_app.command("ack")
def acknowledge(
    root: Root,
    incident: Incident,
    note: Annotated[str, typer.Option("--note", help="What is being done, in words.")] = "",
) -> None:
    """Say that you have seen an incident."""
    open_monitoring(root, actor=account()).acknowledge_incident(incident, note)


@incident_app.command("close")
def close(
    root: Root,
    incident: Incident,
    note: Annotated[str, typer.Option("--note", help="What was found, in words.")],
) -> None:
    """Close an incident and its task by hand; most end by themselves."""
    found = open_monitoring(root, actor=account()).close_incident(incident, note)
    typer.echo(f"{found.incident_id}: {found.lost_s or 0.0:.1f} s not recorded")


@notify_app.command("test")
def test(root: Root) -> None:
    """Send a trial by every way of notify.toml; exit 1 where one does not deliver."""
    house = open_monitoring(root, actor=account(), translate=translator(DEFAULT_LANGUAGE))
    found = house.try_notices()
    for way, trouble in found.items():
        typer.echo(f"{way}: {trouble or 'sent'}")
    if any(found.values()):
        raise typer.Exit(1)
