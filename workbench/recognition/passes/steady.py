"""The boxes of a pass once it has closed: steadied over time, by what the detector drew meanwhile.

A motion box jumps with fragments and holds a shadow, or a second thing, for a while. Each side's
way is taken as smooth; what moved lies beside it by noise with outliers and by an error that fades
in time; the few drawn boxes lie on it. All sides of all instants are one banded least squares
problem, solved several times with outliers weighing less (Student's t, Lange et al. 1989).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from workbench.later import later
from workbench.recognition.passes.track import Look, Observation
from workbench.recognition.settings import Settings
from workbench.records import Box

linalg = later("scipy.linalg")

_LEAST, _ROUNDS, _NEAR, _NOTHING = 4, 4, 5, 1e-3


def steadied(
    seen: Sequence[Observation], looks: Sequence[Look], width: int, height: int, settings: Settings
) -> list[Box]:
    """Return a pass's boxes, one an observation, steadied; sides at the border stay as they are.

    Parameters
    ----------
    seen, looks
        Where it moved, and what the detector drew of it on some of these frames.
    width, height
        Of the frame, in pixels.
    """
    n, s = len(seen), settings
    if n < _LEAST:
        return [o.box for o in seen]
    moved = np.array([_sides(o.box) for o in seen]).T
    limits = np.array([0, 0, width, height], float)[:, None]
    cut = np.abs(moved - limits) < s.cut_margin_px
    drawn, replaced = _drawn(seen, looks)
    drawn[cut] = np.nan
    size = np.sqrt((moved[2] - moved[0]) * (moved[3] - moved[1]))
    size = np.median(sliding_window_view(np.pad(size, _NEAR, "edge"), 2 * _NEAR + 1), axis=1)
    noise = np.where([o.shared for o in seen], s.steady_shared, s.steady_moved) * size
    weight = np.where(replaced, _NOTHING, 1.0) / noise
    turns, band = _model(np.array([o.t_s for o in seen]), size, s)
    known = ~np.isnan(drawn)
    of_drawn = known / (s.steady_drawn * size) ** 2
    trust, even = np.ones_like(moved), np.ones((4, n - 2))
    way = moved
    for _ in range(_ROUNDS):
        of_moved = trust * weight**2
        matrix = np.repeat(band[:, None], 4, axis=1)
        _add_turns(matrix, turns, even)
        matrix[0, ..., 0] += of_moved + of_drawn
        matrix[0, ..., 1] += of_moved
        matrix[1, ..., 0] += of_moved
        right = np.stack([of_moved * moved + of_drawn * np.nan_to_num(drawn), of_moved * moved], -1)
        solved = linalg.solveh_banded(matrix.reshape(5, -1), right.ravel(), lower=True)
        way, beside = np.moveaxis(solved.reshape(4, n, 2), -1, 0)
        far = (moved - way - beside) * weight
        trust = (s.steady_tails + 1) / (s.steady_tails + far**2)
        bent = turns[0] * way[:, :-2] + turns[1] * way[:, 1:-1] + turns[2] * way[:, 2:]
        even = (s.steady_turns + 1) / (s.steady_turns + bent**2)
    way = np.clip(np.where(cut, moved, way), 0, limits[[2, 3, 2, 3]])
    return [
        Box(x, y, right - x, bottom - y) if right - x >= 1 and bottom - y >= 1 else o.box
        for o, (x, y, right, bottom) in zip(seen, way.T.tolist(), strict=True)
    ]


def _drawn(
    seen: Sequence[Observation], looks: Sequence[Look]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the drawn sides (4, n), NaN without, and where a drawn box stands for the moved."""
    at = {o.number: i for i, o in enumerate(seen)}
    drawn, replaced = np.full((4, len(seen)), np.nan), np.zeros(len(seen), bool)
    for look in looks:
        i = at.get(look.at.number)
        if i is not None:
            drawn[:, i] = _sides(look.drawn)
            replaced[i] |= seen[i].box != look.at.box
    return drawn, replaced


def _add_turns(
    matrix: NDArray[np.float64], turns: NDArray[np.float64], even: NDArray[np.float64]
) -> None:
    """Add to the diagonals (5, 4, n, 2) that ways go on evenly, but where they turn or stop."""
    first, middle, last = turns
    matrix[0, :, :-2, 0] += even * first**2
    matrix[0, :, 1:-1, 0] += even * middle**2
    matrix[0, :, 2:, 0] += even * last**2
    matrix[2, :, :-2, 0] += even * first * middle
    matrix[2, :, 1:-1, 0] += even * middle * last
    matrix[4, :, :-2, 0] += even * first * last


def _model(
    t_s: NDArray[np.float64], size: NDArray[np.float64], s: Settings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what a side's change of speed is made of, and the diagonals of an error that fades."""
    band = np.zeros((5, len(t_s), 2))
    gap = np.maximum(np.diff(t_s), 1e-3)
    before, after = gap[:-1], gap[1:]
    weight = 1 / (s.steady_rate * size[1:-1] * np.sqrt((before + after) / 2))
    first, last = weight / before, weight / after
    stays = np.exp(-gap / s.steady_fades_s)
    spread = (s.steady_beside * size[:-1]) ** 2 * np.maximum(1e-6, 1 - stays**2)
    band[0, 0, 1] += 1 / (s.steady_beside * size[0]) ** 2
    band[0, :-1, 1] += stays**2 / spread
    band[0, 1:, 1] += 1 / spread
    band[2, :-1, 1] -= stays / spread
    return np.stack([first, -first - last, last]), band


def _sides(box: Box) -> tuple[float, float, float, float]:
    return box.x, box.y, box.x + box.w, box.y + box.h
