"""Lines of plates read by our own network, trained on drawn plates and loaded through EasyOCR.

It reads nothing but plates, at a third of what a network for all text costs; its answer is the
same lattice of signs, so that :class:`~workbench.recognition.plates.reader.TextPlateReader` takes
either.
"""

from __future__ import annotations

import importlib
import math
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from workbench.recognition.models import weights
from workbench.recognition.models.easyocr_door import import_easyocr
from workbench.recognition.plates.text import SIGNS, Sign, collapse, straighten
from workbench.recognition.types import RGB

CARD = "vn-plates-easyocr"
"""Name of the network in the list of models."""

NETWORK = "vn_plates"
"""Name of the network's three files: ``.py``, ``.yaml``, ``.pth``."""


class EasyLineReader:
    """Reads lines of plates, with a probability for each sign; takes the place of ``LineReader``.

    Loading takes seconds and 400 MB, most of it torch: open it once a process. Not for several
    threads at a time.

    Parameters
    ----------
    graph
        ``vn_plates.pth``, its two other files beside it: EasyOCR runs ``vn_plates.py``.
    """

    def __init__(self, graph: Path) -> None:
        easyocr = import_easyocr()
        inner: Any = importlib.import_module("easyocr.easyocr")
        folder, others_height_px = str(graph.parent), inner.imgH
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a state dict read without weights_only: ours, hashed
            reader = easyocr.Reader(
                ["en"],
                gpu=False,
                recog_network=NETWORK,
                user_network_directory=folder,
                model_storage_directory=folder,
                download_enabled=False,
                detector=False,
                quantize=False,
                verbose=False,
            )
        # EasyOCR keeps the height of a user's network for every reader of the process, and the
        # clock's English network would be given lines half as high as it was trained on.
        self._height_px, inner.imgH = int(inner.imgH), others_height_px
        self._torch: Any = importlib.import_module("torch")
        self._torch.set_num_threads(1)
        self._utils: Any = importlib.import_module("easyocr.utils")
        self._recognition: Any = importlib.import_module("easyocr.recognition")
        self._network = reader.recognizer.eval()
        self._alphabet = ["", *reader.converter.character[1:]]
        self._class_of_sign = {
            sign: [self._alphabet.index(sign)] for sign in SIGNS if sign in self._alphabet
        }

    def __call__(self, picture: RGB, corners: NDArray[np.float32]) -> tuple[Sign, ...]:
        """Return the signs of a line given by its corners, left to right."""
        return self.many(picture, [corners])[0]

    def many(self, picture: RGB, lines: Sequence[NDArray[np.float32]]) -> list[tuple[Sign, ...]]:
        """Return the signs of several lines, those of like width read together.

        A line reads the same whichever lines it is read with.
        """
        alike: dict[int, list[int]] = defaultdict(list)
        images = []
        for number, corners in enumerate(lines):
            image = self._prepared(straighten(picture, corners))
            images.append(image)
            alike[math.ceil(image.shape[1] / self._height_px)].append(number)
        found: list[tuple[Sign, ...]] = [()] * len(images)
        for heights, numbers in alike.items():
            steps = self._steps([images[number] for number in numbers], heights)
            for number, chances in zip(numbers, steps, strict=True):
                found[number] = collapse(chances, self._alphabet, self._class_of_sign)
        return found

    def _prepared(self, strip: RGB) -> NDArray[np.uint8]:
        """Return a line in grey, as high as the network wants it, the way EasyOCR makes it."""
        grey = cv2.cvtColor(strip, cv2.COLOR_RGB2GRAY)
        if grey.shape[0] > grey.shape[1]:
            # taller than wide is no line; EasyOCR would lay it on its side
            square: NDArray[np.uint8] = cv2.resize(grey, (self._height_px, self._height_px))
            return square
        box = [0, grey.shape[1], 0, grey.shape[0]]
        found, _ = self._utils.get_image_list([box], [], grey, model_height=self._height_px)
        image: NDArray[np.uint8] = found[0][1]
        return image

    def _steps(self, images: list[NDArray[np.uint8]], heights: int) -> NDArray[np.float32]:
        pad = self._recognition.NormalizePAD((1, self._height_px, heights * self._height_px))
        torch = self._torch
        with torch.inference_mode():
            batch = torch.stack([pad(image) for image in images])
            chances: NDArray[np.float32] = self._network(batch, None).softmax(2).numpy()
        return chances


def open_easy_line_reader(cards: Mapping[str, weights.WeightCard] | None = None) -> EasyLineReader:
    """Return the reader on the network of the list of models, its files checked.

    Raises
    ------
    Unavailable, Damaged
        As :func:`workbench.recognition.models.weights.locate`.
    BadInput
        When EasyOCR cannot be loaded.
    """
    card = (cards or weights.read_manifest())[CARD]
    # all three: one of them is code that EasyOCR runs
    paths = {key: weights.locate(card, key) for key in card.files}
    return EasyLineReader(paths["weights"])
