"""Light lorries: a cab, a box with doors, a chassis with lamps."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.twin.cars import SHAPES, body_paint, front_y, shell
from workbench.twin.mesh import Body, Grid, Part, ellipsoid, plain, plate_corners, stack, wheel
from workbench.twin.plates_art import ONE_LINE_MM


def box_truck(paint: tuple[int, int, int], looks: int) -> Body:
    """Return a light lorry with a box body."""
    rng = np.random.default_rng([looks, 9])
    colour = (paint[0] / 255, paint[1] / 255, paint[2] / 255)
    cab = SHAPES["cab"]
    shift = 1.95
    parts = [shell(cab, body_paint(cab, colour, rng), shift)]
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
        "front": plate_corners("front", shift + front_y(cab, 0.62) + 0.02, 0.62, ONE_LINE_MM, 0),
    }
    return Body(tuple(parts), plates, (5.75, 2.05, 2.75))
