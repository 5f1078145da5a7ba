"""Tables that officers type: read exactly, or refused with the row."""

from __future__ import annotations

import numpy as np
import pytest

from workbench.collisions import read_points, read_track
from workbench.errors import BadInput

HEAD = "x_px,y_px,east_m,north_m,kind,sigma_m\n"


def test_points_in_metres_keep_every_digit() -> None:
    points, crs = read_points("\ufeff" + HEAD + "1.5,2,600444.25,2332111.5,surveyed,\n3,4,5,6,,0.8")
    assert crs == ""
    assert (points[0].x_m, points[0].y_m, points[0].error_m) == (600444.25, 2332111.5, 0.03)
    assert (points[1].kind, points[1].error_m) == ("map", 0.8)


def test_degrees_go_into_their_zone() -> None:
    points, crs = read_points(
        "x_px,y_px,lon_deg,lat_deg\n1,2,105.9672,21.0873\n3,4,105.9673,21.0873"
    )
    assert crs == "EPSG:32648"
    apart = np.hypot(points[1].x_m - points[0].x_m, points[1].y_m - points[0].y_m)
    assert apart == pytest.approx(10.39, abs=0.02)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "first line"),
        ("x_px,y_px\n1,2", "need the columns"),
        (HEAD.replace("kind", "colour") + "1,2,3,4,,", "'colour' is no column"),
        (HEAD, "0 rows"),
        (HEAD + "1,2,3,4,,\n1,2,3", "row 3 has 3 cells"),
        (HEAD + "1,2,3,4,measured,", "row 2: 'measured'"),
        (HEAD + "1,2,3,nan,,", "row 2: 'nan'"),
        (HEAD + "1,2,3,4,map,big", "row 2: 'big' is no number for sigma_m"),
        ("x_px,y_px,lon_deg,lat_deg\n1,2,21.08,105.97", "out of range"),
    ],
)
def test_points_refused(text: str, sentence: str) -> None:
    with pytest.raises(BadInput) as refusal:
        read_points(text, where="points.csv")
    assert sentence in refusal.value.sentence()
    assert refusal.value.sentence().startswith("points.csv: ")


def test_a_system_must_be_in_metres() -> None:
    for crs in ("EPSG:4326", "EPSG:2263", "nonsense"):
        with pytest.raises(BadInput, match="no projected system"):
            read_points(HEAD + "1,2,3,4,,", crs=crs)


def test_a_track_with_a_frame_without_a_point() -> None:
    pts, points = read_track("pts,x_px,y_px\n-3000,1,2\n0,,\n3000,3,4\n")
    assert pts.tolist() == [-3000, 0, 3000]
    assert np.isnan(points[1]).all()


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [("1.5,2,3", "row 2: '1.5'"), ("9,1,1\n9,1,1", "row 3"), ("1,2,", "row 2: ''")],
)
def test_tracks_refused(rows: str, sentence: str) -> None:
    with pytest.raises(BadInput) as refusal:
        read_track("pts,x_px,y_px\n" + rows)
    assert sentence in refusal.value.sentence()
