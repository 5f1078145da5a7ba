from __future__ import annotations

import cv2
import numpy as np
import pytest
from make.streets import BOX, LIGHTS, PAINTS, likeness_network, street

from workbench.errors import BadInput, Unavailable
from workbench.recognition.passes.appearance import colour_of, open_likeness
from workbench.records import Box


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("name", PAINTS)
def test_the_paint_of_a_car_is_named_by_day_and_at_dusk(name, light):
    gain, noise = LIGHTS[light]
    seen = colour_of(street(PAINTS[name], gain, noise), BOX, "car")
    assert seen is not None
    assert seen.name == name
    assert 0 < seen.confidence <= 1


def test_dusk_is_less_sure_than_day():
    day, dusk = (colour_of(street(PAINTS["red"], *LIGHTS[of]), BOX, "car") for of in LIGHTS)
    assert day.confidence > dusk.confidence


def test_night_infrared_and_what_is_small_have_no_colour():
    red = PAINTS["red"]
    assert colour_of(street(red, (0.16, 0.16, 0.18), 4), BOX, "car") is None
    grey = cv2.cvtColor(street(red), cv2.COLOR_RGB2GRAY)
    assert colour_of(np.repeat(grey[..., None], 3, axis=2), BOX, "car") is None
    assert colour_of(street(red), Box(200, 200, 20, 20), "car") is None
    assert colour_of(street(red), Box(900, 900, 200, 200), "car") is None


@pytest.mark.parametrize("kind", ["person", "motorcycle", "bicycle", "unknown"])
def test_clothing_is_never_named(kind):
    assert colour_of(street(PAINTS["red"]), BOX, kind) is None


# -- an operator's network ------------------------------------------------------------------------


def test_an_operators_network_compares_vehicles(tmp_path):
    like = open_likeness(likeness_network(tmp_path / "shop.onnx"))
    assert (like.width_px, like.height_px) == (48, 32)
    assert like.ref.startswith("shop@")
    one, again, other = (
        like(street(PAINTS[paint], seed=seed), BOX, "car")
        for paint, seed in (("red", 1), ("red", 2), ("blue", 3))
    )
    assert np.linalg.norm(one) == pytest.approx(1)
    assert one @ again > one @ other


def test_people_are_not_compared(tmp_path):
    like = open_likeness(likeness_network(tmp_path / "a.onnx"))
    with pytest.raises(BadInput, match="people"):
        like(street(PAINTS["red"]), BOX, "person")


def test_its_name_changes_with_its_bytes(tmp_path):
    first = open_likeness(likeness_network(tmp_path / "a.onnx")).ref
    second = open_likeness(likeness_network(tmp_path / "a.onnx", ("n", 3, 64, 64))).ref
    assert first != second


@pytest.mark.parametrize(
    "wrong",
    [{"taken": ("n", 3, "h", "w")}, {"outputs": 2}, {"flat": False}],
)
def test_a_network_of_another_form_is_refused_in_a_sentence(tmp_path, wrong):
    with pytest.raises(BadInput, match=r"takes \[.* and gives \["):
        open_likeness(likeness_network(tmp_path / "a.onnx", **wrong))


def test_what_is_no_network_is_refused(tmp_path):
    (tmp_path / "a.onnx").write_bytes(b"no network")
    with pytest.raises(BadInput, match="cannot be opened"):
        open_likeness(tmp_path / "a.onnx")
    with pytest.raises(Unavailable):
        open_likeness(tmp_path / "b.onnx")
