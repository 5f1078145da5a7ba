"""What a vehicle looks like: a weak hint, for ranking only, and never of a person.

A colour is named where the light allows it; a network that tells whether two vehicles look alike is
the operator's to bring. Neither says which vehicle it is.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.errors import N_, BadInput, Unavailable
from workbench.recognition.models.sessions import open_network
from workbench.recognition.types import RGB, clip
from workbench.records import Box

Colour = Literal[
    "white", "silver", "grey", "black", "red", "orange", "yellow", "green", "blue", "brown"
]
COLOURS: tuple[str, ...] = get_args(Colour)

COLOURED = frozenset({"car", "bus", "truck"})
"""Kinds whose colour is named. On a motorcycle most of what is seen is its rider's clothing."""

_LEAST_PX = 24
_SIDE_PX = 48
_STEP_PX = 16
_DARKEST_WHITE = 70.0
"""Where the brightest things of a scene are darker than this, it is too dark for colours."""

_COLOURLESS_SCENE = 5.0
"""A picture whose most colourful things have less chroma than this was seen by infrared."""

_CHROMA_LEAST = 20.0
_CHROMA_SHARE = 0.28
_DARK, _BLACK_SHARE = 26.0, 0.62
_HUES: tuple[tuple[float, Colour], ...] = (
    (12, "red"), (52, "red"), (72, "orange"), (105, "yellow"), (180, "green"), (310, "blue"),
    (360, "red"),
)  # fmt: skip
"""Upper ends of hue angles in CIE Lab, degrees from red-magenta over yellow, green and blue."""

_BROWN_LIGHTNESS = 45.0


@dataclass(frozen=True, slots=True)
class ColourSeen:
    """A colour by name and how much speaks for it, 0..1; not a probability."""

    name: Colour
    confidence: float


def colour_of(picture: RGB, box: Box, kind: str) -> ColourSeen | None:
    """Return the colour of a vehicle, or None where kind, size or light do not allow to say it.

    Brightness is taken against the brightest things of the whole picture, so that a white car stays
    white at dusk. Glass, tyres and shadow are dark on every car: they count as black only where
    nearly all of it is.

    Parameters
    ----------
    kind
        One of ``records.KINDS``; only :data:`COLOURED` ones have a colour.
    """
    left, top, right, bottom = clip(_body(box), picture)
    if kind not in COLOURED or min(right - left, bottom - top) < _LEAST_PX:
        return None
    scene = picture[::_STEP_PX, ::_STEP_PX]
    white = float(np.percentile(scene.max(axis=2), 95))
    if white < _DARKEST_WHITE or np.percentile(_chroma(_lab(scene)), 98) < _COLOURLESS_SCENE:
        return None
    body = cv2.resize(
        picture[top:bottom, left:right], (_SIDE_PX, _SIDE_PX), interpolation=cv2.INTER_AREA
    )
    lit = np.clip(body.astype(np.float32) * (235.0 / white), 0, 255).astype(np.uint8)
    name, share = _dominant(_lab(lit))
    # twilight and a lamp's tint make every name less sure
    return ColourSeen(name, round(share * min(1.0, white / 160.0), 3))


def _body(box: Box) -> Box:
    """Return the middle of a box, where metal is rather than road, roof or background."""
    return Box(box.x + 0.12 * box.w, box.y + 0.2 * box.h, 0.76 * box.w, 0.6 * box.h)


def _lab(picture: RGB) -> NDArray[np.float32]:
    lab: NDArray[np.float32] = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return lab.reshape(-1, 3)


def _chroma(lab: NDArray[np.float32]) -> NDArray[np.float32]:
    chroma: NDArray[np.float32] = np.hypot(lab[:, 1], lab[:, 2])
    return chroma


def _dominant(lab: NDArray[np.float32]) -> tuple[Colour, float]:
    lightness, chroma = lab[:, 0], _chroma(lab)
    vivid = (chroma > _CHROMA_LEAST) & (lightness > _DARK / 2)
    dark = (lightness < _DARK) & ~vivid
    share = float(vivid.mean())
    if share >= _CHROMA_SHARE * float((~dark).mean()) and share >= 0.12:
        names = [_hue_name(a, b, light) for light, a, b in lab[vivid]]
        best = max(sorted(set(names)), key=names.count)
        return best, min(1.0, 0.4 + share) * names.count(best) / len(names)
    if float(dark.mean()) >= _BLACK_SHARE:
        return "black", float(dark.mean())
    middle = float(np.median(lightness[~dark]))
    name: Colour = "white" if middle > 80 else "silver" if middle > 58 else "grey"
    if middle < 36:
        name = "black"
    near = float((np.abs(lightness[~dark] - middle) < 14).mean())
    return name, near * 0.9


def _hue_name(a: float, b: float, lightness: float) -> Colour:
    angle = float(np.degrees(np.arctan2(b, a))) % 360
    name = next(name for stop, name in _HUES if angle <= stop)
    if name in ("orange", "yellow") and lightness < _BROWN_LIGHTNESS:
        return "brown"
    return name


@dataclass(frozen=True, eq=False)
class VehicleLikeness:
    """A network of the operator's that turns a vehicle into numbers which are near for one vehicle.

    ``ref`` names the file by the first signs of its SHA-256. What it computes lives as long as the
    comparison: the lake refuses a column for it.
    """

    ref: str
    width_px: int
    height_px: int
    _session: Any = field(repr=False)

    def __call__(self, picture: RGB, box: Box, kind: str) -> NDArray[np.float32]:
        """Return a unit vector for a vehicle.

        Raises
        ------
        BadInput
            When `kind` is no vehicle's: people are not compared by looks.
        """
        if kind == "person":
            raise BadInput(
                N_("people are not compared by their looks"),
                N_("compare vehicles only"),
            )
        left, top, right, bottom = clip(box, picture)
        part = cv2.resize(
            np.ascontiguousarray(picture[top:bottom, left:right]), (self.width_px, self.height_px)
        )
        mean, spread = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        blob = ((part / 255.0 - mean) / spread).transpose(2, 0, 1)[None].astype(np.float32)
        given = self._session.get_inputs()[0].name
        found = np.asarray(self._session.run(None, {given: blob})[0], np.float32).reshape(-1)
        unit: NDArray[np.float32] = found / max(float(np.linalg.norm(found)), 1e-9)
        return unit


def open_likeness(graph: Path) -> VehicleLikeness:
    """Open an operator's re-identification network: RGB in, scaled as ImageNet's; one vector out.

    Raises
    ------
    Unavailable
        When the file is not there.
    BadInput
        When it is no network, or one with other inputs and outputs; the sentence says which.
    """
    if not graph.is_file():
        raise Unavailable(
            N_("the network for the likeness of vehicles is not there"),
            N_("put the file there, or clear the setting"),
            where=str(graph),
        )
    data = graph.read_bytes()
    try:
        session = open_network(data)
    except Exception as error:
        raise BadInput(
            N_("the network for the likeness of vehicles cannot be opened ({reason})"),
            N_("give an ONNX file"),
            where=str(graph),
            reason=str(error).splitlines()[0],
        ) from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    taken = inputs[0].shape if len(inputs) == 1 else []
    given = outputs[0].shape if len(outputs) == 1 else []
    picture = (
        len(taken) == 4
        and taken[1] == 3
        and all(isinstance(side, int) and side > 0 for side in taken[2:])
        and inputs[0].type == "tensor(float)"
    )
    vector = len(given) == 2 and isinstance(given[1], int) and given[1] > 1
    if not (picture and vector):
        raise BadInput(
            N_("the network for the likeness of vehicles takes {taken} and gives {given}"),
            N_("give one that takes [n, 3, height, width] and gives [n, length], as floats"),
            where=str(graph),
            taken="; ".join(str(one.shape) for one in inputs),
            given="; ".join(str(one.shape) for one in outputs),
        )
    ref = f"{graph.stem}@{hashlib.sha256(data).hexdigest()[:8]}"
    return VehicleLikeness(ref, int(taken[3]), int(taken[2]), session)
