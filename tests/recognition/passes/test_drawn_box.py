"""The box of a pass on its best frame: what the detector draws, not all that moves around it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from make.scenes import blind, draw, film, segment_of

from workbench import media
from workbench.recognition.passes.drawn_box import drawn_box
from workbench.recognition.passes.rows import Pass
from workbench.recognition.passes.second_look import look_again
from workbench.recognition.passes.track import Observation, Still
from workbench.recognition.settings import Settings
from workbench.recognition.types import RGB, Detection, PlateReading
from workbench.records import Box

S = Settings()
WIDTH, HEIGHT = 640, 360


def still(region: Box, *, left: int = 0, top: int = 0) -> Still:
    """Return a frame with what was kept of it around a motion box."""
    frame = av.VideoFrame.from_ndarray(np.zeros((HEIGHT, WIDTH, 3), np.uint8), format="rgb24")
    part = media.cut(frame, (left, top, WIDTH, HEIGHT))
    return Still(Observation(3, 300, 0.3, region), 1.0, 1.0, part)


def own(region: Box, kind: str, *found: Detection) -> Box | None:
    return drawn_box(still(region), kind, lambda _rgb: list(found), WIDTH, HEIGHT, S)


def thing(kind: str, *corners: float) -> Detection:
    return Detection(Box(*corners), kind, 0.9)


def test_a_shadow_is_left_out() -> None:
    walker = thing("person", 300, 100, 40, 120)
    assert own(Box(298, 98, 110, 124), "person", walker) == walker.box


def test_what_is_drawn_beside_the_motion_is_somebody_else() -> None:
    beside = thing("person", 420, 100, 40, 120)
    assert own(Box(298, 98, 110, 124), "person", beside) is None
    assert own(Box(298, 98, 110, 124), "person") is None


def test_of_two_in_a_region_the_one_it_is_called_is_its_own() -> None:
    car, walker = thing("car", 100, 110, 140, 70), thing("person", 240, 100, 30, 90)
    region = Box(98, 98, 175, 94)
    assert own(region, "car", walker, car) == car.box
    assert own(region, "person", walker, car) == walker.box
    # and where nothing named it, the one that fills more of it
    assert own(region, "unknown", walker, car) == car.box


def test_a_rider_is_drawn_with_what_he_rides() -> None:
    region = Box(98, 90, 64, 130)
    bike, rider = thing("motorcycle", 100, 140, 60, 80), thing("person", 110, 92, 30, 90)
    assert own(region, "motorcycle", rider, bike) == Box(100, 92, 60, 128)
    # of a rider drawn alone, the region below him belongs to the pass
    assert own(region, "motorcycle", rider) == Box(110, 92, 30, 128)
    assert own(region, "person", rider) == rider.box


def test_nobody_behind_a_window_is_its_own() -> None:
    car, driver = thing("car", 100, 100, 140, 80), thing("person", 130, 105, 20, 30)
    assert own(Box(98, 98, 144, 84), "unknown", driver, car) == car.box


def test_of_what_fills_the_frame_only_its_sides_are_drawn() -> None:
    rider = thing("person", 210, 20, 150, 200)
    assert own(Box(200, 0, 300, 350), "motorcycle", rider) == Box(210, 0, 150, 350)


def test_boxes_are_in_pixels_of_the_frame() -> None:
    region = Box(298, 98, 110, 124)
    found = [thing("person", 100, 50, 40, 120)]
    at = drawn_box(still(region, left=200, top=50), "person", lambda _rgb: found, WIDTH, HEIGHT, S)
    assert at == Box(300, 100, 40, 120)


@pytest.mark.parametrize("moving", [True, False])
@pytest.mark.parametrize("inside", [True, False], ids=["its plate in it", "its plate beside it"])
def test_a_pass_gets_the_box_once_it_has_ended(tmp_path: Path, moving: bool, inside: bool) -> None:
    path = film(tmp_path / "street.mp4", [draw(n, []) for n in range(3)])
    segment, index = segment_of(path)
    frame = next(iter(media.decode(path, index, 0, 1)))[1]
    at = Observation(0, 0, 0.0, Box(100, 20, 160, 110))
    kept = Still(at, 1.0, 1.0, media.cut(frame, (60, 0, 300, 160)))
    one = Pass([at], [kept], "car", 0.9, moving, False, at, kept)
    asked = []

    def detect(rgb: RGB) -> list[Detection]:
        asked.append(rgb.shape)
        return [thing("car", 45, 25, 90, 100)]

    def read(_rgb: RGB, _box: Box | None, /, hint: Box | None = None) -> list[PlateReading]:
        where = Box(60 if inside else 160, 100, 30, 10)
        lattice = [{sign: 1.0} for sign in "30F12345"]
        return [PlateReading("30F-123.45", "30F12345", 0.99, lattice, where, "one-line")]

    models = replace(blind(), detect=detect, read_plates=read)
    look_again([one], path, index, segment, (), models, S)
    assert one.plate is not None
    assert len(asked) == moving
    assert one.best.box == (Box(105, 25, 90, 100) if moving and inside else at.box)
    assert one.best.number == at.number
