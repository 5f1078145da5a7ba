"""Write RGB frames to an H.264 MP4 that appears under its name only when it is whole."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType

import av
import numpy as np
from numpy.typing import NDArray


class ClipWriter:
    """Encode frames with integer PTS; use as a context manager.

    Parameters
    ----------
    path
        The MP4 to write; it is replaced when the writer closes without an error.
    width_px, height_px
        Frame size, both even.
    time_base
        Seconds per tick of the PTS given to :meth:`write`.
    gop
        Frames from one key frame to the next.
    crf, preset, bframes
        x264's quality (lower is better), speed and number of B-frames.
    threads
        Encoding threads.
    """

    def __init__(
        self,
        path: Path,
        width_px: int,
        height_px: int,
        *,
        time_base: Fraction,
        gop: int = 25,
        crf: int = 23,
        preset: str = "veryfast",
        bframes: int = 0,
        threads: int = 1,
    ) -> None:
        if width_px % 2 or height_px % 2:
            raise ValueError(f"H.264 needs even sizes, not {width_px}x{height_px}")
        self.path = path
        self._temporary = path.with_name(f".{path.name}.{os.getpid()}.partial")
        # A time scale of our own choice keeps the PTS in the file equal to those given.
        scale = str(time_base.denominator)
        self._container = av.open(
            f"file:{self._temporary}", "w", format="mp4", options={"video_track_timescale": scale}
        )
        stream = self._container.add_stream(
            "libx264", options={"preset": preset, "crf": str(crf), "sc_threshold": "0"}
        )
        stream.width, stream.height, stream.pix_fmt = width_px, height_px, "yuv420p"
        context = stream.codec_context
        context.time_base = stream.time_base = time_base
        context.gop_size, context.max_b_frames = gop, bframes
        context.thread_count = threads
        self._stream = stream
        self._time_base = time_base
        self._last_pts: int | None = None
        self._interval = 1

    def write(self, rgb: NDArray[np.uint8], pts: int) -> None:
        """Append a frame ``(y, x, 3)`` shown at `pts`; PTS must increase."""
        if self._last_pts is not None and pts <= self._last_pts:
            raise ValueError(f"PTS {pts} after {self._last_pts}")
        if self._last_pts is not None:
            self._interval = pts - self._last_pts
        self._last_pts = pts
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(rgb), format="rgb24")
        frame.pts, frame.time_base = pts, self._time_base
        self._mux(frame)

    def _mux(self, frame: av.VideoFrame | None) -> None:
        for packet in self._stream.encode(frame):
            # x264 leaves it empty; the edit list would then end before the last frame and hide it.
            packet.duration = self._interval
            self._container.mux(packet)

    def close(self) -> None:
        """Finish the file and give it its name."""
        self._mux(None)
        self._container.close()
        self._temporary.replace(self.path)

    def __enter__(self) -> ClipWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
            return
        self._container.close()
        self._temporary.unlink(missing_ok=True)
