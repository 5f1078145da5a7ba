"""The register's own work: two models side by side on drawn inputs and on footage."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from workbench.recognition.models.difference import RowChange, row_changes
from workbench.recognition.models.doctor import unlicensed
from workbench.recognition.models.known import (
    DRAWN,
    Answer,
    DrawnChange,
    Examiner,
    drawn_changes,
    one_sentence,
)
from workbench.recognition.models.loading import LINES, load_models
from workbench.recognition.models.own import (
    SLOTS,
    card_of_choice,
    cards_in_use,
    choice_of,
    own_names,
    read_own,
    slot_of,
)
from workbench.recognition.models.weights import WeightCard, locate, read_manifest, status
from workbench.recognition.runs.engine import Job, run_job
from workbench.recognition.settings import Settings
from workbench.recognition.types import DEFAULT_LINE_READER
from workbench.records import Progress

READERS = ("text reading", "plate lines")
"""Tasks of models that read lines of plates: which of them work is a setting."""
DEFAULT_READERS = LINES[DEFAULT_LINE_READER]

__all__ = [
    "DEFAULT_READERS",
    "DRAWN",
    "READERS",
    "SLOTS",
    "DrawnChange",
    "Examiner",
    "FootageChange",
    "RowChange",
    "WeightCard",
    "card_of_choice",
    "cards_in_use",
    "choice_of",
    "compare_drawn",
    "compare_footage",
    "locate",
    "one_sentence",
    "own_names",
    "read_manifest",
    "read_own",
    "slot_of",
    "status",
    "unlicensed",
]


def compare_drawn(
    task: str, before: Examiner, replaced: WeightCard | None, after: Examiner, card: WeightCard
) -> tuple[list[DrawnChange], tuple[float, float]]:
    """Return what changes on the drawn inputs of a task, and CPU milliseconds an input of each.

    Parameters
    ----------
    replaced
        The model whose place is taken; None where nothing does the task.
    """
    names = DRAWN[task]

    def asked(examiner: Examiner, of: WeightCard) -> Answer:
        return lambda name: examiner.answer(of, name, task=task)

    try:
        old = asked(before, replaced) if replaced else None
        changes = drawn_changes(names, old, asked(after, card))
        costs = (
            before.cost_ms(replaced, names, task=task) if replaced else 0.0,
            after.cost_ms(card, names, task=task),
        )
    except Exception as error:
        raise one_sentence(card, error) from error
    return changes, costs


@dataclass(frozen=True, slots=True)
class FootageChange:
    """What changes in stretches of footage searched with either side's models; CPU in seconds."""

    stretches: int
    footage_s: float
    passes_before: int
    passes_after: int
    changes: tuple[RowChange, ...]
    cpu_before_s: float
    cpu_after_s: float

    @property
    def counts(self) -> dict[str, int]:
        """How many passes would change, and in what."""
        return dict(sorted(Counter(one.what for one in self.changes).items()))


def compare_footage(
    jobs: Sequence[Job],
    before: Settings,
    after: Settings,
    on_progress: Callable[[Progress], None] = lambda _progress: None,
) -> FootageChange:
    """Search stretches of footage with either side's models, here and now, and keep nothing."""
    sides: list[list[list[dict[str, Any]]]] = []
    spent: list[float] = []
    for settings in (before, after):
        rows: list[list[dict[str, Any]]] = []
        models = load_models(settings.models) if jobs else None
        began_s = time.thread_time()
        for job in jobs:
            assert models is not None
            rows.append(run_job(job, models).to_pylist())
            done = len(sides) * len(jobs) + len(rows)
            on_progress(Progress(done, 2 * len(jobs), "stretches", job.camera.camera_id))
        spent.append(round(time.thread_time() - began_s, 1) if jobs else 0.0)
        sides.append(rows)
    changes = [one for old, new in zip(*sides, strict=True) for one in row_changes(old, new)]
    old, new = (sum(map(len, rows)) for rows in sides)
    footage_s = sum(job.footage_s for job in jobs)
    return FootageChange(len(jobs), footage_s, old, new, tuple(changes), spent[0], spent[1])
