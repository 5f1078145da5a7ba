"""No encoder without leave, nothing encoded that leaves or outlasts a run, packs that drop in."""

from __future__ import annotations

import copy
import pickle
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from make.face_pack import make_pack
from make.rows import START_NS

from workbench.errors import Refused, Unavailable
from workbench.recognition.faces import encoder as faces_encoder
from workbench.recognition.faces.encoder import FaceEncoder, Shot, Template, open_face_encoder
from workbench.recognition.models import doctor, samples, weights
from workbench.recognition.models.known import Examiner
from workbench.recognition.types import Models, ModelSettings
from workbench.records import FaceAuthority
from workbench.timeline import SECOND_NS, Span

HOUSE = Path(__file__).resolve().parents[3]
LEAVE = FaceAuthority(
    "01/2026", "thu", "minh", "the one who left the van", ("C01",),
    Span(START_NS, START_NS + SECOND_NS), START_NS, START_NS + 3600 * SECOND_NS,
)  # fmt: skip


@pytest.fixture
def encoder() -> FaceEncoder:
    return open_face_encoder(LEAVE, now_ns=START_NS)


def shot(encoder: FaceEncoder, weight: float = 1.0, name: str = "a") -> Shot:
    portrait = samples.portrait()
    (face,) = encoder.find(portrait, None)
    return Shot(portrait, face, weight, name)


@pytest.mark.parametrize("now_ns", [START_NS - 1, START_NS + 3600 * SECOND_NS])
def test_no_encoder_opens_outside_its_leave(now_ns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faces_encoder, "_analysis", lambda *_: pytest.fail("a network was opened"))
    with pytest.raises(Refused, match="does not stand now"):
        open_face_encoder(LEAVE, now_ns=now_ns)


@pytest.mark.parametrize("leave", [None, "yes", object()])
def test_nothing_else_passes_for_leave(leave: object) -> None:
    with pytest.raises(TypeError, match="FaceAuthority only"):
        FaceEncoder(faces_encoder._analysis(None, 0.5, 640), leave, "x")  # type: ignore[arg-type]
    with pytest.raises(AttributeError):
        open_face_encoder(leave, now_ns=START_NS)  # type: ignore[arg-type]


def test_the_models_of_recognition_hold_no_encoder(models: Models) -> None:
    assert {field.name for field in fields(Models)} == {
        "detect", "read_plates", "find_faces", "ref",
    }  # fmt: skip
    assert set(models.find_faces._analysis.models) == {"detection"}
    assert faces_encoder.ENCODER not in models.ref


def test_one_module_opens_encoders_and_one_program_tests_them() -> None:
    """Whoever adds a second door finds this test."""
    words = (
        "ArcFaceONNX", 'models["recognition"]', "faces.encoder", "faces import encoder", "get_feat",
        "allowed_modules",
    )  # fmt: skip
    doors = {
        str(path.relative_to(HOUSE / "workbench"))
        for path in (HOUSE / "workbench").rglob("*.py")
        if any(word in path.read_text(encoding="utf-8") for word in words)
    }
    assert doors == {
        "recognition/faces/finding.py",  # a pack's detector alone
        "recognition/faces/encoder.py",
        "recognition/faces/search.py",
        "recognition/faces/watching.py",  # passes of live cameras, while a lookout stands
        "recognition/faces/evaluation.py",
        "recognition/faces/scoring.py",  # known people of an operator's, kept as scores alone
        "investigation/face_calibrating.py",  # asks for the network's name alone
        # self-tests on a public-domain portrait
        "recognition/models/doctor.py",
        "recognition/models/known.py",
    }


def test_a_template_says_nothing_and_goes_nowhere(encoder: FaceEncoder) -> None:
    template = encoder.template([shot(encoder)])
    assert repr(template) == "Template(1 pictures)"
    for way in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            way(template)
    with pytest.raises(TypeError):
        pickle.dumps(encoder)
    assert template.score(template) == pytest.approx(1, abs=1e-5)


def test_what_was_made_is_overwritten_and_counted(encoder: FaceEncoder) -> None:
    one = encoder.template([shot(encoder), shot(encoder, 0.5, "b")])
    other = encoder.template([shot(encoder)])
    made = [one._vector, other._vector, *encoder._made]
    assert all(np.abs(part).sum() > 0 for part in made)
    assert encoder.destroy() == 3
    assert all(not part.any() for part in made)
    assert one.score(other) == 0
    assert encoder.destroy() == 0


def test_no_copy_of_an_embedding_outlives_its_making(
    encoder: FaceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Freed memory is not overwritten memory: each array that held one is looked at afterwards."""
    raw, units, network, real = [], [], encoder._recogniser.get_feat, faces_encoder._encode

    def spied(aligned: object) -> np.ndarray:
        raw.append(network(aligned))
        assert raw[-1].any()
        return raw[-1]

    def encoded(*args: object) -> np.ndarray:
        units.append(real(*args))
        assert np.linalg.norm(units[-1]) == pytest.approx(1, abs=1e-5)
        return units[-1]

    monkeypatch.setattr(encoder._recogniser, "get_feat", spied)
    monkeypatch.setattr(faces_encoder, "_encode", encoded)
    template = encoder.template([shot(encoder), shot(encoder, 0.5, "b")])
    assert len(raw) == len(units) == 2
    assert not any(part.any() for part in (*raw, *units))
    assert template._vector.any()
    assert not any(np.shares_memory(template._vector, part) for part in (*raw, *units))
    kept = list(encoder._made)
    encoder.destroy()
    assert not any(part.any() for part in kept)


def test_an_encoding_that_fails_midway_leaves_nothing(
    encoder: FaceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = iter(np.eye(512, dtype=np.float32)[:1])
    one = shot(encoder)
    monkeypatch.setattr(faces_encoder, "_encode", lambda *_: next(vectors))
    with pytest.raises(StopIteration):
        encoder.template([one, one])
    kept = list(encoder._made)
    assert kept[0].any()
    encoder.destroy()
    assert not any(part.any() for part in kept)


def test_one_more_encoder_leaves_those_at_work_their_network(encoder: FaceEncoder) -> None:
    # threads of one worker share it; insightface's `prepare` would take it away for a moment
    network = encoder._recogniser.session._sess
    second = open_face_encoder(LEAVE, now_ns=START_NS)
    assert second._recogniser.session._sess is encoder._recogniser.session._sess is network


def test_pooling_weighs_by_quality_and_names_its_frames(
    encoder: FaceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = iter(np.eye(512, dtype=np.float32)[[0, 1]])
    one = shot(encoder)
    monkeypatch.setattr(faces_encoder, "_encode", lambda *_: next(vectors))
    pooled = encoder.template([one, Shot(one.picture, one.face, 0.5, "b")])
    assert pooled.frames == ("a", "b")
    np.testing.assert_allclose(pooled._vector[:2], [2 / 5**0.5, 1 / 5**0.5], rtol=1e-5)
    assert pooled.agreement == pytest.approx(1 / 5**0.5, rel=1e-5)
    assert isinstance(pooled, Template)


def test_nothing_of_weight_makes_no_template(encoder: FaceEncoder) -> None:
    for shots in ([], [shot(encoder, 0.0)]):
        with pytest.raises(ValueError, match="no picture"):
            encoder.template(shots)


def test_a_licensed_pack_replaces_both_networks(tmp_path: Path, encoder: FaceEncoder) -> None:
    own = shot(encoder).face
    scale = 640 / 512
    corners = tuple(
        scale * v for v in (own.box.x, own.box.y, own.box.x + own.box.w, own.box.y + own.box.h)
    )
    pack = make_pack(tmp_path / "licensed", corners, own.points * scale)
    (pack / "LICENCE.txt").write_text("Contract 7/2026 with the vendor", encoding="utf-8")
    settings = ModelSettings(face_pack=str(pack))
    swapped = open_face_encoder(LEAVE, now_ns=START_NS, settings=settings)
    assert swapped.ref.startswith("licensed@")
    assert encoder.ref == "faceplugin-fr@87aacdfe"
    portrait = samples.portrait()
    (face,) = swapped.find(portrait, None)
    assert face.box.x == pytest.approx(own.box.x, abs=1)
    np.testing.assert_allclose(face.points, own.points, atol=1)
    template = swapped.template([Shot(portrait, face, 1.0, "a")])
    assert template._vector.shape == (512,)
    dark = swapped.template([Shot((portrait * 0.5).astype(np.uint8), face, 1.0, "b")])
    assert template.score(dark) > 0.9  # the toy compares by grey, and only by its own network
    report = doctor.examine(settings, clock=False, environment={})[-1]
    assert (report.name, report.licence) == (doctor.FACE_PACK, "Contract 7/2026 with the vendor")
    assert "0 faces in a grey field; 1 in a portrait" in report.said
    assert "mirror image" in report.said


def test_a_pack_without_an_encoder_finds_faces_and_compares_none(tmp_path: Path) -> None:
    pack = make_pack(
        tmp_path, (200, 60, 320, 220), np.array(
            [[230, 110], [290, 110], [260, 140], [235, 170], [285, 170]], np.float32
        ), encoder=False,
    )  # fmt: skip
    settings = ModelSettings(face_pack=str(pack))
    with pytest.raises(Unavailable, match="holds no network that compares"):
        open_face_encoder(LEAVE, now_ns=START_NS, settings=settings)
    report = doctor.examine(settings, clock=False, environment={})[-1]
    assert report.state == "ready"
    assert "holds no network that compares faces" in report.said


def test_the_self_test_sees_a_broken_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    card = weights.read_manifest()[faces_encoder.ENCODER]
    result = Examiner(ModelSettings()).self_test(card)
    assert result.passed, result
    monkeypatch.setattr(faces_encoder, "_encode", lambda *_: np.eye(512, dtype=np.float32)[0])
    result = Examiner(ModelSettings()).self_test(card)
    assert not result.passed
    assert "upside-down: 1.0" in result.said
