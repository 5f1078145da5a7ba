"""*Truy vết* in headless Chromium: where it could be, files to save, the timeline of a case."""

import json
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from make.small_root import CASE, PLATE
from playwright.sync_api import expect

from workbench.investigation import sightings_in_time
from workbench.records import Purpose

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

IN_CASE = urlencode({"case": CASE.case_id, "reason": CASE.reason})


@pytest.fixture
def traced(page, server):
    """The page with the plate's journey drawn and its first sighting chosen."""
    page.goto(f"{server.url}/truy-vet?{IN_CASE}")
    page.locator("input.bk-input").fill(PLATE)
    page.get_by_role("button", name="Tìm biển số").click()
    page.locator(f"#candidates tr[data-key='{PLATE}']").click()
    frame = page.frame_locator("#map iframe")
    expect(frame.locator("path.wb-legline")).to_have_count(4)
    page.locator(".frame[data-sighting]").wait_for()
    return page


def test_where_it_could_be_is_drawn_and_said_and_goes_with_another_sighting(traced):
    page, frame = traced, traced.frame_locator("#map iframe")
    ask = page.get_by_role("button", name="Có thể ở đâu?")
    expect(ask).to_be_enabled()
    assert frame.locator("path.wb-reach").count() == 0  # nothing is asked unasked: each is logged
    ask.click()
    page.locator("#reach .reach-head").wait_for()
    frame.locator("path.wb-reach").first.wait_for(state="attached")
    expect(frame.locator(".wb-verdict.seen")).to_have_count(1)
    frame.locator(".wb-verdict.could").first.wait_for(state="attached")
    assert "1.00" not in page.locator("#reach .reach-said").inner_text()

    # a place to look at leads to the player, at a frame of that very window
    found = page.locator("#reach ol a")
    found.first.wait_for()
    assert "segment=" in found.first.get_attribute("href")

    # the answer was about that sighting: with another one it is gone, from map and panel
    first = page.locator(".frame").get_attribute("data-sighting")
    frame.locator(".wb-stop", has_text="2").locator("b").first.click()
    page.wait_for_selector(f".frame:not([data-sighting='{first}'])")
    page.wait_for_selector("#reach .reach-head", state="detached")
    expect(frame.locator("path.wb-reach")).to_have_count(0)


@pytest.mark.parametrize(
    ("ending", "name"), [("geojson", "GeoJSON"), ("kml", "KML"), ("gpkg", "GeoPackage")]
)
def test_a_journey_is_saved_as_a_file_that_other_maps_read(traced, tmp_path, ending, name):
    button = traced.locator("#legs .save a", has_text=name).first
    button.wait_for()
    with traced.expect_download() as awaited:
        button.click()
    kept = tmp_path / awaited.value.suggested_filename
    awaited.value.save_as(kept)
    assert kept.name == f"99B112345.{ending}"
    if ending == "geojson":
        data = json.loads(kept.read_text(encoding="utf-8"))
        assert data["type"] == "FeatureCollection"
        assert len(data["features"]) >= 9  # five sightings and four legs
    elif ending == "kml":
        assert ElementTree.parse(kept).getroot().tag.endswith("kml")
    else:
        assert kept.read_bytes()[:15] == b"SQLite format 3"


PLACES = """([when, row]) => {
  for (const document of Bokeh.documents) for (const model of document._all_models.values()) {
    if (model.type !== "Figure") continue;
    if (!model.renderers.some((one) => one.glyph && one.glyph.type === "Image")) continue;
    const view = Bokeh.index.find_one(model);
    if (!view) continue;
    const frame = view.frame || view.frame_view, box = view.el.getBoundingClientRect();
    return [box.x + frame.x_scale.compute(when), box.y + frame.y_scale.compute(row)];
  }
  return null;
}"""
"""Where on the page an instant (ms of wall time) and a row of the timeline of a case are drawn."""


BAND = """(row) => {
  for (const document of Bokeh.documents) for (const model of document._all_models.values())
    if (model.type === "GlyphRenderer" && model.glyph.type === "HStrip")
      for (const name of model.data_source.columns()) {
        const column = model.data_source.get_column(name);
        if (column.length === 1 && column[0] === row - 0.5) return true;
      }
  return false;
}"""
"""Whether the timeline of a case marks a row as chosen."""


def middle(box):
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def circle_of(frame, site):
    """Return where on the page a site's circle is: its name stands beside it."""
    box = frame.locator(".wb-name", has_text=site).bounding_box()
    return box["x"] - 7, box["y"] + 6


def test_a_tap_on_the_timeline_reaches_list_and_map_and_a_site_of_the_map_the_timeline(
    page, server, small_root
):
    found, rows = sightings_in_time(small_root, Purpose(CASE.case_id, CASE.reason))
    sites = [small_root.camera(name).site_id for name in rows["camera_id"]]
    row, site = rows.iloc[2], sites[2]
    page.goto(f"{server.url}/truy-vet?{IN_CASE}")
    page.get_by_role("button", name="Liệt kê lượt").click()
    listed = page.locator("#candidates tr[data-key]")
    expect(listed).to_have_count(len(rows))
    page.locator("#timeline canvas").first.wait_for(state="attached")
    at_ms = row["utc"].as_unit("ns").value / 1e6 + 7 * 3_600_000
    page.wait_for_function(PLACES, arg=[at_ms, found.sites.index(site)])
    page.mouse.click(*page.evaluate(PLACES, [at_ms, found.sites.index(site)]))

    # the list holds what that cell holds, and the map marks its site alone
    expect(listed).not_to_have_count(len(rows))
    keys = {one.get_attribute("data-key") for one in listed.all()}
    assert row["sighting_id"] in keys
    assert {s for s, key in zip(sites, rows["sighting_id"], strict=True) if key in keys} == {site}
    frame = page.frame_locator("#map iframe")
    expect(frame.locator("path.chosen")).to_have_count(1)
    marked = middle(frame.locator("path.chosen").bounding_box())
    assert marked == pytest.approx(circle_of(frame, site), abs=2)

    # a site tapped on the map: the list, and the band on the timeline
    other = next(one for one in sites if one != site)
    of_other = {key for s, key in zip(sites, rows["sighting_id"], strict=True) if s == other}
    page.mouse.click(*circle_of(frame, other))
    for key in of_other:
        page.locator(f"#candidates tr[data-key='{key}']").wait_for()
    expect(listed).to_have_count(len(of_other))
    assert {one.get_attribute("data-key") for one in listed.all()} == of_other
    page.wait_for_function(BAND, arg=found.sites.index(other))


@pytest.mark.parametrize("asked", ["99ZZ99", "9", "<b>"])
def test_another_question_takes_the_last_answer_away_even_where_it_is_refused(traced, asked):
    page, frame = traced, traced.frame_locator("#map iframe")
    page.locator("#legs .save a").first.wait_for()
    page.locator("input.bk-input").first.fill(asked)
    page.get_by_role("button", name="Tìm biển số").click()
    # no candidate, leg, line, picture or file of the plate asked for before
    expect(page.locator(".frame[data-sighting]")).to_have_count(0)
    expect(page.locator("#candidates tr[data-key]")).to_have_count(0)
    expect(page.locator("#legs tr[data-key]")).to_have_count(0)
    expect(page.locator("#legs .save a:visible")).to_have_count(0)
    expect(frame.locator("path.wb-legline")).to_have_count(0)
    if asked == "99ZZ99":
        expect(page.locator("#candidates")).to_contain_text("không có nghĩa là không có xe")
    # and the first plate can be asked for again
    page.locator("input.bk-input").first.fill(PLATE)
    page.get_by_role("button", name="Tìm biển số").click()
    page.locator(f"#candidates tr[data-key='{PLATE}']").click()
    expect(frame.locator("path.wb-legline")).to_have_count(4)
