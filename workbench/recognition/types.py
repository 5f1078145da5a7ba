"""What detectors, plate readers and face finders return, and the function types that name them.

A seam is a function type, not a base class: whatever has the signature fits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Literal, Protocol, get_args

import numpy as np
from numpy.typing import NDArray

from workbench.errors import N_, BadInput
from workbench.plates import Override
from workbench.records import Box

RGB = NDArray[np.uint8]
"""A picture, (y, x, 3), red first."""


LineReaderName = Literal["pp-ocr", "easyocr", "both"]
LINE_READERS: tuple[LineReaderName, ...] = get_args(LineReaderName)
"""What can read the lines of plates: PP-OCR, our network through EasyOCR, or one asking the other.
"""


DEFAULT_LINE_READER: LineReaderName = "pp-ocr"
"""By the figures of ``docs/benchmarks/recognition.md``."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A model switched on in place of the one that is used by default.

    ``slot`` is the task it does, ``name`` its own. ``folder`` holds an operator's files and their
    manifest; empty for one that is shipped. ``sha256`` is over the hashes of its files.
    """

    slot: str
    name: str
    folder: str
    sha256: str


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """Everything a user can set about the models; it goes into ``Models.ref`` as a short hash.

    ``detect_*``: score below which an object has no name, and overlap above which two boxes of one
    kind are one. ``plate_*``: longest side given to the text detector in pixels (larger crops are
    scaled down to it), the same of one vehicle's crop, longest side to which smaller crops are
    enlarged, least height of a line of signs in pixels, least score of a read plate (below it the
    plate is there and unread), the share of a vehicle's crop's sides at which a first glance tells
    whether it shows any text (1: none is taken), the height of signs at which that text alone is
    looked at first (0: the whole crop is searched; outlines of a glance are larger than the signs),
    and which of :data:`LINE_READERS` reads the lines.
    ``face_*``: least score, longest side given to the finder, and a folder with a licensed
    insightface pack to use instead of the built-in detector.
    ``own``: models switched on in place of the default ones. They stand in ``Models.ref`` by their
    own names and hashes, so that the short hash leaves them out.
    """

    detect_min_score: float = 0.35
    detect_max_overlap: float = 0.5
    plate_max_side_px: int = 640
    plate_vehicle_side_px: int = 480
    plate_min_side_px: int = 320
    plate_min_line_px: float = 9.0
    plate_min_score: float = 0.78
    plate_glance_share: float = 0.6
    plate_spot_sign_px: float = 34.0
    plate_reader: LineReaderName = DEFAULT_LINE_READER
    face_min_score: float = 0.5
    face_max_side_px: int = 640
    face_pack: str = ""
    own: tuple[Chosen, ...] = ()

    def __post_init__(self) -> None:
        if self.plate_reader not in LINE_READERS:
            raise BadInput(
                N_("there is no plate reader '{name}'"),
                N_("choose one of: {known}"),
                name=self.plate_reader,
                known=", ".join(LINE_READERS),
            )

    def values(self) -> dict[str, object]:
        """Return what goes into the short hash: everything but the models that name themselves."""
        return {key: value for key, value in asdict(self).items() if key != "own"}


PlateShape = Literal["one-line", "two-line"]


@dataclass(frozen=True, slots=True)
class Detection:
    """An object the detector named: `kind` is one of ``records.KINDS``, `score` within 0..1."""

    box: Box
    kind: str
    score: float


@dataclass(frozen=True, slots=True)
class PlateReading:
    """One plate seen in a frame, read or not.

    ``text`` is the grammatical reading ("99B1-123.45"), or None where something shaped like a
    plate was seen and its signs make no plate: "unread" is a result, and no plate at all is an
    empty list. ``raw`` is what the reader saw before grammar, its lines joined by a space.
    ``score`` is the geometric mean of the signs' probabilities, 0..1, not calibrated.
    ``lattice`` holds, for each sign of ``text`` (compact, signs only) or, unread, of ``raw``, its
    likely candidates. ``overrides`` names the signs of ``raw`` that the grammar changed.
    ``reader`` is who read the lines: what a score is worth depends on it.
    """

    text: str | None
    raw: str
    score: float
    lattice: list[dict[str, float]]
    box: Box
    kind: PlateShape
    overrides: tuple[Override, ...] = ()
    reader: LineReaderName = DEFAULT_LINE_READER


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A face found, never whose: ``points`` is float32[5, 2], eyes, nose, mouth corners, in px."""

    box: Box
    score: float
    points: NDArray[np.float32] = field(repr=False)


Detector = Callable[[RGB], list[Detection]]
"""Named objects of a picture, boxes in its pixels."""


class PlateReader(Protocol):
    """Plates inside a box of a picture (None: all of it), boxes in the picture's pixels.

    ``hint`` is where a plate is likely to be, as the box of a reading: sought there first, and in
    the whole box where nothing is read there.
    """

    def __call__(
        self, picture: RGB, box: Box | None, /, hint: Box | None = None
    ) -> list[PlateReading]:
        """Return the plates, the read ones first."""
        ...


FaceFinder = Callable[[RGB, Box | None], list[Face]]
"""Faces inside a box of a picture (None: all of it), boxes in the picture's pixels."""


@dataclass(frozen=True, slots=True)
class Models:
    """Everything a worker needs to look at pixels; `ref` names weights and versions in each row."""

    detect: Detector
    read_plates: PlateReader
    find_faces: FaceFinder
    ref: str


def clip(box: Box | None, picture: RGB, *, margin: float = 0.0) -> tuple[int, int, int, int]:
    """Return ``(left, top, right, bottom)`` of a box inside a picture, whole pixels.

    Parameters
    ----------
    margin
        Share of the box's width and height added on each side before clipping.

    >>> clip(Box(-5, 2, 20, 10), np.zeros((8, 30, 3), np.uint8))
    (0, 2, 15, 8)
    """
    height, width = picture.shape[:2]
    if box is None:
        return 0, 0, width, height
    left, right = box.x - margin * box.w, box.x + box.w * (1 + margin)
    top, bottom = box.y - margin * box.h, box.y + box.h * (1 + margin)
    return (
        min(width, max(0, int(np.floor(left)))),
        min(height, max(0, int(np.floor(top)))),
        max(0, min(width, int(np.ceil(right)))),
        max(0, min(height, int(np.ceil(bottom)))),
    )
