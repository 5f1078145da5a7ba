"""Plates as probabilities by position: decode the best grammatical one, fuse several reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from math import exp, inf, log, sqrt

from workbench.plates.distance import align
from workbench.plates.grammar import DIGITS, SIGNS, UNKNOWN, Grammar, compact, default_grammar
from workbench.plates.reading import (
    Reading,
    SignCost,
    as_reading,
    best_fit,
    normalise,
)

Lattice = Sequence[Mapping[str, float]]
"""One mapping a sign position, from sign to probability; what is missing to 1 is "some other"."""

FLOOR = 1e-4
"""Probability of a sign that neither the reader nor any confusion proposes."""
_SHARPNESS = 8.0
"""Confusable cost to probability: exp(-8 cost), so 0/D (0.3) is .09 and K/X (0.5) .018."""
_MOST_A_SIGN = 7.0
"""Natural log below the likeliest sign at which a sign is no alternative (p of about .001)."""
_EDGE_SCALE = 10.0
_MOST_CHANGED = 5


def from_text(
    raw_text: str, confidence: Sequence[float] | float = 0.9, *, grammar: Grammar | None = None
) -> list[dict[str, float]]:
    """Return the lattice of a text with a confidence (0..1) a sign, or one for all.

    What a sign is not sure of goes to the signs it is confused with.

    >>> [max(p, key=p.get) for p in from_text("99B1")]
    ['9', '9', 'B', '1']
    """
    grammar = grammar or default_grammar()
    signs = compact(raw_text)
    sure = [confidence] * len(signs) if isinstance(confidence, float | int) else list(confidence)
    if len(sure) != len(signs):
        raise ValueError(f"{len(signs)} signs and {len(sure)} confidences")
    lattice = []
    for sign, p in zip(signs, sure, strict=True):
        others = {s: exp(-_SHARPNESS * grammar.confusion(sign, s)) for s in SIGNS if s != sign}
        scale = (1 - p) / sum(others.values())
        # The sign that was read stays the likeliest. Signs nobody confuses with it are left to the
        # floor: they only make rows long.
        near = {
            s: min(weight * scale, 0.9 * p)
            for s, weight in others.items()
            if grammar.confusion(sign, s) < 1
        }
        lattice.append({sign: p, **near})
    return lattice


def best_text(lattice: Lattice) -> str:
    """Return the likeliest sign of each position, grammatical or not; ``?`` where none is given."""
    return "".join(_top(position) for position in lattice)


def decode(
    lattice: Lattice,
    *,
    lines: Sequence[int] | None = None,
    on: date | None = None,
    grammar: Grammar | None = None,
) -> Reading | None:
    """Return the best grammatical reading of a lattice, or None where there is none.

    Unlike :func:`normalise` this may change a digit to another digit, where the reader itself gave
    that digit some probability. A likeliest text that is grammatical is returned as it is.
    ``penalty`` is the natural logarithm of how much less likely than the likeliest text the
    reading is.

    Parameters
    ----------
    lattice
        Probabilities by position, upper line first.
    lines
        How many positions each line has, where known.
    on
        Day of the pass; None for any.
    """
    grammar = grammar or default_grammar()
    raw = best_text(lattice)
    upper = lines[0] if lines is not None and len(lines) == 2 and all(lines) else None
    plain = normalise(
        raw, lines=(raw[:upper], raw[upper:]) if upper else None, on=on, grammar=grammar
    )
    if plain is not None and (plain.partial or (not plain.overrides and plain.grammatical)):
        return plain
    cost = _lattice_cost(lattice, raw, grammar)
    found = best_fit(raw, cost, grammar, on, upper, edge_scale=_EDGE_SCALE)
    if found is None or not found.known_code:
        return plain
    used = raw[found.start : found.start + len(found.signs)]
    changed = sum(a != b for a, b in zip(used, found.signs, strict=True))
    if changed > _MOST_CHANGED or found.cost > _MOST_A_SIGN * max(changed, 1):
        return plain
    return as_reading(found, raw, round(found.cost, 6))


def log_likelihood(text: str, lattice: Lattice, *, grammar: Grammar | None = None) -> float:
    """Return the natural log of the probability of a plate's signs under a lattice.

    A sign that the lattice does not hold gets a small share of what is confused with it. ``-inf``
    where the numbers of signs differ.
    """
    grammar = grammar or default_grammar()
    signs = compact(text)
    if len(signs) != len(lattice):
        return -inf
    return sum(log(_probability(p, s, grammar)) for p, s in zip(lattice, signs, strict=True))


def fuse(lattices: Sequence[Lattice], *, grammar: Grammar | None = None) -> list[dict[str, float]]:
    """Return one lattice from several reads of the same plate, in any order.

    The commonest length wins; reads of other lengths are aligned to it. Frames of one pass fail
    together, so that n reads count as the square root of n independent ones.
    """
    grammar = grammar or default_grammar()
    usable = [lattice for lattice in lattices if lattice]
    if not usable:
        return []
    lengths = Counter(len(lattice) for lattice in usable)

    def rank(lattice: Lattice) -> tuple[int, float, str]:
        sure = sum(max(p.values(), default=0.0) for p in lattice) / len(lattice)
        return lengths[len(lattice)], sure, best_text(lattice)

    ordered = sorted(usable, key=rank, reverse=True)
    reference = ordered[0]
    columns: list[list[Mapping[str, float]]] = [[] for _ in reference]
    reference_text = best_text(reference)
    for lattice in ordered:
        if len(lattice) == len(reference):
            pairs = [(at, at) for at in range(len(reference))]
        else:
            aligned = align(reference_text, best_text(lattice), grammar)
            pairs = [(a, b) for a, b in aligned if a is not None and b is not None]
        for ours, theirs in pairs:
            columns[ours].append(lattice[theirs])
    return [_fuse_position(column) for column in columns]


def _fuse_position(column: Sequence[Mapping[str, float]]) -> dict[str, float]:
    if len(column) == 1:
        return dict(column[0])
    proposed = sorted({sign for position in column for sign in position})
    weight = sqrt(len(column)) / len(column)
    logs = {
        sign: weight * sum(log(max(p.get(sign, 0.0), FLOOR)) for p in column) for sign in proposed
    }
    # "Some other sign" takes part, or two unsure reads would make a sure one.
    logs[UNKNOWN] = weight * sum(log(max(1.0 - sum(p.values()), FLOOR)) for p in column)
    top = max(logs.values())
    shares = {sign: exp(value - top) for sign, value in logs.items()}
    total = sum(shares.values())
    return {s: share / total for s, share in shares.items() if s != UNKNOWN}


def _top(position: Mapping[str, float]) -> str:
    # Ties go to the lesser sign, so that the order of a mapping never decides.
    return min(position, key=lambda sign: (-position[sign], sign), default=UNKNOWN)


def _probability(position: Mapping[str, float], sign: str, grammar: Grammar) -> float:
    through = max(
        (
            p * exp(-_SHARPNESS * grammar.confusion(read, sign))
            for read, p in position.items()
            if grammar.confusion(read, sign) < 1
        ),
        default=0.0,
    )
    return min(1.0, max(position.get(sign, 0.0), through, FLOOR))


def _lattice_cost(lattice: Lattice, raw: str, grammar: Grammar) -> SignCost:
    tables = []
    for position, top in zip(lattice, raw, strict=True):
        best = log(max(position.get(top, 0.0), FLOOR))
        table = {}
        for sign in SIGNS:
            # Confusion across the classes is what position decides; within a class only the
            # reader's own doubt counts.
            within = (sign in DIGITS) == (top in DIGITS)
            p = position.get(sign, 0.0) if within else _probability(position, sign, grammar)
            table[sign] = max(0.0, best - log(max(p, FLOOR)))
        tables.append(table)

    def cost(position: int, sign: str) -> float:
        return tables[position][sign]

    return cost
