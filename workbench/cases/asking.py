"""A request to compare faces: where it stands, what it allows, and who may read what. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from workbench.errors import N_, BadInput, Refused
from workbench.records import URGENT_NS, FaceAuthority
from workbench.store.faces import FaceEvent, FaceRequest, FaceVerdict
from workbench.timeline import SECOND_NS

READERS = 2
MOST_DAYS = 30
LONGEST_LIST = 50
DAY_NS = 24 * 3600 * SECOND_NS

State = Literal["asked", "approved", "refused", "lapsed", "expired"]

STATE_WORDS: Mapping[State, str] = {
    "asked": N_("waits for approval"),
    "approved": N_("approved"),
    "refused": N_("refused"),
    "lapsed": N_("nobody approved it in time"),
    "expired": N_("its approval has ended"),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """What one reader said of every candidate, by its number on the sheet."""

    reader: str
    at_ns: int
    verdicts: Mapping[int, FaceVerdict]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a request stands at an instant.

    ``approver`` decided on it, empty while nobody has. ``until_ns`` is when it ends by itself.
    ``ran`` and ``deleted`` say whether it was searched and whether what was found is gone.
    """

    state: State
    approver: str
    until_ns: int
    ran: bool
    deleted: bool
    readings: tuple[Reading, ...]

    @property
    def read(self) -> bool:
        """Whether both readers have read: scores may be shown."""
        return len(self.readings) >= READERS


def standing(request: FaceRequest, events: Sequence[FaceEvent], now_ns: int) -> Standing:
    """Return where a request stands now, from what happened to it."""
    by_kind = {event.kind: event for event in events}
    readings = tuple(_reading(event) for event in events if event.kind == "read")
    state: State
    until_ns = request.asked_at_ns + (URGENT_NS if request.urgent else request.days * DAY_NS)
    approver = ""
    if "refuse" in by_kind:
        state, approver = "refused", by_kind["refuse"].actor
    elif "approve" in by_kind:
        approved = by_kind["approve"]
        until_ns, approver = approved.at_ns + request.days * DAY_NS, approved.actor
        state = "approved" if now_ns < until_ns else "expired"
    else:
        state = "lapsed" if "lapse" in by_kind or now_ns >= until_ns else "asked"
    return Standing(state, approver, until_ns, "run" in by_kind, "delete" in by_kind, readings)


def authority_of(request: FaceRequest, now: Standing) -> FaceAuthority:
    """Return the leave that a request gives now; whether it covers a search is asked of it.

    Raises
    ------
    Refused
        Where it gives none.
    """
    if now.state == "approved":
        begun_ns = now.until_ns - request.days * DAY_NS
        return _leave(request, now.approver, begun_ns, now.until_ns)
    if now.state == "asked" and request.urgent:
        return _leave(request, "", request.asked_at_ns, now.until_ns)
    sentences = {
        "asked": N_("face request {request} waits for approval"),
        "refused": N_("face request {request} was refused"),
        "lapsed": N_("nobody approved face request {request} in time"),
        "expired": N_("the approval of face request {request} has ended"),
    }
    raise Refused(
        sentences[now.state],
        N_("have somebody else approve it")
        if now.state == "asked"
        else N_("ask anew, where it is still needed"),
        request=request.request_id,
    )


def check_decision(request: FaceRequest, now: Standing, actor: str) -> None:
    """Return when `actor` may approve or refuse a request now; raise Refused otherwise."""
    if one_name(actor) == one_name(request.requester):
        raise Refused(
            N_("{name} asked for this face search and cannot decide on it"),
            N_("have somebody else decide"),
            name=actor,
        )
    if now.state != "asked":
        raise Refused(
            N_("face request {request} is decided already, or over"),
            N_("ask anew, where it is still needed"),
            request=request.request_id,
        )


def check_request(days: int, length: int, cameras: Sequence[str], photographs: int) -> None:
    """Raise BadInput where a request names no bounds, or ones that are none."""
    if not cameras:
        raise BadInput(
            N_("a face search needs cameras, named one by one"),
            N_("name those where the person may have passed"),
        )
    if not 1 <= days <= MOST_DAYS:
        raise BadInput(
            N_("leave for a face search holds 1 to {most} days"), N_("give days"), most=MOST_DAYS
        )
    if not 1 <= length <= LONGEST_LIST:
        raise BadInput(
            N_("a list of candidates holds 1 to {most}"), N_("give a length"), most=LONGEST_LIST
        )
    if not 1 <= photographs <= 8:
        raise BadInput(
            N_("a face search takes one to eight photographs of one person"), N_("give them")
        )


def blind_order(request_id: str, sighting_ids: Sequence[str]) -> list[int]:
    """Return in which order candidates lie before readers: fixed, and telling nothing of rank.

    >>> blind_order("KM-0000000001", ["a", "b", "c"])
    [2, 0, 1]
    """

    def key(number: int) -> str:
        return hashlib.sha256(f"{request_id} {sighting_ids[number]}".encode()).hexdigest()

    return sorted(range(len(sighting_ids)), key=key)


def check_reading(
    request: FaceRequest, now: Standing, actor: str, verdicts: Mapping[int, str], candidates: int
) -> dict[int, FaceVerdict]:
    """Return a reading as it is to be kept: every candidate once, by somebody who has not read.

    Raises
    ------
    Refused
        Where this person has read already, or two others have.
    BadInput
        Where a candidate is missing, or a verdict is none of the scale.
    """
    if any(one_name(actor) == one_name(one.reader) for one in now.readings):
        raise Refused(
            N_("{name} has read the candidates of {request} already"),
            N_("the second reader is somebody else"),
            name=actor,
            request=request.request_id,
        )
    if now.read:
        raise Refused(
            N_("two people have read the candidates of {request}"),
            N_("their verdicts stand as they are"),
            request=request.request_id,
        )
    missing = sorted(set(range(1, candidates + 1)) - set(verdicts))
    beyond = sorted(set(verdicts) - set(range(1, candidates + 1)))
    if missing or beyond:
        raise BadInput(
            N_("a reading says something of each candidate once: numbers {numbers} do not fit"),
            N_("give a verdict for 1 to {count}"),
            numbers=", ".join(map(str, [*missing, *beyond][:10])),
            count=candidates,
        )
    unknown = [word for word in verdicts.values() if word not in set(FaceVerdict)]
    if unknown:
        raise BadInput(
            N_("'{word}' is no verdict"),
            N_("choose of {words}"),
            word=unknown[0][:40],
            words=", ".join(FaceVerdict),
        )
    return {number: FaceVerdict(word) for number, word in sorted(verdicts.items())}


def one_name(name: str) -> str:
    """Return a name as two writings of it are compared."""
    return " ".join(name.split()).casefold()


def _leave(request: FaceRequest, approver: str, from_ns: int, until_ns: int) -> FaceAuthority:
    return FaceAuthority(
        request.case_id, request.requester, approver, request.purpose, request.cameras,
        request.period, from_ns, until_ns, urgent=not approver,
    )  # fmt: skip


def _reading(event: FaceEvent) -> Reading:
    verdicts = {int(n): FaceVerdict(word) for n, word in event.facts["verdicts"].items()}
    return Reading(event.actor, event.at_ns, verdicts, event.facts.get("note", ""))
