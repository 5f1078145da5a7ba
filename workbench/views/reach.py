"""Where could it be? The panel of *Truy vết* that asks, and what the map then shows.

Sites are told apart by sign as well as colour; roads by how early they can be reached. A question
is asked by a button or a slider that was let go, never by moving about: each is in the log.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import numpy as np
import pandas as pd
import panel as pn

from workbench.errors import N_, WorkbenchError
from workbench.investigation import Whereabouts, Workbench, reach
from workbench.timeline import SECOND_NS, Span
from workbench.trajectories import Assumed, Reached, Window, say
from workbench.views.map_bridge import MapBridge
from workbench.views.page import ASSETS, COMPONENTS_CSS, Visit, html, refusal
from workbench.views.text import Translate, clock, duration

BANDS = 5
MOST_WINDOWS = 8
LONGEST_MIN = 30
SIGNS: Mapping[str, str] = {"seen": "●", "must": "!", "could": "?", "cannot": "×"}
WORDS: Mapping[str, str] = {
    "seen": N_("seen"), "must": N_("must have passed"), "could": N_("could have passed"),
    "cannot": N_("cannot have passed"),
}  # fmt: skip
STATES: Mapping[str, str] = {
    "searched": N_("searched"), "not searched": N_("recorded, not searched"),
    "not recorded": N_("not recorded"),
}  # fmt: skip
_FIELD_CSS = COMPONENTS_CSS + (ASSETS / "fields.css").read_text(encoding="utf-8")


class ReachPanel:
    """Controls, the answer in words, and the layer it lays over the map.

    Parameters
    ----------
    listed
        Gives the sightings that the page lists, by id: from them a later one can be chosen.
    """

    def __init__(
        self, visit: Visit, bridge: MapBridge, listed: Callable[[], Mapping[str, pd.Series]]
    ) -> None:
        self.visit, self.tr, self._bridge, self._listed = visit, visit.tr, bridge, listed
        tr = visit.tr
        self._until = _field(pn.widgets.Select, label=tr("Until"), options={"": ""})
        self._minutes = _field(
            pn.widgets.FloatSlider, label=tr("Minutes after the sighting"), start=0.0,
            end=float(LONGEST_MIN), step=0.25, value=3.0,
        )  # fmt: skip
        self._pace = _field(
            pn.widgets.FloatSlider, label=tr("Fastest, × the speed limit"), start=0.5, end=2.0,
            step=0.05, value=Assumed().pace,
        )  # fmt: skip
        self._stop = _field(
            pn.widgets.IntSlider, label=tr("May have stood, minutes"), start=0, end=60,
            value=round(Assumed().stop_s / 60),
        )  # fmt: skip
        self._ask = pn.widgets.Button(
            label=tr("Where could it be?"), button_type="primary", stylesheets=[_FIELD_CSS],
            margin=(0, 0, 6, 0), disabled=True,
        )  # fmt: skip
        self._said = html(_note(tr("Choose a sighting, then ask"), "empty"))
        self._asked = False
        self._ask.on_click(lambda _event: self._answer())
        for slider in (self._minutes, self._pace, self._stop):
            slider.param.watch(self._again, "value_throttled")
        self._until.param.watch(lambda event: self._whole(event.new), "value")
        visit.selection.param.watch(self._chosen, ["sighting_id", "plate"])
        self.view = pn.Column(
            self._until, self._minutes, self._pace, self._stop, self._ask, self._said,
            margin=0, sizing_mode="stretch_width",
        )  # fmt: skip

    def _chosen(self, _event: object) -> None:
        """Forget the answer: it was about another sighting."""
        chosen, tr, listed = self.visit.selection.sighting_id, self.tr, self._listed()
        self._asked = False
        later = {tr("this sighting alone"): ""}
        if chosen in listed:
            first = listed[chosen]
            text = first["plate"]
            for key, row in listed.items():
                if isinstance(text, str) and row["plate"] == text and row["utc"] > first["utc"]:
                    at_ns = pd.Timestamp(row["utc"]).as_unit("ns").value
                    later[f"{clock(at_ns)} · {row['camera_id']}"] = key
        with pn.io.hold():
            self._until.param.update(options=later, value="")
            self._ask.disabled = chosen not in listed
            self._said.object = _note(tr("Choose a sighting, then ask"), "empty")
            self._bridge.reach = {}

    def _whole(self, until: str) -> None:
        """Between two sightings the slider's zero stands for the whole time between."""
        tr, listed = self.tr, self._listed()
        if until in listed:
            first = listed[self.visit.selection.sighting_id]
            minutes = (listed[until]["utc"] - first["utc"]).total_seconds() / 60
            self._minutes.param.update(
                value=0.0, end=max(minutes, 0.25), step=max(minutes / 40, 0.05),
                label=tr("Instant, minutes after the first; 0: any between"),
            )  # fmt: skip
        else:
            self._minutes.param.update(
                value=3.0, end=float(LONGEST_MIN), step=0.25,
                label=tr("Minutes after the sighting"),
            )  # fmt: skip
        self._again(None)

    def _again(self, _event: object) -> None:
        if self._asked:
            self._answer()

    def _answer(self) -> None:
        wb, tr, selection = self.visit.wb, self.tr, self.visit.selection
        chosen, until = selection.sighting_id, self._until.value
        listed = self._listed()
        if chosen not in listed:
            return
        first_ns = pd.Timestamp(listed[chosen]["utc"]).as_unit("ns").value
        at_ns: int | None = first_ns + round(self._minutes.value * 60 * SECOND_NS)
        if until and not self._minutes.value:
            at_ns = None
        elif until:
            last_ns = pd.Timestamp(listed[until]["utc"]).as_unit("ns").value
            at_ns = min(at_ns or last_ns, last_ns)
        try:
            answer = reach(
                wb, chosen, selection.purpose, until_id=until, at_ns=at_ns,
                assumed=Assumed(pace=self._pace.value, stop_s=60.0 * self._stop.value),
            )  # fmt: skip
        except WorkbenchError as error:
            self._said.object = refusal(error, tr)
            self._bridge.reach = {}
            return
        self._asked = True
        with pn.io.hold():
            self._said.object = told(self.visit, answer)
            self._bridge.reach = layer(wb, answer, tr)


def told(visit: Visit, answer: Whereabouts) -> str:
    """Return the answer as HTML: in a sentence, what to look at, and each site with its reason."""
    tr, found = visit.tr, answer.found
    if not found.feasible:
        said = tr(
            "No way by road is quick enough: {least} s at this pace, {elapsed} s ± {sigma}; "
            "not one vehicle, or a clock is wrong"
        )
        return _note(
            said.format(
                least=f"{found.least_s:.0f}", elapsed=f"{found.elapsed_s:.0f}",
                sigma=f"{found.sigma_s:.1f}",
            ),
            "stop",
        )  # fmt: skip
    count = {v: sum(site.verdict == v for site in found.sites) for v in SIGNS}
    head = ", ".join(f"{SIGNS[v]} {count[v]} {tr(WORDS[v])}" for v in SIGNS if count[v])
    lines = [f'<div class="reach-head">{escape(head)}</div>']
    if found.order is not None and found.order < 0.99:
        order = tr("The clocks leave open which was first: probability {p} as asked").format(
            p=f"{found.order:.2f}"
        )
        lines.append(_note(order, "small stop"))
    lines += [_legend(tr), _looks(visit, answer), _sites(answer, tr)]
    said = "".join(lines)
    return f'<div class="reach-said">{said}</div>'


def _legend(tr: Translate) -> str:
    shades = "".join(f'<i class="band b{band}"></i>' for band in range(BANDS))
    return (
        f'<div class="small muted reach-legend">{shades} '
        f"{escape(tr('dark: can be reached early; light: late'))}</div>"
    )


def _looks(visit: Visit, answer: Whereabouts) -> str:
    """Return the camera-minutes to look at, each with a way into the player where there is one."""
    tr = visit.tr
    basis = (
        tr("by {count} rides of this case").format(count=answer.rides) if answer.rides
        else tr("by the roads alone, turns taken as even; not calibrated")
    )  # fmt: skip
    if answer.found.then is not None:
        basis = tr("by time to spare; not calibrated")
    rows = []
    for one in answer.windows[:MOST_WINDOWS]:
        where = f"{one.camera_id} · {clock(one.span.start_ns)} – {clock(one.span.stop_ns)}"
        address = review_of(visit, one)
        shown = f'<a href="{escape(address)}">{escape(where)}</a>' if address else escape(where)
        share = "< 0.01" if one.share < 0.01 else f"{min(one.share, 0.99):.2f}"
        minutes = duration(one.span.duration_ns / SECOND_NS, tr)
        state = f'<span class="tag {_tag(one)}">{escape(tr(STATES[one.state]))}</span>'
        rows.append(f"<li>{shown} <small>{share} · {escape(minutes)}</small> {state}</li>")
    none = _note(tr("No camera of this case can have seen it"), "small")
    listed = f"<ol>{''.join(rows)}</ol>" if rows else none
    return f"<h4>{escape(tr('Look at next'))}</h4>{_note(basis)}{listed}"


def _tag(one: Window) -> str:
    return {"searched": "plausible", "not searched": "doubtful"}.get(one.state, "")


def _sites(answer: Whereabouts, tr: Translate) -> str:
    order = list(SIGNS)
    rows = []
    for site in sorted(answer.found.sites, key=lambda s: (order.index(s.verdict), s.site_id)):
        if site.verdict == "cannot":
            continue
        said = say(site, tr)
        if count := answer.read_at.get(site.site_id, 0):
            said += "; " + tr("the same plate was read there: {count}").format(count=count)
        elif (absent := answer.absences.get(site.site_id)) is not None:
            said += "; " + tr(
                "not seen ({looked} of the time recorded and searched): {words}"
            ).format(looked=f"{absent.looked:.0%}", words=tr(absent.words))
            if absent.looked > 0:
                said += f" (LR {absent.ratio:.2f}, {tr('not calibrated')})"
        when = (
            "" if site.span is None else f"{clock(site.span.start_ns)} – {clock(site.span.stop_ns)}"
        )
        rows.append(
            f'<li data-verdict="{site.verdict}"><b class="verdict {site.verdict}">'
            f"{SIGNS[site.verdict]}</b> {escape(site.site_id)} <small>{when}</small>"
            f'<span class="sub">{escape(said)}</span></li>'
        )
    return f"<h4>{escape(tr('Sites'))}</h4><ul>{''.join(rows)}</ul>"


def review_of(visit: Visit, one: Window) -> str:
    """Return the address of the player at the first frame of a window; empty where none is kept."""
    wb = visit.wb
    for segment in wb.segments([one.camera_id], one.span):
        cut = wb.utc_span(segment).overlap(one.span)
        if cut is None:
            continue
        index = wb.frame_index(segment)
        ahead_ns = cut.start_ns - wb.utc_span(segment).start_ns
        wanted = segment.pts_at(segment.stamped_start_ns + ahead_ns)
        frame = min(int(np.searchsorted(index.pts, wanted)), len(index) - 1)
        return visit.link("xem-lai", segment=segment.sha256, pts=int(index.pts[frame]))
    return ""


def layer(wb: Workbench, answer: Whereabouts, tr: Translate) -> dict[str, Any]:
    """Return what the map draws: lines in bands of earliest time, and a sign for each site."""
    found = answer.found
    lines = [
        {
            "points": [[lat, lon] for lon, lat in wb.graph.line(p.edge_id, p.start_m, p.stop_m)],
            "band": band_of(found, p.earliest_ns),
            "label": tr("from {start} to {stop}").format(
                start=clock(p.earliest_ns), stop=clock(p.latest_ns)
            ),
        }
        for p in found.parts
        if p.stop_m - p.start_m > 0.5
    ]
    sites = [
        {
            "at": [wb.ward.sites[site.site_id].lat_deg, wb.ward.sites[site.site_id].lon_deg],
            "verdict": site.verdict, "sign": SIGNS[site.verdict],
            "label": f"{site.site_id}: {tr(WORDS[site.verdict])} – {say(site, tr)}",
        }
        for site in found.sites
    ]  # fmt: skip
    return {"lines": lines, "sites": sites}


def band_of(found: Reached, earliest_ns: int) -> int:
    """Return which fifth of the time between an instant lies in, 0 the first."""
    whole = Span(found.first.utc_ns, max(found.until_ns, found.first.utc_ns + 1))
    share = (earliest_ns - whole.start_ns) / whole.duration_ns
    return min(max(int(share * BANDS), 0), BANDS - 1)


def _note(text: str, style: str = "small muted") -> str:
    return f'<div class="{style}">{escape(text)}</div>'


def _field(kind: Any, **params: Any) -> Any:
    params.setdefault("sizing_mode", "stretch_width")
    return kind(stylesheets=[_FIELD_CSS], margin=(0, 8, 6, 0), min_width=80, **params)
