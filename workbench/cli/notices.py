"""Commands of the record of public notices: whether people are told of cameras, by site."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workbench.cli.options import Root
from workbench.errors import N_, BadInput
from workbench.investigation import notices_of, open_workbench, record_notice
from workbench.investigation.public_notices import LACKS
from workbench.views.account import account

app = typer.Typer()
notice_app = typer.Typer(
    help="The notice that tells the public of the cameras at each site.", no_args_is_help=True
)
app.add_typer(notice_app, name="notice")


@notice_app.command("list")
def list_all(root: Root) -> None:
    """List the sites with what was last seen of their notice; exit 1 where one lacks it."""
    found = notices_of(open_workbench(root, actor=account()))
    for one in found:
        seen = f"{one.last.seen_on}  {one.last.recorded_by}: {one.last.what}" if one.last else ""
        state = LACKS[one.lack] if one.lack else "stands"
        typer.echo(f"{one.site_id:<6} {one.cameras:>2} cameras  {state}  {seen}".rstrip())
    lacking = sum(bool(one.lack) for one in found)
    typer.echo(f"{len(found)} sites, {lacking} without a notice that is known to stand", err=True)
    if lacking:
        raise typer.Exit(1)


@notice_app.command("record")
def record_one(
    root: Root,
    site: Annotated[str, typer.Argument(help="Id of the site.")],
    on: Annotated[str, typer.Option("--on", help="Day somebody looked, like 2026-11-20.")],
    what: Annotated[
        str, typer.Option("--what", help="Where it hangs and what it says, or what was found.")
    ],
    missing: Annotated[bool, typer.Option("--missing", help="It was not there.")] = False,
    photograph: Annotated[
        Path | None, typer.Option("--photograph", help="A picture of it: JPEG or PNG.")
    ] = None,
) -> None:
    """Record what was seen of a site's notice to the public; earlier records stay."""
    given = None
    if photograph is not None:
        if not photograph.is_file():
            raise BadInput(N_("there is no such file"), N_("check its name"), where=str(photograph))
        given = (photograph.name, photograph.read_bytes())
    one = record_notice(
        open_workbench(root, actor=account()), site, seen_on=on, what=what, missing=missing,
        photograph=given,
    )  # fmt: skip
    typer.echo(f"recorded: {one.site_id} {one.state}, seen on {one.seen_on}")
