"""From what a reader saw to a probability that a plate is read exactly: a small fitted map.

A reader's own scores rank readings; they are no chances of being right. The map, one for each
reader of lines, is a logistic function of a few quantities that each can only raise or only lower
it, fitted on readings with known truth. Its numbers and where they come from are data:
``models/plate_calibration.json``, written by ``models/plate_calibration/fit.py``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from math import exp, log
from pathlib import Path
from typing import Any

from workbench.errors import N_, BadInput
from workbench.recognition.models.weights import models_folder
from workbench.recognition.types import DEFAULT_LINE_READER, LINE_READERS, LineReaderName

FEATURES = ("share", "mean", "least", "agreeing", "overridden", "size")
SIGNS_OF_WEIGHTS = (1, 1, 1, 1, -1, 1)
"""Which way each quantity can move the probability; a fit that says otherwise is set to 0."""

_FLOOR = 1e-3
_MOST_LOGIT = 7.0
_WHOLE_PX = 20.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a reading.

    ``share`` of the text among all plates the signs could be; ``seen`` the probability of each
    sign; ``agreeing`` the share of readings that say the same; ``overridden`` how many signs the
    grammar changed; ``sign_px`` the height of a sign.
    """

    share: float
    seen: tuple[float, ...]
    agreeing: float
    overridden: int
    sign_px: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """The fitted map: one weight a feature, and the intercept."""

    weights: tuple[float, ...]
    intercept: float


@dataclass(frozen=True, slots=True)
class Pooling:
    """How two readers of lines are put together.

    ``sure``: probability of a line's least sure sign from which the first is believed alone;
    ``power``: that of either's probabilities in their product; ``floor``: least probability of a
    sign that one of them does not propose, so that neither can rule a sign out.
    """

    sure: float
    power: float
    floor: float


@dataclass(frozen=True, slots=True)
class Table:
    """Everything fitted: a map for each reader of lines, and how two are put together."""

    maps: Mapping[LineReaderName, Calibration]
    pooling: Pooling


def features(evidence: Evidence) -> tuple[float, ...]:
    """Return the quantities of :data:`FEATURES`.

    >>> features(Evidence(0.5, (1.0, 1.0), 1.0, 0, 20.0))
    (0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    """
    rest = max(1.0 - evidence.share, exp(-_MOST_LOGIT))
    logs = [log(max(p, _FLOOR)) for p in evidence.seen] or [log(_FLOOR)]
    size = min(1.0, max(-2.0, log(max(evidence.sign_px, 1.0) / _WHOLE_PX)))
    return (
        max(-_MOST_LOGIT, log(max(evidence.share, _FLOOR) / rest)),
        sum(logs) / len(logs),
        min(logs),
        evidence.agreeing - 1.0,
        float(min(evidence.overridden, 3)),
        size,
    )


def probability(
    evidence: Evidence,
    calibration: Calibration | None = None,
    *,
    reader: LineReaderName = DEFAULT_LINE_READER,
) -> float:
    """Return the probability that every sign of a reading is right.

    Without a `calibration` it is the map that comes with the workbench for that `reader`.
    """
    use = calibration or default_table().maps[reader]
    value = use.intercept + sum(
        weight * x for weight, x in zip(use.weights, features(evidence), strict=True)
    )
    return round(1.0 / (1.0 + exp(-max(-30.0, min(30.0, value)))), 4)


@cache
def default_table() -> Table:
    """Return the table that comes with the workbench, read once a process."""
    return load_table(table_file())


def table_file() -> Path:
    """Return the path of the table that comes with the workbench."""
    return models_folder() / "plate_calibration.json"


def load_table(path: Path) -> Table:
    """Read a table.

    Raises
    ------
    BadInput
        When the file is absent, no JSON, or lacks a number.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        maps = {name: _map(data["readers"][name]) for name in LINE_READERS}
        numbers = (float(data["pooling"][name]) for name in ("sure", "power", "floor"))
        return Table(maps, Pooling(*numbers))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(
            N_("the calibration of plate readings cannot be used ({reason})"),
            N_("restore models/plate_calibration.json from the release"),
            where=str(path),
            reason=type(error).__name__,
        ) from None


def _map(data: Mapping[str, Any]) -> Calibration:
    numbers = tuple(float(data["weights"][name]) for name in FEATURES)
    return Calibration(numbers, float(data["intercept"]))


def fit(evidence: Sequence[Evidence], right: Sequence[bool], *, ridge: float = 1e-2) -> Calibration:
    """Return the map that fits readings with known truth, by penalised maximum likelihood."""
    import numpy as np
    from scipy.optimize import minimize

    x = np.array([features(one) for one in evidence])
    y = np.array(right, float)
    signs = np.array(SIGNS_OF_WEIGHTS, float)

    def loss(values: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ values[:-1] + values[-1]
        wrong = 1.0 / (1.0 + np.exp(-z)) - y
        total = np.logaddexp(0.0, z).sum() - (y * z).sum() + ridge * (values[:-1] ** 2).sum()
        slope = np.append(x.T @ wrong + 2 * ridge * values[:-1], wrong.sum())
        return float(total), slope

    bounds = [(0, None) if sign > 0 else (None, 0) for sign in signs] + [(None, None)]
    found = minimize(loss, np.zeros(len(signs) + 1), jac=True, bounds=bounds, method="L-BFGS-B")
    return Calibration(tuple(float(v) for v in found.x[:-1]), float(found.x[-1]))
