"""New sightings of a case that is followed appear on the trace page by themselves, marked."""

from __future__ import annotations

import pytest
from make.rows import sighting_row, sightings_table
from make.small_root import CASE

from workbench.store import LiveRows, Store, provisional_name
from workbench.views.following import FRESH_S, following_html, rows_of
from workbench.views.text import translator
from workbench.views.trace import _TracePage

CAMERA = {"rows": 1, "latency_p95_s": 4.2, "left_out_s": 7.0}
NEW_PLATE = "30A-777.77"


@pytest.fixture
def live(small_root):
    store = Store.open(small_root.root)
    camera_id = small_root.segments()[0].camera_id

    def say(rows, ended=""):
        store.live.say({
            "at_ns": small_root.now(), "case": CASE.case_id, "ended": ended,
            "cameras": {camera_id: {**CAMERA, "rows": rows}},
        })  # fmt: skip

    def put():
        utc_ns, _ = small_root.utc(small_root.segments()[0], small_root.segments()[0].first_pts)
        row = sighting_row(0, camera_id, plate=NEW_PLATE, utc_ns=utc_ns,
                           segment_sha256=provisional_name(camera_id, "17"))  # fmt: skip
        kept = LiveRows(camera_id, "17", sightings_table([row]), (utc_ns,))
        store.live.put(kept)
        return kept

    yield say, put
    for rows in store.live.all():
        store.live.drop(rows)
    (store.live.folder / "follow.json").unlink(missing_ok=True)


def test_a_new_sighting_appears_without_a_reload_and_says_that_it_is_provisional(in_case, live):
    say, put = live
    say(0)
    page = _TracePage(in_case(plate=NEW_PLATE))
    page._search_plate()
    assert NEW_PLATE not in [row["key"] for row in page.candidates.rows]
    put()
    say(1)
    page._look_at_following()
    (row,) = [row for row in page.candidates.rows if row["key"] == NEW_PLATE]
    assert row["cells"][0]["text"] == "tạm thời"
    assert "4.2 giây" in page._following.object
    assert "7 giây đã ghi, chưa tìm" in page._following.object
    page._choose_plate(NEW_PLATE)
    assert "Tạm thời" in page.detail[0].object


def test_what_is_searched_again_is_what_was_asked_not_what_is_being_typed(
    in_case, live, small_root
):
    say, _ = live
    say(0)
    page = _TracePage(in_case(plate=NEW_PLATE))
    before = len(small_root.audit())
    say(1)
    page._look_at_following()
    assert len(small_root.audit()) == before, "nobody has asked anything yet"
    page._search_plate()
    page._pattern.value_input = "30"
    before = len(small_root.audit())
    say(2)
    page._look_at_following()
    again = [entry for entry in small_root.audit()[before:] if entry.action == "search.plate"]
    assert [entry.subject for entry in again] == [NEW_PLATE]
    # a list of sightings, too, keeps the site and the kind it was asked for
    asked = []
    page._find_passes = lambda *what: asked.append(what)
    page._search_passes()
    page._site.value, page._kind.value = "S01", "car"
    say(3)
    page._look_at_following()
    assert asked == [("", ""), ("", "")]


def test_without_new_rows_nothing_is_searched_again(in_case, live, small_root):
    say, _ = live
    say(3)
    page = _TracePage(in_case(plate=NEW_PLATE))
    page._search_plate()
    before = len(small_root.audit())
    page._look_at_following()
    assert len(small_root.audit()) == before


def test_a_following_of_another_case_or_one_that_ended_is_not_shown(in_case, live):
    say, _ = live
    say(3, ended="stopped")
    page = _TracePage(in_case())
    assert not page._following.visible
    told = {"case": "1", "at_ns": 0, "ended": "", "cameras": {"A": CAMERA}}
    assert rows_of(told, "2", 1) is None
    assert rows_of(told, "1", round((FRESH_S + 1) * 1e9)) is None
    assert rows_of(told, "1", -3600 * 10**9) is None  # the clock was set back since


def test_without_delays_none_is_claimed():
    told = {"cameras": {"A": {"rows": 0, "latency_p95_s": None, "left_out_s": 0.0}}}
    assert "p95" not in following_html(told, 0, translator("en"))
