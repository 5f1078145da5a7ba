"""Searching among reads: what is exact, what is marked, what a bad pattern is told."""

from __future__ import annotations

import time

import pytest

from workbench.errors import BadInput
from workbench.plates import Difference, build_index, pairs_within, parse_pattern, search

READS = [
    "99B1-123.45",
    "99B1-123.46",
    "9981-123.45",
    "99B7-123.45",
    "*-123.45",
    "99B1-*",
    "99D1-555.55",
    "30F-1234",
    "29MD1-004.56",
]


def found(pattern: str, **options: float) -> list[tuple[str, str]]:
    return [(hit.text, hit.how) for hit in search(pattern, READS, **options)]


def test_exact_comes_first_and_the_rest_is_marked() -> None:
    hits = search("99b1 12345", READS)
    assert (hits[0].text, hits[0].approximate, hits[0].differences) == ("99B1-123.45", False, ())
    assert all(hit.approximate and hit.differences for hit in hits[1:])
    assert [hit.text for hit in hits[1:3]] == ["9981-123.45", "99B7-123.45"]
    assert hits[1].differences == (Difference(2, "B", "8"),)
    assert "30F-1234" not in [hit.text for hit in hits]


def test_a_near_twin_is_never_silently_the_plate() -> None:
    (twin,) = [hit for hit in search("99B1-123.45", READS) if hit.text == "99B1-123.46"]
    assert twin.approximate
    assert twin.differences == (Difference(8, "5", "6"),)


def test_a_lost_line_is_one_difference() -> None:
    by_text = {hit.text: hit for hit in search("99B1-123.45", READS)}
    assert by_text["*-123.45"].differences == (Difference(0, "99B1", ""),)
    assert by_text["99B1-*"].differences == (Difference(4, "12345", ""),)


def test_wildcards_and_parts() -> None:
    assert found("99B1-123.4?", max_distance=0) == [
        ("99B1-123.45", "pattern"),
        ("99B1-123.46", "pattern"),
    ]
    assert found("99*55") == [("99D1-555.55", "pattern")]
    assert found("29MĐ1*") == [("29MD1-004.56", "pattern")]
    assert found("2345", max_distance=0) == [
        ("*-123.45", "partial"),
        ("9981-123.45", "partial"),
        ("99B1-123.45", "partial"),
        ("99B7-123.45", "partial"),
    ]
    assert found("F?23", max_distance=0) == [("30F-1234", "partial")]


def test_a_part_that_looks_alike_is_marked() -> None:
    hits = {hit.text: hit for hit in search("5S555", READS)}
    assert hits["99D1-555.55"].approximate
    (difference,) = hits["99D1-555.55"].differences
    assert difference == Difference(1, "S", "5")
    assert difference.their_position == 5


def test_limit_and_no_reads() -> None:
    assert len(search("99*", READS, 2)) == 2
    assert search("99B1-123.45", []) == []


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("99B1_123", "no '_'"),
        ("biển số", "no 'Ể Ố'"),
        ("*9*", "too short"),
        ("", "too short"),
        ("????", "too short"),
        ("99B1123459999", "longer than any plate"),
    ],
)
def test_a_bad_pattern_is_told_in_one_sentence(pattern: str, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        search(pattern, READS)


def test_patterns_are_cleaned() -> None:
    assert parse_pattern(" 99-b1 12?.45 ") == "99B112?45"
    assert parse_pattern("đa**12") == "DA*12"


def test_a_sign_that_is_no_letter_differs_from_every_sign() -> None:
    (hit,) = search("99A-123.45", ["99A-12京.45"])
    assert hit.approximate
    assert hit.differences == (Difference(5, "3", "?"),)


def test_many_reads_are_searched_quickly() -> None:
    reads = [f"99{'ABCDEFGHK'[n % 9]}{n % 8 + 1}{n * 7919 % 100_000:05d}" for n in range(100_000)]
    index = build_index(reads)
    began = time.perf_counter()
    hits = search(reads[777], index)
    # Some 10 ms on an idle core; the bound only catches a scan in pure Python.
    assert time.perf_counter() - began < 1.0
    assert hits[0].text == reads[777]


def test_pairs_are_those_within_the_distance() -> None:
    texts = ["99B112345", "998112345", "99B112346", "12345", "30F1234"]
    assert pairs_within(texts, 1.25) == [(0, 1, 0.3), (0, 2, 1.0), (0, 3, 1.25), (1, 3, 1.25)]
    with pytest.raises(ValueError, match="max_distance"):
        pairs_within(texts, 2.0)
