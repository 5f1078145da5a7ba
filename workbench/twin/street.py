"""The still picture of one camera's street: sky, houses, trees, poles and cables."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.twin.ground import PAVEMENT_M, paint_ground, sample, tiled_noise
from workbench.twin.pictures import PX_PER_M, SIGNS, facade
from workbench.twin.views import Light, View


def paint_street(view: View, light: Light) -> NDArray[np.uint8]:
    """Return the street without traffic as RGB at the camera's size."""
    rng = np.random.default_rng([view.seed, 51])
    rays = view.rays()
    picture = _sky(rays, rng)
    _far_end(picture, view, rng)
    _houses(picture, view, light, rng)
    paint_ground(picture, view, light, rays, rng)
    _furniture(picture, view, rng)
    return _finished(picture, light)


def _finished(picture: NDArray[np.float32], light: Light) -> NDArray[np.uint8]:
    """Apply the lens and the sensor: softness, vignette, exposure, white balance."""
    height, width = picture.shape[:2]
    picture = cv2.GaussianBlur(picture, (0, 0), 0.65)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    vignette = 1.06 - 0.13 * (x**2 + y**2).astype(np.float32)
    # The camera exposes for the road, so that a street in the shade is not a dark picture.
    exposure = float(np.clip((120 / picture[height // 2 :].mean()) ** 0.8, 0.85, 1.6))
    gain = (exposure * (0.5 + 0.5 * light.gain) * light.tint).astype(np.float32)
    return np.asarray(np.clip(picture * vignette[..., None] * gain, 0, 255), np.uint8)


def _sky(rays: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    up = rays[..., 2] / np.linalg.norm(rays, axis=-1)
    noise = tiled_noise(rng)
    cloud = sample(noise, rays[..., 0] * 3, up * 9, 8.0)
    blue = float(rng.uniform(0.2, 1.0))
    high = np.array([150, 178, 206]) * blue + np.array([196, 202, 206]) * (1 - blue)
    part = np.clip(up / 0.45, 0, 1)[..., None]
    sky = np.array([224, 226, 224]) * (1 - part) + high * part
    return np.asarray(sky + np.clip(cloud, -0.5, 1.5)[..., None] * 9, np.float32)


def _far_end(picture: NDArray[np.float32], view: View, rng: np.random.Generator) -> None:
    """Close the street with hazy houses and trees, as a bend would."""
    y = view.far_m + 12
    x = -40.0
    while x < 40:
        width, tall = float(rng.uniform(4, 7)), float(rng.uniform(6, 13))
        corners = np.array([(x, y, 0), (x + width, y, 0), (x + width, y, tall), (x, y, tall)])
        pixels, _ = view.project(corners)
        grey = float(rng.uniform(150, 195))
        colour = (grey + rng.uniform(-6, 16), grey + rng.uniform(-4, 8), grey + rng.uniform(-8, 4))
        cv2.fillConvexPoly(picture, np.round(pixels).astype(np.int32), colour, cv2.LINE_AA)
        x += width
    for _ in range(16):
        at = np.array([[rng.uniform(-22, 22), y - 6, rng.uniform(2, 6)]])
        pixel, depth = view.project(at)
        _foliage(picture, pixel[0], 2.4 * view.focal_px / depth[0], rng, haze=0.45, dense=26)


def _warp_onto(
    picture: NDArray[np.float32],
    texture: NDArray[Any],
    corners: NDArray[Any],
    view: View,
    shade: float = 1.0,
) -> None:
    """Map a texture (top left, top right, bottom right, bottom left corners) into the picture."""
    pixels, depth = view.project(corners)
    if depth.min() < 0.5:
        return
    lo = np.maximum(np.floor(pixels.min(0)).astype(int) - 1, 0)
    hi = np.minimum(np.ceil(pixels.max(0)).astype(int) + 2, (view.width_px, view.height_px))
    if (hi - lo).min() <= 1:
        return
    h, w = texture.shape[:2]
    spans = np.linalg.norm(np.diff(pixels[[0, 1, 2, 3, 0]], axis=0), axis=1)
    shrink = min(1.0, 1.5 * max(spans[0], spans[2]) / w, 1.5 * max(spans[1], spans[3]) / h)
    if shrink < 0.8:
        size = (max(2, round(w * shrink)), max(2, round(h * shrink)))
        texture = cv2.resize(texture, size, interpolation=cv2.INTER_AREA)
        h, w = texture.shape[:2]
    source = np.array([(0, 0), (w, 0), (w, h), (0, h)], np.float32)
    matrix = cv2.getPerspectiveTransform(source, (pixels - lo).astype(np.float32))
    size = (int(hi[0] - lo[0]), int(hi[1] - lo[1]))
    rgba = np.dstack(
        [
            texture[..., :3] * shade,
            np.full((h, w), 255) if texture.shape[2] == 3 else texture[..., 3],
        ]
    )
    drawn = cv2.warpPerspective(rgba.astype(np.float32), matrix, size, flags=cv2.INTER_LINEAR)
    alpha = drawn[..., 3:] / 255
    roi = picture[lo[1] : hi[1], lo[0] : hi[0]]
    if texture.shape[2] == 4:
        roi[...] = roi * (1 - alpha) + drawn[..., :3] * alpha
    else:
        roi[...] = roi * (1 - alpha) + drawn[..., :3]


def _houses(
    picture: NDArray[np.float32], view: View, light: Light, rng: np.random.Generator
) -> None:
    front = view.half_road_m + PAVEMENT_M
    plots: list[tuple[float, int, float, int, int]] = []
    for side in (-1, 1):
        y = 3.0
        while y < view.far_m + 8:
            width = float(rng.uniform(3.8, 5.4))
            plots.append(
                (y, side, width, int(rng.choice([1, 2, 3, 3, 4])), int(rng.integers(1 << 30)))
            )
            y += width
    names = rng.permutation(len(SIGNS))
    for number, (y, side, width, storeys, seed) in enumerate(sorted(plots, reverse=True)):
        x = side * (front + float(np.random.default_rng(seed).uniform(0, 0.35)))
        corners_y = (y, y + width) if side < 0 else (y + width, y)
        probe, depth = view.project(np.array([(x, y + width, 0.0), (x, y + width, 8.0)]))
        inside = (probe[:, 0] > -900) & (probe[:, 0] < view.width_px + 900)
        if depth.min() < 1.5 or not inside.any() or probe[0, 1] < -20:
            continue
        front_art = facade(width, storeys, seed, sign=SIGNS[int(names[number % len(SIGNS)])])
        tall = front_art.shape[0] / PX_PER_M
        # Houses turned from the sun are darker; all pale with distance.
        sunny = max(0.0, float(-side * light.sun[0])) * light.hard
        shade = 0.74 + 0.34 * sunny
        haze = float(np.clip(y / 150, 0, 0.55))
        texture = front_art * shade * (1 - haze) + np.array([206, 212, 216]) * haze
        a, b = corners_y
        quad = np.array([(x, a, tall), (x, b, tall), (x, b, 0), (x, a, 0)])
        _gable(picture, view, x, side, y, tall, shade * (1 - haze), haze)
        _warp_onto(picture, texture, quad, view)
        local = np.random.default_rng([seed, 2])
        if local.random() < 0.55:
            _awning(picture, view, x, side, y, width, local, shade)


def _gable(
    picture: NDArray[np.float32],
    view: View,
    x: float,
    side: int,
    y: float,
    tall: float,
    shade: float,
    haze: float,
) -> None:
    """Paint the wall between two houses, which shows above a lower neighbour drawn later."""
    quad = np.array([(x, y, tall), (x + side * 9, y, tall), (x + side * 9, y, 0), (x, y, 0)])
    pixels, depth = view.project(quad)
    if depth.min() > 1:
        colour = tuple(float(c * shade + 206 * haze) for c in (158, 150, 138))
        cv2.fillConvexPoly(picture, np.round(pixels * 8).astype(np.int32), colour, cv2.LINE_AA, 3)


def _awning(
    picture: NDArray[np.float32],
    view: View,
    x: float,
    side: int,
    y: float,
    width: float,
    rng: np.random.Generator,
    shade: float,
) -> None:
    out = float(rng.uniform(0.8, 1.5))
    high, low = 2.95, 2.55
    colours = ((40, 90, 150), (170, 44, 40), (44, 120, 70), (196, 150, 60), (150, 152, 154))
    colour = np.array(colours[int(rng.integers(5))], np.float32) * shade
    band = np.broadcast_to(colour, (24, 60, 3)).copy()
    if rng.random() < 0.5:
        band[:, ::10] = band[:, 1::10] = band[:, 2::10] = band[:, 3::10] = (
            np.array((226, 226, 220)) * shade
        )
    a, b = (y + 0.2, y + width - 0.2) if side < 0 else (y + width - 0.2, y + 0.2)
    inner, outer = x, x - side * out
    top = np.array([(inner, a, high), (inner, b, high), (outer, b, low), (outer, a, low)])
    _warp_onto(picture, band, top, view)
    skirt = np.array(
        [(outer, a, low), (outer, b, low), (outer, b, low - 0.22), (outer, a, low - 0.22)]
    )
    _warp_onto(picture, band * 0.85, skirt, view)


def _furniture(picture: NDArray[np.float32], view: View, rng: np.random.Generator) -> None:
    """Plant trees, set up electricity poles and string cables, far ones first."""
    kerb = view.half_road_m + 0.75
    # Nothing stands right before an overview's lens: its poles are across the road.
    wide = view.kind == "overview"
    pole_side = int(-np.sign(view.x_m)) if wide else int(rng.choice([-1, 1]))
    poles = np.arange(float(rng.uniform(7, 14)), view.far_m, 24.0)
    things: list[tuple[float, str, float]] = [(float(y), "pole", pole_side * kerb) for y in poles]
    for side in (-1, 1):
        y = float(rng.uniform(9, 16)) + (9 if wide and side * view.x_m > 0 else 0)
        while y < view.far_m:
            if rng.random() < 0.8:
                things.append((y, "tree", side * (kerb + 0.1)))
            y += float(rng.uniform(8, 15))
    for y, kind, x in sorted(things, reverse=True):
        if kind == "tree":
            _tree(picture, view, x, y, rng)
        else:
            _pole(picture, view, x, y, rng)
    _cables(picture, view, pole_side * kerb, poles, rng)


def _post(
    picture: NDArray[np.float32],
    view: View,
    x: float,
    y: float,
    tall: float,
    radius: float,
    colour: tuple[float, float, float],
) -> None:
    ends, depth = view.project(np.array([(x, y, 0.0), (x, y, tall)]))
    if depth.min() < 1:
        return
    wide = max(1.0, 2 * radius * view.focal_px / depth[0])
    for part in np.linspace(-0.5, 0.5, max(2, int(wide))):
        shade = 0.62 + 0.5 * (1 - (part * 2) ** 2) ** 0.5 * (0.7 + part * 0.6)
        shift = np.array([part * wide, 0])
        a, b = np.round((ends + shift) * 8).astype(int)
        cv2.line(
            picture,
            tuple(map(int, a)),
            tuple(map(int, b)),
            tuple(float(c * shade) for c in colour),
            1 if wide < 3 else 2,
            cv2.LINE_AA,
            3,
        )


def _pole(
    picture: NDArray[np.float32], view: View, x: float, y: float, rng: np.random.Generator
) -> None:
    _post(picture, view, x, y, 8.2, 0.13, (168, 164, 156))
    for high in (7.2, 7.7):
        pixels, depth = view.project(np.array([(x - 0.8, y, high), (x + 0.8, y, high)]))
        if depth.min() > 1:
            a, b = np.round(pixels).astype(int)
            cv2.line(
                picture,
                tuple(map(int, a)),
                tuple(map(int, b)),
                (120, 118, 112),
                max(1, round(0.09 * view.focal_px / depth[0])),
                cv2.LINE_AA,
            )
    if rng.random() < 0.6:  # meter boxes
        for k in range(int(rng.integers(1, 4))):
            pixels, depth = view.project(
                np.array(
                    [(x - 0.22, y - 0.15, 2.6 + 0.5 * k), (x + 0.22, y - 0.15, 3.02 + 0.5 * k)]
                )
            )
            if depth.min() > 1:
                a, b = np.round(pixels).astype(int)
                cv2.rectangle(picture, tuple(map(int, a)), tuple(map(int, b)), (176, 176, 170), -1)


def _tree(
    picture: NDArray[np.float32], view: View, x: float, y: float, rng: np.random.Generator
) -> None:
    _post(picture, view, x, y, 2.9, 0.10, (112, 92, 74))
    for _ in range(9):
        at = np.array([[x + rng.normal(0, 0.7), y + rng.normal(0, 0.5), rng.uniform(2.7, 4.9)]])
        pixel, depth = view.project(at)
        if depth[0] > 4:
            haze = float(np.clip(y / 160, 0, 0.5))
            near = 0.85 * view.focal_px / depth[0]
            _foliage(picture, pixel[0], near, rng, haze=haze, dense=int(np.clip(near * 5, 40, 420)))


def _foliage(
    picture: NDArray[np.float32],
    at: NDArray[Any],
    radius: float,
    rng: np.random.Generator,
    *,
    haze: float,
    dense: int,
) -> None:
    if not (
        -radius < at[0] < picture.shape[1] + radius and -radius < at[1] < picture.shape[0] + radius
    ):
        return
    leaf = max(1, round(radius * float(np.clip(1.35 / np.sqrt(dense), 0.05, 0.2))))
    spots = rng.normal(0, 0.42, (dense, 2))
    for dx, dy in spots[np.argsort(-spots[:, 1])]:
        glow = float(np.clip(0.85 - dy * 0.75 - dx * 0.2 + rng.normal(0, 0.16), 0.35, 1.6))
        colour = np.array((70, 98, 48)) * glow * (1 - haze) + np.array((196, 206, 204)) * haze
        centre = (int(at[0] + dx * radius), int(at[1] + dy * radius))
        cv2.ellipse(
            picture,
            centre,
            (leaf, max(1, leaf // 2)),
            float(rng.uniform(0, 180)),
            0,
            360,
            tuple(map(float, colour)),
            -1,
            cv2.LINE_AA,
        )


def _cables(
    picture: NDArray[np.float32],
    view: View,
    x: float,
    poles: NDArray[Any],
    rng: np.random.Generator,
) -> None:
    ends = [-14.0, *map(float, poles), view.far_m + 10]
    for _ in range(9):
        across, high = float(rng.uniform(-0.7, 0.7)), float(rng.uniform(5.2, 7.6))
        sag = float(rng.uniform(0.3, 1.0))
        for a, b in pairwise(ends):
            s = np.linspace(0, 1, 24)
            line = np.column_stack(
                [np.full(24, x + across), a + (b - a) * s, high - sag * 4 * s * (1 - s)]
            )
            line = line[line[:, 1] > 7.0]  # nearer ones would cross the lens
            if len(line) < 2:
                continue
            pixels, depth = view.project(line)
            wide = max(1, round(0.025 * view.focal_px / float(np.median(depth))))
            cv2.polylines(
                picture,
                [np.round(np.clip(pixels, -4000, 4000) * 8).astype(np.int32)],
                False,
                (52, 52, 54),
                wide,
                cv2.LINE_AA,
                3,
            )
