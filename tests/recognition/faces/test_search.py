"""An authorised archive run: who is found, what is refused, and that nothing of it stays."""

from __future__ import annotations

import json
import pickle
import re
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from make.rows import sighting_row, sightings_table

from workbench import cases, media, store
from workbench.errors import BadInput, Damaged, Refused
from workbench.investigation import Workbench, open_workbench
from workbench.recognition.evaluate import read_picture
from workbench.recognition.faces import encoder as faces_encoder
from workbench.recognition.faces.search import (
    FaceCandidate,
    FaceJob,
    FaceRun,
    FaceSearchSettings,
    Probe,
    join_runs,
    make_probe,
    plan_face_job,
    search_faces,
)
from workbench.recognition.models import samples
from workbench.recognition.types import Models
from workbench.records import Box, Case, FaceAuthority
from workbench.timeline import SECOND_NS, Span, parse_instant

START_NS = parse_instant("2026-11-20T07:15:00+07:00")
PERIOD = Span(START_NS - 60 * SECOND_NS, START_NS + 60 * SECOND_NS)
NOW_NS = START_NS + 3600 * SECOND_NS
FRAMES, RATE, SIDE = 20, 10, 320
SHARP, BLURRED, EMPTY, CROWD = "sharp", "blurred", "empty", "crowd"
PLACES = {SHARP: 20, BLURRED: 380, EMPTY: 740, CROWD: 1060}


@pytest.fixture(scope="module")
def wb(tmp_path_factory: pytest.TempPathFactory, ward_folder: Path) -> Workbench:
    """A root with one clip of four passes: a sharp face, a blurred one, nobody, two people."""
    folder = tmp_path_factory.mktemp("faces")
    portrait = cv2.resize(samples.portrait(), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    pair = cv2.resize(np.concatenate([portrait] * 2, axis=1), (SIDE, SIDE // 2))
    clip = folder / "clip.mp4"
    with media.ClipWriter(clip, 1400, 360, time_base=Fraction(1, RATE), gop=10, crf=18) as out:
        for n in range(FRAMES):
            street = np.full((360, 1400, 3), 96, np.uint8)
            for name, left in PLACES.items():
                picture = {
                    SHARP: portrait, BLURRED: cv2.GaussianBlur(portrait, (0, 0), 4),
                    EMPTY: np.full_like(portrait, 120), CROWD: pair,
                }[name]  # fmt: skip
                street[20 : 20 + len(picture), left + n : left + n + SIDE] = picture
            out.write(street, n)
    made = open_workbench(folder / "root", actor="thu", now=lambda: NOW_NS, create_from=ward_folder)
    made.open_case(Case("HS-1", "The grey van", "Decision 12", "find who left it", PERIOD))
    (segment,) = made.ingest(clip, next(iter(made.ward.cameras)), START_NS).segments
    made._store.append_sightings(sightings_table(rows_of(made, segment.sha256)))
    return made


def rows_of(wb: Workbench, sha256: str) -> Iterator[dict[str, Any]]:
    segment = wb.segment(sha256)
    pts = wb.frame_index(segment).pts.tolist()
    for name, left in PLACES.items():
        high = SIDE // 2 if name == CROWD else SIDE
        yield sighting_row(
            0, segment.camera_id, sighting_id=name, segment_sha256=sha256, kind="person",
            pts=pts[3], first_pts=pts[0], last_pts=pts[-1], box_x=left + 3.0, box_y=20.0,
            box_w=float(SIDE), box_h=float(high), track_pts=pts,
            track_box=[v for n in range(FRAMES) for v in (left + n, 20.0, float(SIDE), high)],
        )  # fmt: skip


@pytest.fixture
def leave(wb: Workbench) -> FaceAuthority:
    camera_id = wb.segments()[0].camera_id
    return FaceAuthority(
        "HS-1", "thu", "minh", "the one who left the van", (camera_id,), PERIOD,
        NOW_NS - SECOND_NS, NOW_NS + 3600 * SECOND_NS,
    )  # fmt: skip


@pytest.fixture
def probe(models: Models) -> Probe:
    return make_probe([("portrait.png", samples.portrait())], models.find_faces)


@pytest.fixture
def job(wb: Workbench) -> FaceJob:
    return job_of(wb)


def job_of(wb: Workbench, **settings: Any) -> FaceJob:
    (segment,) = wb.segments()
    rows = wb._store.sightings(cameras=None, span=None).to_pylist()
    fixes = wb.clock_fixes(segment.camera_id)
    return plan_face_job(segment, wb.file(segment), fixes, rows, FaceSearchSettings(**settings))


def search(job: FaceJob, probe: Probe, leave: FaceAuthority, **more: Any) -> FaceRun:
    return search_faces(job, probe, leave, now=more.pop("now", lambda: NOW_NS), **more)


def test_the_pass_of_the_probe_comes_back_with_its_frames(
    wb: Workbench, job: FaceJob, probe: Probe, leave: FaceAuthority
) -> None:
    run = search(job, probe, leave)
    (found,) = run.candidates
    assert found.sighting_id == SHARP
    assert found.score > 0.8
    assert found.agreement > 0.8
    assert (found.quality, len(found.frames)) == ("usable", 6)
    assert found.pts in found.frames
    assert set(found.frames) <= set(wb.frame_index(job.segment).pts.tolist())
    assert Span(START_NS, START_NS + 3 * SECOND_NS).overlap(Span(found.utc_ns, found.utc_ns + 1))
    assert 45 < found.size_px < 70
    assert PLACES[SHARP] < found.face.x < PLACES[SHARP] + SIDE
    assert (run.compared, run.without) == (1, 1)
    assert run.destroyed == 7  # six frames and the photograph
    assert run.refused == {
        "it is blurred or flat: sharpness {found} of {wanted}": 6,
        "two faces are in the box of the pass": 6,
    }
    assert run.encoder == "faceplugin-fr@87aacdfe"


def test_floor_and_length_bound_what_is_kept(
    wb: Workbench, probe: Probe, leave: FaceAuthority
) -> None:
    run = search(job_of(wb, floor=0.999), probe, leave)
    assert (run.candidates, run.compared) == ((), 1)
    many = [replace(candidate(), sighting_id=str(n), score=n / 10) for n in range(5)]
    runs = [FaceRun((one,), 1, 2, 0, {"a": 1}, "x@1") for one in many]
    joined = join_runs(runs, 3)
    assert [one.score for one in joined.candidates] == [0.4, 0.3, 0.2]
    assert (joined.compared, joined.destroyed, joined.refused) == (5, 10, {"a": 5})


def candidate() -> FaceCandidate:
    return FaceCandidate(
        "a", "C01", "f", 1, START_NS, 1, 0.5, Box(0, 0, 1, 1), "usable", 50, (1,), 1
    )


def test_a_run_is_the_same_twice_and_in_another_process(
    job: FaceJob, probe: Probe, leave: FaceAuthority
) -> None:
    sent = pickle.loads(pickle.dumps((job, probe, leave)))
    assert search(*sent) == search(job, probe, leave)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"cameras": ("C99",)}, "does not name camera"),
        ({"period": Span(START_NS, START_NS + SECOND_NS)}, "does not cover that time"),
        ({"expires_at_ns": NOW_NS}, "does not stand now"),
        ({"approved_at_ns": NOW_NS + 1}, "does not stand now"),
    ],
)
def test_outside_its_leave_nothing_is_opened(
    job: FaceJob, probe: Probe, leave: FaceAuthority, changes: dict[str, Any], sentence: str,
) -> None:  # fmt: skip
    def opened(*_: object, **__: object) -> None:
        pytest.fail("an encoder was opened")

    with pytest.raises(Refused, match=sentence):
        search(job, probe, replace(leave, **changes), opened=opened)


def test_leave_that_ends_during_the_run_ends_it_and_all_is_destroyed(
    job: FaceJob, probe: Probe, leave: FaceAuthority
) -> None:
    times = iter([NOW_NS, NOW_NS])  # at the start and when the encoder opens; then it is over
    kept: list[Any] = []

    def opened(*words: Any, **more: Any) -> faces_encoder.FaceEncoder:
        kept.append(faces_encoder.open_face_encoder(*words, **more))
        return kept[0]

    with pytest.raises(Refused, match="does not stand now"):
        search(job, probe, leave, now=lambda: next(times, leave.expires_at_ns), opened=opened)
    assert kept[0]._made == []


def test_another_file_than_the_archived_one_is_found_out(
    job: FaceJob, probe: Probe, leave: FaceAuthority
) -> None:
    other = replace(job, segment=replace(job.segment, frame_count=7))
    with pytest.raises(Damaged, match="not the one that was archived"):
        search(other, probe, leave)


def test_no_embedding_stays_in_any_table_or_file(
    wb: Workbench,
    job: FaceJob,
    probe: Probe,
    leave: FaceAuthority,
    models: Models,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[np.ndarray] = []
    encode = faces_encoder._encode

    def spied(*words: Any) -> np.ndarray:
        vector = encode(*words)
        seen.append(vector.copy())
        return vector

    monkeypatch.setattr(faces_encoder, "_encode", spied)
    (case,) = wb.cases()
    cases.authorise_faces(
        case, leave, actor=wb.actor, cameras=leave.cameras, span=PERIOD, now_ns=wb.now()
    )
    wb.recognise(workers=0)
    run = search(job, probe, leave)
    assert len(seen) == run.destroyed == 7
    kept = wb.root / "candidates.json"  # what a case may keep of it
    kept.write_text(json.dumps([str(one) for one in run.candidates]))
    assert leaks(wb.root, seen) == []
    for path in wb.root.rglob("*.parquet"):
        words = {word for name in pq.read_schema(path).names for word in name.split("_")}
        assert not words & store.sightings.FORBIDDEN
    with sqlite3.connect(wb.root / "catalogue.sqlite") as database:
        said = " ".join(sql or "" for (sql,) in database.execute("select sql from sqlite_master"))
    assert not re.search(r"embedding|descriptor|biometric", said)
    # and the search for leaks finds one in each form that somebody could write
    for planted in (
        seen[0].tobytes(),
        seen[3].astype(np.float16).tobytes(),
        json.dumps(seen[5].astype(float).tolist()).encode(),
        pickle.dumps(seen[6].astype(float)),
    ):
        kept.write_bytes(planted)
        assert leaks(wb.root, seen) == [kept]
    kept.write_bytes(pickle.dumps(run))
    assert leaks(wb.root, seen) == []
    kept.unlink()


def leaks(root: Path, vectors: list[np.ndarray]) -> list[Path]:
    """Return the files that hold a part of one of the vectors, as numbers or as text."""
    kinds = (np.float64, np.float32, np.float16)
    needles = [vector.astype(kind)[100:104].tobytes() for vector in vectors for kind in kinds]
    needles += [f"{abs(vector[100]):.6f}"[1:7].encode() for vector in vectors]
    files = sorted(path for path in root.rglob("*") if path.is_file())
    assert len(files) > 5
    return [path for path in files if any(needle in path.read_bytes() for needle in needles)]


@pytest.mark.footage
def test_of_two_people_the_one_on_the_photographs_comes_back(
    footage: Path, tmp_path: Path, ward_folder: Path, models: Models, leave: FaceAuthority
) -> None:
    folder = footage / "faces_compreface"
    passing = {name: face_of(folder / name, models) for name in ("003_A.jpg", "007_B.jpg")}
    clip = tmp_path / "two.mp4"
    with media.ClipWriter(clip, 800, 300, time_base=Fraction(1, RATE), gop=10, crf=20) as out:
        for n in range(FRAMES):
            street = np.full((300, 800, 3), 96, np.uint8)
            for number, picture in enumerate(passing.values()):
                street[20:276, 20 + 400 * number + n :][:, :256] = picture
            out.write(street, n)
    wb = open_workbench(tmp_path / "root", actor="thu", now=lambda: NOW_NS, create_from=ward_folder)
    (segment,) = wb.ingest(clip, leave.cameras[0], START_NS).segments
    pts = wb.frame_index(segment).pts.tolist()
    rows = [
        sighting_row(
            0, leave.cameras[0], sighting_id=name, segment_sha256=segment.sha256, kind="person",
            track_pts=pts,
            track_box=[v for n in range(FRAMES) for v in (20 + 400 * at + n, 20, 256, 256)],
        )
        for at, name in enumerate(passing)
    ]  # fmt: skip
    settings = FaceSearchSettings(floor=-1.0)
    job = plan_face_job(segment, wb.file(segment), (), rows, settings)
    photographs = [(name, read_picture(folder / name)) for name in ("001_A.jpg", "004_A.jpg")]
    run = search(job, make_probe(photographs, models.find_faces), leave)
    assert [one.sighting_id for one in run.candidates] == ["003_A.jpg", "007_B.jpg"]
    assert run.candidates[0].score > 0.5 > FaceSearchSettings().floor > run.candidates[1].score


def face_of(path: Path, models: Models) -> np.ndarray:
    """Return 256 x 256 around the face of a photograph, the face about 100 px across."""
    picture = read_picture(path)
    face = models.find_faces(picture, None)[0]
    scale = 100 / min(face.box.w, face.box.h)
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    left = max(0, int(scale * (face.box.x + face.box.w / 2)) - 128)
    top = max(0, int(scale * (face.box.y + face.box.h / 2)) - 128)
    crop = small[top : top + 256, left : left + 256]
    return np.pad(crop, ((0, 256 - len(crop)), (0, 256 - crop.shape[1]), (0, 0)))


def test_a_probe_says_what_is_wrong_with_a_photograph(models: Models) -> None:
    portrait = samples.portrait()
    small = cv2.resize(portrait, (112, 112), interpolation=cv2.INTER_AREA)
    for picture, sentence in (
        (samples.grey_field(), "no face is found in it. Give a better one."),
        (np.concatenate([portrait] * 2, axis=1), "it shows 2 faces: cut it down"),
        (small, "px across; 40 are wanted"),
        (cv2.GaussianBlur(portrait, (0, 0), 6), "blurred or flat"),
    ):
        with pytest.raises(BadInput, match=re.escape(sentence)) as problem:
            make_probe([("suspect.jpg", picture)], models.find_faces)
        assert str(problem.value).startswith("suspect.jpg: this photograph cannot be searched")
    with pytest.raises(BadInput, match="no photograph is given"):
        make_probe([], models.find_faces)


def test_below_the_gate_only_with_a_reason_that_stays_with_the_probe(models: Models) -> None:
    blurred = cv2.GaussianBlur(samples.portrait(), (0, 0), 4)
    with pytest.raises(BadInput):
        make_probe([("a", blurred)], models.find_faces, despite=" - ")
    probe = make_probe([("a", blurred)], models.find_faces, despite="the only one there is")
    assert (probe.despite, probe.quality) == ("the only one there is", "refused")
    good = make_probe([("b", samples.portrait())], models.find_faces, despite="not needed")
    assert (good.despite, good.quality) == ("", "usable")
    assert "crops" not in repr(good)


def test_nothing_here_says_that_two_faces_are_one() -> None:
    house = Path(__file__).resolve().parents[3] / "workbench"
    paths = [
        path
        for pattern in ("recognition/faces/**/*.py", "*/face*.py", "cases/asking.py")
        for path in house.glob(pattern)
    ]
    # a pattern that fits nothing would prove nothing
    assert len(paths) > 20
    assert {"search.py", "face_readings.py", "asking.py"} <= {path.name for path in paths}
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"\bmatch|khớp|identif(y|ied)|suspect", text, re.I), path.name
