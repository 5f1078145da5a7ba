"""Is everything here that recognition needs, does it work, and under which licence is it used?"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.errors import N_, Unavailable, WorkbenchError
from workbench.recognition.clock import overlay
from workbench.recognition.models import samples, weights
from workbench.recognition.passes.detect import CocoDetector
from workbench.recognition.plates.easy_reader import open_easy_line_reader
from workbench.recognition.plates.lines import open_text_plate_reader
from workbench.recognition.types import RGB, ModelSettings

State = Literal["ready", "failed", "missing", "altered", "not used"]

CLOCK_SELF_TEST = ("easyocr-craft", "easyocr-english-g2")
FACE_PACK = "face-pack"
_VIETNAMESE_LETTER = "1EF1"  # ự: a font that has it has them all


@dataclass(frozen=True, slots=True)
class ModelReport:
    """What `examine` found of one model.

    ``said`` is what the self-test saw, in words; ``remedy`` one sentence, empty where all is well.
    ``seconds`` is what loading and testing took.
    """

    name: str
    task: str
    package: str
    installed_version: str
    licence: str
    licence_source: str
    training_data: str
    card: str
    state: State
    said: str
    seconds: float
    remedy: WorkbenchError | None = None

    @property
    def ok(self) -> bool:
        """Whether it works, or is an optional thing that is not configured."""
        return self.state in ("ready", "not used")


@dataclass(frozen=True, slots=True)
class SystemFact:
    """One thing found, or missed, around the models; ``needed`` is False for what is optional."""

    name: str
    value: str
    ok: bool
    needed: bool
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class SelfTest:
    """What a model must say: `passed`, and what it said in words."""

    passed: bool
    said: str


def examine(
    settings: ModelSettings | None = None,
    *,
    clock: bool = True,
    environment: Mapping[str, str] = os.environ,
    on_report: Callable[[ModelReport], None] = lambda report: None,
) -> list[ModelReport]:
    """Load every model of the manifest, run its self-test and tell what came of it.

    A missing or altered file, or a model that fails, is a report and never an exception.

    Parameters
    ----------
    clock
        Also load EasyOCR, which reads burnt-in clocks and, with our own network, lines of plates;
        it takes 10 s and torch.
    on_report
        Called with each report as it comes, for showing progress.
    """
    settings = settings or ModelSettings()
    cards = weights.read_manifest()
    tests: list[tuple[tuple[str, ...], Callable[[], SelfTest]]] = [
        (("ssd-mobilenet-v2-coco-int8",), lambda: _test_detector(cards, settings)),
        (("centerface",), lambda: _test_faces(cards, settings, None)),
        (("faceplugin-fr",), lambda: _test_encoder(None)),
        (
            ("pp-ocrv6-det-small", "pp-ocrv6-rec-small"),
            lambda: _test_plates(cards, settings),
        ),
    ]
    if clock:
        tests.append((CLOCK_SELF_TEST, _test_clock))
        tests.append((("vn-plates-easyocr",), lambda: _test_plate_lines(cards)))
    reports: list[ModelReport] = []
    for names, test in tests:
        for report in _examine_together([cards[name] for name in names], test):
            on_report(report)
            reports.append(report)
    pack = _examine_pack(cards, settings, environment)
    on_report(pack)
    return [*reports, pack]


def system_facts(*, run: Callable[[Sequence[str]], str] | None = None) -> list[SystemFact]:
    """Return what recognition and the pages find around them: processor, packages, fonts, browser.

    `run` starts a program and returns what it prints, empty where it fails (for tests).
    """
    run = run or _output_of
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = [
        SystemFact("python", platform.python_version(), True, True),
        SystemFact("processor", f"{platform.machine()}, {cores} cores", True, True),
        _one_opencv(),
        _graphics(run),
        _fonts(run),
    ]
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), "")
    facts.append(
        SystemFact(
            "browser for tests",
            browser or "-",
            bool(browser),
            False,
            "" if browser else N_("apt-get install chromium, to run the browser tests"),
        )
    )
    return facts


def _examine_together(
    cards: Sequence[weights.WeightCard], test: Callable[[], SelfTest]
) -> list[ModelReport]:
    """Report on models that only work together: one test, each with its own files and licence."""
    states = [weights.status(card) for card in cards]
    if any(state.problem for state in states):
        return [
            _report(
                state,
                state.state if state.problem else "failed",
                "" if state.problem else "not tested: its partner is not here",
                0.0,
                state.problem,
            )
            for state in states
        ]
    remedy: WorkbenchError | None = None
    started = time.perf_counter()
    try:
        result = test()
    except WorkbenchError as problem:
        result, remedy = SelfTest(False, str(problem)), problem
    except Exception as error:  # noqa: BLE001 - a broken installation must become a report
        result = SelfTest(False, f"{type(error).__name__}: {error}")
        remedy = _broken(cards[0], error)
    else:
        if not result.passed:
            remedy = _wrong(cards[0])
    seconds = time.perf_counter() - started
    state: State = "ready" if result.passed else "failed"
    return [_report(status, state, result.said, seconds, remedy) for status in states]


def _report(
    status: weights.WeightStatus,
    state: State,
    said: str,
    seconds: float,
    remedy: WorkbenchError | None,
) -> ModelReport:
    card = status.card
    return ModelReport(
        card.name, card.task, card.package or "models/", status.installed_version, card.licence,
        card.licence_source, card.training_data, card.card, state, said, seconds, remedy,
    )  # fmt: skip


def _test_detector(cards: Mapping[str, weights.WeightCard], settings: ModelSettings) -> SelfTest:
    card = cards["ssd-mobilenet-v2-coco-int8"]
    detect = CocoDetector(
        weights.locate(card, "graph"),
        min_score=settings.detect_min_score,
    )
    empty, picture = detect(samples.grey_field()), samples.portrait()
    if picture is None:
        return SelfTest(not empty, f"{len(empty)} objects in a grey field; no portrait to test on")
    kinds = [found.kind for found in detect(picture)]
    said = f"{len(empty)} objects in a grey field; {', '.join(kinds) or 'nobody'} in a portrait"
    return SelfTest(not empty and kinds == ["person"], said)


def _test_faces(
    cards: Mapping[str, weights.WeightCard],
    settings: ModelSettings,
    pack: weights.FacePack | None,
) -> SelfTest:
    from workbench.recognition.faces.finding import open_face_finder  # as late as in models.py

    graph = None if pack else weights.locate(cards["centerface"], "graph")
    find = open_face_finder(
        graph, pack=pack.folder if pack else None, min_score=settings.face_min_score
    )
    empty, picture = find(samples.grey_field(), None), samples.portrait()
    if picture is None:
        return SelfTest(not empty, f"{len(empty)} faces in a grey field; no portrait to test on")
    count = len(find(picture, None))
    said = f"{len(empty)} faces in a grey field; {count} in a portrait"
    return SelfTest(not empty and count == 1, said)


def _test_encoder(pack: weights.FacePack | None) -> SelfTest:
    from workbench.recognition.faces.encoder import self_test

    return SelfTest(*self_test(pack))


def _test_plates(cards: Mapping[str, weights.WeightCard], settings: ModelSettings) -> SelfTest:
    read = open_text_plate_reader(cards, replace(settings, plate_reader="pp-ocr"))
    empty = read(samples.grey_field(), None)
    texts = [reading.text for reading in read(samples.drawn_plate(), None)]
    shown = ", ".join(text or "unread" for text in texts) or "nothing"
    said = f"{len(empty)} plates in a grey field; read {shown} on a drawn {samples.PLATE_TEXT}"
    return SelfTest(not empty and texts == [samples.PLATE_TEXT], said)


def _test_plate_lines(cards: Mapping[str, weights.WeightCard]) -> SelfTest:
    read = open_easy_line_reader(cards)
    expected, field = "99B1", samples.grey_field()
    plate = samples.drawn_plate(samples.PLATE_LINES[:1])
    shown, empty = (
        "".join(sign.char for sign in read(picture, _middle(picture)) if sign.candidates)
        for picture in (plate, field)
    )
    said = f"read {shown or 'nothing'} on a drawn {expected}, {empty or 'nothing'} in a grey field"
    return SelfTest(shown == expected and not empty, said)


def _middle(picture: RGB) -> NDArray[np.float32]:
    """Return the corners of what a drawn plate of one line holds within its edge."""
    height, width = picture.shape[:2]
    (left, right), (top, bottom) = (width * 0.27, width * 0.73), (height * 0.31, height * 0.69)
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)


def _test_clock() -> SelfTest:
    reader = overlay.open_clock_reader()
    none = overlay.read_clock(samples.grey_field(), reader)
    clock = overlay.read_clock(samples.drawn_clock(), reader)
    expected = overlay.parse_clock(samples.CLOCK_TEXT)
    assert expected is not None
    said = f"read {clock.text if clock else 'nothing'} on a drawn {samples.CLOCK_TEXT}"
    if none is not None:
        return SelfTest(False, f"a clock in a grey field; {said}")
    right = clock is not None and clock.shown_ns(0) == expected.shown_ns(0)
    return SelfTest(right, f"no clock in a grey field; {said}")


def _test_pack(
    cards: Mapping[str, weights.WeightCard], settings: ModelSettings, pack: weights.FacePack
) -> SelfTest:
    """Test both networks of a pack; one without an encoder still finds faces to blur."""
    found = _test_faces(cards, settings, pack)
    try:
        compared = _test_encoder(pack)
    except Unavailable as lacks:
        return SelfTest(found.passed, f"{found.said}; {lacks.what}")
    return SelfTest(found.passed and compared.passed, f"{found.said}; {compared.said}")


def _examine_pack(
    cards: Mapping[str, weights.WeightCard],
    settings: ModelSettings,
    environment: Mapping[str, str],
) -> ModelReport:
    started = time.perf_counter()
    licence, said = "-", ""
    state: State = "not used"
    remedy: WorkbenchError | None = None
    try:
        pack = weights.face_pack(settings.face_pack, environment)
        if pack is not None:
            licence = pack.licence
            result = _test_pack(cards, settings, pack)
            state, said = ("ready" if result.passed else "failed"), result.said
    except Unavailable as problem:
        state, said, remedy = "missing", "", problem
    except Exception as error:  # noqa: BLE001 - a broken pack must become a report
        state, said = "failed", f"{type(error).__name__}: {error}"
        remedy = Unavailable(
            N_("the face pack cannot be loaded ({reason})"),
            N_("check its files, or clear {variable} to use the built-in detector"),
            reason=str(error),
            variable=weights.FACE_PACK_VARIABLE,
        )
    return ModelReport(
        FACE_PACK, "faces", "", "", licence, "LICENCE file in the pack's folder",
        weights.NOT_RECORDED,
        "An insightface pack put in by its licence holder. Its detector finds faces to count and "
        "blur; its encoder is opened only under an approved face search. insightface's own packs "
        "are for non-commercial research and are not shipped.",
        state, said, time.perf_counter() - started, remedy,
    )  # fmt: skip


def _broken(card: weights.WeightCard, error: Exception) -> Unavailable:
    return Unavailable(
        N_("model {name} cannot be loaded ({reason})"),
        N_("install {package}=={version} again, and its companions by the list of versions"),
        name=card.name,
        reason=str(error).splitlines()[0] if str(error) else type(error).__name__,
        package=card.package,
        version=card.package_version,
    )


def _wrong(card: weights.WeightCard) -> Unavailable:
    return Unavailable(
        N_("model {name} does not give the expected result of its self-test"),
        N_("install the listed versions of {package}, opencv-python and onnxruntime"),
        name=card.name,
        package=card.package,
    )


def _one_opencv() -> SystemFact:
    twins = [
        name
        for name in ("opencv-python-headless", "opencv-contrib-python")
        if _version(name) is not None
    ]
    remedy = N_("uninstall the second OpenCV and install opencv-python again: both own cv2/")
    return SystemFact(
        "opencv",
        ", ".join([cv2.__version__, *twins]),
        not twins and cv2.__version__.startswith("4."),
        True,
        remedy if twins else "",
    )


def _graphics(run: Callable[[Sequence[str]], str]) -> SystemFact:
    names = run(("nvidia-smi", "--query-gpu=name", "--format=csv,noheader")).strip()
    return SystemFact("graphics processor", names or "-", bool(names), False)


def _fonts(run: Callable[[Sequence[str]], str]) -> SystemFact:
    listed = run(("fc-list", f":charset={_VIETNAMESE_LETTER}", "family")).split("\n")
    families = sorted({line.strip() for line in listed if line.strip()})
    return SystemFact(
        "fonts with Vietnamese letters",
        ", ".join(families[:3]) or "-",
        bool(families),
        False,
        "" if families else N_("apt-get install fonts-dejavu-core"),
    )


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _output_of(command: Sequence[str]) -> str:
    program = shutil.which(command[0])
    if program is None:
        return ""
    try:
        done = subprocess.run(
            [str(Path(program)), *command[1:]],
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""
