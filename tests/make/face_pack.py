"""A tiny insightface pack: networks of the right shapes that find one face and compare by grey."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from make.own_models import put_model
from workbench import recognition
from workbench.recognition.models import samples

SIDE_PX = 640
STRIDES = (8, 16, 32)


def make_pack(
    folder: Path,
    box: tuple[float, float, float, float],
    points: NDArray[np.float32],
    *,
    encoder: bool = True,
) -> Path:
    """Write a detector that says "here is one face" of any 640 x 640 picture, and an encoder.

    `box` (left, top, right, bottom) and `points` (5, 2) are in pixels of that picture. A grey field
    has no face: the score is the picture's contrast.
    """
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(_detector(box, points), folder / "det.onnx")
    if encoder:
        onnx.save(_encoder(), folder / "rec.onnx")
    return folder


def put_pack(models: Path, name: str, folder: Path) -> Path:
    """Put a pack that finds the portrait's one face into an operator's models, with its manifest.

    Parameters
    ----------
    folder
        Where its networks are made, outside.
    """
    portrait = samples.portrait()
    assert portrait is not None
    (face,) = recognition.load_models().find_faces(portrait, None)
    scale, box = SIDE_PX / portrait.shape[1], face.box
    corners = tuple(scale * v for v in (box.x, box.y, box.x + box.w, box.y + box.h))
    made = make_pack(folder, corners, face.points * scale)  # type: ignore[arg-type]
    tests = [
        {"input": "grey-field", "expected": {"faces": 0}, "tolerance": 0},
        {"input": "portrait", "expected": {"faces": 1}, "tolerance": 0},
    ]
    files = {"detector": made / "det.onnx", "encoder": made / "rec.onnx"}
    return put_model(models, name, "faces", files, tests)


def _detector(
    box: tuple[float, float, float, float], points: NDArray[np.float32]
) -> onnx.ModelProto:
    """SCRFD's nine outputs; the one anchor that answers is of stride 32, nearest the box."""
    stride, across = 32, SIDE_PX // 32
    centre = np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2])
    column, row = np.round(centre / stride).astype(int)
    at, anchor = (row * across + column) * 2, np.array([column, row]) * stride
    reach = np.array([anchor[0] - box[0], anchor[1] - box[1], box[2] - anchor[0],
                      box[3] - anchor[1]]) / stride  # fmt: skip
    nodes, outputs, constants = [], [], []
    # lively pictures score 1, empty ones 0; the black border of pictures that are no square apart
    nodes += [
        helper.make_node("Slice", ["input", "start", "stop", "axes"], ["inside"]),
        helper.make_node("ReduceMean", ["inside"], ["mean"], axes=[2, 3], keepdims=1),
        helper.make_node("Sub", ["inside", "mean"], ["rest"]),
        helper.make_node("Abs", ["rest"], ["far"]),
        helper.make_node("ReduceMax", ["far"], ["lively"], axes=[0, 1, 2, 3], keepdims=0),
        helper.make_node("Clip", ["lively", "zero", "one"], ["found"]),
    ]
    constants += [
        _constant("zero", np.float32(0)),
        _constant("one", np.float32(1)),
        _constant("start", np.array([0, 0], np.int64)),
        _constant("stop", np.array([SIDE_PX // 2, SIDE_PX // 2], np.int64)),
        _constant("axes", np.array([2, 3], np.int64)),
    ]
    for kind, width in (("score", 1), ("box", 4), ("points", 10)):
        for step in STRIDES:
            count = (SIDE_PX // step) ** 2 * 2
            table = np.zeros((count, width), np.float32)
            if step == stride:
                table[at] = {
                    "score": [1.0],
                    "box": reach,
                    "points": ((points - anchor) / stride).ravel(),
                }[kind]
            name = f"{kind}_{step}"
            constants.append(_constant(f"{name}_table", table))
            factor = "found" if kind == "score" else "one"
            nodes.append(helper.make_node("Mul", [f"{name}_table", factor], [name]))
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, table.shape))
    taken = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, SIDE_PX, SIDE_PX])
    return _model(nodes, [taken], outputs, constants)


def _encoder() -> onnx.ModelProto:
    """512 numbers of an aligned face: its mean grey in patches, less the mean of all."""
    nodes = [
        helper.make_node(
            "AveragePool", ["input"], ["patches"], kernel_shape=[7, 7], strides=[8, 8]
        ),
        helper.make_node("Flatten", ["patches"], ["all"]),
        helper.make_node("Slice", ["all", "from", "to", "axis"], ["some"]),
        helper.make_node("ReduceMean", ["some"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["some", "mean"], ["output"]),
    ]
    constants = [
        _constant(name, np.array([value], np.int64))
        for name, value in (("from", 0), ("to", 512), ("axis", 1))
    ]
    taken = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, 112, 112])
    given = helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 512])
    return _model(nodes, [taken], [given], constants)


def _constant(name: str, value: NDArray[np.generic] | np.generic) -> onnx.TensorProto:
    return numpy_helper.from_array(np.asarray(value), name)


def _model(
    nodes: list[onnx.NodeProto],
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    constants: list[onnx.TensorProto],
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "toy", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    return model
