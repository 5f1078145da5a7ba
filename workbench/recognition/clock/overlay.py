"""Read the clock a camera burns into its pictures, and find how far the stamps are from it.

EasyOCR reads the corner strips; dates are understood in the layouts that recorders use. Torch takes
seconds to import and is loaded only when a reader is opened.
"""

from __future__ import annotations

import importlib
import math
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np

from workbench.recognition.models import weights
from workbench.recognition.models.easyocr_door import import_easyocr
from workbench.recognition.types import RGB
from workbench.records import Box
from workbench.timeline import SECOND_NS

STRIP_SHARE = 0.14
"""Height of the strips along the upper and lower edge in which clocks are looked for."""

_LEAST_STRIP_PX = 40
_WHITE_FROM = 205
_SIGNS = "0123456789-/.: MTWFSonuedhriatOIl"
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKDAY = re.compile("|".join(_WEEKDAYS), re.IGNORECASE)
_NUMBER = re.compile(r"[OoIl]*\d[\dOoIl]*")
_DIGIT_FOR = str.maketrans("OoIl", "0011")
_BREAK = r"\D{0,7}?"


def _layouts(gap: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return the year-first and year-last layouts with a given gap between numbers."""
    time = rf"(\d\d){gap}(\d\d){gap}(\d\d)(?!\d)"
    return (
        re.compile(rf"(?<!\d)(\d{{4}}){gap}(\d\d){gap}(\d\d){_BREAK}{time}"),
        re.compile(rf"(?<!\d)(\d\d){gap}(\d\d){gap}(\d{{4}}){_BREAK}{time}"),
    )


# EasyOCR reads a colon or a stroke as a digit now and then: then any one sign is a separator.
_LAYOUTS = (*_layouts(r"\D{0,2}?"), *_layouts("."))

_SIGMA_FLOOR_NS = SECOND_NS // 20
"""The picture and its clock are not made in one instant; nothing read from it is surer."""

_AGREEING_SHARE = 2 / 3

TextReader = Callable[[RGB], list[tuple[Box, str, float]]]
"""Pieces of text of a picture: box in its pixels, text, confidence 0..1."""


@dataclass(frozen=True, slots=True)
class ClockReading:
    """A burnt-in clock as read. It shows whole seconds of the camera's local time.

    ``ambiguous``: day and month could be exchanged and nothing on the screen decides it.
    """

    text: str
    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    confidence: float
    box: Box
    ambiguous: bool = False

    def shown_ns(self, zone_offset_s: int) -> int:
        """Return UTC ns of the shown second where the clock runs `zone_offset_s` ahead of UTC."""
        shown = datetime(
            self.year, self.month, self.day, self.hour, self.minute, self.second, tzinfo=UTC
        )
        return (int(shown.timestamp()) - zone_offset_s) * SECOND_NS


def open_clock_reader() -> TextReader:
    """Return a text reader on EasyOCR's English models, from their package, on the CPU.

    Takes about 8 s and 600 MB, most of it torch; open it once.

    Raises
    ------
    Unavailable, Damaged
        As :func:`workbench.recognition.models.weights.locate`.
    """
    cards = weights.read_manifest()
    folder = weights.locate(cards["easyocr-craft"], "weights").parent
    weights.locate(cards["easyocr-english-g2"], "weights")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # easyocr's use of torch's old quantisation: nobody's news
        reader = import_easyocr().Reader(
            ["en"],
            gpu=False,
            model_storage_directory=str(folder),
            # its folder for networks trained by users; any existing one keeps it from home
            user_network_directory=str(folder),
            download_enabled=False,
            quantize=False,
            verbose=False,
        )

    # Small pictures on shared cores: a second thread made a read three times slower.
    importlib.import_module("torch").set_num_threads(1)

    def read(picture: RGB) -> list[tuple[Box, str, float]]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pinned memory without an accelerator
            found = reader.readtext(picture, allowlist=_SIGNS, paragraph=False, width_ths=1.5)
        return [(_box_of(corners), text, float(score)) for corners, text, score in found]

    return read


def read_clock(picture: RGB, read: TextReader, *, whole: bool = False) -> ClockReading | None:
    """Return the clock burnt into a picture, looked for along its upper and lower edge, or None.

    The upper edge comes first, and a clock found there is not looked for below: a date with a time
    is unlike anything else that is burnt in, and a strip costs more than a second to read.

    Parameters
    ----------
    whole
        The picture is a strip already, cut where the clock is known to be.
    """
    height = picture.shape[0]
    strip = height if whole else min(height, max(_LEAST_STRIP_PX, round(height * STRIP_SHARE)))
    # as it is first; text without an edge on a bright ground only shows as what is whitest
    for prepare in (np.ascontiguousarray, _whitest):
        for top in dict.fromkeys((0, height - strip)):
            found = []
            for row in _rows(read(prepare(picture[top : top + strip]))):
                clock = parse_clock(" ".join(text for _, text, _ in row))
                if clock is not None:
                    box, sure = _around([box for box, _, _ in row], top), min(s for *_, s in row)
                    found.append(_placed(clock, box, sure))
            if found:
                return max(found, key=lambda clock: clock.confidence)
    return None


def parse_clock(text: str) -> ClockReading | None:
    """Return the date and time in a text, or None; the box is empty and the confidence 1.

    Year first, or day/month/year with strokes and dots, or month-day-year with hyphens; a weekday
    decides where it is shown, and so does a number above 12.

    >>> c = parse_clock("11-20-2026 Fri 07:15:32")
    >>> c.month, c.day, c.hour, c.ambiguous
    (11, 20, 7, False)
    """
    text = text.strip()
    named = _WEEKDAY.search(text)
    weekday = _WEEKDAYS.index(named[0].lower()) if named else None
    digits = _NUMBER.sub(lambda m: m[0].translate(_DIGIT_FOR), _WEEKDAY.sub(" ", text))
    match = next((m for layout in _LAYOUTS if (m := layout.search(digits))), None)
    if match is None:
        return None
    first, second, third, hour, minute, sec = map(int, match.groups())
    if len(match[1]) == 4:
        dates = [(first, second, third)]
    else:
        dates = [(third, second, first), (third, first, second)]
        if "-" in digits[match.start(1) : match.end(3)]:
            dates.reverse()
    real = list(dict.fromkeys(d for d in dates if _is_date(d)))
    if weekday is not None:
        # a weekday misread is likelier than a date that fits neither order
        real = [d for d in real if date(*d).weekday() == weekday] or real
    if not real or hour > 23 or minute > 59 or sec > 59:
        return None
    year, month, day = real[0]
    box = Box(0, 0, 0, 0)
    return ClockReading(
        text, year, month, day, hour, minute, sec, 1.0, box, ambiguous=len(real) > 1
    )


def fit_offset(pairs: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Return ``(offset_ns, sigma_ns)`` to add to stamps so that they agree with a read clock.

    A clock that shows a second was somewhere within it: each pair bounds the offset to an interval
    of one second. The offset lies where most intervals meet, so that a misread second does no harm;
    pairs close to a change of second make the meeting narrow.

    Parameters
    ----------
    pairs
        ``(stamped_ns, read_ns)``: the stamp of a frame and the second its clock shows.

    Returns
    -------
    None where fewer than two thirds of the readings agree (or there are none).

    >>> fit_offset([(0, 5 * 10**9), (900_000_000, 5 * 10**9), (10**9, 6 * 10**9)])
    (5050000000, 50000000)
    """
    window = offset_window(pairs)
    if window is None:
        return None
    start, stop = window
    sigma = max(round((stop - start) / math.sqrt(12)), _SIGMA_FLOOR_NS)
    return (start + stop) // 2, sigma


def offset_window(pairs: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Return the ``[low, high)`` of offsets, ns, that most pairs allow; None where too few agree.

    Parameters
    ----------
    pairs
        As :func:`fit_offset`.
    """
    # the offset is within [low, low + 1 s) of each: most lows within a window of one second
    lows = sorted(read - stamped for stamped, read in pairs)
    best: tuple[int, int, int] | None = None
    for n, low in enumerate(lows):
        members = sum(1 for other in lows[: n + 1] if other > low - SECOND_NS)
        start, stop = low, lows[n - members + 1] + SECOND_NS
        if best is None or (members, stop - start) > (best[0], best[2] - best[1]):
            best = (members, start, stop)
    if best is None or best[0] < _AGREEING_SHARE * len(pairs):
        return None
    return best[1], best[2]


def _whitest(strip: RGB) -> RGB:
    """Return near-white as black on white, all else faded: overlay text is purer than any scene."""
    ink = np.clip((strip.min(axis=2).astype(np.float32) - _WHITE_FROM) / (255 - _WHITE_FROM), 0, 1)
    return np.repeat((255 * (1 - ink))[:, :, None], 3, axis=2).astype(np.uint8)


def _is_date(parts: tuple[int, int, int]) -> bool:
    try:
        return 2000 <= date(*parts).year < 2100
    except ValueError:
        return False


def _rows(pieces: list[tuple[Box, str, float]]) -> list[list[tuple[Box, str, float]]]:
    """Group pieces of text into rows, each from left to right."""
    rows: list[list[tuple[Box, str, float]]] = []
    for piece in sorted(pieces, key=lambda piece: (piece[0].y, piece[0].x)):
        middle = piece[0].y + piece[0].h / 2
        for row in rows:
            if row[0][0].y <= middle <= row[0][0].y + row[0][0].h:
                row.append(piece)
                break
        else:
            rows.append([piece])
    return [sorted(row, key=lambda piece: piece[0].x) for row in rows]


def _around(boxes: list[Box], down: int) -> Box:
    left, top = min(box.x for box in boxes), min(box.y for box in boxes)
    right, bottom = max(box.x + box.w for box in boxes), max(box.y + box.h for box in boxes)
    return Box(left, top + down, right - left, bottom - top)


def _placed(clock: ClockReading, box: Box, confidence: float) -> ClockReading:
    return ClockReading(
        clock.text, clock.year, clock.month, clock.day, clock.hour, clock.minute, clock.second,
        confidence, box, clock.ambiguous,
    )  # fmt: skip


def _box_of(corners: Any) -> Box:
    points = np.asarray(corners, float)
    (x, y), (w, h) = points.min(axis=0), np.ptp(points, axis=0)
    return Box(float(x), float(y), float(w), float(h))
