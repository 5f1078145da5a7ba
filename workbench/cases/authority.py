"""What a case allows: which cameras, which time, and only with a reason in words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from workbench.cases.particulars import check_particulars
from workbench.errors import N_, BadInput, Refused
from workbench.records import Case, Purpose
from workbench.timeline import Span, format_utc

LONGEST_REASON = 500
"""Signs that a reason may have: the log is there to be read."""
LONGEST_NUMBER, LONGEST_TITLE = 60, 200
"""Signs that a case's number and title may have: they stand on every page and paper."""


def authorise(
    case: Case | None,
    purpose: Purpose | None,
    *,
    cameras: Sequence[str] | None,
    span: Span | None,
    now_ns: int,
) -> None:
    """Return when the case allows looking at these cameras in this span; raise otherwise.

    Parameters
    ----------
    case
        The case that `purpose` names, or None where there is no such case.
    purpose
        The case's number and the reason in words, as the actor gave them; None where none.
    cameras
        The cameras asked for; None or empty asks for every camera of the ward.
    span
        The UTC asked for; None asks for all time.
    now_ns
        The present instant, UTC.

    Raises
    ------
    Refused
        With a sentence that says why, and what to do next.
    """
    if purpose is None or not purpose.case_id.strip():
        raise Refused(
            N_("searching and viewing footage needs a case"),
            N_("choose an open case, or open one, and say why"),
        )
    if case is None or case.case_id != purpose.case_id:
        raise Refused(
            N_("there is no case {case_id}"),
            N_("check its number, or open the case first"),
            case_id=purpose.case_id,
        )
    if not _in_words(purpose.reason):
        raise Refused(
            N_("a reason is missing for case {case_id}"),
            N_("say in words what you are looking for and why"),
            case_id=case.case_id,
        )
    if len(purpose.reason) > LONGEST_REASON:
        raise Refused(
            N_("a reason of {count} signs is too long for the log of case {case_id}"),
            N_("say it in {most}"),
            case_id=case.case_id,
            count=len(purpose.reason),
            most=LONGEST_REASON,
        )
    _must_stand(case, now_ns)
    _must_hold_cameras(case, cameras)
    _must_hold_span(case, span)


def bounds(
    case: Case, cameras: Iterable[str] | None = None, span: Span | None = None
) -> tuple[tuple[str, ...] | None, Span]:
    """Return the part of a request that lies inside a case's bounds.

    For searches that ask for "whatever the case allows". The result passes the bounds tests of
    :func:`authorise`, unless it is empty.

    Returns
    -------
    tuple[tuple[str, ...] | None, Span]
        The cameras, in the order asked (None: every camera of the ward; an empty tuple: none of
        them is in the case), and the span; an empty span where the periods share no instant.

    >>> case = Case("1", "", "", "", Span(10, 20), ("C1", "C2"))
    >>> bounds(case, ["C2", "C3"], Span(0, 15))
    (('C2',), Span(start_ns=10, stop_ns=15))
    >>> bounds(case)
    (('C1', 'C2'), Span(start_ns=10, stop_ns=20))
    """
    asked = None if cameras is None else tuple(dict.fromkeys(cameras))
    if not case.cameras:
        allowed = asked
    elif asked is None:
        allowed = case.cameras
    else:
        allowed = tuple(camera for camera in asked if camera in case.cameras)
    start = case.period.start_ns
    within = case.period if span is None else case.period.overlap(span) or Span(start, start)
    return allowed, within


def check_record(case: Case) -> None:
    """Raise BadInput where a case lacks what it must hold before it can allow anything."""
    for value, what in (
        (case.case_id, N_("the case has no number")),
        (case.title, N_("case {case_id} has no title")),
        (case.legal_basis, N_("case {case_id} names no legal basis")),
        (case.reason, N_("case {case_id} gives no reason")),
        (case.opened_by, N_("case {case_id} does not say who opens it")),
    ):
        if not _in_words(value):
            raise BadInput(what, N_("fill it in"), case_id=case.case_id)
    for value, most, what in (
        (case.case_id, LONGEST_NUMBER, N_("the number of the case has {count} signs")),
        (case.title, LONGEST_TITLE, N_("the title of the case has {count} signs")),
        (case.legal_basis, LONGEST_REASON, N_("the legal basis of the case has {count} signs")),
        (case.reason, LONGEST_REASON, N_("the reason of the case has {count} signs")),
    ):
        if len(value) > most:
            raise BadInput(what, N_("say it in {most}"), count=len(value), most=most)
    check_particulars(case)
    if case.period.duration_ns == 0:
        raise BadInput(
            N_("the period of case {case_id} is empty"),
            N_("give an end later than the start"),
            case_id=case.case_id,
        )


def _in_words(text: str) -> bool:
    return any(sign.isalnum() for sign in text)


def _must_stand(case: Case, now_ns: int) -> None:
    if case.closed:
        raise Refused(
            N_("case {case_id} is closed"),
            N_("choose an open case; to go on, open a new case that names this one"),
            case_id=case.case_id,
        )
    if not _in_words(case.legal_basis):
        raise Refused(
            N_("case {case_id} names no legal basis"),
            N_("enter the statute or order it rests on"),
            case_id=case.case_id,
        )
    if case.opened_at_ns > now_ns:
        raise Refused(
            N_("case {case_id} is opened at {opened}, and now it is {now}"),
            N_("check the clock of this machine and the date of the case"),
            case_id=case.case_id,
            opened=format_utc(case.opened_at_ns),
            now=format_utc(now_ns),
        )


def _must_hold_cameras(case: Case, cameras: Sequence[str] | None) -> None:
    if not case.cameras:
        return
    if not cameras:
        raise Refused(
            N_("case {case_id} allows {count} cameras, not every camera of the ward"),
            N_("name cameras of the case: {allowed}"),
            case_id=case.case_id,
            count=len(case.cameras),
            allowed=_some(case.cameras),
        )
    outside = [camera for camera in cameras if camera not in case.cameras]
    if outside:
        raise Refused(
            N_("case {case_id} does not allow camera {outside}"),
            N_("keep to its cameras ({allowed}), or have the case widened"),
            case_id=case.case_id,
            outside=_some(outside),
            allowed=_some(case.cameras),
        )


def _must_hold_span(case: Case, span: Span | None) -> None:
    allowed = case.period
    if span is None:
        raise Refused(
            N_("case {case_id} allows {start} to {stop}, not all time"),
            N_("name a period inside it"),
            case_id=case.case_id,
            start=format_utc(allowed.start_ns),
            stop=format_utc(allowed.stop_ns),
        )
    # The stop test alone would let an empty span at the very end of the period through.
    if span.start_ns not in allowed or span.stop_ns > allowed.stop_ns:
        raise Refused(
            N_("case {case_id} allows {start} to {stop}; {asked_start} to {asked_stop} is outside"),
            N_("ask for a period inside it, or have the case widened"),
            case_id=case.case_id,
            start=format_utc(allowed.start_ns),
            stop=format_utc(allowed.stop_ns),
            asked_start=format_utc(span.start_ns),
            asked_stop=format_utc(span.stop_ns),
        )


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown}, ... ({len(names)})"
