"""A drawn street with one car of a known paint in a known light, and a network to compare cars."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from workbench.records import Box

PAINTS = {
    "white": (232, 232, 230), "silver": (172, 175, 178), "grey": (112, 114, 116),
    "black": (24, 24, 26), "red": (178, 24, 28), "blue": (28, 62, 150), "green": (30, 110, 60),
    "yellow": (230, 190, 40), "orange": (226, 106, 22), "brown": (98, 62, 36),
}  # fmt: skip
LIGHTS = {"day": ((1.0, 1.0, 1.0), 2.0), "dusk": ((0.46, 0.47, 0.52), 5.0)}
BOX = Box(180, 150, 260, 150)


def street(
    paint: tuple[int, int, int],
    light: tuple[float, float, float] = (1.0, 1.0, 1.0),
    noise: float = 2.0,
    seed: int = 0,
) -> NDArray[np.uint8]:
    """Return a street: trees, a painted wall, lane marks, and a car seen from its front corner."""
    rng = np.random.default_rng(seed)
    picture = np.full((480, 640, 3), (110, 109, 106), np.float32)
    picture[:140] = (186, 206, 226)
    picture[90:150, :160] = (64, 104, 48)
    picture[100:150, 470:] = (196, 168, 96)
    for x in range(0, 640, 120):
        cv2.rectangle(picture, (x, 420), (x + 50, 432), (228, 228, 224), -1)
    x, y, w, h = (round(v) for v in (BOX.x, BOX.y, BOX.w, BOX.h))
    cv2.ellipse(picture, (x + w // 2, y + h), (w // 2, 14), 0, 0, 360, (38, 38, 40), -1)
    roof = [(x + 60, y), (x + w - 50, y), (x + w - 5, y + 62), (x + 10, y + 62)]
    cv2.fillPoly(picture, [np.array(roof, np.int32)], paint)
    glass = [(x + 70, y + 12), (x + w - 60, y + 12), (x + w - 25, y + 56), (x + 30, y + 56)]
    cv2.fillPoly(picture, [np.array(glass, np.int32)], (44, 52, 60))
    body = picture[y + 60 : y + h - 14, x : x + w]
    shade = np.linspace(1.06, 0.78, body.shape[0], dtype=np.float32)[:, None, None]
    body[:] = np.array(paint, np.float32) * shade
    for wheel in (x + 45, x + w - 45):
        cv2.circle(picture, (wheel, y + h - 20), 24, (20, 20, 20), -1)
    picture = picture * np.array(light, np.float32) + rng.normal(0, noise, picture.shape)
    return np.clip(picture, 0, 255).astype(np.uint8)


def likeness_network(
    path: Path,
    taken: tuple[str | int, ...] = ("n", 3, 32, 48),
    *,
    outputs: int = 1,
    flat: bool = True,
) -> Path:
    """Write a small network that tells vehicles apart: by the mean of each colour."""
    names = [f"y{n}" for n in range(outputs)]
    last = "Flatten" if flat else "Identity"
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["pooled"]),
        *(helper.make_node(last, ["pooled"], [name]) for name in names),
    ]
    shape = ["n", 3] if flat else ["n", 3, 1, 1]
    graph = helper.make_graph(
        nodes, "likeness",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(taken))],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in names],
    )  # fmt: skip
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path
    )
    return path
