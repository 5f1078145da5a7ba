"""One job of an authorised face search: passes of one archived file in, ranked candidates out.

The passes are rows that recognition has written; a few of their frames are decoded again, exactly.
A face is looked for inside the box of its pass, gated, and only then encoded; the frames of a pass
that stand the gate come to one template, which is compared with that of the probe. What the run
returns are places and scores: everything encoded is overwritten before it returns or fails.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench import media
from workbench.errors import N_, BadInput, Damaged
from workbench.recognition.faces.encoder import (
    FaceEncoder,
    Shot,
    Template,
    open_face_encoder,
)
from workbench.recognition.faces.quality import (
    FaceGate,
    FaceQuality,
    Verdict,
    judge,
    judge_photograph,
)
from workbench.recognition.passes.second_look import exact_frames
from workbench.recognition.types import RGB, Face, FaceFinder, ModelSettings
from workbench.records import Box, FaceAuthority, FrameIndex, Segment, Wording
from workbench.timeline import ClockFix, Span


@dataclass(frozen=True, slots=True)
class FaceSearchSettings:
    """How a face search looks; lengths in pixels.

    ``looks``: frames of a pass decoded at most, one from each stretch of it. ``floor``: cosine
    below which a pass is no candidate. ``most``: candidates kept, whatever the floor lets through.
    ``box_margin``: of a pass's box, looked at around it. ``rival``: with a second face of at least
    this share of the largest's size in the box, nobody can tell whose pass it is.
    """

    models: ModelSettings = field(default_factory=ModelSettings)
    gate: FaceGate = field(default_factory=FaceGate)
    looks: int = 6
    floor: float = 0.35
    most: int = 20
    box_margin: float = 0.1
    rival: float = 0.6


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """Photographs of the one who is looked for, cut down to the face: pictures, never numbers.

    They are what a worker is sent; it encodes them itself. ``despite`` is the reason on record for
    using photographs that the gate refuses; empty where it refuses none.
    """

    crops: tuple[tuple[RGB, Face, FaceQuality, str], ...] = field(repr=False)
    despite: str = ""

    @property
    def quality(self) -> Verdict:
        """The verdict on the best of its photographs."""
        best = max(self.crops, key=lambda crop: crop[2].weight)
        return best[2].verdict


@dataclass(frozen=True, slots=True)
class FacePass:
    """A pass to be looked at: its sighting, and where it was when."""

    sighting_id: str
    pts: tuple[int, ...]
    boxes: tuple[Box, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class FaceJob:
    """The passes of one file in which a face is to be looked for; picklable, no pixels."""

    segment: Segment
    path: Path
    fixes: tuple[ClockFix, ...]
    passes: tuple[FacePass, ...]
    settings: FaceSearchSettings


@dataclass(frozen=True, slots=True)
class FaceCandidate:
    """A pass worth a look by two people: a lead, never an identity.

    ``score`` ranks and is no chance. ``frames`` are the PTS whose faces were pooled, ``pts`` and
    ``face`` the best of them; ``quality`` and ``size_px`` are that one's. ``agreement`` is the
    least cosine of one frame to all: where it is low the pass may hold two people.
    """

    sighting_id: str
    camera_id: str
    segment_sha256: str
    pts: int
    utc_ns: int
    sigma_ns: int
    score: float
    face: Box
    quality: Verdict
    size_px: float
    frames: tuple[int, ...]
    agreement: float


@dataclass(frozen=True, slots=True)
class FaceRun:
    """What a face search came to.

    ``compared`` counts passes that had a template, ``candidates`` those kept of them, best first.
    ``destroyed`` counts embeddings overwritten, the probe's too. ``refused`` counts faces that were
    never encoded by the first reason against them, ``without`` passes that showed no face at all.
    ``encoder`` names the network.
    """

    candidates: tuple[FaceCandidate, ...]
    compared: int
    destroyed: int
    without: int
    refused: Mapping[str, int]
    encoder: str


OpenEncoder = Callable[..., FaceEncoder]


def make_probe(
    photographs: Iterable[tuple[str, RGB]],
    find: FaceFinder,
    *,
    gate: FaceGate | None = None,
    despite: str = "",
) -> Probe:
    """Return a probe of photographs of one person, or say what is wrong with one of them.

    Nothing is encoded here.

    Parameters
    ----------
    photographs
        Name and picture of each; each must show one face.
    find
        Finds faces; the models of recognition hold one.
    despite
        The reason, in words, for using a photograph that the gate refuses.

    Raises
    ------
    BadInput
        Where a photograph shows no face or several, or is below the gate and no reason is given.
    """
    crops = []
    for name, picture in photographs:
        face, quality = judge_photograph(picture, find(picture, None), gate or FaceGate())
        if face is None or (quality.verdict == "refused" and not _in_words(despite)):
            raise BadInput(
                N_("this photograph cannot be searched with: {reason}"),
                N_("give a better one")
                if face is None
                else N_("give a better one, or the reason why this one must do"),
                where=name,
                reason="; ".join(reason.sentence() for reason in quality.reasons),
            )
        crops.append((*_cut(picture, face), quality, name))
    if not crops:
        raise BadInput(N_("no photograph is given"), N_("give one or more of one person"))
    below = any(crop[2].verdict == "refused" for crop in crops)
    return Probe(tuple(crops), despite.strip() if below else "")


def plan_face_job(
    segment: Segment,
    path: Path,
    fixes: Sequence[ClockFix],
    rows: Iterable[Mapping[str, Any]],
    settings: FaceSearchSettings,
) -> FaceJob:
    """Return the job of one file: `rows` are its sightings, those that may show a face."""
    passes = []
    for row in rows:
        if row["segment_sha256"] != segment.sha256:
            continue
        corners = np.reshape(np.asarray(row["track_box"], float), (-1, 4))
        boxes = tuple(Box(*map(float, four)) for four in corners)
        passes.append(FacePass(row["sighting_id"], tuple(map(int, row["track_pts"])), boxes))
    return FaceJob(segment, path, tuple(fixes), tuple(passes), settings)


def search_faces(
    job: FaceJob,
    probe: Probe,
    authority: FaceAuthority,
    *,
    now: Callable[[], int] = time.time_ns,
    opened: OpenEncoder = open_face_encoder,
) -> FaceRun:
    """Compare the passes of a job with a probe, under an authority that covers every one of them.

    The authority is asked before anything is decoded and again before each pass is encoded, for it
    may end meanwhile.

    Raises
    ------
    Refused
        Where camera or time of a pass is outside the authority, or it does not stand (any more).
    Damaged
        Where the file is not the one the rows were made from.
    """
    authority.must_stand(now())
    for one in job.passes:
        authority.must_cover(job.segment.camera_id, span_of_pass(job, one))
    cv2.setNumThreads(1)
    index = media.index_packets(job.path)[1]
    if len(index) != job.segment.frame_count or int(index.pts[0]) != job.segment.first_pts:
        raise Damaged(
            N_("the file is not the one that was archived ({found} frames, not {known})"),
            N_("run verify"),
            where=str(job.path),
            found=len(index),
            known=job.segment.frame_count,
        )
    encoder = opened(authority, now_ns=now(), settings=job.settings.models)
    try:
        wanted = template_of(probe, encoder)
        refused: Counter[str] = Counter()
        candidates, compared, without = [], 0, 0
        for one, good, reasons in good_faces(job, job.passes, index, encoder.find):
            refused.update(reason.template for reason in reasons)
            without += not good and not reasons
            if not good:
                continue
            authority.must_stand(now())
            candidate = compared_with(job, one, good, wanted, encoder)
            compared += 1
            if candidate.score >= job.settings.floor:
                candidates.append(candidate)
    finally:
        destroyed = encoder.destroy()
    kept = nlargest(job.settings.most, candidates, key=_rank)
    return FaceRun(tuple(kept), compared, destroyed, without, dict(refused), encoder.ref)


def join_runs(runs: Sequence[FaceRun], most: int) -> FaceRun:
    """Return the runs of several jobs as one: the `most` best candidates, the counts added up."""
    refused: Counter[str] = Counter()
    for run in runs:
        refused.update(run.refused)
    every = [candidate for run in runs for candidate in run.candidates]
    return FaceRun(
        tuple(nlargest(most, every, key=_rank)),
        sum(run.compared for run in runs),
        sum(run.destroyed for run in runs),
        sum(run.without for run in runs),
        dict(refused),
        ", ".join(sorted({run.encoder for run in runs})),
    )


@dataclass(frozen=True, slots=True, eq=False)
class GoodFace:
    """A face of a pass that stood the gate, cut out of its frame."""

    pts: int
    crop: RGB
    in_crop: Face
    face: Box
    quality: FaceQuality


LookedFaces = tuple[FacePass, list[GoodFace], list[Wording]]


def good_faces(
    job: FaceJob, passes: Sequence[FacePass], index: FrameIndex, find: FaceFinder
) -> Iterator[LookedFaces]:
    """Yield each pass with its faces that stand the gate, and why the others do not.

    Frames come in the order of the file, and a pass goes out behind its last one, so that only the
    faces of passes under way are held.
    """
    looked: dict[int, LookedFaces] = {n: (one, [], []) for n, one in enumerate(passes)}
    wanted: dict[int, list[tuple[int, Box]]] = {}
    ends: dict[int, list[int]] = {}
    for n, one in enumerate(passes):
        last = -1
        for pts, box in _looks(one, job.settings):
            number = int(np.searchsorted(index.pts, pts))
            if number < len(index) and index.pts[number] == pts:
                wanted.setdefault(number, []).append((n, box))
                last = number
        ends.setdefault(last, []).append(n)
    for number, frame in exact_frames(job.path, index, sorted(wanted)):
        picture = media.to_rgb(frame, job.segment.rotation_deg)
        for n, box in wanted[number]:
            _, good, reasons = looked[n]
            found = _face_of(picture, box, find, job.settings)
            if isinstance(found, Wording):
                reasons.append(found)
            elif found is not None:
                face, quality = found
                good.append(
                    GoodFace(int(index.pts[number]), *_cut(picture, face), face.box, quality)
                )
        for n in ends.get(number, ()):
            yield looked.pop(n)
    yield from looked.values()  # without a look, or their last frame is broken in the file


def _looks(one: FacePass, settings: FaceSearchSettings) -> Iterator[tuple[int, Box]]:
    """Yield PTS and box of a few observations: the largest of each stretch of the pass."""
    for part in np.array_split(np.arange(len(one.pts)), settings.looks):
        if len(part):
            best = max(part.tolist(), key=lambda n: (one.boxes[n].w * one.boxes[n].h, -n))
            if min(one.boxes[best].w, one.boxes[best].h) >= settings.gate.size_px[0]:
                yield one.pts[best], one.boxes[best]


def _face_of(
    picture: RGB, box: Box, find: FaceFinder, settings: FaceSearchSettings
) -> tuple[Face, FaceQuality] | Wording | None:
    """Return the face in a pass's box, or the first reason against it; None where there is none."""
    m = settings.box_margin
    wide = Box(box.x - m * box.w, box.y - m * box.h, box.w * (1 + 2 * m), box.h * (1 + 2 * m))
    faces = sorted(find(picture, wide), key=lambda face: -min(face.box.w, face.box.h))
    if not faces:
        return None
    sizes = [min(face.box.w, face.box.h) for face in faces[:2]]
    if len(sizes) == 2 and sizes[1] >= settings.rival * sizes[0]:
        return Wording(N_("two faces are in the box of the pass"))
    quality = judge(picture, faces[0], settings.gate)
    return quality.reasons[0] if quality.verdict == "refused" else (faces[0], quality)


def compared_with(
    job: FaceJob, one: FacePass, good: Sequence[GoodFace], wanted: Template, encoder: FaceEncoder
) -> FaceCandidate:
    """Return a pass as a candidate, its good faces pooled and compared with what is wanted."""
    shots = [Shot(g.crop, g.in_crop, g.quality.weight, str(g.pts)) for g in good]
    template = encoder.template(shots)
    best = max(good, key=lambda g: g.quality.weight)
    utc_ns, sigma_ns = job.segment.utc(best.pts, job.fixes)
    return FaceCandidate(
        one.sighting_id,
        job.segment.camera_id,
        job.segment.sha256,
        best.pts,
        utc_ns,
        sigma_ns,
        round(template.score(wanted), 4),
        best.face,
        best.quality.verdict,
        round(best.quality.size_px, 1),
        tuple(g.pts for g in good),
        round(template.agreement, 4),
    )


def template_of(probe: Probe, encoder: FaceEncoder) -> Template:
    """Return the photographs of a probe as one template of an encoder."""
    # a photograph used despite the gate weighs next to nothing beside a good one
    return encoder.template(
        [Shot(crop, face, max(q.weight, 0.01), name) for crop, face, q, name in probe.crops]
    )


def _cut(picture: RGB, face: Face) -> tuple[RGB, Face]:
    """Return a face with as much around it as alignment needs, and where it is in that."""
    box = face.box
    m = 0.75
    left, top = max(0, int(box.x - m * box.w)), max(0, int(box.y - m * box.h))
    right, bottom = int(box.x + box.w * (1 + m)) + 1, int(box.y + box.h * (1 + m)) + 1
    moved = Box(box.x - left, box.y - top, box.w, box.h)
    points: NDArray[np.float32] = np.asarray(face.points - np.array([left, top]), np.float32)
    return picture[top:bottom, left:right].copy(), Face(moved, face.score, points)


def span_of_pass(job: FaceJob, one: FacePass) -> Span:
    """Return the UTC in which a pass was in sight."""
    first, _ = job.segment.utc(min(one.pts), job.fixes)
    last, _ = job.segment.utc(max(one.pts), job.fixes)
    return Span(first, max(first, last) + 1)


def _rank(candidate: FaceCandidate) -> tuple[float, str]:
    return candidate.score, candidate.sighting_id


def _in_words(text: str) -> bool:
    return any(sign.isalnum() for sign in text)
