"""What a following sends its workers to look out for, and what it keeps of what they found.

Asked before each piece of footage goes out, and again before anything is kept: whatever ends a
lookout, or switches all of them off, holds from the next piece on, and for what is under way.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections import Counter
from dataclasses import asdict
from typing import TYPE_CHECKING

from workbench import recognition
from workbench.cases import face_lookouts as rules
from workbench.errors import Refused, WorkbenchError
from workbench.investigation.face_calibrating import face_calibration
from workbench.investigation.face_lookouts import (
    ACT,
    lookout_happened,
    must_be_allowed,
    settle_face_lookouts,
)
from workbench.investigation.face_requests import picture_of
from workbench.investigation.models import face_models
from workbench.records import Purpose
from workbench.store.face_lookouts import FaceLookout, FaceLookoutBook

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench
    from workbench.recognition.faces.search import Probe
    from workbench.recognition.faces.watching import FaceHit, FaceWatch, Watched

AGAIN_S = 1.0
"""How often it is asked whether a lookout's time or case is over."""
TELL_S = 60.0
"""How often the log is told what was compared and destroyed, while anything was."""


class FaceGuard:
    """The lookouts for a face of one case beside its following. For one thread."""

    def __init__(self, house: Workbench, case_id: str) -> None:
        self._house, self._case_id = house, case_id
        self._book = FaceLookoutBook(house.root)
        self._mark: tuple[tuple[str, int], ...] = ()
        self._again_s = self._told_s = time.monotonic()
        self._watches: list[FaceWatch] = []
        self._probes: dict[str, Probe] = {}
        self._counts: dict[str, Counter[str]] = {}
        self.failure = ""
        """Why a lookout cannot be watched for, in a sentence."""

    def of(self, camera_id: str) -> tuple[FaceWatch, ...]:
        """Return what is looked out for at a camera now; mostly nothing."""
        mark = self._book.stamp()
        if not mark:
            return ()
        try:
            if mark != self._mark or time.monotonic() >= self._again_s:
                self._again_s = time.monotonic() + AGAIN_S
                settle_face_lookouts(self._house)
                self._mark, self._watches = self._book.stamp(), self._standing()
                self.failure = ""
            if not self._watches:
                return ()
            must_be_allowed(self._house)
        except Refused:
            return ()
        except WorkbenchError as error:
            self.failure, self._watches = error.sentence(), []
        return tuple(one for one in self._watches if camera_id in one.authority.cameras)

    def keep(self, watched: Watched) -> int:
        """Put what was found into the queue of a lookout that still stands; return how many.

        What was compared and destroyed is counted, and told to the log once a minute.
        """
        for look in watched.looked:
            count = self._counts.setdefault(look.lookout_id, Counter())
            count.update(compared=look.compared, destroyed=look.destroyed)
        kept = sum(self._keep(hit) for hit in watched.hits)
        if time.monotonic() - self._told_s >= TELL_S:
            self.tell()
        return kept

    def tell(self) -> None:
        """Tell the log what was compared and destroyed since it was told last."""
        self._told_s = time.monotonic()
        counts, self._counts = self._counts, {}
        for lookout_id, count in counts.items():
            one = self._book.lookout(lookout_id)
            purpose = Purpose(one.case_id, one.purpose)
            self._house._log(f"{ACT}.looked", lookout_id, purpose, details=dict(count))

    def _standing(self) -> list[FaceWatch]:
        from workbench.recognition.faces.search import FaceSearchSettings
        from workbench.recognition.faces.watching import FaceWatch, operating_score

        house, found = self._house, []
        case = house._store.case(self._case_id)
        for lookout_id in self._book.with_photographs():
            one, events = self._book.lookout(lookout_id), self._book.events(lookout_id)
            if one.case_id != self._case_id:
                continue
            now = rules.standing(one, events, house.now(), case)
            try:
                leave = rules.authority_of(one, now, events, case, house.now())
            except Refused:
                self._probes.pop(lookout_id, None)
                continue
            made = face_calibration(house)
            found.append(
                FaceWatch(
                    lookout_id, self._probe(one), leave,
                    operating_score(None if made is None else made.fit),
                    house.now() - time.time_ns(), FaceSearchSettings(models=face_models(house)),
                )
            )  # fmt: skip
        return found

    def _probe(self, one: FaceLookout) -> Probe:
        from workbench.recognition.faces.search import make_probe

        if one.lookout_id not in self._probes:
            pictures = [
                (
                    each.name,
                    picture_of(each.name, self._book.photograph(one.lookout_id, each.sha256)),
                )
                for each in one.photographs
            ]
            find = recognition.load_models(face_models(self._house)).find_faces
            self._probes[one.lookout_id] = make_probe(pictures, find, despite=one.despite)
        return self._probes[one.lookout_id]

    def _keep(self, hit: FaceHit) -> bool:
        house, book = self._house, self._book
        with book.changing():
            one, events = book.lookout(hit.lookout_id), book.events(hit.lookout_id)
            case = house._store.case(one.case_id)
            now = rules.standing(one, events, house.now(), case)
            try:
                must_be_allowed(house)
                rules.authority_of(one, now, events, case, house.now())
            except Refused:  # it ended while this was on its way: nothing of it is kept
                self._counts.setdefault(one.lookout_id, Counter()).update(not_kept=1)
                return False
            found = hit.candidate
            marks = f"{one.lookout_id}|{found.sighting_id}|{found.pts}"
            candidate_id = hashlib.sha256(marks.encode()).hexdigest()[:12]
            if candidate_id in now.candidates:
                return False
            facts = {
                "candidate": asdict(found), "reasons": [asdict(one) for one in hit.reasons],
                "operating": hit.operating, "encoder": hit.encoder,
            }  # fmt: skip
            text = json.dumps(facts, sort_keys=True, ensure_ascii=False).encode()
            told = {
                "candidate": candidate_id, "camera": found.camera_id, "utc_ns": found.utc_ns,
                "sha256": hashlib.sha256(text).hexdigest(),
                "picture_sha256": hashlib.sha256(hit.picture).hexdigest(),
            }  # fmt: skip
            lookout_happened(house, one, "candidate", told)
            book.put_candidate(one.lookout_id, candidate_id, text, hit.picture)
        return True
