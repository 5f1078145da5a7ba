"""*Truy vết* in headless Chromium: where it could be, files to save."""

import json
from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from make.small_root import CASE, PLATE
from playwright.sync_api import expect

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
