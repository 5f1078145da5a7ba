"""Pictures of patterned things that meet: one comes and is stopped, brakes, or passes another."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

Way = Callable[[float], tuple[float, float]]

STEP_S, LAST_S, TOUCH_S = 0.08, 7.0, 3.4
SIZE = (480, 270)
WIDE, HIGH = 70, 46


def cloth(
    rng: np.random.Generator, wide: int, high: int, low: int, top: int
) -> NDArray[np.float32]:
    """Return a picture with corners of some pixels, as paint, lamps and edges make them."""
    coarse = rng.uniform(low, top, (-(-high // 6), -(-wide // 6))).astype(np.float32)
    return cv2.resize(coarse, (wide, high), interpolation=cv2.INTER_CUBIC)


def film(
    *ways: Way, seed: int = 101, sways: Way = lambda _t: (0.0, 0.0)
) -> Iterator[tuple[float, NDArray[np.uint8]]]:
    """Yield pictures of things that go their ways: each a function of time to its left and top."""
    rng = np.random.default_rng(seed)
    ground = cloth(rng, SIZE[0] + 400, SIZE[1] + 200, 90, 130)
    things = [cloth(rng, WIDE, HIGH, 30, 240) for _ in ways]
    for t in np.arange(0.0, LAST_S, STEP_S).tolist():
        dx, dy = sways(t)
        shift = np.float32([[1, 0, dx - 200], [0, 1, dy - 100]])
        picture = cv2.warpAffine(ground, shift, SIZE)
        for thing, way in zip(things, ways, strict=True):
            x, y = way(t)
            to = np.float32([[1, 0, x + dx], [0, 1, y + dy]])
            here = cv2.warpAffine(np.ones_like(thing), to, SIZE)
            picture = picture * (1 - here) + cv2.warpAffine(thing, to, SIZE) * here
        noisy = picture + rng.normal(0, 1.5, picture.shape)
        yield t, np.clip(noisy, 0, 255).astype(np.uint8)


def stands(t: float) -> tuple[float, float]:
    return 300.0, 110.0


def pushed(t: float) -> tuple[float, float]:
    since = min(max(0.0, t - TOUCH_S), 0.8)
    return 300.0 + 70 * (since - since**2 / 1.6), 110.0


def rider(speed: float, after: float) -> Way:
    """Return a way that ends at who stands at the touch, and goes on at another pace."""
    end = 300.0 - WIDE

    def way(t: float) -> tuple[float, float]:
        return end + (speed if t < TOUCH_S else after) * (t - TOUCH_S), 114.0

    return way


def brakes(t: float) -> tuple[float, float]:
    """Come at 110 px/s and brake for two seconds, to a stand behind who stands."""
    since = min(max(0.0, t - 2.0), 2.0)
    return 300.0 - WIDE - 6 - 110 + 110 * (min(t, 2.0) - 2.0 + since - since**2 / 4), 114.0


def passes(t: float) -> tuple[float, float]:
    return 300.0 - WIDE + 110 * (t - TOUCH_S), 128.0
