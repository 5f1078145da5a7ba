"""What a lookout must be before anybody may approve it, and which reads it stops at. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from workbench import plates
from workbench.cases.authority import authorise
from workbench.errors import N_, BadInput, Refused
from workbench.records import Case, Purpose
from workbench.store.face_lookouts import FaceLookout
from workbench.store.lookouts import Lookout, LookoutHit
from workbench.timeline import SECOND_NS, Span, format_utc

LONGEST_DAYS = 30
LEAST_SIGNS = 4
"""Signs of the plate that must be given: fewer are on every tenth vehicle."""
MOST_DISTANCE = 1.0
"""Of near reads, as `plates.search` counts: one sign taken for its double, no more."""


def check_lookout(case: Case, one: Lookout) -> None:
    """Raise where a lookout is unbounded, or wider than its case.

    Raises
    ------
    BadInput
        When the plate is none, or says too little to single anything out.
    Refused
        When it names no cameras, none of the case's, no end, or one beyond the case's period.
    """
    signs = [sign for sign in plates.parse_pattern(one.plate) if sign not in "?*"]
    if len(signs) < LEAST_SIGNS or "*" in one.plate:
        raise BadInput(
            N_("'{plate}' says too little of a plate to look out for it"),
            N_("give at least {least} signs, ? for an unknown one, and no *"),
            plate=one.plate[:40],
            least=LEAST_SIGNS,
        )
    if not one.cameras:
        raise Refused(N_("a lookout names its cameras"), N_("name those of the case it needs"))
    if one.until_ns <= one.asked_ns:
        raise Refused(N_("a lookout needs an end that is still to come"), N_("say until when"))
    if one.until_ns - one.asked_ns > LONGEST_DAYS * 86_400 * SECOND_NS:
        raise Refused(
            N_("a lookout ends within {days} days"),
            N_("ask for a shorter one; it can be asked for again"),
            days=LONGEST_DAYS,
        )
    span = Span(one.asked_ns, one.until_ns)
    purpose = Purpose(case.case_id, one.reason)
    authorise(case, purpose, cameras=one.cameras, span=span, now_ns=one.asked_ns)


def check_approver(one: Lookout, approver: str) -> None:
    """Raise Refused where somebody would approve what they asked for, or what is approved."""
    names = [" ".join(name.split()).casefold() for name in (one.asked_by, approver)]
    if names[0] == names[1]:
        raise Refused(
            N_("{name} asks for a lookout and approves it"),
            N_("have somebody else decide"),
            name=approver,
        )
    if one.approved_by:
        raise Refused(
            N_("lookout {lookout} is approved, by {name} at {at}"),
            lookout=one.lookout_id,
            name=one.approved_by,
            at=format_utc(one.approved_ns),
        )


def why_over(one: Lookout | FaceLookout, case: Case, now_ns: int) -> str:
    """Return why a lookout, for a plate or a face, ends by itself now; empty while it may go on."""
    if case.closed:
        return "its case is closed"
    if now_ns >= min(one.until_ns, case.period.stop_ns):
        return "its time is over"
    if case.cameras and not set(one.cameras) <= set(case.cameras):
        return "its case was narrowed"
    return ""


def hits_among(
    one: Lookout, rows: Iterable[Mapping[str, Any]], *, found_ns: int
) -> list[LookoutHit]:
    """Return the reads a lookout stops at among sightings; none for one that nobody has approved.

    Parameters
    ----------
    rows
        Sightings as mappings: camera_id, plate, plate_score, utc_ns, sigma_s, kind, sighting_id.
    found_ns
        Now, UTC.
    """
    if not one.approved_by:
        return []
    mine = [row for row in rows if row["plate"] and row["camera_id"] in one.cameras]
    mine = [row for row in mine if one.approved_ns <= row["utc_ns"] < one.until_ns]
    known = {hit.hit_id for hit in one.hits}
    found = []
    for row in mine:
        for hit in plates.search(one.plate, [row["plate"]], 1, max_distance=MOST_DISTANCE):
            marks = f"{one.lookout_id}|{row['camera_id']}|{row['utc_ns']}|{row['plate']}"
            hit_id = hashlib.sha256(marks.encode()).hexdigest()[:12]
            apart = tuple((d.position + 1, d.ours, d.theirs) for d in hit.differences)
            if hit_id not in known:
                known.add(hit_id)
                found.append(
                    LookoutHit(
                        hit_id, row["camera_id"], int(row["utc_ns"]), float(row["sigma_s"]),
                        row["plate"], float(row["plate_score"] or 0.0), hit.how, apart,
                        row["kind"], found_ns,
                    )
                )  # fmt: skip
    return found


def evidence(hit: LookoutHit) -> tuple[tuple[str, dict[str, object]], ...]:
    """Return what speaks for and against a hit: sentences for translation, with their values."""
    said: list[tuple[str, dict[str, object]]] = []
    if hit.how == "exact":
        said.append((N_("for: read sign for sign as asked"), {}))
    elif hit.how == "approximate":
        said.append((N_("for: read nearly as asked"), {}))
    else:
        said.append((N_("for: what was asked is in the read"), {}))
    sure = min(hit.probability, 0.99)
    said.append((N_("probability that every sign is read right: {probability:.2f}"),
                 {"probability": sure}))  # fmt: skip
    for place, asked, read in hit.differences:
        said.append(
            (N_("against: sign {place} is read as {read}, asked is {asked}"),
             {"place": place, "asked": asked or "–", "read": read or "–"})
        )  # fmt: skip
    return tuple(said)


def count_of(hits: Sequence[LookoutHit]) -> dict[str, int]:
    """Return how many hits got which verdict, for the log; nothing else of them stays.

    >>> count_of([])
    {'hits': 0, 'not looked at': 0}
    """
    counts = {"hits": len(hits), "not looked at": sum(not hit.verdict for hit in hits)}
    for hit in hits:
        if hit.verdict:
            counts[hit.verdict] = counts.get(hit.verdict, 0) + 1
    return counts
