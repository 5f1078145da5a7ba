"""The panel of a plate that contradicts itself: both sides in words, no number where too few."""

from dataclasses import replace

import pytest
from make.small_root import PLATE, TWIN

from workbench.investigation import believe, contradictions
from workbench.trajectories import ClockDoubt
from workbench.views.contradictions import layer, panel_html
from workbench.views.text import translator
from workbench.views.trace import _TracePage

VI = translator("vi")


def chosen(visit, plate):
    made = _TracePage(visit)
    made._choose_plate(plate)
    while made._linking.goes_on:
        made._take(lambda: made._linking.answer(30))
    return made


def test_the_chosen_plate_says_both_sides_and_draws_its_two_reads(in_case):
    page = chosen(in_case(plate=PLATE), PLATE)
    assert page.doubt.view.visible
    said = page.doubt._said.object
    assert "Nghi biển số giả" in said
    assert "chưa hiệu chuẩn" in said.casefold()
    assert "Điều ủng hộ" in said
    assert "Điều chống lại" in said
    assert "xác suất 0" not in said
    assert said.count(f"· {PLATE}") >= 2
    page.doubt._draw.clicks += 1
    drawn = page.chart.bridge.around
    assert len(drawn["lines"]) == 2
    assert drawn["lines"][0]["line"] == drawn["lines"][1]["line"][::-1]
    page._choose_plate(TWIN)
    assert not page.doubt.view.visible
    assert any(e.action == "search.contradictions" for e in page.visit.wb.audit())


def test_with_enough_links_a_probability_is_said_and_never_as_certain(small_root, purpose):
    found = contradictions(small_root, purpose, plate=PLATE, belief=believe(small_root, purpose))
    sure = replace(found.plates[0], probability=0.99)
    said = panel_html(replace(found, calibrated=True, plates=(sure,)), (), VI)
    assert "0.99" in said
    assert "1.00" not in said
    assert layer(small_root, sure, found.sightings)["marks"] == []


def test_a_clock_is_named_where_the_plate_was_read_and_nowhere_else(small_root, purpose):
    found = contradictions(small_root, purpose, plate="99Z9-99999",
                           belief=believe(small_root, purpose))  # fmt: skip
    assert panel_html(found, (), VI) == ""
    doubted = replace(found, doubts=(ClockDoubt("S01-P1", 0.9, 5, 6),))
    assert panel_html(doubted, ("S02-P1",), VI) == ""
    assert "S01-P1" in panel_html(doubted, ("S01-P1",), VI)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    from workbench.investigation import believing

    monkeypatch.setattr(believing, "_beliefs", type(believing._beliefs)())
