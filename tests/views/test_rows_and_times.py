"""Plates in tables, and the timeline's counts."""

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st
from make.rows import sighting_row, sightings_table
from make.small_root import START_NS

from workbench.investigation import PlateHit
from workbench.plates import Difference
from workbench.views.rows import Rows, plate
from workbench.views.text import translator
from workbench.views.timebar import counts, timeline
from workbench.views.trace import differing_signs

PLATES = st.from_regex(r"[0-9]{2}[A-Z][0-9]?-[0-9]{3}\.[0-9]{2}", fullmatch=True)


@given(PLATES, st.sets(st.integers(0, 8)))
def test_marking_signs_never_changes_the_text(text, marks):
    parts = plate(text, sorted(marks))["parts"]
    assert "".join(part["text"] for part in parts) == text
    signs = [sign for sign in text if sign.isalnum()]
    marked = "".join(part["text"] for part in parts if part["differs"])
    assert marked == "".join(signs[mark] for mark in sorted(marks) if mark < len(signs))


def hit(*differences):
    at = pd.Timestamp(0, tz="UTC")
    return PlateHit("99B1-123.45", 1, ("C",), at, at, 1.0, True, differences)


def test_differing_signs_are_places_of_the_plate_that_was_read():
    assert differing_signs(hit(Difference(6, "3", "8"))) == [6]
    # a sign too many in what was asked shifts the ones after it back
    assert differing_signs(hit(Difference(2, "X", ""), Difference(7, "3", "8"))) == [6]
    assert differing_signs(hit(Difference(4, "", "1"), Difference(5, "3", "8"))) == [4, 6]


def test_a_row_is_chosen_only_if_it_was_shown():
    chosen = []
    rows = Rows(on_choose=chosen.append, rows=[{"key": "a", "cells": []}])
    rows._handle_msg({"chosen": "b"})
    rows._handle_msg("a")
    rows._handle_msg({"chosen": "a"})
    assert chosen == ["a"]


def sightings(*seconds):
    rows = [
        sighting_row(0, utc_ns=START_NS + s * 10**9, box_x=float(n)) for n, s in enumerate(seconds)
    ]
    return sightings_table(rows).to_pandas()


@given(st.lists(st.integers(0, 90_000), min_size=1, max_size=30))
def test_counts_add_up(seconds):
    table = counts(sightings(*seconds)["utc"])
    assert table["sightings"].sum() == len(seconds)
    assert (table["start"] < table["stop"]).all()


def test_the_timeline_is_drawn_and_speaks_viet_nam_time():
    import holoviews as hv

    hv.extension("bokeh")
    drawn = hv.render(timeline(sightings(0, 60, 120), translator("vi"), lambda _id: None))
    assert drawn is not None
