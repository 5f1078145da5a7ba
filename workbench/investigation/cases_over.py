"""What closed cases hold beside footage, and how it goes once the days of their category are over.

Footage and sightings are let go by retention. Candidates of face searches lie with their request:
they are deleted here, with a record; the log and the events keep counts.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from workbench.investigation.face_requests import delete_found
from workbench.store.categories import holds_now, kept_until_ns, read_case_days
from workbench.store.faces import FaceBook

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench


@dataclass(frozen=True, slots=True)
class CandidatesOver:
    """Candidates of a face search whose case holds them no longer: since when (UTC), how many."""

    request_id: str
    case_id: str
    category: str
    since_ns: int
    candidates: int


def candidates_over(house: Workbench) -> list[CandidatesOver]:
    """Return the face candidates that closed cases hold no longer; nothing is deleted.

    Those of a closed case without a category stay: nobody said how long.

    Raises
    ------
    BadInput
        Where ``retention.toml`` cannot be used: nobody knows how long then.
    """
    book, found = FaceBook(house.root), []
    days = read_case_days(house.root / "retention.toml")
    cases = {one.case_id: one for one in house.cases() if one.closed and one.category}
    for request_id in book.ids() if cases else ():
        case = cases.get(book.request(request_id).case_id)
        if case is None or holds_now(case, house.now(), days):
            continue
        text = book.candidates(request_id)
        if text is not None:
            since_ns = kept_until_ns(case, days) or case.closed_at_ns
            count = len(json.loads(text))
            found.append(CandidatesOver(request_id, case.case_id, case.category, since_ns, count))
    return found


def end_candidates(house: Workbench) -> list[CandidatesOver]:
    """Delete the face candidates that closed cases hold no longer; return what went."""
    found, book = candidates_over(house), FaceBook(house.root)
    for one in found:
        with book.changing():
            why = f"the days of category {one.category} are over"
            delete_found(house, book.request(one.request_id), why)
    return found
