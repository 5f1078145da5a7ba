"""Buttons that hand a trace over as a file for other maps; each is asked of the case and logged."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from io import BytesIO
from typing import Any

import panel as pn

from workbench.errors import WorkbenchError
from workbench.investigation import Trace, trace_bytes
from workbench.views.page import ASSETS, COMPONENTS_CSS, Visit, refusal

_CSS = COMPONENTS_CSS + (ASSETS / "fields.css").read_text(encoding="utf-8")
_CSS += """
:host { width: auto; }
:host a.bk-btn { height: 22px; padding: 1px 8px; font-size: 11.5px; text-decoration: none; }
"""
ENDINGS = {"geojson": "GeoJSON", "gpkg": "GeoPackage", "kml": "KML"}


class SaveTrace:
    """A button a format; ``row`` is empty while there is no trace with sightings."""

    def __init__(self, visit: Visit, say: Callable[[str], None]) -> None:
        self._visit, self._say = visit, say
        self._trace: Trace | None = None
        self.row = pn.Row(
            *(self._button(ending, name) for ending, name in ENDINGS.items()),
            margin=0, visible=False,
        )  # fmt: skip

    def offer(self, trace: Trace) -> None:
        """Hand this trace over from now on."""
        self._trace = trace
        signs = "".join(sign for sign in trace.plate if sign.isalnum())
        for button, ending in zip(self.row, ENDINGS, strict=True):
            button.filename = f"{signs}.{ending}"
        self.row.visible = len(trace.sightings) > 0

    def withdraw(self) -> None:
        """Hand nothing over until another trace is there."""
        self._trace, self.row.visible = None, False

    def _button(self, ending: str, name: str) -> Any:
        return pn.widgets.FileDownload(
            callback=partial(self._file, ending), filename=f"trace.{ending}",
            label=self._visit.tr("Save as {format}").format(format=name), button_type="default",
            auto=True, embed=False, stylesheets=[_CSS], margin=(0, 6, 4, 0), icon=None,
        )  # fmt: skip

    def _file(self, ending: str) -> BytesIO:
        visit = self._visit
        if self._trace is None:
            return BytesIO()
        try:
            purpose = visit.selection.purpose
            data = trace_bytes(visit.wb, self._trace, ending, purpose, translate=visit.tr)
        except WorkbenchError as error:  # the case was closed or narrowed meanwhile
            self._say(refusal(error, visit.tr))
            return BytesIO(error.sentence(visit.tr).encode())
        return BytesIO(data)
