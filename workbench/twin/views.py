"""Where a drawn camera stands in its street, in what light: a pinhole in a local frame.

Each drawn camera has its own street frame in metres: X to the right of the camera's heading across
the road, Y along the road in the direction of the heading, Z up; the road's centre line is X = 0
and the camera stands above Y = 0. Traffic keeps to the right, so what drives away from the camera
has X > 0 and what comes towards it has X < 0.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.records import Camera, CameraKind, Sees

PLATE_WIDTH_M = 0.19
"""Width of a motorcycle's two-line plate."""
PLATE_AIM_PX = 104.0
"""Width such a plate has at a plate camera's sweet spot."""
SUN_BEARING_DEG, SUN_ALTITUDE_DEG = 128.0, 38.0


@dataclass(frozen=True, slots=True)
class View:
    """A drawn camera: pinhole, pose and street. Angles in radians, lengths in metres.

    ``lane_m`` is the X of the lane that a plate camera covers, ``sweet_m`` the Y at which it reads.
    ``clock_offset_ns`` is how much too late its recorder states its start (the burnt-in clock is
    right); ``seed`` drives its looks.
    """

    camera_id: str
    kind: CameraKind
    sees: Sees
    heading_deg: float
    width_px: int
    height_px: int
    focal_px: float
    x_m: float
    height_m: float
    pitch: float
    yaw: float
    roll: float
    lane_m: float
    sweet_m: float
    half_road_m: float
    far_m: float
    exposure_s: float
    clock_offset_ns: int
    seed: int

    @property
    def axes(self) -> NDArray[np.float64]:
        """Rows: the camera's right, down and forward directions in the street frame."""
        return _axes(self.yaw, self.pitch, self.roll)

    @property
    def eye(self) -> NDArray[np.float64]:
        """The camera's place in the street frame."""
        return np.array([self.x_m, 0.0, self.height_m])

    def project(self, points: NDArray[np.float64]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return ``(pixels[..., 2], depth_m[...])`` of street points [..., 3].

        Points at or behind the lens get a depth of 0.05 m, so that boxes around them only grow.
        """
        local = (np.asarray(points, dtype=np.float64) - self.eye) @ self.axes.T
        depth = np.maximum(local[..., 2], 0.05)
        pixels = local[..., :2] * (self.focal_px / depth)[..., None]
        return pixels + np.array((self.width_px, self.height_px)) / 2, depth

    def sized(self, width_px: int, height_px: int, *, focal: float = 1.0) -> View:
        """Return the view on a sensor of another size, its focal length times `focal`."""
        return replace(self, width_px=width_px, height_px=height_px, focal_px=self.focal_px * focal)

    def turned(self, yaw: float, pitch: float, roll: float) -> View:
        """Return the view of the same camera knocked by some radians."""
        return replace(self, yaw=self.yaw + yaw, pitch=self.pitch + pitch, roll=self.roll + roll)

    def rays(self) -> NDArray[np.float32]:
        """Return the street-frame direction of every pixel, float32[y, x, 3]."""
        u = (np.arange(self.width_px) + 0.5 - self.width_px / 2) / self.focal_px
        v = (np.arange(self.height_px) + 0.5 - self.height_px / 2) / self.focal_px
        axes = self.axes.astype(np.float32)
        across = u.astype(np.float32)[None, :, None] * axes[0]
        rays: NDArray[np.float32] = across + v.astype(np.float32)[:, None, None] * axes[1] + axes[2]
        return rays

    def ground_homography(self) -> NDArray[np.float64]:
        """Return the 3x3 that takes a pixel to street metres (X, Y) on the ground."""
        axes, eye = self.axes, self.eye
        columns = np.array([axes @ [1.0, 0, 0], axes @ [0, 1.0, 0], -axes @ eye]).T
        lens = np.array(
            [
                [self.focal_px, 0, self.width_px / 2],
                [0, self.focal_px, self.height_px / 2],
                [0, 0, 1],
            ]
        )
        return np.linalg.inv(lens @ columns)


@lru_cache(maxsize=256)
def _axes(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    forward = np.array(
        [
            math.sin(yaw) * math.cos(pitch),
            math.cos(yaw) * math.cos(pitch),
            -math.sin(pitch),
        ]
    )
    right = np.array([math.cos(yaw), -math.sin(yaw), 0.0])
    down = np.cross(forward, right)
    c, s = math.cos(roll), math.sin(roll)
    axes = np.array([c * right + s * down, c * down - s * right, forward])
    axes.setflags(write=False)
    return axes


@dataclass(frozen=True, slots=True, eq=False)
class Light:
    """Sun and sky. ``sun`` points to the sun in the street frame; ``hard`` is 0 under cloud.

    ``gain`` and ``tint`` are the camera's exposure and white balance; ``shaded_side`` is
    the side of the street, -1 or 1, whose houses throw their shadow on it.
    """

    sun: NDArray[np.float64]
    hard: float
    gain: float
    tint: NDArray[np.float64]
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
        return cls(sun, hard, float(rng.uniform(0.92, 1.12)), tint, 1 if sun[0] > 0 else -1)

    def shadow_offset(self) -> NDArray[np.float64]:
        """Return how far (X, Y) a point's shadow falls for each metre of its height."""
        return np.asarray(-self.sun[:2] / self.sun[2])


def plate_view(camera: Camera, *, seed: int, clock_offset_ns: int, lanes: int = 1) -> View:
    """Return the tight view of a plate camera on the lane whose plates it can see.

    Of two lanes a direction it covers the one beside the kerb.
    """
    rng = np.random.default_rng([seed, 1])
    half_road = float(rng.uniform(3.4, 4.2)) * (1.75 if lanes == 2 else 1.0)
    lane = half_road * (0.74 if lanes == 2 else 0.47)
    if camera.sees == "front":
        lane = -lane
    elif camera.sees == "both":
        # A narrow street: both directions share the strip that the camera covers.
        half_road, lane = 2.6, 0.0
    sweet = float(rng.uniform(9.6, 11.4))
    height = float(rng.uniform(2.3, 2.65))
    x = lane + float(rng.choice([-1, 1])) * float(rng.uniform(0.5, 0.9))
    width, tall = 1280, 720
    plate_z = 0.55 if camera.sees == "front" else 0.65
    slant = math.hypot(sweet, height - plate_z)
    focal = PLATE_AIM_PX / PLATE_WIDTH_M * slant
    below_axis = math.atan((0.84 - 0.5) * tall / focal)
    return View(
        camera.camera_id, "plate", camera.sees, camera.heading_deg, width, tall, focal, x, height,
        math.atan2(height - plate_z, sweet) - below_axis,
        math.atan2(lane - x, sweet) + float(rng.normal(0, 0.003)),
        float(rng.normal(0, 0.008)), lane, sweet, half_road, 75.0, 1 / 600, clock_offset_ns, seed,
    )  # fmt: skip


def overview_view(camera: Camera, *, seed: int, clock_offset_ns: int, lanes: int = 1) -> View:
    """Return the wide view of an overview camera on a pole at the right of its street."""
    rng = np.random.default_rng([seed, 2])
    half_road = float(rng.uniform(3.6, 4.4)) * (1.75 if lanes == 2 else 1.0)
    x = float(rng.choice([-1, 1], p=[0.3, 0.7])) * (half_road + 0.5)
    width, tall = 960, 540
    fov = math.radians(float(rng.uniform(56, 66)))
    return View(
        camera.camera_id, "overview", camera.sees, camera.heading_deg, width, tall,
        width / 2 / math.tan(fov / 2), x, float(rng.uniform(4.9, 5.8)),
        math.radians(float(rng.uniform(10.5, 13.5))), -math.atan2(x, 24.0),
        float(rng.normal(0, 0.006)), half_road * 0.47, 14.0, half_road, 95.0, 1 / 120,
        clock_offset_ns, seed,
    )  # fmt: skip
