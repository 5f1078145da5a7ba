"""What the trace page says of how sure a leg is: never certain, with reasons, nothing invented."""

from dataclasses import replace

import pandas as pd
import pytest
from make.small_root import CASE, PLATE, TWIN

from workbench.errors import Refused
from workbench.investigation import Linked, Passed, believing, cameras_between
from workbench.records import Purpose
from workbench.timeline import SECOND_NS, Span
from workbench.views import belief
from workbench.views.around import around
from workbench.views.belief import Linking, how_sure, key_of, share, summary
from workbench.views.map import Maybe, leg_width, legs_of, stops_of, ward_map
from workbench.views.text import clock, translator
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
    leg = belief.leg_of(legs, key_of(legs["from_id"].iloc[0], legs["to_id"].iloc[0]))
    shown = belief.leg_html(leg, linked, {"<i>": Passed("not seen")}, VI)
    assert "&lt;b&gt;x" in shown
    assert not {"<b>x</b>", "<i>"} & set(shown.split("&"))
    assert "<i>" not in shown
    # no such camera: said by the ward in a sentence, and nothing is drawn around it
    page._trace = replace(page._trace, legs=legs)
    page._show_leg(key_of(leg["from_id"], leg["to_id"]))
    assert "<b>x</b>" not in page.detail[0].object
    assert "refusal" in page.detail[0].object
    assert page.chart.bridge.around == {}


def test_around_a_leg_are_ways_to_its_rivals_and_cameras_that_were_out(page, small_root):
    leg = belief.leg_of(page._trace.legs, page.legs.rows[1]["key"])
    rival = page._trace.sightings.tail(1).assign(plate=TWIN)
    leg |= {"others": [rival["sighting_id"].iloc[0], "not in the case"], "others_p": [0.3, 0.2]}
    linked = replace(page._trace.linked, rivals=rival)
    at = pd.Timestamp(leg["from_utc"]).as_unit("ns").value
    out = Passed("partly recorded", (Span(at, at + 5 * SECOND_NS),))
    passed = {"S01-P1": out, "S02-P1": Passed("not seen")}
    drawn = around(small_root, 2, leg, linked, passed, VI)
    (line,) = drawn["lines"]
    assert "0.30" in line["text"]
    assert TWIN in line["text"]
    assert len(line["line"]) >= 2
    (mark,) = drawn["marks"]
    assert "không ghi hình" in mark["text"]
    assert clock(at + 5 * SECOND_NS) in mark["text"]


def test_a_leg_past_a_camera_is_dashed_and_the_legend_says_what_is_drawn(page, small_root):
    legs = legs_of(small_root, page._trace, stops_of(small_root, page._trace), VI)
    reading = [name for name, one in small_root.ward.cameras.items() if one.kind == "plate"]
    for leg, row in zip(legs, page._trace.journeys[0].legs.to_pylist(), strict=False):
        assert leg.inferred == bool(cameras_between(small_root, row, reading))
    first = [replace(leg, inferred=bool(number)) for number, leg in enumerate(legs[:2])]
    html = ward_map(small_root.ward, legs=first).get_root().render()
    assert html.count('"9 7"') >= 2  # the line, and its entry in the legend
    assert "suy ra" in html
    plain = ward_map(small_root.ward, legs=first[:1]).get_root().render()
    assert "suy ra" not in plain
    assert "wbMap.key" in plain


def test_a_sighting_that_is_not_listed_cannot_be_picked(page):
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
    chart = ward_map(
        small_root.ward, maybe=[Maybe("a" * 32, "S01-P1", 105.97, 21.09, "<x>", "0.62")]
    )
    drawn = chart.get_root().render()
    assert "wb-stop maybe" in drawn
    assert "0.62" in drawn
    assert "<x>" not in drawn
