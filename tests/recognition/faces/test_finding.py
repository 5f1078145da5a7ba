from __future__ import annotations

import cv2
import numpy as np
import pytest

from workbench.bench.clips import nose_tips
from workbench.recognition.evaluate import read_picture, score_faces
from workbench.recognition.faces.finding import CenterFace, open_face_finder
from workbench.recognition.models import samples, weights
from workbench.recognition.types import Face
from workbench.records import Box


def test_one_face_in_a_portrait_and_none_in_a_grey_field(models):
    (face,) = models.find_faces(samples.portrait(), None)
    assert models.find_faces(samples.grey_field(), None) == []
    assert face.points.shape == (5, 2)
    x, y = face.points.T
    assert ((x > face.box.x) & (x < face.box.x + face.box.w)).all()
    assert y[:2].mean() < y[2] < y[3:].mean()


def test_a_face_is_where_it_is_in_the_whole_picture_when_sought_in_a_box(models):
    portrait = samples.portrait()
    street = np.full((720, 1280, 3), 96, np.uint8)
    street[100:612, 600:1112] = portrait
    (whole,) = models.find_faces(portrait, None)
    (boxed,) = models.find_faces(street, Box(600, 100, 512, 512))
    assert boxed.box.x == pytest.approx(whole.box.x + 600, abs=2)
    assert boxed.box.y == pytest.approx(whole.box.y + 100, abs=2)
    np.testing.assert_allclose(boxed.points, whole.points + np.array([600, 100]), atol=2)
    assert models.find_faces(street, Box(0, 0, 300, 300)) == []


def test_a_box_outside_or_of_nothing_holds_no_face(models):
    assert models.find_faces(samples.portrait(), Box(900, 900, 50, 50)) == []
    assert models.find_faces(samples.portrait(), Box(20, 20, 0, 0)) == []


def test_a_face_prints_no_picture_points():
    shown = repr(Face(Box(0, 0, 1, 1), 0.5, np.ones((5, 2), np.float32)))
    assert "points" not in shown


def test_no_embedding_is_loaded(models):
    analysis = models.find_faces._analysis
    assert set(analysis.models) == {"detection"}


def test_the_adapter_keeps_insightfaces_surface():
    graph = weights.locate(weights.read_manifest()["centerface"], "graph")
    detector = CenterFace(graph)
    detector.prepare(-1, input_size=(320, 320), det_thresh=0.4)
    bgr = np.ascontiguousarray(samples.portrait()[:, :, ::-1])
    boxes, points = detector.detect(bgr, max_num=1, metric="default")
    assert boxes.shape == (1, 5)
    assert points.shape == (1, 5, 2)
    boxes, points = detector.detect(np.zeros((50, 70, 3), np.uint8))
    assert boxes.shape == (0, 5)
    assert points.shape == (0, 5, 2)


def test_a_face_scaled_down_is_found_at_its_place():
    graph = weights.locate(weights.read_manifest()["centerface"], "graph")
    find = open_face_finder(graph, max_side_px=256)
    large = cv2.resize(samples.portrait(), (2048, 2048))
    (face,), (small,) = find(large, None), find(samples.portrait(), None)
    assert face.box.x / 4 == pytest.approx(small.box.x, abs=4)


@pytest.mark.footage
def test_every_face_of_the_labelled_photographs_is_found(models, footage):
    folder = footage / "faces_compreface"
    pictures = (
        (name, read_picture(folder / name), tips)
        for name, tips in sorted(nose_tips(folder).items())
    )
    found, there, beyond = score_faces(models.find_faces, pictures)
    assert there == 46
    assert found >= there - 1, f"{found} of {there}"
    assert beyond <= 1


@pytest.mark.footage
@pytest.mark.parametrize(
    ("name", "count"),
    [("obama-240p.jpg", 1), ("biden.jpg", 1), ("two_people.jpg", 2), ("obama_partial_face.jpg", 1)],
)
def test_faces_of_the_government_stills_are_counted(models, footage, name, count):
    assert len(models.find_faces(read_picture(footage / "faces_us_gov" / name), None)) == count
