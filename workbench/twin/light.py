"""The light of one camera's street, and how a surface looks in it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.twin.mesh import Part, normals_of

SUN_BEARING_DEG, SUN_ALTITUDE_DEG = 128.0, 38.0


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """Sun and sky. ``sun`` points to the sun in the street frame; ``hard`` is 0 under cloud.

    ``gain`` and ``tint`` are the camera's exposure and white balance; ``haze`` is the air.
    """

    sun: NDArray[np.float64]
    hard: float
    gain: float
    tint: NDArray[np.float64]
    haze: NDArray[np.float64]
    shaded_side: int

    @classmethod
    def of(cls, heading_deg: float, seed: int) -> Light:
        """Return the light of a street that a camera looks along."""
        rng = np.random.default_rng([seed, 31])
        turn = math.radians(SUN_BEARING_DEG - heading_deg)
        up = math.radians(SUN_ALTITUDE_DEG)
        sun = np.array([math.sin(turn) * math.cos(up), math.cos(turn) * math.cos(up), math.sin(up)])
        hard = float(rng.choice([0.25, 0.6, 0.85], p=[0.3, 0.4, 0.3]))
        tint = np.array([1.0, 1.0, 1.0]) + rng.normal(0, [0.014, 0.005, 0.02])
        haze = np.array([0.80, 0.83, 0.86]) * tint
        return cls(sun, hard, float(rng.uniform(0.92, 1.12)), tint, haze, 1 if sun[0] > 0 else -1)

    def shadow_offset(self) -> NDArray[np.float64]:
        """Return how far (X, Y) a point's shadow falls for each metre of its height."""
        return np.asarray(-self.sun[:2] / self.sun[2])


def bake(part: Part, light: Light, towards_eye: NDArray[Any], turned: bool) -> NDArray[np.uint8]:
    """Return the colours of a part's grid as the eye sees them, uint8[m, n, 3].

    Lighting is baked in: the eye's direction barely changes while a vehicle drives along a street,
    and the renderer then only has to fill triangles.
    """
    normals = normals_of(part.points)
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
