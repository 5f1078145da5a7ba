"""What is handed on of face candidates, and how long they are kept: copies, days of a category."""

from __future__ import annotations

import json
import zipfile

import cv2
import numpy as np
import pytest
from make.face_street import PERIOD, START_NS, build, film, shown_in_copies

from workbench import recognition
from workbench.errors import BadInput
from workbench.investigation import (
    approve_faces,
    ask_faces,
    bundle,
    candidates_over,
    end_candidates,
    read_faces,
    run_faces,
    switch_faces,
)
from workbench.investigation.face_copies import face_copies
from workbench.investigation.face_readings import candidates_of
from workbench.monitoring.deletions import deletions
from workbench.recognition.faces.hiding import open_face_hider
from workbench.recognition.models import samples
from workbench.records import Case, Purpose
from workbench.store.faces import FaceBook
from workbench.timeline import SECOND_NS, Span

PURPOSE = Purpose("HS-1", "the one who left the van")
HOUR_NS = 3600 * SECOND_NS


@pytest.fixture(scope="module", autouse=True)
def once():
    """The models, loaded once for all of these tests."""
    with pytest.MonkeyPatch.context() as patch:
        loaded = recognition.load_models()
        patch.setattr(recognition, "load_models", lambda *_: loaded)
        yield


@pytest.fixture
def clock():
    return [START_NS + HOUR_NS]


@pytest.fixture
def wb(tmp_path, ward_folder, clock):
    film(tmp_path / "clip.mp4")
    return build(tmp_path / "root", ward_folder, tmp_path / "clip.mp4", now=lambda: clock[0])


def ask(wb, purpose=PURPOSE, **more):
    done, data = cv2.imencode(".png", samples.portrait()[:, :, ::-1])
    assert done
    cameras = [wb.segments()[0].camera_id]
    given = [("portrait.png", data.tobytes())]
    return ask_faces(wb, purpose, given, cameras=cameras, span=PERIOD, **more).request_id


def test_candidates_of_a_closed_case_go_when_the_days_of_its_category_are_over(wb, clock):
    book, kept = FaceBook(wb.root), []
    for case_id, category in (("HS-2", "missing"), ("HS-3", "criminal"), ("HS-4", "")):
        wb.open_case(Case(case_id, "t", "b", "r", PERIOD, category=category))
        kept.append(ask(wb, Purpose(case_id, "r")))
        book.put_candidates(kept[-1], b"[{}, {}]")
        wb.close_case(case_id, "done")
    (wb.root / "retention.toml").write_text("[cases]\nmissing = 3\n")
    assert candidates_over(wb) == []
    clock[0] += 5 * 24 * HOUR_NS
    (wb.root / "retention.toml").write_text("[cases]\nmissing = -3\n")
    with pytest.raises(BadInput, match="missing = N"):
        end_candidates(wb)
    (wb.root / "retention.toml").write_text("[cases]\nmissing = 3\n")
    (one,) = candidates_over(wb)  # shown first
    assert (one.request_id, one.case_id) == (kept[0], "HS-2")
    assert (one.candidates, one.photographs) == (2, 1)
    assert [book.candidates(name) for name in kept] == [b"[{}, {}]"] * 3
    assert end_candidates(wb) == [one]
    assert [book.candidates(name) for name in kept] == [None, b"[{}, {}]", b"[{}, {}]"]
    assert [book.photographs(name) for name in kept] == [0, 1, 1]
    entries = [each for each in wb.audit() if each.action == "faces.delete"]
    assert [each.case_id for each in entries] == ["HS-2", "HS-2"]
    first, second = (json.loads(each.details) for each in entries)
    assert (first["candidates"], second["photographs"]) == (2, 1)
    assert "category missing" in first["why"] == second["why"]
    month = Span(START_NS, clock[0] + HOUR_NS)
    told = [said for _, said, *_ in deletions(wb._store, month, lambda text: text)]
    assert told == [f"2 face candidates of {kept[0]}", f"1 photographs of {kept[0]}"]
    assert end_candidates(wb) == []
    assert wb.verify() == []


def test_in_a_copy_of_a_candidate_nobody_else_can_be_recognised(wb, tmp_path):
    request_id = ask(wb, urgent="a child is missing")
    run_faces(wb, request_id, workers=0)
    assert set(shown_in_copies(wb, PURPOSE).values()) == {"not approved"}
    approve_faces(wb.as_actor("minh"), request_id, "needed")
    first = {1: "excludes", 2: "supports", 3: "undecided"}
    for reader in ("lan", "tu"):
        read_faces(wb.as_actor(reader), request_id, PURPOSE, first)
    finder = open_face_hider()
    shown = 0
    for one in face_copies(wb, PURPOSE, lambda: finder):
        assert one.request_id == request_id
        copy = cv2.imdecode(np.frombuffer(one.picture, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
        candidate = dict(candidates_of(wb, request_id, PURPOSE))[one.number]
        assert one.made_of == f"{candidate.segment_sha256} pts {candidate.pts}"
        plain = wb.still(candidate.segment_sha256, candidate.pts, PURPOSE).astype(int)
        away = np.abs(copy.astype(int) - plain).mean(axis=2)
        faces = [each.box for each in finder(plain.astype(np.uint8), None)]
        assert {int(box.x) // 380 for box in faces} == {0, 1, 2}  # some twice, at two scales
        for box in faces:
            rows, columns = (
                slice(int(box.y), int(box.y + box.h)),
                slice(int(box.x), int(box.x + box.w)),
            )
            if one.shown == "face shown" and int(box.x) // 380 == int(candidate.face.x) // 380:
                assert away[rows, columns].mean() < 6
                shown += 1
            else:  # a handful of colours across, and no face for a detector
                assert away[rows, columns].mean() > 12
        seen = {int(each.box.x) // 380 for each in finder(copy, None)}
        mine = {int(candidate.face.x) // 380} if one.shown == "face shown" else set()
        assert seen == mine
    assert shown >= 2
    # the bundle holds them, excluded ones too, and says whose face shows; its check finds it whole
    out = tmp_path / "HS-1.zip"
    bundle(wb, PURPOSE, out, plates=["99B1-123.45"], originals=False, clips=False)
    with zipfile.ZipFile(out) as made:
        names = [name for name in made.namelist() if name.startswith("faces/")]
        said = json.loads(made.read("face_copies.json"))
    assert names == [f"faces/{request_id}-{n:02d}.jpg" for n in (1, 2, 3)]
    assert [("readers exclude it" in one["shown"], one["path"]) for one in said] == [
        (n == 0, name) for n, name in enumerate(names)
    ]  # fmt: skip
    assert [json.dumps(one).count("score") for one in said] == [0, 0, 0]
    # whoever may not see them gets a sentence; with face search off nobody sees one
    switch_faces(wb, on=False, reason="stop")
    (left,) = face_copies(wb, PURPOSE, lambda: finder)
    assert (left.picture, "switched off" in left.why) == (None, True)
