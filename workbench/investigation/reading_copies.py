"""Reading copies of a pass: its best frame and its clip, in which nobody else can be recognised.

Outside the vehicle's box all is one colour a block. Inside it faces are hidden, in every frame:
found in it, or followed into it from the frames before and after.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench import media
from workbench.errors import N_, Damaged, WorkbenchError
from workbench.recognition.faces import hiding
from workbench.recognition.types import FaceFinder
from workbench.records import Box, FrameIndex, Purpose, Segment
from workbench.timeline import Span

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

MOST_S = 30.0
"""Of a pass, a clip shows so many seconds around its best frame at most."""
_BLUR = 24
"""What is hidden keeps one value for so many pixels of the shorter side of a picture."""
_OF_A_FACE = 8
"""A face that is hidden, with what is hidden around it, is never more blocks across."""
_TICK = Fraction(1, 90_000)

Row = Mapping[Any, Any]


@dataclass(frozen=True, slots=True)
class Copies:
    """A still (JPEG) and, where one could be made, a clip (MP4) with how it was derived."""

    still: bytes
    clip: bytes | None = None
    derivation: Mapping[str, Any] | None = None
    why: str = ""


def make_copies(
    house: Workbench,
    purpose: Purpose,
    row: Row,
    finder: Callable[[], FaceFinder],
    *,
    clips: bool,
) -> Copies:
    """Return the reading copies of a pass, after logging that it was looked at.

    Parameters
    ----------
    row
        A row of SIGHTINGS.
    finder
        Gives what looks for faces.
    clips
        False: the still alone, with the faces that are found in it.

    Raises
    ------
    Refused
        Outside the case's bounds.
    WorkbenchError
        Where the frame cannot be decoded.
    """
    picture = house.still(str(row["segment_sha256"]), int(row["pts"]), purpose)
    box = Box(row["box_x"], row["box_y"], row["box_w"], row["box_h"])
    faces = _faces(row["face_boxes"])
    if not clips:
        faces += [one.box for one in finder()(picture, box)]
        return Copies(jpeg_of(reading_copy(picture, box, faces)))
    try:
        clip, derivation, at_best = _clip(house, purpose, row, finder())
    except WorkbenchError as error:
        faces += [one.box for one in finder()(picture, box)]
        return Copies(jpeg_of(reading_copy(picture, box, faces)), why=error.sentence())
    return Copies(jpeg_of(reading_copy(picture, box, [*faces, *at_best])), clip, derivation)


def _clip(
    house: Workbench, purpose: Purpose, row: Row, find: FaceFinder
) -> tuple[bytes, dict[str, Any], list[Box]]:
    """Return a pass as MP4, how it was made, and the faces hidden in its best frame."""
    segment = house.segment(str(row["segment_sha256"]))
    index = house.frame_index(segment)
    first, stop = _numbers(segment, index, row)
    start_ns, _ = house.utc(segment, int(index.pts[first]))
    stop_ns, _ = house.utc(segment, int(index.pts[stop - 1]))
    span = Span(start_ns, max(start_ns, stop_ns) + 1)
    house._authorise(purpose, "view", cameras=(segment.camera_id,), span=span)
    path, turn = house.file(segment), segment.rotation_deg

    boxes, shown = _boxes(row), list[int]()

    def looked() -> Iterator[tuple[float, NDArray[np.uint8]]]:
        for pts, frame in media.decode(path, index, first, stop):
            shown.append(pts)
            yield float(pts * segment.tick_s), media.to_rgb(frame, turn)

    hidden, _ = hiding.faces_of_clip(looked(), find, within=lambda n: boxes(shown[n]))
    if not shown:
        raise Damaged(N_("no frame of this pass can be decoded"), where=str(path))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "clip.mp4"
        high, wide = (segment.height_px // 2 * 2, segment.width_px // 2 * 2)
        with media.ClipWriter(target, wide, high, time_base=_TICK) as writer:
            # decoded again: a pass of half a minute does not fit into memory
            pictures = media.decode(path, index, first, stop)
            for (pts, frame), faces in zip(pictures, hidden, strict=True):
                picture = reading_copy(media.to_rgb(frame, turn), boxes(pts), faces)
                writer.write(
                    picture[:high, :wide], round((pts - shown[0]) * segment.tick_s / _TICK)
                )
        data = target.read_bytes()
    derivation = {
        "kind": "reading copy",
        "source_sha256": segment.sha256,
        "first_pts": shown[0],
        "last_pts": shown[-1],
        "frames": len(shown),
        "frames_of_source": stop - first,
        "tool": f"workbench {version('phuchan-workbench')}, libx264 through PyAV {version('av')}",
        "command": "workbench bundle --clips",
        "hidden": f"all but the pass; faces in it, held {hiding.HOLD_S} s both ways",
    }
    details = {"segment": segment.sha256, "first_pts": shown[0], "last_pts": shown[-1]}
    house._log("view", segment.camera_id, purpose, details=details)
    at_best = [h for pts, h in zip(shown, hidden, strict=True) if pts == int(row["pts"])]
    return data, derivation, at_best[0] if at_best else []


def _numbers(segment: Segment, index: FrameIndex, row: Row) -> tuple[int, int]:
    """Return the frames of a pass, half-open: so many seconds around its best one at most."""
    most = int(MOST_S / 2 / float(segment.tick_s))
    low = max(int(row["first_pts"]), int(row["pts"]) - most)
    high = min(int(row["last_pts"]), int(row["pts"]) + most)
    first = int(np.searchsorted(index.pts, low))
    stop = int(np.searchsorted(index.pts, high, side="right"))
    return min(first, len(index) - 1), max(stop, first + 1)


def _boxes(row: Row) -> Callable[[int], Box]:
    """Return where a pass was at any tick: straight between its observations."""
    at = np.asarray(row["track_pts"], np.int64)
    sides = np.asarray(row["track_box"], float).reshape(-1, 4)
    if not len(at) or len(at) != len(sides):
        at = np.array([int(row["pts"])], np.int64)
        sides = np.array([[row["box_x"], row["box_y"], row["box_w"], row["box_h"]]], float)
    return lambda pts: Box(*(float(np.interp(pts, at, sides[:, side])) for side in range(4)))


def jpeg_of(picture: NDArray[np.uint8]) -> bytes:
    """Return a picture, uint8 (y, x, 3) RGB, as JPEG."""
    done, data = cv2.imencode(".jpg", picture[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 90])
    assert done
    return bytes(data.tobytes())


def _faces(flat: Any) -> list[Box]:
    values = [] if flat is None else [float(one) for one in flat]
    return [Box(*values[at : at + 4]) for at in range(0, len(values) - 3, 4)]


def reading_copy(
    picture: NDArray[np.uint8], box: Box, faces: Sequence[Box] = ()
) -> NDArray[np.uint8]:
    """Return a copy of a frame in which only what is inside `box` can be recognised, faces not.

    Parameters
    ----------
    picture
        uint8 (y, x, 3).
    box, faces
        px of the picture.

    Returns
    -------
    numpy.ndarray
        Of the same size: outside the box, and in each face with a quarter around it, one colour for
        every block, so that nothing can be computed back.
    """
    height, width = picture.shape[:2]
    side = max(1, min(height, width) // _BLUR)
    hidden = _in_blocks(picture, side)
    shown = hidden.copy()
    x, y, right, bottom = _corners(box, 0.0, width, height)
    shown[y:bottom, x:right] = picture[y:bottom, x:right]
    for face in faces:
        x, y, right, bottom = _corners(face, 0.25, width, height)
        wide = -(-max(right - x, bottom - y) // _OF_A_FACE)
        if wide <= side:
            shown[y:bottom, x:right] = hidden[y:bottom, x:right]
        elif right > x and bottom > y:  # a close face is known in blocks that hide a far one
            shown[y:bottom, x:right] = _in_blocks(picture[y:bottom, x:right], wide)
    return np.asarray(shown, np.uint8)


def _in_blocks(part: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """Return a part of a picture in one colour for every block of so many px."""
    height, width = part.shape[:2]
    coarse = cv2.resize(
        part, (max(1, width // side), max(1, height // side)), interpolation=cv2.INTER_AREA
    )
    return np.asarray(
        cv2.resize(coarse, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8
    )


def _corners(box: Box, more: float, width: int, height: int) -> tuple[int, int, int, int]:
    x, y = box.x - more * box.w, box.y - more * box.h
    right, bottom = box.x + (1 + more) * box.w, box.y + (1 + more) * box.h
    return (
        int(np.clip(np.floor(x), 0, width)), int(np.clip(np.floor(y), 0, height)),
        int(np.clip(np.ceil(right), 0, width)), int(np.clip(np.ceil(bottom), 0, height)),
    )  # fmt: skip
