"""Requests to compare faces: one person asks, another approves; all of it in events and the log.

What every verb of a face search needs is here, too. See `face_runs` and `face_readings`.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench import recognition
from workbench.cases import asking
from workbench.cases.asking import Standing
from workbench.errors import N_, BadInput, Refused
from workbench.investigation import people
from workbench.investigation.models import face_models
from workbench.recognition.faces.quality import FaceQuality
from workbench.recognition.faces.search import make_probe
from workbench.records import Purpose
from workbench.store.faces import EventKind, FaceBook, FacePhotograph, FaceRequest
from workbench.timeline import Span, format_utc

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

LENGTH = 10
"""Candidates a search keeps, whatever their scores: readers learn nothing from how many there are,
and a list without the person on it looks like one with them."""
_PHOTOGRAPH_BYTES = 20 << 20


@dataclass(frozen=True, slots=True)
class Asked:
    """A request and where it stands now."""

    request: FaceRequest
    standing: Standing


def ask_faces(
    house: Workbench,
    purpose: Purpose,
    photographs: Sequence[tuple[str, bytes]],
    *,
    cameras: Sequence[str],
    span: Span,
    days: int = 7,
    length: int = LENGTH,
    urgent: str = "",
    despite: str = "",
) -> FaceRequest:
    """Ask for leave to look for a person's face; nothing is searched by this.

    Parameters
    ----------
    photographs
        Name and bytes of image files, each of the one person, one face in each.
    cameras, span
        The only footage that may be looked at, inside the case's bounds.
    days
        How long leave will hold.
    urgent
        Why it cannot wait for approval; it may be run at once then, and what it finds is deleted
        after 48 hours unless somebody else has approved it.
    despite
        The reason for photographs that the gate refuses.

    Raises
    ------
    Refused
        Outside an open case and its bounds, in a case for training, while face search is off.
    BadInput
        Where bounds are missing, or a photograph cannot be used.
    """
    asking.check_request(days, length, cameras, len(photographs))
    with refusals(house, "faces.ask", purpose):
        must_be_on(house)
        case, allowed, period = people.authorise(
            house, purpose, "faces.ask", cameras=cameras, span=span
        )
        if case.training:
            raise Refused(
                N_("case {case_id} is for training: no face is compared for practice"),
                N_("use a case on real events, approved by somebody else"),
                case_id=case.case_id,
            )
    for camera_id in allowed:
        house.camera(camera_id)
    find = recognition.load_models(face_models(house)).find_faces
    probe = make_probe(
        [(name, picture_of(name, data)) for name, data in photographs], find, despite=despite
    )
    request_id = f"KM-{uuid.uuid4().hex[:10]}"
    book, kept = FaceBook(house.root), []
    for (name, data), (_, _, quality, _) in zip(photographs, probe.crops, strict=True):
        sha256 = hashlib.sha256(data).hexdigest()
        kept.append(photograph_of(name, sha256, quality))
        book.put_photograph(request_id, sha256, data)
    request = FaceRequest(
        request_id, case.case_id, house.actor, purpose.reason, tuple(allowed), period, days, length,
        house.now(), tuple(kept), probe.despite, urgent.strip(),
    )  # fmt: skip
    with book.changing():
        happened(house, request, "ask", asdict(request), told=_said(request))
    return request


def face_requests(house: Workbench, case_id: str = "") -> list[Asked]:
    """Return the requests of a case, or of all the actor works on, oldest first."""
    settle_faces(house)
    mine = {case.case_id for case in people.cases_of(house)}
    book = FaceBook(house.root)
    found = [asked(house, one) for one in book.ids()]
    return [
        one for one in found if one.request.case_id in mine and case_id in ("", one.request.case_id)
    ]


def approve_faces(house: Workbench, request_id: str, reason: str) -> Asked:
    """Give leave for a face search somebody else asked for.

    Where people are on the list of a root, only one who is on it as an approver can; and nobody can
    give leave to themselves, list or not.
    """
    return _decide(house, request_id, "approve", reason)


def refuse_faces(house: Workbench, request_id: str, reason: str) -> Asked:
    """Refuse a face search; what an urgent one has found is deleted."""
    return _decide(house, request_id, "refuse", reason)


def settle_faces(house: Workbench) -> list[str]:
    """Delete what urgent searches found that nobody approved in time; return the requests.

    Every verb here does so first; nothing of a lapsed request is shown in between.
    """
    book, lapsed = FaceBook(house.root), []
    for request_id in book.ids():
        with book.changing():
            one = asked(house, request_id)
            events = {event.kind for event in book.events(request_id)}
            if one.standing.state == "lapsed" and "lapse" not in events:
                happened(house, one.request, "lapse", {"until": format_utc(one.standing.until_ns)})
                lapsed.append(request_id)
            if one.standing.state in ("refused", "lapsed"):
                delete_found(house, one.request, one.standing.state)
    return lapsed


def switch_faces(house: Workbench, *, on: bool, reason: str) -> None:
    """Switch face search off for the whole root, or on again; a search under way ends with nothing.

    For operators and approvers, where people are on the list.
    """
    _must_have_reason(reason)
    house.allow("faces.switch")
    book = FaceBook(house.root)
    house._log("faces.switch", "on" if on else "off", details={"reason": reason})
    facts = {"by": house.actor, "at_ns": house.now(), "reason": reason}
    book.switch(None if on else facts)


def _decide(house: Workbench, request_id: str, kind: EventKind, reason: str) -> Asked:
    _must_have_reason(reason)
    settle_faces(house)
    book = FaceBook(house.root)
    request = book.request(request_id)
    purpose = Purpose(request.case_id, reason)
    with book.changing():
        with refusals(house, f"faces.{kind}", purpose):
            _must_approve(house, request)
            one = asked(house, request_id)
            asking.check_decision(request, one.standing, house.actor)
            if kind == "approve":
                must_be_on(house)
                case = house._store.case(request.case_id)
                if case.closed:
                    raise Refused(
                        N_("case {case_id} is closed"),
                        N_("choose an open case; to go on, open a new case that names this one"),
                        case_id=case.case_id,
                    )
        happened(house, request, kind, {"reason": reason}, purpose)
        if kind == "refuse":
            delete_found(house, request, "refused")
    return asked(house, request_id)


def _must_approve(house: Workbench, request: FaceRequest) -> None:
    people.must_be_listed(house)
    people.may(house, "faces.approve", house._store.case(request.case_id), request.cameras)


def asked(house: Workbench, request_id: str) -> Asked:
    """Return a request and where it stands now."""
    book = FaceBook(house.root)
    request = book.request(request_id)
    return Asked(request, asking.standing(request, book.events(request_id), house.now()))


def happened(
    house: Workbench,
    request: FaceRequest,
    kind: EventKind,
    facts: Mapping[str, Any],
    purpose: Purpose | None = None,
    *,
    told: Mapping[str, Any] | None = None,
) -> None:
    """Add an event to a request."""
    purpose = purpose or Purpose(request.case_id, request.purpose)
    write_event(
        house, FaceBook(house.root), request.request_id, "faces", kind, facts, purpose, told=told
    )


def write_event(
    house: Workbench,
    book: FaceBook,
    request_id: str,
    act: str,
    kind: EventKind,
    facts: Mapping[str, Any],
    purpose: Purpose,
    *,
    told: Mapping[str, Any] | None = None,
) -> None:
    """Add an event of a book: the log first, which says its hash; verify shows a crash between.

    Parameters
    ----------
    act
        What the log calls it, before the kind of event.
    told
        What the log tells of it, where that is less than the facts.
    """
    event = book.next(request_id, kind, house.now(), house.actor, facts)
    details = {**(facts if told is None else told), "event": event.sha256}
    house._log(f"{act}.{kind}", request_id, purpose, details=details)
    book.add(request_id, event)


def delete_found(house: Workbench, request: FaceRequest, why: str) -> None:
    """Delete what a search found; the events and the log keep how many, and why it went."""
    book = FaceBook(house.root)
    text = book.candidates(request.request_id)
    if text is None:
        return
    if not any(
        event.kind == "delete" and "candidates" in event.facts
        for event in book.events(request.request_id)
    ):
        facts = {
            "why": why,
            "candidates": len(json.loads(text)),
            "candidates_sha256": hashlib.sha256(text).hexdigest(),
        }
        happened(house, request, "delete", facts)
    book.delete_candidates(request.request_id)


def delete_photographs(house: Workbench, request: FaceRequest, why: str) -> None:
    """Delete the photographs of a request; its events and the log keep how many, and why."""
    book = FaceBook(house.root)
    count = book.photographs(request.request_id)
    if count and not are_photographs_gone(book, request.request_id):
        happened(house, request, "delete", {"why": why, "photographs": count})
    book.drop_photographs(request.request_id)


def are_photographs_gone(book: FaceBook, request_id: str) -> bool:
    """Tell whether the photographs of a request were deleted when its case's days were over."""
    return any(
        event.kind == "delete" and "photographs" in event.facts for event in book.events(request_id)
    )


@contextmanager
def refusals(
    house: Workbench, action: str, purpose: Purpose, details: Mapping[str, Any] | None = None
) -> Iterator[None]:
    """Log a refusal under an act, and let it go on."""
    try:
        yield
    except Refused as refusal:
        house._log(f"{action}.refused", refusal.sentence(), purpose, details=details)
        raise


def must_be_on(house: Workbench) -> None:
    """Raise Refused while face search is switched off for the root."""
    off = FaceBook(house.root).switched_off()
    if off is not None:
        raise Refused(
            N_("face search was switched off by {by}: {reason}"),
            N_("ask an approver or operator"),
            by=off.get("by", "?"),
            reason=off.get("reason", ""),
        )


def _must_have_reason(reason: str) -> None:
    if not any(sign.isalnum() for sign in reason):
        raise BadInput(N_("a reason is missing"), N_("say why, in words"), where="--reason")


def photograph_of(name: str, sha256: str, quality: FaceQuality) -> FacePhotograph:
    """Return a photograph with what the gate says of it."""
    remarks = tuple(reason.sentence() for reason in quality.reasons)
    return FacePhotograph(name[:120], sha256, quality.verdict, remarks, quality.reasons)


def picture_of(name: str, data: bytes) -> NDArray[np.uint8]:
    """Return an image file as RGB; BadInput where it is none."""
    bgr = None
    if 0 < len(data) <= _PHOTOGRAPH_BYTES:
        bgr = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise BadInput(
            N_("this is no photograph of up to 20 MB"), N_("give a JPEG or PNG file"), where=name
        )
    return np.ascontiguousarray(bgr[:, :, ::-1])


def _said(request: FaceRequest) -> dict[str, Any]:
    return {
        "cameras": list(request.cameras),
        "from": format_utc(request.period.start_ns),
        "to": format_utc(request.period.stop_ns),
        "days": request.days,
        "urgent": request.urgent,
        "despite": request.despite,
        "photographs": [[one.sha256, one.quality] for one in request.photographs],
    }
