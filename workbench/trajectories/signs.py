"""How likely reads are of one plate, from the confusions that the reads themselves show.

A read is ten slots: the upper line from the left, the lower line from the right. A line that was
lost leaves its slots open, which says nothing for or against; a sign that a line does not have is a
blank, which is a sign like others. Readers give each sign a confidence and a second choice: how far
to believe either is learned, by class of confidence, from chains of reads, and so is which signs
are taken for which. Nobody tells it the cameras' error rates.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import exp

import numpy as np
from numpy.typing import NDArray

from workbench.plates import Grammar, default_grammar
from workbench.plates.grammar import SIGNS

SLOTS, _UPPER = 10, 5
BLANK, OPEN = len(SIGNS), 63
_SYMBOLS = len(SIGNS) + 1
_WHOLE = 7
_INDEX = {sign: at for at, sign in enumerate(SIGNS)}

CLASSES = 4
"""Of confidence: surest, middling, doubtful, and not given."""
_BOUNDS = (0.7, 0.93)
_NOT_GIVEN = 3

_FIRST_ERROR = (0.02, 0.15, 0.35, 0.04)
"""Share of wrong signs by class that is assumed before the first links; forgotten after them."""
_FIRST_SECOND = (0.3, 0.5, 0.5, 0.0)
_PRIOR_READS = 60.0
"""How many reads of a sign the general rate counts for, beside those of the sign itself."""
_LEAST = 2e-5
_SHARPNESS = 5.0
_CHUNK = 512

Codes = NDArray[np.uint8]
"""One row a read, one column a slot: index into SIGNS, BLANK, or OPEN where the line was lost."""
Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Lattices:
    """Reads: the likeliest sign of each slot, the second (OPEN: none given), and its class."""

    top: Codes
    second: Codes
    sure: Codes

    def take(self, rows: NDArray[np.int64]) -> Lattices:
        """Return the rows of an index array."""
        return Lattices(self.top[rows], self.second[rows], self.sure[rows])


def encode(texts: Sequence[str], lattices: Sequence[str | None] | None = None) -> Lattices:
    """Return compact texts, with their lattices as JSON where there are any, as slots.

    >>> encode(["99B112345"]).top[0].tolist()
    [9, 9, 11, 1, 36, 1, 2, 3, 4, 5]
    >>> encode(["12345"]).top[0].tolist()
    [63, 63, 63, 63, 63, 1, 2, 3, 4, 5]
    >>> encode(["12"], ['[{"1": 0.6, "7": 0.3}, {"2": 0.99}]']).second[0].tolist()
    [63, 63, 63, 63, 63, 63, 63, 63, 7, 63]
    """
    count = len(texts)
    top = np.full((count, SLOTS), OPEN, np.uint8)
    second = np.full((count, SLOTS), OPEN, np.uint8)
    sure = np.full((count, SLOTS), _NOT_GIVEN, np.uint8)
    for row, text in enumerate(texts):
        slots = _slots(text)
        top[row] = slots
        given = lattices[row] if lattices is not None else None
        places = json.loads(given) if isinstance(given, str) and given else []
        if len(places) != len(text):
            continue
        at = [slot for slot in range(SLOTS) if slots[slot] not in (OPEN, BLANK)]
        for slot, place in zip(at, places[: _UPPER if len(text) > SLOTS else None], strict=False):
            sign = SIGNS[slots[slot]]
            share = place.get(sign, 0.0)
            sure[row, slot] = 2 - sum(share >= bound for bound in _BOUNDS)
            others = {s: p for s, p in place.items() if s != sign and s in _INDEX}
            if others:
                second[row, slot] = _INDEX[max(others, key=lambda s: (others[s], s))]
    return Lattices(top, second, sure)


def _slots(text: str) -> tuple[int, ...]:
    signs = [_INDEX.get(sign, OPEN) for sign in text]
    if len(signs) >= _WHOLE - 1:
        lower = 5 if len(signs) != _WHOLE else 4
        upper_line, lower_line = signs[:-lower][:_UPPER], signs[-lower:]
    elif any(sign.isalpha() for sign in text):
        upper_line, lower_line = signs, []
    else:
        upper_line, lower_line = [], signs
    left = upper_line + [BLANK] * (_UPPER - len(upper_line)) if upper_line else [OPEN] * _UPPER
    # Two or three lower signs may be the rest of a longer line: what is before them is open.
    before = BLANK if len(lower_line) >= 4 else OPEN
    right = [before] * (5 - len(lower_line)) + lower_line
    return tuple(left + right)


@dataclass(frozen=True, slots=True, eq=False)
class SignModel:
    """Probabilities of signs as they are (`share`, by slot) and as they are read (`read_as`).

    ``share[slot, sign]``; ``read_as[class, true, read]``, rows sum to 1; ``second[class]``: how
    often the second choice is the sign.
    """

    share: NDArray[np.float64]
    read_as: NDArray[np.float64]
    second: NDArray[np.float64]
    error_rate: float

    def evidence(self, reads: Lattices) -> Floats:
        """Return ``[read, slot, sign]``: log probability of what was read, for each true sign."""
        table = np.zeros((CLASSES, OPEN + 1, _SYMBOLS), np.float32)
        table[:, :_SYMBOLS] = self.read_as.transpose(0, 2, 1)
        table[:, _SYMBOLS:] = 1.0
        found = table[reads.sure, reads.top]
        rows, slots = np.nonzero(reads.second < BLANK)
        sign = reads.second[rows, slots]
        found[rows, slots, sign] += self.second[reads.sure[rows, slots]].astype(np.float32)
        return np.log(found)

    def belief(self, evidence: Floats) -> Floats:
        """Return ``[read, slot, sign]``: probability of each true sign given the evidence."""
        logs = evidence + np.log(self.share).astype(np.float32)
        logs -= logs.max(-1, keepdims=True)
        np.exp(logs, out=logs)
        logs /= logs.sum(-1, keepdims=True)
        return logs


def log_ratio(
    model: SignModel,
    before: Floats,
    after: Floats,
    i: NDArray[np.int64],
    j: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return how much likelier two beliefs are of one plate than of two, as natural logs.

    The k-th figure compares row ``i[k]`` of `before` with row ``j[k]`` of `after`.
    """
    scaled = before / model.share.astype(np.float32)
    total = np.empty(len(i))
    for at in range(0, len(i), _CHUNK):
        part = slice(at, at + _CHUNK)
        shared = np.einsum("esk,esk->es", scaled[i[part]], after[j[part]])
        total[part] = np.log(np.maximum(shared, 1e-12)).sum(-1)
    return total


def first_model(reads: Lattices, grammar: Grammar | None = None) -> SignModel:
    """Return what is assumed before any link is known: look-alikes are confused, at a guess."""
    share = np.full((SLOTS, _SYMBOLS), 0.5)
    for slot in range(SLOTS):
        share[slot] += np.bincount(reads.top[:, slot], minlength=OPEN + 1)[:_SYMBOLS]
    share /= share.sum(1, keepdims=True)
    shape = _look_alikes(grammar or default_grammar())
    second = np.array(_FIRST_SECOND) * np.array(_FIRST_ERROR)
    tables = [_mixed(shape, e - s) for e, s in zip(_FIRST_ERROR, second, strict=True)]
    return SignModel(share, np.stack(tables), second, _FIRST_ERROR[_NOT_GIVEN])


def learned(
    model: SignModel, belief: Floats, reads: Lattices, grammar: Grammar | None = None
) -> SignModel:
    """Return the model with confusions counted: what was read where `belief` says what was there.

    Only reads whose plate others have seen too should be given.
    """
    shape = _look_alikes(grammar or default_grammar())
    flat, top = belief.reshape(-1, _SYMBOLS), reads.top.reshape(-1)
    second, sure = reads.second.reshape(-1), reads.sure.reshape(-1)
    tables, seconds = [], np.zeros(CLASSES)
    wrong_signs = all_signs = 0.0
    for number in range(CLASSES):
        counts = np.zeros((_SYMBOLS, _SYMBOLS))
        mine = sure == number
        chosen = np.flatnonzero(mine & (second < BLANK))
        gained = flat[chosen, second[chosen]].astype(np.float64)
        for sign in range(_SYMBOLS):
            counts[:, sign] = flat[mine & (top == sign)].sum(0)
        np.subtract.at(counts, (second[chosen], top[chosen]), gained)
        signs = np.maximum(counts[: len(SIGNS), : len(SIGNS)], 0.0)
        total = float(signs.sum() + gained.sum())
        wrong = float(signs.sum() - np.trace(signs))
        wrong_signs, all_signs = wrong_signs + wrong + float(gained.sum()), all_signs + total
        guess = 100.0 * _FIRST_ERROR[number]
        general = _mixed(shape, (wrong + guess) / (total + 100.0))
        read_as = np.maximum(counts, 0.0) + _PRIOR_READS * general
        tables.append(np.maximum(read_as / read_as.sum(1, keepdims=True), _LEAST))
        seconds[number] = (float(gained.sum()) + guess * _FIRST_SECOND[number]) / (total + 100.0)
    return SignModel(model.share, np.stack(tables), seconds, wrong_signs / max(all_signs, 1.0))


def _look_alikes(grammar: Grammar) -> NDArray[np.float64]:
    """Return how wrong reads of a sign spread over the others: the shape only, no rate."""
    shape = np.full((_SYMBOLS, _SYMBOLS), 0.004)
    for a in SIGNS:
        for b in SIGNS:
            shape[_INDEX[a], _INDEX[b]] += exp(-_SHARPNESS * grammar.confusion(a, b))
    # A sign more or less than there is: rarer than a wrong one.
    shape[BLANK, :] = shape[:, BLANK] = 0.004
    np.fill_diagonal(shape, 0.0)
    return np.asarray(shape / shape.sum(1, keepdims=True))


def _mixed(shape: NDArray[np.float64], wrong: float) -> NDArray[np.float64]:
    rates = np.full(_SYMBOLS, wrong)
    rates[BLANK] = min(wrong, 0.01)
    table = np.maximum(shape * rates[:, None] + np.diag(1.0 - rates), _LEAST)
    return np.asarray(table / table.sum(1, keepdims=True))
