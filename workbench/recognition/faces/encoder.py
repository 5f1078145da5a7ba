"""The network that compares faces, opened only under an authority, and what it made destroyed.

The models of recognition hold no encoder; this is the one place that opens one. What it computes
are :class:`Template` objects: they print no numbers, cannot be pickled and so never leave the
process, and are overwritten by :meth:`FaceEncoder.destroy` when the run that needed them ends.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.errors import N_, Unavailable
from workbench.later import later
from workbench.recognition.faces.finding import CenterFace, FaceFinder, built_in_analysis
from workbench.recognition.models import own, samples, weights
from workbench.recognition.models.loading import pack_hash
from workbench.recognition.models.sessions import open_network, options
from workbench.recognition.types import RGB, Face, ModelSettings, clip
from workbench.records import Box, FaceAuthority

if TYPE_CHECKING:
    from insightface.app import FaceAnalysis
    from insightface.app.common import Face as InsightFace
app, common, arcface, face_align = map(
    later,
    (
        "insightface.app",
        "insightface.app.common",
        "insightface.model_zoo.arcface_onnx",
        "insightface.utils.face_align",
    ),
)

ENCODER = "faceplugin-fr"
"""The built-in encoder, in the list of models."""

_MARGIN = 0.6
"""Of the face's box: as much around it as alignment reaches for."""


class Template:
    """What one or more pictures of one face come to: a unit vector that shows itself to nobody.

    Two of them can be compared, and that is all. ``frames`` names the pictures, ``agreement`` is
    the least cosine of one of them to the whole (1 for a single picture; low where a track may hold
    two people).
    """

    __slots__ = ("_vector", "agreement", "frames")

    def __init__(
        self, vector: NDArray[np.float32], frames: tuple[str, ...], agreement: float
    ) -> None:
        self._vector = vector
        self.frames = frames
        self.agreement = agreement

    def score(self, other: Template) -> float:
        """Return the cosine to another template, -1..1; not calibrated, it ranks."""
        return float(self._vector @ other._vector)

    def __repr__(self) -> str:
        return f"Template({len(self.frames)} pictures)"

    def __reduce_ex__(self, _protocol: object) -> NoReturn:
        raise TypeError("a face template stays in the memory of the process that made it")

    __copy__ = __deepcopy__ = None


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A face to be encoded: its picture, where it is, its weight beside others, its name."""

    picture: RGB = field(repr=False)
    face: Face
    weight: float
    name: str


class FaceEncoder:
    """Finds and encodes faces for as long as its authority stands. Not for several threads.

    Make it with :func:`open_face_encoder`. ``ref`` names the network by file and hash.
    """

    def __init__(self, analysis: FaceAnalysis, authority: FaceAuthority, ref: str) -> None:
        if not isinstance(authority, FaceAuthority):
            raise TypeError("faces are encoded under a FaceAuthority only")
        self._recogniser = analysis.models["recognition"]
        self.authority = authority
        self.find = FaceFinder(_DetectorOf(analysis))
        self.ref = ref
        self._made: list[NDArray[np.float32]] = []

    def template(self, shots: Sequence[Shot]) -> Template:
        """Return one template of pictures of one face: their mean, the better ones counting more.

        Raises
        ------
        ValueError
            Without a picture of some weight.
        """
        weight = np.array([shot.weight for shot in shots], np.float32)
        if not len(shots) or not weight.sum() > 0:
            raise ValueError("no picture to make a template of")
        each: NDArray[np.float32] | None = None
        for row, shot in enumerate(shots):
            vector = self._encode(shot.picture, shot.face)
            if each is None:
                each = np.zeros((len(shots), len(vector)), np.float32)
                self._made.append(each)  # before it is filled: an encoding that fails leaves none
            each[row] = vector
            vector.fill(0)
        assert each is not None
        pooled: NDArray[np.float32] = weight @ each
        self._made.append(pooled)
        pooled /= np.linalg.norm(pooled)
        return Template(pooled, tuple(shot.name for shot in shots), float((each @ pooled).min()))

    def destroy(self) -> int:
        """Overwrite every embedding made since the last time; return how many pictures' they were.

        Templates handed out before are of no use afterwards.
        """
        count = sum(len(made) for made in self._made if made.ndim == 2)
        for made in self._made:
            made.fill(0)
        self._made.clear()
        return count

    def _encode(self, picture: RGB, face: Face) -> NDArray[np.float32]:
        return _encode(self._recogniser, picture, face)


def open_face_encoder(
    authority: FaceAuthority,
    *,
    now_ns: int,
    settings: ModelSettings | None = None,
) -> FaceEncoder:
    """Open the built-in encoder, or that of a licensed insightface pack, under an authority.

    A pack in the settings, as the register of a root puts it there, replaces detector and encoder
    both.

    Raises
    ------
    Refused
        Where the authority does not stand at `now_ns`.
    Unavailable, Damaged
        Where a file is missing or not the one in the list of models.
    """
    authority.must_stand(now_ns)
    settings = settings or ModelSettings()
    pack = own.pack_in_use(settings)
    folder = pack.folder if pack else None
    analysis = _analysis(folder, settings.face_min_score, settings.face_max_side_px)
    return FaceEncoder(analysis, authority, encoder_ref(pack))


def encoder_ref(pack: weights.FacePack | None) -> str:
    """Return the short name of the network that scores were made with: file and hash."""
    if pack is not None:
        return f"{pack.folder.name}@{pack_hash(pack)}"
    return f"{ENCODER}@{weights.read_manifest()[ENCODER].files['graph'].sha256[:8]}"


def known_scores(pack: weights.FacePack | None) -> tuple[float, float]:
    """Return how like a known portrait is its mirror image, and itself stood on its head.

    NASA's portrait from scikit-image is encoded, two numbers are compared and all is overwritten;
    no picture can be given to it.

    Raises
    ------
    Unavailable
        Where the detector does not find the portrait's one face, or there is no portrait.
    """
    portrait = samples.portrait()
    analysis = _analysis(pack.folder if pack else None, 0.5, 640)
    faces = [] if portrait is None else FaceFinder(_DetectorOf(analysis))(portrait, None)
    if portrait is None or len(faces) != 1:
        raise Unavailable(
            N_("{count} faces in a portrait"),
            N_("install the listed version of scikit-image; see that the detector is whole"),
            count=len(faces),
        )
    (face,), wide = faces, portrait.shape[1]
    order = [1, 0, 2, 4, 3]
    mirrored = np.column_stack([wide - 1 - face.points[order, 0], face.points[order, 1]])
    box = Box(wide - 1 - face.box.x - face.box.w, face.box.y, face.box.w, face.box.h)
    recogniser = analysis.models["recognition"]
    plain = _encode(recogniser, portrait, face)
    twin = _encode(recogniser, portrait[:, ::-1], Face(box, 1.0, mirrored.astype(np.float32)))
    # eyes and mouth exchanged: aligned so, the portrait stands on its head
    other = _encode(recogniser, portrait, Face(face.box, 1.0, face.points[[4, 3, 2, 1, 0]]))
    scores = float(plain @ twin), float(plain @ other)
    for vector in (plain, twin, other):
        vector.fill(0)
    return scores


class _DetectorOf:
    """The detecting half of an analysis: found faces are gated before any is encoded."""

    def __init__(self, analysis: FaceAnalysis) -> None:
        self._analysis = analysis

    def get(self, bgr: NDArray[np.uint8]) -> list[InsightFace]:
        boxes, points = self._analysis.det_model.detect(bgr)
        return [
            common.Face(bbox=box[:4], kps=None if points is None else points[n], det_score=box[4])
            for n, box in enumerate(boxes)
        ]


@lru_cache(maxsize=1)
def _analysis(pack: Path | None, min_score: float, side: int) -> FaceAnalysis:
    """Return detector and encoder, loaded once a process; only the doors above hand them on.

    They are prepared here, once: insightface's `prepare` takes the session apart and builds it
    anew, while another thread of this process may be using it.
    """
    analysis = _loaded(pack)
    analysis.prepare(ctx_id=-1, det_thresh=min_score, det_size=(side, side))
    return analysis


def _loaded(pack: Path | None) -> FaceAnalysis:
    if pack is not None:
        analysis = app.FaceAnalysis(
            name=str(pack),
            allowed_modules=["detection", "recognition"],
            providers=["CPUExecutionProvider"],
            sess_options=options(),
        )
        if "recognition" not in analysis.models:
            raise Unavailable(
                N_("the face pack holds no network that compares faces"),
                N_("switch on a pack that holds one, or: workbench models use ROOT --shipped"),
                where=str(pack),
            )
        return analysis
    cards = weights.read_manifest()
    graph = weights.locate(cards[ENCODER], "graph")
    analysis = built_in_analysis(CenterFace(weights.locate(cards["centerface"], "graph")))
    analysis.models["recognition"] = arcface.ArcFaceONNX(str(graph), open_network(graph))
    return analysis


def _encode(recogniser: Any, picture: RGB, face: Face) -> NDArray[np.float32]:
    left, top, right, bottom = clip(face.box, picture, margin=_MARGIN)
    bgr = np.ascontiguousarray(picture[top:bottom, left:right, ::-1])
    points = np.asarray(face.points - np.array([left, top]), np.float32)
    # Shrinking by alignment alone samples four pixels a point; a large face would alias.
    across = float(np.linalg.norm(points[1] - points[0]))
    if across > 2 * _ALIGNED_EYES_PX:
        scale = 2 * _ALIGNED_EYES_PX / across
        bgr = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        points *= scale
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # insightface calls scikit-image's old way
        aligned = face_align.norm_crop(bgr, points, image_size=recogniser.input_size[0])
    # not the encoder's own `get`: it keeps two copies more, out of reach of whoever overwrites
    raw = recogniser.get_feat(aligned)
    vector = np.array(raw[0], np.float32)
    raw.fill(0)
    vector /= np.linalg.norm(vector)
    return vector


_ALIGNED_EYES_PX = 35.2
"""Distance between the eyes in insightface's aligned picture of 112 x 112."""
