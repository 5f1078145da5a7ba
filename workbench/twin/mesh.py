"""Bodies as grids of points with colours: what vehicles and people are put together from.

Frames are in metres: x to the right, y forward, z up. Colours are 0..1 sRGB albedo; ``gloss`` is
how much of the surroundings a surface mirrors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.twin.views import Light

Grid = NDArray[np.float64]
Colour = tuple[float, float, float]
Paint = Callable[[Grid, Grid], tuple[NDArray[Any], NDArray[Any]]]
"""Takes points and normals [..., 3]; returns albedo [..., 3] and gloss [...]."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A grid of points [m, n, 3] and how it is painted; ``step`` thins the grid for drawing."""

    points: Grid
    paint: Paint
    step: int = 1


def plain(colour: Colour, gloss: float = 0.1) -> Paint:
    """Return a paint of one colour."""

    def paint(points: Grid, normals: Grid) -> tuple[NDArray[Any], NDArray[Any]]:
        shape = points.shape[:-1]
        return np.broadcast_to(np.array(colour), (*shape, 3)).copy(), np.full(shape, gloss)

    return paint


def cloth(colour: Colour, seed: int, stripe: Colour | None = None) -> Paint:
    """Return a cloth: dull, with soft folds and, where asked, broad stripes."""
    rng = np.random.default_rng([seed, 21])
    waves = rng.normal(0, 1, (6, 3)) * (14, 10, 22)
    phases = rng.uniform(0, 6.28, 6)

    def paint(points: Grid, normals: Grid) -> tuple[NDArray[Any], NDArray[Any]]:
        folds = np.sin(points @ waves.T + phases).mean(-1)
        albedo = np.broadcast_to(np.array(colour), points.shape).copy()
        if stripe is not None:
            band = np.sin(points[..., 2] * 70) > 0.3
            albedo[band] = stripe
        return np.clip(albedo * (1 + 0.30 * folds[..., None]), 0, 1), np.full(folds.shape, 0.02)

    return paint


def _normals(points: Grid) -> Grid:
    """Return unit normals of a grid, pointing out of it for the shapes of this module."""
    du = np.gradient(points, axis=0)
    dv = np.gradient(points, axis=1)
    normals = np.cross(du, dv)
    length = np.linalg.norm(normals, axis=-1, keepdims=True)
    # A pole has no direction of its own: take its neighbours'.
    flat = length[..., 0] < 1e-12
    if flat.any():
        normals[0][flat[0]] = normals[1].mean(0)
        normals[-1][flat[-1]] = normals[-2].mean(0)
        length = np.linalg.norm(normals, axis=-1, keepdims=True)
    return np.asarray(normals / np.maximum(length, 1e-12))


def ellipsoid(
    centre: Sequence[float],
    radii: Sequence[float],
    *,
    square: float = 1.0,
    n: int = 13,
) -> Grid:
    """Return a superellipsoid: ``square`` 1 is round, 0.2 a box with soft edges."""
    lat = np.linspace(-np.pi / 2, np.pi / 2, n)[:, None]
    lon = np.linspace(-np.pi, np.pi, 2 * n)[None, :]

    def power(x: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(np.sign(x) * np.abs(x) ** square)

    unit = np.stack(
        [
            power(np.cos(lat)) * power(np.cos(lon)),
            power(np.cos(lat)) * power(np.sin(lon)),
            power(np.sin(lat)) * np.ones_like(lon),
        ],
        axis=-1,
    )
    points = unit * np.asarray(radii)
    # Rows run from pole to pole; this order makes the cross product point outwards.
    return np.asarray(points + np.asarray(centre))[::-1]


def tube(
    path: Sequence[Sequence[float]],
    radii: Sequence[float] | float,
    *,
    n: int = 10,
    flat: float = 1.0,
    rings: int = 15,
) -> Grid:
    """Return a bent tube with rounded ends through `path`; ``flat`` scales its y-thickness."""
    knots = np.asarray(path, dtype=float)
    sizes = np.broadcast_to(np.asarray(radii, dtype=float), len(knots))
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(knots, axis=0), axis=1))])
    at = np.linspace(0, along[-1], rings)
    centre = np.stack([np.interp(at, along, knots[:, k]) for k in range(3)], axis=-1)
    if len(knots) > 2:  # round off the corners
        for _ in range(3):
            centre[1:-1] = (centre[:-2] + 2 * centre[1:-1] + centre[2:]) / 4
    radius = np.interp(at, along, sizes)
    tangent = np.gradient(centre, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
    ends = np.array([0.0, 0.45, 0.75, 0.93])
    caps = np.sqrt(1 - (1 - ends) ** 2)
    before = centre[0] - tangent[0] * radius[0] * (1 - ends)[:, None]
    after = centre[-1] + tangent[-1] * radius[-1] * (1 - ends[::-1])[:, None]
    centre = np.concatenate([before, centre, after])
    radius = np.concatenate([caps * radius[0], radius, caps[::-1] * radius[-1]])
    tangent = np.concatenate([[tangent[0]] * 4, tangent, [tangent[-1]] * 4])
    side = np.cross(tangent, [0.0, 1.0, 0.02])
    short = np.linalg.norm(side, axis=1) < 0.15
    side[short] = np.cross(tangent[short], [0.0, 0.02, 1.0])
    side /= np.linalg.norm(side, axis=1, keepdims=True)
    up = np.cross(side, tangent)
    angle = np.linspace(0, 2 * np.pi, n + 1)
    ring = np.cos(angle)[None, :, None] * side[:, None] + np.sin(angle)[None, :, None] * up[
        :, None
    ] * (flat)
    return np.asarray(centre[:, None] + ring * radius[:, None, None])


def wheel(y: float, radius: float, width: float, x: float = 0.0) -> list[Part]:
    """Return a tyre with rim and hub around the x axis."""
    a = np.linspace(0, 2 * np.pi, 49)[:, None]
    b = np.linspace(0, 2 * np.pi, 17)[None, :]
    thick = radius * 0.16
    r = radius - thick + thick * np.cos(b)
    tyre = np.stack(
        [x + width / 2 * np.sin(b) * np.ones_like(a), y + r * np.cos(a), radius + r * np.sin(a)],
        axis=-1,
    )
    rim = ellipsoid((x, y, radius), (width * 0.3, radius * 0.72, radius * 0.72), n=12)
    hub = ellipsoid((x, y, radius), (width * 0.55, radius * 0.24, radius * 0.24), n=8)
    return [
        Part(tyre[:, ::-1], plain((0.06, 0.06, 0.065), 0.05)),
        Part(rim, plain((0.30, 0.31, 0.32), 0.3)),
        Part(hub, plain((0.45, 0.46, 0.47), 0.4)),
    ]


def stack(
    heights: NDArray[Any],
    half_width: NDArray[Any],
    front: NDArray[Any],
    rear: NDArray[Any],
    *,
    corner: float,
    ends: int = 90,
    sides: int = 70,
) -> Grid:
    """Return a body as a stack of rounded rectangles: one ring a height, closed at the top.

    `half_width`, `front` (largest y) and `rear` (smallest y) are given for each of `heights`;
    rings start in the middle of the rear. More points lie on the ends than on the sides.
    """
    rings = []
    for z, w, f, b in zip(heights, half_width, front, rear, strict=True):
        c = min(corner, w * 0.8, (f - b) * 0.4)
        q = np.linspace(0, np.pi / 2, 9)
        half = np.concatenate(
            [
                np.stack([np.linspace(0, w - c, ends), np.full(ends, b)], -1),
                np.stack([w - c + c * np.sin(q), b + c - c * np.cos(q)], -1)[1:],
                np.stack([np.full(sides, w), np.linspace(b + c, f - c, sides)], -1)[1:],
                np.stack([w - c + c * np.cos(q), f - c + c * np.sin(q)], -1)[1:],
                np.stack([np.linspace(w - c, 0, ends), np.full(ends, f)], -1)[1:],
            ]
        )
        ring = np.concatenate([half, (half * (-1, 1))[::-1][1:]])
        rings.append(np.column_stack([ring, np.full(len(ring), z)]))
    grid = np.array(rings)
    middle = grid[-1].mean(0)
    lid = [
        middle + (grid[-1] - middle) * s + (0, 0, 0.02 * (1 - s))
        for s in (0.97, 0.9, 0.6, 0.3, 0.02)
    ]
    return np.concatenate([grid, lid])[:, ::-1]


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """Parts of one thing and the rectangle its plate sits in, at each plated end.

    ``plates`` maps ``rear``/``front`` to the corners float64[4, 3]: seen from that end, top left,
    top right, bottom right, bottom left. ``size_m`` is length, width, height.
    """

    parts: tuple[Part, ...]
    plates: dict[str, Grid]
    size_m: tuple[float, float, float]
    two_lines: bool = False

    def box(self) -> Grid:
        """Return the eight corners of the thing's box."""
        length, width, height = self.size_m
        x, y = width / 2, length / 2
        return np.array([(i, j, k) for i in (-x, x) for j in (-y, y) for k in (0.0, height)])

    def hulls(self) -> list[Grid]:
        """Return thinned point clouds, one a part, for shadows."""
        return [
            part.points[:: 5 * part.step, :: 4 * part.step].reshape(-1, 3) for part in self.parts
        ]


def plate_corners(
    end: str, y: float, z: float, size_mm: tuple[float, float], lean_deg: float = 0.0
) -> Grid:
    """Return a plate's corners at (0, y, z); its top leans to the middle."""
    w, h = size_mm[0] / 2000, size_mm[1] / 2000
    out = -1.0 if end == "rear" else 1.0
    # Seen from behind, the vehicle's right (x > 0) is on the right; seen from the front, left.
    left = -w if end == "rear" else w
    a = np.radians(lean_deg)
    top = np.array([0, -out * np.sin(a) * h, np.cos(a) * h])
    centre = np.array([0.0, y, z])
    side = np.array([left, 0, 0])
    return np.array(
        [centre + side + top, centre - side + top, centre - side - top, centre + side - top]
    )


def bake(part: Part, light: Light, towards_eye: NDArray[Any], turned: bool) -> NDArray[np.uint8]:
    """Return the colours of a part's grid as the eye sees them, uint8[m, n, 3].

    Lighting is baked in: the eye's direction barely changes while a vehicle drives along a street,
    and the renderer then only has to fill triangles.
    """
    normals = _normals(part.points)
    middle = part.points.reshape(-1, 3).mean(0)
    if ((part.points - middle) * normals).sum() < 0:
        normals = -normals
    albedo, gloss = part.paint(part.points, normals)
    height = part.points[..., 2]
    if turned:
        normals = normals * (-1, -1, 1)
    linear = np.clip(albedo, 0, 1) ** 2.2
    sun = np.clip(normals @ light.sun, 0, None) * light.hard
    up = normals[..., 2]
    sky = 0.62 * (0.55 + 0.45 * up) * np.interp(height, [0.0, 0.25, 0.9], [0.35, 0.6, 1.0])
    ground = 0.16 * (0.5 - 0.5 * up)
    lit = linear * (sky[..., None] * (0.94, 1.0, 1.08) + (sun * 1.05)[..., None] * (1.06, 1.0, 0.9))
    lit += linear * ground[..., None]
    facing = np.clip(normals @ towards_eye, 0, 1)
    mirror = 2 * (normals @ towards_eye)[..., None] * normals - towards_eye
    fresnel = gloss * (0.10 + 0.90 * (1 - facing) ** 4)
    lit = lit * (1 - fresnel[..., None]) + _surroundings(mirror) * fresnel[..., None]
    glint = np.clip(mirror @ light.sun, 0, 1) ** 50 * gloss * light.hard * 1.4
    lit += glint[..., None]
    colour = np.clip(lit * light.gain, 0, 1) ** (1 / 2.2) * light.tint
    return np.asarray(np.clip(colour * 255, 0, 255), np.uint8)


def _surroundings(direction: NDArray[Any]) -> NDArray[Any]:
    """Return what a mirror facing the street shows: sky, a line of houses, road. Linear light."""
    up = direction[..., 2]
    azimuth = np.arctan2(direction[..., 0], direction[..., 1])
    skyline = 0.30 + 0.10 * np.sin(azimuth * 5) + 0.06 * np.sin(azimuth * 13 + 1)
    sky = np.clip(np.interp(up, [0.2, 1.0], [0.85, 0.50]), 0, 1)
    house = 0.18 + 0.07 * np.sin(azimuth * 23)
    value = np.where(up > skyline, sky, np.where(up > -0.02, house, 0.12))
    return np.asarray(value[..., None] * np.array([0.95, 1.0, 1.06]))
