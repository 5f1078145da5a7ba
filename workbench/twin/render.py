"""From a scenario to files: one camera's clip in H.264."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.errors import N_, BadInput
from workbench.media import ClipWriter
from workbench.twin.journeys import Scenario
from workbench.twin.scene import Scene

GOP, CRF, PRESET = 30, 27, "ultrafast"


class _PlanarClipWriter(ClipWriter):
    """Writes planar frames as they are: converting 720p from RGB costs as much as encoding it."""

    def write_planes(self, planes: NDArray[np.uint8], pts: int) -> None:
        frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
        frame.pts, frame.time_base = pts, self._time_base
        self._container.mux(self._stream.encode(frame))


def render_camera(scenario: Scenario, camera_id: str, out: Path) -> Path:
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
    scenario: Scenario, camera_id: str, numbers: range | None = None
) -> Iterator[NDArray[np.uint8]]:
    """Yield a camera's frames as they are before encoding, RGB uint8[y, x, 3], new arrays."""
    for planes in _planes(scenario, camera_id, numbers or range(scenario.frame_count)):
        yield cv2.cvtColor(planes, cv2.COLOR_YUV2RGB_I420)


def _planes(scenario: Scenario, camera_id: str, numbers: range) -> Iterator[NDArray[np.uint8]]:
    # One process a core draws: OpenCV's own threads would only fight over them.
    threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        scene = Scene(scenario, scenario.views[camera_id])
        try:
            for number in numbers:
                yield scene.frame(number)
        finally:
            scene.close()
    finally:
        cv2.setNumThreads(threads)
