"""Commands on the simulated ward: traffic with its truth, and what cameras make of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from workbench import ward
from workbench.demonstration import WARD
from workbench.errors import N_, BadInput
from workbench.twin import filming, traffic
from workbench.twin import render as drawing
from workbench.twin.air import Weather

app = typer.Typer()
twin_app = typer.Typer(help="The ward as a simulation, with its truth.", no_args_is_help=True)
app.add_typer(twin_app, name="twin")

Seed = Annotated[int, typer.Option("--seed", min=0, help="Same seed, same result.")]


@twin_app.callback()
def _twin() -> None:
    """The ward as a simulation, with its truth."""


@twin_app.command("simulate")
def simulate(
    out: Annotated[Path, typer.Argument(help="Folder to write into.")],
    seed: Seed = 1,
    hours: Annotated[float, typer.Option(help="Length, for example 0.5 or 24.")] = 1.0,
    start: Annotated[str, typer.Option(help="Local time it starts.")] = "07:00",
    vehicles_per_hour: Annotated[
        float, typer.Option(help="Departures in the busiest hour of the day's profile.")
    ] = 6000.0,
    collisions: Annotated[
        float, typer.Option(min=0, max=60, help="Collisions an hour on average.")
    ] = 4.0,
    stand: Annotated[
        float,
        typer.Option(min=0, max=600, help="Seconds the two stand afterwards; 0: they drive on."),
    ] = 0.0,
    evening_return: Annotated[
        float,
        typer.Option(
            min=0, max=1, help="Share of the morning's drivers who return in the evening."
        ),
    ] = 0.0,
    tables: Annotated[
        Path, typer.Option("--ward", help="Folder of the ward's tables; the illustrative one.")
    ] = WARD,
) -> None:
    """Simulate the ward's traffic with SUMO: true passes per camera, positions, collisions.

    Needs the extra 'twin'. An hour of 6000 vehicles takes one to three minutes.
    """
    told = traffic.simulate(
        ward.load(tables),
        out,
        seed=seed,
        hours=hours,
        start_hour=_hour(start),
        traffic=traffic.Traffic(
            vehicles_per_hour=vehicles_per_hour,
            collisions_per_hour=collisions,
            collision_stand_s=stand,
            evening_return=evening_return,
        ),
    )
    typer.echo(", ".join(f"{count} {name}" for name, count in told["counts"].items()))


@twin_app.command("degrade")
def degrade(
    truth: Annotated[Path, typer.Argument(help="Folder that 'twin simulate' wrote.")],
    out: Annotated[Path, typer.Argument(help="Folder to write into.")],
    preset: Annotated[
        str, typer.Option(help=f"What goes wrong: {', '.join(traffic.PRESETS)}.")
    ] = "realistic",
    seed: Seed = 1,
) -> None:
    """Make of true passes what cameras would have seen: sightings, coverage, and the truth."""
    made = traffic.degrade_folder(truth, out, traffic.preset(preset), seed)
    read = made.sightings.num_rows - made.sightings["plate"].null_count
    typer.echo(f"{made.sightings.num_rows} sightings, {read} with a plate")


@twin_app.command("render")
def render(
    truth: Annotated[Path, typer.Argument(help="Folder that 'twin simulate' wrote.")],
    out: Annotated[Path, typer.Argument(help="Folder to write into.")],
    cameras: Annotated[str, typer.Option(help="Ids or sites, like S01-P1,S02; or all.")] = "S01",
    start: Annotated[
        str, typer.Option(help="Local time of the first frame, like 07:01 or 07:01:30.")
    ] = "",
    seconds: Annotated[float, typer.Option(help="Length of each clip.")] = 30.0,
    light: Annotated[
        str, typer.Option(help="day, dusk, night or glare; with ',rain' in rain.")
    ] = "day",
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="CAMERA=FAULT@SECONDS; frozen, dark, covered, blurred, moved or noise. Repeatable."
        ),
    ] = None,
    fps: Annotated[int, typer.Option(min=1, max=30, help="Frames a second.")] = 10,
    seed: Seed = 1,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    tables: Annotated[
        Path, typer.Option("--ward", help="Folder of the ward's tables; the illustrative one.")
    ] = WARD,
) -> None:
    """Draw what cameras see of simulated traffic: clips to ingest, true boxes and plates.

    Needs the drawing packages, not SUMO. A camera's minute takes one to two minutes of a core.
    """
    known = ward.load(tables)
    weather = Weather.read(light)
    faults = dict(drawing.Fault.read(word) for word in fault or [])
    names = drawing.cameras_of(cameras, list(known.cameras))
    span = filming.span_in(truth, start, seconds)
    scenario = filming.scenario_of(truth, known, names, span, seed=seed, fps=fps)
    drawing.render(
        scenario, out, weather=weather, faults=faults, workers=workers,
        on_camera=lambda camera: typer.echo(f"drew {camera}"),
    )  # fmt: skip
    typer.echo(
        f"{len(names)} clips of {seconds:g} s ({weather}), {len(scenario.passes)} passes; "
        "render.json tells how to take them in"
    )


def _hour(text: str) -> float:
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip())
    if found is None:
        raise BadInput(
            N_("'{text}' is no time of day"), N_("write it like 07:00"), where="--start", text=text
        )
    return int(found[1]) + int(found[2]) / 60
