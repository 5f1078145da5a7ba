"""Motorcycles and bicycles with their riders, put together from tubes and ellipsoids."""

from __future__ import annotations

import math

import numpy as np

from workbench.twin.mesh import Body, Colour, Part, ellipsoid, plain, plate_corners, tube, wheel
from workbench.twin.people import BLACK, rider
from workbench.twin.pictures import TWO_LINES_MM

_CHROME = plain((0.55, 0.56, 0.58), 0.65)
_TAIL = plain((0.72, 0.05, 0.04), 0.35)
_AMBER = plain((0.85, 0.45, 0.06), 0.3)


def motorcycle(model: str, paint: tuple[int, int, int], looks: int, *, ridden: bool = True) -> Body:
    """Return a scooter or an underbone with its rider; the plate hangs behind the rear wheel."""
    rng = np.random.default_rng([looks, 3])
    colour: Colour = (paint[0] / 255, paint[1] / 255, paint[2] / 255)
    body = plain(colour, 0.42)
    scooter = model == "scooter"
    radius = 0.25 if scooter else 0.29
    parts = wheel(-0.62, radius, 0.11 if scooter else 0.085) + wheel(0.63, radius, 0.085)
    seat_z = 0.76
    if scooter:
        parts += [
            Part(
                tube(
                    [(0, -0.86, 0.71), (0, -0.6, 0.62), (0, -0.3, 0.50), (0, -0.05, 0.40)],
                    [0.07, 0.155, 0.17, 0.12],
                    n=24,
                    flat=0.85,
                    rings=26,
                ),
                body,
            ),
            Part(ellipsoid((0, 0.13, 0.30), (0.17, 0.33, 0.05), square=0.5), BLACK),
            Part(
                tube(
                    [(0, 0.32, 0.34), (0, 0.40, 0.62), (0, 0.44, 0.90)],
                    [0.15, 0.21, 0.12],
                    n=24,
                    flat=0.5,
                    rings=18,
                ),
                body,
            ),
        ]
    else:
        parts += [
            Part(
                tube(
                    [(0, -0.84, 0.74), (0, -0.6, 0.66), (0, -0.2, 0.58), (0, 0.15, 0.52)],
                    [0.05, 0.105, 0.12, 0.09],
                    n=20,
                    flat=0.9,
                    rings=24,
                ),
                body,
            ),
            Part(
                ellipsoid((0, 0.0, 0.36), (0.10, 0.17, 0.13), square=0.7),
                plain((0.28, 0.28, 0.29), 0.35),
            ),
            Part(
                tube(
                    [(0, 0.25, 0.45), (0, 0.38, 0.62), (0, 0.46, 0.86)],
                    [0.10, 0.17, 0.08],
                    n=24,
                    flat=0.5,
                    rings=18,
                ),
                body,
            ),
        ]
    parts += [
        # Seat, rear mudguard with the plate's holder, lamps.
        Part(ellipsoid((0, -0.38, seat_z - 0.02), (0.14, 0.43, 0.065), square=0.7, n=22), BLACK),
        Part(
            tube(
                [(0, -0.72, 0.60), (0, -0.86, 0.58), (0, -0.945, 0.44), (0, -0.95, 0.33)],
                [0.08, 0.085, 0.075, 0.06],
                n=16,
                flat=0.35,
            ),
            BLACK,
        ),
        Part(
            ellipsoid(
                (0, -0.875, 0.705), (0.105 if scooter else 0.075, 0.035, 0.038), square=0.6, n=18
            ),
            _TAIL,
        ),
        Part(tube([(-0.15, -0.62, radius + 0.02), (-0.13, -0.48, 0.58)], 0.028, rings=14), _CHROME),
        Part(tube([(0.15, -0.62, radius + 0.02), (0.13, -0.48, 0.58)], 0.028, rings=14), _CHROME),
        Part(
            tube(
                [(0.13, 0.05, 0.24), (0.16, -0.35, 0.27), (0.17, -0.82, 0.36)],
                [0.03, 0.05, 0.058],
                n=16,
            ),
            _CHROME if not scooter else BLACK,
        ),
        Part(
            tube([(0.17, -0.80, 0.355), (0.17, -0.845, 0.365)], [0.03, 0.032], n=12, rings=4),
            plain((0.04, 0.04, 0.04), 0.0),
        ),
        # Fork, front mudguard, headlamp, handlebar, mirrors.
        Part(tube([(0.08, 0.63, radius), (0.07, 0.52, 0.66)], 0.026, rings=10), _CHROME),
        Part(tube([(-0.08, 0.63, radius), (-0.07, 0.52, 0.66)], 0.026, rings=10), _CHROME),
        Part(ellipsoid((0, 0.66, radius + 0.2), (0.075, 0.24, 0.09), n=16), body),
        Part(ellipsoid((0, 0.48, 0.93), (0.15, 0.12, 0.10), n=18), body),
        Part(
            ellipsoid((0, 0.585, 0.92), (0.085, 0.03, 0.06), n=14), plain((0.85, 0.86, 0.84), 0.7)
        ),
        Part(
            tube(
                [(-0.35, 0.32, 1.0), (-0.12, 0.44, 1.0), (0.12, 0.44, 1.0), (0.35, 0.32, 1.0)],
                0.018,
                rings=18,
            ),
            BLACK,
        ),
    ]
    for side in (1, -1):
        wide = 0.17 if scooter else 0.13
        parts += [
            Part(ellipsoid((side * wide, -0.845, 0.685), (0.038, 0.03, 0.028), n=10), _AMBER),
            Part(
                tube(
                    [(side * 0.26, 0.37, 1.0), (side * 0.30, 0.40, 1.12), (side * 0.33, 0.38, 1.2)],
                    0.008,
                    rings=10,
                ),
                BLACK,
            ),
            Part(
                ellipsoid((side * 0.345, 0.37, 1.215), (0.06, 0.015, 0.04), n=12),
                plain((0.20, 0.22, 0.25), 0.5),
            ),
            Part(ellipsoid((side * 0.33, 0.335, 1.0), (0.055, 0.025, 0.022), n=8), BLACK),
        ]
    if rng.random() < 0.75:
        parts.append(
            Part(
                tube(
                    [
                        (-0.10, -0.55, 0.76),
                        (-0.10, -0.84, 0.80),
                        (0.10, -0.84, 0.80),
                        (0.10, -0.55, 0.76),
                    ],
                    0.013,
                    rings=20,
                ),
                _CHROME,
            )
        )
    if ridden:
        foot = (0.13, 0.20, 0.34) if scooter else (0.2, 0.02, 0.30)
        alone = rng.random() < 0.72
        parts += rider(-0.13, seat_z, (0.33, 0.33, 1.02), foot, rng)
        if not alone:
            parts += rider(-0.47, seat_z + 0.02, None, (0.2, -0.35, 0.36), rng)
        elif rng.random() < 0.28:
            box_colour = (
                (0.05, 0.50, 0.25),
                (0.90, 0.35, 0.12),
                (0.62, 0.50, 0.36),
                (0.12, 0.16, 0.24),
            )
            box = ellipsoid((0, -0.62, 1.02), (0.24, 0.22, 0.22), square=0.15, n=26)
            parts.append(Part(box, plain(box_colour[int(rng.integers(4))], 0.08)))
    height = 1.68 if ridden else 1.25
    plates = {"rear": plate_corners("rear", -0.985, 0.50, TWO_LINES_MM, 14)}
    return Body(tuple(parts), plates, (2.0, 0.8, height), two_lines=True)


def bicycle(paint: tuple[int, int, int], looks: int) -> Body:
    """Return a bicycle with its rider."""
    rng = np.random.default_rng([looks, 4])
    frame = plain((paint[0] / 255, paint[1] / 255, paint[2] / 255), 0.4)
    parts: list[Part] = []
    for y in (-0.53, 0.53):
        a = np.linspace(0, 2 * np.pi, 49)[:, None]
        b = np.linspace(0, 2 * np.pi, 9)[None, :]
        r = 0.32 + 0.018 * np.cos(b)
        ring = np.stack(
            [0.018 * np.sin(b) * np.ones_like(a), y + r * np.cos(a), 0.34 + r * np.sin(a)], -1
        )
        parts.append(Part(ring[:, ::-1], BLACK))
        parts.append(Part(ellipsoid((0, y, 0.34), (0.04, 0.03, 0.03), n=8), _CHROME))
        for spoke in range(9):
            at = spoke * 2 * math.pi / 9
            end = (0.0, y + 0.31 * math.cos(at), 0.34 + 0.31 * math.sin(at))
            parts.append(Part(tube([(0, y, 0.34), end], 0.003, n=4, rings=3), _CHROME))
    for path in (
        [(0, -0.53, 0.34), (0, -0.12, 0.28), (0, 0.40, 0.72)],
        [(0, -0.12, 0.28), (0, -0.22, 0.82)],
        [(0, -0.22, 0.72), (0, 0.40, 0.78)],
        [(0, 0.53, 0.34), (0, 0.38, 0.98)],
    ):
        parts += [Part(tube(path, 0.018, rings=16), frame)]
    parts += [
        Part(
            tube([(-0.27, 0.28, 1.0), (0, 0.38, 1.0), (0.27, 0.28, 1.0)], 0.013, rings=16), _CHROME
        ),
        Part(ellipsoid((0, -0.25, 0.86), (0.09, 0.14, 0.035), n=10), BLACK),
        Part(
            tube(
                [(0, -0.80, 0.62), (0, -0.72, 0.69), (0, -0.5, 0.69)], [0.05, 0.05, 0.04], flat=0.2
            ),
            BLACK,
        ),
        Part(ellipsoid((0, -0.86, 0.58), (0.025, 0.012, 0.035), n=8), _TAIL),
    ]
    hat = ("cone", "cap", "none")[int(rng.integers(3))]
    parts += rider(-0.22, 0.86, (0.26, 0.29, 1.02), (0.1, 0.02, 0.30), rng, hat=hat)
    return Body(tuple(parts), {}, (1.8, 0.6, 1.72))
