"""Commands of the running cameras."""

from __future__ import annotations

import signal
import sys
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Literal

import typer

from workbench.cli.options import Cameras, From, Root, To, camera_list, instant_of
from workbench.monitoring import CameraStatus, open_monitoring
from workbench.timeline import SECOND_NS, Span, format_utc
from workbench.views.account import account
from workbench.views.text import DEFAULT_LANGUAGE, translator

app = typer.Typer()


@app.command()
def record(
    root: Root,
    cameras: Cameras = "",
    segment: Annotated[
        float, typer.Option("--segment", help="Length of one file, in seconds; 10 to 60 is usual.")
    ] = 30.0,
) -> None:
    """Record the ward's cameras into the archive until stopped with Ctrl-C."""
    # causes are for the officers of the centre: in their language
    house = open_monitoring(root, actor=account(), translate=translator(DEFAULT_LANGUAGE))
    pressed: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, _frame: pressed.append(number))
    shown = {"line": ""}

    def tell(status: Mapping[str, CameraStatus]) -> None:
        states = Counter(camera.state for camera in status.values())
        line = ", ".join(f"{count} {state}" for state, count in sorted(states.items()))
        if line != shown["line"]:
            shown["line"] = line
            sys.stderr.write(f"{format_utc(house.now())}  {line}\n")

    house.record(
        camera_list(cameras), segment_s=segment, stopped=lambda: bool(pressed), on_status=tell
    )


@app.command()
def health(root: Root) -> None:
    """Say how each camera is; exit 1 where one is lost or faulty, or no recorder runs."""
    house = open_monitoring(root, actor=account())
    at_ns, status = house.status()
    if not house.is_recording():
        since = f" since {format_utc(at_ns)}" if at_ns else ""
        typer.echo(f"no recorder runs{since}; start it with: workbench record {root}", err=True)
    waiting, trouble = house.waiting()
    if trouble:
        typer.echo(f"{waiting} wait for the archive: {trouble}", err=True)
    aside = house.quarantined()
    if aside:
        typer.echo(
            f"{len(aside)} recorded files hold no footage; why stands beside each in "
            f"{house.quarantine}",
            err=True,
        )
    typer.echo(house.keeping.note(), err=True)
    for camera_id, camera in status.items():
        told = f"{camera.state:<10} {camera_id:<8} since {format_utc(camera.since_ns)}"
        told += f"  {camera.fps:4.1f} fps {camera.kbit_s:7.0f} kbit/s" if camera.fps else ""
        told += f"  {camera.cause}: {camera.detail}" if camera.cause else ""
        told += f"  {', '.join(camera.faults)}" if camera.faults else ""
        told += f"  {camera.why}" if camera.why else ""
        typer.echo(told)
    sound = all(one.state == "recording" and not one.faults for one in status.values())
    if not house.is_recording() or not sound or trouble or aside:
        raise typer.Exit(1)


@app.command()
def reference(
    root: Root,
    camera: Annotated[str, typer.Argument(help="Camera id.")],
    light: Annotated[Literal["day", "night"], typer.Option(help="A camera may have one of each.")],
) -> None:
    """Take a camera's last recorded minute as what it should look like from now on."""
    open_monitoring(root, actor=account()).set_reference(camera, light)


@app.command()
def gaps(root: Root, start: From, stop: To, cameras: Cameras = "") -> None:
    """List what was not recorded between two instants, and why; exit 1 where a cause is unknown."""
    house = open_monitoring(root, actor=account())
    span = Span(instant_of(start, "--from"), instant_of(stop, "--to"))
    wanted = camera_list(cameras)
    for one in wanted or ():
        # a camera that was taken out of the ward has its footage still
        if one not in house.ward.cameras and not house.recorded(span, [one])[one]:
            house.ward.camera(one)
    found = house.gaps(span, wanted)
    for gap in found:
        length = f"{gap.span.duration_ns / SECOND_NS:9.1f} s"
        why = gap.losses[0].detail if gap.losses else ""
        typer.echo(
            f"{gap.camera_id:<8} {format_utc(gap.span.start_ns)} {length}  "
            f"{gap.cause or 'unknown'}  {why}".rstrip()
        )
    typer.echo(f"{len(found)} gaps", err=True)
    if any(gap.cause is None for gap in found):
        raise typer.Exit(1)
