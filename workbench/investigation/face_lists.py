"""Face requests of a case as a page lists them, and photographs before they are asked with."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from workbench import recognition
from workbench.investigation import people
from workbench.investigation.face_requests import (
    Asked,
    asked,
    must_be_on,
    photograph_of,
    picture_of,
    refusals,
    settle_faces,
)
from workbench.investigation.models import face_models
from workbench.recognition.faces.quality import judge_photograph
from workbench.records import Purpose
from workbench.store.faces import FaceBook, FacePhotograph

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench


def list_faces(house: Workbench, purpose: Purpose) -> list[Asked]:
    """Return the face requests of a case, newest first, for those who search and who approve."""
    with refusals(house, "faces.list", purpose):
        case, _, _ = people.authorise(house, purpose, "faces.list")
    settle_faces(house)
    book = FaceBook(house.root)
    every = [asked(house, one) for one in book.ids()]
    found = [one for one in reversed(every) if one.request.case_id == case.case_id]
    house._log("faces.list", case.case_id, purpose, details={"requests": len(found)})
    return found


def faces_mark(house: Workbench, case_id: str) -> tuple[tuple[str, int], ...]:
    """Return what differs once something has happened to a request of a case; nothing is logged."""
    book = FaceBook(house.root)
    found = [(one, book.events(one)) for one in book.ids()]
    return tuple(
        (one, len(events)) for one, events in found if events[0].facts["case_id"] == case_id
    )


def faces_off(house: Workbench) -> tuple[str, str] | None:
    """Return who switched face search off for the root, and why; None while it is on."""
    off = FaceBook(house.root).switched_off()
    return None if off is None else (str(off.get("by", "?")), str(off.get("reason", "")))


def judge_photographs(
    house: Workbench, purpose: Purpose, photographs: Sequence[tuple[str, bytes]]
) -> list[FacePhotograph]:
    """Return what the gate says of photographs, before they are asked with; nothing is kept.

    Faces are found and measured; none is compared with anything.

    Raises
    ------
    BadInput
        Where one is no photograph.
    """
    with refusals(house, "faces.judge", purpose):
        must_be_on(house)
        people.authorise(house, purpose, "faces.ask")
    find, found = recognition.load_models(face_models(house)).find_faces, []
    for name, data in photographs:
        picture = picture_of(name, data)
        _, quality = judge_photograph(picture, find(picture, None))
        found.append(photograph_of(name, hashlib.sha256(data).hexdigest(), quality))
    told = [[one.sha256, one.quality] for one in found]
    house._log("faces.judge", purpose.case_id, purpose, details={"photographs": told})
    return found
