"""Buttons that save a trace: what they hand over is the case's, nothing once it is closed."""

import json
from dataclasses import replace

from make.small_root import CASE, PLATE

from workbench.store import Store
from workbench.views.trace import _TracePage


def test_the_buttons_appear_with_a_trace_and_a_closed_case_gives_nothing(in_case, small_root):
    page = _TracePage(in_case())
    assert not page.save.row.visible
    page._choose_plate(PLATE)
    assert page.save.row.visible
    button = page.save.row[0]
    assert button.filename == "99B112345.geojson"
    assert button.label == "Lưu GeoJSON"
    whole = json.loads(button.callback().read())
    assert whole["about"]["case"] == CASE.case_id
    assert "manh mối" in whole["about"]["note"]
    assert small_root.audit()[-1].action == "trace.export"
    store = Store.open(small_root.root)
    known = store.case(CASE.case_id)
    store.put_case(replace(known, closed=True))
    try:
        assert b"features" not in button.callback().read()
        assert "đã đóng" in page._said.object
    finally:
        store.put_case(known)
