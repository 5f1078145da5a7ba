"""Collisions and near things mixed from real clips: movers cut out of them meet on their scenes.

A mover comes its own way and meets another, cut out and standing. In a collision its way ends at
the touch and goes on as :data:`AFTER` says; in an ordinary clip it passes in front or behind,
brakes as traffic does, or stops far from anybody. Texture, light and compression are real, the
impulse is not: nothing bends, and a mover that stands keeps the picture it had at the touch.
"""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench import media
from workbench.bench.clips import Figures
from workbench.bench.recognition_mixtures import SOURCES, CutOut, cut_outs, empty_scene
from workbench.collisions.impulse import watch
from workbench.collisions.onset import WITHIN_S
from workbench.collisions.points import STEP_S, Grey, small
from workbench.recognition.types import RGB

AFTER = ("stops", "slides", "pushes", "deflected", "falls", "drives on")
ORDINARY = ("passes", "brakes", "stops alone")
CLIP_S = 12.0
SEEDS = (22, 23)
TUNED_ON = (*range(5), 20, 21)
DRAWN_FROM = ("car-detection", "vtest")


@dataclass(frozen=True, slots=True, eq=False)
class Source:
    """A real clip's empty scene, its movers and the rate at which they moved."""

    name: str
    scene: RGB
    movers: list[CutOut]
    rate: Fraction


def source(home: Path, name: str) -> Source:
    """Return a source of the folder of real footage by its name in ``SOURCES``."""
    clip = SOURCES[name]
    scene = empty_scene(home / clip.file)
    movers = cut_outs(home / clip.file, scene, float(clip.rate), lit=clip.lit)
    return Source(name, scene, movers, clip.rate)


def write_clip(of: Source, out: Path, kind: str, seed: int) -> float | None:
    """Write a clip of one meeting of a kind; return the second of the touch, None if ordinary.

    None, too, where this draw of movers gives no meeting inside the picture: nothing is written.
    """
    rng = np.random.default_rng([seed, 83])
    rate = of.rate * Fraction(rng.choice(["1", "3/2", "2"]))
    high, wide = (side // 2 * 2 for side in of.scene.shape[:2])
    scene = of.scene[:high, :wide]
    for _ in range(60):
        a, b = (of.movers[int(k)] for k in rng.integers(len(of.movers), size=2))
        if rng.random() < 0.5:
            a = a.mirrored(of.scene.shape[1])
        at = int(len(a.boxes) * rng.uniform(0.35, 0.75))
        stands = int(rng.integers(len(b.boxes)))
        pace = _pace(a, at)
        size = math.sqrt(a.boxes[at][2] * a.boxes[at][3])
        if at < 8 or np.linalg.norm(pace) * float(rate) < 0.6 * size:
            continue
        place = _against(a.boxes[at], b.boxes[stands], pace)
        x, y = b.boxes[stands][0] + place[0], b.boxes[stands][1] + place[1]
        if x > 4 and x + b.boxes[stands][2] < wide - 4 and 4 < y < high - b.boxes[stands][3] - 4:
            break
    else:
        return None
    begins = round(float(rng.uniform(3.0, 5.0)) * rate) - at
    touch = begins + at
    act = _acts(kind, at, pace, float(rate), rng)
    others = [
        (int(rng.integers(-30, round(CLIP_S * rate))), of.movers[int(rng.integers(len(of.movers)))])
        for _ in range(2)
    ]
    noise = [rng.normal(0, 2.0, (high, wide, 1)).astype(np.float32) for _ in range(4)]
    behind = bool(rng.random() < 0.5)
    with media.ClipWriter(
        out, wide, high, time_base=1 / rate, gop=max(1, round(2 * rate)), crf=25
    ) as clip:
        for n in range(round(CLIP_S * rate)):
            picture = scene.astype(np.float32)
            for start, passer in others:
                if 0 <= n - start < len(passer.boxes):
                    _lay(picture, passer, float(n - start), (0.0, 0.0), 0.0)
            k, shift, turn, pushed = act(n - begins)
            two = [(b, float(stands), (place[0] + pushed[0], place[1] + pushed[1]), 0.0)]
            if k is not None:
                two.insert(0 if behind else 1, (a, k, shift, turn))
            for mover, frame, moved, turned in two:
                _lay(picture, mover, frame, moved, turned)
            clip.write(np.clip(picture + noise[n % 4], 0, 255).astype(np.uint8), n)
    return None if kind in ORDINARY else touch / float(rate)


def mixed_figures(home: Path, seeds: Sequence[int] = SEEDS) -> Figures:
    """Return how often mixed clips are marked by points, by what happens in them.

    The movers are few and come back: these are different meetings of the same four cars and of
    people on one square, not different traffic.
    """
    told: Figures = {"seeds": list(seeds)}
    rows: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as made:
        out = Path(made) / "clip.mp4"
        for name in DRAWN_FROM:
            of = source(home, name)
            for seed in seeds:
                for k, kind in enumerate((*AFTER, *ORDINARY)):
                    out.unlink(missing_ok=True)
                    hit = write_clip(of, out, kind, 100 * seed + k)
                    if not out.is_file():
                        continue
                    row = rows.setdefault(kind, {"clips": 0, "marked": 0, "within_1_s": 0})
                    found = watch(_greys(out)).moments[:1]
                    row["clips"] += 1
                    row["marked"] += len(found)
                    if hit is not None:
                        row["within_1_s"] += sum(abs(one.at_s - hit) <= WITHIN_S for one in found)
    for kind in ORDINARY:
        if kind in rows:
            del rows[kind]["within_1_s"]
    return told | rows


def _greys(path: Path) -> Iterator[tuple[float, Grey]]:
    _, index = media.index_packets(path)
    last = -1.0
    for pts, frame in media.decode(path, index, 0, len(index)):
        at = float(frame.time_base * pts)
        if at - last >= STEP_S:
            last = at
            yield at, small(media.to_luma(frame))


Act = Callable[[int], tuple[float | None, tuple[float, float], float, tuple[float, float]]]
"""Of the frames since a mover came: which of its frames it shows (None: none), how far it is
shifted, px, turned, radians, and how far the other is pushed, px."""


def _acts(
    kind: str, at: int, pace: NDArray[np.float64], rate: float, rng: np.random.Generator
) -> Act:
    slows = float(rng.uniform(0.4, 0.9)) * rate  # frames in which a slide ends
    side = float(rng.choice([-1.0, 1.0]))
    brakes = float(rng.uniform(1.2, 2.5)) * rate

    def act(n: int) -> tuple[float | None, tuple[float, float], float, tuple[float, float]]:
        if n < 0:
            return None, (0.0, 0.0), 0.0, (0.0, 0.0)
        if kind == "passes":
            return float(n), (0.0, 0.0), 0.0, (0.0, 0.0)
        if kind in ("brakes", "stops alone"):
            begin = at - brakes / 2 - (0.3 * at if kind == "stops alone" else 1.0)
            since = min(max(0.0, n - begin), brakes)
            return min(n, begin) + since - since**2 / (2 * brakes), (0.0, 0.0), 0.0, (0.0, 0.0)
        if n <= at:
            return float(n), (0.0, 0.0), 0.0, (0.0, 0.0)
        since = float(n - at)
        slid = min(since, slows) - min(since, slows) ** 2 / (2 * slows)
        along = (float(pace[0]) * slid, float(pace[1]) * slid)
        if kind == "slides":
            return (
                float(at),
                (0.5 * along[0], 0.5 * along[1]),
                0.0,
                (0.5 * along[0], 0.5 * along[1]),
            )
        if kind == "pushes":
            return (
                float(at),
                (0.1 * along[0], 0.1 * along[1]),
                0.0,
                (0.7 * along[0], 0.7 * along[1]),
            )
        if kind == "deflected":
            x = 0.4 * along[0] - side * 0.5 * along[1]
            y = 0.4 * along[1] + side * 0.5 * along[0]
            return float(at), (x, y), 0.0, (0.15 * along[0], 0.15 * along[1])
        if kind == "falls":
            turn = side * 1.3 * min(1.0, since / (0.5 * rate))
            return float(at), (0.4 * along[0], 0.4 * along[1]), turn, (0.0, 0.0)
        if kind == "drives on":
            return at + 0.5 * since, (0.0, 0.0), 0.0, (0.4 * along[0], 0.4 * along[1])
        return float(at), (0.0, 0.0), 0.0, (0.0, 0.0)

    return act


def _pace(one: CutOut, at: int) -> NDArray[np.float64]:
    """Return the pixels a frame that a mover makes about one of its frames."""
    boxes = np.array(one.boxes[max(0, at - 5) : at + 6], float)
    middles = boxes[:, :2] + boxes[:, 2:] / 2
    moved: NDArray[np.float64] = (middles[-1] - middles[0]) / max(1, len(middles) - 1)
    return moved


def _against(
    a: tuple[int, int, int, int], b: tuple[int, int, int, int], pace: NDArray[np.float64]
) -> tuple[float, float]:
    """Return how to shift box `b` so that `a`, on its way, just goes into it."""
    way = pace / max(1e-6, float(np.linalg.norm(pace)))
    reach = [(a[k] + b[k]) / 2 for k in (2, 3)]
    # the distance at which the two boxes touch along the way, less a little
    far = min(r / abs(w) for r, w in zip(reach, way, strict=True) if abs(w) > 1e-3) * 0.85
    middle = np.array([a[0] + a[2] / 2, a[1] + a[3] / 2]) + way * far
    return float(middle[0] - b[0] - b[2] / 2), float(middle[1] - b[1] - b[3] / 2)


def _lay(
    picture: NDArray[np.float32], one: CutOut, k: float, shift: tuple[float, float], turn: float
) -> None:
    """Lay a mover's frame, part way to the next, shifted and turned about its foot."""
    number = min(int(k), len(one.boxes) - 1)
    if k >= len(one.boxes):
        return
    part = k - number
    pace = _pace(one, number) if part else np.zeros(2)
    x, y, w, h = one.boxes[number]
    left, top = one.corners[number]
    dx, dy = float(shift[0] + part * pace[0]), float(shift[1] + part * pace[1])
    cos, sin = math.cos(turn), math.sin(turn)
    foot = np.array([x + w / 2, y + 0.85 * h])
    reach = 1.1 * math.hypot(w, h)
    high, wide = picture.shape[:2]
    x0, y0 = max(0, int(foot[0] + dx - reach)), max(0, int(foot[1] + dy - reach))
    x1, y1 = min(wide, int(foot[0] + dx + reach)), min(high, int(foot[1] + dy + reach))
    if x1 - x0 < 2 or y1 - y0 < 2:
        return
    to = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
    to[:, 2] = foot + np.array([dx, dy]) - to[:, :2] @ foot + to[:, :2] @ (left, top) - (x0, y0)
    size = (x1 - x0, y1 - y0)
    pixels = cv2.warpAffine(one.pixels[number].astype(np.float32), to, size)
    mask = cv2.warpAffine(one.masks[number], to, size)[..., None]
    under = picture[y0:y1, x0:x1]
    under[:] = under * (1 - mask) + pixels * mask
