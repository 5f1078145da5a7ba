"""A still or a plan with marks that a person begins, drags and moves by arrow keys."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

import numpy as np
import param
from numpy.typing import NDArray
from panel.custom import JSComponent

from workbench.views.footage import jpeg
from workbench.views.page import ASSETS, COMPONENTS_CSS

_QUALITY = 95


class Picks(JSComponent):  # type: ignore[misc]  # Panel is untyped
    """Shows a still, or roads drawn as lines, and marks on it; what a person does to them is told.

    A mark is ``{"id": str, "x": px, "y": px, "label": str}``, with ``to``: another's id, a line is
    drawn to it. ``on_tap`` is called with the pixel of a click beside all marks, ``on_move`` with
    the id of a mark and the pixel that it was moved to. ``roads`` are lists of pixels, ``here`` is
    where a triangle stands, ``view`` what is seen first (left, upper, width). A reader of the
    screen hears ``axes[0] + axes[1] * x, axes[2] + axes[3] * y`` of a mark.
    """

    still = param.String(default="")
    size = param.List(default=[1, 1])
    marks = param.List(default=[])
    words = param.Dict(default={})
    roads = param.List(default=[])
    here = param.List(default=[])
    view = param.List(default=[])
    axes = param.List(default=[0, 1, 0, 1])

    _esm = ASSETS / "picks.js"
    _stylesheets = [COMPONENTS_CSS]  # noqa: RUF012 - Panel reads it from the class

    def __init__(
        self,
        size: tuple[int, int],
        on_tap: Callable[[float, float], None],
        on_move: Callable[[str, float, float], None],
        **params: Any,
    ) -> None:
        self._on_tap, self._on_move = on_tap, on_move
        super().__init__(size=list(size), sizing_mode="stretch_width", margin=0, **params)

    def _handle_msg(self, data: Any) -> None:
        if not isinstance(data, dict):
            return
        x, y = (_within(data.get(one), most) for one, most in zip("xy", self.size, strict=True))
        # only places in the picture and marks that are shown: a message is no other way in
        if x is None or y is None:
            return
        moved = data.get("moved")
        if isinstance(moved, str) and any(one["id"] == moved for one in self.marks):
            self._on_move(moved, x, y)
        elif data.get("tapped") is True:
            self._on_tap(x, y)


def still_of(rgb: NDArray[np.uint8]) -> str:
    """Return a picture (y, x, 3) as :class:`Picks` takes it."""
    return f"data:image/jpeg;base64,{b64encode(jpeg(np.ascontiguousarray(rgb), _QUALITY)).decode()}"


def _within(value: object, most: int) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(value) if 0 <= value <= most else None  # what is no number is not within
