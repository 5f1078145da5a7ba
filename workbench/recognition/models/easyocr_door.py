"""The one place where EasyOCR is imported: for burnt-in clocks, and for our network for plates."""

from __future__ import annotations

import functools
import importlib
import sys
from typing import Any

from workbench.errors import N_, BadInput


def import_easyocr() -> Any:
    """Import easyocr; declare the two torchvision operators that a CPU-less build lacks.

    torchvision 0.28 beside a CPU build of torch has no compiled part and dies on import asking for
    ``nms``; easyocr never calls it. Where the operators exist this does nothing.
    """
    try:
        importlib.import_module("torchvision")
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        _declare_operators()
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        importlib.import_module("torchvision")
    try:
        return importlib.import_module("easyocr")
    except ImportError as error:
        raise BadInput(
            N_("EasyOCR cannot be loaded ({reason})"),
            N_("install easyocr==1.7.2 and torch==2.13.0"),
            reason=str(error),
        ) from error


@functools.cache
def _declare_operators() -> Any:
    """Declare ``nms`` and ``qnms`` to torch; they live as long as the object returned does."""
    import torch

    library = torch.library.Library("torchvision", "DEF")
    library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    library.define("qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return library
