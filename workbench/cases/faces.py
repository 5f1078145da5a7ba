"""May faces be compared for a case: what stands beyond the case's own bounds. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from workbench.cases.authority import authorise
from workbench.errors import N_, Refused
from workbench.records import Case, FaceAuthority, Purpose
from workbench.timeline import Span


def authorise_faces(
    case: Case | None,
    authority: FaceAuthority | None,
    *,
    actor: str,
    cameras: Sequence[str],
    span: Span,
    now_ns: int,
) -> FaceAuthority:
    """Return the authority when it lets `actor` compare faces there and now; raise otherwise.

    Both must allow it: the case by its bounds, and the authority by its own, which are narrower or
    equal. That approver and requester are two people the authority has seen to itself.

    Parameters
    ----------
    case
        The case that the authority names, or None where there is no such case.
    authority
        The approved request; None where there is none.
    cameras
        The cameras asked for; none asks for nothing and is refused.

    Raises
    ------
    Refused
        With a sentence that says why, and what to do next.
    """
    if authority is None:
        raise Refused(
            N_("comparing faces needs leave from somebody who may approve it"),
            N_("ask for it, with cameras, period and purpose"),
        )
    if not cameras:
        raise Refused(
            N_("no camera is named for the face search of case {case_id}"),
            N_("name cameras of its leave"),
            case_id=authority.case_id,
        )
    if actor.strip() != authority.requester.strip():
        raise Refused(
            N_("the leave to compare faces for case {case_id} is not yours"),
            N_("ask for leave of your own"),
            case_id=authority.case_id,
        )
    purpose = Purpose(authority.case_id, authority.purpose)
    authorise(case, purpose, cameras=cameras, span=span, now_ns=now_ns)
    assert case is not None
    if case.training:
        raise Refused(
            N_("case {case_id} is for training: no face is compared for practice"),
            N_("use a case on real events, approved by somebody else"),
            case_id=case.case_id,
        )
    # an authority wider than its case is a mistake of whoever approved it, whatever is asked now
    authorise(case, purpose, cameras=authority.cameras, span=authority.period, now_ns=now_ns)
    authority.must_stand(now_ns)
    for camera_id in cameras:
        authority.must_cover(camera_id, span)
    return authority
