"""Whose plate it is: a rider's goes along, a parked car's stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from make.scenes import HEIGHT, WIDTH, blind, draw, film, segment_of

from workbench import media
from workbench.recognition.passes.rows import Pass
from workbench.recognition.passes.second_look import look_again, own_readings
from workbench.recognition.passes.track import Observation, Still
from workbench.recognition.plates.fusion import fuse
from workbench.recognition.settings import Settings
from workbench.recognition.types import PlateReading
from workbench.records import Box

TEXT = "99B1-123.45"


def passing(kind: str) -> Pass:
    """Return a pass that goes 200 px to the right over three frames."""
    seen = [Observation(n, n, n / 10, Box(100 + 20.0 * n, 50, 120, 200)) for n in (0, 5, 10)]
    return Pass(seen, [Still(o, 1.0, 1.0) for o in seen], kind, 0.8, True, True, seen[0])


def reading(x: float, text: str = TEXT) -> PlateReading:
    lattice = [{sign: 1.0} for sign in text if sign.isalnum()]
    return PlateReading(text, text, 0.99, lattice, Box(x, 200, 60, 45), "two-line")


@pytest.mark.parametrize("kind", ["car", "person"])
def test_a_plate_that_stays_while_the_pass_goes_on_is_not_its_own(kind: str) -> None:
    stays = [(n, reading(180.0 + n / 10)) for n in (0, 5, 10)]
    assert own_readings(passing(kind), stays, Settings()) == []


@pytest.mark.parametrize("kind", ["car", "person"])
def test_a_plate_that_goes_along_is(kind: str) -> None:
    goes = [(n, reading(130 + 20.0 * n)) for n in (0, 5, 10)]
    assert own_readings(passing(kind), goes, Settings()) == goes


def test_one_look_is_enough_for_a_vehicle_and_not_for_somebody_on_foot() -> None:
    once = [(5, reading(230))]
    assert own_readings(passing("car"), once, Settings()) == once
    assert own_readings(passing("person"), once, Settings()) == []


def test_a_parked_plate_does_not_hide_the_pass_own() -> None:
    both = [(0, reading(180, "30F-123.45")), (0, reading(130)), (10, reading(180, "30F-123.45"))]
    both.append((10, reading(330)))
    kept = own_readings(passing("unknown"), both, Settings())
    assert [r.text for _, r in kept] == [TEXT, TEXT]


def test_who_carries_a_plate_along_rides() -> None:
    rider = passing("person")
    rider.settle(fuse([(n, reading(130 + 20.0 * n)) for n in (0, 5)]))
    assert (rider.kind, rider.best.number) == ("motorcycle", 0)


@pytest.mark.parametrize(
    ("score", "asked"), [(0.99, 2), (0.9, 3)], ids=["surely: twice", "less surely: three times"]
)
def test_frames_that_read_the_same_are_enough(score: float, asked: int, tmp_path: Path) -> None:
    frames = [draw(n, []) for n in range(3)]
    path = film(tmp_path / "street.mp4", frames)
    segment, index = segment_of(path)
    part = media.cut(next(iter(media.decode(path, index, 0, 1)))[1], (0, 0, WIDTH, HEIGHT))
    one = passing("car")
    seen = [Observation(n, n, n / 10, Box(60 + 5.0 * n, 20, 120, 160)) for n in range(8)]
    one.seen, one.best = seen, seen[0]
    one.stills = [Still(at, 1.0, 1.0, part) for at in seen]
    boxes, hints = [], []

    def read(_rgb: np.ndarray, box: Box, /, hint: Box | None = None) -> list[PlateReading]:
        boxes.append(box)
        hints.append(hint)
        return [replace(reading(box.x + 10), score=score)]

    models = replace(blind(), read_plates=read)
    look_again([one], path, index, segment, (), models, Settings())
    assert len(boxes) == asked
    # plates hang low: the roof is not searched
    assert all(box.y > 20 + 0.2 * 160 and box.y + box.h > 20 + 160 for box in boxes)
    # and it is sought first where it hung on the frame before
    assert hints[0] is None
    plate = reading(boxes[0].x + 10).box
    assert hints[1] == replace(plate, x=plate.x + 5)
    assert one.plate is not None
    assert one.plate.text == TEXT
