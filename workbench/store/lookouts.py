"""Bounded lookouts of a root: one JSON file each, gone with everything it found when it ends.

What a lookout did stays in the log, as counts; what it saw does not stay anywhere but in the
sightings of its case.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from workbench.errors import N_, BadInput, Damaged
from workbench.store import files

Verdict = Literal["", "concerns the case", "does not", "cannot tell"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)[1:]
"""What a person may say of a hit; a hit that nobody has looked at has none."""


@dataclass(frozen=True, slots=True)
class LookoutHit:
    """One read that a lookout found: a lead for a person, with what speaks for and against it.

    Parameters
    ----------
    read, probability
        The plate as read, and the calibrated probability that every sign of it is right.
    how, differences
        "exact", "pattern", "partial" or "approximate" as `plates.search` says it, and the signs in
        which a near read differs: ``(place from 1, asked, read)``.
    utc_ns, sigma_s
        Corrected time of the pass's best frame, and its standard deviation.
    found_ns
        When it came into the queue, UTC.
    """

    hit_id: str
    camera_id: str
    utc_ns: int
    sigma_s: float
    read: str
    probability: float
    how: str
    differences: tuple[tuple[int, str, str], ...]
    kind: str
    found_ns: int
    verdict: Verdict = ""
    decided_by: str = ""
    decided_ns: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class Lookout:
    """A plate that an approved case may look out for on named live cameras until an instant.

    ``approved_by`` is empty until somebody other than ``asked_by`` has approved it; only then does
    it find anything. Times are UTC.
    """

    lookout_id: str
    case_id: str
    plate: str
    cameras: tuple[str, ...]
    asked_by: str
    reason: str
    asked_ns: int
    until_ns: int
    approved_by: str = ""
    approved_ns: int = 0
    hits: tuple[LookoutHit, ...] = ()


@dataclass(frozen=True, slots=True)
class Switch:
    """Whether lookouts run at all, who said so last, when and why; nobody yet: they run."""

    on: bool = True
    by: str = ""
    at_ns: int = 0
    reason: str = ""


class Lookouts:
    """The folder ``lookouts`` of a root. Holds paths only."""

    def __init__(self, root: Path) -> None:
        self.folder = root / "lookouts"
        self._switch = self.folder / "switch.json"
        self._lock = root / ".locks" / "lookouts"

    def all(self) -> list[Lookout]:
        """Return the lookouts that have not ended, oldest first; raises Damaged."""
        found = [self._read(path) for path in self.folder.glob("[!.]*.lookout")]
        return sorted(found, key=lambda one: (one.asked_ns, one.lookout_id))

    def get(self, lookout_id: str) -> Lookout:
        """Return one by its id or a unique beginning of it; BadInput where there is none."""
        found = [one for one in self.all() if lookout_id and one.lookout_id.startswith(lookout_id)]
        if len(found) != 1:
            raise BadInput(
                N_("there is no lookout {lookout}"),
                N_("see which there are: workbench lookout list ROOT"),
                where="lookouts",
                lookout=lookout_id[:40],
            )
        return found[0]

    def put(self, one: Lookout) -> None:
        """Write a new lookout."""
        self.folder.mkdir(exist_ok=True)
        with files.locked(self._lock):
            self._write(one)

    def change(self, lookout_id: str, change: Callable[[Lookout], Lookout]) -> Lookout | None:
        """Replace a lookout by what `change` makes of it; None where it has ended meanwhile."""
        with files.locked(self._lock):
            path = self._path(lookout_id)
            if not path.exists():
                return None
            changed = change(self._read(path))
            self._write(changed)
            return changed

    def end(self, lookout_id: str) -> Lookout | None:
        """Delete a lookout with all it found and return what it was; None where it was gone."""
        with files.locked(self._lock):
            path = self._path(lookout_id)
            if not path.exists():
                return None
            one = self._read(path)
            path.unlink()
            return one

    def switch(self) -> Switch:
        """Return whether lookouts run; a switch that cannot be read is off."""
        try:
            facts = json.loads(self._switch.read_text(encoding="utf-8"))
            return Switch(bool(facts["on"]), str(facts["by"]), int(facts["at_ns"]), facts["reason"])
        except FileNotFoundError:
            return Switch()
        except (OSError, ValueError, TypeError, KeyError, RecursionError):
            return Switch(on=False, reason="the switch cannot be read")

    def put_switch(self, switch: Switch) -> None:
        """Switch lookouts of the whole root on or off."""
        self.folder.mkdir(exist_ok=True)
        with files.locked(self._lock):
            files.write_bytes(self._switch, _bytes(asdict(switch)))

    def _path(self, lookout_id: str) -> Path:
        return self.folder / f"{lookout_id}.lookout"

    def _write(self, one: Lookout) -> None:
        files.write_bytes(self._path(one.lookout_id), _bytes(asdict(one)), mode=0o600)

    def _read(self, path: Path) -> Lookout:
        try:
            return _lookout(json.loads(path.read_text(encoding="utf-8")))
        except (
            OSError,
            ValueError,
            TypeError,
            LookupError,
            AttributeError,
            RecursionError,
        ) as error:
            raise Damaged(
                N_("a lookout cannot be read"),
                N_("delete the file, and ask for the lookout again"),
                where=str(path),
            ) from error


def _lookout(facts: Mapping[str, Any]) -> Lookout:
    hits = tuple(
        LookoutHit(
            **{**hit, "differences": tuple((int(n), a, b) for n, a, b in hit["differences"])}
        )
        for hit in facts["hits"]
    )
    return Lookout(**{**facts, "cameras": tuple(facts["cameras"]), "hits": hits})


def _bytes(facts: Mapping[str, Any]) -> bytes:
    return (json.dumps(facts, indent=1, ensure_ascii=False) + "\n").encode()
