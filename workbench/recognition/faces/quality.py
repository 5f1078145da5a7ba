"""Is a face large, sharp and frontal enough to be compared? Every "no" comes with its sentence.

Pure, from a picture and five points: no network, and nothing here says whose a face is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.errors import N_
from workbench.recognition.types import RGB, Face, clip
from workbench.records import Wording

Verdict = Literal["usable", "weak", "refused"]

_NOSE_DEPTH = 22 / 62
"""How far the tip of the nose stands before the eyes, in distances between the eyes."""
_NOSE_DOWN = 0.55
"""Where the nose lies on the way from eyes to mouth in a frontal face: median of 63 photographed
faces, as CenterFace places the points (.50 in insightface's template)."""
_SIZE_POWER = 3.5
"""How the variance of the Laplacian falls with size at one blur: measured on 47 faces, 32-48 px."""
_TILT_DEPTH = 22 / 71.6
"""The same depth, in distances from eyes to mouth."""


@dataclass(frozen=True, slots=True)
class FaceGate:
    """Below the first of a pair a face is refused, below the second it is weak.

    ``size_px`` is the shorter side of the face's box. ``sharpness`` is the variance of the
    Laplacian of the face at ``scale_px`` across (see :func:`sharpness`): blurred by 2 % of its
    width an embedding keeps a cosine of .86 to its sharp one, by 3 % .62, by 5 % .18, and the
    sharpness is then about 170, 70 and 24. The angles are the other way round: weak above the
    first, refused above the second, degrees.
    """

    size_px: tuple[float, float] = (24.0, 40.0)
    sharpness: tuple[float, float] = (70.0, 170.0)
    yaw_deg: tuple[float, float] = (35.0, 55.0)
    pitch_deg: tuple[float, float] = (25.0, 40.0)
    scale_px: int = 48


@dataclass(frozen=True, slots=True)
class FaceQuality:
    """What the gate says of one face, and why it is not better, the worst first.

    ``yaw_deg`` (to the side) and ``pitch_deg`` (up is positive) are rough, from five points;
    ``weight`` within 0..1 is how much the face counts beside others of its track.
    """

    verdict: Verdict
    size_px: float
    sharpness: float
    yaw_deg: float
    pitch_deg: float
    weight: float
    reasons: tuple[Wording, ...] = ()


def judge(picture: RGB, face: Face, gate: FaceGate = FaceGate()) -> FaceQuality:
    """Return whether a face may be compared, with one sentence for each thing against it."""
    size_px = min(face.box.w, face.box.h)
    sharp = sharpness(picture, face, gate.scale_px)
    yaw, pitch = pose(face.points)
    if not np.isfinite([yaw, pitch]).all():
        lost = Wording(N_("its eyes, nose and mouth are not all found"))
        return FaceQuality("refused", size_px, sharp, yaw, pitch, 0.0, (lost,))
    marks = (
        (_low(size_px, gate.size_px), N_("it is {found} px across; {wanted} are wanted"),
         size_px, gate.size_px[1]),
        (_low(sharp, gate.sharpness), N_("it is blurred or flat: sharpness {found} of {wanted}"),
         sharp, gate.sharpness[1]),
        (_high(abs(yaw), gate.yaw_deg), N_("it is turned about {found}° aside; {wanted}° at most"),
         abs(yaw), gate.yaw_deg[0]),
        (_high(abs(pitch), gate.pitch_deg),
         N_("it is tilted about {found}° up or down; {wanted}° at most"),
         abs(pitch), gate.pitch_deg[0]),
    )  # fmt: skip
    reasons = tuple(
        Wording(what, (("found", f"{found:.0f}"), ("wanted", f"{wanted:.0f}")))
        for level, what, found, wanted in sorted(marks, key=lambda mark: -mark[0])
        if level
    )
    worst = max(level for level, *_ in marks)
    weight = (
        min(1.0, size_px / (2 * gate.size_px[1]))
        * min(1.0, sharp / (2 * gate.sharpness[1]))
        * np.cos(np.radians(yaw))
        * np.cos(np.radians(pitch))
    )
    verdict: Verdict = ("usable", "weak", "refused")[worst]
    return FaceQuality(
        verdict, size_px, sharp, yaw, pitch, 0.0 if worst == 2 else float(weight), reasons
    )


def judge_photograph(
    picture: RGB,
    faces: Sequence[Face],
    gate: FaceGate = FaceGate(),
) -> tuple[Face | None, FaceQuality]:
    """Return the one face of a probe photograph and what the gate says of it.

    None, refused with its sentence, where the photograph shows nobody or more than one.
    """
    if len(faces) == 1:
        return faces[0], judge(picture, faces[0], gate)
    if faces:
        why = Wording(
            N_("it shows {count} faces: cut it down to the one that is meant"),
            (("count", str(len(faces))),),
        )
    else:
        why = Wording(N_("no face is found in it"))
    return None, FaceQuality("refused", 0.0, 0.0, 0.0, 0.0, 0.0, (why,))


def sharpness(picture: RGB, face: Face, scale_px: int) -> float:
    """Return the variance of the Laplacian of a face's box as if it were `scale_px` across.

    A larger one is scaled down; for a smaller one the figure is brought to that size, since the
    same blur, as a share of the face, spans fewer pixels there. In squared grey levels, so that a
    dark, flat face reads as blurred: it tells as little.
    """
    left, top, right, bottom = clip(face.box, picture)
    if min(right - left, bottom - top) < 3:
        return 0.0
    grey = cv2.cvtColor(np.ascontiguousarray(picture[top:bottom, left:right]), cv2.COLOR_RGB2GRAY)
    scale = scale_px / min(grey.shape)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found = float(cv2.Laplacian(grey.astype(np.float32), cv2.CV_32F).var())
    return float(found * min(1.0, 1 / scale) ** _SIZE_POWER)


def pose(points: NDArray[np.float32]) -> tuple[float, float]:
    """Return ``(yaw_deg, pitch_deg)`` of eyes, nose and mouth corners, roughly; NaN without them.

    The nose of a turned head moves against eyes and mouth by its depth. Head on one side (roll) is
    no fault: alignment turns it back.

    >>> frontal = np.array([[38, 52], [74, 52], [56, 74.3], [42, 92.5], [70, 92.5]], np.float32)
    >>> [abs(round(angle)) for angle in pose(frontal)]
    [0, 0]
    >>> round(pose(frontal + np.array([[0, 0], [0, 0], [9, 0], [0, 0], [0, 0]], np.float32))[0])
    35
    """
    left, right, nose, mouth_left, mouth_right = np.asarray(points, float)
    eyes, mouth = (left + right) / 2, (mouth_left + mouth_right) / 2
    between = float(np.linalg.norm(right - left))
    if not between > 0:
        return float("nan"), float("nan")
    across = (right - left) / between
    down = np.array([-across[1], across[0]])
    length = float((mouth - eyes) @ down)
    if not length > 0:
        return float("nan"), float("nan")
    share = float((nose - eyes) @ down) / length
    aside = float((nose - eyes - share * (mouth - eyes)) @ across) / between
    yaw = np.degrees(np.arctan(aside / _NOSE_DEPTH))
    pitch = np.degrees(np.arctan((_NOSE_DOWN - share) / _TILT_DEPTH))
    return float(yaw), float(pitch)


def _low(value: float, limits: tuple[float, float]) -> int:
    return 2 if value < limits[0] else int(value < limits[1])


def _high(value: float, limits: tuple[float, float]) -> int:
    return 2 if value > limits[1] else int(value > limits[0])
