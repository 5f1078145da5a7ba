"""Made mixtures: movers cut out of real clips and laid on these clips' empty scenes at known times.

A mover is cut out where it was alone in the picture for its whole way, so that its boxes are known
from difference to the empty scene (the median of the clip). What differs is not yet the mover: two
who walk side by side are one blob, a barrier tape that flutters behind a walker hangs on it, and a
car lies on its shadow. :func:`known_movers` leaves out the first and takes the others off the
boxes. Few different movers come back many times, mirrored half of the time: more than the clips
hold, less than a street.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Literal, NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from workbench import media
from workbench.bench.recognition_match import Trail, overlaps
from workbench.recognition.types import RGB


class SourceClip(NamedTuple):
    """A clip of the footage folder that movers are cut out of.

    ``rate`` is that at which a mixture is written. ``lit``: the camera sets its exposure by what
    comes by, so that the scene is made as bright as each picture.
    """

    file: str
    rate: Fraction
    lit: bool
    of: Literal["cars", "people"]


SOURCES = {
    "car-detection": SourceClip("intel_video/car-detection.mp4", Fraction(25, 2), True, "cars"),
    "vtest": SourceClip("opencv_vtest/vtest.avi", Fraction(10), False, "people"),
}

_LEVEL, _AREA_SHARE, _LEAST_S = 26, 0.0012, 1.2
_STEP_IOU = 0.3
_MARGIN_PX = 4
# A tape is 4 to 6 px wide in what differs; 9 takes heads of the smallest walkers and arms, too.
_THINNEST_PX = 7
# From what is that thick, so far belongs to a body: thin edges, and shoes below a pale shin.
_REACH_PX, _REACH_DOWN_PX = 1, 9
# Medians of width over height without the tape: walkers alone .32 to .49, two side by side .62
# to .70. Single frames tell less: an arm held out is .7.
_WIDEST_WALKER = 0.55
_GAP = np.ones((13, 9), np.uint8)
# Two cars that pass each other aslant share so much of a box at most.
_CORNER = 0.05
# So long one who vanished in the middle of the picture may be looked for, a height a second away.
_WAITED_S = 3.0

Box = tuple[int, int, int, int]
Mask = NDArray[np.uint8]
Trim = Callable[[RGB, RGB, Mask], tuple[Mask, Mask]]
"""Of a picture, the scene as bright and the mask of what differs: what is laid, and what of it is
the mover, which its box goes around."""


@dataclass(frozen=True, slots=True, eq=False)
class CutOut:
    """A real mover: for each frame of its way its box (x, y, w, h), pixels and soft mask."""

    boxes: list[Box]
    corners: list[tuple[int, int]]
    """Where the upper left one of its pixels lies, x and y: beside the box, or beyond a shadow."""
    pixels: list[RGB]
    masks: list[NDArray[np.float32]]

    def mirrored(self, width: int) -> CutOut:
        """Return it going the other way in a picture of that width."""
        return CutOut(
            [(width - x - w, y, w, h) for x, y, w, h in self.boxes],
            [
                (width - left - pixels.shape[1], top)
                for (left, top), pixels in zip(self.corners, self.pixels, strict=True)
            ],
            [np.ascontiguousarray(p[:, ::-1]) for p in self.pixels],
            [np.ascontiguousarray(m[:, ::-1]) for m in self.masks],
        )


_NOTHING = CutOut([], [], [], [])


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


def known_movers(path: Path, scene: RGB, clip: SourceClip) -> list[CutOut]:
    """Return the movers of a clip whose boxes are true, longest first: one walker or one car each.

    A walker's arm that is thinner than a tape loses its end, and what a walker carries at arm's
    length may be cut off. A car is laid with its shadow; its box goes around the car.
    """
    trim = _car if clip.of == "cars" else _walker
    movers = cut_outs(path, scene, float(clip.rate), lit=clip.lit, trim=trim)
    return [one for one in movers if clip.of == "cars" or _walks_alone(one)]


def _walks_alone(one: CutOut) -> bool:
    return float(np.median([w / h for _, _, w, h in one.boxes])) <= _WIDEST_WALKER


def cut_outs(
    path: Path, scene: RGB, rate: float, *, lit: bool = False, trim: Trim | None = None
) -> list[CutOut]:
    """Return the movers of a clip that nothing else came near, longest first.

    A chain of blobs is taken as one mover while on each step one blob alone overlaps the last one
    and that blob overlaps no other: a meeting ends it.

    Parameters
    ----------
    lit
        Whether the scene is made as bright as each picture before they are compared, for a camera
        that sets its exposure by what comes by.
    trim
        What takes off a blob that is followed what is not the mover; where less of the mover
        is left than the smallest blob there is, its way ends. None: the blob is the mover.
    """
    least_area = _AREA_SHARE * scene.shape[0] * scene.shape[1]
    open_: list[tuple[Box, CutOut]] = []  # the blob it was last, and what was cut out of its way
    done: list[CutOut] = []
    for picture in _pictures(path):
        under = _lit_as(scene, picture) if lit else scene
        found = _blobs(picture, under, least_area)
        went_on: list[tuple[Box, CutOut]] = []
        if open_ and found:
            iou = overlaps(
                np.array([box for box, _ in open_], float),
                np.array([box for box, _ in found], float),
            )
        else:
            iou = np.zeros((len(open_), len(found)))
        near = iou > 0.02
        used: set[int] = set()
        followed: list[tuple[int, CutOut]] = []
        for n, (_, one) in enumerate(open_):
            at = np.flatnonzero(near[n])
            alone = len(at) == 1 and near[:, at[0]].sum() == 1 and iou[n, at[0]] >= _STEP_IOU
            if not alone:
                done.append(one)
                continue
            used.add(int(at[0]))
            followed.append((int(at[0]), one))
        # What began beside a mover is a piece that broke off: it never becomes one of its own.
        began = [j for j in range(len(found)) if j not in used and not near[:, j].any()]
        followed += [(j, _NOTHING) for j in began]
        for j, one in followed:
            box, mask = found[j]
            laid, own = _trimmed(trim, picture, under, box, mask, least_area)
            if own is None:
                done.append(one)
            went_on.append((box, _NOTHING if own is None else _grown(one, picture, own, laid)))
        open_ = went_on
    done += [one for _, one in open_]
    return sorted((one for one in done if _whole(one, rate)), key=lambda one: -len(one.boxes))


def _trimmed(
    trim: Trim | None, picture: RGB, scene: RGB, box: Box, mask: Mask, least_area: float
) -> tuple[Mask, Box | None]:
    """Return the mask of what is laid and the mover's box, None if less is left than a blob."""
    if trim is None:
        return mask, box
    part, (left, top) = _about(box)
    laid, own = trim(picture[part], scene[part], mask[part])
    whole = np.zeros_like(mask)
    whole[part] = laid
    x, y, w, h = cv2.boundingRect(own)
    return whole, (left + x, top + y, w, h) if own.sum() >= least_area else None


def _about(box: Box) -> tuple[tuple[slice, slice], tuple[int, int]]:
    """Return a box with its margin as rows and columns, and its upper left corner."""
    x, y, w, h = box
    left, top = max(0, x - _MARGIN_PX), max(0, y - _MARGIN_PX)
    return (slice(top, y + h + _MARGIN_PX), slice(left, x + w + _MARGIN_PX)), (left, top)


def _walker(picture: RGB, scene: RGB, mask: Mask) -> tuple[Mask, Mask]:
    """Take a fluttering tape off a walker: what is thin and farther from the body than an edge."""
    differs = _differing(picture, scene) & mask
    thick = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (_THINNEST_PX, _THINNEST_PX))
    core = cv2.morphologyEx(differs, cv2.MORPH_OPEN, thick)
    reach = np.ones((_REACH_DOWN_PX + _REACH_PX + 1, 2 * _REACH_PX + 1), np.uint8)
    near = cv2.dilate(core, reach, anchor=(_REACH_PX, _REACH_DOWN_PX))
    body = _largest(cv2.morphologyEx(differs & near, cv2.MORPH_CLOSE, _GAP) & mask)
    return body, body


def _car(picture: RGB, scene: RGB, mask: Mask) -> tuple[Mask, Mask]:
    """Tell a car from its shadow, which is darker than the road and as grey, and goes with it.

    The car is what lies between its parts that are brighter or more coloured than the road: its
    dark windows do, its tyres and the gap below a bumper do not.
    """
    brightest, spread = (
        cv2.subtract(of(picture), of(scene)) > _LEVEL for of in (_brightest, _spread)
    )
    parts = cv2.morphologyEx(
        ((brightest | spread) & (mask > 0)).astype(np.uint8), cv2.MORPH_OPEN, np.ones((3, 3))
    )
    body = _largest(cv2.morphologyEx(parts, cv2.MORPH_CLOSE, _GAP) & mask)
    lines, _ = cv2.findContours(body, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    for line in lines:
        cv2.fillConvexPoly(body, cv2.convexHull(line), 1)
    return mask | body, body


def _brightest(picture: RGB) -> Mask:
    most: Mask = picture.max(2)
    return most


def _spread(picture: RGB) -> Mask:
    most: Mask = picture.max(2) - picture.min(2)
    return most


def _largest(mask: Mask) -> Mask:
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count < 2:
        return mask
    largest: Mask = (labels == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    return largest


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


def _differing(picture: RGB, scene: RGB) -> Mask:
    differs = cv2.absdiff(picture, scene).max(2)
    mask = (cv2.GaussianBlur(differs, (5, 5), 0) > _LEVEL).astype(np.uint8)
    opened: Mask = cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    return opened


def _blobs(picture: RGB, scene: RGB, least_area: float) -> list[tuple[Box, Mask]]:
    mask = cv2.morphologyEx(_differing(picture, scene), cv2.MORPH_CLOSE, _GAP)
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    return [
        ((int(x), int(y), int(w), int(h)), (labels == k).astype(np.uint8))
        for k, (x, y, w, h, area) in enumerate(stats[1:count].tolist(), start=1)
        if area >= least_area
    ]


def _grown(one: CutOut, picture: RGB, box: Box, mask: Mask) -> CutOut:
    """Return a mover with one frame more: its box, and what is laid of the picture."""
    part, corner = _about(cv2.boundingRect(mask))
    soft = cv2.GaussianBlur(
        cv2.dilate(mask[part], np.ones((3, 3), np.uint8)).astype(np.float32), (5, 5), 0
    )
    return CutOut(
        [*one.boxes, box],
        [*one.corners, corner],
        [*one.pixels, picture[part].copy()],
        [*one.masks, soft],
    )


def mixture(
    movers: Sequence[CutOut],
    scene: RGB,
    out: Path,
    *,
    rate: Fraction,
    passes: int,
    every_s: float,
    seed: int,
    apart: bool = False,
) -> list[Trail]:
    """Write a clip of `passes` pasted movers, one about every `every_s` seconds; return the truth.

    Where two overlap, the one whose box reaches lower lies in front; one mostly hidden by others is
    not scored on that frame. Nobody begins or ends in the middle of the picture where
    another is, or could have walked to or from: who is who would be anybody's guess there.

    Parameters
    ----------
    apart
        Whether one waits until nothing else is on its way within a second: people pass before one
        another, cars do not drive through one another and keep a distance.
    """
    rng = np.random.default_rng([seed, 1])
    height, width = (side // 2 * 2 for side in scene.shape[:2])
    scene = scene[:height, :width]
    starts = (np.arange(passes) + rng.random(passes)) * every_s + 3.0
    plan: list[tuple[int, CutOut]] = []
    second = round(rate)
    for start in starts.tolist():
        one = movers[int(rng.integers(len(movers)))]
        one = one.mirrored(width) if rng.random() < 0.5 else one
        begin = round(start * rate)
        while any(
            _unclear(begin, one, at, other, (height, width), rate)
            or _unclear(at, other, begin, one, (height, width), rate)
            or (apart and any(_meet(begin + lag, one, at, other) for lag in (-second, 0, second)))
            for at, other in plan
        ):
            begin += 1
        plan.append((begin, one))
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


def _meet(begin: int, one: CutOut, at: int, other: CutOut) -> bool:
    """Return whether two movers that begin on these frames are ever on one spot."""
    both = range(max(begin, at), min(begin + len(one.boxes), at + len(other.boxes)))
    pairs = ((one.boxes[n - begin], other.boxes[n - at]) for n in both)
    return any(max(_covered(a, [b]), _covered(b, [a])) > _CORNER for a, b in pairs)


def _unclear(
    begin: int, one: CutOut, at: int, other: CutOut, size: tuple[int, int], rate: Fraction
) -> bool:
    """Return whether one begins or ends its way where another is, or could have walked to or from.

    At the border people do come and go.
    """
    for n, box in ((begin, one.boxes[0]), (begin + len(one.boxes) - 1, one.boxes[-1])):
        near = min(max(n, at), at + len(other.boxes) - 1)
        apart_s, there = float(abs(n - near) / rate), other.boxes[near - at]
        if _at_border(box, size) and (n == near or _at_border(there, size)):
            continue
        across, down = (box[k] + box[k + 2] / 2 - there[k] - there[k + 2] / 2 for k in (0, 1))
        far = (1 + apart_s) * max(box[3], there[3])
        if apart_s <= _WAITED_S and math.hypot(across, down) < far:
            return True
    return False


def _at_border(box: Box, size: tuple[int, int]) -> bool:
    x, y, w, h = box
    return min(x, y, size[1] - x - w, size[0] - y - h) <= _MARGIN_PX


def _foot(box: Box) -> int:
    return box[1] + box[3]


def _covered(box: Box, others: Sequence[Box]) -> float:
    x, y, w, h = box
    most = 0.0
    for a, b, c, d in others:
        wide, tall = min(x + w, a + c) - max(x, a), min(y + h, b + d) - max(y, b)
        most = max(most, max(0, wide) * max(0, tall) / (w * h))
    return most


def _lay(picture: NDArray[np.float32], one: CutOut, k: int) -> None:
    left, top = one.corners[k]
    pixels, mask = one.pixels[k], one.masks[k][..., None]
    part = picture[top : top + pixels.shape[0], left : left + pixels.shape[1]]
    pixels, mask = pixels[: part.shape[0], : part.shape[1]], mask[: part.shape[0], : part.shape[1]]
    part[:] = part * (1 - mask) + pixels * mask
