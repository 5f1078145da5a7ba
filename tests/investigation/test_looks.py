from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import pytest
from make.rows import case, sighting_row, sightings_table
from make.streets import BOX, PAINTS, likeness_network, street

from workbench.errors import BadInput, Refused
from workbench.investigation import Workbench, by_colour, by_likeness, open_workbench
from workbench.records import Purpose
from workbench.timeline import SECOND_NS, parse_instant

START = parse_instant("2026-11-20T07:15:00+07:00")
PASSED = ("blue", "red", "white", "red")
PURPOSE = Purpose("01/2026", "find the red car")


def film(path: Path) -> None:
    """A second of each car, ten frames a second."""
    with av.open(path, "w") as out:
        stream = out.add_stream("libx264", rate=10, options={"crf": "22", "g": "10"})
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        stream.time_base = Fraction(1, 10)
        for second, name in enumerate(PASSED):
            for n in range(10):
                frame = av.VideoFrame.from_ndarray(street(PAINTS[name], seed=second), "rgb24")
                frame.pts = 10 * second + n
                out.mux(stream.encode(frame))
        out.mux(stream.encode(None))


@pytest.fixture(scope="module")
def bench(tmp_path_factory, ward_folder) -> Workbench:
    folder = tmp_path_factory.mktemp("looks")
    wb = open_workbench(
        folder / "root", actor="thu", now=lambda: START + 3600 * SECOND_NS, create_from=ward_folder
    )
    wb.open_case(case())
    film(folder / "street.mp4")
    camera_id = next(iter(wb.ward.cameras))
    (segment,) = wb.ingest(folder / "street.mp4", camera_id, START).segments
    index = wb.frame_index(segment)
    rows = []
    for n, kind in enumerate(["car", "car", "truck", "car", "motorcycle"]):
        pts = int(index.pts[min(10 * n + 5, 39)])
        rows.append(
            sighting_row(
                n, segment_sha256=segment.sha256, camera_id=camera_id, kind=kind,
                pts=pts, first_pts=pts, last_pts=pts, track_pts=[pts],
                utc_ns=wb.utc(segment, pts)[0],
                box_x=BOX.x, box_y=BOX.y, box_w=BOX.w, box_h=BOX.h,
                track_box=[BOX.x, BOX.y, BOX.w, BOX.h],
            )
        )  # fmt: skip
    wb._store.append_sightings(sightings_table(rows))
    return wb


def test_cars_of_the_colour_come_first_and_none_is_left_out(bench):
    passed = bench.sightings(PURPOSE)
    red = by_colour(bench, passed, "red", PURPOSE)
    assert list(red["colour"][:2]) == ["red", "red"]
    assert list(red["colour"].isna()) == [False, False, True, False, False]
    assert set(red["colour"][3:]) == {"blue", "white"}
    assert red["kind"][2] == "motorcycle"
    assert set(red["sighting_id"]) == set(passed["sighting_id"])
    assert by_colour(bench, passed, "blue", PURPOSE)["colour"].iloc[0] == "blue"
    assert len(by_colour(bench, passed, "red", PURPOSE, most=2)) == 2


def test_each_look_is_in_the_log_and_inside_the_case(bench):
    passed = bench.sightings(PURPOSE)
    before = len(bench.audit())
    by_colour(bench, passed, "red", PURPOSE)
    looks = bench.audit()[before:]
    assert [entry.action for entry in looks] == ["view"] * len(passed)
    assert {entry.reason for entry in looks} == {PURPOSE.reason}
    with pytest.raises((BadInput, Refused)):
        by_colour(bench, passed, "red", Purpose("no such case", "curious"))


def test_a_colour_that_is_never_named_is_refused(bench):
    with pytest.raises(BadInput, match="silver"):
        by_colour(bench, bench.sightings(PURPOSE), "pink", PURPOSE)


def test_vehicles_are_ranked_by_likeness_to_one(bench, tmp_path):
    passed = bench.sightings(PURPOSE).sort_values("pts").reset_index(drop=True)
    graph = likeness_network(tmp_path / "shop.onnx")
    ranked = by_likeness(bench, passed[:4], passed.iloc[1], graph, PURPOSE)
    assert list(ranked["pts"][:2]) == [passed["pts"][1], passed["pts"][3]]
    assert ranked["likeness"].is_monotonic_decreasing
    assert set(ranked["likeness_ref"].str.split("@").str[0]) == {"shop"}
