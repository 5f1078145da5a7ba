"""A lookout for a face: where it stands, what it allows, who may decide on it and read. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from workbench.cases.asking import READERS, one_name
from workbench.cases.faces import authorise_faces
from workbench.cases.lookouts import LONGEST_DAYS, why_over
from workbench.errors import N_, BadInput, Refused
from workbench.records import URGENT_NS, Case, FaceAuthority
from workbench.store.face_lookouts import FaceLookout
from workbench.store.faces import FaceEvent, FaceVerdict
from workbench.timeline import SECOND_NS, Span

LookoutState = Literal["asked", "approved", "refused", "lapsed", "ended"]
MOST_CAMERAS = 20
"""More would be the ward, not a place where somebody is expected."""

LOOKOUT_WORDS: Mapping[LookoutState, str] = {
    "asked": N_("waits for approval"),
    "approved": N_("approved"),
    "refused": N_("refused"),
    "lapsed": N_("nobody approved it in time"),
    "ended": N_("ended"),
}


@dataclass(frozen=True, slots=True)
class LookoutReading:
    """What one reader said of one candidate."""

    reader: str
    at_ns: int
    verdict: FaceVerdict
    note: str = ""


@dataclass(frozen=True, slots=True)
class LookoutStanding:
    """Where a lookout for a face stands at an instant.

    ``approver`` decided on it, empty while nobody has. ``until_ns`` is when it ends by itself.
    ``over`` says that nothing is looked out for any more. ``candidates`` are the ids of what it
    found, oldest first, with their readings; ``gone`` those of them that were deleted.
    """

    state: LookoutState
    approver: str
    until_ns: int
    over: bool
    candidates: Mapping[str, tuple[LookoutReading, ...]]
    gone: frozenset[str]

    def read(self, candidate_id: str) -> bool:
        """Return whether both readers have read a candidate, or nobody will any more."""
        readings = self.candidates.get(candidate_id, ())
        return len(readings) >= READERS or (self.over and bool(readings))


def standing(
    one: FaceLookout, events: Sequence[FaceEvent], now_ns: int, case: Case | None = None
) -> LookoutStanding:
    """Return where a lookout stands now, from what happened to it and to its case."""
    by_kind = {event.kind: event for event in events}
    readings: dict[str, tuple[LookoutReading, ...]] = {}
    for event in events:
        facts = event.facts
        if event.kind == "candidate":
            readings[str(facts["candidate"])] = ()
        elif event.kind == "read":
            verdict = FaceVerdict(facts["verdict"])
            said = LookoutReading(event.actor, event.at_ns, verdict, facts.get("note", ""))
            readings[str(facts["candidate"])] += (said,)
    approved = by_kind.get("approve")
    until_ns = one.until_ns
    if approved is None and one.urgent:
        until_ns = min(until_ns, one.asked_at_ns + URGENT_NS)
    state: LookoutState
    approver = approved.actor if approved else ""
    if "refuse" in by_kind:
        state, approver = "refused", by_kind["refuse"].actor
    elif "end" in by_kind:
        state = "ended"
    elif approved is None:
        state = "lapsed" if "lapse" in by_kind or now_ns >= until_ns else "asked"
    else:
        state = "ended" if now_ns >= until_ns else "approved"
    if case is not None and state in ("asked", "approved") and why_over(one, case, now_ns):
        state = "ended" if approved else "lapsed"
    gone = [name for event in events for name in event.facts.get("deleted", ())]
    over = state in ("refused", "lapsed", "ended")
    return LookoutStanding(state, approver, until_ns, over, readings, frozenset(gone))


def authority_of(
    one: FaceLookout, now: LookoutStanding, events: Sequence[FaceEvent], case: Case, now_ns: int
) -> FaceAuthority:
    """Return the leave that a lookout gives now, inside its case.

    Raises
    ------
    Refused
        Where it gives none.
    """
    approved = next((event for event in events if event.kind == "approve"), None)
    if now.over or (approved is None and not one.urgent):
        raise Refused(
            N_("nobody has given leave for lookout {lookout}, or it is over"),
            N_("have somebody else approve it"),
            lookout=one.lookout_id,
        )
    begun_ns = one.asked_at_ns if approved is None else approved.at_ns
    if one.urgent:  # what it found before somebody approved it stays where it is approved
        begun_ns = one.asked_at_ns
    leave = FaceAuthority(
        one.case_id, one.requester, now.approver, one.purpose, one.cameras,
        Span(begun_ns, now.until_ns), begun_ns, now.until_ns, urgent=not now.approver,
    )  # fmt: skip
    return authorise_faces(
        case, leave, actor=one.requester, cameras=one.cameras, span=leave.period, now_ns=now_ns
    )


def check_asked(
    cameras: Sequence[str], until_ns: int, now_ns: int, photographs: int, case: Case
) -> None:
    """Raise where a lookout for a face would be unbounded, or for practice.

    Raises
    ------
    BadInput
        When it names no photographs, or too many.
    Refused
        When it names no cameras, or too many, no end to come or one too far, in a training case.
    """
    if case.training:
        raise Refused(
            N_("case {case_id} is for training: no face is compared for practice"),
            N_("use a case on real events, approved by somebody else"),
            case_id=case.case_id,
        )
    if not cameras:
        raise Refused(N_("a lookout names its cameras"), N_("name those of the case it needs"))
    if len(cameras) > MOST_CAMERAS:
        raise Refused(
            N_("a face is looked out for on {most} cameras at most"),
            N_("name those where the person may pass"),
            most=MOST_CAMERAS,
        )
    if until_ns <= now_ns:
        raise Refused(N_("a lookout needs an end that is still to come"), N_("say until when"))
    if until_ns - now_ns > LONGEST_DAYS * 86_400 * SECOND_NS:
        raise Refused(
            N_("a lookout ends within {days} days"),
            N_("ask for a shorter one; it can be asked for again"),
            days=LONGEST_DAYS,
        )
    if not 1 <= photographs <= 8:
        raise BadInput(
            N_("a face is looked out for with one to eight photographs of one person"),
            N_("give them"),
        )


def check_decision(one: FaceLookout, now: LookoutStanding, actor: str) -> None:
    """Return when `actor` may approve or refuse a lookout now; raise Refused otherwise."""
    if one_name(actor) == one_name(one.requester):
        raise Refused(
            N_("{name} asked for this lookout and cannot decide on it"),
            N_("have somebody else decide"),
            name=actor,
        )
    if now.state != "asked":
        raise Refused(
            N_("lookout {lookout} is decided already, or over"),
            N_("ask anew, where it is still needed"),
            lookout=one.lookout_id,
        )


def check_reading(
    one: FaceLookout, now: LookoutStanding, candidate_id: str, actor: str, verdict: str
) -> FaceVerdict:
    """Return a verdict as it is to be kept, by somebody who has not read this candidate.

    Raises
    ------
    Refused
        Where this person, or two others, have read it, or its photographs are gone.
    BadInput
        Where there is no such candidate, or the verdict is none of the scale.
    """
    if candidate_id not in now.candidates or candidate_id in now.gone:
        raise BadInput(
            N_("lookout {lookout} has no candidate {candidate}"),
            N_("see which there are: workbench lookout hits ROOT"),
            lookout=one.lookout_id,
            candidate=candidate_id[:40],
        )
    if now.over:
        raise Refused(
            N_(
                "lookout {lookout} is over and its photographs are deleted: nothing can be compared"
            ),
            N_("ask anew, where it is still needed"),
            lookout=one.lookout_id,
        )
    readings = now.candidates[candidate_id]
    if any(one_name(actor) == one_name(each.reader) for each in readings):
        raise Refused(
            N_("{name} has read candidate {candidate} already"),
            N_("the second reader is somebody else"),
            name=actor,
            candidate=candidate_id,
        )
    if len(readings) >= READERS:
        raise Refused(
            N_("two people have read candidate {candidate}"),
            N_("their verdicts stand as they are"),
            candidate=candidate_id,
        )
    if verdict not in set(FaceVerdict):
        raise BadInput(
            N_("'{word}' is no verdict"),
            N_("choose of {words}"),
            word=verdict[:40],
            words=", ".join(FaceVerdict),
        )
    return FaceVerdict(verdict)
