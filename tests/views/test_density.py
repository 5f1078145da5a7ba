"""The timeline of a case: what is drawn adds up, stays small, and is linked both ways."""

from __future__ import annotations

import holoviews as hv
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from make.small_root import PLATE

from workbench.errors import BadInput
from workbench.investigation import InTime, sightings_in_time
from workbench.timeline import SECOND_NS, Span, parse_instant
from workbench.views.density import BINS, Density
from workbench.views.text import translator
from workbench.views.trace import _TracePage

START = parse_instant("2026-11-20T07:15:00+07:00")
SITES = tuple(f"S{n:02d}" for n in range(1, 27))


def made(count, seed=1, hours=24):
    rng = np.random.default_rng(seed)
    utc = np.sort(rng.integers(START, START + hours * 3600 * SECOND_NS, count))
    site = rng.integers(0, len(SITES), count).astype(np.int16)
    return InTime(SITES, utc, site, pa.chunked_array([[str(n) for n in range(count)]]))


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 300), st.integers(1, 50), st.integers(0, 80_000), st.integers(1, 80_000))
def test_counts_add_up_to_the_sightings_of_the_span(count, bins, from_s, length_s):
    found = made(count)
    span = Span(START + from_s * SECOND_NS, START + (from_s + length_s) * SECOND_NS)
    inside = (found.utc_ns >= span.start_ns) & (found.utc_ns < span.stop_ns)
    counted = found.counts(span, bins)
    assert counted.shape == (26, bins)
    by_site = np.bincount(found.site[inside], minlength=26)
    assert counted.sum(axis=1).tolist() == by_site.tolist()


def test_no_bin_and_no_time_are_refused():
    for span, bins in ((Span(0, 10), 0), (Span(0, 3), 4)):
        with pytest.raises(BadInput, match="too short"):
            made(5).counts(span, bins)


def drawn_by(density):
    return hv.render(density.drawn, backend="bokeh")


def test_the_browser_gets_one_number_a_site_and_bin_however_many_sightings():
    for count in (1, 300_000):
        density = Density(made(count), translator("vi"), lambda *_: None)
        sizes = [
            np.size(values)
            for one in drawn_by(density).renderers
            for values in getattr(one.data_source, "data", {}).values()
        ]
        assert sum(sizes) <= len(SITES) * BINS + 20
        assert np.nansum(density.drawn[()].Image.I.dimension_values("count")) == count


def test_a_zoom_counts_that_part_anew():
    density = Density(made(50_000), translator("vi"), lambda *_: None)
    drawn_by(density)
    ms = lambda ns: ns / 1e6 + 7 * 3_600_000  # noqa: E731
    hour = Span(START + 3600 * SECOND_NS, START + 7200 * SECOND_NS)
    density._range.event(x_range=(ms(hour.start_ns), ms(hour.stop_ns)))
    assert abs(density.shown.start_ns - hour.start_ns) <= 2 * 10**6
    assert density.shown.duration_ns == pytest.approx(hour.duration_ns, abs=3 * 10**6)
    # closer than ten seconds, or out of all time, there is still something to look at
    density._range.event(x_range=(ms(hour.start_ns), ms(hour.start_ns + 1)))
    assert density.shown.duration_ns == 10 * SECOND_NS
    density._range.event(x_range=(0.0, 1.0))
    assert density.shown.start_ns == density._found.span.start_ns


def test_a_tap_names_site_and_bin_and_an_empty_place_nothing():
    at = START + 1234 * SECOND_NS
    utc = np.array([START, at, START + 86_400 * SECOND_NS])
    found = InTime(SITES, utc, np.array([0, 7, 3], np.int16), pa.chunked_array([["a", "b", "c"]]))
    chosen = []
    density = Density(found, translator("vi"), lambda *one: chosen.append(one))
    drawn_by(density)
    density._tap(at / 1e6 + 7 * 3_600_000, 7.2)
    ((site, span),) = chosen
    assert site == "S08"
    assert at in span
    assert START not in span
    for x, y in ((at / 1e6 + 7 * 3_600_000, 8.0), (0.0, 7.0), (at / 1e6, 99.0), (None, None)):
        density._tap(x, y)
    assert len(chosen) == 1


def test_list_map_and_timeline_are_linked_both_ways(in_case, small_root, purpose):
    page = _TracePage(in_case())
    page._search_passes()
    density = page._density
    found, rows = sightings_in_time(small_root, purpose)
    assert len(found) == len(rows) == len(page.candidates.rows)
    assert rows["utc"].is_monotonic_increasing
    # timeline -> list and map
    row = rows.iloc[2]
    site = small_root.camera(row["camera_id"]).site_id
    at_ms = row["utc"].as_unit("ns").value / 1e6 + 7 * 3_600_000
    density._tap(at_ms, float(found.sites.index(site)))
    assert row["sighting_id"] in [one["key"] for one in page.candidates.rows]
    assert len(page.candidates.rows) < len(rows)
    assert (page.chart.bridge.highlight, page.chart.bridge.kind) == (site, "site")
    assert page._density is density
    # list -> timeline
    page._pick(row["sighting_id"])
    assert density._marks.data == (at_ms, found.sites.index(site))
    # map -> list and timeline
    other = next(s for s in found.sites if s != site)
    page._list_site(other)
    assert density._marks.data == (None, found.sites.index(other))
    cameras = {small_root.camera(r["camera_id"]).site_id for r in page._listed.values()}
    assert cameras <= {other}
    # a plate's own timeline takes its place
    page._choose_plate(PLATE)
    assert page._density is None


def test_a_search_in_time_is_one_entry_in_the_log(small_root, purpose):
    before = len(small_root.audit())
    _, rows = sightings_in_time(small_root, purpose, most=3)
    assert len(rows) == 3
    (entry,) = small_root.audit()[before:]
    assert (entry.action, entry.case_id) == ("search.sightings", purpose.case_id)
