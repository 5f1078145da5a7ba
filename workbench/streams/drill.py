"""A drill for the checks of health: drawn days and nights full of harmless things, and real faults.

Nothing here is evidence. The pictures are drawn from a seed; what is drawn at noon and at midnight
is the same street in other light, with the noise, the coding and the traffic that make a check cry
wolf. :func:`simulate_day` counts the false alarms of such a day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.streams.faults import Fault, HealthSettings
from workbench.streams.health import CameraHealth, Seen
from workbench.streams.pictures import Grey, Light, make_reference
from workbench.timeline import SECOND_NS

WIDTH_PX, HEIGHT_PX = 320, 180
DAY_S = 86_400
FPS = 15.0
DAY_KBIT_S, NIGHT_KBIT_S = 2400.0, 1100.0
_DAWN_S, _DUSK_S = 5.6 * 3600, 17.9 * 3600
_TWILIGHT_S = 1500.0
_INFRARED_BELOW = 0.12

PictureFault = Literal["frozen", "dark", "overexposed", "blurred", "covered", "moved"]
_Plane = NDArray[np.float32]


class DrawnCamera:
    """One camera's street over a day; pictures depend on the seed and the time alone."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.seed = seed
        self._street = _street(rng)
        down = np.linspace(0, 1, HEIGHT_PX, dtype=np.float32)[:, None]
        across = np.linspace(-1, 1, WIDTH_PX, dtype=np.float32)[None, :]
        self._infrared = np.exp(-(across**2) / 0.5 - (down - 0.6) ** 2 / 0.35)
        lamp = rng.uniform(-0.7, 0.7)
        self._lamp = np.exp(-((across - lamp) ** 2) / 0.15 - (down - 0.4) ** 2 / 0.3)
        self._has_infrared = bool(rng.random() < 0.7)
        self._noise = float(rng.uniform(1.0, 2.2))
        self._rain_s = rng.uniform(0, DAY_S - 3600)
        self._traffic = float(rng.uniform(0.5, 1.0))

    def night(self, at_s: float) -> bool:
        """Return whether the camera shows its night picture."""
        return self._daylight(at_s) < _INFRARED_BELOW

    def picture(self, at_s: float, *, step_s: float = 5.0) -> Grey:
        """Return the picture at `at_s` seconds of local day; checks are `step_s` apart.

        Things that pass last at least as many checks as they would at checks of 5 s, so that
        coarser days are as hard.
        """
        tick = int(at_s // step_s)
        rng = np.random.default_rng((self.seed, tick))
        light, night = self._daylight(at_s), self.night(at_s)
        picture = self._lit(at_s, light, night, tick)
        self._drive(picture, rng, night)
        # a bus fills the view for three checks now and then
        bus = np.random.default_rng((self.seed, 1, tick // 3))
        if bus.random() < 0.02:
            _bus(picture, bus, tick % 3, night)
        if self._rain_s <= at_s < self._rain_s + 3600:
            picture = cv2.GaussianBlur(picture, (0, 0), 0.5) * 0.65 + 40
            _streaks(picture, rng)
        # a pole sways by a pixel in the wind
        dx, dy = rng.uniform(-0.8, 0.8), rng.uniform(-0.6, 0.6)
        sway = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
        picture = cv2.warpAffine(
            picture, sway, (WIDTH_PX, HEIGHT_PX), borderMode=cv2.BORDER_REFLECT
        )
        gain = 1 + 2.0 * (1 - min(1.0, 3 * light))
        picture += rng.normal(0, self._noise * gain, picture.shape).astype(np.float32)
        return _coded(_stamped(np.clip(picture, 0, 255).astype(np.uint8), at_s))

    def _daylight(self, at_s: float) -> float:
        """Return daylight, 0..1, with clouds that take half of it and back within a minute."""
        at_s %= DAY_S
        rise = (at_s - _DAWN_S) / _TWILIGHT_S
        fall = (_DUSK_S - at_s) / _TWILIGHT_S
        sun = float(np.clip(min(rise, fall), 0, 1))
        cloud = 0.75 + 0.25 * np.sin(at_s / 40 + self.seed) * np.sin(at_s / 700)
        return sun * float(cloud)

    def _lit(self, at_s: float, light: float, night: bool, tick: int) -> _Plane:
        if not night:
            shadow = self._shadow(at_s) if light > 0.6 else 1.0
            # exposure follows light, but not all the way down
            level = 0.45 + 0.55 * min(1.0, light / 0.5)
            return np.asarray(self._street * shadow * level, np.float32)
        switching = np.random.default_rng((self.seed, 2, tick // 400)).random()
        lamp = 0.0 if switching < 0.15 else 1.0  # the street lamp is off for a while
        own = 0.75 * self._infrared if self._has_infrared else 0.12
        return np.asarray(12 + self._street * (own + 0.5 * lamp * self._lamp), np.float32)

    def _shadow(self, at_s: float) -> _Plane:
        """Return the moving shadow of a building: sharp, and not there in the reference."""
        edge = WIDTH_PX * (at_s - _DAWN_S) / (_DUSK_S - _DAWN_S)
        x = np.arange(WIDTH_PX, dtype=np.float32)[None, :]
        y = np.arange(HEIGHT_PX, dtype=np.float32)[:, None]
        return np.where(np.abs(x - edge + 0.5 * (y - 90)) < 45, 0.6, 1.0).astype(np.float32)

    def _drive(self, picture: _Plane, rng: np.random.Generator, night: bool) -> None:
        count = rng.poisson((1.0 if night else 4.0) * self._traffic)
        for _ in range(count):
            x, y = int(rng.integers(0, WIDTH_PX)), int(rng.integers(70, 165))
            w, h = int(rng.integers(10, 60)), int(rng.integers(8, 34))
            shade = float(rng.uniform(20, 220)) * (0.4 if night else 1.0)
            cv2.rectangle(picture, (x, y), (x + w, y + h), shade, -1)
            cv2.rectangle(picture, (x + w // 5, y + 2), (x + w // 2, y + h // 2), shade / 3, -1)
            if night:
                _headlights(picture, x, y + h // 2, rng)


def _street(rng: np.random.Generator) -> _Plane:
    """Return a street's reflectance, 0..255: houses, road, markings, wires, trees."""
    picture = np.full((HEIGHT_PX, WIDTH_PX), 110, np.float32)
    picture += cv2.GaussianBlur(rng.normal(0, 60, picture.shape).astype(np.float32), (0, 0), 3)
    picture[:30] += 70
    x = 0
    while x < WIDTH_PX:
        w, top = int(rng.integers(25, 70)), int(rng.integers(12, 50))
        cv2.rectangle(picture, (x, top), (x + w, 85), float(rng.uniform(60, 190)), -1)
        for wx in range(x + 5, x + w - 8, 14):
            for wy in range(top + 6, 76, 16):
                cv2.rectangle(picture, (wx, wy), (wx + 7, wy + 9), float(rng.uniform(25, 90)), -1)
        x += w
    vanish = (int(rng.integers(100, 220)), 82)
    road = np.array([vanish, (WIDTH_PX + 60, HEIGHT_PX), (-60, HEIGHT_PX)])
    cv2.fillPoly(picture, [road.astype(np.int32)], 95.0)
    for part in np.linspace(0.15, 1, 7):
        ends = [
            (int(vanish[0] + p * (bottom - vanish[0])), int(82 + p * 98))
            for bottom in (150,)
            for p in (part, part - 0.07)
        ]
        cv2.line(picture, ends[0], ends[1], 215.0, max(1, int(3 * part)))
    for _ in range(4):
        at = int(rng.integers(0, WIDTH_PX))
        cv2.line(picture, (at, 0), (at + int(rng.integers(-4, 4)), 110), 50.0, 2)
        cv2.line(picture, (0, at % 60), (WIDTH_PX, (at * 7) % 50), 45.0, 1)
    grain = cv2.GaussianBlur(rng.normal(0, 22, picture.shape).astype(np.float32), (0, 0), 0.9)
    return np.asarray(np.clip(cv2.GaussianBlur(picture, (0, 0), 0.6) + grain, 10, 240), np.float32)


def _bus(picture: _Plane, rng: np.random.Generator, part: int, night: bool) -> None:
    """Fill the view with the side of a bus: panels, a row of windows, a wheel, an advertisement."""
    shade = float(rng.uniform(50, 210)) * (0.35 if night else 1.0)
    left = int((-60, 0, 90)[part] + rng.integers(-15, 15))
    cv2.rectangle(picture, (left - 10, 6), (left + 420, 172), shade, -1)
    for wx in range(left, left + 400, 52):
        cv2.rectangle(picture, (wx, 28), (wx + 42, 80), shade * 0.3, -1)
        cv2.line(picture, (wx + 6, 74), (wx + 20, 32), shade * 0.6, 2)
    cv2.circle(picture, (left + 60, 168), 24, 15.0, -1)
    cv2.putText(
        picture, "TOUR 29B", (left + 120, 130), cv2.FONT_HERSHEY_DUPLEX, 1.3, shade * 1.4, 3
    )


def _headlights(picture: _Plane, x: int, y: int, rng: np.random.Generator) -> None:
    size = int(rng.integers(3, 40))
    glow = np.zeros_like(picture)
    cv2.circle(glow, (x, y), size, 255.0, -1)
    picture += cv2.GaussianBlur(glow, (0, 0), size / 2 + 1)


def _streaks(picture: _Plane, rng: np.random.Generator) -> None:
    for _ in range(60):
        x, y = int(rng.integers(0, WIDTH_PX)), int(rng.integers(0, HEIGHT_PX))
        cv2.line(picture, (x, y), (x + 2, y + 12), 200.0, 1)


def _stamped(luma: Grey, at_s: float) -> Grey:
    """Burn the clock into the upper edge, as cameras do."""
    whole = int(at_s)
    text = f"2026-11-20 {whole // 3600 % 24:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"
    cv2.putText(luma, text, (4, 10), cv2.FONT_HERSHEY_PLAIN, 0.8, 255, 1)
    return luma


def _coded(luma: Grey) -> Grey:
    """Return the picture with the losses of a codec."""
    done, data = cv2.imencode(".jpg", luma, [cv2.IMWRITE_JPEG_QUALITY, 70])
    assert done
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE), np.uint8)


def spoil(
    luma: Grey, fault: PictureFault, rng: np.random.Generator, *, frozen: Grey | None = None
) -> Grey:
    """Return a picture as a camera with a fault would show it.

    Parameters
    ----------
    luma
        What it would show without, uint8 (y, x).
    fault
        What is wrong with it.
    rng
        Draws the noise; how strong the fault is does not change with it.
    frozen
        The picture that is repeated by a frozen encoder; its burnt-in clock still runs.
    """
    if fault == "frozen":
        assert frozen is not None
        strip = round(0.07 * luma.shape[0])
        return np.vstack([luma[:strip], frozen[strip:]])
    height, width = luma.shape
    picture = luma.astype(np.float32)
    if fault == "dark":
        picture *= 0.04
    elif fault == "overexposed":
        picture = 4 * picture + 120
    elif fault == "blurred":
        picture = cv2.GaussianBlur(picture, (0, 0), 2.5)
    elif fault == "covered":
        across = np.linspace(60, 100, width, dtype=np.float32)[None, :]
        picture = np.repeat(across, height, axis=0)
    else:
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), 4.0, 1.0)
        turn[:, 2] += (0.07 * width, 0.04 * height)
        picture = cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REFLECT)
    picture += rng.normal(0, 1.0, picture.shape)
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


@dataclass(frozen=True, slots=True)
class Alarm:
    """A fault raised in a drill, at seconds of the local day."""

    camera: int
    at_s: float
    fault: Fault


@dataclass(frozen=True, slots=True)
class DayResult:
    """What came of a simulated day; every alarm in it is a false one."""

    cameras: int
    checks: int
    alarms: tuple[Alarm, ...] = field(default=())

    @property
    def per_camera(self) -> float:
        """Return false alarms a camera and day."""
        return len(self.alarms) / max(1, self.cameras)

    @property
    def worst(self) -> int:
        """Return the most false alarms of one camera."""
        return max(Counter(one.camera for one in self.alarms).values(), default=0)


def referred(camera: DrawnCamera, settings: HealthSettings | None = None) -> CameraHealth:
    """Return the health of a drawn camera with its day and night references set."""
    health = CameraHealth(f"DRILL-{camera.seed}", settings=settings)
    lights: tuple[tuple[Light, int, float], ...] = (
        ("day", 12 * 3600, DAY_KBIT_S),
        ("night", 3600, NIGHT_KBIT_S),
    )
    for light, start_s, kbit_s in lights:
        lumas = [camera.picture(start_s + 5 * n) for n in range(9)]
        at_ns = start_s * SECOND_NS
        health.refer(make_reference(light, lumas, at_ns, fps=FPS, kbit_s=kbit_s))
    return health


def simulate_day(
    *,
    cameras: int = 26,
    step_s: float = 5.0,
    seed: int = 1,
    settings: HealthSettings | None = None,
    tell: Callable[[int], None] = lambda _camera: None,
) -> DayResult:
    """Run the checks over a day and a night of drawn cameras in good order.

    Parameters
    ----------
    cameras
        How many, seeded one after another from `seed`.
    step_s
        Time between checks, s; what passes through the view lasts as many checks at any step.
    settings
        Thresholds.
    tell
        Called with the number of each camera as it is done.
    """
    alarms, checks = [], 0
    for number in range(cameras):
        camera = DrawnCamera(seed + number)
        health, raised = referred(camera, settings), set[Fault]()
        rng = np.random.default_rng((seed, number))
        for tick in range(int(DAY_S / step_s)):
            at_s = tick * step_s
            check = health.check(_seen(camera, at_s, step_s, rng))
            checks += 1
            alarms += [Alarm(number, at_s, one) for one in check.faults if one not in raised]
            raised = set(check.faults)
        tell(number)
    return DayResult(cameras, checks, tuple(alarms))


def _seen(camera: DrawnCamera, at_s: float, step_s: float, rng: np.random.Generator) -> Seen:
    """Return what a camera in good order sends: rates wander, a packet is lost now and then."""
    kbit_s = (NIGHT_KBIT_S if camera.night(at_s) else DAY_KBIT_S) * rng.uniform(0.5, 1.6)
    at_ns = round(at_s * SECOND_NS)
    return Seen(
        at_ns,
        elapsed_s=step_s,
        packets=int(rng.normal(FPS * step_s, 2)),
        size_bytes=int(kbit_s * 1000 / 8 * step_s),
        lost_share=int(rng.random() < 0.02) / (FPS * step_s),
        picture=camera.picture(at_s, step_s=step_s),
        picture_ns=at_ns,
        clock_offset_s=float(rng.normal(0.3, 0.1)) if int(at_s / step_s) % 6 == 0 else None,
    )
