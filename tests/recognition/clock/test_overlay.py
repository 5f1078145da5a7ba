from __future__ import annotations

import itertools
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from make.clips import make_clip, read_number
from make.scenes import segment_of

from workbench.recognition.clock.fix import LOCAL_ZONE_S, measure_overlay_clock
from workbench.recognition.clock.overlay import (
    fit_offset,
    open_clock_reader,
    parse_clock,
    read_clock,
)
from workbench.recognition.models import samples
from workbench.records import Box

SECOND = 1_000_000_000


def instant(text: str) -> tuple[int, ...] | None:
    c = parse_clock(text)
    return None if c is None else (c.year, c.month, c.day, c.hour, c.minute, c.second)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20 07:15:32", "2026/11/20 07:15:32", "20/11/2026 07:15:32", "20.11.2026 07:15:32",
        "11-20-2026 Fri 07:15:32", "20-11-2026 Fri 07:15:32", "20261120 071532",
        "2O26-11-2O O7:15:32", "2026-11-20 07815.32", "20/11/2026 07215:32",
        "2026-11-20  Fri 07.15.32", "Cam 3 2026-11-20 07:15:32", "2026 -11- 20 07 :15 :32",
    ],
)  # fmt: skip
def test_layouts_and_misread_separators(text):
    assert instant(text) == (2026, 11, 20, 7, 15, 32)


@pytest.mark.parametrize(
    "text",
    ["", "Camera 03", "2026-13-20 07:15:32", "2026-11-31 07:15:32", "2026-11-20 24:15:32",
     "2026-11-20 07:60:32", "07:15:32", "1926-11-20 07:15:32"],
)  # fmt: skip
def test_what_is_no_date_and_time(text):
    assert instant(text) is None


def test_the_weekday_decides_between_day_and_month():
    # 5 November 2026 is a Thursday, 11 May 2026 a Monday
    by_day = parse_clock("05-11-2026 Thu 07:15:32")
    by_month = parse_clock("05-11-2026 Mon 07:15:32")
    assert (by_day.month, by_day.day, by_day.ambiguous) == (11, 5, False)
    assert (by_month.month, by_month.day, by_month.ambiguous) == (5, 11, False)


def test_without_a_weekday_the_doubt_is_told():
    assert parse_clock("05/11/2026 07:15:32").ambiguous
    assert parse_clock("05/11/2026 07:15:32").month == 11
    assert parse_clock("05-11-2026 07:15:32").month == 5
    assert not parse_clock("2026-05-11 07:15:32").ambiguous


@given(st.integers(978_307_200, 4_039_372_800))
def test_every_date_round_trips(seconds):
    at = datetime.fromtimestamp(seconds, UTC)
    for layout in ("%Y-%m-%d %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m-%d-%Y %a %H:%M:%S"):
        clock = parse_clock(at.strftime(layout))
        expected = seconds * SECOND
        assert clock.shown_ns(0) == expected
        assert clock.shown_ns(7 * 3600) == expected - 7 * 3600 * SECOND


def test_pieces_of_a_clock_are_put_together_in_order():
    def read(picture):
        return [
            (Box(300, 12, 80, 20), "07:15:32", 0.7),
            (Box(10, 10, 120, 20), "2026-11-20", 0.9),
            (Box(10, 32, 60, 8), "Camera 3", 0.8),
        ]

    clock = read_clock(np.zeros((60, 640, 3), np.uint8), read)
    assert (clock.day, clock.second, clock.confidence) == (20, 32, 0.7)
    assert clock.box == Box(10, 10, 370, 22)


def test_a_picture_without_a_clock_has_none():
    assert read_clock(samples.grey_field(), lambda picture: []) is None


@pytest.mark.parametrize(("height", "whole"), [(41, True), (720, False)])
def test_a_clock_found_at_the_top_costs_one_reading(height, whole):
    shapes = []

    def read(picture):
        shapes.append(picture.shape[:2])
        return [(Box(10, 10, 300, 20), "2026-11-20 07:15:32", 0.9)]

    clock = read_clock(np.zeros((height, 640, 3), np.uint8), read, whole=whole)
    assert clock is not None
    assert clock.second == 32
    assert len(shapes) == 1
    assert shapes[0][0] == (41 if whole else 101)


def test_the_box_of_a_lower_clock_is_in_the_whole_picture():
    def read(picture):
        return [(Box(4, 3, 90, 20), "2026-11-20 07:15:32", 0.9)] if picture.any() else []

    picture = np.zeros((600, 640, 3), np.uint8)
    picture[560:] = 1
    assert read_clock(picture, read).box.y == 600 - 84 + 3


# -- offsets ------------------------------------------------------------------------------------


@given(
    st.integers(-(10**13), 10**13),
    st.lists(st.integers(0, 60 * SECOND), min_size=1, max_size=30, unique=True),
)
def test_the_true_offset_lies_within_the_bounds(offset, stamps):
    pairs = [(s, (s + offset) // SECOND * SECOND) for s in stamps]
    fitted, sigma = fit_offset(pairs)
    assert abs(fitted - offset) <= max(sigma * 12**0.5 / 2 + 1, SECOND // 20)
    assert SECOND // 20 <= sigma <= 0.29 * SECOND + 1


def test_one_reading_is_good_to_a_third_of_a_second_and_many_to_a_frame():
    assert fit_offset([(0, 0)]) == (SECOND // 2, round(SECOND / 12**0.5))
    pairs = [(t, (t + 123_456_789) // SECOND * SECOND) for t in range(0, 5 * SECOND, SECOND // 10)]
    fitted, sigma = fit_offset(pairs)
    assert abs(fitted - 123_456_789) < SECOND // 10
    assert sigma == SECOND // 20


def test_a_misread_second_does_no_harm_and_disagreement_is_no_result():
    good = [(t * SECOND, t * SECOND + 8 * SECOND) for t in range(8)]
    wrong = [(9 * SECOND, 77 * SECOND), (10 * SECOND, 2 * SECOND)]
    assert fit_offset(good + wrong) == fit_offset(good)
    assert fit_offset([(0, 0), (0, 5 * SECOND), (0, 9 * SECOND)]) is None
    assert fit_offset([]) is None


@pytest.mark.parametrize("rate", [10, 25])
@pytest.mark.parametrize("vfr", [False, True])
@pytest.mark.parametrize("offset_ms", [-8_417, 0, 260, 999, 3_600_050])
def test_the_offset_is_narrowed_to_a_frame_with_few_readings(tmp_path, rate, vfr, offset_ms):
    clip = tmp_path / "clip.mp4"
    # as high as the strip that is searched, so that the reader sees the whole number
    pts = make_clip(clip, 90, rate=rate, vfr=vfr, size=(160, 40), bframes=2)
    segment, index = segment_of(clip)
    readings = []

    def read(picture):
        number = read_number(picture)
        readings.append(number)
        shown = segment.stamped_ns(pts[number]) + offset_ms * 10**6 + LOCAL_ZONE_S * SECOND
        text = datetime.fromtimestamp(shown // SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")
        return [(Box(8, 8, 144, 24), text, 0.9)]

    offset_ns, sigma_ns = measure_overlay_clock(clip, segment, index, read=read)
    stamps = [segment.stamped_ns(tick) for tick in pts[: 2 * rate]]
    longest_ns = max(after - before for before, after in itertools.pairwise(stamps))
    assert abs(offset_ns - offset_ms * 10**6) <= longest_ns
    assert sigma_ns <= max(SECOND // 20, longest_ns)
    assert len(readings) == len(set(readings)) <= 9


def test_a_clock_that_stands_still_is_no_clock(tmp_path):
    clip = tmp_path / "clip.mp4"
    make_clip(clip, 90, rate=10, size=(160, 40))
    segment, index = segment_of(clip)

    def read(picture):
        return [(Box(8, 8, 144, 24), "2026-11-20 07:15:32", 0.9)]

    assert measure_overlay_clock(clip, segment, index, read=read) is None


# -- EasyOCR itself -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def easyocr():
    return open_clock_reader()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "top"),
    [
        ("2026-11-20 07:15:32", True),
        ("20/11/2026 07:15:32", False),
        ("11-20-2026 Fri 07:15:32", True),
    ],
)
def test_easyocr_reads_drawn_clocks(easyocr, text, top):
    clock = read_clock(samples.drawn_clock(text, width_px=640, top=top), easyocr)
    assert clock is not None
    shown = (clock.year, clock.month, clock.day, clock.hour, clock.minute, clock.second)
    assert shown == (2026, 11, 20, 7, 15, 32)
    assert (clock.box.y < 60) == top
