"""Known inputs: what models say of them, and that a wrong network cannot pass."""

from __future__ import annotations

from pathlib import Path

import cv2
import pytest
from make.own_models import (
    DETECTOR_TESTS,
    entry_of,
    mean_colours,
    put_float_detector,
    put_model,
    put_shipped_detector,
    write_manifest,
)

from workbench.errors import BadInput, WorkbenchError
from workbench.recognition.models import doctor, own, samples, weights
from workbench.recognition.models.known import DRAWN, Examiner, agrees, one_sentence
from workbench.recognition.types import ModelSettings

LIKENESS = [
    {"input": "car:red+car:red~mirrored", "expected": 1.0, "tolerance": 0.001},
    {"input": "car:red+car:blue", "expected": 0.7, "tolerance": 0.29},
]


@pytest.fixture
def examiner() -> Examiner:
    return Examiner(ModelSettings())


def test_every_drawn_input_exists() -> None:
    names = {part for names in DRAWN.values() for name in names for part in name.split("+")}
    for card in weights.read_manifest().values():
        names |= {part for known in card.self_tests for part in known.input.split("+")}
    for name in names:
        assert samples.known(name) is not None, name


@pytest.mark.parametrize("name", ["", "cat", "car:green", "portrait~far", "grey-field+"])
def test_an_unknown_input_is_one_sentence(name: str) -> None:
    with pytest.raises(BadInput, match="no known input"):
        samples.known(name)


@pytest.mark.parametrize(
    ("found", "expected", "tolerance", "same"),
    [
        (0.5, 0.6, 0.1, True), (0.5, 0.61, 0.1, False), (float("nan"), 0.5, 0.9, False),
        ([["car", 0.9]], [["car", 0.8]], 0.2, True), ([["car", 0.9]], [], 0.2, False),
        ({"a": "x"}, {"a": "y"}, 0.9, False), ({"a": 1}, {"b": 1}, 0.9, False),
        (True, 1, 0.5, False), ("1", 1, 0.5, False),
    ],
)  # fmt: skip
def test_an_answer_agrees_within_its_tolerance(
    found: object, expected: object, tolerance: float, same: bool
) -> None:
    assert agrees(found, expected, tolerance) is same


def test_a_network_of_another_shape_is_one_sentence(tmp_path: Path, examiner: Examiner) -> None:
    # a likeness network where one for reading lines is wanted
    put_model(
        tmp_path, "odd", "text reading", {"graph": mean_colours(tmp_path / "odd.onnx")},
        [{"input": "grey-field", "expected": {"plates": []}, "tolerance": 0},
         {"input": "plate:99-B1/123.45", "expected": {"plates": ["99B1-123.45"]}, "tolerance": 0}],
    )  # fmt: skip
    report = doctor.examine_own(tmp_path, "odd", examiner)
    assert report.state == "failed"
    assert isinstance(report.remedy, WorkbenchError)
    assert "model odd cannot be used" in report.remedy.sentence()
    assert "\n" not in report.remedy.sentence()


@pytest.mark.parametrize(("side", "classes"), [("n", 3), (16, 0)])
def test_a_likeness_network_of_another_shape_is_one_sentence(
    tmp_path: Path, examiner: Examiner, side: int | str, classes: int
) -> None:
    if classes:
        graph = mean_colours(tmp_path / "like.onnx", side=side, classes=classes)
    else:
        graph = tmp_path / "like.onnx"
        graph.write_bytes(b"no network at all")
    put_model(tmp_path, "like", "vehicle likeness", {"graph": graph}, LIKENESS)
    report = doctor.examine_own(tmp_path, "like", examiner)
    assert report.state == "failed"
    assert "likeness of vehicles" in str(report.remedy)


def test_a_likeness_network_is_asked_for_two_pairs(tmp_path: Path, examiner: Examiner) -> None:
    graph = mean_colours(tmp_path / "like.onnx")
    folder = put_model(tmp_path, "like", "vehicle likeness", {"graph": graph}, LIKENESS)
    report = doctor.examine_own(tmp_path, "like", examiner)
    assert report.state == "ready", report
    assert "car:red+car:blue: 0." in report.said
    wrong = [LIKENESS[0], LIKENESS[1] | {"expected": -0.9, "tolerance": 0.1}]
    write_manifest(folder, entry_of(folder) | {"self_tests": wrong})
    report = doctor.examine_own(tmp_path, "like", examiner)
    assert report.state == "failed"
    assert "expected result" in str(report.remedy)
    one = [LIKENESS[0] | {"input": "car:red"}, LIKENESS[1]]
    write_manifest(folder, entry_of(folder) | {"self_tests": one})
    assert "no pair" in str(doctor.examine_own(tmp_path, "like", examiner).remedy)


def test_a_models_own_picture_can_be_a_known_input(tmp_path: Path, examiner: Examiner) -> None:
    picture = tmp_path / "somebody.png"
    portrait = samples.portrait()
    assert portrait is not None
    cv2.imwrite(str(picture), portrait[:, :, ::-1])
    graph = weights.locate(weights.read_manifest()["ssd-mobilenet-v2-coco-int8"], "graph")
    tests = [DETECTOR_TESTS[0], DETECTOR_TESTS[1] | {"input": "somebody"}]
    put_model(tmp_path, "mine", "objects", {"graph": graph, "somebody": picture}, tests)
    report = doctor.examine_own(tmp_path, "mine", examiner)
    assert report.state == "ready", report
    (tmp_path / "mine" / "somebody.png").write_bytes(b"another picture")
    assert doctor.examine_own(tmp_path, "mine", examiner).state == "altered"


def test_the_detector_before_eight_bits_takes_the_place_of_ours(
    tmp_path: Path, examiner: Examiner
) -> None:
    put_float_detector(tmp_path)
    card = own.read_own(tmp_path, "ssd-float")
    result = examiner.self_test(card)
    assert result.passed, result
    shipped = weights.read_manifest()["ssd-mobilenet-v2-coco-int8"]
    ((kind, score),), ((known, other),) = (
        examiner.answer(one, "portrait") for one in (card, shipped)
    )
    assert kind == known == "person"
    assert score != other  # another network, not another name of ours


def test_doctor_examines_the_operators_models_too(tmp_path: Path) -> None:
    put_shipped_detector(tmp_path / "models")
    put_shipped_detector(tmp_path / "models", "nobody-knows", licence="not stated")
    (tmp_path / "models" / "broken").mkdir()
    (tmp_path / "models" / "broken" / "manifest.json").write_text("{")
    reports = {
        one.name: one
        for one in doctor.examine(clock=False, environment={}, operators=tmp_path / "models")
    }
    assert reports["ssd-again"].state == "ready"
    assert reports["ssd-again"].package == "models/ssd-again"
    assert "names no licence" in str(reports["nobody-knows"].remedy)
    assert reports["broken"].state == "failed"
    assert "no manifest" in str(reports["broken"].remedy)
    assert weights.dropped_in(tmp_path / "models") == []


def test_a_librarys_tale_becomes_one_sentence() -> None:
    card = weights.read_manifest()["centerface"]
    said = one_sentence(card, RuntimeError("no such operator\nand a long tale"))
    assert "no such operator" in said.sentence()
    assert "tale" not in said.sentence()
    assert one_sentence(card, said) is said
