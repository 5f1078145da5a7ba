"""What a case allows, and that each refusal says what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.rows import START_NS, case, purpose

from workbench.cases import authorise, bounds, check_record
from workbench.errors import BadInput, Refused
from workbench.records import Case, Purpose
from workbench.timeline import Span

CASE = case(cameras=("C01", "C02"), period=Span(START_NS + 1000, START_NS + 2000))
INSIDE = Span(START_NS + 1000, START_NS + 2000)


def ask(
    of: Case | None = CASE,
    why: Purpose | None = purpose(),  # noqa: B008 - frozen
    *,
    cameras: Sequence[str] | None = ("C01",),
    span: Span | None = INSIDE,
    now_ns: int = START_NS,
) -> None:
    authorise(of, why, cameras=cameras, span=span, now_ns=now_ns)


def test_inside_is_allowed() -> None:
    ask()
    ask(cameras=["C02", "C01"], span=Span(START_NS + 1500, START_NS + 1501))


def test_case_without_camera_list_allows_the_ward() -> None:
    open_case = replace(CASE, cameras=())
    ask(open_case, cameras=None)
    ask(open_case, cameras=["C77"])


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"why": None}, "needs a case. Choose an open case"),
        ({"why": Purpose("  ", "x")}, "needs a case. Choose an open case"),
        ({"of": None}, "no case 01/2026. Check its number"),
        ({"of": case("02/2026")}, "no case 01/2026. Check its number"),
        ({"why": purpose(reason="")}, "reason is missing for case 01/2026. Say in words"),
        ({"why": purpose(reason=" .- ")}, "reason is missing for case 01/2026. Say in words"),
        ({"of": replace(CASE, closed=True)}, "case 01/2026 is closed. Choose an open case"),
        ({"of": replace(CASE, legal_basis=" ")}, "names no legal basis. Enter the statute"),
        ({"now_ns": START_NS - 1}, "Check the clock of this machine"),
        ({"cameras": ["C01", "C03"]}, r"not allow camera C03. Keep to its cameras \(C01, C02\)"),
        ({"cameras": None}, "allows 2 cameras, not every camera of the ward. Name cameras"),
        ({"cameras": []}, "allows 2 cameras, not every camera of the ward. Name cameras"),
        ({"span": None}, "not all time. Name a period inside it"),
        ({"span": Span(START_NS + 999, START_NS + 1500)}, "is outside. Ask for a period inside"),
        ({"span": Span(START_NS + 1500, START_NS + 2001)}, "is outside. Ask for a period inside"),
        ({"span": Span(START_NS + 2000, START_NS + 2000)}, "is outside. Ask for a period inside"),
    ],
)
def test_outside_is_refused_with_what_to_do(asked: dict[str, Any], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence) as refused:
        ask(**asked)
    assert "{" not in str(refused.value)


TIMES = st.integers(START_NS, START_NS + 3000)


@given(
    span=st.one_of(st.none(), st.tuples(TIMES, TIMES).map(lambda t: Span(min(t), max(t)))),
    cameras=st.one_of(st.none(), st.lists(st.sampled_from(["C01", "C02", "C03"]))),
)
def test_bounds_are_what_authorise_allows(span: Span | None, cameras: list[str] | None) -> None:
    allowed, within = bounds(CASE, cameras, span)
    assert allowed is not None
    if allowed and within.duration_ns:
        ask(cameras=allowed, span=within)
    if span is not None and span.duration_ns and cameras:
        inside = set(cameras) <= set(CASE.cameras) and span.start_ns in INSIDE
        inside = inside and span.stop_ns <= INSIDE.stop_ns
        if inside:
            assert (set(allowed), within) == (set(cameras), span)
            ask(cameras=cameras, span=span)
        else:
            with pytest.raises(Refused):
                ask(cameras=cameras, span=span)


def test_bounds_of_a_case_on_the_whole_ward() -> None:
    open_case = replace(CASE, cameras=())
    assert bounds(open_case) == (None, INSIDE)
    assert bounds(open_case, ["C03", "C03"])[0] == ("C03",)
    assert bounds(CASE, ["C03"])[0] == ()
    assert bounds(CASE, None, Span(0, 5))[1].duration_ns == 0


@pytest.mark.parametrize("field", ["case_id", "title", "legal_basis", "reason", "opened_by"])
def test_a_record_must_say(field: str) -> None:
    check_record(CASE)
    with pytest.raises(BadInput, match="Fill it in"):
        check_record(replace(CASE, **{field: " - "}))


def test_a_record_must_have_a_period() -> None:
    with pytest.raises(BadInput, match="period of case 01/2026 is empty"):
        check_record(replace(CASE, period=Span(5, 5)))


@pytest.mark.parametrize(
    ("field", "most"), [("case_id", 60), ("title", 200), ("legal_basis", 500), ("reason", 500)]
)
def test_a_case_is_no_book(field, most):
    check_record(replace(CASE, **{field: "x" * most}))
    with pytest.raises(BadInput, match=str(most)):
        check_record(replace(CASE, **{field: "x" * (most + 1)}))
