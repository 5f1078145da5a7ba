"""The queue of lookouts for a face: candidates for two readers, neither of whom sees a score."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from workbench.cases import face_lookouts as rules
from workbench.cases.asking import one_name
from workbench.cases.face_lookouts import LookoutReading
from workbench.errors import N_, BadInput, Damaged, WorkbenchError
from workbench.investigation.face_calibrating import FaceStrength, face_calibration
from workbench.investigation.face_lookouts import (
    ACT,
    AskedLookout,
    asked_lookout,
    facts_of,
    lookout_happened,
    settle_face_lookouts,
)
from workbench.investigation.face_readings import NOT_CALIBRATED
from workbench.investigation.face_requests import must_be_on, refusals
from workbench.recognition.faces.spread import candidate_of
from workbench.records import Case, Purpose, Wording
from workbench.store.face_lookouts import FaceLookoutBook

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench
    from workbench.recognition.faces.search import FaceCandidate

TWO_PEOPLE = 0.5
"""Least cosine of one picture of a pass to all below which the pass may hold two people."""


@dataclass(frozen=True, slots=True, eq=False)
class LookoutSheet:
    """A candidate as a reader sees it: what speaks for and against its picture, and no score.

    ``frames`` is how many pictures of the pass were pooled; ``mixed`` that they differ among
    themselves. ``readings`` counts who has read it, ``mine`` says whether this actor has.
    ``open`` is False where nobody can read it any more.
    """

    lookout_id: str
    candidate_id: str
    camera_id: str
    utc_ns: int
    sigma_ns: int
    quality: str
    size_px: float
    reasons: tuple[Wording, ...]
    frames: int
    mixed: bool
    readings: int
    mine: bool
    open: bool
    picture: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class LookoutResult:
    """A candidate that has been read: what both said stands beside what the network says.

    ``strength`` is None where no set calibrates the network; ``others`` how many of a thousand
    other people reach the operating score, expected and at most (95 %), None likewise.
    """

    lookout_id: str
    candidate_id: str
    score: float
    operating: float
    encoder: str
    readings: tuple[LookoutReading, ...]
    strength: FaceStrength | None
    others: tuple[float, float] | None

    @property
    def disagree(self) -> bool:
        """Whether the readers said different things; nothing makes one verdict of two."""
        return len({one.verdict for one in self.readings}) > 1


def lookout_candidates(house: Workbench, purpose: Purpose) -> list[LookoutSheet]:
    """Return what the lookouts for a face of a case found, newest first, without any score."""
    found = []
    for one in _mine(house, purpose, "view"):
        book = FaceLookoutBook(house.root)
        for candidate_id, readings in _there(one):
            facts, picture = _kept(book, one, candidate_id)
            candidate = _candidate(facts)
            mine = any(one_name(each.reader) == one_name(house.actor) for each in readings)
            found.append(
                LookoutSheet(
                    one.lookout.lookout_id, candidate_id, candidate.camera_id, candidate.utc_ns,
                    candidate.sigma_ns, candidate.quality, candidate.size_px,
                    tuple(_wording(each) for each in facts["reasons"]), len(candidate.frames),
                    candidate.agreement < TWO_PEOPLE, len(readings), mine,
                    not one.standing.over and len(readings) < 2 and not mine, picture,
                )
            )  # fmt: skip
    house._log(f"{ACT}.view", purpose.case_id, purpose, details={
        "candidates": [one.candidate_id for one in found]})  # fmt: skip
    return sorted(found, key=lambda one: (-one.utc_ns, one.candidate_id))


def read_lookout_candidate(
    house: Workbench, candidate_id: str, verdict: str, purpose: Purpose, *, note: str = ""
) -> int:
    """Keep what a reader says of a candidate, never changed; return how many have read it.

    Raises
    ------
    Refused
        Where this person, or two others, have read it, or the lookout is over.
    BadInput
        Where the case has no such candidate, or the verdict is none of the scale.
    """
    if len(note) > 500:
        raise BadInput(N_("that note is too long"), N_("say it in 500 signs"))
    mine = _mine(house, purpose, "read")
    one = next((one for one in mine if candidate_id in one.standing.candidates), None)
    if one is None:
        raise BadInput(
            N_("case {case} has no candidate {candidate}"),
            N_("see which there are: workbench lookout hits ROOT"),
            case=purpose.case_id,
            candidate=candidate_id[:40],
        )
    case = house._store.case(purpose.case_id)
    with FaceLookoutBook(house.root).changing(), refusals(house, f"{ACT}.read", purpose):
        now = asked_lookout(house, one.lookout.lookout_id, case).standing
        said = rules.check_reading(one.lookout, now, candidate_id, house.actor, verdict)
        count = len(now.candidates[candidate_id]) + 1
        facts = {"candidate": candidate_id, "verdict": str(said), "note": note}
        # the log is read by many, and must not tell a second reader what the first one said
        told = {"candidate": candidate_id, "reading": count}
        lookout_happened(house, one.lookout, "read", facts, purpose, told=told)
    return count


def lookout_results(house: Workbench, purpose: Purpose) -> dict[str, LookoutResult]:
    """Return the candidates whose scores and verdicts may be shown, by their ids.

    Those that two people have read; and of lookouts that are over those that one has, for nobody
    can read them any more.
    """
    found = {
        each.candidate_id: each
        for one in _mine(house, purpose, "view")
        for each in _results(house, one)
    }
    house._log(f"{ACT}.results", purpose.case_id, purpose, details={"candidates": list(found)})
    return found


def lookout_photographs(house: Workbench, lookout_id: str, purpose: Purpose) -> list[bytes]:
    """Return the photographs of a lookout, as they were given; none once it is over."""
    mine = _mine(house, purpose, "photographs")
    one = next((one for one in mine if one.lookout.lookout_id == lookout_id), None)
    book = FaceLookoutBook(house.root)
    if one is None:
        raise book.unknown(lookout_id)
    house._log(f"{ACT}.photographs", lookout_id, purpose)
    if one.standing.over:
        return []
    return [book.photograph(lookout_id, each.sha256) for each in one.lookout.photographs]


def face_lookout_record(house: Workbench, case_id: str) -> list[dict[str, Any]]:
    """Return what a bundle holds of a case's lookouts for faces: refused and empty ones, too.

    Verdicts and scores are in it of candidates that two people have read; before, they are kept
    from everybody. No picture.
    """
    book, told = FaceLookoutBook(house.root), []
    case = house._store.case(case_id)
    counts = _looked(house)
    for lookout_id in book.ids():
        one = asked_lookout(house, lookout_id, case)
        if one.lookout.case_id != case_id:
            continue
        shown = {name for name in one.standing.candidates if one.standing.read(name)}
        events = [
            asdict(event)
            for event in book.events(lookout_id)
            if event.kind != "read" or event.facts["candidate"] in shown
        ]
        told.append(
            {
                "lookout": lookout_id,
                "state": one.standing.state,
                "looked": dict(counts.get(lookout_id, {})),
                "events": events,
                "candidates": [
                    {
                        **asdict(each), "disagree": each.disagree,
                        "strength": NOT_CALIBRATED if each.strength is None
                        else asdict(each.strength),
                    }
                    for each in _results(house, one)
                ],
            }
        )  # fmt: skip
    return told


def check_face_lookouts(house: Workbench) -> list[str]:
    """Return one sentence for each thing of the lookouts for faces that is not as it should be."""
    book, found, seen = FaceLookoutBook(house.root), list[str](), dict[str, list[str]]()
    for entry in house._store.audit():
        if entry.action.startswith(f"{ACT}."):
            event = json.loads(entry.details).get("event", "")
            if event:
                seen.setdefault(entry.subject, []).append(event)
    on_disk = {one.name for one in book.folder.glob(f"{book.prefix}-*") if any(one.iterdir())}
    for lookout_id in sorted({*seen, *on_disk}):
        try:
            _check(house, book, lookout_id, seen.get(lookout_id, []))
        except WorkbenchError as error:
            found.append(error.sentence())
    return found


def _check(house: Workbench, book: FaceLookoutBook, lookout_id: str, logged: list[str]) -> None:
    events = book.events(lookout_id)
    if [event.sha256 for event in events] != logged:
        raise Damaged(
            N_("the events of lookout {lookout} are not those of the log"),
            N_("bring them back from a backup"),
            lookout=lookout_id,
        )
    case = house._store.case(book.lookout(lookout_id).case_id)
    one = asked_lookout(house, lookout_id, case)
    over = any(event.kind in ("end", "refuse", "lapse") for event in events)
    for each in one.lookout.photographs if not over else ():
        book.photograph(lookout_id, each.sha256)
    for candidate_id, _ in _there(one, all_states=True):
        _kept(book, one, candidate_id)
    folder = book.folder / lookout_id
    known = {f"{event.seq:05d}.json" for event in events}
    known |= {f"{each.sha256}.photograph" for each in one.lookout.photographs if not over}
    for candidate_id in set(one.standing.candidates) - one.standing.gone:
        known |= {path.name for path in book.candidate_paths(lookout_id, candidate_id)}
    extra = sorted(path.name for path in folder.iterdir() if path.name not in known)
    if extra:
        raise Damaged(
            N_("lookout {lookout} holds {file}, which it should not (any more)"),
            N_("see what it is, and take it away: workbench lookout list ends what is over"),
            where=str(folder),
            lookout=lookout_id,
            file=extra[0],
        )


def _mine(house: Workbench, purpose: Purpose, act: str) -> list[AskedLookout]:
    """Return the lookouts of a case that somebody may see."""
    case, _, _ = house._authorise(purpose, f"{ACT}.{act}")
    settle_face_lookouts(house)
    with refusals(house, f"{ACT}.{act}", purpose):
        must_be_on(house)
    return _asked_of(house, case)


def _asked_of(house: Workbench, case: Case) -> list[AskedLookout]:
    book = FaceLookoutBook(house.root)
    every = [asked_lookout(house, lookout_id, case) for lookout_id in book.ids()]
    return [one for one in every if one.lookout.case_id == case.case_id]


def _there(
    one: AskedLookout, *, all_states: bool = False
) -> Iterable[tuple[str, tuple[LookoutReading, ...]]]:
    """Yield the candidates of a lookout that are kept, with their readings."""
    if one.standing.state in ("refused", "lapsed") and not all_states:
        return
    for candidate_id, readings in one.standing.candidates.items():
        if candidate_id not in one.standing.gone:
            yield candidate_id, readings


def _kept(
    book: FaceLookoutBook, one: AskedLookout, candidate_id: str
) -> tuple[dict[str, Any], bytes]:
    lookout_id = one.lookout.lookout_id
    there = book.candidate(lookout_id, candidate_id)
    event = next(
        event
        for event in book.events(lookout_id)
        if event.kind == "candidate" and event.facts["candidate"] == candidate_id
    )
    hashes = tuple(hashlib.sha256(part).hexdigest() for part in there or ())
    if there is None or hashes != (event.facts["sha256"], event.facts["picture_sha256"]):
        raise Damaged(
            N_("candidate {candidate} of lookout {lookout} is not what was found"),
            N_("bring it back from a backup, and run verify"),
            lookout=lookout_id,
            candidate=candidate_id,
        )
    return facts_of(there[0]), there[1]


def _results(house: Workbench, one: AskedLookout) -> Iterable[LookoutResult]:
    book = FaceLookoutBook(house.root)
    for candidate_id, readings in _there(one):
        if not one.standing.read(candidate_id):
            continue
        facts, _ = _kept(book, one, candidate_id)
        score, operating = _candidate(facts).score, float(facts["operating"])
        made = face_calibration(house, facts["encoder"])
        yield LookoutResult(
            one.lookout.lookout_id, candidate_id, score, operating, facts["encoder"], readings,
            None if made is None else made.strength(score),
            None if made is None else made.fit.false_positives(operating, 1000),
        )  # fmt: skip


def _looked(house: Workbench) -> dict[str, Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    for entry in house._store.audit():
        if entry.action == f"{ACT}.looked":
            counts.setdefault(entry.subject, Counter()).update(json.loads(entry.details))
    return counts


def _candidate(facts: Mapping[str, Any]) -> FaceCandidate:
    return candidate_of(facts["candidate"])


def _wording(facts: Mapping[str, Any]) -> Wording:
    return Wording(facts["template"], tuple((name, value) for name, value in facts["fields"]))
