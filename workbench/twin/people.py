"""People: walking, riding, holding on; put together from tubes and ellipsoids."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from workbench.twin.mesh import Body, Colour, Part, cloth, ellipsoid, plain, tube

SKIN: Colour = (0.62, 0.45, 0.34)
_SHIRTS: tuple[Colour, ...] = (
    (0.85, 0.86, 0.88),
    (0.16, 0.22, 0.40),
    (0.55, 0.12, 0.14),
    (0.20, 0.21, 0.22),
    (0.25, 0.42, 0.62),
    (0.32, 0.44, 0.30),
    (0.80, 0.72, 0.55),
    (0.70, 0.42, 0.50),
    (0.88, 0.55, 0.16),
    (0.40, 0.36, 0.46),
)
_TROUSERS: tuple[Colour, ...] = (
    (0.12, 0.14, 0.20),
    (0.10, 0.10, 0.11),
    (0.25, 0.30, 0.42),
    (0.42, 0.37, 0.30),
    (0.30, 0.30, 0.32),
)
_HELMETS: tuple[Colour, ...] = (
    (0.85, 0.85, 0.84),
    (0.10, 0.10, 0.11),
    (0.62, 0.10, 0.12),
    (0.14, 0.25, 0.52),
    (0.70, 0.64, 0.20),
    (0.50, 0.52, 0.55),
    (0.72, 0.48, 0.56),
)
BLACK = plain((0.07, 0.07, 0.075), 0.12)


def _pick(rng: np.random.Generator, colours: tuple[Colour, ...]) -> Colour:
    return colours[int(rng.integers(len(colours)))]


def _torso(
    base: tuple[float, float, float],
    top: tuple[float, float, float],
    wide: float,
    seed: int,
    colour: Colour,
    stripe: Colour | None = None,
) -> list[Part]:
    # Hips to shoulders as a flattened tube: its radii are half the width, flat makes it a chest.
    b, t = np.array(base), np.array(top)
    at = [b, b + (t - b) * 0.3, b + (t - b) * 0.62, b + (t - b) * 0.88, t + (t - b) * 0.03]
    radii = [wide * 0.86, wide * 0.80, wide * 0.98, wide * 1.02, wide * 0.62]
    grid = tube([tuple(p) for p in at], radii, n=24, flat=0.62, rings=28)
    return [Part(grid, cloth(colour, seed, stripe))]


def _head(at: tuple[float, float, float], rng: np.random.Generator, hat: str) -> list[Part]:
    x, y, z = at
    parts = [
        Part(ellipsoid((x, y, z), (0.078, 0.095, 0.115), n=14), plain(SKIN, 0.05)),
        Part(
            ellipsoid((x, y - 0.025, z + 0.02), (0.083, 0.09, 0.112), n=14),
            plain((0.05, 0.045, 0.04), 0.15),
        ),
        Part(tube([(x, y - 0.01, z - 0.2), (x, y, z - 0.06)], 0.055, rings=6), plain(SKIN, 0.03)),
    ]
    if hat == "helmet":
        colour = _pick(rng, _HELMETS)
        dome = ellipsoid((x, y - 0.005, z + 0.045), (0.125, 0.145, 0.125), n=22)
        dome[..., 2] = np.maximum(dome[..., 2], z + 0.005)

        def paint(
            points: NDArray[np.float64], normals: NDArray[np.float64]
        ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            albedo, gloss = plain(colour, 0.45)(points, normals)
            rim = points[..., 2] < z + 0.022
            albedo[rim] = (0.08, 0.08, 0.08)
            stripe = (np.abs(points[..., 0] - x) < 0.018) & (points[..., 1] < y + 0.1)
            albedo[stripe] = np.array(colour) * 0.55 + 0.1
            return albedo, gloss

        parts.append(Part(dome, paint))
        parts.append(Part(ellipsoid((x, y + 0.14, z + 0.03), (0.085, 0.06, 0.012), n=8), BLACK))
        if rng.random() < 0.45:  # hair below the helmet
            tail = tube(
                [(x, y - 0.1, z), (x, y - 0.13, z - 0.14), (x, y - 0.12, z - 0.27)],
                [0.05, 0.045, 0.02],
            )
            parts.append(Part(tail, plain((0.05, 0.04, 0.035), 0.15)))
        if rng.random() < 0.5:  # a mask against the dust
            parts.append(
                Part(
                    ellipsoid((x, y + 0.055, z - 0.04), (0.07, 0.05, 0.055), n=10),
                    plain((0.75, 0.8, 0.85), 0.02),
                )
            )
    elif hat == "cone":
        rings = np.linspace(0.005, 1, 14)[:, None]
        a = np.linspace(0, 2 * np.pi, 33)[None, :]
        cone = np.stack(
            [
                x + 0.21 * rings * np.cos(a),
                y + 0.21 * rings * np.sin(a),
                z + 0.20 - 0.16 * rings * np.ones_like(a),
            ],
            -1,
        )
        parts.append(Part(cone, plain((0.78, 0.70, 0.48), 0.08)))
    elif hat == "cap":
        parts.append(
            Part(
                ellipsoid((x, y, z + 0.06), (0.095, 0.11, 0.075), n=12),
                plain(_pick(rng, _SHIRTS), 0.05),
            )
        )
        parts.append(
            Part(
                ellipsoid((x, y + 0.12, z + 0.05), (0.07, 0.07, 0.01), n=8),
                plain((0.1, 0.1, 0.12), 0.05),
            )
        )
    return parts


def _limb(
    path: list[tuple[float, float, float]], radii: list[float], paint_seed: int, colour: Colour
) -> Part:
    return Part(tube(path, radii, n=11, rings=14), cloth(colour, paint_seed))


def rider(
    y: float,
    seat_z: float,
    hands: tuple[float, float, float] | None,
    foot: tuple[float, float, float],
    rng: np.random.Generator,
    *,
    hat: str = "helmet",
) -> list[Part]:
    """Return a seated person; without `hands` a pillion who holds on to the one in front."""
    size = float(rng.uniform(0.94, 1.05))
    shirt, trousers = _pick(rng, _SHIRTS), _pick(rng, _TROUSERS)
    seed = int(rng.integers(1 << 20))
    stripe = _pick(rng, _SHIRTS) if rng.random() < 0.2 else None
    lean = 0.07 if hands else 0.03
    hip = (0.0, y, seat_z + 0.06)
    shoulder = (0.0, y + lean, seat_z + 0.55 * size)
    parts = _torso(hip, shoulder, 0.195 * size, seed, shirt, stripe)
    parts += _head((0.0, y + lean + 0.04, seat_z + 0.75 * size), rng, hat)
    reach = hands or (0.14, y + 0.26, seat_z + 0.22)
    elbow = (
        reach[0] + 0.06,
        (shoulder[1] + reach[1]) / 2 - 0.05,
        (shoulder[2] + reach[2]) / 2 - 0.06,
    )
    long_sleeves = rng.random() < 0.65
    for side in (1, -1):
        arm = [
            (side * 0.19, shoulder[1], shoulder[2] - 0.03),
            (side * elbow[0], elbow[1], elbow[2]),
            (side * reach[0], reach[1], reach[2]),
        ]
        parts.append(_limb(arm, [0.062, 0.046, 0.034], seed, shirt if long_sleeves else SKIN))
        if not long_sleeves:
            parts.append(
                _limb([arm[0], tuple((np.array(arm[0]) + arm[1]) / 2)], [0.066, 0.058], seed, shirt)
            )
        parts.append(Part(ellipsoid(arm[2], (0.035, 0.05, 0.035), n=8), plain(SKIN, 0.03)))
        knee = (side * 0.21, y + 0.40, seat_z - 0.01)
        leg = [
            (side * 0.10, y + 0.02, seat_z + 0.04),
            knee,
            (side * foot[0], foot[1] - 0.04, foot[2] + 0.08),
        ]
        parts.append(_limb(leg, [0.095, 0.07, 0.05], seed + 1, trousers))
        shoe = ellipsoid(
            (side * foot[0], foot[1] + 0.03, foot[2] + 0.03), (0.045, 0.12, 0.045), square=0.8, n=10
        )
        parts.append(Part(shoe, plain((0.09, 0.08, 0.08), 0.1)))
    if rng.random() < (0.16 if hands else 0.25):
        pack = ellipsoid((0, y - 0.17, seat_z + 0.33), (0.16, 0.1, 0.21), square=0.6, n=16)
        parts.append(Part(pack, cloth(_pick(rng, _SHIRTS[1:]), seed + 2)))
    return parts


def walker(looks: int, phase: float) -> Body:
    """Return a walking person at a phase 0..1 of the gait; faces y forward."""
    rng = np.random.default_rng([looks, 6])
    shirt, trousers = _pick(rng, _SHIRTS), _pick(rng, _TROUSERS)
    seed = int(rng.integers(1 << 20))
    size = float(rng.uniform(0.92, 1.05))
    swing = math.sin(2 * math.pi * phase)
    bob = 0.018 * math.cos(4 * math.pi * phase)
    hip_z, top = (0.92 + bob) * size, (1.42 + bob) * size
    parts = _torso(
        (0, 0, hip_z),
        (0, 0.03, top),
        0.185 * size,
        seed,
        shirt,
        _pick(rng, _SHIRTS) if rng.random() < 0.25 else None,
    )
    hat = ("none", "cap", "cone", "none", "none")[int(rng.integers(5))]
    parts += _head((0, 0.06, (1.62 + bob) * size), rng, hat)
    skirt = rng.random() < 0.15
    for side in (1, -1):
        stride = 0.30 * swing * side
        lift = 0.09 * max(0.0, math.cos(2 * math.pi * phase) * -side)
        ankle = (side * 0.09, stride, 0.09 + lift)
        knee = (side * 0.10, stride * 0.45 + 0.06 + lift * 0.7, 0.50 * size)
        parts.append(
            _limb(
                [(side * 0.09, 0, hip_z), knee, ankle],
                [0.092, 0.065, 0.045],
                seed + 1,
                SKIN if skirt else trousers,
            )
        )
        parts.append(
            Part(
                ellipsoid(
                    (ankle[0], ankle[1] + 0.06, ankle[2] - 0.05),
                    (0.045, 0.125, 0.04),
                    square=0.8,
                    n=10,
                ),
                plain((0.1, 0.09, 0.09), 0.1),
            )
        )
        hand = (side * 0.26, -stride * 0.85 + 0.05, hip_z - 0.05)
        elbow = (side * 0.27, -stride * 0.35 - 0.03, (hip_z + top) / 2)
        parts.append(
            _limb(
                [(side * 0.19, 0.02, top - 0.04), elbow, hand], [0.058, 0.045, 0.033], seed, shirt
            )
        )
        parts.append(Part(ellipsoid(hand, (0.03, 0.035, 0.055), n=8), plain(SKIN, 0.03)))
    if skirt:
        parts.append(
            Part(
                tube([(0, 0, hip_z + 0.05), (0, 0, 0.45)], [0.16, 0.25], n=20, flat=0.75),
                cloth(trousers, seed),
            )
        )
    if rng.random() < 0.3:
        bag = ellipsoid((0.3, -swing * 0.25, hip_z - 0.22), (0.06, 0.13, 0.15), square=0.6, n=12)
        parts.append(Part(bag, plain(_pick(rng, _SHIRTS), 0.1)))
    return Body(tuple(parts), {}, (0.7, 0.6, 1.75 * size))
