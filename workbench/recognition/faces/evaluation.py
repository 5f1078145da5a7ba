"""Figures on labelled photographs: who is found again, at which size, and what scores are worth.

Few people are in reach: every figure stands beside the number of people it rests on.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from workbench.recognition.evaluate import read_picture
from workbench.recognition.faces.calibration import (
    LEAST_DIFFERENT,
    LEAST_PEOPLE,
    Calibration,
    Pair,
    calibrate,
)
from workbench.recognition.faces.encoder import FaceEncoder, Shot, Template, open_face_encoder
from workbench.recognition.faces.quality import judge
from workbench.recognition.types import RGB, Face
from workbench.records import Box, FaceAuthority
from workbench.timeline import SECOND_NS, Span

SIZES_PX = (60, 40, 32, 24)
BLURS = (0.02, 0.04)
"""Sigma of the blur, in widths of the face."""
GALLERIES = (100, 1000)

_GOVERNMENT = {
    "obama.jpg": "obama", "obama2.jpg": "obama", "obama3.jpg": "obama",
    "biden.jpg": "biden", "biden2.jpg": "biden",
}  # fmt: skip
"""One file a photograph: the others of that folder are the same ones scaled, cut or covered."""


@dataclass(frozen=True, slots=True, eq=False)
class Labelled:
    """A face of the labelled sets: ``person`` is the set's label, empty for one of a group."""

    photograph: str
    person: str
    picture: RGB = field(repr=False)
    face: Face


def evaluate_faces(footage: Path, *, quick: bool = False) -> dict[str, Any]:
    """Return the figures of face comparison on the labelled photographs of the footage folder.

    Parameters
    ----------
    footage
        Holds ``faces_compreface`` and ``faces_us_gov``.
    quick
        Leave out the degraded sizes.
    """
    encoder = _opened()
    started = time.process_time()
    try:
        faces = list(labelled_faces(footage, encoder))
        made = [_template(encoder, one.picture, one.face) for one in faces]
        pairs = known_pairs(faces, made)
        calibration = calibrate(pairs)
        figures: dict[str, Any] = {
            "data": "faces_compreface and faces_us_gov: photographs in good light, public sets; "
            "thresholds of the gate were set on them",
            "people with two or more photographs": calibration.people,
            "photographs of them": sum(n for n in _photographs(faces).values() if n > 1),
            "other faces": sum(not one.person for one in faces),
            "encoder": encoder.ref,
            "gate": _gate(faces),
            "scores": _scores(faces, pairs),
            "rank-1": _rank_first(faces, made, made),
            "calibration": _calibration(calibration),
        }
        if not quick:
            figures["by size"] = _by_size(faces, made, encoder)
        figures["CPU s"] = round(time.process_time() - started, 1)
    finally:
        destroyed = encoder.destroy()
    return figures | {"embeddings destroyed": destroyed}


def labelled_faces(footage: Path, encoder: FaceEncoder) -> Iterator[Labelled]:
    """Yield the faces of both sets; of a photograph with a person's label only its one face."""
    for path in sorted((footage / "faces_compreface").glob("*.jpg")):
        person = path.stem.split("_")[1]
        picture = _at_most(read_picture(path))
        faces = encoder.find(picture, None)
        if not person.isdigit():
            faces = faces[:1]
        for face in faces:
            yield Labelled(path.name, "" if person.isdigit() else person, picture, face)
    for name, person in _GOVERNMENT.items():
        picture = _at_most(read_picture(footage / "faces_us_gov" / name))
        for face in encoder.find(picture, None)[:1]:
            yield Labelled(name, person, picture, face)


def known_pairs(faces: Sequence[Labelled], made: Sequence[Template]) -> list[Pair]:
    """Return the pairs whose truth is known: labelled people, and two faces of one photograph.

    Two faces of different group photographs may be one person, so they are no pair.
    """
    pairs = []
    for i, j in combinations(range(len(faces)), 2):
        one, other = faces[i], faces[j]
        if (one.person and other.person) or one.photograph == other.photograph:
            names = [f.person or f"{f.photograph}:{n}" for f, n in ((one, i), (other, j))]
            pairs.append(Pair(made[i].score(made[j]), *names))
    return pairs


def _opened() -> FaceEncoder:
    # Sets published for measuring stand for their own leave; it is written down in the form that
    # a search needs too, so that the encoder has one door.
    now_ns = time.time_ns()
    authority = FaceAuthority(
        "measurement", "bench", "licence of the labelled sets", "measure on labelled photographs",
        ("faces_compreface", "faces_us_gov"), Span(0, 1), now_ns, now_ns + 3600 * SECOND_NS,
    )  # fmt: skip
    return open_face_encoder(authority, now_ns=now_ns)


def _at_most(picture: RGB, side_px: int = 1600) -> RGB:
    scale = side_px / max(picture.shape[:2])
    if scale >= 1:
        return picture
    return np.asarray(
        cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
    )


def _template(encoder: FaceEncoder, picture: RGB, face: Face) -> Template:
    return encoder.template([Shot(picture, face, 1.0, "")])


def _photographs(faces: Sequence[Labelled]) -> Counter[str]:
    return Counter(one.person for one in faces if one.person)


def _gate(faces: Sequence[Labelled]) -> dict[str, int]:
    return dict(Counter(judge(one.picture, one.face).verdict for one in faces))


def _scores(faces: Sequence[Labelled], pairs: Sequence[Pair]) -> dict[str, Any]:
    labels = {one.person for one in faces}
    sets = {
        "same person": [p.score for p in pairs if p.same],
        "different people with labels": [
            p.score for p in pairs if not p.same and {p.one, p.other} <= labels
        ],
        "two faces of one photograph": [
            p.score for p in pairs if not p.same and not {p.one, p.other} <= labels
        ],
    }
    return {name: _range(scores) for name, scores in sets.items()}


def _range(scores: Sequence[float]) -> dict[str, float]:
    low, middle, high = np.percentile(scores, [0, 50, 100])
    return {
        "pairs": len(scores),
        "least": round(float(low), 2),
        "median": round(float(middle), 2),
        "most": round(float(high), 2),
    }


def _rank_first(
    faces: Sequence[Labelled],
    probes: Sequence[Template | None],
    gallery: Sequence[Template | None],
) -> dict[str, Any]:
    """Count how often the same person's other photograph comes first among all other people.

    Each ordered pair of photographs of one person is one search: the second of them lies among
    every face that is not that person's. Faces of groups are taken to be other people.
    """
    tries = first = unseen = 0
    for i, one in enumerate(faces):
        probe = probes[i]
        if not one.person or probe is None:
            continue
        others = [
            probe.score(made)
            for made, face in zip(gallery, faces, strict=True)
            if face.person != one.person and made is not None
        ]
        for j, other in enumerate(faces):
            if i == j or other.person != one.person:
                continue
            tries += 1
            made = gallery[j]
            if made is None:
                unseen += 1
            elif probe.score(made) > max(others):
                first += 1
    return {
        "searches": tries,
        "first": first,
        "share": round(first / tries, 3) if tries else None,
        "face not found": unseen,
        "others in the gallery": sum(made is not None for made in gallery) - 1,
    }


def _by_size(
    faces: Sequence[Labelled], sharp: Sequence[Template], encoder: FaceEncoder
) -> dict[str, Any]:
    """Return rank-1 with a good probe and a gallery scaled down, then blurred as well."""
    figures: dict[str, Any] = {}
    for size_px in SIZES_PX:
        for blur in (0.0, *BLURS):
            verdicts: Counter[str] = Counter()
            gallery: list[Template | None] = []
            for one in faces:
                small = _smaller(one, size_px, blur)
                found = encoder.find(small, None)
                if not found:
                    gallery.append(None)
                    continue
                face = max(found, key=lambda f: f.box.w)
                verdicts[judge(small, face).verdict] += 1
                gallery.append(_template(encoder, small, face))
            name = f"{size_px} px" + (f", blurred by {blur:.0%}" if blur else "")
            figures[name] = _rank_first(faces, sharp, gallery) | {"gate": dict(verdicts)}
    return figures


def _smaller(one: Labelled, size_px: int, blur: float) -> RGB:
    """Return a face and as much around it, scaled to a size across, blurred, with JPEG's marks."""
    box = one.face.box
    picture = one.picture
    left, top = max(0, int(box.x - box.w)), max(0, int(box.y - box.h))
    wide = Box(left, top, 3 * box.w, 3 * box.h)
    crop = picture[top : int(top + wide.h), left : int(left + wide.w)]
    scale = min(1.0, size_px / min(box.w, box.h))
    small = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    if blur:
        small = cv2.GaussianBlur(small, (0, 0), blur * size_px)
    _, coded = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])
    again = cv2.imdecode(coded, cv2.IMREAD_COLOR)
    assert again is not None
    return np.ascontiguousarray(again[:, :, ::-1], np.uint8)


def _calibration(made: Calibration) -> Mapping[str, Any]:
    threshold = 0.35
    return {
        "Cllr, people left out": round(made.cllr, 3),
        "interval 95 %, over people": [round(value, 3) for value in made.cllr_interval],
        "bounds of log10 LR": [round(value, 2) for value in made.bounds],
        "same pairs": made.same_pairs,
        "different pairs": len(made.different),
        "people": made.people,
        "rule": f"{LEAST_PEOPLE} people twice and {LEAST_DIFFERENT} different pairs",
        "calibrated": made.calibrated,
        f"false candidates at {threshold}, expected and at most": {
            str(n): [round(value, 1) for value in made.false_positives(threshold, n)]
            for n in GALLERIES
        },
    }
