"""Commands on plates in pictures that are in no archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, cast

import typer

from workbench.errors import N_, BadInput, WorkbenchError
from workbench.recognition import as_csv, read_plates_of_images
from workbench.recognition.plates.stills import STILL_READER
from workbench.recognition.types import LINE_READERS, LineReaderName
from workbench.store import files

app = typer.Typer()
plates_app = typer.Typer(help="Number plates in pictures.", no_args_is_help=True)
app.add_typer(plates_app, name="plates")


@plates_app.callback()
def _plates() -> None:
    """Number plates in pictures."""


@plates_app.command("read")
def read_plates(
    images: Annotated[list[Path], typer.Argument(help="Pictures, crops, or folders of them.")],
    csv: Annotated[Path | None, typer.Option("--csv", help="Write a table here.")] = None,
    reader: Annotated[
        str, typer.Option(help=f"Who reads the lines: {', '.join(LINE_READERS)}.")
    ] = STILL_READER,
) -> None:
    """Read the plates of pictures and crops: text, probability, alternatives; exit 2 at a bad file.

    At least one row a picture: "unread" where a plate is seen and not read, "no plate" where none.
    """
    if csv is not None and not csv.absolute().parent.is_dir():
        raise BadInput(
            N_("there is no folder for this table"),
            N_("make the folder first, or give another path"),
            where=str(csv),
        )
    troubles: list[WorkbenchError] = []
    found = list(
        read_plates_of_images(images, reader=cast(LineReaderName, reader), troubles=troubles)
    )
    if csv is not None:
        files.write_bytes(csv, as_csv(found).encode())
    else:
        for one in found:
            others = ", ".join(f"{text} {p:.2f}" for text, p in one.alternatives[:2])
            typer.echo(
                f"{one.text or '-':<13} {one.probability:.3f}  {one.kind:<8}  {one.file}"
                + (f"  (or {others})" if others else "")
            )
    for trouble in troubles:
        typer.echo(trouble.sentence(), err=True)
    read = sum(one.text is not None for one in found)
    typer.echo(f"{read} plates read, {len(troubles)} files could not be used", err=True)
    if troubles:
        raise typer.Exit(2)
