"""Reading plates of pictures and crops, through the function and the command."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from workbench import plates
from workbench.cli import app
from workbench.errors import BadInput, Unavailable, WorkbenchError
from workbench.recognition import read_plates_of_images
from workbench.recognition.evaluate import plate_pictures
from workbench.recognition.models import samples, weights
from workbench.recognition.plates import stills
from workbench.recognition.plates.easy_reader import CARD
from workbench.recognition.plates.stills import StillReading, _settled, as_csv, read_still
from workbench.recognition.types import PlateReading
from workbench.records import Box


def save(path: Path, picture) -> Path:
    path.write_bytes(cv2.imencode(".png", picture[:, :, ::-1])[1].tobytes())
    return path


def tight(lines=samples.PLATE_LINES, sign_px: int = 24):
    """Cut a drawn plate at its frame: signs stand at the edge."""
    picture = samples.drawn_plate(lines, sign_px=sign_px)
    height, width = picture.shape[:2]
    part = picture[height // 4 + 3 : height * 3 // 4 - 2, width // 4 + 3 : width * 3 // 4 - 2]
    return np.ascontiguousarray(part)


@pytest.mark.parametrize("sign_px", [16, 24, 44])
def test_a_crop_cut_at_its_edge_is_read(models, sign_px):
    (two,) = read_still(models.read_plates, tight(sign_px=sign_px))
    (one,) = read_still(models.read_plates, tight(("51G-971.62",), sign_px))
    assert (two.text, two.kind) == ("99B1-123.45", "two-line")
    assert (one.text, one.kind) == ("51G-971.62", "one-line")


def test_the_reader_beside_is_opened_at_the_first_doubt(models):
    opened = []

    def beside():
        opened.append(1)
        return models.read_plates

    (sure,) = read_still(models.read_plates, tight(), beside)
    assert (sure.text, opened) == ("99B1-123.45", [])
    read_still(models.read_plates, samples.grey_field(150, 100), beside)
    assert opened == [1]


def test_both_readers_are_seen_to_be_there_before_anything_is_read(tmp_path, monkeypatch):
    def missing(card, key):
        if card.name == CARD:
            raise Unavailable("the file is not there", "put it back", where=card.name)
        return located(card, key)

    located = weights.locate
    monkeypatch.setattr(weights, "locate", missing)
    path = save(tmp_path / "plate.png", tight())
    with pytest.raises(Unavailable):
        list(read_plates_of_images([path], troubles=[]))
    assert [one.text for one in read_plates_of_images([path], reader="pp-ocr")] == ["99B1-123.45"]


def look(text: str | None) -> PlateReading:
    lattice = [{sign: 0.9} for sign in "99B112345"]
    return PlateReading(text, "99-B1 12345", 0.9, lattice, Box(0, 0, 90, 60), "two-line")


def test_what_hardly_any_look_says_stays_unread_and_is_an_alternative():
    lone = _settled([look("99B1-123.45"), *[look(None)] * 7])
    assert lone is not None
    assert (lone.text, lone.score) == (None, 0.0)
    assert "99B1-123.45" in dict(lone.alternatives)
    shares = [share for _, share in lone.alternatives]
    assert shares == sorted(shares, reverse=True)
    assert sum(shares) <= 0.5
    several = _settled([*[look("99B1-123.45")] * 3, *[look(None)] * 7])
    assert several is not None
    assert several.text == "99B1-123.45"


def test_the_first_text_stays_where_the_second_looks_come_to_none(models, monkeypatch):
    monkeypatch.setattr(stills, "read_crop", lambda _read, _picture: [look("99B1-123.45")])
    monkeypatch.setattr(stills, "read_crop_again", lambda _read, _picture: [look(None)] * 9)
    monkeypatch.setattr(stills, "_SURE", 2.0)
    (one,) = read_still(models.read_plates, tight())
    assert one.text == "99B1-123.45"


@pytest.mark.parametrize("ground", [(30, 70, 170), (190, 25, 30), (235, 200, 40)])
def test_coloured_grounds_are_read(models, ground):
    plate = tight(sign_px=30)
    share = plate.astype(np.float32) / 255
    ink = (240, 240, 240) if sum(ground) < 400 else (20, 20, 20)
    coloured = (share * np.array(ground) + (1 - share) * np.array(ink)).astype(np.uint8)
    assert [one.text for one in read_still(models.read_plates, coloured)] == ["99B1-123.45"]


def test_a_grey_field_has_one_record_that_says_so(models, tmp_path):
    path = save(tmp_path / "grey.png", samples.grey_field())
    (one,) = read_plates_of_images([path], read=models.read_plates)
    assert (one.kind, one.text, one.probability, one.box) == ("no plate", None, 0.0, None)


def test_the_command_names_a_bad_file_and_reads_the_others(tmp_path):
    folder = tmp_path / "crops"
    folder.mkdir()
    save(folder / "a.png", tight())
    (folder / "b.jpg").write_text("this is text")
    save(folder / "c.png", samples.grey_field())
    table = tmp_path / "out.csv"
    done = CliRunner().invoke(app, ["plates", "read", str(folder), "--csv", str(table)])
    assert done.exit_code == 2
    assert "b.jpg: this is no picture" in done.output
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert [(Path(r["file"]).name, r["text"], r["kind"]) for r in rows] == [
        ("a.png", "99B1-123.45", "two-line"), ("c.png", "", "no plate"),
    ]  # fmt: skip
    assert 0.5 < float(rows[0]["probability"]) <= 1.0


def test_wrong_paths_are_one_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "absent.jpg", tmp_path / "empty"):
        with pytest.raises(BadInput):
            list(read_plates_of_images([path]))
        done = CliRunner().invoke(app, ["plates", "read", str(path)])
        assert isinstance(done.exception, WorkbenchError)
    bad = ["plates", "read", str(tmp_path), "--csv", str(tmp_path / "no" / "out.csv")]
    assert isinstance(CliRunner().invoke(app, bad).exception, WorkbenchError)


def test_a_reader_that_is_none_is_one_sentence(tmp_path):
    save(tmp_path / "a.png", tight())
    done = CliRunner().invoke(app, ["plates", "read", str(tmp_path), "--reader", "tesseract"])
    assert isinstance(done.exception, BadInput)
    assert "Choose one of: pp-ocr, easyocr, both" in str(done.exception)


def test_no_cell_is_a_formula():
    text = as_csv([StillReading("=cmd.png", None, 0.0, (), "unread", "-99", None)])
    (row,) = csv.DictReader(io.StringIO(text))
    assert (row["file"], row["raw"]) == ("'=cmd.png", "'-99")


@pytest.mark.footage
def test_tight_crops_of_real_plates_are_read(models, footage):
    right = count = 0
    for _, picture, truth in list(plate_pictures(footage / "vn_plates_mrzaizai2k"))[::4]:
        for plate in truth:
            x, y, w, h = (round(v) for v in (plate.box.x, plate.box.y, plate.box.w, plate.box.h))
            crop = cv2.resize(picture[max(0, y) : y + h, max(0, x) : x + w], (120, 120 * h // w))
            if plate.signs:
                count += 1
                found = read_still(models.read_plates, crop)
                right += any(plates.compact(one.text or "") == plate.signs for one in found)
    assert count >= 15
    assert right >= 0.85 * count
