"""What changes between two searches of one file, row by row."""

from __future__ import annotations

from typing import Any

from make.rows import sha, sighting_row

from workbench.recognition.models.difference import paired, row_changes


def row(first: int, x: float, **more: Any) -> dict[str, Any]:
    pts = list(range(first, first + 100, 10))
    boxes = [value for step in range(10) for value in (x + 5 * step, 50.0, 40.0, 30.0)]
    return sighting_row(
        1, segment_sha256=sha("clip"), pts=first, first_pts=first, last_pts=first + 90,
        track_pts=pts, track_box=boxes, **{"plate": None, "kind": "car", "face_count": 0} | more,
    )  # fmt: skip


def whats(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> list[str]:
    return [one.what for one in row_changes(before, after)]


def test_the_same_rows_change_nothing() -> None:
    rows = [row(0, 10), row(0, 200), row(500, 10, plate="99B1-123.45")]
    assert row_changes(rows, [dict(one) for one in reversed(rows)]) == []


def test_each_kind_of_change_is_told_and_no_plate_is() -> None:
    old = row(0, 10, plate="99B1-123.45")
    assert whats([old], []) == ["lost"]
    assert whats([], [old]) == ["gained"]
    assert whats([old], [old | {"kind": "truck"}]) == ["named"]
    assert whats([old], [old | {"plate": None}]) == ["plate lost"]
    assert whats([old | {"plate": None}], [old]) == ["plate read"]
    assert whats([old], [old | {"face_count": 1}]) == ["faces"]
    (changed,) = row_changes([old], [old | {"plate": "99B1-123.46"}])
    assert changed.what == "plate changed"
    assert "99B1" not in repr(changed)


def test_passes_are_one_where_they_were_at_one_place_at_one_time() -> None:
    near, far, later = row(0, 14), row(0, 120), row(80, 10)
    assert paired([row(0, 10)], [far, near]) == [(0, 1)]
    assert paired([row(0, 10)], [later]) == []
    # two crossing ones are not exchanged
    assert paired([row(0, 10), row(0, 60)], [row(0, 62), row(0, 9)]) == [(0, 1), (1, 0)]
