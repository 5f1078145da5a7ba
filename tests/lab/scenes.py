"""Clips of one street as a camera shows it when it is well and when it is not.

All kinds of one set have the same size, rate and parameter sets, so that a stream may go over from
one to another as a camera's picture does, without a new session.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Literal, cast, get_args

import av
import cv2
import numpy as np
from make.scenes import RGB, street

SceneKind = Literal[
    "normal", "night", "dark", "overexposed", "blurred", "covered", "moved", "frozen"
]
"""``night`` is a healthy picture under lamps; ``dark`` shows nothing but noise; ``moved`` looks a
seventh of the picture beside where it should; ``frozen`` is one picture with one noise for ever."""

KINDS: tuple[SceneKind, ...] = get_args(SceneKind)
_TICK = Fraction(1, 90_000)
_MARGIN = 0.4
"""How much wider the drawn street is than the view."""
_SPARE = 64
"""Noise is drawn once, so much larger than the picture, and shifted from frame to frame."""


def encode(
    path: Path,
    pictures: Iterable[RGB],
    *,
    fps: int | Fraction = 12,
    gop_s: float = 1.0,
    bit_rate: int | None = None,
    bframes: int = 0,
    codec: Literal["libx264", "libx265"] = "libx264",
    rotation_deg: int = 0,
) -> Path:
    """Write pictures ``(y, x, 3)`` as a camera would encode them: closed groups, a steady rate.

    Without `bit_rate` (bits a second) the quality is constant. `rotation_deg` asks players to turn
    the picture clockwise.
    """
    gop = max(1, round(gop_s * fps))
    # stitchable: the parameter sets depend on size and rate only, not on what is shown
    words = [f"keyint={gop}:min-keyint={gop}:scenecut=0:b-adapt=0:bframes={bframes}:open-gop=0"]
    words.append("stitchable=1" if codec == "libx264" else "log-level=none:pools=none")
    if bit_rate:
        words.append(f"vbv-maxrate={bit_rate // 1000}:vbv-bufsize={bit_rate // 1000}")
    options = {"preset": "ultrafast", f"{codec[3:]}-params": ":".join(words)}
    if not bit_rate:
        options["crf"] = "23"
    with av.open(f"file:{path}", "w", format="mp4") as out:
        stream = cast(av.VideoStream, out.add_stream(codec, rate=Fraction(fps), options=options))
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = stream.time_base = _TICK
        context.gop_size, context.max_b_frames = gop, bframes
        if bit_rate:
            context.bit_rate = bit_rate
        for n, picture in enumerate(pictures):
            if n == 0:
                stream.height, stream.width = picture.shape[:2]
                if rotation_deg:
                    stream.set_display_rotation(-rotation_deg)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(n / Fraction(fps) / _TICK), _TICK
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return path


def scene_pictures(
    kind: SceneKind, n: int, size: tuple[int, int] = (640, 360), *, seed: int = 1
) -> Iterator[RGB]:
    """Yield `n` pictures of `size` (width, height); vehicles enter and leave within them."""
    width, height = size
    world = _world(size, seed)
    rng = np.random.default_rng(seed)
    strength = {"dark": 1.5, "night": 4.0}.get(kind, 2.5)
    grain = rng.normal(0, strength, (height + _SPARE, width + _SPARE)).astype(np.float32)
    more, less = (
        np.repeat(np.clip(np.rint(one), 0, 255).astype(np.uint8)[..., None], 3, axis=2)
        for one in (grain, -grain)
    )
    dirt = _dirt(size, rng)
    left = round(_MARGIN / 2 * width) + (width // 7 if kind == "moved" else 0)
    top = round(_MARGIN / 2 * height) + (height // 14 if kind == "moved" else 0)
    picture = world
    for number in range(n):
        if kind == "frozen" and number:
            yield picture
            continue
        whole = world.copy()
        _vehicles(whole, (number + 0.5) / n)
        picture = _spoilt(kind, whole[top : top + height, left : left + width], dirt)
        x, y = rng.integers(0, _SPARE, 2)
        view = np.s_[y : y + height, x : x + width]
        picture = cast(RGB, cv2.subtract(cv2.add(picture, more[view]), less[view]))
        yield picture


def make_scenes(
    folder: Path,
    kinds: Sequence[SceneKind] = KINDS,
    *,
    size: tuple[int, int] = (640, 360),
    fps: int | Fraction = 12,
    seconds: float = 4.0,
    gop_s: float = 1.0,
    bit_rate: int | None = None,
    bframes: int = 0,
    seed: int = 1,
) -> dict[SceneKind, Path]:
    """Write a clip of each kind into `folder`; `seed` makes another street of it."""
    folder.mkdir(parents=True, exist_ok=True)
    n = round(seconds * fps)
    return {
        kind: encode(
            folder / f"{kind}.mp4",
            scene_pictures(kind, n, size, seed=seed),
            fps=fps,
            gop_s=gop_s,
            bit_rate=bit_rate,
            bframes=bframes,
        )
        for kind in kinds
    }


def _world(size: tuple[int, int], seed: int) -> RGB:
    """Return the empty street, wider than the view: houses, a road, its markings."""
    rng = np.random.default_rng(seed)
    width, height = (round(side * (1 + _MARGIN)) for side in size)
    world = cv2.resize(street(seed), (width, height), interpolation=cv2.INTER_CUBIC)
    unit = max(2, height // 40)
    for x in range(0, width, 5 * unit):
        tall = int(rng.integers(8, 16)) * unit
        colour = tuple(int(part) for part in rng.integers(70, 200, 3))
        cv2.rectangle(world, (x, 18 * unit - tall), (x + 5 * unit - 2, 18 * unit), colour, -1)
        for row in range(18 * unit - tall + unit, 17 * unit, 2 * unit):
            for column in (x + unit, x + 3 * unit):
                shade = 30 if rng.random() < 0.6 else 225
                corner = (column + unit - 1, row + unit - 1)
                cv2.rectangle(world, (column, row), corner, (shade, shade, shade), -1)
    for x in range(0, width, 6 * unit):
        cv2.rectangle(world, (x, 29 * unit), (x + 3 * unit, 29 * unit + unit // 2), (225,) * 3, -1)
    return cast(RGB, world)


def _vehicles(world: RGB, part: float) -> None:
    """Draw one vehicle each way, `part` of 0 to 1 of their way done."""
    height, width = world.shape[:2]
    long, tall = width // 9, height // 12
    ways = ((part, 0.62, (190, 40, 40)), (1 - part, 0.8, (40, 60, 170)))
    for done, lane, colour in ways:
        x, y = round(done * (width + 2 * long)) - long - long // 2, round(lane * height)
        cv2.rectangle(world, (x, y), (x + long, y + tall), colour, -1)
        windows = (x + long // 4, y + tall // 6), (x + long // 2, y + tall // 2)
        cv2.rectangle(world, *windows, (30, 30, 40), -1)
        for wheel in (x + long // 5, x + 4 * long // 5):
            cv2.circle(world, (wheel, y + tall), max(1, tall // 5), (10, 10, 10), -1)


def _dirt(size: tuple[int, int], rng: np.random.Generator) -> RGB:
    """Return what a hand or a bag before the lens looks like: no edges, hardly any light."""
    coarse = rng.uniform(35, 60, (3, 4, 1)) + rng.uniform(0, 8, (1, 1, 3))
    return cast(RGB, cv2.resize(coarse.astype(np.uint8), size, interpolation=cv2.INTER_CUBIC))


def _spoilt(kind: SceneKind, picture: RGB, dirt: RGB) -> RGB:
    match kind:
        case "dark":
            return cast(RGB, cv2.convertScaleAbs(picture, alpha=0.03, beta=4))
        case "night":
            return cast(RGB, cv2.convertScaleAbs(picture, alpha=0.4, beta=6))
        case "overexposed":
            return cast(RGB, cv2.convertScaleAbs(picture, alpha=1.5, beta=140))
        case "blurred":
            return cast(RGB, cv2.GaussianBlur(picture, (0, 0), picture.shape[1] / 80))
        case "covered":
            return cast(RGB, cv2.addWeighted(picture, 0.04, dirt, 0.96, 0))
        case _:
            return picture
