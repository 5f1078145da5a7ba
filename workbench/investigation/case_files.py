"""Subjects, tasks and notes of a case: written inside it, logged by hash, never changed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from workbench import recognition
from workbench.cases import files as rules
from workbench.cases.files import CaseFile
from workbench.errors import N_, BadInput, Damaged, WorkbenchError
from workbench.investigation import people
from workbench.investigation.face_requests import picture_of, refusals
from workbench.investigation.models import face_models
from workbench.recognition.faces.search import make_probe
from workbench.records import Purpose
from workbench.store.case_files import CaseBook, CaseEventKind

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

ACT = "case.write"


def case_file(house: Workbench, purpose: Purpose) -> CaseFile:
    """Return what was written down in a case; that it was looked at is logged."""
    with refusals(house, "case.file", purpose):
        people.authorise(house, purpose, "case.file")
    found = _file(house, purpose.case_id)
    house._log("case.file", purpose.case_id, purpose)
    return found


def add_subject(
    house: Workbench,
    purpose: Purpose,
    what: str,
    *,
    plates: Sequence[str] = (),
    photographs: Sequence[tuple[str, bytes]] = (),
    despite: str = "",
) -> str:
    """Write down whom or what a case is about; return the subject's id in the case.

    Parameters
    ----------
    what
        In words, like "driver of the grey van"; the software puts no name on anybody.
    plates, photographs, despite
        As :func:`add_probes` takes them.

    Raises
    ------
    Refused
        Outside an open case and one's rights.
    BadInput
        Where something says nothing, or a photograph cannot be used: nothing is written then.
    """
    _may_write(house, purpose)
    said = rules.in_words(what)
    given = _probes(house, plates, photographs, despite)
    book = CaseBook(house.root, purpose.case_id)
    with book.changing():
        subject_id = f"DT-{len(_file(house, purpose.case_id).subjects) + 1}"
        _write(house, book, "subject", {"id": subject_id, "what": said}, purpose)
        if plates or photographs:
            _write_probes(house, book, subject_id, given, photographs, purpose)
    return subject_id


def add_probes(
    house: Workbench,
    purpose: Purpose,
    subject_id: str,
    *,
    plates: Sequence[str] = (),
    photographs: Sequence[tuple[str, bytes]] = (),
    despite: str = "",
) -> None:
    """Add plates and photographs to search with to a subject; nothing is compared by this.

    Parameters
    ----------
    photographs
        Name and bytes of image files, one face in each; the gate's word stays with each.
    despite
        The reason for photographs that the gate refuses.
    """
    _may_write(house, purpose)
    given = _probes(house, plates, photographs, despite)
    if not plates and not photographs:
        raise BadInput(N_("no plate and no photograph is given"), N_("give one or more"))
    book = CaseBook(house.root, purpose.case_id)
    with book.changing():
        known = rules.subject_of(_file(house, purpose.case_id), subject_id)
        for have, more, most in (
            (known.plates, plates, rules.MOST_PLATES),
            (known.photographs, photographs, rules.MOST_PHOTOGRAPHS),
        ):
            if len(have) + len(more) > most:
                raise _too_many()
        _write_probes(house, book, subject_id, given, photographs, purpose)


def subject_photographs(
    house: Workbench, purpose: Purpose, subject_id: str
) -> list[tuple[str, bytes]]:
    """Return the photographs of a subject, as a face request takes them; it is logged."""
    with refusals(house, "case.photographs", purpose):
        people.authorise(house, purpose, "case.photographs")
    one = rules.subject_of(_file(house, purpose.case_id), subject_id)
    house._log("case.photographs", subject_id, purpose)
    book = CaseBook(house.root, purpose.case_id)
    return [(each.file, book.photograph(each.sha256)) for each in one.photographs]


def add_task(
    house: Workbench, purpose: Purpose, what: str, *, whose: str = "", due: str = ""
) -> str:
    """Write down what is to be done, by whom and until which day; return the task's id."""
    _may_write(house, purpose)
    facts = {
        "what": rules.in_words(what),
        "whose": rules.in_words(whose, rules.LONGEST_WORD) if whose.strip() else "",
        "due": rules.check_due(due.strip()),
    }
    book = CaseBook(house.root, purpose.case_id)
    with book.changing():
        task_id = f"VC-{len(_file(house, purpose.case_id).tasks) + 1}"
        _write(house, book, "task", {"id": task_id, **facts}, purpose)
    return task_id


def end_task(house: Workbench, purpose: Purpose, task_id: str, outcome: str) -> None:
    """Say that a task is done, and what came of it."""
    _may_write(house, purpose)
    said = rules.in_words(outcome)
    book = CaseBook(house.root, purpose.case_id)
    with book.changing():
        rules.open_task_of(_file(house, purpose.case_id), task_id)
        _write(house, book, "task.done", {"id": task_id, "outcome": said}, purpose)


def add_note(house: Workbench, purpose: Purpose, text: str) -> None:
    """Write a note in a case."""
    _may_write(house, purpose)
    said = rules.in_words(text)
    book = CaseBook(house.root, purpose.case_id)
    with book.changing():
        _write(house, book, "note", {"text": said}, purpose)


def case_record(house: Workbench, case_id: str) -> dict[str, Any]:
    """Return what a bundle holds of a case's file: of photographs their hashes alone."""
    return asdict(_file(house, case_id))


def check_case_files(house: Workbench) -> list[str]:
    """Return one sentence for each case whose file is not as the log says."""
    logged: dict[str, list[str]] = {}
    for entry in house._store.audit():
        if entry.action == ACT:
            logged.setdefault(entry.case_id, []).append(json.loads(entry.details)["event"])
    found = []
    for case in house.cases():
        book = CaseBook(house.root, case.case_id)
        try:
            events = book.events()
            if [one.sha256 for one in events] != logged.get(case.case_id, []):
                raise Damaged(
                    N_("what was written in case {case_id} is not what the log says"),
                    N_("bring it back from a backup"),
                    where=str(book.path),
                    case_id=case.case_id,
                )
            for one in rules.case_file_of(case.case_id, events).subjects:
                for each in one.photographs:
                    book.photograph(each.sha256)
        except WorkbenchError as error:
            found.append(error.sentence())
    return found


def _may_write(house: Workbench, purpose: Purpose) -> None:
    with refusals(house, ACT, purpose):
        people.authorise(house, purpose, ACT)


def _file(house: Workbench, case_id: str) -> CaseFile:
    return rules.case_file_of(case_id, CaseBook(house.root, case_id).events())


def _probes(
    house: Workbench,
    plates: Sequence[str],
    photographs: Sequence[tuple[str, bytes]],
    despite: str,
) -> dict[str, Any]:
    """Return plates and photographs as they are written down, the gate's word with each."""
    if len(plates) > rules.MOST_PLATES or len(photographs) > rules.MOST_PHOTOGRAPHS:
        raise _too_many()
    told = []
    if photographs:
        find = recognition.load_models(face_models(house)).find_faces
        probe = make_probe(
            [(name, picture_of(name, data)) for name, data in photographs], find, despite=despite
        )
        told = [
            {
                "file": name[: rules.LONGEST_WORD], "quality": quality.verdict,
                "remarks": [reason.sentence() for reason in quality.reasons],
                "despite": probe.despite if quality.verdict == "refused" else "",
            }
            for (name, _), (_, _, quality, _) in zip(photographs, probe.crops, strict=True)
        ]  # fmt: skip
    return {"plates": list(rules.check_plates(plates)), "photographs": told}


def _write_probes(
    house: Workbench,
    book: CaseBook,
    subject_id: str,
    given: dict[str, Any],
    photographs: Sequence[tuple[str, bytes]],
    purpose: Purpose,
) -> None:
    kept = [
        {**told, "sha256": book.put_photograph(data)}
        for told, (_, data) in zip(given["photographs"], photographs, strict=True)
    ]
    facts = {"id": subject_id, "plates": given["plates"], "photographs": kept}
    _write(house, book, "probe", facts, purpose)


def _write(
    house: Workbench,
    book: CaseBook,
    kind: CaseEventKind,
    facts: Mapping[str, Any],
    purpose: Purpose,
) -> None:
    """Add an event: the log first, which says its hash; a crash between the two shows in verify."""
    event = book.next(kind, house.now(), house.actor, facts)
    told = {"kind": kind, "event": event.sha256}
    house._log(ACT, str(facts.get("id", purpose.case_id)), purpose, details=told)
    book.add(event)


def _too_many() -> BadInput:
    return BadInput(
        N_("a subject has at most {plates} plates and {photographs} photographs"),
        N_("leave some out"),
        plates=rules.MOST_PLATES,
        photographs=rules.MOST_PHOTOGRAPHS,
    )
