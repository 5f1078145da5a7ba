"""Reading copies of face candidates: bystanders never to be recognised, the candidate by leave.

A candidate's face shows where somebody else approved the search, two people have read it and not
both exclude it. In every other copy, as in one of an urgent search that nobody has approved yet, it
is hidden like all others. Originals are untouched; each copy names its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from workbench.errors import N_, WorkbenchError
from workbench.investigation.face_readings import candidates_of
from workbench.investigation.face_requests import Asked, asked
from workbench.investigation.reading_copies import jpeg_of, reading_copy
from workbench.recognition.faces.search import FaceCandidate
from workbench.recognition.types import FaceFinder
from workbench.records import Box, Purpose
from workbench.store.faces import FaceBook, FaceVerdict

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

AROUND = 0.35
"""Of a candidate's face, shown around it on each side."""

Shown = Literal["face shown", "not approved", "not read by two", "excluded"]
SHOWN_WORDS: dict[Shown, str] = {
    "face shown": N_("the candidate's face is shown: approved, read by two, not excluded"),
    "not approved": N_("all faces are hidden: nobody has approved the search"),
    "not read by two": N_("all faces are hidden: two people have not read it"),
    "excluded": N_("all faces are hidden: both readers exclude it"),
}


@dataclass(frozen=True, slots=True)
class FaceCopy:
    """A reading copy (JPEG) of a candidate, by its number that tells nothing; or why there is none.

    ``made_of`` names the original and the instant.
    """

    request_id: str
    number: int
    shown: Shown
    made_of: str
    picture: bytes | None = None
    why: str = ""


def face_copies(
    house: Workbench, purpose: Purpose, finder: Callable[[], FaceFinder]
) -> Iterator[FaceCopy]:
    """Yield a reading copy of each candidate that a case's face searches keep; looks are logged.

    Whoever may not see the candidates of a request gets the refusal's sentence in their place.
    """
    book = FaceBook(house.root)
    for request_id in book.ids():
        one = asked(house, request_id)
        held = book.candidates(request_id) is not None
        if one.request.case_id != purpose.case_id or not one.standing.ran or not held:
            continue
        try:
            kept = candidates_of(house, request_id, purpose)
        except WorkbenchError as error:
            yield FaceCopy(request_id, 0, "not approved", "", why=error.sentence())
            continue
        for number, candidate in kept:
            shown = shown_of(one, number)
            made_of = f"{candidate.segment_sha256} pts {candidate.pts}"
            try:
                picture = _copy(house, purpose, candidate, finder, shown == "face shown")
                yield FaceCopy(request_id, number, shown, made_of, picture)
            except WorkbenchError as error:
                yield FaceCopy(request_id, number, shown, made_of, why=error.sentence())


def shown_of(one: Asked, number: int) -> Shown:
    """Return whether a candidate's own face may show in a copy that is handed on."""
    if one.standing.state not in ("approved", "expired"):
        return "not approved"
    if not one.standing.read:
        return "not read by two"
    verdicts = {reading.verdicts[number] for reading in one.standing.readings[:2]}
    return "excluded" if verdicts == {FaceVerdict.EXCLUDES} else "face shown"


def _copy(
    house: Workbench,
    purpose: Purpose,
    candidate: FaceCandidate,
    finder: Callable[[], FaceFinder],
    face_shown: bool,
) -> bytes:
    picture, face = house.still(candidate.segment_sha256, candidate.pts, purpose), candidate.face
    found = [one.box for one in finder()(picture, None)]
    if not face_shown:
        return jpeg_of(reading_copy(picture, Box(0, 0, 0, 0), [*found, face]))
    around = Box(
        face.x - AROUND * face.w, face.y - AROUND * face.h,
        (1 + 2 * AROUND) * face.w, (1 + 2 * AROUND) * face.h,
    )  # fmt: skip
    # what is hidden around a bystander may reach into the candidate's own face: so be it
    others = [one for one in found if not _is_it(one, face)]
    return jpeg_of(reading_copy(picture, around, others))


def _is_it(found: Box, face: Box) -> bool:
    """Return whether a face that was found is the candidate's: most of the smaller one is shared.

    >>> _is_it(Box(10, 10, 40, 40), Box(12, 12, 40, 40))
    True
    >>> _is_it(Box(45, 10, 40, 40), Box(12, 12, 40, 40))
    False
    """
    wide = min(found.x + found.w, face.x + face.w) - max(found.x, face.x)
    high = min(found.y + found.h, face.y + face.h) - max(found.y, face.y)
    smaller = min(found.w * found.h, face.w * face.h)
    return wide > 0 and high > 0 and wide * high > 0.5 * smaller
