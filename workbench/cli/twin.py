"""Commands on the simulated ward: traffic with its truth, and what cameras make of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from workbench import ward
from workbench.demonstration import WARD
from workbench.errors import N_, BadInput
from workbench.twin import traffic

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
        traffic=traffic.Traffic(vehicles_per_hour=vehicles_per_hour),
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


def _hour(text: str) -> float:
    found = re.fullmatch(r"([01]?\d|2[0-3]):([0-5]\d)", text.strip())
    if found is None:
        raise BadInput(
            N_("'{text}' is no time of day"), N_("write it like 07:00"), where="--start", text=text
        )
    return int(found[1]) + int(found[2]) / 60
