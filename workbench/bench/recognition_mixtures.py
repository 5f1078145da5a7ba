"""Made mixtures: movers cut out of real clips and laid on these clips' empty scenes at known times.

A mover is cut out where it was alone in the picture for its whole way, so that its boxes are known
from difference to the empty scene (the median of the clip). Few different movers come back many
times, mirrored half of the time: more than the clips hold, less than a street.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from workbench import media
from workbench.bench.recognition_match import Trail, overlaps
from workbench.recognition.types import RGB

SOURCES = {
    "car-detection": ("intel_video/car-detection.mp4", Fraction(25, 2)),
    "one-by-one-person": ("intel_video/one-by-one-person-detection.mp4", Fraction(10)),
    "vtest": ("opencv_vtest/vtest.avi", Fraction(10)),
}
"""Clips of the footage folder, and the rate at which a mixture of each is written."""

_LEVEL, _AREA_SHARE, _LEAST_S = 26, 0.0012, 1.2
_STEP_IOU = 0.3
_MARGIN_PX = 4


@dataclass(frozen=True, slots=True, eq=False)
class CutOut:
    """A real mover: for each frame of its way its box (x, y, w, h), pixels and soft mask."""

    boxes: list[tuple[int, int, int, int]]
    pixels: list[RGB]
    masks: list[NDArray[np.float32]]

    def mirrored(self, width: int) -> CutOut:
        """Return it going the other way in a picture of that width."""
        return CutOut(
            [(width - x - w, y, w, h) for x, y, w, h in self.boxes],
            [np.ascontiguousarray(p[:, ::-1]) for p in self.pixels],
            [np.ascontiguousarray(m[:, ::-1]) for m in self.masks],
        )


def empty_scene(path: Path, samples: int = 41) -> RGB:
    """Return the median picture of a clip."""
    with av.open(str(path)) as container:
        count = sum(1 for _ in container.decode(video=0))
    wanted = set(np.linspace(0, count - 1, samples).round().astype(int).tolist())
    kept = [picture for n, picture in enumerate(_pictures(path)) if n in wanted]
    middle: RGB = np.median(np.stack(kept), axis=0).astype(np.uint8)
    return middle


def _pictures(path: Path) -> Iterator[RGB]:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def cut_outs(path: Path, scene: RGB, rate: float, *, lit: bool = False) -> list[CutOut]:
    """Return the movers of a clip that nothing else came near, longest first.

    A chain of blobs is taken as one mover while on each step one blob alone overlaps the last one
    and that blob overlaps no other: a meeting ends it.

    Parameters
    ----------
    lit
        Whether the scene is made as bright as each picture before they are compared, for a camera
        that sets its exposure by what comes by.
    """
    least_area = _AREA_SHARE * scene.shape[0] * scene.shape[1]
    open_: list[CutOut] = []
    done: list[CutOut] = []
    for picture in _pictures(path):
        found = _blobs(picture, _lit_as(scene, picture) if lit else scene, least_area)
        went_on: list[CutOut] = []
        if open_ and found:
            iou = overlaps(
                np.array([one.boxes[-1] for one in open_], float),
                np.array([box for box, _ in found], float),
            )
        else:
            iou = np.zeros((len(open_), len(found)))
        near = iou > 0.02
        used: set[int] = set()
        for n, one in enumerate(open_):
            at = np.flatnonzero(near[n])
            alone = len(at) == 1 and near[:, at[0]].sum() == 1 and iou[n, at[0]] >= _STEP_IOU
            if not alone:
                done.append(one)
                continue
            used.add(int(at[0]))
            went_on.append(_grown(one, picture, *found[int(at[0])]))
        # What began beside a mover is a piece that broke off: it never becomes one of its own.
        for j, blob in enumerate(found):
            if j not in used and not near[:, j].any():
                went_on.append(_grown(CutOut([], [], []), picture, *blob))
        open_ = went_on
    done += open_
    return sorted((one for one in done if _whole(one, rate)), key=lambda one: -len(one.boxes))


def _whole(one: CutOut, rate: float) -> bool:
    boxes = np.array(one.boxes, float)
    if len(boxes) < _LEAST_S * rate:
        return False
    middles = boxes[:, :2] + boxes[:, 2:] / 2
    size = np.sqrt(np.median(boxes[:, 2] * boxes[:, 3]))
    return bool(np.linalg.norm(middles - middles[0], axis=1).max() > 1.5 * size)


def _lit_as(scene: RGB, picture: RGB) -> RGB:
    ratio = float(np.median((picture[::4, ::4] + 4.0) / (scene[::4, ::4] + 4.0)))
    lit: RGB = cv2.convertScaleAbs(scene, alpha=ratio, beta=4 * ratio - 4)
    return lit


def _blobs(
    picture: RGB, scene: RGB, least_area: float
) -> list[tuple[tuple[int, int, int, int], NDArray[np.uint8]]]:
    differs = cv2.absdiff(picture, scene).max(2)
    mask = (cv2.GaussianBlur(differs, (5, 5), 0) > _LEVEL).astype(np.uint8)
    mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    mask = cv2.morphologyEx(mask, cv2.MORPH_CLOSE, np.ones((13, 9), np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    return [
        ((int(x), int(y), int(w), int(h)), (labels == k).astype(np.uint8))
        for k, (x, y, w, h, area) in enumerate(stats[1:count].tolist(), start=1)
        if area >= least_area
    ]


def _grown(
    one: CutOut, picture: RGB, box: tuple[int, int, int, int], mask: NDArray[np.uint8]
) -> CutOut:
    x, y, w, h = box
    left, top = max(0, x - _MARGIN_PX), max(0, y - _MARGIN_PX)
    part = (slice(top, y + h + _MARGIN_PX), slice(left, x + w + _MARGIN_PX))
    soft = cv2.GaussianBlur(
        cv2.dilate(mask[part], np.ones((3, 3), np.uint8)).astype(np.float32), (5, 5), 0
    )
    return CutOut([*one.boxes, box], [*one.pixels, picture[part].copy()], [*one.masks, soft])


def mixture(
    movers: Sequence[CutOut],
    scene: RGB,
    out: Path,
    *,
    rate: Fraction,
    passes: int,
    every_s: float,
    seed: int,
) -> list[Trail]:
    """Write a clip of `passes` pasted movers, one about every `every_s` seconds; return the truth.

    Where two overlap, the one whose box reaches lower lies in front; one mostly hidden by others is
    not scored on that frame.
    """
    rng = np.random.default_rng([seed, 1])
    height, width = (side // 2 * 2 for side in scene.shape[:2])
    scene = scene[:height, :width]
    starts = (np.arange(passes) + rng.random(passes)) * every_s + 3.0
    plan: list[tuple[int, CutOut]] = []
    for start in starts.tolist():
        one = movers[int(rng.integers(len(movers)))]
        plan.append((round(start * rate), one.mirrored(width) if rng.random() < 0.5 else one))
    frames = max(at + len(one.boxes) for at, one in plan) + round(2 * rate)
    noise = [rng.normal(0, 2.0, (height, width, 1)).astype(np.float32) for _ in range(4)]
    hidden: dict[int, set[int]] = {}
    with media.ClipWriter(
        out, width, height, time_base=1 / rate, gop=max(1, round(2 * rate)), crf=23
    ) as clip:
        for n in range(frames):
            picture = scene.astype(np.float32)
            here = [k for k, (at, one) in enumerate(plan) if 0 <= n - at < len(one.boxes)]
            here.sort(key=lambda k: _foot(plan[k][1].boxes[n - plan[k][0]]))
            for place, k in enumerate(here):
                at, one = plan[k]
                _lay(picture, one, n - at)
                above = [plan[j][1].boxes[n - plan[j][0]] for j in here[place + 1 :]]
                if _covered(one.boxes[n - at], above) > 0.6:
                    hidden.setdefault(k, set()).add(n)
            clip.write(np.clip(picture + noise[n % 4], 0, 255).astype(np.uint8), n)
    return [
        Trail(
            f"M{k:03d}",
            np.arange(at, at + len(one.boxes)),
            np.array(one.boxes, float),
            np.array([n not in hidden.get(k, ()) for n in range(at, at + len(one.boxes))]),
        )
        for k, (at, one) in enumerate(plan)
    ]


def _foot(box: tuple[int, int, int, int]) -> int:
    return box[1] + box[3]


def _covered(box: tuple[int, int, int, int], others: Sequence[tuple[int, int, int, int]]) -> float:
    x, y, w, h = box
    most = 0.0
    for a, b, c, d in others:
        wide, tall = min(x + w, a + c) - max(x, a), min(y + h, b + d) - max(y, b)
        most = max(most, max(0, wide) * max(0, tall) / (w * h))
    return most


def _lay(picture: NDArray[np.float32], one: CutOut, k: int) -> None:
    x, y, _, _ = one.boxes[k]
    left, top = max(0, x - _MARGIN_PX), max(0, y - _MARGIN_PX)
    pixels, mask = one.pixels[k], one.masks[k][..., None]
    part = picture[top : top + pixels.shape[0], left : left + pixels.shape[1]]
    pixels, mask = pixels[: part.shape[0], : part.shape[1]], mask[: part.shape[0], : part.shape[1]]
    part[:] = part * (1 - mask) + pixels * mask
