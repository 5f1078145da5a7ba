"""Commands of the list of people: who may sign in to the pages, with which roles and bounds."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path
from typing import Annotated

import typer

from workbench.cases.people import check_person
from workbench.cli.options import Root, camera_list, instant_of
from workbench.errors import N_, BadInput
from workbench.investigation import (
    Workbench,
    add_person,
    change_person,
    list_people,
    open_workbench,
)
from workbench.store.people import ROLES, Person
from workbench.timeline import format_utc
from workbench.views.account import account

app = typer.Typer()
people_app = typer.Typer(
    help="Who may sign in to the pages, and what each may do.", no_args_is_help=True
)
app.add_typer(people_app, name="people")

Name = Annotated[str, typer.Argument(help="Name for signing in: small letters, digits, dots.")]
Roles = Annotated[str, typer.Option("--roles", help=f"Comma-separated, of: {', '.join(ROLES)}.")]
Cameras = Annotated[
    str | None, typer.Option("--cameras", help="Cameras they may see, comma-separated; '' for all.")
]
CaseIds = Annotated[
    str | None, typer.Option("--cases", help="Cases they work on, comma-separated; '' for all.")
]
Until = Annotated[
    str | None,
    typer.Option("--until", help="When the account ends, with UTC offset; '' for never."),
]
FootageFrom = Annotated[
    str | None,
    typer.Option("--footage-from", help="They see nothing filmed before; '' for no bound."),
]
FootageTo = Annotated[
    str | None,
    typer.Option("--footage-to", help="They see nothing filmed from then on; '' for no bound."),
]
FromInput = Annotated[
    bool, typer.Option("--password-stdin", help="Take the password from standard input.")
]


@people_app.command("list")
def list_all(root: Root) -> None:
    """List everybody: roles, bounds, end; locked ones are marked."""
    people = list_people(_house(root))
    for one in people:
        typer.echo(_line(one))
    if not people:
        typer.echo("nobody: the pages ask for no sign-in, and are served on this machine only")


@people_app.command()
def add(
    root: Root,
    name: Name,
    roles: Roles,
    cameras: Cameras = None,
    cases: CaseIds = None,
    until: Until = None,
    footage_from: FootageFrom = None,
    footage_to: FootageTo = None,
    password_stdin: FromInput = False,
) -> None:
    """Add somebody; their password is asked for, and kept as an argon2id hash."""
    house, named = _house(root), camera_list(roles) or []
    check_person(name, named)  # before anybody types a password for nothing
    person = add_person(
        house, name, named, _password(ask=not password_stdin),
        cameras=camera_list(cameras or "") or (), case_ids=camera_list(cases or "") or (),
        until_ns=instant_of(until, "--until") if until else 0,
        seen=_seen(footage_from, footage_to) or (0, 0),
    )  # fmt: skip
    typer.echo(_line(person))


@people_app.command()
def change(
    root: Root,
    name: Name,
    roles: Annotated[
        str | None, typer.Option("--roles", help="In place of those they have.")
    ] = None,
    cameras: Cameras = None,
    cases: CaseIds = None,
    until: Until = None,
    footage_from: FootageFrom = None,
    footage_to: FootageTo = None,
    password: Annotated[bool, typer.Option("--password", help="Ask for a new password.")] = False,
    password_stdin: FromInput = False,
    lock: Annotated[
        bool | None, typer.Option("--lock/--unlock", help="Let them in no more, or again.")
    ] = None,
) -> None:
    """Change somebody, or lock them out; where they are signed in, that ends at once."""
    house = _house(root)
    new = _password(ask=not password_stdin) if password or password_stdin else None
    person = change_person(
        house, name, password=new, locked=lock,
        roles=None if roles is None else camera_list(roles) or [],
        cameras=None if cameras is None else camera_list(cameras) or (),
        case_ids=None if cases is None else camera_list(cases) or (),
        until_ns=None if until is None else instant_of(until, "--until") if until else 0,
        seen=_seen(footage_from, footage_to),
    )  # fmt: skip
    typer.echo(_line(person))


def _seen(start: str | None, stop: str | None) -> tuple[int, int] | None:
    """Return both bounds of what somebody may see; None where neither is spoken of."""
    if start is None and stop is None:
        return None
    return (
        instant_of(start, "--footage-from") if start else 0,
        instant_of(stop, "--footage-to") if stop else 0,
    )


def _house(root: Path) -> Workbench:
    return open_workbench(root, actor=account())


def _password(*, ask: bool) -> str:
    if not ask:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise BadInput(
            N_("there is no terminal to ask for the password"),
            N_("give --password-stdin and send it there"),
            where="people",
        )
    first = getpass.getpass("password: ")
    if getpass.getpass("again: ") != first:
        raise BadInput(N_("the two passwords differ"), N_("try again"), where="people")
    return first


def _line(one: Person) -> str:
    bounds = [
        f"cameras {','.join(one.cameras)}" if one.cameras else "",
        f"cases {','.join(one.cases)}" if one.cases else "",
        f"footage from {format_utc(one.seen_from_ns)}" if one.seen_from_ns else "",
        f"footage to {format_utc(one.seen_until_ns)}" if one.seen_until_ns else "",
        f"until {format_utc(one.until_ns)}" if one.until_ns else "",
        "LOCKED" if one.locked else "",
    ]
    return "  ".join([one.name, ",".join(one.roles), *filter(None, bounds)])
