"""What an analyst changed of a track, kept as steps that can be read, undone and done again.

The track a computer found stays as it is; a corrected one is that track and the steps. Steps are
kept as JSON: one object a step, with who took it, when and why.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.collisions.calibration import Floats
from workbench.errors import N_, BadInput


@dataclass(frozen=True, slots=True)
class Move:
    """The wheels of one frame touch the ground at another pixel, or are seen there after all."""

    pts: int
    x_px: float
    y_px: float
    actor: str = ""
    at_ns: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Omit:
    """One frame's point is not used: hidden, or another vehicle's."""

    pts: int
    actor: str = ""
    at_ns: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Cut:
    """Only frames from one to another, both kept, belong to this vehicle."""

    first_pts: int
    last_pts: int
    actor: str = ""
    at_ns: int = 0
    reason: str = ""


Step = Move | Omit | Cut
LONGEST_REASON = 500
_KINDS: dict[str, type[Step]] = {"move": Move, "omit": Omit, "cut": Cut}


def replay(
    pts: Sequence[int] | NDArray[np.int64], points_px: Floats, steps: Sequence[Step]
) -> Floats:
    """Return the contact points after all steps, (n, 2); frames left out are NaN.

    Parameters
    ----------
    pts, points_px
        The track as it was found; neither is changed.

    Raises
    ------
    BadInput
        When a step names a frame that the track does not have.
    """
    times = np.asarray(pts, dtype=np.int64)
    points = np.array(points_px, dtype=np.float64)
    for number, step in enumerate(steps, start=1):
        if isinstance(step, Cut):
            _frame(times, step.first_pts, number)
            _frame(times, step.last_pts, number)
            points[(times < step.first_pts) | (times > step.last_pts)] = np.nan
        elif isinstance(step, Move):
            points[_frame(times, step.pts, number)] = (step.x_px, step.y_px)
        else:
            points[_frame(times, step.pts, number)] = np.nan
    return points


def _frame(times: NDArray[np.int64], pts: int, number: int) -> int:
    at = np.flatnonzero(times == pts)
    if not len(at):
        raise BadInput(
            N_("step {step} names frame {pts}, which the track does not have"),
            N_("undo it or name a frame of the track"),
            step=number,
            pts=pts,
        )
    return int(at[0])


def _fits(name: str, value: object) -> bool:
    if name in ("actor", "reason"):
        return isinstance(value, str) and len(value) <= LONGEST_REASON
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    if name.endswith("_px"):
        return math.isfinite(value)
    return isinstance(value, int) and abs(value) < 2**62 and (name != "at_ns" or value >= 0)


def to_json(steps: Sequence[Step]) -> str:
    """Return steps as JSON, oldest first.

    >>> to_json([Omit(7)])
    '[{"kind": "omit", "pts": 7, "actor": "", "at_ns": 0, "reason": ""}]'
    """
    names = {kind: name for name, kind in _KINDS.items()}
    rows = [{"kind": names[type(step)], **asdict(step)} for step in steps]
    return json.dumps(rows, ensure_ascii=False)


def from_json(text: str) -> list[Step]:
    """Return the steps that :func:`to_json` wrote.

    Raises
    ------
    BadInput
        When it is no list of steps, or a step is of a kind or has fields that are not known.
    """
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError):
        rows = None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise BadInput(
            N_("these are no steps of corrections"),
            N_("give the JSON that steps are kept in; see docs/accidents.md"),
        )
    steps: list[Step] = []
    for number, row in enumerate(rows, start=1):
        values: dict[str, Any] = dict(row)
        kind = _KINDS.get(str(values.pop("kind", "")))
        if kind is None or set(values) - {one.name for one in fields(kind)}:
            raise BadInput(
                N_("step {step} is of no known kind: {kind}"),
                N_("the steps were made with another version"),
                step=number,
                kind=row.get("kind", ""),
            )
        wrong = [name for name, value in values.items() if not _fits(name, value)]
        if wrong:
            raise BadInput(
                N_("step {step}: '{field}' is not what it should be"),
                N_("PTS and at_ns are whole numbers, pixels numbers, the rest a text of at most "
                   "{most} signs"),
                step=number, field=wrong[0], most=LONGEST_REASON,
            )  # fmt: skip
        try:
            steps.append(kind(**values))
        except TypeError:
            raise BadInput(
                N_("step {step} lacks a field"),
                N_("give the JSON that steps are kept in; see docs/accidents.md"),
                step=number,
            ) from None
    return steps
