"""What each command that names a case says in the end: the case, its legal basis, the reason."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import typer

from workbench.investigation import basis_of


def states_its_case(command: Callable[..., Any]) -> bool:
    """Return whether a command takes a root and a case, and so has to state it."""
    return {"root", "case"} <= set(inspect.signature(command).parameters)


def stating(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return a command that, once it has answered, says under which case and legal basis it did.

    What was refused states nothing: the title of a case is not everybody's. A command that may go
    without a case, and went without one, has none to state.
    """

    @functools.wraps(command)
    def stated(**words: Any) -> Any:
        try:
            done = command(**words)
        except typer.Exit:  # it has answered, and says by its status that something is amiss
            _say(words)
            raise
        _say(words)
        return done

    return stated


def say_basis(root: Path, case_id: str, reason: str = "") -> None:
    """Say the basis of what was answered, for commands that learn their case on the way."""
    typer.echo(basis_of(root, case_id, reason).line)


def _say(words: dict[str, Any]) -> None:
    if words["case"]:
        say_basis(words["root"], words["case"], words.get("reason", ""))
