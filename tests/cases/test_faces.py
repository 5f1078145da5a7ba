"""Who may compare faces, where and until when; each refusal says what to do next."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest
from make.rows import START_NS, case

from workbench.cases import authorise_faces
from workbench.errors import Refused
from workbench.records import Case, FaceAuthority
from workbench.timeline import SECOND_NS, Span

HOUR_NS = 3600 * SECOND_NS
PERIOD = Span(START_NS, START_NS + HOUR_NS)
CASE = case(cameras=("C01", "C02"), period=PERIOD)
FACTS: dict[str, Any] = {
    "case_id": CASE.case_id,
    "requester": "thu",
    "approver": "minh",
    "purpose": "the one who left the grey van",
    "cameras": ("C01",),
    "period": PERIOD,
    "approved_at_ns": START_NS + 2 * HOUR_NS,
    "expires_at_ns": START_NS + 50 * HOUR_NS,
}
LEAVE = FaceAuthority(**FACTS)


def ask(
    of: Case | None = CASE,
    leave: FaceAuthority | None = LEAVE,
    *,
    actor: str = "thu",
    cameras: tuple[str, ...] = ("C01",),
    span: Span = PERIOD,
    now_ns: int = START_NS + 3 * HOUR_NS,
) -> FaceAuthority:
    return authorise_faces(of, leave, actor=actor, cameras=cameras, span=span, now_ns=now_ns)


def test_inside_case_and_leave_is_allowed() -> None:
    assert ask() is LEAVE


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"approver": "thu"}, "thu asks for a face search and approves it. Have somebody else"),
        ({"approver": " Thu  "}, "asks for a face search and approves it"),
        ({"approver": ""}, "needs one who asks and one who approves"),
        ({"requester": " "}, "needs one who asks and one who approves"),
        ({"cameras": ()}, "needs a case, a purpose in words, cameras and a period"),
        ({"purpose": " - "}, "needs a case, a purpose in words, cameras and a period"),
        ({"case_id": ""}, "needs a case, a purpose in words, cameras and a period"),
        ({"period": Span(5, 5)}, "needs a case, a purpose in words, cameras and a period"),
        ({"expires_at_ns": START_NS + 2 * HOUR_NS}, "ends before it begins"),
    ],
)
def test_no_authority_exists_that_lacks_a_bound(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        FaceAuthority(**(FACTS | changes))
    with pytest.raises(Refused, match=sentence):
        replace(LEAVE, **changes)


def test_an_authority_cannot_be_widened_afterwards() -> None:
    with pytest.raises(FrozenInstanceError):
        LEAVE.cameras = ("C01", "C02")  # type: ignore[misc]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"leave": None}, "needs leave from somebody who may approve it. Ask for it"),
        ({"of": None}, "no case 01/2026"),
        ({"of": replace(CASE, closed=True)}, "case 01/2026 is closed"),
        ({"of": replace(CASE, training=True)}, "is for training: no face is compared"),
        ({"of": case("02/2026")}, "no case 01/2026"),
        ({"of": replace(CASE, cameras=("C02",))}, "not allow camera C01"),
        ({"of": replace(CASE, cameras=("C01",), period=Span(START_NS, START_NS + 9))}, "outside"),
        ({"actor": "minh"}, "is not yours"),
        ({"cameras": ()}, "no camera is named"),
        ({"cameras": ("C01", "C02")}, "does not name camera C02"),
        ({"now_ns": START_NS + 50 * HOUR_NS}, "does not stand now. Have it approved anew"),
        ({"now_ns": START_NS + HOUR_NS}, "does not stand now"),
    ],
)
def test_outside_is_refused_with_what_to_do(asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence) as refused:
        ask(**asked)
    assert "{" not in str(refused.value)


def test_an_authority_wider_than_its_case_is_refused_whatever_is_asked() -> None:
    wide = replace(LEAVE, cameras=("C01", "C09"))
    with pytest.raises(Refused, match="not allow camera C09"):
        ask(leave=wide)
    long = replace(LEAVE, period=Span(START_NS, START_NS + 2 * HOUR_NS))
    with pytest.raises(Refused, match="outside"):
        ask(leave=long)


def test_a_narrower_authority_bounds_a_wider_case() -> None:
    narrow = replace(LEAVE, period=Span(START_NS, START_NS + 60 * SECOND_NS))
    ask(leave=narrow, span=Span(START_NS, START_NS + 60 * SECOND_NS))
    with pytest.raises(Refused, match="does not cover that time"):
        ask(leave=narrow, span=Span(START_NS, START_NS + 61 * SECOND_NS))
