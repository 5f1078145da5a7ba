"""Plates as probabilities by position: decode the best grammatical one, fuse several reads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from math import exp, fsum, inf, log, sqrt

from workbench.plates.distance import LOWER_LINES, WHOLE, align, distance
from workbench.plates.grammar import (
    DIGITS,
    SIGNS,
    UNKNOWN,
    Grammar,
    Group,
    Layout,
    compact,
    default_grammar,
    groups_of,
)
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
_VETO = 3e-3
"""The same where several reads are put together: readers are too sure, and one smear that does not
propose a sign must not outweigh two clear looks that do."""
_SHARPNESS = 8.0
"""Confusable cost to probability: exp(-8 cost), so 0/D (0.3) is .09 and K/X (0.5) .018."""
_MOST_A_SIGN = 7.0
"""Natural log below the likeliest sign at which a sign is no alternative (p of about .001)."""
_EDGE_SCALE = 10.0
_MOST_CHANGED = 5
_BEAM = 12
_OTHER_SPLIT = 3.0
_RARE_LAYOUTS = {
    "motorcycle-two-letter": 1.0, "special": 1.0, "special-4": 2.0, "diplomatic": 2.0,
    "diplomatic-one-line": 2.0, "electric": 1.0, "trailer": 1.0, "temporary": 2.0, "car-4": 0.5,
    "motorcycle-4": 0.5,
}  # fmt: skip
"""Natural log of how much rarer than a common layout on the road; a judgement, not a count."""


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


def fuse(
    lattices: Sequence[Lattice],
    weights: Sequence[float] | None = None,
    *,
    grammar: Grammar | None = None,
) -> list[dict[str, float]]:
    """Return one lattice from several reads of the same plate, in any order.

    The weightiest length wins; reads of other lengths are aligned to it, sign by sign, and a lone
    line to its line. Each position is the discounted product of the reads: what speaks for the
    likeliest sign is added up, strongest first, the n-th counting sqrt(n) - sqrt(n - 1), and so is
    what speaks against it. Frames of one pass fail together, so that n reads count as the square
    root of n independent ones; and a read that agrees never lowers what the others say.

    Parameters
    ----------
    weights
        How much each read counts, above 0 (score, sharpness); None: all the same.
    """
    grammar = grammar or default_grammar()
    given = [1.0] * len(lattices) if weights is None else list(weights)
    most = max(given, default=1.0)
    usable = [(one, weight / most) for one, weight in zip(lattices, given, strict=True) if one]
    if not usable:
        return []
    reference = _reference(usable)
    columns: list[list[tuple[Mapping[str, float], float]]] = [[] for _ in reference]
    for lattice, weight in usable:
        for ours, theirs in _paired(reference, lattice, grammar):
            columns[ours].append((lattice[theirs], weight))
    return [_fuse_position(column) for column in columns]


def _reference(usable: Sequence[tuple[Lattice, float]]) -> Lattice:
    """Return the read that others are aligned to: whole, of the weightiest length, the surest."""
    weight_of: dict[int, float] = {}
    for lattice, weight in usable:
        weight_of[len(lattice)] = weight_of.get(len(lattice), 0.0) + weight

    def rank(item: tuple[Lattice, float]) -> tuple[bool, float, float, str, float]:
        lattice, weight = item
        sure = sum(max(p.values(), default=0.0) for p in lattice) / len(lattice)
        # rounded: a sum of floats depends on its order
        heavy = round(weight_of[len(lattice)], 9)
        # A lone line is part of a plate: it never decides how long the plate is.
        return len(lattice) >= WHOLE, heavy, sure, best_text(lattice), weight

    return max(usable, key=rank)[0]


def _paired(reference: Lattice, lattice: Lattice, grammar: Grammar) -> list[tuple[int, int]]:
    """Return which position of a read is which of the reference; a lost line is one event."""
    if len(lattice) == len(reference):
        return [(at, at) for at in range(len(reference))]
    ours, theirs = best_text(reference), best_text(lattice)
    pairs = align(ours, theirs, grammar)
    if len(ours) >= WHOLE and 2 <= len(theirs) < WHOLE - 1:
        cuts = [len(ours) - lower for lower in LOWER_LINES]
        lines = [(cut, ours[cut:]) for cut in cuts] + [(0, ours[:cut]) for cut in cuts]
        start, line = min(lines, key=lambda item: (distance(item[1], theirs), item[0]))
        pairs = [(None if a is None else a + start, b) for a, b in align(line, theirs, grammar)]
    return [(a, b) for a, b in pairs if a is not None and b is not None]


def _fuse_position(column: Sequence[tuple[Mapping[str, float], float]]) -> dict[str, float]:
    proposed = sorted({sign for position, _ in column for sign in position})
    logs = {
        sign: [weight * log(max(position.get(sign, 0.0), _VETO)) for position, weight in column]
        for sign in proposed
    }
    # "Some other sign" takes part, or two unsure reads would make a sure one.
    logs[UNKNOWN] = [w * log(max(1.0 - sum(position.values()), _VETO)) for position, w in column]
    top = max(logs, key=lambda sign: (round(fsum(logs[sign]), 9), sign))
    behind = {
        sign: _discounted(a - b for a, b in zip(logs[top], values, strict=True))
        for sign, values in logs.items()
    }
    least = min(behind.values())
    shares = {sign: exp(least - value) for sign, value in behind.items()}
    total = fsum(shares.values())
    return {s: share / total for s, share in shares.items() if s != UNKNOWN}


def _discounted(leads: Iterable[float]) -> float:
    """Return what several leads come to: those for and those against, each strongest first."""
    ordered = sorted(leads, reverse=True)
    total = 0.0
    for sign, part in (
        (1, [x for x in ordered if x > 0]),
        (-1, [-x for x in ordered[::-1] if x < 0]),
    ):
        total += sign * fsum(x * (sqrt(n + 1) - sqrt(n)) for n, x in enumerate(part))
    return total


def alternatives(
    lattice: Lattice,
    *,
    upper: int | None = None,
    on: date | None = None,
    most: int = 5,
    grammar: Grammar | None = None,
) -> list[tuple[str, float]]:
    """Return the likeliest plates of a lattice as shown, each with its share of all plates.

    The shares weigh the plates that the grammar allows against each other; they sum to 1 over all
    of them, so to at most 1 over those returned, and say nothing of the plate being none of these.
    A strict layout takes part where the likeliest signs are one of its plates as they stand.

    Parameters
    ----------
    upper
        How many signs the upper line has, where the plate has two lines.
    most
        How many to return at most.

    >>> [text for text, _ in alternatives(from_text("51G97162", 0.9), most=1)]
    ['51G-971.62']
    """
    grammar = grammar or default_grammar()
    if not lattice:
        return []
    raw = best_text(lattice)
    cost = _lattice_cost(lattice, raw, grammar)
    found: dict[str, tuple[float, str]] = {}
    for layout in grammar.layouts_on(on):
        if len(layout.signs) != len(lattice):
            continue
        extra = _line_cost(layout, upper)
        plates_of = _cheapest(groups_of(grammar, layout, on), cost)
        if layout.strict and raw not in (signs for _, signs in plates_of):
            continue
        for total, signs in plates_of:
            known = found.get(signs)
            if known is None or total + extra < known[0]:
                found[signs] = total + extra, layout.format(signs)
    ranked = sorted(found.values(), key=lambda item: (round(item[0], 9), item[1]))
    if not ranked:
        return []
    shares = [exp(ranked[0][0] - total) for total, _ in ranked]
    whole = fsum(shares)
    return [(text, share / whole) for (_, text), share in zip(ranked, shares, strict=True)][:most]


def _line_cost(layout: Layout, upper: int | None) -> float:
    """Return what speaks against a layout whatever its signs: rare, or split elsewhere."""
    rare = _RARE_LAYOUTS.get(layout.name, 0.0)
    return rare + (0.0 if upper is None or upper == layout.upper else _OTHER_SPLIT)


def _cheapest(groups: Sequence[Group], cost: SignCost) -> list[tuple[float, str]]:
    """Return the cheapest ways to fill the groups of a layout, a beam wide."""
    beam, at = [(0.0, "")], 0
    for group in groups:
        options = sorted(
            (sum(cost(at + i, sign) for i, sign in enumerate(option)), option)
            for option in group.options
        )[:_BEAM]
        beam = sorted((a + b, signs + more) for a, signs in beam for b, more in options)[:_BEAM]
        at += group.width
    return beam


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
