"""The command line: each command is one verb of a facade, printed.

Exit status: 0 done; 1 something was found (damage, a failed span, a fault in the ward's tables);
2 the input cannot be used; 3 refused. A user's mistake gets one sentence on standard error.
"""

from __future__ import annotations

import sys

import typer

from workbench.cli import (
    bundles,
    cameras,
    conflicts,
    faces,
    follow,
    incidents,
    inventory,
    keeping,
    leads,
    lookouts,
    metres,
    models,
    notices,
    oversight,
    people,
    plates,
    reach,
    searching,
    sightings,
    twin,
)
from workbench.cli.footage import app
from workbench.cli.stating import states_its_case, stating
from workbench.errors import Refused, WorkbenchError

__all__ = ["app", "main"]

_PARTS = (
    bundles,
    cameras,
    faces,
    conflicts,
    follow,
    incidents,
    inventory,
    keeping,
    lookouts,
    leads,
    metres,
    models,
    notices,
    oversight,
    people,
    plates,
    reach,
    searching,
    sightings,
    twin,
)
for part in _PARTS:
    app.registered_commands.extend(part.app.registered_commands)
    app.registered_groups.extend(part.app.registered_groups)


def _state_cases(part: typer.Typer) -> None:
    """Have every command that names a case say under which legal basis it answered."""
    for command in part.registered_commands:
        if command.callback is not None and states_its_case(command.callback):
            command.callback = stating(command.callback)
    for group in part.registered_groups:
        if group.typer_instance is not None:
            _state_cases(group.typer_instance)


_state_cases(app)


def main() -> None:
    """Run the command line; a user's mistake ends in one sentence, not in a traceback."""
    try:
        app()
    except Refused as refusal:
        sys.stderr.write(f"refused: {refusal.sentence()}\n")
        sys.exit(3)
    except WorkbenchError as error:
        sys.stderr.write(f"{error.sentence()}\n")
        sys.exit(2)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"{where}{error.strerror or error}.\n")
        sys.exit(2)
