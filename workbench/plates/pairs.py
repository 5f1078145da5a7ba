"""Which of many plates are near one another: for joining reads of a whole run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from workbench.plates.distance import LINE_LOST, distance
from workbench.plates.grammar import Grammar, default_grammar, folding

_WHOLE, _LINE = 7, 5


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
        elif len(text) >= _WHOLE:
            for key in {half for n in (4, 5) for half in (text[-n:], text[:-n])}:
                halves[key].append(at)
    pairs = {(i, j) for rows in buckets.values() for i in rows for j in rows if i < j}
    if max_distance >= LINE_LOST:
        for key, rows in parts.items():
            pairs.update((min(i, j), max(i, j)) for i in rows for j in halves.get(key, ()))
    return pairs
