"""The dated plate tables as frozen types, and what they say of a row of signs."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from workbench.errors import N_, BadInput, Unavailable

DIGITS = "0123456789"
SIGNS = DIGITS + "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
UNKNOWN = "?"
"""Stands for a sign that was there and is no Latin letter or digit."""

PlateKind = Literal["car", "motorcycle"]

# Bars read from a frame, a bolt or a neighbouring line look like the sign 1.
_BARS = str.maketrans({"|": "I", "!": "I", "[": "I", "]": "I", "Đ": "D", "đ": "D"})
_USES = {
    "L": "ordinary", "R": "trailer", "T": "temporary",
    "S": "special", "E": "electric", "F": "diplomatic",
}  # fmt: skip


def compact(text: str) -> str:
    """Return the signs of a plate only: upper case, no separators, Đ written D.

    A character that is neither Latin, digit nor punctuation becomes ``?``: something was there.

    >>> compact("99-b1 123.45"), compact("29MĐ1-004.56"), compact("")
    ('99B112345', '29MD100456', '')
    """
    signs = []
    for char in unicodedata.normalize("NFD", text.translate(_BARS).upper()):
        if char in SIGNS:
            signs.append(char)
        elif char.isalnum():
            signs.append(UNKNOWN)
    return "".join(signs)


@dataclass(frozen=True, slots=True)
class Layout:
    """One way of writing a plate; ``shown`` has one class letter a sign and the separators.

    Classes: CC local code, D digit, X digit 1-9, L letter of the ordinary series, R, T that letter;
    the pairs SS, EE, FF are a special, electric or diplomatic series. ``upper`` counts the signs of
    the upper line where the plate has two. A ``strict`` layout is recognised and never corrected
    towards.
    """

    name: str
    kind: PlateKind
    shown: str
    upper: int
    strict: bool
    valid_from: date | None
    valid_until: date | None

    @property
    def signs(self) -> str:
        """The class letters without separators."""
        return self.shown.replace("-", "").replace(".", "")

    def format(self, signs: str) -> str:
        """Return `signs`, as many as the layout has, with its separators."""
        return write(self.shown, signs)


def write(shown: str, signs: str) -> str:
    """Return `signs` with the separators of the pattern `shown`.

    >>> write("DDD.DD", "12345")
    '123.45'
    """
    rest = iter(signs)
    return "".join(char if char in "-." else next(rest) for char in shown)


@dataclass(frozen=True, slots=True)
class Group:
    """Signs of a layout decided together: one sign, or the two of a code or a special series."""

    sign_class: str
    width: int
    options: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Dated:
    """A table entry that may be seen on the road in ``[valid_from, valid_until)``."""

    value: str
    note: str
    valid_from: date | None
    valid_until: date | None


@dataclass(frozen=True, slots=True, eq=False)
class Grammar:
    """The tables of one set of rules; ask it with ``on``, a date, or None for any date."""

    layouts: tuple[Layout, ...]
    codes: tuple[_Dated, ...]
    series: tuple[_Dated, ...]
    confusable: Mapping[tuple[str, str], float]

    def layouts_on(self, on: date | None) -> Iterator[Layout]:
        """Yield the layouts in use, commoner ones first."""
        for layout in self.layouts:
            if _in_force(layout, on):
                yield layout

    def local_codes(self, on: date | None = None) -> frozenset[str]:
        """Return the two-digit local codes in use."""
        return frozenset(entry.value for entry in self.codes if _in_force(entry, on))

    def place(self, code: str, on: date) -> str | None:
        """Return the name of the place a local code stands for on a day; None where unknown."""
        for entry in self.codes:
            if entry.value == code and _in_force(entry, on):
                return entry.note
        return None

    def letters(self, use: str, on: date | None = None) -> frozenset[str]:
        """Return the series letters (or pairs) of a use such as ordinary, special, diplomatic."""
        return frozenset(e.value for e in self.series if e.note == use and _in_force(e, on))

    def confusion(self, a: str, b: str) -> float:
        """Return what reading `a` for `b` costs: 0 for the same sign, 1 where nobody confuses them.

        Both are single signs; the cost is symmetric.
        """
        if a == b:
            return 0.0
        return self.confusable.get((a, b), 1.0)


@lru_cache(maxsize=1024)
def groups_of(grammar: Grammar, layout: Layout, on: date | None) -> tuple[Group, ...]:
    """Return the groups of signs of a layout, in order, with what each may be on a day."""
    found: list[Group] = []
    signs = layout.signs
    at = 0
    while at < len(signs):
        sign_class = signs[at]
        if sign_class == "C":
            options = grammar.local_codes(on)
        elif sign_class in "DX":
            options = frozenset(DIGITS if sign_class == "D" else DIGITS[1:])
        else:
            options = grammar.letters(_USES[sign_class], on)
        if sign_class in "RT":
            options &= {sign_class}
        width = 2 if sign_class in "CSEF" else 1
        found.append(Group(sign_class, width, tuple(sorted(options))))
        at += width
    return tuple(found)


def _in_force(entry: Layout | _Dated, on: date | None) -> bool:
    if on is None:
        return True
    began = entry.valid_from is None or entry.valid_from <= on
    return began and (entry.valid_until is None or on < entry.valid_until)


@lru_cache(maxsize=8)
def folding(grammar: Grammar) -> dict[int, str]:
    """Return a ``str.translate`` table that makes signs joined by a chain of confusions one."""
    parent = {sign: sign for sign in SIGNS}

    def root(sign: str) -> str:
        while parent[sign] != sign:
            sign = parent[sign]
        return sign

    for a, b in grammar.confusable:
        first, second = sorted((root(a), root(b)))
        parent[second] = first
    return {ord(sign): root(sign) for sign in SIGNS}


def load_grammar(folder: Path) -> Grammar:
    """Read the tables ``layouts``, ``local_codes``, ``series`` and ``confusables`` of a folder.

    Raises
    ------
    Unavailable
        When a table is missing.
    BadInput
        When a row cannot be understood; the message names file and row.
    """
    confusable: dict[tuple[str, str], float] = {}
    for where, row in _rows(folder / "confusables.csv", ("a", "b", "cost")):
        cost = _number(row["cost"], where)
        if not 0 < cost < 1 or row["a"] == row["b"]:
            raise BadInput(
                N_("the cost {cost} of a confusable pair is not between 0 and 1"),
                N_("write a number such as 0.3 for two different signs"),
                where=where,
                cost=row["cost"],
            )
        confusable[row["a"], row["b"]] = confusable[row["b"], row["a"]] = cost
    layouts = tuple(
        Layout(
            row["layout"],
            "motorcycle" if row["kind"] == "motorcycle" else "car",
            row["signs"],
            int(_number(row["upper"], where)),
            row["strict"] == "1",
            *_dates(row, where),
        )
        for where, row in _rows(folder / "layouts.csv", ("layout", "kind", "signs", "upper"))
    )
    codes = tuple(
        _Dated(row["code"], row["place"], *_dates(row, where))
        for where, row in _rows(folder / "local_codes.csv", ("code", "place"))
    )
    series = tuple(
        _Dated(row["letters"], row["use"], *_dates(row, where))
        for where, row in _rows(folder / "series.csv", ("letters", "use"))
    )
    return Grammar(layouts, codes, series, confusable)


@cache
def default_grammar() -> Grammar:
    """Return the grammar of the tables that come with the workbench, read once a process."""
    here = Path(__file__).resolve()
    for folder in (here.parent / "tables", here.parents[2] / "data" / "plates"):
        if folder.is_dir():
            return load_grammar(folder)
    raise Unavailable(
        N_("the plate tables (data/plates) are not installed"),
        N_("install the workbench again, from its source folder or a complete package"),
    )


def _rows(path: Path, needed: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    if not path.is_file():
        raise Unavailable(
            N_("a plate table is missing"), N_("restore it from the installation"), where=str(path)
        )
    with path.open(newline="", encoding="utf-8-sig") as file:
        rows = [(f"{path}:{at}", row) for at, row in enumerate(csv.DictReader(file), start=2)]
    for where, row in rows:
        # A short row leaves None behind, which no later step should have to expect.
        if any(not row.get(name) for name in needed) or None in row.values():
            raise BadInput(
                N_("a row of a plate table is incomplete"),
                N_("fill in {columns}"),
                where=where,
                columns=", ".join(needed),
            )
    return rows


def _number(text: str, where: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise BadInput(
            N_("'{text}' is not a number"), N_("write a number"), where=where, text=text
        ) from None


def _dates(row: dict[str, str], where: str) -> tuple[date | None, date | None]:
    def parse(text: str) -> date | None:
        if not text:
            return None
        try:
            return date.fromisoformat(text)
        except ValueError:
            raise BadInput(
                N_("'{text}' is not a date"),
                N_("write it like 2023-08-15, or leave it empty"),
                where=where,
                text=text,
            ) from None

    return parse(row["valid_from"]), parse(row["valid_until"])
