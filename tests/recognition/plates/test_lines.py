"""Two readers of lines put together: when the second is asked, and what comes of both."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.errors import BadInput
from workbench.recognition.models import weights
from workbench.recognition.models.loading import models_ref
from workbench.recognition.plates.calibration import Pooling
from workbench.recognition.plates.lines import TwoLineReaders, pooled, settled
from workbench.recognition.plates.text import Sign
from workbench.recognition.types import LINE_READERS, ModelSettings

POOLING = Pooling(0.98, 0.7, 1e-3)
CORNERS = np.zeros((4, 2), np.float32)


def signs(text: str, sure: float = 0.995, **others: float) -> tuple[Sign, ...]:
    return tuple(Sign(c, sure, {c: sure, **others} if c.isalnum() else {}, 0.5) for c in text)


def said(found: tuple[Sign, ...]) -> str:
    return "".join(sign.char for sign in found)


def asked_of(first: tuple[Sign, ...], second: tuple[Sign, ...]) -> tuple[str, int]:
    calls = []

    def other(picture, corners):
        calls.append(corners)
        return second

    read = TwoLineReaders(lambda picture, corners: first, other, POOLING)
    return said(read(np.zeros((9, 9, 3), np.uint8), CORNERS)), len(calls)


@pytest.mark.parametrize("text", ["99-B1", "123.45", "3579", "51G", "51G-971.62", "AB-12-34"])
def test_what_is_sure_and_of_a_plate_is_believed_alone(text):
    assert asked_of(signs(text), signs("")) == (text, 0)


@pytest.mark.parametrize(
    "first",
    [
        signs("99-B1", 0.9),
        signs("99-91"),
        signs("07-B1"),
        signs("HONDA"),
        signs("95.75"),
        signs("95.75.1"),
        (),
    ],
    ids=["unsure", "no letter", "no such code", "name", "digit lost", "too long", "nothing"],
)
def test_in_doubt_the_other_is_asked(first):
    assert asked_of(first, signs("99-B1"))[1] == 1


def test_one_that_sees_nothing_leaves_it_to_the_other():
    for first, second in ((signs("99-B1", 0.7), ()), ((), signs("99-B1", 0.7))):
        assert said(pooled(first, second, POOLING)) == "99-B1"


def test_two_that_agree_are_surer_and_a_surer_one_wins():
    first, second = signs("123.45", 0.8), signs("123.45", 0.8)
    assert pooled(first, second, POOLING)[0].probability > 0.8
    first = (Sign("S", 0.6, {"S": 0.6, "B": 0.35}, 0.5),)
    second = (Sign("B", 0.9, {"B": 0.9, "8": 0.05}, 0.5),)
    (one,) = pooled(first, second, POOLING)
    assert one.char == "B"
    assert sum(one.candidates.values()) <= 1.0


def test_the_surer_says_how_many_signs_there_are():
    first, second = signs("81-A4", 0.6), signs("81-AA4", 0.97)
    assert said(pooled(first, second, POOLING)) == "81-AA4"
    assert said(pooled(signs("123.45"), signs("23.45", 0.5), POOLING)) == "123.45"


def test_sure_signs_of_no_plate_are_not_settled():
    assert settled(signs("99-B1"), 0.9)
    assert not settled(signs("99-B1", 0.89), 0.9)
    assert not settled((), 0.0)


def test_another_reader_is_another_model_in_every_row():
    cards = weights.read_manifest()
    refs = {name: models_ref(cards, ModelSettings(plate_reader=name)) for name in LINE_READERS}
    assert len(set(refs.values())) == len(LINE_READERS)
    assert "vn-plates-easyocr@" not in refs["pp-ocr"]
    assert "pp-ocrv6-rec-small@" not in refs["easyocr"]
    assert "vn-plates-easyocr@" in refs["both"]
    assert "pp-ocrv6-rec-small@" in refs["both"]


def test_a_reader_that_is_none_is_one_sentence():
    with pytest.raises(BadInput, match=r"no plate reader 'tesseract'\. Choose one of: pp-ocr"):
        ModelSettings(plate_reader="tesseract")
