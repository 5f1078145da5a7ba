"""The gate by planted faults: too small, blurred, turned, tilted, nobody, two."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pytest

from workbench.recognition.faces.quality import FaceGate, judge, judge_photograph, pose
from workbench.recognition.models import samples
from workbench.recognition.types import RGB, Face, Models
from workbench.records import Box

# eyes, nose, mouth corners of a head, in millimetres: right, down, towards the camera
HEAD = np.array([[-31, 0, 0], [31, 0, 0], [0, 39.4, 22], [-25, 71.6, 0], [25, 71.6, 0]], float)


def head(yaw_deg: float = 0, pitch_deg: float = 0, roll_deg: float = 0) -> np.ndarray:
    """Return the five points of the head turned so, seen from afar."""
    yaw, pitch, roll = np.radians([yaw_deg, pitch_deg, roll_deg])
    turn = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    tilt = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    lean = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    return ((HEAD @ turn.T @ tilt.T)[:, :2] @ lean.T + 200).astype(np.float32)


def scaled(scale: float) -> RGB:
    size = None if scale == 1 else (round(512 * scale),) * 2
    portrait = samples.portrait()
    return portrait if size is None else cv2.resize(portrait, size, interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (30, 0, 0), (-60, 0, 0), (0, 20, 0), (0, -35, 25)]
)
def test_pose_is_what_the_head_was_turned_by(yaw: float, pitch: float, roll: float) -> None:
    found = pose(head(yaw, pitch, roll))
    assert found == pytest.approx((yaw, pitch), abs=1.5)


def test_pose_of_points_in_one_place_is_unknown() -> None:
    assert np.isnan(pose(np.zeros((5, 2), np.float32))).all()
    assert np.isnan(pose(np.full((5, 2), np.nan, np.float32))).all()


@pytest.mark.parametrize(
    ("fault", "verdict", "sentence"),
    [
        (lambda: scaled(1), "usable", ""),
        (lambda: scaled(0.5), "usable", ""),
        (lambda: scaled(0.35), "weak", "px across; 40 are wanted"),
        (lambda: scaled(0.25), "refused", "px across; 40 are wanted"),
        (lambda: cv2.GaussianBlur(scaled(1), (0, 0), 4), "refused", "blurred or flat"),
        (lambda: cv2.GaussianBlur(scaled(0.5), (0, 0), 2), "refused", "blurred or flat"),
        (lambda: (scaled(1) * 0.1).astype(np.uint8), "refused", "blurred or flat"),
    ],
)
def test_size_and_blur(
    models: Models, fault: Callable[[], RGB], verdict: str, sentence: str
) -> None:
    picture = fault()
    faces = models.find_faces(picture, None)
    if not faces:  # so dark that the detector misses it: its place is known all the same
        faces = models.find_faces(scaled(picture.shape[0] / 512), None)
    quality = judge(picture, faces[0])
    assert quality.verdict == verdict
    said = "; ".join(reason.sentence() for reason in quality.reasons)
    assert sentence in said
    assert bool(said) == (verdict != "usable")
    assert (quality.weight > 0) == (verdict != "refused")


@pytest.mark.parametrize(
    ("yaw", "pitch", "verdict", "sentence"),
    [
        (0, 0, "usable", ""),
        (45, 0, "weak", "turned about 45° aside; 35° at most"),
        (-65, 0, "refused", "turned about 65° aside"),
        (0, 32, "weak", "tilted about 32° up or down"),
        (0, -45, "refused", "tilted about 45° up or down"),
    ],
)
def test_a_face_turned_away(yaw: float, pitch: float, verdict: str, sentence: str) -> None:
    texture = np.random.default_rng(1).integers(0, 255, (400, 400, 3), np.uint8)
    face = Face(Box(150, 150, 100, 120), 0.9, head(yaw, pitch))
    quality = judge(texture, face)
    assert quality.verdict == verdict
    assert sentence in "; ".join(reason.sentence() for reason in quality.reasons)


def test_the_worst_reason_comes_first() -> None:
    texture = np.random.default_rng(1).integers(0, 255, (400, 400, 3), np.uint8)
    quality = judge(texture, Face(Box(150, 150, 35, 45), 0.9, head(-65, 0)))
    said = [reason.sentence() for reason in quality.reasons]
    assert ("turned" in said[0], "35 px" in said[1], quality.verdict) == (True, True, "refused")


def test_a_better_face_weighs_more(models: Models) -> None:
    weights = []
    for picture in (scaled(1), scaled(0.5), cv2.GaussianBlur(scaled(1), (0, 0), 2)):
        (face,) = models.find_faces(picture, None)
        weights.append(judge(picture, face, FaceGate(sharpness=(70, 900))).weight)
    assert weights[0] > weights[1] > 0
    assert weights[0] > weights[2] > 0


def test_a_photograph_must_show_one_face(models: Models) -> None:
    one = samples.portrait()
    two = np.concatenate([one, one], axis=1)
    for picture, sentence in (
        (samples.grey_field(), "no face is found in it"),
        (two, "it shows 2 faces: cut it down to the one that is meant"),
    ):
        face, quality = judge_photograph(picture, models.find_faces(picture, None))
        assert face is None
        assert quality.verdict == "refused"
        assert quality.reasons[0].sentence() == sentence
    face, quality = judge_photograph(one, models.find_faces(one, None))
    assert face is not None
    assert quality.verdict == "usable"


def test_a_face_at_the_edge_is_judged_by_what_is_there() -> None:
    face = Face(Box(-50, -50, 51, 51), 0.5, head())
    assert judge(samples.grey_field(), face).verdict == "refused"
