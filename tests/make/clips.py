"""Clips whose pixels say which frame they are, so that "is this frame 151?" has an answer."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache, wraps
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

_COLUMNS, _ROWS = 8, 4  # 16 bits above, their complement below
_STEPS = (1, 3, 1, 2, 7, 1)
_REMEMBERED_BYTES, _MOST_REMEMBERED = 4 << 20, 64


def paint_number(number: int, size: tuple[int, int] = (160, 96)) -> NDArray[np.uint8]:
    """Return an RGB picture ``(y, x, 3)`` of `size` (width, height) that shows `number`."""
    bits = [(number >> bit) & 1 for bit in range(16)]
    levels = np.array([220 if bit else 30 for bit in bits + [1 - b for b in bits]], np.uint8)
    rows, columns = _cells(size)
    grey = levels.reshape(_ROWS, _COLUMNS).take(rows, axis=0).take(columns, axis=1)
    return np.asarray(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), np.uint8)


@lru_cache
def _cells(size: tuple[int, int]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    width, height = size
    return np.arange(height) * _ROWS // height, np.arange(width) * _COLUMNS // width


def read_number(rgb: NDArray[np.uint8]) -> int:
    """Return the number painted into a picture; ValueError where it is not to be read."""
    height, width = rgb.shape[:2]
    grey = rgb.astype(np.float32).mean(axis=2)
    ys = (np.arange(_ROWS) * 2 + 1) * height // (2 * _ROWS)
    xs = (np.arange(_COLUMNS) * 2 + 1) * width // (2 * _COLUMNS)
    level = np.array([[grey[y - 3 : y + 4, x - 3 : x + 4].mean() for x in xs] for y in ys])
    bits = (level > 125).astype(int).ravel()
    if not (bits[:16] + bits[16:] == 1).all():
        raise ValueError(f"no number in this picture: {bits}")
    return int(sum(bit << place for place, bit in enumerate(bits[:16])))


def _remembered(make: Callable[..., list[int]]) -> Callable[..., list[int]]:
    """Encode each small MP4 once a process: the same words give the same bytes."""
    made: dict[tuple[int, str], tuple[list[int], bytes]] = {}

    @wraps(make)
    def again(path: Path, n: int, **how: Any) -> list[int]:
        if path.suffix != ".mp4" or how.get("container"):  # Matroska names each file anew
            return make(path, n, **how)
        key = n, repr(sorted(how.items()))
        if key in made:
            pts, data = made[key]
            path.write_bytes(data)
            return list(pts)
        pts = make(path, n, **how)
        if path.stat().st_size < _REMEMBERED_BYTES and len(made) < _MOST_REMEMBERED:
            made[key] = list(pts), path.read_bytes()
        return pts

    return again


@_remembered
def make_clip(
    path: Path,
    n: int,
    *,
    gop: int = 12,
    vfr: bool = False,
    bframes: int = 0,
    open_gop: bool = False,
    start_pts: int = 0,
    rate: Fraction | int = 25,
    size: tuple[int, int] = (160, 96),
    codec: str = "libx264",
    pts: list[int] | None = None,
    first_number: int = 0,
    options: dict[str, str] | None = None,
    container: str | None = None,
    rotation_deg: int = 0,
) -> list[int]:
    """Write `n` numbered frames and return the PTS given to the encoder, in ticks of 1/90000 s.

    The container follows from the name's ending (``.mp4 .mkv .ts .avi .h264 .hevc``). With `vfr`
    the distance of frames varies; `start_pts` shifts all of them. `rotation_deg` asks players to
    turn the picture clockwise.
    """
    tick = Fraction(1, 90_000)
    step = round(1 / (Fraction(rate) * tick))
    if pts is None:
        steps = [_STEPS[i % len(_STEPS)] if vfr else 1 for i in range(n)]
        pts = [start_pts + step * int(s) for s in np.cumsum([0, *steps[:-1]])]
    # AVI counts frames (a fine time base would fill it with empty ones), old codecs do too.
    counted = path.suffix == ".avi" or codec.startswith(("mpeg", "msmpeg"))
    base = 1 / Fraction(rate) if counted else tick
    parameters = f"keyint={gop}:min-keyint={gop}:scenecut=0:b-adapt=0:bframes={bframes}"
    parameters += f":open-gop={int(open_gop)}"
    settings = {
        "libx264": {"preset": "ultrafast", "crf": "20", "x264-params": parameters},
        "libx265": {
            "preset": "ultrafast",
            "crf": "20",
            "x265-params": parameters + ":log-level=none:pools=none:frame-threads=1",
        },
    }.get(codec, {"qscale": "2"})
    muxing = {"video_track_timescale": "90000"} if path.suffix == ".mp4" else {}
    kind = container or {".ts": "mpegts", ".mkv": "matroska"}.get(path.suffix, path.suffix[1:])
    with av.open(f"file:{path}", "w", format=kind, options=muxing) as out:
        stream = out.add_stream(codec, rate=Fraction(rate), options=settings | (options or {}))
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        if rotation_deg:
            stream.set_display_rotation(-rotation_deg)
        context = stream.codec_context
        context.time_base = stream.time_base = base
        context.gop_size, context.max_b_frames, context.thread_count = gop, bframes, 1
        for number, at in enumerate(pts):
            picture = paint_number(first_number + number, size)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = int(at * tick / base), base
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return pts
