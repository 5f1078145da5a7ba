"""A button for each search of the officer's own that goes on: it asks once, then ends the search.

Nobody ends somebody else's search from a page; whoever runs the machine does, by the command line.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import panel as pn

from workbench.errors import WorkbenchError
from workbench.investigation import Workbench
from workbench.views.text import Translate, clock

_ASSETS = Path(__file__).parent / "assets"
_CSS = "\n".join(
    (_ASSETS / name).read_text(encoding="utf-8") for name in ("components.css", "fields.css")
)
# as high as the strip of progress that they stand in
_CSS += """
:host *:not(.mono) { font-family: var(--font); }
:host .bk-btn-group .bk-btn.bk-btn { height: 20px; padding: 0 8px; font-size: 11.5px; }
"""


class CancelOwn:
    """The buttons, and what was pressed of them; ``row`` is empty while nothing can be ended."""

    def __init__(self, wb: Workbench, tr: Translate) -> None:
        self._wb, self._tr = wb, tr
        self.row = pn.Row(margin=(0, 16, 0, 0), visible=False, align="center")
        self._asked: set[str] = set()
        self._ended: set[str] = set()
        self._shown: list[tuple[str, str]] = []
        self.refresh()

    def refresh(self) -> None:
        """Show what can be ended now; called every few seconds."""
        own = {run.run_id: run for run in self._wb.runs() if run.actor == self._wb.actor}
        states = [(run_id, self._state(run_id)) for run_id in own]
        if states == self._shown:
            return
        self._shown = states
        parts = [
            part
            for run_id, state in states
            for part in self._parts(run_id, state, clock(own[run_id].started_ns))
        ]
        with pn.io.hold():
            self.row[:] = parts
            self.row.visible = bool(parts)

    def _state(self, run_id: str) -> str:
        return "ended" if run_id in self._ended else "asked" if run_id in self._asked else ""

    def _parts(self, run_id: str, state: str, began: str) -> list[Any]:
        tr = self._tr
        if state == "ended":
            return [_said(tr("The search of {time} ends; what it found is kept"), began)]
        if not state:
            text = tr("Cancel the search of {time}").format(time=began)
            return [_button(text, partial(self._press, self._asked.add, run_id))]
        return [
            _said(tr("End the search of {time}? What it found is kept"), began),
            _button(tr("End it"), partial(self._end, run_id), "primary"),
            _button(tr("Let it go on"), partial(self._press, self._asked.discard, run_id)),
        ]

    def _press(self, change: Callable[[str], None], run_id: str) -> None:
        change(run_id)
        self.refresh()

    def _end(self, run_id: str) -> None:
        self._asked.discard(run_id)
        try:
            self._wb.stop_runs(run_id)
            self._ended.add(run_id)
        except WorkbenchError as error:  # it was over meanwhile
            said = escape(error.sentence(self._tr))
            self.row[:] = [_shown(said)]
            self._shown = [(run_id, "over")]
            return
        self.refresh()


def _said(text: str, began: str) -> Any:
    return _shown(escape(text.format(time=began)))


def _shown(markup: str) -> Any:
    said = f'<span class="small">{markup}</span>'
    return pn.pane.HTML(said, css_classes=["house"], stylesheets=[_CSS], margin=(4, 0, 0, 0))


def _button(text: str, press: Callable[[], None], kind: str = "default") -> Any:
    button = pn.widgets.Button(
        label=text, button_type=kind, stylesheets=[_CSS], margin=(3, 0, 2, 12)
    )
    button.on_click(lambda _event: press())
    return button
