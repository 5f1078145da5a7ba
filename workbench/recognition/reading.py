"""Several readings of one plate -> one; nothing here opens a file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from workbench import plates
from workbench.recognition.types import PlateReading
from workbench.records import Box


@dataclass(frozen=True, slots=True)
class PlateOfPass:
    """The reading of a whole pass and the frame that shows it best."""

    text: str | None
    raw: str
    score: float
    lattice: list[dict[str, float]]
    number: int
    box: Box


def fuse(
    readings: Sequence[tuple[int, PlateReading]], *, on: date | None = None
) -> PlateOfPass | None:
    """Return the reading of a pass from ``(frame number, reading)`` of its frames, or None.

    Readings of the same length are averaged sign by sign, so that three looks outvote a smear on
    one; the averaged text stands only where the grammar accepts it. The frame named is the surest
    that reads the same, else the surest.
    """
    read = [(number, one) for number, one in readings if one.text is not None]
    if not read:
        if not readings:
            return None
        number, one = max(readings, key=lambda r: (r[1].score, -r[0]))
        return PlateOfPass(None, one.raw, one.score, one.lattice, number, one.box)
    by_length: dict[int, list[tuple[int, PlateReading]]] = {}
    for number, one in read:
        by_length.setdefault(len(one.lattice), []).append((number, one))
    weight = {n: sum(one.score for _, one in ones) for n, ones in by_length.items()}
    length = max(weight, key=lambda n: (weight[n], n))
    ones = by_length[length]
    lattice = average([one.lattice for _, one in ones], [one.score for _, one in ones])
    fused = "".join(max(sorted(signs), key=lambda s: signs[s]) for signs in lattice)
    accepted = plates.normalise(fused, on=on)
    texts = {one.text for _, one in ones}
    if accepted is not None and (accepted.text in texts or len(ones) >= 3):
        alike = [r for r in ones if r[1].text == accepted.text] or ones
        number, best = max(alike, key=lambda r: (r[1].score, -r[0]))
        return PlateOfPass(accepted.text, best.raw, best.score, lattice, number, best.box)
    number, best = max(ones, key=lambda r: (r[1].score, -r[0]))
    return PlateOfPass(best.text, best.raw, best.score, best.lattice, number, best.box)


def average(
    lattices: Sequence[Sequence[dict[str, float]]], weights: Sequence[float]
) -> list[dict[str, float]]:
    """Return the weighted mean of lattices of one length, sign by sign.

    >>> average([[{"A": 1.0}], [{"A": 0.5, "4": 0.5}]], [1, 1])
    [{'A': 0.75, '4': 0.25}]
    """
    total = sum(weights) or 1.0
    mean: list[dict[str, float]] = [{} for _ in lattices[0]]
    for lattice, weight in zip(lattices, weights, strict=True):
        for place, signs in zip(mean, lattice, strict=True):
            for sign, chance in signs.items():
                place[sign] = place.get(sign, 0.0) + chance * weight / total
    return mean
