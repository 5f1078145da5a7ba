"""Live passes beside a lookout for a face: what is found, what is never encoded, what stays."""

from __future__ import annotations

import pickle
import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from make.growing import START_NS, pieces, record
from make.scenes import camera
from make.walkers import film_walker, portrait

from workbench.recognition.faces import encoder as faces_encoder
from workbench.recognition.faces.calibration import Calibration
from workbench.recognition.faces.search import FaceSearchSettings, make_probe
from workbench.recognition.faces.watching import (
    UNCALIBRATED,
    FaceWatch,
    Watched,
    operating_score,
)
from workbench.recognition.runs.following import Fed, Following, Piece, live_settings
from workbench.recognition.settings import Settings
from workbench.recognition.types import Models
from workbench.records import FaceAuthority
from workbench.timeline import SECOND_NS, Span

HOUR_NS = 3600 * SECOND_NS
PERIOD = Span(START_NS - HOUR_NS, START_NS + HOUR_NS)
LEAVE = FaceAuthority(
    "HS-1", "thu", "minh", "the one who left the van", ("C1",), PERIOD, PERIOD.start_ns,
    PERIOD.stop_ns,
)  # fmt: skip


@pytest.fixture(scope="module")
def fragments(tmp_path_factory: pytest.TempPathFactory) -> list[Piece]:
    folder = tmp_path_factory.mktemp("walker")
    path = record(film_walker(folder / "clip.mp4", 10), folder / "C1", 7)
    return pieces(folder / "C1", path)


@pytest.fixture(scope="module")
def watch(models: Models) -> FaceWatch:
    probe = make_probe([("portrait.png", portrait())], models.find_faces)
    ahead_ns = START_NS - time.time_ns()  # the house's clock is on the day of the footage
    return FaceWatch("CM-1", probe, LEAVE, 0.5, ahead_ns, FaceSearchSettings())


def fed(models: Models, fragments: list[Piece], *watches: FaceWatch) -> list[Fed]:
    blind = Models(lambda _: [], lambda _a, _b, hint=None: [], models.find_faces, "faces alone")
    following = Following(camera(), live_settings(Settings()), lambda _settings: blind)
    return [following.feed(replace(one, faces=watches)) for one in fragments]


def joined(outcomes: list[Fed]) -> Watched:
    seen = [one.watched for one in outcomes if one.watched is not None]
    assert not any(one.failure for one in seen)
    return Watched(
        tuple(hit for one in seen for hit in one.hits),
        tuple(look for one in seen for look in one.looked),
    )


def test_without_a_lookout_no_embedding_is_ever_computed(
    models: Models, fragments: list[Piece], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("_analysis", "_encode", "open_face_encoder"):
        monkeypatch.setattr(faces_encoder, name, lambda *_, **__: pytest.fail("a face was encoded"))
    outcomes = fed(models, fragments)
    assert sum(one.table.num_rows for one in outcomes) >= 2  # somebody with a face went by
    assert all(one.watched is None for one in outcomes)


def test_the_face_looked_out_for_comes_back_with_its_picture_and_all_is_overwritten(
    models: Models, fragments: list[Piece], watch: FaceWatch, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[np.ndarray] = []
    template, encode = faces_encoder.FaceEncoder.template, faces_encoder._encode

    def spied(encoder: faces_encoder.FaceEncoder, shots: object) -> object:
        found = template(encoder, shots)  # type: ignore[arg-type]
        made.extend(encoder._made)
        return found

    def encoded(*words: object) -> np.ndarray:
        made.append(encode(*words))  # type: ignore[arg-type]
        return made[-1]

    monkeypatch.setattr(faces_encoder.FaceEncoder, "template", spied)
    monkeypatch.setattr(faces_encoder, "_encode", encoded)
    outcomes = fed(models, fragments, watch)
    found = joined(outcomes)
    assert len(found.hits) >= 1
    for hit in found.hits:
        assert (hit.lookout_id, hit.operating) == ("CM-1", 0.5)
        assert hit.candidate.score >= 0.5
        face = cv2.imdecode(np.frombuffer(hit.picture, np.uint8), cv2.IMREAD_COLOR)
        assert 30 < face.shape[0] < 300
        assert hit.encoder == "faceplugin-fr@87aacdfe"
    encodings = [one for one in made if one.ndim == 1 and len(one) > 1]
    assert encodings
    assert not any(one.any() for one in made)  # overwritten, the photograph's too
    assert sum(look.destroyed for look in found.looked) >= 2 * sum(
        look.compared for look in found.looked
    )
    pickle.dumps(outcomes)  # nothing that stays in its process is in it
    assert not any("embed" in name for one in outcomes for name in one.table.column_names)


@pytest.mark.parametrize(
    "change",
    [
        {"cameras": ("C2",)},
        {"expires_at_ns": START_NS - 1},
        {"period": Span(START_NS - HOUR_NS, START_NS)},
    ],
    ids=["another camera", "over", "another time"],
)
def test_outside_its_leave_nothing_is_encoded(
    models: Models, fragments: list[Piece], watch: FaceWatch, change: dict,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(faces_encoder, "_encode", lambda *_: pytest.fail("a face was encoded"))
    narrow = replace(watch, authority=replace(LEAVE, **change))
    found = joined(fed(models, fragments, narrow))
    assert (found.hits, found.looked) == ((), ())


def test_below_the_operating_score_only_counts_come_back(
    models: Models, fragments: list[Piece], watch: FaceWatch
) -> None:
    found = joined(fed(models, fragments, replace(watch, operating=0.9999)))
    assert found.hits == ()
    assert sum(look.compared for look in found.looked) >= 1


def test_a_network_that_cannot_be_opened_costs_no_sighting(
    models: Models, fragments: list[Piece], watch: FaceWatch, tmp_path: Path
) -> None:
    settings = watch.settings
    none = replace(settings, models=replace(settings.models, face_pack=str(tmp_path)))
    outcomes = fed(models, fragments, replace(watch, settings=none))
    assert sum(one.table.num_rows for one in outcomes) >= 2
    assert any(one.watched and "holds no model" in one.watched.failure for one in outcomes)


def test_the_operating_score_is_measured_where_a_set_calibrates() -> None:
    assert operating_score(None) == UNCALIBRATED > 0.54  # what two people came to in one photograph
    others = tuple(np.linspace(-0.2, 0.7, 2500))
    made = Calibration(40, 40, others, 10.0, -3.0, (-2.0, 2.0), 0.2, (0.1, 0.3))
    score = operating_score(made)
    assert sum(one >= score for one in others) == 2
    assert made.false_positives(score, 1000)[0] <= 1
    few = Calibration(40, 40, others[:300], 10.0, -8.0, (-2.0, 2.0), 0.2, (0.1, 0.3))
    assert operating_score(few) == pytest.approx(0.8)  # never where the ratio is under 1
    assert not any(one >= operating_score(few) for one in others[:300])
