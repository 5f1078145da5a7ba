"""Lines of plates with what they say, the same for the same seed, as the network gets them."""

from __future__ import annotations

import math
from collections.abc import Iterator

import cv2
import numpy as np
from numpy.typing import NDArray
from plates import draw, other_line, plate_lines
from signs import Face, drawn_face, font_face, installed_fonts
from weather import Grey, filmed, photograph

HEIGHT_PX = 32
STEP_PX = 32
"""EasyOCR makes each line as wide as a whole number of heights."""

_DRAWN_FACES = 48
_FONT_SHARE = 0.5
_OTHERS, _NOTHING, _FILMED = 0.1, 0.02, 0.35


class Printer:
    """Makes samples. One seed makes one endless row of them (with the same fonts installed)."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._fonts: list[Face] = [font_face(path) for path in installed_fonts()]
        self._drawn = [drawn_face(self._rng) for _ in range(_DRAWN_FACES)]

    def face(self) -> Face:
        """Return a way of drawing signs."""
        some = self._drawn
        if self._fonts and self._rng.random() < _FONT_SHARE:
            some = self._fonts
        return some[int(self._rng.integers(len(some)))]

    def __call__(self) -> tuple[Grey, str]:
        """Return the crop of a line, and what it says; nothing, where there is only a ground."""
        rng = self._rng
        chance = rng.random()
        if chance < _OTHERS:
            lines: tuple[str, ...] = (other_line(rng),)
        else:
            lines = plate_lines(rng)
        row = int(rng.integers(len(lines)))
        if chance > 1 - _NOTHING:
            lines = tuple("" if n == row else line for n, line in enumerate(lines))
        drawn = draw(lines, self.face(), rng)
        return photograph(drawn, row, rng), lines[row]

    def many(self, count: int) -> list[tuple[Grey, str]]:
        """Return so many samples, some of them from a film."""
        made = [self() for _ in range(count)]
        chosen = np.flatnonzero(self._rng.random(count) < _FILMED).tolist()
        if chosen:
            crops = filmed([made[k][0] for k in chosen], self._rng)
            for k, crop in zip(chosen, crops, strict=True):
                made[k] = (crop, made[k][1])
        return made


def prepared(crop: Grey) -> NDArray[np.uint8]:
    """Return a crop as high as the network wants it, as EasyOCR's ``get_image_list`` does."""
    height, width = crop.shape
    ratio = max(1.0, width / height)
    return cv2.resize(crop, (int(HEIGHT_PX * ratio), HEIGHT_PX), interpolation=cv2.INTER_LINEAR)


def batches(
    printer: Printer, size: int, pool: int = 8
) -> Iterator[tuple[NDArray[np.float32], list[str]]]:
    """Yield batches of lines of like width, float32[n, 1, 32, width] within -1..1, and texts."""
    rng = np.random.default_rng(0)
    while True:
        made = [(prepared(crop), text) for crop, text in printer.many(size * pool)]
        made.sort(key=lambda item: item[0].shape[1])
        order = rng.permutation(pool)
        for k in order:
            some = made[k * size : (k + 1) * size]
            yield stack([image for image, _ in some]), [text for _, text in some]


def stack(images: list[NDArray[np.uint8]]) -> NDArray[np.float32]:
    """Return images as one batch: padded on the right with their last column, as EasyOCR does."""
    wide = STEP_PX * math.ceil(max(image.shape[1] for image in images) / STEP_PX)
    batch = np.empty((len(images), 1, HEIGHT_PX, wide), np.float32)
    for row, image in zip(batch, images, strict=True):
        row[0, :, : image.shape[1]] = image
        row[0, :, image.shape[1] :] = image[:, -1:]
    batch *= 2 / 255
    batch -= 1
    return batch
