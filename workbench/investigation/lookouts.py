"""Bounded lookouts: asked for, approved by somebody else, watched while a case is followed.

Nothing is looked out for unless a person asked, another approved, the case is followed, and the
switch of the whole root is on. A hit goes to a queue for a person; it alerts nobody by itself. At
its end a lookout is deleted with all it found, and the log keeps counts.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from workbench.cases import lookouts as rules
from workbench.errors import N_, BadInput, Refused, WorkbenchError
from workbench.investigation import people
from workbench.records import Case, Purpose
from workbench.store.lookouts import (
    VERDICTS,
    Lookout,
    LookoutHit,
    Lookouts,
    Switch,
    Verdict,
)
from workbench.timeline import Span, format_utc

if TYPE_CHECKING:
    from workbench.investigation.facade import Workbench

_READ = ("camera_id", "plate", "plate_score", "sigma_s", "kind", "utc")


def ask_lookout(
    house: Workbench, plate: str, cameras: Sequence[str], until_ns: int, purpose: Purpose
) -> Lookout:
    """Ask that a plate be looked out for on cameras of a case until an instant (UTC).

    It finds nothing before somebody else has approved it.

    Raises
    ------
    BadInput, Refused
        When the plate says too little, or cameras and end are open or beyond the case's.
    """
    asked_ns = house.now()
    span = Span(asked_ns, max(asked_ns + 1, until_ns))
    named = tuple(dict.fromkeys(cameras))
    for camera_id in named:
        house.camera(camera_id)
    case, _, _ = house._authorise(purpose, "lookout.ask", cameras=named or None, span=span)
    one = Lookout(
        uuid.uuid4().hex[:8], case.case_id, plate.strip(), named, house.actor, purpose.reason,
        asked_ns, until_ns,
    )  # fmt: skip
    try:
        rules.check_lookout(case, one)
    except WorkbenchError as refusal:
        house._log("lookout.ask.refused", refusal.sentence(), purpose)
        raise
    house._log("lookout.ask", one.lookout_id, purpose, details=_said(one))
    _kept(house).put(one)
    return one


def approve_lookout(house: Workbench, lookout_id: str, purpose: Purpose) -> Lookout:
    """Approve what somebody else asked for; from now on it finds."""
    one, case = _of_case(house, lookout_id, purpose, "lookout.approve")
    try:
        people.must_be_listed(house)
        rules.check_approver(one, house.actor)
        rules.check_lookout(case, replace(one, asked_ns=house.now()))
    except WorkbenchError as refusal:
        house._log("lookout.approve.refused", refusal.sentence(), purpose)
        raise
    house._log("lookout.approve", one.lookout_id, purpose, details=_said(one))
    approved = _kept(house).change(
        one.lookout_id,
        lambda now: replace(now, approved_by=house.actor, approved_ns=house.now()),
    )
    return approved or one


def end_lookout(house: Workbench, lookout_id: str, purpose: Purpose) -> Lookout:
    """End a lookout, or refuse one that was asked for: it is deleted with all it found."""
    one, _ = _of_case(house, lookout_id, purpose, "lookout.end")
    _over(house, one, purpose.reason)
    return one


def list_lookouts(house: Workbench, purpose: Purpose) -> list[Lookout]:
    """Return the lookouts of a case with their queues, oldest first; those that are over end."""
    case, _, _ = house._authorise(purpose, "lookout.list")
    end_overdue(house)
    found = [one for one in _kept(house).all() if one.case_id == case.case_id]
    house._log("lookout.list", case.case_id, purpose, details={"lookouts": len(found)})
    return found


def decide_hit(
    house: Workbench, hit_id: str, verdict: str, purpose: Purpose, *, note: str = ""
) -> LookoutHit:
    """Say what a hit is worth; who says it and why is kept with it until the lookout ends.

    Raises
    ------
    BadInput
        When there is no such hit in the case, or no such verdict.
    """
    case, _, _ = house._authorise(purpose, "lookout.decide")
    if verdict not in VERDICTS:
        raise BadInput(
            N_("'{verdict}' is no verdict on a hit"),
            N_("choose one of: {known}"),
            verdict=verdict[:40],
            known=", ".join(VERDICTS),
        )
    said: Verdict = VERDICTS[VERDICTS.index(verdict)]
    mine = [one for one in _kept(house).all() if one.case_id == case.case_id]
    found = [(one, hit) for one in mine for hit in one.hits if hit_id and hit.hit_id == hit_id]
    if not found:
        raise BadInput(
            N_("case {case} has no hit {hit}"),
            N_("see which there are: workbench lookout hits ROOT"),
            case=case.case_id,
            hit=hit_id[:40],
        )
    one, hit = found[0]
    decided = replace(
        hit, verdict=said, decided_by=house.actor, decided_ns=house.now(), note=note[:500]
    )
    house._log(
        "lookout.decide", hit.hit_id, purpose,
        details={
            "lookout": one.lookout_id, "verdict": said, "before": hit.verdict, "note": note[:500],
        },
    )  # fmt: skip
    _kept(house).change(
        one.lookout_id,
        lambda now: replace(
            now, hits=tuple(decided if other.hit_id == hit_id else other for other in now.hits)
        ),
    )
    return decided


def lookouts_mark(house: Workbench, case_id: str) -> int:
    """Return a number that changes when lookouts of a case, or their queues, do; not logged."""
    mine = [one for one in _kept(house).all() if one.case_id == case_id]
    return hash(tuple((one.lookout_id, one.approved_by, one.hits) for one in mine))


def lookout_switch(house: Workbench) -> Switch:
    """Return whether lookouts run on this root at all."""
    return _kept(house).switch()


def switch_lookouts(house: Workbench, on: bool, reason: str) -> Switch:
    """Stop every lookout of the root at once, or let them go on; what they found stays."""
    house.allow("lookout.switch")
    if not any(sign.isalnum() for sign in reason):
        raise BadInput(N_("a reason is missing"), N_("say why in words"), where="--reason")
    switch = Switch(on, house.actor, house.now(), reason[:500])
    house._log("lookout.on" if on else "lookout.off", "lookouts", details={"reason": reason[:500]})
    _kept(house).put_switch(switch)
    return switch


def end_overdue(house: Workbench) -> int:
    """Delete the lookouts whose time or case is over; return how many they were."""
    ended = 0
    for one in _kept(house).all():
        why = rules.why_over(one, house._store.case(one.case_id), house.now())
        if why:
            ended += _over(house, one, why)
    return ended


@dataclass(eq=False)
class Watch:
    """The lookouts of one case beside its following: asked with each sighting that comes."""

    house: Workbench
    case_id: str

    def __call__(self, table: pa.Table) -> int:
        """Put what is looked out for among new sightings into the queues; return how many."""
        kept = _kept(self.house)
        end_overdue(self.house)
        mine = [one for one in kept.all() if one.case_id == self.case_id and one.approved_by]
        if not mine or not kept.switch().on:
            return 0
        rows = _rows(table)
        found = 0
        for one in mine:
            hits = rules.hits_among(one, rows, found_ns=self.house.now())
            if hits:
                kept.change(one.lookout_id, lambda now, new=hits: _with(now, new))  # type: ignore[misc]
                details = {"hits": [hit.hit_id for hit in hits], "cameras": sorted(
                    {hit.camera_id for hit in hits})}  # fmt: skip
                purpose = Purpose(one.case_id, one.reason)
                self.house._log("lookout.hit", one.lookout_id, purpose, details=details)
                found += len(hits)
        return found


def _with(one: Lookout, hits: Sequence[LookoutHit]) -> Lookout:
    return replace(one, hits=(*one.hits, *hits))


def _rows(table: pa.Table) -> list[dict[str, Any]]:
    read = table.select(list(_READ)).filter(table["plate"].is_valid())
    read = read.append_column("utc_ns", read["utc"].cast(pa.int64())).drop_columns(["utc"])
    rows: list[dict[str, Any]] = read.to_pylist()
    return rows


def _of_case(house: Workbench, lookout_id: str, purpose: Purpose, act: str) -> tuple[Lookout, Case]:
    case, _, _ = house._authorise(purpose, act)
    end_overdue(house)
    one = _kept(house).get(lookout_id)
    if one.case_id != case.case_id:
        raise Refused(
            N_("lookout {lookout} belongs to another case than {case}"),
            N_("name its own case"),
            lookout=one.lookout_id,
            case=case.case_id,
        )
    return one, case


def _over(house: Workbench, one: Lookout, why: str) -> int:
    ended = _kept(house).end(one.lookout_id)
    if ended is None:
        return 0
    purpose = Purpose(ended.case_id, ended.reason)
    details = {"why": why, **rules.count_of(ended.hits)}
    house._log("lookout.end", ended.lookout_id, purpose, details=details)
    return 1


def _kept(house: Workbench) -> Lookouts:
    return Lookouts(house.root)


def _said(one: Lookout) -> dict[str, object]:
    return {
        "plate": one.plate,
        "cameras": list(one.cameras),
        "until": format_utc(one.until_ns),
        "asked by": one.asked_by,
    }
