"""A table of typed cells that a person can choose a row of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import param
from panel.custom import JSComponent

from workbench.views.page import ASSETS, COMPONENTS_CSS

Cell = str | dict[str, Any] | None


class Rows(JSComponent):  # type: ignore[misc]  # Panel is untyped
    """Rows of text, plates, pictures and marks; a click or Enter calls `on_choose` with the key.

    A row is ``{"key": str, "cells": [...], "class": str}``; a cell is text or a dict made by
    :func:`image`, :func:`plate` or :func:`marked`.
    """

    columns = param.List(default=[])
    rows = param.List(default=[])
    chosen = param.String(default="")
    empty = param.String(default="")

    _esm = ASSETS / "rows.js"
    _stylesheets = [COMPONENTS_CSS]  # noqa: RUF012 - Panel reads it from the class

    def __init__(self, on_choose: Callable[[str], None] | None = None, **params: Any) -> None:
        self._on_choose = on_choose
        super().__init__(sizing_mode="stretch_width", margin=0, **params)

    def _handle_msg(self, data: Any) -> None:
        key = data.get("chosen") if isinstance(data, dict) else None
        # only keys that were shown: a message is no way to ask for anything else
        if isinstance(key, str) and any(row.get("key") == key for row in self.rows):
            self.chosen = key
            if self._on_choose is not None:
                self._on_choose(key)


def image(src: str, alt: str) -> Cell:
    """Return a cell that shows a picture."""
    return {"kind": "image", "src": src, "alt": alt}


def marked(text: str, mark: str = "", *, sub: str = "") -> Cell:
    """Return a cell of text in a named style, with a smaller line under it."""
    return {"text": text, "class": mark, "sub": sub}


def plate(
    text: str, differing: Sequence[int] = (), *, approximate: bool = False, title: str = "",
    sub: str = "",
) -> Cell:  # fmt: skip
    """Return a cell that draws a plate; `differing` are the signs (letters, digits) to mark.

    >>> [part["text"] for part in plate("99A-12", [2])["parts"]]
    ['99', 'A', '-12']
    """
    parts: list[dict[str, str]] = []
    sign = 0
    for letter in text:
        differs = (title or "≠") if letter.isalnum() and sign in differing else ""
        if parts and parts[-1]["differs"] == differs == "":
            parts[-1]["text"] += letter
        else:
            parts.append({"text": letter, "differs": differs})
        sign += letter.isalnum()
    return {
        "kind": "plate", "parts": parts, "approximate": approximate, "title": title, "sub": sub,
    }  # fmt: skip
