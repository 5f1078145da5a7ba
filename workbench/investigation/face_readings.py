"""Readers of a face search: two people, one after the other, neither of whom sees a score.

The second does not see what the first said. What both said stands side by side for ever.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from workbench.cases import asking
from workbench.errors import N_, BadInput, Damaged, Refused, WorkbenchError
from workbench.investigation import people
from workbench.investigation.face_calibrating import (
    FaceCalibration,
    FaceStrength,
    face_calibration,
)
from workbench.investigation.face_requests import (
    Asked,
    are_photographs_gone,
    asked,
    happened,
    must_be_on,
    refusals,
    settle_faces,
)
from workbench.recognition.faces.search import FaceCandidate
from workbench.recognition.faces.spread import candidate_of
from workbench.records import Box, Purpose
from workbench.store.faces import FaceBook, FaceRequest, FaceVerdict

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

NOT_CALIBRATED = N_("not calibrated here")
_AROUND = 0.6
"""Of a face's box, shown around it."""


@dataclass(frozen=True, slots=True, eq=False)
class FaceSheet:
    """A candidate as a reader sees it: a number that tells nothing, and the picture."""

    number: int
    camera_id: str
    utc_ns: int
    sigma_ns: int
    segment_sha256: str
    pts: int
    face: Box
    quality: str


@dataclass(frozen=True, slots=True)
class FaceResult:
    """A candidate after both readings. ``strength`` is None where no set calibrates its score."""

    rank: int
    number: int
    candidate: FaceCandidate
    verdicts: tuple[FaceVerdict, FaceVerdict]
    strength: FaceStrength | None = None

    @property
    def disagree(self) -> bool:
        """Whether the readers said different things; nothing makes one verdict of two."""
        return self.verdicts[0] != self.verdicts[1]

    @property
    def excluded(self) -> bool:
        """Whether both exclude it."""
        return set(self.verdicts) == {FaceVerdict.EXCLUDES}


def face_candidates(house: Workbench, request_id: str, purpose: Purpose) -> list[FaceSheet]:
    """Return the candidates for a reader: in an order that tells nothing, without any score."""
    one, kept = _open(house, request_id, purpose, "faces.view")
    house._log("faces.view", request_id, purpose, details={"candidates": len(kept)})
    return [
        FaceSheet(
            number, kept[at].camera_id, kept[at].utc_ns, kept[at].sigma_ns,
            kept[at].segment_sha256, kept[at].pts, kept[at].face, kept[at].quality,
        )
        for number, at in enumerate(_order(one.request, kept), 1)
    ]  # fmt: skip


def read_faces(
    house: Workbench,
    request_id: str,
    purpose: Purpose,
    verdicts: Mapping[int, str],
    *,
    note: str = "",
) -> Asked:
    """Keep what a reader says of every candidate, by its number; it is never changed.

    Raises
    ------
    Refused
        Where this person, or two others, have read already.
    BadInput
        Where a candidate is left out or a verdict is none of the scale.
    """
    one, kept = _open(house, request_id, purpose, "faces.read")
    if len(note) > 500:
        raise BadInput(N_("that note is too long"), N_("say it in 500 signs"))
    with FaceBook(house.root).changing():
        with refusals(house, "faces.read", purpose):
            one = asked(house, request_id)
            given = asking.check_reading(
                one.request, one.standing, house.actor, verdicts, len(kept)
            )
        facts = {"verdicts": {str(n): str(word) for n, word in given.items()}, "note": note}
        # the log is read by many, and must not tell a second reader what the first one said
        told = {"reading": len(one.standing.readings) + 1, "candidates": len(given)}
        happened(house, one.request, "read", facts, purpose, told=told)
    return asked(house, request_id)


def face_results(house: Workbench, request_id: str, purpose: Purpose) -> list[FaceResult]:
    """Return the candidates with scores and both verdicts, best score first.

    Raises
    ------
    Refused
        Before two people have read: scores and verdicts are shown to nobody until then.
    """
    one, kept = _open(house, request_id, purpose, "faces.view")
    if not one.standing.read:
        with refusals(house, "faces.view", purpose):
            raise Refused(
                N_("scores and verdicts of {request} are shown when two people have read"),
                N_("have it read: {count} of 2 have"),
                request=request_id,
                count=len(one.standing.readings),
            )
    house._log("faces.results", request_id, purpose, details={"candidates": len(kept)})
    return _results(one, kept, run_calibration(house, request_id))


def candidates_of(
    house: Workbench, request_id: str, purpose: Purpose
) -> list[tuple[int, FaceCandidate]]:
    """Return the candidates of a search by the number readers know them by; it is logged."""
    one, kept = _open(house, request_id, purpose, "faces.view")
    house._log("faces.view", request_id, purpose, details={"candidates": len(kept)})
    return [(number, kept[at]) for number, at in enumerate(_order(one.request, kept), 1)]


def candidate_table(
    house: Workbench,
    request_id: str,
    purpose: Purpose,
    found: Sequence[FaceCandidate] | None = None,
) -> pd.DataFrame:
    """Return the candidates of a search as a table, in the order and with what may be told now.

    Before two people have read: numbers that tell nothing, places and times. After: ranks, scores,
    both verdicts, likelihood ratios where a set calibrates them.

    Parameters
    ----------
    found
        Candidates of the same request compared anew; None: those that are kept.
    """
    one, kept = _open(house, request_id, purpose, "faces.view")
    shown = kept if found is None else list(found)
    house._log("faces.results", request_id, purpose, details={"candidates": len(shown)})
    numbers = {kept[at].sighting_id: n for n, at in enumerate(_order(one.request, kept), 1)}
    rows: list[dict[str, object]] = [
        {
            "number": numbers.get(each.sighting_id, 0), "camera_id": each.camera_id,
            "utc_ns": each.utc_ns, "segment_sha256": each.segment_sha256, "pts": each.pts,
            "face": [each.face.x, each.face.y, each.face.w, each.face.h], "quality": each.quality,
        }
        for each in shown
    ]  # fmt: skip
    if not one.standing.read:
        blind = pd.DataFrame(rows, columns=list(rows[0]) if rows else None)
        return blind.sort_values(["number", "utc_ns"], ignore_index=True) if rows else blind
    made = run_calibration(house, request_id)
    for rank, (line, each) in enumerate(zip(rows, shown, strict=True), 1):
        strength = None if made is None else made.strength(each.score)
        line["rank"], line["score"] = rank, each.score
        for reader, reading in enumerate(one.standing.readings[:2], 1):
            line[f"reader {reader}"] = str(
                reading.verdicts.get(numbers.get(each.sighting_id, 0), "")
            )
        line["log10_lr"] = NOT_CALIBRATED if strength is None else strength.log10_lr
        line["low"], line["high"] = (strength.low, strength.high) if strength else ("", "")
    return pd.DataFrame(rows)


def run_calibration(house: Workbench, request_id: str) -> FaceCalibration | None:
    """Return what calibrates the scores of a search: made with its network; None where nothing."""
    events = FaceBook(house.root).events(request_id)
    networks = [str(event.facts["encoder"]) for event in events if event.kind == "run"]
    return face_calibration(house, networks[0]) if networks and networks[0] else None


def face_crop(house: Workbench, sheet: FaceSheet, purpose: Purpose) -> NDArray[np.uint8]:
    """Return a candidate's face with a little around it, uint8 (y, x, 3), from the original."""
    picture = house.still(sheet.segment_sha256, sheet.pts, purpose)
    box, (height, width) = sheet.face, picture.shape[:2]
    left, top = max(0, int(box.x - _AROUND * box.w)), max(0, int(box.y - _AROUND * box.h))
    right = min(width, int(box.x + (1 + _AROUND) * box.w) + 1)
    bottom = min(height, int(box.y + (1 + _AROUND) * box.h) + 1)
    return picture[top:bottom, left:right]


def face_photographs(house: Workbench, request_id: str, purpose: Purpose) -> list[bytes]:
    """Return the photographs a request was asked with, as they were given; to approvers, too."""
    one = asked(house, request_id)
    _may_see(house, one.request, purpose, "faces.photographs")
    book = FaceBook(house.root)
    house._log("faces.photographs", request_id, purpose)
    return [book.photograph(request_id, each.sha256) for each in one.request.photographs]


def face_record(house: Workbench, case_id: str) -> list[dict[str, Any]]:
    """Return what a bundle holds of a case's face searches: those without result and refused, too.

    Verdicts and scores are in it where two people have read; before, they are kept from everybody.
    """
    book, told = FaceBook(house.root), []
    for request_id in book.ids():
        one = asked(house, request_id)
        if one.request.case_id != case_id:
            continue
        events = [
            asdict(event)
            for event in book.events(request_id)
            if event.kind != "read" or one.standing.read
        ]
        kept = _kept(book, one) if one.standing.read and not one.standing.deleted else []
        made = run_calibration(house, request_id)
        told.append(
            {
                "request": request_id,
                "state": one.standing.state,
                "readings": len(one.standing.readings),
                "events": events,
                "likelihood_ratio": NOT_CALIBRATED if made is None else made.facts,
                "candidates": [
                    {**asdict(each), "disagree": each.disagree, "excluded": each.excluded}
                    for each in (_results(one, kept, made) if kept else [])
                ],
            }
        )
    return told


def check_faces(house: Workbench) -> list[str]:
    """Return one sentence for each thing of the face requests that is not as it was written."""
    book, found, seen = FaceBook(house.root), list[str](), dict[str, list[str]]()
    for entry in house._store.audit():
        event = json.loads(entry.details).get("event", "") if "faces." in entry.action else ""
        if event:
            seen.setdefault(entry.subject, []).append(event)
    for request_id in sorted({*seen, *(one.name for one in book.folder.glob("KM-*"))}):
        try:
            events = book.events(request_id)
            if [event.sha256 for event in events] != seen.get(request_id, []):
                raise Damaged(
                    N_("the events of face request {request} are not those of the log"),
                    N_("bring them back from a backup"),
                    request=request_id,
                )
            one = asked(house, request_id)
            gone = are_photographs_gone(book, request_id)
            for each in () if gone else one.request.photographs:
                book.photograph(request_id, each.sha256)
            if one.standing.ran and not one.standing.deleted:
                _kept(book, one)
        except WorkbenchError as error:
            found.append(error.sentence())
    return found


def _open(
    house: Workbench, request_id: str, purpose: Purpose, act: str
) -> tuple[Asked, list[FaceCandidate]]:
    """Return a request with its candidates, for somebody who may see them."""
    settle_faces(house)
    book = FaceBook(house.root)
    one = asked(house, request_id)
    _may_see(house, one.request, purpose, act)
    with refusals(house, act, purpose):
        if one.standing.deleted or one.standing.state in ("refused", "lapsed"):
            raise Refused(
                N_("what face request {request} found was deleted"),
                N_("its history says why; ask anew, where it is still needed"),
                request=request_id,
            )
        if not one.standing.ran:
            raise Refused(
                N_("face request {request} was not run yet"),
                N_("have it run by who asked for it"),
                request=request_id,
            )
    return one, _kept(book, one)


def _may_see(house: Workbench, request: FaceRequest, purpose: Purpose, act: str) -> None:
    with refusals(house, act, purpose):
        must_be_on(house)
        if purpose.case_id != request.case_id:
            raise Refused(
                N_("face request {request} belongs to another case"),
                N_("choose its case"),
                request=request.request_id,
            )
        people.authorise(house, purpose, act, cameras=request.cameras, span=request.period)


def _kept(book: FaceBook, one: Asked) -> list[FaceCandidate]:
    request_id = one.request.request_id
    text = book.candidates(request_id) or b""
    run = next(event for event in book.events(request_id) if event.kind == "run")
    if hashlib.sha256(text).hexdigest() != run.facts["candidates_sha256"]:
        raise Damaged(
            N_("the candidates of face request {request} are not what was found"),
            N_("bring them back from a backup, and run verify"),
            request=request_id,
        )
    return [candidate_of(facts) for facts in json.loads(text)]


def _order(request: FaceRequest, kept: Sequence[FaceCandidate]) -> list[int]:
    return asking.blind_order(request.request_id, [one.sighting_id for one in kept])


def _results(
    one: Asked, kept: Sequence[FaceCandidate], made: FaceCalibration | None
) -> list[FaceResult]:
    first, second = one.standing.readings[:2]
    order = _order(one.request, kept)
    numbers = {at: number for number, at in enumerate(order, 1)}
    return [
        FaceResult(
            at + 1, numbers[at], kept[at],
            (first.verdicts[numbers[at]], second.verdicts[numbers[at]]),
            None if made is None else made.strength(kept[at].score),
        )
        for at in range(len(kept))
    ]  # fmt: skip
