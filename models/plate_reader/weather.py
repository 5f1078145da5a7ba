"""What a camera makes of a plate: perspective, blur, light, dirt, noise, and what coding leaves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from plates import INK_PX, Drawn

Grey = NDArray[np.uint8]

LEAST_SIGN_PX, MOST_SIGN_PX = 8.0, 46.0


def photograph(drawn: Drawn, row: int, rng: np.random.Generator) -> Grey:
    """Return the crop of one line as a camera and a finder of text would give it, in grey.

    The crop is as high as the line was in the camera's picture: some 9 to 80 px.
    """
    drawn = _near(drawn, row)
    scene = _lit(drawn, rng)
    return _sensed(_crop(scene, drawn, row, rng), rng)


def colour_plate(drawn: Drawn) -> NDArray[np.uint8]:
    """Return a plate in its colours, clean, on a dark ground (for looking at, and for tests)."""
    weight = drawn.alpha.astype(np.float32)[..., None] / 255
    picture = np.full((*drawn.alpha.shape, 3), 60, np.float32)
    left, top, right, bottom = drawn.plate
    picture[top:bottom, left:right] = drawn.paper
    picture = picture * (1 - weight) + np.array(drawn.ink, np.float32) * weight
    return np.clip(picture, 0, 255).astype(np.uint8)


def _near(drawn: Drawn, row: int) -> Drawn:
    """Return what lies around a line, all that its crop can show."""
    left, top, right, bottom = drawn.boxes[row]
    x, y = max(0, round(left - INK_PX)), max(0, round(top - INK_PX))
    alpha = drawn.alpha[y : round(bottom + INK_PX), x : round(right + INK_PX)]
    height, width = alpha.shape
    near = drawn.plate
    return replace(
        drawn,
        boxes=tuple((a - x, b - y, c - x, d - y) for a, b, c, d in drawn.boxes),
        alpha=alpha,
        plate=(max(0, near[0] - x), max(0, near[1] - y),
               min(width, near[2] - x), min(height, near[3] - y)),
    )  # fmt: skip


def _luma(colour: tuple[int, int, int]) -> float:
    return 0.299 * colour[0] + 0.587 * colour[1] + 0.114 * colour[2]


def _lit(drawn: Drawn, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return the plate on its vehicle under some light, in grey 0..255."""
    height, width = drawn.alpha.shape
    paper, ink = _luma(drawn.paper), _luma(drawn.ink)
    # paint fades and night takes contrast: what is dark gets lighter, what is light darker
    fade = float(rng.uniform(0.0, 0.3))
    paper, ink = paper + fade * (128 - paper), ink + float(rng.uniform(0, 0.35)) * (paper - ink)
    scene = np.full((height, width), float(rng.uniform(5, 220)), np.float32)
    if rng.random() < 0.5:
        rough = rng.uniform(-60, 60, (4, 8)).astype(np.float32)
        scene += cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
    left, top, right, bottom = drawn.plate
    scene[top:bottom, left:right] = paper
    scene += (ink - scene) * (drawn.alpha.astype(np.float32) * (1 / 255))
    if rng.random() < 0.5:
        for x in (0.2, 0.5, 0.8):
            if rng.random() < 0.5:
                at = round(left + x * (right - left)), round(top + rng.uniform(0.03, 0.15) * INK_PX)
                radius = round(rng.uniform(0.04, 0.1) * INK_PX)
                cv2.circle(scene, at, radius, float(rng.uniform(30, 220)), -1, cv2.LINE_AA)
    _soil(scene, rng)
    if rng.random() < 0.35:
        _shadow(scene, rng)
    if rng.random() < 0.3:
        _glare(scene, rng)
    return scene


def _soil(scene: NDArray[np.float32], rng: np.random.Generator) -> None:
    height, width = scene.shape
    chance = rng.random()
    if chance < 0.5:  # dust, uneven light
        cells = rng.uniform(0.55 if chance < 0.15 else 0.8, 1.0, (3, 5)).astype(np.float32)
        scene *= cv2.resize(cells, (width, height), interpolation=cv2.INTER_LINEAR)
    if chance < 0.12:  # specks of mud
        for _ in range(int(rng.integers(1, 6))):
            at = int(rng.integers(width)), int(rng.integers(height))
            size = round(rng.uniform(0.02, 0.1) * INK_PX), round(rng.uniform(0.02, 0.16) * INK_PX)
            cv2.ellipse(scene, at, size, 0, 0, 360, float(rng.uniform(30, 140)), -1, cv2.LINE_AA)


def _shadow(scene: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Darken what lies on one side of a line."""
    height, width = scene.shape
    angle = rng.uniform(0, 2 * math.pi)
    x, y = rng.uniform(0.2, 0.8) * width, rng.uniform(0.2, 0.8) * height
    along, soft = np.arange(width) - x, rng.uniform(0.5, 12)
    far = np.cos(angle) * along[None, :] + np.sin(angle) * (np.arange(height) - y)[:, None]
    shade = np.clip(far / soft + 0.5, 0, 1).astype(np.float32)
    scene *= 1 - float(rng.uniform(0.2, 0.6)) * shade


def _glare(scene: NDArray[np.float32], rng: np.random.Generator) -> None:
    """Add a lamp's reflection: a bright spot or streak."""
    height, width = scene.shape
    x = (np.arange(width) - rng.uniform(0, 1) * width) / (rng.uniform(0.2, 1.8) * INK_PX)
    y = (np.arange(height) - rng.uniform(0, 1) * height) / (rng.uniform(0.05, 0.8) * INK_PX)
    slope = rng.normal(0, 0.5)
    spot = np.exp(-(x[None, :] ** 2) - (y[:, None] + slope * x[None, :]) ** 2)
    scene += float(rng.uniform(60, 220)) * spot.astype(np.float32)


def _crop(
    scene: NDArray[np.float32], drawn: Drawn, row: int, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return the line as a finder cuts it: seen askew, blurred, not quite where it is, small."""
    left, top, right, bottom = drawn.boxes[row]
    above, below = rng.uniform(-0.04, 0.4, 2) * INK_PX
    before, after = rng.uniform(-0.03, 0.55, 2) * INK_PX
    corners = np.array(
        [
            (left - before, top - above),
            (right + after, top - above),
            (right + after, bottom + below),
            (left - before, bottom + below),
        ],
        np.float32,
    )
    middle = corners.mean(0)
    turn = math.radians(float(rng.normal(0, 2.2)))
    shear = float(rng.normal(0, 0.1))
    spread = corners - middle
    spread[:, 0] += shear * spread[:, 1]
    # a turn within the box is a slope of the line, since the box is as long as the line
    spread[:, 1] += math.tan(turn) * spread[:, 0]
    corners = middle + spread + rng.normal(0, 0.025, (4, 2)).astype(np.float32) * INK_PX
    tall = float((bottom + below) - (top - above))
    long = float((right + after) - (left - before)) * float(rng.uniform(0.82, 1.18))
    sign_px = LEAST_SIGN_PX * (MOST_SIGN_PX / LEAST_SIGN_PX) ** float(rng.beta(1.1, 1.1))
    scale = sign_px / INK_PX
    size = max(8, round(long * scale)), max(6, round(tall * scale))
    scene = _blurred(scene, scale, rng)
    target = np.array([(0, 0), (size[0], 0), size, (0, size[1])], np.float32)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), target)
    return cv2.warpPerspective(
        scene, matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _blurred(
    scene: NDArray[np.float32], scale: float, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Blur by the pixels of the sensor, by the lens, and by motion in some direction."""
    defocus = float(rng.exponential(0.045)) * INK_PX if rng.random() < 0.7 else 0.0
    sigma = math.hypot(0.42 / scale if scale < 1 else 0.0, min(defocus, 0.13 * INK_PX))
    if sigma > 0.3:
        scene = cv2.GaussianBlur(scene, (0, 0), sigma)
    if rng.random() < 0.3:
        length = max(3, round(float(rng.uniform(0.06, 0.34)) * INK_PX))
        angle = rng.uniform(0, math.pi)
        kernel = np.zeros((length, length), np.float32)
        half = (length - 1) / 2
        dx, dy = half * math.cos(angle), half * math.sin(angle)
        ends = [(round(16 * (half - dx)), round(16 * (half - dy))),
                (round(16 * (half + dx)), round(16 * (half + dy)))]  # fmt: skip
        cv2.line(kernel, *ends, 1.0, 1, cv2.LINE_AA, 4)
        total = float(kernel.sum())
        if total > 0:
            scene = cv2.filter2D(scene, -1, kernel / total)
    return scene


def _sensed(scene: NDArray[np.float32], rng: np.random.Generator) -> Grey:
    """Expose, add noise, sharpen as cameras do, and compress."""
    if rng.random() < 0.3:  # dusk and night
        gain = float(rng.uniform(0.2, 0.6))
        scene = scene * gain + float(rng.uniform(0, 12))
        noise = float(rng.uniform(1, 6))
    else:
        scene = scene * float(rng.uniform(0.75, 1.2)) + float(rng.uniform(-15, 25))
        noise = float(rng.exponential(3))
    if noise > 0.5:
        scene = scene + rng.standard_normal(scene.shape, np.float32) * noise
    if rng.random() < 0.3:
        soft = cv2.GaussianBlur(scene, (0, 0), 1.0)
        scene = scene + float(rng.uniform(0.3, 1.2)) * (scene - soft)
    grey = np.clip(scene, 0, 255).astype(np.uint8)
    if rng.random() < 0.55:
        quality = int(rng.integers(18, 90))
        coded = cv2.imencode(".jpg", grey, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        grey = cv2.imdecode(coded, cv2.IMREAD_GRAYSCALE)
    return grey


def filmed(crops: Sequence[Grey], rng: np.random.Generator) -> list[Grey]:
    """Return crops as H.264 leaves them: side by side in one picture, coded, decoded, cut out."""
    places, x, y, tall = [], 0, 0, 0
    for crop in crops:
        height, width = crop.shape
        if x + width > _FILM_PX:
            x, y, tall = 0, y + tall, 0
        places.append((x, y))
        x, tall = x + width, max(tall, height)
    sheet = np.full((_even(y + tall), _FILM_PX), 90, np.uint8)
    for crop, (x, y) in zip(crops, places, strict=True):
        sheet[y : y + crop.shape[0], x : x + crop.shape[1]] = crop
    seen = _coded(sheet, int(rng.integers(20, 37)))
    return [
        seen[y : y + crop.shape[0], x : x + crop.shape[1]].copy()
        for crop, (x, y) in zip(crops, places, strict=True)
    ]


_FILM_PX = 1280


def _even(pixels: int) -> int:
    return pixels + pixels % 2


def _coded(sheet: Grey, rate_factor: int) -> Grey:
    coder = av.CodecContext.create("libx264", "w")
    coder.height, coder.width = sheet.shape
    coder.pix_fmt, coder.time_base = "yuv420p", Fraction(1, 25)
    coder.options = {"crf": str(rate_factor), "preset": "veryfast", "threads": "1"}
    picture = av.VideoFrame.from_ndarray(sheet, "gray").reformat(format="yuv420p")
    decoder = av.CodecContext.create("h264", "r")
    packets = [*coder.encode(picture), *coder.encode(None)]
    frames = [frame for packet in packets for frame in decoder.decode(packet)]
    return (frames or decoder.decode(None))[0].to_ndarray(format="gray")
