"""The searches that run on a root now, how to stop them, and what searched footage cost.

Each run holds a lock as long as it lives, so a killed one is known by its lock being free. Another
process stops a run by leaving a file beside its record; nothing is sent.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from workbench.store import files

Costs = dict[str, list[float]]
"""By camera: footage s, s foretold, CPU s, rows."""


@dataclass(frozen=True, slots=True)
class Running:
    """A search that goes on: who began it, when (UTC), under which case (empty: of everything)."""

    run_id: str
    actor: str
    started_ns: int
    case_id: str
    footage_h: float


class Runs:
    """The folder ``runs`` of a root. Holds a path only.

    Parameters
    ----------
    lost
        Told of each run that was killed, once, by whoever comes by first: it could not say so
        itself.
    """

    def __init__(self, root: Path, lost: Callable[[Running], object] = lambda _one: None) -> None:
        self.folder, self._lost = root / "runs", lost

    @contextmanager
    def begin(
        self, *, actor: str, started_ns: int, case_id: str, footage_h: float
    ) -> Iterator[Running]:
        """Be one of the runs while inside."""
        self.folder.mkdir(exist_ok=True)
        self.all()
        self._tidy()
        one = Running(uuid.uuid4().hex, actor, started_ns, case_id, footage_h)
        with files.held(self._lock(one.run_id)):
            record = self._record(one.run_id)
            try:
                files.write_bytes(record, json.dumps(asdict(one)).encode(), durable=False)
                yield one
            finally:
                self._forget(one.run_id)

    def all(self) -> list[Running]:
        """Return the runs that live, oldest first; what a killed one left is taken away."""
        found = []
        for record in self.folder.glob("[!.]*.run"):
            with suppress(FileNotFoundError, ValueError, TypeError):
                one = Running(**json.loads(record.read_text(encoding="utf-8")))
                with files.held(self._lock(one.run_id)) as dead:
                    if dead and record.exists():
                        self._lost(one)
                        self._forget(one.run_id)
                    elif not dead:
                        found.append(one)
        return sorted(found, key=lambda one: (one.started_ns, one.run_id))

    def stop(self, run_id: str, by: str) -> None:
        """Ask a run to end; it keeps what it has found by then."""
        files.write_bytes(self.folder / f"{run_id}.stop", by.encode(), durable=False)

    def _tidy(self) -> None:
        """Take away what asked runs to end that had ended meanwhile: nobody else would."""
        for asked in self.folder.glob("[!.]*.stop"):
            if not self._record(asked.stem).exists():
                asked.unlink(missing_ok=True)

    def stopped_by(self, run_id: str) -> str | None:
        """Return who asked a run to end, None where nobody did."""
        try:
            return (self.folder / f"{run_id}.stop").read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def costs(self, model_ref: str) -> Costs:
        """Return what footage of each camera cost with these models, empty where none was."""
        return self._costs().get(model_ref, {})

    def add_cost(self, model_ref: str, camera_id: str, spent: tuple[float, ...]) -> None:
        """Add what one job took: footage s, s foretold, CPU s, rows."""
        self.folder.mkdir(exist_ok=True)
        with files.locked(self.folder / "costs.lock"):
            known = self._costs()
            mine = known.setdefault(model_ref, {})
            before = mine.get(camera_id, [0.0] * len(spent))
            mine[camera_id] = [round(a + b, 3) for a, b in zip(before, spent, strict=True)]
            files.write_bytes(self.folder / "costs.json", json.dumps(known).encode(), durable=False)

    def _costs(self) -> dict[str, Costs]:
        try:
            known: dict[str, Costs] = json.loads(
                (self.folder / "costs.json").read_text(encoding="utf-8")
            )
        except (OSError, ValueError):
            return {}  # a guess costs nothing but accuracy: it is learned again
        return known if _sound(known) else {}

    def _forget(self, run_id: str) -> None:
        for path in (
            self._record(run_id),
            self.folder / f"{run_id}.stop",
            self._lock(run_id),
        ):
            path.unlink(missing_ok=True)

    def _record(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.run"

    def _lock(self, run_id: str) -> Path:
        return self.folder / f"{run_id}.lock"


def _sound(known: Mapping[str, Mapping[str, list[float]]]) -> bool:
    try:
        rows = [row for cameras in known.values() for row in cameras.values()]
        return all(len(row) == 4 and min(row) >= 0 for row in rows)
    except (AttributeError, TypeError):
        return False
