"""Somebody with a face who walks through a drawn street, for what looks at live footage."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench import media, recognition
from workbench.recognition.faces import encoder as faces_encoder
from workbench.recognition.models import samples
from workbench.recognition.types import Models, ModelSettings

WIDTH, HEIGHT, SIDE, FPS = 800, 300, 240, 10
OPENED = "WORKBENCH_TEST_OPENED"
"""Names a file that a worker writes when it opens the network that compares."""

RGB = NDArray[np.uint8]


def portrait() -> RGB:
    """Return the one face that there is."""
    picture = samples.portrait()
    assert picture is not None
    small: RGB = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return small


def street() -> RGB:
    """Return an empty street with some texture."""
    noise = np.random.default_rng(7).normal(0, 20, (HEIGHT, WIDTH, 3)).astype(np.float32)
    return np.clip(110 + cv2.GaussianBlur(noise, (0, 0), 4), 0, 255).astype(np.uint8)


def film_walker(path: Path, seconds: int, *, every_s: int = 5, walk_s: int = 3) -> Path:
    """Film the portrait as it crosses the street, again and again, with nobody in between."""
    empty, picture = street(), portrait()
    with media.ClipWriter(path, WIDTH, HEIGHT, time_base=Fraction(1, 1000), gop=FPS, crf=18) as out:
        for n in range(seconds * FPS):
            frame, at = empty.copy(), n % (every_s * FPS) - FPS
            if 0 <= at < walk_s * FPS:
                left = round((WIDTH - SIDE) * at / (walk_s * FPS - 1))
                frame[40 : 40 + SIDE, left : left + SIDE] = picture
            out.write(frame, n * 1000 // FPS)
    return path


def faces_alone(settings: ModelSettings) -> Models:
    """Return models that name nothing and read nothing, and find faces."""
    find = recognition.load_models(settings).find_faces
    return Models(lambda _rgb: [], lambda _rgb, _box, hint=None: [], find, "faces alone")


def give_faces(settings: ModelSettings) -> Models:
    """Give a worker such models, importable there by name; an encoder opened leaves a mark."""
    if not hasattr(give_faces, "models"):
        give_faces.models = faces_alone(settings)  # type: ignore[attr-defined]
        real, mark = faces_encoder._analysis, os.environ.get(OPENED)

        def told(*asked: Any) -> object:
            if mark:
                Path(mark).touch()
            return real(*asked)

        faces_encoder._analysis = told  # type: ignore[assignment]
    return give_faces.models  # type: ignore[attr-defined,no-any-return]
