"""What the grammar takes for a plate, what it changes, and what it leaves alone."""

from __future__ import annotations

import csv
import random
from datetime import date
from math import exp
from pathlib import Path

import pytest

from workbench.plates import compact, normalise
from workbench.plates.grammar import default_grammar


@pytest.mark.parametrize(
    ("raw", "text", "layout"),
    [
        ("99A-123.45", "99A-123.45", "car"),
        ("30F 1234", "30F-1234", "car-4"),
        ("99b1-123.45", "99B1-123.45", "motorcycle"),
        ("81AA-048.92", "81AA-048.92", "motorcycle-two-letter"),
        ("99LD 123.45", "99LD-123.45", "special"),
        ("80NG12345", "80NG-123-45", "diplomatic"),
        ("80-123-NG-45", "80-123-NG-45", "diplomatic-one-line"),
        ("29MĐ1-004.56", "29MD1-004.56", "electric"),
        ("99R-012.34", "99R-012.34", "trailer"),
        ("KP-12-34", "KP-12-34", "army"),
    ],
)
def test_grammatical_texts_are_left_as_they_are(raw: str, text: str, layout: str) -> None:
    reading = normalise(raw)
    assert reading is not None
    assert (reading.text, reading.layout) == (text, layout)
    assert (reading.overrides, reading.penalty, reading.partial) == ((), 0.0, False)


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("9981-123.45", "99B1-123.45"),
        ("99BI-I23.4S", "99B1-123.45"),
        ("3OF-I2E.45", None),  # E is no look-alike of any digit
        ("99O1-123.45", "99D1-123.45"),
        ("994-123.45", "99A-123.45"),
        ("Z9A-1Z3.45", "29A-123.45"),
        ("I99A12345", "99A-123.45"),
        ("99B1-123.45|", "99B1-123.45"),
        ("99B1-123.456", None),  # a sign too many may be any of them,
        ("HELLO", None),
        ("", None),
        ("99", None),
    ],
)
def test_position_decides_between_look_alikes(raw: str, text: str | None) -> None:
    reading = normalise(raw)
    assert (reading.text if reading else None) == text


def test_each_override_says_where_what_and_why() -> None:
    reading = normalise("998I12345")
    assert reading is not None
    assert [(o.position, o.raw, o.sign) for o in reading.overrides] == [
        (2, "8", "B"),
        (3, "I", "1"),
    ]
    assert [o.reason for o in reading.overrides] == ["a letter stands here", "a digit stands here"]
    assert reading.penalty == pytest.approx(0.5)


def test_a_digit_is_never_made_another_digit() -> None:
    reading = normalise("42B1-123.45")  # no local code 42
    assert reading is not None
    assert reading.compact == "42B112345"
    assert not reading.grammatical
    assert reading.penalty >= 1


def test_lines_tell_an_old_motorcycle_from_a_new_car() -> None:
    one_line = normalise("99B11234")
    two_lines = normalise("99B11234", lines=("99B1", "1234"))
    assert one_line is not None
    assert two_lines is not None
    assert (one_line.text, two_lines.text) == ("99B-112.34", "99B1-1234")
    assert one_line.compact == two_lines.compact
    assert normalise("99B1\n1234") == two_lines


@pytest.mark.parametrize(
    ("lines", "text"),
    [(("", "1234S"), "*-123.45"), (("99B1", ""), "99B1-*"), (("", "1234"), "*-1234")],
)
def test_a_lost_line_leaves_a_partial_reading(lines: tuple[str, str], text: str) -> None:
    reading = normalise("".join(lines), lines=lines)
    assert reading is not None
    assert (reading.text, reading.partial) == (text, True)


def test_dates_decide_what_is_in_use() -> None:
    assert normalise("29MD100456", on=date(2012, 1, 1)) is None
    grammar = default_grammar()
    assert grammar.place("98", date(2025, 6, 30)) == "Bắc Giang"
    assert grammar.place("98", date(2025, 7, 1)) == "Bắc Ninh"
    assert grammar.place("99", date(2026, 1, 1)) == "Bắc Ninh"
    assert "13" not in grammar.local_codes()
    assert not set("IJOQRW") & grammar.letters("ordinary")
    assert len(grammar.letters("ordinary")) == 20


def random_plate(rng: random.Random) -> str:
    grammar = default_grammar()
    code = rng.choice(sorted(grammar.local_codes()))
    letter = rng.choice(sorted(grammar.letters("ordinary")))
    number = f"{rng.randrange(100_000):05d}"
    return code + letter + rng.choice(["", str(rng.randrange(1, 10))]) + number


def test_one_class_crossing_confusion_is_mostly_undone() -> None:
    rng, grammar = random.Random(7), default_grammar()
    right = wrong = 0
    for _ in range(400):
        plate = random_plate(rng)
        at = rng.randrange(len(plate))
        others = {
            b: exp(-8 * cost)
            for (a, b), cost in sorted(grammar.confusable.items())
            if a == plate[at] and a.isdigit() != b.isdigit()
        }
        if not others:
            continue
        (seen,) = rng.choices(list(others), list(others.values()))
        misread = plate[:at] + seen + plate[at + 1 :]
        reading = normalise(misread)
        right += reading is not None and reading.compact == plate
        wrong += reading is not None and reading.compact != plate
    # What stays wrong is grammatical both ways (99B1, 99BT) or has several look-alikes (1: L, T).
    assert right / (right + wrong) > 0.75


@pytest.mark.footage
def test_every_plate_read_by_eye_is_grammatical(footage: Path) -> None:
    with (footage / "vn_plates_mrzaizai2k" / "verified_truth.csv").open(encoding="utf-8") as file:
        seen = {row["plate"] for row in csv.DictReader(file) if row["plate"]}
    assert len(seen) == 7
    for plate in seen:
        reading = normalise(plate)
        assert reading is not None
        assert (reading.compact, reading.penalty) == (compact(plate), 0.0)
