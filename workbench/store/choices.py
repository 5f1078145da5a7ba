"""``ROOT/models``: the operator's models, a folder each, and which of them are switched on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from workbench.errors import N_, Damaged
from workbench.store import files

_FORM = 1


class ModelChoices:
    """The folder ``models`` of a root; only ``in-use.json`` in it is ours. Holds a path only."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "models"

    def in_use(self) -> dict[str, tuple[str, str]]:
        """Return name and SHA-256 of the model switched on for each task; none where none is.

        Raises
        ------
        Damaged
            Where the file cannot be read: nobody may guess which models were meant.
        """
        path = self.folder / "in-use.json"
        try:
            said = json.loads(path.read_text(encoding="utf-8"))
            if said["form"] != _FORM:
                raise ValueError
            return {str(task): (str(name), str(sha)) for task, (name, sha) in said["use"].items()}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError, AttributeError):
            raise Damaged(
                N_("which models are switched on cannot be read"),
                N_("say it again: workbench models use ROOT --shipped, then those of your own"),
                where=str(path),
            ) from None

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let nobody else change it meanwhile: two who switch at once must not undo each other."""
        self.folder.mkdir(exist_ok=True)
        with files.locked(self.folder / ".in-use.lock"):
            yield

    def put(self, use: Mapping[str, tuple[str, str]]) -> None:
        """Say which models are switched on from now on, whole or not at all."""
        said = {"form": _FORM, "use": {task: list(one) for task, one in sorted(use.items())}}
        text = json.dumps(said, indent=1, ensure_ascii=False) + "\n"
        files.write_bytes(self.folder / "in-use.json", text.encode())
