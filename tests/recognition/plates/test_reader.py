from __future__ import annotations

from itertools import islice

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workbench import plates
from workbench.recognition.evaluate import (
    TruePlate,
    object_by_object,
    plate_pictures,
    read_picture,
    score_plates,
    tiles,
    whole_picture,
)
from workbench.recognition.models import samples
from workbench.recognition.plates.reader import TextPlateReader, plate_of, read_lines
from workbench.recognition.plates.text import Line, Sign
from workbench.recognition.types import ModelSettings, PlateReading
from workbench.records import Box


def said(readings: list[PlateReading]) -> list[str | None]:
    return [reading.text for reading in readings]


def sign(char: str, probability: float = 0.99, **others: float) -> Sign:
    return Sign(char, probability, {char: probability, **others}, 0.5)


def line(text: str, x: float, y: float, width: float = 100, height: float = 30) -> Line:
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
    signs = tuple(sign(c) if c.isalnum() else Sign(c, 0.9, {}, 0.5) for c in text)
    return Line(np.array(corners, np.float32), signs, 0.9, inset_px=6)


# -- drawn pictures -----------------------------------------------------------------------------


@pytest.mark.parametrize("sign_px", [16, 24, 44])
def test_both_shapes_of_plate_are_read(models, sign_px):
    (two,) = models.read_plates(samples.drawn_plate(sign_px=sign_px), None)
    (one,) = models.read_plates(samples.drawn_plate(("51G-971.62",), sign_px=sign_px), None)
    assert (two.text, two.kind) == ("99B1-123.45", "two-line")
    assert (one.text, one.kind) == ("51G-971.62", "one-line")
    assert len(two.lattice) == len("99B112345")
    assert all(0.0 < sum(place.values()) <= 1.001 for place in two.lattice)


def test_a_grey_field_holds_no_plate(models):
    assert models.read_plates(samples.grey_field(), None) == []


def test_a_plate_is_where_it_is_when_sought_in_a_box(models):
    plate = samples.drawn_plate()
    height, width = plate.shape[:2]
    street = np.full((800, 1280, 3), 96, np.uint8)
    street[300 : 300 + height, 500 : 500 + width] = plate
    (alone,) = models.read_plates(plate, None)
    (boxed,) = models.read_plates(street, Box(500, 300, width, height))
    assert boxed.text == alone.text
    assert boxed.box.x == pytest.approx(alone.box.x + 500, abs=6)  # a vehicle is seen smaller
    assert boxed.box.y == pytest.approx(alone.box.y + 300, abs=3)
    assert models.read_plates(street, Box(0, 0, 400, 250)) == []


def test_a_plate_is_sought_where_it_was_and_elsewhere_only_if_it_is_not_there(models):
    plate = samples.drawn_plate(sign_px=30)
    height, width = plate.shape[:2]
    street = np.full((800, 1280, 3), 96, np.uint8)
    street[300 : 300 + height, 500 : 500 + width] = plate
    read = models.read_plates
    sizes = []

    class Counting:
        def __call__(self, picture, side_px=None, *, exactly=False):
            sizes.append(picture.shape[0] * picture.shape[1] if exactly else None)
            return read.find(picture, side_px, exactly=exactly)

        def glance(self, picture, side_px, share):
            return read.find.glance(picture, side_px, share)

    counting = TextPlateReader(Counting(), read.read_line, read.settings)
    vehicle = Box(200, 100, 800, 650)
    (first,) = counting(street, vehicle)
    # where the glance saw text, and nowhere else
    assert len(sizes) == 1
    assert sizes[0] < 0.2 * vehicle.w * vehicle.h
    box = first.box
    near = Box(box.x + 0.3 * box.w, box.y - 0.2 * box.h, box.w * 1.1, box.h * 1.1)
    sizes.clear()
    (again,) = counting(street, vehicle, hint=near)
    assert again.text == first.text
    assert again.box.x == pytest.approx(box.x, abs=12)  # outlines are as coarse as its picture
    (searched,) = sizes
    assert searched < 0.2 * vehicle.w * vehicle.h
    sizes.clear()
    assert said(counting(street, vehicle, hint=Box(220, 600, 100, 70))) == [first.text]
    assert len(sizes) == 2  # the hint's surroundings, then where a glance sees text


def test_a_plate_beside_other_writing_is_still_found(models):
    plate = samples.drawn_plate()
    height, width = plate.shape[:2]
    street = np.full((800, 1280, 3), 96, np.uint8)
    street[500 : 500 + height, 500 : 500 + width] = plate
    for n, word in enumerate(("HOANG LONG", "LIMOUSINE", "24/7")):
        cv2.putText(street, word, (240, 220 + 80 * n), cv2.FONT_HERSHEY_DUPLEX, 2.4, (230,) * 3, 6)
    vehicle = Box(200, 100, 800, 650)
    assert said(models.read_plates(street, vehicle)) == said(models.read_plates(plate, None))


@pytest.mark.parametrize("sign_px", [14, 24, 44])
def test_a_glance_tells_a_vehicle_with_a_plate_from_one_without(models, sign_px):
    plate = samples.drawn_plate(sign_px=sign_px)
    height, width = plate.shape[:2]
    street = np.full((height + 200, width + 40, 3), 96, np.uint8)
    find = models.read_plates.find
    assert find.glance(street, 416, 0.5) == []
    street[100 : 100 + height, 20 : 20 + width] = plate
    assert find.glance(street, 416, 0.5)


def test_a_box_that_cuts_the_plate_is_widened(models):
    plate = samples.drawn_plate()
    height, width = plate.shape[:2]
    street = np.full((800, 1280, 3), 96, np.uint8)
    street[300 : 300 + height, 500 : 500 + width] = plate
    narrow = Box(500, 300, width * 0.66, height)
    assert said(models.read_plates(street, narrow)) == ["99B1-123.45"]


def test_a_plate_cut_by_the_picture_is_never_a_shorter_plate(models):
    plate = samples.drawn_plate()
    for left in range(0, plate.shape[1] * 2 // 3, 7):
        cut = np.ascontiguousarray(plate[:, left:])
        assert set(said(models.read_plates(cut, None))) <= {"99B1-123.45", None}, left


@pytest.mark.parametrize("degrees", [-12, 8, 15])
def test_a_tilted_plate_is_read(models, degrees):
    plate = samples.drawn_plate()
    height, width = plate.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 0.9)
    tilted = cv2.warpAffine(plate, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    assert said(models.read_plates(tilted, None)) == ["99B1-123.45"]


NO_PLATES = (
    "0912.345.678", "0222.383.1234", "DT: 098 345 678", "38.345.678", "PHO BO 24H",
    "BABY IN CAR", "CAM 03 CONG SO 2", "2026-11-20 07:15:32", "20/11/2026 07:15:32",
    "11-20-2026 Fri 07:15:32", "HONDA", "Km 12+300", "TOYOTA 1.5", "50 km/h",
)  # fmt: skip


@pytest.mark.parametrize("text", NO_PLATES)
def test_signs_telephone_numbers_and_burnt_in_text_are_no_plates(models, text):
    assert said(models.read_plates(samples.drawn_clock(text, width_px=640), None)) == []
    board = samples.drawn_plate((text,), sign_px=30)
    assert [t for t in said(models.read_plates(board, None)) if t] == []


def test_two_burnt_in_lines_are_no_plate(models):
    board = samples.drawn_plate(("20-11-2026", "07:15:32"), sign_px=30)
    assert [t for t in said(models.read_plates(board, None)) if t] == []


# -- grouping and grammar, without networks -----------------------------------------------------


def test_a_plain_lattice_gives_the_plate():
    reading, signs = plate_of([[sign(c) for c in "99B1"], [sign(c) for c in "12345"]])
    assert reading.text == "99B1-123.45"
    assert len(signs) == 9


def test_a_series_letter_must_have_been_seen():
    digits = [[sign(c) for c in "3883"], [sign(c) for c in "45678"]]
    assert plate_of(digits) is None
    doubtful = [[sign("3"), sign("8"), sign("8", 0.7, B=0.25), sign("3")], digits[1]]
    reading, _ = plate_of(doubtful)
    assert reading.text == "38B3-456.78"


def test_a_lone_line_is_no_plate():
    assert plate_of([[sign(c) for c in "12345"]]) is None


def test_a_dot_beside_too_few_digits_is_a_lost_digit():
    picture = np.full((300, 400, 3), 230, np.uint8)
    settings_ = ModelSettings()
    lost = [line("66-P1", 150, 100), line("95.75", 150, 140)]
    assert [r.text for r in read_lines(lost, picture, settings_) if r.text] == []
    older = [line("81-K5", 150, 100), line("3579", 150, 140)]
    assert said(read_lines(older, picture, settings_)) == ["81K5-3579"]


def test_lines_far_apart_or_aside_are_not_stacked():
    picture = np.full((400, 600, 3), 230, np.uint8)
    for x, y in ((150, 240), (320, 140)):
        lines = [line("99-B1", 150, 100), line("123.45", x, y)]
        assert read_lines(lines, picture, ModelSettings()) == []


def test_a_line_broken_in_two_is_one_line():
    picture = np.full((400, 600, 3), 230, np.uint8)
    lines = [line("51G", 100, 100, 70), line("971.62", 180, 101, 120)]
    (reading,) = read_lines(lines, picture, ModelSettings())
    assert (reading.text, reading.kind) == ("51G-971.62", "one-line")


def test_a_score_too_low_leaves_the_plate_unread():
    picture = np.full((400, 600, 3), 230, np.uint8)
    for x in range(150, 250, 12):
        cv2.putText(picture, "8", (x, 170), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (10, 10, 10), 2)
    lines = [line("99-B1", 150, 100), line("123.45", 150, 140)]
    (read,) = read_lines(lines, picture, ModelSettings())
    (unread,) = read_lines(lines, picture, ModelSettings(plate_min_score=0.999))
    assert (read.text, unread.text) == ("99B1-123.45", None)
    assert unread.raw == read.raw


plates_of_cars = st.from_regex(r"(29|30|51|98|99)[ABCDEFGHKLMNPSTUVXYZ][0-9]{5}", fullmatch=True)


@settings(max_examples=40, deadline=None)
@given(plates_of_cars)
def test_sure_signs_are_never_changed(text):
    reading, signs = plate_of([[sign(c) for c in text]])
    assert plates.compact(reading.text) == text
    assert [s.char for s in signs] == list(text)


# -- scoring ------------------------------------------------------------------------------------


def reading_at(text: str | None, box: Box) -> PlateReading:
    return PlateReading(text, text or "?", 0.9, [], box, "one-line")


def test_scores_tell_exact_wrong_unread_missed_and_beyond_apart():
    boxes = [Box(100 * n, 0, 50, 20) for n in range(5)]
    truth = [TruePlate(box, "51G97162") for box in boxes[:4]]
    answers = [
        reading_at("51G-971.62", boxes[0]),
        reading_at("51G-971.63", boxes[1]),
        reading_at(None, boxes[2]),
        reading_at("99B1-123.45", boxes[4]),
    ]
    score = score_plates(lambda picture: answers, [("a", samples.grey_field(), truth)])
    assert (score.readable, score.exact) == (4, 1)
    assert score.wrong == (("a", "51G97162", "51G97163"),)
    assert score.unread == score.missed == (("a", "51G97162"),)
    assert score.beyond == (("a", "99B1-123.45"),)


@pytest.mark.footage
def test_real_vietnamese_plates_are_read(models, footage):
    # measured: 72 of 77, one wrong; what is missed is smeared by motion or hidden by glare
    folder = footage / "vn_plates_mrzaizai2k"
    score = score_plates(whole_picture(models.read_plates), plate_pictures(folder))
    assert score.readable == 77
    assert score.exact >= 70, score
    assert len(score.wrong) <= 1, score.wrong


@pytest.mark.footage
def test_real_plates_of_ninety_pixels_are_read(models, footage):
    folder = footage / "vn_plates_mrzaizai2k"
    pictures = islice(plate_pictures(folder, width_px=520), 0, None, 2)
    score = score_plates(object_by_object(models.read_plates, models.detect), pictures)
    # measured: 34 of 39; the detector misses vehicles of these dark close-ups
    assert score.readable == 39
    assert score.exact >= 30, score
    assert len(score.wrong) <= 1, score.wrong


@pytest.mark.footage
def test_a_burnt_in_clock_on_a_real_street_is_no_plate(models, footage):
    street = read_picture(footage / "vn_plates_mrzaizai2k/test/images/clip4_new_14.jpg")
    for text in ("2026-11-20 07:15:32", "CAM 29 CONG B1 0912345678"):
        picture = street.copy()
        cv2.putText(picture, text, (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.6, (255, 255, 255), 4)
        clock = [r for r in models.read_plates(picture, None) if r.box.y < 80]
        assert clock == []


def test_tiles_find_a_plate_once(models):
    street = np.full((900, 1500, 3), 96, np.uint8)
    plate = samples.drawn_plate(sign_px=24)
    street[400 : 400 + plate.shape[0], 500 : 500 + plate.shape[1]] = plate
    assert said(tiles(models.read_plates)(street)) == ["99B1-123.45"]
