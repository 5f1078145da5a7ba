"""Commands of evidence that leaves the house: pack it, and check what was packed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from workbench.cases import verifier
from workbench.cli.options import CaseId, Reason, Root, show
from workbench.errors import N_, BadInput
from workbench.investigation import bundle as write_bundle
from workbench.investigation import bundle_for, export_notebook, open_workbench
from workbench.records import Purpose
from workbench.views.account import account

app = typer.Typer()
notebook_app = typer.Typer()
"""Joined to ``workbench case``, beside the commands of the archive."""


@app.command()
def bundle(
    root: Root,
    out: Annotated[
        Path, typer.Argument(metavar="BUNDLE", help="A new file, ending in .zip (.zip.age).")
    ],
    plate: Annotated[
        list[str], typer.Option("--plate", help="A plate it is about; may be repeated.")
    ],
    case: CaseId = "",
    reason: Reason = "",
    originals: Annotated[
        bool, typer.Option("--originals/--no-originals", help="Put the untouched files in.")
    ] = True,
    clips: Annotated[
        bool, typer.Option("--clips/--no-clips", help="Reading copies in motion, faces hidden.")
    ] = True,
    cuts: Annotated[
        bool, typer.Option("--cuts", help="Exact cuts of the originals around the passes.")
    ] = False,
    recipient: Annotated[
        list[str] | None,
        typer.Option(help="Encrypt for this public key of age; may be repeated. Needs age."),
    ] = None,
) -> None:
    """Pack a case's evidence on some plates, signed: originals, passes, what was not found, log.

    The bundle holds the program that checks it. A lead, not an identity.
    """
    house, purpose = open_workbench(root, actor=account()), Purpose(case, reason)
    options: dict[str, Any] = {
        "plates": plate, "originals": originals, "clips": clips, "cuts": cuts, "on_progress": show,
    }  # fmt: skip
    if recipient:
        found = bundle_for(house, purpose, out, recipients=recipient, **options)
    else:
        found = write_bundle(house, purpose, out, **options)
    typer.echo(
        f"{found.path}: {found.files} files, {found.bytes / 1e6:.1f} MB, "
        f"{found.sightings} sightings, {found.segments} originals"
    )
    typer.echo(f"manifest {found.manifest_sha256}")
    typer.echo(f"signed with key {found.key}")


@notebook_app.command("export-notebook")
def case_notebook(
    root: Root,
    case: Annotated[str, typer.Argument(metavar="NUMBER", help="The case's number.")],
    out: Annotated[Path, typer.Argument(metavar="OUT", help="A new file, ending in .ipynb.")],
    reason: Reason = "",
) -> None:
    """Write a case as a notebook: run again, a search gives the same bytes, or says what changed.

    It searches by the same verbs as the pages, under the account of whoever runs it, in the bounds
    of the case; the log keeps it. A lead, not an identity.
    """
    found = export_notebook(open_workbench(root, actor=account()), Purpose(case, reason), out)
    typer.echo(f"{found.path}: {found.searches} searches; {found.not_again} other acts are counted")
    typer.echo(f"record {found.record_sha256}")


def is_bundle(path: Path) -> bool:
    """Return whether a path is to be checked as a bundle: a file, or a folder with a manifest."""
    return path.is_file() or (path / verifier.MANIFEST).is_file()


def verify_bundle(path: Path, key: str) -> None:
    """Check a bundle and say what is wrong; exit 1 where something is."""
    try:
        found, manifest = verifier.check(str(path), key)
    except verifier.NoBundleError as error:
        raise BadInput(
            N_("this is no evidence bundle: {why}"),
            N_("give a root, a bundle's zip, or the folder it was unpacked to"),
            where=str(path),
            why=str(error)[:300],
        ) from error
    for one in found:
        typer.echo(one.sentence("en"), err=True)
    if found:
        raise typer.Exit(1)
    signer = manifest["key"]
    typer.echo(f"{path}: {len(manifest['files'])} files of case {manifest['case']}, all as written")
    typer.echo(f"signed with key {signer}" + ("" if key else ": compare it with the receipt"))
