"""Streets drawn for the yardstick: known traffic in the simulated ward's views, known boxes.

Everything follows from :data:`SEEDS`. Pixels come from the twin; weather is laid over them here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from workbench import media, twin, ward
from workbench.bench.recognition_match import Trail, overlaps
from workbench.demonstration import START_NS, WARD
from workbench.recognition.types import RGB
from workbench.twin import people
from workbench.twin.fleet import Vehicle, make_fleet
from workbench.twin.journeys import Direction, Pass, Scenario, Walk
from workbench.twin.mesh import Body
from workbench.twin.scene import GAIT_STEPS, body_of, gait_step
from workbench.twin.views import View, overview_view, plate_view

SEEDS = {"mixed street": 20261201, "busy": 20261202, "passes": 20261203, "mixtures": 20261204}
"""Of every drawn or mixed clip here. Nothing of the product may be tuned on them."""

Weather = Literal["day", "night", "rain", "sensor"]
"""``sensor``: day, with the noise of a camera's sensor and a camera's bit rate."""

CRF, PRESET, GOP_S = 25, "veryfast", 2.0
SENSOR_NOISE, SENSOR_BIT_RATE = 2.5, 4_000_000
"""Grey levels (one sigma, luma) and bits a second: what cameras of 1080p25 are set to as a rule."""
LEAST_PX = 16.0
"""A thing whose box is less high or wide than this is there and not scored."""
_HIDDEN_SHARE, _INSIDE_SHARE, _PASS_S = 0.6, 0.5, 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Street:
    """One drawn clip: its scenario, the only camera in it, and the weather."""

    name: str
    scenario: Scenario
    weather: Weather = "day"

    @property
    def view(self) -> View:
        """The camera."""
        return self.scenario.views[self.scenario.cameras[0]]

    def plates(self) -> dict[str, str]:
        """Return the plate of each vehicle, empty where it has none."""
        return {name: vehicle.plate for name, vehicle in self.scenario.vehicles.items()}


def mixed_street(seconds: float, *, fps: int = 25, weather: Weather = "day") -> Street:
    """Return a 1080p plate camera's street: groups of traffic, quiet stretches between them.

    Seven vehicles in ten are motorcycles. The lens is that of the ward's plate cameras; the larger
    sensor sees more to the sides.
    """
    seed = SEEDS["mixed street"]
    rng = np.random.default_rng([seed, 1])
    view = replace(_plate_view("rear", seed), width_px=1920, height_px=1080)
    groups = max(1, round(seconds / 20))
    arrive: list[float] = []
    for n in range(groups):
        at = 20 * n + 5 + float(rng.uniform(0, 4))
        for _ in range(int(rng.integers(4, 8))):
            arrive.append(at)
            at += float(rng.uniform(1.5, 3.0))
    fleet = make_fleet(len(arrive), np.random.default_rng([seed, 2]))
    passes = [_pass(view, one, at, rng) for one, at in zip(fleet, arrive, strict=True)]
    return _street("mixed street", view, fleet, passes, (), seconds, fps, seed, weather)


def busy_scene(
    seconds: float, *, movers: int = 70, fps: int = 25, weather: Weather = "day"
) -> Street:
    """Return a 1080p overview with about `movers` things on the move in it all the time."""
    seed = SEEDS["busy"]
    rng = np.random.default_rng([seed, 1])
    view = _overview(seed, 1920, 1080)
    near, far = 9.0, 72.0
    vehicles = movers * 2 // 5
    passes, fleet = [], []
    # So many pass in all that `vehicles` are between near and far at any time.
    speed = 4.0
    count = max(1, round(vehicles * (1 + seconds * speed / (far - near))))
    for n, one in enumerate(make_fleet(count, np.random.default_rng([seed, 2]))):
        fleet.append(one)
        # A slow column each way: places along the road are even, so that nobody drives in another.
        abreast = seconds - (n + 0.5) / count * (seconds + (far - near) / speed)
        away = n % 2 == 0
        start_s = abreast - near / speed if away else abreast + far / speed
        side = 1.0 if away else -1.0
        lateral = side * (0.9 + 2.4 * float(rng.random()))
        passes.append(
            Pass(one.vehicle_id, view.camera_id, start_s, speed * float(rng.uniform(0.9, 1.1)),
                 "away" if away else "towards", lateral)
        )  # fmt: skip
    walks = _crowd(view, movers - vehicles, seconds, (near, 50.0), rng)
    return _street("busy", view, fleet, passes, walks, seconds, fps, seed, weather)


def pass_streets(count: int, seconds: float, *, fps: int = 12) -> Iterator[Street]:
    """Yield streets of the ward's kinds of view, in turn tight and wide, with steady traffic."""
    for n in range(count):
        yield pass_street(n, seconds, fps=fps)


def pass_street(
    number: int, seconds: float, *, fps: int = 12, weather: Weather = "day", name: str = ""
) -> Street:
    """Return one of the streets on which passes are counted; see :func:`pass_streets`."""
    seed = SEEDS["passes"] + 100 * number
    rng = np.random.default_rng([seed, 1])
    wide = number % 2 == 1
    view = (
        _overview(seed, 1280, 720)
        if wide
        else _plate_view(("rear", "front")[number // 2 % 2], seed)
    )
    at, arrive = float(rng.uniform(1, 3)), []
    while at < seconds - 4:
        arrive.append(at)
        at += float(rng.uniform(1.2, 4.0))
    fleet = make_fleet(max(1, len(arrive)), np.random.default_rng([seed, 2]))
    passes = [_pass(view, one, t, rng) for one, t in zip(fleet, arrive, strict=False)]
    walks = _crowd(view, 5, seconds, (9.0, 40.0), rng) if wide else ()
    return _street(
        name or f"{'wide' if wide else 'tight'} {number}", view, fleet, passes, walks, seconds, fps,
        seed, weather,
    )  # fmt: skip


def _street(
    name: str,
    view: View,
    fleet: list[Vehicle],
    passes: list[Pass],
    walks: tuple[Walk, ...],
    seconds: float,
    fps: int,
    seed: int,
    weather: Weather = "day",
) -> Street:
    vehicles = {one.vehicle_id: one for one in fleet}
    views = {view.camera_id: view}
    scenario = Scenario(seed, START_NS, seconds, fps, views, vehicles, (), tuple(passes), walks)
    return Street(name, scenario, weather)


def _plate_view(sees: str, seed: int) -> View:
    cameras = ward.load(WARD).cameras.values()
    camera = next(one for one in cameras if one.kind == "plate" and one.sees == sees)
    return plate_view(camera, seed=seed, clock_offset_ns=0)


def _overview(seed: int, width_px: int, height_px: int) -> View:
    cameras = ward.load(WARD).cameras.values()
    camera = next(one for one in cameras if one.kind == "overview")
    view = overview_view(camera, seed=seed, clock_offset_ns=0)
    larger = width_px / view.width_px
    return replace(view, width_px=width_px, height_px=height_px, focal_px=view.focal_px * larger)


def _pass(view: View, one: Vehicle, at_s: float, rng: np.random.Generator) -> Pass:
    """Return a pass that is at the sweet spot of the view at an instant."""
    low, high = {"bicycle": (3.2, 4.8), "truck": (5.8, 8.5), "bus": (5.8, 8.5)}.get(
        one.kind, (7.0, 11.0)
    )
    speed = float(rng.uniform(low, high))
    towards = {"rear": 0.15, "front": 0.85}.get(view.sees, 0.5)
    if view.kind == "overview":
        towards = 0.5
    direction: Direction = "towards" if rng.random() < towards else "away"
    side = 1.0 if direction == "away" else -1.0
    lane = abs(view.lane_m) if abs(view.lane_m) > 0.1 else 0.35
    lateral = side * lane + float(np.clip(rng.normal(0, 0.3), -0.55, 0.55))
    abreast = at_s - side * view.sweet_m / speed
    return Pass(one.vehicle_id, view.camera_id, abreast, speed, direction, lateral)


def _crowd(
    view: View, count: int, seconds: float, between: tuple[float, float], rng: np.random.Generator
) -> tuple[Walk, ...]:
    """Return walkers of whom about `count` are on their way at any time."""
    walks: list[Walk] = []
    lasts = (between[1] - between[0]) / 1.25
    number = max(1, round(count * (1 + seconds / lasts)))
    for n in range(number):
        side = float(rng.choice([-1, 1]))
        x = side * (view.half_road_m + float(rng.uniform(0.3, 1.6)))
        ends = ((x, between[0]), (x + float(rng.normal(0, 0.2)), between[1]))
        if rng.random() < 0.5:
            ends = (ends[1], ends[0])
        start = -lasts + (n + float(rng.random())) / number * (lasts + seconds)
        walks.append(
            Walk(f"W{n:03d}", view.camera_id, start, float(rng.uniform(1.0, 1.5)), *ends,
                 int(rng.integers(40)))
        )  # fmt: skip
    return tuple(walks)


# -- pixels ----------------------------------------------------------------------------------


def render(street: Street, out: Path) -> Path:
    """Draw a street as H.264 with a key frame every two seconds; returns the path."""
    view, fps = street.view, street.scenario.fps
    weather = _weather(street)
    with media.ClipWriter(
        out, view.width_px, view.height_px, time_base=Fraction(1, fps),
        gop=round(GOP_S * fps), crf=CRF, preset=PRESET,
        bit_rate=SENSOR_BIT_RATE if street.weather == "sensor" else None,
    ) as clip:  # fmt: skip
        for number, picture in enumerate(twin.frames(street.scenario, view.camera_id)):
            clip.write(weather(picture, number), number)
    return out


def still(street: Street, at_s: float) -> RGB:
    """Return one frame of a street, as it is before encoding."""
    number = round(at_s * street.scenario.fps)
    (picture,) = twin.frames(street.scenario, street.view.camera_id, range(number, number + 1))
    return _weather(street)(picture, number)


def _weather(street: Street) -> Callable[[RGB, int], RGB]:
    if street.weather == "night":
        return _Night(street)
    if street.weather == "rain":
        return _Rain(street)
    if street.weather == "sensor":
        return _Sensor(street)
    return lambda picture, _number: picture


class _Sensor:
    """Noise that is elsewhere on every frame: pieces of one field of it, from a random corner."""

    def __init__(self, street: Street) -> None:
        self._seed = street.scenario.seed
        self._room = 64
        size = (street.view.height_px + self._room, street.view.width_px + self._room, 1)
        field = np.random.default_rng([self._seed, 73]).normal(0, SENSOR_NOISE, size)
        self._field = field.astype(np.float32)

    def __call__(self, picture: RGB, number: int) -> RGB:
        height, width = picture.shape[:2]
        down, right = np.random.default_rng([self._seed, 74, number]).integers(self._room, size=2)
        grain = self._field[down : down + height, right : right + width]
        noisy: RGB = np.clip(picture + grain, 0, 255).astype(np.uint8)
        return noisy


class _Night:
    """Street lamps, headlights that blind and throw a pool on the road, a sensor at its limit."""

    def __init__(self, street: Street) -> None:
        self._street = street
        self._boxes = things_at(street)
        height, width = street.view.height_px, street.view.width_px
        x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(0, 1, height))
        lamp = 0.13 + 0.17 * np.exp(-(x**2) * 2 - (y - 0.5) ** 2 * 5)
        self._lamp = lamp.astype(np.float32)[..., None] * np.array([1.0, 0.86, 0.62], np.float32)

    def __call__(self, picture: RGB, number: int) -> RGB:
        dark = picture.astype(np.float32) * self._lamp
        height, width = dark.shape[0], dark.shape[1]
        glow = np.zeros((height, width), np.float32)
        for name, box, towards in self._boxes(number):
            if not towards or name.startswith("W"):
                continue
            x, y, w, h = box
            at = (int(x + w / 2), int(y + 0.55 * h))
            cv2.circle(glow, at, max(2, int(w * 0.3)), 1.0, -1)
            pool = (max(2, int(w * 1.1)), max(1, int(h * 0.35)))
            cv2.ellipse(glow, (at[0], int(y + 1.25 * h)), pool, 0, 0, 360, 0.35, -1)
        small = cv2.resize(glow, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), 6) + 0.5 * cv2.GaussianBlur(small, (0, 0), 24)
        glow = glow * 0.6 + cv2.resize(small, (width, height))
        dark += np.minimum(glow, 1.4)[..., None] * np.array([235, 235, 220], np.float32)
        noise = np.random.default_rng([self._street.scenario.seed, 71, number])
        dark += noise.normal(0, 5.0, (height, width, 1)).astype(np.float32)
        lit: RGB = np.clip(dark, 0, 255).astype(np.uint8)
        return lit


class _Rain:
    """Streaks that are elsewhere on every frame, and a veil over what is far."""

    def __init__(self, street: Street) -> None:
        self._seed = street.scenario.seed

    def __call__(self, picture: RGB, number: int) -> RGB:
        height, width = picture.shape[:2]
        rng = np.random.default_rng([self._seed, 72, number])
        veil = np.linspace(0.45, 0.12, height, dtype=np.float32)[:, None, None]
        wet = picture.astype(np.float32) * 0.8 * (1 - veil) + 150 * veil
        streaks = np.zeros((height, width), np.uint8)
        for _ in range(round(width * height / 1500)):
            x, y = int(rng.integers(width)), int(rng.integers(height))
            long = int(rng.integers(height // 60, height // 18))
            end = (x + long // 6, y + long)
            cv2.line(streaks, (x, y), end, int(rng.integers(25, 75)), 1, cv2.LINE_AA)
        rainy: RGB = np.clip(wet + streaks[..., None], 0, 255).astype(np.uint8)
        return rainy


# -- truth -----------------------------------------------------------------------------------


def things_at(street: Street) -> Callable[[int], list[tuple[str, NDArray[np.float64], bool]]]:
    """Return what tells, for a frame, each thing in view: name, box in px, whether it comes."""
    trails = [(trail, towards) for trail, towards in _all_trails(street)]

    def at(number: int) -> list[tuple[str, NDArray[np.float64], bool]]:
        found = []
        for trail, towards in trails:
            k = int(np.searchsorted(trail.frames, number))
            if k < len(trail.frames) and trail.frames[k] == number:
                found.append((trail.name, trail.boxes[k], towards))
        return found

    return at


def _all_trails(street: Street) -> Iterator[tuple[Trail, bool]]:
    """Yield every thing's boxes, clipped to the picture, wherever a pixel of it is drawn."""
    scenario, view = street.scenario, street.view
    times = np.arange(scenario.frame_count) / scenario.fps
    for one in scenario.passes:
        vehicle = scenario.vehicles[one.vehicle_id]
        towards = one.direction == "towards"
        outline = _outline(body_of(vehicle), towards)
        places = [(one.x_m(float(t)), one.y_m(float(t))) for t in times]
        shown = [n for n, (_, y) in enumerate(places) if -3 < y < view.far_m - 6]
        steps = np.zeros(len(shown), int)
        trail = _trail(view, one.vehicle_id, vehicle.kind, [outline], steps, places, shown)
        if trail is not None:
            yield trail, towards
    for walk in scenario.walks:
        towards = walk.to_m[1] < walk.from_m[1]
        gait = [
            _outline(people.walker(walk.looks, step / GAIT_STEPS), towards)
            for step in range(GAIT_STEPS)
        ]
        spots = [walk.at(float(t)) for t in times]
        shown = [n for n, spot in enumerate(spots) if spot is not None]
        filled = [spot or (0.0, 0.0) for spot in spots]
        steps = np.array([gait_step(walk, float(times[n])) for n in shown], int)
        trail = _trail(view, walk.walker_id, "person", gait, steps, filled, shown)
        if trail is not None:
            yield trail, towards


def _outline(body: Body, turned: bool) -> NDArray[np.float64]:
    """Return the corners [n, 3] of a body's convex hull, in metres around where it stands.

    What is seen of it reaches as far as these. The corners of its box are no measure: a rider
    fills half of his.
    """
    points = np.concatenate([part.points.reshape(-1, 3) for part in body.parts])
    corners = points[ConvexHull(points).vertices]
    return np.asarray(corners * (-1.0, -1.0, 1.0) if turned else corners)


def _trail(
    view: View,
    name: str,
    kind: str,
    outlines: list[NDArray[np.float64]],
    steps: NDArray[np.int64],
    places: list[tuple[float, float]],
    shown: list[int],
) -> Trail | None:
    """Return the boxes of a thing on the frames `shown`, each by the outline of its step."""
    if not shown:
        return None
    where = np.array([(*places[n], 0.0) for n in shown])
    low, high = np.empty((len(shown), 2)), np.empty((len(shown), 2))
    nearest = np.empty(len(shown))
    for step, outline in enumerate(outlines):
        those = steps == step
        if those.any():
            pixels, depth = view.project(outline[None] + where[those][:, None])
            low[those], high[those] = pixels.min(1), pixels.max(1)
            nearest[those] = depth.min(1)
    limits = np.array((view.width_px, view.height_px))
    whole = np.maximum((high - low).prod(-1), 1e-9)
    low, high = np.clip(low, 0, limits), np.clip(high, 0, limits)
    size = high - low
    ok = (nearest > 0.5) & (size.min(1) >= 2)
    if not ok.any():
        return None
    boxes = np.column_stack([low, size])[ok]
    scored = (size.min(1) >= LEAST_PX) & (size.prod(-1) / whole >= _INSIDE_SHARE)
    return Trail(name, np.array(shown)[ok], boxes, scored[ok], kind)


def truth(street: Street) -> list[Trail]:
    """Return the boxes of all that moves in a street, by frame.

    Not scored are boxes that are small, more than half outside, or mostly behind others' (whose
    feet stand lower in the picture).
    """
    trails = [trail for trail, _ in _all_trails(street)]
    at: dict[int, list[tuple[int, int]]] = {}
    for n, trail in enumerate(trails):
        for k, frame in enumerate(trail.frames.tolist()):
            at.setdefault(frame, []).append((n, k))
    for here in at.values():
        boxes = np.array([trails[n].boxes[k] for n, k in here])
        iou = overlaps(boxes, boxes)
        area = boxes[:, 2] * boxes[:, 3]
        shared = iou / (1 + iou) * (area[:, None] + area[None])
        foot = boxes[:, 1] + boxes[:, 3]
        before = (foot[None] > foot[:, None]) & ~np.eye(len(here), dtype=bool)
        hidden = (np.where(before, shared, 0) / area[:, None]).max(1) > _HIDDEN_SHARE
        for (n, k), behind in zip(here, hidden.tolist(), strict=True):
            if behind:
                trails[n].scored[k] = False
    return trails


def passes_of(trails: list[Trail], fps: float) -> list[Trail]:
    """Return the trails that are passes one may ask for: a second in sight and going somewhere."""
    return [one for one in trails if one.scored.sum() >= _PASS_S * fps and one.shift_sizes() >= 1.0]


def in_sight(trails: list[Trail], frames: int) -> tuple[float, float]:
    """Return the share of frames with anything in sight, and how many things are on average."""
    count = np.zeros(frames)
    for one in trails:
        count[one.frames[one.scored]] += 1
    return float((count > 0).mean()), float(count.mean()) if frames else math.nan
