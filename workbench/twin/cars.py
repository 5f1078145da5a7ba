"""Cars, vans, buses, light lorries: stacks of rings, painted by where a point lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.twin.mesh import (
    Body,
    Grid,
    Paint,
    Part,
    ellipsoid,
    plain,
    plate_corners,
    stack,
    tube,
    wheel,
)
from workbench.twin.pictures import ONE_LINE_MM


@dataclass(frozen=True, slots=True)
class _Shape:
    """The outline of a body. Profiles are ``(height, value)`` pairs, joined by straight lines.

    ``front`` and ``rear`` are distances from the middle; ``belt`` and ``roof`` bound the glass.
    """

    length: float
    width: float
    height: float
    belt: float
    roof: float
    front: tuple[tuple[float, float], ...]
    rear: tuple[tuple[float, float], ...]
    waist: tuple[tuple[float, float], ...]
    corner: float = 0.22
    plate_rear: float = 0.78
    plate_front: float = 0.48
    lamp_rear: tuple[float, float, float, float] = (0.55, 0.85, 0.80, 0.95)
    rear_glass: bool = True


_SHAPES: dict[str, _Shape] = {
    "sedan": _Shape(
        4.5,
        1.78,
        1.47,
        0.97,
        1.38,
        (
            (0.20, 2.12),
            (0.45, 2.25),
            (0.62, 2.20),
            (0.78, 2.05),
            (0.95, 1.10),
            (1.40, 0.35),
            (1.47, 0.25),
        ),
        (
            (0.22, 2.12),
            (0.45, 2.24),
            (0.70, 2.20),
            (0.98, 2.10),
            (1.04, 1.75),
            (1.40, 1.00),
            (1.47, 0.85),
        ),
        ((0.20, 0.84), (0.50, 0.89), (0.95, 0.86), (1.40, 0.62), (1.47, 0.52)),
        lamp_rear=(0.44, 0.86, 0.76, 0.93),
        plate_rear=0.70,
    ),
    "hatchback": _Shape(
        3.9,
        1.68,
        1.50,
        0.98,
        1.40,
        (
            (0.20, 1.82),
            (0.45, 1.95),
            (0.65, 1.90),
            (0.82, 1.72),
            (0.98, 0.95),
            (1.42, 0.25),
            (1.50, 0.15),
        ),
        ((0.22, 1.82), (0.45, 1.95), (0.95, 1.86), (1.42, 1.58), (1.50, 1.45)),
        ((0.20, 0.78), (0.50, 0.84), (0.95, 0.81), (1.42, 0.62), (1.50, 0.54)),
        lamp_rear=(0.60, 0.84, 0.78, 1.08),
        plate_rear=0.74,
    ),
    "suv": _Shape(
        4.65,
        1.86,
        1.74,
        1.12,
        1.62,
        (
            (0.26, 2.20),
            (0.55, 2.32),
            (0.80, 2.27),
            (1.02, 2.08),
            (1.12, 1.25),
            (1.64, 0.55),
            (1.74, 0.45),
        ),
        ((0.28, 2.20), (0.55, 2.32), (1.10, 2.24), (1.64, 2.02), (1.74, 1.88)),
        ((0.26, 0.87), (0.60, 0.93), (1.10, 0.90), (1.64, 0.70), (1.74, 0.62)),
        lamp_rear=(0.62, 0.93, 0.92, 1.20),
        plate_rear=0.86,
        plate_front=0.58,
    ),
    "van": _Shape(
        5.7,
        1.98,
        2.30,
        1.25,
        2.05,
        ((0.26, 2.75), (0.55, 2.85), (0.95, 2.78), (1.15, 2.45), (2.05, 1.75), (2.30, 1.55)),
        ((0.28, 2.75), (0.55, 2.85), (1.30, 2.82), (2.20, 2.70), (2.30, 2.60)),
        ((0.26, 0.93), (0.60, 0.99), (1.30, 0.98), (2.15, 0.84), (2.30, 0.74)),
        lamp_rear=(0.82, 0.98, 0.85, 1.25),
        plate_rear=0.80,
        plate_front=0.55,
    ),
    "bus": _Shape(
        8.4,
        2.36,
        3.05,
        1.45,
        2.60,
        ((0.35, 4.10), (0.70, 4.20), (1.40, 4.16), (2.70, 3.98), (3.05, 3.80)),
        ((0.35, 4.12), (0.70, 4.20), (2.80, 4.12), (3.05, 3.98)),
        ((0.35, 1.12), (0.80, 1.18), (2.70, 1.14), (3.05, 1.02)),
        corner=0.28,
        lamp_rear=(0.92, 1.12, 0.75, 1.20),
        plate_rear=0.72,
        plate_front=0.62,
    ),
    "cab": _Shape(
        1.7,
        1.90,
        2.15,
        1.25,
        1.95,
        ((0.45, 0.80), (0.70, 0.85), (1.25, 0.80), (2.00, 0.45), (2.15, 0.35)),
        ((0.45, 0.85), (2.15, 0.85)),
        ((0.45, 0.92), (1.25, 0.95), (2.00, 0.84), (2.15, 0.76)),
        corner=0.18,
        plate_front=0.62,
        rear_glass=False,
    ),
}
_GLASS = (0.045, 0.055, 0.065)
_TRIM = (0.075, 0.075, 0.08)


def _profile(pairs: tuple[tuple[float, float], ...], z: NDArray[Any]) -> NDArray[Any]:
    at, value = np.array(pairs).T
    line = np.interp(z, at, value)
    # Soften the joints: real sheet metal has no kinks.
    kernel = np.array([1, 2, 3, 2, 1]) / 9
    return np.convolve(np.pad(line, 2, mode="edge"), kernel, mode="valid")


def _body_paint(
    shape: _Shape, colour: tuple[float, float, float], rng: np.random.Generator
) -> Paint:
    """Return the paint of a body: sheet metal, glass, lamps, grille, gaps, dust on the sills."""
    chrome = rng.random() < 0.5
    bumper = rng.random() < 0.35 or shape.height > 2
    x0, x1, z0, z1 = shape.lamp_rear

    def paint(p: Grid, n: Grid) -> tuple[NDArray[Any], NDArray[Any]]:
        x, y, z = np.abs(p[..., 0]), p[..., 1], p[..., 2]
        albedo = np.broadcast_to(np.array(colour), p.shape).copy()
        gloss = np.full(z.shape, 0.38)

        def put(where: NDArray[Any], what: tuple[float, float, float], shine: float) -> None:
            albedo[where] = what
            gloss[where] = shine

        rear = (n[..., 1] < -0.3) & (y < 0) & (n[..., 2] < 0.955)
        front = (n[..., 1] > 0.22) & (y > 0) & (n[..., 2] < 0.93)
        side = np.abs(n[..., 0]) > 0.6
        w = np.interp(z, *np.array(shape.waist).T)
        tall = shape.height
        low = np.interp(z, [0.2, 0.5], [1.0, 0.0]) * (z < 0.5)
        put(z < 0.30 + 0.02 * (tall > 2), _TRIM, 0.1)
        if bumper:
            put((rear | front) & (z < 0.30 * tall + 0.06) & (z < 0.62), _TRIM, 0.12)
        # Rear: glass, lamps, lid gap, reflectors, third brake lamp.
        if shape.rear_glass:
            glass = rear & (z > shape.belt + 0.07) & (z < shape.roof - 0.03) & (x < w - 0.09)
            put(
                rear & (z > shape.belt + 0.05) & (z < shape.roof) & (x < w - 0.06),
                (0.03, 0.03, 0.03),
                0.2,
            )
            put(glass, _GLASS, 0.85)
            put(
                rear & (np.abs(z - shape.roof + 0.015) < 0.018) & (x < 0.14),
                (0.45, 0.04, 0.04),
                0.3,
            )
            put(
                rear & (np.abs(z - shape.belt - 0.10) < 0.008) & (x < 0.25), (0.03, 0.03, 0.03), 0.1
            )
        lamp = rear & (x > x0) & (x < x1) & (z > z0) & (z < z1)
        put(lamp, (0.60, 0.03, 0.03), 0.4)
        middle = (z0 + z1) / 2
        put(lamp & (np.abs(z - middle) < 0.022), (0.85, 0.82, 0.78), 0.4)
        put(lamp & (np.abs(z - z1 + 0.03) < 0.014), (0.80, 0.36, 0.05), 0.4)
        gap = rear & (
            (np.abs(x - (x0 - 0.015)) < 0.006) | (np.abs(z - shape.plate_rear + 0.17) < 0.006)
        )
        put(gap & (z > shape.plate_rear - 0.17) & (z < shape.belt), (0.02, 0.02, 0.02), 0.0)
        recess = rear & (x < 0.29) & (np.abs(z - shape.plate_rear) < 0.085)
        albedo[recess] *= 0.45
        put(
            rear & (x < 0.27) & (np.abs(z - shape.plate_rear - 0.10) < 0.013),
            (0.7, 0.7, 0.71) if chrome else _TRIM,
            0.6,
        )
        put(rear & (np.hypot(x, z - shape.plate_rear - 0.17) < 0.035), (0.75, 0.75, 0.76), 0.7)
        put(
            rear & (x > 0.5 * w) & (x < 0.8 * w) & (np.abs(z - 0.42) < 0.02), (0.5, 0.04, 0.04), 0.3
        )
        # Front: windscreen, grille, headlamps, fog lamps.
        glass = front & (z > shape.belt + 0.05) & (z < shape.roof) & (x < w - 0.07)
        put(glass, _GLASS, 0.85)
        hood = 0.62 * shape.belt
        put(front & (np.abs(z - hood) < 0.10) & (x < 0.45), (0.05, 0.05, 0.055), 0.25)
        bars = front & (np.abs(z - hood) < 0.10) & (x < 0.45) & (np.sin(z * 190) > 0.5)
        put(bars, (0.55, 0.55, 0.57) if chrome else (0.14, 0.14, 0.15), 0.6)
        put(front & (np.hypot(x, z - hood) < 0.05), (0.8, 0.8, 0.81), 0.8)
        lamp = (
            (n[..., 1] > 0.2)
            & (x > 0.52 * w)
            & (x < 0.95 * w)
            & (z > hood - 0.05)
            & (z < hood + 0.11 + 0.08 * (x - 0.5 * w))
        )
        put(lamp, (0.80, 0.82, 0.84), 0.75)
        put(lamp & (np.hypot(x - 0.72 * w, z - hood - 0.03) < 0.05), (0.97, 0.97, 0.95), 0.8)
        put(
            front & (z < 0.36 + 0.1 * (tall > 2)) & (z > 0.24) & (x < 0.7 * w),
            (0.04, 0.04, 0.045),
            0.15,
        )
        # Sides: windows between pillars, door gaps, handles, wheel arches.
        along = (y + shape.length / 2) / shape.length
        panes = side & (z > shape.belt + 0.05) & (z < shape.roof - 0.04)
        count = 2 if shape.length < 5 else 6 if shape.length > 7 else 3
        pane = np.modf(np.clip((along - 0.18) / 0.62, 0, 0.999) * count)[0]
        put(panes & (along > 0.18) & (along < 0.80) & (pane > 0.04) & (pane < 0.96), _GLASS, 0.85)
        put(
            side
            & (z < shape.belt)
            & (z > 0.35)
            & (along > 0.2)
            & (along < 0.75)
            & (np.abs(pane - 0.02) < 0.012),
            (0.02, 0.02, 0.02),
            0.0,
        )
        put(
            side
            & (np.abs(z - shape.belt + 0.10) < 0.014)
            & (pane > 0.78)
            & (pane < 0.92)
            & (along < 0.75)
            & (along > 0.2),
            (0.5, 0.5, 0.5),
            0.4,
        )
        for axle in (0.19, 0.81):
            put(
                side & (np.hypot((along - axle) * shape.length, z - 0.32) < 0.37),
                (0.02, 0.02, 0.02),
                0.0,
            )
        # Road dust on the lower sills.
        albedo[...] = (
            albedo * (1 - 0.35 * low[..., None])
            + np.array([0.36, 0.33, 0.28]) * 0.35 * low[..., None]
        )
        return albedo, gloss

    return paint


def _shell(shape: _Shape, paint: Paint, shift: float = 0.0) -> Part:
    """Return a body's sheet metal as one part, `shift` metres ahead of the middle."""
    z = np.linspace(shape.front[0][0], shape.height, round(shape.height * 70))
    grid = stack(
        z,
        _profile(shape.waist, z),
        _profile(shape.front, z),
        -_profile(shape.rear, z),
        corner=shape.corner,
        ends=max(60, round(shape.width * 48)),
    )

    def moved(points: Grid, normals: Grid) -> tuple[NDArray[Any], NDArray[Any]]:
        return paint(points - (0, shift, 0), normals)

    return Part(grid + np.array((0, shift, 0)), moved if shift else paint, step=4)


def _rear_y(shape: _Shape, z: float) -> float:
    return -float(np.interp(z, *np.array(shape.rear).T))


def _front_y(shape: _Shape, z: float) -> float:
    """Return how far ahead of the middle the front is at a height."""
    return float(np.interp(z, *np.array(shape.front).T))


def car(model: str, paint: tuple[int, int, int], looks: int) -> Body:
    """Return a sedan, hatchback, suv, van or bus."""
    rng = np.random.default_rng([looks, 8])
    shape = _SHAPES[model]
    colour = (paint[0] / 255, paint[1] / 255, paint[2] / 255)
    parts = [_shell(shape, _body_paint(shape, colour, rng))]
    radius = 0.31 if shape.height < 2 else 0.36 if shape.height < 2.6 else 0.45
    axle = shape.length * 0.31
    for y in (-axle, axle):
        for x in (-1, 1):
            parts += wheel(y, radius, 0.22, x * (shape.width / 2 - 0.13))
    mirror_y = _front_y(shape, shape.belt + 0.1) - 0.15
    for x in (-1, 1):
        out = float(np.interp(shape.belt + 0.1, *np.array(shape.waist).T)) + 0.09
        parts.append(
            Part(
                ellipsoid(
                    (x * out, mirror_y, shape.belt + 0.12), (0.10, 0.05, 0.07), square=0.7, n=12
                ),
                plain(colour, 0.35),
            )
        )
    if shape.height < 2:
        pipe = [(-0.5, _rear_y(shape, 0.3) + 0.2, 0.27), (-0.5, _rear_y(shape, 0.3) - 0.01, 0.27)]
        parts.append(Part(tube(pipe, 0.035, rings=5), plain((0.4, 0.4, 0.42), 0.5)))
    plates = {
        "rear": plate_corners(
            "rear", _rear_y(shape, shape.plate_rear) - 0.02, shape.plate_rear, ONE_LINE_MM, 2
        ),
        "front": plate_corners(
            "front", _front_y(shape, shape.plate_front) + 0.025, shape.plate_front, ONE_LINE_MM, 2
        ),
    }
    return Body(tuple(parts), plates, (shape.length, shape.width, shape.height))


def box_truck(paint: tuple[int, int, int], looks: int) -> Body:
    """Return a light lorry with a box body."""
    rng = np.random.default_rng([looks, 9])
    colour = (paint[0] / 255, paint[1] / 255, paint[2] / 255)
    cab = _SHAPES["cab"]
    shift = 1.95
    parts = [_shell(cab, _body_paint(cab, colour, rng), shift)]
    load = ((0.78, 0.79, 0.80), (0.72, 0.73, 0.70), (0.30, 0.42, 0.58), (0.25, 0.38, 0.28))[
        int(rng.integers(4))
    ]
    stripe = (0.62, 0.12, 0.12) if rng.random() < 0.5 else (0.15, 0.28, 0.55)

    def box_paint(p: Grid, n: Grid) -> tuple[NDArray[Any], NDArray[Any]]:
        x, y, z = p[..., 0], p[..., 1], p[..., 2]
        albedo = np.broadcast_to(np.array(load), p.shape).copy()
        gloss = np.full(x.shape, 0.16)
        rear, side = n[..., 1] < -0.6, np.abs(n[..., 0]) > 0.6
        ribs = side & (np.sin(y * 42) > 0.86)
        albedo[ribs] *= 0.8
        albedo[side & (np.abs(z - 1.7) < 0.16)] = stripe
        albedo[rear & (np.abs(x) < 0.008)] = (0.05, 0.05, 0.05)
        edge = rear & ((np.abs(x) > 0.93) | (z < 0.98) | (z > 2.62))
        albedo[edge] *= 0.62
        for at in (-0.34, 0.34):  # locking bars and handles
            albedo[rear & (np.abs(x - at) < 0.018)] = (0.42, 0.43, 0.44)
            albedo[rear & (np.abs(x - at * 0.7) < 0.12) & (np.abs(z - 1.45) < 0.02)] = (
                0.3,
                0.3,
                0.31,
            )
        for at in (-0.88, 0.88):
            albedo[rear & (np.abs(x - at) < 0.03) & (np.sin(z * 16) > 0)] = (0.62, 0.08, 0.07)
        albedo[rear & (np.abs(z - 0.99) < 0.03) & (np.sin(x * 16) > 0)] = (0.62, 0.08, 0.07)
        grime = np.clip((1.35 - z) / 0.6, 0, 1)[..., None] * 0.3
        return albedo * (1 - grime) + np.array([0.35, 0.32, 0.28]) * grime, gloss

    z = np.linspace(0.92, 2.72, 120)
    even = np.ones_like(z)
    box = stack(z, even * 1.0, even * 1.05, even * -2.85, corner=0.03, ends=90, sides=60)
    parts.append(Part(box, box_paint, step=4))
    dark = plain((0.08, 0.08, 0.085), 0.08)
    parts += [
        Part(ellipsoid((0, -0.6, 0.72), (0.42, 2.15, 0.12), square=0.2, n=16), dark),
        Part(ellipsoid((0, -2.80, 0.66), (0.95, 0.05, 0.09), square=0.25, n=18), dark),
        Part(ellipsoid((0, -2.84, 0.80), (0.30, 0.01, 0.10), square=0.25, n=14), dark),
    ]
    for x in (-1, 1):
        parts += wheel(-1.75, 0.39, 0.36, x * 0.76) + wheel(2.0, 0.39, 0.22, x * 0.82)
        parts.append(
            Part(
                ellipsoid((x * 0.74, -2.84, 0.72), (0.14, 0.03, 0.055), square=0.35, n=14),
                plain((0.58, 0.04, 0.04), 0.35),
            )
        )
        parts.append(
            Part(
                ellipsoid((x * 0.56, -2.84, 0.72), (0.045, 0.03, 0.05), square=0.4, n=10),
                plain((0.8, 0.4, 0.06), 0.35),
            )
        )
        parts.append(
            Part(ellipsoid((x * 0.76, -2.25, 0.50), (0.19, 0.012, 0.20), square=0.3, n=12), dark)
        )
        parts.append(
            Part(ellipsoid((x * 1.05, 2.55, 1.55), (0.08, 0.03, 0.14), square=0.6, n=10), dark)
        )
    plates = {
        "rear": plate_corners("rear", -2.875, 0.80, ONE_LINE_MM, 0),
        "front": plate_corners("front", shift + _front_y(cab, 0.62) + 0.02, 0.62, ONE_LINE_MM, 0),
    }
    return Body(tuple(parts), plates, (5.75, 2.05, 2.75))
