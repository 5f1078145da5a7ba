"""A candidate of a lookout for a face, as a worker returns one."""

from __future__ import annotations

from typing import Any

import cv2

from make.walkers import portrait
from workbench.investigation import Workbench
from workbench.investigation.face_guard import FaceGuard
from workbench.recognition.faces.search import FaceCandidate
from workbench.recognition.faces.watching import FaceHit, LookedAt, Watched
from workbench.records import Box, Wording
from workbench.timeline import SECOND_NS


def hit(house: Workbench, lookout_id: str, n: int = 0, **more: Any) -> FaceHit:
    """Return a candidate seen `n` seconds from now on camera S01-P1."""
    facts = {"score": 0.7, "agreement": 0.8} | more
    candidate = FaceCandidate(
        f"pass-{n}", "S01-P1", "live", n, house.now() + n * SECOND_NS, 10**8, facts["score"],
        Box(10, 10, 50, 60), "weak", 50.0, (n, n + 1), facts["agreement"],
    )  # fmt: skip
    small = Wording(
        "it is {found} px across; {wanted} are wanted", (("found", "30"), ("wanted", "40"))
    )
    done, jpeg = cv2.imencode(".jpg", portrait()[20:160, 40:200, ::-1])
    assert done
    return FaceHit(
        lookout_id, candidate, (small,), jpeg.tobytes(), 0.6, "faceplugin-fr@87aacdfe"
    )  # fmt: skip


def find(house: Workbench, lookout_id: str, *numbers: int, case: str = "HS-1") -> int:
    """Have a following keep such candidates; return how many it kept."""
    hits = tuple(hit(house, lookout_id, n) for n in numbers)
    return FaceGuard(house, case).keep(Watched(hits, (LookedAt(lookout_id, 5, 31),)))
