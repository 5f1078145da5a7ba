"""What hour and weather do to a drawn street: lamps, headlights, wet roads, a sensor at its limit.

The street is drawn by day first. The light of the hour is then a factor for each pixel, found from
where the pixel's ray meets road, house or sky; headlights add to it and plates throw light back.
Plate cameras carry a lamp of their own and see in grey at night, as those with infrared do.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.errors import N_, BadInput
from workbench.twin.ground import PAVEMENT_M, sample, tiled_noise
from workbench.twin.sprites import RGB, RGBA
from workbench.twin.views import Light, View

Hour = Literal["day", "dusk", "night", "glare"]
"""``glare``: night, headlights on full beam, an exposure that gives way to them."""

_COARSE = 4
_LAMPS_EVERY_M, _LAMP_HIGH_M = 26.0, 7.5
_WARM, _WHITE, _RED = (1.0, 0.82, 0.56), (1.0, 0.97, 0.88), (1.0, 0.10, 0.06)
_BASE = {"dusk": (0.42, 0.44, 0.50), "night": (0.045, 0.050, 0.065), "glare": (0.03, 0.035, 0.045)}
_NOISE = {"day": 1.7, "dusk": 2.2, "night": 3.0, "glare": 3.0}


@dataclass(frozen=True, slots=True)
class Weather:
    """The hour's light, and whether it rains."""

    hour: Hour = "day"
    rain: bool = False

    def __str__(self) -> str:
        return f"{self.hour}, rain" if self.rain else self.hour

    @classmethod
    def read(cls, text: str) -> Weather:
        """Return the weather of a word like ``night`` or ``night,rain``; ``rain`` is by day.

        Raises
        ------
        BadInput
            Where a word is none of them.
        """
        words = [word.strip() for word in text.replace("+", ",").split(",") if word.strip()]
        hours = [word for word in words if word != "rain"]
        if not words or len(hours) > 1 or any(word not in get_args(Hour) for word in hours):
            raise BadInput(
                N_("'{text}' is no light or weather"),
                N_("write one of {hours}, and ',rain' after it for rain"),
                where="--light",
                text=text,
                hours=", ".join(get_args(Hour)),
            )
        hour: Any = hours[0] if hours else "day"
        return cls(hour, "rain" in words)


@dataclass(frozen=True, slots=True, eq=False)
class Lamp:
    """One lamp as seen: pixel, radius of its glass in px, colour 0..1, power, pool on the road."""

    at: tuple[float, float]
    radius: float
    colour: tuple[float, float, float]
    power: float


class Air:
    """Lays hour and weather over one camera's frames; made once a camera."""

    def __init__(self, view: View, weather: Weather) -> None:
        self.view, self.weather = view, weather
        self.dark = weather.hour != "day"
        self.grey = weather.hour in ("night", "glare") and view.kind == "plate"
        self._rng = np.random.default_rng([view.seed, 81])
        self._points()
        self._static, self._shine = self._light()
        self._streaks = self._rain() if weather.rain else []
        height, width = view.height_px, view.width_px
        self._core = np.zeros((height, width, 3), np.uint8)
        self._plates = np.zeros((height, width), np.uint8)
        self._covered = np.zeros((height, width), np.uint8)
        small = (height // _COARSE, width // _COARSE, 3)
        self._pools = np.zeros(small, np.float32)
        self._glow = np.zeros(small, np.float32)

    @property
    def sigma(self) -> float:
        """The sensor's noise in grey levels."""
        return _NOISE[self.weather.hour] * (1.3 if self.grey else 1.0)

    def light(self, light: Light) -> Light:
        """Return the light to draw things in: without a sun there are no hard shadows."""
        if not self.dark and not self.weather.rain:
            return light
        return replace(light, hard=0.06, sun=np.array([0.12, 0.05, 0.99]))

    # -- what stays the same ----------------------------------------------------------------

    def _points(self) -> None:
        """Find where the ray of each coarse pixel ends: road, house front or sky."""
        view = self.view
        rays = cv2.resize(view.rays(), None, fx=1 / _COARSE, fy=1 / _COARSE, interpolation=3)
        front = view.half_road_m + PAVEMENT_M + 0.2
        t_ground = np.where(
            rays[..., 2] < -1e-4, view.height_m / np.maximum(-rays[..., 2], 1e-4), 1e6
        )
        side = np.sign(rays[..., 0])
        t_wall = (side * front - view.x_m) / np.where(
            np.abs(rays[..., 0]) < 1e-6, 1e-6, rays[..., 0]
        )
        t_wall = np.where(t_wall > 0, t_wall, 1e6)
        t = np.minimum(np.minimum(t_ground, t_wall), 4 * view.far_m)
        at = view.eye + rays * t[..., None]
        self._at = at.astype(np.float32)
        self._ground = (t_ground <= t_wall) & (at[..., 1] < view.far_m + 30)
        self._wall = ~self._ground & (at[..., 1] < view.far_m + 12) & (at[..., 2] < 14)
        self._far = np.linalg.norm(at - view.eye, axis=-1).astype(np.float32)

    def _light(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the factor of each coarse pixel, float32[y, x, 3], and what lit fronts add."""
        view, hour = self.view, self.weather.hour
        if hour == "day":
            flat = np.ones((*self._far.shape, 3), np.float32)
            return flat, 0 * flat
        x, y, z = self._at[..., 0], self._at[..., 1], self._at[..., 2]
        total = np.zeros((*x.shape, 3), np.float32) + np.array(_BASE[hour], np.float32)
        strong = {"dusk": 0.2, "night": 0.52, "glare": 0.4}[hour]
        kerb = view.half_road_m + 0.6
        start = float(self._rng.uniform(3, 16))
        for k in range(6):
            lamp = np.array([(-1) ** k * kerb, start + k * _LAMPS_EVERY_M / 2, _LAMP_HIGH_M])
            square = (x - lamp[0]) ** 2 + (y - lamp[1]) ** 2 + (z - lamp[2]) ** 2
            falls = strong / (1 + square / 62.0) ** 1.6
            total += (falls * 2.2)[..., None] * np.array(_WARM, np.float32)
        # Shops and windows with lights on, and what falls out of them on the pavement.
        lit = self._rng.random((2, 64, 5)) < {"dusk": 0.45, "night": 0.4, "glare": 0.25}[hour]
        cell = np.clip((y + 6) / 4.6, 0, 63).astype(int)
        storey = np.clip(z / 3.4, 0, 4).astype(int)
        which = (x > 0).astype(int)
        inside = ((y + 6) / 4.6 % 1 > 0.12) & ((y + 6) / 4.6 % 1 < 0.88) & (z % 3.4 < 2.5)
        shine = lit[which, cell, storey] & self._wall & inside & ((storey == 0) | (cell % 3 == 0))
        glow = np.where(storey == 0, 0.95, 0.55) * shine
        spill = lit[which, cell, 0] * np.exp(-np.clip(kerb + 1.5 - np.abs(x), 0, 9) / 1.6) * 0.30
        tone = np.array((1.0, 0.90, 0.70), np.float32)
        glow = cv2.GaussianBlur(glow.astype(np.float32), (0, 0), 0.8)[..., None] * tone
        total += (spill * self._ground)[..., None].astype(np.float32) * tone
        sky = ~self._ground & ~self._wall
        total[sky] = np.array(_BASE[hour], np.float32) * (1.6 if hour == "dusk" else 0.5)
        if self.grey:  # the camera's own lamp
            falls = 1.25 / (1 + (self._far / (view.sweet_m + 2.0)) ** 2.6)
            total = total.mean(-1, keepdims=True) * 0.5 + falls[..., None]
            glow = np.repeat(glow.mean(-1, keepdims=True) * 0.4, 3, -1)
        blurred = cv2.GaussianBlur(np.broadcast_to(total, (*x.shape, 3)).copy(), (0, 0), 1.0)
        return np.asarray(blurred, np.float32), np.asarray(glow, np.float32)

    def _rain(self) -> list[NDArray[np.uint8]]:
        height, width = self.view.height_px, self.view.width_px
        rate = 1.0 if self.weather.hour == "day" else 0.5
        fields = []
        for _ in range(5):
            field = np.zeros((height, width), np.uint8)
            for _ in range(round(width * height / 1600)):
                u, v = int(self._rng.integers(width)), int(self._rng.integers(height))
                long = int(self._rng.integers(height // 70, height // 20))
                grey = int(self._rng.integers(18, 62) * rate)
                cv2.line(field, (u, v), (u + long // 7, v + long), grey, 1, cv2.LINE_AA)
            fields.append(np.asarray(cv2.GaussianBlur(field, (0, 0), 0.7)))
        return fields

    def still(self, picture: RGB) -> RGB:
        """Return the empty street of a rainy hour: a wet road mirrors what stands behind it."""
        if not self.weather.rain:
            return picture
        view = self.view
        height, width = picture.shape[:2]
        ground = cv2.resize(self._ground.astype(np.float32), (width, height))
        x = cv2.resize(self._at[..., 0], (width, height))
        y = cv2.resize(self._at[..., 1], (width, height))
        noise = sample(tiled_noise(np.random.default_rng([view.seed, 82])), x, y * 0.6, 9.0)
        horizon = np.clip(
            view.project(np.array([[view.x_m, 400.0, view.height_m]]))[0][0, 1], 1, height - 2
        )
        rows = np.clip(2 * horizon - np.arange(height), 0, height - 1).astype(np.float32)
        grid = np.broadcast_to(rows[:, None], (height, width)).astype(np.float32)
        columns = np.broadcast_to(np.arange(width, dtype=np.float32), (height, width))
        mirror = cv2.remap(picture, columns.copy(), grid.copy(), cv2.INTER_LINEAR)
        mirror = cv2.blur(mirror, (width // 60 * 2 + 1, max(3, height // 24 * 2 + 1)))
        far = np.clip(y / 30, 0, 1)
        wet = ground * np.clip(0.18 + 0.25 * far + 0.22 * np.clip(noise, -0.4, 1.3), 0.05, 0.62)
        road = picture.astype(np.float32) * (1 - 0.30 * ground[..., None])
        mixed = road * (1 - wet[..., None]) + mirror.astype(np.float32) * wet[..., None] * 0.92
        return np.asarray(np.clip(mixed, 0, 255), np.uint8)

    # -- what moves -------------------------------------------------------------------------

    def begin(self) -> None:
        """Start a frame."""
        self._core[...] = 0
        self._plates[...] = 0
        self._covered[...] = 0
        self._pools[...] = 0
        self._glow[...] = 0

    def cover(self, layer: RGBA, u: int, v: int) -> None:
        """Put a thing before the lamps and plates told so far."""
        x0, y0 = max(0, u), max(0, v)
        x1 = min(self._core.shape[1], u + layer.shape[1])
        y1 = min(self._core.shape[0], v + layer.shape[0])
        if x1 <= x0 or y1 <= y0:
            return
        solid = layer[y0 - v : y1 - v, x0 - u : x1 - u, 3] > 170
        self._plates[y0:y1, x0:x1][solid] = 0
        self._core[y0:y1, x0:x1][solid] = 0
        self._covered[y0:y1, x0:x1][solid] = 255

    def plate(self, corners: NDArray[np.float64]) -> None:
        """Let a plate throw back the light that falls on it."""
        points = np.round(corners * 8).astype(np.int32)
        cv2.fillConvexPoly(self._plates, points, 255, cv2.LINE_AA, 3)

    def lamp(self, lamp: Lamp) -> None:
        """Light a lamp: its glass, and the glow round it."""
        u, v = lamp.at
        height, width = self._core.shape[:2]
        if not (-80 < u < width + 80 and -80 < v < height + 80):
            return
        short = 0.6 if self.grey and self.weather.hour == "night" else 1.0
        radius = max(1.0, lamp.radius * (0.7 + 0.5 * min(lamp.power, 2.0)) * short)
        colour = np.array(lamp.colour)
        if self.grey:
            colour = np.full(3, colour.mean() ** 0.5)
        white = np.clip(colour + 0.55 * (lamp.power > 0.78), 0, 1) * 255
        spot = (round(u * 8), round(v * 8))
        cv2.circle(
            self._core, spot, round(radius * 8), tuple(map(float, white)), -1, cv2.LINE_AA, 3
        )
        small = (round(u / _COARSE * 8), round(v / _COARSE * 8))
        wide = max(0.6, radius / _COARSE)
        extra = np.zeros_like(self._glow[:1, :1])
        extra[...] = colour * lamp.power * (0.5 if self.grey else 1.0)
        patch = self._glow
        lo = np.maximum(np.array(small) // 8 - int(wide + 3), 0)
        hi = np.minimum(np.array(small) // 8 + int(wide + 4), patch.shape[1::-1])
        if (hi - lo).min() > 0:
            mask = np.zeros((hi[1] - lo[1], hi[0] - lo[0]), np.uint8)
            at = (small[0] - int(lo[0]) * 8, small[1] - int(lo[1]) * 8)
            cv2.circle(mask, at, round(wide * 8), 255, -1, cv2.LINE_AA, 3)
            patch[lo[1] : hi[1], lo[0] : hi[0]] += (mask[..., None] / 255.0) * extra

    def pool(self, x: float, y: float, ahead: float, power: float) -> None:
        """Throw a headlight's light on the road; ``ahead`` is 1 along Y, -1 towards the camera."""
        reach = 15.0 if self.weather.hour == "glare" else 9.0
        along = (self._at[..., 1] - y) * ahead
        if not (along.max() > 0.5):
            return
        across = (self._at[..., 0] - x) / (0.45 + 0.16 * np.clip(along, 0, None))
        falls = np.exp(-(across**2)) * np.exp(-np.clip(along - 2.5, 0, None) / reach)
        falls *= np.clip(along / 2.0, 0, 1) * (self._at[..., 2] < 1.5)
        colour = np.full(3, 0.5) if self.grey else np.array(_WHITE)
        self._pools += (power * falls)[..., None].astype(np.float32) * colour.astype(np.float32)

    def finish(self, picture: RGB, number: int) -> RGB:
        """Return the frame in this hour's light and weather."""
        result = picture
        if self.dark:
            result = self._in_the_dark(picture)
        elif self.weather.rain:
            result = cv2.convertScaleAbs(picture, alpha=0.8)
        return self._veiled(result, number) if self.weather.rain else result

    def _part(self, layer: NDArray[Any]) -> NDArray[Any]:
        return layer[..., 0] if self.grey else layer

    def _in_the_dark(self, picture: RGB) -> RGB:
        size = picture.shape[1::-1]
        # What a camera sees in grey is worked out in one channel: it costs a third.
        source = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if self.grey else picture
        factor = cv2.resize(self._part(self._static + self._pools), size)
        shine = cv2.resize(self._part(self._shine), size)
        shine[self._covered > 0] = 0
        lit = cv2.multiply(source, cv2.add(factor, shine), dtype=cv2.CV_32F)
        back = self._plates > 0
        if back.any():
            # Glass beads throw light back to where it came from: brighter than all else.
            gain = np.clip(1.5 * factor[back] + 0.10, 0.1, 1.02)
            lit[back] = np.maximum(lit[back], source[back] * gain)
        if self._glow.any():
            glare = self.weather.hour == "glare"
            bloom = self._bloom(glare)
            if glare:
                lit *= 1 / (1 + 2.2 * min(float(bloom.mean()), 0.5))
            cv2.scaleAdd(cv2.resize(self._part(bloom), size), 255.0, lit, lit)
            glass = cv2.GaussianBlur(np.ascontiguousarray(self._part(self._core)), (0, 0), 0.8)
            lit = cv2.max(lit, glass.astype(np.float32))
        done = cv2.convertScaleAbs(lit)
        return np.asarray(cv2.cvtColor(done, cv2.COLOR_GRAY2RGB) if self.grey else done)

    def _bloom(self, glare: bool) -> NDArray[np.float32]:
        g = self._glow
        scale = g.shape[1] / 320
        near = cv2.GaussianBlur(g, (0, 0), 2.2 * scale) * (1.3 if glare else 0.7)
        wide = cv2.GaussianBlur(g, (0, 0), 9 * scale) * (2.6 if glare else 0.6)
        total = near + wide
        if glare:
            total += cv2.GaussianBlur(g, (0, 0), 34 * scale) * 4.0
            total += cv2.blur(g, (max(3, int(120 * scale)) | 1, 1)) * 0.5
        if self.weather.rain:  # lamps stand on their heads in the wet road
            long = max(5, int(46 * scale)) | 1
            kernel = np.zeros((2 * long + 1, 1), np.float32)
            kernel[:long] = np.linspace(0.25, 1, long, dtype=np.float32)[:, None] / long * 2.2
            down = cv2.filter2D(cv2.blur(g, (3, 1)), -1, kernel)
            total += down * self._ground[..., None]
        return np.asarray(total, np.float32)

    def _veiled(self, picture: RGB, number: int) -> RGB:
        rng = np.random.default_rng([self.view.seed, 83, number])
        haze = np.clip(self._far / 190, 0, 0.5) * (1.0 if not self.dark else 0.35)
        veil = cv2.resize(haze.astype(np.float32), picture.shape[1::-1])[..., None]
        grey = 158.0 if not self.dark else 34.0
        veiled = picture.astype(np.float32) * (1 - veil) + grey * veil
        field = self._streaks[int(rng.integers(len(self._streaks)))]
        field = np.roll(field, tuple(int(k) for k in rng.integers(0, 200, 2)), (0, 1))
        if number % 2:
            field = field[:, ::-1]
        if self.dark:
            field = (field * (0.25 + 0.75 * veiled.mean(-1) / 160).clip(0, 1)).astype(np.uint8)
        return np.asarray(np.clip(veiled + field[..., None], 0, 255), np.uint8)
