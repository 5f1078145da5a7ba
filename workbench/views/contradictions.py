"""One plate on two vehicles? What *Truy vết* says of the chosen plate, and draws of it."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from typing import Any

import pandas as pd
import panel as pn

from workbench.errors import WorkbenchError
from workbench.investigation import Belief, Contradicted, Trace, Workbench, contradictions
from workbench.records import Wording
from workbench.trajectories import ALERT_AT, Contradiction
from workbench.views.belief import share
from workbench.views.map_bridge import WardMap
from workbench.views.page import ASSETS, COMPONENTS_CSS, Visit, html, refusal
from workbench.views.text import Translate, clock

_FIELD_CSS = COMPONENTS_CSS + (ASSETS / "fields.css").read_text(encoding="utf-8")
_MOST_READS = 4


class ContradictionPanel:
    """Evidence for and against in words, and a button that draws the two reads; hidden if none."""

    def __init__(self, visit: Visit, chart: WardMap) -> None:
        self.visit, self.tr, self._chart = visit, visit.tr, chart
        self._found: Contradicted | None = None
        self._said = html("")
        self._draw = pn.widgets.Button(
            label=self.tr("Draw the two reads on the map"), button_type="default",
            stylesheets=[_FIELD_CSS], margin=(0, 0, 6, 0),
        )  # fmt: skip
        self._draw.on_click(lambda _event: self._drawn())
        self.view = pn.Column(
            self._said, self._draw, margin=0, sizing_mode="stretch_width", visible=False
        )

    def clear(self) -> None:
        """Say nothing: another plate was chosen, or its links are still to come."""
        self._found, self.view.visible = None, False

    def show(self, trace: Trace, belief: Belief) -> None:
        """Say what the links of the case make of the plate of a trace."""
        wb, purpose = self.visit.wb, self.visit.selection.purpose
        try:
            found = contradictions(wb, purpose, plate=trace.plate, belief=belief)
        except WorkbenchError as error:
            self._found = None
            self._say(refusal(error, self.tr), drawable=False)
            return
        self._found = found
        self._say(panel_html(found, set(trace.sightings["camera_id"]), self.tr), bool(found.plates))

    def _say(self, said: str, drawable: bool) -> None:
        with pn.io.hold():
            self._said.object = said
            self._draw.visible = drawable
            self.view.visible = bool(said)

    def _drawn(self) -> None:
        if self._found is not None and self._found.plates:
            drawn = layer(self.visit.wb, self._found.plates[0], self._found.sightings)
            self._chart.around(drawn)


def panel_html(found: Contradicted, cameras: Iterable[str], tr: Translate) -> str:
    """Return what is said; empty where no read of the plate contradicts another.

    A clock is named only where it is of one of `cameras`, which the plate was read at.
    """
    near = set(cameras)
    said = "".join(_plate_html(one, found, tr) for one in found.plates)
    doubts = [one for one in found.doubts if one.camera_id in near]
    if doubts:
        said += f"<h3>{escape(tr('A clock may be off'))}</h3>"
        said += _list((one.words() for one in doubts), tr)
    return f'<div class="leg-reasons contradiction">{said}</div>' if said else ""


def _plate_html(one: Contradiction, found: Contradicted, tr: Translate) -> str:
    how = tr("not calibrated")
    if found.calibrated:
        word = tr("alert") if one.probability >= ALERT_AT else tr("weak")
        how = tr("{word}, probability {p}").format(word=word, p=share(one.probability))
    lead = tr("A lead: whose vehicles these are it does not say")
    reads = "".join(f"<li>{escape(text)}</li>" for text in _reads(one, found.sightings))
    return (
        f"<h3>{escape(tr('One plate on two vehicles?'))}</h3>"
        f'<p class="sure">{escape(how)}</p><p class="small muted">{escape(lead)}</p>'
        f"<h4>{escape(tr('Speaks for it'))}</h4>{_list(one.speaks_for, tr)}"
        f"<h4>{escape(tr('Speaks against it'))}</h4>{_list(one.speaks_against, tr)}"
        f"<h4>{escape(tr('Reads that contradict each other'))}</h4><ul>{reads}</ul>"
    )


def _list(words: Iterable[Wording], tr: Translate) -> str:
    rows = "".join(f"<li>{escape(word.sentence(tr))}</li>" for word in words)
    return f"<ul>{rows}</ul>" if rows else f"<p>{escape(tr('nothing'))}</p>"


def _reads(one: Contradiction, rows: pd.DataFrame) -> list[str]:
    named = [name for ride in one.rides for name in (ride.from_id, ride.to_id)]
    return [_read(rows, name) for name in named if name in rows.index][:_MOST_READS]


def _read(rows: pd.DataFrame, name: str) -> str:
    row: Any = rows.loc[name]
    at_ns = pd.Timestamp(row["utc"]).as_unit("ns").value
    return " · ".join([str(row["camera_id"]), clock(at_ns), str(row["plate"] or "")])


def layer(wb: Workbench, one: Contradiction, rows: pd.DataFrame) -> dict[str, Any]:
    """Return what the map draws: the quickest way between the two reads, either end labelled."""
    ride = one.rides[0]
    ends = [(ride.from_camera, ride.from_id), (ride.to_camera, ride.to_id)]
    way = wb.graph.between(ride.from_camera, ride.to_camera)
    places = [wb.camera(camera) for camera, _ in ends]
    line = (
        [[lat, lon] for lon, lat in way.line] if way is not None
        else [[at.lat_deg, at.lon_deg] for at in places]
    )  # fmt: skip
    texts = [_read(rows, name) if name in rows.index else camera for camera, name in ends]
    return {
        "leg": 0,
        "lines": [{"line": line[::-1], "text": texts[0]}, {"line": line, "text": texts[1]}],
        "marks": [],
    }
