"""Find faces, to count and to blur them: insightface's FaceAnalysis with CenterFace inside.

CenterFace joins through a small adapter, since SCRFD accepts its own graphs only. A licensed
insightface pack drops in by naming its folder; here only its detector is loaded. Faces are compared
by :mod:`~workbench.recognition.faces.encoder` alone, inside a case with an authority for it.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.later import later
from workbench.recognition.models.sessions import open_network, options, suppress
from workbench.recognition.types import RGB, Face, clip
from workbench.records import Box

if TYPE_CHECKING:
    from insightface.app import FaceAnalysis
onnx, insightface_app = later("onnx"), later("insightface.app")

_STRIDE_PX = 4
_MULTIPLE_PX = 32
_MAX_OVERLAP = 0.3


class CenterFace:
    """CenterFace with the surface of an insightface detector.

    ``detect`` takes a BGR picture, as insightface does, and returns best first ``(bboxes
    float32[n, 5], kpss float32[n, 5, 2])``: left, top, right, bottom, score; eyes, nose, mouth.
    """

    taskname = "detection"

    def __init__(self, graph: Path) -> None:
        self._session = open_network(_any_size(graph))
        self._input = self._session.get_inputs()[0].name
        self.input_size: tuple[int, int] = (640, 640)
        self.det_thresh = 0.5

    def prepare(self, ctx_id: int, **settings: Any) -> None:
        """Take ``input_size`` (width, height at most) and ``det_thresh``; the CPU in any case."""
        self.input_size = settings.get("input_size") or self.input_size
        self.det_thresh = settings.get("det_thresh", self.det_thresh)

    def detect(
        self,
        img: NDArray[np.uint8],
        input_size: tuple[int, int] | None = None,
        max_num: int = 0,
        metric: str = "default",
        det_thresh: float | None = None,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return the faces of a BGR picture (y, x, 3)."""
        height, width = img.shape[:2]
        limit_w, limit_h = input_size or self.input_size
        scale = min(1.0, limit_w / width, limit_h / height)
        net_w, net_h = (
            max(_MULTIPLE_PX, round(side * scale / _MULTIPLE_PX) * _MULTIPLE_PX)
            for side in (width, height)
        )
        blob = cv2.dnn.blobFromImage(img, size=(net_w, net_h), swapRB=True)
        heat, size, offset, points = self._session.run(None, {self._input: blob})
        threshold = self.det_thresh if det_thresh is None else det_thresh
        boxes, kpss = _decode(heat[0, 0], size[0], offset[0], points[0], threshold)
        stretch = np.array([width / net_w, height / net_h], np.float32)
        boxes[:, :4] *= np.tile(stretch, 2)
        boxes[:, 0:4:2] = boxes[:, 0:4:2].clip(0, width)
        boxes[:, 1:4:2] = boxes[:, 1:4:2].clip(0, height)
        kpss *= stretch
        if max_num:
            boxes, kpss = boxes[:max_num], kpss[:max_num]
        return boxes, kpss


class FaceFinder:
    """Faces through an insightface analysis; a ``types.FaceFinder``. Not for several threads."""

    def __init__(self, analysis: Any) -> None:
        self._analysis = analysis

    def __call__(self, picture: RGB, box: Box | None = None) -> list[Face]:
        """Return the faces inside a box (None: everywhere), best first, in the picture's pixels."""
        left, top, right, bottom = clip(box, picture)
        if right - left < _STRIDE_PX or bottom - top < _STRIDE_PX:
            return []
        bgr = np.ascontiguousarray(picture[top:bottom, left:right, ::-1])
        corner = np.array([left, top], np.float32)
        found = []
        for face in self._analysis.get(bgr):
            (x0, y0), (x1, y1) = face.bbox.reshape(2, 2) + corner
            points = (
                np.full((5, 2), np.nan, np.float32)
                if face.kps is None
                else np.asarray(face.kps + corner, np.float32)
            )
            found.append(
                Face(
                    Box(float(x0), float(y0), float(x1 - x0), float(y1 - y0)),
                    float(face.det_score),
                    points,
                )
            )
        return found


@lru_cache(maxsize=1)
def _built_in_class() -> Any:
    """Return an analysis whose detector is given, instead of looked for in a folder of packs."""

    class BuiltInAnalysis(insightface_app.FaceAnalysis):  # type: ignore[misc,name-defined]
        def __init__(self, detector: CenterFace) -> None:
            # The parent's __init__ looks for a pack and would fetch one; its verbs need just this.
            self.models = {detector.taskname: detector}
            self.det_model = detector
            self.model_package = None
            self.addons: dict[str, Any] = {}

    return BuiltInAnalysis


def built_in_analysis(detector: CenterFace) -> FaceAnalysis:
    """Return an insightface analysis around our detector, as yet with nothing else in it."""
    return _built_in_class()(detector)


def open_face_finder(
    graph: Path | None,
    *,
    pack: Path | None = None,
    min_score: float = 0.5,
    max_side_px: int = 640,
) -> FaceFinder:
    """Return a finder on CenterFace, or on the detector of a licensed insightface pack.

    Parameters
    ----------
    graph
        ``centerface.onnx``; not needed with a pack.
    pack
        Folder of the pack; only its detector is loaded.
    min_score
        Least score of a face, 0..1.
    max_side_px
        Longest side given to the network; larger pictures are scaled down to it.
    """
    if pack is not None:
        analysis = insightface_app.FaceAnalysis(
            name=str(pack),
            allowed_modules=["detection"],
            providers=["CPUExecutionProvider"],
            sess_options=options(),
        )
    else:
        assert graph is not None
        analysis = built_in_analysis(CenterFace(graph))
    analysis.prepare(ctx_id=-1, det_thresh=min_score, det_size=(max_side_px, max_side_px))
    return FaceFinder(analysis)


def _any_size(graph: Path) -> bytes:
    """Return the network with free batch, height and width; the file fixes 10 x 3 x 32 x 32."""
    network = onnx.load(str(graph))
    # Old exporters list weights as inputs too, which forbids folding them into constants.
    weights = {tensor.name for tensor in network.graph.initializer}
    inputs = [value for value in network.graph.input if value.name not in weights]
    del network.graph.input[:]
    network.graph.input.extend(inputs)
    for value in (*network.graph.input, *network.graph.output):
        sizes = value.type.tensor_type.shape.dim
        for axis, name in ((0, "batch"), (2, "y"), (3, "x")):
            sizes[axis].dim_param = f"{value.name}_{name}"
    del network.graph.value_info[:]
    return bytes(network.SerializeToString())


def _decode(
    heat: NDArray[np.float32],
    size: NDArray[np.float32],
    offset: NDArray[np.float32],
    points: NDArray[np.float32],
    threshold: float,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Turn CenterFace's four maps (one cell is 4 px) into boxes and points, suppressed."""
    row, column = np.nonzero(heat > threshold)
    if not row.size:
        return np.zeros((0, 5), np.float32), np.zeros((0, 5, 2), np.float32)
    at = (slice(None), row, column)
    tall, wide = np.exp(size[at]) * _STRIDE_PX
    down, across = offset[at]
    left = (column + across + 0.5) * _STRIDE_PX - wide / 2
    top = (row + down + 0.5) * _STRIDE_PX - tall / 2
    boxes = np.stack([left, top, left + wide, top + tall, heat[row, column]], axis=1)
    # points come as y, x pairs relative to the box
    pairs = points[at].T.reshape(-1, 5, 2)[:, :, ::-1]
    corner, extent = np.stack([left, top], axis=1), np.stack([wide, tall], axis=1)
    kpss = pairs * extent[:, None] + corner[:, None]
    kept = suppress(boxes[:, :4].astype(np.float32), boxes[:, 4], _MAX_OVERLAP)
    return boxes[kept].astype(np.float32), kpss[kept].astype(np.float32)
