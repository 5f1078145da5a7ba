"""The ground of a street: asphalt with its wear and marks, kerbs, tiled pavement, shadows."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.twin.views import Light, View

PAVEMENT_M = 2.1


def tiled_noise(rng: np.random.Generator, size: int = 512, octaves: int = 5) -> NDArray[np.float32]:
    """Return tileable noise of mean 0 and deviation about 1."""
    total = np.zeros((size, size), np.float32)
    for k in range(octaves):
        cells = 4 << k
        coarse = rng.normal(0, 1, (cells, cells)).astype(np.float32)
        coarse = np.pad(coarse, 2, mode="wrap")
        grown = cv2.resize(
            coarse, None, fx=size / cells, fy=size / cells, interpolation=cv2.INTER_CUBIC
        )
        off = 2 * size // cells
        total += grown[off : off + size, off : off + size] * 0.72**k
    return np.asarray((total - total.mean()) / total.std())


def sample(
    noise: NDArray[np.float32], x: NDArray[Any], y: NDArray[Any], tile_m: float
) -> NDArray[np.float32]:
    """Return tileable noise at ground points (metres), one tile being `tile_m` wide."""
    scale = noise.shape[0] / tile_m
    columns = (x * scale % noise.shape[1]).astype(np.float32)
    rows = (y * scale % noise.shape[0]).astype(np.float32)
    found = cv2.remap(noise, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP)
    return np.asarray(found)


def paint_ground(
    picture: NDArray[np.float32],
    view: View,
    light: Light,
    rays: NDArray[np.float32],
    rng: np.random.Generator,
) -> None:
    """Paint road and pavement over the picture wherever a ray meets them, up to the houses."""
    below = rays[..., 2] < -0.004
    t = view.height_m / np.maximum(-rays[..., 2], 0.004)
    x = view.x_m + rays[..., 0] * t
    y = rays[..., 1] * t
    half = view.half_road_m
    edge = np.abs(x)
    foot = t / view.focal_px  # metres a pixel covers across
    fine = np.clip(0.012 / np.maximum(foot, 1e-4), 0.08, 1.0)
    n1, n2 = tiled_noise(rng), tiled_noise(rng, octaves=7)
    # Two turned and incommensurable tilings: no eye finds the repeat.
    grain = 0.7 * (
        sample(n2, 0.86 * x - 0.51 * y, 0.51 * x + 0.86 * y, 2.3)
        + sample(n2, 0.94 * x + 0.34 * y, 0.94 * y - 0.34 * x, 1.37)
    )
    speck = sample(n2, 0.8 * y + 0.6 * x, 0.8 * x - 0.6 * y, 0.43)
    speck *= np.clip(0.004 / np.maximum(foot, 1e-4), 0, 1)
    patch = sample(n1, x, y * 0.5, 11.0)
    long = sample(n1, x * 3, y * 0.2, 14.0)
    base = float(rng.uniform(116, 138))
    road = base + 2.6 * patch + 3.2 * long + 6.0 * grain * fine + 7.0 * speck
    # Wheels polish and oil darkens the middle of each lane.
    for lane in (-0.47, 0.47):
        road += 4 * np.exp(-(((edge - abs(lane) * half - 0.75) / 0.28) ** 2))
        road -= 6 * np.exp(-(((x - lane * half) / 0.35) ** 2)) * (0.7 + 0.3 * np.tanh(long))
    gutter = np.clip((edge - half + 0.7) / 0.7, 0, 1)
    road -= 16 * gutter + 5 * gutter * np.clip(grain, 0, 2)
    colour = road[..., None] * np.array([1.0, 0.995, 0.975])
    colour += gutter[..., None] * (10, 6, -2)
    _repairs(colour, x, y, half, grain, rng)
    wear = np.clip(0.80 - 0.22 * patch - 0.16 * grain * fine, 0.15, 0.92)
    marks = _marks(
        x, y, half, foot, zebra_m=float(rng.uniform(15, 22)) if rng.random() < 0.45 else None
    )
    colour = colour * (1 - (marks * wear)[..., None]) + (marks * wear)[..., None] * (208, 208, 202)
    # Kerb and tiled pavement.
    tile = 0.4
    jx, jy = np.abs((x / tile) % 1 - 0.5), np.abs((y / tile) % 1 - 0.5)
    joint = np.clip((np.maximum(jx, jy) - 0.46) / 0.04, 0, 1) * np.clip(0.03 / foot, 0, 1)
    hue = ((168, 120, 104), (158, 156, 150), (170, 150, 122))[int(rng.integers(3))]
    tint = sample(n1, np.floor(x / tile) * 3.7, np.floor(y / tile) * 2.3, 40.0)
    paving = (
        np.array(hue)
        * (1 + 0.05 * tint + 0.05 * patch + 0.05 * grain * fine - 0.28 * joint)[..., None]
    )
    kerb_top = (182 + 6 * grain * fine)[..., None] * np.array([1, 0.99, 0.96])
    kerb_joint = np.abs((y / 1.0) % 1 - 0.5) > 0.48
    kerb_top[kerb_joint & (foot < 0.03)] *= 0.75
    face = (kerb_top * 0.62).astype(np.float32)
    on_face = (edge >= half) & (edge < half + 0.10)
    on_top = (edge >= half + 0.10) & (edge < half + 0.30)
    beyond = edge >= half + 0.30
    colour = np.where(on_face[..., None], face, colour)
    colour = np.where(on_top[..., None], kerb_top, colour)
    colour = np.where(beyond[..., None], paving, colour)
    house = edge > half + PAVEMENT_M + 0.5  # fronts stand back by up to 0.35 m
    colour *= _shade(x, y, view, light, n1, rng)[..., None]
    haze = np.clip(y / 220, 0, 0.45)[..., None]
    colour = colour * (1 - haze) + np.array([206, 210, 212]) * haze
    keep = below & ~house & (y < view.far_m + 10)
    picture[keep] = colour[keep]
    rough = below & ~keep & (edge < 60) & (y < 3)
    picture[rough] = colour[rough]
    _cracks(picture, view, rng)


def _repairs(
    colour: NDArray[Any],
    x: NDArray[Any],
    y: NDArray[Any],
    half: float,
    grain: NDArray[Any],
    rng: np.random.Generator,
) -> None:
    """Lay asphalt patches and manhole covers on the road."""
    for _ in range(int(rng.integers(2, 6))):
        cx, cy = float(rng.uniform(-half, half)), float(rng.uniform(5, 40))
        w, h = float(rng.uniform(0.4, 1.2)), float(rng.uniform(0.5, 3.0))
        inside = (np.abs(x - cx) < w) & (np.abs(y - cy) < h)
        colour[inside] = colour[inside] * 0.82 + 3 * grain[inside][:, None]
        rim = inside & ((np.abs(x - cx) > w - 0.05) | (np.abs(y - cy) > h - 0.05))
        colour[rim] *= 0.86
    for _ in range(int(rng.integers(1, 4))):
        cx, cy = float(rng.uniform(-half * 0.7, half * 0.7)), float(rng.uniform(6, 35))
        far = np.hypot(x - cx, y - cy)
        cover = far < 0.36
        colour[cover] = 84 + 10 * np.sign(np.sin(x[cover] * 60) * np.sin(y[cover] * 60))[:, None]
        colour[(far >= 0.36) & (far < 0.42)] *= 0.6


def _marks(
    x: NDArray[Any], y: NDArray[Any], half: float, foot: NDArray[Any], zebra_m: float | None
) -> NDArray[np.float32]:
    """Return how much paint 0..1 lies on the road: centre dashes, edge lines, a zebra crossing."""
    soft = np.maximum(foot, 0.006)

    def band(distance: NDArray[Any], width: float) -> NDArray[Any]:
        return np.asarray(np.clip((width / 2 - np.abs(distance)) / soft + 0.5, 0, 1))

    marks = np.zeros(x.shape, np.float32)
    if half > 3:
        dash = np.clip((1.0 - np.abs((y + 1.5) % 6 - 3)) / np.maximum(foot * 6, 0.02) + 0.5, 0, 1)
        marks = np.maximum(marks, band(x, 0.13) * dash)
        marks = np.maximum(marks, band(np.abs(x) - half + 0.35, 0.11))
    if zebra_m is not None:
        bars = np.clip((0.23 - np.abs(x % 0.92 - 0.46)) / soft + 0.5, 0, 1)
        reach = np.clip((1.5 - np.abs(y - zebra_m)) / np.maximum(foot * 6, 0.02) + 0.5, 0, 1)
        free = np.clip((np.abs(y - zebra_m) - 2.0) * 4, 0, 1)
        marks = np.maximum(marks * free, bars * reach * (np.abs(x) < half - 0.3))
    return marks.astype(np.float32)


def _shade(
    x: NDArray[Any],
    y: NDArray[Any],
    view: View,
    light: Light,
    noise: NDArray[np.float32],
    rng: np.random.Generator,
) -> NDArray[np.float32]:
    """Return the light 0..1 on the ground: shadows of houses and trees, contact at walls."""
    fall = light.shadow_offset()
    side = light.shaded_side
    wall = view.half_road_m + PAVEMENT_M
    # The houses on the sun's side throw an uneven edge across the road.
    heights = np.interp(y, np.arange(-20, 140, 4.6), rng.uniform(3.0, 9.0, 35))
    reach = side * wall + fall[0] * heights
    inside = (x - reach) * side / 0.5
    shadow = 1 / (1 + np.exp(-np.clip(inside, -20, 20)))
    leaves = np.clip(sample(noise, x + 0.6 * y * fall[1], y, 5.0) * 0.8 - 0.35, 0, 1)
    near_tree = np.exp(-(((x - side * view.half_road_m * 0.7) / 2.2) ** 2))
    shadow = np.maximum(shadow, leaves * near_tree)
    contact = np.exp(-np.clip(wall - np.abs(x), 0, 9) / 0.35) * 0.35
    return np.asarray((1 - shadow * (0.12 + 0.38 * light.hard)) * (1 - contact))


def _cracks(picture: NDArray[np.float32], view: View, rng: np.random.Generator) -> None:
    layer = np.zeros(picture.shape[:2], np.uint8)
    for _ in range(int(rng.integers(4, 9))):
        at = np.array([rng.uniform(-view.half_road_m, view.half_road_m), rng.uniform(4, 38)])
        turn = float(rng.uniform(0, 6.28))
        points = [at]
        for _ in range(int(rng.integers(10, 40))):
            turn += float(rng.normal(0, 0.5))
            points.append(points[-1] + 0.12 * np.array([np.cos(turn), np.sin(turn)]))
        line = np.column_stack([np.array(points), np.zeros(len(points))])
        if np.abs(line[:, 0]).max() > view.half_road_m or line[:, 1].min() < 3:
            continue
        pixels, depth = view.project(line)
        wide = 0.007 * view.focal_px / depth.mean()
        spots = [np.round(pixels * 8).astype(np.int32)]
        dark = int(min(255, 200 * min(1.0, wide)))
        cv2.polylines(layer, spots, False, dark, max(1, round(wide)), cv2.LINE_AA, 3)
    picture *= 1 - 0.26 * cv2.GaussianBlur(layer, (0, 0), 0.7).astype(np.float32)[..., None] / 255
