"""Passes of a live camera beside the faces that are looked out for there: candidates, or nothing.

The second door to the network that compares, open only while a lookout stands: without one nothing
here is called. Each pass is encoded under each lookout's own authority, compared and overwritten
before the next one, the photographs with it; what returns are counts and, above the operating
score, places with a picture of the face.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from workbench.errors import Refused, WorkbenchError
from workbench.recognition.faces.calibration import Calibration
from workbench.recognition.faces.encoder import open_face_encoder
from workbench.recognition.faces.search import (
    FaceCandidate,
    FaceJob,
    FacePass,
    FaceSearchSettings,
    OpenEncoder,
    Probe,
    compared_with,
    good_faces,
    span_of_pass,
    template_of,
)
from workbench.recognition.types import FaceFinder
from workbench.records import FaceAuthority, FrameIndex, Wording

KINDS = ("person", "motorcycle", "bicycle", "unknown")
"""Passes in which a face may show."""
UNCALIBRATED = 0.6
"""Operating score where no set calibrates the network: two people in one photograph came to .54,
one person to .49 and more (docs/benchmarks/recognition.md). Strict: every passer-by is compared."""
ONE_IN = 1000
"""With a calibration: of pairs of different people one of so many at most scores as high."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceWatch:
    """A lookout as a worker is sent it with each piece of footage; it keeps nothing of it.

    ``operating`` is the score from which a pass is a candidate. ``ahead_ns`` is how far the house's
    clock is ahead of the machines': the leave ends by it.
    """

    lookout_id: str
    probe: Probe = field(repr=False)
    authority: FaceAuthority
    operating: float
    ahead_ns: int
    settings: FaceSearchSettings


@dataclass(frozen=True, slots=True, eq=False)
class FaceHit:
    """A candidate of a lookout, the gate's reasons, and a JPEG of the face with what is around."""

    lookout_id: str
    candidate: FaceCandidate
    reasons: tuple[Wording, ...]
    picture: bytes = field(repr=False)
    operating: float
    encoder: str


@dataclass(frozen=True, slots=True)
class LookedAt:
    """What was done for one lookout: passes compared, and embeddings made and overwritten."""

    lookout_id: str
    compared: int
    destroyed: int


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """What a piece of footage came to. ``failure`` says in a sentence why a lookout could not."""

    hits: tuple[FaceHit, ...] = ()
    looked: tuple[LookedAt, ...] = ()
    failure: str = ""


def operating_score(calibration: Calibration | None) -> float:
    """Return the score from which a pass is a candidate: measured where a set calibrates it.

    With a set: at most one in :data:`ONE_IN` of its pairs of different people scores so high, and
    the ratio is over 1.
    """
    if calibration is None:
        return UNCALIBRATED
    others = calibration.different
    allowed = len(others) // ONE_IN
    above = np.nextafter(others[len(others) - 1 - allowed], np.inf)
    return float(max(above, calibration.even_score))


def watch_faces(
    job: FaceJob,
    index: FrameIndex,
    watches: Sequence[FaceWatch],
    find: FaceFinder,
    *,
    now: Callable[[], int] = time.time_ns,
    opened: OpenEncoder = open_face_encoder,
) -> Watched:
    """Compare the passes of a job with each lookout that covers them; nothing encoded outlasts it.

    Parameters
    ----------
    find
        Finds faces; the models of recognition hold one.
    """
    cv2.setNumThreads(1)
    hits: list[FaceHit] = []
    counts = {watch.lookout_id: [0, 0] for watch in watches}
    wanted = {one.sighting_id: _covering(job, one, watches, now) for one in job.passes}
    failure = ""
    passes = tuple(one for one in job.passes if wanted[one.sighting_id])
    for one, good, _ in good_faces(job, passes, index, find):
        for watch in wanted[one.sighting_id] if good else ():
            at_ns = now() + watch.ahead_ns
            count = counts[watch.lookout_id]
            try:
                encoder = opened(watch.authority, now_ns=at_ns, settings=watch.settings.models)
            except Refused:  # its leave has ended meanwhile
                continue
            except WorkbenchError as error:
                failure = error.sentence()
                continue
            try:
                count[0] += 1
                probe = template_of(watch.probe, encoder)
                candidate = compared_with(job, one, good, probe, encoder)
            finally:
                count[1] += encoder.destroy()
            if candidate.score >= watch.operating:
                best = max(good, key=lambda each: each.quality.weight)
                done, jpeg = cv2.imencode(
                    ".jpg", best.crop[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 92]
                )
                hits.append(
                    FaceHit(
                        watch.lookout_id, candidate, best.quality.reasons,
                        jpeg.tobytes() if done else b"", watch.operating, encoder.ref,
                    )
                )  # fmt: skip
    looked = tuple(LookedAt(name, *count) for name, count in counts.items() if count[0])
    return Watched(tuple(hits), looked, failure)


def _covering(
    job: FaceJob, one: FacePass, watches: Sequence[FaceWatch], now: Callable[[], int]
) -> list[FaceWatch]:
    span = span_of_pass(job, one)
    found = []
    for watch in watches:
        try:
            watch.authority.must_stand(now() + watch.ahead_ns)
            watch.authority.must_cover(job.segment.camera_id, span)
        except Refused:
            continue
        found.append(watch)
    return found
