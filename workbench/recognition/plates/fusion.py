"""Several readings of one plate -> one, with a calibrated probability; nothing here opens a file
but the small table of :mod:`~workbench.recognition.plates.calibration`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from workbench import plates
from workbench.recognition.plates.calibration import Evidence, probability
from workbench.recognition.types import PlateReading, PlateShape
from workbench.records import Box

_SAME_PLATE = 2.0
"""Texts further apart than two lost signs are of two plates: a neighbour's in the same box."""

_ALTERNATIVES = 4


@dataclass(frozen=True, slots=True)
class PlateOfPass:
    """The reading of a whole pass (or of one still) and the frame that shows it best.

    ``score`` is the calibrated probability that every sign of ``text`` is right, 0 where the plate
    is unread. ``alternatives`` are other plates the signs could be, with their probabilities; for
    an unread one, the best guesses. ``overrides`` names the signs of ``raw`` that the grammar or
    the other frames changed.
    """

    text: str | None
    raw: str
    score: float
    lattice: list[dict[str, float]]
    number: int
    box: Box
    kind: PlateShape = "two-line"
    alternatives: tuple[tuple[str, float], ...] = ()
    overrides: tuple[plates.Override, ...] = ()


def fuse(
    readings: Sequence[tuple[int, PlateReading]], *, on: date | None = None
) -> PlateOfPass | None:
    """Return the reading of a pass from ``(frame number, reading)`` of its frames, or None.

    The lattices of all frames are put together sign by sign, each weighing what its score is worth,
    and the grammar of the day decides by position at the end; texts that are too far apart to be
    the same plate are left out. The frame named is the surest that reads the same, else the surest.
    """
    if not readings:
        return None
    read = [(number, one) for number, one in readings if one.text is not None]
    if not read:
        number, one = max(readings, key=_rank)
        return PlateOfPass(
            None, one.raw, 0.0, one.lattice, number, one.box, one.kind, _guesses(one, on)
        )
    ours = _of_one_plate(read)
    _, best = max(ours, key=_rank)
    lattice = plates.fuse([one.lattice for _, one in ours], [one.score for _, one in ours])
    found = plates.alternatives(lattice, upper=_upper(best), on=on, most=_ALTERNATIVES + 1)
    text, share = found[0] if found else (_surest_as_long(ours, len(lattice)), 1.0)
    alike = [r for r in ours if r[1].text == text]
    number, best = max(alike or ours, key=_rank)
    evidence = _evidence(text, share, lattice, best, len(alike) / len(read))
    sure = probability(evidence, reader=best.reader)
    rest = (1.0 - sure) / max(1.0 - share, 1e-9)
    others = tuple((other, round(min(p * rest, p, 1.0 - sure), 6)) for other, p in found[1:])
    return PlateOfPass(
        text, best.raw, sure, lattice, number, best.box, best.kind, others, _changes(best, text)
    )


def _rank(item: tuple[int, PlateReading]) -> tuple[float, int]:
    return item[1].score, -item[0]


def _of_one_plate(read: Sequence[tuple[int, PlateReading]]) -> list[tuple[int, PlateReading]]:
    """Return the readings near the text that most speaks for, in the order of their frames."""
    weight: dict[str, list[float]] = {}
    for _, one in read:
        weight.setdefault(plates.compact(one.text or ""), []).append(one.score)
    main = max(weight, key=lambda text: (round(sum(weight[text]), 9), text))
    near = {text for text in weight if plates.distance(main, text) <= _SAME_PLATE}
    return [item for item in read if plates.compact(item[1].text or "") in near]


def _surest_as_long(ours: Sequence[tuple[int, PlateReading]], signs: int) -> str:
    """Return the surest text of so many signs: where no plate of that day has as many."""
    alike = [item for item in ours if len(plates.compact(item[1].text or "")) == signs]
    return max(alike, key=_rank)[1].text or ""


def _upper(one: PlateReading) -> int | None:
    """Return how many signs the upper line has; None for one line."""
    if one.kind == "one-line":
        return None
    upper, _, lower = (one.text or one.raw).partition("-" if one.text else " ")
    return len(plates.compact(upper)) if lower else None


def _guesses(one: PlateReading, on: date | None) -> tuple[tuple[str, float], ...]:
    """Return what an unread plate may be; none of it is claimed, so the shares are halved."""
    found = plates.alternatives(one.lattice, upper=_upper(one), on=on, most=_ALTERNATIVES)
    return tuple((text, round(share * one.score / 2, 6)) for text, share in found)


def _evidence(
    text: str,
    share: float,
    lattice: Sequence[dict[str, float]],
    best: PlateReading,
    agreeing: float,
) -> Evidence:
    seen = [place.get(sign, 0.0) for sign, place in zip(plates.compact(text), lattice, strict=True)]
    rows = 1 if best.kind == "one-line" else 2
    return Evidence(
        share=share,
        seen=tuple(seen),
        agreeing=agreeing,
        overridden=len(best.overrides),
        sign_px=best.box.h / rows,
    )


def _changes(best: PlateReading, text: str) -> tuple[plates.Override, ...]:
    """Return what the grammar and the other frames changed of the best frame's raw signs."""
    if best.text == text:
        return best.overrides
    raw = plates.compact(best.raw)
    return plates.changes(raw, plates.compact(text)) if raw else ()
