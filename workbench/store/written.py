"""What is written down line by line and never changed, and photographs kept under their hash."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from workbench.errors import Damaged
from workbench.store import files


@dataclass(frozen=True, slots=True)
class Written:
    """A record that is kept as one line; its fields are what stands there."""

    @property
    def text(self) -> str:
        """The record as it is written: canonical JSON, one line."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @property
    def sha256(self) -> str:
        """The hash the audit log holds of it."""
        return hashlib.sha256(self.text.encode()).hexdigest()


Record = TypeVar("Record", bound=Written)


def read_lines(path: Path, kind: type[Record], damaged: Callable[[int], Damaged]) -> list[Record]:
    """Return the records of a file, oldest first; none where there is no file.

    Raises
    ------
    Damaged
        What `damaged` makes of the number of the first line that is none of ours, 0 of the file.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return []
    except (OSError, ValueError) as error:
        raise damaged(0) from error
    found = []
    for number, line in enumerate(lines, 1):
        try:
            one = kind(**json.loads(line))
            whole = one.text == line
        except (ValueError, TypeError, RecursionError):
            whole = False
        if not whole:
            raise damaged(number)
        found.append(one)
    return found


def photograph_path(folder: Path, sha256: str) -> Path:
    """Return where a photograph lies."""
    return folder / f"{sha256}.photograph"


def put_photograph(folder: Path, data: bytes) -> str:
    """Keep a photograph, for its owner only; return its hash."""
    sha256 = hashlib.sha256(data).hexdigest()
    path = photograph_path(folder, sha256)
    if not path.exists():
        files.write_bytes(path, data, mode=0o400)
    return sha256


def intact_photograph(folder: Path, sha256: str) -> bytes | None:
    """Return a photograph; None where it is not there, or not the one that was given."""
    try:
        data = photograph_path(folder, sha256).read_bytes()
    except OSError:
        return None
    return data if hashlib.sha256(data).hexdigest() == sha256 else None
