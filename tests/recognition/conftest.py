"""Models are loaded once for all tests of recognition."""

from __future__ import annotations

import cv2
import pytest

from workbench.recognition.models.loading import load_models
from workbench.recognition.types import Models


@pytest.fixture(scope="session")
def models() -> Models:
    cv2.setNumThreads(1)
    return load_models()
