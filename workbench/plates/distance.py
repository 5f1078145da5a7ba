"""How far plates are apart when cameras confuse signs, which signs differ, and which are near."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from workbench.plates.grammar import Grammar, default_grammar, folding

INDEL = 1.0
"""A sign lost or invented."""
LINE_LOST = 1.25
"""A whole line of a two-line plate lost: one event, a little worse than one sign."""
LOWER_LINES = (5, 4)
"""How many signs a lower line has."""
WHOLE, _LINE = 7, 5
"""The fewest signs of a whole plate, and the most of one line of it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where two plates differ.

    ``position`` counts signs of ours from 0, ``their_position`` those of theirs; ``ours`` or
    ``theirs`` is empty where that side has no sign there, and longer than one sign where a whole
    line is missing.
    """

    position: int
    ours: str
    theirs: str
    their_position: int = field(default=0, compare=False)


def distance(ours: str, theirs: str, *, grammar: Grammar | None = None) -> float:
    """Return the confusable-aware distance of two compact texts; symmetric, 0 only where equal.

    A confusable sign costs 0.2-0.7, any other sign, a lost or an invented one 1, a lost line 1.25.

    >>> distance("99B112345", "99B112345"), distance("99B112345", "998112345")
    (0.0, 0.3)
    >>> distance("99B112345", "12345")
    1.25
    """
    return _compare(ours, theirs, grammar or default_grammar())[0]


def differences(
    ours: str, theirs: str, *, grammar: Grammar | None = None
) -> tuple[Difference, ...]:
    """Return where two compact texts differ, in order, under their cheapest alignment.

    >>> [(d.position, d.ours, d.theirs) for d in differences("99B112345", "998112346")]
    [(2, 'B', '8'), (8, '5', '6')]
    >>> [(d.position, d.ours, d.theirs) for d in differences("99B112345", "12345")]
    [(0, '99B1', '')]
    """
    return _compare(ours, theirs, grammar or default_grammar())[1]


def align(ours: str, theirs: str, grammar: Grammar) -> list[tuple[int | None, int | None]]:
    """Return the cheapest alignment as pairs of positions; None where a side has no sign."""
    rows, columns = len(ours) + 1, len(theirs) + 1
    cost = [[INDEL * column for column in range(columns)]]
    for i in range(1, rows):
        line = [INDEL * i]
        above = cost[-1]
        for j in range(1, columns):
            same = above[j - 1] + grammar.confusion(ours[i - 1], theirs[j - 1])
            line.append(min(same, above[j] + INDEL, line[j - 1] + INDEL))
        cost.append(line)
    pairs: list[tuple[int | None, int | None]] = []
    i, j = rows - 1, columns - 1
    while i or j:
        if i and j:
            same = cost[i - 1][j - 1] + grammar.confusion(ours[i - 1], theirs[j - 1])
            if cost[i][j] == same:
                i, j = i - 1, j - 1
                pairs.append((i, j))
                continue
        if i and cost[i][j] == cost[i - 1][j] + INDEL:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    return pairs[::-1]


def _edit(ours: str, theirs: str, grammar: Grammar) -> tuple[float, tuple[Difference, ...]]:
    if ours == theirs:
        return 0.0, ()
    total, found, at, their_at = 0.0, [], 0, 0
    for i, j in align(ours, theirs, grammar):
        mine = ours[i] if i is not None else ""
        their = theirs[j] if j is not None else ""
        cost = grammar.confusion(mine, their) if mine and their else INDEL
        total += cost
        if cost:
            found.append(Difference(at, mine, their, their_at))
        at += i is not None
        their_at += j is not None
    # Rounding makes the sum independent of the order in which the alignment adds it up.
    return round(total, 6), tuple(found)


def _compare(ours: str, theirs: str, grammar: Grammar) -> tuple[float, tuple[Difference, ...]]:
    best = _edit(ours, theirs, grammar)
    if len(ours) < len(theirs):
        whole, part = theirs, ours
    else:
        whole, part = ours, theirs
    if not 2 <= len(part) <= _LINE or len(whole) < WHOLE:
        return best
    for lower in LOWER_LINES:
        cut = len(whole) - lower
        for kept, lost_at, lost in (
            (whole[cut:], 0, whole[:cut]),
            (whole[:cut], cut, whole[cut:]),
        ):
            if abs(len(kept) - len(part)) > 1:
                continue
            cost, _ = _edit(kept, part, grammar)
            if LINE_LOST + cost < best[0]:
                best = (
                    round(LINE_LOST + cost, 6),
                    _with_line(ours, theirs, kept, lost_at, lost, grammar),
                )
    return best


def _with_line(
    ours: str, theirs: str, kept: str, lost_at: int, lost: str, grammar: Grammar
) -> tuple[Difference, ...]:
    """Describe the cheapest comparison in which one side has lost the line `lost`."""
    ours_is_whole = len(ours) >= len(theirs)
    mine, their = (kept, theirs) if ours_is_whole else (ours, kept)
    # A lost upper line moves the signs after it, on the side that still has it.
    moved = 0 if lost_at else len(lost)
    ours_moved, theirs_moved = (moved, 0) if ours_is_whole else (0, moved)
    rest = [
        replace(
            d,
            position=d.position + ours_moved,
            their_position=d.their_position + theirs_moved,
        )
        for d in _edit(mine, their, grammar)[1]
    ]
    if ours_is_whole:
        line = Difference(lost_at, lost, "", len(theirs) if lost_at else 0)
    else:
        line = Difference(len(ours) if lost_at else 0, "", lost, lost_at)
    return tuple([*rest, line] if lost_at else [line, *rest])


def pairs_within(
    compacts: Sequence[str], max_distance: float, *, grammar: Grammar | None = None
) -> list[tuple[int, int, float]]:
    """Return ``(i, j, distance)`` of all pairs ``i < j`` of different texts within a distance.

    Texts within one edit share a text with one sign deleted, and confusable signs fold to one; so
    only those are compared. `max_distance` is below 2.

    >>> pairs_within(["99B112345", "98C154321", "998112345"], 1.0)
    [(0, 2, 0.3)]
    """
    if not 0 <= max_distance < 2:
        raise ValueError(f"max_distance {max_distance} is not in [0, 2)")
    grammar = grammar or default_grammar()
    found = []
    for i, j in sorted(
        _candidates([text.translate(folding(grammar)) for text in compacts], max_distance)
    ):
        if compacts[i] != compacts[j]:
            apart = distance(compacts[i], compacts[j], grammar=grammar)
            if apart <= max_distance:
                found.append((i, j, apart))
    return found


def _candidates(folded: Sequence[str], max_distance: float) -> set[tuple[int, int]]:
    buckets: dict[str, list[int]] = defaultdict(list)
    halves: dict[str, list[int]] = defaultdict(list)
    parts: dict[str, list[int]] = defaultdict(list)
    for at, text in enumerate(folded):
        keys = {text}
        if max_distance >= 1:
            keys.update(text[:k] + text[k + 1 :] for k in range(len(text)))
        for key in keys:
            buckets[key].append(at)
        # Plates of one series share their upper line: only a lone line is compared with lines.
        if len(text) <= _LINE:
            parts[text].append(at)
        elif len(text) >= WHOLE:
            for key in {half for n in LOWER_LINES for half in (text[-n:], text[:-n])}:
                halves[key].append(at)
    pairs = {(i, j) for rows in buckets.values() for i in rows for j in rows if i < j}
    if max_distance >= LINE_LOST:
        for key, rows in parts.items():
            pairs.update((min(i, j), max(i, j)) for i in rows for j in halves.get(key, ()))
    return pairs
