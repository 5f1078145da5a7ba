"""Find plates among many reads: exact, wildcards, partial, and ranked look-alikes, marked so."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from workbench.errors import N_, BadInput
from workbench.plates.distance import (
    LINE_LOST,
    LOWER_LINES,
    WHOLE,
    Difference,
    differences,
    distance,
)
from workbench.plates.grammar import SIGNS, Grammar, compact, default_grammar, folding

How = Literal["exact", "pattern", "partial", "approximate"]
_RANK: dict[How, int] = {"exact": 0, "pattern": 1, "partial": 2, "approximate": 3}
MIN_SIGNS, MAX_SIGNS = 2, 12
MAX_DISTANCE = 1.5
_SEPARATORS = " -.\t·"
_FOLD_BLANK = "_"
_PART = range(4, 7)
_WIDTH = 12


@dataclass(frozen=True, slots=True)
class Hit:
    """One read that a search found.

    ``text`` is the read as stored. ``approximate`` is True unless the read holds the pattern sign
    for sign; then ``differences`` says where (positions count the signs of pattern and read) and
    ``distance`` how far (confusable-aware; 0 for every other hit).
    """

    text: str
    compact: str
    how: How
    distance: float
    differences: tuple[Difference, ...] = ()

    @property
    def approximate(self) -> bool:
        """Whether the read differs from what was asked."""
        return self.how == "approximate"


@dataclass(frozen=True, slots=True, eq=False)
class PlateIndex:
    """Distinct reads prepared for many searches; build it with :func:`build_index`."""

    texts: tuple[str, ...]
    compacts: tuple[str, ...]
    folded: tuple[str, ...]
    short: Mapping[str, tuple[int, ...]]
    signs: NDArray[np.uint8]
    costs: NDArray[np.float32]
    fold: dict[int, str]
    grammar: Grammar = field(repr=False)


def parse_pattern(pattern: str) -> str:
    """Return a pattern in signs, ``?`` (one sign) and ``*`` (any number), or say what is wrong.

    Case, blanks, ``-`` and ``.`` do not matter; Đ is D.

    Raises
    ------
    BadInput
        When a character is none of these, or there are too few or too many signs.

    >>> parse_pattern(" 99-b1 12?.45")
    '99B112?45'
    """
    cleaned = pattern.upper().replace("Đ", "D")
    cleaned = "".join(char for char in cleaned if char not in _SEPARATORS)
    bad = sorted({char for char in cleaned if char not in SIGNS and char not in "?*"})
    if bad:
        raise BadInput(
            N_("a plate has no '{bad}' in it"),
            N_("use letters, digits, ? for one sign and * for any"),
            bad=" ".join(bad),
        )
    given = sum(char in SIGNS for char in cleaned)
    if given < MIN_SIGNS:
        raise BadInput(
            N_("'{pattern}' is too short: {given} of at least {least} signs"),
            N_("give more of the plate"),
            pattern=pattern.strip(),
            given=given,
            least=MIN_SIGNS,
        )
    if len(cleaned.replace("*", "")) > MAX_SIGNS:
        raise BadInput(
            N_("'{pattern}' is longer than any plate ({most} signs)"),
            N_("give one plate at a time"),
            pattern=pattern.strip(),
            most=MAX_SIGNS,
        )
    return re.sub(r"\*+", "*", cleaned)


def build_index(reads: Iterable[str], *, grammar: Grammar | None = None) -> PlateIndex:
    """Prepare distinct reads (as shown or compact) for :func:`search`; about 0.4 s for 100,000."""
    grammar = grammar or default_grammar()
    texts = tuple(dict.fromkeys(reads))
    compacts = tuple(compact(text) for text in texts)
    fold = folding(grammar)
    short: dict[str, list[int]] = {}
    folded = tuple(text.translate(fold) for text in compacts)
    for at, text in enumerate(folded):
        if len(text) <= _PART.stop - 1:
            short.setdefault(text, []).append(at)
    padded = "".join(text[:_WIDTH].ljust(_WIDTH, _FOLD_BLANK) for text in compacts)
    signs = _codes(padded).reshape(-1, _WIDTH)
    return PlateIndex(
        texts,
        compacts,
        folded,
        {text: tuple(rows) for text, rows in short.items()},
        signs,
        _cost_table(grammar),
        fold,
        grammar,
    )


def search(
    pattern: str,
    reads: Iterable[str] | PlateIndex,
    limit: int = 50,
    *,
    max_distance: float = MAX_DISTANCE,
    grammar: Grammar | None = None,
) -> list[Hit]:
    """Return the reads that a pattern finds: exact first, then by kind and distance.

    Parameters
    ----------
    pattern
        Signs with ``?`` and ``*``; without ``*`` also searched for as a part, and approximately.
    reads
        Distinct reads, or an index of them for repeated searches.
    limit
        The most hits returned.
    max_distance
        Of approximate hits; 0 leaves them out.

    Raises
    ------
    BadInput
        When the pattern is not one.
    """
    wanted = parse_pattern(pattern)
    index = reads if isinstance(reads, PlateIndex) else build_index(reads, grammar=grammar)
    found = _sure(wanted, index)
    hits = [Hit(index.texts[at], index.compacts[at], how, 0.0) for at, how in sorted(found.items())]
    if "*" not in wanted and max_distance > 0:
        hits += _approximate(wanted, index, max_distance, found)
    hits.sort(key=lambda hit: (_RANK[hit.how], hit.distance, hit.compact, hit.text))
    return hits[:limit]


def _sure(wanted: str, index: PlateIndex) -> dict[int, How]:
    """Return the rows that hold the pattern sign for sign."""
    body = re.escape(wanted).replace(r"\?", "[^\n?]").replace(r"\*", "[^\n]*")
    whole = re.compile(body)
    plain = "*" not in wanted and "?" not in wanted
    if plain:
        inside = [at for at, text in enumerate(index.compacts) if wanted in text]
    elif "*" in wanted:
        inside = [at for at, text in enumerate(index.compacts) if whole.fullmatch(text)]
    else:
        inside = [at for at, text in enumerate(index.compacts) if whole.search(text)]
    found: dict[int, How] = {}
    for at in inside:
        text = index.compacts[at]
        if plain and text == wanted:
            found[at] = "exact"
        elif not plain and whole.fullmatch(text):
            found[at] = "pattern"
        else:
            found[at] = "partial"
    return found


def _approximate(
    wanted: str, index: PlateIndex, most: float, found: Mapping[int, How]
) -> list[Hit]:
    nearest: dict[int, Hit] = {}
    # A free sign has no folded form, so such patterns are compared place by place only.
    if "?" not in wanted:
        for at in _candidates(wanted, index, most):
            text = index.compacts[at]
            apart = distance(wanted, text, grammar=index.grammar)
            if at not in found and text and apart <= most:
                apart_at = differences(wanted, text, grammar=index.grammar)
                nearest[at] = Hit(index.texts[at], text, "approximate", apart, apart_at)
    if "?" in wanted or len(wanted) in _PART:
        part_most = most if "?" in wanted and len(wanted) not in _PART else min(most, 0.99)
        for at, start, apart in _windows(wanted, index, part_most):
            if at in found or (at in nearest and nearest[at].distance <= apart):
                continue
            text = index.compacts[at]
            pairs = zip(wanted, text[start : start + len(wanted)], strict=True)
            apart_at = tuple(
                Difference(i, a, b, start + i)
                for i, (a, b) in enumerate(pairs)
                if a not in ("?", b)
            )
            nearest[at] = Hit(index.texts[at], text, "approximate", apart, apart_at)
    return list(nearest.values())


def _candidates(wanted: str, index: PlateIndex, most: float) -> list[int]:
    """Return a superset of the rows within `most`, quickly.

    Folding makes every confusable pair one sign, and every other edit costs at least 1: no read
    within `most` has more folded edits than ``floor(most)``. Lost lines are looked up apart.
    """
    folded = wanted.translate(index.fold)
    near: list[Any] = process.extract(
        folded,
        index.folded,
        scorer=Levenshtein.distance,
        processor=None,
        score_cutoff=int(most),
        limit=None,
    )
    rows = {int(at) for _, _, at in near}
    if most >= LINE_LOST and len(wanted) >= WHOLE:
        for lower in LOWER_LINES:
            for part in (folded[-lower:], folded[:-lower]):
                rows.update(index.short.get(part, ()))
    return sorted(rows)


def _windows(wanted: str, index: PlateIndex, most: float) -> list[tuple[int, int, float]]:
    """Return (row, start, cost) of the cheapest place of a pattern in each read within `most`."""
    codes = _codes(wanted)
    best = np.full(len(index.texts), np.inf, dtype=np.float32)
    where = np.zeros(len(index.texts), dtype=np.int64)
    for start in range(_WIDTH - len(wanted) + 1):
        cost = np.zeros(len(index.texts), dtype=np.float32)
        for offset, code in enumerate(codes):
            cost += index.costs[code][index.signs[:, start + offset]]
        better = cost < best
        best[better], where[better] = cost[better], start
    rows = np.flatnonzero(best <= most + 1e-4)
    return [(int(row), int(where[row]), round(float(best[row]), 4)) for row in rows]


def _codes(signs: str) -> NDArray[np.uint8]:
    table = np.full(128, len(SIGNS) + 1, dtype=np.uint8)
    for code, sign in enumerate(SIGNS):
        table[ord(sign)] = code
    table[ord("?")] = len(SIGNS)
    return table[np.frombuffer(signs.encode("ascii"), dtype=np.uint8)]


def _cost_table(grammar: Grammar) -> NDArray[np.float32]:
    size = len(SIGNS) + 2
    table = np.ones((size, size), dtype=np.float32)
    for i, a in enumerate(SIGNS):
        for j, b in enumerate(SIGNS):
            table[i, j] = grammar.confusion(a, b)
    table[len(SIGNS), :] = 0.0
    # Beyond the end of a read there is no sign to compare with.
    table[:, len(SIGNS) + 1] = np.inf
    return table
