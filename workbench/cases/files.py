"""What was written down in a case, as it stands now, and what may be written. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from workbench.errors import N_, BadInput
from workbench.store.case_files import CaseEvent

LONGEST_TEXT, LONGEST_WORD = 500, 120
MOST_PLATES, MOST_PHOTOGRAPHS = 8, 8
LONGEST_PLATE = 64


@dataclass(frozen=True, slots=True)
class ProbePhotograph:
    """A photograph of a subject: what it was called, its hash, the gate's word and reasons."""

    file: str
    sha256: str
    quality: str
    remarks: tuple[str, ...] = ()
    despite: str = ""


@dataclass(frozen=True, slots=True)
class CaseSubject:
    """Whom or what a case is about, in its own words, with plates and photographs to search with.

    ``what`` describes; the software puts no name on anybody.
    """

    subject_id: str
    what: str
    written_by: str
    at_ns: int
    plates: tuple[str, ...] = ()
    photographs: tuple[ProbePhotograph, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseTask:
    """Something to be done in a case: by whom and until which day, where that was said."""

    task_id: str
    what: str
    whose: str
    due: str
    written_by: str
    at_ns: int
    done_by: str = ""
    done_at_ns: int = 0
    outcome: str = ""

    @property
    def is_open(self) -> bool:
        """Whether nobody has done it yet."""
        return not self.done_by


@dataclass(frozen=True, slots=True)
class CaseNote:
    """Something an officer writes down in a case."""

    text: str
    written_by: str
    at_ns: int


@dataclass(frozen=True, slots=True)
class TrackStep:
    """A correction of a kept track by hand; ``step`` says what, by whom, when and why.

    ``written_by`` and ``at_ns`` are of its writing down; ``undone_by`` and ``why`` of its undoing.
    """

    step: Mapping[str, Any]
    written_by: str
    at_ns: int
    undone_by: str = ""
    undone_ns: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True)
class CaseTrack:
    """A vehicle's track as it was found or picked, and what people corrected of it.

    ``found`` is what was written down of the track itself: file, ticks, points, where from.
    """

    track_id: str
    found: Mapping[str, Any]
    written_by: str
    at_ns: int
    steps: tuple[TrackStep, ...] = ()


@dataclass(frozen=True, slots=True)
class CaseFile:
    """What was written down in a case, in the order it was."""

    case_id: str
    subjects: tuple[CaseSubject, ...] = ()
    tasks: tuple[CaseTask, ...] = ()
    notes: tuple[CaseNote, ...] = field(default=())
    tracks: tuple[CaseTrack, ...] = ()


def case_file_of(case_id: str, events: Sequence[CaseEvent]) -> CaseFile:
    """Return a case's file as it stands after some events."""
    subjects: dict[str, CaseSubject] = {}
    tasks: dict[str, CaseTask] = {}
    notes = []
    tracks: dict[str, CaseTrack] = {}
    for one in events:
        facts = one.facts
        if one.kind == "subject":
            subjects[facts["id"]] = CaseSubject(facts["id"], facts["what"], one.actor, one.at_ns)
        elif one.kind == "probe":
            known = subjects[facts["id"]]
            subjects[facts["id"]] = replace(
                known,
                plates=(*known.plates, *(p for p in facts["plates"] if p not in known.plates)),
                photographs=(*known.photographs, *map(_photograph, facts["photographs"])),
            )
        elif one.kind == "task":
            tasks[facts["id"]] = CaseTask(
                facts["id"], facts["what"], facts["whose"], facts["due"], one.actor, one.at_ns
            )
        elif one.kind == "task.done":
            tasks[facts["id"]] = replace(
                tasks[facts["id"]], done_by=one.actor, done_at_ns=one.at_ns,
                outcome=facts["outcome"],
            )  # fmt: skip
        elif one.kind == "track":
            tracks[facts["id"]] = CaseTrack(facts["id"], facts["found"], one.actor, one.at_ns)
        elif one.kind == "track.step":
            held = tracks[facts["id"]]
            step = TrackStep(facts["step"], one.actor, one.at_ns)
            tracks[facts["id"]] = replace(held, steps=(*held.steps, step))
        elif one.kind == "track.undo":
            held = tracks[facts["id"]]
            steps = list(held.steps)
            steps[facts["number"] - 1] = replace(
                steps[facts["number"] - 1], undone_by=one.actor, undone_ns=one.at_ns,
                why=facts["why"],
            )  # fmt: skip
            tracks[facts["id"]] = replace(held, steps=tuple(steps))
        else:
            notes.append(CaseNote(facts["text"], one.actor, one.at_ns))
    return CaseFile(
        case_id, tuple(subjects.values()), tuple(tasks.values()), tuple(notes),
        tuple(tracks.values()),
    )  # fmt: skip


def in_words(text: str, most: int = LONGEST_TEXT) -> str:
    """Return a text on one line; BadInput where it says nothing, or too much."""
    said = " ".join(text.split())
    if not any(sign.isalnum() for sign in said) or len(said) > most:
        raise BadInput(
            N_("there is nothing in words here, or too much"),
            N_("say it in {most} signs"),
            most=most,
        )
    return said


def check_plates(plates: Sequence[str]) -> tuple[str, ...]:
    """Return plates as they are searched for; BadInput where one is none."""
    given = tuple(dict.fromkeys(" ".join(one.upper().split()) for one in plates))
    for one in given:
        if not any(sign.isalnum() for sign in one) or len(one) > LONGEST_PLATE:
            raise BadInput(
                N_("'{plate}' is no plate to search for"),
                N_("write it like 99B1-123.45; ? stands for one sign"),
                plate=one[:LONGEST_PLATE],
            )
    return given


def check_due(due: str) -> str:
    """Return a day like 2026-11-20, or an empty text; BadInput for anything else."""
    if due:
        try:
            if date.fromisoformat(due).isoformat() == due:
                return due
        except ValueError:
            pass
        raise BadInput(
            N_("'{day}' is no day"), N_("write it like 2026-11-20"), where="--due", day=due[:20]
        )
    return ""


def subject_of(file: CaseFile, subject_id: str) -> CaseSubject:
    """Return a subject by its id; BadInput where the case has none of it."""
    for one in file.subjects:
        if one.subject_id == subject_id:
            return one
    raise _none_of(N_("case {case_id} has no subject {id}"), file, subject_id)


def track_of(file: CaseFile, track_id: str) -> CaseTrack:
    """Return a kept track by its id; BadInput where the case has none of it."""
    for one in file.tracks:
        if one.track_id == track_id:
            return one
    raise _none_of(N_("case {case_id} has no track {id}"), file, track_id)


def _none_of(sentence: str, file: CaseFile, asked_id: str) -> BadInput:
    remedy = N_("see them with: workbench case file ROOT NUMBER")
    return BadInput(sentence, remedy, case_id=file.case_id, id=asked_id[:20])


def open_task_of(file: CaseFile, task_id: str) -> CaseTask:
    """Return a task that nobody has done yet; BadInput where the case has none of that id."""
    for one in file.tasks:
        if one.task_id == task_id and one.is_open:
            return one
    raise _none_of(N_("case {case_id} has no open task {id}"), file, task_id)


def _photograph(facts: Mapping[str, Any]) -> ProbePhotograph:
    return ProbePhotograph(**{**facts, "remarks": tuple(facts["remarks"])})
