"""What closed cases hold beside footage, and how it goes once the days of their category are over.

Footage and sightings are let go by retention. Candidates of face searches and lookouts for a face,
and the photographs searched with, lie with their request: they are deleted here, with a record; the
log and the events keep counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.investigation.face_lookouts import drop_read, read_of
from workbench.investigation.face_requests import delete_found, delete_photographs
from workbench.store.categories import holds_now, kept_until_ns, read_case_days
from workbench.store.face_lookouts import FaceLookoutBook
from workbench.store.faces import FaceBook

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench
    from workbench.records import Case


@dataclass(frozen=True, slots=True)
class CandidatesOver:
    """Candidates, and photographs, whose case holds them no longer: since when (UTC), how many.

    ``request_id`` is of the face search, or the lookout for a face, that found them.
    """

    request_id: str
    case_id: str
    category: str
    since_ns: int
    candidates: int
    photographs: int = 0


def candidates_over(house: Workbench) -> list[CandidatesOver]:
    """Return the candidates and photographs that closed cases hold no longer; nothing is deleted.

    Those of a closed case without a category stay: nobody said how long.

    Raises
    ------
    BadInput
        Where ``retention.toml`` cannot be used: nobody knows how long then.
    """
    days = read_case_days(house.root / "retention.toml")
    over = {
        one.case_id: one
        for one in house.cases()
        if one.closed and one.category and not holds_now(one, house.now(), days)
    }

    def of(request_id: str, case: Case, *counts: int) -> CandidatesOver:
        since_ns = kept_until_ns(case, days) or case.closed_at_ns
        return CandidatesOver(request_id, case.case_id, case.category, since_ns, *counts)

    searches, lookouts, found = FaceBook(house.root), FaceLookoutBook(house.root), []
    for request_id in searches.ids() if over else ():
        case = over.get(searches.request(request_id).case_id)
        counts = (
            len(json.loads(searches.candidates(request_id) or b"[]")),
            searches.photographs(request_id),
        )
        if case is not None and any(counts):
            found.append(of(request_id, case, *counts))
    for lookout_id in lookouts.ids() if over else ():
        case = over.get(lookouts.lookout(lookout_id).case_id)
        if case is not None and (kept := read_of(house, lookout_id)):
            found.append(of(lookout_id, case, len(kept)))
    return found


def end_candidates(house: Workbench) -> list[CandidatesOver]:
    """Delete the candidates and photographs that closed cases hold no longer; return what went."""
    found, book = candidates_over(house), FaceBook(house.root)
    for one in found:
        why = f"the days of category {one.category} are over"
        with book.changing():
            if one.request_id.startswith(FaceLookoutBook.prefix):
                drop_read(house, one.request_id, why)
            else:
                delete_found(house, book.request(one.request_id), why)
                delete_photographs(house, book.request(one.request_id), why)
    return found
