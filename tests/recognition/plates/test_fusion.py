"""Fusing the readings of a pass, and what its probability is worth."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import plates
from workbench.errors import BadInput
from workbench.recognition.plates import calibration
from workbench.recognition.plates.calibration import (
    Evidence,
    fit,
    load_table,
    probability,
    table_file,
)
from workbench.recognition.plates.fusion import fuse
from workbench.recognition.types import LINE_READERS, PlateReading
from workbench.records import Box

TEXT = "99B1-123.45"


def reading(text: str = TEXT, sure: float = 0.95, score: float | None = None) -> PlateReading:
    lattice = [
        {sign: sure, **({"7": (1 - sure) / 2} if sign != "7" else {})}
        for sign in plates.compact(text)
    ]
    return PlateReading(text, text, score or sure, lattice, Box(0, 0, 80, 60), "two-line")


def unread(raw: str = "99 81 12345") -> PlateReading:
    lattice = [{s: 0.5} for s in plates.compact(raw)]
    return PlateReading(None, raw, 0.5, lattice, Box(0, 0, 80, 60), "two-line")


def test_nothing_and_unread_are_results() -> None:
    assert fuse([]) is None
    one = fuse([(3, unread())])
    assert (one.text, one.score, one.number) == (None, 0.0, 3)


def test_a_plate_of_no_layout_of_the_day_beside_a_shorter_surer_one_is_read() -> None:
    # the clock of a camera that lost its power says 1970, when no plate had ten signs
    long, short = reading("29MD1-123.45", 0.9), reading("29D1-123.45", 0.95)
    one = fuse([(0, long), (1, long), (2, short)], on=date(1970, 1, 1))
    assert (one.text, len(one.lattice)) == ("29MD1-123.45", 10)


def test_two_looks_outvote_a_smear_and_the_order_is_nothing() -> None:
    given_ = [(0, reading()), (1, reading("99B1-128.45", 0.8)), (2, reading(sure=0.9))]
    found = {repr(fuse(list(order))) for order in itertools.permutations(given_)}
    assert len(found) == 1
    assert fuse(given_).text == TEXT
    assert fuse(given_).number == 0


def test_a_lost_sign_is_aligned_and_a_neighbour_left_out() -> None:
    short = reading("99B1-1234", 0.9)
    other = reading("30F-888.88", 0.85)
    assert fuse([(0, reading()), (1, short), (2, reading()), (3, other)]).text == TEXT


def test_what_other_frames_changed_is_said() -> None:
    smeared = PlateReading(
        "99D1-123.45", "99-01 123.45", 0.99,
        [{"9": 0.99}, {"9": 0.99}, {"D": 0.5, "B": 0.45}, *({s: 0.99} for s in "112345")],
        Box(0, 0, 80, 60), "two-line",
    )  # fmt: skip
    one = fuse([(0, smeared), (1, reading(sure=0.8)), (2, reading(sure=0.8))])
    assert one.text == TEXT
    alone = fuse([(0, smeared)])
    assert {c.sign for c in alone.overrides} <= {"D"}


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(0.6, 0.9999), min_size=1, max_size=5), st.floats(0.55, 0.99))
def test_a_reading_that_agrees_never_lowers_the_probability(
    looks: list[float], more: float
) -> None:
    before = fuse([(n, reading(sure=p, score=0.9)) for n, p in enumerate(looks)])
    after = fuse([(n, reading(sure=p, score=0.9)) for n, p in enumerate([*looks, more])])
    assert after.text == before.text == TEXT
    assert after.score >= before.score - 1e-4


@given(st.permutations([0.6, 0.7, 0.8, 0.97]))
def test_lattices_fuse_in_any_order(order: list[float]) -> None:
    reads = [plates.from_text("99B112345", p) for p in order]
    reads.append(plates.from_text("12345", 0.9))
    first = plates.fuse([plates.from_text("99B112345", p) for p in (0.6, 0.7, 0.8, 0.97)]
                        + [plates.from_text("12345", 0.9)])  # fmt: skip
    for ours, theirs in zip(plates.fuse(reads), first, strict=True):
        assert ours == pytest.approx(theirs)


def test_a_lone_line_supports_its_line() -> None:
    unsure = plates.from_text("99B112345", 0.6)
    both = plates.fuse([unsure, plates.from_text("12345", 0.9)])
    assert len(both) == 9
    assert both[8]["5"] > unsure[8]["5"]
    assert both[2]["B"] == pytest.approx(unsure[2]["B"], abs=0.02)


def test_alternatives_are_plates_and_share_what_there_is() -> None:
    found = plates.alternatives(plates.from_text("59F8I2345", 0.8), upper=4)
    assert found[0][0] == "59F8-123.45"
    assert sum(share for _, share in found) <= 1.0 + 1e-9
    assert all(plates.normalise(text).overrides == () for text, _ in found)


def evidence(share: float, **changed: float) -> Evidence:
    given_ = {"seen": (0.99,) * 9, "agreeing": 1.0, "overridden": 0, "sign_px": 30.0, **changed}
    return Evidence(share=share, **given_)


def test_the_map_is_monotone_whatever_it_is_fitted_on() -> None:
    good, bad = evidence(0.99), evidence(0.3, agreeing=0.5, overridden=2)
    # planted: truth upside down must not turn the map over
    wrong = fit([good, bad] * 20, [False, True] * 20)
    assert probability(good, wrong) >= probability(bad, wrong)
    right = fit([good, bad] * 20, [True, False] * 20)
    assert probability(good, right) > 0.9 > 0.1 > probability(bad, right)


@pytest.mark.parametrize("reader", LINE_READERS)
def test_the_shipped_maps_claim_little_for_little(reader) -> None:
    assert probability(evidence(0.9999, seen=(0.999,) * 9), reader=reader) > 0.95
    assert probability(evidence(0.4, agreeing=0.5, seen=(0.6,) * 9), reader=reader) < 0.5


def test_what_a_score_is_worth_depends_on_the_reader() -> None:
    looks = [(n, replace(reading(sure=0.9), reader=name)) for n, name in enumerate(LINE_READERS)]
    assert len({fuse([look]).score for look in looks}) == len(LINE_READERS)


def test_a_sure_reading_of_an_army_plate_is_claimed_for_its_signs() -> None:
    doubtful = reading("AB-12-34", 0.99)
    doubtful.lattice[3] = {"2": 0.5, "7": 0.45}
    sure, unsure = fuse([(0, reading("AB-12-34", 0.99))]), fuse([(0, doubtful)])
    assert (sure.text, unsure.text) == ("AB-12-34", "AB-12-34")
    # it was claimed at .999 whatever the signs were: there seemed to be no other plate
    assert unsure.score < 0.9 < sure.score
    assert unsure.alternatives[0][0] == "AB-17-34"


def test_a_broken_table_is_one_sentence(tmp_path) -> None:
    path = tmp_path / "map.json"
    whole = json.loads(table_file().read_text(encoding="utf-8"))
    halves = ({**whole, "pooling": {}}, {**whole, "readers": {"both": whole["readers"]["both"]}})
    for text in ("", "[]", "{}", *map(json.dumps, halves)):
        path.write_text(text)
        with pytest.raises(BadInput, match="calibration of plate readings"):
            load_table(path)
    with pytest.raises(BadInput):
        load_table(tmp_path / "absent.json")
    assert set(calibration.default_table().maps) == set(LINE_READERS)
