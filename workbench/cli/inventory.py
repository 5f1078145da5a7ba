"""Commands of the inventory: what cameras there are, on the network, in a table; the report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from workbench.cli.options import Root
from workbench.errors import N_, BadInput
from workbench.monitoring import inventory, open_monitoring
from workbench.store import files
from workbench.views.account import account
from workbench.views.text import translator
from workbench.ward import Advice

app = typer.Typer()
cameras_app = typer.Typer(help="The inventory of cameras.", no_args_is_help=True)
app.add_typer(cameras_app, name="cameras")


@cameras_app.command("list")
def list_cameras(root: Root) -> None:
    """Print the inventory: every camera with its site, kind, address and state."""
    house = open_monitoring(root, actor=account())
    _, status = house.status()
    runs = house.is_recording()
    for camera in house.ward.cameras.values():
        told = status.get(camera.camera_id)
        state = "no address" if not camera.stream_url else "not recorded"
        if told is not None and camera.stream_url:
            state = told.state if runs else "no recorder"
        typer.echo(
            f"{camera.camera_id:<8} {camera.site_id:<5} {camera.kind:<9} {state:<12} "
            f"{camera.stream_url or '-'}  {camera.name}"
        )
    typer.echo(f"{len(house.ward.cameras)} cameras, {len(house.ward.sites)} sites", err=True)


@cameras_app.command()
def discover(
    root: Root,
    address: Annotated[
        list[str] | None,
        typer.Option("--address", help="Host, host:port or service address to ask; repeatable."),
    ] = None,
    interface: Annotated[
        list[str] | None,
        typer.Option("--interface", help="Our own address on a network to probe; repeatable."),
    ] = None,
    wait: Annotated[float, typer.Option("--wait", help="Seconds for probes and devices.")] = 4.0,
    probe: Annotated[
        bool, typer.Option("--probe/--no-probe", help="Ask everybody on the local network.")
    ] = True,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write a table to complete and import.")
    ] = None,
) -> None:
    """Find ONVIF devices, their streams, and which of them the ward's table has; exit 1 at a fault.

    Passwords come from credentials.toml and go to the ward's own cameras and to --address alone.
    """
    if not 0.1 <= wait <= 120:
        raise BadInput(
            N_("{wait} s is no time to wait"), N_("give 0.1 to 120"), where="--wait", wait=wait
        )
    house = open_monitoring(root, actor=account())
    found = inventory.discover(house, address or (), interface or (), wait_s=wait, probe=probe)
    for one in found:
        device = one.device
        kind = " ".join(part for part in (device.maker, device.model) if part) or device.name
        clock = "" if device.clock_offset_s is None else f"  clock {device.clock_offset_s:+.0f} s"
        firmware = f"  firmware {device.firmware}" if device.firmware else ""
        typer.echo(f"{device.host:<15} {kind or '?'}{firmware}{clock}  {device.service_url}")
        for profile, camera in zip(device.profiles, one.cameras, strict=True):
            size = f"{profile.width_px}x{profile.height_px}" if profile.width_px else "no picture"
            typer.echo(
                f"    {camera or 'not in cameras.csv'}: {profile.name}  {profile.codec} {size} "
                f"{profile.fps:g} fps {profile.kbit_s} kbit/s  "
                f"{profile.url or 'gives no usable address'}"
            )
        if device.trouble is not None:
            who = f" ({', '.join(one.at_host)})" if one.at_host else ""
            typer.echo(f"{device.host}{who}: {device.trouble.sentence()}", err=True)
    if csv is not None:
        files.write_bytes(csv, b"\xef\xbb\xbf" + inventory.found_csv(found).encode())
    typer.echo(f"{len(found)} devices", err=True)
    if any(one.device.trouble for one in found):
        raise typer.Exit(1)


@cameras_app.command("import")
def import_cameras(
    root: Root,
    file: Annotated[Path, typer.Argument(help="A CSV table of cameras; see docs/operations.md.")],
    apply: Annotated[bool, typer.Option("--apply", help="Write it; otherwise only show.")] = False,
) -> None:
    """Show what a table of cameras would add and change; with --apply, do it. Exit 1 at a fault."""
    house = open_monitoring(root, actor=account())
    plan = inventory.plan_import(house, file)
    for finding in plan.findings:
        mark = "advice: " if isinstance(finding, Advice) else ""
        typer.echo(mark + finding.sentence(), err=True)
    for name in plan.added:
        typer.echo(f"add     {name}")
    for one in plan.changed:
        before, after = one.before or "(empty)", one.after or "(empty)"
        typer.echo(f"change  {one.camera_id}  {one.column}: {before} -> {after}")
    cameras = len({one.camera_id for one in plan.changed})
    typer.echo(f"{len(plan.added)} added, {cameras} changed, {plan.same} as they are", err=True)
    if plan.faults:
        typer.echo("nothing was changed", err=True)
        raise typer.Exit(1)
    if apply:
        _, earlier = inventory.apply_import(house, file)
        typer.echo(
            f"written; earlier table: {earlier}" if earlier else "nothing to change", err=True
        )


@app.command()
def report(
    root: Root,
    month: Annotated[str, typer.Option("--month", help="Month of Viet Nam time, like 2026-11.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the files.")] = Path(),
    language: Annotated[Literal["vi", "en"], typer.Option(help="Language of the report.")] = "vi",
) -> None:
    """Write the month's report as HTML and PDF: recorded share, gaps by cause, health, storage."""
    from workbench.monitoring.report import write_report

    house = open_monitoring(root, actor=account(), translate=translator(language))
    for path in write_report(house, month, out, language=language):
        typer.echo(path)
