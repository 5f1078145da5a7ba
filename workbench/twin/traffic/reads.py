"""What a plate reader makes of a plate that is there: signs mistaken, sure or not, a line lost.

A sign is easy or hard. Easy ones are read right; a hard one is read right about two times in three,
and the reader says so: what it gives as probability is how often it is right.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np

from workbench.plates.grammar import DIGITS, default_grammar

LOOK_ALIKES = {
    "0": "869", "1": "74", "2": "73", "3": "89", "4": "19", "5": "63", "6": "580", "7": "12",
    "8": "3609", "9": "804", "A": "RKH", "B": "EPRS", "C": "GDU", "D": "CUB", "E": "FBL",
    "F": "EPT", "G": "CS", "H": "NMK", "K": "XHR", "L": "TE", "M": "NHV", "N": "MHK", "P": "FRB",
    "R": "PKB", "S": "BGZ", "T": "YLF", "U": "VCD", "V": "YUX", "X": "KYV", "Y": "VTX", "Z": "SE",
}  # fmt: skip
"""Signs of the same class that a sign is taken for, the commonest first."""

_SURE = 0.997
_HARD = (0.45, 0.85)
_HARD_WRONG = 1.0 - sum(_HARD) / 2
_SECOND_SHARE = 0.8


@dataclass(frozen=True, slots=True)
class Read:
    """A read plate: its text with separators, signs and what the reader gives each sign."""

    text: str
    signs: str
    lattice: tuple[tuple[tuple[str, float], ...], ...]

    @property
    def score(self) -> float:
        """Probability that every sign is right, as the reader gives it."""
        return float(np.prod([place[0][1] for place in self.lattice]))

    def json(self, start: int = 0, stop: int | None = None) -> str:
        """Return the lattice, or some of its positions, as SIGHTINGS keep it."""
        places = [dict(place) for place in self.lattice[start:stop]]
        return json.dumps(places, ensure_ascii=False)


def read(plate: str, error: float, rng: np.random.Generator) -> Read:
    """Return what is read of a plate where each sign is mistaken with a probability.

    The local code is only ever mistaken for one that exists: what is not a plate is told by the
    grammar before anybody sees it.

    Parameters
    ----------
    plate
        As ``99B1-123.45``.
    error
        Probability of each sign, 0 to about .3.

    >>> read("99B1-123.45", 0.0, np.random.default_rng(1)).text
    '99B1-123.45'
    """
    at = [k for k, sign in enumerate(plate) if sign.isalnum()]
    n = len(at)
    wrong = rng.random(n) < error
    # Right and hard, so often that a hard sign is wrong with the share the reader admits.
    doubt = rng.random(n) < error * (1 - _HARD_WRONG) / _HARD_WRONG / max(1e-9, 1 - error)
    sure = rng.uniform(*_HARD, n)
    often = rng.random(n) < _SECOND_SHARE
    text = list(plate)
    lattice: list[tuple[tuple[str, float], ...]] = []
    for number, place in enumerate(at):
        sign = plate[place]
        if not wrong[number] and not doubt[number]:
            lattice.append(((sign, _SURE),))
            continue
        others = _others(plate, place, number)
        seen = second = _pick(others, rng)
        if wrong[number]:
            text[place] = seen
            second = sign if often[number] else _pick(others.replace(seen, "") or sign, rng)
        else:
            seen = sign
        p = float(sure[number])
        lattice.append(((seen, round(p, 4)), (second, round(_SECOND_SHARE * (1 - p), 4))))
    shown = "".join(text)
    return Read(shown, "".join(c for c in shown if c.isalnum()), tuple(lattice))


def one_sign_off(plate: str, rng: np.random.Generator) -> str:
    """Return a plate that differs from another in one often mistaken digit after the dash."""
    dash = plate.index("-")
    places = [k for k in range(dash + 1, len(plate)) if plate[k] in DIGITS]
    k = places[int(rng.integers(len(places)))]
    return plate[:k] + LOOK_ALIKES[plate[k]][0] + plate[k + 1 :]


def _others(plate: str, place: int, number: int) -> str:
    sign = plate[place]
    alike = LOOK_ALIKES.get(sign, "0")
    if number < 2 and sign in DIGITS:
        codes = default_grammar().local_codes()
        whole = plate[:2]
        kept = [s for s in alike if whole[:number] + s + whole[number + 1 :] in codes]
        more = [s for s in DIGITS if whole[:number] + s + whole[number + 1 :] in codes]
        return "".join(kept or [s for s in more if s != sign]) or alike
    if number == 3 and sign in DIGITS:
        return alike.replace("0", "") or "1"  # the second sign of a series is 1 to 9
    return alike


def _pick(signs: str, rng: np.random.Generator) -> str:
    """Return one of some signs, the first most often, each next one half as often."""
    at = 0
    while at < len(signs) - 1 and rng.random() < 0.5:
        at += 1
    return signs[at]
