"""Probabilities by position: decoding, fusing, likelihood."""

from __future__ import annotations

import itertools

import pytest

from workbench import plates
from workbench.plates import decode, from_text, fuse, log_likelihood
from workbench.plates.lattice import best_text


def test_the_reader_s_own_doubt_decides_between_digits() -> None:
    lattice = from_text("42B112345")
    lattice[1] = {"2": 0.55, "3": 0.4}
    reading = decode(lattice)
    assert reading is not None
    assert reading.compact == "43B112345"  # 42 is no local code, 43 is
    assert [(o.position, o.raw, o.sign) for o in reading.overrides] == [(1, "2", "3")]


def test_without_doubt_nothing_is_guessed() -> None:
    reading = decode(from_text("42B112345"))
    assert reading is not None
    assert (reading.compact, reading.grammatical) == ("42B112345", False)


def test_a_grammatical_text_is_kept_against_likelier_layouts() -> None:
    lattice = from_text("99B112345", 0.4)
    reading = decode(lattice)
    assert reading is not None
    assert (reading.text, reading.overrides) == ("99B1-123.45", ())


def test_position_decides_in_a_lattice_too() -> None:
    reading = decode([{"9": 0.9}, {"9": 0.9}, {"8": 0.9}, {"I": 0.9}, *from_text("12345")])
    assert reading is not None
    assert reading.text == "99B1-123.45"


def test_lost_line_and_nonsense() -> None:
    partial = decode(from_text("12345"))
    assert partial is not None
    assert partial.partial
    assert decode(from_text("HHHHHHHH")) is None
    assert decode([]) is None


def test_fusing_outvotes_a_single_misread_in_any_order() -> None:
    reads = [from_text("99B112345", 0.7), from_text("99B712345", 0.7), from_text("99B112345", 0.6)]
    results = [fuse(list(order)) for order in itertools.permutations(reads)]
    assert {best_text(result) for result in results} == {"99B112345"}
    for other in results[1:]:
        for one, two in zip(results[0], other, strict=True):
            assert one == pytest.approx(two)


def test_fusing_aligns_a_read_that_lost_a_sign() -> None:
    reads = [from_text("99B112345", 0.6), from_text("99B12345", 0.9), from_text("99B112346", 0.5)]
    assert best_text(fuse(reads)) == "99B112345"


def test_fusing_doubts_does_not_make_them_sure() -> None:
    unsure = [{"1": 0.4, "7": 0.3}]
    (position,) = fuse([unsure, unsure, unsure])
    assert position["1"] < 0.6
    assert sum(position.values()) <= 1 + 1e-9


def test_likelihood_ranks_the_plate_above_its_twin() -> None:
    lattice = from_text("99B112345", 0.9)
    same = log_likelihood("99B1-123.45", lattice)
    look_alike = log_likelihood("99B7-123.45", lattice)
    other = log_likelihood("99B4-123.45", lattice)
    assert same > look_alike > other
    assert log_likelihood("99B1", lattice) == float("-inf")


def test_confidences_must_be_one_a_sign() -> None:
    with pytest.raises(ValueError, match="9 signs and 2"):
        from_text("99B112345", [0.5, 0.5])


def test_a_plate_of_the_army_has_others_it_may_be() -> None:
    sure, doubtful = plates.from_text("AB1234", 0.99), plates.from_text("AB1234", 0.99)
    doubtful[3] = {"2": 0.6, "7": 0.35}
    (text, share), *_ = plates.alternatives(sure)
    assert text == "AB-12-34"
    assert share > 0.9
    found = dict(plates.alternatives(doubtful))
    assert found["AB-12-34"] < 0.7
    assert found["AB-17-34"] > 0.2
    # strict: what is none as it stands is not made one
    assert plates.alternatives(plates.from_text("A81234", 0.9)) == []
