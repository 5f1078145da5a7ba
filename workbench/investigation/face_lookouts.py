"""Lookouts for a face: asked for, approved by somebody else, off for a root until it is allowed.

Nothing is looked out for unless the root allows it, one person asked, another approved (or it is
urgent: 48 hours), and the case is followed. At its end the photographs are deleted, and what nobody
has read with them: it could not be compared any more. What was read stays with the case.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from workbench import recognition
from workbench.cases import face_lookouts as rules
from workbench.cases.face_lookouts import LookoutStanding
from workbench.cases.lookouts import why_over
from workbench.errors import N_, BadInput, Refused, WorkbenchError
from workbench.investigation import people
from workbench.investigation.face_requests import (
    must_be_on,
    photograph_of,
    picture_of,
    refusals,
    write_event,
)
from workbench.investigation.models import face_models
from workbench.recognition.faces.search import make_probe
from workbench.records import Case, Purpose
from workbench.store.face_lookouts import FaceLookout, FaceLookoutBook, FaceLookoutsOn
from workbench.store.faces import EventKind
from workbench.store.lookouts import Lookouts
from workbench.timeline import Span, format_utc

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

ACT = "lookout.face"


@dataclass(frozen=True, slots=True)
class AskedLookout:
    """A lookout for a face and where it stands now."""

    lookout: FaceLookout
    standing: LookoutStanding


def ask_face_lookout(
    house: Workbench,
    purpose: Purpose,
    photographs: Sequence[tuple[str, bytes]],
    *,
    cameras: Sequence[str],
    until_ns: int,
    urgent: str = "",
    despite: str = "",
) -> FaceLookout:
    """Ask that a face be looked out for on cameras of a case until an instant (UTC).

    It finds nothing before somebody else has approved it; an urgent one begins at once, and all it
    found is deleted after 48 hours unless somebody else has approved it by then.

    Parameters
    ----------
    photographs
        Name and bytes of image files, each of the one person, one face in each.
    urgent
        Why it cannot wait; empty where it can.
    despite
        The reason for photographs that the gate refuses.

    Raises
    ------
    Refused
        Outside an open case and its bounds, unbounded, and where the root does not allow it.
    BadInput
        Where a photograph cannot be used.
    """
    asked_ns = house.now()
    named = tuple(dict.fromkeys(cameras))
    for camera_id in named:
        house.camera(camera_id)
    span = Span(asked_ns, max(asked_ns + 1, until_ns))
    case, _, _ = house._authorise(purpose, f"{ACT}.ask", cameras=named or None, span=span)
    try:
        must_be_allowed(house)
        rules.check_asked(named, until_ns, asked_ns, len(photographs), case)
    except WorkbenchError as refusal:
        house._log(f"{ACT}.ask.refused", refusal.sentence(), purpose)
        raise
    find = recognition.load_models(face_models(house)).find_faces
    given = [(name, picture_of(name, data)) for name, data in photographs]
    probe = make_probe(given, find, despite=despite)
    lookout_id = f"CM-{uuid.uuid4().hex[:10]}"
    book, kept = FaceLookoutBook(house.root), []
    for (name, data), (_, _, quality, _) in zip(photographs, probe.crops, strict=True):
        sha256 = hashlib.sha256(data).hexdigest()
        kept.append(photograph_of(name, sha256, quality))
        book.put_photograph(lookout_id, sha256, data)
    one = FaceLookout(
        lookout_id, case.case_id, house.actor, purpose.reason, named, asked_ns, until_ns,
        tuple(kept), probe.despite, urgent.strip(),
    )  # fmt: skip
    with book.changing():
        lookout_happened(house, one, "ask", asdict(one), told=_said(one))
    return one


def approve_face_lookout(house: Workbench, lookout_id: str, purpose: Purpose) -> AskedLookout:
    """Give leave for a lookout that somebody else asked for; from now on it finds."""
    return _decide(house, lookout_id, "approve", purpose)


def refuse_face_lookout(house: Workbench, lookout_id: str, purpose: Purpose) -> AskedLookout:
    """Refuse a lookout: its photographs go, and all that an urgent one has found."""
    return _decide(house, lookout_id, "refuse", purpose)


def end_face_lookout(house: Workbench, lookout_id: str, purpose: Purpose) -> AskedLookout:
    """End a lookout before its time; what nobody has read goes with its photographs."""
    one, case = _of_case(house, lookout_id, purpose, "end")
    with FaceLookoutBook(house.root).changing():
        now = asked_lookout(house, one.lookout_id, case).standing
        if now.over:
            raise Refused(
                N_("lookout {lookout} is over"),
                N_("see which there are: workbench lookout list ROOT"),
                lookout=one.lookout_id,
            )
        _over(house, one, now, "end", purpose.reason, purpose)
    return asked_lookout(house, one.lookout_id, case)


def list_face_lookouts(house: Workbench, purpose: Purpose) -> list[AskedLookout]:
    """Return the lookouts for a face of a case, newest first; those that are over end."""
    case, _, _ = house._authorise(purpose, f"{ACT}.list")
    settle_face_lookouts(house)
    found = [
        asked_lookout(house, one.lookout_id, case) for one in reversed(_of(house, case.case_id))
    ]
    house._log(f"{ACT}.list", case.case_id, purpose, details={"lookouts": len(found)})
    return found


def face_lookouts_mark(house: Workbench, case_id: str) -> int:
    """Return a number that changes when something happens to a lookout of a case; not logged."""
    book = FaceLookoutBook(house.root)
    mine = {one.lookout_id for one in _of(house, case_id)}
    return hash(tuple(one for one in book.mark() if one[0] in mine))


def face_lookouts_on(house: Workbench) -> FaceLookoutsOn:
    """Return whether this root allows lookouts for faces, who said so and why."""
    return FaceLookoutBook(house.root).on()


def allow_face_lookouts(house: Workbench, on: bool, reason: str) -> FaceLookoutsOn:
    """Allow lookouts for faces on this root, or no longer: then all of them stop at once.

    For operators and approvers, where people are on the list.
    """
    house.allow(f"{ACT}.switch")
    if not any(sign.isalnum() for sign in reason):
        raise BadInput(N_("a reason is missing"), N_("say why in words"), where="--reason")
    said = FaceLookoutsOn(on, house.actor, house.now(), reason[:500])
    details = {"reason": said.reason}
    house._log(f"{ACT}.on" if on else f"{ACT}.off", "lookouts for faces", details=details)
    FaceLookoutBook(house.root).put_on(asdict(said))
    return said


def settle_face_lookouts(house: Workbench) -> list[str]:
    """End the lookouts whose time, leave or case is over; return them.

    Every verb here does so first, and each second of a following.
    """
    book, ended = FaceLookoutBook(house.root), []
    for lookout_id in book.with_photographs():
        with book.changing():
            one = book.lookout(lookout_id)
            case = house._store.case(one.case_id)
            kinds = {event.kind for event in book.events(lookout_id)}
            now = asked_lookout(house, lookout_id, case).standing
            if now.over and not kinds & {"end", "refuse", "lapse"}:
                why = why_over(one, case, house.now()) or "nobody approved it in time"
                _over(house, one, now, "end" if now.state == "ended" else "lapse", why)
                ended.append(lookout_id)
            elif now.over:
                _purge(house, one, now)
    return ended


def read_of(house: Workbench, lookout_id: str) -> list[str]:
    """Return the candidates that a lookout has left behind: read by somebody, kept with the case.

    None while it is not over: :func:`settle_face_lookouts` comes first.
    """
    book = FaceLookoutBook(house.root)
    one = book.lookout(lookout_id)
    now = asked_lookout(house, lookout_id, house._store.case(one.case_id)).standing
    if not now.over or lookout_id in book.with_photographs():
        return []
    return [name for name in now.candidates if book.candidate(lookout_id, name) is not None]


def drop_read(house: Workbench, lookout_id: str, why: str) -> None:
    """Delete what a lookout has left behind; the events and the log keep which, and why it went."""
    book = FaceLookoutBook(house.root)
    one, names = book.lookout(lookout_id), read_of(house, lookout_id)
    now = asked_lookout(house, lookout_id, house._store.case(one.case_id)).standing
    if fresh := [name for name in names if name not in now.gone]:
        lookout_happened(house, one, "delete", {"why": why, "deleted": fresh})
    for name in names:
        book.drop_candidate(lookout_id, name)


def must_be_allowed(house: Workbench) -> None:
    """Raise Refused while this root allows no lookouts for faces, or either switch is off."""
    must_be_on(house)
    switch = Lookouts(house.root).switch()
    if not switch.on:
        raise Refused(
            N_("lookouts were switched off by {by}: {reason}"),
            N_("ask an approver or operator"),
            by=switch.by or "?",
            reason=switch.reason,
        )
    if not FaceLookoutBook(house.root).on().on:
        raise Refused(
            N_("lookouts for faces are off on this root"),
            N_("an approver or operator allows them: workbench lookout faces ROOT on"),
        )


def asked_lookout(house: Workbench, lookout_id: str, case: Case) -> AskedLookout:
    """Return a lookout and where it stands now."""
    book = FaceLookoutBook(house.root)
    one = book.lookout(lookout_id)
    return AskedLookout(one, rules.standing(one, book.events(lookout_id), house.now(), case))


def lookout_happened(
    house: Workbench,
    one: FaceLookout,
    kind: EventKind,
    facts: Mapping[str, Any],
    purpose: Purpose | None = None,
    *,
    told: Mapping[str, Any] | None = None,
) -> None:
    """Add an event to a lookout."""
    purpose = purpose or Purpose(one.case_id, one.purpose)
    book = FaceLookoutBook(house.root)
    write_event(house, book, one.lookout_id, ACT, kind, facts, purpose, told=told)


def _decide(house: Workbench, lookout_id: str, kind: EventKind, purpose: Purpose) -> AskedLookout:
    one, case = _of_case(house, lookout_id, purpose, kind)
    with FaceLookoutBook(house.root).changing():
        with refusals(house, f"{ACT}.{kind}", purpose):
            people.must_be_listed(house)
            people.may(house, f"{ACT}.approve", case, one.cameras)
            now = asked_lookout(house, one.lookout_id, case).standing
            rules.check_decision(one, now, house.actor)
            if kind == "approve":
                must_be_allowed(house)
        if kind == "approve":
            lookout_happened(house, one, "approve", {"reason": purpose.reason}, purpose)
        else:
            _over(house, one, now, "refuse", purpose.reason, purpose)
    return asked_lookout(house, one.lookout_id, case)


def _over(
    house: Workbench,
    one: FaceLookout,
    now: LookoutStanding,
    kind: EventKind,
    why: str,
    purpose: Purpose | None = None,
) -> None:
    """Say that a lookout is over and what goes with it, then let it go."""
    left = [name for name in now.candidates if name not in now.gone]
    kept = [name for name in left if now.candidates[name]] if now.approver else []
    if kind != "end":
        kept = []  # there never was leave for what it found
    facts = {
        "why": why, "photographs": len(one.photographs), "kept": kept,
        "deleted": [name for name in left if name not in kept],
    }  # fmt: skip
    lookout_happened(house, one, kind, facts, purpose)
    _purge(
        house, one, asked_lookout(house, one.lookout_id, house._store.case(one.case_id)).standing
    )


def _purge(house: Workbench, one: FaceLookout, now: LookoutStanding) -> None:
    book = FaceLookoutBook(house.root)
    for name in now.gone:
        book.drop_candidate(one.lookout_id, name)
    book.drop_photographs(one.lookout_id)  # last: while they are there, this is done again


def _of(house: Workbench, case_id: str) -> list[FaceLookout]:
    book = FaceLookoutBook(house.root)
    return [one for one in map(book.lookout, book.ids()) if one.case_id == case_id]


def _of_case(
    house: Workbench, lookout_id: str, purpose: Purpose, act: str
) -> tuple[FaceLookout, Case]:
    allowed = "approve" if act == "refuse" else act
    case, _, _ = house._authorise(purpose, f"{ACT}.{allowed}")
    settle_face_lookouts(house)
    one = FaceLookoutBook(house.root).lookout(lookout_id)
    if one.case_id != case.case_id:
        with refusals(house, f"{ACT}.{act}", purpose):
            raise Refused(
                N_("lookout {lookout} belongs to another case than {case}"),
                N_("name its own case"),
                lookout=one.lookout_id,
                case=case.case_id,
            )
    return one, case


def _said(one: FaceLookout) -> dict[str, Any]:
    return {
        "cameras": list(one.cameras),
        "until": format_utc(one.until_ns),
        "urgent": one.urgent,
        "despite": one.despite,
        "photographs": [[each.sha256, each.quality] for each in one.photographs],
    }


def facts_of(text: bytes) -> dict[str, Any]:
    """Return the facts of a candidate as they were kept."""
    facts: dict[str, Any] = json.loads(text)
    return facts
