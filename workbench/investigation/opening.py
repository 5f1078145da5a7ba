"""Cases opened, changed and closed: each with who and why in the log, earlier versions kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from workbench import cases
from workbench.cases import particulars
from workbench.errors import N_, BadInput, Refused
from workbench.investigation.answers import span_text
from workbench.records import Case, Purpose
from workbench.store.people import People

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

_TOLD = ("title", "legal_basis", "cameras", "training", "offence", "category", "people")
_CHANGED = ("offence", "category", "people")
_TURNS = ("case.open", "case.change", "case.close")


@dataclass(frozen=True, slots=True)
class Turn:
    """A case was opened, changed or closed: when (UTC), by whom, why, and what the log holds."""

    at_ns: int
    actor: str
    act: str
    reason: str
    details: Mapping[str, Any]


def open_case(house: Workbench, case: Case) -> Case:
    """Record a new case; refused where its number is taken by a different one.

    Whoever is on the list of people and opens a case that names people works on it, too.
    """
    mine = People(house.root).get(house.actor)
    named = case.people
    if named and mine is not None and house.actor not in named:
        named = (*named, house.actor)
    case = replace(case, opened_by=house.actor, opened_at_ns=house.now(), closed_at_ns=0)
    case = particulars.with_particulars(case, people=named)
    cases.check_record(case)
    house.allow("case.open", case)
    _must_be_known(house, case.people)
    for camera_id in case.cameras:
        house.camera(camera_id)
    if case.case_id in {known.case_id for known in house.cases()}:
        raise Refused(
            N_("case {case} exists already"),
            N_("use it, or give the new case another number"),
            case=case.case_id,
        )
    house._store.put_case(case)
    facts = {name: getattr(case, name) for name in _TOLD}
    purpose = Purpose(case.case_id, case.reason)
    house._log("case.open", case.case_id, purpose, details={**facts, **span_text(case.period)})
    return case


def change_case(
    house: Workbench,
    case_id: str,
    reason: str,
    *,
    offence: str | None = None,
    category: str | None = None,
    people: Sequence[str] | None = None,
) -> Case:
    """Change what a case is about or who works on it; None leaves a thing as it is.

    The log holds what was and what is, and why. Of a closed case, whose category says how long
    its footage is held, only approvers change anything.

    Raises
    ------
    Refused
        Outside one's rights.
    BadInput
        Without a reason, where nothing would change, or something cannot be taken.
    """
    _must_have_reason(case_id, reason)
    before = house._store.case(case_id)
    house.allow("case.change.closed" if before.closed else "case.change", before)
    after = particulars.with_particulars(before, offence=offence, category=category, people=people)
    particulars.check_change(before, after)
    _must_be_known(house, [one for one in after.people if one not in before.people])
    told = {
        name: [getattr(before, name), getattr(after, name)]
        for name in _CHANGED
        if getattr(before, name) != getattr(after, name)
    }
    if after.closed and not after.closed_at_ns:  # by a workbench that did not keep it there
        after = replace(after, closed_at_ns=_closed_at_ns(house, case_id))
    house._log("case.change", case_id, Purpose(case_id, reason), details=told)
    house._store.put_case(after)
    return after


def close_case(house: Workbench, case_id: str, reason: str) -> Case:
    """Close a case: nothing can be searched or seen under it any more."""
    _must_have_reason(case_id, reason)
    case = house._store.case(case_id)
    house.allow("case.close", case)
    if not case.closed:
        case = replace(case, closed=True, closed_at_ns=house.now())
    house._store.put_case(case)
    house._log("case.close", case_id, Purpose(case_id, reason))
    return case


def _closed_at_ns(house: Workbench, case_id: str) -> int:
    closings = [one.at_ns for one in house._store.audit(case_id) if one.action == "case.close"]
    return closings[0] if closings else house.now()


def _must_have_reason(case_id: str, reason: str) -> None:
    if not 0 < len(reason.strip()) <= cases.LONGEST_REASON:
        raise BadInput(
            N_("a reason for closing or changing case {case} is missing, or endless"),
            N_("say why in words"),
            case=case_id,
        )


def _must_be_known(house: Workbench, names: Sequence[str]) -> None:
    known = People(house.root).all()
    strange = [one for one in names if known and one not in known]
    if strange:
        raise BadInput(
            N_("there is nobody of the name {name}"),
            N_("see who there is: workbench people list ROOT"),
            where="--people",
            name=strange[0][:60],
        )


def case_history(house: Workbench, purpose: Purpose) -> list[Turn]:
    """Return how a case came to be what it is: opened, changed, closed; oldest first."""
    house._authorise(purpose, "case.file")
    return [
        Turn(one.at_ns, one.actor, one.action, one.reason, json.loads(one.details))
        for one in house._store.audit(purpose.case_id)
        if one.action in _TURNS and one.case_id == purpose.case_id
    ]
