"""Cut PP-OCRv6's finder of lines to eight bits: the same lines for a third of the cost.

    python models/plate_finder/quantise.py [--out FILE]

Weights are rounded a channel, to seven bits, so that no processor's 16-bit sums overflow and all
find the same; activations by what they reach on drawn plates (seed below, used for nothing else),
at the sizes that the product gives to the network. No picture of a real plate takes part.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import onnx
import onnx.version_converter
from numpy.typing import NDArray
from onnxruntime.quantization import (
    CalibrationDataReader,
    CalibrationMethod,
    QuantFormat,
    QuantType,
    quantize_static,
)
from onnxruntime.quantization.shape_inference import quant_pre_process

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "plate_calibration"))
from whole import Press

from workbench.recognition.models import weights
from workbench.recognition.plates.text import finder_input

SEED = 1206
HERE = Path(__file__).resolve().parent
SOURCE = "pp-ocrv6-det-small"
_VEHICLES, _CROPS = 40, 60
_SIDES_PX = (480, 320, 288, 160)
"""Longest sides given to the finder: a vehicle's box, a tight crop, a glance, a spot of one."""
_PLAIN = range(0, 256, 32)
"""Grey levels of pictures that show nothing."""

_OPSET = 17
"""Scales a channel came with 13; the network is of 11."""
_ROUNDED = ["Conv", "Add", "Mul", "Relu", "MaxPool", "Concat", "Resize"]
"""Kinds of layers in eight bits; the last ones, which draw the map of text, stay as they are."""


class _Shown(CalibrationDataReader):
    """What the network is shown to see how far its activations reach."""

    def __init__(self, name: str) -> None:
        self._of = ({name: one} for one in _inputs())

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._of, None)


def _inputs() -> Iterator[NDArray[np.float32]]:
    press = Press(SEED)
    seen = [look.picture for looks in press.passes(_VEHICLES, 1) for look in looks]
    seen += [look.picture for look in press.crops(_CROPS)]
    # without them a plain ground is a line of text to it
    seen += [np.full((320, 320, 3), level, np.uint8) for level in _PLAIN]
    for number, picture in enumerate(seen):
        side_px = _SIDES_PX[number % len(_SIDES_PX)]
        yield finder_input(picture, side_px, side_px)[0]


def main() -> None:
    """Write the file."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=HERE / f"{SOURCE}-int8.onnx")
    out: Path = parser.parse_args().out
    cv2.setNumThreads(1)
    source = onnx.load(weights.locate(weights.read_manifest()[SOURCE], "graph"))
    with tempfile.TemporaryDirectory(dir=out.parent) as folder:
        newer, plain, made = (Path(folder) / name for name in ("newer", "plain", "made"))
        onnx.save(onnx.version_converter.convert_version(source, _OPSET), newer)
        quant_pre_process(newer, plain, skip_symbolic_shape=True)
        quantize_static(
            plain,
            made,
            _Shown(source.graph.input[0].name),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=_ROUNDED,
            per_channel=True,
            reduce_range=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
        )
        made.replace(out)


if __name__ == "__main__":
    main()
