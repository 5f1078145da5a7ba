"""Bring the detector from TensorFlow Lite to ONNX, bit by bit, so that ONNX Runtime runs it.

    python models/object_detector/convert.py FILE.tflite [--out FILE.onnx]

The network was trained for eight bits, and nothing is rounded anew: each layer keeps its weights,
its sums and its scales. Layers say their sizes and not their strides; TensorFlow's rule ("SAME")
gives both strides and borders from the sizes. Needs `ai-edge-litert` 2.3, which the product does
not: it alone reads such a file.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from ai_edge_litert.interpreter import Interpreter, OpResolverType
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
NAME = "ssd-mobilenet-v2-coco-int8"
CLASSES = 91
"""COCO's 90 ids and, before them, the background."""
ANCHORS = 1917

_CENTRE, _SIZE = 10.0, 5.0
"""By these the network's box codes are divided."""
_MOST, _OVERLAP, _LEAST = 20, 0.6, 0.1
"""Of the suppression: objects at most, overlap of two that are one, least score."""
_OPSET = 17
_SIGNED = 128
"""Weights are kept signed, as processors multiply them; their zero moves along."""


class Conversion:
    """The graph while it grows: nodes and constants."""

    def __init__(self, source: Path) -> None:
        # without delegates each layer is listed as it is
        plain = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES
        self._source = Interpreter(str(source), experimental_op_resolver_type=plain)
        self._source.allocate_tensors()
        self._about = {one["index"]: one for one in self._source.get_tensor_details()}
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def model(self) -> onnx.ModelProto:
        """Return the network with the interface of TensorFlow's object detection exports."""
        given = self._source.get_input_details()[0]
        self._add("Transpose", ["image"], self._t(given["index"]), perm=[0, 3, 1, 2])
        for layer in self._source._get_ops_details():
            self._take(layer["op_name"], [int(n) for n in layer["inputs"]], layer["outputs"])
        outputs = list(self._objects())
        graph = helper.make_graph(
            self._nodes,
            NAME,
            [helper.make_tensor_value_info("image", TensorProto.UINT8, given["shape"].tolist())],
            outputs,
            list(self._constants.values()),
        )
        domains = [helper.make_opsetid("", _OPSET), helper.make_opsetid("com.microsoft", 1)]
        made = helper.make_model(graph, opset_imports=domains, ir_version=9)
        onnx.checker.check_model(made)
        return made

    def _take(self, kind: str, inputs: list[int], outputs: Any) -> None:
        out = int(outputs[0])
        if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            self._convolve(*inputs, out, deep=kind == "CONV_2D")
        elif kind == "ADD":
            first, second = (self._scaled(n) for n in inputs)
            self._add(
                "QLinearAdd", [*first, *second, *self._scale(out)], self._t(out),
                domain="com.microsoft",
            )  # fmt: skip
        elif kind == "RESHAPE":
            self._rows(inputs[0], out)
        elif kind == "CONCATENATION":
            self._join(inputs, out)
        elif kind == "LOGISTIC":
            self._scored, self._scores = inputs[0], out
        elif kind == "TFLite_Detection_PostProcess":
            self._codes, self._anchors = inputs[0], self._plain(inputs[2])
        else:
            raise SystemExit(f"{kind}: no layer of the network this program knows")

    def _convolve(self, x: int, weights: int, bias: int, out: int, *, deep: bool) -> None:
        kernel = self._source.get_tensor(weights)
        kernel = kernel.transpose((0, 3, 1, 2) if deep else (3, 0, 1, 2))
        scale, zero = self._quantised(weights)
        signed = (kernel.astype(np.int16) - _SIGNED).astype(np.int8)
        side, high, low = kernel.shape[2], self._side(x), self._side(out)
        stride = -(-high // low)
        border = max((low - 1) * stride + side - high, 0)
        pads = [border // 2] * 2 + [border - border // 2] * 2
        inputs = [
            *self._scaled(x),
            self._constant(f"weights {weights}", signed),
            self._constant(f"weights {weights} scale", scale),
            self._constant(f"weights {weights} zero", np.int8(zero - _SIGNED)),
            *self._scale(out),
            self._constant(f"bias {bias}", self._source.get_tensor(bias)),
        ]
        self._add(
            "QLinearConv", inputs, self._t(out), kernel_shape=[side, side],
            strides=[stride, stride], pads=pads, group=1 if deep else len(kernel),
        )  # fmt: skip

    def _rows(self, tensor: int, out: int) -> None:
        """Make a row an anchor of a map of box codes or scores; what is one already stays."""
        values = int(self._about[out]["shape"][-1])
        shape = self._constant(f"rows of {values}", np.array([1, -1, values], np.int64))
        laid = self._t(tensor)
        if len(self._about[tensor]["shape"]) == 4 and self._side(tensor) != ANCHORS:
            laid = f"{laid} laid"
            self._add("Transpose", [self._t(tensor)], laid, perm=[0, 2, 3, 1])
        self._add("Reshape", [laid, shape], self._t(out))

    def _join(self, tensors: list[int], out: int) -> None:
        """Put the rows of all maps below each other, in one scale."""
        for one in tensors:
            self._add("DequantizeLinear", self._scaled(one), f"floats {one}")
            floats = [f"floats {one}", *self._scale(out)]
            self._add("QuantizeLinear", floats, f"rescaled {one}")
        self._add("Concat", [f"rescaled {one}" for one in tensors], self._t(out), axis=1)

    def _objects(self) -> Iterator[onnx.ValueInfoProto]:
        """Decode boxes, keep the best class of each, suppress; yield the outputs."""
        self._add("DequantizeLinear", self._scaled(self._codes), "codes")
        # anchors are rows of centre down, centre across, height, width
        code = self._constant("code", np.array([_CENTRE] * 2 + [_SIZE] * 2, np.float32))
        self._add("Div", ["codes", code], "scaled")
        halves = self._constant("halves", np.array([2, 2], np.int64))
        self._add("Split", ["scaled", halves], ["moves", "grows"], axis=2)
        centres = self._constant("anchor centres", self._anchors[None, :, :2])
        sizes = self._constant("anchor sizes", self._anchors[None, :, 2:])
        self._add("Mul", ["moves", sizes], "moved")
        self._add("Add", ["moved", centres], "middle")
        self._add("Exp", ["grows"], "grown")
        self._add("Mul", ["grown", sizes], "whole")
        half = self._constant("half", np.float32(0.5))
        self._add("Mul", ["whole", half], "reach")
        self._add("Sub", ["middle", "reach"], "begin")
        self._add("Add", ["middle", "reach"], "end")
        self._add("Concat", ["begin", "end"], "boxes", axis=2)
        parts = self._constant("background, classes", np.array([1, CLASSES - 1], np.int64))
        self._add("Split", [self._t(self._scored), parts], ["background", "named"], axis=2)
        self._add("ReduceMax", ["named"], "surest", axes=[2], keepdims=0)
        self._add("ArgMax", ["named"], "first", axis=2, keepdims=0)
        self._add("DequantizeLinear", ["surest", *self._scale(self._scored)], "logits")
        self._add("Sigmoid", ["logits"], "likely")
        self._add("QuantizeLinear", ["likely", *self._scale(self._scores)], "rounded")
        self._add("DequantizeLinear", ["rounded", *self._scale(self._scores)], "sure")
        one = self._constant("one", np.array([1], np.int64))
        self._add("Unsqueeze", ["sure", one], "as one class")
        most = self._constant("most", np.array([_MOST], np.int64))
        overlap = self._constant("overlap", np.array([_OVERLAP], np.float32))
        least = self._constant("least", np.array([_LEAST], np.float32))
        self._add("NonMaxSuppression", ["boxes", "as one class", most, overlap, least], "kept")
        last = self._constant("last", np.array(2, np.int64))
        self._add("Gather", ["kept", last], "row", axis=1)
        self._add("Gather", ["boxes", "row"], "detection_boxes", axis=1)
        self._add("Gather", ["sure", "row"], "detection_scores", axis=1)
        self._add("Gather", ["first", "row"], "index", axis=1)
        self._add("Add", ["index", one], "coco id")
        self._add("Cast", ["coco id"], "detection_classes", to=TensorProto.FLOAT)
        for name, shape in (
            ("detection_boxes", [1, "objects", 4]),
            ("detection_classes", [1, "objects"]),
            ("detection_scores", [1, "objects"]),
        ):
            yield helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    # -- small things ---------------------------------------------------------------------------

    def _add(self, kind: str, inputs: list[str], output: str | list[str], **options: Any) -> None:
        outputs = [output] if isinstance(output, str) else output
        self._nodes.append(helper.make_node(kind, inputs, outputs, **options))

    def _constant(self, name: str, value: Any) -> str:
        self._constants[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    @staticmethod
    def _t(tensor: int) -> str:
        return f"tensor {tensor}"

    def _side(self, tensor: int) -> int:
        return int(self._about[tensor]["shape"][1])

    def _quantised(self, tensor: int) -> tuple[np.float32, int]:
        about = self._about[tensor]["quantization_parameters"]
        return np.float32(about["scales"][0]), int(about["zero_points"][0])

    def _plain(self, tensor: int) -> NDArray[np.float32]:
        scale, zero = self._quantised(tensor)
        whole = self._source.get_tensor(tensor).astype(np.float32)
        floats: NDArray[np.float32] = (whole - zero) * scale
        return floats

    def _scale(self, tensor: int) -> list[str]:
        scale, zero = self._quantised(tensor)
        return [
            self._constant(f"{self._t(tensor)} scale", scale),
            self._constant(f"{self._t(tensor)} zero", np.uint8(zero)),
        ]

    def _scaled(self, tensor: int) -> list[str]:
        return [self._t(tensor), *self._scale(tensor)]


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, default=HERE / f"{NAME}.onnx")
    asked = parser.parse_args()
    made: Path = asked.out.with_suffix(".partial")
    onnx.save(Conversion(asked.source).model(), made)
    made.replace(asked.out)


if __name__ == "__main__":
    main()
