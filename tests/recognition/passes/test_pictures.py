"""The glimpse: a quiet street costs next to nothing, and nothing that sets out waits for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from make.scenes import FPS, Mover, blind, draw, film, segment_of

from workbench import media
from workbench.recognition.passes.gate import Gate
from workbench.recognition.passes.pictures import Glimpse, warm_pictures
from workbench.recognition.passes.search import Search
from workbench.recognition.settings import Settings

SETTINGS = Settings()


def frame(picture: np.ndarray) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")


@pytest.mark.parametrize("noise", [2.0, 10.0])
def test_noise_differs_in_nothing(noise: float) -> None:
    glimpse = Glimpse(SETTINGS, 0)
    glimpse.take(frame(draw(0, [], noise=noise)))
    assert not any(glimpse.differs(frame(draw(n, [], noise=noise))) for n in range(1, 20))


@pytest.mark.parametrize("turn", [0, 90, 180])
def test_a_thing_of_a_dozen_pixels_differs(turn: int) -> None:
    glimpse = Glimpse(SETTINGS, turn)
    glimpse.take(frame(draw(0, [])))
    small = Mover(0, 50, (100, 120), (200, 120), size=(6, 12), colour=(40, 40, 40))
    assert glimpse.differs(frame(draw(5, [small])))


def test_without_a_frame_to_compare_with_everything_differs() -> None:
    assert Glimpse(SETTINGS, 0).differs(frame(draw(0, [])))


def looks_of(path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return the frames of a file at which the gate looked."""
    segment, index = segment_of(path)
    warm = list(warm_pictures(path, index, 0, len(index), segment, settings))
    search = Search(segment, settings, blind().detect, first=0, stop=len(index), warm=lambda: warm)
    looked: list[int] = []
    now = -1
    step = Gate.step

    def counted(gate: Gate, *words: object, **more: object) -> object:
        looked.append(now)
        return step(gate, *words, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(Gate, "step", counted)
        for now, (pts, one) in enumerate(media.decode(path, index, 0, len(index))):
            search.step(now, pts, one)
    return looked


def test_a_quiet_street_is_looked_at_once_a_second_and_a_mover_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mover = Mover(8 * FPS, 11 * FPS, (-20, 120), (340, 120))
    path = film(tmp_path / "street.mp4", [draw(n, [mover]) for n in range(12 * FPS)])
    looked = looks_of(path, SETTINGS, monkeypatch)
    assert 8 <= sum(n < 8 * FPS for n in looked) <= 12
    every = looks_of(path, replace(SETTINGS, glimpse_s=0.0), monkeypatch)
    assert sum(n < 8 * FPS for n in every) == 8 * SETTINGS.idle_fps
    first = min(n for n in every if n >= 8 * FPS + 2)
    assert any(abs(n - first) <= 1 for n in looked)
    # once it is followed, both look as often
    assert sum(n >= 9 * FPS for n in looked) == sum(n >= 9 * FPS for n in every)


@pytest.mark.parametrize(("fps", "least", "most"), [(12, 9.0, 10.5), (15, 9.0, 10.5), (25, 8, 8.6)])
def test_a_camera_of_few_frames_is_looked_at_as_often_as_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fps: int, least: float, most: float
) -> None:
    """Of 12 frames a second every other one was taken: 6 looks where 10 are asked for."""
    mover = Mover(0, 8 * FPS, (-20, 120), (340, 120))
    pictures = [draw(n * FPS // fps, [mover]) for n in range(8 * fps)]
    path = film(tmp_path / "street.mp4", pictures, fps=fps)
    looked = looks_of(path, SETTINGS, monkeypatch)
    assert least <= sum(2 * fps <= n < 6 * fps for n in looked) / 4 <= most
