"""What the trace page says of how sure a leg is: never certain, with reasons, nothing invented."""

import pandas as pd
import pytest
from make.small_root import CASE, PLATE, TWIN

from workbench.errors import Refused
from workbench.investigation import Linked, believing
from workbench.records import Purpose
from workbench.views import belief
from workbench.views.belief import Linking, how_sure, key_of, share, summary
from workbench.views.map import Maybe, leg_width, ward_map
from workbench.views.text import translator
from workbench.views.trace import _TracePage

VI = translator("vi")
NONE = pd.DataFrame(columns=["sighting_id", "from_id", "to_id", "probability"])


@pytest.fixture
def page(in_case):
    made = _TracePage(in_case(plate=PLATE))
    made._choose_plate(PLATE)
    while made._linking.goes_on:  # the answer comes from a thread: wait for it, not for the clock
        made._take(lambda: made._linking.answer(30))
    return made


@pytest.mark.parametrize("probability", [1.0, 0.9951, 0.0, 0.004, 0.5])
def test_nothing_is_shown_as_certain(probability):
    said = share(probability)
    assert said not in ("1.00", "0.00", "1.0", "100")
    assert said.startswith(("> ", "< ")) or 0 < float(said) < 1


def test_too_little_traffic_is_said_on_the_page_in_place_of_a_number(page):
    assert page._trace.linked is not None
    assert not page._trace.linked.calibrated
    assert "chưa hiệu chuẩn" in page._linked.object.casefold()
    for row in page.legs.rows:
        told = row["cells"][2]["sub"]
        assert "xác suất" not in told
        assert ("chưa hiệu chuẩn" in told) == (row["class"] != "bad")


def test_with_enough_of_it_each_leg_has_its_probability_and_impossible_ones_none(
    in_case, monkeypatch
):
    monkeypatch.setattr(believing, "LEAST_LINKS", 1)
    monkeypatch.setattr(believing, "_beliefs", type(believing._beliefs)())
    made = _TracePage(in_case(plate=PLATE))
    made._choose_plate(PLATE)
    while made._linking.goes_on:
        made._take(lambda: made._linking.answer(30))
    told = [(row["class"], row["cells"][2]["sub"]) for row in made.legs.rows]
    assert any("xác suất" in text for _, text in told)
    assert not any("xác suất" in text for kind, text in told if kind == "bad")
    widths = {leg_width(p) for p in (0.2, 0.9)}
    assert len(widths) == 2


def test_a_chosen_leg_tells_for_and_against_and_what_lies_between(page):
    first = page.legs.rows[0]["key"]
    page.legs._handle_msg({"chosen": first})
    shown = page.detail[0].object
    assert "leg-reasons" in shown
    assert "đầu mối" in shown.casefold()
    assert "S01-P1" in shown
    page._show_leg("no such leg")
    assert page.detail[0].object == shown


def test_what_users_and_readers_wrote_stays_text(page):
    linked = Linked(True, 9, 9, NONE, NONE, NONE)
    legs = page._trace.legs.head(1).assign(from_camera="<b>x</b>")
    key = key_of(legs["from_id"].iloc[0], legs["to_id"].iloc[0])
    with pytest.raises(Exception, match="x"):
        # no such camera: said by the ward, and never drawn
        belief.leg_html(page.visit, legs.to_dict("records")[0], linked)
    shown = belief.reasons(page.visit, legs, linked, key)
    assert "<b>x</b>" not in shown


def test_rivals_and_possible_ones_can_be_picked_and_others_cannot(page):
    other = page.visit.wb.search_plate(TWIN, page.purpose)
    assert other
    page._pick("0" * 32)
    assert page.visit.selection.sighting_id != "0" * 32


def test_a_refusal_while_linking_is_a_sentence_on_the_page(in_case, small_root):
    asked = Linking(small_root, Purpose(CASE.case_id, ""))
    with pytest.raises(Refused):
        asked.ask() or asked.answer(30)
    assert not asked.goes_on


def test_while_it_computes_the_page_says_so():
    assert "…" in summary(None, True, VI)
    assert summary(None, False, VI) == ""
    assert how_sure(None, 0.7, VI) == ""
    assert how_sure(Linked(True, 5, 5, NONE, NONE, NONE), None, VI) == VI("not linked")


def test_a_possible_sighting_is_drawn_as_a_question(small_root):
    chart = ward_map(small_root.ward, maybe=[Maybe("a" * 32, "S01-P1", 105.97, 21.09, "<x> 0.62")])
    drawn = chart.get_root().render()
    assert "wb-stop maybe" in drawn
    assert "0.62" in drawn
    assert "<x>" not in drawn
