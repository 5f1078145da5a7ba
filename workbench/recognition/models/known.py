"""What a model makes of known inputs: its self-test, and what an exchange would change in them."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workbench.errors import N_, BadInput, WorkbenchError
from workbench.recognition.clock import overlay
from workbench.recognition.models import loading, own, samples, weights
from workbench.recognition.passes.appearance import open_likeness
from workbench.recognition.plates.easy_reader import open_easy_line_reader
from workbench.recognition.plates.reader import TextPlateReader
from workbench.recognition.plates.text import TextFinder
from workbench.recognition.types import RGB, ModelSettings
from workbench.records import Box

_ROUNDED = 3

Answer = Callable[[str], Any]
"""From a known input's name to what a model says of it, as JSON holds it."""

DRAWN: Mapping[str, tuple[str, ...]] = {
    "objects": (
        "grey-field", "portrait", "portrait~small", "portrait~dark", "portrait~mirrored",
        "portrait~blurred", "car:red", "plate", "clock",
    ),
    "faces": (
        "grey-field", "portrait", "portrait~small", "portrait~dark", "portrait~mirrored",
        "portrait~blurred", "plate", "portrait+portrait~mirrored", "portrait+portrait~upside-down",
    ),
    "text reading": (
        "grey-field", "portrait", "clock", "plate:99-B1/123.45", "plate:99-B1/123.45~dark",
        "plate:99-B1/123.45~small", "plate:99-B1/123.45~blurred", "plate:51F-678.90",
        "plate:51F-678.90~small", "plate:30A-246.81", "plate:59-X3/456.78", "plate:29-H7/780.15",
        "plate:36-F5/009.34", "plate:80A-135.79~blurred", "plate:15-G1/262.17~dark",
    ),
    "vehicle likeness": (
        "car:red+car:red~dark", "car:red+car:red~mirrored", "car:red+car:red~small",
        "car:red+car:blue", "car:red+car:white", "car:blue+car:white",
    ),
}  # fmt: skip
"""The drawn part of the regression set, by slot."""


@dataclass(frozen=True, slots=True)
class SelfTest:
    """Whether a model said what it must of its known inputs, and what it said, in words."""

    passed: bool
    said: str


@dataclass(frozen=True, slots=True)
class DrawnChange:
    """What two models say of one drawn input, as JSON text; empty where there was none before."""

    input: str
    before: str
    after: str
    changed: bool


class Examiner:
    """Shows known inputs to the models in use, each opened once. Not for several threads.

    Parameters
    ----------
    settings
        With what is switched on; the models of a list are examined in its company.
    """

    def __init__(self, settings: ModelSettings) -> None:
        self._settings = settings
        self.cards = own.cards_in_use(settings)
        self._opened: dict[tuple[str, str], Answer] = {}
        self._clock_reader: overlay.TextReader | None = None

    def self_test(self, card: weights.WeightCard) -> SelfTest:
        """Show a model its own known inputs.

        What cannot be shown here, for want of the package that carries it, does not count.
        """
        said, passed = [], True
        for known in card.self_tests:
            found = self.answer(card, known.input)
            passed &= found is None or agrees(found, known.expected, known.tolerance)
            said.append(f"{known.input}: {'-' if found is None else _text(found)}")
        return SelfTest(passed, "; ".join(said))

    def answer(self, card: weights.WeightCard, name: str, *, task: str = "") -> Any:
        """Return what a model says of a known input; None where that is not here.

        Parameters
        ----------
        task
            What it is asked for, where that is not its own task but that of the slot it takes.

        Raises
        ------
        WorkbenchError
            Where the model or the input is missing, altered or unknown.
        """
        key = task or card.task, card.name
        if key not in self._opened:
            self._opened[key] = _OPENERS[key[0]](self, card)
        return self._opened[key](name)

    def cost_ms(
        self, card: weights.WeightCard, names: Sequence[str], *, task: str, rounds: int = 3
    ) -> float:
        """Return the CPU milliseconds an input takes, the quickest of some rounds over all."""
        taken = []
        for _ in range(rounds):
            began = time.thread_time()
            for name in names:
                self.answer(card, name, task=task)
            taken.append(time.thread_time() - began)
        return round(1000 * min(taken) / len(names), 2)

    def picture(self, card: weights.WeightCard, name: str) -> RGB | None:
        """Return a known picture: a drawn one, or one of the model's own files."""
        if name in card.files:
            from workbench.recognition.evaluate import read_picture

            return read_picture(weights.locate(card, name))
        return samples.known(name)

    def _objects(self, card: weights.WeightCard) -> Answer:
        detect = loading.open_detector(card, self._settings)
        return self._of(card, lambda picture: [[d.kind, _round(d.score)] for d in detect(picture)])

    def _faces(self, card: weights.WeightCard) -> Answer:
        # insightface costs more than a second to import; programs that only search need none of it
        from workbench.recognition.faces.encoder import known_scores
        from workbench.recognition.faces.finding import open_face_finder

        pack = weights.FacePack(card.folder, card.licence) if card.folder else None
        for key in card.files:
            weights.locate(card, key)
        graph = None if pack else weights.locate(card, "graph")
        find = open_face_finder(
            graph,
            pack=pack.folder if pack else None,
            min_score=self._settings.face_min_score,
            max_side_px=self._settings.face_max_side_px,
        )
        plain = self._of(card, lambda picture: {"faces": len(find(picture, None))})
        with_encoder = pack is None or "encoder" in card.files
        pairs = _pairs(lambda: known_scores(pack)) if with_encoder else lambda _name: None
        return lambda name: pairs(name) if "+" in name else plain(name)

    def _compared(self, card: weights.WeightCard) -> Answer:
        from workbench.recognition.faces.encoder import known_scores

        weights.locate(card, "graph")
        return _pairs(lambda: known_scores(None))

    def _lines(self, card: weights.WeightCard) -> Answer:
        s = self._settings
        find = TextFinder(
            weights.locate(card, "graph"),
            max_side_px=s.plate_max_side_px, min_side_px=s.plate_min_side_px,
        )  # fmt: skip
        return self._of(card, lambda picture: {"lines": len(find(picture))})

    def _plates(self, card: weights.WeightCard) -> Answer:
        cards = self.cards | {own.SLOTS["text reading"].shipped: card}
        alone = replace(self._settings, plate_reader="pp-ocr")  # what is asked about, no other
        read: TextPlateReader = loading.plate_reader(cards, alone)
        return self._of(
            card,
            lambda picture: {"plates": [one.text or "unread" for one in read(picture, None)]},
        )

    def _plate_lines(self, card: weights.WeightCard) -> Answer:
        read = open_easy_line_reader(self.cards | {card.name: card})

        def line(picture: RGB) -> dict[str, str]:
            signs = read(picture, _middle(picture))
            return {"text": "".join(sign.char for sign in signs if sign.candidates)}

        return self._of(card, line)

    def _clock(self, card: weights.WeightCard) -> Answer:
        reader = self._clock_reader = self._clock_reader or overlay.open_clock_reader()

        def read(picture: RGB) -> dict[str, str]:
            found = overlay.read_clock(picture, reader)
            if found is None:
                return {"clock": ""}
            day = f"{found.year:04}-{found.month:02}-{found.day:02}"
            return {"clock": f"{day}T{found.hour:02}:{found.minute:02}:{found.second:02}"}

        return self._of(card, read)

    def _likeness(self, card: weights.WeightCard) -> Answer:
        like = open_likeness(weights.locate(card, "graph"))

        def score(name: str) -> float | None:
            pictures = [self.picture(card, part) for part in name.split("+")]
            if len(pictures) != 2:
                raise BadInput(
                    N_("'{name}' is no pair of known inputs"), N_("write it like A+B"), name=name
                )
            one, other = (
                None if picture is None else like(picture, _whole(picture), "car")
                for picture in pictures
            )
            return None if one is None or other is None else _round(float(one @ other))

        return score

    def _of(self, card: weights.WeightCard, say: Callable[[RGB], Any]) -> Answer:
        def answer(name: str) -> Any:
            picture = self.picture(card, name)
            return None if picture is None else say(picture)

        return answer


_OPENERS: Mapping[str, Callable[[Examiner, weights.WeightCard], Answer]] = {
    "objects": Examiner._objects,
    "faces": Examiner._faces,
    "face comparison": Examiner._compared,
    "text lines": Examiner._lines,
    "text reading": Examiner._plates,
    "plate lines": Examiner._plate_lines,
    "clock text lines": Examiner._clock,
    "clock text reading": Examiner._clock,
    "vehicle likeness": Examiner._likeness,
}


def _pairs(scores: Callable[[], tuple[float, float]]) -> Answer:
    """Return the answers to the two pairs of the one known portrait."""
    places = {"portrait+portrait~mirrored": 0, "portrait+portrait~upside-down": 1}

    def answer(name: str) -> float:
        if name not in places:
            raise BadInput(
                N_("faces are compared on {names} alone"), name=name, names=", ".join(places)
            )
        return _round(scores()[places[name]])

    return answer


def agrees(found: Any, expected: Any, tolerance: float) -> bool:
    """Tell whether an answer is what was expected, its numbers within a tolerance.

    >>> agrees([["person", 0.81]], [["person", 0.8]], 0.02), agrees({"a": 1}, {"a": 2}, 0.5)
    (True, False)
    """
    if isinstance(expected, bool) or isinstance(found, bool):
        return found is expected
    if isinstance(expected, int | float) and isinstance(found, int | float):
        return math.isfinite(found) and abs(found - expected) <= tolerance + 1e-9
    if isinstance(expected, list) and isinstance(found, list):
        same = len(expected) == len(found)
        return same and all(agrees(f, e, tolerance) for f, e in zip(found, expected, strict=True))
    if isinstance(expected, dict) and isinstance(found, dict):
        same = expected.keys() == found.keys()
        return same and all(agrees(found[key], expected[key], tolerance) for key in expected)
    return bool(found == expected)


def drawn_changes(
    names: Iterable[str], before: Answer | None, after: Answer, *, tolerance: float = 0.1
) -> list[DrawnChange]:
    """Return what two models say of drawn inputs; a number counts as changed beyond `tolerance`.

    >>> drawn_changes(["a"], lambda _: [], lambda _: [["car", 0.9]])[0].changed
    True
    """
    found = []
    for name in names:
        old, new = before(name) if before else None, after(name)
        same = before is not None and agrees(new, old, tolerance)
        found.append(DrawnChange(name, _text(old) if before else "", _text(new), not same))
    return found


def one_sentence(card: weights.WeightCard, error: Exception) -> WorkbenchError:
    """Return what a library says of a model it cannot run as one sentence of ours."""
    if isinstance(error, WorkbenchError):
        return error
    return BadInput(
        N_("model {name} cannot be used ({reason})"),
        N_("see that it has the inputs and outputs of the one it stands for"),
        where=str(card.folder or ""),
        name=card.name,
        reason=str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__,
    )


def _middle(picture: RGB) -> NDArray[np.float32]:
    """Return the corners of what a drawn plate of one line holds within its edge."""
    height, width = picture.shape[:2]
    (left, right), (top, bottom) = (width * 0.27, width * 0.73), (height * 0.31, height * 0.69)
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], np.float32)


def _whole(picture: RGB) -> Box:
    return Box(0.0, 0.0, float(picture.shape[1]), float(picture.shape[0]))


def _round(number: float) -> float:
    return round(float(number), _ROUNDED)


def _text(said: Any) -> str:
    return json.dumps(said, ensure_ascii=False)
