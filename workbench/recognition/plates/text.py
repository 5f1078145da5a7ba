"""Lines of text and a probability for every sign: PP-OCRv6 run directly.

The networks come with rapidocr; its own pipeline is not used, since it enlarges small crops to 736
pixels, keeps state between calls and throws away the probabilities a plate lattice is made of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.recognition.models.sessions import open_network
from workbench.recognition.types import RGB

_MULTIPLE_PX = 32
_MAP_THRESHOLD = 0.3
_LEAST_MAP_SIDE_PX = 3
_READ_HEIGHT_PX = 48
_READ_STEP_PX = 8
_LONGEST_RATIO = 20.0
_LEAST_PROBABILITY = 2e-4
"""Candidates of a sign below this are left out of its lattice."""

SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""Signs a plate can hold; what is left of the alphabet is punctuation or not on a plate."""


@dataclass(frozen=True, slots=True)
class Sign:
    """One sign of a line: what was read, how sure, its candidates, and where.

    ``candidates`` covers :data:`SIGNS` only and sums to at most 1; punctuation has none.
    ``at`` is the place of its middle along the line, 0..1.
    """

    char: str
    probability: float
    candidates: dict[str, float]
    at: float


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """A line of text: corners float32[4, 2] in px, clockwise from the top left of its own text.

    ``found`` is the finder's score; ``inset_px`` how far inside the outline the finder saw ink;
    ``half`` marks one of the two lines cut out of a box that may hold both.
    """

    corners: NDArray[np.float32] = field(repr=False)
    signs: tuple[Sign, ...]
    found: float
    inset_px: float = 0.0
    half: bool = False

    @property
    def text(self) -> str:
        """What was read, punctuation and all."""
        return "".join(sign.char for sign in self.signs)

    @property
    def width_px(self) -> float:
        """Length along the text."""
        top, right, bottom, left = self.corners
        return float(np.linalg.norm(right - top) + np.linalg.norm(bottom - left)) / 2

    @property
    def height_px(self) -> float:
        """Extent across the text."""
        top, right, bottom, left = self.corners
        return float(np.linalg.norm(left - top) + np.linalg.norm(bottom - right)) / 2

    @property
    def centre(self) -> NDArray[np.float32]:
        """Middle, x and y in px."""
        centre: NDArray[np.float32] = self.corners.mean(axis=0)
        return centre

    def grown(self, along: float, across: float) -> Line:
        """Return the line, unread, longer by so many of its heights at either end, and higher."""
        top, right, _, _ = self.corners
        forth = (right - top) / max(float(np.linalg.norm(right - top)), 1e-6)
        down = np.array([-forth[1], forth[0]])
        out = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (along, across) * self.height_px
        corners = self.corners + out[:, :1] * forth + out[:, 1:] * down
        return replace(self, corners=corners.astype(np.float32), signs=())


ReadLine = Callable[[RGB, NDArray[np.float32]], tuple[Sign, ...]]
"""The signs of one line of a picture, given by its corners, left to right."""


class TextFinder:
    """Finds lines of text (differentiable binarisation) in a picture."""

    def __init__(
        self, graph: Path, *, max_side_px: int = 640, min_side_px: int = 192,
        min_score: float = 0.5, unclip: float = 1.6,
    ) -> None:  # fmt: skip
        self._session = open_network(graph)
        self._input = self._session.get_inputs()[0].name
        self._max_side_px = max_side_px
        self._min_side_px = min_side_px
        self._min_score = min_score
        self._unclip = unclip

    def glance(self, picture: RGB, side_px: int, share: float) -> list[Line]:
        """Return where there may be text, from a picture too small to find its lines well.

        Parameters
        ----------
        side_px
            Longest side at which the lines would be sought.
        share
            Of the sides at which they would be, those of the picture looked at here.
        """
        height, width = picture.shape[:2]
        longest = max(_net_size(width, height, side_px, self._min_side_px))
        return self(picture, round(share * longest), exactly=True, min_score=_MAP_THRESHOLD)

    def __call__(
        self,
        picture: RGB,
        side_px: int | None = None,
        *,
        exactly: bool = False,
        min_score: float | None = None,
    ) -> list[Line]:
        """Return the lines of a picture, unread, from top to bottom, in its pixels.

        Parameters
        ----------
        side_px
            Longest side of what the network is given; a smaller picture is enlarged at most to the
            least side, and with `exactly` it is neither.
        min_score
            Least score of a line, where another than the finder's own is asked for.
        """
        least_score = self._min_score if min_score is None else min_score
        side_px = side_px or self._max_side_px
        least_px = side_px if exactly else self._min_side_px
        blob, stretch = finder_input(picture, side_px, least_px)
        heat = self._session.run(None, {self._input: blob})[0][0, 0]
        mask = cv2.dilate((heat > _MAP_THRESHOLD).astype(np.uint8), np.ones((2, 2), np.uint8))
        lines = []
        for contour in cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)[0]:
            (x, y), (w, h), angle = cv2.minAreaRect(contour)
            if min(w, h) < _LEAST_MAP_SIDE_PX:
                continue
            score = _mean_inside(heat, cv2.boxPoints(((x, y), (w, h), angle)))
            if score < least_score:
                continue
            # the network marks the kernel of a line; its outline lies this much further out
            out = w * h * self._unclip / (w + h)
            outline = cv2.boxPoints(((x, y), (w + out, h + out), angle)) * stretch
            lines.append(Line(_clockwise(outline), (), score, out / 2 * float(stretch.mean())))
        return sorted(lines, key=lambda line: tuple(line.corners.min(axis=0)[::-1].tolist()))


class LineReader:
    """Reads one line of text, with a probability for each sign (CTC)."""

    def __init__(self, graph: Path) -> None:
        self._session = open_network(graph)
        self._input = self._session.get_inputs()[0].name
        listed = self._session.get_modelmeta().custom_metadata_map["character"].splitlines()
        self._alphabet = ["", *listed, " "]
        # Small letters and the barred D stand for the capitals a plate is made of.
        self._class_of_sign: dict[str, list[int]] = {sign: [] for sign in SIGNS}
        for n, char in enumerate(self._alphabet):  # once: it has thousands of signs
            if sign := _as_sign(char):
                self._class_of_sign[sign].append(n)

    def __call__(self, picture: RGB, corners: NDArray[np.float32]) -> tuple[Sign, ...]:
        """Return the signs of a line given by its corners, left to right."""
        steps = self._session.run(None, {self._input: reader_input(picture, corners)})[0][0]
        return collapse(steps, self._alphabet, self._class_of_sign)


def finder_input(
    picture: RGB, side_px: int, least_px: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return a picture as the finder takes it, and the picture's pixels per pixel of that.

    Parameters
    ----------
    side_px, least_px
        Longest side of what the network is given, at most and at least.

    Returns
    -------
    tuple
        float32[1, 3, y, x] within -1..1, blue first, sides multiples of 32; float32[2], x and y.
    """
    height, width = picture.shape[:2]
    net_w, net_h = _net_size(width, height, side_px, least_px)
    small = cv2.resize(picture, (net_w, net_h), interpolation=cv2.INTER_LINEAR)
    return _blob(small), np.array([width / net_w, height / net_h], np.float32)


def reader_input(picture: RGB, corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a line of a picture as the reader takes it: float32[1, 3, 48, x], blue first."""
    strip = straighten(picture, corners)
    ratio = min(_LONGEST_RATIO, strip.shape[1] / strip.shape[0])
    width = max(_READ_HEIGHT_PX, int(np.ceil(ratio * _READ_HEIGHT_PX)))
    width = -(-width // _READ_STEP_PX) * _READ_STEP_PX
    return _blob(cv2.resize(strip, (width, _READ_HEIGHT_PX), interpolation=cv2.INTER_LINEAR))


def _blob(picture: RGB) -> NDArray[np.float32]:
    blue_first = picture[None, :, :, ::-1].transpose(0, 3, 1, 2)
    blob: NDArray[np.float32] = blue_first.astype(np.float32) / 127.5 - 1.0
    return np.ascontiguousarray(blob)


def _net_size(width: int, height: int, most_px: int, least_px: int) -> tuple[int, int]:
    longest = max(width, height)
    scale = min(1.0, most_px / longest) if longest >= least_px else least_px / longest
    net_w, net_h = (
        max(_MULTIPLE_PX, round(side * scale / _MULTIPLE_PX) * _MULTIPLE_PX)
        for side in (width, height)
    )
    return net_w, net_h


def collapse(
    steps: NDArray[np.float32], alphabet: Sequence[str], class_of_sign: Mapping[str, Sequence[int]]
) -> tuple[Sign, ...]:
    """Merge repeats and blanks of a CTC network; a sign's candidates come from its run's peak.

    Parameters
    ----------
    steps
        float32[steps, classes]: probabilities; class 0 is the blank.
    alphabet
        What each class is.
    class_of_sign
        The classes that stand for each of :data:`SIGNS`.
    """
    best = steps.argmax(axis=1)
    signs, start = [], 0
    for stop in range(1, len(best) + 1):
        if stop < len(best) and best[stop] == best[start]:
            continue
        if best[start] != 0:
            run = steps[start:stop]
            peak = run[run[:, best[start]].argmax()]
            char = alphabet[best[start]]
            char = _as_sign(char) or char
            candidates = {}
            if char in SIGNS:
                found = {s: float(peak[c].sum()) for s, c in class_of_sign.items()}
                likely = sorted(found.items(), key=lambda item: -item[1])
                candidates = {s: p for s, p in likely if p >= _LEAST_PROBABILITY}
            probability = candidates.get(char, float(peak[best[start]]))
            at = (start + stop) / 2 / len(best)
            signs.append(Sign(char, probability, candidates, at))
        start = stop
    return tuple(signs)


def straighten(picture: RGB, corners: NDArray[np.float32]) -> RGB:
    """Return the picture inside four corners, turned upright."""
    top, right, bottom, left = corners
    width = max(1, round(float(max(np.linalg.norm(right - top), np.linalg.norm(bottom - left)))))
    height = max(1, round(float(max(np.linalg.norm(left - top), np.linalg.norm(bottom - right)))))
    target = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    turn = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    upright: RGB = cv2.warpPerspective(
        picture, turn, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return upright


def _as_sign(char: str) -> str:
    upper = {"Đ": "D", "đ": "D", "Ð": "D"}.get(char, char.upper() if char.isascii() else char)
    return upper if len(upper) == 1 and upper in SIGNS else ""


def _mean_inside(heat: NDArray[np.float32], corners: NDArray[np.float32]) -> float:
    left, top = np.floor(corners.min(axis=0)).astype(int).clip(0)
    right, bottom = np.ceil(corners.max(axis=0)).astype(int) + 1
    part = heat[top:bottom, left:right]
    if not part.size:
        return 0.0
    mask = np.zeros(part.shape, np.uint8)
    cv2.fillConvexPoly(mask, np.round(corners - (left, top)).astype(np.int32), 1)
    return float(cv2.mean(part, mask)[0])


def _clockwise(corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Order corners clockwise so that the first edge is the one that runs most to the right."""
    around = corners[
        np.argsort(np.arctan2(*(corners - corners.mean(axis=0)).T[::-1]), kind="stable")
    ]
    edges = np.roll(around, -1, axis=0) - around
    right = edges[:, 0] / np.maximum(np.linalg.norm(edges, axis=1), 1e-6)
    return np.roll(around, -int(right.argmax()), axis=0).astype(np.float32)
