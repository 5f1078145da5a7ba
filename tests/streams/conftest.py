from __future__ import annotations

import pytest
from lab.rtsp import RtspLab


@pytest.fixture(scope="module")
def lab():
    """A laboratory of cameras."""
    with RtspLab() as made:
        yield made
