"""One camera's clip: its still street, what moves through it, the burnt-in clock; then H.264."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from workbench.errors import N_, BadInput
from workbench.media import ClipWriter
from workbench.timeline import SECOND_NS
from workbench.twin import bodies, cars, people, sprites
from workbench.twin.air import Air, Weather
from workbench.twin.fleet import Vehicle
from workbench.twin.journeys import Pass, Scenario, Walk
from workbench.twin.lamps import lit_at
from workbench.twin.mesh import Body
from workbench.twin.pictures import font_file, plate_picture
from workbench.twin.sprites import RGB, RGBA, Model, Painter, Rect, Sprite, make_model
from workbench.twin.street import paint_street
from workbench.twin.views import Light, View

GOP, CRF, PRESET = 30, 27, "ultrafast"
_NOISE_FRAMES = 5
GAIT_STEPS = 8
_STRIDE_M = 1.3
_FADE_M = 12.0
_LOCAL = timezone(timedelta(hours=7))


def body_of(vehicle: Vehicle) -> Body:
    """Return the vehicle's shape."""
    if vehicle.kind == "motorcycle":
        return bodies.motorcycle(vehicle.model, vehicle.paint, vehicle.looks)
    if vehicle.kind == "bicycle":
        return bodies.bicycle(vehicle.paint, vehicle.looks)
    if vehicle.kind == "truck":
        return cars.box_truck(vehicle.paint, vehicle.looks)
    return cars.car(vehicle.model, vehicle.paint, vehicle.looks)


class _PlanarClipWriter(ClipWriter):
    """Writes planar frames as they are: converting 720p from RGB costs as much as encoding it."""

    def write_planes(self, planes: NDArray[np.uint8], pts: int) -> None:
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = pts, self._time_base
        self._container.mux(self._stream.encode(frame))


def render_camera(
    scenario: Scenario, camera_id: str, out: Path, weather: Weather | None = None
) -> Path:
    """Draw one camera's clip as H.264 in MP4 and return its path.

    Pure but for the file: same scenario, same pixels. One process can draw one camera; several
    processes draw several.

    Raises
    ------
    BadInput
        When the scenario draws no such camera.
    """
    view = scenario.views.get(camera_id)
    if view is None:
        raise BadInput(
            N_("the scenario draws no camera {camera}"),
            N_("take one of: {cameras}"),
            camera=camera_id,
            cameras=", ".join(scenario.cameras),
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    clip = _PlanarClipWriter(
        out, view.width_px, view.height_px, time_base=Fraction(1, scenario.fps),
        gop=GOP, crf=CRF, preset=PRESET,
    )  # fmt: skip
    with clip:
        for pts, planes in enumerate(_planes(scenario, camera_id, range(scenario.frame_count))):
            clip.write_planes(planes, pts)
    return out


def frames(
    scenario: Scenario,
    camera_id: str,
    numbers: range | None = None,
    weather: Weather | None = None,
) -> Iterator[NDArray[np.uint8]]:
    """Yield a camera's frames as they are before encoding, RGB uint8[y, x, 3], new arrays."""
    wanted = range(scenario.frame_count) if numbers is None else numbers
    for planes in _planes(scenario, camera_id, wanted, weather):
        yield cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420)


def _planes(
    scenario: Scenario, camera_id: str, numbers: range, weather: Weather | None = None
) -> Iterator[NDArray[np.uint8]]:
    # One process a core draws: OpenCV's own threads would only fight over them.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        scene = _Scene(scenario, scenario.views[camera_id], weather)
        try:
            for number in numbers:
                yield scene.frame(number)
        finally:
            scene.close()
    finally:
        cv2.setNumThreads(threads)


@dataclass(slots=True)
class _Held:
    """A sprite and the place it was drawn for; it serves nearby places, scaled and moved."""

    sprite: Sprite | None = None
    near_m: float = 0.0


@dataclass(slots=True)
class _Mover:
    """One pass on its way through the view."""

    vehicle: Vehicle
    one: Pass
    body: Body | None = None
    model: Model | None = None
    held: _Held = field(default_factory=_Held)
    plates: dict[int, RGB] = field(default_factory=dict)


class _Scene:
    """What stays the same over a clip, and the drawing of one frame after another."""

    def __init__(self, scenario: Scenario, view: View, weather: Weather | None = None) -> None:
        self.scenario, self.view = scenario, view
        self.light = Light.of(view.heading_deg, view.seed)
        self.air = None if weather in (None, Weather()) else Air(view, weather)
        if self.air is not None:
            self.light = self.air.light(self.light)
        self.painter = Painter(view, self.light)
        self.still = paint_street(view, self.light)
        if self.air is not None:
            self.still = self.air.still(self.still)
        self._park()
        rng = np.random.default_rng([view.seed, 61])
        shape = self.still.shape[:2]
        self.noise = [
            rng.normal(0, 1.7 if self.air is None else self.air.sigma, shape)
            .round()
            .astype(np.int8)
            for _ in range(_NOISE_FRAMES)
        ]
        self.empty = [self._empty(noise) for noise in self.noise]
        self.movers = [
            _Mover(scenario.vehicles[p.vehicle_id], p) for p in scenario.passes_of(view.camera_id)
        ]
        self.walks = scenario.walks_of(view.camera_id)
        self.gaits: dict[tuple[int, int, bool], tuple[Model, _Held]] = {}

    def close(self) -> None:
        """Give the off-screen window back in the thread that used it."""
        self.painter.close()

    def _empty(self, noise: NDArray[np.int8]) -> NDArray[np.uint8]:
        planes = _to_planes(self.still)
        height = self.view.height_px
        planes[:height] = cv2.add(planes[:height], noise, dtype=cv2.CV_8U)
        return planes

    def _park(self) -> None:
        """Put parked motorcycles on the pavement of the still picture, far ones first."""
        rng = np.random.default_rng([self.view.seed, 62])
        kerb = self.view.half_road_m
        places: list[tuple[float, float]] = []
        for side in (-1, 1):
            y = float(rng.uniform(10, 16))
            while y < 60:
                for _ in range(int(rng.integers(1, 4))):
                    places.append((side * (kerb + float(rng.uniform(1.1, 1.7))), y))
                    y += float(rng.uniform(0.85, 1.2))
                y += float(rng.uniform(5, 14))
        for x, y in sorted(places, key=lambda place: -place[1]):
            if not self._in_view(x, y):
                continue
            model = "scooter" if rng.random() < 0.5 else "underbone"
            shade = int(rng.integers(20, 200))
            paint = (
                shade,
                max(12, shade - int(rng.integers(0, 90))),
                max(12, shade - int(rng.integers(0, 90))),
            )
            body = bodies.motorcycle(model, paint, int(rng.integers(1 << 20)), ridden=False)
            turned = bool(rng.random() < 0.5)
            sprite = self.painter.draw(
                make_model(body, self.light, self.view, turned=turned, at=(x, y)), x, y
            )
            if sprite is not None:
                sprites.lay(self.still, sprite.rgba, sprite.u, sprite.v)

    def _in_view(self, x: float, y: float) -> bool:
        pixels, _ = self.view.project(np.array([(x, y, 0.0), (x, y, 1.2)]))
        margin = 0.8 * self.view.focal_px / max(y, 1.0)
        right, low = self.view.width_px + margin, self.view.height_px + margin
        return bool(((pixels > -margin) & (pixels < (right, low))).all(-1).any())

    def frame(self, number: int) -> NDArray[np.uint8]:
        """Return frame `number` as planar YUV 4:2:0, uint8[y * 3 / 2, x], a new array."""
        t = number / self.scenario.fps
        k = (number * 2 + number // 7) % _NOISE_FRAMES
        planes = self.empty[k].copy()
        things = [*self._vehicles(t), *self._walkers(t)]
        if things:
            canvas = self.still.copy()
            touched = [
                sprites.lay(canvas, rgba, u, v)
                for _, rgba, u, v in sorted(things, key=lambda thing: -thing[0])
            ]
            for rect in touched:
                if rect is not None:
                    _put_planes(planes, canvas, rect, self.noise[k])
        if self.air is not None:
            planes = self._in_air(self.air, things, t, number, self.noise[k])
        self._burn_clock(planes, t)
        return planes

    def _in_air(
        self,
        air: Air,
        things: list[tuple[float, RGBA, int, int]],
        t: float,
        number: int,
        noise: NDArray[np.int8],
    ) -> NDArray[np.uint8]:
        """Return the frame in an hour or a weather of its own, as planes."""
        canvas = self.still.copy()
        air.begin()
        beam = air.weather.hour == "glare"
        lit = list(lit_at(self.view, self._bodies(t), t, full_beam=beam)) if air.dark else []
        for one in lit:
            one.pool(air)
        for y, rgba, u, v in sorted(things, key=lambda thing: -thing[0]):
            sprites.lay(canvas, rgba, u, v)
            air.cover(rgba, u, v)
            for one in lit:
                if one.y == y:
                    one.shine(air)
        planes = _to_planes(air.finish(canvas, number))
        height = self.view.height_px
        planes[:height] = cv2.add(planes[:height], noise, dtype=cv2.CV_8U)
        return planes

    def _bodies(self, t: float) -> Iterator[tuple[Vehicle, Pass, Body]]:
        for mover in self.movers:
            if -14 < mover.one.y_m(t) < self.view.far_m:
                if mover.body is None:
                    mover.body = body_of(mover.vehicle)
                yield mover.vehicle, mover.one, mover.body

    def _vehicles(self, t: float) -> Iterator[tuple[float, RGBA, int, int]]:
        for mover in self.movers:
            y = mover.one.y_m(t)
            if not -6 < y < self.view.far_m:
                mover.model, mover.held = None, _Held()
                mover.plates.clear()
                continue
            layer = self._vehicle(mover, y, t)
            if layer is not None:
                yield (y, *layer)

    def _vehicle(self, mover: _Mover, y: float, t: float) -> tuple[RGBA, int, int] | None:
        view, x = self.view, mover.one.x_m(t)
        if mover.model is None:
            mover.model = make_model(
                body_of(mover.vehicle), self.light, view,
                turned=mover.one.direction == "towards", at=(x, view.sweet_m + 4),
            )  # fmt: skip
        model = mover.model
        near = max(0.5, y - model.body.size_m[0] / 2)
        sigma = self._defocus_px(near)
        found = self._held(mover.held, model, (x, y), 1.12, 1 / (1 + sigma))
        if found is None:
            return None
        layer, u, v = found
        self._put_plate(mover, model, layer, (u, v), (x, y))
        speed = mover.one.speed_at(t)
        sprites.smear(layer, self._image_speed(x, y, speed) * view.exposure_s)
        layer = sprites.blurred(layer, sigma)
        fade = min(1.0, (view.far_m - y) / _FADE_M)
        if fade < 1:
            layer = cv2.convertScaleAbs(layer, alpha=fade)
        return layer, u, v

    def _held(
        self, held: _Held, model: Model, at: tuple[float, float], slack: float, detail: float
    ) -> tuple[RGBA, int, int] | None:
        """Return the model's picture at a place, drawing it anew only where it changed much.

        A sprite serves until the nearest end is `slack` times nearer or farther.
        """
        near = max(0.5, at[1] - model.body.size_m[0] / 2)
        stale = held.sprite is None or near < 4
        if stale or max(near / held.near_m, held.near_m / near) > slack:
            held.sprite, held.near_m = self.painter.draw(model, *at, detail=detail), near
        if held.sprite is None:
            return None
        sprite, view = held.sprite, self.view
        now, _ = view.project(model.near_face(*at))
        limits = (view.width_px, view.height_px)
        layer, u, v = sprites.moved(sprite.rgba, (sprite.u, sprite.v), sprite.anchors, now, limits)
        return None if layer is None else (layer, u, v)

    def _defocus_px(self, near_m: float) -> float:
        """Return the blur of what is out of a plate camera's depth of field."""
        if self.view.kind != "plate":
            return 0.0
        off = abs(1 / max(near_m, 1.5) - 1 / (self.view.sweet_m + 1.5))
        return min(7.0, 26.0 * max(0.0, off - 0.035))

    def _image_speed(self, x: float, y: float, speed_mps: float) -> float:
        ends = np.array([(x, max(y, 2.0) + step, 0.6) for step in (0.0, 0.1)])
        a, b = self.view.project(ends)[0]
        return float(np.linalg.norm(b - a)) * 10 * speed_mps

    def _put_plate(
        self,
        mover: _Mover,
        model: Model,
        layer: RGBA,
        at: tuple[int, int],
        where: tuple[float, float],
    ) -> None:
        end = "rear" if mover.one.direction == "away" else "front"
        if end not in mover.vehicle.plated_ends or end not in model.body.plates:
            return
        place = model.placed(model.body.plates[end], *where)
        corners, depth = self.view.project(place)
        wide = float(np.linalg.norm(corners[1] - corners[0]))
        if depth.min() > 1.0 and wide > 7:
            picture = self._plate_at(mover, wide, two_lines=model.body.two_lines)
            sprites.stick(layer, picture, corners - at)

    def _plate_at(self, mover: _Mover, wide: float, *, two_lines: bool) -> RGB:
        """Return the plate's picture, about twice as wide as it will be or more."""
        step = max(0, math.ceil(math.log2(max(wide, 8) / 12)))
        if step not in mover.plates:
            vehicle = mover.vehicle
            whole = plate_picture(
                vehicle.plate, vehicle.ground, two_lines=two_lines, dirt=vehicle.looks
            )
            part = min(1.0, 2 * 12 * 2**step / whole.shape[1])
            size = (max(8, round(whole.shape[1] * part)), max(6, round(whole.shape[0] * part)))
            small = cv2.resize(whole, size, interpolation=cv2.INTER_AREA)
            lit = small * (0.80 + 0.16 * self.light.hard) * self.light.gain * self.light.tint
            mover.plates[step] = np.clip(lit, 0, 255).astype(np.uint8)
        return mover.plates[step]

    def _walkers(self, t: float) -> Iterator[tuple[float, RGBA, int, int]]:
        for walk in self.walks:
            at = walk.at(t)
            if at is None:
                continue
            model, held = self._gait(walk, t)
            found = self._held(held, model, at, 1.2, 1.0)
            if found is not None:
                yield (at[1], *found)

    def _gait(self, walk: Walk, t: float) -> tuple[Model, _Held]:
        step = gait_step(walk, t)
        turned = walk.to_m[1] < walk.from_m[1]
        key = (walk.looks, step, turned)
        if key not in self.gaits:
            body = people.walker(walk.looks, step / GAIT_STEPS)
            at = (walk.from_m[0], 20.0)
            model = make_model(body, self.light, self.view, turned=turned, at=at)
            self.gaits[key] = (model, _Held())
        return self.gaits[key]

    def _burn_clock(self, planes: NDArray[np.uint8], t: float) -> None:
        second = (self.scenario.start_ns + int(t * 1000) * 1_000_000) // SECOND_NS
        stamp = datetime.fromtimestamp(second, UTC).astimezone(_LOCAL)
        width, height = self.view.width_px, self.view.height_px
        strip = _strip(f"{stamp:%Y-%m-%d %H:%M:%S}", width)
        name = _strip(self.view.camera_id, width)
        for picture, x, y in (
            (strip, 0, 0),
            (name, width - name.shape[1], height - name.shape[0]),
        ):
            _put_strip(planes, picture, x, y)


def gait_step(walk: Walk, t_s: float) -> int:
    """Return which of the :data:`GAIT_STEPS` pictures of its gait a walker is drawn with."""
    return int((t_s - walk.start_s) * walk.speed_mps / _STRIDE_M * GAIT_STEPS) % GAIT_STEPS


def _to_planes(picture: RGB) -> NDArray[np.uint8]:
    """Return RGB as planar YUV 4:2:0, uint8[y * 3 / 2, x]; sizes are even."""
    return np.asarray(cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2YUV_I420))


def _put_planes(
    planes: NDArray[np.uint8], picture: RGB, rect: Rect, noise: NDArray[np.int8]
) -> None:
    """Convert a rectangle of an RGB frame into a planar one, with `noise` on its luma.

    The rectangle grows to even coordinates.
    """
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    x0, y0 = rect[0] // 2 * 2, rect[1] // 2 * 2
    x1, y1 = min(width, (rect[2] + 1) // 2 * 2), min(height, (rect[3] + 1) // 2 * 2)
    part = _to_planes(picture[y0:y1, x0:x1])
    w, h = x1 - x0, y1 - y0
    planes[y0:y1, x0:x1] = cv2.add(part[:h], noise[y0:y1, x0:x1], dtype=cv2.CV_8U)
    # Each chroma plane is a flat run of (h / 2) rows of w / 2, both in the part and in the frame.
    chroma = part[h:].reshape(2, h // 2, w // 2)
    target = planes[height:].reshape(2, height // 2, width // 2)
    target[:, y0 // 2 : y1 // 2, x0 // 2 : x1 // 2] = chroma


def _put_strip(planes: NDArray[np.uint8], picture: RGB, x: int, y: int) -> None:
    height, width = planes.shape[0] * 2 // 3, planes.shape[1]
    h, w = picture.shape[:2]
    part = _strip_planes(picture.tobytes(), h, w)
    planes[y : y + h, x : x + w] = part[:h]
    chroma = planes[height:].reshape(2, height // 2, width // 2)
    chroma[:, y // 2 : (y + h) // 2, x // 2 : (x + w) // 2] = part[h:].reshape(2, h // 2, w // 2)


@lru_cache(maxsize=4)
def _strip_planes(rgb: bytes, h: int, w: int) -> NDArray[np.uint8]:
    return _to_planes(np.frombuffer(rgb, np.uint8).reshape(h, w, 3))


@lru_cache(maxsize=4)
def _strip(text: str, width_px: int) -> RGB:
    """Return white signs on a dark strip with even sides, as recorders burn them in."""
    size = round(width_px / 40)
    font = ImageFont.truetype(str(font_file()), size)
    wide = (int(font.getlength(text)) + size) // 2 * 2
    strip = Image.new("RGB", (wide, round(size * 1.5) // 2 * 2), (16, 16, 18))
    pen = ImageDraw.Draw(strip)
    pen.text((size // 2, strip.height / 2), text, (242, 242, 238), font, anchor="lm")
    return np.asarray(strip)
