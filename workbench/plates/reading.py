"""From what a reader saw to a plate: position decides between look-alikes, and says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from math import inf, isfinite

from workbench.errors import N_
from workbench.plates.grammar import (
    DIGITS,
    UNKNOWN,
    Grammar,
    Group,
    Layout,
    compact,
    default_grammar,
    groups_of,
    write,
)

MAX_PENALTY = 1.6
"""Above this a text is not corrected into a plate at all: five look-alikes are no reading."""
_UNKNOWN_CODE = 1.0
_WRONG_LINE = 0.25
_EDGE_SIGNS = "1IJLT" + UNKNOWN
_EDGE_COST = 0.5
_LONGEST_PART = 5

DIGIT_HERE = N_("a digit stands here")
LETTER_HERE = N_("a letter stands here")
NO_SUCH_LETTER = N_("no series has this letter")
LIKELIER = N_("another sign is likelier here")
NOT_A_SIGN = N_("not part of the plate")

UPPER_LINE, LOWER_LINE = "upper line", "lower line"
"""Layout of a partial reading."""

SignCost = Callable[[int, str], float]
"""What it costs to take the raw sign at a position for another sign; inf where it is not done."""


@dataclass(frozen=True, slots=True)
class Override:
    """One raw sign that the grammar changed: where, from what, to what (empty: left out), why.

    ``position`` counts raw signs from 0; ``reason`` is a template of the translation catalogue.
    """

    position: int
    raw: str
    sign: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A plate as the grammar understands it.

    ``text`` is for display, ``compact`` the signs only. ``penalty`` is 0 where nothing was
    changed; it grows with each override and is not a probability. ``partial`` means that one line
    of a two-line plate is all there is: a lead for searching, never a plate; its text has ``*`` for
    the missing line. ``grammatical`` is False where the shape is right and the local code does not
    exist, so that at least one sign is wrong though nobody can say which.
    """

    text: str
    compact: str
    layout: str
    kind: str
    overrides: tuple[Override, ...]
    penalty: float
    partial: bool = False
    grammatical: bool = True


@dataclass(frozen=True, slots=True)
class Fit:
    """Signs chosen for one layout, the raw positions they came from, and what that cost."""

    layout: Layout
    signs: str
    start: int
    cost: float
    known_code: bool


def normalise(
    raw_text: str,
    *,
    lines: Sequence[str] | None = None,
    on: date | None = None,
    grammar: Grammar | None = None,
) -> Reading | None:
    """Return the plate a raw text can be, or None where it is none.

    Only look-alikes across the classes are changed (a letter where a digit must stand, and the
    reverse) and letters that no series has; a digit is never changed to another digit. A raw text
    that is grammatical already is returned as it is.

    Parameters
    ----------
    raw_text
        What was read, with or without separators; a line break separates two lines.
    lines
        The two lines of a two-line plate, upper first, where the reader told them apart; an empty
        one is a lost line.
    on
        Day of the pass; layouts and codes not in use then are left out. None: any day.

    >>> normalise("99BI 12345").text, normalise("3OF-123.A5").text
    ('99B1-123.45', '30F-123.45')
    >>> normalise("12345").partial
    True
    """
    grammar = grammar or default_grammar()
    if lines is None and "\n" in raw_text:
        lines = raw_text.split("\n")
    parts = [compact(line) for line in lines] if lines is not None else [compact(raw_text)]
    raw = "".join(parts)
    upper = len(parts[0]) if len(parts) == 2 and all(parts) else None

    def cost(position: int, sign: str) -> float:
        return _rule_cost(raw[position], sign, grammar)

    if len(raw) <= _LONGEST_PART:
        return _partial(raw, cost, grammar, on)
    found = best_fit(raw, cost, grammar, on, upper)
    if found is None or found.cost > MAX_PENALTY:
        return None
    return as_reading(found, raw, found.cost)


@lru_cache(maxsize=4096)
def _rule_cost(raw: str, sign: str, grammar: Grammar) -> float:
    if raw == sign:
        return 0.0
    if raw == UNKNOWN or (raw in DIGITS and sign in DIGITS):
        return inf
    if raw not in DIGITS and sign not in DIGITS and raw in grammar.letters("ordinary"):
        return inf
    cost = grammar.confusion(raw, sign)
    return cost if cost < 1 else inf


def best_fit(
    raw: str,
    cost: SignCost,
    grammar: Grammar,
    on: date | None,
    upper: int | None = None,
    *,
    edge_scale: float = 1.0,
) -> Fit | None:
    """Return the cheapest fit of a row of raw signs to a layout, the commoner one first.

    `upper` is the length of the upper line where it is known. `edge_scale` turns the cost of
    leaving an edge sign out into the unit of `cost`.
    """
    best: Fit | None = None
    best_rank = inf
    for layout in grammar.layouts_on(on):
        extra = 0.0 if upper is None or upper == layout.upper else _WRONG_LINE
        for start, dropped in _windows(raw, len(layout.signs)):
            chosen = _choose(groups_of(grammar, layout, on), start, cost)
            if chosen is None:
                continue
            signs, sign_cost, known = chosen
            if layout.strict and (sign_cost or dropped):
                continue
            # The line only decides between layouts; it is no fault of the signs.
            total = round(sign_cost + dropped * edge_scale, 6)
            if total + extra < best_rank:
                best, best_rank = Fit(layout, signs, start, total, known), total + extra
    return best


def as_reading(fit: Fit, raw: str, penalty: float) -> Reading:
    """Return a fit as a reading of `raw`, naming each sign it changed."""
    return Reading(
        fit.layout.format(fit.signs),
        fit.signs,
        fit.layout.name,
        fit.layout.kind,
        _overrides(raw, fit.signs, fit.start),
        penalty,
        grammatical=fit.known_code,
    )


def changes(raw: str, signs: str) -> tuple[Override, ...]:
    """Return where raw signs and a plate of as many signs differ; empty where their numbers do.

    >>> [(c.position, c.raw, c.sign) for c in changes("99812345", "99B12345")]
    [(2, '8', 'B')]
    """
    return _overrides(raw, signs, 0) if len(raw) == len(signs) else ()


def _overrides(raw: str, signs: str, start: int) -> tuple[Override, ...]:
    found = []
    for at, sign in enumerate(raw):
        if not start <= at < start + len(signs):
            found.append(Override(at, sign, "", NOT_A_SIGN))
        elif sign != signs[at - start]:
            chosen = signs[at - start]
            found.append(Override(at, sign, chosen, _reason(sign, chosen)))
    return tuple(found)


def _reason(raw: str, sign: str) -> str:
    if (raw in DIGITS) != (sign in DIGITS):
        return DIGIT_HERE if sign in DIGITS else LETTER_HERE
    return LIKELIER if raw in DIGITS else NO_SUCH_LETTER


def _windows(raw: str, length: int) -> Iterator[tuple[int, float]]:
    """Yield (first position, cost) of the ways to take `length` signs, one edge sign left out."""
    if len(raw) == length:
        yield 0, 0.0
    elif len(raw) == length + 1:
        # A screw, the frame or a flag beside the plate is read as one more thin sign. Any other
        # sign may be the plate's own: leaving it out would make a different plate.
        for start, edge in ((1, raw[0]), (0, raw[-1])):
            if edge in _EDGE_SIGNS:
                yield start, _EDGE_COST


def _choose(groups: Sequence[Group], start: int, cost: SignCost) -> tuple[str, float, bool] | None:
    """Return the cheapest signs for the groups, their cost, and whether the code exists."""
    signs, total, known, at = "", 0.0, True, start
    for group in groups:
        best_cost, best = inf, ""
        for option in group.options:
            option_cost = sum(cost(at + i, sign) for i, sign in enumerate(option))
            if option_cost < best_cost:
                best_cost, best = option_cost, option
        if not best and group.sign_class == "C":
            best_cost, best = _free_code(at, cost)
            known = False
        if not isfinite(best_cost):
            return None
        signs, total, at = signs + best, total + best_cost, at + group.width
    return signs, total, known


def _free_code(at: int, cost: SignCost) -> tuple[float, str]:
    first = min((cost(at, sign), sign) for sign in DIGITS)
    second = min((cost(at + 1, sign), sign) for sign in DIGITS)
    return first[0] + second[0] + _UNKNOWN_CODE, first[1] + second[1]


def _partial(raw: str, cost: SignCost, grammar: Grammar, on: date | None) -> Reading | None:
    """Return the one line of a two-line plate that `raw` can be."""
    best: tuple[float, Reading] | None = None
    for layout in grammar.layouts_on(on):
        if layout.strict:
            continue
        groups = groups_of(grammar, layout, on)
        upper, _, lower = layout.shown.partition("-")
        heads = next(n for n in range(9) if sum(g.width for g in groups[:n]) == layout.upper)
        for name, shown, part in (
            (LOWER_LINE, lower, groups[heads:]),
            (UPPER_LINE, upper, groups[:heads]),
        ):
            if sum(g.width for g in part) != len(raw):
                continue
            chosen = _choose(part, 0, cost)
            if chosen is None or not chosen[2] or chosen[1] > MAX_PENALTY / 2:
                continue
            if best is None or chosen[1] < best[0]:
                text = write(shown, chosen[0])
                reading = Reading(
                    f"*-{text}" if name == LOWER_LINE else f"{text}-*",
                    chosen[0],
                    name,
                    "" if name == LOWER_LINE else layout.kind,
                    _overrides(raw, chosen[0], 0),
                    round(chosen[1], 6),
                    partial=True,
                )
                best = chosen[1], reading
    return best[1] if best else None
