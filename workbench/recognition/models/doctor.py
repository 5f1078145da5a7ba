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

from workbench.errors import N_, BadInput, Refused, Unavailable, WorkbenchError
from workbench.recognition.models import own, samples, weights
from workbench.recognition.models.known import Examiner, SelfTest, one_sentence
from workbench.recognition.types import ModelSettings

State = Literal["ready", "failed", "missing", "altered", "not used"]

CLOCK_SELF_TEST = ("easyocr-craft", "easyocr-english-g2")
_TOGETHER = (
    ("ssd-mobilenet-v2-coco-int8",), ("centerface",), ("faceplugin-fr",),
    ("pp-ocrv6-det-small-int8", "pp-ocrv6-rec-small"), CLOCK_SELF_TEST, ("vn-plates-easyocr",),
)  # fmt: skip
_WITH_TORCH = {*CLOCK_SELF_TEST, "vn-plates-easyocr"}
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


def examine(
    settings: ModelSettings | None = None,
    *,
    clock: bool = True,
    environment: Mapping[str, str] = os.environ,
    operators: Path | None = None,
    on_report: Callable[[ModelReport], None] = lambda report: None,
) -> list[ModelReport]:
    """Load every model of the manifest, show it its known inputs and tell what came of it.

    A missing or altered file, or a model that fails, is a report and never an exception.

    Parameters
    ----------
    clock
        Also load EasyOCR, which reads burnt-in clocks and, with our own network, lines of plates;
        it takes 10 s and torch.
    operators
        ``ROOT/models``: the operator's models in it are examined too, used or not.
    on_report
        Called with each report as it comes, for showing progress.
    """
    settings = replace(settings or ModelSettings(), own=())
    cards, examiner = weights.read_manifest(), Examiner(settings)
    reports: list[ModelReport] = []
    for names in _TOGETHER:
        if clock or not set(names) & _WITH_TORCH:
            for report in _examine_together([cards[name] for name in names], examiner):
                on_report(report)
                reports.append(report)
    pack = _examine_pack(settings, environment)
    on_report(pack)
    reports.append(pack)
    for name in own.own_names(operators) if operators else ():
        assert operators is not None
        report = examine_own(operators, name, examiner)
        on_report(report)
        reports.append(report)
    return reports


def examine_own(folder: Path, name: str, examiner: Examiner) -> ModelReport:
    """Report on an operator's model: manifest, files, self-test; none of it raises."""
    try:
        card = own.read_own(folder, name)
    except WorkbenchError as problem:
        return ModelReport(
            name, "", f"{folder.name}/{name}", "", weights.NOT_RECORDED, "", "", "", "failed",
            "its manifest cannot be used", 0.0, problem,
        )  # fmt: skip
    (report,) = _examine_together([card], examiner)
    if report.ok and not card.licence_named:
        return replace(report, remedy=unlicensed(card))
    return report


def unlicensed(card: weights.WeightCard) -> Refused:
    """Return why a model without a named licence is not switched on."""
    return Refused(
        N_("model {name} names no licence"),
        N_("write into its manifest under which licence you use it, and where that is stated"),
        where=str(card.folder or ""),
        name=card.name,
    )


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


def _examine_together(cards: Sequence[weights.WeightCard], examiner: Examiner) -> list[ModelReport]:
    """Report on models that only work together, each with its own files and licence."""
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
    return [_examine_one(state, examiner) for state in states]


def _examine_one(status: weights.WeightStatus, examiner: Examiner) -> ModelReport:
    card, remedy = status.card, None
    started = time.perf_counter()
    try:
        result = examiner.self_test(card)
    except WorkbenchError as problem:
        result, remedy = SelfTest(False, str(problem)), problem
    except Exception as error:  # noqa: BLE001 - a broken installation must become a report
        result = SelfTest(False, f"{type(error).__name__}: {error}")
        remedy = one_sentence(card, error) if card.folder else _broken(card, error)
    else:
        remedy = None if result.passed else _wrong(card)
    seconds = time.perf_counter() - started
    state: State = "ready" if result.passed else "failed"
    return _report(status, state, result.said, seconds, remedy)


def _report(
    status: weights.WeightStatus,
    state: State,
    said: str,
    seconds: float,
    remedy: WorkbenchError | None,
) -> ModelReport:
    card = status.card
    return ModelReport(
        card.name, card.task, card.package or _lies_in(card), status.installed_version,
        card.licence, card.licence_source, card.training_data, card.card, state, said, seconds,
        remedy,
    )  # fmt: skip


def _lies_in(card: weights.WeightCard) -> str:
    return f"{card.folder.parent.name}/{card.name}" if card.folder else "models/"


def _test_pack(pack: weights.FacePack, settings: ModelSettings) -> SelfTest:
    """Test both networks of a pack; one without an encoder still finds faces to blur."""
    from workbench.recognition.faces.encoder import known_scores  # as late as in loading.py
    from workbench.recognition.faces.finding import open_face_finder

    find = open_face_finder(None, pack=pack.folder, min_score=settings.face_min_score)
    counts = [
        0 if picture is None else len(find(picture, None))
        for picture in (samples.grey_field(), samples.portrait())
    ]
    passed = counts == [0, 1]
    said = f"{counts[0]} faces in a grey field; {counts[1]} in a portrait"
    try:
        like, unlike = known_scores(pack)
    except Unavailable as lacks:
        return SelfTest(passed, f"{said}; {lacks.what.format(**lacks.fields)}")
    said += f"; {like:.2f} between a portrait and its mirror image, {unlike:.2f} upside down"
    return SelfTest(passed and like > 0.6 and unlike < 0.4, said)


def _examine_pack(
    settings: ModelSettings,
    environment: Mapping[str, str],
) -> ModelReport:
    started = time.perf_counter()
    licence, said = "-", ""
    state: State = "not used"
    remedy: WorkbenchError | None = None
    try:
        pack = weights.face_pack(settings.face_pack)
        if pack is None and environment.get(weights.FACE_PACK_VARIABLE):
            # once it named a pack: whoever still sets it must not think that it does
            remedy = BadInput(
                N_("{variable} is not read any more"),
                N_("put the pack into ROOT/models and switch it on: workbench models use"),
                variable=weights.FACE_PACK_VARIABLE,
            )
        if pack is not None:
            licence = pack.licence
            result = _test_pack(pack, settings)
            state, said = ("ready" if result.passed else "failed"), result.said
    except Unavailable as problem:
        state, said, remedy = "missing", "", problem
    except Exception as error:  # noqa: BLE001 - a broken pack must become a report
        state, said = "failed", f"{type(error).__name__}: {error}"
        remedy = Unavailable(
            N_("the face pack cannot be loaded ({reason})"),
            N_("check its files"),
            reason=str(error),
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
        N_("see what it said, and whether its manifest expects the right thing")
        if card.folder
        else N_("install the listed versions of {package}, opencv-python and onnxruntime"),
        name=card.name,
        package=card.package or "models/",
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
