from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from workbench.errors import Damaged
from workbench.recognition.clock import overlay
from workbench.recognition.models import samples, weights
from workbench.recognition.models.easyocr_door import import_easyocr
from workbench.recognition.models.loading import open_plate_reader
from workbench.recognition.plates import easy_reader
from workbench.recognition.plates.easy_reader import EasyLineReader, open_easy_line_reader
from workbench.recognition.plates.text import SIGNS
from workbench.recognition.types import LINE_READERS, ModelSettings

TRAINING = Path(__file__).resolve().parents[3] / "models" / "plate_reader"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def read() -> EasyLineReader:
    return open_easy_line_reader()


@pytest.fixture
def training(monkeypatch):
    """The modules of models/plate_reader, which stand beside the program that trains."""
    monkeypatch.syspath_prepend(str(TRAINING))
    import samples as printed

    yield printed
    for path in TRAINING.glob("*.py"):
        sys.modules.pop(path.stem, None)


def whole(picture) -> np.ndarray:
    height, width = picture.shape[:2]
    return np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32)


def said(signs) -> str:
    return "".join(sign.char for sign in signs)


def test_drawn_lines_that_were_never_trained_on_are_read(read, training):
    lines = training.Printer(900_777).many(200)
    right = sum(
        said(read(cv2.cvtColor(crop, cv2.COLOR_GRAY2RGB), whole(crop))) == text
        for crop, text in lines
    )
    # many of them nobody can read: eight pixels high, smeared, at night
    assert right >= 110, right


def test_a_plate_is_read_through_easyocr_itself(training):
    easyocr = import_easyocr()
    folder = str(TRAINING)
    reader = easyocr.Reader(
        ["en"], gpu=False, recog_network=easy_reader.NETWORK, user_network_directory=folder,
        model_storage_directory=folder, download_enabled=False, detector=False, quantize=False,
        verbose=False,
    )  # fmt: skip
    rng = np.random.default_rng(5)
    plate = sys.modules["plates"].draw(("51G-971.62",), sys.modules["signs"].drawn_face(rng), rng)
    left, top, right, bottom = map(round, plate.boxes[0])
    picture = sys.modules["weather"].colour_plate(plate)
    line = picture[top - 5 : bottom + 5, left - 8 : right + 8]
    grey = cv2.cvtColor(np.ascontiguousarray(line), cv2.COLOR_RGB2GRAY)
    try:
        assert reader.recognize(grey, detail=0) == ["51G-971.62"]
    finally:
        sys.modules["easyocr.easyocr"].imgH = 64


def test_each_sign_has_its_chances_and_its_place(read):
    plate = samples.drawn_plate(("99-B1",))
    height, width = plate.shape[:2]
    part = np.ascontiguousarray(plate[height // 3 : -(height // 3), width // 4 : -(width // 4)])
    signs = read(part, whole(part))
    held = [sign for sign in signs if sign.candidates]
    assert said(held) == "99B1"
    assert {sign.char for sign in signs} == set("9B1-")
    assert all(0 < sum(sign.candidates.values()) <= 1.001 for sign in held)
    assert set().union(*(sign.candidates for sign in signs)) <= set(SIGNS)
    places = [sign.at for sign in signs]
    assert places == sorted(places)


def test_a_line_reads_the_same_alone_and_among_others(read, training):
    crops = [cv2.cvtColor(crop, cv2.COLOR_GRAY2RGB) for crop, _ in training.Printer(31).many(12)]
    sheet = np.zeros((sum(c.shape[0] for c in crops), max(c.shape[1] for c in crops), 3), np.uint8)
    corners, top = [], 0
    for crop in crops:
        height, width = crop.shape[:2]
        sheet[top : top + height, :width] = crop
        corners.append(whole(crop) + np.array([0, top], np.float32))
        top += height
    together = read.many(sheet, corners)
    for alone, among in zip((read(sheet, one) for one in corners), together, strict=True):
        assert said(alone) == said(among)
        assert [s.probability for s in alone] == pytest.approx(
            [s.probability for s in among], abs=1e-3
        )


@pytest.mark.parametrize("name", LINE_READERS)
def test_each_reader_of_lines_reads_a_plate_and_says_who_read_it(name):
    read = open_plate_reader(ModelSettings(plate_reader=name))
    (one,) = read(samples.drawn_plate(("51G-971.62",)))
    assert (one.text, one.reader) == ("51G-971.62", name)
    assert read(samples.grey_field()) == []


def test_the_clock_is_read_beside_it(read):
    # EasyOCR keeps the height of lines for the whole process: ours must not become the clock's
    clock = overlay.read_clock(samples.drawn_clock(), overlay.open_clock_reader())
    assert clock is not None
    assert clock.shown_ns(0) == overlay.parse_clock(samples.CLOCK_TEXT).shown_ns(0)


def test_altered_code_of_the_network_is_not_run(monkeypatch):
    cards = weights.read_manifest()
    card = cards[easy_reader.CARD]
    wrong = {**card.files, "network": replace(card.files["network"], sha256="0" * 64)}
    with pytest.raises(Damaged):
        open_easy_line_reader({easy_reader.CARD: replace(card, files=wrong)})


def test_the_same_seed_draws_the_same_lines(training):
    first, second = (training.Printer(7).many(40) for _ in range(2))
    other = training.Printer(8).many(40)
    assert [text for _, text in first] == [text for _, text in second]
    assert all(np.array_equal(a, b) for (a, _), (b, _) in zip(first, second, strict=True))
    assert [text for _, text in first] != [text for _, text in other]


def test_training_goes_on_from_where_it_stopped(tmp_path):
    for steps in ("1", "2"):
        done = subprocess.run(
            [sys.executable, TRAINING / "train.py", "--out", tmp_path, "--steps", steps],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert f"step {steps}:" in done.stdout
    assert (tmp_path / "vn_plates.pth").stat().st_size < 6 * 2**20
