from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.own_models import mean_colours
from onnx import TensorProto, helper, numpy_helper

from workbench.errors import BadInput
from workbench.recognition.evaluate import read_picture
from workbench.recognition.models import samples, sessions, weights
from workbench.recognition.models.sessions import suppress
from workbench.recognition.passes import detect as detect_module
from workbench.recognition.passes.detect import CocoDetector, detect_in, one_name_each
from workbench.recognition.types import Detection, clip
from workbench.records import KINDS, Box


def overlap(a: Box, b: Box) -> float:
    wide = max(0.0, min(a.x + a.w, b.x + b.w) - max(a.x, b.x))
    tall = max(0.0, min(a.y + a.h, b.y + b.h) - max(a.y, b.y))
    return wide * tall / (a.w * a.h + b.w * b.h - wide * tall)


def test_one_person_in_a_portrait_and_nothing_in_a_grey_field(models):
    assert [d.kind for d in models.detect(samples.portrait())] == ["person"]
    assert models.detect(samples.grey_field()) == []


def test_the_same_picture_gives_the_same_answer(models):
    assert models.detect(samples.portrait()) == models.detect(samples.portrait())


@pytest.mark.footage
def test_motorcycles_of_a_real_street_are_named(models, footage):
    folder = footage / "vn_plates_mrzaizai2k" / "test" / "images"
    found = models.detect(read_picture(folder / "clip3.2_new_0.jpg"))
    assert "motorcycle" in {d.kind for d in found}
    assert {d.kind for d in found} <= set(KINDS)
    assert all(0 <= d.score <= 1 for d in found)


def test_a_small_person_is_found_in_its_region_and_not_in_the_whole(models):
    portrait = samples.portrait()
    street = np.full((1440, 2560, 3), 96, np.uint8)
    small = portrait[::4, ::4]
    street[700:828, 1200:1328] = small
    assert models.detect(street) == []
    (person,) = detect_in(models.detect, street, Box(1200, 700, 128, 128))
    assert person.kind == "person"
    assert overlap(person.box, Box(1200, 700, 128, 128)) > 0.4


def test_regions_off_the_picture_are_empty(models):
    assert detect_in(models.detect, samples.grey_field(), Box(5000, 5000, 10, 10)) == []


def test_rival_names_of_one_object_are_one_object_and_a_rider_is_not_his_bike():
    box = Box(10, 10, 50, 80)
    found = [
        Detection(box, "car", 0.5),
        Detection(box, "truck", 0.6),
        Detection(box, "person", 0.4),
        Detection(box, "motorcycle", 0.9),
    ]
    assert [d.kind for d in one_name_each(found, 0.5)] == ["motorcycle", "truck", "person"]


sides = st.floats(1, 50)
boxes = st.tuples(st.floats(0, 100), st.floats(0, 100), sides, sides)


@given(st.lists(st.tuples(boxes, st.floats(0.01, 1)), min_size=1, max_size=12))
def test_what_is_kept_never_overlaps_and_what_goes_overlaps_a_better_one(rows):
    corners = np.array([(x, y, x + w, y + h) for (x, y, w, h), _ in rows], np.float32)
    scores = np.array([score for _, score in rows], np.float32)
    kept = suppress(corners, scores, 0.4)

    def iou(a: int, b: int) -> float:
        boxed = [Box(r[0], r[1], r[2] - r[0], r[3] - r[1]) for r in corners.astype(float)]
        return overlap(boxed[a], boxed[b])

    assert all(iou(a, b) <= 0.4001 for n, a in enumerate(kept) for b in kept[:n])
    for gone in set(range(len(rows))) - set(kept):
        assert any(iou(gone, k) > 0.3999 and scores[k] >= scores[gone] for k in kept)


@given(boxes, st.floats(0, 1))
def test_a_clipped_box_lies_in_the_picture(box, margin):
    left, top, right, bottom = clip(Box(*box), np.zeros((60, 90, 3), np.uint8), margin=margin)
    assert 0 <= left <= 90
    assert 0 <= right <= 90
    assert 0 <= top <= 60
    assert 0 <= bottom <= 60


def precision(options) -> str:
    """Return what a session is told of products in 16 bits; empty where nothing is."""
    try:
        return options.get_session_config_entry("session.x64quantprecision")
    except RuntimeError:
        return ""


def test_a_processor_that_would_overflow_is_told_to_take_the_slower_way(monkeypatch):
    for vnni, told in ((True, ""), (False, "1")):
        monkeypatch.setattr(sessions, "adds_in_32_bits", lambda vnni=vnni: vnni)
        assert precision(sessions.options(exact=True)) == told
        assert precision(sessions.options()) == ""


def test_the_detector_asks_for_exact_sums(monkeypatch):
    opened = []

    def open_network(graph, *, exact=False):
        opened.append(exact)
        return sessions.open_network(graph, exact=exact)

    monkeypatch.setattr(detect_module, "open_network", open_network)
    CocoDetector(shipped_graph())
    assert opened == [True]


@pytest.mark.skipif(not sessions.adds_in_32_bits(), reason="this processor has no fast exact way")
def test_the_slower_way_gives_the_same_answer(monkeypatch):
    said = {}
    for vnni in (True, False):
        monkeypatch.setattr(sessions, "adds_in_32_bits", lambda vnni=vnni: vnni)
        detector = CocoDetector(shipped_graph(), min_score=0.1)
        said[vnni] = [detector(samples.portrait()), detector(samples.portrait()[::2, ::2])]
    assert said[True][0]
    assert said[False] == said[True]


def shipped_graph():
    return weights.locate(weights.read_manifest()["ssd-mobilenet-v2-coco-int8"], "graph")


@pytest.mark.parametrize(
    ("flags", "exact"),
    [("fpu avx2 avx512f", False), ("fpu avx_vnni", True), ("avx512f avx512_vnni", True)],
)
def test_how_a_processor_adds_is_read_from_its_flags(tmp_path, flags, exact):
    listed = tmp_path / "cpuinfo"
    listed.write_text(f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: avx_vnni\n")
    sessions.adds_in_32_bits.cache_clear()
    assert sessions.adds_in_32_bits(listed) is exact
    assert sessions.adds_in_32_bits(tmp_path / "nothing") is False


def test_a_network_with_another_interface_is_one_sentence(tmp_path):
    path = mean_colours(tmp_path / "colours.onnx")
    with pytest.raises(BadInput, match="does not find objects as TensorFlow's exports do"):
        CocoDetector(path)


def test_an_export_that_names_its_outputs_with_an_index_is_taken(tmp_path, models):
    card = weights.read_manifest()["ssd-mobilenet-v2-coco-int8"]
    graph = onnx.load(weights.locate(card, "graph"))
    for one in graph.graph.output:
        for node in graph.graph.node:
            node.output[:] = [f"{n}:0" if n == one.name else n for n in node.output]
        one.name = f"{one.name}:0"
    onnx.save(graph, tmp_path / "export.onnx")
    again = CocoDetector(tmp_path / "export.onnx")
    assert again(samples.portrait()) == models.detect(samples.portrait())


def constant_network(path, rows, *, shape=(1, 200, 320, 3), kind=TensorProto.UINT8):
    """Write a network that says the same of all pictures: rows of COCO id, score, place."""
    given = helper.make_tensor_value_info("image", kind, shape)
    known = {
        "detection_boxes": np.array([[place for _, _, place in rows]], np.float32),
        "detection_classes": np.array([[label for label, _, _ in rows]], np.float32),
        "detection_scores": np.array([[score for _, score, _ in rows]], np.float32),
    }
    nodes = [helper.make_node("Size", ["image"], ["size"])]
    outputs = []
    for name, value in known.items():
        constant = numpy_helper.from_array(value)
        nodes.append(helper.make_node("Constant", [], [name], value=constant))
        outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape))
    graph = helper.make_graph(nodes, "fixed", [given], outputs)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(made, path)
    return path


CAR = (3, 0.9, (0.1, 0.2, 0.5, 0.6))


def test_an_export_of_another_size_is_shown_pictures_of_that_size(tmp_path):
    path = constant_network(tmp_path / "fixed.onnx", [CAR, (1, 0, (0, 0, 0, 0))])
    (found,) = CocoDetector(path)(samples.portrait())
    height, width = samples.portrait().shape[:2]
    assert (found.kind, found.score) == ("car", pytest.approx(0.9))
    assert found.box.x == pytest.approx(0.2 * width)
    assert found.box.h == pytest.approx(0.4 * height)


@pytest.mark.parametrize(
    ("label", "kind"),
    [(1, "person"), (2, "bicycle"), (3, "car"), (4, "motorcycle"), (6, "bus"), (8, "truck"),
     (0, None), (5, None), (7, None), (91, None)],
)  # fmt: skip
def test_names_are_those_of_cocos_ids(tmp_path, label, kind):
    path = constant_network(tmp_path / "one.onnx", [(label, *CAR[1:])])
    assert [d.kind for d in CocoDetector(path)(samples.grey_field())] == ([kind] if kind else [])


@pytest.mark.parametrize(
    "row",
    [(3, np.nan, CAR[2]), (np.nan, 0.9, CAR[2]), (np.inf, 0.9, CAR[2]),
     (3, 0.9, (0.1, np.nan, 0.5, 0.6)), (3, np.inf, CAR[2])],
)  # fmt: skip
def test_what_is_no_number_is_no_object(tmp_path, row):
    path = constant_network(tmp_path / "slip.onnx", [row, CAR])
    assert len(CocoDetector(path)(samples.grey_field())) == 1


@pytest.mark.parametrize(
    ("shape", "kind"),
    [((1, 3, 300, 300), TensorProto.UINT8), ((8, 300, 300, 3), TensorProto.UINT8),
     ((1, 300, 300, 1), TensorProto.UINT8), ((300, 300, 3), TensorProto.UINT8),
     ((1, 100_000, 300, 3), TensorProto.UINT8), ((1, 300, 300, 3), TensorProto.FLOAT)],
)  # fmt: skip
def test_a_network_that_takes_no_such_picture_is_one_sentence(tmp_path, shape, kind):
    path = constant_network(tmp_path / "other.onnx", [CAR], shape=shape, kind=kind)
    with pytest.raises(BadInput, match="does not find objects"):
        CocoDetector(path)
