"""Pages: refused without a case, in the reader's language; what users wrote stays text."""

import pandas as pd
import pytest
from make.small_root import CASE, PLATE, TWIN

from workbench.errors import BadInput, Refused
from workbench.records import Progress
from workbench.views import detail
from workbench.views.page import build, progress_html, refusal
from workbench.views.player import review_page
from workbench.views.serve import PAGES
from workbench.views.text import translator

OF_A_CASE = [slug for slug in PAGES if slug != "giam-sat"]
"""An auditor's page belongs to no case: tests/views/test_oversight.py."""


def text_of(template):
    """Return everything that a page's panes say."""
    return " ".join(
        str(root[0].object)
        for root in template._render_items.values()
        if hasattr(root[0], "object")
    )


@pytest.mark.parametrize("slug", OF_A_CASE)
def test_without_a_case_a_page_is_refused_in_the_readers_language(on_page, slug):
    said = text_of(build(on_page(), slug, PAGES[slug]))
    assert "Không hiển thị" in said
    assert "hồ sơ" in said
    assert "Not shown" in text_of(build(on_page(lang="en"), slug, PAGES[slug]))


@pytest.mark.parametrize("slug", OF_A_CASE)
def test_a_case_without_a_reason_is_refused(on_page, slug):
    said = text_of(build(on_page(case=CASE.case_id), slug, PAGES[slug]))
    assert "lý do" in said


@pytest.mark.parametrize("slug", OF_A_CASE)
def test_a_case_that_is_not_there_is_refused(on_page, slug):
    assert "refusal" in text_of(build(on_page(case="X-1", reason="r"), slug, PAGES[slug]))


@pytest.mark.parametrize("slug", OF_A_CASE)
def test_within_a_case_every_root_is_there(in_case, slug):
    page = build(in_case(), slug, PAGES[slug])
    assert "refusal" not in page._render_items
    assert len(page._render_items) >= 4


def test_every_view_leaves_an_entry_with_case_and_reason(small_root, in_case):
    before = len(small_root.audit())
    review_page(in_case())
    entries = small_root.audit()[before:]
    assert entries
    assert all((e.case_id, e.reason) == (CASE.case_id, CASE.reason) for e in entries)


def test_a_mistake_is_a_sentence_and_its_fields_are_escaped():
    error = BadInput("no plate {text}", "try <b>again</b>", text="<script>")
    said = refusal(error, str)
    assert "<script>" not in said
    assert "&lt;script&gt;" in said
    assert "This did not work" in said
    assert "Not shown" in refusal(Refused("no"), str)


def test_progress_shows_unfinished_and_failed_work_and_drops_old_finished_work():
    tr = translator("vi")
    going = {"demonstration": (Progress(3, 26, "cameras", "drawing S01-P1"), 0)}
    said = progress_html(going, 10**12, tr)
    assert "Phường mô phỏng" in said
    assert "đang vẽ S01-P1" in said
    left = {"recognition": (Progress(1, 6, "h", "recognised S01-P1, 0:01:05 left"), 0)}
    assert "đã nhận dạng S01-P1, còn 0:01:05" in progress_html(left, 10**12, tr)
    assert " left" not in progress_html(left, 10**12, tr)
    minutes = {"recognition": (Progress(0.05, 0.125, "h", "recognised S01-P1"), 0)}
    assert "0.05/0.12 giờ hình" in progress_html(minutes, 10**12, tr)
    assert "5/77 " in progress_html({"x": (Progress(5, 77, "cameras"), 0)}, 10**12, tr)
    stopped = {"recognition": (Progress(1, 6, "h", "stopped"), 0)}
    assert "đã dừng" in progress_html(stopped, 10**9, tr)
    assert progress_html(stopped, 10**12, tr) == ""
    assert progress_html({"x": (Progress(5, 5, "h"), 0)}, 10**12, tr) == ""
    assert "1 phần lỗi" in progress_html({"x": (Progress(5, 5, "h", "", ("clip",)), 0)}, 10**12, tr)


def test_links_keep_case_reason_and_language(in_case):
    visit = in_case(lang="en")
    assert (
        visit.link("xem-lai", pts=5)
        == "/xem-lai?lang=en&case=HL-01&reason=ki%E1%BB%83m+th%E1%BB%AD+trang&pts=5"
    )


def candidates(page):
    return page.roots["candidates"]


def test_a_plate_search_marks_approximate_hits_and_their_differing_signs(in_case, searched):
    rows = candidates(searched(in_case(plate=PLATE))).rows
    assert [row["key"] for row in rows] == [PLATE, TWIN]
    exact, near = rows[0]["cells"][1], rows[1]["cells"][1]
    assert not exact["approximate"]
    assert near["approximate"]
    assert [part["text"] for part in near["parts"] if part["differs"]] == ["8"]


def test_choosing_a_candidate_shows_map_legs_times_and_a_frame(in_case, searched):
    visit = in_case(plate=PLATE)
    page = searched(visit)
    candidates(page)._handle_msg({"chosen": PLATE})
    legs = page.roots["legs"].rows
    assert [row["cells"][0]["text"] for row in legs][:4] == ["1", "2", "3", "4"]
    assert any(row["class"] == "bad" for row in legs)
    assert page.roots["travel"].pieces
    shown = page.roots["detail"][1][0].object
    assert visit.selection.sighting_id in shown
    assert "data-pts" in shown


def test_only_listed_sightings_can_be_chosen(in_case, searched):
    visit = in_case(plate=PLATE)
    page = searched(visit)
    candidates(page)._handle_msg({"chosen": "not listed"})
    page.roots["travel"]._handle_msg({"sighting": "not listed"})
    assert visit.selection.sighting_id == ""


def test_a_sightings_detail_names_its_frame_file_and_model(small_root, in_case, purpose):
    row = small_root.sightings(purpose, with_plate=True).iloc[0]
    said = detail.sighting(in_case(), row["sighting_id"])
    for part in (str(row["pts"]), row["segment_sha256"], row["model_ref"], row["plate"]):
        assert part in said


def test_a_box_is_drawn_on_a_copy():
    import numpy as np

    from workbench.records import Box

    frame = np.zeros((90, 160, 3), np.uint8)
    drawn = detail.outlined(frame, Box(20, 20, 40, 30), detail.BOX_COLOUR)
    assert not frame.any()
    assert tuple(drawn[20, 40]) == detail.BOX_COLOUR


def test_the_review_page_opens_at_the_frame_asked_for(small_root, in_case, purpose):
    row = small_root.sightings(purpose, with_plate=True).iloc[0]
    asked = {
        "segment": row["segment_sha256"],
        "pts": str(row["pts"]),
        "sighting": row["sighting_id"],
    }
    view = review_page(in_case(**asked)).roots["player"].view
    assert view["start_pts"] == row["pts"]
    assert (
        view["pts"]
        == small_root.frame_index(small_root.segment(row["segment_sha256"])).pts.tolist()
    )
    chosen = [track for track in view["tracks"] if track["chosen"]]
    assert [track["pts"] for track in chosen] == [row["track_pts"].tolist()]
    at_ms = (
        view["utc_ms"] + (row["pts"] - view["first_pts"]) * 1000 * view["tick"][0] / view["tick"][1]
    )
    assert abs(at_ms - pd.Timestamp(row["utc"]).as_unit("ns").value / 1e6) < 1


def test_the_review_page_opens_nothing_outside_the_case(in_case):
    assert review_page(in_case(segment="0" * 64, pts="x")).roots["player"].view == {}
