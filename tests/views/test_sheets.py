"""Sheets of tile pictures: every picture comes out as it went in, whatever lies beside it."""

import cv2
import numpy as np
import pytest

from workbench.views import sheets
from workbench.views.sheets import TALLEST_PX, join, sheet_jpeg


def noise(width, height, seed):
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (height // 12 + 1, width // 12 + 1, 3), np.uint8)
    return cv2.resize(small, (width, height))


def decoded(data):
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)


SIZES = [(256, 144)] * 9 + [(160, 90)] * 4 + [(256, 192)] * 2 + [(208, 117), (256, 144), (250, 141)]


def test_each_picture_of_a_sheet_is_the_one_that_went_in():
    pictures = [sheet_jpeg(noise(*size, n), 72) for n, size in enumerate(SIZES)]
    made, places = join(pictures)
    whole = [decoded(sheet) for sheet in made]
    assert len(made) == len(set(SIZES))
    for picture, place in zip(pictures, places, strict=True):
        alone = decoded(picture)
        assert alone.shape[:2] == (place.height_px, place.width_px)
        below = place.top_px + place.height_px
        there = whole[place.sheet][place.top_px : below, : place.width_px]
        # colour of a border line is mixed with its neighbour's when colour is scaled up
        assert np.array_equal(there[1:-1], alone[1:-1])


def test_one_picture_is_sent_as_it_is():
    picture = sheet_jpeg(noise(320, 180, 1), 72)
    assert join([picture])[0] == [picture]
    assert join([]) == ([], [])


@pytest.mark.parametrize(
    ("limit", "value", "apart"),
    [("MOST_PX", 3 * 256 * 144, [3, 3, 1]), ("TALLEST_PX", 4 * 144, [4, 3])],
)
def test_a_sheet_grows_no_larger_than_it_may(monkeypatch, limit, value, apart):
    monkeypatch.setattr(sheets, limit, value)
    pictures = [sheet_jpeg(noise(256, 144, n), 72) for n in range(7)]
    made, places = join(pictures)
    assert [decoded(sheet).shape[0] // 144 for sheet in made] == apart
    assert [place.sheet for place in places] == [n for n, of in enumerate(apart) for _ in range(of)]


def test_seventy_seven_tiles_are_two_sheets_that_a_reader_takes():
    made, places = join([sheet_jpeg(noise(256, 144, 1), 72)] * 77)
    assert len(made) == 2
    assert max(place.top_px + place.height_px for place in places) < TALLEST_PX


@pytest.mark.parametrize(
    "odd",
    [
        b"",
        b"nothing",
        sheet_jpeg(noise(64, 48, 1), 72)[:-2],
        sheet_jpeg(noise(64, 48, 1), 72)[:200],
    ],
)
def test_what_cannot_be_joined_is_an_error(odd):
    with pytest.raises(ValueError, match="JPEG"):
        join([odd])


def test_a_jpeg_without_its_restart_interval_is_an_error():
    done, data = cv2.imencode(".jpg", noise(64, 48, 1))
    assert done
    with pytest.raises(ValueError, match="joined"):
        join([data.tobytes()])
