"""Read plates inside a box: lines of text, a plate's shape, then the grammar.

A plate is one line, or two stacked ones, whose signs make a plate under ``plates.normalise``. What
is shaped like a plate and makes none is returned unread; burnt-in text, shop signs and telephone
numbers are returned not at all. Each sign keeps its probabilities, so that a wrong best guess can
still be found by a search that knows what was likely.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from workbench import plates
from workbench.recognition.plates.ground import on_plain_ground
from workbench.recognition.plates.text import Line, ReadLine, Sign, TextFinder
from workbench.recognition.types import (
    RGB,
    ModelSettings,
    PlateReading,
    PlateShape,
    clip,
)
from workbench.records import Box

_SIGNS_LEAST, _SIGNS_MOST = 6, 10
_UPPER_SIGNS, _LOWER_SIGNS = (3, 4, 5), (4, 5)
_LETTER_LEAST = 0.02
"""Least probability the reader must give a series letter that the grammar puts in place."""

_LETTER_LEAST_STACKED = 2e-4
"""The same where two lines of four and five signs with the marks of a plate leave no other place:
glare on a B reads as 9, and the letter is in the lattice with little more than nothing."""

_OVERRIDDEN = 1e-3
"""Probability of a sign that the grammar put there and the reader did not see at all."""

_UNSEEN = 0.3
"""What a sign counts that the grammar exchanged for its double without the reader's word."""

_ROW_GAP_HEIGHTS = 1.2
_LAST_DIGITS = re.compile(r"\d[\d.]*\d$")

_TALL_RATIO = 1.5
"""A box of text less wide than this many heights may be both lines of a plate in one."""

_HINT_PAD = 0.4
"""Of its width, how far around a hint a plate is sought."""

_HINT_SIGN_PX = 22.0
"""Height of signs at which a plate is sought around a hint: more costs, and finds no more."""

_SPOT_PAD, _SPOT_GAP, _SPOTS_MOST = 0.4, 0.5, 3
"""Around what a glance saw, of its larger side; between pieces of one place, of their height."""

_OFF_MIDDLE_MOST = 0.3

_TWO_LINES_TO = 2.4
"""Signs whose box is wider than this many heights stand in one line."""

_DIGITS_OF_A_LINE = 2
_REGROWN_HEIGHTS = 3.0
"""A box that cuts a line is widened by this many heights of it: most of a line's length."""

_CUT_HEIGHTS = 0.1
"""Ink nearer to the picture's edge than this share of a line's height has lost signs."""


@dataclass(frozen=True, slots=True, eq=False)
class _Candidate:
    """Lines that may be a plate, top to bottom, each from left to right."""

    rows: tuple[tuple[Line, ...], ...]
    members: frozenset[int] = field(repr=False)

    @property
    def signs(self) -> list[list[Sign]]:
        """The signs of each row, punctuation left out."""
        return [[s for line in row for s in line.signs if s.candidates] for row in self.rows]

    @property
    def raw(self) -> str:
        return " ".join("".join(line.text for line in row) for row in self.rows)

    @property
    def corners(self) -> NDArray[np.float32]:
        return np.concatenate([line.corners for row in self.rows for line in row])


class TextPlateReader:
    """A :data:`~workbench.recognition.types.PlateReader`; not for several threads at a time.

    Parameters
    ----------
    find
        Finds lines of text.
    read_line
        Reads one; the settings name it.
    settings
        Sizes and least scores, see :class:`~workbench.recognition.types.ModelSettings`.
    """

    def __init__(self, find: TextFinder, read_line: ReadLine, settings: ModelSettings) -> None:
        self.find = find
        self.read_line = read_line
        self.settings = settings

    def __call__(
        self, picture: RGB, box: Box | None = None, /, hint: Box | None = None
    ) -> list[PlateReading]:
        """Return the plates inside a box, the read ones first, boxes in the picture's pixels.

        With a `hint`, where a plate was read there, those of its surroundings alone.
        """
        if hint is not None:
            pad = _HINT_PAD * hint.w
            near = Box(hint.x - pad, hint.y - pad, hint.w + 2 * pad, hint.h + 2 * pad)
            rows = 2 if hint.w < _TWO_LINES_TO * hint.h else 1
            scale = min(1.0, rows * _HINT_SIGN_PX / max(hint.h, 1.0))
            found = self._inside(picture, near, round(scale * max(near.w, near.h)), exactly=True)
            if any(one.text for one in found):
                return found
        most_px = self.settings.plate_max_side_px if box is None else None
        return self._inside(picture, box, most_px or self.settings.plate_vehicle_side_px)

    def _inside(
        self, picture: RGB, box: Box | None, side_px: int, *, exactly: bool = False
    ) -> list[PlateReading]:
        left, top, right, bottom = clip(box, picture)
        if min(right - left, bottom - top) < self.settings.plate_min_line_px:
            return []
        part = np.ascontiguousarray(picture[top:bottom, left:right])
        if box is not None and not exactly and self.settings.plate_glance_share < 1:
            # Most vehicles show no plate most of the time, and to see that takes no sharp look.
            seen = self.find.glance(part, side_px, self.settings.plate_glance_share)
            if not seen:
                return []
            found = []
            for spot, spot_px in _spots(seen, self.settings.plate_spot_sign_px):
                at = Box(spot.x + left, spot.y + top, spot.w, spot.h)
                found += self._inside(picture, at, spot_px, exactly=True)
            # Near the side of the box hangs a neighbour's: its own may be what the glance missed.
            if any(one.text and _off_middle(one.box, box) < _OFF_MIDDLE_MOST for one in found):
                return _each_once(found)
        lines = self.lines(part, side_px, exactly=exactly)
        wider = clip(_uncut(lines, part, Box(left, top, right - left, bottom - top)), picture)
        if wider != (left, top, right, bottom):
            left, top, right, bottom = wider
            part = np.ascontiguousarray(picture[top:bottom, left:right])
            lines = self.lines(part, side_px, exactly=exactly)
        found = self.read_lines(lines, part, one=box is not None)
        return [_moved(reading, left, top) for reading in found]

    def lines(
        self, picture: RGB, side_px: int | None = None, *, exactly: bool = False
    ) -> list[Line]:
        """Return every line of text of a picture, read; see :class:`TextFinder` for the sizes."""
        found = self.find(picture, side_px, exactly=exactly)
        least_px = self.settings.plate_min_line_px
        return self.read(picture, [line for line in found if line.height_px >= least_px])

    def read(self, picture: RGB, lines: Sequence[Line]) -> list[Line]:
        """Return lines of a picture with their signs as they are read now."""
        return [replace(line, signs=self.read_line(picture, line.corners)) for line in lines]

    def read_lines(
        self, lines: Sequence[Line], picture: RGB, *, one: bool, whole: bool = False
    ) -> list[PlateReading]:
        """Return the plates among lines, also where one box of text holds both of a plate's lines.

        Where no more than `one` plate is asked for, such boxes are looked into only if none is read
        without them. For `whole` see :func:`read_lines`.
        """
        found = read_lines(lines, picture, self.settings, whole=whole)
        halves = [half for line in lines for half in _halves(line)]
        if not halves or (one and any(reading.text for reading in found)):
            return found
        halves = self.read(picture, halves)
        return read_lines([*lines, *halves], picture, self.settings, whole=whole)


def read_lines(
    lines: Sequence[Line], picture: RGB, settings: ModelSettings, *, whole: bool = False
) -> list[PlateReading]:
    """Return the plates among lines of text of a picture: read ones, then unread ones.

    Parameters
    ----------
    whole
        The picture is nothing but a plate: ink at its edge is no sign lost, and the ground is the
        plate's without a look at it.
    """
    found: list[PlateReading] = []
    for candidate in _candidates([line for line in lines if line.signs]):
        if not _SIGNS_LEAST <= sum(map(len, candidate.signs)) <= _SIGNS_MOST:
            continue
        spoilt = (not whole and _is_cut(candidate, picture)) or _dot_lacks_digits(candidate)
        plate = None if spoilt else _plate_of(candidate, picture, whole=whole)
        if plate is None and not _looks_like_a_plate(candidate, picture, whole=whole):
            continue
        found.append(_reading(candidate, plate, settings))
    return _each_once(found)


def _each_once(found: Sequence[PlateReading]) -> list[PlateReading]:
    """Return the readings, read ones and the surest first, of each place the first alone."""
    kept: list[PlateReading] = []
    for one in sorted(found, key=lambda r: (r.text is None, -r.score, r.box.x, r.box.y)):
        if not any(_overlap(one.box, other.box) for other in kept):
            kept.append(one)
    return kept


def _plate_of(
    candidate: _Candidate, picture: RGB, *, whole: bool
) -> tuple[plates.Reading, list[Sign]] | None:
    """Return the plate, also where its place alone says that a sign is the series letter."""
    plate = plate_of(candidate.signs)
    if plate is not None:
        return plate
    if whole:
        return plate_of(candidate.signs, letter_least=0.0)
    upper, _, lower = candidate.raw.partition(" ")
    marked = list(map(len, candidate.signs)) == [4, 5] and ("-" in upper[2:3] or "." in lower)
    if marked and on_plain_ground(picture, candidate.corners):
        return plate_of(candidate.signs, letter_least=_LETTER_LEAST_STACKED)
    return None


def plate_of(
    rows: Sequence[Sequence[Sign]], *, letter_least: float = _LETTER_LEAST
) -> tuple[plates.Reading, list[Sign]] | None:
    """Return the plate that rows of signs spell, with the signs it is made of, or None.

    The grammar may correct a sign the reader mistook for its double (0 for D) and leave out a screw
    at the edge, but a series letter must have been seen: else every telephone number with an 8 in
    third place would be a plate. A lone line of a two-line plate is a lead, never a plate.
    """
    signs = [sign for row in rows for sign in row]
    reading = plates.decode([sign.candidates for sign in signs], lines=[len(row) for row in rows])
    if reading is None or reading.partial or not reading.grammatical:
        return None
    dropped = {change.position for change in reading.overrides if not change.sign}
    for change in reading.overrides:
        unseen = signs[change.position].candidates.get(change.sign, 0.0) < letter_least
        if change.sign.isalpha() and unseen:
            return None
    kept = [sign for position, sign in enumerate(signs) if position not in dropped]
    return (reading, kept) if len(kept) == len(reading.compact) else None


def _candidates(lines: Sequence[Line]) -> Iterator[_Candidate]:
    rows = list(_rows(lines))
    for row, members in rows:
        yield _Candidate((row,), members)
    for upper, above in rows:
        for lower, below in rows:
            if not above & below and _stacked(upper, lower):
                pair = _Candidate((upper, lower), above | below)
                first, second = map(len, pair.signs)
                if first in _UPPER_SIGNS and second in _LOWER_SIGNS:
                    yield pair


def _rows(lines: Sequence[Line]) -> Iterator[tuple[tuple[Line, ...], frozenset[int]]]:
    """Yield each line, and each pair of neighbours that may be one line broken in two."""
    for n, line in enumerate(lines):
        yield (line,), frozenset((n,))
    for n, first in enumerate(lines):
        for k, second in enumerate(lines):
            if n != k and not first.half and not second.half and _adjoining(first, second):
                yield (first, second), frozenset((n, k))


def _axes(line: Line) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    along = line.corners[1] - line.corners[0]
    along = along / max(float(np.linalg.norm(along)), 1e-6)
    return along, np.array([-along[1], along[0]], np.float32)


def _adjoining(first: Line, second: Line) -> bool:
    height = (first.height_px + second.height_px) / 2
    if not 0.7 < first.height_px / second.height_px < 1.4:
        return False
    along, across = _axes(first)
    between = second.centre - first.centre
    gap = float(between @ along) - (first.width_px + second.width_px) / 2
    return abs(float(between @ across)) < 0.35 * height and (
        -0.5 * height < gap < _ROW_GAP_HEIGHTS * height
    )


def _stacked(upper: Sequence[Line], lower: Sequence[Line]) -> bool:
    """Tell whether two rows lie as the lines of a plate do."""
    top, bottom = upper[0], lower[0]
    if top.half != bottom.half:
        return False
    height = (top.height_px + bottom.height_px) / 2
    if not 0.6 < top.height_px / bottom.height_px < 1.6:
        return False
    along, across = _axes(top if top.width_px > bottom.width_px else bottom)
    up, low = (_extent(row, along) for row in (upper, lower))
    down = float((_middle(lower) - _middle(upper)) @ across)
    shared = min(up[1], low[1]) - max(up[0], low[0])
    width_ratio = (low[1] - low[0]) / max(up[1] - up[0], 1e-6)
    return (
        0.6 * height < down < 1.8 * height
        and shared > 0.6 * min(up[1] - up[0], low[1] - low[0])
        and 0.7 < width_ratio < 2.4
    )


def _extent(row: Sequence[Line], along: NDArray[np.float32]) -> tuple[float, float]:
    places = np.concatenate([line.corners for line in row]) @ along
    return float(places.min()), float(places.max())


def _middle(row: Sequence[Line]) -> NDArray[np.float32]:
    middle: NDArray[np.float32] = np.concatenate([line.corners for line in row]).mean(axis=0)
    return middle


def _halves(line: Line) -> tuple[Line, ...]:
    """Return the upper and lower half of a box so tall that it may hold both lines of a plate."""
    if line.width_px > _TALL_RATIO * line.height_px:
        return ()
    top, right, bottom, left = line.corners
    middle_left, middle_right = (top + left) / 2, (right + bottom) / 2
    upper = np.stack([top, right, middle_right, middle_left])
    lower = np.stack([middle_left, middle_right, bottom, left])
    return replace(line, corners=upper, half=True), replace(line, corners=lower, half=True)


def _is_cut(candidate: _Candidate, picture: RGB) -> bool:
    """Tell whether ink reaches the picture's edge: a plate cut there may read as a shorter one."""
    height, width = picture.shape[:2]
    for line in (line for row in candidate.rows for line in row):
        x, y = line.corners.T
        slack = line.inset_px - _CUT_HEIGHTS * line.height_px
        if (
            x.min() < -slack
            or y.min() < -slack
            or x.max() > width + slack
            or y.max() > height + slack
        ):
            return True
    return False


def _spots(lines: Sequence[Line], sign_px: float) -> list[tuple[Box, int]]:
    """Return where a glance saw text that may be a plate, and the size at which to seek there.

    What a glance outlines is loose: both lines of a plate in one, or half of a line. Boxes nearer
    to each other than half their height are one place.
    """
    corners = [(line.corners.min(axis=0), line.corners.max(axis=0)) for line in lines]
    spots: list[list[float]] = []
    for (x0, y0), (x1, y1) in corners:
        spot = [float(x0), float(y0), float(x1), float(y1)]
        near = [one for one in spots if _gap_px(one, spot) < _SPOT_GAP * (spot[3] - spot[1])]
        for one in near:
            spots.remove(one)
            spot = [*map(min, one[:2], spot[:2]), *map(max, one[2:], spot[2:])]
        spots.append(spot)
    # the largest first: a plate is the largest writing on most of what drives here
    spots.sort(key=lambda s: -(s[2] - s[0]) * (s[3] - s[1]))
    return [_sought_at(spot, sign_px) for spot in spots[:_SPOTS_MOST]] if sign_px else []


def _gap_px(a: Sequence[float], b: Sequence[float]) -> float:
    return max(a[0] - b[2], b[0] - a[2], a[1] - b[3], b[1] - a[3])


def _off_middle(plate: Box, box: Box) -> float:
    """Return how far beside the middle of a box a plate hangs, in the box's widths."""
    return abs(plate.x + plate.w / 2 - box.x - box.w / 2) / box.w


def _sought_at(spot: Sequence[float], sign_px: float) -> tuple[Box, int]:
    left, top, right, bottom = spot
    wide, high = right - left, bottom - top
    rows = 2 if wide < _TWO_LINES_TO * high else 1
    pad = _SPOT_PAD * max(wide, rows * high)
    near = Box(left - pad, top - pad, wide + 2 * pad, high + 2 * pad)
    scale = min(1.0, rows * sign_px / max(high, 1.0))
    return near, round(scale * max(near.w, near.h))


def _uncut(lines: Sequence[Line], part: RGB, box: Box) -> Box:
    """Return the box, widened where it cuts through a line that may be a plate's.

    A plate hangs at the end of its vehicle, and boxes of vehicles are a little too small often.
    """
    height, width = part.shape[:2]
    grow = dict.fromkeys(("left", "top", "right", "bottom"), 0.0)
    for line in lines:
        if sum(sign.char.isdigit() for sign in line.signs) < _DIGITS_OF_A_LINE:
            continue
        slack = line.inset_px - _CUT_HEIGHTS * line.height_px
        (x0, y0), (x1, y1) = line.corners.min(axis=0), line.corners.max(axis=0)
        cut = {
            "left": x0 < -slack,
            "top": y0 < -slack,
            "right": x1 > width + slack,
            "bottom": y1 > height + slack,
        }
        for side in (side for side, is_cut in cut.items() if is_cut):
            grow[side] = max(grow[side], _REGROWN_HEIGHTS * line.height_px)
    return Box(
        box.x - grow["left"],
        box.y - grow["top"],
        box.w + grow["left"] + grow["right"],
        box.h + grow["top"] + grow["bottom"],
    )


def _dot_lacks_digits(candidate: _Candidate) -> bool:
    """Tell whether a digit beside the dot is gone: 5 digits have a dot, the older 4 have none."""
    digits = _LAST_DIGITS.search(candidate.raw)
    return digits is not None and "." in digits[0] and sum(c.isdigit() for c in digits[0]) < 5


def _looks_like_a_plate(candidate: _Candidate, picture: RGB, *, whole: bool = False) -> bool:
    """Tell whether unreadable signs may still be a plate's: mostly digits, one plain ground."""
    signs = [sign for row in candidate.signs for sign in row]
    digits = sum(sign.char.isdigit() for sign in signs)
    others = sum(sign.char.isalpha() for sign in signs)
    if any(mark in candidate.raw for mark in ":/") or digits < 4 or others > 3:
        return False
    if whole:
        return True
    if not others:
        return False
    if not any(sign.char.isdigit() for sign in signs[:2]):
        return False  # a plate begins with its local code: "Km 12+300" does not
    return on_plain_ground(picture, candidate.corners)


def _reading(
    candidate: _Candidate, plate: tuple[plates.Reading, list[Sign]] | None, settings: ModelSettings
) -> PlateReading:
    signs = plate[1] if plate else [sign for row in candidate.signs for sign in row]
    chars = plate[0].compact if plate else "".join(sign.char for sign in signs)
    # unread signs have no position, so that nothing speaks for a letter or a digit there
    seen = [
        _probability(sign, char) if plate else sign.probability
        for sign, char in zip(signs, chars, strict=True)
    ]
    score = math.exp(sum(math.log(max(p, _OVERRIDDEN)) for p in seen) / len(seen))
    text = plate[0].text if plate and score >= settings.plate_min_score else None
    lattice = [dict(sign.candidates) for sign in signs]
    if text:
        for place, char in zip(lattice, chars, strict=True):
            place.setdefault(char, _OVERRIDDEN)
    x, y = candidate.corners.T
    box = Box(float(x.min()), float(y.min()), float(np.ptp(x)), float(np.ptp(y)))
    shape: PlateShape = "one-line" if len(candidate.rows) == 1 else "two-line"
    changes = plate[0].overrides if plate and text else ()
    return PlateReading(
        text, candidate.raw, score, lattice, box, shape, changes, settings.plate_reader
    )


def _probability(sign: Sign, char: str) -> float:
    """Return what a sign of a plate counts: between what the picture says and what it leaves.

    A series is never a 9, so that B is sure where 9 and B are all the reader sees; and yet a reader
    that says 9 has seen the sign badly. The geometric mean of both views ranked right reads above
    wrong ones best on the labelled frames.
    """
    seen = sign.candidates.get(char, 0.0)
    rivals = sum(p for s, p in sign.candidates.items() if s.isdigit() == char.isdigit())
    if rivals < _LETTER_LEAST:
        return _UNSEEN
    return math.sqrt(seen * seen / rivals)


def _overlap(a: Box, b: Box) -> bool:
    wide = min(a.x + a.w, b.x + b.w) - max(a.x, b.x)
    tall = min(a.y + a.h, b.y + b.h) - max(a.y, b.y)
    return wide > 0 and tall > 0 and wide * tall > 0.3 * min(a.w * a.h, b.w * b.h)


def _moved(reading: PlateReading, dx: int, dy: int) -> PlateReading:
    box = Box(reading.box.x + dx, reading.box.y + dy, reading.box.w, reading.box.h)
    return replace(reading, box=box)
