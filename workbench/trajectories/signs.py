"""How likely two reads are of one plate, from the confusions that the reads themselves show.

A read is ten slots: the upper line from the left, the lower line from the right. A line that was
lost leaves its slots open, which says nothing for or against; a sign that a line does not have is a
blank, which is a sign like others. Each true sign is read as any sign with a probability that is
learned from chains of reads: nobody tells it the cameras' error rates.
"""

from __future__ import annotations

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

_FIRST_ERROR = 0.04
"""Share of wrong signs that is assumed before the first links; forgotten after them."""
_PRIOR_READS = 60.0
"""How many reads of a sign the general rate counts for, beside those of the sign itself."""
_LEAST = 2e-5
_SHARPNESS = 5.0
_CHUNK = 16_384

Codes = NDArray[np.uint8]
"""One row a read, one column a slot: index into SIGNS, BLANK, or OPEN where the line was lost."""
Floats = NDArray[np.float32]


def encode(texts: Sequence[str]) -> Codes:
    """Return compact texts as slots.

    >>> encode(["99B112345"])[0].tolist()
    [9, 9, 11, 1, 36, 1, 2, 3, 4, 5]
    >>> encode(["12345"])[0].tolist()
    [63, 63, 63, 63, 63, 1, 2, 3, 4, 5]
    """
    seen: dict[str, tuple[int, ...]] = {}
    for text in texts:
        if text not in seen:
            seen[text] = _slots(text)
    return np.array([seen[text] for text in texts], np.uint8).reshape(len(texts), SLOTS)


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
    right = [BLANK] * (5 - len(lower_line)) + lower_line if lower_line else [OPEN] * 5
    return tuple(left + right)


@dataclass(frozen=True, slots=True, eq=False)
class SignModel:
    """Probabilities of signs as they are (`share`, by slot) and as they are read (`read_as`).

    ``share[slot, sign]``; ``read_as[true, read]``, rows sum to 1.
    """

    share: NDArray[np.float64]
    read_as: NDArray[np.float64]

    @property
    def error_rate(self) -> float:
        """Share of signs read wrongly, over the signs as they occur."""
        true = self.share[:, : len(SIGNS)].sum(0)
        right = np.diag(self.read_as)[: len(SIGNS)]
        return float(1.0 - (true * right).sum() / true.sum())

    def pair_table(self) -> NDArray[np.float64]:
        """Return log likelihood ratios ``[slot, read a, read b]``: one plate against two."""
        padded = np.zeros((SLOTS, OPEN + 1, OPEN + 1))
        for slot in range(SLOTS):
            both = self.read_as.T @ (self.share[slot][:, None] * self.read_as)
            alone = self.share[slot] @ self.read_as
            padded[slot, :_SYMBOLS, :_SYMBOLS] = np.log(both / np.outer(alone, alone))
        return padded

    def evidence(self, codes: Codes) -> Floats:
        """Return ``[read, slot, sign]``: log probability of what was read, for each true sign."""
        table = np.zeros((OPEN + 1, _SYMBOLS), np.float32)
        table[:_SYMBOLS] = np.log(self.read_as).T
        return table[codes]

    def belief(self, evidence: Floats) -> Floats:
        """Return ``[read, slot, sign]``: probability of each true sign given the evidence."""
        logs = evidence + np.log(self.share).astype(np.float32)
        logs -= logs.max(-1, keepdims=True)
        np.exp(logs, out=logs)
        logs /= logs.sum(-1, keepdims=True)
        return logs


def pairs_log_ratio(table: NDArray[np.float64], a: Codes, b: Codes) -> NDArray[np.float64]:
    """Return, row by row, the log of how much likelier two reads are of one plate."""
    total = np.zeros(len(a))
    for slot in range(SLOTS):
        total += table[slot][a[:, slot], b[:, slot]]
    return total


def beliefs_log_ratio(
    model: SignModel,
    before: Floats,
    after: Floats,
    i: NDArray[np.int64],
    j: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return the same for two beliefs of plates, row ``i`` of one and row ``j`` of the other."""
    scaled = before / model.share.astype(np.float32)
    total = np.empty(len(i))
    for at in range(0, len(i), _CHUNK):
        part = slice(at, at + _CHUNK)
        shared = np.einsum("esk,esk->es", scaled[i[part]], after[j[part]])
        total[part] = np.log(np.maximum(shared, 1e-12)).sum(-1)
    return total


def first_model(codes: Codes, grammar: Grammar | None = None) -> SignModel:
    """Return what is assumed before any link is known: look-alikes are confused, at a guess."""
    share = np.full((SLOTS, _SYMBOLS), 0.5)
    for slot in range(SLOTS):
        counts = np.bincount(codes[:, slot], minlength=OPEN + 1)[:_SYMBOLS]
        share[slot] += counts
    share /= share.sum(1, keepdims=True)
    shape = _look_alikes(grammar or default_grammar())
    return SignModel(share, _mixed(shape, _FIRST_ERROR))


def learned(
    model: SignModel, belief: Floats, codes: Codes, grammar: Grammar | None = None
) -> SignModel:
    """Return the model with confusions counted: what was read where `belief` says what was there.

    Only reads whose plate others have seen too should be given.
    """
    counts = np.zeros((_SYMBOLS, _SYMBOLS))
    flat, read = belief.reshape(-1, _SYMBOLS), codes.reshape(-1)
    for sign in range(_SYMBOLS):
        counts[:, sign] = flat[read == sign].sum(0)
    signs = counts[: len(SIGNS), : len(SIGNS)]
    wrong = float(signs.sum() - np.trace(signs) + 1.0) / float(signs.sum() + 100.0)
    general = _mixed(_look_alikes(grammar or default_grammar()), wrong)
    read_as = counts + _PRIOR_READS * general
    read_as = np.maximum(read_as / read_as.sum(1, keepdims=True), _LEAST)
    return SignModel(model.share, read_as / read_as.sum(1, keepdims=True))


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
